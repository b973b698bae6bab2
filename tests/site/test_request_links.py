"""Payment requests with a link, over HTTP: who may post, read, pay and take back; and whose word counts for nothing."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from cbdc import canonical, request_board
from cbdc.errors import TengeError
from cbdc.http.client import Reply, WsgiTransport
from cbdc.keys import ED25519, SoftwareKey
from cbdc.money import tenge
from cbdc.orders import HolderProof
from cbdc.ports import ManualClock
from cbdc.record import sign
from cbdc.request_board import EXPIRED, OPEN, PAID, WITHDRAWN, RequestToPay, paid_purpose, withdraw_purpose
from cbdc.token import KeyLock, Token
from cbdc.transaction import Transfer, sign_transaction
from tests.site.phone import Phone
from tests.site.test_wallet_story import joined
from tests.site.visitor import opened
from wallets.desk import derived
from wallets.site.whole import Whole

LINK = derived("a link")


class Scene:
    """A payer with money, a payee, and somebody else."""

    def __init__(self, whole: Whole) -> None:
        self.whole = whole
        line = WsgiTransport(whole)
        self.payer, self.payee, self.other = (
            joined(whole, line, one) for one in ("aigerim", "dana", "bolat")
        )
        self.payer.fund(9_000)

    @property
    def now(self) -> int:
        return self.whole.world.clock.now()

    def later(self, seconds: int) -> None:
        base = self.whole.world.real_clock
        assert isinstance(base, ManualClock)
        base.advance(seconds)

    def word(self, phone: Phone, purpose: str) -> bytes:
        record = HolderProof(phone.kid, purpose, self.now, bytes(16))
        return sign(record, phone.gateway.network, phone.signer).encode()


@pytest.fixture
def scene() -> Iterator[Scene]:
    with opened() as whole:
        yield Scene(whole)


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(TengeError) as caught:
        call()
    return caught.value.code


def test_a_request_is_posted_read_paid_and_named(scene: Scene) -> None:
    posted = scene.payee.account.ask_for(LINK, tenge(700), "Нан мен сүт", scene.now + 600)
    assert scene.payee.account.repost(posted.request) == posted
    shown = scene.payer.account.request(LINK)
    assert (shown.state, shown.transaction_id, shown.request) == (OPEN, b"", posted.request)
    receipt = scene.payer.pay(shown.request.record.payee, 700)
    assert scene.payer.account.request(LINK).state == OPEN
    paid = scene.payer.account.mark_paid(LINK, receipt.transaction_id)
    assert paid == scene.payer.account.mark_paid(LINK, receipt.transaction_id)
    assert (paid.state, paid.transaction_id) == (PAID, receipt.transaction_id)
    assert scene.payee.account.requests() == [paid]
    # What was asked for stays what it was, and is answered as it stands now.
    assert scene.payee.account.repost(posted.request) == paid


def test_a_payer_may_choose_where_no_amount_is_said(scene: Scene) -> None:
    scene.payee.account.ask_for(LINK, 0)
    receipt = scene.payer.pay(scene.payee.kid, 3)
    assert scene.payer.account.mark_paid(LINK, receipt.transaction_id).state == PAID


def test_requests_are_listed_newest_first_for_their_key_alone(scene: Scene) -> None:
    links = [derived("link", number) for number in range(3)]
    for link in links:
        scene.payee.account.ask_for(link, 1)
    assert [one.request.record.id for one in scene.payee.account.requests()] == links[::-1]
    assert scene.payer.account.requests() == []
    path = f"/v1/keys/{scene.payee.kid.hex()}/requests"
    gateway = scene.payer.gateway
    assert code_of(lambda: gateway.get(path, gateway.proof(scene.payer.kid, "GET", path))) == "E_HTTP_PROOF"
    assert code_of(lambda: gateway.get(f"/v1/keys/{'ab' * 32}/requests")) == "E_HTTP_NONE"


def test_one_posts_under_ones_own_present_key_only(scene: Scene) -> None:
    network, gateway = scene.payee.gateway.network, scene.payer.gateway
    record = RequestToPay(LINK, scene.payee.kid, 5, "", scene.now, 0)
    forged = sign(record, network, scene.payer.signer).encode()
    assert code_of(lambda: gateway.post("/v1/requests", forged)) == "E_SIG"
    stranger = SoftwareKey(ED25519, derived("nobody"))
    unknown = sign(replace(record, payee=stranger.public.kid), network, stranger).encode()
    assert code_of(lambda: gateway.post("/v1/requests", unknown)) == "E_KEY_UNKNOWN"
    late = sign(replace(record, expires=scene.now - 1), network, scene.payee.signer).encode()
    assert code_of(lambda: gateway.post("/v1/requests", late)) == "E_REQUEST_EXPIRED"
    assert code_of(lambda: scene.payer.account.request(LINK)) == "E_PAY_REQUEST_UNKNOWN"


def test_an_id_is_used_once_by_whoever_comes_first(scene: Scene) -> None:
    scene.payee.account.ask_for(LINK, tenge(5))
    assert code_of(lambda: scene.payee.account.ask_for(LINK, tenge(6))) == "E_ID_REUSED"
    assert code_of(lambda: scene.other.account.ask_for(LINK, tenge(5))) == "E_ID_REUSED"


@pytest.mark.parametrize("memo", ["two\nlines", "zero\u200bwidth", " blank", "turned\u202eround", "x" * 141])
def test_a_memo_is_one_line_of_visible_text(scene: Scene, memo: str) -> None:
    assert code_of(lambda: scene.payee.account.ask_for(LINK, 5, memo)) == "E_FIELD"


def test_a_payment_must_pay_just_this(scene: Scene) -> None:
    before = scene.payer.pay(scene.payee.kid, 700, "before")
    scene.payee.account.ask_for(LINK, tenge(700))
    less = scene.payer.pay(scene.payee.kid, 699, "less")
    elsewhere = scene.payer.pay(scene.other.kid, 700, "elsewhere")
    bought = scene.payer.fund_order(700, "again")
    for name, receipt in (("before", before), ("less", less), ("elsewhere", elsewhere)):
        call = lambda receipt=receipt: scene.payer.account.mark_paid(LINK, receipt.transaction_id)  # noqa: E731
        assert code_of(call) == "E_REQUEST_PAYMENT", name
    mark = scene.payer.account.mark_paid
    assert code_of(lambda: mark(LINK, bytes(32))) == "E_REQUEST_PAYMENT"
    # The bank signed the sale, so the buyer has no word about it.
    assert code_of(lambda: mark(LINK, bought.transaction_id)) == "E_REQUEST_WORD"
    assert scene.payer.account.request(LINK).state == OPEN


def test_one_payment_pays_one_request_and_one_request_is_paid_once(scene: Scene) -> None:
    second = derived("another link")
    for link in (LINK, second):
        scene.payee.account.ask_for(link, tenge(700))
    first = scene.payer.pay(scene.payee.kid, 700, "first")
    scene.payer.account.mark_paid(LINK, first.transaction_id)
    mark = scene.payer.account.mark_paid
    assert code_of(lambda: mark(second, first.transaction_id)) == "E_REQUEST_PAYMENT"
    other = scene.payer.pay(scene.payee.kid, 700, "second")
    assert code_of(lambda: mark(LINK, other.transaction_id)) == "E_REQUEST_PAID"
    assert mark(second, other.transaction_id).state == PAID


def test_nobody_names_a_payment_of_somebody_else(scene: Scene) -> None:
    scene.payee.account.ask_for(LINK, tenge(700))
    receipt = scene.payer.pay(scene.payee.kid, 700)
    for phone in (scene.other, scene.payee):
        call = lambda phone=phone: phone.account.mark_paid(LINK, receipt.transaction_id)  # noqa: E731
        assert code_of(call) == "E_REQUEST_WORD"
    path = f"/v1/requests/{LINK.hex()}/payments"
    for purpose in ("", paid_purpose(LINK, bytes(32)), withdraw_purpose(LINK)):
        body = canonical.encode([receipt.transaction_id, scene.word(scene.payer, purpose)])
        assert code_of(lambda body=body: scene.payer.gateway.post(path, body)) == "E_REQUEST_WORD"
    forged = HolderProof(scene.payer.kid, paid_purpose(LINK, receipt.transaction_id), scene.now, bytes(16))
    signed = sign(forged, scene.payer.gateway.network, scene.other.signer).encode()
    body = canonical.encode([receipt.transaction_id, signed])
    assert code_of(lambda: scene.other.gateway.post(path, body)) == "E_SIG"


def test_a_request_runs_out(scene: Scene) -> None:
    scene.payee.account.ask_for(LINK, tenge(700), "", scene.now + 60)
    scene.later(61)
    assert scene.payer.account.request(LINK).state == EXPIRED
    receipt = scene.payer.pay(scene.payee.kid, 700)
    assert code_of(lambda: scene.payer.account.mark_paid(LINK, receipt.transaction_id)) == "E_REQUEST_EXPIRED"


def test_what_was_paid_in_time_is_named_in_peace(scene: Scene) -> None:
    scene.payee.account.ask_for(LINK, tenge(700), "", scene.now + 60)
    receipt = scene.payer.pay(scene.payee.kid, 700)
    scene.later(3_600)
    assert scene.payer.account.mark_paid(LINK, receipt.transaction_id).state == PAID


def test_the_payee_alone_takes_a_request_back(scene: Scene) -> None:
    scene.payee.account.ask_for(LINK, tenge(700))
    assert code_of(lambda: scene.payer.account.withdraw_request(LINK)) == "E_REQUEST_WORD"
    assert scene.payee.account.withdraw_request(LINK).state == WITHDRAWN
    assert scene.payee.account.withdraw_request(LINK).state == WITHDRAWN
    receipt = scene.payer.pay(scene.payee.kid, 700)
    mark = scene.payer.account.mark_paid
    assert code_of(lambda: mark(LINK, receipt.transaction_id)) == "E_REQUEST_WITHDRAWN"
    second = derived("another link")
    scene.payee.account.ask_for(second, tenge(700))
    paid = scene.payer.pay(scene.payee.kid, 700, "once more")
    mark(second, paid.transaction_id)
    assert code_of(lambda: scene.payee.account.withdraw_request(second)) == "E_REQUEST_PAID"
    assert code_of(lambda: scene.payee.account.withdraw_request(bytes(32))) == "E_PAY_REQUEST_UNKNOWN"


def test_so_many_a_day(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_board, "REQUESTS_A_DAY", 2)
    for number in range(2):
        first = scene.payee.account.ask_for(derived("link", number), 1)
    assert code_of(lambda: scene.payee.account.ask_for(LINK, 1)) == "E_REQUEST_MANY"
    assert scene.payee.account.repost(first.request) == first
    scene.other.account.ask_for(LINK, 1)
    scene.later(86_400)
    scene.payee.account.ask_for(derived("link", 3), 1)


def test_garbage_is_refused(scene: Scene) -> None:
    scene.payee.account.ask_for(LINK, 1)
    paths = ("/v1/requests", f"/v1/requests/{LINK.hex()}/payments", f"/v1/requests/{LINK.hex()}/withdrawals")
    for path in paths:
        for body in (b"", b"\xc1", b"\x90", canonical.encode([1, 2]), canonical.encode([bytes(32), b""])):
            assert code_of(lambda path=path, body=body: scene.payer.gateway.post(path, body)).startswith("E_")
        assert code_of(lambda path=path: scene.payer.gateway.post(path, bytes(4_096))) == "E_SIZE"
    assert code_of(lambda: scene.payer.gateway.get("/v1/requests/xyz")) == "E_HTTP_ARGUMENT"


def test_what_the_payee_gets_in_one_transaction_counts_together(scene: Scene) -> None:
    scene.payee.account.ask_for(LINK, tenge(700))
    [(token, held)] = scene.payer.gateway.owned(scene.payer.kid)
    rest = held.amount_tiyn - tenge(1_400)
    outputs = tuple(
        Token(amount, KeyLock(kid))
        for amount, kid in (
            (tenge(700), scene.payee.kid),
            (tenge(700), scene.payee.kid),
            (rest, scene.payer.kid),
        )
    )
    record = Transfer(bytes(16), (token,), outputs)
    network = scene.payer.gateway.network
    receipt = scene.payer.gateway.submit(sign_transaction(record, network, [scene.payer.signer]).encode())
    mark = scene.payer.account.mark_paid
    assert code_of(lambda: mark(LINK, receipt.transaction_id)) == "E_REQUEST_PAYMENT"


class Liar:
    """A line on which a request comes back as somebody else's."""

    def __init__(self, whole: Whole, answer: bytes) -> None:
        self._line = WsgiTransport(whole)
        self._answer = answer

    def request(self, method: str, path: str, headers: Any, body: bytes) -> Reply:
        if path.startswith("/v1/requests/"):
            return Reply(200, self._answer)
        return self._line.request(method, path, headers, body)


def test_a_server_cannot_put_another_payee_into_a_link(scene: Scene) -> None:
    """What a lying server shows is signed by another key, or is another request, or makes no sense at all."""
    record = RequestToPay(LINK, scene.payee.kid, 5, "", scene.now, 0)
    network = scene.payee.gateway.network
    forged = sign(record, network, scene.other.signer).encode().hex()
    others = sign(replace(record, id=bytes(32)), network, scene.payee.signer).encode().hex()
    unknown = sign(replace(record, payee=bytes(32)), network, scene.other.signer).encode().hex()
    for envelope in (forged, others, unknown, "", "zz"):
        answer = f'{{"envelope": "{envelope}", "state": "open", "transaction_id": ""}}'.encode()
        scene.payer.connect(Liar(scene.whole, answer), scene.whole.world.clock)
        assert code_of(lambda: scene.payer.account.request(LINK)) == "E_PEER_ANSWER", envelope[:20]
