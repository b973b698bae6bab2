"""Markup: text stays text, whoever wrote it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wallets.html_tree import read
from wallets.pilot.markup import Markup, escape, join, tag


def test_an_element_has_attributes_in_order_and_children() -> None:
    made = tag("a", "x", tag("b", 1), None, ["y", ("z",)], href="#a", class_="c", aria_label="l")
    assert made == '<a href="#a" class="c" aria-label="l">x<b>1</b>yz</a>'


def test_attributes_that_are_not_there_and_that_stand_bare() -> None:
    assert tag("details", open=True, hidden=False, id=None) == "<details open></details>"


def test_a_void_element_has_no_end_and_no_content() -> None:
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'
    with pytest.raises(AssertionError):
        tag("br", "text")


def test_names_with_capitals_stay() -> None:
    assert tag("svg", viewBox="0 0 1 1") == '<svg viewBox="0 0 1 1"></svg>'


def test_markup_is_not_escaped_twice() -> None:
    assert join(tag("b", "<"), "<") == "<b>&lt;</b>&lt;"
    assert escape(Markup("<b>")) == "<b>"


@pytest.mark.parametrize("text", ["<script>", '"onload="x', "'", "&lt;", "</title>", "]]>", "<!--"])
def test_text_cannot_become_a_tag_or_leave_its_attribute(text: str) -> None:
    made = tag("p", text, title=text)
    page = read(made)
    assert page.names == ["p"]
    assert page.elements[0].attributes == {"title": text}
    assert page.text == text


@pytest.mark.parametrize(
    "bad", ["\x00", "\x08", "\x1b", "\x7f", "\x9f", "\u200e", "\u202e", "\u2066", "\ud800", "\uffff"]
)
def test_what_a_browser_would_not_show_as_it_stands_is_replaced(bad: str) -> None:
    assert escape(f"a{bad}b") == "a\ufffdb"


def test_tab_newline_and_kazakh_letters_stay() -> None:
    assert escape("әғқңөұүһі\t₸\n") == "әғқңөұүһі\t₸\n"


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_stays_inside(text: str) -> None:
    page = read(tag("p", tag("b", text, title=text)))
    assert page.names == ["p", "b"]
