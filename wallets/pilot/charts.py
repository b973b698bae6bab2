"""The drawings of a report: inline SVG, made of whole numbers, that keeps its letters readable at every width.

A drawing is not scaled as a picture. Its width is that of the page and its height is fixed: shapes stand in an inner
`<svg>` that stretches, while letters and dots stand outside it at percentages. So a phone shows the same letters as a
desk. Colours come from the page's style by class, light or dark. Each drawing has a title and a description for those
who do not see it; the figures themselves stand in a table beside it, which is the page's business.

Rules kept here: amounts are whole tiyn and so are coordinates, so the same report gives the same bytes; no amount is
ever scaled to nothing silently (a part that is there is at least a hair wide).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from cbdc.money import TIYN_PER_TENGE
from wallets.pilot.markup import Markup, join, tag
from wallets.pilot.tongue import FALLBACK, Tongue, tongue

# The inner drawing's own units; the page stretches them.
WIDTH = 10_000
HEIGHT = 240
_TOP = 14
_BELOW = 28
_GAP_DAYS = 7
_DATE_LABELS = 4
_HOVER_DAYS = 120
_DOT_DAYS = 60
# A part that is there takes at least this fraction of its bar: two points on a desk, one on a phone.
_HAIR = 300
# A bar of a day takes this part of its day's width, in percent.
_BAR_PERCENT = 80
_WIDE_COLUMNS = 6
_SCALES = (10**9, 10**6, 10**3, 1)


def _english() -> Tongue:
    return tongue(FALLBACK)


@dataclass(frozen=True, slots=True)
class Part:
    """One holder's share: its name for a person, the style's class for its colour, and tiyn (one, or one a day).

    In `bars` the values are no amounts but whole numbers of something.
    """

    name: str
    style: str
    values_tiyn: tuple[int, ...]

    @property
    def last_tiyn(self) -> int:
        """The value on the last day, 0 where there is none."""
        return self.values_tiyn[-1] if self.values_tiyn else 0


@dataclass(frozen=True, slots=True)
class Words:
    """What a drawing is called: the beginning of its ids, its title, and what it shows in a sentence or two; and the
    language of its numbers and dates."""

    identity: str
    title: str
    description: str
    tongue: Tongue = field(default_factory=_english)


def gaps(dates: Sequence[str]) -> list[int]:
    """The places before which more than a week passed without anything: days stand side by side, so this is said."""
    try:
        days = [date.fromisoformat(text).toordinal() for text in dates]
    except ValueError:
        return []
    return [place for place in range(1, len(days)) if days[place] - days[place - 1] > _GAP_DAYS]


def percent(part: int, whole: int) -> str:
    """`part` of `whole` as a length in SVG or CSS, to a hundredth of a percent; 0% of nothing."""
    hundredths = part * 10_000 // whole if whole > 0 else 0
    return f"{hundredths // 100}.{hundredths % 100:02d}%"


def ticks(most_tiyn: int) -> list[int]:
    """Round values from 0 to the first one not below `most_tiyn`, at most five steps, each 1, 2 or 5 and zeros."""
    least = max(most_tiyn, 5 * TIYN_PER_TENGE)
    step = TIYN_PER_TENGE
    return _steps(least, step)


def number_ticks(most: int) -> list[int]:
    """The same for whole numbers: 0 to the first round one not below `most`."""
    return _steps(max(most, 5), 1)


def _steps(least: int, step: int) -> list[int]:
    while True:
        for factor in (1, 2, 5):
            if step * factor * 5 >= least:
                count = -(-least // (step * factor))
                return [step * factor * number for number in range(count + 1)]
        step *= 10


def axis_unit(most_tiyn: int, words: Tongue | None = None) -> tuple[int, str]:
    """The scale of an axis in tenge and its name: thousand, million, billion, or plain tenge."""
    scale = next((scale for scale in _SCALES if most_tiyn >= 2 * scale * TIYN_PER_TENGE), _SCALES[-1])
    return scale, (words or _english()).scale(scale)


def stacked_area(words: Words, dates: Sequence[str], parts: Sequence[Part]) -> Markup:
    """The parts on top of each other over the days: who held the money in circulation, and how much there was."""
    days = _days(dates, parts)
    totals = [sum(part.values_tiyn[index] for part in parts) for index in range(days)]
    marks = ticks(max(totals, default=0))
    below = [0] * days
    shapes: list[Markup] = []
    for part in parts:
        above = [base + value for base, value in zip(below, part.values_tiyn, strict=False)]
        if any(part.values_tiyn[:days]):
            points = [*_points(above, marks[-1]), *reversed(_points(below, marks[-1]))]
            shapes.append(tag("polygon", points=" ".join(points), class_=f"area {part.style}"))
        below = above
    drawn = join(_stretched(shapes), _gaps(dates[:days]), _hover(words.tongue, dates[:days], parts))
    return _plot(words, dates[:days], marks, drawn)


def line(words: Words, dates: Sequence[str], part: Part) -> Markup:
    """One amount over the days as a line, with a dot a day and its highest day named."""
    days = _days(dates, [part])
    values = part.values_tiyn[:days]
    marks = ticks(max(values, default=0))
    points = _points(values, marks[-1])
    shapes: list[Markup] = []
    if points:
        floor = _points([0] * days, marks[-1])
        shapes.append(
            tag("polygon", points=" ".join([*points, *reversed(floor)]), class_=f"wash {part.style}")
        )
        shapes.append(tag("polyline", points=" ".join(points), class_=f"line {part.style}"))
    over = [_peak(words.tongue, dates, values, marks[-1])] if any(values) else []
    if days <= _DOT_DAYS:
        over += [
            tag(
                "circle", cx=_across(index, days), cy=_down(value, marks[-1]), r=3, class_=f"dot {part.style}"
            )
            for index, value in enumerate(values)
        ]
    drawn = join(_stretched(shapes), _gaps(dates[:days]), over, _hover(words.tongue, dates[:days], [part]))
    return _plot(words, dates[:days], marks, drawn)


def bars(words: Words, dates: Sequence[str], parts: Sequence[Part], unit: str = "") -> Markup:
    """A bar a day with the parts on top of each other: how many of each there were. A part's values are numbers, of
    payments unless `unit` says of what."""
    days = _days(dates, parts)
    totals = [sum(part.values_tiyn[index] for part in parts) for index in range(days)]
    marks = number_ticks(max(totals, default=0))
    shapes: list[Markup] = []
    below = [0] * days
    for part in parts:
        above = [base + value for base, value in zip(below, part.values_tiyn, strict=False)]
        for index in range(days):
            if above[index] > below[index]:
                top = (marks[-1] - above[index]) * HEIGHT * 10 // marks[-1]
                height = (marks[-1] - below[index]) * HEIGHT * 10 // marks[-1] - top
                left = (index * 100 + (100 - _BAR_PERCENT) // 2) * WIDTH // (days * 100)
                width = max(_BAR_PERCENT * WIDTH // (days * 100), 1)
                shapes.append(tag("rect", x=left, y=top, width=width, height=height, class_=part.style))
        below = above
    say = words.tongue.number
    drawn = join(_stretched(shapes), _hover(words.tongue, dates[:days], parts, say))
    return _plot(
        words, dates[:days], marks, drawn, unit or words.tongue.say("scale.number"), say, columns=True
    )


def supply_picture(words: Words, redeemed_tiyn: int, parts: Sequence[Part]) -> Markup:
    """Two bars: what was issued (in circulation, and redeemed), and the part in circulation drawn out by holder."""
    say, money = words.tongue.say, words.tongue.money
    circulating = sum(max(part.last_tiyn, 0) for part in parts)
    issued = circulating + max(redeemed_tiyn, 0)
    upper = [
        Part(say("supply.circulating"), "circulating", (circulating,)),
        Part(say("supply.redeemed"), "redeemed", (redeemed_tiyn,)),
    ]
    edge = circulating * WIDTH // issued if issued else 0
    lens = tag(
        "svg",
        tag("polygon", points=f"0,0 {edge},0 {WIDTH},100 0,100", class_="lens"),
        viewBox=f"0 0 {WIDTH} 100",
        preserveAspectRatio="none",
        x=0,
        y=56,
        width="100%",
        height=34,
    )
    rows = [
        tag("text", say("supply.issued"), x=0, y=16, class_="label"),
        tag("text", money(issued), x="100%", y=16, class_="label end"),
        _bar(words.tongue, upper, issued, 24, 32),
        lens if circulating else None,
        _bar(words.tongue, parts, circulating, 90, 32),
        tag("text", say("supply.by_holder"), x=0, y=142, class_="label"),
        tag("text", money(circulating), x="100%", y=142, class_="label end"),
    ]
    return _drawing(words, rows, 150, "picture")


def share_bar(parts: Sequence[Part], whole_tiyn: int, words: Tongue | None = None) -> Markup:
    """A thin bar inside a table's row; the row says the same in figures, so it is hidden from those who listen."""
    return tag(
        "svg",
        tag("rect", x=0, y=0, width="100%", height=10, class_="empty"),
        _bar(words or _english(), parts, whole_tiyn, 0, 10),
        class_="share",
        height=10,
        aria_hidden="true",
        focusable="false",
    )


def _bar(words: Tongue, parts: Sequence[Part], whole_tiyn: int, top: int, height: int) -> Markup:
    start = 0
    rects: list[Markup] = []
    for part in parts:
        value = max(part.last_tiyn, 0)
        if value:
            hint = tag("title", f"{part.name}: {words.money(value)}")
            width = percent(max(value * _HAIR, whole_tiyn), whole_tiyn * _HAIR)
            place = {"x": percent(start, whole_tiyn), "width": width, "class_": f"bar {part.style}"}
            rects.append(tag("rect", hint, **place, y=top, height=height))
        start += value
    if not start:
        return tag("rect", x=0, y=top, width="100%", height=height, class_="empty")
    return join(rects)


def _plot(
    words: Words,
    dates: Sequence[str],
    marks: Sequence[int],
    drawn: Markup,
    unit: str = "",
    say: Callable[[int], str] | None = None,
    columns: bool = False,
) -> Markup:
    """Lines across at round values, their figures on the left, dates below, and the drawing.

    Values are amounts unless `unit` and `say` tell otherwise; `columns` sets each date below the middle of its day.
    """
    scale, tenge = axis_unit(marks[-1], words.tongue)
    grid: list[Markup] = []
    for value in marks:
        height = _down(value, marks[-1])
        grid.append(
            tag("line", x1=0, x2="100%", y1=height, y2=height, class_="base" if value == 0 else "grid")
        )
        label = _scaled(words.tongue, value, scale) if say is None else say(value)
        grid.append(tag("text", label, x=-8, y=height + 4, class_="tick end"))
    return join(
        tag("p", unit or tenge, class_="unit", aria_hidden="true"),
        _drawing(
            words, [grid, drawn, _date_labels(words.tongue, dates, columns)], _TOP + HEIGHT + _BELOW, "plot"
        ),
    )


def _scaled(words: Tongue, value_tiyn: int, scale: int) -> str:
    whole, rest = divmod(value_tiyn // scale, TIYN_PER_TENGE)
    if scale == 1 or not rest:
        return words.money(value_tiyn // scale, sign=False)
    return words.money(whole * TIYN_PER_TENGE + rest, sign=False).rstrip("0")


def _drawing(
    words: Words, rows: Sequence[Markup | Sequence[Markup] | None], height: int, style: str
) -> Markup:
    title, description = f"{words.identity}-title", f"{words.identity}-description"
    return tag(
        "svg",
        tag("title", words.title, id=title),
        tag("desc", words.description, id=description),
        rows,
        class_=style,
        width="100%",
        height=height,
        role="img",
        aria_labelledby=f"{title} {description}",
        focusable="false",
    )


def _stretched(shapes: Sequence[Markup]) -> Markup:
    return tag(
        "svg",
        shapes,
        viewBox=f"0 0 {WIDTH} {HEIGHT * 10}",
        preserveAspectRatio="none",
        x=0,
        y=_TOP,
        width="100%",
        height=HEIGHT,
    )


def _days(dates: Sequence[str], parts: Sequence[Part]) -> int:
    """How many days every series covers: a series that ends early ends the drawing, and invents nothing."""
    return min([len(dates), *(len(part.values_tiyn) for part in parts)])


def _points(values: Sequence[int], most_tiyn: int) -> list[str]:
    """The values in the inner drawing's units; a single day is drawn as a level from edge to edge."""
    heights = [(most_tiyn - max(value, 0)) * HEIGHT * 10 // most_tiyn for value in values]
    if len(heights) == 1:
        return [f"0,{heights[0]}", f"{WIDTH},{heights[0]}"]
    return [f"{index * WIDTH // (len(heights) - 1)},{height}" for index, height in enumerate(heights)]


def _across(index: int, days: int) -> str:
    return percent(index, days - 1) if days > 1 else "50.00%"


def _down(value_tiyn: int, most_tiyn: int) -> int:
    return _TOP + (most_tiyn - max(value_tiyn, 0)) * HEIGHT // most_tiyn


def _peak(words: Tongue, dates: Sequence[str], values: Sequence[int], most_tiyn: int) -> Markup:
    index = values.index(max(values))
    last = len(values) - 1
    # In the outer thirds the words stand on the inner side of their dot, so that they fit on a phone.
    place = "" if index * 3 < last else " end" if index * 3 > last * 2 else " middle"
    return tag(
        "text",
        words.say("chart.peak", amount=words.money(values[index]), day=words.day(dates[index], year=False)),
        x=_across(index, len(values)),
        y=max(_down(values[index], most_tiyn) - 8, 11),
        class_=f"label halo{place}",
    )


def _date_labels(words: Tongue, dates: Sequence[str], columns: bool = False) -> list[Markup]:
    """At most four dates, the first and the last among them, far enough apart for a phone."""
    days = len(dates)
    gaps = max(1, min(_DATE_LABELS, (days + 1) // 2) - 1)
    chosen = sorted({number * (days - 1) // gaps for number in range(gaps + 1)}) if days else []
    labels: list[Markup] = []
    for index in chosen:
        edge = "middle" if days == 1 or 0 < index < days - 1 else "end" if index else ""
        place = {"x": _across(index, days), "class_": f"tick {edge}".strip()}
        if columns:
            # Under a wide column its own middle; where days are thin both ends stay inside the drawing.
            edge = "middle" if days <= _WIDE_COLUMNS else edge
            place = {"x": percent(2 * index + 1, 2 * days), "class_": f"tick {edge}".strip()}
        text = words.day(dates[index], year=False)
        labels.append(tag("text", text, **place, y=_TOP + HEIGHT + 18))
    return labels


def _gaps(dates: Sequence[str]) -> list[Markup]:
    places = [percent(2 * place - 1, 2 * (len(dates) - 1)) for place in gaps(dates)]
    return [tag("line", x1=x, x2=x, y1=_TOP, y2=_TOP + HEIGHT, class_="gap") for x in places]


def _hover(
    words: Tongue, dates: Sequence[str], parts: Sequence[Part], say: Callable[[int], str] | None = None
) -> Markup:
    """One unseen strip a day that names its figures under a mouse; left out where days are thinner than a pointer."""
    if len(dates) > _HOVER_DAYS:
        return Markup("")
    say = say or words.money
    strips = []
    for index, text in enumerate(dates):
        lines = [words.day(text), *(f"{part.name}: {say(part.values_tiyn[index])}" for part in parts)]
        place = {"x": percent(index, len(dates)), "width": percent(1, len(dates))}
        strips.append(tag("rect", tag("title", "\n".join(lines)), **place, y=_TOP, height=HEIGHT))
    return tag("g", strips, class_="hover")
