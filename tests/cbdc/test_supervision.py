"""Supervision: the journal folded into figures, an independent count of the supply, alerts; no writing."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.errors import TengeError
from cbdc.keys import SoftwareKey
from cbdc.money import tenge
from cbdc.ports import ManualClock
from cbdc.supervision import Figures, Supervisor
from cbdc.system import System
from cbdc.token import CANTEEN, MERCHANT, PUPIL, TREASURY_ACCOUNT, KeyLock, Token
from cbdc.transaction import (
    SETTLE_LOSS,
    SETTLE_RECOVER,
    SETTLE_REDEEM,
    SETTLE_REFUND,
    LoadOffline,
    ReleaseMark,
    RotateKey,
    SettleOffline,
    sign_transaction,
)
from cbdc.treasury import Voucher
from tests.cbdc.institutions import START, buy, ident, key, make_system, pay, person, stock
from tests.cbdc.rows_clauses import MONEY, PAID
from tests.cbdc.scene import HELD, Row, scene
from tests.cbdc.test_rules import ROWS


@pytest.fixture
def system() -> System:
    made = make_system()
    stock(made)
    return made


def settle(system: System, kind: int, source: bytes, to: bytes, amount: int, name: str) -> None:
    """Book one fact of offline life; change stays with the source."""
    owned = [(identity, token.amount_tiyn) for identity, token in system.ledger.owned(source)]
    total = sum(held for _, held in owned)
    outputs = [Token(amount, KeyLock(to))]
    if total > amount:
        outputs.append(Token(total - amount, KeyLock(source)))
    record = SettleOffline(
        ident(name)[:16], kind, ident(name), tuple(identity for identity, _ in owned), tuple(outputs)
    )
    system.ledger.submit(sign_transaction(record, system.network, [key("settle")]).encode())


def load(system: System, signer: SoftwareKey, amount: int) -> None:
    """Take money offline."""
    owned = system.ledger.owned(signer.public.kid)
    total = sum(token.amount_tiyn for _, token in owned)
    outputs = [Token(amount, KeyLock(system.escrow_kid)), Token(total - amount, KeyLock(signer.public.kid))]
    record = LoadOffline(bytes(16), tuple(i for i, _ in owned), tuple(outputs), ident("device"), 1)
    system.ledger.submit(sign_transaction(record, system.network, [signer]).encode())


def test_supply_is_counted_three_times(system: System) -> None:
    person(system, "aigerim")
    buy(system, "aigerim", tenge(10))
    assert system.supervise() == []
    figures = system.supervisor.figures
    assert figures.counted_tiyn == figures.outstanding_tiyn == tenge(1_000_000)
    assert figures.gauge()["wallets_tiyn"] == tenge(10)
    assert figures.issued_by_party == {1: tenge(1_000_000)}
    assert figures.held_by_bank_tiyn == {1: tenge(10)}
    assert figures.entries == system.ledger.size


def test_a_table_that_does_not_add_up_is_an_alert(system: System) -> None:
    supervisor = system.supervisor
    supervisor.read()
    supply = system.ledger.supply()
    wrong = replace(supply, wallets_tiyn=5, issued_tiyn=supply.issued_tiyn + 5)
    assert [(alert.text, alert.amount_tiyn) for alert in supervisor.check(wrong)] == [
        ("the ledger's issued_tiyn", 5),
        ("the ledger's wallets_tiyn", 5),
    ]
    assert [alert.text for alert in supervisor.check(supply, supply.issued_tiyn - 1)] == [
        "the books' circulation"
    ]
    supervisor.figures.held_tiyn["wallets"] += 1
    assert [alert.kind for alert in supervisor.check(supply)] == ["does not add up"] * 2


def test_payments_sales_and_purchases_are_told_apart(system: System) -> None:
    aigerim = person(system, "aigerim")
    shop = person(system, "shop", bank_id=2, category=MERCHANT, tier=4)
    buy(system, "aigerim", tenge(500))
    system.ledger.submit(pay(system, aigerim, shop.public.kid, tenge(200)).encode())
    clock = system.clock
    assert isinstance(clock, ManualClock)
    clock.advance(86_400)
    system.ledger.submit(pay(system, aigerim, shop.public.kid, tenge(100), b"2" * 16).encode())
    system.banks[2].defund(pay(system, shop, system.banks[2].inventory_kid, tenge(50)).encode())
    system.banks[1].redeem_surplus(ident("surplus"), tenge(7))
    figures = system.supervisor.read()
    assert (figures.payments, figures.paid_tiyn) == (2, tenge(300))
    day = system.genesis.policy.day(START)
    assert figures.paid_by_day_tiyn == {day: tenge(200), day + 1: tenge(100)}
    assert figures.payments_by_day == {day: 1, day + 1: 1}
    assert figures.sold_by_bank_tiyn == {1: tenge(500)}
    assert figures.bought_by_bank_tiyn == {2: tenge(50)}
    assert figures.redeemed_by_party == {1: tenge(7)}
    assert figures.held_by_bank_tiyn == {1: tenge(200), 2: tenge(250)}
    assert figures.transactions["Transfer"] == 4
    assert figures.keys[MERCHANT] == 1
    assert system.supervise() == []


def test_a_large_payment_is_an_alert(system: System) -> None:
    aigerim = person(system, "aigerim")
    shop = person(system, "shop", category=MERCHANT, tier=4)
    buy(system, "aigerim", tenge(500))
    system.ledger.submit(pay(system, aigerim, shop.public.kid, tenge(200)).encode())
    supervisor = Supervisor(system.ledger, large_payment_tiyn=tenge(200))
    supervisor.read()
    holder = system.banks[1].customers.get(ident("aigerim")).pseudonym
    assert [(a.kind, a.subject, a.amount_tiyn) for a in supervisor.alerts()] == [
        ("large payment", holder, tenge(200))
    ]
    assert Supervisor(system.ledger).read().payments == 1


def test_freezes_seizures_and_refused_requests_are_alerts(system: System) -> None:
    aigerim = person(system, "aigerim")
    buy(system, "aigerim", tenge(500))
    holder = system.banks[1].customers.get(ident("aigerim")).pseudonym
    system.enforcement.freeze(ident("f"), holder, "order 1")
    assert system.supervisor.read().frozen == {holder: "order 1"}
    system.enforcement.seize(
        ident("s"), aigerim.public.kid, tenge(20), system.treasury.account_kid, "court 2"
    )
    system.enforcement.unfreeze(ident("u"), holder, "order 3")
    assert system.supervisor.read().frozen == {}
    system.banks[1].request_tokens(ident("r"), 5)
    system.register.refuse(ident("r"))
    alerts = [(alert.kind, alert.amount_tiyn, alert.text) for alert in system.supervisor.alerts()]
    assert alerts == [
        ("freeze", 0, "order 1"),
        ("seizure", tenge(20), "court 2"),
        ("freeze lifted", 0, "order 3"),
        ("request refused", 5, "party 1: E_REQUEST_REFUSED"),
    ]
    assert system.supervise() == []


def test_marked_money_is_followed_to_its_end(system: System) -> None:
    system.national_bank.endow(ident("taxes"), 0, tenge(1_000))
    system.treasury.order_tokens(ident("budget"), tenge(1_000))
    pupil = person(system, "pupil", category=PUPIL)
    canteen = person(system, "canteen", category=CANTEEN, tier=4)
    edges = [(TREASURY_ACCOUNT, [PUPIL]), (PUPIL, [CANTEEN])]
    mark = system.treasury.define("meals", 7, edges, START, START + 9, release_categories=[CANTEEN])
    system.treasury.distribute(ident("d"), mark, [Voucher(pupil.public.kid, tenge(100))])
    system.ledger.submit(pay(system, pupil, canteen.public.kid, tenge(60), mark=mark.oid).encode())
    owned = system.ledger.owned(canteen.public.kid)
    outputs = (
        Token(tenge(50), KeyLock(canteen.public.kid)),
        Token(tenge(10), KeyLock(canteen.public.kid), mark.oid),
    )
    release = ReleaseMark(bytes(16), tuple(i for i, _ in owned), outputs, ())
    system.ledger.submit(sign_transaction(release, system.network, [canteen]).encode())
    clock = system.clock
    assert isinstance(clock, ManualClock)
    clock.advance(10)
    system.treasury.expire(mark, [pupil.public.kid])
    figures = system.supervisor.read().marks[mark.oid]
    assert figures.label == "meals"
    assert (figures.marked_tiyn, figures.released_tiyn, figures.returned_tiyn, figures.outstanding_tiyn) == (
        tenge(100),
        tenge(50),
        tenge(40),
        tenge(10),
    )
    assert [(a.kind, a.text) for a in system.supervisor.alerts()] == [("mark returned", "meals")]
    assert system.supervise() == []


def test_offline_money_and_its_losses_are_figures(system: System) -> None:
    aigerim = person(system, "aigerim")
    kid = aigerim.public.kid
    buy(system, "aigerim", tenge(500))
    system.fund_loss_reserve(ident("loss"), tenge(100))
    load(system, aigerim, tenge(300))
    settle(system, SETTLE_REDEEM, system.escrow_kid, kid, tenge(120), "a")
    settle(system, SETTLE_LOSS, system.loss_reserve_kid, system.escrow_kid, tenge(30), "b")
    settle(system, SETTLE_RECOVER, system.escrow_kid, system.loss_reserve_kid, tenge(20), "c")
    settle(system, SETTLE_REFUND, system.escrow_kid, kid, tenge(10), "d")
    figures = system.supervisor.read()
    assert figures.loaded_offline_tiyn == tenge(300)
    assert figures.settled_tiyn == {
        "redeemed": tenge(120),
        "lost": tenge(30),
        "recovered": tenge(20),
        "refunded": tenge(10),
    }
    assert figures.loss_reserve_issued_tiyn == tenge(100)
    assert figures.held_tiyn["escrow"] == tenge(180)
    assert [(a.kind, a.amount_tiyn) for a in system.supervisor.alerts()] == [("offline loss", tenge(30))]
    assert system.supervise() == []


def test_a_rotated_key_is_the_same_holder(system: System) -> None:
    aigerim, new = person(system, "aigerim"), key("aigerim 2")
    buy(system, "aigerim", tenge(500))
    record = RotateKey(bytes(16), aigerim.public.kid, new.public.algorithm, new.public.raw)
    system.ledger.submit(sign_transaction(record, system.network, [aigerim, new, key("bank-1")]).encode())
    system.ledger.submit(pay(system, aigerim, new.public.kid, tenge(500)).encode())
    assert system.supervisor.read().payments == 0
    assert system.supervise() == []


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 60_000)), max_size=12))
def test_two_supervisors_agree_however_they_read(moves: list[tuple[int, int, int]]) -> None:
    system = make_system()
    stock(system, amount_tiyn=tenge(1_000))
    keys = [person(system, f"p{number}", deposit_tiyn=tenge(500)) for number in range(4)]
    steady = Supervisor(system.ledger)
    for place, (payer, payee, amount) in enumerate(moves):
        buy(system, f"p{payer}", amount, sale=f"sale {place}")
        try:
            transfer = pay(
                system, keys[payer], keys[payee].public.kid, amount // 2 + 1, place.to_bytes(16, "big")
            )
            system.ledger.submit(transfer.encode())
        except TengeError:
            pass
        steady.read()
        assert steady.check(system.ledger.supply()) == []
    steady.read()
    late = Supervisor(system.ledger)
    assert late.read() == steady.figures
    assert late.alerts() == steady.alerts()


class _Rows:
    """A scene's ledger after a row, as the journal of a supervisor."""

    def __init__(self, row: Row) -> None:
        world = scene()
        world.submit(row.build(world))
        self.ledger = world.ledger

    def figures(self) -> Figures:
        """The fold."""
        return Supervisor(self.ledger).read()


@pytest.mark.parametrize("row", [row for row in ROWS if row.code is None], ids=lambda row: row.name)
def test_what_got_a_mark_is_what_lost_it_and_what_is_marked(row: Row) -> None:
    made = _Rows(row)
    for mark, figures in made.figures().marks.items():
        assert figures.came_tiyn == figures.went_tiyn + figures.outstanding_tiyn
        assert figures.outstanding_tiyn == made.ledger.marked_tiyn(mark)


@pytest.mark.parametrize(
    ("name", "fact", "amount"),
    [
        ("mark_ends_at_the_canteen", "dropped_tiyn", PAID),
        ("a_share_goes_on_as_tax", "passed_on_tiyn", PAID * 3 // 25),
        ("act_frees_its_part", "released_tiyn", MONEY * 9 // 10),
        ("mark_converts_on_redemption", "converted_tiyn", HELD["escrow_meals"]),
        ("marked_loss_is_recovered_as_free_money", "recovered_tiyn", HELD["escrow_meals"]),
    ],
)
def test_where_a_mark_went_is_told(name: str, fact: str, amount: int) -> None:
    row = next(row for row in ROWS if row.name == name)
    marks = _Rows(row).figures().marks.values()
    assert sum(getattr(figures, fact) for figures in marks) == amount
