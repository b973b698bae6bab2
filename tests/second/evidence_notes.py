"""E7 PHANTOM_NOTE, and what it reads of the online ledger (5.10)."""

from __future__ import annotations

from .mpc import Value, as_bytes, as_int, as_list, decode
from .objects import B0_32, B16, B32, LOG_HEAD, U1, Many, Num, Obj, Tuple, U, check_form
from .papers import BAD, Papers, Verdict, exactly, hashes, included, leaf
from .refusal import need
from .trust import LEDGER

LOAD_OFFLINE = 72
PAYLOAD_LIMIT = 65_000
_INPUTS = Many(Tuple((B32, Num(0, 255))), 1, 256)
_KEYS = Many(B32, 1, 16)


def phantom_note(papers: Papers, items: list[Value]) -> Verdict:
    """E7, by its form (5.10): the issuer key signed a note without a load."""
    need(len(items) >= 2, BAD)
    form = as_int(items[0])
    note = papers.note(items[1])
    issuer = papers.issuer(note)
    rest = items[2:]
    if form == 1:
        head = _head(papers, exactly(rest, 1)[0])
        need(_index(note) >= head.num("size") and head.num("time") > note.num("issued"), BAD)
    elif form == 2:
        exactly(rest, 3)
        _other_entry(note, _head(papers, rest[0]), as_bytes(rest[1]), hashes(rest[2]))
    else:
        need(form == 3, BAD, "form")
        other = papers.note(exactly(rest, 1)[0])
        need(papers.issuer(other).key_id() == issuer.key_id(), BAD)
        need(note.oid < other.oid and note.raw("serial")[4:] == other.raw("serial")[4:], BAD)
    return Verdict(7, issuer.key_id(), b"", note.num("amount_tiyn"))


def _index(note: Obj) -> int:
    """The journal entry that the serial names (5.4, NOTE)."""
    return int.from_bytes(note.raw("serial")[4:12], "big")


def _head(papers: Papers, item: Value) -> Obj:
    """LOG_HEAD, signed by LEDGER."""
    return papers.office(papers.open(item, LOG_HEAD), LEDGER)


def _other_entry(note: Obj, head: Obj, entry: bytes, path: list[bytes]) -> None:
    """Form 2: at the index stands an entry from which this note does not follow."""
    index = _index(note)
    need(included(leaf(entry), index, head.num("size"), path, head.raw("root")), BAD, "path")
    parts = exactly(as_list(decode(entry)), 3)
    need(as_int(parts[0]) == index, BAD, "index")
    time = as_int(parts[1])
    payload = as_list(decode(as_bytes(parts[2]), PAYLOAD_LIMIT))
    if not payload or payload[0] != LOAD_OFFLINE:
        return
    exactly(payload, 3)
    need(not _follows(note, time, as_bytes(payload[1])), BAD, "the note follows from its load")


def _follows(note: Obj, time: int, data: bytes) -> bool:
    """Whether the note follows from a LoadOffline of that body at that time."""
    body = exactly(as_list(decode(data, PAYLOAD_LIMIT)), 5)
    check_form(body[0], B16)
    check_form(body[1], _INPUTS)
    outputs = as_list(body[2])
    need(1 <= len(outputs) <= 256, BAD)
    for output in outputs:
        parts = exactly(as_list(output), 3)
        check_form(parts[0], U1)
        _check_lock(parts[1])
        check_form(parts[2], B0_32)
    check_form(body[3], B32)
    check_form(body[4], U1)
    place = int.from_bytes(note.raw("serial")[12:], "big")
    if place >= len(outputs):
        return False
    amount, lock, _ = as_list(outputs[place])
    return (
        lock == as_list(outputs[0])[1]
        and amount == note.num("amount_tiyn")
        and body[3] == note.raw("owner")
        and as_int(body[4]) + place == note.num("load_number")
        and time == note.num("issued")
    )


def _check_lock(value: Value) -> None:
    """A lock of the online ledger, in one of its three forms."""
    parts = as_list(value)
    need(bool(parts), BAD)
    kind = as_int(parts[0])
    if kind == 1:
        check_form(value, Tuple((U, B32)))
    elif kind == 2:
        check_form(value, Tuple((U, U, _KEYS)))
        names = [as_bytes(key) for key in as_list(parts[2])]
        need(1 <= as_int(parts[1]) <= len(names) == len(set(names)), BAD, "threshold")
    else:
        need(kind == 3, BAD, "lock")
        check_form(value, Tuple((U, B32, B32, B32, U)))
