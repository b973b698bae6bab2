"""Signed heads of settlement's own log: what an acknowledgement promises, and the proof that settlement kept two logs.

Every SUBMIT_ACK names the size and the root of the log of object ids after its batch. So whoever has one can ask for
the place of its objects in just that log (`check_logged`), and whoever has two of one size with different roots holds a
proof against settlement that anyone can check with ROOT alone (`verify_two_heads`): an honest log has one root for
each size. The file has the form of evidence files, under a number of its own, because it names no device:

    [1, [AUTH envelope of the settlement key], [16, SUBMIT_ACK envelope, SUBMIT_ACK envelope]]

The two stand in the order of their ids, so one pair has one file. `HeadBook` is the memory of somebody who compares
what is shown to him, an auditor or a device that hears of others' acknowledgements.

Source: DTO/1, sections 5.9 and 7.7 (R34, R35); RFC 6962, 5.4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cbdc.authority import SETTLE, Authority, Root
from cbdc.errors import Refused
from cbdc.ledger.entry import check_inclusion, leaf_hash
from cbdc.record import Signed
from offline.evidence_file import exactly, file_of, find_signer, nothing, open_file
from offline.records import SubmitAck

TWO_HEADS = 16


@dataclass(frozen=True, slots=True)
class TwoHeads:
    """The verdict: the settlement key, the size that its log had twice, and the two roots."""

    kid: bytes
    log_size: int
    roots: tuple[bytes, bytes]

    def refusal(self) -> Refused:
        """The verdict as a refusal, with its sentence and next step."""
        return Refused("E_TWO_HEADS", kid=self.kid, log_size=self.log_size)


class Contradicted(Refused):
    """Two acknowledgements contradict each other; `evidence` is the file that proves it."""

    def __init__(self, evidence: bytes, verdict: TwoHeads) -> None:
        super().__init__("E_TWO_HEADS", kid=verdict.kid, log_size=verdict.log_size)
        self.evidence = evidence


def check_logged(ack: Signed[SubmitAck], oid: bytes, index: int, proof: Sequence[bytes]) -> None:
    """Return if `proof` shows that the object stands at `index` in the log that `ack` names; E_LOG_PROOF otherwise.

    The acknowledgement's signature is the caller's to verify.
    """
    record = ack.record
    check_inclusion(leaf_hash(oid), index, record.log_size, list(proof), record.log_root)


def two_heads(authority: Authority, first: Signed[SubmitAck], second: Signed[SubmitAck]) -> bytes:
    """The file that proves that settlement kept two logs; E_EVIDENCE when these two do not prove it."""
    pair = sorted((first, second), key=lambda ack: ack.oid)
    auths = [find_signer(authority, ack, SETTLE) for ack in pair]
    _judge(authority, pair[0], pair[1])
    return file_of(authority, auths, [TWO_HEADS, *(ack.envelope() for ack in pair)])


def verify_two_heads(data: bytes, root: Signed[Root]) -> TwoHeads:
    """The verdict of a file; E_EVIDENCE when it proves nothing, and the decoding errors."""
    opened = open_file(data, root)
    if opened.number != TWO_HEADS:
        raise nothing("it is not about two heads of one log")
    exactly(opened.items, 2, "two acknowledgements")
    first, second = (opened.official(item, SubmitAck, SETTLE) for item in opened.items)
    if first.oid >= second.oid:
        raise nothing("its acknowledgements are not in the order of their ids")
    return _judge(opened.authority, first, second)


def _judge(authority: Authority, first: Signed[SubmitAck], second: Signed[SubmitAck]) -> TwoHeads:
    one, other = (find_signer(authority, ack, SETTLE) for ack in (first, second))
    if one.kid != other.kid:
        raise nothing("two settlement keys signed them, and each has a log of its own")
    if first.record.log_size != second.record.log_size:
        raise nothing("their logs have different sizes")
    if first.record.log_root == second.record.log_root:
        raise nothing("their logs have one root")
    return TwoHeads(one.kid, first.record.log_size, (first.record.log_root, second.record.log_root))


class HeadBook:
    """The acknowledgements somebody has seen, one for each size of the log."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._known: dict[tuple[bytes, int], Signed[SubmitAck]] = {}

    def add(self, ack: Signed[SubmitAck]) -> None:
        """Remember an acknowledgement; E_EVIDENCE when settlement did not sign it.

        Raises `Contradicted`, with the proof, when it contradicts one that was seen before.
        """
        kid = find_signer(self._authority, ack, SETTLE).kid
        known = self._known.setdefault((kid, ack.record.log_size), ack)
        if known.record.log_root != ack.record.log_root:
            file = two_heads(self._authority, known, ack)
            raise Contradicted(file, verify_two_heads(file, self._authority.root))
