"""Every page of a pilot run: in order for everyone, nothing foreign runs or is fetched, and no text becomes a tag."""

import base64
import hashlib
import re
from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wallets.html_tree import Page, read
from tests.wallets.pages import page_in, page_of
from tests.wallets.report_sample import sample
from wallets.pilot.page import render
from wallets.pilot.style import style_sheet
from wallets.pilot.tongue import LANGUAGES

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


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("report", [sample(20, 10), sample(1, 1), {}], ids=["long", "short", "empty"])
def test_each_language_is_in_order_for_everyone(report: dict[str, Any], language: str) -> None:
    page = page_in(language, report)
    for table in page.all("table"):
        assert any(e.parent is table and e.name == "caption" and e.text for e in page.elements)
    for head in page.all("th"):
        assert head.attributes.get("scope") in ("col", "row", "colgroup")
        assert head.text
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
    assert page.elements[0].attributes["lang"] == language


@pytest.mark.parametrize("report", [sample(20, 10), sample(1, 1), {}], ids=["long", "short", "empty"])
def test_the_whole_page_holds_every_language_once(report: dict[str, Any]) -> None:
    page = read(render(report))
    ids = _ids(page)
    assert len(ids) == len(set(ids))
    for e in page.elements:
        pointed = str(e.attributes.get("aria-labelledby", "")).split()
        pointed += [str(e.attributes["href"]).removeprefix("#")] if "href" in e.attributes else []
        assert set(pointed) <= set(ids), (e.name, pointed)
    bodies = [e for e in page.all("div") if e.attributes.get("class") == "tongue"]
    assert [e.attributes["lang"] for e in bodies] == list(LANGUAGES)
    buttons = page.all("input", type="radio")
    assert [e.attributes["value"] for e in buttons] == list(LANGUAGES)
    assert [e.attributes["value"] for e in buttons if "checked" in e.attributes] == ["en"]
    assert page.one("html").attributes["lang"] == "en"


@pytest.mark.parametrize("report", [sample(20, 10), {}], ids=["long", "empty"])
def test_only_the_pages_own_script_runs_and_nothing_is_fetched(report: dict[str, Any]) -> None:
    text = render(report)
    page = read(text)
    assert not {"img", "link", "iframe", "object", "base", "form"} & set(page.names)
    for e in page.elements:
        assert not [
            name for name in e.attributes if name.startswith("on") or name in ("src", "srcset", "style")
        ]
        assert str(e.attributes.get("href", "#")).startswith("#")
    assert "://" not in text
    assert "url(" not in text
    assert "@import" not in text
    (policy,) = [e for e in page.all("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy"]
    rules = str(policy.attributes["content"]).split("; ")
    assert rules[0] == "default-src 'none'"
    for name in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.one(name).text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in rules
    assert not re.search(r"unsafe|\*|data:|self", str(policy.attributes["content"]))


def test_it_looks_right_in_the_dark_on_a_phone_and_on_paper() -> None:
    style = style_sheet()
    for words in ("prefers-color-scheme:dark", "max-width:46rem", "@media print", "details-content"):
        assert words in style
    assert style.count("{") == style.count("}")


def test_every_class_that_is_used_has_a_style() -> None:
    text = render(sample(20, 10) | {"supply": {"issued_tiyn": 1}})
    page = read(text)
    used = {name for e in page.elements for name in str(e.attributes.get("class") or "").split()}
    known = set(re.findall(r"\.([a-z]+)", style_sheet()))
    assert used - known == {"picture", "kind"} - known


def test_it_stays_small() -> None:
    """A year of ten events a day, in three languages; figures by group and day do not grow with payments."""
    assert len(render(sample(20, 10)).encode()) < 400_000
    assert len(render(sample(20, 10)).encode()) < len(render(sample(365, 10)).encode()) < 2_500_000
    assert len(render(sample(365, 100)).encode()) < 3_000_000


def test_the_same_report_gives_the_same_bytes() -> None:
    assert render(sample(5, 5)) == render(sample(5, 5))


# --- bad reports ---


def test_no_text_of_the_report_becomes_a_tag() -> None:
    """Every text hostile at once: the page has exactly the elements and attributes it has with plain texts.

    The money map is left out: it breaks a long name into lines (see the test of its own).
    """
    report = sample(3, 4) | {"flows": []}
    plain, hostile = (render(mapped(report, lambda text, more=more: text + more)) for more in (" x", HOSTILE))
    for before, after in zip(read(plain).elements, read(hostile).elements, strict=True):
        assert (before.name, list(before.attributes)) == (after.name, list(after.attributes))
    assert hostile.count("<script") == 1
    assert "onerror=alert(1)&gt;" in hostile


def test_no_name_that_the_pilot_chose_becomes_a_tag() -> None:
    mark = sample(1, 1)["marks"]["meal"]
    text = render({"marks": {HOSTILE: mark}, "offline": {"borne_by": {HOSTILE: 5}, "loss_tiyn": 5}})
    assert text.count("<script") == 1
    assert "<img" not in text
    read(text)


def test_no_name_in_the_money_map_becomes_a_tag() -> None:
    parties = [row | {"name": HOSTILE} for row in sample(1, 1)["parties"]]
    text = render(sample(1, 1) | {"parties": parties})
    assert text.count("<script") == 1
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
@given(st.integers(0, 2**32))
def test_whatever_is_missing_the_page_stands(seed: int) -> None:
    chance = Random(seed)
    report = _without(sample(4, 3), lambda: chance.random() < 0.8)
    page = read(render(report))
    assert page.names.count("footer") == len(LANGUAGES)
    assert len(_ids(page)) == len(set(_ids(page)))
