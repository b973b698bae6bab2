"""One self-contained page for one pilot run: what an analyst of a central bank opens to judge it.

The page begins with the two questions that decide everything else: did every expectation hold, and does the supply
add up. Then come the story, the money map, charts, marked money, double spends with who is named and who paid, what
was refused and why, limits, balance sheets, who saw what, the extensions' parts, and the parameters, facts apart from
assumptions, with how well each is known. It ends with what is simulated.

Rules kept here:

- nothing is fetched: no address leads out; a policy in the page forbids everything but this style and this script, by
  their hashes;
- the whole page stands in Kazakh, Russian and English; style shows one of them, also with no script, and on paper;
- every text of the report is escaped by `wallets.pilot.markup`, whoever wrote it;
- the page computes nothing that the report does not say, except sums to check it;
- a missing key leaves out its section and never breaks the page; the same report gives the same bytes;
- figures of groups and days only, never a list of payments: the page of a large run is as small as that of a small one.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from wallets.pilot import page_money, page_parts, page_privacy, page_risks, page_story, tables
from wallets.pilot.markup import Child, Markup, join, tag
from wallets.pilot.style import style_sheet
from wallets.pilot.switch import SCRIPT
from wallets.pilot.tables import Row
from wallets.pilot.tongue import FALLBACK, LANGUAGES, Tongue, tongue

DISCLAIMER = "This is test money. The sandbox is not affiliated with the National Bank of Kazakhstan."
_FACTS = ("P", "I", "V", "S", "D")


def render(report: Mapping[str, Any]) -> str:
    """The page of `report` (the same mapping that is written as report.json) as HTML text."""
    style = style_sheet()
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy(style)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content="digital tenge sandbox"),
        tag("title", page_title(tongue(FALLBACK), report)),
        tag("style", Markup(style)),
    ]
    bodies = [join("\n", language_body(tongue(language), report)) for language in LANGUAGES]
    body = [_switch(), bodies, "\n", tag("script", Markup(SCRIPT))]
    page = tag("html", tag("head", head), "\n", tag("body", body), lang=FALLBACK)
    return f"<!DOCTYPE html>\n{page}\n"


def policy(style: str) -> str:
    """What a browser may do with the page: this style and this script, and nothing else."""
    sources = [f"{kind}-src 'sha256-{_hash(text)}'" for kind, text in (("style", style), ("script", SCRIPT))]
    return "; ".join(["default-src 'none'", *sources, "base-uri 'none'", "form-action 'none'"])


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _switch() -> Markup:
    """Three radio buttons: the page shows the language whose button is on."""
    buttons = [
        tag(
            "label",
            tag(
                "input",
                type="radio",
                name="tongue",
                id=f"tongue-{language}",
                value=language,
                checked=language == FALLBACK,
            ),
            tag("span", tongue(language).say("language")),
            lang=language,
        )
        for language in LANGUAGES
    ]
    legend = [
        join(" / " if place else "", tag("span", tongue(language).say("languages"), lang=language))
        for place, language in enumerate(LANGUAGES)
    ]
    names = " / ".join(tongue(language).say("language") for language in LANGUAGES)
    fields = tag("fieldset", tag("legend", legend, class_="unseen"), buttons, class_="tongues")
    return tag("nav", fields, aria_label=names, class_="switch")


def page_title(words: Tongue, report: Mapping[str, Any]) -> str:
    """What the browser's tab says."""
    own = report.get(f"title_{words.language}") or report.get("title") or report.get("pilot")
    return words.say("title", title=own or words.say("top.pilot"))


def language_body(words: Tongue, report: Mapping[str, Any]) -> Markup:
    """The whole page in one language."""
    present = [
        (f"{words.language}-{name}", heading, body) for name, heading, body in sections(words, report) if body
    ]
    contents = [(name, str(heading)) for name, heading, _ in present]
    return tag(
        "div",
        tag("a", words.say("skip"), href=f"#{words.language}-result", class_="skip"),
        page_story.top(words, report, contents),
        tag("main", page_story.result(words, report), [_section(*part) for part in present]),
        _foot(words, report),
        class_="tongue",
        lang=words.language,
        data_title=page_title(words, report),
    )


def sections(words: Tongue, report: Mapping[str, Any]) -> list[tuple[str, Child, Markup | None]]:
    """(name, heading, body) of every section in order; the body is None where the report has nothing for it."""
    found: list[tuple[str, Child, Markup | None]] = [
        ("story", words.say("section.story"), page_story.story(words, report)),
        ("map", words.say("section.map"), page_money.flow_map(words, report)),
        ("supply", words.say("section.supply"), page_money.supply(words, report)),
        ("circulation", words.say("section.circulation"), page_money.circulation(words, report)),
        ("marks", words.say("section.marks"), page_money.marks(words, report)),
        ("offline", words.say("section.offline"), page_risks.offline(words, report)),
        ("refusals", words.say("section.refusals"), page_risks.refusals(words, report.get("refusals"))),
        ("limits", words.say("section.limits"), page_risks.limits(words, report)),
        (
            "sheets",
            words.say("section.sheets"),
            page_money.balance_sheets(words, report.get("balance_sheets") or ()),
        ),
        ("privacy", words.say("section.privacy"), page_privacy.privacy(words, report)),
    ]
    for place, (_, heading, body) in enumerate(page_parts.parts(words, report.get("parts"))):
        found.append((f"part{place + 1}", heading, body))
    found.append(("parameters", words.say("section.parameters"), _parameters(words, report)))
    return found


def _section(name: str, heading: Child, body: Markup) -> Markup:
    return join(
        "\n",
        tag(
            "section",
            tag("h2", heading, id=f"{name}-heading"),
            body,
            id=name,
            aria_labelledby=f"{name}-heading",
        ),
    )


def _parameters(words: Tongue, report: Mapping[str, Any]) -> Markup | None:
    """What somebody has published or what follows from it, apart from what is assumed here; then distributions."""
    rows: Sequence[Row] = report.get("parameters") or ()
    drawn = [_drawn(row) for row in report.get("distributions") or ()]
    if not rows and not drawn:
        return None
    facts = [row for row in rows if row.get("grade") in _FACTS]
    assumed = [row for row in rows if row.get("grade") not in _FACTS]
    say = words.say
    text = say("parameter.text", counts=tables.grade_counts(words, [*rows, *drawn]))
    return join(
        tag("p", text, class_="soft"),
        tables.parameters(words, facts, say("parameter.facts"))
        if facts
        else tag("p", say("parameter.no_facts")),
        tables.parameters(words, assumed, say("parameter.assumptions")) if assumed else None,
        tables.parameters(words, drawn, say("parameter.distributions")) if drawn else None,
    )


def _drawn(row: Row) -> Row:
    """A distribution as a line of the parameters: its kind with its values."""
    values: Mapping[str, Sequence[int]] = row.get("values") or {}
    told = [f"{name} {', '.join(map(str, numbers))}" for name, numbers in values.items()]
    return {**row, "value": f"{row.get('kind', '')}: {'; '.join(told)}"}


def _foot(words: Tongue, report: Mapping[str, Any]) -> Markup:
    own = report.get(f"simulated_{words.language}")
    simulated = [
        tag("li", str(line) if own else words.foreign(line)) for line in own or report.get("simulated") or ()
    ]
    return tag(
        "footer",
        tag(
            "div",
            [tag("h2", words.say("foot.simulated")), tag("ul", simulated)] if simulated else None,
            tag("p", words.say("foot.disclaimer")),
            tag("p", words.say("foot.made")),
        ),
    )
