"""What institutions can be convicted of: E7 names an issuer's key, E8 a bank's.

    E7 PHANTOM_NOTE   form 1: the journal has no entry at the note's serial yet, though it is past the note's issue
                      form 2: the entry there is no load, or not this note's
                      form 3: one issuer's key signed two notes for one token
    E8 DUAL_CERT      one bank certified two keys for one device, or under one number

A note's serial is epoch, journal entry and place (4, 8 and 4 bytes); every field that E7 compares follows from that
entry alone. The device that holds a phantom is not named: it took the issuer's signature on trust, as it must.

Source: DTO/1, sections 5.4 (serial), 5.10 and 5.19 (8); `docs/decisions/0015-the-journal-is-the-registry-of-notes.md`.
"""

from typing import Any, NamedTuple

from cbdc import canonical
from cbdc.authority import BANK_CA, ISSUER, LEDGER, Auth
from cbdc.errors import Refused
from cbdc.ledger.entry import Entry, LogHead, check_inclusion, leaf_hash, open_entry
from cbdc.record import Bytes, Signed
from cbdc.transaction import MAX_TRANSACTION_BYTES, LoadOffline
from offline.admission import find_auth
from offline.evidence_file import DUAL_CERT, PHANTOM_NOTE, Opened, Verdict, exactly, hashes, nothing
from offline.records import Note

NO_ENTRY = 1
ANOTHER_ENTRY = 2
TWO_NOTES = 3


class Serial(NamedTuple):
    """A note's serial: the issuer's epoch, the journal entry of the load, and the output's place in it."""

    epoch: int
    entry: int
    place: int


def serial_parts(serial: bytes) -> Serial:
    """The three numbers in 16 bytes."""
    return Serial(*(int.from_bytes(part, "big") for part in (serial[:4], serial[4:12], serial[12:])))


# --- E7 ---


def _phantom(issuer: Auth, note: Signed[Note], form: int, problem: str) -> Verdict:
    facts: dict[str, object] = {"kid": issuer.kid, "note": note.oid, "problem": problem}
    return Verdict(PHANTOM_NOTE, issuer.kid, b"", note.record.amount_tiyn, None, facts, form)


def judge_phantom_note(file: Opened) -> Verdict:
    """E7 in its three forms; E_EVIDENCE when the note may well be backed."""
    if len(file.items) < 3 or type(file.items[0]) is not int:
        raise nothing("it needs a form, a note and what the journal has")
    form = file.items[0]
    note = file.note(file.items[1])
    issuer = _issuer(file, note.record)
    if form == NO_ENTRY:
        exactly(file.items, 3, "a note and a head")
        problem = _no_entry(note.record, file.official(file.items[2], LogHead, LEDGER).record)
    elif form == ANOTHER_ENTRY:
        exactly(file.items, 5, "a note, a head, an entry and its path")
        problem = another_entry(note.record, _entry(file, note.record))
    elif form == TWO_NOTES:
        exactly(file.items, 3, "two notes")
        problem = _two_notes(file, note, issuer)
    else:
        raise nothing("no phantom note has this form")
    return _phantom(issuer, note, form, problem)


def _issuer(file: Opened, note: Note) -> Auth:
    issuer = find_auth(file.authority, note.issuer_reference, ISSUER, note.issued)
    assert isinstance(issuer, Auth), "the note was verified under this issuer"
    return issuer


def is_beyond(note: Note, head: LogHead) -> bool:
    """Whether a head that is later than the note's issue has no entry at its serial."""
    return serial_parts(note.serial).entry >= head.size and head.time > note.issued


def _no_entry(note: Note, head: LogHead) -> str:
    if not is_beyond(note, head):
        raise nothing("the journal reaches the note's serial, or the head is not later than the note")
    return "the journal has no entry at its serial"


def _entry(file: Opened, note: Note) -> Entry:
    head = file.official(file.items[2], LogHead, LEDGER).record
    data = Bytes().load(file.items[3], "entry")
    index = serial_parts(note.serial).entry
    try:
        check_inclusion(leaf_hash(data), index, head.size, hashes(file.items[4], "hashes"), head.root)
    except Refused:
        raise nothing("the entry does not stand at the note's serial under this head") from None
    entry = open_entry(data)
    if entry.index != index:
        raise nothing("the entry names another index than its place")
    return entry


def another_entry(note: Note, entry: Entry) -> str:
    """What the journal's entry at the note's serial says otherwise than the note; E_EVIDENCE when nothing."""
    serial = serial_parts(note.serial)
    load = load_of(entry)
    if load is None:
        return "the journal's entry at its serial is no load"
    if serial.place >= len(load.outputs) or load.outputs[serial.place].lock != load.outputs[0].lock:
        return "the load locked no token at its place"
    stated = (note.amount_tiyn, note.owner, note.load_number, note.issued)
    loaded = (
        load.outputs[serial.place].amount_tiyn,
        load.device,
        load.load_number + serial.place,
        entry.time,
    )
    if stated == loaded:
        raise nothing("the load says what the note says")
    return "the load names another amount, device, number or time"


def load_of(entry: Entry) -> LoadOffline | None:
    """The load in a journal entry, or None when it is anything else; decoding errors for what no ledger took."""
    payload: list[Any] = canonical.decode_array(entry.payload, MAX_TRANSACTION_BYTES)
    if not payload or type(payload[0]) is not int or payload[0] != LoadOffline.TYPE:
        return None
    exactly(payload, 3, "a load of a type, a body and witnesses")
    return LoadOffline.from_body(Bytes().load(payload[1], "body"), MAX_TRANSACTION_BYTES)


def _two_notes(file: Opened, note: Signed[Note], issuer: Auth) -> str:
    other = file.note(file.items[2])
    if note.oid >= other.oid:
        raise nothing("the notes are not two in the order of their ids")
    if note.record.serial[4:] != other.record.serial[4:]:
        raise nothing("the notes are for different tokens")
    if _issuer(file, other.record).kid != issuer.kid:
        raise nothing("the notes are signed by different issuers")
    return "the same issuer signed another note for the same token"


# --- E8 ---


def judge_dual_certificate(file: Opened) -> Verdict:
    """E8; E_EVIDENCE when the certificates are for different devices, or a renewal."""
    exactly(file.items, 2, "two certificates")
    first, second = (file.certificate(item) for item in file.items)
    if first.oid >= second.oid:
        raise nothing("the certificates are not two in the order of their ids")
    one, other = first.record, second.record
    if one.ca_reference != other.ca_reference:
        raise nothing("the certificates come from different banks")
    if one.device_id != other.device_id and one.certificate_number != other.certificate_number:
        raise nothing("the certificates are for different devices")
    if (one.algorithm, one.public_key) == (other.algorithm, other.public_key):
        raise nothing("both certificates are for one key: a renewal")
    bank = find_auth(file.authority, one.ca_reference, BANK_CA, one.not_before)
    assert isinstance(bank, Auth), "the certificate was verified under this bank"
    facts: dict[str, object] = {"kid": bank.kid, "device_id": one.device_id}
    return Verdict(DUAL_CERT, bank.kid, one.device_id, 0, first, facts)
