"""Every page of every desk that a menu leads to, a page of each kind behind them, and the sign-in pages, in a browser.

For each: what axe finds, nothing wider than a phone, nothing inline, no jump while it loads, and, in the
pseudo-language, no text outside the catalogues; on the first page of each desk also everything in reach of the
keyboard. The list of pages is the table of operations and queries itself, so a new page is looked at without anybody
thinking of it.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.web.audit import PHONE, audit, each_look, foreign_texts, layout_shift, walk
from tests.web.site_browser import browser_at_site, is_full
from wallets.site.table import OPEN_ROLES, TABLE
from wallets.site.users import ROLES
from wallets.site.whole import Whole

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DESKS = [role for role in TABLE.roles() if role in ROLES or role in OPEN_ROLES]


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[Browser, Whole, str]]:
    with browser_at_site(pseudo=True) as found:
        yield found


@pytest.fixture(scope="module")
def page(site: tuple[Browser, Whole, str]) -> Iterator[Page]:
    context = site[0].new_context(viewport=PHONE, reduced_motion="reduce")  # type: ignore[arg-type]
    page = context.new_page()
    yield page
    context.close()


def enter(page: Page, site: tuple[Browser, Whole, str], role: str) -> None:
    """Sit down at a desk, whatever language the page speaks; open desks ask nobody."""
    if role in OPEN_ROLES:
        return
    page.goto(f"{site[2]}/sign-in/{role}?language=en")
    page.locator(f"form[action='/sign-in/{role}'] button").first.click()
    page.wait_for_url(f"{site[2]}/{role}/")


def details(page: Page, site: tuple[Browser, Whole, str], role: str) -> list[str]:
    """For each kind of page about one thing, the first that the pages of the menu lead to; files are no pages."""
    links: list[str] = []
    for query in TABLE.menu(role):
        page.goto(f"{site[2]}/{role}/{query.name}")
        links += page.evaluate("[...document.querySelectorAll('main a[href]')].map((node) => node.pathname)")
    found = []
    for query in TABLE.queries.values():
        if query.role == role and query.takes:
            prefix = f"/{role}/{query.name}/"
            first = next((link for link in links if link.startswith(prefix) and link != prefix), None)
            if first and "html" in page.request.get(site[2] + first).headers["content-type"]:
                found.append(first)
    return found


@pytest.mark.parametrize("role", DESKS)
def test_every_page_of_a_desk_can_be_used_by_everybody(
    site: tuple[Browser, Whole, str], page: Page, role: str
) -> None:
    enter(page, site, role)
    found: list[str] = []
    for query in TABLE.menu(role):
        path = f"/{role}/{query.name}"
        # The pseudo-language is the longest; a normal run looks at no page in two languages.
        for language in ("kk", "ru", "en", "xx") if is_full() else ("xx",):
            answer = page.goto(f"{site[2]}{path}?language={language}")
            assert answer is not None
            if answer.status != 200:
                found.append(f"{path}: status {answer.status}")
                continue
            if jumped := layout_shift(page):
                found.append(f"{path}: jumps by {jumped}")
            looked = each_look(page, audit) if is_full() else audit(page)
            page.set_viewport_size(PHONE)  # type: ignore[arg-type]
            walked = walk(page) if is_full() or query.name == "" else []
            found += [f"{path}, {language}: {one}" for one in looked + walked]
        found += [f"{path}: outside the catalogues: {text}" for text in foreign_texts(page)]
    for path in details(page, site, role):
        page.goto(f"{site[2]}{path}?language=xx")
        found += [f"{path}: {one}" for one in audit(page)]
        found += [f"{path}: outside the catalogues: {text}" for text in foreign_texts(page)]
    assert found == []


@pytest.mark.parametrize("role", ROLES)
def test_every_sign_in_page_speaks_from_the_catalogues(
    site: tuple[Browser, Whole, str], page: Page, role: str
) -> None:
    page.goto(f"{site[2]}/sign-in/{role}?language=xx")
    assert foreign_texts(page) == []
