"""The watching desks in a real browser: explorer, supervisor, treasury and pilot runs, by hand and by keyboard."""

import hashlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from cbdc.money import tenge
from tests.one_playwright import BACKGROUND_MILLISECONDS
from tests.web.audit import DESKTOP, PHONE, audit, each_look, layout_shift, walk
from tests.web.site_browser import browser_at_site, is_full, keep_picture, sign_in
from wallets.desk import derived
from wallets.site.whole import Whole

pytestmark = [pytest.mark.browser, pytest.mark.slow]

Site = tuple[Browser, Whole, str]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with browser_at_site(pseudo=True) as found:
        _fraud(found[1])
        yield found


def _fraud(whole: Whole) -> None:
    """A note that was spent twice, and money with a purpose, so that the pages have something to show."""
    world = whole.world
    payer, first, second, _ = world.neighbours
    with world.doing():
        world.sandbox.clone(payer)
        world.sandbox.pay_offline(payer, first, tenge(2_000), b"", derived("honest"))
        world.sandbox.pay_offline(payer, second, tenge(2_000), b"", derived("fraud"), clone=True)
        world.sandbox.sync([first, second], derived("both"))


@pytest.fixture(params=[PHONE, DESKTOP], ids=["phone", "desktop"])
def page(site: Site, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = site[0].new_context(viewport=request.param)
    made = context.new_page()
    problems: list[str] = []
    made.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    made.on("pageerror", lambda error: problems.append(str(error)))
    yield made
    context.close()
    assert [one for one in problems if "status of 4" not in one] == []


def is_phone(page: Page) -> bool:
    return page.viewport_size == PHONE


def test_a_visitor_follows_a_payment_and_checks_its_proof(site: Site, page: Page) -> None:
    address = site[2]
    page.goto(f"{address}/explorer/")
    search = page.get_by_label("Number of an entry, or the beginning of an id")
    search.focus()
    page.keyboard.type("16")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Search")).to_be_visible()
    page.get_by_role("link", name="16", exact=True).press("Enter")
    expect(page.get_by_role("heading", name="Why it was allowed")).to_be_visible()
    page.get_by_role("link", name="Inclusion proof").click()
    expect(page.get_by_text("The last step gives the signed root.")).to_be_visible()
    steps = page.locator(".proof li").all()
    assert steps
    for step in steps:
        left, right, result = (part.inner_text().split()[-1] for part in step.locator(".hash").all()[:3])
        assert hashlib.sha256(b"\1" + bytes.fromhex(left + right)).hexdigest() == result
    page.go_back()
    page.get_by_role("link", name="What does each party see of this payment?").click()
    expect(page.get_by_role("table", name="Who sees what")).to_be_visible()
    keep_picture(page, f"explorer-sees-{'phone' if is_phone(page) else 'desktop'}")


def test_a_double_spend_is_seen_with_its_evidence(site: Site, page: Page) -> None:
    page.goto(f"{site[2]}/explorer/offline")
    page.get_by_role("row").filter(has_text="spent twice").get_by_role("link").click()
    expect(page.locator(".graph .fork .box")).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_role("link", name="case-1.dto").first.click()
    assert download.value.suggested_filename == "case-1.dto"
    keep_picture(page, f"explorer-fork-{'phone' if is_phone(page) else 'desktop'}")


def test_the_supervisor_audits_and_compares_a_kept_head(site: Site, page: Page) -> None:
    address = site[2]
    sign_in(page, address, "supervisor", "Supervisor")
    page.get_by_role("link", name="Signed heads").first.click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    kept = download.value.path()
    with site[1].world.doing():
        site[1].world.sandbox.issue(10, bank="alatau", id=derived("more", str(page.viewport_size)))
    page.get_by_label("File of a signed head").set_input_files(kept)
    page.get_by_role("button", name="Compare a kept head").click()
    expect(page.get_by_role("status").filter(has_text="continues the head")).to_be_visible()
    page.get_by_label("Or its text").fill("00ff")
    page.get_by_role("button", name="Compare a kept head").press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("link", name="Audits").first.click()
    page.get_by_label("File of a signed head").set_input_files(kept)
    page.get_by_role("button", name="Audit the journal").click()
    page.get_by_role("table").get_by_role("link").first.click()
    expect(page.get_by_text("Everything adds up.")).to_be_visible(timeout=BACKGROUND_MILLISECONDS)
    keep_picture(page, f"supervisor-audit-{'phone' if is_phone(page) else 'desktop'}")


def test_the_ministry_follows_money_to_its_payee(site: Site, page: Page) -> None:
    address, world = site[2], site[1].world
    label = f"Meals {'phone' if is_phone(page) else 'desktop'}"
    sign_in(page, address, "treasury", "Ministry's clerk")
    page.get_by_label("Amount").fill("5 000")
    page.get_by_role("button", name="Draw digital tenge from the bank").press("Enter")
    expect(page.get_by_role("status").filter(has_text="has drawn it")).to_be_visible()
    page.get_by_role("link", name="Define a purpose").click()
    page.get_by_label("Template").select_option("school-meals")
    page.get_by_label("Name of the purpose").fill(label)
    page.get_by_role("button", name="Define a purpose").click()
    expect(page.get_by_role("status").filter(has_text=label)).to_be_visible()
    page.goto(f"{address}/treasury/")
    page.get_by_role("link", name=label).click()
    page.get_by_label("Amount for each").fill("100.50")
    page.get_by_label("Everybody of a group").select_option(index=1)
    page.get_by_role("button", name="Give vouchers").click()
    expect(page.get_by_role("status").filter(has_text="holders got it")).to_be_visible()
    mark = world.sandbox.marks[label]
    with world.doing():
        paid = world.sandbox.pay(
            [(world.neighbours[1], world.neighbours[3], tenge(50))], mark, derived("meal", label)
        )
    assert paid == [None]
    page.get_by_role("link", name="Where the money is").click()
    expect(page.locator(".graph .box")).to_have_count(5)
    expect(page.get_by_role("table", name="Every flow")).to_contain_text("free money at the final payee")
    keep_picture(page, f"treasury-project-{'phone' if is_phone(page) else 'desktop'}")


def test_the_operator_plays_a_pilot_and_reads_its_report(site: Site, page: Page) -> None:
    if is_phone(page):
        pytest.skip("one run is enough; its pages are looked at on a phone below")
    sign_in(page, site[2], "operator", "Operator of the sandbox")
    page.get_by_role("link", name="Pilots").first.click()
    page.get_by_role("button", name="Play: Food vouchers").press("Enter")
    page.get_by_role("table").get_by_role("link").first.click()
    expect(page.get_by_text("Expectations met: 6 of 6")).to_be_visible(timeout=BACKGROUND_MILLISECONDS)
    keep_picture(page, "operator-pilot-run")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Open the report").click()
    report = opened.value
    expect(report.get_by_role("heading", level=1).first).to_be_visible()
    report.locator("#tongue-ru").check()
    expect(report.locator("html")).to_have_attribute("lang", "ru")
    assert report.evaluate("window.origin") == "null"
    report.close()
    page.reload()
    assert each_look(page, audit) == []


# Pages that show more here than in the fresh world of `test_every_page.py`: a fraud, projects, audits, a pilot's run.
PAGES = {
    "explorer": ("", "entry/16", "sees/16", "offline"),
    "supervisor": ("", "figures", "audits"),
    "treasury": ("", "purposes", "projects"),
    "operator": ("pilots",),
}


@pytest.mark.parametrize("role", PAGES)
def test_everybody_can_use_the_pages(site: Site, role: str) -> None:
    browser, whole, address = site
    context = browser.new_context(viewport=PHONE)  # type: ignore[arg-type]
    page = context.new_page()
    names = {"supervisor": "Auditor", "treasury": "Treasurer", "operator": "Operator of the sandbox"}
    if role in names:
        sign_in(page, address, role, names[role])
    token = whole.world.system.ledger.transaction(16).id.hex()
    for name in PAGES[role]:
        path = f"{address}/{role}/{name}" + (f"/{token}:0" if name == "token" else "")
        page.goto(path)
        assert (each_look(page, audit) if is_full() else audit(page)) == [], path
        if name in ("purposes", "pilots", "sees/16"):
            page.goto(path)
            assert walk(page) == [], path
        page.goto(path)
        assert layout_shift(page) == 0, path
    context.close()
