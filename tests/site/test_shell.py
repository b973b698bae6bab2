"""What all pages share: problems at their fields, forms told apart, colours and language by choice, charts, errors."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import Malformed, Refused, phrases
from cbdc.money import tenge
from tests.site.visitor import Forms, Visitor, opened
from wallets.site import chart
from wallets.site.operations import _PROBLEMS, read_form, read_json, typed_tiyn
from wallets.site.table import TABLE
from wallets.site.whole import Whole
from wallets.site.words import money_text

DAYS = ["2026-01-01", "2026-01-02", "2026-01-03"]


@pytest.fixture(scope="module")
def whole() -> Iterator[Whole]:
    with opened(seed=11) as one:
        yield one


@pytest.fixture
def visitor(whole: Whole) -> Visitor:
    return Visitor(whole)


class Tags(HTMLParser):
    """The start tags of a page with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def having(self, name: str, value: str) -> dict[str, str]:
        """The attributes of the only tag with this attribute."""
        (one,) = [given for _, given in self.found if given.get(name) == value]
        return one


# --- problems at their fields ---


@pytest.mark.parametrize(
    ("typed", "code"), [("a lot", "E_MONEY_TEXT"), ("1.005", "E_MONEY_TEXT"), ("", "E_SITE_FIELD")]
)
def test_a_refused_field_is_marked_and_led_to(visitor: Visitor, typed: str, code: str) -> None:
    page = visitor.signed_in("clerk-1").send("/bank/", "order-tokens", amount_tiyn=typed)
    assert code in page
    wrong = Tags(page).having("aria-invalid", "true")
    assert wrong["name"] == "amount_tiyn"
    assert wrong["value"] == typed, "what was typed stands there again"
    assert f'href="#{wrong["id"]}"' in page
    problem = wrong["aria-describedby"].split()[-1]
    assert re.search(f'id="{problem}"[^>]*>[^<]+<', page), "the problem stands beside the field"
    assert 'aria-invalid="true"' not in visitor.get("/bank/").text, "it is told once"


def test_the_refusal_names_the_field_as_the_form_does(visitor: Visitor) -> None:
    visitor.get("/?language=ru")
    page = visitor.signed_in("clerk-1").send("/bank/", "order-tokens", amount_tiyn="")
    assert "«Сумма в тенге»" in page
    assert "amount_tiyn»" not in page
    assert "оно не заполнено" in page


def test_a_refusal_that_is_about_no_field_marks_none(visitor: Visitor) -> None:
    page = visitor.signed_in("clerk-1").send("/bank/", "redeem-surplus", amount_tiyn="900 000 000 000")
    assert 'role="alert"' in page
    assert "aria-invalid" not in page
    assert 'value="900 000 000 000"' in page


def test_the_values_of_a_refused_form_come_back_in_that_form_only(whole: Whole, visitor: Visitor) -> None:
    clerk = Visitor(whole).signed_in("clerk-1")
    for amount in ("1 000", "2 000"):
        clerk.send("/bank/", "order-tokens", amount_tiyn=amount)
    officer = visitor.signed_in("officer-1")
    page = "/national-bank/requests"
    before = [fields for action, fields in Forms(officer.get(page).text).forms if action.endswith("/approve")]
    assert len({fields["request"] for fields in before}) == len(before) >= 2
    second = before[1]
    answer = officer.post("/national-bank/do/approve", second | {"request_id": "short"})
    assert answer.status_code == 303
    html = officer.get(page).text
    assert "E_SITE_REQUEST" in html
    after = [fields for action, fields in Forms(html).forms if action.endswith("/approve")]
    assert [fields["request"] for fields in after] == [fields["request"] for fields in before]


def test_a_form_without_its_mark_still_works(visitor: Visitor) -> None:
    visitor.signed_in("clerk-1")
    action, fields = visitor.form("/bank/", "order-tokens")
    del fields["which"]
    assert visitor.post(action, fields | {"amount_tiyn": "500"}).status_code == 303
    assert 'role="alert"' not in visitor.get("/bank/").text


# --- what is wrong with a field, in words ---

OPERATION = {(one.role, one.name): one for one in TABLE.operations.values()}


@pytest.mark.parametrize(
    ("role", "name", "values", "problem"),
    [
        ("bank", "order-tokens", {}, "it is missing"),
        ("bank", "order-tokens", {"amount_tiyn": "x"}, "it is of another kind"),
        ("bank", "order-tokens", {"amount_tiyn": 0}, "the number is out of bounds"),
        ("bank", "order-tokens", {"amount_tiyn": -5}, "the number is out of bounds"),
        ("bank", "order-tokens", {"amount_tiyn": 5, "more": 1}, "there is no such field here"),
        ("operator", "wait", {"days": 401}, "the number is out of bounds"),
        ("operator", "reset", {"word": "NO"}, "it is too short or too long"),
        ("operator", "reset", {"word": "nope!"}, "it has letters or signs that are not allowed here"),
    ],
)
def test_a_problem_is_told_in_a_phrase_of_the_catalogue(
    role: str, name: str, values: dict[str, object], problem: str
) -> None:
    with pytest.raises(Malformed) as refused:
        read_json(OPERATION[role, name], values)
    assert refused.value.facts["problem"] == problem
    assert refused.value.facts["detail"]
    for language in ("kk", "ru"):
        assert phrases(language)[problem] in refused.value.sentence(language)


def test_every_phrase_of_a_problem_has_its_translations() -> None:
    for phrase in [said for _, said in _PROBLEMS] + ["it is of another kind"]:
        assert phrases("kk")[phrase] != phrases("ru")[phrase] != phrase


@given(st.integers(1, 2**53 - 1), st.sampled_from(["kk", "ru", "en"]))
def test_what_a_page_shows_as_an_amount_can_be_typed_into_it(amount_tiyn: int, language: str) -> None:
    assert typed_tiyn(money_text(amount_tiyn, language)) == amount_tiyn


@pytest.mark.parametrize(
    ("text", "amount_tiyn"),
    [("12,5", 1_250), ("12,50 ₸", 1_250), ("1,500", 150_000), ("1,500.25", 150_025), ("0,05", 5), ("7", 700)],
)
def test_a_comma_is_a_decimal_sign_or_parts_groups(text: str, amount_tiyn: int) -> None:
    assert typed_tiyn(text) == amount_tiyn


@pytest.mark.parametrize(
    "text", ["1,2,3", "1,5.5", "12,", ",5,", "1,50,5", "1.5,5", "-1,5", "1,5 $", "１,５"]
)
def test_a_comma_in_a_wrong_place_is_refused(text: str) -> None:
    with pytest.raises(Malformed) as refused:
        typed_tiyn(text)
    assert refused.value.code == "E_MONEY_TEXT"


def test_an_amount_that_cannot_be_read_names_its_field() -> None:
    with pytest.raises(Malformed) as refused:
        read_form(OPERATION["bank", "order-tokens"], {"amount_tiyn": "12,3,4"})
    assert (refused.value.code, refused.value.facts["field"]) == ("E_MONEY_TEXT", "amount_tiyn")


# --- language, colours, leaving, errors ---


def test_changing_language_or_colours_keeps_the_rest_of_the_address(visitor: Visitor) -> None:
    page = visitor.signed_in("clerk-1").get("/bank/customers?search=Dana&language=en").text
    assert 'href="?search=Dana&amp;language=kk"' in page
    assert 'href="?search=Dana&amp;language=en&amp;theme=dark"' in page


def test_an_address_cannot_put_markup_into_its_links(visitor: Visitor) -> None:
    page = visitor.get('/?x="><script>alert(1)</script>&language=ru').text
    assert "<script>alert" not in page
    assert '"><script' not in page


def test_colours_are_kept_in_a_cookie_and_given_back_to_the_device(visitor: Visitor) -> None:
    assert 'data-theme="dark"' in visitor.get("/?theme=dark").text
    assert 'data-theme="dark"' in visitor.get("/sign-in/bank").text
    assert "data-theme" not in visitor.get("/?theme=device").text
    assert visitor.client.get_cookie("theme") is None


@pytest.mark.parametrize("wish", ["neon", '"><b>', "LIGHT", "x" * 5_000])
def test_other_colours_are_not_kept(visitor: Visitor, wish: str) -> None:
    page = visitor.get("/", query_string={"theme": wish}).text
    assert "data-theme" not in page
    assert "<b>" not in page


def test_who_leaves_a_desk_is_told_so(visitor: Visitor) -> None:
    visitor.signed_in("clerk-1")
    answer = visitor.post("/sign-out/bank", {"csrf": visitor.csrf()})
    assert answer.headers["Location"] == "/?left=bank"
    assert "You have left the desk: Commercial bank." in visitor.get("/?left=bank").text
    assert "You have left" not in visitor.get("/?left=<b>").text


def test_each_kind_of_error_has_its_heading(whole: Whole, visitor: Visitor) -> None:
    assert "<h1>There is no such page</h1>" in visitor.get("/nowhere/").text
    assert "<h1>That is not allowed here</h1>" in visitor.post("/sign-out/bank", {"csrf": "x"}).text


def test_a_bug_is_told_by_a_number_and_nothing_else(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = Visitor(whole).signed_in("clerk-1")

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a secret of the inside")

    monkeypatch.setattr("wallets.site.pages.form_fields", broken)
    answer = visitor.get("/bank/")
    assert answer.status_code == 500
    assert "<h1>A fault of this program</h1>" in answer.text
    assert re.search(r"the incident has the number \w+", answer.text)
    assert "secret" not in answer.text


# --- charts ---


def speak(whole: Whole, language: str) -> object:
    context = whole.app.test_request_context("/")
    context.push()
    from flask import g  # the request that was just pushed

    g.language = language
    return context


@pytest.mark.parametrize(("language", "day"), [("en", "2 Jan"), ("ru", "2 января"), ("kk", "2 қаңтар")])
def test_a_chart_brings_its_figures_in_the_language_of_the_page(
    whole: Whole, language: str, day: str
) -> None:
    context = speak(whole, language)
    made = chart.chart_line("one", "Held", "At the end of a day.", DAYS, [tenge(1), 0, tenge(2_000)])
    context.pop()  # type: ignore[attr-defined]
    assert day.replace(" ", "\u00a0") in made.rows[1][0]
    assert [texts[0].replace("\u00a0", " ") for _, texts in made.rows] == ["1 ₸", "0 ₸", "2 000 ₸"]
    assert '<title id="one-title">Held</title>' in made.svg
    assert "style=" not in made.svg
    assert made.columns("Day") == ["Day", ("number", "Held")]


@given(
    st.lists(st.integers(0, 10**15), min_size=1, max_size=40),
    st.lists(st.integers(0, 10**15), min_size=1, max_size=40),
)
def test_no_figure_of_a_chart_is_left_out(first: list[int], second: list[int]) -> None:
    days = [
        f"2026-02-{number + 1:02d}" if number < 28 else f"2026-03-{number - 27:02d}" for number in range(40)
    ]
    parts = [("A & B", "wallets", first), ("<C>", "escrow", second)]
    made = chart.chart_stacked("two", "Who", "Both.", days, parts)
    assert len(made.rows) == min(len(first), len(second))
    assert made.key == (("A & B", "wallets"), ("<C>", "escrow"))
    assert "<C>" not in made.svg, "names are escaped"
    for place, (_, texts) in enumerate(made.rows):
        plain = ["".join(filter(str.isdigit, text.partition(".")[0])) for text in texts]
        assert plain == [str(first[place] // 100), str(second[place] // 100)]


def test_bars_say_of_what_they_are() -> None:
    made = chart.chart_bars("bars", "Alerts", "A day.", DAYS, [("Alerts", "plain", [1, 2, 3])], "alerts")
    assert ">alerts</p>" in made.svg
    assert [texts for _, texts in made.rows] == [("1",), ("2",), ("3",)]


def test_the_supply_names_all_five_holders() -> None:
    holders = [(name, number) for number, name in enumerate("abcde")]
    made = chart.chart_supply("supply", "Supply", "Who.", 7, holders)
    assert [what for what, _ in made.rows] == list("abcde")
    with pytest.raises(ValueError, match="argument"):
        chart.chart_supply("supply", "Supply", "Who.", 7, holders[:4])


def test_a_refusal_outside_any_desk_is_a_page_too(visitor: Visitor) -> None:
    with pytest.raises(Refused):
        TABLE.query("bank", "nothing", None)
    assert visitor.signed_in("clerk-1").get("/bank/nothing").status_code == 404
