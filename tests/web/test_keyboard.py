"""The journeys' own means can fail: what no key reaches, a focus unseen, a word left in English, a wide page."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.one_playwright import PATIENCE_MILLISECONDS
from tests.web.audit import walk
from tests.web.keyboard import Keyboard
from tests.web.play import Journey, Play
from tests.web.tongue import Tongue

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HEAD = "<!doctype html><html lang='ru'><meta charset='utf-8'><title>Страница</title>"
HEAD += "<style>:focus-visible { outline: 2px solid }</style><main>"


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 360, "height": 740})
    yield context.new_page()
    context.close()


def keys_at(page: Page, body: str, language: str = "ru") -> Keyboard:
    page.set_content(HEAD + body)
    return Keyboard(page, Tongue(language))


def test_forward_back_and_round_what_has_no_place(page: Page) -> None:
    many = "".join(f"<p><a href='#{one}'>{one}</a></p>" for one in range(30))
    keys = keys_at(page, f"<button>A</button><input type='date'>{many}<button>B</button>")
    for name in ("B", "A", "B"):
        keys.hit(page.get_by_role("button", name=name))
        assert page.evaluate("document.activeElement.textContent") == name


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("<a role='button'>Да</a><button>Нет</button>", "no key leads to"),
        ("<button tabindex='-1'>Да</button><button>Нет</button>", "Tab does not reach"),
        (
            "<style>button:focus-visible { outline: none; }</style><button>Да</button>",
            "the focus is not seen",
        ),
    ],
)
def test_what_the_keyboard_alone_cannot_use(page: Page, body: str, complaint: str) -> None:
    keys = keys_at(page, body)
    with pytest.raises(AssertionError, match=complaint):
        keys.hit(page.get_by_text("Да"))


def test_a_walk_forgives_what_leaves_the_page_and_nothing_else(page: Page) -> None:
    leave = (
        "document.querySelector('a').addEventListener('blur', (event) => event.target.nextSibling.remove())"
    )
    keys_at(page, f"<a href='#'>A</a><a href='#'>B</a><button>C</button><script>{leave}</script>")
    assert walk(page) == []
    keys_at(page, "<a href='#'>A</a><button tabindex='-1'>B</button><button>C</button>")
    assert [one.partition(":")[0] for one in walk(page)] == ["cannot be reached by the keyboard"]


def test_an_option_that_is_not_there(page: Page) -> None:
    keys = keys_at(page, "<select><option>Один<option>Два<option>Три</select>")
    keys.choose(page.locator("select"), "Три")
    assert page.locator("select").input_value() == "Три"
    with pytest.raises(AssertionError, match="do not reach"):
        keys.choose(page.locator("select"), "Четыре")


@pytest.mark.parametrize("language", ["kk", "ru"])
def test_words_without_a_translation_are_told(language: str) -> None:
    say = Tongue(language)
    assert say("Sign out") != "Sign out"
    assert say.pattern("Paid: {amount} from {name}.").match(
        say("Paid: {amount} from {name}.", amount="1", name="x")
    )
    assert say.refusal("E_ALIAS_UNKNOWN").pattern != Tongue("en").refusal("E_ALIAS_UNKNOWN").pattern
    with pytest.raises(AssertionError, match=f"no {language} for"):
        say("A text that no catalogue has")
    left = ["Sign out", say("Sign out"), "Paid: 12 from Aigerim.", "  Nothing waits\n for approval. "]
    assert say.left_over(left) == ["Nothing waits for approval.", "Paid: 12 from Aigerim.", "Sign out"]
    assert Tongue("en").left_over(left) == []


@pytest.fixture
def little_patience(page: Page) -> Iterator[None]:
    """Where what is expected never comes."""
    expect.set_options(timeout=1_000)
    yield
    expect.set_options(timeout=PATIENCE_MILLISECONDS)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("<p>Sign out</p>", "still English"),
        ("<button aria-label='Sign out'>×</button>", "still English"),
        ("<svg width='400' height='1'></svg>", "px wider than the screen"),
        ("<div style='width: 300px'><button style='width: 90px; white-space: nowrap'>Сберегательный</button></div>",
         "sticks out of its box"),
        ("<script>document.documentElement.lang = 'en'</script>", "lang"),
    ],
)  # fmt: skip
def test_what_a_step_does_not_let_pass(
    browser: Browser, page: Page, tmp_path: Path, little_patience: None, body: str, complaint: str
) -> None:
    play = Play(browser, Journey("none", (), lambda play: None), "ru", "phone", tmp_path)
    keys = keys_at(page, body)
    with pytest.raises(AssertionError, match=re.escape(complaint)):
        play.step(keys, "bad")
    assert play.steps == []
