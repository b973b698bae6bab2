"""The wallet in real browsers, for tests: the whole server in this process, and a person with a phone.

with open_site() as site:
    aigerim = Person(browser, site, "aigerim").join().top_up("5 000")
    aigerim.open("pay")
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from cbdc.http.server import Limits
from cbdc.ledger.audit import audit
from cbdc.policies import UTC_PLUS_5_SECONDS
from cbdc.ports import SeededEntropy, SystemClock
from tests.conftest import ROOT
from tests.one_playwright import KEPT_MILLISECONDS, PATIENCE_MILLISECONDS
from wallets.desk import derived
from wallets.site.app import Options
from wallets.site.opening import customer_id
from wallets.site.serving import running
from wallets.site.whole import Whole
from wallets.site.world import World

DAY_SECONDS = 86_400
DAY_ENDS_SOON_SECONDS = 1_800
PHONE = {"width": 390, "height": 844}
SHOTS = ROOT / "build" / "screenshots"
EXPECTED = re.compile(
    r"ERR_INTERNET_DISCONNECTED|ERR_NETWORK|Failed to load resource|ERR_FAILED|ERR_INCOMPLETE"
)
# The mark goes first: where the screen is open already, it would still be that of the old drawing.
GO = """(route) => {
  delete document.getElementById("main").dataset.ready;
  window.tengeWallet.go(route);
}"""


class WalletSite:
    """A fresh world behind a real server. `url` has no slash at its end."""

    def __init__(self, whole: Whole, url: str) -> None:
        self.whole = whole
        self.world = whole.world
        self.url = url
        self._codes = 0

    def code(self, user_id: str) -> tuple[str, int]:
        """A fresh code of the user's bank, and the bank's number."""
        self._codes += 1
        user = self.world.users.get(user_id)
        with self.world.doing():
            desk = self.world.joining[user.bank_id]
            return desk.issue(derived("test code", str(self._codes)), customer_id(user)), user.bank_id

    def audited(self) -> None:
        """Replay the journal from entry 0 and count the money again."""
        with self.world.lock:
            result = audit(self.world.system.stores.ledger, self.world.system.ledger.head())
        assert not result.problems, result.problems


def _leave_midnight(world: World) -> None:
    """Begin the next day now if this one ends soon: what is counted by days would begin anew amid the tests."""
    left = DAY_SECONDS - (world.clock.now() + UTC_PLUS_5_SECONDS) % DAY_SECONDS
    if left < DAY_ENDS_SOON_SECONDS:
        world.reach(world.clock.now() + left)


@contextmanager
def open_site(seed: int = 7) -> Iterator[WalletSite]:
    """A server over a fresh world in memory; its journal is audited by whoever wants."""
    clock = SystemClock()
    world = World(clock, seed)
    _leave_midnight(world)
    options = Options(per_second=100_000, burst=1_000_000)
    whole = Whole(world, SeededEntropy(seed), clock, options, limits=Limits(100_000, 1_000_000))
    try:
        with running(whole, "127.0.0.1", 0) as port:
            yield WalletSite(whole, f"http://localhost:{port}")
            world.hub.close()
    finally:
        world.close()


class Person:
    """Somebody with a browser profile of their own, and the wallet in it."""

    def __init__(
        self, browser: Browser | BrowserContext, site: WalletSite, user_id: str, **options: Any
    ) -> None:
        self.site = site
        self.user_id = user_id
        self.errors: list[str] = []
        given = {"viewport": PHONE, "accept_downloads": True, "locale": "en-GB"} | options
        self.context = browser if isinstance(browser, BrowserContext) else browser.new_context(**given)
        self.context.set_default_timeout(PATIENCE_MILLISECONDS)
        self.page: Page = self.visit()

    def visit(self, query: str = "", route: str = "") -> Page:
        """A new page with the wallet."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._console)
        page.goto(f"{self.site.url}/wallet/{query}#/{route}")
        expect(page.locator("html[data-ready=yes]")).to_be_attached()
        return page

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not EXPECTED.search(message.text):
            self.errors.append(message.text)

    # --- going about ---

    def open(self, route: str = "") -> Page:
        """Go to a screen of the page that is open."""
        self.page.evaluate(GO, route)
        expect(self.page.locator(f'main[data-screen="#/{route}"][data-ready=yes]')).to_be_attached()
        expect(self.page.locator(".asked[aria-busy]")).to_have_count(0)
        return self.page

    def again(self) -> "Person":
        """Close the tab and open the wallet anew."""
        self.page.close()
        self.page = self.visit()
        return self

    def button(self, name: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def fill(self, form: str, **values: str) -> "Person":
        """Fill a form's fields by their names."""
        for name, value in values.items():
            self.page.locator(f"form[name={form}] [name={name}]").fill(value)
        return self

    def send(self, form: str, **values: str) -> "Person":
        """Fill a form and press its main button."""
        self.fill(form, **values)
        self.page.locator(f"form[name={form}] > button.main").click()
        return self

    def heading(self, text: str | re.Pattern[str]) -> "Person":
        """Wait for a screen's heading."""
        try:
            expect(self.page.locator("main h1")).to_have_text(text)
        except AssertionError as error:
            said = self.page.locator(".refusal").all_text_contents()
            raise AssertionError(f"{error}\nrefusals: {said}\nerrors: {self.errors}") from None
        return self

    def shot(self, name: str) -> None:
        """Keep a screenshot."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"wallet-{name}.png", full_page=True)

    def offline(self, cut: bool = True) -> "Person":
        """Cut this browser's network, or give it back."""
        self.context.set_offline(cut)
        return self

    # --- what people do ---

    def join(self) -> "Person":
        """Join the user's bank with a code."""
        code, bank = self.site.code(self.user_id)
        self.page.goto(f"{self.site.url}/wallet/#join={code}&bank={bank}")
        self.page.reload()
        expect(self.page.locator("html[data-ready=yes]")).to_be_attached()
        self.send("join", name=self.user_id.capitalize())
        return self.heading("My money")

    def top_up(self, amount: str) -> "Person":
        """Digital tenge for the deposit."""
        self.open("money")
        self.send("topUp", amount=amount)
        return self.heading("My money")

    def take_along(self, amount: str) -> "Person":
        """Put money on this device."""
        self.open("along")
        self.send("load", amount=amount)
        expect(self.page.locator("#device-balance")).not_to_have_attribute("data-tiyn", "0")
        return self

    def kept(self) -> "Person":
        """Wait until everything is there for a life without network, the QR reader too."""
        expect(self.page.locator("html[data-kept=yes]")).to_be_attached(timeout=KEPT_MILLISECONDS)
        return self

    @property
    def kid(self) -> str:
        """The key id."""
        found: str = self.page.evaluate("() => window.tengeWallet.wallet.kid")
        return found

    def tiyn(self, selector: str = "#balance") -> int:
        """An amount on the first screen."""
        return int(self.page.locator(selector).get_attribute("data-tiyn") or "0")

    def holds(self, tiyn: int, selector: str = "#balance") -> "Person":
        """Wait for the amount on the first screen."""
        self.open("")
        expect(self.page.locator(selector)).to_have_attribute("data-tiyn", str(tiyn))
        return self

    # --- codes as pictures ---

    def pictures(self, folder: Path, name: str, lost: frozenset[int] = frozenset()) -> list[Path]:
        """Photograph the codes that are shown, frame by frame; those in `lost` never get a picture."""
        frame = self.page.locator(".qr-frame")
        expect(frame).to_be_visible()
        count = int(frame.get_attribute("data-frames") or "1")
        if count > 1:
            self.page.get_by_role("slider", name="Pace").fill("12")
        pause = self.page.get_by_role("button", name="Pause")
        found: dict[int, Path] = {}
        for _ in range(20 * count):
            if count > 1:
                pause.click()  # a picture takes as long as it takes, and the loop does not wait
            place = int(frame.get_attribute("data-place") or "0")
            if place not in lost and place not in found:
                found[place] = folder / f"{name}-{place}.png"
                found[place].write_bytes(frame.screenshot())
            if count > 1:
                pause.click()
            if len(found) == count - len(lost):
                break
            expect(frame).not_to_have_attribute("data-place", str(place))
        assert len(found) == count - len(lost), f"{sorted(found)} of {count}"
        return [found[place] for place in sorted(found)]

    def sheet(self, folder: Path, name: str) -> list[Path]:
        """Save all codes on one picture, as the button does."""
        path = folder / f"{name}.png"
        with self.page.expect_download() as waiting:
            self.button("Save picture")
        waiting.value.save_as(path)
        return [path]

    def show(self, pictures: list[Path]) -> "Person":
        """Let this phone's page read pictures."""
        self.page.locator("input.picture").set_input_files([str(path) for path in pictures])
        return self

    def close(self) -> None:
        """Put the phone away; what went wrong in its pages is told."""
        self.context.close()
        assert not self.errors, self.errors


def in_background(work: Any) -> threading.Thread:
    """Run something beside the test."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
