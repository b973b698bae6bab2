"""The browser's device chooses coins as Python does, and a spoilt message moves nothing."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from offline.purse import Coin, Slot, choose_coins
from offline.records import Outpoint
from tests.web.device_desk import Desk, open_desk
from tests.web.device_phone import Phone

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with open_desk() as opened:
        yield opened


@pytest.fixture(scope="module")
def page(desk: Desk, browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(desk.url)
        yield page


def _purse(chance: random.Random) -> list[Coin]:
    amounts = chance.choice(([1, 2, 5, 10, 20, 50], [100], range(1, 40)))
    return [
        Coin(
            Outpoint(bytes([place]) * 32, 0),
            Slot(chance.choice(amounts), 0, 0, 1, 5, 12, 1_000 + place),
            100 * chance.randrange(3),
        )
        for place in range(chance.randrange(1, 14))
    ]


def test_the_choice_of_coins_is_python_s(page: Page) -> None:
    chance = random.Random(20_261_128)
    cases: list[dict[str, Any]] = []
    expected = []
    for _ in range(300):
        coins = _purse(chance)
        amount, most = (
            chance.randrange(1, 2 + sum(coin.slot.amount_tiyn for coin in coins)),
            chance.randrange(1, 9),
        )
        expected.append(
            [
                [coin.outpoint.previous.hex() for coin in choice]
                for choice in choose_coins(coins, amount, most)
            ]
        )
        cases.append({"amounts": [coin.slot.amount_tiyn for coin in coins], "amount": amount, "most": most})
    found = page.evaluate(
        """async (cases) => {
          const { chooseCoins } = await import("/static/device/purse.js");
          return cases.map(({ amounts, amount, most }) => {
            const name = (place) => place.toString(16).padStart(2, "0").repeat(32);
            const coins = amounts.map((amountTiyn, place) => ({ outpoint: name(place), slot: { amountTiyn } }));
            return [...chooseCoins(coins, amount, most)].map((choice) => choice.map((coin) => coin.outpoint));
          });
        }""",
        cases,
    )
    assert found == expected
    assert sum(len(choices) > 1 for choices in expected) > 50


def test_a_spoilt_payment_is_refused_and_moves_nothing(desk: Desk, browser: Browser) -> None:
    payer = Phone(browser, desk, "Spoiler").join(load=(100, 100))
    payee = Phone(browser, desk, "Spoilt").join()
    payment = bytes.fromhex(payer.call("pay", payee.ask(b"whole", 150))["payment"])
    before = dict(payee.state()["element"])["state"]
    chance = random.Random(5)
    found = payee.page.evaluate(
        """async ([payment, places]) => {
          const codes = {};
          for (const [place, bit] of places) {
            const spoilt = Uint8Array.from(payment.match(/../g), (pair) => Number.parseInt(pair, 16));
            spoilt[place] ^= bit;
            const { code = "taken" } = await bench.call("receive", { hex: bench.hex(spoilt) });
            codes[code] = (codes[code] ?? 0) + 1;
          }
          return codes;
        }""",
        [payment.hex(), [[chance.randrange(len(payment)), 1 << chance.randrange(8)] for _ in range(150)]],
    )
    assert "taken" not in found
    assert {"E_SIG", "E_DECODE", "E_LINK"} & set(found)
    assert payee.balance() == 0
    assert dict(payee.state()["element"])["state"] == before
    assert payee.call("receive", payment)["amountTiyn"] == 15_000
