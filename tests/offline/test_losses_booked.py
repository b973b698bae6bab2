"""Random forks under every policy, booked on the ledger: conservation, each loss once, one outcome for any order.

ARRIVED is held fixed: the same objects are handed in at the same moment, in another order and in other batches. By
default few games are played; `make losses` plays many (`TENGE_LOSS_GAMES`).
"""

import os
import random
from typing import Any

import pytest

from cbdc.record import Signed
from offline.loss_policy import LOTTERY, WATERFALL
from tests.cbdc.world import DAY
from tests.offline.centre import Centre
from tests.offline.fakes import digest, held
from tests.offline.losses import NAMES, Payers, beacon, policy_of
from tests.offline.test_settle import check

GAMES = max(1, int(os.environ.get("TENGE_LOSS_GAMES", "60")) // 30)
PEOPLE = ("ayan", "bota", "dana", "kairat")
RESERVE = 1_000_000


class Game:
    """Random payments, forks and redemptions of four opened devices under one policy."""

    def __init__(self, policy: str, seed: int) -> None:
        self.chance = random.Random(seed)
        self.payers = Payers(2_000, 1_000)
        self.centre = Centre(
            policy=policy_of(policy),
            reserve_tiyn=RESERVE,
            recourse=self.payers,
            beacon=beacon() if policy == LOTTERY else None,
        )
        self.devices = [self.centre.device(name) for name in PEOPLE]
        notes = [
            note
            for name in PEOPLE[:3]
            for note in self.centre.load_notes(name, self.chance.randint(50, 999), self.chance.randint(1, 50))
        ]
        self.ends: list[tuple[Signed[Any], int]] = [(note, 0) for note in notes]
        self.spent: list[tuple[Signed[Any], int]] = []
        self.objects: list[Signed[Any]] = []
        for number in range(14):
            self.step(number)

    def step(self, number: int) -> None:
        """Somebody pays or redeems an output, one time in three one that is spent already."""
        again = bool(self.spent) and self.chance.random() < 0.35
        places = self.spent if again else self.ends
        if not places:
            return
        parent, index = places.pop(self.chance.randrange(len(places)))
        self.spent.append((parent, index))
        owner, most = held(parent, index).owner, held(parent, index).amount_tiyn
        me = next(device for device in self.devices if device.kid == owner)
        amount = self.chance.randint(1, most)
        if self.chance.random() < 0.3:
            made = self.centre.take_home(parent, index, me, amount)
        else:
            payee = self.chance.choice([device for device in self.devices if device != me])
            made = self.centre.spend(parent, index, payee, amount, reference=digest(number))
        self.objects.append(made)
        first = 1 if made.record.kind else 0
        self.ends += [(made, place) for place in range(first, len(made.record.outputs))]

    def play(self, order: int) -> dict[str, int]:
        """Hand everything in, in some order and in some batches, and let everything close; what everybody has."""
        chance = random.Random(order)
        objects = list(self.objects)
        chance.shuffle(objects)
        while objects:
            cut = chance.randint(1, 5)
            self.centre.hand_in(*objects[:cut])
            check(self.centre)
            objects = objects[cut:]
        self.centre.close()
        self.centre.clock.advance(DAY)
        self.centre.reconciler.tick()
        check(self.centre)
        table = self.centre.ledger.supply()
        assert table.escrow_tiyn == 0, "every note is settled to the end"
        wallets = {name: self.centre.wallet(name) for name in PEOPLE}
        return {**wallets, "reserve": table.loss_reserve_tiyn}


@pytest.mark.slow
@pytest.mark.parametrize("policy", NAMES)
def test_r3_r26_random_forks_are_booked_once_and_alike_in_any_order(policy: str) -> None:
    losses = 0
    for seed in range(GAMES):
        games = [Game(policy, seed) for _ in range(2)]
        outcomes = [game.play(order) for order, game in enumerate(games)]
        facts = games[0].centre.reconciler.facts()
        losses += facts.loss_tiyn
        given = sum(tree.notes_tiyn for tree in facts.trees.values())
        for game, outcome in zip(games, outcomes, strict=True):
            assert sum(outcome.values()) == given + RESERVE, "nothing appears and nothing is lost"
            reconciler = game.centre.reconciler
            assert reconciler.facts().digest() == facts.digest()
            parts = [reconciler.borne(kid) for kid in facts.guilty]
            for one in parts:
                borne = one.device_tiyn + one.owner_tiyn + one.bank_tiyn + one.reserve_tiyn + one.payees_tiyn
                assert borne + one.open_tiyn == one.loss_tiyn
            assert sum(one.loss_tiyn for one in parts) == facts.loss_tiyn
        # What a guilty device redeemed before its fork was known is asked of its owner instead (R8, WATERFALL).
        same = {name: games[0].centre.device_key(name).public.kid not in facts.guilty for name in PEOPLE}
        for name in (*PEOPLE, "reserve"):
            if policy != WATERFALL or same.get(name, False):
                assert outcomes[0][name] == outcomes[1][name], (policy, seed, name)
    assert losses > 0
