"""Charts of the site: the drawings of the pilots' reports, in the language of the request, with their figures beside.

A template makes one and shows it:

    {{ ui.chart(chart_line("float", _("On devices"), _("At the end of each day."), days, values, "escrow")) }}

Drawing and scale are those of `wallets.pilot.charts`: inline SVG from whole numbers, colours by class, light or dark by
the page's style. A person who cannot see it gets the title, a description, and a table of the same figures, which is
part of the chart and so cannot be forgotten.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import markupsafe
from jinja2 import Environment

from wallets.pilot import charts
from wallets.pilot.markup import Markup
from wallets.pilot.tongue import tongue
from wallets.site.words import spoken_now

MOST_ROWS = 400
# The colours of the five holders, in the order of the supply table.
HOLDERS = ("bank", "treasury", "wallets", "escrow", "loss")


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing and its figures. `rows` are (what, texts of its values), `heads` names the columns of values, and `key`
    says which colour (a class) is what, where there are several."""

    title: str
    description: str
    svg: markupsafe.Markup
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    key: tuple[tuple[str, str], ...] = ()

    def columns(self, first: str) -> list[str | tuple[str, str]]:
        """The heads of the table of figures, as the macro `table` wants them; `first` names the column of days."""
        return [first, *(("number", head) for head in self.heads)]


def _safe(drawn: Markup) -> markupsafe.Markup:
    """Markup of the reports as markup of templates: both are escaped where they are made."""
    return markupsafe.Markup(str(drawn))  # noqa: S704


def _parts(parts: Sequence[Sequence[object]]) -> list[charts.Part]:
    made = []
    for name, style, values in parts:
        assert isinstance(values, list | tuple), "the values of a part are a list"
        made.append(charts.Part(str(name), str(style), tuple(int(value) for value in values)))
    return made


def chart_line(
    identity: str,
    title: str,
    description: str,
    days: Sequence[str],
    values_tiyn: Sequence[int],
    style: str = "wallets",
) -> Chart:
    """One amount (tiyn) over days (YYYY-MM-DD) as a line; `style` is the class of its colour."""
    words = charts.Words(identity, title, description, tongue(spoken_now()))
    part = charts.Part(title, style, tuple(values_tiyn))
    rows = _rows(words, days, [part], words.tongue.money)
    return Chart(title, description, _safe(charts.line(words, days, part)), (title,), rows)


def chart_stacked(
    identity: str, title: str, description: str, days: Sequence[str], parts: Sequence[Sequence[object]]
) -> Chart:
    """Amounts on top of each other over days; `parts` are (name, class of its colour, tiyn a day)."""
    words = charts.Words(identity, title, description, tongue(spoken_now()))
    made = _parts(parts)
    drawn = charts.stacked_area(words, days, made)
    heads = tuple(part.name for part in made)
    rows = _rows(words, days, made, words.tongue.money)
    return Chart(title, description, _safe(drawn), heads, rows, _key(made))


def chart_bars(
    identity: str,
    title: str,
    description: str,
    days: Sequence[str],
    parts: Sequence[Sequence[object]],
    unit: str,
) -> Chart:
    """Numbers of something (no amounts) a day as bars; `parts` are (name, class of its colour, numbers a day), `unit`
    says of what, in the page's language."""
    words = charts.Words(identity, title, description, tongue(spoken_now()))
    made = _parts(parts)
    drawn = charts.bars(words, days, made, unit)
    heads = tuple(part.name for part in made)
    rows = _rows(words, days, made, words.tongue.number)
    return Chart(title, description, _safe(drawn), heads, rows, _key(made))


def chart_supply(
    identity: str, title: str, description: str, redeemed_tiyn: int, holders: Sequence[tuple[str, int]]
) -> Chart:
    """Who holds what was issued: two bars. `holders` are (name, tiyn) of the five in the supply table's order."""
    words = charts.Words(identity, title, description, tongue(spoken_now()))
    parts = [
        charts.Part(name, style, (amount,)) for (name, amount), style in zip(holders, HOLDERS, strict=True)
    ]
    drawn = charts.supply_picture(words, redeemed_tiyn, parts)
    rows = tuple((part.name, (words.tongue.money(part.last_tiyn),)) for part in parts)
    return Chart(title, description, _safe(drawn), (title,), rows)


def _key(parts: Sequence[charts.Part]) -> tuple[tuple[str, str], ...]:
    return tuple((part.name, part.style) for part in parts) if len(parts) > 1 else ()


def _rows(
    words: charts.Words, days: Sequence[str], parts: Sequence[charts.Part], say: Callable[[int], str]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    shown = min([len(days), MOST_ROWS, *(len(part.values_tiyn) for part in parts)])
    return tuple(
        (words.tongue.day(days[place]), tuple(say(part.values_tiyn[place]) for part in parts))
        for place in range(shown)
    )


def install(environment: Environment) -> None:
    """Give templates the charts by their names."""
    environment.globals.update(
        chart_line=chart_line, chart_stacked=chart_stacked, chart_bars=chart_bars, chart_supply=chart_supply
    )
