"""The tables of a report: what was expected, who paid for a double spend, the balance sheets, refusals, parameters.

Each function takes the part of the report it shows and gives a piece of the page. A missing key is shown as nothing
and an amount that is missing counts 0, because a report may lack whatever its pilot never did. Figures are added up
here once more, and a sum that does not agree is said, not hidden.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from wallets.pilot.charts import Part, money, share_bar
from wallets.pilot.markup import Child, Markup, escape, join, tag

Row = Mapping[str, Any]

GRADES = {
    "P": "official",
    "I": "IMF or law firm",
    "V": "vendor",
    "S": "press",
    "D": "derived",
    "A": "assumption",
}
GRADE_NOTE = (
    "How a value is known: official (National Bank, ministry or law), IMF or law firm, vendor, press, derived from "
    "such figures, or an assumption of this sandbox, which anyone may change."
)
_EVIDENCE = {
    "1": "Double spend: one coin, signed over to two payees",
    "2": "Equivocation: one counter, two different statements",
    "4": "Bad statement: signed, and against the rules of the money it passes on",
    "8": "Two certificates of one bank for one device",
}
_EVIDENCE_NAMES = {"double_spend": "1", "equivocation": "2", "bad_statement": "4", "dual_cert": "8"}

_EVIDENCE_NUMBER = re.compile(r"e?(\d+)(?:_|$)")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def amount(row: Row, key: str) -> int:
    """The tiyn under `key`, 0 where there are none."""
    value = row.get(key)
    return value if isinstance(value, int) else 0


def words(value: object) -> str:
    """A name from a program for a person: `double_spend` is `double spend`."""
    return str(value).replace("_", " ")


def label(value: object) -> str:
    """A name as the first words of a line: `meal_price` is `Meal price`."""
    text = words(value)
    return text[:1].upper() + text[1:]


def shown(value: object, unit: object = None) -> str:
    """A value with its unit: tiyn as tenge, whole numbers in groups of three, truth as yes or no."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        if unit == "tiyn":
            return money(value)
        text = f"{value:,}".replace(",", "\u00a0")
    else:
        text = str(value)
    return f"{text}\u00a0{unit}" if unit else text


def table(
    caption: str,
    heads: Sequence[tuple[str, str]],
    rows: Iterable[Markup],
    foot: Markup | None = None,
    seen: bool = False,
) -> Markup:
    """A table; `heads` are (text, class) of the columns, the class `n` for figures.

    The caption is for those who listen, unless `seen`: for the eye a heading above says the same.
    """
    titles = [tag("th", text, scope="col", class_=style or None) for text, style in heads]
    body = [
        tag("caption", caption, class_=None if seen else "unseen"),
        tag("thead", tag("tr", titles)),
        tag("tbody", rows),
    ]
    return tag("div", tag("table", body, tag("tfoot", foot) if foot else None), class_="scroll")


def cells(first: Child, *others: Child, style: str | None = None, numbers: Sequence[int] = ()) -> Markup:
    """A row whose first cell names it; `numbers` are the places (from 1) of the cells that hold figures."""
    rest = [tag("td", cell, class_="n" if place in numbers else None) for place, cell in enumerate(others, 1)]
    return tag("tr", tag("th", first, scope="row"), rest, class_=style)


def held(row: Row) -> bool:
    """Did this expectation hold? The run says so itself; where it does not, the two values are compared."""
    return bool(row.get("ok", row.get("expected") == row.get("actual")))


def expectation(row: Row) -> tuple[str, str, str]:
    """Name, expected and actual value of an expectation, for a person."""
    name, unit = label(row.get("name", "")), row.get("unit")
    if name.endswith("(tiyn)"):
        name, unit = name.removesuffix("(tiyn)").rstrip(), "tiyn"
    return name, shown(row.get("expected"), unit), shown(row.get("actual"), unit)


def expectations(rows: Sequence[Row]) -> Markup:
    """Every expectation with both values and whether it held."""
    heads = [("Expectation", ""), ("Expected", "n"), ("Actual", "n"), ("Held", "")]
    body = [
        cells(
            *expectation(row),
            tag("span", "yes", class_="yes") if held(row) else tag("span", "no", class_="no"),
            style=None if held(row) else "broken",
            numbers=(1, 2),
        )
        for row in rows
    ]
    return table("What the pilot's script expects, and what happened", heads, body)


def evidence(rows: Sequence[Row]) -> Markup:
    """Each proven double spend: who is named, for how much, and the file in which anyone can check it."""
    return join(
        tag(
            "dl",
            _entry("What is proven", _evidence_name(row.get("type"))),
            _entry("Named", tag("strong", str(row.get("named", "nobody")))),
            _entry("Device", _code(row.get("device"))),
            _entry("Amount", money(amount(row, "amount_tiyn"))) if amount(row, "amount_tiyn") else None,
            _entry("Evidence file", [_code(row.get("file")), f" ({shown(size)} bytes)" if size else None]),
            _entry("SHA-256", _code(row.get("sha256"))),
            class_="evidence",
        )
        for row in rows
        for size in [row.get("bytes")]
    )


def losses(loss_tiyn: int, borne_by: Mapping[str, Any]) -> Markup:
    """Who paid: each bearer with its share of the loss, and the sum."""
    heads = [("Borne by", ""), ("Amount", "n"), ("", "wide")]
    rows = [
        tag(
            "tr",
            tag("th", label(name), scope="row"),
            tag("td", money(amount(borne_by, name)), class_="n"),
            tag("td", share_bar([Part(name, "loss", (amount(borne_by, name),))], loss_tiyn), class_="wide"),
        )
        for name in borne_by
    ]
    borne = sum(amount(borne_by, name) for name in borne_by)
    foot = tag(
        "tr",
        tag("th", "Together", scope="row"),
        tag("td", money(borne), class_="n"),
        tag("td", class_="wide"),
    )
    agree = (
        None
        if borne == loss_tiyn
        else tag(
            "p",
            f"The loss is {money(loss_tiyn)}; {money(abs(loss_tiyn - borne))} has no bearer.",
            class_="no",
        )
        if borne < loss_tiyn
        else tag(
            "p",
            f"The loss is {money(loss_tiyn)}: {money(borne - loss_tiyn)} too much was charged.",
            class_="no",
        )
    )
    return join(table("Who paid for the loss", heads, rows, foot), agree)


def holders(rows: Sequence[Row]) -> Markup:
    """Who holds what at the end, the largest amount first and as the longest bar; who holds nothing in a sentence."""
    holding = sorted((row for row in rows if amount(row, "tiyn")), key=lambda row: -amount(row, "tiyn"))
    empty = [str(row.get("name", "")) for row in rows if not amount(row, "tiyn")]
    most = max((amount(row, "tiyn") for row in holding), default=0)
    heads = [("Holder", ""), ("How many", "n"), ("Amount", "n"), ("", "wide")]
    body = [
        tag(
            "tr",
            tag("th", label(row.get("name", "")), scope="row"),
            tag("td", shown(row["count"]) if row.get("count") is not None else None, class_="n"),
            tag("td", money(amount(row, "tiyn")), class_="n"),
            tag("td", share_bar([Part("held", "circulating", (amount(row, "tiyn"),))], most), class_="wide"),
        )
        for row in holding
    ]
    return join(
        table("Who holds what at the end of the run", heads, body, seen=True) if holding else None,
        tag("p", f"Nothing is held at the end by: {', '.join(empty)}.", class_="soft") if empty else None,
    )


def marks(given: Mapping[str, Row]) -> Markup:
    """The life of marked money: put on, released by its rule, returned to the budget, still marked."""
    heads = [("Mark", ""), ("Given", "n"), ("Released", "n"), ("Returned", "n"), ("Still marked", "n")]
    keys = ("given_tiyn", "released_tiyn", "returned_tiyn", "outstanding_tiyn")
    rows, notes = [], []
    for name, mark in given.items():
        title = [label(name), tag("br"), _code(str(mark["id"])[:16])] if mark.get("id") else label(name)
        figures = [money(amount(mark, key)) if mark.get(key) is not None else "\u2013" for key in keys]
        rows.append(cells(title, *figures, numbers=(1, 2, 3, 4)))
        out, *back = (amount(mark, key) for key in keys)
        if mark.get("given_tiyn") is not None and out != sum(back):
            text = f"{label(name)}: {money(out)} given, {money(sum(back))} accounted for."
            notes.append(tag("p", text, class_="no"))
    return join(table("Marked money, from its mark to its release", heads, rows), notes)


def refusals(rows: Sequence[Row]) -> Markup:
    """What was refused, how often, and why; facts that differ from case to case stand as names in italics."""
    heads = [("Code", ""), ("Times", "n"), ("Why", "")]
    ordered = sorted(rows, key=lambda row: (-amount(row, "count"), str(row.get("code", ""))))
    body = [
        cells(
            _code(row.get("code")),
            shown(row.get("count", 0)),
            _told(str(row.get("sentence", ""))),
            numbers=(1,),
        )
        for row in ordered
    ]
    return table("Refused, by reason", heads, body)


def parameters(rows: Sequence[Row]) -> Markup:
    """Every number the pilot rests on, and how well it is known: published facts apart from assumptions."""
    known = [row for row in rows if row.get("grade") in GRADES and row.get("grade") != "A"]
    assumed = [row for row in rows if row not in known]
    parts = (("Facts: published figures", known), ("Assumptions: figures of our own", assumed))
    return join(*(_parameters(title, some) for title, some in parts if some))


def _parameters(title: str, rows: Sequence[Row]) -> Markup:
    heads = [("Parameter", ""), ("Value", "n"), ("Known from", ""), ("Note", "")]
    body = [
        cells(
            label(row.get("name", "")),
            shown(row.get("value"), row.get("unit")),
            GRADES.get(str(row.get("grade")), str(row.get("grade") or "not stated")),
            "; ".join(str(row[key]) for key in ("note", "source") if row.get(key)),
            numbers=(1,),
        )
        for row in rows
    ]
    return table(title, heads, body)


def grade_counts(rows: Sequence[Row]) -> str:
    """How many parameters are known how well, in one sentence."""
    count = Counter(GRADES.get(str(row.get("grade")), "not stated") for row in rows)
    return ", ".join(
        f"{count[grade]}\u00a0\u00d7\u00a0{grade}"
        for grade in (*GRADES.values(), "not stated")
        if count[grade]
    )


def balance_sheet(sheet: Row) -> Markup:
    """One institution before and after the run, as two accounts in the form of a T."""
    name = str(sheet.get("institution", ""))
    before: Sequence[Row] = sheet.get("before") or ()
    after: Sequence[Row] = sheet.get("after") or ()
    was = {(row.get("side"), row.get("account")): amount(row, "tiyn") for row in before}
    # An account that is gone after the run is shown with nothing on it, so that its change is seen.
    still = {(row.get("side"), row.get("account")) for row in after}
    gone = [row for row in before if (row.get("side"), row.get("account")) not in still]
    after = [*after, *({**row, "tiyn": 0} for row in gone)] if after else after
    return join(
        tag("h3", name),
        tag(
            "div",
            _account(name, "Before the run", before, None),
            _account(name, "After the run", after, was),
            class_="sheets",
        ),
    )


def _account(
    name: str, moment: str, rows: Sequence[Row], was: Mapping[tuple[Any, Any], int] | None
) -> Markup:
    sides = [[row for row in rows if row.get("side") == side] for side in ("asset", "liability")]
    assets, liabilities = (sum(amount(row, "tiyn") for row in side) for side in sides)
    lines = [tag("tr", _cells(left, was, ""), _cells(right, was, "t")) for left, right in zip_longest(*sides)]
    head = [
        tag("th", "Assets", scope="colgroup", colspan=2),
        tag("th", "Liabilities", scope="colgroup", colspan=2, class_="t"),
    ]
    foot = [
        tag("th", "Total", scope="row"),
        tag("td", money(assets), class_="n"),
        tag("th", "Total", scope="row", class_="t"),
        tag("td", money(liabilities), class_="n"),
    ]
    larger = "Assets" if assets > liabilities else "Liabilities"
    over = f"{larger} are larger by {money(abs(assets - liabilities))}."
    account = tag(
        "table",
        tag("caption", tag("span", f"{name}, ", class_="unseen"), moment),
        tag("thead", tag("tr", head)),
        tag("tbody", lines),
        tag("tfoot", tag("tr", foot)),
    )
    note = tag("p", over, class_="soft") if assets != liabilities else None
    return tag("div", tag("div", account, class_="scroll"), note, class_="sheet")


def _cells(row: Row | None, was: Mapping[tuple[Any, Any], int] | None, style: str) -> list[Markup]:
    """One account and its amount: half a line of the T; the shorter side ends in empty cells."""
    if row is None:
        return [tag("td", class_=style or None), tag("td")]
    change = None
    if was is not None:
        difference = amount(row, "tiyn") - was.get((row.get("side"), row.get("account")), 0)
        told = f"{'+' if difference > 0 else ''}{money(difference)}" if difference else "unchanged"
        change = tag("span", told, class_="change")
    return [
        tag("td", label(row.get("account", "")), class_=style or None),
        tag("td", money(amount(row, "tiyn")), change, class_="n"),
    ]


def _entry(name: str, value: Child) -> Markup:
    return join(tag("dt", name), tag("dd", value))


def _told(sentence: str) -> list[Markup]:
    """A catalogue's sentence, with `{limit_tiyn}` as *limit*."""
    pieces = _PLACEHOLDER.split(sentence)
    return [
        tag("var", words(piece.removesuffix("_tiyn"))) if place % 2 else escape(piece)
        for place, piece in enumerate(pieces)
    ]


def _code(value: object) -> Markup:
    return tag("code", str(value)) if value is not None else Markup("")


def _evidence_name(kind: object) -> str:
    """`E1 DOUBLE_SPEND`, `E1`, 1 or `double_spend` in words; a type that is not known as it stands."""
    text = str(kind).strip().lower().replace(" ", "_").removeprefix("e_")
    number = _EVIDENCE_NUMBER.match(text)
    return _EVIDENCE.get(number[1] if number else _EVIDENCE_NAMES.get(text, ""), words(kind))
