"""The whole sandbox in a few lines: the story of README, seeds, folders that are opened again, and what it refuses."""

from pathlib import Path

import pytest

from cbdc.errors import TengeError
from cbdc.ledger.audit import audit
from cbdc.money import tenge
from cbdc.ports import ManualClock, SystemClock
from cbdc.token import MERCHANT, PERSON, PUPIL, TREASURY_ACCOUNT
from offline.evidence import verify_evidence
from wallets.cast import Member, SandboxPlan
from wallets.desk import derived
from wallets.sandbox import DEFAULT_START, Sandbox, raise_first

BANKS = (("first", "First Bank", tenge(1_000_000)), ("second", "Second Bank", tenge(1_000_000)))


def plan(seed: int | None = 7, start: int = DEFAULT_START) -> SandboxPlan:
    return SandboxPlan(
        seed,
        ManualClock(start),
        banks=BANKS,
        budget_bank="first",
        budget_tiyn=tenge(10_000),
        loss_reserve_tiyn=tenge(1_000),
    )


def refused(call: object, *arguments: object, **named: object) -> str:
    with pytest.raises(TengeError) as caught:
        call(*arguments, **named)  # type: ignore[operator]
    return caught.value.code


def cheat(sandbox: Sandbox) -> list[Member]:
    """Aigerim's device is cloned and pays both others with one note of 3 000 tenge."""
    people = [sandbox.person(name, deposit_tenge=10_000) for name in ("Aigerim", "Dana", "Erlan")]
    sandbox.issue(tenge=50_000)
    sandbox.buy_once(people[0], 1_000)
    sandbox.buy_and_load(people[0], tenge=3_000)
    sandbox.clone(people[0])
    sandbox.pay_offline_once(people[0], people[1], 3_000)
    sandbox.pay_offline_once(people[0], people[2], 3_000, clone=True)
    return people


def adds_up(sandbox: Sandbox) -> None:
    supply = sandbox.supply()
    assert supply.outstanding_tiyn == supply.held_tiyn
    assert audit(sandbox.system.stores.ledger, sandbox.system.ledger.head()).problems == []
    sandbox.system.books.check()
    for sheet in sandbox.balance_sheets():
        sides = {"asset": 0, "liability": 0}
        for row in sheet["accounts"]:
            sides[row["side"]] += row["tiyn"]
        assert sides["asset"] == sides["liability"], sheet["institution"]


# --- the story ---


def test_a_cheat_is_found_named_and_paid_for_once() -> None:
    sandbox = Sandbox.in_memory(seed=7)
    aigerim, dana, erlan = cheat(sandbox)
    assert sandbox.case().double_spends == 0, "nobody can know before the network is back"
    raise_first(sandbox.sync([erlan, dana]))
    case = sandbox.reconcile()
    assert (case.double_spends, case.loss_tiyn) == (1, tenge(3_000))
    assert {row["named"] for row in case.evidence} == {"Aigerim"}
    assert aigerim.device is not None
    for _, proof in sandbox.evidence_files():
        verdict = verify_evidence(proof, sandbox.trusted_root)
        assert verdict.kid == aigerim.device.certificate.record.kid
    assert [sandbox.redeem_offline(member) for member in (dana, erlan)] == [tenge(3_000)] * 2
    sandbox.wait(days=120)
    case = sandbox.close_cases()
    assert dict(case.borne) == {"device": 0, "owner": tenge(1_000), "bank": tenge(2_000), "reserve": 0}
    assert sum(case.borne_by.values()) == case.loss_tiyn
    assert aigerim.wallet.total_tiyn() == 0
    assert sandbox.supply().loss_reserve_tiyn == tenge(10_000) - tenge(3_000) + tenge(1_000)
    assert sandbox.supply().escrow_tiyn == 0
    adds_up(sandbox)
    sandbox.close()


def test_online_money_by_hand() -> None:
    sandbox = Sandbox.in_memory()
    ayan = sandbox.person("Ayan", deposit_tenge=1_000, device=False)
    shop = sandbox.person("Shop", category=MERCHANT)
    assert refused(sandbox.buy_once, ayan, 100) == "E_TILL", "the bank has nothing to sell yet"
    sandbox.issue(tenge=5_000)
    sandbox.buy_once(ayan, 400)
    sandbox.pay_once(ayan, shop, 150)
    sandbox.pay_once(ayan, shop, 150)
    assert [member.wallet.total_tiyn() for member in (ayan, shop)] == [tenge(100), tenge(300)]
    assert refused(sandbox.pay_once, ayan, shop, 101) == "E_FUNDS"
    assert refused(sandbox.buy_and_load, ayan, 100) == "E_NO_DEVICE"
    assert refused(sandbox.buy_once, ayan, 10_000) == "E_FUNDS_ACCOUNT"
    assert sandbox.sell(shop) == tenge(300)
    assert sandbox.deposit_tiyn(shop) == tenge(300)
    assert sandbox.redeem() > 0
    assert sandbox.supply().bank_inventory_tiyn == 0
    adds_up(sandbox)


def test_marked_money_by_hand() -> None:
    sandbox = Sandbox.in_memory()
    pupil = sandbox.person("Pupil", category=PUPIL)
    shop = sandbox.person("Shop", category=MERCHANT)
    person = sandbox.person("Person")
    sandbox.issue(tenge=5_000)
    sandbox.new_mark("books", {TREASURY_ACCOUNT: [PUPIL], PUPIL: [MERCHANT]}, days=10, released_by=[MERCHANT])
    sandbox.give_once("books", pupil, 700)
    assert refused(sandbox.give_once, "books", person, 1) == "E_MARK_EDGE"
    assert refused(sandbox.pay_once, pupil, person, 1, mark="books") == "E_MARK_EDGE"
    sandbox.pay_once(pupil, shop, 300, mark="books")
    assert sandbox.mark_figures("books")["outstanding_tiyn"] == tenge(700)
    mark = sandbox.marks["books"]
    assert sandbox.release(shop, mark, None, derived("release")) == tenge(300)
    assert refused(sandbox.expire, [pupil], mark, derived("early")) == "E_MARK_NOT_OVER"
    sandbox.wait(days=11)
    assert sandbox.expire([pupil], mark, derived("expire")) == tenge(400)
    assert sandbox.expire([pupil], mark, derived("expire")) == tenge(400), "asked again, answered the same"
    assert sandbox.expire([pupil], mark, derived("later")) == 0
    assert sandbox.mark_figures("books")["outstanding_tiyn"] == 0
    assert pupil.wallet.total_tiyn() == 0
    adds_up(sandbox)


def test_figures_of_groups() -> None:
    sandbox = Sandbox.in_memory()
    cheat(sandbox)
    assert sandbox.group("Aigerim")[0].name == "Aigerim"
    assert sandbox.group("nobody") == []
    assert sandbox.group_figures("nobody") == {"wallets": 0, "devices": 0, "deposits": 0}
    assert sandbox.group_figures("Aigerim") == {
        "wallets": tenge(1_000),
        "devices": 0,
        "deposits": tenge(6_000),
    }
    assert sandbox.group_figures("Dana")["devices"] == tenge(3_000)
    assert [member.name for member in sandbox.members()] == ["Aigerim", "Dana", "Erlan"]
    assert sandbox.bank_name == sandbox.members()[0].bank
    assert sandbox.bank_title in [sheet["institution"] for sheet in sandbox.balance_sheets()]


def test_refusals() -> None:
    sandbox = Sandbox.in_memory()
    person = sandbox.person("Ayan", deposit_tenge=10)
    assert refused(sandbox.order, "no bank", 1, bytes(32)) == "E_BANK_NAME"
    assert refused(sandbox.issue, 10, bank="no bank") == "E_BANK_NAME"
    assert refused(sandbox.redeem, "no bank") == "E_BANK_NAME"
    assert refused(sandbox.add_group, "robots", PERSON, sandbox.bank_name, 9, ["R"], [0], [False]) == "E_TIER"
    assert refused(sandbox.issue, tenge=10**12) == "E_FUNDS_ACCOUNT"
    assert refused(sandbox.pay_offline_once, person, person, 1) in {"E_COINS", "E_SELF"}
    assert refused(sandbox.redeem_offline, person) == "E_COINS"
    adds_up(sandbox)


def test_time_is_moved_only_where_it_is_virtual() -> None:
    sandbox = Sandbox.open(SandboxPlan(7, SystemClock()))
    with pytest.raises(AssertionError):
        sandbox.wait(days=1)


# --- seeds and folders ---


def test_a_seed_decides_every_byte() -> None:
    told: list[list[bytes]] = []
    for seed in (7, 7, 8):
        sandbox = Sandbox.in_memory(seed)
        raise_first(sandbox.sync(cheat(sandbox)[1:]))
        sandbox.reconcile()
        told.append([sandbox.root, sandbox.head(), *sandbox.signed_ids()])
    assert told[0] == told[1]
    assert not set(told[0]) & set(told[2])


def test_without_a_seed_the_machine_decides(tmp_path: Path) -> None:
    roots = []
    for folder in (tmp_path / "one", tmp_path / "two", tmp_path / "one"):
        sandbox = Sandbox.open(plan(None), folder)
        sandbox.set_up()
        roots.append(sandbox.root)
        sandbox.close()
    assert roots[0] == roots[2] != roots[1], "a folder keeps its own keys"


def test_a_folder_opened_again_goes_on(tmp_path: Path) -> None:
    def opened(start: int = DEFAULT_START) -> tuple[Sandbox, list[Member]]:
        sandbox = Sandbox.open(plan(start=start), tmp_path / "run")
        sandbox.set_up()
        people = sandbox.add_group(
            "person", PERSON, "second", 2, ["Ayan", "Dana"], [tenge(500), 0], [True, True], "SE"
        )
        return sandbox, people

    sandbox, (ayan, dana) = opened()
    sandbox.issue(tenge=1_000, bank="second")
    sandbox.buy_and_load(ayan, 300)
    sandbox.clone(ayan)
    sandbox.pay_offline_once(ayan, dana, 300)
    ids = list(sandbox.signed_ids())
    head, figures = sandbox.head(), [sandbox.group_figures("person"), sandbox.supply()]
    sandbox.close()

    sandbox, (ayan, dana) = opened()
    assert (sandbox.head(), list(sandbox.signed_ids())) == (head, ids), "opening again signs nothing"
    assert [sandbox.group_figures("person"), sandbox.supply()] == figures
    assert ayan.clone is not None
    assert dana.clone is None
    sandbox.clone(ayan)
    assert sandbox.redeem_offline(dana, derived("home")) == tenge(300)
    assert sandbox.redeem_offline(dana, derived("home")) == tenge(300)
    assert dana.wallet.balance_tiyn() == tenge(300)
    adds_up(sandbox)
    sandbox.close()


def test_another_seed_does_not_open_a_folder_anew(tmp_path: Path) -> None:
    """The folder's own keys hold, whatever seed is named later."""
    first = Sandbox.open(plan(7), tmp_path)
    first.set_up()
    root = first.root
    first.close()
    again = Sandbox.open(plan(8), tmp_path)
    assert again.root == root
    again.close()


def test_the_store_of_another_system_is_refused(tmp_path: Path) -> None:
    for seed in (7, 8):
        sandbox = Sandbox.open(plan(seed), tmp_path / str(seed))
        sandbox.close()
    (tmp_path / "7" / "ledger.sqlite").replace(tmp_path / "8" / "ledger.sqlite")
    assert refused(Sandbox.open, plan(8), tmp_path / "8") == "E_SYSTEM_KEYS"


@pytest.mark.parametrize("url", ["oracle://x", "sqlite:x", "memory"])
def test_stores_that_are_none(url: str) -> None:
    assert refused(Sandbox.open, SandboxPlan(7, ManualClock(DEFAULT_START), store=url)) == "E_STORE_URL"


def test_stores_elsewhere(tmp_path: Path) -> None:
    for url in ("memory:", f"sqlite:///{tmp_path / 'ledger.sqlite'}"):
        sandbox = Sandbox.open(SandboxPlan(7, ManualClock(DEFAULT_START), store=url))
        sandbox.set_up()
        sandbox.close()
    assert (tmp_path / "ledger.sqlite").stat().st_size > 0
