"""What extensions bring to a report: any JSON is shown sensibly, in three languages, and breaks nothing."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wallets.html_tree import Page, read
from tests.wallets.pages import page_in, page_of, section, styled, told
from wallets.pilot import page_parts
from wallets.pilot.markup import join
from wallets.pilot.tongue import LANGUAGES, tongue


def shown(part: Any, language: str = "en") -> Page:
    found = page_parts.parts(tongue(language), {"part": part})
    return read(f"<div>{join(*(body for _, _, body in found))}</div>")


def text(part: Any) -> str:
    return " ".join(told(shown(part).elements[0]).split())


def table(part: Any) -> list[list[str]]:
    page = shown(part)
    lines = list(page.all("tr"))
    return [[told(e) for e in page.elements if e.parent is line and e.name in ("th", "td")] for line in lines]


def test_figures_with_units() -> None:
    part = {
        "figures": [
            {"name": "captured", "value": 1_200_000, "unit": "tiyn"},
            {"name": "held_tiyn", "value": 5},
        ]
    }
    assert text(part) == "Captured12 000 ₸Held0.05 ₸"


def test_a_table_with_its_title_and_amounts() -> None:
    part = {
        "tables": [
            {"title": "Declined", "columns": ["code", "count", "amount_tiyn"], "rows": [["51", 3, 900]]}
        ]
    }
    assert table(part) == [["Code", "Count", "Amount"], ["51", "3", "9 ₸"]]
    assert told(shown(part).one("caption")) == "Declined"
    assert [told(e) for e in styled(shown(part), "n")] == ["Count", "Amount", "3", "9 ₸"]


def test_texts_in_another_language() -> None:
    part = {"title": "Cards", "title_ru": "Карты", "text": "Shops.", "text_ru": "Магазины.", "figures": []}
    (found,) = page_parts.parts(tongue("ru"), {"cards": part})
    assert found[1] == "Карты"
    assert "Магазины." in found[2]
    (found,) = page_parts.parts(tongue("kk"), {"cards": part})
    assert found[2] == '<p><span lang="en">Shops.</span></p>'


def test_each_part_is_a_section_with_its_heading() -> None:
    page = page_of(parts={"cards": {"issued": 3}, "rails": {"title": "Rails", "sent": 1}, "empty": {}})
    assert section(page, "part1").startswith("CardsIssued3")
    assert section(page, "part2").startswith("RailsSent1")
    assert not page.all("section", id="en-part3")


# --- JSON of no agreed form ---


def test_plain_values_are_a_list_of_names() -> None:
    part = {"issued": 1_000, "cap_tiyn": 500, "open": True, "note": "x", "nobody": None}
    assert text(part) == "Issued1 000Cap5 ₸OpenyesNotexNobody–"


def test_a_list_of_objects_is_a_table() -> None:
    assert table({"days": [{"day": 1, "paid_tiyn": 100}, {"day": 2, "late": "yes"}]}) == [
        ["Day", "Paid", "Late"],
        ["1", "1 ₸", "–"],
        ["2", "–", "yes"],
    ]


def test_an_object_of_like_objects_is_a_table() -> None:
    assert table({"visa": {"sent": 1, "lost": 0}, "mastercard": {"sent": 2, "lost": 1}}) == [
        ["", "Sent", "Lost"],
        ["visa", "1", "0"],
        ["mastercard", "2", "1"],
    ]


def test_objects_that_are_not_alike_stand_under_headings() -> None:
    part = {"one": {"a": 1, "b": 2, "c": 3}, "two": {"x": 1}}
    assert [told(e) for e in shown(part).all("h3")] == ["One", "Two"]
    assert text(part) == "OneA1B2C3TwoX1"


def test_lists_of_values_and_of_rows() -> None:
    assert [told(e) for e in shown(["a", 2]).all("li")] == ["a", "2"]
    assert table([["a", 1], ["b", 2]])[1:] == [["a", "1"], ["b", "2"]]


def test_what_lies_too_deep_is_json() -> None:
    deep: Any = {"x": 1}
    for _ in range(8):
        deep = {"down": deep, "y": 1}
    assert shown(deep).all("pre")


def test_a_long_table_is_cut_and_says_so() -> None:
    page = shown({"rows": [{"number": number} for number in range(250)]})
    assert len(page.all("tr")) == 1 + page_parts.MOST_ROWS
    assert "50 more rows stand in report.json." in told(page.elements[0])


@pytest.mark.parametrize("part", [None, {}, [], "", {"figures": []}, {"tables": []}, {"title": "T"}])
def test_nothing_is_no_section(part: Any) -> None:
    assert page_parts.parts(tongue("en"), {"part": part}) == []


@pytest.mark.parametrize(
    "part",
    [
        7,
        "text",
        {"figures": 7},
        {"figures": [7]},
        {"figures": {"a": 1}},
        {"tables": 7},
        {"tables": [7, {"rows": 7}, {"rows": [7, None, {"a": 1}, [[1, 2]]]}]},
        {"tables": {"title": "T", "columns": "c", "rows": [[1]]}},
        {"title": 7, "text": 7},
        [[], [1], {}],
        [{}, {"a": {"b": {}}}],
    ],
)
def test_what_has_another_form_is_still_shown(part: Any) -> None:
    assert isinstance(text(part), str)


@pytest.mark.parametrize("parts", [None, [], 7, "x", {"a": None}])
def test_no_parts_at_all(parts: Any) -> None:
    assert page_parts.parts(tongue("en"), parts) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.sampled_from(["cards", "figures", "tables", "x"]), JSON, max_size=3))
def test_any_json_is_a_page(parts: dict[str, Any]) -> None:
    for language in LANGUAGES:
        page = page_in(language, {"parts": parts})
        levels = [int(e.name[1]) for e in page.elements if e.name in ("h1", "h2", "h3", "h4")]
        assert levels[0] == 1
