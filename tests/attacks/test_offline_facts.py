"""Attacks on the facts: the same evidence in another order must not name other proofs, live or in bulk."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

from cbdc.record import Signed
from offline.graph import EQUIVOCATION, LIMIT_BREACH, derive
from offline.live import LiveGraph
from offline.records import DeviceCertificate, Limits, Transfer
from offline.seen import Seen
from tests.offline import fakes
from tests.offline.bulk_rows import forest
from tests.offline.fakes import Logs, kid


def _certificate(limits: Limits) -> Signed[DeviceCertificate]:
    record = fakes.certificate("ayan").record
    return fakes.fake(replace(record, limits=limits))


def _equivocator() -> tuple[list[Signed[Any]], list[Signed[Any]], list[Signed[Transfer]]]:
    """Ayan pays 25 where 20 are allowed, and signs his second payment twice under one counter."""
    logs = Logs()
    notes = [fakes.note("ayan", amount, number) for number, amount in enumerate((15, 10, 12), start=1)]
    first = fakes.statement(kid("ayan"), 1, logs)
    one = logs.transfer(notes[0], 0, kid("bota"), 15, sync_time=1, reference=notes[0].oid)
    head = logs.head(kid("ayan"))
    two = logs.transfer(notes[1], 0, kid("bota"), 10, sync_time=2, reference=notes[1].oid)
    counter, link = head
    again = logs.transfer(
        notes[2], 0, kid("bota"), 12, sync_time=3, reference=notes[2].oid, counter=counter + 1, link=link
    )
    second = fakes.statement(kid("ayan"), 2, logs)
    certificate = _certificate(Limits(10**6, 10**6, 20, 50, 14, 5))
    return notes, [certificate, first, second, one], [two, again]


def _orders() -> list[Sequence[Signed[Transfer]]]:
    return list(permutations(_equivocator()[2]))


def test_a_counter_used_twice_within_a_window_gives_one_proof_in_every_order() -> None:
    notes, objects, twins = _equivocator()
    seen = Seen()
    for signed in [*objects, *twins]:
        seen.add(signed, 1_000)
    facts = derive(seen, notes, fakes.rules(), fakes.GRACE)
    assert {guilt.type for guilt in facts.guilt} >= {EQUIVOCATION, LIMIT_BREACH}
    for order in _orders():
        live = LiveGraph(fakes.rules(), fakes.GRACE)
        for note in notes:
            live.register(note)
        for signed in [*objects, *order]:
            live.add(signed, 1_000)
            live.refresh()
        assert set(live.guilt(kid("ayan"))) == set(facts.guilt)
        assert live.facts().digest() == facts.digest()


def test_the_forest_gives_that_one_proof_too() -> None:
    notes, objects, twins = _equivocator()
    seen = Seen()
    for signed in [*objects, *twins, *notes]:
        seen.add(signed, 1_000)
    facts = derive(seen, notes, fakes.rules(), fakes.GRACE)
    for order in _orders():
        trees, memory = forest()
        for signed in [*notes, *objects, *order]:
            trees.take(*memory.row(signed, 1_000))
            trees.refresh()
        assert trees.digest() == facts.digest()
