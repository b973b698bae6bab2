"""`tenge evidence`: a proof judged and told in words, and a proof taken apart without judging it.

The judging is `offline.evidence`; here are only the words around it, in Kazakh, Russian and English
(`cbdc/catalogue/court_*.toml`): what was signed, which facts contradict each other, who is named, who is innocent, what
follows and what does not. `show` prints every object of a file with its fields, for whoever checks one by hand.
"""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from cbdc import canonical
from cbdc.authority import ROLE_NAMES, Auth, network_id, open_root
from cbdc.errors import Malformed, Refused, TengeError, phrases
from cbdc.ledger.entry import LogHead
from cbdc.money import format_tenge
from cbdc.record import Record, Signed, object_id, open_envelope
from offline.evidence import Verdict, verify_evidence
from offline.evidence_file import DUAL_CERT, LIMIT_BREACH, MAX_FILE_BYTES, PHANTOM_NOTE
from offline.records import (
    CertificateLogHead,
    DeviceCertificate,
    Invoice,
    Note,
    SyncAck,
    SyncRequest,
    Transfer,
)

NAMES: Mapping[int, str] = {
    1: "E1 DOUBLE_SPEND",
    2: "E2 EQUIVOCATION",
    3: "E3 CONTRADICTION",
    4: "E4 BAD_STATEMENT",
    5: "E5 LIMIT_BREACH",
    6: "E6 FALSE_FRESH",
    7: "E7 PHANTOM_NOTE",
    8: "E8 DUAL_CERT",
}
SECTIONS = ("signed", "contradiction", "named", "innocent", "proves", "open")

_ID_LETTERS = 16
_OBJECTS: Mapping[int, tuple[str, type[Record]]] = {
    DeviceCertificate.TYPE: ("DEVCERT", DeviceCertificate),
    Note.TYPE: ("NOTE", Note),
    Transfer.TYPE: ("TRANSFER", Transfer),
    Invoice.TYPE: ("INVOICE", Invoice),
    SyncRequest.TYPE: ("SYNC_REQ", SyncRequest),
    SyncAck.TYPE: ("SYNC_ACK", SyncAck),
    CertificateLogHead.TYPE: ("CERTLOG", CertificateLogHead),
    LogHead.TYPE: ("LOG_HEAD", LogHead),
}


@lru_cache(maxsize=8)
def _texts(language: str) -> Mapping[str, Mapping[str, str]]:
    file = resources.files("cbdc").joinpath("catalogue", f"court_{language}.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


# --- verifying ---


def verify_file(path: Path, root: Path, language: str = "en") -> dict[str, Any]:
    """What a proof shows: who is named, for what, how much, and why, in words. `ok` is False when it proves nothing.

    Raises E_FILE when a file cannot be read, and the errors of `open_root` when the root is none.
    """
    trusted = open_root(read(root))
    try:
        verdict = verify_evidence(read(path), trusted)
    except TengeError as error:
        if error.code == "E_FILE":
            raise
        return {
            "ok": False,
            "code": error.code,
            "sentence": error.sentence(language),
            "next": error.next_step(language),
        }
    return told(verdict, language)


def told(verdict: Verdict, language: str = "en") -> dict[str, Any]:
    """A verdict as what `tenge evidence verify --json` prints; `explanation` holds the words of each section."""
    refusal = verdict.refusal()
    return {
        "ok": True,
        "type": verdict.type,
        "form": verdict.form,
        "name": NAMES[verdict.type],
        "named_kid": verdict.kid.hex(),
        "device_id": verdict.device_id.hex(),
        "amount_tiyn": verdict.amount_tiyn,
        "code": refusal.code,
        "sentence": refusal.sentence(language),
        "next": refusal.next_step(language),
        "explanation": explanation(verdict, language),
    }


def explanation(verdict: Verdict, language: str = "en") -> dict[str, str]:
    """The words for a verdict: its title, and one text for each of SECTIONS."""
    texts = _texts(language)
    key = f"E{verdict.type}" + (f"-{verdict.form}" if verdict.form else "")
    facts = _facts(verdict, language)
    found = {name: texts[key][name].format_map(facts) for name in ("title", *SECTIONS) if name != "named"}
    found["named"] = texts["named"][_party(verdict)].format_map(facts)
    return found


def _party(verdict: Verdict) -> str:
    return {DUAL_CERT: "bank", PHANTOM_NOTE: "issuer"}.get(verdict.type, "device")


def _facts(verdict: Verdict, language: str) -> dict[str, Any]:
    said = phrases(language)
    facts: dict[str, Any] = {
        name: _short(value) if isinstance(value, bytes) else said.get(str(value), value)
        for name, value in verdict.facts.items()
    }
    facts |= {"kid": verdict.kid.hex(), "device_id": verdict.device_id.hex()}
    if verdict.type == LIMIT_BREACH:
        had, most = verdict.facts["had"], verdict.facts["most"]
        assert isinstance(had, int)
        assert isinstance(most, int)
        money = {"had_tenge": format_tenge(had, ""), "most_tenge": format_tenge(most, "")}
        words = _texts(language)["limits"][str(verdict.facts["limit"])]
        facts["limit"] = words.format_map({"had": had, "most": most, **money})
    return facts


def _short(value: bytes) -> str:
    return value.hex()[:_ID_LETTERS]


def words(found: Mapping[str, Any], language: str = "en") -> list[str]:
    """A result for a person: the verdict in full, or why there is none."""
    if not found["ok"]:
        return [found["sentence"], found["next"], f"({found['code']})"]
    headings, texts = _texts(language)["headings"], found["explanation"]
    lines = [texts["title"], "", found["sentence"], ""]
    for name in SECTIONS:
        lines += [f"{headings[name]}:", f"  {texts[name]}"]
    if found["amount_tiyn"]:
        lines += [f"{headings['amount']}:", f"  {format_tenge(found['amount_tiyn'])}"]
    return lines


# --- showing ---


def show_file(path: Path, root: Path | None = None) -> dict[str, Any]:
    """Every object in a file with its id and fields, judged by nothing: AUTHs, the type's number, and its items.

    Ids depend on the network: with a root they are the real ones, without it they are left out. Raises E_FILE, the
    decoding errors, and E_EVIDENCE for what is no evidence file.
    """
    network = None if root is None else network_id(open_root(read(root)).record)
    data = read(path)
    values: list[Any] = canonical.decode_array(data, MAX_FILE_BYTES)
    whole = len(values) == 3 and type(values[1]) is list and type(values[2]) is list and values[2]
    if not whole or values[0] != 1 or type(values[2][0]) is not int:
        raise Refused("E_EVIDENCE", problem="it is no evidence file of version 1")
    number = values[2][0]
    return {
        "bytes": len(data),
        "type": number,
        "name": NAMES.get(number, "?"),
        "auths": [_auth(item, network) for item in values[1]],
        "items": [_item(item, network) for item in values[2][1:]],
    }


def _auth(value: object, network: bytes | None) -> dict[str, Any]:
    signed = open_envelope(value, Auth, network or bytes(8))
    role = ROLE_NAMES.get(signed.record.role, str(signed.record.role))
    return {"object": "AUTH", **_fields(signed.record), "role": role, "kid": signed.record.kid.hex()}


def _item(value: object, network: bytes | None) -> Any:
    if type(value) is list and len(value) == 3 and type(value[0]) is int and value[0] in _OBJECTS:
        name, kind = _OBJECTS[value[0]]
        try:
            signed: Signed[Any] = open_envelope(value, kind, network or bytes(8))
        except Malformed:
            return _plain(value)
        identity = {} if network is None else {"id": signed.oid.hex()}
        return {"object": name, **identity, **_fields(signed.record)}
    if type(value) is list and len(value) == 2 and value[0] in (Note.TYPE, Transfer.TYPE):
        return _body(value[1], _OBJECTS[value[0]], network)
    if type(value) is bytes:
        return _body(value, _OBJECTS[Transfer.TYPE], network)
    return [_item(item, network) for item in value] if type(value) is list else _plain(value)


def _body(value: object, known: tuple[str, type[Record]], network: bytes | None) -> Any:
    name, kind = known
    if type(value) is not bytes:
        return _plain(value)
    try:
        record = kind.from_body(value)
    except Malformed:
        return _plain(value)
    identity = {} if network is None else {"id": object_id(kind.DOMAIN, kind.TYPE, network, value).hex()}
    return {"object": f"{name} body", **identity, **_fields(record)}


def _fields(record: Record) -> dict[str, Any]:
    names = [name for name in type(record).__dataclass_fields__ if name not in ("TYPE", "DOMAIN", "SCHEMA")]
    return {name: _plain(getattr(record, name)) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def shown_words(found: Mapping[str, Any]) -> list[str]:
    """The parts of a file for a person, one field a line."""
    lines = [f"{found['name']}, {found['bytes']} bytes"]
    for place, part in enumerate([*found["auths"], *found["items"]], start=1):
        lines += ["", *_part_words(place, part)]
    return lines


def _part_words(place: int, part: Any) -> list[str]:
    if not isinstance(part, dict):
        return [f"{place}. {part}"]
    rows = [f"   {name:<22} {value}" for name, value in part.items() if name != "object"]
    return [f"{place}. {part['object']}", *rows]


# --- files ---


def read(path: Path) -> bytes:
    """The bytes of a file; E_FILE when it cannot be read, E_SIZE when it is larger than any evidence."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise Malformed("E_SIZE", size_bytes=size, limit_bytes=MAX_FILE_BYTES)
        return path.read_bytes()
    except OSError as error:
        raise Refused("E_FILE", file=path.name, problem=error.strerror or "unreadable") from None
