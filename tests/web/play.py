"""A play: one journey in one language on one size of screen, over a sandbox of its own, with its pictures.

    with Play(browser, Journey(...), "kk", "phone") as play:
        clerk = play.desk("bank", "clerk-1")         a browser of its own, signed in by keyboard
        aigerim = play.wallet("aigerim")             another, with a wallet that has joined the account
        play.step(clerk, "ordered")                  looked at, and kept as a picture

At each step the page is looked at: its language, nothing of a catalogue left in English, nothing wider than the screen.
At the end no page may have told an error, and the journal is replayed.
"""

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.one_playwright import KEPT_MILLISECONDS, PATIENCE_MILLISECONDS
from tests.site.visitor import Program
from tests.web.keyboard import Keyboard
from tests.web.tongue import Tongue
from tests.web.wallet_site import EXPECTED, SHOTS, open_site
from wallets.site.opening import customer_id
from wallets.site.users import DEMO_USERS, ROLE_TITLES
from wallets.site.world import World

SIZES = {"phone": {"width": 360, "height": 740}, "desktop": {"width": 1280, "height": 800}}
LOCALES = {"kk": "kk-KZ", "ru": "ru-RU", "en": "en-GB"}
WALLET = "wallet"

# What is said on the page in its own language: neither codes nor what somebody typed nor another language's name.
_SAID = """() => {
  const spoken = document.documentElement.lang;
  const found = [document.title];
  const apart = "code, .mono, .hash, .code, textarea, noscript, [data-told], script";
  const other = (node) => { const said = node.closest("[lang]"); return said && said.lang !== spoken; };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!node.closest(apart) && !other(node) && node.checkVisibility()) found.push(walker.currentNode.textContent);
  }
  for (const name of ["aria-label", "alt", "placeholder", "title"]) {
    for (const node of document.querySelectorAll(`[${name}]`)) if (!other(node)) found.push(node.getAttribute(name));
  }
  return found;
}"""
# Words that stick out of their button, link or heading. What scrolls by itself and what flows in a text is no box.
_STICKING_OUT = """() => [...document.querySelectorAll("a[href], button, h1, h2, h3, label, legend")]
  .filter((node) => node.checkVisibility() && getComputedStyle(node).display !== "inline"
    && node.clientWidth > 1 && node.scrollWidth > node.clientWidth + 1)
  .map((node) => node.textContent.trim().slice(0, 60))"""
# Words that stand on two lines because their column is too narrow for them.
_BROKEN = """() => {
  const found = [];
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.data.includes("://")) continue;
    if (node.parentElement.closest("code, .mono, .hash, .code, svg") || !node.parentElement.checkVisibility()) continue;
    for (const word of node.data.matchAll(/\\p{L}{4,20}/gu)) {
      if (/^[0-9a-f]+$/.test(word[0])) continue;  // a piece of a number in hexadecimal
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map((box) => box.top)).size > 1) found.push(word[0]);
    }
  }
  return found;
}"""
_WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass(frozen=True)
class Journey:
    """One row of the table: its name, the roles whose journey it is, and the function that plays it."""

    name: str
    roles: tuple[str, ...]
    act: Callable[["Play"], None]


class Play:
    """A journey being played. `site` is the server behind it, in this process."""

    def __init__(self, browser: Browser, journey: Journey, language: str, size: str, folder: Path) -> None:
        self.journey = journey
        self.say = Tongue(language)
        self.size = size
        self.folder = folder
        self.steps: list[str] = []
        self._browser = browser
        self._stack = ExitStack()
        self._errors: list[str] = []
        self._programs: dict[str, Program] = {}

    def __enter__(self) -> "Play":
        self.site = self._stack.enter_context(open_site())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if kind is None:
                self.site.audited()
        if kind is None:
            assert not self._errors, self._errors
            assert len(self.steps) >= 2, "a journey keeps the pictures of its key steps"

    @property
    def world(self) -> World:
        """What really is."""
        return self.site.world

    def program(self, user_id: str) -> Program:
        """The JSON interface, to ask what a desk did; one for each user, so that every request has its own id."""
        if user_id not in self._programs:
            self._programs[user_id] = Program(self.site.whole, user_id)
        return self._programs[user_id]

    # --- browsers ---

    def page(self, workers: bool = False) -> Page:
        """A page of a browser of its own, which prefers the journey's language; with service workers if wished.

        Every wallet would keep a megabyte for a life without network, which only journeys without network need.
        """
        context: BrowserContext = self._browser.new_context(
            viewport=SIZES[self.size],  # type: ignore[arg-type]
            locale=LOCALES[self.say.language],
            accept_downloads=True,
            reduced_motion="reduce",
            service_workers="allow" if workers else "block",
        )
        self._stack.callback(context.close)
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        page = context.new_page()
        page.on("pageerror", lambda error: self._errors.append(str(error)))
        page.on("console", self._heard)
        return page

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not EXPECTED.search(message.text):
            self._errors.append(message.text)

    def visitor(self, path: str = "/") -> Keyboard:
        """Somebody who opens a page by its address."""
        page = self.page()
        page.goto(f"{self.site.url}{path}")
        return Keyboard(page, self.say)

    def desk(self, role: str, user_id: str) -> Keyboard:
        """A desk, entered from the first page: its card, the passcode, the button; all by keyboard."""
        return self.enter(self.visitor(), role, user_id)

    def enter(self, keys: Keyboard, role: str, user_id: str) -> Keyboard:
        """From the first page to a desk."""
        title = keys.page.get_by_role("heading", name=self.say(ROLE_TITLES[role]), exact=True)
        keys.leave(lambda: keys.hit(keys.page.get_by_role("link").filter(has=title)))
        return self.sign_in(keys, role, user_id)

    def sign_in(self, keys: Keyboard, role: str, user_id: str) -> Keyboard:
        """From the sign-in page to the desk."""
        user = self.world.users.get(user_id)
        name = self.say(user.name)
        form = keys.form("Sign in as {name}", name=name)
        label = self.say("Passcode of {name}", name=name)
        keys.write(form.get_by_label(label, exact=True), self.world.users.passcode(user))
        keys.leave(lambda: keys.press("button", "Sign in as {name}", form, name=name))
        expect(keys.page).to_have_url(re.compile(rf"/{role}/$"))
        expect(keys.page.locator(".bar-role")).to_contain_text(name)
        return keys

    def wallet(self, user_id: str, workers: bool = False) -> "Wallet":
        """A wallet that joins the user's account with a code of the bank."""
        code, bank = self.site.code(user_id)
        page = self.page(workers)
        page.goto(f"{self.site.url}/wallet/?as={user_id}#join={code}&bank={bank}")
        return Wallet(page, self.say).join(user_id)

    # --- looking ---

    def step(self, keys: Keyboard, name: str) -> None:
        """Look at the page, and keep its picture."""
        page, language = keys.page, self.say.language
        where = f"{self.journey.name}, {name}, {language}, {self.size}"
        expect(page.locator("html")).to_have_attribute("lang", language)
        left = self.say.left_over(page.evaluate(_SAID))
        assert left == [], f"{where}: still English: {left}"
        wider = page.evaluate(_WIDER)
        assert wider <= 0, f"{where}: {wider} px wider than the screen"
        out = page.evaluate(_STICKING_OUT)
        assert out == [], f"{where}: sticks out of its box: {out}"
        broken = page.evaluate(_BROKEN)
        assert broken == [], f"{where}: words broken over two lines: {broken}"
        self.steps.append(name)
        folder = SHOTS / "journeys" / f"{language}-{self.size}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.journey.name}-{len(self.steps):02d}-{name}.png"
        page.screenshot(path=path, full_page=True, animations="disabled")

    # --- what really is ---

    def pseudonym(self, user_id: str) -> bytes:
        """The holder that a user is on the ledger."""
        user = next(one for one in DEMO_USERS if one.id == user_id)
        return self.world.system.banks[user.bank_id].customers.get(customer_id(user)).pseudonym

    def holds_tiyn(self, user_id: str) -> int:
        """What the ledger says a user holds."""
        return self.world.system.ledger.holding_tiyn(self.pseudonym(user_id))

    def outstanding_tiyn(self) -> int:
        """Digital tenge in circulation."""
        return self.world.sandbox.supply().outstanding_tiyn


class Wallet(Keyboard):
    """The wallet in a browser, by keyboard."""

    def __init__(self, page: Page, say: Tongue) -> None:
        super().__init__(page, say)
        expect(page.locator("html[data-ready=yes]")).to_be_attached()

    def join(self, name: str) -> "Wallet":
        """The code stands in the field already; a name, and the main button."""
        self.title("Set up this wallet")
        self.submit("Join", {"Name of this wallet": name})
        self.title("My money")
        return self

    def submit(self, button: str, values: dict[str, str], **facts: str) -> "Wallet":
        """Fill a form and press its button; the page stays."""
        form = self.form(button, **facts)
        self.fill(form, values)
        self.press("button", button, form, **facts)
        return self

    def go(self, *links: str) -> "Wallet":
        """From the bar below: "Home", "Pay", "Scan", "History", "More"; then links of the screens there."""
        first, *more = links
        self.press("link", first, self.page.locator("#nav"))
        for link in more:
            self.press("link", link, self.page.locator("main"))
        return self

    def holds(self, amount_tiyn: int, place: str = "#balance") -> "Wallet":
        """The first screen shows this amount."""
        self.go("Home").title("My money")
        expect(self.page.locator(place)).to_have_text(self.say.money(amount_tiyn))
        return self

    def kept_focus(self, link: Locator, draw: str) -> "Wallet":
        """A link keeps the focus while what it stands in is drawn anew, as it is when news come."""
        self.reach(link)
        link.evaluate("(node) => { node.dataset.old = 'yes'; }")
        self.page.evaluate(draw)
        expect(link).not_to_have_attribute("data-old", "yes")
        expect(link).to_be_focused()
        return self

    def explained(self, code: str) -> "Wallet":
        """The page refuses; the button beside it says by which rule, which facts, and what to do now."""
        refusal = self.page.locator(f".refusal[data-code={code}]")
        expect(refusal).to_contain_text(self.say.refusal(code))
        self.open("Explain", refusal)
        for word in ("Code", "Rule", "What now"):
            self.see(word, refusal)
        return self

    def kept(self) -> "Wallet":
        """Everything is there for a life without network."""
        expect(self.page.locator("html[data-kept=yes]")).to_be_attached(timeout=KEPT_MILLISECONDS)
        return self

    def offline(self, cut: bool = True) -> "Wallet":
        """Cut this browser's network, or give it back."""
        self.page.context.set_offline(cut)
        return self

    @property
    def kid(self) -> str:
        """The key's id, as the wallet gives it to others."""
        found: Any = self.page.evaluate("() => window.tengeWallet.wallet.kid")
        return str(found)
