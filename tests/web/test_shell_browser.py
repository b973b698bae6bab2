"""The pages that all desks share, in a real browser: landing, sign-in, a customer's account, a refusal."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.audit import PHONE, audit, each_look, layout_shift, walk
from tests.web.site_browser import browser_at_site, keep_picture, sign_in
from wallets.site.whole import Whole

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Site = tuple[Browser, Whole, str]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with browser_at_site(pseudo=True) as found:
        yield found


@pytest.fixture
def page(site: Site) -> Iterator[Page]:
    context = site[0].new_context(viewport=PHONE)  # type: ignore[arg-type]
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    assert [one for one in problems if "status of 4" not in one] == []


def test_everybody_can_use_the_first_pages(site: Site, page: Page) -> None:
    address = site[2]
    for path in ("/", "/sign-in/bank", "/nowhere/"):
        page.goto(address + path)
        assert each_look(page, audit) == [], path
        assert walk(page) == [], path
        page.goto(address + path)
        assert layout_shift(page) == 0, path


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_a_customer_signs_in_and_gets_a_code(site: Site, page: Page, language: str) -> None:
    address = site[2]
    page.goto(f"{address}/?language={language}")
    expect(page.locator("html")).to_have_attribute("lang", language)
    keep_picture(page, f"landing-{language}-phone")
    page.goto(f"{address}/person/")
    page.locator("form[action='/sign-in/person'] button").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/person/")
    page.locator("form[action='/person/do/join-code'] button").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".code")).to_have_text(re.compile(r"^[0-9A-Z]{10}$"))
    expect(page.locator("svg.qr")).to_be_visible()
    assert each_look(page, audit) == []
    keep_picture(page, f"customer-code-{language}")


def test_no_text_stands_outside_the_catalogues(site: Site, page: Page) -> None:
    address = site[2]
    sign_in(page, address, "person", "Aigerim")
    for path in ("/", "/sign-in/bank", "/person/"):
        page.goto(f"{address}{path}?language=xx")
        left = page.evaluate(
            """() => {
              const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
              const found = [];
              while (walker.nextNode()) {
                const text = walker.currentNode.textContent.trim();
                const apart = "code, .mono, .languages, a[href*='://'], a[href^='/explorer/codes']";
                const owner = walker.currentNode.parentElement;
                if (/\\p{L}{3}/u.test(text) && !owner.closest(apart)) found.push(text);
              }
              return found.filter((text) => !/^\\[.*\\]$/su.test(text) && !/^\\[/u.test(text));
            }"""
        )
        assert left == [], path


def test_a_second_press_does_nothing_twice(site: Site, page: Page) -> None:
    _browser, whole, address = site
    sign_in(page, address, "person", "Aigerim")
    before = len(whole.world.system.stores.cabinet.all("join codes"))
    page.locator("form[action='/person/do/join-code'] button").dblclick()
    expect(page.locator(".code")).to_be_visible()
    assert len(whole.world.system.stores.cabinet.all("join codes")) == before + 1


def test_news_are_told_on_an_open_page(site: Site, page: Page) -> None:
    _browser, whole, address = site
    sign_in(page, address, "person", "Aigerim")
    page.wait_for_timeout(300)
    with whole.world.doing():
        whole.world.sandbox.issue(100)
    expect(page.locator("[data-news]")).to_be_visible()
