"""Every page of a pilot run: in order for everyone, nothing in it runs or is fetched, and no text becomes a tag."""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wallets.html_tree import Page, read
from tests.wallets.pages import page_of
from tests.wallets.report_sample import sample
from wallets.pilot.page import render

KEYS = sorted(sample(2, 2))
HOSTILE = "</title></style></svg><script>alert(1)</script><img src=x onerror=alert(1)>\"' onload='x"


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    """`value` with every text in it changed; the names of its keys stay, but for those that the pilot chose."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [mapped(item, change) for item in value]
    if isinstance(value, dict):
        return {key: mapped(item, change) for key, item in value.items()}
    return value


# --- every page ---


def _ids(page: Page) -> list[str]:
    return [str(e.attributes["id"]) for e in page.elements if "id" in e.attributes]


@pytest.mark.parametrize("report", [sample(20, 10), sample(1, 1), {}], ids=["long", "short", "empty"])
def test_the_page_is_in_order_for_everyone(report: dict[str, Any]) -> None:
    page = read(render(report))
    ids = _ids(page)
    assert len(ids) == len(set(ids))
    for e in page.elements:
        pointed = str(e.attributes.get("aria-labelledby", "")).split()
        pointed += [str(e.attributes["href"]).removeprefix("#")] if "href" in e.attributes else []
        assert set(pointed) <= set(ids), (e.name, pointed)
    for table in page.all("table"):
        assert any(e.parent is table and e.name == "caption" and e.text for e in page.elements)
    for drawing in page.all("svg"):
        nested = drawing.within("svg")
        assert (
            nested
            or drawing.attributes.get("role") == "img"
            or drawing.attributes.get("aria-hidden") == "true"
        )
    levels = [int(e.name[1]) for e in page.elements if re.fullmatch(r"h[1-6]", e.name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.one("html").attributes["lang"] == "en"


@pytest.mark.parametrize("report", [sample(20, 10), {}], ids=["long", "empty"])
def test_nothing_runs_and_nothing_is_fetched(report: dict[str, Any]) -> None:
    text = render(report)
    page = read(text)
    assert not {"script", "img", "link", "iframe", "object", "base", "form", "input"} & set(page.names)
    for e in page.elements:
        assert not [
            name for name in e.attributes if name.startswith("on") or name in ("src", "srcset", "style")
        ]
        assert str(e.attributes.get("href", "#")).startswith("#")
    assert "://" not in text
    assert "url(" not in text
    assert "@import" not in text
    (policy,) = [e for e in page.all("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy"]
    assert str(policy.attributes["content"]).startswith("default-src 'none'")


def test_it_looks_right_in_the_dark_on_a_phone_and_on_paper() -> None:
    style = page_of().one("style").text
    for words in ("prefers-color-scheme:dark", "max-width:46rem", "@media print", "details-content"):
        assert words in style
    assert style.count("{") == style.count("}")


def test_every_class_that_is_used_has_a_style() -> None:
    text = render(sample(20, 10) | {"supply": {"issued_tiyn": 1}})
    page = read(text)
    used = {name for e in page.elements for name in str(e.attributes.get("class") or "").split()}
    known = set(re.findall(r"\.([a-z]+)", page.one("style").text))
    assert used - known == {"picture", "kind"} - known


def test_it_stays_small() -> None:
    assert len(render(sample(20, 10)).encode()) < 100_000
    assert len(render(sample(20, 10)).encode()) < len(render(sample(365, 10)).encode()) < 1_500_000


def test_the_same_report_gives_the_same_bytes() -> None:
    assert render(sample(5, 5)) == render(sample(5, 5))


# --- bad reports ---


def test_no_text_of_the_report_becomes_a_tag() -> None:
    """Every text hostile at once: the page has exactly the elements and attributes it has with plain texts."""
    plain, hostile = (
        render(mapped(sample(3, 4), lambda text, more=more: text + more)) for more in (" x", HOSTILE)
    )
    for before, after in zip(read(plain).elements, read(hostile).elements, strict=True):
        assert (before.name, list(before.attributes)) == (after.name, list(after.attributes))
    assert "<script" not in hostile
    assert "onerror=alert(1)&gt;" in hostile


def test_no_name_that_the_pilot_chose_becomes_a_tag() -> None:
    mark = sample(1, 1)["marks"]["meal"]
    text = render({"marks": {HOSTILE: mark}, "offline": {"borne_by": {HOSTILE: 5}, "loss_tiyn": 5}})
    assert "<script" not in text
    assert "<img" not in text
    read(text)


@pytest.mark.parametrize("bad", ["\x00", "\u202e", "\ud800"])
def test_a_title_cannot_pretend_or_break_the_file(bad: str) -> None:
    text = render({"title": f"School{bad}meals", "pilot": bad})
    assert "School\ufffdmeals" in text
    assert bad not in text
    text.encode("utf-8")


@pytest.mark.parametrize("key", KEYS)
def test_any_key_may_be_missing(key: str) -> None:
    page_of(**{key: None})


@pytest.mark.parametrize("key", KEYS)
def test_any_key_may_be_null_or_empty(key: str) -> None:
    value = sample(2, 2)[key]
    read(render(sample(2, 2) | {key: None}))
    read(render(sample(2, 2) | {key: type(value)()}))


def _without(value: Any, draw: Callable[[], bool]) -> Any:
    if isinstance(value, dict):
        return {key: _without(item, draw) for key, item in value.items() if draw()}
    if isinstance(value, list):
        return [_without(item, draw) for item in value if draw()]
    return value


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_is_missing_the_page_stands(data: st.DataObject) -> None:
    chance = data.draw(st.randoms(use_true_random=False))
    report = _without(sample(4, 3), lambda: chance.random() < 0.8)
    page = read(render(report))
    assert page.names.count("footer") == 1
    assert len(_ids(page)) == len(set(_ids(page)))
