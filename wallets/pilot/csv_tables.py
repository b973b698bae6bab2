"""The tables of a report as CSV files, for a spreadsheet: `tables/*.csv` beside report.json.

    events        every step, in order
    parameters    every number the pilot rests on, with its grade
    expectations  what must be true, and what is
    refusals      every code by step: verb, who, rule, how often, and the sentence
    flows         who passed how much to whom, by mark and by action
    series        a line a day: supply by holder, payments, marked money
    holders       who holds what at the end
    marks         the life of each mark
    linkability   what each party can link

They are made from the report alone, in its order: the same report gives the same bytes. UTF-8, lines end in a line
feed, a comma between cells, the first line names the columns, amounts are whole tiyn. A text that a spreadsheet would
take for a formula (it begins with `=`, `+`, `-`, `@`, a tab or a line end) gets an apostrophe in front.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\n")
Row = Mapping[str, Any]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "events": (
        "date",
        "time",
        "verb",
        "who",
        "text",
        "tries",
        "accepted",
        "amount_tiyn",
        "offline_payments",
        "refused",
        "rule",
        "note",
    ),
    "parameters": ("name", "value", "unit", "grade", "note"),
    "expectations": ("name", "fact", "unit", "expected", "actual", "ok"),
    "refusals": (
        "code",
        "catalogue_rule",
        "verb",
        "who",
        "rule",
        "expected",
        "count",
        "first",
        "text",
        "sentence",
    ),
    "flows": ("from", "to", "mark", "action", "count", "tiyn"),
    "series": (
        "date",
        "bank_inventory_tiyn",
        "treasury_tiyn",
        "wallets_tiyn",
        "escrow_tiyn",
        "loss_reserve_tiyn",
        "payments_online",
        "paid_online_tiyn",
        "payments_offline",
        "marked_tiyn",
    ),
    "holders": ("name", "group", "kind", "count", "tiyn"),
    "marks": (
        "name",
        "label",
        "id",
        "given_tiyn",
        "covered_tiyn",
        "released_tiyn",
        "returned_tiyn",
        "recovered_tiyn",
        "outstanding_tiyn",
    ),
    "linkability": (
        "party",
        "reads",
        "seen",
        "payer_named",
        "payee_named",
        "to_a_person",
        "linked",
        "largest",
    ),
}


def files(report: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """(file name, bytes) of every table, in a fixed order."""
    rows = {
        "events": [_event(row) for row in report.get("events") or ()],
        "parameters": report.get("parameters") or (),
        "expectations": report.get("expectations") or (),
        "refusals": list(_refusals(report.get("refusals") or ())),
        "flows": report.get("flows") or (),
        "series": list(_series(report.get("series") or {})),
        "holders": report.get("holders") or (),
        "marks": [{"name": name, **mark} for name, mark in (report.get("marks") or {}).items()],
        "linkability": (report.get("linkability") or {}).get("parties") or (),
    }
    for name, columns in COLUMNS.items():
        yield f"{name}.csv", _table(columns, rows[name])


def _table(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return text.getvalue().encode("utf-8", errors="replace")


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return value
    text = str(value).replace("\r", "\n")
    return f"'{text}" if text.startswith(_FORMULA) else text


def _event(row: Row) -> Row:
    refusals: Mapping[str, Any] = row.get("refusals") or {}
    return {**row, "refused": " ".join(f"{refusals[code]}x{code}" for code in sorted(refusals))}


def _refusals(rows: Sequence[Row]) -> Iterator[Row]:
    for row in rows:
        told = {"code": row.get("code"), "catalogue_rule": row.get("rule"), "sentence": row.get("sentence")}
        for step in row.get("steps") or ({"count": row.get("count")},):
            yield {**step, **told}


def _series(series: Mapping[str, Any]) -> Iterator[Row]:
    for place, date in enumerate(series.get("dates") or ()):
        figures = {
            name: values[place]
            for name, values in series.items()
            if name != "dates" and values is not None and place < len(values)
        }
        yield {"date": date, **figures}
