"""The store fails in the middle of everything: before or after each of its calls, in one thread and in many.

One program of payments is played again for each call of each kind that it makes, with that call failing. What the
ledger was doing has then happened whole or not at all, its readers see no difference, and asking again settles it.
`TENGE_STORMS=200` plays as many storms (12 without it).
"""

import os
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from cbdc.errors import TengeError, Unavailable
from cbdc.ledger.audit import audit
from cbdc.ledger.entry import Receipt, check_inclusion
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.pipeline import Pipeline
from cbdc.ports import ManualClock
from tests.cbdc.world import DAY, START
from tests.faults.auditor import Auditor
from tests.faults.failing import AFTER, BEFORE, KINDS, FailingStore, unavailable
from tests.faults.network import Clients, Network
from tests.faults.town import Plan, town

STORMS = int(os.environ.get("TENGE_STORMS", "12"))
GROUPS = 5


class Interrupted(BaseException):
    """Somebody pressed Ctrl-C."""


def opened() -> tuple[FailingStore, Ledger, Auditor]:
    """A ledger over a store that can fail, and its auditor."""
    inner = MemoryStore()
    town().settle_in(inner)
    store = FailingStore(inner)
    return store, Ledger(store, town().signer, ManualClock(START + 20 * DAY)), Auditor(town())


def programme(auditor: Auditor, seed: int, groups: int = GROUPS) -> list[list[Plan]]:
    """Groups of payments, each sent twice in the end; all of them known to the auditor."""
    chance = random.Random(seed)
    network = Network(chance)
    clients = Clients(auditor, network, chance)
    for _ in range(groups):
        clients.pay_something()
    made = [group for group in network.requests if group]
    return [*made, *made[:2]]


def hear(auditor: Auditor, group: Sequence[Plan], answers: Sequence[Receipt | TengeError]) -> None:
    """Tell the auditor."""
    for plan, answer in zip(group, answers, strict=True):
        if isinstance(answer, Receipt):
            auditor.hears_receipt(answer)
        else:
            auditor.hears_refusal(plan, answer.code)


def readers_see_one_ledger(ledger: Ledger, auditor: Auditor) -> None:
    """Whatever just failed, what is read fits together: every receipt has its proof, none is beyond the head."""
    for identity in auditor.sent:
        receipt = ledger.find(identity)
        if receipt is not None:
            assert receipt.index < receipt.head.record.size <= ledger.head().record.size
            proof = ledger.inclusion(receipt)
            check_inclusion(
                proof.leaf, proof.index, receipt.head.record.size, proof.proof, receipt.head.record.root
            )


def play(store: FailingStore, ledger: Ledger, auditor: Auditor, groups: Sequence[Sequence[Plan]]) -> int:
    """Send every group until it is answered; how many tries failed."""
    failures = 0
    for group in groups:
        for _ in range(4):
            try:
                answers = ledger.submit_many([plan.data for plan in group])
            except (Unavailable, Interrupted):
                failures += 1
                auditor.check(store.inner)
                readers_see_one_ledger(ledger, auditor)
                continue
            hear(auditor, group, answers)
            break
        else:
            pytest.fail("the ledger does not come back after a failure")
    return failures


def calls_made() -> list[tuple[str, int]]:
    """Each call that the programme makes of a store, by kind and number."""
    store, ledger, auditor = opened()
    store.calls.clear()
    play(store, ledger, auditor, programme(auditor, 1))
    return [(kind, number) for kind in KINDS for number in range(1, store.calls[kind] + 1)]


def test_the_programme_makes_calls_of_the_kinds_that_matter() -> None:
    made = {kind for kind, _ in calls_made()}
    assert {"get_many", "commit", "find", "head_covering", "entries"} <= made


@pytest.mark.parametrize("error", [unavailable, Interrupted])
@pytest.mark.parametrize("when", [BEFORE, AFTER])
def test_each_call_fails_once(when: str, error: type[BaseException]) -> None:
    for kind, number in calls_made():
        store, ledger, auditor = opened()
        store.fail(kind, number, when, error)
        groups = programme(auditor, 1)
        # Who reads only the first row of a list does not see that it fails after it.
        unseen = kind == "entries" and when == AFTER
        assert play(store, ledger, auditor, groups) == (0 if unseen else 1), (kind, number)
        auditor.check(store.inner)
        auditor.check_answers(ledger)
        auditor.check_supply(ledger)


@pytest.mark.parametrize(
    ("kind", "when"),
    [
        ("leaves", BEFORE),
        ("leaves", AFTER),
        ("entries", BEFORE),
        ("head_covering", BEFORE),
        ("head_covering", AFTER),
    ],
)
def test_looking_again_after_a_failed_commit_fails_too(kind: str, when: str) -> None:
    for after in (BEFORE, AFTER):
        store, ledger, auditor = opened()
        groups = programme(auditor, 2)
        store.fail("commit", 1, after)
        with pytest.raises(Unavailable):
            ledger.submit_many([plan.data for plan in groups[0]])
        store.fail(kind, 1, when)
        with pytest.raises(Unavailable):
            ledger.submit_many([plan.data for plan in groups[0]])
        play(store, ledger, auditor, groups)
        auditor.check(store.inner)
        auditor.check_answers(ledger)
        assert audit(store.inner).problems == []


# --- storms: many threads, calls that fail by chance ---


@contextmanager
def writer(kind: str, ledger: Ledger) -> Iterator[Ledger | Pipeline]:
    """The ledger itself, or a pipeline before it."""
    if kind == "ledger":
        yield ledger
        return
    with Pipeline(ledger, workers=0, capacity=1_000) as pipeline:
        yield pipeline


def settle(door: Ledger | Pipeline, auditor: Auditor, lock: threading.Lock, groups: list[list[Plan]]) -> None:
    """One client: each group again and again until it is answered."""
    for group in groups:
        for _ in range(400):
            try:
                answers = door.submit_many([plan.data for plan in group])
            except Unavailable:
                continue
            with lock:
                hear(auditor, group, answers)
            break
        else:
            raise AssertionError("a payment does not settle")


@pytest.mark.parametrize("door", ["ledger", "pipeline"])
def test_storms(door: str) -> None:
    for seed in range(STORMS):
        store, ledger, auditor = opened()
        groups = [list(group) for group in programme(auditor, seed, 12)]
        lock, wrong = threading.Lock(), []
        store.storm(random.Random(seed), 0.08)

        def client(mine: list[list[Plan]], through: Ledger | Pipeline) -> None:
            try:
                settle(through, auditor, lock, mine)  # noqa: B023
            except BaseException as problem:
                wrong.append(problem)  # noqa: B023

        with writer(door, ledger) as through:
            # Every group has two senders, who race.
            shares = [groups[place::3] for place in range(3)] * 2
            threads = [threading.Thread(target=client, args=(mine, through), daemon=True) for mine in shares]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(120)
                assert not thread.is_alive(), f"a client hangs, seed {seed}"
        store.storm(None)
        assert wrong == [], f"seed {seed}"
        assert store.failed > 0
        auditor.check(store.inner)
        auditor.check_answers(ledger)
        auditor.check_supply(ledger)
        assert audit(store.inner).problems == []
