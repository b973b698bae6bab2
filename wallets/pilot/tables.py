"""The tables of a report: what was expected, who paid for a double spend, the balance sheets, refusals, parameters.

Each function takes the language and the part of the report it shows and gives a piece of the page. A missing key is
shown as nothing and an amount that is missing counts 0, because a report may lack whatever its pilot never did.
Figures are added up here once more, and a sum that does not agree is said, not hidden.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from wallets.pilot.charts import Part, share_bar
from wallets.pilot.markup import Child, Markup, escape, join, tag
from wallets.pilot.tongue import Tongue

Row = Mapping[str, Any]

GRADES = ("P", "I", "V", "S", "D", "A")
_EVIDENCE_NAMES = {"double_spend": "1", "equivocation": "2", "bad_statement": "4", "dual_cert": "8"}
_EVIDENCE_NUMBER = re.compile(r"e?(\d+)(?:_|$)")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_BEARER = re.compile(r"(.*) \((unspent notes|own online wallet|certified the device; .*)\)", re.DOTALL)
_BEARER_KEYS = {"unspent notes": "device", "own online wallet": "owner"}
_RESERVE_ACCOUNT = "reserve account of "


def amount(row: Row, key: str) -> int:
    """The tiyn under `key`, 0 where there are none."""
    value = row.get(key)
    return value if isinstance(value, int) else 0


def name_of(tongue: Tongue, name: object) -> str:
    """A name that a script gave to a group, in this language where it is a common one; as the first words of a line."""
    key = f"name.{name}"
    text = tongue.say(key) if tongue.knows(key) else str(name).replace("_", " ")
    return text[:1].upper() + text[1:]


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
    titles = [
        tag("th", text, scope="col", class_=style or None) if text else tag("td", class_=style or None)
        for text, style in heads
    ]
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


def expectation(tongue: Tongue, row: Row) -> tuple[Child, Child, Child]:
    """Name, expected and actual value of an expectation, for a person."""
    name, unit = str(row.get("name", "")), row.get("unit")
    if name.endswith("(tiyn)"):
        name, unit = name.removesuffix("(tiyn)").rstrip(), "tiyn"
    own = row.get(f"name_{tongue.language}")
    told = str(own) if own else tongue.labelled(name)
    return told, tongue.value(row.get("expected"), unit), tongue.value(row.get("actual"), unit)


def expectations(tongue: Tongue, rows: Sequence[Row]) -> Markup:
    """Every expectation with both values and whether it held."""
    say = tongue.say
    heads = [
        (say("expect.name"), ""),
        (say("expect.expected"), "n"),
        (say("expect.actual"), "n"),
        (say("expect.held"), ""),
    ]
    body = [
        cells(
            *expectation(tongue, row),
            tag("span", say("yes"), class_="yes") if held(row) else tag("span", say("no"), class_="no"),
            style=None if held(row) else "broken",
            numbers=(1, 2),
        )
        for row in rows
    ]
    return table(say("expect.caption"), heads, body)


def evidence(tongue: Tongue, rows: Sequence[Row]) -> Markup:
    """Each proven double spend: who is named, for how much, and the file in which anyone can check it."""
    say = tongue.say
    return join(
        tag(
            "dl",
            _entry(say("evidence.proven"), _evidence_name(tongue, row.get("type"))),
            _entry(say("evidence.named"), tag("strong", str(row.get("named") or say("nobody")))),
            _entry(say("evidence.device"), code(row.get("device"))),
            _entry(say("amount"), tongue.money(amount(row, "amount_tiyn")))
            if amount(row, "amount_tiyn")
            else None,
            _entry(
                say("evidence.file"),
                [code(row.get("file")), f" ({tongue.count('bytes', size)})" if size else None],
            ),
            _entry("SHA-256", code(row.get("sha256"))),
            class_="evidence",
        )
        for row in rows
        for size in [row.get("bytes")]
    )


def losses(tongue: Tongue, loss_tiyn: int, borne_by: Mapping[str, Any]) -> Markup:
    """Who paid: each bearer with its share of the loss, and the sum."""
    say, money = tongue.say, tongue.money
    heads = [(say("loss.bearer"), ""), (say("amount"), "n"), ("", "wide")]
    rows = [
        tag(
            "tr",
            tag("th", bearer(tongue, name), scope="row"),
            tag("td", money(amount(borne_by, name)), class_="n"),
            tag(
                "td",
                share_bar([Part(name, "loss", (amount(borne_by, name),))], loss_tiyn, tongue),
                class_="wide",
            ),
        )
        for name in borne_by
    ]
    borne = sum(amount(borne_by, name) for name in borne_by)
    foot = tag(
        "tr",
        tag("th", say("together"), scope="row"),
        tag("td", money(borne), class_="n"),
        tag("td", class_="wide"),
    )
    note = None
    if borne != loss_tiyn:
        key = "loss.unborne" if borne < loss_tiyn else "loss.over"
        text = say(key, loss=money(loss_tiyn), difference=money(abs(loss_tiyn - borne)))
        note = tag("p", text, class_="no")
    return join(table(say("loss.caption"), heads, rows, foot), note)


def bearer(tongue: Tongue, name: str) -> Child:
    """Who bore a share of a loss, as the case names it: a device's notes, its owner, a bank, the loss reserve."""
    found = _BEARER.fullmatch(name)
    if found:
        key = _BEARER_KEYS.get(found[2], "bank")
        return f"{name_of(tongue, found[1])} ({tongue.say(f'bearer.{key}')})"
    return tongue.say("bearer.reserve") if name == "loss reserve" else tongue.labelled(name)


def holders(tongue: Tongue, rows: Sequence[Row]) -> Markup:
    """Who holds what at the end, the largest amount first and as the longest bar; who holds nothing in a sentence."""
    say = tongue.say
    holding = sorted((row for row in rows if amount(row, "tiyn")), key=lambda row: -amount(row, "tiyn"))
    empty = [holder(tongue, row) for row in rows if not amount(row, "tiyn")]
    most = max((amount(row, "tiyn") for row in holding), default=0)
    heads = [(say("holders.holder"), ""), (say("holders.count"), "n"), (say("amount"), "n"), ("", "wide")]
    body = [
        tag(
            "tr",
            tag("th", holder(tongue, row), scope="row"),
            tag("td", tongue.number(row["count"]) if row.get("count") is not None else None, class_="n"),
            tag("td", tongue.money(amount(row, "tiyn")), class_="n"),
            tag(
                "td",
                share_bar([Part(say("amount"), "circulating", (amount(row, "tiyn"),))], most, tongue),
                class_="wide",
            ),
        )
        for row in holding
    ]
    return join(
        table(say("holders.caption"), heads, body, seen=True) if holding else None,
        tag("p", say("holders.empty", names=", ".join(empty)), class_="soft") if empty else None,
    )


def holder(tongue: Tongue, row: Row) -> str:
    """A line of the holders: a group and where it holds."""
    if row.get("group") and tongue.knows(f"holders.{row.get('kind')}"):
        return f"{name_of(tongue, row['group'])}: {tongue.say('holders.' + str(row['kind']))}"
    return name_of(tongue, row.get("name", ""))


def told(tongue: Tongue, row: Row, key: str) -> Child:
    """A catalogue's sentence in this language, with `{limit_tiyn}` as *limit*."""
    own = row.get(f"{key}_{tongue.language}")
    sentence = str(own or row.get(key) or "")
    pieces = _PLACEHOLDER.split(sentence)
    shown = [
        tag("var", piece.removesuffix("_tiyn").replace("_", " ")) if place % 2 else escape(piece)
        for place, piece in enumerate(pieces)
    ]
    if own or tongue.language == "en" or not sentence:
        return shown
    return tag("span", shown, lang="en")


def parameters(tongue: Tongue, rows: Sequence[Row], caption: str) -> Markup:
    """Numbers the pilot rests on, and how well each is known."""
    say = tongue.say
    heads = [
        (say("parameter.name"), ""),
        (say("parameter.value"), "n"),
        (say("parameter.known"), ""),
        (say("parameter.note"), ""),
    ]
    body = [
        cells(
            tongue.labelled(row.get("name", "")),
            tongue.value(row.get("value"), row.get("unit")),
            grade(tongue, row),
            [
                tongue.told(row, "note"),
                "; " if row.get("note") and row.get("source") else "",
                row.get("source") or "",
            ],
            numbers=(1,),
        )
        for row in rows
    ]
    return table(caption, heads, body, seen=True)


def grade(tongue: Tongue, row: Row) -> str:
    """How a value is known, in words; a grade that is none as it stands."""
    value = row.get("grade")
    return tongue.say(f"grade.{value}") if value in GRADES else str(value or tongue.say("grade.none"))


def grade_counts(tongue: Tongue, rows: Sequence[Row]) -> str:
    """How many parameters are known how well, in one sentence."""
    count = Counter(row.get("grade") if row.get("grade") in GRADES else None for row in rows)
    names = [(mark, tongue.say(f"grade.{mark}")) for mark in GRADES]
    return ", ".join(
        f"{count[mark]}\u00a0\u00d7\u00a0{name}"
        for mark, name in [*names, (None, tongue.say("grade.none"))]
        if count[mark]
    )


def balance_sheet(tongue: Tongue, sheet: Row) -> Markup:
    """One institution before and after the run, as two accounts in the form of a T."""
    name = institution(tongue, str(sheet.get("institution", "")))
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
            _account(tongue, name, tongue.say("sheet.before"), before, None),
            _account(tongue, name, tongue.say("sheet.after"), after, was),
            class_="sheets",
        ),
    )


def institution(tongue: Tongue, name: str) -> str:
    """The National Bank in this language; a bank's own name as it stands."""
    return tongue.say("party.national_bank") if name == "National Bank" else name


def account_name(tongue: Tongue, name: str) -> Child:
    """A line of a balance sheet in this language, where it is one of the chart of accounts."""
    if name.startswith(_RESERVE_ACCOUNT):
        return tongue.say("account.reserve_of", bank=name.removeprefix(_RESERVE_ACCOUNT))
    key = f"account.{name.lower()}"
    return tongue.say(key) if tongue.knows(key) else tongue.labelled(name)


def _account(
    tongue: Tongue, name: str, moment: str, rows: Sequence[Row], was: Mapping[tuple[Any, Any], int] | None
) -> Markup:
    say, money = tongue.say, tongue.money
    sides = [[row for row in rows if row.get("side") == side] for side in ("asset", "liability")]
    assets, liabilities = (sum(amount(row, "tiyn") for row in side) for side in sides)
    lines = [
        tag("tr", _cells(tongue, left, was, ""), _cells(tongue, right, was, "t"))
        for left, right in zip_longest(*sides)
    ]
    head = [
        tag("th", say("sheet.assets"), scope="colgroup", colspan=2),
        tag("th", say("sheet.liabilities"), scope="colgroup", colspan=2, class_="t"),
    ]
    foot = [
        tag("th", say("sheet.total"), scope="row"),
        tag("td", money(assets), class_="n"),
        tag("th", say("sheet.total"), scope="row", class_="t"),
        tag("td", money(liabilities), class_="n"),
    ]
    larger = "sheet.assets_larger" if assets > liabilities else "sheet.liabilities_larger"
    over = say(larger, difference=money(abs(assets - liabilities)))
    account = tag(
        "table",
        tag("caption", tag("span", f"{name}, ", class_="unseen"), moment),
        tag("thead", tag("tr", head)),
        tag("tbody", lines),
        tag("tfoot", tag("tr", foot)),
    )
    note = tag("p", over, class_="soft") if assets != liabilities else None
    return tag("div", tag("div", account, class_="scroll"), note, class_="sheet")


def _cells(
    tongue: Tongue, row: Row | None, was: Mapping[tuple[Any, Any], int] | None, style: str
) -> list[Markup]:
    """One account and its amount: half a line of the T; the shorter side ends in empty cells."""
    if row is None:
        return [tag("td", class_=style or None), tag("td")]
    change = None
    if was is not None:
        difference = amount(row, "tiyn") - was.get((row.get("side"), row.get("account")), 0)
        told = f"{'+' if difference > 0 else ''}{tongue.money(difference)}"
        change = tag("span", told if difference else tongue.say("sheet.unchanged"), class_="change")
    return [
        tag("td", account_name(tongue, str(row.get("account", ""))), class_=style or None),
        tag("td", tongue.money(amount(row, "tiyn")), change, class_="n"),
    ]


def _entry(name: str, value: Child) -> Markup:
    return join(tag("dt", name), tag("dd", value))


def code(value: object) -> Markup:
    """An id, a code or a file name, in letters of one width."""
    return tag("code", str(value)) if value is not None else Markup("")


def _evidence_name(tongue: Tongue, kind: object) -> str:
    """`E1 DOUBLE_SPEND`, `E1`, 1 or `double_spend` in words; a type that is not known as it stands."""
    text = str(kind).strip().lower().replace(" ", "_").removeprefix("e_")
    number = _EVIDENCE_NUMBER.match(text)
    key = f"evidence.{number[1] if number else _EVIDENCE_NAMES.get(text, '')}"
    return tongue.say(key) if tongue.knows(key) else str(kind).replace("_", " ")
