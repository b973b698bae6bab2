"""What the cast does online: ids, orders of answers, batches that are repeated and batches that are too big for one."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.marks import MarkDefinition
from cbdc.money import tenge
from cbdc.ports import ManualClock
from cbdc.record import Signed
from cbdc.token import CANTEEN, MERCHANT, PERSON, PUPIL, TREASURY_ACCOUNT
from wallets import desk as desk_module
from wallets import wallet as wallet_module
from wallets.cast import Member, SandboxPlan
from wallets.desk import Answers, Desk, derived
from wallets.sandbox import DEFAULT_START, REGISTER, Sandbox
from wallets.wallet import Payee, send

ONE, TWO, THREE = (derived(number) for number in range(3))


class Town:
    """Two banks with money, three persons with deposits (the third at the other bank), a shop, and meal money."""

    def __init__(self) -> None:
        banks = (("first", "First Bank", tenge(100_000)), ("second", "Second Bank", tenge(100_000)))
        self.sandbox = Sandbox.open(
            SandboxPlan(
                7, ManualClock(DEFAULT_START), banks=banks, budget_bank="first", budget_tiyn=tenge(10_000)
            )
        )
        self.sandbox.set_up()
        self.desk: Desk = self.sandbox.desk
        self.first = self.group("first-person", PERSON, "first", 2)
        self.other = self.group("other-person", PERSON, "second", 1)
        self.shop = self.group("shop", MERCHANT, "first", 1)[0]
        for bank in ("first", "second"):
            self.desk.order(bank, tenge(5_000), derived("stock", bank))

    def group(self, name: str, category: int, bank: str, count: int) -> list[Member]:
        names = [f"{name}-{number}" for number in range(count)]
        tier = 2 if category in (PERSON, PUPIL) else 4
        deposits = [tenge(1_000)] * count
        return self.sandbox.add_group(name, category, bank, tier, names, deposits, [False] * count)

    def meals(self, evidence: bool = False) -> tuple[Signed[MarkDefinition], Member, Member]:
        """A mark, a pupil with 500 tiyn of it, a canteen."""
        register = self.sandbox.system.keys.register(REGISTER).public.kid
        now = self.sandbox.clock.now()
        definition = self.sandbox.system.treasury.define(
            "meal",
            7,
            ((TREASURY_ACCOUNT, (PUPIL,)), (PUPIL, (CANTEEN,))),
            now,
            now + 86_400,
            release_categories=(CANTEEN,),
            evidence=register if evidence else b"",
        )
        pupil, canteen = (
            self.group("pupil", PUPIL, "first", 1)[0],
            self.group("canteen", CANTEEN, "first", 1)[0],
        )
        self.sandbox.budget_buys("first", 500, derived("budget buys"))
        assert codes(self.desk.give_vouchers(definition, [(pupil, 500)], derived("voucher"))) == [""]
        return definition, pupil, canteen


@pytest.fixture
def town() -> Iterator[Town]:
    made = Town()
    yield made
    made.sandbox.close()


def codes(answers: Answers) -> list[str]:
    return ["" if answer is None else answer.code for answer in answers]


def balances(*members: Member) -> list[int]:
    return [member.wallet.balance_tiyn() for member in members]


# --- ids ---


@given(
    st.lists(st.binary() | st.text() | st.integers(), max_size=4),
    st.lists(st.binary() | st.text() | st.integers(), max_size=4),
)
def test_other_parts_give_another_id(one: list[bytes | str | int], two: list[bytes | str | int]) -> None:
    def plain(parts: list[bytes | str | int]) -> list[bytes]:
        return [part if isinstance(part, bytes) else str(part).encode() for part in parts]

    assert (derived(*one) == derived(*two)) == (plain(one) == plain(two))
    assert len(derived(*one)) == 32


# --- banks ---


def test_orders_and_redemptions(town: Town) -> None:
    issued = town.sandbox.supply().issued_tiyn
    for _ in range(2):
        town.desk.order("first", 700, ONE)
    assert town.sandbox.supply().issued_tiyn == issued + 700
    with pytest.raises(Refused) as caught:
        town.desk.order("first", 701, ONE)
    assert caught.value.code == "E_ID_REUSED"
    for _ in range(2):
        assert town.desk.redeem("first", TWO) == tenge(5_000) + 700
    assert town.desk.redeem("first", THREE) == 0
    with pytest.raises(Refused) as caught:
        town.desk.order("third", 700, ONE)
    assert (caught.value.code, caught.value.facts["known"]) == ("E_BANK_NAME", "first, second")


def test_buying_at_two_banks_is_answered_in_order(town: Town) -> None:
    rows = [(town.other[0], 100), (town.first[0], 200), (town.first[1], tenge(1_001)), (town.shop, 300)]
    for _ in range(2):
        assert codes(town.desk.buy(rows, ONE)) == ["", "", "E_FUNDS_ACCOUNT", ""]
    assert balances(*town.other, *town.first, town.shop) == [100, 200, 0, 300]
    assert town.sandbox.deposit_tiyn(town.other[0]) == tenge(1_000) - 100
    assert town.desk.buy([], TWO) == []


# --- payments ---


def test_payments_are_answered_in_order_and_once(town: Town) -> None:
    town.desk.buy([(town.first[0], 500), (town.other[0], 500)], ONE)
    rows = [(town.first[0], town.shop, 300), (town.first[1], town.shop, 1), (town.other[0], None, 500)]
    for _ in range(2):
        assert codes(town.desk.pay(rows, None, TWO)) == ["", "E_FUNDS", ""]
    assert balances(town.first[0], town.other[0], town.shop) == [200, 0, 300]
    assert town.sandbox.supply().treasury_tiyn == 500
    assert town.desk.pay([], None, THREE) == []


def test_one_member_pays_twice_in_one_group(town: Town) -> None:
    payer = town.first[0]
    for id in (ONE, TWO):
        town.desk.buy([(payer, 500)], id)
    rows = [(payer, town.shop, 400), (payer, town.first[1], 400), (payer, town.shop, 400)]
    assert codes(town.desk.pay(rows, None, THREE)) == ["", "", "E_FUNDS"]
    assert balances(payer, town.shop, town.first[1]) == [200, 400, 400]


def test_who_had_too_little_stays_refused_when_the_group_is_asked_again(town: Town) -> None:
    """The first payment brings the second payer money; asked again, that must not change what was answered."""
    town.desk.buy([(town.first[0], 500)], ONE)
    rows = [(town.first[0], town.first[1], 300), (town.first[1], town.shop, 200)]
    told = [str(town.desk.pay(rows, None, TWO)[1]) for _ in range(2)]
    assert told[0] == told[1]
    assert told[0].startswith("E_FUNDS")
    assert balances(*town.first, town.shop) == [200, 300, 0]
    assert codes(town.desk.pay(rows[1:], None, THREE)) == [""], "under another id it is another payment"


def test_a_refusal_of_the_ledger_stands_at_its_place(town: Town) -> None:
    town.desk.buy([(town.first[0], 500), (town.other[0], 500)], ONE)
    known = town.sandbox.system.ledger.registered(town.first[0].wallet.kid)
    assert known is not None
    town.sandbox.system.enforcement.freeze(derived("freeze"), known.pseudonym, "case 1")
    rows = [(town.first[0], town.shop, 300), (town.other[0], town.shop, 300)]
    for _ in range(2):
        assert codes(town.desk.pay(rows, None, TWO)) == ["E_FROZEN", ""]
    assert balances(town.first[0], town.shop) == [500, 300]


# --- many tokens ---


def scatter(town: Town, member: Member, count: int) -> None:
    """The member gets so many tokens of 1 tiyn."""
    payer = town.first[0]
    town.desk.buy([(payer, count)], derived("scatter"))
    for start in range(0, count, 100):
        payees = [Payee(member.wallet.kid, 1)] * min(100, count - start)
        intent = payer.wallet.prepare_payment(derived("part", start), payees)
        sandbox = town.sandbox
        send(sandbox.store, sandbox.system.ledger, [intent], sandbox.directory, sandbox.clock)
    assert len(member.wallet.tokens()) == count


def test_merging_more_than_one_transaction_takes(town: Town) -> None:
    scatter(town, town.shop, 301)
    for _ in range(2):
        assert codes(town.desk.merge([town.shop, town.first[1]], b"", ONE)) == ["", ""]
    assert balances(town.shop) == [301]
    assert len(town.shop.wallet.tokens()) == 1


def test_selling_more_than_one_transaction_takes(town: Town) -> None:
    scatter(town, town.shop, 301)
    deposit = town.sandbox.deposit_tiyn(town.shop)
    for _ in range(2):
        assert town.desk.sell(town.shop, b"", ONE) == 301
    assert balances(town.shop) == [0]
    assert town.sandbox.deposit_tiyn(town.shop) == deposit + 301
    assert town.desk.sell(town.shop, b"", TWO) == 0


# --- marks ---


def test_vouchers_without_consent(town: Town) -> None:
    definition, pupil, _ = town.meals()
    pupil.consent = False
    given_ = town.desk.give_vouchers(definition, [(pupil, 100)], ONE)
    assert codes(given_) == ["E_CONSENT"]
    assert "pupil-0" in str(given_[0])
    assert balances(pupil) == [0]


def test_a_sale_of_marked_money_is_refused_and_the_money_stays(town: Town) -> None:
    definition, pupil, _ = town.meals()
    for _ in range(2):
        with pytest.raises(Refused) as caught:
            town.desk.sell(pupil, definition.oid, ONE)
        assert caught.value.code == "E_MARK_BLOCKS"
    assert pupil.wallet.balance_tiyn(definition.oid) == 500


def test_a_sale_that_got_no_answer_is_finished_by_asking_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.desk.buy([(town.shop, 500)], ONE)
    bank = town.sandbox.system.banks[1]
    down = Unavailable("E_STORE_UNAVAILABLE", detail="down")
    with monkeypatch.context() as patch:
        patch.setattr(bank, "buy_back", lambda transactions: [down])
        with pytest.raises(Unavailable):
            town.desk.sell(town.shop, b"", TWO)
    assert balances(town.shop) == [0], "held by the open sale"
    assert town.desk.sell(town.shop, b"", TWO) == 500
    assert town.sandbox.deposit_tiyn(town.shop) == tenge(1_000)


def test_a_release_that_asks_no_register(town: Town) -> None:
    definition, pupil, canteen = town.meals()
    town.desk.pay([(pupil, canteen, 300)], definition, ONE)
    for _ in range(2):
        assert town.desk.release(canteen, definition.oid, None, TWO, REGISTER) == 300
    assert balances(canteen) == [300]


def test_the_register_signs_for_no_more_than_it_saw(town: Town) -> None:
    definition, pupil, canteen = town.meals(evidence=True)
    town.desk.pay([(pupil, canteen, 300)], definition, ONE)
    with pytest.raises(Refused) as caught:
        town.desk.release(canteen, definition.oid, 299, TWO, REGISTER)
    assert (caught.value.code, caught.value.facts["asked_tiyn"]) == ("E_REGISTER", 300)
    with pytest.raises(Refused) as caught:
        town.desk.release(canteen, definition.oid, None, TWO, REGISTER)
    assert caught.value.code == "E_MARK_EVIDENCE"
    assert town.desk.release(canteen, definition.oid, 300, THREE, REGISTER) == 300
    assert balances(canteen) == [300]


def test_expiry_counts_what_came_back_once(town: Town) -> None:
    definition, pupil, canteen = town.meals()
    with pytest.raises(TengeError) as caught:
        town.desk.expire(definition, [pupil], ONE)
    assert caught.value.code == "E_MARK_NOT_OVER"
    town.sandbox.wait(days=2)
    for _ in range(2):
        assert town.desk.expire(definition, [pupil, canteen], TWO) == 500
    assert town.desk.expire(definition, [pupil, canteen], THREE) == 0
    assert pupil.wallet.total_tiyn() == 0
    assert town.sandbox.supply().treasury_tiyn == 500


# --- many sell at once ---


def test_many_sell_in_one_group_and_each_is_answered(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has nothing, who has too much for one transaction, whose money is marked, at two banks."""
    definition, pupil, _ = town.meals()
    scatter(town, town.shop, 301)
    town.desk.buy([(town.first[0], 70), (town.other[0], 80)], TWO)
    members = [town.first[0], pupil, town.shop, town.other[0], town.first[1]]
    deposits = [town.sandbox.deposit_tiyn(member) for member in members]
    rows = [(member, derived("sale", member.name)) for member in members]
    for size in (100, 2):
        monkeypatch.setattr(desk_module, "_SELLERS", size)
        assert town.desk.sell_each(rows, b"") == [70, 0, 301, 80, 0]
        (marked,) = town.desk.sell_each([(pupil, ONE)], definition.oid)
        assert isinstance(marked, Refused)
        assert marked.code == "E_MARK_BLOCKS"
    gained = [
        town.sandbox.deposit_tiyn(member) - before for member, before in zip(members, deposits, strict=True)
    ]
    assert gained == [70, 0, 301, 80, 0]
    assert pupil.wallet.balance_tiyn(definition.oid) == 500


def test_a_refused_sale_spoils_no_other(town: Town) -> None:
    definition, pupil, _ = town.meals()
    wallet = town.first[0]
    town.desk.buy([(wallet, 70)], TWO)
    answers = town.desk.sell_each([(pupil, ONE), (wallet, TWO)], definition.oid)
    assert [getattr(answer, "code", answer) for answer in answers] == ["E_MARK_BLOCKS", 0]
    assert town.desk.sell_each([(pupil, TWO), (wallet, THREE)], b"") == [0, 70]


def test_a_payment_of_more_than_a_group(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of three: nobody spends what the same call brings, and asking again changes nothing."""
    monkeypatch.setattr(desk_module, "GROUP", 3)
    monkeypatch.setattr(wallet_module, "GROUP", 3)
    first, second, third = town.first[0], town.first[1], town.shop
    town.desk.buy([(first, 100)], ONE)
    rows: list[tuple[Member, Member | None, int]] = [(first, second, 10)]
    rows += [(second, third, 10)] * 7
    for _ in range(2):
        answers = town.desk.pay(rows, None, TWO)
        assert codes(answers) == ["", *["E_FUNDS"] * 7]
    assert balances(first, second, third) == [90, 10, 0]
    assert codes(town.desk.pay([(second, third, 1)] * 8, None, THREE)) == ["", *["E_FUNDS"] * 7]
