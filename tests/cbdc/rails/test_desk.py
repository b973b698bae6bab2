"""Payments through the correspondent: what is refused before anything moves, answers out of order, recalls, chaos."""

from dataclasses import replace

import pytest

from cbdc.accounts import Posting, credit, debit, deposit, institution_of
from cbdc.errors import TengeError
from cbdc.ports import SeededEntropy
from cbdc.rails.correspondent import Hold
from cbdc.rails.currency import KZT, USD, money
from cbdc.rails.desk import DONE, RETURNED, SENT
from cbdc.rails.messages import CustomerTransfer, Message, Return, Status, uetr_of
from cbdc.rails.network import Copy, FaultPlan
from cbdc.rails.policy import Policy
from cbdc.rails.settlement import nostro, position, spread_income
from tests.cbdc.institutions import ident, key
from tests.cbdc.rails.scene import BOUGHT, NOON, PAYER, PLAN, STOCK, Scene, outcome_of
from tests.cbdc.rails.test_parts import code_of

NAMES = PLAN.addresses


def test_a_payment_arrives_and_every_book_says_so() -> None:
    scene = Scene()
    taken = scene.order()
    assert taken.state == SENT
    scene.check()
    scene.run()
    quote = scene.quote("one", NAMES.desk, 1_000_00)
    assert outcome_of(scene, 1_000_00, quote.asked.minor, False) == "whole"
    order = scene.corridor.desk.find(ident("one"))
    assert order is not None
    assert (order.state, order.status, order.ended_at - NOON) == (DONE, "ACCC", 240)
    assert scene.home.books.balance(position(institution_of(1), "USD")) == quote.middle.minor
    assert scene.home.books.balance(spread_income(institution_of(1))) == quote.spread_minor
    assert scene.shelves.nostro.balance(nostro(NAMES.desk, NAMES.correspondent)) == 299_000_00
    assert [seen.status for seen in scene.corridor.network.track(order.uetr)] == [
        "",
        "ACSP",
        "",
        "ACCC",
        "ACCC",
    ]


def test_the_same_order_again_is_the_same_order() -> None:
    scene = Scene()
    first = scene.order()
    assert scene.order() == first
    scene.run()
    assert scene.order().state == DONE
    message, transfer = scene.made["one"]
    take = scene.corridor.desk.take
    kid = scene.payer.public.kid
    assert code_of(lambda: take(ident("one"), message, transfer + b"x", kid)) == "E_ID_REUSED"
    scene.check_rest()


def test_the_settlement_system_is_closed_until_monday() -> None:
    friday = NOON + 3 * 86_400 + 10 * 3_600
    scene = Scene(start=friday)
    scene.order()
    scene.run(1)
    order = scene.corridor.desk.find(ident("one"))
    assert order is not None
    assert (order.state, order.status) == (SENT, "PDNG")
    scene.check()
    scene.run(4)
    ended = scene.corridor.desk.find(ident("one"))
    assert ended is not None
    opens = PLAN.calendar.next_open(friday)
    assert ended.state == DONE
    assert 0 < ended.ended_at - opens <= 240


def refused(scene: Scene, code: str, **changes: object) -> None:
    before = scene.wallet(), scene.home.ledger.size, scene.corridor.network.total
    assert code_of(lambda: scene.order(**changes)) == code
    assert (scene.wallet(), scene.home.ledger.size, scene.corridor.network.total) == before
    assert scene.corridor.desk.find(ident("one")) is None
    scene.check_rest()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"uetr": uetr_of(ident("other"))}, "E_RAILS_PARTY"),
        ({"order": "other"}, "E_RAILS_PARTY"),
        ({"debtor_bank": NAMES.exchange}, "E_RAILS_PARTY"),
        ({"contract": "unknown"}, "E_RAILS_QUOTE_UNKNOWN"),
        ({"amount": money(1_000_01, USD)}, "E_RAILS_QUOTE_UNKNOWN"),
        ({"amount": money(1_000_00, KZT)}, "E_RAILS_QUOTE_UNKNOWN"),
        ({"debtor_account": "somebody"}, "E_RAILS_COVER"),
    ],
)
def test_an_order_that_does_not_fit_is_refused(changes: dict[str, object], code: str) -> None:
    refused(Scene(), code, **changes)


def test_another_message_is_no_order() -> None:
    scene = Scene()
    quote = scene.quote("one", NAMES.desk, 1_000_00)
    body = Status("M1", NOON, "M0", "pacs.008.001.08", "E1", uetr_of(ident("one")), "ACCC")
    message = Message("acc000001", NAMES.desk, body).encode()
    transfer = scene.transfer("one", quote.asked.minor)
    take = scene.corridor.desk.take
    assert code_of(lambda: take(ident("one"), message, transfer, scene.payer.public.kid)) == "E_RAILS_PARTY"


def test_a_quote_of_another_dealer_is_none() -> None:
    scene = Scene()
    quote = scene.quote("one", NAMES.maker, 1_000_00)
    message = scene.initiation("one", NAMES.desk, quote)
    transfer = scene.transfer("one", quote.asked.minor)
    take = scene.corridor.desk.take
    kid = scene.payer.public.kid
    assert code_of(lambda: take(ident("one"), message, transfer, kid)) == "E_RAILS_QUOTE_UNKNOWN"


@pytest.mark.parametrize("change", [-1, 1, -500_000_00])
def test_the_transfer_must_be_what_was_quoted(change: int) -> None:
    scene = Scene()
    quote = scene.quote("one", NAMES.desk, 1_000_00)
    message = scene.initiation("one", NAMES.desk, quote)
    scene.made["one"] = (message, scene.transfer("one", quote.asked.minor + change))
    refused(scene, "E_RAILS_COVER")


def test_the_transfer_must_go_to_the_bank() -> None:
    scene = Scene()
    quote = scene.quote("one", NAMES.desk, 1_000_00)
    message = scene.initiation("one", NAMES.desk, quote)
    payee = scene.home.keys.get("market maker").public.kid
    scene.made["one"] = (message, scene.transfer("one", quote.asked.minor, payee))
    refused(scene, "E_RAILS_COVER")


def test_the_money_comes_back_to_the_debtor_only() -> None:
    scene = Scene()
    quote = scene.quote("one", NAMES.desk, 1_000_00)
    message, transfer = scene.initiation("one", NAMES.desk, quote), scene.transfer("one", quote.asked.minor)
    maker = scene.home.keys.get("market maker").public.kid
    take = scene.corridor.desk.take
    assert code_of(lambda: take(ident("one"), message, transfer, maker)) == "E_RAILS_COVER"
    assert (
        code_of(lambda: take(ident("one"), message, transfer, key("nobody").public.kid)) == "E_CUSTOMER_KEY"
    )


def test_the_nostro_must_cover() -> None:
    refused(Scene(replace(PLAN, nostro_minor=999_99)), "E_RAILS_NOSTRO")


def test_an_expired_quote() -> None:
    scene = Scene()
    scene.quote("one", NAMES.desk, 1_000_00)
    scene.clock.advance(PLAN.quote_seconds + 1)
    refused(scene, "E_RAILS_QUOTE_EXPIRED")
    scene.corridor.desk.policy = Policy(quote=False)
    assert scene.order().state == SENT


def test_a_transfer_that_the_ledger_refuses_ends_the_order() -> None:
    scene = Scene()
    quote = scene.quote("one", NAMES.desk, 1_000_00)
    scene.made["one"] = (scene.initiation("one", NAMES.desk, quote), scene.transfer("one", quote.asked.minor))
    scene.home.ledger.submit(scene.transfer("spent", 5, scene.home.keys.get("market maker").public.kid))
    with pytest.raises(TengeError) as caught:
        scene.order()
    assert caught.value.code == "E_TOKEN_SPENT"
    assert code_of(scene.order) == "E_RAILS_ORDER_REFUSED"
    assert scene.run() == 0
    scene.check_rest()


# --- answers that come when they like ---


def deliver(scene: Scene, sender: str, receiver: str, body: object) -> None:
    """A copy arrives that the network never carried, such as from an insider of it."""
    data = Message(sender, receiver, body).encode()  # type: ignore[arg-type]
    member = next(one for one in scene.corridor.members if one.bic == receiver)
    member.handle(Copy(ident(f"forged {data!r}"), scene.clock.now(), 0, receiver, data))


def original(name: str = "one") -> tuple[str, str, str, str]:
    return "M0", "pacs.008.001.08", "E1", uetr_of(ident(name))


@pytest.mark.parametrize(
    "body",
    [
        Status("M1", NOON, *original(), "RJCT", "AC01"),
        Return("M1", NOON, *original(), money(1_000_00, USD), 20_000, "AC01"),
        Return("M1", NOON, *original(), money(999_00, USD), 20_000, "AC01"),
        Status("M1", NOON, *original("nobody's"), "ACCC"),
    ],
)
def test_a_second_end_changes_nothing(body: object) -> None:
    scene = Scene()
    scene.order()
    scene.run()
    before = scene.wallet(), scene.payee_deposit(), scene.home.books.balances()
    deliver(scene, NAMES.correspondent, NAMES.desk, body)
    assert (scene.wallet(), scene.payee_deposit(), scene.home.books.balances()) == before
    assert scene.corridor.desk.strangers() == 1


def test_old_news_after_the_end_is_no_news() -> None:
    scene = Scene()
    scene.order()
    scene.run()
    for status in ("PDNG", "ACSP", "ACCC"):
        deliver(scene, NAMES.correspondent, NAMES.desk, Status("M1", NOON, *original(), status))
    order = scene.corridor.desk.find(ident("one"))
    assert order is not None
    assert (order.state, order.status) == (DONE, "ACCC")
    assert scene.corridor.desk.strangers() == 0


def test_only_the_correspondent_answers_and_only_for_its_payments() -> None:
    scene = Scene()
    scene.order()
    deliver(scene, NAMES.payees_bank, NAMES.desk, Status("M1", NOON, *original(), "ACCC"))
    assert scene.corridor.desk.find(ident("one")).state == SENT  # type: ignore[union-attr]
    deliver(scene, NAMES.desk, NAMES.correspondent, Status("M1", NOON, *original(), "ACCC"))
    scene.run()
    quote = scene.quote("one", NAMES.desk, 1_000_00)
    assert outcome_of(scene, 1_000_00, quote.asked.minor, False) == "whole"


def transfer_body(scene: Scene, name: str, **changes: object) -> CustomerTransfer:
    body = CustomerTransfer(
        "M1",
        NOON,
        "E1",
        uetr_of(ident(name)),
        money(7_00, USD),
        20_000,
        "Alem",
        "acc00001",
        NAMES.desk,
        NAMES.payees_bank,
        "Acme Inc",
        scene.account,
    )
    return replace(body, **changes)


def test_a_payment_whose_money_never_came_is_not_credited() -> None:
    scene = Scene()
    deliver(scene, NAMES.correspondent, NAMES.payees_bank, transfer_body(scene, "forged"))
    scene.run()
    assert scene.payee_deposit() == 0
    scene.check_rest()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"debtor_bank": NAMES.exchange}, "AC01"),
        ({"amount": money(7_00, KZT)}, "AM03"),
        ({"creditor_bank": "NOBODYXX"}, "RC01"),
        ({"amount": money(300_000_01, USD)}, "AM04"),
    ],
)
def test_the_correspondent_judges_a_payment(changes: dict[str, object], reason: str) -> None:
    scene = Scene()
    deliver(scene, NAMES.desk, NAMES.correspondent, transfer_body(scene, "odd", **changes))
    row = scene.corridor.correspondent.find(uetr_of(ident("odd")))
    assert row is not None
    assert row.reason == reason
    scene.check_rest()


def test_the_same_uetr_with_other_content_is_put_aside() -> None:
    scene = Scene()
    scene.order()
    scene.run()
    deliver(scene, NAMES.desk, NAMES.correspondent, transfer_body(scene, "one"))
    deliver(scene, NAMES.correspondent, NAMES.payees_bank, transfer_body(scene, "one"))
    assert scene.payee_deposit() == 1_000_00
    assert scene.corridor.correspondent.strangers() == 1
    scene.run()
    scene.check_rest()


# --- recalls ---

HELD = replace(PLAN, holds={"acme inc": Hold(50_000, True)})


def test_a_held_payment_can_be_recalled() -> None:
    scene = Scene(HELD)
    scene.order()
    scene.corridor.run(NOON + 300)
    asked = scene.corridor.desk.recall(ident("one"))
    assert scene.corridor.desk.recall(ident("one")) == asked
    scene.run()
    order = scene.corridor.desk.find(ident("one"))
    assert order is not None
    assert (order.state, order.reason) == (RETURNED, "CUST")
    assert outcome_of(scene, 1_000_00, 1, False) == "undone"
    assert code_of(lambda: scene.corridor.desk.recall(ident("two"))) == "E_RAILS_PAYMENT_UNKNOWN"
    assert scene.corridor.desk.recall(ident("one")) == order, "asked and answered"


@pytest.mark.parametrize("action", ["lose", "repeat", "late", "swap", "refuse"])
@pytest.mark.parametrize("kind", ["camt.056", "camt.029", "pacs.004"])
def test_a_recall_survives_the_network(kind: str, action: str) -> None:
    from cbdc.rails.network import Fault

    ends = (NAMES.desk, NAMES.correspondent)
    sender, receiver = ends if kind == "camt.056" else ends[::-1]
    faults = FaultPlan([Fault(kind, sender, receiver, 1, action, 7_200)])
    scene = Scene(replace(HELD, faults=faults) if kind != "camt.029" else replace(PLAN, faults=faults))
    scene.order()
    scene.corridor.run(NOON + 150)
    scene.corridor.desk.recall(ident("one"))
    scene.run()
    quote = scene.quote("one", NAMES.desk, 1_000_00)
    ended = outcome_of(scene, 1_000_00, quote.asked.minor, False)
    assert ended == ("whole" if kind == "camt.029" else "undone")


def test_a_payment_that_went_on_is_not_recalled() -> None:
    scene = Scene()
    scene.order()
    scene.corridor.run(NOON + 100)
    scene.corridor.desk.recall(ident("one"), "DUPL")
    scene.run()
    order = scene.corridor.desk.find(ident("one"))
    assert order is not None
    assert (order.state, order.recall_reason) == (DONE, "ARDT")
    scene.check_rest()


def test_a_payment_that_ended_is_not_recalled() -> None:
    scene = Scene()
    scene.order()
    scene.run()
    assert code_of(lambda: scene.corridor.desk.recall(ident("one"))) == "E_RAILS_STATE"


def test_a_recall_that_overtakes_its_payment_is_refused_and_the_payment_goes_on() -> None:
    from cbdc.rails.network import Fault

    late = Fault("pacs.008", NAMES.desk, NAMES.correspondent, 1, "late", 1_000)
    scene = Scene(replace(PLAN, faults=FaultPlan([late])))
    scene.order()
    scene.corridor.desk.recall(ident("one"))
    scene.run()
    order = scene.corridor.desk.find(ident("one"))
    assert order is not None
    assert (order.state, order.recall_reason) == (DONE, "NOOR")
    scene.check_rest()


# --- chaos ---


@pytest.mark.parametrize("seed", range(6))
def test_many_payments_over_a_bad_network(seed: int) -> None:
    percent = {"lose": 20, "repeat": 15, "late": 10, "swap": 10, "refuse": 5}
    faults = FaultPlan((), percent, 20_000, SeededEntropy(seed))
    scene = Scene(replace(PLAN, faults=faults, closed=frozenset({"0" * 32})))
    for number in range(6):
        name = f"payment {number}"
        scene.order(name, 100_00, **({} if number % 3 else {"creditor_account": "f" * 32}))
        scene.corridor.run(scene.clock.now() + 600)
        scene.check()
    for number in range(3):
        scene.swap(f"swap {number}", 50_00)
        scene.corridor.run(scene.clock.now() + 600)
        scene.check()
    scene.run(30)
    scene.check_rest()
    orders = scene.corridor.desk.all()
    assert sorted(order.state for order in orders) == [DONE] * 4 + [RETURNED] * 2
    assert scene.payee_deposit() == 4 * 100_00
    asked = sum(scene.quote(f"payment {n}", NAMES.desk, 100_00).asked.minor for n in (1, 2, 4, 5))
    assert scene.wallet() == BOUGHT - asked - scene.maker_wallet()
    assert STOCK - scene.abroad.banks[1].inventory_tiyn() == scene.payee_wallet()
    assert scene.payee_wallet() % 50_00 == 0


def test_the_deposit_of_the_customer_is_untouched() -> None:
    scene = Scene()
    account = deposit(1, PAYER)
    before = scene.home.books.balance(account)
    scene.order()
    assert scene.home.books.balance(account) == before
    scene.run()
    assert scene.home.books.balance(account) == before


# --- one transfer, one order ---


def test_a_transfer_that_is_on_the_ledger_already_covers_no_order() -> None:
    scene = Scene()
    scene.order()
    quote = scene.quote("two", NAMES.desk, 100_00)
    again = scene.made["one"][1]
    take, kid = scene.corridor.desk.take, scene.payer.public.kid
    message = scene.initiation("two", NAMES.desk, quote)
    assert code_of(lambda: take(ident("two"), message, again, kid)) == "E_RAILS_COVER"
    sold = scene.transfer("sold", quote.asked.minor)
    scene.home.banks[1].defund(sold)
    assert code_of(lambda: take(ident("two"), message, sold, kid)) == "E_RAILS_COVER"
    scene.run()
    scene.check_rest()
    assert scene.payee_deposit() == 1_000_00


@pytest.mark.parametrize("short", ["deposit", "nostro"])
def test_money_that_is_spent_between_a_crash_and_the_repetition_ends_the_order(short: str) -> None:
    class Stop(BaseException):
        pass

    scene = Scene()
    bank, desk = scene.home.banks[1], scene.corridor.desk

    def stop(order: object) -> object:
        raise Stop

    desk._hold = stop  # type: ignore[method-assign, assignment]
    with pytest.raises(Stop):
        scene.order()
    if short == "deposit":
        everything = scene.home.books.balance(deposit(1, PAYER))
        bank.pay_deposit_out(ident("cash"), PAYER, everything)
    else:
        account = nostro(NAMES.desk, NAMES.correspondent)
        other = position(NAMES.desk, "KZT")
        lines = (debit(other, 300_000_00), credit(account, 300_000_00))
        scene.shelves.nostro.post(Posting(ident("elsewhere"), NOON, "elsewhere", lines))
    scene.again()
    code = {"deposit": "E_FUNDS_ACCOUNT", "nostro": "E_RAILS_NOSTRO"}[short]
    order = scene.corridor.desk.find(ident("one"))
    assert order is not None
    assert order.reason == code
    assert code_of(scene.order) == "E_RAILS_ORDER_REFUSED"
    assert scene.run() == 0
    scene.check()


def test_a_payment_of_more_than_was_settled_is_not_credited() -> None:
    scene = Scene()
    scene.order()
    scene.corridor.run(NOON + 60)
    row = scene.corridor.correspondent.find(uetr_of(ident("one")))
    assert row is not None
    more = replace(row.opened[1], amount=money(2_000_00, USD))
    deliver(scene, NAMES.correspondent, NAMES.payees_bank, more)
    assert scene.payee_deposit() == 0
    scene.run()
    assert scene.payee_deposit() == 1_000_00
    scene.check_rest()
