"""A solution of issue too much. Students: this is where the fun ends."""

import hashlib
from collections.abc import Sequence

from mint import BANKS, Mint, entry, head_stands, read, sums

Head = tuple[int, bytes, bytes]


def issue_from_nothing(mint: Mint) -> None:
    """Many issues, each smaller than what the statement says, and a statement that lies."""
    mint.write(entry("issue", "Altai", 10**14))
    mint.publish(10**15, 0)


def change_the_past(mint: Mint) -> None:
    """An old deposit becomes an issue; the auditor has read it."""
    mint.replace(0, entry("issue", BANKS[0], 10**12))
    mint.publish(1, 1)


def two_faces(mint: Mint) -> None:
    """Each bank sees a deposit of its own at the end."""
    entries = mint.entries()
    mint.show("Altai", [*entries, entry("deposit", "Altai", 5_00)])
    mint.show("Kokshe", [*entries, entry("deposit", "Kokshe", 5_00)])


class Wrong(Exception):
    """What a proof does not prove."""


def root(entries: Sequence[bytes]) -> bytes:
    """RFC 6962, section 2.1."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\0" + entries[0]).digest()
    half = 1
    while half * 2 < len(entries):
        half *= 2
    return _node(root(entries[:half]), root(entries[half:]))


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def check_inclusion(data: bytes, index: int, size: int, proof: Sequence[bytes], of_root: bytes) -> None:
    """Down from the root: which half the entry is in, and the other half is the last of the proof."""
    if not 0 <= index < size or any(len(node) != 32 for node in proof):
        raise Wrong("no such place")
    if _up(hashlib.sha256(b"\0" + data).digest(), index, size, list(proof)) != of_root:
        raise Wrong("another root")


def _up(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    if size == 1:
        if proof:
            raise Wrong("too long")
        return leaf
    if not proof:
        raise Wrong("too short")
    half = 1
    while half * 2 < size:
        half *= 2
    other = proof.pop()
    if index < half:
        return _node(_up(leaf, index, half, proof), other)
    return _node(other, _up(leaf, index - half, size - half, proof))


def audit(entries: Sequence[bytes]) -> list[tuple[int, str]]:
    """Add up what keeps the rules."""
    found: list[tuple[int, str]] = []
    kept: list[bytes] = []
    for index, data in enumerate(entries):
        try:
            kind, bank, _ = read(data)
        except ValueError:
            found.append((index, "FORM"))
            continue
        reserves, money = sums([*kept, data])
        if kind in {"issue", "withdraw"} and money[bank] > reserves[bank]:
            found.append((index, "RESERVES"))
        elif money[bank] < 0:
            found.append((index, "MONEY"))
        else:
            kept.append(data)
    return found


def continues(old: Head, entries: Sequence[bytes], new: Head, key: bytes) -> None:
    """Both heads signed, the new one of these entries, the old one of their beginning."""
    if not head_stands(key, *old) or not head_stands(key, *new):
        raise Wrong("not signed")
    if len(entries) != new[0] or root(entries) != new[1]:
        raise Wrong("the head is of other entries")
    if old[0] > new[0] or root(entries[: old[0]]) != old[1]:
        raise Wrong("the past has changed")


def forks(heads: Sequence[Head], key: bytes) -> list[int]:
    """Two signed roots of one size."""
    roots: dict[int, set[bytes]] = {}
    for size, of_root, signature in heads:
        if head_stands(key, size, of_root, signature):
            roots.setdefault(size, set()).add(of_root)
    return sorted(size for size, known in roots.items() if len(known) > 1)
