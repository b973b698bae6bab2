"""Guilt is a function of the set: E3, E5 and E6 come out alike in every order, live and from nothing (C1, R3, R25)."""

import random
from typing import Any

import pytest

from cbdc.record import Signed
from offline.graph import CONTRADICTION, FALSE_FRESH, LIMIT_BREACH, derive
from offline.live import LiveGraph
from offline.records import DeviceCertificate, Limits, SyncAck
from offline.seen import Seen
from tests.offline import fakes
from tests.offline.bulk_rows import forest
from tests.offline.fakes import Logs, kid

ORDERS = 40
STRICT, LOOSE = Limits(10**6, 10**6, 20, 50, 14, 5), Limits(10**6, 10**6, 30, 50, 14, 5)


def _ack(request: Signed[Any], **fields: Any) -> Signed[SyncAck]:
    values: dict[str, Any] = {
        "kid": request.record.kid,
        "sync_number": request.record.sync_number,
        "request": request.oid,
        **dict.fromkeys(("base_out_tiyn", "base_in_tiyn", "base_out_count", "base_in_count"), 0),
        "closed_invoice_number": 0,
        "time": 950,
        "min_trust_sequence": 1,
        "action": 0,
        "drop": (),
        "certificate": b"",
        **fields,
    }
    return fakes.fake(SyncAck(**values))


def _certificate(name: str, limits: Limits, number: int) -> Signed[DeviceCertificate]:
    record = fakes.certificate(name).record
    values = (*record.values()[:6], limits, *record.values()[7:-1], number)
    return fakes.fake(DeviceCertificate(*values))


def _breach(loose: bool) -> tuple[list[Signed[Any]], list[Signed[Any]], set[int]]:
    """Ayan pays 25 where 20 are allowed; a second certificate may allow 30."""
    logs = Logs()
    notes = [fakes.note("ayan", amount, number) for number, amount in enumerate((15, 10), start=1)]
    request = fakes.statement(kid("ayan"), 1, logs)
    paid = [
        logs.transfer(note, 0, kid("bota"), note.record.amount_tiyn, sync_time=950, reference=note.oid)
        for note in notes
    ]
    certificates = [_certificate("ayan", STRICT, 1), *([_certificate("ayan", LOOSE, 2)] if loose else [])]
    return notes, [*certificates, request, _ack(request), *paid], set() if loose else {LIMIT_BREACH}


def _between(loose: bool) -> tuple[list[Signed[Any]], list[Signed[Any]], set[int]]:
    """As `_breach`, between two statements, with a sync time that never was."""
    logs = Logs()
    notes = [fakes.note("ayan", amount, number) for number, amount in enumerate((15, 10), start=1)]
    first = fakes.statement(kid("ayan"), 1, logs)
    paid = [
        logs.transfer(note, 0, kid("bota"), note.record.amount_tiyn, sync_time=number, reference=note.oid)
        for number, note in enumerate(notes)
    ]
    second = fakes.statement(kid("ayan"), 2, logs)
    certificates = [_certificate("ayan", STRICT, 1), *([_certificate("ayan", LOOSE, 2)] if loose else [])]
    return notes, [*certificates, first, *paid, second], set() if loose else {LIMIT_BREACH}


def _stale() -> tuple[list[Signed[Any]], list[Signed[Any]], set[int]]:
    """Ayan took an answer that demands list 5, and invoices under list 4."""
    logs = Logs()
    first, second = (fakes.statement(kid("ayan"), number, logs, invoice_number=number) for number in (1, 2))
    invoices = [
        fakes.invoice(kid("ayan"), number, trust_sequence=trust) for number, trust in ((1, 4), (3, 4), (4, 6))
    ]
    objects = [_certificate("ayan", STRICT, 1), first, second, _ack(first, min_trust_sequence=5), *invoices]
    return [], objects, {FALSE_FRESH}


def _clone() -> tuple[list[Signed[Any]], list[Signed[Any]], set[int]]:
    """Ayan's clone shows by a transfer that follows on one that nobody handed in."""
    logs = Logs()
    notes = [fakes.note("ayan", 10, number) for number in (1, 2, 3)]
    one = logs.transfer(notes[0], 0, kid("bota"), 10)
    logs.heads.clear()
    logs.transfer(notes[1], 0, kid("bota"), 10)
    two = logs.transfer(notes[2], 0, kid("bota"), 10)
    statement = fakes.statement(kid("ayan"), 1, logs, ((notes[2].oid, 0, 10),))
    return notes, [_certificate("ayan", STRICT, 1), one, two, statement], {CONTRADICTION}


STORIES = {
    "breach": lambda: _breach(False),
    "cleared": lambda: _breach(True),
    "between": lambda: _between(False),
    "between cleared": lambda: _between(True),
    "stale": _stale,
    "clone": _clone,
}


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES)
def test_r3_guilt_depends_on_no_order(story: str) -> None:
    notes, objects, expected = STORIES[story]()
    seen = Seen()
    for signed in objects:
        seen.add(signed, 1_000)
    facts = derive(seen, notes, fakes.rules(), fakes.GRACE)
    assert {guilt.type for guilt in facts.guilt} == expected
    assert set(facts.guilty) == ({kid("ayan")} if expected else set())
    dice = random.Random(story)
    for _ in range(ORDERS):
        order = dice.sample(objects, len(objects))
        live = LiveGraph(fakes.rules(), fakes.GRACE)
        for note in notes:
            live.register(note)
        for signed in order:
            # As settlement does: what a device signed enters only after a certificate of its key.
            early = live.seen.certificates(kid("ayan")) or isinstance(signed.record, DeviceCertificate)
            if not early:
                live.add(objects[0], 1_000)
            live.add(signed, 1_000)
            if dice.random() < 0.7:
                live.refresh()
        live.refresh()
        assert live.facts().digest() == facts.digest()
        assert live.guilty == set(facts.guilty)
        assert set(live.guilt(kid("ayan"))) == set(facts.guilt)


@pytest.mark.parametrize("story", ["between", "between cleared", "clone"])
def test_r3_the_forest_accuses_and_clears_alike(story: str) -> None:
    notes, objects, _ = STORIES[story]()
    seen = Seen()
    for signed in objects:
        seen.add(signed, 1_000)
    for note in notes:
        seen.add(note, 1_000)
    facts = derive(seen, notes, fakes.rules(), fakes.GRACE)
    dice = random.Random(story)
    for _ in range(ORDERS):
        trees, memory = forest()
        # What a device signed enters only after a certificate of its key.
        for signed in [objects[0], *dice.sample([*objects, *notes], len(objects) + len(notes))]:
            trees.take(*memory.row(signed, 1_000))
            if dice.random() < 0.7:
                trees.refresh()
        trees.refresh()
        assert trees.digest() == facts.digest()
        assert sorted(trees.guilty) == list(facts.guilty)
