"""What the cast does with no network: enrolment, loading, paying, syncing, redeeming, each of them asked twice."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cbdc.errors import TengeError
from cbdc.money import tenge
from cbdc.ports import ManualClock
from cbdc.token import MERCHANT, PERSON, PUPIL, TREASURY_ACCOUNT
from wallets.cast import Member, SandboxPlan
from wallets.desk import derived
from wallets.field import DAY_SECONDS, devices_of
from wallets.sandbox import DEFAULT_START, Sandbox

BANK = ("bank", "A Bank", tenge(1_000_000))
NOTE = tenge(300)


class Village:
    """Ayan with two notes on his device, Dana and a shop with empty ones, and Saule without any; in a folder or not."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.open()
        self.sandbox.issue(tenge=10_000)
        self.sandbox.buy([(self.ayan, tenge(1_000))], derived("buy"))
        assert self.load(self.ayan, NOTE, NOTE) == [""]

    def open(self) -> None:
        """Build it, or open it again."""
        clock = ManualClock(DEFAULT_START)
        plan = SandboxPlan(7, clock, banks=(BANK,), loss_reserve_tiyn=tenge(10_000))
        self.sandbox = Sandbox.open(plan, self.folder)
        self.sandbox.set_up()
        self.ayan, self.dana, self.saule = self.group("person", PERSON, 3, [True, True, False])
        (self.shop,) = self.group("shop", MERCHANT, 1, [True])

    def group(self, name: str, category: int, count: int, devices: list[bool]) -> list[Member]:
        tier = 2 if category != MERCHANT else 4
        names = [f"{name}-{number}" for number in range(count)]
        return self.sandbox.add_group(
            name, category, "bank", tier, names, [tenge(2_000)] * count, devices, "SE"
        )

    def load(self, member: Member, *amounts_tiyn: int, mark: bytes = b"", name: str = "load") -> list[str]:
        answers = self.sandbox.load([(member, list(amounts_tiyn))], mark, derived(name))
        return ["" if answer is None else answer.code for answer in answers]

    def pay(self, payer: Member, payee: Member, name: str, clone: bool = False, mark: bytes = b"") -> int:
        return self.sandbox.pay_offline(payer, payee, NOTE, mark, derived(name), clone)

    def sync(self, *members: Member, name: str = "sync") -> list[str]:
        answers = self.sandbox.sync(list(members), derived(name))
        return ["" if answer is None else answer.code for answer in answers]

    def held(self, member: Member) -> int:
        return sum(device.balance_tiyn(self.sandbox.clock.now()) for device in devices_of(member))

    def later(self, days: int = 1) -> None:
        self.sandbox.wait(days)


@pytest.fixture
def village() -> Iterator[Village]:
    made = Village()
    yield made
    made.sandbox.close()


def refused(call: object, *arguments: object, **named: object) -> str:
    with pytest.raises(TengeError) as caught:
        call(*arguments, **named)  # type: ignore[operator]
    return caught.value.code


# --- devices ---


def test_devices_are_certified_for_their_owners_wallet(village: Village) -> None:
    assert village.ayan.device is not None
    certificate = village.ayan.device.certificate.record
    assert certificate.category == PERSON
    assert village.shop.device is not None
    assert village.shop.device.certificate.record.category == MERCHANT
    assert devices_of(village.saule) == []
    assert len({member.device.status(0).kid for member in village.sandbox.members() if member.device}) == 3


def test_without_a_device_there_is_no_money_offline(village: Village) -> None:
    sandbox, saule = village.sandbox, village.saule
    assert village.load(saule, 100) == ["E_NO_DEVICE"]
    assert village.sync(saule, village.ayan) == ["E_NO_DEVICE", ""]
    assert refused(village.pay, saule, village.dana, "a") == "E_NO_DEVICE"
    assert refused(village.pay, village.ayan, saule, "b") == "E_NO_DEVICE"
    assert refused(village.pay, village.ayan, village.dana, "c", clone=True) == "E_NO_DEVICE"
    assert refused(sandbox.redeem_offline, saule) == "E_NO_DEVICE"
    assert refused(sandbox.clone, saule) == "E_NO_DEVICE"
    assert village.held(saule) == 0


def test_a_clone_is_made_once_and_is_no_money_of_its_own(village: Village) -> None:
    for _ in range(2):
        village.sandbox.clone(village.ayan)
    assert village.ayan.clone is not None
    assert village.ayan.device is not None
    now = village.sandbox.clock.now()
    assert village.ayan.clone.status(now).kid == village.ayan.device.status(now).kid
    assert village.held(village.ayan) == 2 * NOTE


# --- money out and back ---


def test_loading_is_asked_twice_and_done_once(village: Village) -> None:
    for _ in range(2):
        assert village.load(village.ayan, NOTE, name="more") == [""]
    assert village.held(village.ayan) == 3 * NOTE
    assert village.ayan.wallet.total_tiyn() == tenge(1_000) - 3 * NOTE
    assert village.sandbox.supply().escrow_tiyn == 3 * NOTE
    assert village.load(village.ayan, tenge(101), name="too much") == ["E_FUNDS"]


@pytest.mark.parametrize(
    ("notes", "amount_tiyn", "code"), [(1, tenge(60_000), "E_LIMIT_IN"), (200, 1, "E_PURSE_FULL")]
)
def test_what_a_device_cannot_take_is_refused_before_the_ledger_locks_it(
    village: Village, notes: int, amount_tiyn: int, code: str
) -> None:
    sandbox, dana = village.sandbox, village.dana
    sandbox.system.banks[1].receive_deposit(derived("deposit"), dana.customer, tenge(100_000))
    sandbox.issue(tenge=100_000)
    assert sandbox.buy([(dana, tenge(100_000))], derived("dana buys")) == [None]
    size = sandbox.system.ledger.size
    for _ in range(2):
        assert village.load(dana, *([amount_tiyn] * notes), name="too much") == [code]
    assert sandbox.system.ledger.size == size
    assert dana.wallet.balance_tiyn() == tenge(100_000)


def test_a_payment_is_asked_twice_and_made_once(village: Village) -> None:
    assert [village.pay(village.ayan, village.dana, "bread") for _ in range(2)] == [1, 1]
    assert (village.held(village.ayan), village.held(village.dana)) == (NOTE, NOTE)
    assert village.pay(village.dana, village.shop, "on") == 2
    assert refused(village.pay, village.dana, village.shop, "once more") == "E_COINS"
    assert village.held(village.shop) == NOTE


def test_redeeming_is_asked_twice_and_booked_once(village: Village) -> None:
    village.pay(village.ayan, village.shop, "bread")
    for _ in range(2):
        assert village.sandbox.redeem_offline(village.shop, derived("home")) == NOTE
    assert village.shop.wallet.total_tiyn() == NOTE
    assert village.held(village.shop) == 0
    assert village.sandbox.supply().escrow_tiyn == NOTE
    assert refused(village.sandbox.redeem_offline, village.shop, derived("again")) == "E_COINS"


def test_syncing_hands_in_everything_once(village: Village) -> None:
    village.pay(village.ayan, village.shop, "bread")
    ids = list(village.sandbox.field.object_ids())
    assert village.sync(village.shop, village.ayan) == ["", ""]
    handed = list(village.sandbox.field.object_ids())
    assert len(handed) > len(ids)
    assert village.sync(village.shop, village.ayan) == ["", ""]
    assert list(village.sandbox.field.object_ids()) == handed
    assert (village.held(village.shop), village.held(village.ayan)) == (NOTE, NOTE)
    assert len(set(handed)) == len(handed)


def test_a_sync_brings_the_days_list(village: Village) -> None:
    assert village.dana.device is not None
    assert village.ayan.device is not None
    first = village.dana.device.trust_view.sequence
    village.later()
    village.sync(village.dana)
    assert village.dana.device.trust_view.sequence == first + 1
    assert village.ayan.device.trust_view.sequence == first
    village.sync(village.dana, name="the same day")
    assert village.dana.device.trust_view.sequence == first + 1


# --- purposes ---


def test_marked_money_keeps_its_purpose_offline(village: Village) -> None:
    sandbox = village.sandbox
    definition = sandbox.system.treasury.define(
        "books",
        9,
        ((TREASURY_ACCOUNT, (PUPIL,)), (PUPIL, (MERCHANT,))),
        DEFAULT_START,
        DEFAULT_START + 30 * DAY_SECONDS,
        max_hops=1,
    )
    sandbox.define_mark("books", definition)
    sandbox.publish_purposes()
    (pupil,) = village.group("pupil", PUPIL, 1, [True])
    (bookshop,) = village.group("bookshop", MERCHANT, 1, [True])
    bank = sandbox.system.banks[1]
    bank.open_account(derived("budget"), "Budget", "budget", 4, PERSON, NOTE)
    sandbox.system.treasury.draw(derived("draw"), bank, derived("budget"), NOTE)
    assert sandbox.give_vouchers("books", [(pupil, NOTE)], derived("voucher")) == [None]
    assert village.load(pupil, NOTE, mark=definition.oid, name="books") == [""]
    assert refused(village.pay, pupil, village.dana, "a", mark=definition.oid) == "E_PURPOSE_UNKNOWN"
    village.later()
    assert village.sync(village.dana) == [""]
    assert refused(village.pay, pupil, village.dana, "b", mark=definition.oid) == "E_CATEGORY_IN"
    assert refused(village.pay, pupil, bookshop, "as free money") == "E_COINS"
    assert refused(village.pay, pupil, bookshop, "an unknown mark", mark=bytes(32)) == "E_COINS"
    assert village.pay(pupil, bookshop, "a book", mark=definition.oid) == 1


# --- the centre ---


def test_a_double_spend_is_named_in_files_of_a_fixed_order(village: Village) -> None:
    village.sandbox.clone(village.ayan)
    village.pay(village.ayan, village.dana, "one")
    village.pay(village.ayan, village.shop, "two", clone=True)
    assert village.sync(village.shop, village.dana) == ["", ""]
    case = village.sandbox.reconcile()
    assert case.double_spends == 1
    files = village.sandbox.evidence_files()
    assert [name for name, _ in files] == [f"case-{number}.dto" for number in range(1, len(files) + 1)]
    assert [row["file"] for row in case.evidence] == [name for name, _ in files]
    assert village.sandbox.reconcile() == case
    village.later(120)
    closed = village.sandbox.close_cases()
    assert village.sandbox.close_cases() == closed
    assert sum(closed.borne_by.values()) == closed.loss_tiyn == NOTE


def test_refunds_reach_the_wallet_when_notes_are_over(village: Village) -> None:
    village.later(130)
    village.sandbox.close_cases()
    assert village.ayan.wallet.total_tiyn() == tenge(1_000)
    assert village.sandbox.supply().escrow_tiyn == 0


# --- folders ---


@pytest.mark.parametrize("left", [0, 3, 500])
def test_a_clone_cut_off_while_it_was_written_is_made_again(tmp_path: Path, left: int) -> None:
    village = Village(tmp_path / "run")
    journal = tmp_path / "run" / "offline" / "elements.journal"
    before = journal.stat().st_size
    village.sandbox.clone(village.ayan)
    village.sandbox.close()
    assert journal.stat().st_size > before + left
    os.truncate(journal, before + left)

    village.open()
    assert village.ayan.clone is None
    village.sandbox.clone(village.ayan)
    village.pay(village.ayan, village.dana, "one")
    village.pay(village.ayan, village.shop, "two", clone=True)
    village.sandbox.close()


def test_a_folder_keeps_devices_clones_and_lists(tmp_path: Path) -> None:
    village = Village(tmp_path / "run")
    village.sandbox.clone(village.ayan)
    village.pay(village.ayan, village.shop, "one")
    village.sandbox.close()

    village.open()
    assert (village.held(village.ayan), village.held(village.shop)) == (NOTE, NOTE)
    assert village.ayan.clone is not None
    village.pay(village.ayan, village.dana, "two", clone=True)
    assert village.sync(village.shop, village.dana) == ["", ""]
    village.sandbox.close()

    village.open()
    case = village.sandbox.reconcile()
    assert (case.double_spends, {row["named"] for row in case.evidence}) == (1, {"person-0"})
    village.sandbox.close()
