"""Random days of four browser devices: messages lost, repeated and late, pages cut off, syncs; at the end all adds up.

The devices live in one page (four databases), so that a day costs milliseconds; `make walk` makes it longer.
"""

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.device_desk import Desk, open_desk

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STEPS = int(os.environ.get("TENGE_DEVICE_STEPS", "80"))
NAMES = ("Alma", "Bolat", "Chingiz", "Dina")
LOADED_TIYN = 300_000
TRANSIENT = {
    "E_COINS",
    "E_COINS_BYTES",
    "E_INVOICES_OPEN",
    "E_INVOICE_UNKNOWN",
    "E_INVOICE_EXPIRED",
    "E_LIMIT_OUT",
}
REFUSALS = {
    *TRANSIENT,
    "E_LIMIT_COUNT",
    "E_TXLIMIT",
    "E_LIMIT_IN",
    "E_PURSE_FULL",
    "E_PAID_BEFORE",
    "E_TRUST_MIN",
}


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with open_desk() as opened:
        yield opened


class Walk:
    """Four devices in one page, and the messages that are on their way."""

    def __init__(self, desk: Desk, page: Page, seed: int) -> None:
        self.desk = desk
        self.page = page
        self.chance = random.Random(seed)
        self.requests: list[tuple[str, str]] = []
        self.payments: list[tuple[str, str]] = []
        self.receipts: list[tuple[str, str]] = []
        self.refused: dict[str, int] = {}
        self.number = 0

    def open(self) -> None:
        """Open the page and the devices, as after a crash."""
        self.page.goto(self.desk.url)
        expect(self.page.locator("html[data-ready=yes]")).to_be_attached()
        for name in NAMES:
            self.page.evaluate(
                "([name, desk]) => bench.openBeside(name, desk)", [name, self.desk.sandbox.clock.now()]
            )

    def call(self, name: str, call: str, *args: Any) -> Any:
        """A call of one device; None when it is refused for a reason that a walk may meet."""
        found = self.page.evaluate(
            "([name, call, args]) => bench.callOf(name, call, ...args)", [name, call, args]
        )
        code = found.get("code")
        if code is None:
            return found["answer"]
        assert code in REFUSALS, (call, code, found["facts"])
        self.refused[code] = self.refused.get(code, 0) + 1
        return None

    def step(self) -> None:
        """One thing that happens."""
        acts = (self.ask, self.pay, self.take, self.thank, self.sync, self.crash)
        self.chance.choices(acts, (10, 12, 18, 4, 2, 2))[0]()

    def ask(self) -> None:
        self.number += 1
        name = self.chance.choice(NAMES)
        amount = self.chance.choice((1_000, 2_500, 7_777, 20_000, 60_000))
        made = self.call(name, "invoice", {"hex": f"{self.number:08x}"}, amount)
        if made:
            self.requests.append((name, made["request"]))

    def pay(self) -> None:
        if self.requests:
            payee, request = self.chance.choice(self.requests[-8:])
            payer = self.chance.choice([name for name in NAMES if name != payee])
            made = self.call(payer, "pay", {"hex": request})
            if made and self.chance.random() < 0.8:
                self.payments.append((payee, made["payment"]))

    def take(self) -> None:
        if self.payments:
            payee, payment = self.chance.choice(self.payments[-6:])
            taken = self.call(payee, "receive", {"hex": payment})
            if taken:
                self.receipts.append((taken["payer"], taken["receipt"]))

    def thank(self) -> None:
        if self.receipts:
            payer, receipt = self.chance.choice(self.receipts[-6:])
            names = {kid.hex(): name for name, kid in self.desk.kids.items()}
            self.page.evaluate(
                "([name, receipt]) => bench.callOf(name, 'keepReceipt', receipt)",
                [names[payer], {"hex": receipt}],
            )

    def sync(self) -> None:
        name = self.chance.choice(NAMES)
        if self.chance.random() < 0.3:
            self.call(name, "syncBatches")  # begun, and nothing handed in
        else:
            self.page.evaluate("(name) => bench.syncOf(name)", name)

    def crash(self) -> None:
        name = self.chance.choice(NAMES)
        place = self.chance.choice(("before", "writing", "after"))
        step = self.chance.choice(("pay", "invoice", "receive", "sync begin"))
        self.page.evaluate("(point) => { bench.stopAt = point; }", f"{step}/{place}")
        if step == "pay" and self.requests:
            payee, request = self.requests[-1]
            payer = self.chance.choice([one for one in NAMES if one != payee])
            self._begin(payer, "pay", {"hex": request})
        elif step == "receive" and self.payments:
            payee, payment = self.payments[-1]
            self._begin(payee, "receive", {"hex": payment})
        elif step == "invoice":
            self.number += 1
            self._begin(name, "invoice", {"hex": f"{self.number:08x}"}, 500)
        else:
            self._begin(name, "syncBatches")
        self.open()

    def _begin(self, name: str, call: str, *args: Any) -> None:
        self.page.evaluate(
            """async ([name, call, args]) => {
              const work = bench.callOf(name, call, ...args);
              const stopped = new Promise((resolve) => { bench.arrived = resolve; });
              await Promise.race([work, stopped]);
            }""",
            [name, call, args],
        )

    def held(self) -> int:
        """What all devices hold."""
        return sum(self.call(name, "status")["balanceTiyn"] for name in NAMES)


def test_whatever_happens_on_the_way_nothing_is_lost_or_doubled(desk: Desk, browser: Browser) -> None:
    seed = int(os.environ.get("TENGE_DEVICE_SEED", "7"))
    with browser.new_context() as context:
        walk = Walk(desk, context.new_page(), seed)
        walk.open()
        for name in NAMES:
            desk.member(name, LOADED_TIYN // 100)
            walk.page.evaluate("(name) => bench.joinBeside(name)", name)
            walk.page.evaluate(
                "([name, amounts]) => bench.loadBeside(name, amounts)", [name, [LOADED_TIYN // 3] * 3]
            )
        for _ in range(STEPS):
            walk.step()
            assert walk.held() <= LOADED_TIYN * len(NAMES)
        for payee, payment in walk.payments:
            walk.page.evaluate(
                "([name, data]) => bench.callOf(name, 'receive', data)", [payee, {"hex": payment}]
            )
        for _ in range(2):
            for name in NAMES:
                walk.page.evaluate("(name) => bench.syncOf(name)", name)
        outboxes = [walk.call(name, "status")["outbox"] for name in NAMES]
        assert outboxes == [0, 0, 0, 0], "settlement has every log"
        held = walk.held()

    case = desk.sandbox.reconcile()
    assert (case.double_spends, case.loss_tiyn, dict(desk.sandbox.field.reconciler.guilty())) == (0, 0, {})
    known = sum(desk.sandbox.field.centre.known_unspent_tiyn(desk.kids[name]) for name in NAMES)
    assert len(walk.receipts) > STEPS // 20
    assert held <= known <= LOADED_TIYN * len(NAMES)
    desk.sandbox.wait(120)
    desk.sandbox.close_cases()
    home = sum(desk.sandbox.group_figures(name)["wallets"] for name in NAMES)
    assert home == LOADED_TIYN * len(NAMES), f"seed {seed}: {walk.refused}"
    desk.audit()
