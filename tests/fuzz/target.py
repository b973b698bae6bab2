"""What a target of the fuzzer is: seeds, a way to run one input, and what must hold whatever the input was.

`run` gives the code of the refusal or "ok". It raises `Broken` when the implementation did something that no input may
make it do; any exception outside the family of `TengeError` is a failure too, and the engine counts it as one.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cbdc.errors import TengeError
from tests.fuzz.mutation import Keyring, Mutator, is_envelope, opened, packed
from tests.vectors import case


class Broken(AssertionError):
    """Something that must hold does not."""


def expect(holds: bool, what: str) -> None:
    """Raise `Broken` unless it holds."""
    if not holds:
        raise Broken(what)


@dataclass
class Target:
    """One door of the protocol. `play` takes the bytes; what it refuses, it refuses with a `TengeError`.

    `fresh` makes the target's world; `play` gets that world, which lives for `every` inputs, or fewer when inputs are
    accepted and so change it.
    """

    name: str
    seeds: Sequence[bytes]
    play: Callable[[Any, bytes], None]
    fresh: Callable[[], Any] = lambda: None
    keyring: Keyring | None = None
    finish: Callable[[list[Any], random.Random], None] | None = None
    every: int = 1_000
    _world: Any = field(default=None, repr=False)
    _left: int = 0

    def __post_init__(self) -> None:
        self.mutator = Mutator(self.keyring, self.seeds, self.finish)

    def renew(self) -> None:
        """The next input finds a new world."""
        self._left = 0

    def prepare(self) -> None:
        """Make a new world, if the old one has seen enough."""
        if self._left <= 0:
            self._world, self._left = self.fresh(), self.every

    def run(self, data: bytes) -> str:
        """The word "ok" or the code of the refusal; raises `Broken`, or whatever the implementation let slip."""
        self.prepare()
        self._left -= 1
        try:
            self.play(self._world, data)
        except TengeError as error:
            return error.code
        except BaseException:
            self.renew()
            raise
        self._left -= self.every // 25
        return "ok"


def envelopes_in(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Every envelope in a message, at any depth, as (type, body, signature)."""
    yield from _inside(opened(data))


def _inside(tree: Any) -> Iterator[tuple[int, bytes, bytes]]:
    if is_envelope(tree):
        yield tree[0], packed(list(tree[1])), tree[2]
    if isinstance(tree, list):
        for item in tree:
            yield from _inside(item)


Envelope = tuple[int, bytes, bytes]


def check_signed(data: bytes, keyring: Keyring, genuine: frozenset[Envelope] = frozenset()) -> None:
    """Whatever was accepted is, part by part, what the owner of a key really signed, or one of the `genuine`."""
    for type_number, body, signature in envelopes_in(data):
        signed = (type_number, body, signature) in genuine or keyring.vouches(type_number, body, signature)
        expect(signed, f"an object of type {type_number} was accepted that nobody signed: {body.hex()}")


@lru_cache(maxsize=16)
def vectors(name: str) -> tuple[tuple[str, bytes, str], ...]:
    """(check, bytes, expected answer) of every vector of a file; nothing when there is no such file."""
    if not (case.FOLDER / f"{name}.json").exists():
        return ()
    return tuple(
        (one["check"], bytes.fromhex(one["bytes"]), one["expect"]) for one in case.load(name)["cases"]
    )
