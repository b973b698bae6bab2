"""What extensions bring to a report, shown without code of their own.

An extension's part of `report["parts"]` is any JSON. Best shown is this form, each key of which may be missing:

    {"title": "Cards", "text": "What it shows.",
     "figures": [{"name": "captured", "value": 1200000, "unit": "tiyn"}],
     "tables": [{"title": "Declined", "columns": ["code", "count", "amount_tiyn"], "rows": [["51", 3, 900]]}]}

Texts may stand in Kazakh and Russian beside the English (`title_kk`, `title_ru`). An amount is a figure whose unit is
`tiyn`, or stands under a name that ends in `_tiyn`. Whatever else a part holds is shown by its shape:

    a whole number, a text, yes or no, nothing     a line of a list of names and values
    a list of objects, an object of like objects   a table, a column for each key
    a list of plain values                         a line
    anything deeper                                under a heading of its own, down to a few levels, then as JSON

A table shows at most 200 rows and says how many more there are in report.json.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from wallets.pilot import tables
from wallets.pilot.markup import Child, Markup, join, tag
from wallets.pilot.tongue import Tongue

MOST_ROWS = 200
MOST_COLUMNS = 12
_DEEPEST = 5
_CODE = re.compile(r"E_[A-Z0-9_]+$")
_MOST_IN_A_CELL = 40
_KNOWN = ("title", "text", "figures", "tables")
_TRANSLATED = ("title_kk", "title_ru", "text_kk", "text_ru")
_AMOUNTS = ("_tiyn", ".tiyn")
_PLAIN = (str, int, type(None))


def parts(tongue: Tongue, found: Any) -> list[tuple[str, Child, Markup]]:
    """For each extension: its name, its heading, and its part of the page."""
    if not isinstance(found, Mapping):
        return []
    shown = []
    for name, part in found.items():
        body = _part(tongue, part)
        if body:
            titled = isinstance(part, Mapping) and isinstance(part.get("title"), str) and part["title"]
            heading = tongue.told(part, "title") if titled else tables.name_of(tongue, name)
            shown.append((str(name), heading, body))
    return shown


def _part(tongue: Tongue, part: Any) -> Markup | None:
    if not isinstance(part, Mapping):
        return _any(tongue, part, 3)
    rest = {name: value for name, value in part.items() if name not in (*_KNOWN, *_TRANSLATED)}
    pieces: list[Markup | None] = []
    if isinstance(part.get("text"), str) and part["text"]:
        pieces.append(tag("p", tongue.told(part, "text")))
    pieces.append(_figures(tongue, part["figures"]) if part.get("figures") else None)
    if part.get("tables"):
        pieces += [_table(tongue, one) for one in _list(part["tables"])]
    pieces.append(_any(tongue, rest, 3))
    shown = [piece for piece in pieces if piece]
    return join(shown) if shown else None


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _figures(tongue: Tongue, rows: Any) -> Markup | None:
    """Named values with a unit; what does not have that form is shown as it is."""
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) and "name" in row for row in rows):
        return _any(tongue, {"figures": rows}, 3)
    lines = []
    for row in rows:
        name, unit = str(row["name"]), row.get("unit")
        if _is_amount(name):
            name, unit = _bare(name), "tiyn"
        told = (
            str(row[f"name_{tongue.language}"]) if row.get(f"name_{tongue.language}") else _name(tongue, name)
        )
        lines.append(tag("div", tag("dt", told), tag("dd", _value(tongue, row.get("value"), unit))))
    return tag("dl", lines, class_="figures small")


def _table(tongue: Tongue, part: Any) -> Markup | None:
    """A table with a title, columns and rows."""
    if not isinstance(part, Mapping) or not isinstance(part.get("rows"), list):
        return _any(tongue, part, 3)
    columns = [str(column) for column in _list(part.get("columns") or ())]
    title = part.get(f"title_{tongue.language}") or part.get("title") or tongue.say("parts.table")
    rows = [_list(row.values() if isinstance(row, Mapping) else row) for row in part["rows"]]
    rows = [list(row[0]) if len(row) == 1 and isinstance(row[0], list) else row for row in rows]
    return _grid(tongue, str(title), columns, rows)


def _grid(
    tongue: Tongue, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], seen: bool = True
) -> Markup:
    width = min(max([len(columns), *(len(row) for row in rows)], default=0), MOST_COLUMNS)
    names = [*columns, *("" for _ in range(width - len(columns)))][:width]
    numeric = [
        place
        for place in range(width)
        if rows and all(len(row) <= place or _is_number(row[place]) for row in rows)
    ]
    heads = [
        (_text(tongue, _bare(name)) if name else "", "n" if place in numeric else "")
        for place, name in enumerate(names)
    ]
    body = [
        tables.cells(
            *[
                _value(tongue, row[place] if place < len(row) else "", "tiyn" if _is_amount(name) else None)
                for place, name in enumerate(names)
            ],
            numbers=numeric,
        )
        for row in rows[:MOST_ROWS]
        if width
    ]
    rest = len(rows) - min(len(rows), MOST_ROWS)
    more = tag("p", tongue.count("more_in_csv", rest, file="report.json"), class_="soft") if rest else None
    return join(tables.table(title, heads, body, seen=seen), more)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _any(tongue: Tongue, value: Any, level: int) -> Markup | None:
    """Any JSON by its shape; `level` is the heading's for what lies deeper."""
    if value in (None, "", {}, []):
        return None
    if isinstance(value, Mapping):
        return _mapping(tongue, value, level)
    if isinstance(value, list | tuple):
        return _sequence(tongue, value, level)
    return tag("p", _value(tongue, value))


def _mapping(tongue: Tongue, value: Mapping[str, Any], level: int) -> Markup | None:
    plain = {name: one for name, one in value.items() if isinstance(one, _PLAIN)}
    deep = {name: one for name, one in value.items() if name not in plain and one not in ({}, [], ())}
    pieces: list[Markup | None] = [_pairs(tongue, plain) if plain else None]
    if len(deep) > 1 and all(_is_flat(one) for one in deep.values()) and _alike(list(deep.values())):
        pieces.append(_objects(tongue, tongue.say("parts.table"), list(deep.values()), list(deep)))
    else:
        for name, one in deep.items():
            pieces.append(_under(tongue, name, one, level))
    shown = [piece for piece in pieces if piece]
    return join(shown) if shown else None


def _under(tongue: Tongue, name: str, value: Any, level: int) -> Markup | None:
    heading = tag(f"h{min(level, 4)}", _name(tongue, name))
    if level > _DEEPEST:
        return join(heading, tag("pre", json.dumps(value, ensure_ascii=False, indent=1, default=str)))
    if isinstance(value, list) and value and all(_is_flat(one) for one in value):
        return join(heading, _objects(tongue, _text(tongue, name), value, None, seen=False))
    inner = _any(tongue, value, level + 1)
    return join(heading, inner) if inner else None


def _sequence(tongue: Tongue, value: Sequence[Any], level: int) -> Markup | None:
    if all(_is_flat(one) for one in value):
        return _objects(tongue, tongue.say("parts.table"), list(value), None)
    if all(isinstance(one, _PLAIN) for one in value):
        return tag("ul", [tag("li", _value(tongue, one)) for one in value[:MOST_ROWS]])
    if all(isinstance(one, list | tuple) and all(isinstance(item, _PLAIN) for item in one) for one in value):
        return _grid(tongue, tongue.say("parts.table"), [], [list(one) for one in value])
    if level > _DEEPEST:
        return tag("pre", json.dumps(list(value), ensure_ascii=False, indent=1, default=str))
    shown = [_any(tongue, one, level + 1) for one in value[:MOST_ROWS]]
    return join([piece for piece in shown if piece])


def _is_flat(value: Any) -> bool:
    """Whether this is a row of a table: an object of plain values, or of short lists of them."""
    return isinstance(value, Mapping) and bool(value) and all(_is_cell(one) for one in value.values())


def _is_cell(value: Any) -> bool:
    short = isinstance(value, list | tuple) and len(value) <= _MOST_IN_A_CELL
    return isinstance(value, _PLAIN) or (short and all(isinstance(one, _PLAIN) for one in value))


def _alike(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether these objects share most of their keys, so that a table of them says something."""
    keys = [set(row) for row in rows]
    return len(set.union(*keys)) <= 2 * len(set.intersection(*keys)) if keys else False


def _objects(
    tongue: Tongue,
    title: str,
    rows: Sequence[Mapping[str, Any]],
    names: Sequence[str] | None,
    seen: bool = True,
) -> Markup:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells: list[list[Any]] = [[row.get(column, "") for column in columns] for row in rows]
    if names is not None:
        columns = ["", *columns]
        cells = [[str(name).replace("_", " "), *row] for name, row in zip(names, cells, strict=True)]
    return _grid(tongue, title, columns, cells, seen)


def _pairs(tongue: Tongue, value: Mapping[str, Any]) -> Markup:
    lines = []
    for name, one in value.items():
        shown = _value(tongue, one, "tiyn" if _is_amount(name) else None)
        lines.append([tag("dt", _name(tongue, _bare(name))), tag("dd", shown)])
    return tag("dl", lines, class_="facts pairs")


def _is_amount(name: str) -> bool:
    return name.endswith(_AMOUNTS) or name == "tiyn"


def _bare(name: str) -> str:
    """A name without its unit, where that is tiyn."""
    for end in _AMOUNTS:
        name = name.removesuffix(end)
    return name


def _name(tongue: Tongue, name: object) -> Child:
    """A name as the first words of a line; a code in it stays a code: `refused.E_CAP` is `Refused: E_CAP`."""
    if tongue.knows(f"name.{name}"):
        return tables.name_of(tongue, name)
    code = _CODE.search(str(name))
    if code is None:
        return tongue.labelled(_spoken(name))
    before = str(name)[: code.start()].removesuffix(".")
    return [tongue.labelled(f"{_spoken(before)}: ") if before else "", tables.code(code[0])]


def _text(tongue: Tongue, name: object) -> str:
    return tables.name_of(tongue, _spoken(name))


def _spoken(name: object) -> str:
    """`coin.locked` as `coin: locked`; what is no name of a program stays as it is."""
    return re.sub(r"(?<=[a-z])\.(?=[a-z])", ": ", str(name))


def _value(tongue: Tongue, value: Any, unit: Any = None) -> Child:
    if value is None or value == "":
        return "\u2013"
    if isinstance(value, list | tuple) and _is_cell(value):
        return join(*([", " if place else "", _value(tongue, one, unit)] for place, one in enumerate(value)))
    if isinstance(value, Mapping | list | tuple):
        return tag("code", json.dumps(value, ensure_ascii=False, default=str))
    return tongue.value(value, unit)
