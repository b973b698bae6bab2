"""How a message lies in XML, as data: which field stands where. One list writes a message and reads it.

A layout is a text, one line an element that holds something, in the order of the schema:

    GrpHdr/MsgId                 message_id  text
    GrpHdr/NbOfTxs               = 1
    Tx/Amt                       amount      money
    Tx/Rsn/Cd                    reason      text?       (empty: the element is left out)
    Stmt/Ntry *                  entries     ENTRIES     (a list, each with a layout of its own)

Kinds: `text`, `number` (from 0), `moment` (Unix seconds), `date` (days from 1970), `hash` (32 bytes as hexadecimal),
`money` (minor units with a currency; `balance` may be 0). A `?` behind a kind makes it optional: the
field is then empty, or None.

Rules kept here: what is read is written again and must be the same bytes (E_RAILS_LAYOUT), so nothing in a message is
skipped, and no message has two forms.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cbdc.canonical import MAX_INTEGER
from cbdc.errors import Malformed
from cbdc.rails.calendar import date_text, moment_text, read_date, read_moment
from cbdc.rails.currency import Money, read_money
from cbdc.rails.xml import Writer, find


@dataclass(frozen=True, slots=True)
class Leaf:
    """One element: the field it holds (empty for a constant), its kind, and whether it may be missing."""

    path: tuple[str, ...]
    field: str
    kind: str
    constant: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Many:
    """Elements of one name, each with a layout of its own: the field is a tuple of what `make` makes of its values."""

    path: tuple[str, ...]
    field: str
    layout: "Layout"
    make: Callable[..., Any]


Layout = Sequence[Leaf | Many]


def layout(text: str, lists: Mapping[str, tuple[Layout, Callable[..., Any]]] | None = None) -> Layout:
    """The layout in a text; `lists` names the layouts of repeated elements, and what each becomes."""
    rows: list[Leaf | Many] = []
    for line in text.strip().splitlines():
        words = line.split()
        path = tuple(words[0].split("/"))
        if words[1] == "*":
            of, make = (lists or {})[words[3]]
            rows.append(Many(path, words[2], of, make))
        elif words[1] == "=":
            rows.append(Leaf(path, "", "text", words[2]))
        else:
            rows.append(Leaf(path, words[1], words[2].removesuffix("?"), optional=words[2].endswith("?")))
    return tuple(rows)


def write(writer: Writer, rows: Layout, value: Any) -> None:
    """Write the fields of `value` below what is open."""
    base = writer.depth
    for row in rows:
        if isinstance(row, Many):
            for item in getattr(value, row.field):
                writer.item(row.path, base)
                write(writer, row.layout, item)
            continue
        if row.constant:
            writer.leaf(row.path, row.constant, "", base)
            continue
        held = getattr(value, row.field)
        if row.optional and held in ("", None):
            continue
        code = held.currency.code if row.kind in _MONEY else ""
        writer.leaf(row.path, _WRITE[row.kind](held), code, base)
    writer.end(base)


def read(element: Any, rows: Layout) -> dict[str, Any]:
    """The fields in an element that the schema has found right.

    Raises E_RAILS_AMOUNT_TEXT, E_RAILS_CURRENCY, E_RAILS_MOMENT, E_MONEY_RANGE or E_RAILS_LAYOUT.
    """
    values: dict[str, Any] = {}
    for row in rows:
        there = find(element, row.path)
        if isinstance(row, Many):
            values[row.field] = tuple(row.make(**read(item, row.layout)) for item in there)
        elif row.field and there:
            text = there[0].text or ""
            if not unicodedata.is_normalized("NFC", text):
                raise Malformed("E_RAILS_LAYOUT", problem=f"{row.path[-1]} is not in normal form C")
            if row.kind in _MONEY:
                values[row.field] = read_money(text, there[0].get("Ccy", ""), _MONEY[row.kind])
            else:
                values[row.field] = _READ[row.kind](text)
        elif row.field:
            if not row.optional:
                raise Malformed("E_RAILS_LAYOUT", problem=f"{row.path[-1]} is missing")
            values[row.field] = "" if row.kind == "text" else None
    return values


def _number(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else -1
    if not 0 <= number <= MAX_INTEGER:
        raise Malformed("E_RAILS_LAYOUT", problem=f"{text[:20]} is no number")
    return number


def _hash(text: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != 32:
        raise Malformed("E_RAILS_LAYOUT", problem=f"{text[:20]} is not 32 bytes in hexadecimal")
    return value


def _amount(value: Money) -> str:
    return value.text


_MONEY = {"money": 1, "balance": 0}
_READ: Mapping[str, Callable[[str], Any]] = {
    "text": str,
    "number": _number,
    "moment": read_moment,
    "date": read_date,
    "hash": _hash,
}
_WRITE: Mapping[str, Callable[[Any], str]] = {
    "text": str,
    "number": str,
    "moment": moment_text,
    "date": date_text,
    "hash": bytes.hex,
    "money": _amount,
    "balance": _amount,
}
