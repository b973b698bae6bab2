"""What a process that reads ahead of a fold does: take entries apart, hash them, and verify what was signed.

A process knows no state. Of each entry of a chunk it computes the leaf, and says either what the plain transfer in it
spends and creates, or a number whose bits say which signatures stand. A plain transfer is said only if the entry is the
one that belongs in its place, stands under its own id and leaf, and **every** signature in it stands (unless nobody
asked for signatures). Key ids are hashes of keys and are asked to be, so no key that is given can stand for another.

The process reads messages from its standard input and answers on its standard output, each with its length before it:
first the settings, then chunks. It ends when its input does.
"""

import gc
import hashlib
import queue
import signal
import sys
import threading
from collections.abc import Sequence
from typing import IO, Any

import msgspec

from cbdc.errors import TengeError
from cbdc.keys import PublicKey, key_id, standing
from cbdc.ledger.entry import LogHead
from cbdc.ledger.entry_form import PlainEntry, common_entry, parts_of, plain_entry
from cbdc.ledger.signed_form import standing_bits
from cbdc.record import ONLINE_DOMAIN, open_envelope, signing_message
from cbdc.transaction import Transfer

SELDOM = 100_000
MOST_KEYS = 65_536
"""How many keys a process remembers; then it forgets all of them, and is given again what it needs."""

HASH_BYTES = 32
_HEADER_BYTES = 4
_ID_PREFIX = ONLINE_DOMAIN + bytes([Transfer.TYPE])
_SIGNED_PREFIX = signing_message(ONLINE_DOMAIN, Transfer.TYPE, b"")

Brief = tuple[tuple[int, ...], tuple[bytes, ...], tuple[int, ...], tuple[int, ...], int]
"""A plain transfer, all of whose signatures stand: its signers, the packed state keys of what it spends, payees,
amounts, and their sum. Signers and payees are places in the chunk's list of key ids."""

Said = Brief | int
"""What is said of an entry: a plain transfer, or the bits of the signatures that stand (0: nothing is known)."""


class Settings(msgspec.Struct, array_like=True):
    """What a process is told once: the network, the algorithms and keys that the genesis names, what to verify.

    `ledger` are the keys that may sign heads, each with the first and the last moment of a head.
    """

    network: bytes
    certified: list[tuple[int, bytes]]
    ledger: list[tuple[int, bytes, int, int]]
    signatures: bool


class Task(msgspec.Struct, array_like=True, tag="entries"):
    """A chunk: the place of its first entry, its bytes, ids and leaves as they are kept (joined), and new keys.

    `keys` are (algorithm, key) by key id; with `forget` those of earlier chunks count no more.
    """

    start: int
    datas: list[bytes]
    ids: bytes
    leaves: bytes
    keys: dict[bytes, tuple[int, bytes]]
    forget: bool


class Heads(msgspec.Struct, array_like=True, tag="heads"):
    """Envelopes of heads, to be opened and verified."""

    envelopes: list[bytes]


class Answer(msgspec.Struct, array_like=True):
    """What is said of a chunk: leaves as computed (joined), places whose kept leaf is another one, times, key ids.

    The time of an entry that could not be read is 0, and 0 is said of it.
    """

    leaves: bytes
    odd: list[int]
    times: list[int]
    kids: list[bytes]
    said: list[Said]


OpenedHead = tuple[int, bytes, int] | None
"""Size, root and time of a head that the ledger signed; None for one about which something is not plainly right."""


_Asked = tuple[int, PlainEntry, bytes]
"""A plain transfer whose signatures are to be verified: its place in the chunk, itself, and its id."""

_encode = msgspec.msgpack.Encoder().encode
_decode_settings = msgspec.msgpack.Decoder(Settings).decode
_decode_task = msgspec.msgpack.Decoder(Task | Heads).decode


class Reader:
    """The work itself, wherever it is done."""

    def __init__(self, settings: Settings) -> None:
        self._network = settings.network
        self._ledger = [
            (PublicKey(algorithm, raw), first, last) for algorithm, raw, first, last in settings.ledger
        ]
        self._certified = {key_id(*key): PublicKey(*key) for key in settings.certified}
        self._signatures = settings.signatures
        self._keys = dict(self._certified)

    def read(self, task: Task) -> Answer:
        """What is to be said of a chunk."""
        self._learn(task)
        sha256 = hashlib.sha256
        leaves = [
            sha256(b"\0" + data).digest() for data in task.datas
        ]  # `leaf_hash`, without a call for each
        joined = b"".join(leaves)
        odd = [] if joined == task.leaves else _odd(leaves, task.leaves)
        said: list[Said] = [0] * len(leaves)
        times = [0] * len(leaves)
        asked = self._plain(task, said, times)
        if odd:
            asked = [one for one in asked if one[0] not in odd]
        kids: dict[bytes, int] = {}
        number_of = kids.setdefault
        unsigned = self._unsigned(asked) if self._signatures else {}
        for place, (_, _, _, spends, payees, amounts, witnesses), _ in asked:
            if unsigned and place in unsigned:
                said[place] = unsigned[place]
                continue
            said[place] = (
                tuple([number_of(kid, len(kids)) for kid, _ in witnesses]),
                spends,
                tuple([number_of(kid, len(kids)) for kid in payees]),
                amounts,
                sum(amounts),
            )
        return Answer(joined, odd, times, list(kids), said)

    def _unsigned(self, asked: Sequence[_Asked]) -> dict[int, int]:
        """By place the bits of the signatures that stand, of transfers of which not all do."""
        key_of = self._keys.get
        questions = [
            (key_of(kid), signature, _SIGNED_PREFIX + identity)
            for _, entry, identity in asked
            for kid, signature in entry[6]
        ]
        standing_at = standing(questions)
        if len(standing_at) == len(questions):
            return {}
        found: dict[int, int] = {}
        stand, first = set(standing_at), 0
        for place, entry, _ in asked:
            count = len(entry[6])
            bits = sum(1 << number for number in range(count) if first + number in stand)
            if bits != (1 << count) - 1:
                found[place] = bits
            first += count
        return found

    def heads(self, task: Heads) -> list[OpenedHead]:
        """What the heads say that a ledger's key, certified at their own time, has signed."""
        return [self._head(envelope) for envelope in task.envelopes]

    def _head(self, envelope: bytes) -> OpenedHead:
        try:
            head = open_envelope(envelope, LogHead, self._network)
        except TengeError:
            return None
        time = head.record.time
        message = signing_message(LogHead.DOMAIN, LogHead.TYPE, head.oid)
        for key, first, last in self._ledger:
            if first <= time <= last:
                try:
                    key.judge(head.signature, message)
                except TengeError:
                    continue
                return head.record.size, head.record.root, time
        return None

    def _plain(self, task: Task, said: list[Said], times: list[int]) -> list[_Asked]:
        """Plain transfers in their place and under their own ids; of everything else what is said."""
        # All are read before any is verified: a processor does many of a kind faster than one of each in turn.
        asked: list[_Asked] = []
        prefix, sha256, ids = _ID_PREFIX + self._network, hashlib.sha256, task.ids
        for place, data in enumerate(task.datas):
            entry = common_entry(data)
            if entry is None:
                parts = parts_of(data)
                if parts is None or parts[0] != task.start + place:
                    continue
                times[place] = parts[1]
                entry = plain_entry(parts)
                if entry is None:
                    if self._signatures:
                        said[place] = standing_bits(parts[2], self._network, self._keys.get)
                    continue
            elif entry[0] != task.start + place:
                continue
            times[place] = entry[1]
            identity = sha256(prefix + entry[2]).digest()
            if identity == ids[place * HASH_BYTES : (place + 1) * HASH_BYTES]:
                asked.append((place, entry, identity))
        return asked

    def _learn(self, task: Task) -> None:
        if task.forget:
            self._keys = dict(self._certified)
        for kid, key in task.keys.items():
            if key_id(*key) == kid:
                self._keys[kid] = PublicKey(*key)


def _odd(leaves: Sequence[bytes], kept: bytes) -> list[int]:
    return [
        place
        for place, leaf in enumerate(leaves)
        if leaf != kept[place * HASH_BYTES : (place + 1) * HASH_BYTES]
    ]


# --- a process ---


def send(pipe: IO[bytes], message: bytes) -> None:
    """Write a message with its length before it; `OSError` when nobody reads any more."""
    pipe.write(len(message).to_bytes(_HEADER_BYTES, "big") + message)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """The next message; None when there is no whole one any more."""
    header = pipe.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES:
        return None
    size = int.from_bytes(header, "big")
    message = pipe.read(size)
    return message if len(message) == size else None


def encoded(message: Any) -> bytes:
    """A message's bytes."""
    return _encode(message)


def serve(incoming: IO[bytes], outgoing: IO[bytes]) -> None:
    """The life of a process: its settings, a word that it is ready, and then an answer for each chunk."""
    first = receive(incoming)
    if first is None:
        return
    reader = Reader(_decode_settings(first))
    send(outgoing, b"")
    # Another thread takes what comes, so that whoever writes never waits for one that writes to him.
    waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_take, args=(incoming, waiting), daemon=True).start()
    while (message := waiting.get()) is not None:
        try:
            task = _decode_task(message)
            send(outgoing, _encode(reader.heads(task) if isinstance(task, Heads) else reader.read(task)))
        except OSError:
            return


def _take(incoming: IO[bytes], waiting: "queue.SimpleQueue[bytes | None]") -> None:
    message: bytes | None = b""
    while message is not None:
        try:
            message = receive(incoming)
        except (OSError, ValueError):
            message = None
        waiting.put(message)


def main() -> None:
    """A process on its standard input and output. Ctrl-C is for whoever started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    gc.set_threshold(SELDOM)
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
