"""Who gets what: tables under ISSUER and WATERFALL, refunds, claims, good faith, and the empty reserve."""

import pytest

from cbdc.errors import Refused
from offline.posting import BANK, OWNER
from offline.settle import (
    CREDITED,
    DENIED,
    HELD,
    HELD_GUILTY,
    HELD_RESERVE,
    ISSUER,
    WATERFALL,
    Borne,
    LossPolicy,
)
from tests.offline.centre import Centre

RESERVE = 10_000


class Payers:
    """Recourse in tests: the owner and the bank pay up to these amounts, the same for one fact."""

    def __init__(self, owner_tiyn: int = 0, bank_tiyn: int = 0) -> None:
        self.left = {OWNER: owner_tiyn, BANK: bank_tiyn}
        self.asked: list[tuple[str, int]] = []
        self.paid: dict[bytes, int] = {}

    def collect(self, kid: bytes, party: str, amount_tiyn: int, fact: bytes) -> int:
        if fact not in self.paid:
            self.asked.append((party, amount_tiyn))
            self.paid[fact] = min(amount_tiyn, self.left[party])
            self.left[party] -= self.paid[fact]
        return self.paid[fact]


def check(centre: Centre) -> None:
    """The ledger, the books and the graph agree."""
    totals = centre.reconciler.totals()
    table = centre.ledger.supply()
    assert table.escrow_tiyn == totals.escrow_tiyn
    assert table.loss_reserve_tiyn == totals.reserve_tiyn


def status(centre: Centre, subject: bytes) -> tuple[int, str]:
    standing = centre.reconciler.standing(subject)
    assert standing is not None
    return standing.status, standing.reason


class Fork:
    """Kairat's opened device spends one note of 1 000 twice, to Ayan and to Bota; he also holds a note of 300."""

    def __init__(self, policy: str, recourse: Payers | None = None, reserve_tiyn: int = RESERVE) -> None:
        self.recourse = recourse or Payers()
        self.centre = Centre(policy=LossPolicy(policy), reserve_tiyn=reserve_tiyn, recourse=self.recourse)
        centre = self.centre
        self.kairat, self.ayan, self.bota = (centre.device(name) for name in ("kairat", "ayan", "bota"))
        self.note, self.other = centre.load_notes("kairat", 1_000, 300)
        self.left = centre.spend(self.note, 0, self.ayan, 1_000)
        self.right = centre.spend(self.note, 0, self.bota, 1_000)
        self.homes = [
            centre.take_home(self.left, 0, self.ayan),
            centre.take_home(self.right, 0, self.bota),
        ]

    def wallets(self) -> dict[str, int]:
        centre = self.centre
        check(centre)
        return {
            **{name: centre.wallet(name) for name in ("kairat", "ayan", "bota")},
            "reserve": centre.ledger.supply().loss_reserve_tiyn,
            "escrow": centre.ledger.supply().escrow_tiyn,
        }


@pytest.mark.parametrize(
    ("policy", "after", "closed", "borne"),
    [
        (
            ISSUER,
            {"kairat": 0, "ayan": 1_000, "bota": 1_000, "reserve": 9_000, "escrow": 300},
            {"kairat": 300, "ayan": 1_000, "bota": 1_000, "reserve": 9_000, "escrow": 0},
            (0, 0, 0, 1_000),
        ),
        (
            WATERFALL,
            {"kairat": 0, "ayan": 1_000, "bota": 1_000, "reserve": 9_000, "escrow": 300},
            {"kairat": 0, "ayan": 1_000, "bota": 1_000, "reserve": 9_300, "escrow": 0},
            (300, 450, 150, 100),
        ),
    ],
)
def test_r26_who_got_what(
    policy: str, after: dict[str, int], closed: dict[str, int], borne: tuple[int, ...]
) -> None:
    fork = Fork(policy, Payers(owner_tiyn=450, bank_tiyn=150))
    fork.centre.hand_in(fork.left, fork.right, *fork.homes)
    assert fork.wallets() == after
    fork.centre.close()
    assert fork.wallets() == closed
    assert fork.centre.reconciler.borne(fork.kairat.kid) == Borne(fork.kairat.kid, 1_000, *borne)
    fork.centre.reconciler.tick()
    assert fork.wallets() == closed
    if policy == WATERFALL:
        assert fork.recourse.asked == [(OWNER, 700), (BANK, 250)]
    else:
        assert fork.recourse.asked == []


def test_recourse_stops_at_its_caps() -> None:
    payers = Payers(owner_tiyn=10**9, bank_tiyn=10**9)
    fork = Fork(WATERFALL, payers)
    limits = fork.kairat.certificate.record.limits
    fork.centre.reconciler = None  # type: ignore[assignment]
    fork.centre.loss_policy = LossPolicy(WATERFALL, recourse_permille=0, bank_permille=1)
    fork.centre.reconciler = fork.centre.open_reconciler()
    fork.centre.hand_in(fork.left, fork.right, *fork.homes)
    fork.centre.close()
    assert payers.asked == [(BANK, 700)]
    assert limits.max_out_tiyn // 1_000 > 700
    assert fork.centre.reconciler.borne(fork.kairat.kid).reserve_tiyn == 0


@pytest.mark.parametrize("name", ["FIRST_SEEN", "waterfall", ""])
def test_other_policies_are_refused_in_words(name: str) -> None:
    with pytest.raises(Refused) as caught:
        LossPolicy(name)
    assert caught.value.code == "E_LOSS_POLICY"
    assert "ISSUER, WATERFALL, CAPPED, LOTTERY, PRO_RATA, PAYEE" in str(caught.value)


@pytest.mark.parametrize("branches", [2, 3, 4])
def test_r6_every_good_faith_branch_is_paid_and_each_extra_one_booked_once(branches: int) -> None:
    centre = Centre(reserve_tiyn=RESERVE)
    centre.device("kairat")
    payees = [centre.device(f"payee{number}") for number in range(branches)]
    (note,) = centre.load_notes("kairat", 1_000)
    for payee in payees:
        paid = centre.spend(note, 0, payee, 1_000)
        centre.hand_in(paid, centre.take_home(paid, 0, payee))
        check(centre)
    assert [centre.wallet(payee.name) for payee in payees] == [1_000] * branches
    assert centre.ledger.supply().loss_reserve_tiyn == RESERVE - 1_000 * (branches - 1)
    assert centre.ledger.supply().escrow_tiyn == 0


def test_r7_branches_that_meet_again_are_one_loss() -> None:
    centre = Centre(reserve_tiyn=RESERVE)
    kairat, ayan, bota, shop = (centre.device(name) for name in ("kairat", "ayan", "bota", "shop"))
    (note,) = centre.load_notes("kairat", 1_000)
    left, right = centre.spend(note, 0, ayan, 1_000), centre.spend(note, 0, bota, 1_000)
    one, two = centre.spend(left, 0, shop, 700), centre.spend(right, 0, shop, 1_000)
    homes = [centre.take_home(one, 0, shop), centre.take_home(two, 0, shop)]
    centre.hand_in(left, right, one, two, *homes)
    check(centre)
    assert centre.wallet("shop") == 1_700
    assert centre.ledger.supply().escrow_tiyn == 300
    assert list(centre.reconciler.guilty()) == [kairat.kid]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_r8_who_redeems_and_also_pays_is_recovered_first(order: tuple[int, int]) -> None:
    payers = Payers(owner_tiyn=10**9)
    centre = Centre(reserve_tiyn=RESERVE, recourse=payers)
    kairat, bota = centre.device("kairat"), centre.device("bota")
    (note,) = centre.load_notes("kairat", 1_000)
    own = centre.take_home(note, 0, kairat)
    paid = centre.spend(note, 0, bota, 1_000)
    home = centre.take_home(paid, 0, bota)
    for place in order:
        centre.hand_in(*((own,), (paid, home))[place])
        check(centre)
    assert centre.wallet("bota") == 1_000
    redeemed_first = order == (0, 1)
    assert centre.wallet("kairat") == (1_000 if redeemed_first else 0)
    assert status(centre, own.oid) == ((CREDITED, "") if redeemed_first else (HELD, HELD_GUILTY))
    centre.close()
    check(centre)
    borne = centre.reconciler.borne(kairat.kid)
    assert borne.reserve_tiyn == 0
    if redeemed_first:
        assert borne == Borne(kairat.kid, 1_000, 0, 1_000, 0, 0)
    else:
        assert borne == Borne(kairat.kid, 1_000, 1_000, 0, 0, 0)
        assert centre.ledger.supply().loss_reserve_tiyn == RESERVE
        assert status(centre, own.oid) == (DENIED, "")


def test_a_guilty_device_gets_back_what_its_losses_leave() -> None:
    centre = Centre(reserve_tiyn=RESERVE)
    kairat, ayan, bota = (centre.device(name) for name in ("kairat", "ayan", "bota"))
    small, large = centre.load_notes("kairat", 100, 5_000)
    left, right = centre.spend(small, 0, ayan, 100), centre.spend(small, 0, bota, 100)
    own = centre.take_home(large, 0, kairat, 5_000)
    centre.hand_in(left, right, own)
    assert status(centre, own.oid) == (HELD, HELD_GUILTY)
    centre.close()
    check(centre)
    assert centre.wallet("kairat") == 4_900
    assert centre.wallet("ayan") == centre.wallet("bota") == 100, "unspent money of the innocent is refunded"
    assert centre.ledger.supply().loss_reserve_tiyn == RESERVE
    assert centre.reconciler.borne(kairat.kid) == Borne(kairat.kid, 100, 100, 0, 0, 0)


# --- the empty reserve ---


def test_r20_r24_without_a_reserve_credits_below_a_fork_are_held_until_it_is_funded() -> None:
    fork = Fork(ISSUER, reserve_tiyn=0)
    centre = fork.centre
    dana = centre.device("dana")
    half = centre.spend(fork.other, 0, dana, 120)
    elsewhere = centre.take_home(half, 0, dana)
    centre.hand_in(fork.left, fork.right, *fork.homes, half, elsewhere)
    check(centre)
    assert (centre.wallet("ayan"), centre.wallet("bota"), centre.wallet("dana")) == (0, 0, 120)
    assert [status(centre, home.oid) for home in fork.homes] == [(HELD, HELD_RESERVE)] * 2
    assert centre.reconciler.totals().unfunded_tiyn == 1_000
    centre.issue("reserve", 999)
    centre.reconciler.tick()
    assert centre.wallet("ayan") == 0
    centre.issue("reserve", 1)
    centre.reconciler.tick()
    check(centre)
    assert (centre.wallet("ayan"), centre.wallet("bota")) == (1_000, 1_000)
    assert centre.ledger.supply().loss_reserve_tiyn == 0


def test_what_was_credited_before_the_fork_was_known_stays_credited() -> None:
    fork = Fork(ISSUER, reserve_tiyn=0)
    fork.centre.hand_in(fork.left, fork.homes[0])
    assert fork.centre.wallet("ayan") == 1_000
    fork.centre.hand_in(fork.right, fork.homes[1])
    assert (fork.centre.wallet("ayan"), fork.centre.wallet("bota")) == (1_000, 0)
    check(fork.centre)
    fork.centre.issue("reserve", 1_000)
    fork.centre.reconciler.tick()
    assert fork.wallets()["bota"] == 1_000


def test_recovery_funds_the_losses_that_waited_for_it() -> None:
    payers = Payers()
    centre = Centre(recourse=payers)
    _, ayan, bota = (centre.device(name) for name in ("kairat", "ayan", "bota"))
    (note, large) = centre.load_notes("kairat", 1_000, 4_000)
    left, right = centre.spend(note, 0, ayan, 1_000), centre.spend(note, 0, bota, 1_000)
    centre.hand_in(left, right, centre.take_home(left, 0, ayan), centre.take_home(right, 0, bota))
    assert (centre.wallet("ayan"), centre.wallet("bota")) == (0, 0)
    centre.close()
    check(centre)
    assert (centre.wallet("ayan"), centre.wallet("bota"), centre.wallet("kairat")) == (1_000, 1_000, 3_000)
    assert centre.ledger.supply().loss_reserve_tiyn == 0
    assert payers.asked == []
    assert large.record.amount_tiyn == 4_000
