"""The model explored to its end, and what each rule is for: without it there is a counterexample, told step by step.

`TENGE_MODEL=full` (make model) explores every topology with every kind of mishap.
"""

import pytest

from tests.model.explore import explore, is_settled, told
from tests.model.protocol import Model
from tests.model.scenarios import FULL, TOPOLOGIES, explored, scenario
from tests.model.states import Rules, Scenario, start

SCENARIOS = explored()
NEVER = 10**9


@pytest.mark.slow
@pytest.mark.parametrize("one", SCENARIOS, ids=[one.name for one in SCENARIOS])
def test_t6_value_is_single_and_nothing_is_stuck_in_every_reachable_state(one: Scenario) -> None:
    found = explore(Model(one), syncs_each=1 if FULL else 7)
    print(found.line(one.name))
    assert not found.fault, told(Model(one), found)
    assert found.states > 500
    assert found.transitions > 3 * found.states


def test_t1_every_kind_of_step_is_explored() -> None:
    """Over the scenarios that are always explored each kind of step is taken."""
    everything = explore(Model(scenario("one payment", "everything", syncers=(0,))), syncs_each=NEVER)
    alone = explore(Model(scenario("one payment", "statements alone")), syncs_each=NEVER)
    everything.kinds |= alone.kinds
    assert not everything.fault
    assert not alone.fault
    cuts = {"invoice", "pay", "deliver", "restart", "sync begins", "acknowledged"}
    assert {f"{step}, cut after the journal" for step in cuts} <= everything.kinds.keys()
    asked = {
        "invoice", "invoice again", "pay", "pay, clock put back", "pay, cut after the message was kept", "resend",
        "deliver", "deliver, clock put back", "deliver, cut before the journal", "restart", "wipe", "hand in", "time",
        "sync begins", "sync handed in", "statement handed in alone", "acknowledged",
    }  # fmt: skip
    assert asked <= everything.kinds.keys()


# A rule, where it is missed, and what then happens.
NEEDED = (
    ("accept_consumes_invoice", "paid on", "losses", "doubled"),
    ("claim_needs_cancelling_statement", "one payment", "losses", "doubled"),
    ("claim_needs_complete_log", "paid on", "statements alone", "doubled"),
    ("claim_needs_purse_without", "one payment", "losses", "doubled"),
    ("sync_cancels_invoices", "one payment", "losses", "doubled"),
    ("journal_before_release", "one payment", "power cuts", "doubled"),
    ("outbox_keeps_transfers", "one payment", "power cuts", "no step leads to"),
    ("outbox_freed_only_when_complete", "one payment", "statements alone", "after fair syncs"),
)


@pytest.mark.parametrize(("rule", "topology", "mishaps", "says"), NEEDED, ids=[row[0] for row in NEEDED])
def test_without_a_rule_there_is_a_counterexample(rule: str, topology: str, mishaps: str, says: str) -> None:
    model = Model(scenario(topology, mishaps), Rules(**{rule: False}))
    found = explore(model, syncs_each=1 if says.startswith("after") else NEVER)
    text = told(model, found)
    print(text)
    assert says in found.fault
    assert 2 <= len(found.trace) <= 12, "the shortest way there"
    assert "payment 0 (A to B): pay" in text, "people can read it"


def test_the_first_rule_fails_as_the_protocol_says() -> None:
    """Accepted, spent on, and the old message comes again: the coin is there twice."""
    model = Model(scenario("paid on"), Rules(accept_consumes_invoice=False))
    found = explore(model, syncs_each=NEVER)
    assert [label[0] for label, _ in found.trace] == [
        "invoice",
        "pay",
        "deliver",
        "invoice",
        "pay",
        "deliver",
    ]


def test_fair_syncs_find_a_payment_that_nobody_owns() -> None:
    """The same omission is found by syncing to the end from each state, not only by searching the graph."""
    model = Model(scenario("one payment", "power cuts"), Rules(outbox_keeps_transfers=False))
    assert "after fair syncs" in explore(model, syncs_each=1).fault


def test_a_start_is_settled_and_a_model_has_an_end() -> None:
    for topology in TOPOLOGIES:
        model = Model(scenario(topology))
        first = start(model.scenario)
        assert is_settled(model, first)
        assert model.plain(first) == first
    with pytest.raises(AssertionError, match="larger"):
        explore(Model(scenario("paid on")), most_states=100)
