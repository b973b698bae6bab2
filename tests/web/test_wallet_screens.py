"""Every screen of the wallet: usable by everybody, in three languages, by keyboard, light enough, still on load."""

import json
import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.one_playwright import KEPT_MILLISECONDS
from tests.web.audit import audit, each_look, layout_shift, walk
from tests.web.wallet_site import Person, WalletSite, open_site

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FIRST_LOAD_BYTES = 200 * 1024  # until the wallet can be used
WITHOUT_READER_BYTES = (
    280 * 1024
)  # with the offline device and three languages, which come after the first paint
# What the page had loaded when it could be used, by address.
BEFORE_READY = """() => {
  const [ready] = performance.getEntriesByName("wallet-ready");
  const loaded = performance.getEntriesByType("resource").filter((one) => one.responseEnd <= ready.startTime);
  return [location.href.split("#")[0], ...loaded.map((one) => one.name)];
}"""
FULL = os.environ.get("TENGE_WALLET_FULL") == "1"  # every look of every screen, and more of the keyboard
# The address changes while a screen is drawn, and the page hears of it when that drawing is done.
GO_ON_WHILE_DRAWING = """async (hash) => {
  const app = window.tengeWallet;
  const drawing = app.draw();
  const heard = new Promise((resolve) => { app.draw = resolve; });
  location.hash = hash;
  await Promise.all([drawing, heard]);
  delete app.draw;
  window.scrollTo(0, 200);
  await app.draw();
}"""
SCREENS = (
    "",
    "pay",
    "scan",
    "request",
    "till",
    "along",
    "ask",
    "got",
    "inbox",
    "history",
    "contacts",
    "money",
    "limits",
    "lost",
    "settings",
    "about",
    "requests",
    "third",
    "consent",
    "order/00",
    "mandates",
    "cards",
)


@pytest.fixture(scope="module")
def site() -> Iterator[WalletSite]:
    with open_site() as opened:
        yield opened


@pytest.fixture(scope="module")
def person(browser: Browser, site: WalletSite) -> Iterator[Person]:
    one = Person(browser, site, "aigerim").join().top_up("6 000").take_along("2 000")
    yield one
    one.close()


def test_the_first_visit(browser: Browser, site: WalletSite) -> None:
    someone = Person(browser, site, "bolat")
    assert audit(someone.page) == []
    assert walk(someone.page) == []
    someone.shot("join")
    someone.send("join", code="AAAAAAAAAA", name="Bolat")
    expect(someone.page.locator(".refusal[data-code=E_JOIN_CODE]")).to_be_visible()
    someone.close()


@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_is_for_everybody(person: Person, screen: str) -> None:
    page = person.open(screen)
    assert (each_look(page, audit) if FULL else audit(page)) == []
    page.set_viewport_size({"width": 390, "height": 844})
    person.shot(f"screen-{screen.replace('/', '-') or 'home'}")


def test_a_screen_gone_to_while_another_is_drawn_has_the_focus(person: Person) -> None:
    page = person.open("settings")
    page.evaluate(GO_ON_WHILE_DRAWING, "#/limits")
    expect(page.get_by_role("heading", name="Limits", level=1)).to_be_focused()
    assert page.evaluate("scrollY") == 0


@pytest.mark.parametrize("screen", SCREENS if FULL else ("", "history"))
def test_the_keyboard_alone(person: Person, screen: str) -> None:
    assert walk(person.open(screen)) == []


@pytest.mark.parametrize(("language", "title"), [("kk", "Менің ақшам"), ("ru", "Мои деньги")])
def test_in_kazakh_and_russian(browser: Browser, site: WalletSite, language: str, title: str) -> None:
    user = {"kk": "yerlan", "ru": "madina"}[language]
    someone = Person(browser, site, user, locale=language)
    code, bank = site.code(user)
    someone.send("join", code=code)
    expect(someone.page.locator(".refusal, main h1").first).to_be_visible()
    someone.page.locator("form[name=join] [name=bank]").select_option(str(bank))
    someone.page.locator("form[name=join] > button.main").click()
    someone.heading(title)
    someone.open("pay")
    someone.send("whom", whom="???")
    refusal = someone.page.locator(".refusal[data-code=E_WALLET_TEXT] p").first
    assert not refusal.inner_text().isascii()
    assert audit(someone.page) == []
    someone.shot(f"refusal-{language}")
    someone.close()


def test_the_first_load_is_light_and_still(browser: Browser, site: WalletSite) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    client = context.new_cdp_session(page)
    client.send("Network.enable")
    weighed: dict[str, float] = {}
    names: dict[str, str] = {}
    heard = {
        "Network.responseReceived": lambda event: names.update(
            {event["requestId"]: event["response"]["url"]}
        ),
        "Network.loadingFinished": lambda event: weighed.update(
            {event["requestId"]: event["encodedDataLength"]}
        ),
    }
    for name, listener in heard.items():
        client.on(name, listener)
    page.goto(f"{site.url}/wallet/")
    expect(page.locator("html[data-ready=yes]")).to_be_attached()
    before = set(page.evaluate(BEFORE_READY))
    jumped = layout_shift(page)
    expect(page.locator("html[data-kept=yes]")).to_be_attached(timeout=KEPT_MILLISECONDS)
    first = sum(size for one, size in weighed.items() if names.get(one) in before)
    reader = sum(size for one, size in weighed.items() if "zxing" in names.get(one, ""))
    whole = sum(weighed.values()) - reader
    print(json.dumps({"first_bytes": first, "without_reader_bytes": whole, "reader_bytes": reader}))
    assert 0 < first < FIRST_LOAD_BYTES
    assert whole < WITHOUT_READER_BYTES
    assert jumped < 0.02
    context.close()


def test_the_headers_and_the_policy(browser: Browser, site: WalletSite) -> None:
    context = browser.new_context()
    page = context.new_page()
    refused: list[str] = []
    page.on(
        "console",
        lambda message: refused.append(message.text) if "Content Security" in message.text else None,
    )
    answer = page.goto(f"{site.url}/wallet/")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "'wasm-unsafe-eval'" in policy
    assert "unsafe-inline" not in policy
    assert answer.headers["permissions-policy"].startswith("camera=(self)")
    expect(page.locator("html[data-kept=yes]")).to_be_attached(timeout=KEPT_MILLISECONDS)
    assert refused == []
    context.close()


def test_it_opens_and_a_new_version_waits_for_the_person(person: Person, site: WalletSite) -> None:
    person.kept()
    person.offline().again()
    person.heading("My money")
    expect(person.page.locator("#net")).to_have_text("No network")
    assert audit(person.page) == []
    person.shot("home-no-network")
    person.offline(False)
    before = person.page.evaluate("() => caches.keys()")
    path = "**/wallet/files.json"

    def newer(route: object) -> None:
        answer = route.fetch()  # type: ignore[attr-defined]
        route.fulfill(response=answer, json=answer.json() | {"version": "another"})  # type: ignore[attr-defined]

    person.context.route(path, newer)
    person.again()
    expect(person.page.get_by_role("button", name="A new version is ready. Reload")).to_be_visible(
        timeout=KEPT_MILLISECONDS
    )
    assert person.page.evaluate("() => caches.keys()") != before
    person.context.unroute(path)
    person.again().holds(400_000)


def test_two_profiles_in_one_browser(person: Person, site: WalletSite) -> None:
    other = person.visit("?as=second")
    expect(other.locator("main h1")).to_have_text("Set up this wallet")
    assert other.evaluate("() => window.tengeWallet.wallet.kid") == ""
    other.close()
