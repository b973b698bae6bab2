"""The client side of HTTP: any answer is understood or refused with a code, a real socket works, nothing crashes."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import Malformed, Refused, TengeError, Unavailable
from cbdc.http import wire
from cbdc.http.client import HttpBank, HttpGateway, Reply, SocketTransport, WsgiTransport
from cbdc.http.server import create_app
from cbdc.ledger.entry import Receipt
from cbdc.money import tenge
from cbdc.orders import FundOrder
from cbdc.ports import ManualClock, SeededEntropy
from cbdc.record import sign
from cbdc.system import System
from cbdc.token import HashLock, QuorumLock, Token, TokenId
from tests.cbdc.http_form import GENEROUS
from tests.cbdc.institutions import START, buy, holdings, ident, make_system, pay, person, stock

NETWORK = bytes(8)


class Parrot:
    """A server that always says the same."""

    def __init__(self, body: object, status: int = 200) -> None:
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.status = status

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The same."""
        if path == "/v1/health" and b"network" not in self.body:
            return Reply(200, b'{"network": "0000000000000000"}')
        return Reply(self.status, self.body)


_HEAD = make_system().ledger.head()
_ORDER = sign(FundOrder(ident("o"), 1, ident("k"), 1, START), NETWORK, make_system().keys.operator)


def calls(gateway: HttpGateway) -> list[Callable[[], object]]:
    """Everything a wallet may ask."""
    bank = HttpBank(gateway, 1)
    return [
        lambda: gateway.submit(b"x"),
        lambda: gateway.submit_many([b"x"]),
        lambda: gateway.find(ident("t")),
        lambda: gateway.token(TokenId(ident("t"), 0)),
        lambda: gateway.owned(ident("k")),
        lambda: gateway.registered(ident("k")),
        gateway.supply,
        gateway.head,
        lambda: gateway.inclusion(Receipt(ident("t"), 1, START, _HEAD)),
        lambda: bank.inventory_kid,
        lambda: bank.fund(_ORDER),
        lambda: bank.defund(b"x"),
        lambda: bank.deposit_tiyn(ident("k")),
    ]


CALLS = len(calls(HttpGateway(Parrot({}))))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b"null",
        b"7",
        b'{"code": 7}',
        b"\xff\xfe",
        b"[" * 5_000,
        b'{"facts": []}',
    ],
)
@pytest.mark.parametrize("status", [200, 404, 500])
def test_an_answer_that_is_none_is_told_so(body: bytes, status: int) -> None:
    for call in calls(HttpGateway(Parrot(body, status))):
        with pytest.raises(Unavailable) as caught:
            call()
        assert caught.value.code == "E_PEER_ANSWER"


_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from(["00", "ab" * 32])
)
_WORDS = """receipt problem results head envelope transaction_id index time tokens lock code facts amount_tiyn mark
output network inventory_kid deposit_tiyn proof leaf"""
_KEYS = st.sampled_from(_WORDS.split())
_JSON = st.recursive(
    _SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=6))
)
_GATEWAY_CALLS = st.integers(0, CALLS - 1)


@given(body=_JSON, status=st.sampled_from([200, 422]), number=_GATEWAY_CALLS)
def test_no_answer_breaks_the_client(body: object, status: int, number: int) -> None:
    gateway = HttpGateway(Parrot(body, status))
    with suppress(TengeError):
        calls(gateway)[number]()


def test_a_bank_s_key_that_is_none_is_told_so() -> None:
    for kid in ("zz", 7):
        with pytest.raises(Unavailable, match="E_PEER_ANSWER"):
            assert HttpBank(HttpGateway(Parrot({"inventory_kid": kid})), 1).inventory_kid


@pytest.mark.parametrize("network", ["zz", 7, None])
def test_a_network_that_is_none_is_told_so(network: object) -> None:
    with pytest.raises(Unavailable, match="E_PEER_ANSWER"):
        assert HttpGateway(Parrot({"network": network})).network


def test_a_code_this_version_does_not_know_is_told_so() -> None:
    error = wire.read_problem({"code": "E_OF_THE_FUTURE", "facts": {"x": None}})
    assert error.code == "E_PEER_ANSWER"
    assert wire.read_problem("nothing").code == "E_PEER_ANSWER"


@pytest.mark.parametrize(
    "error",
    [
        Refused("E_LIMIT_DAY", paid_tiyn=5, tier=1, limit_tiyn=3),
        Malformed("E_SIZE", size_bytes=7, limit_bytes=1),
        Unavailable("E_STORE_UNAVAILABLE", detail="disk"),
        Refused("E_LOCKED", transaction_id=b"\x01" * 32, output=2),
    ],
)
def test_a_refusal_crosses_the_wire_unchanged(error: TengeError) -> None:
    body = json.loads(json.dumps(wire.write_problem(error, "kk")))
    again = wire.read_problem(body)
    assert (type(again), again.code, again.facts) == (type(error), error.code, error.facts)
    assert body["status"] == wire.status_of(error)


@given(
    st.one_of(
        st.builds(
            QuorumLock,
            st.just(1),
            st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=3).map(tuple),
        ),
        st.builds(
            HashLock,
            st.binary(min_size=32, max_size=32),
            st.binary(min_size=32, max_size=32),
            st.binary(min_size=32, max_size=32),
            st.integers(0, 2**53 - 1),
        ),
    ),
    st.integers(1, 2**53 - 1),
)
def test_tokens_cross_the_wire_unchanged(lock: QuorumLock | HashLock, amount: int) -> None:
    if isinstance(lock, QuorumLock) and len(set(lock.kids)) != len(lock.kids):
        return
    token, identity = Token(amount, lock, bytes(32)), TokenId(ident("t"), 7)
    body = json.loads(json.dumps(wire.write_token(identity, token)))
    assert wire.read_token(body) == (identity, token)


# --- batches ---


def test_many_transactions_travel_in_as_few_bodies_as_fit() -> None:
    system = make_system()
    stock(system)
    person(system, "aigerim")
    buy(system, "aigerim", tenge(500))
    bodies: list[int] = []

    class Counting(WsgiTransport):
        def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
            """Count what is sent."""
            bodies.append(len(body))
            return super().request(method, path, headers, body)

    app = create_app(system, real_clock=ManualClock(START), limits=GENEROUS)
    gateway = HttpGateway(Counting(app))
    assert len(gateway.network) == 8
    bodies.clear()
    answers = gateway.submit_many([bytes(64_000)] * 40 + [bytes(70_000)] + [b""] * 1_500)
    codes = {answer.code for answer in answers if isinstance(answer, TengeError)}
    assert len(answers) == 1_541
    assert codes == {"E_DECODE", "E_SIZE"}
    assert [answer.code for answer in answers[40:42] if isinstance(answer, TengeError)] == [
        "E_SIZE",
        "E_DECODE",
    ]
    assert len(bodies) <= 5
    assert max(bodies) <= wire.MAX_BODY_BYTES


# --- a real socket ---


class Quiet(WSGIRequestHandler):
    """A handler that writes no log."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def served(system: System, clock: ManualClock) -> Iterator[str]:
    """A server on this machine, on a port of its own."""
    app = create_app(system, real_clock=clock, limits=GENEROUS)
    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_wallet_pays_over_a_socket() -> None:
    system, clock = make_system(), ManualClock(START)
    stock(system)
    aigerim, berik = person(system, "aigerim"), person(system, "berik")
    with served(system, clock) as url:
        gateway = HttpGateway(
            SocketTransport(url + "/"), {aigerim.public.kid: aigerim}.get, clock, SeededEntropy(1)
        )
        bank = HttpBank(gateway, 1)
        order = FundOrder(ident("o"), 1, aigerim.public.kid, tenge(40), START)
        bank.fund(sign(order, gateway.network, aigerim))
        receipt = gateway.submit(pay(system, aigerim, berik.public.kid, tenge(15)).encode())
        assert gateway.find(receipt.transaction_id) == receipt
        assert [token.amount_tiyn for _, token in gateway.owned(aigerim.public.kid)] == [tenge(25)]
        with pytest.raises(Refused, match="E_HTTP_PROOF"):
            gateway.owned(berik.public.kid)
    assert holdings(system, berik.public.kid) == tenge(15)
    with pytest.raises(Unavailable) as caught:
        gateway.supply()
    assert caught.value.code == "E_PEER_DOWN"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[::bad", "nonsense", "http://127.0.0.1:port"])
def test_nobody_there_is_told_so(url: str) -> None:
    with pytest.raises(Unavailable, match="E_PEER_DOWN"):
        HttpGateway(SocketTransport(url, timeout_seconds=1)).supply()


def test_two_clients_at_once_lose_nothing() -> None:
    system = make_system()
    stock(system)
    names = [f"p{number}" for number in range(8)]
    keys = [person(system, name) for name in names]
    for name in names:
        buy(system, name, tenge(10))
    app = create_app(system, real_clock=ManualClock(START), limits=GENEROUS)
    transfers = [pay(system, signer, system.treasury.account_kid, tenge(1)).encode() for signer in keys]
    failures: list[object] = []

    def work(part: list[bytes]) -> None:
        gateway = HttpGateway(WsgiTransport(app))
        for transfer in part:
            try:
                gateway.submit(transfer)
            except TengeError as refusal:
                failures.append(refusal)

    threads = [threading.Thread(target=work, args=(transfers[start::2],)) for start in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert holdings(system, system.treasury.account_kid) == tenge(8)
    assert system.supervise() == []
