"""The journal's entries and the Merkle log over them.

An entry is `[index, time, transaction bytes]`; its leaf is SHA-256(0x00 || entry). Inner nodes are
SHA-256(0x01 || left || right), split as in RFC 6962, so how commits are grouped never changes a leaf or the tree. A
**head** is `[size, root, time]` signed by the ledger's key; a **receipt** is the place of one transaction and the
head that covers it. Anyone with the ledger's public key can check that a receipt is in the log (inclusion) and that a
later head continues an earlier one (consistency).

Entry 0 is the **genesis**: ROOT, its certificates, and the policy (limits per tier) signed by ROOT. Its leaf is like
any other, so every head commits to who is trusted and to which limits hold.

Source: RFC 6962, section 2.1.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import msgspec

from cbdc import canonical, clause
from cbdc.authority import LEDGER, Auth, Authority, Root, open_root
from cbdc.clause import period_number
from cbdc.errors import Malformed, Refused
from cbdc.record import (
    AMOUNT,
    HASH,
    MOMENT,
    ONLINE_DOMAIN,
    Group,
    Items,
    Kind,
    Record,
    Signed,
    Text,
    Unsigned,
    open_envelope,
)

GENESIS_VERSION = 1
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class TierLimits:
    """What the holders of one tier may hold, pay at once, and pay in a day; tiyn, 0 for no limit."""

    tier: int
    holding_limit_tiyn: int
    payment_limit_tiyn: int
    day_limit_tiyn: int


MONTH = 1
YEAR = 2
PERIOD_NAMES = {MONTH: "month", YEAR: "year"}


@dataclass(frozen=True, slots=True)
class Policy(Record):
    """The limits of this ledger: [[tier, holding, payment, day]...], and where a day begins (seconds after UTC).

    `periods` adds what the holders of a tier may pay in a calendar month or year: [[tier, MONTH or YEAR, tiyn]...].
    """

    label: str
    tiers: tuple[tuple[int, int, int, int], ...]
    day_offset_seconds: int
    periods: tuple[tuple[int, int, int], ...] = ()

    TYPE: ClassVar[int] = 80
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        Text(),
        Items(Group((Unsigned(0, 255), Unsigned(), Unsigned(), Unsigned())), most=64),
        Unsigned(0, 86_399),
        Items(Group((Unsigned(0, 255), Unsigned(MONTH, YEAR), AMOUNT)), most=64),
    )

    def limits(self, tier: int) -> TierLimits:
        """The limits of a tier; E_TIER when the policy has none."""
        return _limits_of(self.tiers, tier)

    def day(self, now: int) -> int:
        """The number of the day that `now` falls in."""
        return (now + self.day_offset_seconds) // 86_400

    def period(self, kind: int, now: int) -> int:
        """The number of the calendar month (year x 12 + month - 1) or year that `now` falls in."""
        return period_number(clause.MONTH if kind == MONTH else clause.YEAR, now + self.day_offset_seconds)


@lru_cache(maxsize=1_024)
def _limits_of(tiers: tuple[tuple[int, int, int, int], ...], tier: int) -> TierLimits:
    for row in tiers:
        if row[0] == tier:
            return TierLimits(*row)
    raise Refused("E_TIER", tier=tier)


@dataclass(frozen=True, slots=True)
class Genesis:
    """Entry 0, opened and verified: the authority and the policy everything after it is judged by."""

    authority: Authority
    policy: Policy

    @property
    def network(self) -> bytes:
        """The network id, 8 bytes."""
        return self.authority.network

    def verify_head(self, head: "Signed[LogHead]") -> None:
        """Return if a ledger's key, certified at the head's own time, signed it; raise E_SIG otherwise."""
        refusal = Refused("E_SIG", kid=b"")
        for auth in self.authority.with_role(LEDGER):
            if auth.not_before <= head.record.time <= auth.expires:
                try:
                    head.verify(auth.key)
                except Refused as error:
                    refusal = error
                    continue
                return
        raise refusal


def make_genesis(root: Signed[Root], auths: list[Signed[Auth]], policy: Signed[Policy]) -> bytes:
    """The bytes of entry 0's payload."""
    return canonical.encode(
        [GENESIS_VERSION, root.envelope(), [auth.envelope() for auth in auths], policy.envelope()]
    )


def open_genesis(payload: bytes) -> Genesis:
    """The genesis in `payload`, every signature verified from ROOT; decoding errors, E_VERSION, E_KEY or E_SIG."""
    values: list[Any] = canonical.decode_array(payload)
    if len(values) != 4:
        raise Malformed("E_FIELD", field="genesis", problem=f"{len(values)} items, not 4")
    if values[0] != GENESIS_VERSION or type(values[0]) is not int:
        raise Malformed("E_VERSION", version=str(values[0])[:20], expected=GENESIS_VERSION)
    root = open_root(values[1])
    if not isinstance(values[2], list):
        raise Malformed("E_TYPE", type=f"auths: {type(values[2]).__name__}")
    authority = Authority(root, values[2])
    policy = open_envelope(values[3], Policy, authority.network)
    policy.verify(root.record.key)
    return Genesis(authority, policy.record)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal: its index, the virtual time it was accepted, and the transaction's bytes."""

    index: int
    time: int
    payload: bytes

    def encode(self) -> bytes:
        """The canonical bytes that the leaf hashes."""
        return canonical.encode([self.index, self.time, self.payload])


def entry_writer(time: int) -> Callable[[int, bytes], bytes]:
    """A function of index and payload that gives what `Entry(index, time, payload).encode()` gives, for one moment.

    E_RANGE or E_LENGTH for what an entry cannot hold.
    """
    moment, encode = canonical.encode(time), msgspec.msgpack.Encoder().encode

    def write(index: int, payload: bytes) -> bytes:
        if not 0 <= index <= canonical.MAX_INTEGER or len(payload) > canonical.MAX_LENGTH:
            return Entry(index, time, payload).encode()
        return b"\x93" + encode(index) + moment + encode(payload)

    return write


def open_entry(data: bytes) -> Entry:
    """The entry in `data`; decoding errors, E_FIELD or E_TYPE otherwise."""
    values = canonical.decode_array(data)
    index, time, payload = Group((Unsigned(), MOMENT, _Payload())).load(values, "entry")
    return Entry(index, time, payload)


@dataclass(frozen=True, slots=True)
class _Payload:
    def load(self, value: object, name: str) -> bytes:
        if type(value) is not bytes:
            raise Malformed("E_TYPE", type=f"{name}: {type(value).__name__}")
        return value


@dataclass(frozen=True, slots=True)
class LogHead(Record):
    """The log's signed size and root at a moment."""

    size: int
    root: bytes
    time: int

    TYPE: ClassVar[int] = 81
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (Unsigned(1), HASH, MOMENT)


# Nobody changes one; a frozen class takes twice as long to fill, and the writer fills one for every transfer.
@dataclass(slots=True, unsafe_hash=True)
class Receipt:
    """An accepted transaction: its id, its place in the journal, when, and a signed head that covers it."""

    transaction_id: bytes
    index: int
    time: int
    head: Signed[LogHead]


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\0" + entry).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


EMPTY_ROOT = hashlib.sha256(b"").digest()


ReadLeaves = Callable[[int, int], bytes]
"""The leaf hashes from a place up to (not including) another, one behind the other."""
_LOW_LEVELS = 8
_BLOCK = 1 << _LOW_LEVELS
KEPT_LEAVES = 8_192
_BLOCKS_MOST = 32


class _Level(NamedTuple):
    """The complete nodes of one level side by side, without the first `dropped` of them."""

    dropped: int
    nodes: bytearray


class MerkleLog:
    """An append-only Merkle tree over leaf hashes, kept as levels of complete nodes side by side.

    Alone it keeps every node: 64 bytes a leaf. With `leaves`, which reads leaf hashes again, it keeps the levels below
    the eighth for the last leaves only (between `KEPT_LEAVES` and twice that, and what came at once), so that a leaf
    costs a quarter of a byte. For an older place it reads the 256 leaves of that place's block, computes their subtree
    and compares it with the node that it kept: E_LEDGER_DAMAGED when the leaves are no longer the same ones.

    One thread adds; others may ask meanwhile for proofs below the size they know.
    """

    def __init__(self, leaves: ReadLeaves | None = None) -> None:
        self._levels: list[_Level] = [_Level(0, bytearray())]
        self._leaves = leaves
        self._blocks: dict[int, list[bytes]] = {}

    @property
    def size(self) -> int:
        """How many leaves."""
        lowest = self._levels[0]
        return lowest.dropped + len(lowest.nodes) // _HASH_BYTES

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash at the end."""
        self._drop()
        node, level = leaf, 0
        while True:
            row = self._nodes(level)
            row += node
            if len(row) % (2 * _HASH_BYTES):
                return
            # The two last nodes stand together: what they make is the hash of both.
            node, level = hashlib.sha256(b"\1" + row[-2 * _HASH_BYTES :]).digest(), level + 1

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add leaf hashes at the end, level by level; the same tree as appending one after the other."""
        self.extend_joined(b"".join(leaves))

    def extend_joined(self, leaves: bytes) -> None:
        """Add leaf hashes at the end, given one behind the other."""
        self._drop()
        new, level, sha256 = leaves, 0, hashlib.sha256
        while new:
            row = self._nodes(level)
            # The last node stands alone if it has no sister yet: it makes a pair with the first new one.
            start = len(row) - len(row) % (2 * _HASH_BYTES)
            row += new
            stop = len(row) - len(row) % (2 * _HASH_BYTES)
            pairs = bytes(row[start:stop])
            new = b"".join(
                [
                    sha256(b"\1" + pairs[place : place + 2 * _HASH_BYTES]).digest()
                    for place in range(0, stop - start, 2 * _HASH_BYTES)
                ]
            )
            level += 1

    def _nodes(self, level: int) -> bytearray:
        if level == len(self._levels):
            self._levels.append(_Level(0, bytearray()))
        return self._levels[level].nodes

    def _drop(self) -> None:
        """Before leaves are added, forget what can be read again; whoever reads a level now keeps the old one."""
        lowest = self._levels[0]
        if self._leaves is None or len(lowest.nodes) < 2 * KEPT_LEAVES * _HASH_BYTES:
            return
        first = (self.size - KEPT_LEAVES) // _BLOCK * _BLOCK
        for level in range(_LOW_LEVELS):
            dropped, nodes = self._levels[level]
            now = first >> level
            self._levels[level] = _Level(now, nodes[(now - dropped) * _HASH_BYTES :])

    def truncate(self, size: int) -> None:
        """Forget every leaf from `size` on: what a failed commit added. Never more than was added at once."""
        assert self._levels[0].dropped <= size <= self.size
        for level, row in enumerate(self._levels):
            del row.nodes[((size >> level) - row.dropped) * _HASH_BYTES :]

    def copy(self) -> "MerkleLog":
        """The same log, to be continued in another way."""
        other = MerkleLog(self._leaves)
        other._levels = [_Level(dropped, bytearray(nodes)) for dropped, nodes in self._levels]
        return other

    def leaf(self, index: int) -> bytes:
        """The leaf hash at `index`."""
        return self._at(0, index)

    def _at(self, level: int, place: int) -> bytes:
        row = self._levels[level]
        if place < row.dropped:
            return self._read(level, place)
        start = (place - row.dropped) * _HASH_BYTES
        return bytes(row.nodes[start : start + _HASH_BYTES])

    def _read(self, level: int, place: int) -> bytes:
        """A node below the eighth level that was dropped, out of its block of leaves."""
        number = place >> (_LOW_LEVELS - level)
        block = self._blocks.get(number)
        if block is None:
            block = self._block(number)
            if len(self._blocks) >= _BLOCKS_MOST:
                self._blocks.clear()
            self._blocks[number] = block
        start = (place - (number << (_LOW_LEVELS - level))) * _HASH_BYTES
        return block[level][start : start + _HASH_BYTES]

    def _block(self, number: int) -> list[bytes]:
        """The levels below the eighth over one block of leaves, read again; E_LEDGER_DAMAGED when they have changed."""
        assert self._leaves is not None
        whole = MerkleLog()
        whole.extend_joined(self._leaves(number * _BLOCK, (number + 1) * _BLOCK))
        if whole.size != _BLOCK or whole.root() != self._at(_LOW_LEVELS, number):
            raise Refused("E_LEDGER_DAMAGED", entries=self.size)
        return [bytes(row.nodes) for row in whole._levels]

    def _range(self, start: int, stop: int) -> bytes:
        """The root of the leaves start..stop-1, where start is a multiple of the largest power of two in the range."""
        count = stop - start
        if count & (count - 1) == 0:
            level = count.bit_length() - 1
            return self._at(level, start >> level)
        half = 1 << ((count - 1).bit_length() - 1)
        return _node(self._range(start, start + half), self._range(start + half, stop))

    def root(self, size: int | None = None) -> bytes:
        """The root over the first `size` leaves (all by default)."""
        size = self.size if size is None else size
        assert 0 <= size <= self.size
        return self._range(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The proof that leaf `index` is in the tree of `size` leaves, lowest node first."""
        assert 0 <= index < size <= self.size
        return self._path(index, 0, size)

    def _path(self, index: int, start: int, stop: int) -> list[bytes]:
        count = stop - start
        if count == 1:
            return []
        half = 1 << ((count - 1).bit_length() - 1)
        if index < half:
            return [*self._path(index, start, start + half), self._range(start + half, stop)]
        return [*self._path(index - half, start + half, stop), self._range(start, start + half)]

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the tree of `new` leaves continues the tree of `old` leaves (RFC 6962, 2.1.2)."""
        assert 0 < old <= new <= self.size
        return self._subproof(old, 0, new, True)

    def _subproof(self, old: int, start: int, stop: int, whole: bool) -> list[bytes]:
        count = stop - start
        if old == count:
            return [] if whole else [self._range(start, stop)]
        half = 1 << ((count - 1).bit_length() - 1)
        if old <= half:
            return [*self._subproof(old, start, start + half, whole), self._range(start + half, stop)]
        return [*self._subproof(old - half, start + half, stop, False), self._range(start, start + half)]


def check_inclusion(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> None:
    """Return if `proof` shows that `leaf` stands at `index` in the log of `size` leaves with this root.

    Raises E_LOG_PROOF otherwise. Source: RFC 9162, section 2.1.3.2.
    """
    refusal = Refused("E_LOG_PROOF", index=index, size=size)
    if not 0 <= index < size:
        raise refusal
    place, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0 or len(sibling) != _HASH_BYTES:
            raise refusal
        if place % 2 or place == last:
            node = _node(sibling, node)
            while place % 2 == 0 and place:
                place >>= 1
                last >>= 1
        else:
            node = _node(node, sibling)
        place >>= 1
        last >>= 1
    if last != 0 or node != root:
        raise refusal


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: list[bytes]) -> None:
    """Return if `proof` shows that the log of size `new` continues the log of size `old`.

    Raises E_LOG_PROOF otherwise. Source: RFC 9162, section 2.1.4.2.
    """
    refusal = Refused("E_LOG_PROOF", index=old, size=new)
    if not 0 < old <= new or any(len(node) != _HASH_BYTES for node in proof):
        raise refusal
    if old == new:
        if proof or old_root != new_root:
            raise refusal
        return
    if not proof:
        raise refusal
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    place, last = old - 1, new - 1
    while place % 2:
        place >>= 1
        last >>= 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise refusal
        if place % 2 or place == last:
            first, second = _node(sibling, first), _node(sibling, second)
            while place % 2 == 0 and place:
                place >>= 1
                last >>= 1
        else:
            second = _node(second, sibling)
        place >>= 1
        last >>= 1
    if last != 0 or first != old_root or second != new_root:
        raise refusal
