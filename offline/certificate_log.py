"""What the log of certificates says of limits: for every key the loosest it was ever given, under one signed root.

A device may have had several certificates, and it obeys the one it has at the moment. Whoever says that it broke its
limits (evidence E5) must therefore show the loosest of **all** of them, and a proof that one certificate is in a log
says nothing about the others. So beside the log stands a second tree, made from it:

    one leaf for each certified key, in the order of key ids:
    SHA-256(0x00 || MP-C of [key id, number of its certificates, [the largest of each limit]])

and a CERTLOG (`offline.records.CertificateLogHead`) holds both roots. A head that must be later than certain objects
names them by `after_hash`: it cannot have been made before what it hashes, whatever any clock says.

Source: DTO/1, sections 5.10 (E5) and 5.19 (3); RFC 6962 for both trees.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cbdc import canonical
from cbdc.ledger.entry import MerkleLog, leaf_hash
from cbdc.record import OFFLINE_DOMAIN, Signed
from offline.records import CertificateLogHead, DeviceCertificate, Limits


class KeyLimits(NamedTuple):
    """One leaf: a key id, how many certificates it was given, and for each limit the largest of any of them."""

    kid: bytes
    certificates: int
    limits: Limits

    def leaf(self) -> bytes:
        """The leaf's hash."""
        return leaf_hash(canonical.encode([self.kid, self.certificates, list(self.limits)]))


class ShownLimits(NamedTuple):
    """A key's leaf with its place in the tree of a signed head, and the path (hashes, lowest first)."""

    head: Signed[CertificateLogHead]
    place: int
    leaf: KeyLimits
    path: list[bytes]


def after_hash(oids: Iterable[bytes]) -> bytes:
    """SHA-256 over a domain and these object ids in order: what a head made after them names, 32 bytes."""
    return hashlib.sha256(OFFLINE_DOMAIN + b"after\0" + b"".join(oids)).digest()


def loosest(limits: Iterable[Limits]) -> Limits:
    """For each limit the largest of these; there is at least one."""
    return Limits(*(max(column) for column in zip(*limits, strict=True)))


def key_limits(certificates: Iterable[DeviceCertificate]) -> list[KeyLimits]:
    """The leaves for these certificates (each counted as often as it comes), by key id."""
    by_key: dict[bytes, list[Limits]] = {}
    for certificate in certificates:
        by_key.setdefault(certificate.kid, []).append(certificate.limits)
    return [KeyLimits(kid, len(found), loosest(found)) for kid, found in sorted(by_key.items())]


def limits_tree(leaves: Sequence[KeyLimits]) -> MerkleLog:
    """The tree over these leaves."""
    tree = MerkleLog()
    for leaf in leaves:
        tree.append(leaf.leaf())
    return tree
