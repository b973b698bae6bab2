"""The loss policies from end to end, booked on the ledger: who got what, held until close, and what can be gamed."""

import pytest

from cbdc.errors import Refused
from cbdc.money import tenge
from offline.beacon import SimulatedBeacon, beacon_of, winner
from offline.graph import Conflict
from offline.loss_policy import (
    CAPPED,
    FIRST_SEEN,
    LOTTERY,
    PAYEE,
    PRO_RATA,
    LossPolicy,
    first_seen_for_study,
    loss_policy,
)
from offline.parameters import BANK_CAP_PERMILLE, CAP_MULT_PERMILLE, RECOURSE_CAP_PERMILLE
from offline.posting import BANK, OWNER
from offline.records import Outpoint
from offline.settle import (
    BY_POLICY,
    BY_SHARE,
    CREDITED,
    DENIED,
    HELD,
    HELD_BEACON,
    HELD_CASE,
    HELD_OPEN,
    HELD_RESERVE,
    LATE,
)
from tests.cbdc.world import DAY
from tests.offline.centre import CLOSE_DAYS, Centre
from tests.offline.fakes import digest
from tests.offline.losses import (
    CAP_PERMILLE,
    NAMES,
    PEOPLE,
    RESERVE_TIYN,
    Payers,
    Scenario,
    beacon,
    policy_of,
)
from tests.offline.test_settle import check, status

AT_CLOSE = (CAPPED, LOTTERY, PRO_RATA, PAYEE, FIRST_SEEN)

# kairat, ayan, bota, dana; then who bears the loss of 10,000: device, owner, bank, reserve, payees (tenge).
# CAPPED: 3,000 of the device and 2,000 of the reserve make good for a half of what is missing to everybody.
TABLE = {
    "ISSUER": ((3_000, 6_000, 10_000, 4_000), (0, 0, 0, 10_000, 0)),
    "WATERFALL": ((0, 6_000, 10_000, 4_000), (3_000, 4_500, 1_500, 1_000, 0)),
    "CAPPED": ((0, 4_500, 7_500, 3_000), (3_000, 2_000, 0, 0, 5_000)),
    "PRO_RATA": ((0, 3_900, 6_500, 2_600), (3_000, 0, 0, 0, 7_000)),
    "PAYEE": ((3_000, 0, 0, 0), (0, 0, 0, -10_000, 20_000)),
    "FIRST_SEEN": ((0, 6_000, 3_000, 4_000), (3_000, 0, 0, 0, 7_000)),
}


@pytest.mark.parametrize("name", NAMES)
def test_r26_who_got_what_under_each_policy(name: str) -> None:
    scenario = Scenario(name)
    got = scenario.close()
    check(scenario.centre)
    borne = scenario.borne()
    parts = (borne.device_tiyn, borne.owner_tiyn, borne.bank_tiyn, borne.reserve_tiyn, borne.payees_tiyn)
    assert sum(parts) == borne.loss_tiyn == tenge(10_000)
    assert borne.open_tiyn == 0
    assert got["escrow"] == 0
    # Two notes of 13,000 came in; what people have is that and what the reserve put in.
    assert sum(got[who] for who in PEOPLE) == tenge(13_000) + got["reserve"]
    if name in TABLE:
        people, bearers = TABLE[name]
        assert tuple(got[who] for who in PEOPLE) == tuple(tenge(amount) for amount in people)
        assert parts == tuple(amount * 100 for amount in bearers)
    else:
        # By the beacon: one branch whole, the other what the device's 3,000 make good.
        assert {(got["ayan"], got["dana"], got["bota"])} <= {
            (tenge(6_000), tenge(4_000), tenge(3_000)),
            (tenge(1_800), tenge(1_200), tenge(10_000)),
        }
    before = scenario.got()
    scenario.centre.reconciler.tick()
    assert scenario.got() == before, "nothing is booked twice"


@pytest.mark.parametrize("name", AT_CLOSE)
def test_5_19_9_redemptions_are_held_until_the_case_has_closed(name: str) -> None:
    scenario = Scenario(name)
    centre = scenario.centre
    homes = [scenario.branches["ayan"][2], scenario.branches["bota"][1]]
    assert [status(centre, home.oid) for home in homes] == [(HELD, HELD_OPEN)] * 2
    assert scenario.got() == {**dict.fromkeys(PEOPLE, 0), "reserve": 0, "escrow": tenge(13_000)}
    assert scenario.borne().open_tiyn == tenge(10_000)
    check(centre)
    scenario.close()
    standings = {status(centre, home.oid) for home in homes}
    expected = {
        CAPPED: {(CREDITED, BY_SHARE)},
        PRO_RATA: {(CREDITED, BY_SHARE)},
        PAYEE: {(DENIED, BY_POLICY)},
    }.get(name, {(CREDITED, ""), (CREDITED, BY_SHARE)})
    assert standings == expected
    outcome = centre.reconciler.outcome(homes[1].oid)
    assert outcome.record.amount_tiyn == centre.wallet("bota")


@pytest.mark.parametrize("name", [CAPPED, LOTTERY, PRO_RATA, PAYEE])
def test_r29_the_order_of_syncs_changes_nothing_at_close(name: str) -> None:
    assert Scenario(name, first="ayan").close() == Scenario(name, first="bota").close()


def test_r29_first_seen_changes_with_the_order_of_syncs() -> None:
    early, late = Scenario(FIRST_SEEN, "ayan").close(), Scenario(FIRST_SEEN, "bota").close()
    assert (early["ayan"], early["bota"]) == (tenge(6_000), tenge(3_000))
    assert (late["ayan"], late["dana"], late["bota"]) == (tenge(1_800), tenge(1_200), tenge(10_000))
    assert early["reserve"] == late["reserve"] == 0


def test_r29_first_seen_is_refused_unless_a_study_opens_it() -> None:
    for reason in ("", None):
        with pytest.raises(Refused) as caught:
            LossPolicy(FIRST_SEEN) if reason is None else first_seen_for_study(reason)
        assert caught.value.code == "E_LOSS_POLICY"
        assert "order of arrival" in str(caught.value)
    assert "OPENED FOR STUDY: why not" in first_seen_for_study("why not").title
    assert LossPolicy(PAYEE).title == PAYEE
    assert loss_policy(FIRST_SEEN, study="a word").study == "a word"


def test_the_caps_of_a_policy_are_offline_parameters() -> None:
    numbers = {RECOURSE_CAP_PERMILLE.id: 7, BANK_CAP_PERMILLE.id: 8, CAP_MULT_PERMILLE.id: 9}
    assert loss_policy(CAPPED, numbers) == LossPolicy(CAPPED, 7, 8, 9)
    assert loss_policy(CAPPED) == LossPolicy(CAPPED)


# --- R27: grinding ---


def test_r27_ids_ground_before_the_beacon_win_no_more_than_their_share() -> None:
    fork = Conflict(Outpoint(digest("note"), 0), 1_000, digest("kairat"), (), False)
    victim = digest("victim")
    ground = sorted(digest("ground", number) for number in range(10_000))
    # The attacker may keep any of 10,000 ids: the smallest, the largest, one that wins against a guessed beacon.
    guess = beacon_of(7, {"bank": digest("guess")})
    lucky = next(one for one in ground if winner(guess, fork, (one, victim)) == one)
    draws = [beacon_of(day, {"bank": digest("secret", day)}) for day in range(1, 2_001)]
    for chosen in (ground[0], ground[-1], lucky):
        won = sum(winner(drawn, fork, (chosen, victim)) == chosen for drawn in draws)
        # Half of 2,000 draws, within five standard deviations of a fair coin (22.4 each).
        assert abs(won - 1_000) < 112, won


def test_r27_who_knew_the_beacon_would_win_almost_always() -> None:
    fork = Conflict(Outpoint(digest("note"), 0), 1_000, digest("kairat"), (), False)
    drawn = beacon_of(7, {"bank": digest("leaked")})
    victims = [digest("victim", number) for number in range(200)]
    ground = [digest("ground", number) for number in range(10_000)]
    best = winner(drawn, fork, ground)
    won = sum(winner(drawn, fork, (best, victim)) == best for victim in victims)
    assert won > 190, "so the value of a day must be secret until the note has closed"


def test_r27_another_beacon_may_draw_another_branch_and_a_silent_party_holds_the_case() -> None:
    outcomes = {tuple(Scenario(LOTTERY, word=f"word {number}").close().items()) for number in range(6)}
    assert len(outcomes) == 2
    scenario = Scenario(LOTTERY)
    centre = scenario.centre
    centre.beacon = beacon(silent=("bank",))
    centre.reconciler = centre.open_reconciler()
    held = scenario.close()
    assert (held["escrow"], held["reserve"]) == (tenge(10_000) + tenge(3_000), 0)
    home = scenario.branches["bota"][1]
    assert status(centre, home.oid) == (HELD, HELD_BEACON)
    check(centre)
    centre.beacon = beacon()
    centre.reconciler = centre.open_reconciler()
    centre.reconciler.tick()
    assert scenario.got() == Scenario(LOTTERY).close(), "waiting did not change the draw"


def test_a_lottery_without_a_beacon_holds_forked_notes_only() -> None:
    centre = Centre(policy=LossPolicy(LOTTERY))
    ayan, bota = centre.device("ayan"), centre.device("bota")
    one, two = centre.load_notes("ayan", 1_000, 500)
    paid = [centre.spend(one, 0, bota, 1_000, reference=digest(number)) for number in range(2)]
    home = centre.take_home(two, 0, ayan)
    centre.hand_in(*paid, home)
    centre.close()
    assert centre.ledger.supply().escrow_tiyn == 1_500, "the case of the device holds its other note too"
    assert status(centre, home.oid) == (HELD, HELD_CASE)
    check(centre)


# --- R28: dilution ---


@pytest.mark.parametrize("name", [PRO_RATA, CAPPED])
def test_r28_ninety_nine_own_branches_dilute_a_victim(name: str) -> None:
    centre = Centre(policy=LossPolicy(name, cap_permille=0), reserve_tiyn=RESERVE_TIYN)
    centre.device("kairat")
    victim = centre.device("victim")
    friends = [centre.device(f"friend{number}") for number in range(3)]
    (note,) = centre.load_notes("kairat", 10_000)
    centre.hand_in(centre.spend(note, 0, victim, 10_000))
    branches = [
        centre.spend(note, 0, friends[number % 3], 10_000, reference=digest(number)) for number in range(99)
    ]
    centre.hand_in(*branches)
    centre.close()
    check(centre)
    assert centre.wallet("victim") == 100
    assert [centre.wallet(friend.name) for friend in friends] == [3_300] * 3
    assert centre.ledger.supply().loss_reserve_tiyn == RESERVE_TIYN


# --- restitution, caps, recourse ---


@pytest.mark.parametrize("name", [LOTTERY, PRO_RATA, FIRST_SEEN])
def test_r8_who_redeems_and_also_pays_makes_its_payee_whole(name: str) -> None:
    centre = Centre(policy=policy_of(name), beacon=beacon() if name == LOTTERY else None)
    kairat, bota = centre.device("kairat"), centre.device("bota")
    (note,) = centre.load_notes("kairat", 1_001)
    own = centre.take_home(note, 0, kairat)
    paid = centre.spend(note, 0, bota, 1_001)
    centre.hand_in(own, paid, centre.take_home(paid, 0, bota))
    centre.close()
    check(centre)
    assert (centre.wallet("kairat"), centre.wallet("bota")) == (0, 1_001)
    borne = centre.reconciler.borne(kairat.kid)
    assert (borne.device_tiyn, borne.payees_tiyn, borne.reserve_tiyn) == (1_001, 0, 0)


def test_capped_pays_up_to_its_cap_and_asks_owner_and_bank_for_it() -> None:
    limits = Scenario(CAPPED).kairat.certificate.record.limits
    assert limits.max_out_tiyn * CAP_PERMILLE // 1_000 == tenge(2_000)
    scenario = Scenario(CAPPED)
    scenario.close()
    assert scenario.payers.asked == [(OWNER, tenge(2_000))]
    scenario.payers.left = {OWNER: 0, BANK: 0}
    again = scenario.centre.open_reconciler()
    again.tick()
    assert again.borne(scenario.kairat.kid) == scenario.borne()


def test_capped_without_a_reserve_holds_everything_until_it_is_funded() -> None:
    centre = Centre(policy=policy_of(CAPPED), recourse=Payers())
    _, ayan, bota = (centre.device(name) for name in ("kairat", "ayan", "bota"))
    (note,) = centre.load_notes("kairat", tenge(10_000))
    left, right = (centre.spend(note, 0, payee, tenge(10_000)) for payee in (ayan, bota))
    home = centre.take_home(left, 0, ayan)
    centre.hand_in(left, right, home)
    centre.close()
    assert status(centre, home.oid) == (HELD, HELD_RESERVE)
    assert centre.reconciler.totals().unfunded_tiyn == tenge(2_000)
    centre.issue("reserve", tenge(2_000))
    centre.reconciler.tick()
    check(centre)
    assert centre.wallet("ayan") == centre.wallet("bota") == tenge(6_000)
    assert centre.ledger.supply().loss_reserve_tiyn == 0


def test_an_innocent_device_is_paid_when_its_note_closes_whatever_the_policy() -> None:
    for name in AT_CLOSE:
        centre = Centre(policy=policy_of(name))
        ayan, bota = centre.device("ayan"), centre.device("bota")
        (note,) = centre.load_notes("ayan", 1_000)
        paid = centre.spend(note, 0, bota, 400)
        home = centre.take_home(paid, 0, bota)
        centre.hand_in(paid, home)
        assert (centre.wallet("bota"), status(centre, home.oid)) == (0, (HELD, HELD_OPEN))
        centre.close()
        check(centre)
        assert (centre.wallet("ayan"), centre.wallet("bota")) == (600, 400)
        assert centre.reconciler.borne(ayan.kid).loss_tiyn == 0


def test_r17_a_late_redemption_is_late_until_the_close_and_then_a_refund() -> None:
    centre = Centre(policy=policy_of(PRO_RATA))
    ayan = centre.device("ayan")
    (note,) = centre.load_notes("ayan", 1_000)
    home = centre.take_home(note, 0, ayan)
    centre.clock.move_to(note.record.redeem_by + 1)
    centre.hand_in(home)
    assert status(centre, home.oid) == (LATE, "")
    centre.close()
    check(centre)
    assert centre.wallet("ayan") == 1_000
    assert status(centre, home.oid) == (CREDITED, "")


def test_a_claim_in_bad_faith_falls_back_to_the_payer_and_makes_good() -> None:
    centre = Centre(policy=policy_of(PRO_RATA))
    kairat, ayan, bota = (centre.device(name) for name in ("kairat", "ayan", "bota"))
    (note,) = centre.load_notes("kairat", 1_000)
    knowing = centre.invoice(bota, trust_sequence=1)
    unknowing = centre.invoice(ayan, trust_sequence=0)
    left = centre.spend(note, 0, ayan, 1_000, reference=unknowing.oid)
    right = centre.spend(note, 0, bota, 1_000, reference=knowing.oid)
    centre.revoke(kairat)
    centre.hand_in(left, right, knowing, unknowing)
    centre.close()
    check(centre)
    assert (centre.wallet("ayan"), centre.wallet("bota"), centre.wallet("kairat")) == (1_000, 0, 0)


def test_who_is_guilty_of_a_fork_itself_gets_no_restitution() -> None:
    """Kairat's fork takes from Ayan and from Serik, and Serik has a fork of his own."""
    centre = Centre(policy=policy_of(PRO_RATA))
    _, ayan, serik, bota = (centre.device(name) for name in ("kairat", "ayan", "serik", "bota"))
    note, _ = centre.load_notes("kairat", 1_000, 300)
    (own,) = centre.load_notes("serik", 200)
    branches = [centre.spend(note, 0, payee, 1_000) for payee in (ayan, serik)]
    branches += [centre.spend(own, 0, payee, 200) for payee in (ayan, bota)]
    centre.hand_in(*branches)
    centre.close()
    check(centre)
    # Serik's half of Kairat's note makes good for what his own fork took: 100 from each of his payees.
    assert {name: centre.wallet(name) for name in ("kairat", "ayan", "serik", "bota")} == {
        "kairat": 0,
        "ayan": 500 + 300 + 200,
        "serik": 300,
        "bota": 200,
    }
    assert centre.reconciler.borne(serik.kid).payees_tiyn == 0
    assert centre.reconciler.borne(centre.device_key("kairat").public.kid).payees_tiyn == 700


def test_the_cap_counts_over_all_cases_of_a_device() -> None:
    """Two forks, the second of a note that was issued after the first had closed: 1,500 each, and a cap of 2,000."""
    centre = Centre(policy=policy_of(CAPPED), reserve_tiyn=RESERVE_TIYN)
    kairat, ayan, bota = (centre.device(name) for name in ("kairat", "ayan", "bota"))
    for number in range(2):
        (note,) = centre.load_notes("kairat", tenge(1_500))
        references = [digest(number, branch) for branch in range(2)]
        centre.hand_in(
            *(
                centre.spend(note, 0, payee, tenge(1_500), reference=reference)
                for payee, reference in zip((ayan, bota), references, strict=True)
            )
        )
        centre.close()
        check(centre)
    assert centre.ledger.supply().loss_reserve_tiyn == RESERVE_TIYN - tenge(2_000)
    assert centre.wallet("ayan") == centre.wallet("bota") == tenge(1_500 + 1_000)
    borne = centre.reconciler.borne(kairat.kid)
    assert (borne.loss_tiyn, borne.reserve_tiyn, borne.payees_tiyn) == (
        tenge(3_000),
        tenge(2_000),
        tenge(1_000),
    )


def test_a_revocation_after_the_close_judges_nobody_who_had_shown_its_invoice() -> None:
    centre = Centre(policy=policy_of(PRO_RATA))
    kairat, ayan, bota = (centre.device(name) for name in ("kairat", "ayan", "bota"))
    (note,) = centre.load_notes("kairat", 1_000)
    knowing = centre.invoice(bota, trust_sequence=9)
    left = centre.spend(note, 0, ayan, 1_000)
    right = centre.spend(note, 0, bota, 1_000, reference=knowing.oid)
    centre.hand_in(left, right, knowing)
    centre.clock.advance((CLOSE_DAYS + 1) * DAY)
    centre.revoke(kairat)
    check(centre)
    assert (centre.wallet("ayan"), centre.wallet("bota")) == (500, 500)


def test_what_comes_after_the_close_changes_nothing() -> None:
    """A revocation and an invoice that arrive later do not judge a claim that was decided."""
    centre = Centre(policy=policy_of(PRO_RATA))
    kairat, ayan, bota = (centre.device(name) for name in ("kairat", "ayan", "bota"))
    (note,) = centre.load_notes("kairat", 1_000)
    knowing = centre.invoice(bota, trust_sequence=9)
    left = centre.spend(note, 0, ayan, 1_000)
    right = centre.spend(note, 0, bota, 1_000, reference=knowing.oid)
    centre.hand_in(left, right)
    centre.clock.advance((CLOSE_DAYS + 1) * DAY)
    centre.revoke(kairat)
    centre.hand_in(knowing)
    check(centre)
    assert (centre.wallet("ayan"), centre.wallet("bota")) == (500, 500)
    later = centre.open_reconciler(archive=centre.archive)
    later.tick()
    assert later.totals() == centre.reconciler.totals()


def test_a_beacon_with_other_parties_is_refused() -> None:
    scenario = Scenario(LOTTERY)
    for other in (beacon("another"), SimulatedBeacon({})):
        scenario.centre.beacon = other
        with pytest.raises(Refused, match="E_BEACON_ANCHOR"):
            scenario.centre.open_reconciler()
