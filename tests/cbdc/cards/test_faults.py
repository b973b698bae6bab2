"""Every kind of message, every leg, every fault: no money is lost or doubled, each payment is whole or undone.

A flow is played once for each (message type, leg, fault) that can meet it. Timers, repetitions and reversals run to
their end; whoever still has something open is tended once, as at the end of a day. Then books and ledger are counted.
The tables are made from the message kinds, so a new kind without a flow here fails.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import pytest

from cbdc.cards import chart, fields
from cbdc.cards.rules import CASH, POS
from cbdc.cards.wire import FAULTS, LEGS, Fault, Leg, NoFaults, SeededFaults
from cbdc.money import tenge
from cbdc.ports import SeededEntropy
from tests.cbdc.cards.scene import MEMBERS, POCKET, CardScene, check, settle
from tests.cbdc.institutions import ident
from tests.sizes import some

PRICE = tenge(6_760)
PART = tenge(5_000)
ASKED: tuple[Leg, ...] = ("to network", "to issuer")
ANSWERED: tuple[Leg, ...] = ("from issuer", "from network")
# The network's own messages, and those that end at it.
OWN_LEGS: dict[str, tuple[Leg, ...]] = {
    "0120": ("to issuer",),
    "0130": ("from issuer",),
    "0800": ("to network",),
    "0810": ("from network",),
}


def _buy(scene: CardScene, **more: object) -> None:
    scene.cards.purchase(ident("sale"), 2, scene.terminal, scene.chip, PRICE, **more)  # type: ignore[arg-type]


def _state(scene: CardScene, name: str = "sale") -> str:
    return scene.acquirer.sales.get(ident(name)).state


def _captured(scene: CardScene) -> None:
    _buy(scene)
    if _state(scene) == "approved":
        scene.cards.capture(2, ident("sale"), PART)


def _cancelled(scene: CardScene) -> None:
    _buy(scene)
    if _state(scene) == "approved":
        scene.cards.cancel(2, ident("sale"), tenge(1_000))
    if _state(scene) == "approved":
        scene.cards.cancel(2, ident("sale"))


def _cash(scene: CardScene) -> None:
    scene.cards.purchase(ident("sale"), 2, scene.machine, scene.chip, PRICE, CASH, gives_tiyn=PART)


def _asked_first(scene: CardScene) -> None:
    """The chip knows nothing of its pocket and asks before it pays."""
    if scene.chip.counter == 0:
        scene.forget(scene.chip)
    _captured(scene)


def _direct(scene: CardScene) -> None:
    _buy(scene, direct=True)


def _refunded(scene: CardScene) -> None:
    _captured(scene)
    if _state(scene) == "captured":
        scene.cards.refund(2, ident("refund"), ident("sale"), tenge(1_000))


def _disputed(scene: CardScene) -> None:
    _captured(scene)
    if _state(scene) == "captured":
        scene.cards.charge_back(2, ident("sale"), tenge(2_000))
        scene.cards.tend()
        scene.cards.represent(2, ident("again"), ident("sale"), tenge(2_000))


def _stood_in(scene: CardScene) -> None:
    scene.cards.sign_off(1)
    _captured(scene)
    scene.cards.sign_on(1)
    scene.cards.tend()


class Flow(NamedTuple):
    """A flow, and the message types that travel in it."""

    play: Callable[[CardScene], None]
    types: tuple[str, ...]
    stand_in_tiyn: int = 0
    always: tuple[tuple[str, Leg], ...] = ()  # what is lost in every case of this flow
    legs: tuple[Leg, ...] = LEGS


FLOWS = {
    "capture": Flow(_captured, ("0100", "0110", "0220", "0230")),
    "ask first": Flow(_asked_first, ("0100", "0110")),
    "cancel": Flow(_cancelled, ("0100", "0110", "0400", "0410")),
    "undo": Flow(_captured, ("0420", "0430"), 0, (("0110", "from network"),)),
    "cash": Flow(_cash, ("0200", "0210", "0420", "0430")),
    "cash undone": Flow(_cash, ("0420", "0430"), 0, (("0210", "from network"),)),
    "cash undone by the network": Flow(
        _cash, ("0420", "0430"), 0, (("0210", "from issuer"),), ("to issuer", "from issuer")
    ),
    "direct undone": Flow(_direct, ("0420", "0430"), 0, (("0110", "from network"),)),
    "direct": Flow(_direct, ("0100", "0110")),
    "refund": Flow(_refunded, ("0220", "0230")),
    "dispute": Flow(_disputed, ("0220", "0230", "0422", "0432")),
    "stand-in": Flow(_stood_in, ("0120", "0130", "0220", "0230", "0800", "0810"), PRICE),
    "stand-in for a lost request": Flow(_captured, ("0120", "0130"), PRICE, (("0100", "to issuer"),)),
    "stand-in for a lost answer": Flow(_captured, ("0120", "0130"), PRICE, (("0110", "from issuer"),)),
    "stand-in undone": Flow(_stood_in, ("0120", "0130", "0420", "0430"), PRICE, (("0110", "from network"),)),
}

Case = tuple[str, str, Leg, Fault, int]


def cases() -> list[Case]:
    """Flow, message type, leg, fault, and how often: once, or whenever it is sent in that session."""
    found: list[Case] = []
    for name, flow in FLOWS.items():
        for mti in flow.types:
            legs = OWN_LEGS.get(mti) or (ANSWERED if mti in fields.ANSWERED else ASKED)
            travelled = [leg for leg in legs if leg in flow.legs]
            for leg, fault, times in itertools.product(travelled, FAULTS, (1, 3)):
                found.append((name, mti, leg, fault, times))
    return found


def test_every_kind_of_message_is_in_a_flow() -> None:
    assert {mti for flow in FLOWS.values() for mti in flow.types} == set(fields.KINDS)
    assert set(LEGS) == {*ASKED, *ANSWERED}


def total(scene: CardScene) -> int:
    """All that people and the shop have in books and on the ledger."""
    people = scene.pocket() + scene.deposit("aliya", 1) + scene.deposit("shop", 2) + scene.shop_tokens()
    wallet = (
        sum(token.amount_tiyn for _, token in scene.system.ledger.owned(scene.aliya.public.kid))
        - scene.pocket()
    )
    return people + wallet


def finish(scene: CardScene) -> None:
    """Faults end, and what is still open is tended as at the end of a day."""
    scene.faults.plan({})
    scene.cards.sign_on(1)
    scene.cards.tend()
    assert not scene.acquirer.sales.open()
    assert all(network.open_advices() == 0 for network in scene.cards.networks.values())


def whole_or_undone(scene: CardScene, before: int) -> None:
    """The shop (or the machine) has what the sale came to, the pocket has the rest, and nothing is in between."""
    sale = scene.acquirer.sales.get(ident("sale"))
    refund = scene.acquirer.sales.find(ident("refund"))
    back = refund.done_tiyn if refund is not None else 0
    assert sale.state in ("captured", "reversed", "declined"), sale.state
    came_to = sale.done_tiyn if sale.state == "captured" else 0
    in_dispute = scene.balance(chart.disputed(1))
    claim = scene.balance(chart.claims(1))
    assert scene.pocket() == POCKET - came_to + back + claim, (
        "the card holder paid what the sale came to, once"
    )
    given = before - scene.cash() if sale.channel == CASH else 0
    assert given == (came_to if sale.channel == CASH else 0)
    payments = scene.issuer.payments.all()
    if not sale.direct:
        assert sum(payment.captured_tiyn for payment in payments) == came_to
    assert all(payment.held_tiyn == 0 for payment in payments)
    assert in_dispute == sum(payment.disputed_tiyn for payment in payments)


@pytest.mark.slow
@pytest.mark.parametrize("case", some(cases(), 3), ids=lambda case: "/".join(str(part) for part in case))
def test_no_money_is_lost_or_doubled(case: Case) -> None:
    name, mti, leg, fault, times = case
    flow = FLOWS[name]
    scene = CardScene(stand_in_tiyn=flow.stand_in_tiyn)
    everything, cash = total(scene), scene.cash()
    scene.faults.plan({**dict.fromkeys(flow.always, ("lost",)), (mti, leg): (fault,) * times})
    flow.play(scene)
    assert scene.faults.left() < times, "the fault met nothing"
    finish(scene)
    if _state(scene) == "approved":  # the fault met what came before the capture, and all is well
        scene.cards.capture(2, ident("sale"), PART)
    check(scene)
    whole_or_undone(scene, cash)
    settle(scene)
    check(scene)
    in_dispute, claim = scene.balance(chart.disputed(1)), scene.balance(chart.claims(1))
    given = cash - scene.cash()
    shop_claim = scene.balance(chart.merchant_claims(2))
    assert total(scene) + given + in_dispute - shop_claim == everything + claim
    for bank in MEMBERS:
        assert scene.balance(chart.refunding(bank)) == scene.balance(chart.owed(bank)) == 0


@pytest.mark.parametrize("seed", range(12))
def test_many_faults_at_once(seed: int) -> None:
    """Every flow in one world, one in eight messages of each leg meets each fault."""
    scene = CardScene(stand_in_tiyn=PRICE)
    everything, cash = total(scene), scene.cash()
    rates: dict[Fault, int] = {"lost": 120, "repeated": 120, "reordered": 120, "late": 120}
    scene.cards.wire.faults = SeededFaults(SeededEntropy(seed), rates)
    sales = []
    for number in range(4):
        sale = ident(f"sale {number}")
        sales.append(sale)
        terminal, channel = (scene.machine, CASH) if number == 3 else (scene.terminal, POS)
        direct = number == 2
        scene.cards.purchase(sale, 2, terminal, scene.chip, PRICE, channel, direct=direct)
        if scene.acquirer.sales.get(sale).state == "approved":
            scene.cards.capture(2, sale, PART)
        if scene.acquirer.sales.get(sale).state == "captured" and channel == POS:
            scene.cards.refund(2, ident(f"refund {number}"), sale, tenge(1_000))
    scene.cards.wire.faults = NoFaults()
    scene.cards.tend()
    scene.cards.tend()
    check(scene)
    settle(scene)
    assert not scene.acquirer.sales.open()
    rows = scene.acquirer.sales.all()
    came_to = sum(row.done_tiyn for row in rows if row.kind == "sale" and row.state == "captured")
    back = sum(row.done_tiyn for row in rows if row.kind == "refund")
    assert scene.pocket() == POCKET - came_to + back + scene.balance(chart.claims(1))
    assert total(scene) + cash - scene.cash() == everything + scene.balance(chart.claims(1))
