"""The form of an evidence file, its verdict, and how the objects in it are opened; no rule of any type stands here.

    [1, [AUTH envelope...], [evidence type, item...]]

Everything between ROOT and the guilty signature is inside, so nothing outside is ever asked: no store, no list, no
clock. A judge (`offline.evidence_device`, `offline.evidence_limits`, `offline.evidence_institutions`) opens what it
needs through `Opened`, which verifies each signature before it hands anything out.

Source: DTO/1, sections 5.10 and 5.19 (8).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cbdc import canonical
from cbdc.authority import BANK_CA, Auth, Authority, Root
from cbdc.errors import Refused
from cbdc.record import HASH, OFFLINE_DOMAIN, Bytes, R, Record, Signed, object_id, open_part
from offline.admission import check_certificate_issue, check_note_issue, find_auth
from offline.records import DeviceCertificate, Invoice, Note, SyncRequest, Transfer

EVIDENCE_VERSION = 1
DOUBLE_SPEND = 1
EQUIVOCATION = 2
CONTRADICTION = 3
BAD_STATEMENT = 4
LIMIT_BREACH = 5
FALSE_FRESH = 6
PHANTOM_NOTE = 7
DUAL_CERT = 8

CODES = {
    DOUBLE_SPEND: "E_DOUBLE_SPEND",
    EQUIVOCATION: "E_EQUIVOCATION",
    CONTRADICTION: "E_CONTRADICTION",
    BAD_STATEMENT: "E_BAD_STATEMENT",
    LIMIT_BREACH: "E_LIMIT_BREACH",
    FALSE_FRESH: "E_FALSE_FRESH",
    PHANTOM_NOTE: "E_PHANTOM_NOTE",
    DUAL_CERT: "E_DUAL_CERT",
}

MAX_AUTHS = 4
MAX_FILE_BYTES = 512 * 1_024

# Whose statement an object is: the field that names the device.
_SPEAKER: dict[type[Record], str] = {
    Transfer: "payer",
    Invoice: "payee",
    SyncRequest: "kid",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who is guilty of what: the key, the device it is certified for, and the money at stake.

    `kid` is a device's key, or that of an institution (a bank's for E8, an issuer's for E7). `device_id` is that of the
    certificate; empty when no device has part in it (E7). `amount_tiyn` is what the proof shows at least; 0 where no
    amount follows from it. `form` is the variant of E3, E5 and E7, 0 for the others. `certificate` is the guilty
    device's, the first of the two when a bank is guilty, None when an issuer is. `facts` fill the sentence of the code.
    """

    type: int
    kid: bytes
    device_id: bytes
    amount_tiyn: int
    certificate: Signed[DeviceCertificate] | None
    facts: dict[str, object]
    form: int = 0

    def refusal(self) -> Refused:
        """The verdict as a refusal, with its sentence and next step."""
        return Refused(CODES[self.type], **self.facts)


def nothing(problem: str) -> Refused:
    """The refusal of a file that proves nothing, and why."""
    return Refused("E_EVIDENCE", problem=problem)


def against(
    type_number: int,
    certificate: Signed[DeviceCertificate],
    amount_tiyn: int,
    form: int = 0,
    **facts: object,
) -> Verdict:
    """The verdict against the device of a certificate."""
    kid = certificate.record.kid
    told = {"kid": kid, **facts}
    return Verdict(type_number, kid, certificate.record.device_id, amount_tiyn, certificate, told, form)


def listed(value: object, name: str, least: int = 0, most: int = canonical.MAX_LENGTH) -> list[Any]:
    """The items of a list of this length; E_EVIDENCE for anything else."""
    if type(value) is not list or not least <= len(value) <= most:
        raise nothing(f"it has no list of {name}")
    return value


def hashes(value: object, name: str) -> list[bytes]:
    """A list of at most 64 hashes, as a path in a tree is; E_EVIDENCE, E_TYPE or E_FIELD for anything else."""
    return [HASH.load(item, name) for item in listed(value, name, most=64)]


def exactly(items: Sequence[Any], count: int, what: str) -> None:
    """Return if there are just so many items; E_EVIDENCE otherwise."""
    if len(items) != count:
        raise nothing(f"it needs {what}")


def total_tiyn(record: Transfer) -> int:
    """What a transfer moves, change included."""
    return sum(output.amount_tiyn for output in record.outputs)


@dataclass(frozen=True, slots=True)
class Opened:
    """A file whose AUTHs have been verified under ROOT: the number of its type, and its items as decoded."""

    number: int
    authority: Authority
    items: list[Any]

    def certificate(self, envelope: object) -> Signed[DeviceCertificate]:
        """A device's certificate, verified under the file's bank (V3)."""
        certificate = open_part(envelope, DeviceCertificate, self.authority.network)
        check_certificate_issue(certificate, self.authority)
        return certificate

    def note(self, envelope: object) -> Signed[Note]:
        """A note, verified under the file's issuer (V4)."""
        note = open_part(envelope, Note, self.authority.network)
        check_note_issue(note, self.authority)
        return note

    def said(self, envelope: object, kind: type[R], certificate: Signed[DeviceCertificate]) -> Signed[R]:
        """What the certified device signed: a transfer, an invoice or a statement that names it."""
        signed = open_part(envelope, kind, self.authority.network)
        if getattr(signed.record, _SPEAKER[kind]) != certificate.record.kid:
            raise nothing("an object names another device than the certified key")
        signed.verify(certificate.record.key)
        return signed

    def official(self, envelope: object, kind: type[R], role: int) -> Signed[R]:
        """What an authority signed in a role that it had at the object's own time."""
        signed: Signed[Any] = open_part(envelope, kind, self.authority.network)
        find_signer(self.authority, signed, role)
        return signed

    def body(self, body: object, kind: type[R]) -> Signed[R]:
        """An object given by its body: its id is right, its signature is not asked."""
        data = Bytes().load(body, "body")
        oid = object_id(OFFLINE_DOMAIN, kind.TYPE, self.authority.network, data)
        return Signed(kind.from_body(data), data, b"", oid)


Judge = Callable[[Opened], Verdict]


def find_signer(authority: Authority, signed: Signed[Any], role: int) -> Auth:
    """The certificate of `role`, in its time at the object's `time`, whose key signed it; E_EVIDENCE when none did."""
    at = signed.record.time
    for auth in authority.with_role(role):
        if not auth.not_before <= at <= auth.expires:
            continue
        try:
            signed.verify(auth.key)
        except Refused:
            continue
        return auth
    raise nothing("an official object is signed by nobody of that role at that time")


def open_file(data: bytes, root: Signed[Root]) -> Opened:
    """The file in `data`, its AUTHs verified; E_EVIDENCE and the decoding errors."""
    values = canonical.decode_array(data, MAX_FILE_BYTES)
    if len(values) != 3 or type(values[0]) is not int or values[0] != EVIDENCE_VERSION:
        raise nothing("it is no evidence file of version 1")
    auths = listed(values[1], "certificates", 1, MAX_AUTHS)
    if bytes in map(type, auths):
        raise nothing("a certificate is given as bytes")
    evidence = listed(values[2], "evidence with a type", 1)
    if type(evidence[0]) is not int:
        raise nothing("it has no evidence with a type")
    return Opened(evidence[0], Authority(root, auths), evidence[1:])


def bank_of(authority: Authority, certificate: DeviceCertificate) -> Auth:
    """The bank's certificate that a device certificate rests on; E_EVIDENCE when it is not known."""
    bank = find_auth(authority, certificate.ca_reference, BANK_CA, certificate.not_before)
    if isinstance(bank, str):
        raise nothing(f"the certificate's bank: {bank}")
    return bank


def file_of(authority: Authority, auths: Sequence[Auth], items: Sequence[Any]) -> bytes:
    """The bytes of a file with these items and the envelopes of these AUTHs, each once, in the order given."""
    envelopes: list[list[int | bytes]] = []
    for auth in auths:
        envelope = next(one for one in authority.auths if one.record == auth).envelope()
        if envelope not in envelopes:
            envelopes.append(envelope)
    return canonical.encode([EVIDENCE_VERSION, envelopes, list(items)])
