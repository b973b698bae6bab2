"""A front end before a writer, in this process: the ledger's own answers, whom the writer believes, lost answers."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from cbdc import canonical
from cbdc.authority import BANK, FRONT, Auth
from cbdc.errors import TengeError, Unavailable
from cbdc.http import wire
from cbdc.http.client import HttpGateway, Reply, WsgiTransport
from cbdc.http.front import Front
from cbdc.http.fronts import BATCH, KEYS, read_vouched, write_vouched
from cbdc.http.signed_calls import CallDoor, Message, named, sign_call
from cbdc.http.writers import Writers, transport_to
from cbdc.keys import SoftwareKey
from cbdc.ledger.audit import audit
from cbdc.ledger.entry import Receipt
from cbdc.ledger.pipeline import MANY, Pipeline
from cbdc.operations.front_routes import front_figures
from cbdc.operations.metrics import Metrics
from cbdc.operations.readiness import Readiness
from cbdc.operations.routes import OperationsApi
from cbdc.ports import ManualClock, SeededEntropy
from cbdc.record import Signed, open_envelope, sign
from cbdc.transaction import MAX_TRANSACTION_BYTES, open_transaction
from tests.cbdc.test_pipeline import payments, people
from tests.cbdc.world import DAY, END, START, World, fixed_key
from wallets.roles.front import application as front_application
from wallets.roles.writer import application

NOW = START + 10 * DAY
HOST = "writer.example:8765"
KEY = fixed_key("front")


def certified(world: World, key: SoftwareKey = KEY, role: int = FRONT, **changed: Any) -> Signed[Auth]:
    """A front's certificate; `by` another key than ROOT's, `since`, `until`."""
    public = key.public
    period = changed.get("since", START), changed.get("until", END)
    auth = Auth(role, public.algorithm, public.raw, *period, ())
    network = changed.get("network", world.network)
    return sign(auth, network, changed.get("by", world.key("root")))


class Served:
    """A world's ledger behind a writer, in this process."""

    def __init__(self, world: World, certificates: Sequence[Signed[Auth]], capacity: int = 1_000) -> None:
        self.world = world
        self.clock = ManualClock(NOW)
        self.pipeline = Pipeline(world.ledger, workers=0, capacity=capacity, late=True)
        door = CallDoor(
            world.ledger.genesis.authority, world.clock, self.clock, certificates, knows=named([HOST])
        )
        self.app = application(self.pipeline, door)
        self.way = WsgiTransport(self.app)
        self._calls = 0

    def front(self, *ways: Any, workers: int = 0, capacity: int = 1_000, patience: float = 5) -> Front:
        """A front end before this writer, or before others."""
        named = [(f"http://{HOST}", way) for way in ways or (self.way,)]
        writers = Writers(named, KEY, self.clock, SeededEntropy(3), patience)
        return Front(self.world.network, writers, workers=workers, capacity=capacity)

    def headers(self, path: str, body: bytes, key: SoftwareKey = KEY) -> Mapping[str, str]:
        """A signed call's headers."""
        self._calls += 1
        message = Message("POST", HOST, path, "", {"Content-Type": wire.CANONICAL}, body)
        return {**sign_call(message, key, f"nonce-of-the-test-{self._calls}", NOW), "Host": HOST}

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
        """One call."""
        reply = self.way.request("POST", path, headers, body)
        return reply.status, wire.parse_json(reply.body)

    def code(self, path: str, body: bytes, key: SoftwareKey = KEY) -> str:
        """The code of one signed call's refusal, or "ok"."""
        status, value = self.post(path, body, self.headers(path, body, key))
        return "ok" if status == 200 else str(value["code"])


def a_world(count: int = 4) -> tuple[World, list[bytes]]:
    """A world and payments in it."""
    world = World()
    return world, [item.encode() for item in payments(world, people(world, count))]


def forged(data: bytes) -> bytes:
    """The same transaction with another signature."""
    return data[:-1] + bytes([data[-1] ^ 1])


def told(answer: Any) -> Any:
    """An answer as it can be compared."""
    return (answer.code, dict(answer.facts)) if isinstance(answer, TengeError) else answer.index


# --- the ledger's own answers ---


def test_a_front_answers_as_the_ledger_does() -> None:
    world, data = a_world(8)
    twin = world.fork()
    stranger = World(name="another")
    stranger.register("ayan")
    stranger.fund(("ayan", 1_000))
    other = stranger.sign(stranger.payment("ayan", ("ayan", 500)), "ayan").encode()
    unknown = data[7].replace(world.kid("inventory1"), bytes(32))
    asked = [data[0], data[1], data[0], forged(data[2]), b"", b"\x80", data[3][:-1], other, data[4], data[2]]
    asked += [bytes(MAX_TRANSACTION_BYTES + 1), unknown, forged(data[0])[:-1] + b"\0"]
    front = Served(world, [certified(world)]).front()
    answers = front.submit_many(asked[:-1])
    assert [told(one) for one in answers] == [told(one) for one in twin.ledger.submit_many(asked[:-1])]
    # The one difference: what stands already has its receipt from the ledger, whoever signed it this time.
    assert isinstance(twin.ledger.submit_many([forged(data[0])])[0], Receipt)
    assert told(front.submit_many([forged(data[0])])[0])[0] == "E_SIG"
    assert audit(world.store).problems == []


def test_a_key_that_registers_itself_and_pays_at_once_is_no_stranger() -> None:
    world, _ = a_world()
    front = Served(world, [certified(world)]).front()
    record = world.sign(world.register_key("late"), "late", "bank1")
    assert isinstance(front.submit_many([record.encode()])[0], Receipt)
    world.fund(("late", 1_000))
    paid = world.sign(world.payment("late", ("late", 400)), "late").encode()
    assert isinstance(front.submit(paid), Receipt)


def test_long_batches_go_through_processes_with_the_same_answers() -> None:
    world, data = a_world(MANY + 4)
    twin = world.fork()
    asked = [*data, forged(data[1]), b"\x80"]
    front = Served(world, [certified(world)]).front(workers=1)
    try:
        assert [told(one) for one in front.submit_many(asked)][: len(data)] == [
            told(one) for one in twin.ledger.submit_many(data)
        ]
        assert front._verifiers is not None
    finally:
        front.close()
    assert front._verifiers.processes == []


def test_nothing_is_inside_when_it_is_over_and_a_full_front_says_so() -> None:
    world, data = a_world()
    front = Served(world, [certified(world)]).front(capacity=2)
    front._room.enter([b""])
    with pytest.raises(Unavailable, match="E_BUSY"):
        front.submit_many(data[:2])
    assert isinstance(front.submit(data[0]), Receipt)
    assert front.waiting == 1
    assert front.submit_many([]) == []


# --- whom a writer believes ---


def test_a_certified_front_is_believed_and_the_audit_finds_its_lie() -> None:
    world, data = a_world()
    served = Served(world, [certified(world)])
    lie = write_vouched(world.network, [(forged(data[0]), 1), (forged(data[1]), 0), (data[2], 0)])
    status, value = served.post(BATCH, lie, served.headers(BATCH, lie))
    assert status == 200
    results = value["results"]
    assert "receipt" in results[0], "as trusted as the writer itself"
    assert results[1]["problem"]["code"] == "E_SIG", "what it does not vouch for is verified"
    assert "receipt" in results[2]
    assert [problem.code for problem in audit(world.store).problems] == ["E_SIG"]


def test_a_word_counts_for_no_more_signatures_than_there_are() -> None:
    world, data = a_world()
    served = Served(world, [certified(world)])
    body = write_vouched(world.network, [(data[0], (1 << 32) - 1), (forged(data[1]), 2)])
    _, value = served.post(BATCH, body, served.headers(BATCH, body))
    assert "receipt" in value["results"][0]
    assert value["results"][1]["problem"]["code"] == "E_SIG"


def strangers(world: World) -> dict[str, tuple[list[Signed[Auth]], str]]:
    """Certificates that make nobody a front, and the code of what he asks."""
    return {
        "none": ([], "E_CALL_KEY"),
        "another role": ([certified(world, role=BANK)], "E_CALL_ROLE"),
        "expired": ([certified(world, until=NOW - 1)], "E_CALL_CERTIFICATE"),
        "not yet": ([certified(world, since=NOW + 1)], "E_CALL_CERTIFICATE"),
        "another's key": ([certified(world, fixed_key("another front"))], "E_CALL_KEY"),
    }


@pytest.mark.parametrize("who", list(strangers(World())))
def test_a_stranger_is_refused_and_nothing_is_booked(who: str) -> None:
    world, data = a_world()
    certificates, code = strangers(world)[who]
    served = Served(world, certificates)
    size = world.ledger.size
    assert served.code(BATCH, write_vouched(world.network, [(data[0], 1)])) == code
    assert served.code(KEYS, canonical.encode([world.kid("inventory1")])) == code
    assert world.ledger.size == size
    front = served.front()
    with pytest.raises(Unavailable) as refused:
        front.submit(data[0])
    assert (refused.value.code, refused.value.facts["problem"]) == ("E_WRITER_REFUSES", code)


@pytest.mark.parametrize("wrong", [{"by": fixed_key("thief")}, {"network": b"another!"}])
def test_a_certificate_that_root_did_not_sign_here_opens_no_door(wrong: dict[str, Any]) -> None:
    world, _ = a_world()
    read = open_envelope(certified(world, **wrong).encode(), Auth, world.network)
    with pytest.raises(TengeError, match="E_SIG"):
        Served(world, [read])


def test_a_call_is_for_its_body_its_network_and_one_time() -> None:
    world, data = a_world()
    served = Served(world, [certified(world)])
    body, size = write_vouched(world.network, [(data[0], 1)]), world.ledger.size
    other = write_vouched(world.network, [(data[1], 1)])
    headers = served.headers(BATCH, body)
    assert served.post(BATCH, other, headers)[1]["code"] == "E_CALL_DIGEST"
    assert served.post(KEYS, body, headers)[1]["code"] == "E_CALL_SIGNATURE"
    plain = {"Content-Type": wire.CANONICAL}
    assert served.post(BATCH, body, plain)[1]["code"] == "E_CALL_MISSING"
    assert served.code(BATCH, write_vouched(b"another!", [(data[0], 1)])) == "E_FRONT_NETWORK"
    elsewhere = {**headers, "Host": "another.example:8765"}
    assert served.post(BATCH, body, elsewhere)[1]["code"] == "E_CALL_AUTHORITY"
    assert world.ledger.size == size
    first = served.post(BATCH, body, headers)
    assert first[0] == 200
    assert served.post(BATCH, body, headers)[1]["code"] == "E_CALL_REPLAY"
    assert served.post(BATCH, body, served.headers(BATCH, body)) == first, "the same ids, the same receipts"
    assert world.ledger.size == size + 1


BAD = {
    "no array": (b"\xc4\x01a", "E_TYPE"),
    "empty": (b"", "E_DECODE"),
    "no pairs": (canonical.encode((b"12345678", (b"a",))), "E_TYPE"),
    "nothing in it": (canonical.encode((b"12345678", ())), "E_COUNT"),
    "too many": (canonical.encode((b"12345678", ((b"a", 0),) * (wire.MAX_BATCH + 1))), "E_COUNT"),
    "one part": (canonical.encode((b"12345678",)), "E_FIELD"),
    "a short network": (canonical.encode((b"1234", ((b"a", 0),))), "E_FIELD"),
    "too many bits": (canonical.encode((b"12345678", ((b"a", 1 << 32),))), "E_FIELD"),
    "a text": (canonical.encode((b"12345678", (("a", 0),))), "E_TYPE"),
    "too long": (canonical.encode((b"12345678", ((bytes(MAX_TRANSACTION_BYTES + 1), 0),))), "E_FIELD"),
}


@pytest.mark.parametrize("name", list(BAD))
def test_a_batch_in_another_form_is_refused(name: str) -> None:
    body, code = BAD[name]
    with pytest.raises(TengeError) as refused:
        read_vouched(body, b"12345678")
    assert refused.value.code == code


def test_a_front_is_told_public_keys_and_nothing_else() -> None:
    world, _ = a_world()
    served = Served(world, [certified(world)])
    asked = canonical.encode([world.kid("inventory1"), world.kid("bank1"), bytes(32)])
    _, value = served.post(KEYS, asked, served.headers(KEYS, asked))
    found = {one["kid"]: one for one in value["keys"]}
    assert found.keys() == {world.kid("inventory1").hex(), world.kid("bank1").hex()}
    assert all(one.keys() == {"kid", "algorithm", "public_key"} for one in found.values())
    key = world.key("bank1").public
    assert found[key.kid.hex()]["public_key"] == key.raw.hex()


# --- answers that are lost ---


class Faulty:
    """A way to a writer on which something happens: it gets the request, what is asked, and the true way."""

    def __init__(self, way: Any, *happens: Callable[[Callable[[], Reply]], Reply]) -> None:
        self._way = way
        self._happens = list(happens)
        self.asked = 0

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One request, as long as something is to happen to batches."""

        def true() -> Reply:
            reply: Reply = self._way.request(method, path, headers, body)
            return reply

        if path != BATCH or not self._happens:
            return true()
        self.asked += 1
        return self._happens.pop(0)(true)


def lost(true: Callable[[], Reply]) -> Reply:
    """It is done, and nobody hears of it."""
    true()
    raise Unavailable("E_PEER_DOWN", address="writer", detail="lost")


def never(true: Callable[[], Reply]) -> Reply:
    """It does not arrive."""
    raise Unavailable("E_PEER_DOWN", address="writer", detail="never")


def saying(error: TengeError) -> Callable[[Callable[[], Reply]], Reply]:
    """The writer refuses."""
    text = wire.write_problem(error)
    return lambda true: Reply(wire.status_of(error), canonical_json(text))


def canonical_json(value: Any) -> bytes:
    """A problem's bytes."""
    return json.dumps(value).encode()


def test_a_lost_answer_is_asked_for_again_by_id() -> None:
    world, data = a_world()
    served = Served(world, [certified(world)])
    way = Faulty(served.way, lost, never, lost)
    size = world.ledger.size
    answers = served.front(way, way).submit_many(data[:2])
    assert [one.index for one in answers if isinstance(one, Receipt)] == [size, size + 1]
    assert (world.ledger.size, way.asked) == (size + 2, 3)


def test_a_fenced_writer_is_left_for_the_next_one() -> None:
    world, data = a_world()
    served = Served(world, [certified(world)])
    gone = Faulty(served.way, *[saying(Unavailable("E_STORE_FENCED", epoch=1))] * 9)
    front = served.front(gone, served.way)
    assert isinstance(front.submit(data[0]), Receipt)
    assert isinstance(front.submit(data[1]), Receipt)
    assert (gone.asked, front._writers.moved) == (1, 1)


def test_when_no_writer_answers_nobody_says_that_nothing_was_done() -> None:
    world, data = a_world()
    served = Served(world, [certified(world)])
    way = Faulty(served.way, *[never] * 500)
    with pytest.raises(Unavailable) as away:
        served.front(way, patience=0.1).submit(data[0])
    assert (away.value.code, away.value.facts["problem"]) == ("E_WRITER_AWAY", "E_PEER_DOWN")
    busy = saying(Unavailable("E_BUSY", waiting=1, capacity=1))
    full = Faulty(served.way, *[busy] * 500)
    with pytest.raises(Unavailable, match="E_BUSY"):
        served.front(full, patience=0.1).submit(data[0])
    # A try before it may have booked something: then "nothing was done" would be a lie.
    unsure = Faulty(served.way, never, *[busy] * 500)
    with pytest.raises(Unavailable, match="E_WRITER_AWAY"):
        served.front(unsure, patience=0.1).submit(data[0])
    assert world.ledger.find(_id(world, data[0])) is None


def _id(world: World, data: bytes) -> bytes:
    return open_transaction(data, world.network).id


@pytest.mark.parametrize("body", [b"{}", b"[]", b"nothing", b'{"results":[{}]}', b'{"results":[]}'])
def test_an_answer_that_is_none_is_no_receipt(body: bytes) -> None:
    world, data = a_world()
    served = Served(world, [certified(world)])
    way = Faulty(served.way, *[lambda true: Reply(200, body)] * 500)
    with pytest.raises(Unavailable) as wrong:
        served.front(way, patience=0.1).submit(data[0])
    assert wrong.value.code in {"E_PEER_ANSWER", "E_WRITER_AWAY"}


def test_an_address_is_http() -> None:
    for text in ("writer:8765", "ftp://writer", "", "http"):
        with pytest.raises(Unavailable, match="E_PEER_DOWN"):
            transport_to(text)


# --- the front as a server ---


def served_front(served: Served, *ways: Any) -> tuple[Front, WsgiTransport, Metrics]:
    """A front end's web application."""
    front, metrics = served.front(*ways, patience=0.1), Metrics()
    app = front_application(front, front._writers, metrics, lambda: False)
    front_figures(metrics, front, front._writers)
    return front, WsgiTransport(app), metrics


def test_a_client_sees_the_ledger_through_a_front() -> None:
    world, data = a_world()
    served = Served(world, [certified(world)])
    _, way, _ = served_front(served)
    gateway = HttpGateway(way, lambda kid: None, served.clock, SeededEntropy(1))
    assert gateway.network == world.network
    receipt = gateway.submit(data[0])
    assert gateway.submit_many([data[0], forged(data[1])])[0] == receipt
    assert gateway.find(receipt.transaction_id) == receipt
    assert gateway.supply() == world.ledger.supply()
    assert gateway.head().encode() == world.ledger.head().encode()
    assert gateway.find(bytes(32)) is None
    proof = gateway.inclusion(receipt)
    assert proof.index == receipt.index
    with pytest.raises(TengeError, match="E_SIG"):
        gateway.submit(forged(data[1]))


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "E_HTTP_PATH"),
        ("GET", "/elsewhere", 404, "E_HTTP_PATH"),
        ("POST", "/v1/banks/1/fund", 405, "E_HTTP_METHOD"),
        ("POST", "/v1/fronts/batch", 405, "E_HTTP_METHOD"),
        ("GET", "/v1/tokens/zz:0", 400, "E_HTTP_ARGUMENT"),
        ("POST", "/v1/transactions", 415, "E_HTTP_MEDIA"),
    ],
)
def test_what_a_front_does_not_do(method: str, path: str, status: int, code: str) -> None:
    world, _ = a_world()
    _, way, _ = served_front(Served(world, [certified(world)]))
    reply = way.request(method, path, {}, b"")
    assert (reply.status, wire.as_object(wire.parse_json(reply.body))["code"]) == (status, code)


def test_a_front_without_a_writer_is_alive_and_not_ready() -> None:
    world, data = a_world()
    served = Served(world, [certified(world)])

    class Gone:
        def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
            raise Unavailable("E_PEER_DOWN", address="writer", detail="gone")

    front, way, metrics = served_front(served, Gone(), Gone())
    assert way.request("GET", "/v1/health", {}, b"").status == 200
    ready = way.request("GET", "/v1/ready", {}, b"")
    assert (ready.status, b"E_NOT_READY" in ready.body, b"writer" in ready.body) == (503, True, True)
    assert way.request("GET", "/v1/head", {}, b"").status == 503
    plain = {"Content-Type": wire.CANONICAL}
    answer = way.request("POST", "/v1/transactions", plain, data[0])
    assert (answer.status, b"E_WRITER_AWAY" in answer.body) == (503, True)
    assert front.waiting == 0
    assert "tenge_transactions_waiting 0" in metrics.text()


def test_a_front_without_work_finds_the_next_writer() -> None:
    world, _ = a_world()
    served = Served(world, [certified(world)])

    class NotReady:
        def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
            return Reply(503, b"{}")

    served.way = WsgiTransport(ready_too(served))
    front, way, _ = served_front(served, NotReady(), served.way)
    assert way.request("GET", "/v1/ready", {}, b"").status == 200
    assert front._writers.moved == 1


def ready_too(served: Served) -> Any:
    """The writer's application with its readiness."""
    ledger = served.world.ledger
    ready = Readiness(lambda: ledger, served.world.clock, served.clock)
    door = CallDoor(
        ledger.genesis.authority,
        served.world.clock,
        served.clock,
        [certified(served.world)],
        knows=named([HOST]),
    )
    return application(served.pipeline, door, [OperationsApi(ready, Metrics()).extension()])
