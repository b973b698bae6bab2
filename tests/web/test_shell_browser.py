"""The pages that all desks share, in a real browser: landing, sign-in, a customer's account, a refusal."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.web.audit import PHONE, audit, each_look, foreign_texts, layout_shift, walk, weight_bytes
from tests.web.parts_page import ADDRESS, serve_parts
from tests.web.site_browser import browser_at_site, is_full, keep_picture, sign_in
from wallets.site.whole import Whole

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Site = tuple[Browser, Whole, str]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with browser_at_site(pseudo=True) as found:
        serve_parts(found[1])
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
    for path in ("/", "/sign-in/bank", "/class/", "/nowhere/"):
        page.goto(address + path)
        assert each_look(page, audit, whole=is_full()) == [], path
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


# The longest words and the language that every text is marked in; the others with TENGE_BROWSER_FULL=1.
SPOKEN = ["kk", "ru", "en", "xx"] if is_full() else ["ru", "xx"]


@pytest.mark.parametrize("language", SPOKEN)
def test_every_part_of_pages_can_be_used_by_everybody(site: Site, page: Page, language: str) -> None:
    path = f"{site[2]}{ADDRESS}?language={language}"
    page.goto(path)
    assert each_look(page, audit, whole=is_full()) == []
    assert walk(page) == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto(path)
    assert layout_shift(page) == 0
    keep_picture(page, f"parts-{language}-phone")
    if language == "xx":
        refusal = page.locator("main .notice.bad p").all_inner_texts()
        assert [text for text in foreign_texts(page) if not any(text in one for one in refusal)] == []


def test_a_dangerous_form_asks_first_and_the_way_back_has_the_focus(site: Site, page: Page) -> None:
    page.goto(site[2] + ADDRESS)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.get_by_label("Amount", exact=True).first.fill("5")
    page.get_by_label("Day", exact=True).fill("5")
    page.get_by_role("button", name="Send it?").focus()
    for key in ("Enter", "Escape"):
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        expect(page.get_by_role("button", name="Go back")).to_be_focused()
        assert audit(page) == []
        page.keyboard.press(key)
        expect(page.get_by_role("dialog")).to_have_count(0)
    assert "POST" not in sent
    page.keyboard.press("Enter")
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.get_by_role("dialog").get_by_role("button", name="Send it?").click()


def test_a_dangerous_form_is_not_sent_before_the_page_can_ask(site: Site, page: Page) -> None:
    held: list[Route] = []
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.route("**/static/site.js", lambda route: held.append(route))
    page.goto(site[2] + ADDRESS, wait_until="commit")
    page.get_by_label("Amount", exact=True).first.fill("5")
    page.get_by_label("Day", exact=True).fill("5")
    button = page.get_by_role("button", name="Send it?")
    expect(button).to_be_visible()
    page.get_by_label("Day", exact=True).press("Enter")
    button.click(force=True)
    button.dispatch_event("click")
    page.wait_for_timeout(200)
    assert held, "the page has no script yet"
    assert "POST" not in sent
    expect(button).to_be_disabled()
    held[0].continue_()
    button.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert "POST" not in sent


def test_without_scripts_a_box_is_ticked_before_a_dangerous_form_is_sent(site: Site) -> None:
    context = site[0].new_context(viewport=PHONE, java_script_enabled=False)  # type: ignore[arg-type]
    page = context.new_page()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.goto(site[2] + ADDRESS)
    page.get_by_label("Amount", exact=True).first.fill("5")
    page.get_by_label("Day", exact=True).fill("5")
    button = page.get_by_role("button", name="Send it?", disabled=False)
    button.click()
    page.wait_for_timeout(200)
    assert "POST" not in sent
    keep_picture(page, "dangerous-form-without-scripts")
    page.get_by_role("checkbox", name="Send it?").check()
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        button.click()
    context.close()


def test_colours_are_chosen_and_kept(site: Site, page: Page) -> None:
    address = site[2]
    page.goto(f"{address}/sign-in/bank?next=/bank/customers")
    paper = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_role("link", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert "next=%2Fbank%2Fcustomers" in page.url, "the rest of the address stays"
    body = page.locator("body")
    # A page that has just come may be waiting for its styles: so each colour is waited for.
    page.wait_for_load_state("load")
    dark = page.evaluate(paper)
    assert dark != light
    page.goto(f"{address}/")
    expect(body).to_have_css("background-color", dark)
    page.get_by_role("link", name="As the device").click()
    expect(page.locator("html")).not_to_have_attribute("data-theme", re.compile("."))
    expect(body).to_have_css("background-color", light)
    page.emulate_media(color_scheme="dark")
    expect(body).to_have_css("background-color", dark)
    page.get_by_role("link", name="Light").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    expect(body).to_have_css("background-color", light)


def test_a_page_says_that_there_is_no_network(site: Site, page: Page) -> None:
    page.goto(site[2])
    expect(page.locator("[data-offline]")).to_be_hidden()
    page.context.set_offline(True)
    expect(page.locator("[data-offline]")).to_be_visible()
    assert walk(page) == [], "what is said covers nothing that has the focus"
    page.context.set_offline(False)
    expect(page.locator("[data-offline]")).to_be_hidden()


def test_printed_pages_keep_the_figures_and_drop_the_buttons(site: Site, page: Page) -> None:
    page.goto(site[2] + ADDRESS)
    page.emulate_media(media="print")
    for selector in ("main form", ".bar-tools", ".foot nav"):
        expect(page.locator(selector).first).to_be_hidden()
    expect(page.get_by_role("table").first).to_be_visible()
    assert page.pdf(format="A4", print_background=False)[:5] == b"%PDF-"


def test_the_first_pages_are_light(site: Site, page: Page) -> None:
    for path in ("/", "/sign-in/bank"):
        page.goto(site[2] + path)
        assert 1_000 < weight_bytes(page) < 60_000, path


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
    with page.expect_response("**/person/events"):
        page.reload()
    expect(page.locator("[data-news]")).to_be_hidden()
    with whole.world.doing():
        whole.world.sandbox.issue(100)
    expect(page.locator("[data-news]")).to_be_visible()


def test_news_between_a_page_and_its_first_event_are_told(site: Site, page: Page) -> None:
    _browser, whole, address = site
    sign_in(page, address, "person", "Aigerim")
    held: list[Route] = []
    page.route("**/person/events", lambda route: held.append(route))
    with page.expect_request("**/person/events"):
        page.reload()
    with whole.world.doing():
        whole.world.sandbox.issue(100)
    while not held:
        page.wait_for_timeout(20)
    held[0].continue_()
    expect(page.locator("[data-news]")).to_be_visible()
