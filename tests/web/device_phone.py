"""One browser in a test of the device: a context of its own, a page with the bench, and short names for its calls."""

import json
from contextlib import suppress
from typing import Any

from playwright.sync_api import Browser, Error, Page, expect

from tests.house.catalogue import facts_named
from tests.web.device_desk import Desk

NAME = "wallet"


class RefusedByDevice(Exception):
    """The device refused: its code and its facts."""

    def __init__(self, code: str, facts: dict[str, Any]) -> None:
        super().__init__(f"{code} {facts}")
        missing = {name for name in facts_named(code) if facts.get(name) is None}
        assert not missing, f"{code} is told without {sorted(missing)}"
        self.code = code
        self.facts = facts


class Phone:
    """A browser profile of its own. `name` is the member whose device it has."""

    def __init__(self, browser: Browser, desk: Desk, name: str) -> None:
        self.desk = desk
        self.name = name
        self.context = browser.new_context()
        self.page = self.visit()
        self.kid = ""

    def visit(self) -> Page:
        """Another tab of this browser, with the bench in it."""
        page = self.context.new_page()
        page.goto(self.desk.url)
        self.ready(page)
        return page

    def ready(self, page: Page) -> None:
        """Wait until the bench is there."""
        expect(page.locator("html[data-ready=yes]")).to_be_attached()

    def open(self, page: Page | None = None, **options: Any) -> str:
        """Open the device in a page; its key id."""
        given = {"desk": self.desk.sandbox.clock.now(), **options}
        self.kid = (page or self.page).evaluate(
            "([name, given]) => bench.open(name, given)", [options.pop("device", NAME), given]
        )
        return self.kid

    def join(self, tenge: int = 0, load: tuple[int, ...] = ()) -> "Phone":
        """Open, enrol, and take notes of these amounts (tenge) offline."""
        self.desk.member(self.name, tenge or sum(load))
        self.open()
        self.run("join", self.name)
        if load:
            self.run("load", self.name, [amount * 100 for amount in load])
        return self

    def offline(self, cut: bool = True) -> None:
        """Cut this browser's network, or give it back."""
        self.context.set_offline(cut)

    def clock(self, seconds: int | None) -> None:
        """Set this browser's clock (None: the desk's)."""
        moment = self.desk.sandbox.clock.now() if seconds is None else seconds
        self.page.evaluate("(now) => { bench.clock = now; }", moment)

    # --- calls ---

    def _answered(self, found: dict[str, Any]) -> Any:
        if "code" in found:
            raise RefusedByDevice(found["code"], found["facts"])
        return found["answer"]

    def run(self, name: str, *args: Any) -> Any:
        """A call of the bench."""
        return self._answered(
            self.page.evaluate("([name, args]) => bench.run(name, ...args)", [name, list(args)])
        )

    def call(self, name: str, *args: Any, page: Page | None = None) -> Any:
        """A call of the device; byte strings go in as `bytes` and come out as hexadecimal texts."""
        given = [_given(item) for item in args]
        found = (page or self.page).evaluate("([name, args]) => bench.call(name, ...args)", [name, given])
        return self._answered(found)

    def refused(self, name: str, *args: Any) -> str:
        """The code with which the device refuses a call."""
        try:
            self.call(name, *args)
        except RefusedByDevice as refusal:
            return refusal.code
        raise AssertionError(f"{name} was not refused")

    def balance(self) -> int:
        """What the device holds, in tiyn."""
        held: int = self.call("status")["balanceTiyn"]
        return held

    def ask(self, request_id: bytes, tenge: int) -> bytes:
        """A request for a payment, to be shown to a payer."""
        return bytes.fromhex(self.call("invoice", request_id, tenge * 100)["request"])

    def state(self) -> Any:
        """The element's state and the rows, as one value to compare."""
        dumped = self.page.evaluate("(name) => bench.dumped(name)", NAME)
        return json.loads(dumped)

    # --- being cut off ---

    def killed_at(self, point: str, begin: str, *args: Any, crash: bool = False) -> None:
        """Begin a call, end the page at a write point (`crash`: its process too), and open the device again."""
        self.page.evaluate("(point) => { bench.stopAt = point; bench.stopped = ''; }", point)
        given = [_given(item) for item in args]
        self.page.evaluate("([name, args]) => bench.begin(name, ...args)", [begin, given])
        self.page.evaluate("() => bench.reached()")
        if crash:
            with suppress(Error):
                self.page.goto("chrome://crash")
            self.page = self.visit()
        else:
            self.page.goto(self.desk.url)
            self.ready(self.page)
        self.open()


def _given(item: Any) -> Any:
    if isinstance(item, bytes):
        return {"hex": item.hex()}
    if isinstance(item, dict):
        return {name: _given(value) for name, value in item.items()}
    return [_given(one) for one in item] if isinstance(item, list | tuple) else item


def pay(payer: Phone, payee: Phone, request_id: bytes, tenge: int) -> str:
    """Flow Q from device to device, with the receipt; the invoice's id."""
    request = payee.ask(request_id, tenge)
    asked = payer.call("readRequest", request)
    assert asked["amountTiyn"] == tenge * 100
    paid = payer.call("pay", request)
    taken = payee.call("receive", bytes.fromhex(paid["payment"]))
    payer.call("keepReceipt", bytes.fromhex(taken["receipt"]))
    return str(paid["id"])
