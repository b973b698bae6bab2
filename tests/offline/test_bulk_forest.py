"""The forest gives the facts of the protocol's own derivation, in every order, for honest and cheating play."""

import os
import random
from dataclasses import replace
from typing import Any

import pytest

from cbdc.record import Signed
from offline.graph import Facts
from offline.records import REDEEM, DeviceCertificate, Output, Transfer
from tests.offline import fakes
from tests.offline.bulk_rows import forest
from tests.offline.fakes import Logs, Play, kid
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


@pytest.mark.slow
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


def agrees(*events: Event, notes: list[Any]) -> Facts:
    """The facts of the protocol, after the forest has given the same for these events in this order."""
    facts = facts_of([*events, *((note, 1_000) for note in notes)], notes)
    trees, memory = forest()
    for note in notes:
        trees.take(*memory.row(note, 1_000))
    for event in events:
        trees.take(*memory.row(*event))
        trees.refresh()
    assert trees.digest() == facts.digest()
    assert sorted(trees.guilty) == list(facts.guilty)
    return facts


CERTIFICATES: list[Event] = [(fakes.certificate(name), 1_000) for name in fakes.NAMES]

BREAKS: list[dict[str, Any]] = [
    {"payer": kid("dana")},
    {"index": 1},
    {"index": 2},
    {"kind": 2},
    {"outputs": (Output(41, kid("bota")),)},
    {"outputs": (Output(39, kid("bota")),)},
    {"outputs": (Output(40, kid("bota")), Output(0, kid("ayan")))},
    {"outputs": (Output(0, kid("bota")), Output(40, kid("ayan")))},
    {"outputs": (Output(30, kid("ayan")), Output(10, kid("ayan")))},
    {"outputs": (Output(30, kid("bota")), Output(10, kid("dana")))},
    {"hop": 0},
    {"hop": 2},
    {"length": 2},
    {"purpose": 3},
    {"spend_by": fakes.SPEND_BY + 1},
]


@pytest.mark.parametrize("fields", BREAKS, ids=str)
def test_r12_what_does_not_follow_is_no_plain_transfer(fields: dict[str, Any]) -> None:
    logs, note = Logs(), fakes.note("ayan", 40)
    broken = fakes.fake(replace(logs.transfer(note, 0, kid("bota"), 40).record, **fields))
    facts = agrees(*CERTIFICATES, (broken, 1_200), notes=[note])
    assert broken.oid not in facts.trees[note.oid].admitted


def test_what_stands_above_the_caps_or_on_what_went_home_is_not_plain() -> None:
    logs, note = Logs(), fakes.note("ayan", 40, max_hops=1, max_length=2)
    first = logs.transfer(note, 0, kid("bota"), 30)
    second = logs.transfer(first, 0, kid("dana"), 30)
    home = logs.transfer(first, 1, fakes.digest("account"), 6, kind=REDEEM)
    again = logs.transfer(home, 0, kid("dana"), 6, payer=kid("bota"))
    rest = logs.transfer(home, 1, fakes.digest("account"), 4, kind=REDEEM)
    longer = logs.transfer(home, 1, kid("dana"), 4)
    given: list[Event] = [(one, 1_200) for one in (first, second, home, rest)]
    facts = agrees(*CERTIFICATES, *given, notes=[note])
    assert set(facts.trees[note.oid].admitted) == {first.oid, home.oid, rest.oid}
    facts = agrees(*CERTIFICATES, (first, 1_200), (home, 1_200), (longer, 1_200), notes=[note])
    assert set(facts.trees[note.oid].refused) == {longer.oid}
    facts = agrees(*CERTIFICATES, (first, 1_200), (home, 1_200), (again, 1_200), notes=[note])
    assert facts.trees[note.oid].refused == {again.oid: "E_KIND"}


def test_r15_a_statement_of_another_log_is_guilt_in_the_forest_too() -> None:
    logs, note = Logs(), fakes.note("ayan", 40)
    paid = logs.transfer(note, 0, kid("bota"), 30)
    honest = fakes.statement(kid("ayan"), 1, logs, ((paid.oid, 1, 10),))
    assert agrees(*CERTIFICATES, (paid, 1_200), (honest, 1_300), notes=[note]).guilty == ()
    for fields in (
        {"head": fakes.digest("other")},
        {"counter": 0},
        {"counter": 2},
        {"purse": ((note.oid, 0, 40),)},
    ):
        false = fakes.statement(kid("ayan"), 1, logs, **{"purse": ((paid.oid, 1, 10),), **fields})
        for order in ((paid, false), (false, paid)):
            facts = agrees(*CERTIFICATES, *((one, 1_300) for one in order), notes=[note])
            assert facts.guilty == ((kid("ayan"),) if fields != {"counter": 2} else facts.guilty)


def test_r3_an_arrival_that_turns_out_earlier_counts() -> None:
    logs, note = Logs(), fakes.note("ayan", 40)
    first = logs.transfer(note, 0, kid("bota"), 30)
    second = logs.transfer(first, 0, kid("dana"), 30)
    late = agrees(*CERTIFICATES, (first, 9_000), (second, 1_300), notes=[note])
    assert late.trees[note.oid].late == tuple(sorted((first.oid, second.oid)))
    early = agrees(*CERTIFICATES, (first, 9_000), (second, 1_300), (first, 1_250), notes=[note])
    assert early.trees[note.oid].late == ()
    assert early.trees[note.oid].admitted[second.oid] == 1_300
    moved = agrees(
        *CERTIFICATES, (first, 1_250), (second, 1_300), (first, 1_200), (second, 1_210), notes=[note]
    )
    assert moved.trees[note.oid].admitted == {first.oid: 1_200, second.oid: 1_210}
    certificates: list[Event] = [(one, 1_400) for one, _ in CERTIFICATES]
    again = agrees(*certificates, (first, 1_250), (second, 1_300), *CERTIFICATES, notes=[note])
    assert again.trees[note.oid].admitted == {first.oid: 1_250, second.oid: 1_300}


def test_an_ordinary_life_stays_plain() -> None:
    """Else the quick way would be none: nothing is derived again while people pay, redeem and state what they hold."""
    logs, note = Logs(), fakes.note("ayan", 40)
    first = logs.transfer(note, 0, kid("bota"), 30)
    second = logs.transfer(first, 0, kid("dana"), 20)
    home = logs.transfer(second, 0, fakes.digest("account"), 20, kind=REDEEM)
    stated = fakes.statement(kid("dana"), 1, logs)
    trees, memory = forest()
    for signed in (note, *(one for one, _ in CERTIFICATES), first, second, home, stated):
        trees.take(*memory.row(signed, 1_200))
    assert trees.refresh() == set()
    assert trees.totals.float_tiyn == 20
    assert trees.totals.redeemed_tiyn == 20
