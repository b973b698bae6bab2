"""Vectors of encrypted channels: both suites, both sides, and what each refuses."""

from collections.abc import Iterator
from typing import Any

from cbdc import canonical
from offline.channel import P256, SUITES, X25519, Inviter, Joiner
from tests.offline.world import fixed_bytes
from tests.vectors.case import Case, case
from tests.vectors.channel_check import Given

_KEY_SECRET_BYTES = {X25519: 32, P256: 40}
_LOW_ORDER = bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")


def make() -> dict[str, Any]:
    """The file channel.json."""
    return {
        "origin": "DTO/1, section 5.15: encrypted channels; RFC 7748, RFC 5869, NIST SP 800-38D",
        "schema": {
            "channel": "the bytes take the place `place` in a channel whose `side` has these `secrets`; the other "
            "messages are as given; of a record also `plain` and the comparison `code`; `before` was opened first",
            "secrets": "key: the private key (X25519), or 40 bytes of which the private number is mod (n - 1) + 1",
        },
        "context": {},
        "cases": [one for suite in SUITES for one in _cases(suite)],
    }


class _Pair:
    """Two sides with fixed secrets, and everything they said."""

    def __init__(self, suite: int) -> None:
        self.suite = suite
        self.secrets = {side: _secrets(f"channel {suite} {side}", suite) for side in ("inviter", "joiner")}
        inviter = Inviter(Given(self.secrets["inviter"]), b"", suite)
        joiner = Joiner(Given(self.secrets["joiner"]), b"", inviter.engagement)
        self.engagement, self.answer = inviter.engagement, joiner.answer
        self.reveal, self.near = inviter.accept(joiner.answer)
        self.far = joiner.finish(self.reveal)

    def case(
        self, id: str, what: str, side: str, step: str, data: bytes, expect: str = "ok", **more: Any
    ) -> Case:
        """One case."""
        said = {"engagement": self.engagement, "answer": self.answer, "reveal": self.reveal}
        name = "p256" if self.suite == P256 else "x25519"
        fields = {
            "side": side,
            "place": step,
            "suite": self.suite,
            "secrets": self.secrets[side],
            **said,
            **more,
        }
        return case(f"{id}-{name}", what, "channel", data, expect, **fields)


def _secrets(name: str, suite: int) -> dict[str, str]:
    sizes = {"key": _KEY_SECRET_BYTES[suite], "nonce": 32, "service": 16}
    return {label: fixed_bytes(f"{name} {label}", size).hex() for label, size in sizes.items()}


def _cases(suite: int) -> Iterator[Case]:
    pair = _Pair(suite)
    code = {"code": pair.near.code}
    hello, more, back = pair.near.seal(b"hello"), pair.near.seal(b"more"), pair.far.seal(b"")
    yield pair.case("record-1", "the payee's first record", "joiner", "record", hello, plain=b"hello", **code)
    yield pair.case(
        "record-2", "and its second", "joiner", "record", more, plain=b"more", before=[hello], **code
    )
    yield pair.case(
        "record-back", "an empty record of the payer", "inviter", "record", back, plain=b"", **code
    )
    for id, what, side, data, expect, before in (
        ("replay", "a record twice", "joiner", hello, "E_CHANNEL_ORDER", [hello]),
        ("early", "the second record first", "joiner", more, "E_CHANNEL_ORDER", []),
        ("reflected", "the payee's own record comes back", "inviter", hello, "E_CHANNEL_SEAL", []),
        ("bent", "one bit of the text changed", "joiner", _bent(hello, 5), "E_CHANNEL_SEAL", []),
        ("bent-tag", "one bit of the tag changed", "joiner", _bent(hello, -1), "E_CHANNEL_SEAL", []),
        ("number", "another number before the same text", "joiner", _bent(hello, 3), "E_CHANNEL_SEAL", []),
        ("cut", "a record without its last byte", "joiner", hello[:-1], "E_CHANNEL_SEAL", []),
        ("nothing", "no record at all", "joiner", b"", "E_CHANNEL_SEAL", []),
    ):
        yield pair.case(id, what, side, "record", data, expect, before=before)
    yield from _bad_messages(pair)


def _bad_messages(pair: _Pair) -> Iterator[Case]:
    engagement: Any = canonical.decode(pair.engagement)
    answer: Any = canonical.decode(pair.answer)
    size = len(answer[1])
    zero, other = bytes(size), bytes(65 - size)
    yield pair.case("engagement", "an engagement", "joiner", "engagement", pair.engagement)
    yield pair.case("answer", "its answer", "inviter", "answer", pair.answer)
    yield pair.case("reveal", "its reveal", "joiner", "reveal", pair.reveal)
    for id, what, key in (
        ("zero-key", "a key of zeros", zero),
        ("other-suite", "a key of the other suite", other),
    ):
        changed = canonical.encode([*engagement[:3], key, engagement[4]])
        yield pair.case(f"engagement-{id}", what, "joiner", "engagement", changed, "E_CHANNEL_KEY")
        changed = canonical.encode([49, key, answer[2]])
        yield pair.case(f"answer-{id}", what, "inviter", "answer", changed, "E_CHANNEL_KEY")
    # Only the engagement is judged: the reveal that belongs to it is another.
    recommitted = canonical.encode([*engagement[:4], bytes(32)])
    yield pair.case("engagement-commitment", "another commitment", "joiner", "engagement", recommitted)
    short = engagement[3][:-1], answer[1][:-1]
    changed = canonical.encode([*engagement[:3], short[0], engagement[4]])
    what = "a key without its last byte"
    yield pair.case("engagement-short-key", what, "joiner", "engagement", changed, "E_CHANNEL_KEY")
    changed = canonical.encode([49, short[1], answer[2]])
    yield pair.case("answer-short-key", what, "inviter", "answer", changed, "E_CHANNEL_KEY")
    if pair.suite == X25519:
        low = canonical.encode([49, _LOW_ORDER, answer[2]])
        yield pair.case("answer-low-order", "a key of small order", "inviter", "answer", low, "E_CHANNEL_KEY")
    uncommitted = canonical.encode([50, bytes(32)])
    yield pair.case(
        "uncommitted", "a nonce nobody committed to", "joiner", "reveal", uncommitted, "E_CHANNEL_KEY"
    )
    for id, what, step, data, expect in (
        ("suite-3", "an unknown suite", "engagement", [48, 3, *engagement[2:]], "E_FIELD"),
        ("number-47", "another message", "engagement", [47, *engagement[1:]], "E_FIELD"),
        ("short", "a field too few", "engagement", engagement[:4], "E_FIELD"),
        (
            "service-15",
            "a service of 15 bytes",
            "engagement",
            [48, pair.suite, bytes(15), *engagement[3:]],
            "E_FIELD",
        ),
        ("commitment-31", "a commitment of 31 bytes", "engagement", [*engagement[:4], bytes(31)], "E_FIELD"),
        ("key-number", "a number for a key", "engagement", [*engagement[:3], 0, engagement[4]], "E_TYPE"),
        ("bare", "a number", "engagement", 48, "E_TYPE"),
        ("short-nonce", "a nonce of 31 bytes", "reveal", [50, bytes(31)], "E_FIELD"),
        ("no-nonce", "a number for a nonce", "reveal", [50, 0], "E_TYPE"),
    ):
        yield pair.case(id, what, "joiner", step, canonical.encode(data), expect)
    yield pair.case(
        "trailing", "bytes after the answer", "inviter", "answer", pair.answer + b"\0", "E_DECODE"
    )
    yield pair.case("long", "a longer message", "joiner", "engagement", bytes(257), "E_SIZE")


def _bent(record: bytes, place: int) -> bytes:
    changed = bytearray(record)
    changed[place] ^= 1
    return bytes(changed)
