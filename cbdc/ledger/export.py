"""A journal in a file of lines, for whoever audits it with a program of their own.

    {"format": "tenge-journal/1", "state": false}
    {"entry": 0, "id": "...", "leaf": "...", "data": "..."}
    {"head": 1, "envelope": "..."}
    {"state": "...", "value": "..."}      only when the derived rows were asked for, behind everything else
    {"owner": "...", "holder": "..."}

Bytes are hexadecimal; no field stands twice. What a ledger keeps is written as it is, right or wrong: judging is the
audit's work. Reading streams, so a file of any length takes no memory, and believes only the form of the lines
(E_JOURNAL_FILE).

Source: `docs/protocol/ledger/7-audit.md`.
"""

import json
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol, TextIO

from cbdc.canonical import MAX_INTEGER
from cbdc.errors import Malformed, Refused
from cbdc.ledger.store import EntryRow, Pages, together

FORMAT = "tenge-journal/1"
MAX_LINE = 1 << 22
_DERIVED = {"state": 1, "owner": 2}
_HEX = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)
_FORMS: dict[tuple[str, ...], tuple[type, ...]] = {
    ("entry", "id", "leaf", "data"): (int, str, str, str),
    ("head", "envelope"): (int, str),
    ("state", "value"): (str, str),
    ("owner", "holder"): (str, str),
}


class Journal(Protocol):
    """What can be audited: the reading half of a `Store`."""

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[EntryRow]:
        """The entries in order."""
        ...

    def heads(self) -> Iterator[tuple[int, bytes]]:
        """Every signed head with the size it is kept under, oldest first."""
        ...

    def state(self) -> Iterator[tuple[bytes, bytes]]:
        """Every key and value of the state, in ascending order of the key."""
        ...

    def owner_rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Every (packed token key, holder key id) of the owner index, in ascending order."""
        ...

    def derived_rows(self) -> Pages:
        """What `state` and `owner_rows` say, together."""
        ...


def lines_of(journal: Journal, state: bool = False) -> Iterator[str]:
    """The lines of the file, without their line feeds; with `state` also the derived rows."""
    yield _line(format=FORMAT, state=state)
    heads = journal.heads()
    head = next(heads, None)
    place = -1
    for place, row in enumerate(journal.entries()):
        yield _line(entry=row.index, id=row.transaction_id.hex(), leaf=row.leaf.hex(), data=row.data.hex())
        while head is not None and head[0] <= place + 1:
            yield _line(head=head[0], envelope=head[1].hex())
            head = next(heads, None)
    while head is not None:
        yield _line(head=head[0], envelope=head[1].hex())
        head = next(heads, None)
    if state:
        for key, value in journal.state():
            yield _line(state=key.hex(), value=value.hex())
        for token, holder in journal.owner_rows():
            yield _line(owner=token.hex(), holder=holder.hex())


def _line(**fields: object) -> str:
    return json.dumps(fields, separators=(",", ":"))


def write(journal: Journal, out: TextIO, state: bool = False) -> int:
    """Write the file; how many lines."""
    count = 0
    for line in lines_of(journal, state):
        out.write(line + "\n")
        count += 1
    return count


class JournalFile:
    """A journal in a file, to be audited: the reading half of a store. Every look goes through the file once more."""

    def __init__(self, path: Path) -> None:
        """Raises E_JOURNAL_FILE when the first line is not the format's, E_FILE when there is no such file."""
        self._path = path
        with closing(self._lines()) as lines:
            first = next(lines)
        if set(first) != {"format", "state"} or first["format"] != FORMAT:
            raise _wrong(1, f"it does not begin with the format {FORMAT}")
        if type(first["state"]) is not bool:
            raise _wrong(1, "state is neither true nor false")
        self.derived: bool = first["state"]

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[EntryRow]:
        """The entries as they stand; `start` and `stop` count where they stand."""
        for place, row in enumerate(self._rows("entry")):
            if stop is not None and place >= stop:
                return
            if place >= start:
                number, identity, leaf, data = row
                yield EntryRow(number, bytes.fromhex(identity), bytes.fromhex(data), bytes.fromhex(leaf))

    def heads(self) -> Iterator[tuple[int, bytes]]:
        """The heads as they stand."""
        for size, envelope in self._rows("head"):
            yield size, bytes.fromhex(envelope)

    def state(self) -> Iterator[tuple[bytes, bytes]]:
        """The rows of state."""
        for key, value in self._rows("state"):
            yield bytes.fromhex(key), bytes.fromhex(value)

    def owner_rows(self) -> Iterator[tuple[bytes, bytes]]:
        """The rows of the owner index."""
        for token, holder in self._rows("owner"):
            yield bytes.fromhex(token), bytes.fromhex(holder)

    def derived_rows(self) -> Pages:
        """Both, read side by side."""
        return together(self.state(), self.owner_rows())

    def check(self) -> None:
        """Read every line once; E_JOURNAL_FILE for the first that is none of the format's."""
        for _ in self._rows(""):
            pass

    def _rows(self, wanted: str) -> Iterator[tuple[Any, ...]]:
        with closing(self._lines()) as lines:
            next(lines)
            last = (0, "")
            for number, line in enumerate(lines, 2):
                names = next((form for form in _FORMS if set(form) == set(line)), None)
                if names is None:
                    raise _wrong(number, "it has other fields than any kind of line")
                values = tuple(line[name] for name in names)
                if not all(_is(value, form) for value, form in zip(values, _FORMS[names], strict=True)):
                    raise _wrong(number, "a field is not of its form")
                here = (
                    (("state", "owner").index(names[0]) + 1, values[0])
                    if names[0] in ("state", "owner")
                    else (0, "")
                )
                if (here[0] and not self.derived) or here < last or (here[0] and here == last):
                    raise _wrong(number, "it does not stand where such a line may stand")
                last = here
                if names[0] == wanted:
                    yield values

    def _lines(self) -> Generator[dict[str, Any], None, None]:
        try:
            with self._path.open("rb") as file:
                number = 0
                while line := file.readline(MAX_LINE):
                    number += 1
                    yield _parsed(line, number)
        except OSError as error:
            raise Refused("E_FILE", file=self._path.name, problem=error.strerror or "unreadable") from None
        if not number:
            raise _wrong(1, "the file is empty")


def _parsed(line: bytes, number: int) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise _wrong(number, "it does not end with a line feed, or is too long")
    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=_object, parse_int=_digits)
    except (ValueError, RecursionError):
        raise _wrong(number, "it is no JSON, or has a field twice or a number with a sign") from None
    if not isinstance(value, dict):
        raise _wrong(number, "it is no object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; ValueError when a field stands twice, for readers differ about which of the two counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _digits(text: str) -> int:
    """A whole number without a sign."""
    if text.startswith("-"):
        raise ValueError
    return int(text)


def _is(value: object, form: type) -> bool:
    if form is int:
        return type(value) is int and 0 <= value <= MAX_INTEGER
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _wrong(line: int, problem: str) -> Malformed:
    return Malformed("E_JOURNAL_FILE", line=line, problem=problem)
