"""Digests of facts: one hash that two machines compare, made note by note and put together in no order.

Facts are local: a tree belongs to its note, a waiting transfer to itself, a proof of guilt to one device. Each of the
three goes into one of 256 **buckets**, by the first byte of the note's id, the transfer's id or the device's key id.
So whoever holds a share of the evidence computes its buckets alone, and the digest of everything is a hash over 256
hashes, however the shares were cut:

    tree    = SHA-256(DST || "tree\\0" || note 32 || closes 8 || float 16 || redeemed 16 || claimed 16 || loss 16
                      || count 4 || rows, for each of the five lists below, each sorted by its first fields)
                judged     transfer 32, late 1, moment 8          admitted transfers
                refused    transfer 32, length 1, code            rule-breaking transfers
                claims     transfer 32, position 1, moment 8      undelivered money
                unspent    object 32, position 1, amount 8, owner 32
                conflicts  object 32, position 1, amount 8, owner 32, claimed 1, count 4, transfers 32 each
    bucket  = SHA-256(DST || "bucket\\0" || count 4 || trees by note id || count 4 || pending ids || count 4 || guilt)
    facts   = SHA-256(DST || "facts\\0" || bucket 0 || ... || bucket 255)

Numbers are big-endian. A row of guilt is the canonical form of [kid, type, reason, [object ids]] behind its length (4).
DST is the domain of offline objects. The same text stands in `docs/reconciliation.md`.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from struct import Struct

from cbdc import canonical
from cbdc.record import OFFLINE_DOMAIN

BUCKETS = 256

_HEAD = Struct(">32sQ16s16s16s16s")
_COUNT = Struct(">I")
JUDGED = Struct(">32sBQ")
CLAIM = Struct(">32sBQ")
UNSPENT = Struct(">32sBQ32s")
_CONFLICT = Struct(">32sBQ32sBI")

ConflictRow = tuple[bytes, int, int, bytes, int, Sequence[bytes]]
GuiltRow = tuple[bytes, int, str, Sequence[bytes]]


def tree_digest(
    note: bytes,
    closes: int,
    sums_tiyn: tuple[int, int, int, int],
    judged: Sequence[bytes],
    unspent: Sequence[bytes],
    refused: Iterable[tuple[bytes, str]] = (),
    claims: Sequence[bytes] = (),
    conflicts: Iterable[ConflictRow] = (),
) -> bytes:
    """The digest of one note's facts.

    `sums_tiyn` is float, redeemed, claimed, loss. `judged`, `unspent` and `claims` are rows packed by the structures
    of that name here, in any order; the others are plain values, in any order too.
    """
    parts = [
        OFFLINE_DOMAIN,
        b"tree\0",
        _HEAD.pack(note, closes, *(sum_tiyn.to_bytes(16, "big") for sum_tiyn in sums_tiyn)),
    ]
    wrong = [oid + bytes([len(code)]) + code.encode() for oid, code in refused]
    forks = [
        _CONFLICT.pack(*row, len(transfers)) + b"".join(sorted(transfers)) for *row, transfers in conflicts
    ]
    for rows in (judged, wrong, claims, unspent, forks):
        parts.append(_COUNT.pack(len(rows)))
        parts.extend(sorted(rows))
    return hashlib.sha256(b"".join(parts)).digest()


def bucket_digest(
    trees: Iterable[tuple[bytes, bytes]], pending: Iterable[bytes], guilt: Iterable[GuiltRow]
) -> bytes:
    """The digest of one bucket: (note id, tree digest), ids of waiting transfers, and proofs, each in any order."""
    state = hashlib.sha256(OFFLINE_DOMAIN + b"bucket\0")
    proofs = [canonical.encode([kid, type_, reason, list(items)]) for kid, type_, reason, items in guilt]
    for rows in (
        [digest for _, digest in sorted(trees)],
        sorted(pending),
        [_COUNT.pack(len(proof)) + proof for proof in sorted(proofs)],
    ):
        state.update(_COUNT.pack(len(rows)))
        state.update(b"".join(rows))
    return state.digest()


def facts_digest(trees: Mapping[bytes, bytes], pending: Iterable[bytes], guilt: Iterable[GuiltRow]) -> bytes:
    """The digest of all facts: tree digests by note id, ids of waiting transfers, proofs of guilt, in any order."""
    rooted: dict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
    waiting: dict[int, list[bytes]] = defaultdict(list)
    proofs: dict[int, list[GuiltRow]] = defaultdict(list)
    for item in trees.items():
        rooted[item[0][0]].append(item)
    for oid in pending:
        waiting[oid[0]].append(oid)
    for row in guilt:
        proofs[row[0][0]].append(row)
    return join_buckets(
        bucket_digest(rooted[number], waiting[number], proofs[number]) for number in range(BUCKETS)
    )


def join_buckets(buckets: Iterable[bytes]) -> bytes:
    """The digest of all facts from the digests of all 256 buckets, in order."""
    state = hashlib.sha256(OFFLINE_DOMAIN + b"facts\0")
    for bucket in buckets:
        state.update(bucket)
    return state.digest()
