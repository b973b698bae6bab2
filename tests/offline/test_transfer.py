"""Exchanges between devices, both flows: cuts, repeats, strangers, gossip (P1, P3, P8, T1 to T5, T7, V5)."""

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from cbdc.errors import Malformed, Refused
from cbdc.money import tenge
from cbdc.token import MERCHANT, PUPIL
from offline.device import Device
from offline.element_rules import offer_hash
from offline.host_store import MemoryHostStore
from offline.messages import Commit, Draft, Hello, Offer, Request, open_message
from offline.opened import open_for_attack
from offline.transfer import CONFIRM, DONE, PAID, PayeeSession, PayerSession
from tests.offline.bench import Bench
from tests.offline.shop import refused

LIMIT = 1 << 19


class Pair:
    """A payer with 5,000 tenge, a payee, and one session each; `near` chooses flow I."""

    def __init__(self, near: bool, amount: int = tenge(1_000)) -> None:
        self.near = near
        self.amount = amount
        self.bench = Bench("transfer")
        self.payer = self.bench.device("payer", attacks_allowed=True)
        self.payee = self.bench.device("payee", category=MERCHANT)
        self.bench.load(self.payer, tenge(5_000))
        self.begin()

    def begin(self) -> None:
        self.asking = PayeeSession(self.payee, b"s" * 16, self.amount, 0, self.near)
        self.paying = PayerSession(self.payer)

    @property
    def now(self) -> int:
        return self.bench.now

    def until_confirm(self) -> None:
        answers = self.paying.receive(self.asking.start(self.now), self.now)
        if self.near:
            (draft,) = self.asking.receive(answers[0], self.now)
            assert self.paying.receive(draft, self.now) == []
        else:
            assert answers == []
        assert self.paying.state == CONFIRM

    def finish(self) -> None:
        (receipt,) = self.asking.receive(self.paying.confirm(self.now), self.now)
        assert self.paying.receive(receipt, self.now) == []

    def balances(self) -> tuple[int, int]:
        return self.payer.balance_tiyn(self.now), self.payee.balance_tiyn(self.now)

    def check_paid_once(self) -> None:
        assert self.balances() == (tenge(5_000) - self.amount, self.amount)
        assert self.payer.status(self.now).totals.out_count == 1
        assert self.payee.status(self.now).totals.in_count == 1

    def check_untouched(self) -> None:
        assert self.balances() == (tenge(5_000), 0)


@pytest.fixture(params=[False, True], ids=["flow Q", "flow I"])
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(request.param)


def opened(pair: Pair, data: bytes) -> Any:
    return open_message(data, pair.bench.world.network, LIMIT)


# --- the whole way ---


def test_a_whole_exchange(pair: Pair) -> None:
    pair.until_confirm()
    assert (pair.paying.amount_tiyn, pair.paying.purpose) == (tenge(1_000), 0)
    assert pair.paying.payee == pair.payee.certificate
    pair.check_untouched()
    pair.finish()
    assert (pair.asking.state, pair.paying.state) == (DONE, DONE)
    pair.check_paid_once()
    assert pair.asking.receipt is not None
    assert pair.payer.receipt_got(pair.asking.receipt.record.invoice) == pair.asking.receipt


def test_the_critical_message_of_flow_i_is_small() -> None:
    pair = Pair(near=True)
    pair.until_confirm()
    assert len(pair.paying.confirm(pair.now)) < 340


def test_commits_of_several_parts(pair: Pair) -> None:
    pair.bench.load(pair.payer, tenge(300))
    pair.amount = tenge(5_300)
    pair.begin()
    pair.until_confirm()
    pair.finish()
    assert pair.balances() == (0, tenge(5_300))


def test_two_coins_of_one_line_make_one_offered_token() -> None:
    pair = Pair(near=True)
    shop = pair.bench.device("shop", category=MERCHANT)
    pair.bench.hand_over(pair.payer, shop, tenge(100))
    pair.bench.hand_over(pair.payer, shop, tenge(200))
    offer = pair.payer.offer(tenge(4_700), 0, 8, 24_000, pair.now)
    assert len(pair.payee.consider(offer, tenge(4_700), 0, pair.now).tokens) == 1


# --- T1 to T5: each message is lost once ---


def test_t1_t2_what_is_lost_before_the_commit_changes_nothing(pair: Pair) -> None:
    first = pair.asking.start(pair.now)
    assert pair.asking.start(pair.now) == first
    answers = pair.paying.receive(first, pair.now)
    assert pair.paying.receive(first, pair.now) == answers
    pair.check_untouched()
    if pair.near:
        (draft,) = pair.asking.receive(answers[0], pair.now)
        assert pair.asking.receive(answers[0], pair.now) == [draft]
        pair.check_untouched()
        pair.paying.receive(draft, pair.now)
        pair.paying.receive(draft, pair.now)
    pair.finish()
    pair.check_paid_once()


def test_t3_t4_a_lost_payment_is_sent_again(pair: Pair) -> None:
    pair.until_confirm()
    lost = pair.paying.confirm(pair.now)
    assert pair.paying.state == PAID
    assert pair.balances() == (tenge(4_000), 0)
    again = pair.paying.confirm(pair.now + 60)
    assert again == lost
    (receipt,) = pair.asking.receive(again, pair.now)
    pair.paying.receive(receipt, pair.now)
    pair.check_paid_once()


def test_t5_a_lost_receipt_is_given_again(pair: Pair) -> None:
    pair.until_confirm()
    payment = pair.paying.confirm(pair.now)
    (lost,) = pair.asking.receive(payment, pair.now)
    assert pair.asking.receive(payment, pair.now) == [lost]
    pair.paying.receive(lost, pair.now)
    assert pair.paying.receive(lost, pair.now) == []
    pair.check_paid_once()


def test_t4_the_payer_dies_after_the_commit_and_brings_the_payment_later(pair: Pair) -> None:
    pair.until_confirm()
    pair.paying.confirm(pair.now)
    assert pair.paying.invoice is not None
    payer = pair.bench.restart("payer")
    session, payment = PayerSession.resume(payer, pair.paying.invoice.oid)
    (receipt,) = pair.asking.receive(payment, pair.now)
    assert session.receive(receipt, pair.now) == []
    assert session.state == DONE
    pair.payer = payer
    pair.check_paid_once()


def test_t4_the_payee_dies_and_takes_the_whole_payment_after(pair: Pair) -> None:
    pair.until_confirm()
    message = pair.paying.confirm(pair.now)
    pair.payee = pair.bench.restart("payee")
    pair.asking = PayeeSession(pair.payee, b"s" * 16, pair.amount, 0, pair.near)
    assert pair.asking.invoice == pair.paying.invoice
    if pair.near:
        with refused("E_SESSION"):
            pair.asking.receive(message, pair.now)
    assert pair.paying.invoice is not None
    (receipt,) = pair.asking.receive(pair.payer.resend(pair.paying.invoice.oid), pair.now)
    assert pair.asking.receive(message, pair.now) == [receipt]
    pair.check_paid_once()


def test_an_expired_invoice_sends_the_late_payment_to_the_inbox(pair: Pair) -> None:
    pair.until_confirm()
    payment = pair.paying.confirm(pair.now)
    with refused("E_INVOICE_UNKNOWN"):
        pair.asking.receive(payment, pair.now + 1_201)
    assert len(pair.payee.inbox()) == 1
    assert pair.balances() == (tenge(4_000), 0)


def test_p6_an_expired_invoice_is_not_paid(pair: Pair) -> None:
    pair.until_confirm()
    with refused("E_INVOICE_EXPIRED"):
        pair.paying.confirm(pair.now + 601)
    pair.check_untouched()


# --- T7: two exchanges at once, messages in any order ---


def test_t7_messages_of_two_exchanges_do_not_mix(pair: Pair) -> None:
    other = pair.bench.device("other", category=MERCHANT)
    second = Pair.__new__(Pair)
    second.near, second.amount, second.bench = pair.near, tenge(700), pair.bench
    second.payer, second.payee = pair.bench.device("second payer"), other
    pair.bench.load(second.payer, tenge(5_000))
    second.asking = PayeeSession(other, b"t" * 16, tenge(700), 0, pair.near)
    second.paying = PayerSession(second.payer)
    messages: list[bytes] = []
    for one in (pair, second):
        first = one.asking.start(one.now)
        messages.append(first)
        answers = one.paying.receive(first, one.now)
        if one.near:
            (draft,) = one.asking.receive(answers[0], one.now)
            messages += [answers[0], draft]
            one.paying.receive(draft, one.now)
        payment = one.paying.confirm(one.now)
        messages.append(payment)
        (receipt,) = one.asking.receive(payment, one.now)
        messages.append(receipt)
        one.paying.receive(receipt, one.now)
    for session in (pair.asking, pair.paying, second.asking, second.paying):
        for message in (*messages, *messages[::-1]):
            try:
                session.receive(message, pair.now)
            except (Refused, Malformed):
                continue
    pair.check_paid_once()
    second.check_paid_once()


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_t7_payments_of_one_payer_in_any_order(order: tuple[int, ...]) -> None:
    bench = Bench("orders")
    payer, payee = bench.device("payer"), bench.device("payee", category=MERCHANT)
    bench.load(payer, tenge(5_000))
    invoices = [bench.invoice(payee, tenge(100 + number)) for number in range(3)]
    payments = [payer.pay(invoice, payee.certificate, bench.now) for invoice in invoices]
    for place in (*order, *order):
        payee.receive(payments[place], invoices[place], bench.now)
    assert payee.balance_tiyn(bench.now) == tenge(303)
    assert payee.status(bench.now).totals.in_count == 3


# --- what does not belong ---


def test_nothing_is_paid_before_the_person_agrees(pair: Pair) -> None:
    with refused("E_SESSION"):
        pair.paying.confirm(pair.now)
    with refused("E_PAYMENT_UNKNOWN"):
        PayerSession.resume(pair.payer, b"\0" * 32)


def test_t12_messages_at_the_wrong_side_or_time(pair: Pair) -> None:
    first = pair.asking.start(pair.now)
    fresh = PayeeSession(pair.payee, b"f" * 16, 1, 0, pair.near)
    with refused("E_SESSION"):
        pair.asking.receive(first, pair.now)
    pair.until_confirm()
    payment = pair.paying.confirm(pair.now)
    with refused("E_SESSION"):
        pair.paying.receive(payment, pair.now)
    with refused("E_SESSION"):
        fresh.receive(payment, pair.now)
    pair.asking.receive(payment, pair.now)
    pair.check_paid_once()


def test_a_session_talks_to_one_peer(pair: Pair) -> None:
    other = PayeeSession(pair.payee, b"o" * 16, tenge(1), 0, pair.near)
    pair.paying.receive(pair.asking.start(pair.now), pair.now)
    with refused("E_SESSION"):
        pair.paying.receive(other.start(pair.now), pair.now)


def test_a_finished_session_begins_nothing_new(pair: Pair) -> None:
    pair.until_confirm()
    pair.paying.confirm(pair.now)
    assert pair.paying.invoice is not None
    session, _ = PayerSession.resume(pair.payer, pair.paying.invoice.oid)
    with refused("E_SESSION"):
        session.receive(pair.asking.start(pair.now), pair.now)
    if not pair.near:
        with refused("E_SESSION"):
            hello = PayeeSession(pair.payee, b"h" * 16, 1, 0, near=True).start(pair.now)
            session.receive(hello, pair.now)


def test_a_receipt_for_another_payment_is_not_taken(pair: Pair) -> None:
    receipt = pair.bench.hand_over(pair.payer, pair.payee, tenge(1))
    pair.until_confirm()
    with refused("E_SESSION"):
        pair.paying.receive(receipt.encode(), pair.now)


def near_pair() -> Pair:
    return Pair(near=True)


CHANGES: list[tuple[str, Callable[[Draft, Pair], Draft]]] = [
    ("E_SESSION", lambda draft, pair: replace(draft, session=b"x" * 16)),
    (
        "E_SESSION",
        lambda draft, pair: replace(draft, invoice=pair.payee.invoice(b"i", tenge(1_000), 0, pair.now)),
    ),
    (
        "E_SESSION",
        lambda draft, pair: replace(
            draft,
            invoice=pair.payee.invoice(b"i", tenge(1_001), 0, pair.now, offer=draft.invoice.record.offer),
        ),
    ),
]


@pytest.mark.parametrize(("code", "change"), CHANGES)
def test_a_draft_for_something_else(code: str, change: Callable[[Draft, Pair], Draft]) -> None:
    pair = near_pair()
    (offer,) = pair.paying.receive(pair.asking.start(pair.now), pair.now)
    (draft,) = pair.asking.receive(offer, pair.now)
    with refused(code):
        pair.paying.receive(change(opened(pair, draft), pair).encode(), pair.now)
    pair.paying.receive(draft, pair.now)
    pair.finish()
    pair.check_paid_once()


def test_an_invoice_signed_by_another_is_not_shown(pair: Pair) -> None:
    stranger = pair.bench.device("stranger")
    mixed = Request(stranger.invoice(b"i", 100, 0, pair.now), pair.payee.certificate)
    with refused("E_PAYEE"):
        PayerSession(pair.payer).receive(mixed.encode(), pair.now)


def test_a_stranger_sees_no_history() -> None:
    pair = near_pair()
    pair.payer.trust([pair.bench.world.make_trust(2, revoked_kids=(pair.payee.kid[:16],))])
    with refused("E_REVOKED"):
        pair.paying.receive(pair.asking.start(pair.now), pair.now)
    abroad = Bench("abroad").device("abroad")
    hello = PayeeSession(abroad, b"a" * 16, 1, 0, near=True).start(pair.now)
    with refused("E_CA"):
        PayerSession(pair.payer).receive(hello, pair.now)


def test_p24_offers_that_do_not_suffice() -> None:
    pair = near_pair()
    pair.asking.start(pair.now)
    good = pair.payer.offer(tenge(1_000), 0, 8, 24_000, pair.now)
    small = PayeeSession(pair.payee, b"b" * 16, tenge(5_001), 0, near=True)
    for session, offer, code in (
        (pair.asking, Offer(b"x" * 16, good, 1, ()), "E_SESSION"),
        (small, Offer(b"b" * 16, good, 1, ()), "E_OFFER"),
        (PayeeSession(pair.payee, b"q" * 16, 1, 0), Offer(b"q" * 16, good, 1, ()), "E_SESSION"),
    ):
        with refused(code):
            session.receive(offer.encode(), pair.now)


def test_offers_that_name_what_they_do_not_show() -> None:
    pair = near_pair()
    from cbdc import canonical

    decoded: Any = canonical.decode(pair.payer.offer(tenge(1_000), 0, 8, 24_000, pair.now))
    bundle, picks = decoded
    for bad in ([[b"\1" * 32, 0]], [[picks[0][0], 1]], [*picks, *picks], []):
        with refused("E_OFFER"):
            pair.payee.consider(canonical.encode([bundle, bad]), tenge(1_000), 0, pair.now)
    with refused("E_CATEGORY"):
        pupil = pair.bench.device("pupil", category=PUPIL)
        pair.bench.load(pupil, 100, purpose=7, max_hops=2)
        pair.payee.consider(pupil.offer(100, 7, 8, 24_000, pair.now), 100, 7, pair.now)
    with refused("E_OFFER"):
        pair.payee.consider(canonical.encode([bundle, picks]), tenge(1_000), 7, pair.now)


def test_a_second_offer_after_the_draft_is_refused() -> None:
    pair = near_pair()
    (offer,) = pair.paying.receive(pair.asking.start(pair.now), pair.now)
    pair.asking.receive(offer, pair.now)
    pair.bench.load(pair.payer, tenge(1_000))
    other = Offer(b"s" * 16, pair.payer.offer(tenge(1_000), 0, 8, 24_000, pair.now), 1, ())
    with refused("E_SESSION"):
        pair.asking.receive(other.encode(), pair.now)


def test_p24_the_invoice_pays_the_offer_it_was_made_for() -> None:
    pair = near_pair()
    offer = pair.payer.offer(tenge(1_000), 0, 8, 24_000, pair.now)
    bound = pair.payee.invoice(b"i", tenge(1_000), 0, pair.now, offer=offer_hash(offer))
    with refused("E_OFFER"):
        pair.payer.pay(bound, pair.payee.certificate, pair.now)
    free = pair.payee.invoice(b"j", tenge(1_000), 0, pair.now)
    with refused("E_OFFER"):
        pair.payer.pay(free, pair.payee.certificate, pair.now, offer)
    pair.payer.pay(bound, pair.payee.certificate, pair.now, offer)


def test_x26_a_double_spender_is_caught_at_the_offer() -> None:
    pair = near_pair()
    store = MemoryHostStore()
    store.write(pair.payer.kid, dict(pair.bench.stores["payer"].read(pair.payer.kid)))
    element: Any = pair.payer.element
    twin = Device(open_for_attack(element, "spend twice"), store)
    carrier = pair.bench.device("carrier")
    pair.bench.hand_over(twin, carrier, tenge(5_000))
    pair.bench.hand_over(carrier, pair.payee, tenge(5_000))
    middle = pair.bench.device("middle")
    pair.bench.hand_over(pair.payer, middle, tenge(5_000))
    session = PayerSession(middle)
    (offer,) = session.receive(pair.asking.start(pair.now), pair.now)
    with refused("E_DOUBLE_SPEND"):
        pair.asking.receive(offer, pair.now)
    assert len(pair.payee.evidence()) == 1


def test_a_commit_that_is_not_what_was_offered() -> None:
    pair = near_pair()
    pair.until_confirm()
    commit: Commit = opened(pair, pair.paying.confirm(pair.now))
    attacker = open_for_attack(pair.payer.element, "change the commit")  # type: ignore[arg-type]
    (honest,) = commit.transfers
    foreign = attacker.sign_anything(replace(honest.record, reference=b"\1" * 32))
    with refused("E_SESSION"):
        pair.asking.receive(Commit((foreign,)).encode(), pair.now)
    elsewhere = attacker.sign_anything(replace(honest.record, previous=b"\1" * 32))
    with refused("E_LINK"):
        pair.asking.receive(Commit((elsewhere,)).encode(), pair.now)
    assert pair.payee.inbox() == []
    partial = attacker.sign_anything(replace(honest.record, parts=2))
    with refused("E_PARTS"):
        pair.asking.receive(Commit((partial,)).encode(), pair.now)
    assert [code for code, _ in pair.payee.inbox()] == ["E_PARTS"]
    pair.asking.receive(Commit((honest,)).encode(), pair.now)
    pair.check_paid_once()


# --- gossip (V5) ---


@pytest.mark.parametrize("newer", ["payer", "payee"])
def test_the_newer_trust_list_passes_on(newer: str) -> None:
    pair = near_pair()
    fresh = pair.bench.world.make_trust(2, base_sequence=1)
    (pair.payer if newer == "payer" else pair.payee).trust([fresh])
    pair.until_confirm()
    pair.finish()
    assert pair.payer.trust_view.sequence == pair.payee.trust_view.sequence == 2
    pair.check_paid_once()


def test_v5_a_revocation_that_the_payer_brings_counts_against_it() -> None:
    pair = near_pair()
    (offer,) = pair.paying.receive(pair.asking.start(pair.now), pair.now)
    message: Offer = opened(pair, offer)
    against = pair.bench.world.make_trust(2, revoked_kids=(pair.payer.kid[:16],))
    with refused("E_REVOKED"):
        pair.asking.receive(replace(message, chain=(against,)).encode(), pair.now)
    assert pair.payee.trust_view.sequence == 2


# --- messages ---


def test_messages_are_read_as_they_were_written() -> None:
    pair = near_pair()
    hello = pair.asking.start(pair.now)
    (offer,) = pair.paying.receive(hello, pair.now)
    (draft,) = pair.asking.receive(offer, pair.now)
    pair.paying.receive(draft, pair.now)
    commit = pair.paying.confirm(pair.now)
    request = PayeeSession(pair.payee, b"r" * 16, 1, 0).start(pair.now)
    kinds: dict[bytes, Any] = {hello: Hello, offer: Offer, draft: Draft, commit: Commit, request: Request}
    for data, kind in kinds.items():
        message = opened(pair, data)
        assert isinstance(message, kind)
        assert message.encode() == data
        for cut in range(0, len(data), 7):
            with pytest.raises(Malformed):
                opened(pair, data[:cut])


@pytest.mark.parametrize(
    "data",
    [b"\x90", b"\x91\x63", b"\x91\xa1x", b"\x92\x24\x90", b"\x91\x20", b"\x93\x24\x90\x90", b"\x01"],
)
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(Malformed):
        open_message(data, b"\0" * 8, LIMIT)
