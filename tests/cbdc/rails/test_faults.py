"""For every message of both ways and everything a network does to it: money is neither lost nor doubled, and the
outcome is whole or undone.

The messages are not listed by hand: an untouched run is looked at, and each message in it meets each fault. Then each
member is down, from each moment at which something happens; and each side says no.
"""

from collections import Counter
from dataclasses import replace

import pytest

from cbdc.rails.correspondent import Hold
from cbdc.rails.corridor import Outage
from cbdc.rails.network import ACTIONS, LATE, Fault, FaultPlan
from cbdc.rails.policy import SimulatedScreening
from tests.cbdc.institutions import ident
from tests.cbdc.rails.scene import NOON, PLAN, Scene, kinds_of, outcome_of

MINOR = 1_000_00


def play(scene: Scene, swapped: bool) -> str:
    """Order one payment, let a week pass; how it ended."""
    if swapped:
        scene.swap()
        asked = scene.quote("one", scene.corridor.maker.bic, MINOR).asked.minor
    else:
        scene.order()
        asked = scene.quote("one", scene.corridor.desk.bic, MINOR).asked.minor
    scene.run(9)
    return outcome_of(scene, MINOR, asked, swapped)


def messages(swapped: bool) -> list[tuple[str, str, str, int]]:
    """(kind, sender, receiver, number) of each message of an untouched run that ends well."""
    scene = Scene()
    assert play(scene, swapped) == "whole"
    counts: Counter[tuple[str, str, str]] = Counter()
    found = []
    for leg in kinds_of(scene):
        counts[leg] += 1
        found.append((*leg, counts[leg]))
    return found


CASES = [(swapped, *message) for swapped in (False, True) for message in messages(swapped)]


def test_the_untouched_runs_hold_every_message_of_both_ways() -> None:
    shown = [(swapped, kind[:8], sender, receiver) for swapped, kind, sender, receiver, _ in CASES]
    home, swaps, corr, maker, payee = PLAN.addresses
    assert shown == [
        (False, "pacs.008", home, corr),
        (False, "pacs.002", corr, home),
        (False, "pacs.008", corr, payee),
        (False, "pacs.002", payee, corr),
        (False, "pacs.002", corr, home),
        (True, "pacs.009", swaps, maker),
        (True, "pacs.002", maker, swaps),
        (True, "pacs.002", swaps, maker),
    ]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("swapped", "kind", "sender", "receiver", "number"),
    CASES,
    ids=[f"{c[1][:8]}-{c[2]}-{c[4]}" for c in CASES],
)
def test_every_message_meets_every_fault_once(
    swapped: bool, kind: str, sender: str, receiver: str, number: int, action: str
) -> None:
    fault = Fault(kind, sender, receiver, number, action, 7_200 if action == LATE else 0)
    scene = Scene(replace(PLAN, faults=FaultPlan([fault])))
    ended = play(scene, swapped)
    met = sum(scene.corridor.network.counts()[name] for name in ACTIONS)
    assert met == 1, "the fault happened"
    # Whoever asks asks again, and gets the same answer again: one fault costs time and nothing else.
    assert ended == "whole"


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("swapped", "kind", "sender", "receiver", "number"),
    CASES,
    ids=[f"{c[1][:8]}-{c[2]}-{c[4]}" for c in CASES],
)
def test_a_leg_that_is_bad_for_ever_leaves_no_money_out_of_the_books(
    swapped: bool, kind: str, sender: str, receiver: str, number: int, action: str
) -> None:
    fault = Fault(kind[:8], sender, receiver, 0, action, 50_000)
    scene = Scene(replace(PLAN, faults=FaultPlan([fault])))
    if swapped:
        play(scene, swapped)  # deadlines end it, whatever the network does
        return
    scene.order()
    scene.run(20)
    scene.check()
    # Lost for ever is open for ever: the money stands in books, and when the leg is mended the payment ends well.
    scene.plan = PLAN
    scene.again()
    scene.run(20)
    asked = scene.quote("one", scene.corridor.desk.bic, MINOR).asked.minor
    assert outcome_of(scene, MINOR, asked, swapped) == "whole"


@pytest.mark.slow
@pytest.mark.parametrize("hours", [1, 3, 60])
@pytest.mark.parametrize("begin", range(0, 301, 60))
@pytest.mark.parametrize("member", PLAN.addresses)
@pytest.mark.parametrize("swapped", [False, True])
def test_every_member_is_silent_from_every_moment(swapped: bool, member: str, begin: int, hours: int) -> None:
    first = NOON + begin
    scene = Scene(replace(PLAN, outages=[Outage(member, first, first + hours * 3_600)]))
    ended = play(scene, swapped)
    if not swapped:
        assert ended == "whole"


@pytest.mark.parametrize("name", ["Acme Inc", "ACME, inc."])
def test_the_correspondent_says_no(name: str) -> None:
    scene = Scene(replace(PLAN, refused_abroad=SimulatedScreening(frozenset({"acme inc"}))))
    assert play(scene, swapped=False) == "undone"
    order = scene.corridor.desk.find(ident("one"))
    assert order is not None
    assert (order.status, order.reason) == ("RJCT", "RR04")


@pytest.mark.parametrize(("release", "ended"), [(True, "whole"), (False, "undone")])
@pytest.mark.parametrize("action", ACTIONS)
def test_an_officer_decides_what_was_held(release: bool, ended: str, action: str) -> None:
    home, _, corr, _, _ = PLAN.addresses
    kind = "pacs.002" if release else "pacs.004"
    faults = FaultPlan([Fault(kind, corr, home, 1, action, 7_200)])
    scene = Scene(replace(PLAN, holds={"acme inc": Hold(5_000, release)}, faults=faults))
    assert play(scene, swapped=False) == ended


@pytest.mark.parametrize("action", ["", *ACTIONS])
def test_the_payees_bank_says_no(action: str) -> None:
    _, _, corr, _, payee = PLAN.addresses
    faults = FaultPlan([Fault("pacs.004", payee, corr, 1, action, 7_200)] if action else [])
    scene = Scene(replace(PLAN, closed=frozenset({Scene().account}), faults=faults))
    assert play(scene, swapped=False) == "undone"
    order = scene.corridor.desk.find(ident("one"))
    assert order is not None
    assert (order.status, order.reason) == ("RTRD", "AC04")


@pytest.mark.parametrize("action", ["", *ACTIONS])
def test_the_market_maker_says_no(action: str) -> None:
    _, swaps, _, maker, _ = PLAN.addresses
    faults = FaultPlan([Fault("pacs.002", maker, swaps, 1, action, 7_200)] if action else [])
    # It wants a wider margin between the deadlines than the payer's bank gives.
    scene = Scene(replace(PLAN, margin_seconds=100_000, faults=faults))
    assert play(scene, swapped=True) == "undone"
    exchange = scene.corridor.exchange.find(ident("one"))
    assert exchange is not None
    assert exchange.reason in ("TM01", "E_RAILS_SILENT")
