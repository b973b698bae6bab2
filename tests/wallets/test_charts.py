"""The drawings of a report: whole coordinates inside their frame, words for those who do not see, no lies at zero."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.money import MAX_TIYN
from tests.wallets.html_tree import Page, read
from wallets.pilot import charts
from wallets.pilot.charts import HEIGHT, WIDTH, Part, Words
from wallets.pilot.tongue import tongue

WORDS = Words("c", "A title <b>", "What it shows.")
AMOUNTS = st.integers(0, MAX_TIYN // 10)


def points(page: Page, name: str) -> list[list[tuple[int, int]]]:
    return [
        [(int(x), int(y)) for x, y in (pair.split(",") for pair in str(shape.attributes["points"]).split())]
        for shape in page.all(name)
    ]


def texts(page: Page, style: str) -> list[str]:
    return [text.text for text in page.all("text") if style in str(text.attributes.get("class")).split()]


def dates(count: int) -> list[str]:
    return [f"2023-{11 + day // 30:02d}-{1 + day % 30:02d}" for day in range(count)]


# --- figures ---


@pytest.mark.parametrize(
    ("most_tiyn", "last", "steps"),
    [
        (0, 500, 5),
        (1, 500, 5),
        (500, 500, 5),
        (501, 600, 3),
        (100_000, 100_000, 5),
        (100_001, 150_000, 3),
        (84_000_000, 100_000_000, 5),
        (33_660_000_000_000, 40_000_000_000_000, 4),
    ],
)
def test_ticks(most_tiyn: int, last: int, steps: int) -> None:
    assert (charts.ticks(most_tiyn)[-1], len(charts.ticks(most_tiyn)) - 1) == (last, steps)


@given(st.integers(0, 10 * MAX_TIYN))
def test_ticks_are_round_even_and_few(most_tiyn: int) -> None:
    marks = charts.ticks(most_tiyn)
    step = marks[1]
    assert marks == list(range(0, marks[-1] + 1, step))
    assert marks[-1] >= most_tiyn > marks[-1] - step or marks[-1] == 500
    assert 2 <= len(marks) - 1 <= 5
    assert str(step).rstrip("0") in {"1", "2", "5"}


@pytest.mark.parametrize(
    ("text", "shown", "short"),
    [
        ("2023-11-06", "6\u00a0Nov\u00a02023", "6\u00a0Nov"),
        ("2024-02-29", "29\u00a0Feb\u00a02024", "29\u00a0Feb"),
        ("2023-02-29", "2023-02-29", "2023-02-29"),
        ("someday", "someday", "someday"),
        ("", "", ""),
    ],
)
def test_days(text: str, shown: str, short: str) -> None:
    assert tongue("en").day(text) == shown
    assert tongue("en").day(text, year=False) == short


@pytest.mark.parametrize(
    ("part", "whole", "length"),
    [
        (1, 3, "33.33%"),
        (1, 1, "100.00%"),
        (0, 5, "0.00%"),
        (1, 10_001, "0.00%"),
        (5, 0, "0.00%"),
        (1, 2000, "0.05%"),
    ],
)
def test_percent(part: int, whole: int, length: str) -> None:
    assert charts.percent(part, whole) == length


@pytest.mark.parametrize(
    ("most_tiyn", "unit"),
    [
        (500, "₸"),
        (199_900, "₸"),
        (200_000, "thousand ₸"),
        (200_000_000, "million ₸"),
        (200_000_000_000, "billion ₸"),
    ],
)
def test_axis_units(most_tiyn: int, unit: str) -> None:
    assert charts.axis_unit(most_tiyn)[1] == unit


def test_amounts_never_break() -> None:
    assert tongue("en").money(123_456_789) == "1\u00a0234\u00a0567.89\u00a0₸"


# --- areas ---


def area(parts: list[Part], days: int) -> Page:
    return read(charts.stacked_area(WORDS, dates(days), parts))


def test_a_drawing_has_a_title_and_a_description() -> None:
    page = area([Part("Wallets", "wallets", (1, 2))], 2)
    drawing = page.one("svg", role="img")
    assert drawing.attributes["aria-labelledby"] == "c-title c-description"
    assert page.one("title", id="c-title").text == "A title <b>"
    assert page.one("desc", id="c-description").text == "What it shows."


def test_areas_stand_on_each_other() -> None:
    page = area([Part("Low", "bank", (100_000, 0)), Part("High", "wallets", (300_000, 400_000))], 2)
    low, high = points(page, "polygon")
    frame = HEIGHT * 10
    assert low == [(0, frame * 3 // 4), (WIDTH, frame), (WIDTH, frame), (0, frame)]
    assert high == [(0, 0), (WIDTH, 0), (WIDTH, frame), (0, frame * 3 // 4)]


def test_a_holder_of_nothing_has_no_area() -> None:
    page = area([Part("Nothing", "loss", (0, 0)), Part("Wallets", "wallets", (1, 1))], 2)
    assert [shape.attributes["class"] for shape in page.all("polygon")] == ["area wallets"]


def test_one_day_is_a_level() -> None:
    assert points(area([Part("W", "wallets", (500,))], 1), "polygon")[0][:2] == [(0, 0), (WIDTH, 0)]


@pytest.mark.parametrize("values", [(), (0,), (0, 0, 0)])
def test_nothing_in_circulation_is_an_empty_frame(values: tuple[int, ...]) -> None:
    page = area([Part("W", "wallets", values)], 3)
    assert page.all("polygon") == []
    assert len(page.all("line")) == 6


def test_no_days_and_no_parts() -> None:
    assert area([Part("W", "wallets", ())], 0).all("polygon") == []
    assert area([], 0).all("polygon") == []


def test_a_series_that_ends_early_ends_the_drawing() -> None:
    page = area([Part("Long", "bank", (1, 2, 3)), Part("Short", "wallets", (1, 2))], 5)
    assert all(len(shape) == 4 for shape in points(page, "polygon"))
    assert texts(page, "tick")[-1] == "2\u00a0Nov"


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS, AMOUNTS), min_size=1, max_size=30))
def test_every_area_stays_in_its_frame(rows: list[tuple[int, int, int]]) -> None:
    parts = [Part(f"p{place}", "bank", tuple(row[place] for row in rows)) for place in range(3)]
    page = area(parts, len(rows))
    for shape in points(page, "polygon"):
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT * 10 for x, y in shape)
    assert not re.search(r"\d\.\d{3}|e-|nan", charts.stacked_area(WORDS, dates(len(rows)), parts))


@pytest.mark.parametrize(
    ("days", "labels"), [(1, 1), (2, 2), (3, 2), (4, 2), (5, 3), (7, 4), (8, 4), (20, 4)]
)
def test_dates_below_are_few_and_hold_both_ends(days: int, labels: int) -> None:
    page = area([Part("W", "wallets", tuple(range(days)))], days)
    below = [text for text in page.all("text") if text.attributes["y"] == str(14 + HEIGHT + 18)]
    assert len(below) == labels
    assert below[0].text == tongue("en").day(dates(days)[0], year=False)
    assert below[-1].text == tongue("en").day(dates(days)[-1], year=False)


def test_a_day_is_named_under_the_mouse() -> None:
    page = area([Part("Wallets", "wallets", (1_000, 2_000))], 2)
    hints = [hint.text for hint in page.all("title") if hint.within("g")]
    assert hints == ["1\u00a0Nov\u00a02023\nWallets: 10\u00a0₸", "2\u00a0Nov\u00a02023\nWallets: 20\u00a0₸"]


def test_many_days_have_no_strips_and_no_dots() -> None:
    page = read(charts.line(WORDS, dates(121), Part("Escrow", "escrow", (5,) * 121)))
    assert page.all("g") == []
    assert page.all("circle") == []


@pytest.mark.parametrize(
    ("dates", "places"),
    [
        ([], []),
        (["2023-11-06"], []),
        (["2023-11-06", "2023-11-13"], []),
        (["2023-11-06", "2023-11-14", "2023-11-15", "2024-04-19"], [1, 3]),
        (["2023-11-06", "some day"], []),
    ],
)
def test_gaps(dates: list[str], places: list[int]) -> None:
    assert charts.gaps(dates) == places


def test_a_gap_is_a_dotted_line_between_its_days() -> None:
    page = read(
        charts.line(WORDS, ["2023-11-06", "2023-11-07", "2024-04-19"], Part("E", "escrow", (1, 2, 3)))
    )
    assert [e.attributes["x1"] for e in page.all("line", class_="gap")] == ["75.00%"]


# --- line ---


def test_the_highest_day_is_named_once() -> None:
    page = read(charts.line(WORDS, dates(3), Part("Escrow", "escrow", (100, 900, 900))))
    assert texts(page, "label") == ["highest: 9\u00a0₸ on 2\u00a0Nov"]
    assert len(page.all("circle")) == 3
    assert points(page, "polyline") == [[(0, 2160), (5000, 240), (10000, 240)]]


@pytest.mark.parametrize(
    ("values", "anchor"),
    [((9, 0), ""), ((0, 9), "end"), ((0, 9, 0, 0), "middle"), ((0, 0, 0, 0, 9), "end"), ((9,), "middle")],
)
def test_the_name_of_the_highest_day_stays_inside(values: tuple[int, ...], anchor: str) -> None:
    page = read(charts.line(WORDS, dates(len(values)), Part("Escrow", "escrow", values)))
    styles = next(str(text.attributes["class"]) for text in page.all("text") if "highest" in text.text)
    assert styles == f"label halo {anchor}".strip()


@pytest.mark.parametrize("values", [(), (0,), (0, 0)])
def test_a_float_of_nothing_has_no_highest_day(values: tuple[int, ...]) -> None:
    page = read(charts.line(WORDS, dates(len(values)), Part("Escrow", "escrow", values)))
    assert texts(page, "label") == []


def test_an_axis_with_halves() -> None:
    page = read(charts.line(WORDS, dates(2), Part("Escrow", "escrow", (0, 250_000))))
    assert page.one("p").text == "thousand ₸"
    assert texts(page, "tick")[:6] == ["0", "0.5", "1", "1.5", "2", "2.5"]


# --- bars ---


def bars(page: Page) -> list[tuple[str, str, str]]:
    return [
        (str(rect.attributes["class"]), str(rect.attributes["x"]), str(rect.attributes["width"]))
        for rect in page.all("rect")
    ]


def test_the_supply_is_drawn_twice() -> None:
    parts = [Part("Banks", "bank", (250,)), Part("Wallets", "wallets", (750,))]
    page = read(charts.supply_picture(WORDS, 1_000, parts))
    assert bars(page) == [
        ("bar circulating", "0.00%", "50.00%"),
        ("bar redeemed", "50.00%", "50.00%"),
        ("bar bank", "0.00%", "25.00%"),
        ("bar wallets", "25.00%", "75.00%"),
    ]
    assert page.one("polygon").attributes["points"] == f"0,0 5000,0 {WIDTH},100 0,100"
    assert texts(page, "end") == ["20\u00a0₸", "10\u00a0₸"]


def test_when_all_is_redeemed_the_lower_bar_is_empty() -> None:
    page = read(charts.supply_picture(WORDS, 1_000, [Part("Banks", "bank", (0,))]))
    assert [style for style, _, _ in bars(page)] == ["bar redeemed", "empty"]
    assert page.all("polygon") == []


def test_nothing_was_ever_issued() -> None:
    page = read(charts.supply_picture(WORDS, 0, []))
    assert [style for style, _, _ in bars(page)] == ["empty", "empty"]


def test_a_tiny_part_is_a_hair_wide() -> None:
    page = read(charts.share_bar([Part("Small", "loss", (1,))], MAX_TIYN))
    assert bars(page)[1] == ("bar loss", "0.00%", "0.33%")
    assert page.elements[0].attributes["aria-hidden"] == "true"


def test_a_part_without_an_amount() -> None:
    assert Part("None", "loss", ()).last_tiyn == 0
