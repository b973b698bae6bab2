"""Who pays at last: once, no more than there is, and the same answer for whoever asks again."""

from collections.abc import Iterator

import pytest

from cbdc.accounts import OFFLINE_LOSSES
from cbdc.errors import TengeError
from cbdc.money import tenge
from cbdc.ports import ManualClock
from cbdc.token import PERSON
from offline.posting import BANK, OWNER
from wallets.cast import Member, SandboxPlan
from wallets.desk import derived
from wallets.recourse import CourtRecourse
from wallets.sandbox import DEFAULT_START, Sandbox

DEVICE = derived("device")
RESERVE = tenge(3_000)


class Court:
    """One bank whose whole reserve account is 3 000 tenge less what it ordered, and an owner with 500 tenge online."""

    def __init__(self) -> None:
        plan = SandboxPlan(
            7, ManualClock(DEFAULT_START), banks=(("bank", "A Bank", RESERVE),), loss_reserve_tiyn=tenge(900)
        )
        self.sandbox = Sandbox.open(plan)
        self.sandbox.set_up()
        (self.owner,) = self.sandbox.add_group(
            "person", PERSON, "bank", 2, ["owner"], [tenge(1_000)], [False]
        )
        self.sandbox.issue(tenge=2_000)
        assert self.sandbox.buy([(self.owner, tenge(500))], derived("buy")) == [None]
        self.known: dict[bytes, tuple[bytes, int]] = {DEVICE: (self.owner.wallet.kid, 1)}
        self.recourse = CourtRecourse(self.sandbox.system, self.known.get, self.sandbox.clock)

    def collect(self, party: str, amount_tiyn: int, fact: str, kid: bytes = DEVICE) -> int:
        return self.recourse.collect(kid, party, amount_tiyn, derived("fact", fact))

    def owned(self, member: Member) -> int:
        return sum(token.amount_tiyn for _, token in self.sandbox.system.ledger.owned(member.wallet.kid))

    def reserve(self) -> int:
        return self.sandbox.system.national_bank.reserve_tiyn(1)


@pytest.fixture
def court() -> Iterator[Court]:
    made = Court()
    yield made
    made.sandbox.system.books.check()
    supply = made.sandbox.supply()
    assert supply.outstanding_tiyn == supply.held_tiyn
    made.sandbox.close()


def test_the_owner_pays_from_the_online_wallet_once(court: Court) -> None:
    for _ in range(3):
        assert court.collect(OWNER, tenge(200), "one") == tenge(200)
    assert court.owned(court.owner) == tenge(300)
    assert court.sandbox.supply().loss_reserve_tiyn == tenge(900) + tenge(200)


def test_the_owner_pays_no_more_than_there_is(court: Court) -> None:
    for _ in range(2):
        assert court.collect(OWNER, tenge(800), "one") == tenge(500)
        assert court.collect(OWNER, tenge(1), "two") == 0
    assert court.owned(court.owner) == 0
    assert court.sandbox.buy([(court.owner, tenge(100))], derived("more")) == [None]
    assert court.collect(OWNER, tenge(800), "one") == tenge(500), (
        "what was taken for a fact stays what it was"
    )
    assert court.collect(OWNER, tenge(1), "two") == 0
    assert court.collect(OWNER, tenge(1), "three") == tenge(1)


def test_money_in_many_pieces_is_taken_together(court: Court) -> None:
    for number in range(3):
        assert court.sandbox.buy([(court.owner, tenge(100))], derived("more", number)) == [None]
    assert court.collect(OWNER, tenge(750), "one") == tenge(750)
    assert court.owned(court.owner) == tenge(50)


def test_the_bank_is_charged_on_its_reserve_account_once(court: Court) -> None:
    before, losses = court.reserve(), court.sandbox.system.books.balance(OFFLINE_LOSSES)
    for _ in range(3):
        assert court.collect(BANK, tenge(400), "one") == tenge(400)
    assert court.reserve() == before - tenge(400)
    assert abs(court.sandbox.system.books.balance(OFFLINE_LOSSES) - losses) == tenge(400)
    assert court.owned(court.owner) == tenge(500)


def test_the_bank_pays_no_more_than_its_reserve_account_holds(court: Court) -> None:
    there = court.reserve()
    for _ in range(2):
        assert court.collect(BANK, there + 1, "one") == there
    assert court.collect(BANK, 1, "two") == 0
    assert court.reserve() == 0


@pytest.mark.parametrize("party", [OWNER, BANK])
def test_nothing_is_taken_for_nothing_and_from_nobody(court: Court, party: str) -> None:
    size = court.sandbox.system.ledger.size
    assert court.collect(party, 0, "one") == 0
    assert court.collect(party, tenge(5), "two", kid=derived("a device of nobody")) == 0
    assert court.sandbox.system.ledger.size == size


def test_a_frozen_owner_pays_all_the_same(court: Court) -> None:
    """A freeze stops the owner, not the court."""
    known = court.sandbox.system.ledger.registered(court.owner.wallet.kid)
    assert known is not None
    court.sandbox.system.enforcement.freeze(derived("freeze"), known.pseudonym, "case 1")
    assert court.collect(OWNER, tenge(200), "one") == tenge(200)


def test_a_stop_between_plan_and_taking_is_finished_by_asking_again(
    court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise TimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(court.sandbox.system.enforcement, "seize", stop)
        with pytest.raises(TimeoutError):
            court.collect(OWNER, tenge(200), "one")
    assert court.owned(court.owner) == tenge(500)
    assert court.collect(OWNER, tenge(200), "one") == tenge(200)
    assert court.owned(court.owner) == tenge(300)


def test_an_amount_that_is_none(court: Court) -> None:
    with pytest.raises(TengeError):
        court.collect(OWNER, -1, "one")
