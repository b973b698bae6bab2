"""The tree of the journal and its proofs (ledger/2, "The tree" and "Proofs")."""

from collections.abc import Sequence
from hashlib import sha256


def leaf_of(data: bytes) -> bytes:
    """The leaf of an entry."""
    return sha256(b"\0" + data).digest()


def node_of(left: bytes, right: bytes) -> bytes:
    """A node of the tree."""
    return sha256(b"\1" + left + right).digest()


class Tree:
    """All leaves of a journal, with the roots over any first part of them."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.levels: list[list[bytes]] = [list(leaves)]
        while len(self.levels[-1]) > 1:
            low = self.levels[-1]
            self.levels.append([node_of(low[i], low[i + 1]) for i in range(0, len(low) - 1, 2)])

    def root(self, size: int) -> bytes:
        """The root over the first ``size`` leaves."""
        return self._range(0, size)

    def _range(self, start: int, size: int) -> bytes:
        """The root over ``size`` leaves from ``start``, a multiple of a large power of two."""
        if size == 0:
            return sha256(b"").digest()
        if size & (size - 1) == 0:
            level = size.bit_length() - 1
            return self.levels[level][start >> level]
        split = 1 << ((size - 1).bit_length() - 1)
        return node_of(self._range(start, split), self._range(start + split, size - split))

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The proof that a leaf is in the tree of ``size`` leaves, from the leaf upwards."""
        start, path = 0, []
        while size > 1:
            split = 1 << ((size - 1).bit_length() - 1)
            if index < split:
                path.append(self._range(start + split, size - split))
                size = split
            else:
                path.append(self._range(start, split))
                start, index, size = start + split, index - split, size - split
        return path[::-1]

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the tree of ``new`` leaves continues that of ``old`` leaves."""
        start, whole, path = 0, True, []
        while old != new:
            split = 1 << ((new - 1).bit_length() - 1)
            if old <= split:
                path.append(self._range(start + split, new - split))
                new = split
            else:
                path.append(self._range(start, split))
                start, old, new, whole = start + split, old - split, new - split, False
        if not whole:
            path.append(self._range(start, new))
        return path[::-1]


def inclusion_right(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a proof of inclusion is right (ledger/2, "Proofs")."""
    if not 0 <= index < size:
        return False
    place, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place % 2 or place == last:
            node = node_of(sibling, node)
            while place % 2 == 0 and place:
                place, last = place // 2, last // 2
        else:
            node = node_of(node, sibling)
        place, last = place // 2, last // 2
    return last == 0 and node == root


def consistency_right(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a proof of consistency is right (ledger/2, "Proofs")."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    if not proof:
        return False
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    place, last = old - 1, new - 1
    while place % 2:
        place, last = place // 2, last // 2
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place % 2 or place == last:
            first, second = node_of(sibling, first), node_of(sibling, second)
            while place % 2 == 0 and place:
                place, last = place // 2, last // 2
        else:
            second = node_of(second, sibling)
        place, last = place // 2, last // 2
    return last == 0 and first == old_root and second == new_root
