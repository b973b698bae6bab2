"""Transactions over HTTP through a pipeline: what only submits meets in its line, all else takes turns."""

from concurrent.futures import ThreadPoolExecutor

from flask import Flask

from cbdc.http import wire
from cbdc.http.api import Api, Piped
from cbdc.http.client import HttpGateway, WsgiTransport
from cbdc.http.server import create_app
from cbdc.ledger.audit import audit
from cbdc.ledger.entry import Receipt
from cbdc.ledger.pipeline import Pipeline
from cbdc.ports import ManualClock, SeededEntropy
from tests.cbdc.gates import PATIENCE, eventually
from tests.cbdc.http_form import GENEROUS, LedgerOnly
from tests.cbdc.institutions import START
from tests.cbdc.test_pipeline import GatedStore, payments, people
from tests.cbdc.world import World


def served(world: World, capacity: int = 100) -> tuple[Pipeline, Flask]:
    """The world's ledger behind HTTP, with a pipeline."""
    pipeline = Pipeline(world.ledger, workers=0, capacity=capacity)
    system = Piped(LedgerOnly(world.ledger), pipeline)
    return pipeline, create_app(system, real_clock=ManualClock(START), limits=GENEROUS)


def post(app: Flask, data: bytes) -> int:
    """The status of one transaction."""
    answer = app.test_client().post("/v1/transactions", data=data, content_type=wire.CANONICAL)
    return answer.status_code


def test_requests_that_come_during_a_commit_share_the_next() -> None:
    store = GatedStore()
    world = World(store)
    data = [item.encode() for item in payments(world, people(world, 10))]
    pipeline, app = served(world)
    store.commits.clear()
    with ThreadPoolExecutor(10) as threads:
        with store.held():
            first = threads.submit(post, app, data[0])
            assert store.inside.wait(PATIENCE)
            others = [threads.submit(post, app, item) for item in data[1:]]
            eventually(lambda: len(pipeline._line) == 9)
            # What takes turns does not wait for what does not.
            assert app.test_client().get("/v1/head").status_code == 200
        assert [answer.result(PATIENCE) for answer in (first, *others)] == [200] * 10
    assert store.commits == [1, 9]
    assert audit(store).problems == []


def test_a_full_pipeline_says_when_to_come_again() -> None:
    store = GatedStore()
    world = World(store)
    data = [item.encode() for item in payments(world, people(world, 3))]
    pipeline, app = served(world, capacity=1)
    with ThreadPoolExecutor(1) as threads:
        with store.held():
            first = threads.submit(post, app, data[0])
            assert store.inside.wait(PATIENCE)
            answer = app.test_client().post("/v1/transactions", data=data[1], content_type=wire.CANONICAL)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            assert answer.get_json()["code"] == "E_BUSY"
        assert first.result(PATIENCE) == 200
    assert post(app, data[1]) == 200
    pipeline.close()
    assert (
        app.test_client()
        .post("/v1/transactions", data=data[2], content_type=wire.CANONICAL)
        .get_json()["code"]
        == "E_PIPELINE_CLOSED"
    )


def test_a_gateway_sees_no_difference() -> None:
    world = World()
    data = [item.encode() for item in payments(world, people(world, 4))]
    _, app = served(world)
    gateway = HttpGateway(WsgiTransport(app), {}.get, ManualClock(START), SeededEntropy(1))
    answers = gateway.submit_many([*data[:3], data[0]])
    assert [type(answer) for answer in answers] == [Receipt] * 4
    assert answers[3] == answers[0]
    assert gateway.submit(data[3]) == world.ledger.find(world.ledger.transaction(world.ledger.size - 1).id)


def test_only_what_submits_does_not_take_its_turn_and_only_with_a_pipeline() -> None:
    world = World()
    pipeline = Pipeline(world.ledger, workers=0, capacity=1)
    piped = Api(Piped(LedgerOnly(world.ledger), pipeline)).routes()
    assert [route.path for route in piped if not route.waits and route.method == "POST"] == [
        "/v1/transactions",
        "/v1/transactions/batch",
    ]
    plain = Api(LedgerOnly(world.ledger)).routes()
    assert all(route.waits for route in plain if route.method == "POST")
