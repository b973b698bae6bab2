"""A report's page in a real browser: three languages, two themes, a phone and paper; judged by axe, nothing fetched."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.wallets.report_sample import sample
from tests.web.audit import axe
from tests.web.site_browser import is_full
from wallets.pilot.page import render
from wallets.pilot.tongue import texts

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1366, "height": 800}
# WCAG 2.2 A and AA, and what axe calls best practice (headings in order, landmarks).


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("report") / "report.html"
    place.write_text(render(sample(13, 4)), encoding="utf-8")
    return place


@pytest.fixture
def opened(browser: Browser, file: Path) -> Iterator["Opener"]:
    opener = Opener(browser, file)
    yield opener
    opener.close()
    assert opener.told == []
    assert opener.asked == [file.as_uri()] * len(opener.asked)


class Opener:
    """Opens the page as a reader would; notes every word on the console and every address that is asked for."""

    def __init__(self, browser: Browser, file: Path) -> None:
        self._browser = browser
        self._file = file
        self._contexts: list[object] = []
        self.told: list[str] = []
        self.asked: list[str] = []

    def __call__(self, **settings: object) -> Page:
        context = self._browser.new_context(**settings)  # type: ignore[arg-type]
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self.told.append(message.text))
        page.on("pageerror", lambda error: self.told.append(str(error)))
        page.route("**/*", self._note)
        page.goto(self._file.as_uri())
        return page

    def _note(self, route: Route) -> None:
        self.asked.append(route.request.url)
        route.continue_()

    def close(self) -> None:
        for context in self._contexts:
            context.close()  # type: ignore[attr-defined]


def shown(page: Page) -> list[str]:
    script = "[...document.querySelectorAll('.tongue')].filter((e) => e.checkVisibility()).map((e) => e.lang)"
    found: list[str] = page.evaluate(script)
    return found


def until(page: Page, condition: str) -> None:
    """Wait for a condition. The page's policy forbids scripts made of text, which waiting inside it would need."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"it never came: {condition}")


# Each language, scheme and size once; the other three with TENGE_BROWSER_FULL=1.
LOOKS = [
    ("kk", "light", PHONE),
    ("kk", "dark", DESK),
    ("ru", "dark", PHONE),
    ("ru", "light", DESK),
    ("en", "dark", DESK),
    ("en", "light", PHONE),
]


@pytest.mark.parametrize(
    ("language", "scheme", "viewport"),
    LOOKS if is_full() else LOOKS[:3:2],
)
def test_anyone_can_use_it(opened: Opener, language: str, scheme: str, viewport: dict[str, int]) -> None:
    page = opened(locale=language, color_scheme=scheme, viewport=viewport)
    page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    until(page, "document.querySelectorAll('details:not([open])').length === 0")
    assert axe(page) == []
    width = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width[0] <= width[1], "wider than the window"


@pytest.mark.parametrize(
    ("locale", "language"),
    [("kk-KZ", "kk"), ("ru-RU", "ru"), ("en-GB", "en"), ("fr-FR", "en"), ("kk", "kk")],
)
def test_it_speaks_the_browsers_language(opened: Opener, locale: str, language: str) -> None:
    page = opened(locale=locale)
    assert shown(page) == [language]
    assert page.evaluate("document.documentElement.lang") == language
    assert page.title() == texts(language)["title"].format(title="School meals in Almaty")


def test_the_choice_is_kept(opened: Opener) -> None:
    page = opened(locale="en")
    page.locator("#tongue-kk").check(force=True)
    assert shown(page) == ["kk"]
    page.reload()
    assert shown(page) == ["kk"]


def test_the_languages_are_chosen_by_keyboard(opened: Opener) -> None:
    page = opened(locale="en")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "tongue-en"
    page.keyboard.press("ArrowLeft")
    assert shown(page) == ["ru"]
    page.keyboard.press("ArrowLeft")
    assert shown(page) == ["kk"]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_a_link_opens_its_language_and_section(opened: Opener, file: Path) -> None:
    page = opened(locale="en")
    page.goto("about:blank")
    page.goto(file.as_uri() + "#ru-privacy")
    opened.asked[:] = [file.as_uri()]
    opened.told.clear()
    assert shown(page) == ["ru"]
    assert abs(page.evaluate("document.getElementById('ru-privacy').getBoundingClientRect().top")) < 200


def test_without_a_script_it_is_whole_and_can_be_switched(opened: Opener) -> None:
    page = opened(java_script_enabled=False, locale="kk")
    assert page.locator("#en-story").is_visible()
    assert not page.locator("#kk-story").is_visible()
    page.locator("#tongue-kk").check(force=True)
    assert page.locator("#kk-story").is_visible()
    assert not page.locator("#en-story").is_visible()


def test_a_wide_table_can_be_scrolled_with_the_keyboard(opened: Opener) -> None:
    page = opened(locale="ru", viewport=PHONE)
    wide = page.locator(".tongue[lang=ru] .scroll[tabindex='0']")
    assert wide.count() > 0
    assert wide.first.get_attribute("role") == "group"
    assert wide.first.get_attribute("aria-label")
    box = page.locator("#ru-map .scroll").first
    box.focus()
    page.keyboard.press("ArrowRight")
    until(page, "document.querySelector('#ru-map .scroll').scrollLeft > 0")
    desk = opened(locale="ru", viewport=DESK)
    assert desk.locator("#ru-supply .scroll[tabindex]").count() == 0


def test_on_paper_everything_is_open_and_in_one_language(opened: Opener) -> None:
    page = opened(locale="ru")
    page.emulate_media(media="print")
    assert shown(page) == ["ru"]
    assert not page.locator(".tongues").is_visible()
    assert not page.locator(".tongue[lang=ru] nav").is_visible()
    tall = "[...document.querySelectorAll('.tongue[lang=ru] details')].map((e) => e.getBoundingClientRect().height)"
    assert min(page.evaluate(tall)) > 60
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert len(page.pdf(format="A4")) > 50_000
