"""The live graph is what a derivation from nothing gives, whatever order things come in and whenever it is asked."""

import os
import random

import pytest

from offline.live import LiveGraph
from offline.records import DeviceCertificate, Transfer
from tests.offline import fakes
from tests.offline.fakes import GRACE, Logs, Play, kid
from tests.offline.test_graph import Event, certificates, facts_of

GAMES = int(os.environ.get("TENGE_ORDERS", "160"))
ORDERS = 10 if "TENGE_ORDERS" in os.environ else 3
PARTS = 4


class Grown:
    """A live graph that takes events as the reconciler does: a transfer waits for its device's certificate."""

    def __init__(self) -> None:
        self.live = LiveGraph(fakes.rules(), GRACE)
        self._waiting: list[Event] = []

    def take(self, event: Event) -> None:
        record = event[0].record
        if isinstance(record, Transfer) and self.live.seen.certificate(record.payer) is None:
            self._waiting.append(event)
            return
        self.live.add(*event)
        if isinstance(record, DeviceCertificate):
            for late in [one for one in self._waiting if one[0].record.payer == record.kid]:
                self.live.add(*late)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_r3_the_live_graph_is_the_derivation_in_every_order(part: int) -> None:
    for seed in range(part * GAMES // PARTS, (part + 1) * GAMES // PARTS):
        game = Play(seed)
        facts = facts_of(game.events, game.notes)
        chance = random.Random(seed)
        for order in range(ORDERS):
            events = [*game.events, *chance.choices(game.events, k=3)]
            chance.shuffle(events)
            notes = {chance.randrange(len(events)): note for note in game.notes}
            grown = Grown()
            for note in set(game.notes) - set(notes.values()):
                grown.live.register(note)
            for place, event in enumerate(events):
                if place in notes:
                    grown.live.register(notes[place])
                grown.take(event)
                if chance.random() < 0.4 * bool(order):
                    grown.live.refresh()
            grown.live.refresh()
            assert grown.live.facts().digest() == facts.digest(), (seed, order)
            assert grown.live.guilty == set(facts.guilty)


def test_a_statement_asks_again_only_for_money_that_it_leaves_in_doubt() -> None:
    grown, logs = Grown(), Logs()
    for event in certificates():
        grown.take(event)
    counts = []
    for number in range(1, 9):
        note = fakes.note("ayan", 40, number)
        grown.live.register(note)
        paid = logs.transfer(note, 0, kid("bota"), 40)
        grown.take((paid, 1_200))
        if number < 8:
            grown.take((logs.transfer(paid, 0, kid("dana"), 40), 1_200))
        grown.live.refresh()
        grown.take((fakes.statement(kid("bota"), number, logs), 1_300))
        counts.append(len(grown.live.refresh()))
    assert counts[-1] == 1, "the last payment is neither held nor spent"
    assert max(counts) <= 2, f"what was spent before is not derived again: {counts}"
