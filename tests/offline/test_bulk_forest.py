"""The forest gives the facts of the protocol's own derivation, in every order, for honest and cheating play."""

import os
import random
from typing import Any

import pytest

from cbdc.record import Signed
from offline.records import DeviceCertificate, Transfer
from tests.offline.bulk_rows import forest
from tests.offline.fakes import Play
from tests.offline.test_graph import facts_of

Event = tuple[Signed[Any], int]


def grown(events: list[Event], notes: list[Any], refresh: float, chance: random.Random) -> Any:
    """A forest that took the events in chunks of random length, its notes at random moments."""
    trees, memory = forest()
    waiting: list[Event] = []
    mixed: list[Event] = [*events]
    for note in notes:
        mixed.insert(chance.randrange(len(mixed) + 1), (note, 1_000))

    def admit(event: Event) -> None:
        record = event[0].record
        if isinstance(record, Transfer) and trees.shelf.certificate(record.payer) is None:
            waiting.append(event)
            return
        trees.take(*memory.row(*event))
        if isinstance(record, DeviceCertificate):
            for late in [one for one in waiting if one[0].record.payer == record.kid]:
                trees.take(*memory.row(*late))

    for event in mixed:
        admit(event)
        if chance.random() < refresh:
            trees.refresh()
    trees.refresh()
    return trees


GAMES = int(os.environ.get("TENGE_ORDERS", "120"))
ORDERS = 10 if "TENGE_ORDERS" in os.environ else 3
PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_r3_the_forest_gives_the_facts_of_the_derivation_in_every_order(part: int) -> None:
    for seed in range(part * GAMES // PARTS, (part + 1) * GAMES // PARTS):
        game = Play(seed)
        events: list[Event] = [*game.events, *((note, 1_000) for note in game.notes)]
        facts = facts_of(events, game.notes)
        chance = random.Random(seed)
        for order in range(ORDERS):
            mixed = [*game.events, *chance.choices(game.events, k=3)]
            chance.shuffle(mixed)
            trees = grown(mixed, game.notes, 0.3 if order else 0.0, chance)
            assert trees.digest() == facts.digest(), (seed, order)
            assert trees.totals.float_tiyn == facts.float_tiyn
            assert trees.totals.loss_tiyn == facts.loss_tiyn
            assert sorted(trees.guilty) == list(facts.guilty)
