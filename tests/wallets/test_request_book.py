"""Requests are accepted, declined or out of time, and paid once; refunds never give back more than was paid."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.cabinet import MemoryCabinet
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.policies import PolicySet, Rule, preset
from cbdc.ports import SeededEntropy, no_checkpoint
from cbdc.token import KeyLock, Token
from cbdc.transaction import Transfer
from tests.cbdc.world import World
from wallets.refunds import RefundDesk
from wallets.request import PaymentRequest
from wallets.request_book import DECLINED, PAID, UNDER_WAY, RequestBook
from wallets.store_memory import memory_store
from wallets.wallet import Wallet, find_tokens_of

KINDS = ("request_once", "request_expiry", "refund_sum", "refund_payer")
POLICY = preset("sandbox").with_rules([Rule(kind, kind, 1) for kind in KINDS])
NAMES = ("ayan", "shop", "dana")


def without(kind: str) -> PolicySet:
    return POLICY.with_rules([rule for rule in POLICY.rules if rule.kind != kind])


def ident(name: str) -> bytes:
    return name.encode().ljust(32, b"\0")


def code(call, *arguments) -> str:  # type: ignore[no-untyped-def]
    try:
        call(*arguments)
    except TengeError as refusal:
        return refusal.code
    return "ok"


# --- requests ---


class Payer:
    """A book, and what it paid: attempts by name."""

    def __init__(self, policy: PolicySet = POLICY) -> None:
        self.world = World(name="requests")
        self.book = RequestBook("ayan", self.world.network, MemoryCabinet(), policy, self.world.clock)
        self.paid: list[bytes] = []
        self.trouble: TengeError | None = None

    def request(self, memo: str = "bill 1", expires_in: int = 100) -> PaymentRequest:
        until = self.world.clock.now() + expires_in if expires_in else 0
        return PaymentRequest(self.world.network, bytes(32), 500, memo, until)

    def _pay(self, request: PaymentRequest, attempt: bytes) -> None:
        if self.trouble is not None:
            raise self.trouble
        if attempt not in self.paid:
            self.paid.append(attempt)

    def accept(self, request: PaymentRequest, name: str = "a") -> str:
        return code(self.book.accept, request, ident(name), self._pay)


def test_a_request_is_paid_once_whatever_is_tried() -> None:
    payer = Payer()
    request = payer.request()
    assert payer.accept(request) == payer.accept(request) == "ok"
    assert payer.accept(request, "b") == "E_REQUEST_PAID"
    assert code(payer.book.decline, request) == "E_REQUEST_PAID"
    assert payer.paid == [ident("a")]
    assert payer.accept(payer.request("bill 2"), "b") == "ok"


def test_a_declined_request_stays_declined() -> None:
    payer = Payer()
    request = payer.request()
    payer.book.decline(request)
    payer.book.decline(request)
    assert payer.accept(request) == "E_REQUEST_DECLINED"
    assert payer.book.state(request) == (DECLINED, b"")


@pytest.mark.parametrize(("later", "expected"), [(100, "ok"), (101, "E_REQUEST_EXPIRED")])
def test_a_request_holds_to_its_last_second(later: int, expected: str) -> None:
    payer = Payer()
    request = payer.request()
    payer.world.clock.advance(later)
    assert payer.accept(request) == expected


def test_a_request_of_another_network_is_not_paid() -> None:
    payer = Payer(without("request_expiry"))
    assert payer.accept(PaymentRequest(bytes(8), bytes(32), 500)) == "E_REQUEST_NETWORK"


def test_what_paying_refuses_leaves_the_request_open() -> None:
    payer = Payer()
    request = payer.request()
    payer.trouble = Refused("E_FUNDS", amount_tiyn=500, available_tiyn=0)
    assert payer.accept(request) == "E_FUNDS"
    assert payer.book.state(request) == (0, b"")
    payer.trouble = None
    assert payer.accept(request, "b") == "ok"


def test_a_payment_without_an_answer_is_completed_by_the_same_attempt_only() -> None:
    payer = Payer()
    request = payer.request()
    payer.trouble = Unavailable("E_STORE_UNAVAILABLE", detail="x")
    assert payer.accept(request) == "E_STORE_UNAVAILABLE"
    payer.trouble = None
    assert payer.book.state(request) == (UNDER_WAY, ident("a"))
    assert payer.accept(request, "b") == "E_REQUEST_PAID"
    assert code(payer.book.decline, request) == "E_REQUEST_PAID"
    payer.world.clock.advance(1_000)
    assert payer.accept(request) == "ok"
    assert payer.book.state(request) == (PAID, ident("a"))


def test_rules_that_are_left_out_refuse_nothing() -> None:
    payer = Payer(without("request_once"))
    assert payer.accept(payer.request()) == "ok"
    assert payer.accept(payer.request(), "b") == "ok"
    payer = Payer(without("request_expiry"))
    request = payer.request()
    payer.world.clock.advance(1_000)
    assert payer.accept(request) == "ok"


# --- refunds ---


class Shop:
    """Ayan paid the shop 600 tiyn of his 10,000 in one transfer with 300 for Dana; the shop has 1,000 of its own."""

    def __init__(self, policy: PolicySet = POLICY) -> None:
        world = self.world = World(name="refunds")
        for name in NAMES:
            world.register(name)
        world.fund(("ayan", 10_000), ("shop", 1_000))
        self.paid = world.do(world.payment("ayan", ("shop", 600), ("dana", 300)), "ayan").id
        self.store = memory_store(no_checkpoint)
        self.wallets = {
            name: Wallet(name, world.key(name), self.store, world.ledger, SeededEntropy(7), world.clock)
            for name in NAMES
        }
        find_tokens_of(self.store, world.ledger, list(self.wallets.values()))
        directory = {world.kid(name): name for name in NAMES}
        cabinet = MemoryCabinet()
        self.desk = RefundDesk(self.store, world.ledger, cabinet, policy, directory, world.clock)

    def refund(
        self, amount_tiyn: int, name: str = "r", who: str = "shop", to: bytes = b"", of: bytes = b""
    ) -> str:
        return code(self.desk.refund, ident(name), self.wallets[who], of or self.paid, amount_tiyn, to)

    def has(self, name: str) -> int:
        owned = self.world.ledger.owned(self.world.kid(name))
        return sum(token.amount_tiyn for _, token in owned)


def test_partial_refunds_never_exceed_the_payment() -> None:
    shop = Shop()
    assert shop.refund(400, "1") == "ok"
    assert shop.refund(201, "2") == "E_REFUND_SUM"
    assert shop.refund(200, "3") == "ok"
    assert shop.refund(1, "4") == "E_REFUND_SUM"
    assert shop.has("ayan") == 10_000 - 900 + 600
    assert shop.desk.refunded_tiyn(shop.wallets["shop"], shop.paid) == 600
    # What Dana got is Dana's to refund.
    assert shop.refund(301, "5", "dana") == "E_REFUND_SUM"
    assert shop.refund(300, "6", "dana") == "ok"


def test_the_same_refund_is_paid_once() -> None:
    shop = Shop()
    assert [shop.refund(250) for _ in range(3)] == ["ok"] * 3
    assert shop.refund(251) == "E_ID_REUSED"
    assert shop.desk.refunded_tiyn(shop.wallets["shop"], shop.paid) == 250


def test_a_refund_goes_to_the_payers_present_key_and_nobody_else() -> None:
    shop = Shop()
    assert shop.refund(10, to=shop.world.kid("dana")) == "E_REFUND_PAYEE"
    shop.world.rotate("ayan", "ayan.2")
    assert shop.refund(10) == "ok"
    assert shop.has("ayan.2") == 10
    shop.world.register("ayan.3")
    assert shop.refund(10, "own", to=shop.world.kid("ayan.3")) == "ok"
    assert shop.has("ayan.3") == 10


def test_only_a_payment_of_somebody_else_is_refunded() -> None:
    shop = Shop()
    assert shop.refund(1, of=bytes(32)) == "E_REFUND_ORIGINAL"
    assert shop.refund(1, who="ayan") == "E_REFUND_ORIGINAL"
    own = shop.world.do(shop.world.payment("shop", ("shop", 100)), "shop").id
    assert shop.refund(1, of=own) == "E_REFUND_ORIGINAL"
    two = [shop.world.funds("ayan")[0], shop.world.funds("dana")[0]]
    total = sum(token.amount_tiyn for _, token in two)
    record = Transfer(
        shop.world.nonce(), tuple(i for i, _ in two), (Token(total, KeyLock(shop.world.kid("shop"))),)
    )
    joint = shop.world.do(record, "ayan", "dana").id
    assert shop.refund(1, of=joint) == "E_REFUND_ORIGINAL"


def test_a_refund_that_is_refused_is_taken_back() -> None:
    shop = Shop()
    shop.world.freeze("shop")
    assert shop.refund(100) == "E_FROZEN"
    assert shop.desk.refunded_tiyn(shop.wallets["shop"], shop.paid) == 0
    shop.world.unfreeze("shop")
    assert shop.refund(100) == "E_FROZEN", "the same refund has the same answer"
    assert shop.refund(600, "other") == "ok"


def test_refund_rules_that_are_left_out_refuse_nothing() -> None:
    assert Shop(without("refund_sum")).refund(601) == "ok"
    shop = Shop(without("refund_payer"))
    assert shop.refund(10, to=shop.world.kid("dana")) == "ok"


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 700), st.integers(0, 5)), max_size=12))
def test_no_order_of_refunds_gives_back_more_than_was_paid(wishes: list[tuple[int, int]]) -> None:
    shop = Shop()
    before = shop.has("ayan")
    for amount, name in wishes:
        shop.refund(amount, str(name))
    given_back = shop.has("ayan") - before
    assert given_back <= 600
    assert given_back == shop.desk.refunded_tiyn(shop.wallets["shop"], shop.paid)
