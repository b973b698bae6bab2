"""The site's interface submits through a pipeline: together, bounded, closed when an act or the server ends."""

import json
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from cbdc.http import wire
from cbdc.ledger.audit import audit
from cbdc.ledger.pipeline import MANY
from cbdc.ports import ManualClock, SeededEntropy
from tests.cbdc.gates import eventually
from tests.site.process import served
from tests.site.test_drain import asked
from tests.site.visitor import START, Program, opened
from tests.wallets.test_cli import tenge
from wallets.bench import prepare
from wallets.site.app import Options
from wallets.site.serving import check_server
from wallets.site.whole import Whole
from wallets.site.world import World


def post(whole: Whole, data: bytes) -> TestResponse:
    path = "/v1/transactions"
    return Client(whole).post(path, data=data, content_type=wire.CANONICAL)


def post_many(whole: Whole, data: Sequence[bytes]) -> TestResponse:
    path = "/v1/transactions/batch"
    return Client(whole).post(path, data=wire.write_batch(data), content_type=wire.CANONICAL)


def test_many_clients_are_answered_once_each_and_the_audit_agrees() -> None:
    with opened() as whole:
        payments, _ = prepare(whole.world.system, 12)
        with ThreadPoolExecutor(6) as threads:
            answers = list(threads.map(lambda data: post(whole, data), payments * 2))
        assert {answer.status_code for answer in answers} == {200}
        receipts = [answer.get_json() for answer in answers]
        assert receipts[:12] == receipts[12:], "the same bytes, the same receipt"
        assert audit(whole.world.system.stores.ledger).problems == []


def test_who_comes_when_it_is_full_is_told_to_come_again() -> None:
    world = World(ManualClock(START), 7)
    try:
        whole = Whole(world, SeededEntropy(7), ManualClock(START), Options(), capacity=1)
        payments, _ = prepare(world.system, 2)
        with ThreadPoolExecutor(1) as threads:
            with world.system.ledger._turn:
                first = threads.submit(post, whole, payments[0])
                eventually(lambda: whole.pipeline.waiting == 1)
                busy = post(whole, payments[1])
                figures = whole.metrics.text()
            assert first.result(20).status_code == 200
        assert (busy.status_code, busy.headers["Retry-After"]) == (503, "1")
        assert busy.get_json()["code"] == "E_BUSY"
        assert "tenge_transactions_waiting 1" in figures
        assert post(whole, payments[1]).status_code == 200
    finally:
        world.close()


def test_a_reset_answers_who_is_inside_and_begins_a_new_line() -> None:
    with opened() as whole:
        payments, _ = prepare(whole.world.system, 2)
        before, line = whole._interface, whole.pipeline
        ledger = whole.world.system.ledger
        with ThreadPoolExecutor(2) as threads:
            with ledger._turn:
                first = threads.submit(post, whole, payments[0])
                eventually(lambda: line.waiting == 1)
                reset = threads.submit(whole.world.reset)
                eventually(lambda: line._room.closed)
                assert not reset.done(), "who is inside is let out first"
            assert first.result(20).status_code == 200
            reset.result(60)
        late = Client(before).post("/v1/transactions", data=payments[1], content_type=wire.CANONICAL)
        assert (late.status_code, late.get_json()["code"]) == (503, "E_PIPELINE_CLOSED")
        assert whole.pipeline is not line
        fresh, _ = prepare(whole.world.system, 2)
        assert post(whole, fresh[0]).status_code == 200


def test_the_verifying_processes_start_with_the_first_long_batch_and_end() -> None:
    world = World(ManualClock(START), 7)
    try:
        whole = Whole(world, SeededEntropy(7), ManualClock(START), Options(), workers=1)
        payments, more = prepare(world.system, MANY)
        assert post_many(whole, payments[:2]).status_code == 200
        assert whole.pipeline._verifiers is None
        answers = post_many(whole, more).get_json()["results"]
        assert ["receipt" in answer for answer in answers] == [True] * MANY
        pool: Any = whole.pipeline._verifiers
        assert len(pool.processes) == 1
        whole.close()
        assert pool.processes == []
        assert post(whole, payments[0]).get_json()["code"] == "E_PIPELINE_CLOSED"
    finally:
        world.close()


def test_a_payment_during_the_supervisors_count_is_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened() as whole:
        system = whole.world.system
        system.national_bank.endow(b"reserve".ljust(32), 1, 1_000)
        supply, orders = system.ledger.supply, [b"order".ljust(32)]

        def late() -> Any:
            # Between the supervisor's reading and the ledger's table money is issued.
            while orders:
                system.banks[1].order_tokens(orders.pop(), 1_000)
            return supply()

        monkeypatch.setattr(system.ledger, "supply", late)
        home = Program(whole, "supervisor").get("/v1/roles/supervisor/home")
        assert (orders, home.get_json()["agree"]) == ([], True)


def test_which_server_serves_what() -> None:
    check_server("cheroot", certified=True)
    check_server("waitress")
    for arguments in (["--server", "granian"], ["--server", "waitress", "--class", "2"]):
        refused = tenge("serve", *arguments)
        assert (refused.exit_code, "E_SERVE_SERVER" in refused.stderr) == (2, True)
        assert refused.stdout == ""


@pytest.mark.slow
def test_waitress_serves_the_sandbox_and_drains() -> None:
    with served("--server", "waitress", "--workers", "0") as (process, port, _):
        assert asked(port, "/v1/ready") == (200, {"status": "ready"})
        status, text = asked(port, "/sign-in/bank")
        assert (status, "<form" in text) == (200, True)
        refusal = asked(port, "/v1/transactions", "POST", b"\x80", {"Content-Type": wire.CANONICAL})
        assert refusal[0] == 400
        assert json.dumps(refusal[1]["code"]).startswith('"E_')
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
