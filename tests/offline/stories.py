"""Stories that several tests of the reconciler tell: a line of payments, a random game, and checked books."""

import random
from typing import Any

from cbdc.record import Signed
from tests.offline import fakes
from tests.offline.centre import Centre

RESERVE = 100_000


def check(centre: Centre) -> None:
    """The ledger's supply table and the reconciler's books agree (the books assert their own identity, R23)."""
    totals = centre.reconciler.totals()
    table = centre.ledger.supply()
    assert table.escrow_tiyn == totals.escrow_tiyn
    assert table.loss_reserve_tiyn == totals.reserve_tiyn


class Line:
    """Ayan loads 1 000, pays Bota 400 of it, and Bota redeems."""

    def __init__(self, known: bool = True, **fields: Any) -> None:
        self.centre = Centre(reserve_tiyn=RESERVE, **fields)
        self.ayan, self.bota = (self.centre.device(name, known=known) for name in ("ayan", "bota"))
        (self.note,) = self.centre.load_notes("ayan", 1_000)
        self.paid = self.centre.spend(self.note, 0, self.bota, 400)
        self.home = self.centre.take_home(self.paid, 0, self.bota, hand_in=known)


class Game:
    """A random game over real devices: honest payments, double spends, redemptions, all as signed objects."""

    def __init__(self, centre: Centre, seed: int, steps: int = 16) -> None:
        chance = random.Random(seed)
        devices = [centre.device(name, known=False) for name in ("ayan", "bota", "dana", "kairat")]
        orders = [centre.order(device) for device in devices]
        self.objects: list[Signed[Any]] = [device.certificate for device in devices] + orders
        self.notes = [
            note
            for name in ("ayan", "kairat")
            for note in centre.load_notes(name, chance.randint(50, 900), chance.randint(50, 900))
        ]
        open_: list[tuple[Signed[Any], int]] = [(note, 0) for note in self.notes]
        spent: list[tuple[Signed[Any], int]] = []
        for _ in range(steps):
            if chance.random() < 0.15 and spent:
                parent, index = chance.choice(spent)
            elif open_:
                parent, index = open_.pop(chance.randrange(len(open_)))
            else:
                break
            spent.append((parent, index))
            have = fakes.held(parent, index)
            payer = centre.devices[have.owner]
            amount = chance.randint(1, have.amount_tiyn)
            if chance.random() < 0.35:
                made = centre.take_home(parent, index, payer, amount, hand_in=False)
                open_ += [(made, place) for place in range(1, len(made.record.outputs))]
            elif parent.record.TYPE == 5 and parent.record.hop >= 5:
                continue
            else:
                payee = chance.choice([device for device in devices if device.kid != payer.kid])
                made = centre.spend(parent, index, payee, amount)
                open_ += [(made, place) for place in range(len(made.record.outputs))]
            self.objects.append(made)


def outcome(centre: Centre) -> tuple[Any, ...]:
    """What a run ends with, whatever way it took."""
    wallets = {name: centre.wallet(name) for name in ("ayan", "bota", "dana", "kairat")}
    return centre.reconciler.facts().digest(), wallets, centre.ledger.supply()
