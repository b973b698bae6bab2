"""The journal as a file (ledger/7, "The journal as a file")."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.second_ledger.errors import Refusal, require

CODE = "E_JOURNAL_FILE"
MOST = 4_194_304
FORMAT = "tenge-journal/1"
_HEX = re.compile(r"(?:[0-9a-f]{2})*\Z")


@dataclass(frozen=True)
class EntryLine:
    """A line of an entry."""

    number: int
    identity: bytes
    leaf: bytes
    data: bytes


@dataclass
class JournalFile:
    """All lines of a file, by their kinds."""

    has_state: bool
    entries: list[EntryLine] = field(default_factory=list)
    heads: list[tuple[int, bytes]] = field(default_factory=list)
    state: list[tuple[bytes, bytes]] = field(default_factory=list)
    owners: list[tuple[bytes, bytes]] = field(default_factory=list)
    last: tuple[int, bytes] = (0, b"")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object in which no field stands twice."""
    found = dict(pairs)
    require(len(found) == len(pairs), CODE)
    return found


def _line(line: str) -> dict[str, Any]:
    """One line as a JSON object."""
    text = line.removesuffix("\n")
    try:
        require(len(text.encode("utf-8")) < MOST, CODE)
        found = json.loads(text, object_pairs_hook=_object, parse_int=_digits)
    except (ValueError, RecursionError):
        raise Refusal(CODE) from None
    require(isinstance(found, dict), CODE)
    return dict(found)


def _digits(text: str) -> int:
    """A number in decimal digits without a sign."""
    require(not text.startswith("-"), CODE)
    return int(text)


def _number(value: Any) -> int:
    """A number from 0 to MAX."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise Refusal(CODE)
    return value


def _hex(value: Any) -> bytes:
    """Bytes as hexadecimal in small letters."""
    if not isinstance(value, str) or not _HEX.match(value):
        raise Refusal(CODE)
    return bytes.fromhex(value)


def _in_order(journal: JournalFile, found: dict[str, Any]) -> None:
    """Entries and heads first, then rows of state, then of owners, each key once and ascending."""
    kind = 1 if "state" in found else 2 if "owner" in found else 0
    here = (kind, _hex(found["state" if kind == 1 else "owner"]) if kind else b"")
    first_row = kind > journal.last[0]
    require(here >= journal.last and (first_row or not kind or here > journal.last), CODE)
    journal.last = here


def _add(journal: JournalFile, found: dict[str, Any]) -> None:
    """Put one line after the first where it belongs."""
    _in_order(journal, found)
    names = set(found)
    if names == {"entry", "id", "leaf", "data"}:
        parts = [_hex(found[name]) for name in ("id", "leaf", "data")]
        journal.entries.append(EntryLine(_number(found["entry"]), *parts))
    elif names == {"head", "envelope"}:
        journal.heads.append((_number(found["head"]), _hex(found["envelope"])))
    elif names == {"state", "value"} and journal.has_state:
        journal.state.append((_hex(found["state"]), _hex(found["value"])))
    elif names == {"owner", "holder"} and journal.has_state:
        journal.owners.append((_hex(found["owner"]), _hex(found["holder"])))
    else:
        raise Refusal(CODE)


def read_journal(lines: Iterable[str]) -> JournalFile:
    """Read all lines; E_JOURNAL_FILE when one is none of the text's lines."""
    rest: Iterator[str] = iter(lines)
    first = _line(next(rest, ""))
    require(set(first) == {"format", "state"} and first["format"] == FORMAT, CODE)
    require(isinstance(first["state"], bool), CODE)
    journal = JournalFile(first["state"])
    for line in rest:
        _add(journal, _line(line))
    return journal


def lines_of(data: bytes) -> list[str]:
    """The lines of a file's bytes; each ends with a line feed, the last one too."""
    require(data.endswith(b"\n"), CODE)
    try:
        return data[:-1].decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise Refusal(CODE) from None
