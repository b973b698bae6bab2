"""The model is bound to the code: the same traces through real devices, elements and settlement, compared at each step.

Every short trace up to a depth, and a seeded sample of long ones that takes each kind of step. Each long trace goes on
to the end: everybody syncs, the notes close, and the accounts hold what the model says.
"""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from offline.element import SimulatedSecureElement
from offline.element_state import without
from offline.seen import Seen
from offline.statements import Statements
from tests.model.explore import after_syncs
from tests.model.protocol import Model
from tests.model.rig import PEOPLE, Rig, Unbound, follow
from tests.model.scenarios import FULL, scenario
from tests.model.states import Label, Scenario, State, start

DEPTH = 4 if FULL else 2
LONG = 1_500 if FULL else 14
STEPS = 34
BOUND = [
    scenario("paid on", "everything"),
    scenario("out of the change", "everything"),
    scenario("paid on", "statements alone", wipes=1),
]
# Every kind of step there is when statements come with their batches.
KINDS = {
    *(
        "invoice",
        "invoice again",
        "pay",
        "pay, clock put back",
        "resend",
        "hand in",
        "time",
        "wipe",
        "restart",
    ),
    *("deliver", "deliver, clock put back", "sync begins", "sync handed in", "acknowledged"),
    *("pay, cut after the message was kept", "deliver, cut before the journal"),
    *(
        f"{step}, cut after the journal"
        for step in ("invoice", "pay", "deliver", "restart", "sync begins", "acknowledged")
    ),
}
# Steps that carry a payment on are taken more often, so that long traces go somewhere.
WEIGHTS: dict[str, float] = {
    "invoice": 5,
    "invoice again": 5,
    "pay": 12,
    "resend": 6,
    "deliver": 16,
    "restart": 5,
    "sync begins": 0.4,
    "time": 0.1,
    "wipe": 0.04,
}


PAID: list[Label] = [("invoice", 0), ("pay", 0)]
PAID_ON: list[Label] = [*PAID, ("deliver", 0), ("invoice", 1), ("pay", 1)]


def short_traces(model: Model, depth: int, first: list[Label]) -> list[list[Label]]:
    """Every trace that begins with these steps and goes so much deeper (and the shorter ones that end before)."""
    found: list[list[Label]] = []
    begun = start(model.scenario)
    for label in first:
        begun = dict(model.steps(begun))[label]

    def go(state: State, trace: list[Label]) -> None:
        steps = list(model.steps(state)) if len(trace) < len(first) + depth else []
        if not steps:
            found.append(trace)
        for label, after in steps:
            go(after, [*trace, label])

    go(begun, first)
    return found


def long_trace(model: Model, seed: int) -> tuple[list[Label], State]:
    """A random trace, and where it leads."""
    chance = random.Random(seed)
    state, trace = start(model.scenario), list[Label]()
    for _ in range(STEPS):
        steps = list(model.steps(state))
        if not steps:
            break
        weights = [WEIGHTS.get(str(label[0]).partition(",")[0], 1) for label, _ in steps]
        label, state = chance.choices(steps, weights)[0]
        trace.append(label)
    return trace, state


def owners(model: Model, state: State) -> list[int]:
    """What each device's owner has in the end, in units: held, credited, or refunded to the payee at close."""
    state = after_syncs(model, state)
    found = [sum(model.values[coin] for coin in device.held) for device in state.devices]
    for number, pays in enumerate(model.pays):
        if state.payments[number].out and state.payments[number].inv != 2:
            found[pays.payee] += pays.value
    return found


@pytest.mark.slow
@pytest.mark.parametrize("first", [[], PAID, PAID_ON], ids=["from the start", "when paid", "when paid on"])
def test_t1_every_short_trace_leads_the_code_where_it_leads_the_model(first: list[Label]) -> None:
    base, one = Rig(BOUND[0]), BOUND[0]
    assert base.state() == start(one)
    traces = short_traces(base.model, DEPTH, first)
    for trace in traces:
        follow(base.copy(), trace, start(one))
    assert len(traces) > 100
    print(f"{len(traces):,} traces, {DEPTH} steps deep after {first}")


@pytest.mark.slow
@pytest.mark.parametrize("one", BOUND, ids=[one.name for one in BOUND])
def test_t6_long_traces_with_every_kind_of_step_keep_model_and_code_together(one: Scenario) -> None:
    base, kinds = Rig(one), Counter[str]()
    for seed in range(LONG):
        trace, state = long_trace(base.model, seed)
        rig = base.copy()
        assert follow(rig, trace, start(one)) == state
        rig.finish(owners(base.model, state))
        kinds.update(str(label[0]) for label in trace)
    print(f"{one.name}: {LONG:,} traces, {sum(kinds.values()):,} steps, {dict(sorted(kinds.items()))}")
    if one is BOUND[0]:
        assert kinds.keys() == KINDS


def test_t11_a_host_that_lost_everything_is_bound_too() -> None:
    """Paid, lost, restarted: the transfer comes home loose, and the payee is credited."""
    one = scenario("one payment", "everything")
    base = Rig(one)
    trace: list[Label] = [("invoice", 0), ("pay, cut after the journal", 0), ("restart", 0), ("wipe", 0)]
    trace += [("sync begins", 0), ("sync handed in", 0), ("acknowledged", 0)]
    trace += [("sync begins", 1), ("sync handed in", 1), ("acknowledged", 1)]
    rig = base.copy()
    state = follow(rig, trace, start(one))
    assert state.claimed == {0}
    assert rig.wallet(PEOPLE[1]) > 0


def test_the_binding_fails_when_the_code_keeps_an_accepted_invoice_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first necessary rule, taken out of the real element."""
    honest = SimulatedSecureElement.accept

    def generous(self: SimulatedSecureElement, invoice: bytes, *rest: Any) -> Any:
        promise = self._state.pending.get(invoice)
        receipt = honest(self, invoice, *rest)
        if promise is not None:
            pending = {**self._state.pending, invoice: promise}
            self._state = replace(
                self._state, pending=pending, receipts=without(self._state.receipts, [invoice])
            )
        return receipt

    monkeypatch.setattr(SimulatedSecureElement, "accept", generous)
    one = scenario("paid on")
    with pytest.raises(Unbound):
        follow(Rig(one).copy(), PAID_ON[:3], start(one))


def test_the_binding_fails_when_the_code_credits_without_a_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second necessary rule, taken out of the real settlement."""

    def careless(self: Statements, transfer: Any) -> int | None:
        seen: Seen = self._seen
        return 1 if seen.invoice(transfer.record.reference) is not None else None

    monkeypatch.setattr(Statements, "undelivered_at", careless)
    one = scenario("paid on")
    with pytest.raises(Unbound):
        follow(Rig(one).copy(), [*PAID_ON[:3], ("sync begins", 1), ("sync handed in", 1)], start(one))


@pytest.mark.parametrize(
    ("patched", "value"),
    [
        ("offline.statements.held_tiyn", lambda record, outpoint: None),
        ("offline.element.freed", lambda state, floor: ({}, state.closed)),
        ("offline.device_sync._inbox_bundle", lambda value: b""),
        ("offline.host_pay.Payer.rebuild", lambda self: None),
    ],
    ids=["purse not asked", "outbox freed at once", "inbox not handed in", "no message made again"],
)
def test_random_traces_find_other_faults_in_the_code(
    patched: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faults planted in settlement, element and hosts: a sample of traces is enough to come apart."""
    monkeypatch.setattr(patched, value)
    one = scenario("paid on", "everything")
    base = Rig(one)
    traces = [long_trace(base.model, seed)[0] for seed in range(60)]
    with pytest.raises(Unbound):
        _follow_all(base, traces)


def _follow_all(base: Rig, traces: list[list[Label]]) -> None:
    for trace in traces:
        follow(base.copy(), trace, start(base.model.scenario))
