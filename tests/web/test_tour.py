"""The tour: the whole system in twelve pictures, taken while the story of docs/tour.md is played in a real browser.

    TENGE_TOUR=write pytest tests/web/test_tour.py      take the pictures of docs/tour/ anew

A normal run takes them too and compares: small (both drawn 16 dots wide and grey), so that another font or id makes no
difference, while a page that looks otherwise does: each picture must also be further from the one before it.
"""

import base64
import datetime
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from cbdc.money import tenge
from tests.conftest import ROOT
from tests.site.visitor import Program
from tests.web.test_wallet_offline import device, pay
from tests.web.wallet_site import Person, WalletSite, open_site

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FOLDER = ROOT / "docs/tour"
DESKTOP = {"width": 1100, "height": 800}
MOST_APART = 4  # of 255, on average
LOOKS, LOOK_MS = 4, 400
MOST_APART_WITH_CODE = 14  # a QR code is another one each time
WITH_CODE = ("invoice", "payment-taken")


# How far two pictures are apart: each drawn 16 dots wide and grey, the mean difference of the dots.
_APART = """async ([one, other]) => {
  const dots = [];
  for (const data of [one, other]) {
    const picture = new Image();
    picture.src = "data:image/png;base64," + data;
    await picture.decode();
    const canvas = document.createElement("canvas");
    canvas.width = 16;
    canvas.height = 12;
    const pen = canvas.getContext("2d");
    pen.filter = "grayscale(1)";
    pen.imageSmoothingQuality = "high";
    pen.drawImage(picture, 0, 0, 16, 12);
    dots.push(pen.getImageData(0, 0, 16, 12).data);
  }
  let sum = 0;
  for (let place = 0; place < dots[0].length; place += 4) sum += Math.abs(dots[0][place] - dots[1][place]);
  return sum / (dots[0].length / 4);
}"""


class Tour:
    """The pictures taken so far, and how far each is from the one in the documents' folder."""

    def __init__(self, blank: Page, folder: Path = FOLDER, with_code: Sequence[str] = WITH_CODE) -> None:
        self._folder = folder
        self._with_code = with_code
        self.names: list[str] = []
        self.apart: dict[str, float] = {}
        self.steps: list[float] = []
        self._blank = blank
        self._before = ""

    def most_apart(self, name: str) -> int:
        """How far a picture may be from the one that is kept."""
        return MOST_APART_WITH_CODE if any(part in name for part in self._with_code) else MOST_APART

    def stale(self) -> dict[str, int]:
        """The pictures that are no longer like the ones that are kept, and how far they are apart."""
        return {name: round(apart) for name, apart in self.apart.items() if apart > self.most_apart(name)}

    def _still(self, page: Page) -> bytes:
        """A picture of the page's beginning, once two frames were drawn."""
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
        return page.screenshot(animations="disabled", caret="hide")

    def take(self, page: Page, name: str) -> None:
        """Take the next picture; kept under its number and name."""
        file = f"{len(self.names) + 1:02d}-{name}.png"
        self.names.append(file)
        data = self._still(page)
        if os.environ.get("TENGE_TOUR") == "write":
            self._folder.mkdir(exist_ok=True)
            (self._folder / file).write_bytes(data)
        kept = (self._folder / file).read_bytes() if (self._folder / file).exists() else b""
        then = base64.b64encode(kept).decode()
        self.apart[file] = 255.0
        for look in range(LOOKS if kept else 1):
            if look:
                # A busy machine may still be drawing, or scrolling to what the story shows.
                page.wait_for_timeout(LOOK_MS)
                data = self._still(page)
            now = base64.b64encode(data).decode()
            if kept:
                self.apart[file] = min(self.apart[file], self._blank.evaluate(_APART, [now, then]))
            if self.apart[file] <= self.most_apart(file):
                break
        if self._before:
            self.steps.append(self._blank.evaluate(_APART, [self._before, now]))
        self._before = now


@pytest.fixture(scope="module")
def site() -> Iterator[WalletSite]:
    with open_site() as opened:
        yield opened


def desk(browser: Browser, site: WalletSite, role: str, user_id: str, path: str = "") -> Page:
    """A page of a desk, its user signed in as a person would."""
    page = browser.new_context(viewport=DESKTOP, locale="en-GB").new_page()  # type: ignore[arg-type]
    page.goto(f"{site.url}/sign-in/{role}")
    form = page.locator(f"form:has(input[name=user][value='{user_id}'])")
    users = site.world.users
    form.locator("input[name=passcode]").fill(users.passcode(users.get(user_id)))
    form.locator("button").click()
    page.wait_for_url(re.compile(rf"/{role}/$"))
    page.goto(f"{site.url}/{role}/{path}")
    return page


def test_the_whole_system_in_twelve_pictures(browser: Browser, site: WalletSite, tmp_path: Path) -> None:
    first = browser.new_context(viewport=DESKTOP, locale="en-GB").new_page()  # type: ignore[arg-type]
    first.goto(f"{site.url}/")
    tour = Tour(first.context.new_page())
    tour.take(first, "landing")

    account = desk(browser, site, "person", "aigerim")
    account.locator("form[action='/person/do/join-code'] button").click()
    expect(account.locator(".code")).to_be_visible()
    tour.take(account, "account")

    aigerim = Person(browser, site, "aigerim").join().top_up("6 000").take_along("3 000").kept()
    dana = device(Person(browser, site, "dana").join())
    aigerim.open("")
    tour.take(aigerim.page, "wallet")
    for person in (aigerim, dana):
        person.offline()
        person.again()
    dana.open("ask")
    dana.send("ask", amount="1 200", words="")
    expect(dana.page.locator(".qr-frame[data-place='0']")).to_be_visible()
    tour.take(dana.page, "invoice")
    pay(aigerim, dana, "1 200", tmp_path)
    tour.take(dana.page, "payment-taken")
    for person in (aigerim, dana):
        person.offline(False)

    clerk = desk(browser, site, "bank", "clerk-1")
    clerk.locator("form[action='/bank/do/order-tokens'] input[name=amount_tiyn]").fill("40 000")
    clerk.locator("form[action='/bank/do/order-tokens'] button").click()
    expect(clerk.get_by_text("Two officers of the National Bank must approve it.")).to_be_visible()
    tour.take(clerk, "bank")
    officer = desk(browser, site, "national-bank", "officer-1", "requests")
    tour.take(officer, "approval")
    Program(site.whole, "operator").do("operator", "live", fraud=True)
    officer.goto(f"{site.url}/national-bank/")
    tour.take(officer, "supply")
    officer.goto(f"{site.url}/national-bank/cases")
    officer.locator("form[action='/national-bank/do/verify'] button").first.click()
    expect(officer.get_by_text("of root alone")).to_be_visible()
    tour.take(officer, "case")

    treasurer = Program(site.whole, "treasurer")
    today = datetime.datetime.fromtimestamp(site.world.clock.now(), datetime.UTC).date()
    dates = {"first_day": f"{today}", "last_day": f"{today + datetime.timedelta(days=30)}"}
    treasurer.do("treasury", "draw", amount_tiyn=tenge(10_000))
    made = treasurer.do("treasury", "define", template="relief", label="Flood relief", **dates)
    assert made.status_code == 200, made.text
    tour.take(desk(browser, site, "treasury", "treasurer", f"purposes/{made.get_json()['mark']}"), "purpose")
    tour.take(desk(browser, site, "supervisor", "supervisor", "figures"), "figures")
    sees = browser.new_context(viewport=DESKTOP, locale="en-GB").new_page()  # type: ignore[arg-type]
    payments = [line for line in range(1, site.world.system.ledger.size) if _is_transfer(site, line)]
    sees.goto(f"{site.url}/explorer/sees/{payments[-1]}")
    expect(sees.locator("main h1")).to_be_visible()
    tour.take(sees, "who-sees-what")

    assert len(tour.names) == 12
    page = (ROOT / "docs/tour.md").read_text(encoding="utf-8")
    assert re.findall(r"\(tour/([^)]+)\)", page) == tour.names
    assert tour.stale() == {}, "look at them, then: TENGE_TOUR=write pytest tests/web/test_tour.py"
    assert min(tour.steps) > MOST_APART, "the comparison would not notice one screen in place of another"
    dana.close()
    aigerim.close()


def _is_transfer(site: WalletSite, index: int) -> bool:
    return type(site.world.system.ledger.transaction(index).record).__name__ == "Transfer"
