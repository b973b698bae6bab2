"""The bank emulator: the reference client passes every case, and clients with mistakes do not."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from click.testing import CliRunner

from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.http.client import WsgiTransport
from cbdc.ports import ManualClock
from wallets.cli import main
from wallets.emulator import run
from wallets.emulator.cases import CASES, DONE, Case, Task
from wallets.emulator.client import ReferenceBank
from wallets.emulator.conductor import Conductor
from wallets.emulator.faults import DROP, LOSE, TWICE, BadNetwork, Fault
from wallets.emulator.platform import Platform

NOW = 1_762_146_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.mark.parametrize("name", CASES)
def test_the_reference_client_passes(name: str, clock: ManualClock) -> None:
    result = run.play(CASES[name], "", clock, delay_seconds=0)
    assert result.problem == ""
    assert result.passed == len(CASES[name].tasks)


@pytest.mark.parametrize("name", CASES)
def test_what_happened_adds_up(name: str, clock: ManualClock) -> None:
    platform = Platform(run.SEED, clock, 0)
    ReferenceBank(WsgiTransport(Conductor(CASES[name], platform)), clock).work()
    assert platform.system.supervise() == []
    platform.close()


def test_every_fault_of_a_case_is_met(clock: ManualClock) -> None:
    for case in CASES.values():
        armed = sum(len(task.faults) for task in case.tasks)
        platform = Platform(run.SEED, clock, 0)
        ReferenceBank(WsgiTransport(Conductor(case, platform)), clock).work()
        assert platform.network.met == armed, case.name
        platform.close()


# --- clients with mistakes ---


def played(client: type[ReferenceBank], name: str, clock: ManualClock) -> run.Result:
    """A case with another client."""
    platform = Platform(run.SEED, clock, 0)
    conductor = Conductor(CASES[name], platform)
    try:
        client(WsgiTransport(conductor), clock).work()
    except TengeError as error:
        conductor.give_up(error.code)
    conductor.give_up("the client ended")
    platform.close()
    return run.Result(conductor.case, conductor.passed, conductor.problem)


class Liar(ReferenceBank):
    """Says that everything is done, and does nothing."""

    def perform(self, do: str, arguments: Mapping[str, Any]) -> None:
        """Nothing."""


class Once(ReferenceBank):
    """Never asks again."""

    def _post(self, path: str, body: bytes) -> Any:
        return self._gateway.post(path, body)


class Forgetful(ReferenceBank):
    """Keeps nothing: after a lost answer it builds another transaction."""

    def do_sell(self, arguments: Mapping[str, Any]) -> None:
        for number in range(3):
            self._kept.clear()
            changed = dict(arguments) | {"id": f"{number:064x}"}
            tokens = self._owned(self._inventory)
            record = self._transfer(changed, self._inventory, bytes.fromhex(arguments["kid"]), tokens)
            try:
                self._submit(_signed(self, record))
                return
            except Unavailable:
                continue

    def _post(self, path: str, body: bytes) -> Any:
        if path == "/v1/transactions":
            return self._gateway.post(path, body)
        return super()._post(path, body)

    def do_register(self, arguments: Mapping[str, Any]) -> None:
        record, signer = self._registration(arguments)
        super()._post("/v1/transactions", _signed(self, record, signer, self._bank).encode())


def _signed(client: ReferenceBank, record: Any, *signers: Any) -> Any:
    from cbdc.transaction import sign_transaction

    return sign_transaction(record, client._gateway.network, list(signers) or [client._inventory])


class Blind(ReferenceBank):
    """Takes every refusal for an answer."""

    def work(self) -> int:
        """Report everything as done."""
        original = self.perform

        def blind(do: str, arguments: Mapping[str, Any]) -> None:
            try:
                original(do, arguments)
            except Refused:
                return

        self.perform = blind  # type: ignore[method-assign]
        return super().work()


JUDGED_BY_BOOKS = [
    name
    for name, case in CASES.items()
    if all(task.expect == DONE for task in case.tasks) and name not in ("register", "signed-calls")
]


@pytest.mark.parametrize("name", JUDGED_BY_BOOKS)
def test_a_client_that_only_says_so_does_not_pass(name: str, clock: ManualClock) -> None:
    assert not played(Liar, name, clock).ok


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.codes])
def test_a_client_that_hides_refusals_does_not_pass(name: str, clock: ManualClock) -> None:
    result = played(Blind, name, clock)
    assert not result.ok
    assert "reports done" in result.problem


@pytest.mark.parametrize("name", ["answer-lost", "request-lost"])
def test_a_client_that_does_not_ask_again_does_not_pass(name: str, clock: ManualClock) -> None:
    assert "E_PEER_ANSWER" in played(Once, name, clock).problem


def test_a_client_that_builds_anew_pays_twice_and_does_not_pass(clock: ManualClock) -> None:
    result = played(Forgetful, "answer-lost", clock)
    assert "customer anna holds" in result.problem


def test_a_client_that_cannot_do_something_says_so(clock: ManualClock) -> None:
    case = Case("new", "Something new.", (Task("dance"),))
    platform = Platform(run.SEED, clock, 0)
    conductor = Conductor(case, platform)
    ReferenceBank(WsgiTransport(conductor), clock).work()
    assert conductor.problem == "task 1 (dance): expected done, the client reports E_FIELD"
    platform.close()


# --- the conductor ---


@pytest.fixture
def conductor(clock: ManualClock) -> Iterator[Conductor]:
    platform = Platform(run.SEED, clock, 0)
    yield Conductor(CASES["issue"], platform)
    platform.close()


def asked(conductor: Conductor, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
    reply = WsgiTransport(conductor).request(method, path, {}, body)
    return reply.status, json.loads(reply.body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 4_000,
        b"{}",
        b'{"number": "1", "outcome": "done"}',
        b"x" * 5_000,
        b'{"number": 1}',
    ],
)
def test_junk_is_no_outcome(conductor: Conductor, body: bytes) -> None:
    asked(conductor, "GET", "/emulator/task")
    assert asked(conductor, "POST", "/emulator/outcome", body)[0] == 400
    assert conductor.passed == 0
    assert conductor.problem == ""


def test_an_outcome_counts_once_and_only_for_the_task_at_hand(conductor: Conductor) -> None:
    early = json.dumps({"number": 1, "outcome": "done", "code": ""}).encode()
    asked(conductor, "POST", "/emulator/outcome", early)
    assert conductor.passed == 0
    first = asked(conductor, "GET", "/emulator/task")
    assert asked(conductor, "GET", "/emulator/task") == first
    for _ in range(3):
        asked(conductor, "POST", "/emulator/outcome", early)
    assert conductor.passed == 1
    assert asked(conductor, "POST", "/emulator/outcome", early)[1] == {"ok": True}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/emulator/task", 405),
        ("GET", "/emulator/outcome", 405),
        ("GET", "/emulator/", 404),
        ("GET", "/emulator/tasks", 404),
    ],
)
def test_there_is_nothing_else(conductor: Conductor, method: str, path: str, status: int) -> None:
    assert asked(conductor, method, path)[0] == status


def test_a_client_that_ends_early_has_not_passed(conductor: Conductor) -> None:
    asked(conductor, "GET", "/emulator/task")
    conductor.give_up("the client ended")
    assert conductor.problem == "task 1: the client ended"
    assert asked(conductor, "GET", "/emulator/task")[1]["do"] == "end"
    assert conductor.ended.is_set()


# --- the network ---


def counting() -> tuple[list[bytes], Callable[..., Any]]:
    seen: list[bytes] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        seen.append(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0)))
        start_response("200 OK", [])
        return [b"%d" % len(seen)]

    return seen, application


@pytest.mark.parametrize(
    ("kind", "status", "body", "times"), [(LOSE, 504, b"", 0), (DROP, 504, b"", 1), (TWICE, 200, b"2", 2)]
)
def test_a_bad_network_does_what_was_armed_once(kind: str, status: int, body: bytes, times: int) -> None:
    seen, application = counting()
    network = BadNetwork(application, 0)
    network.arm(Fault(kind, "/v1/x"))
    transport = WsgiTransport(network)
    assert transport.request("POST", "/v1/other", {}, b"a").status == 200
    reply = transport.request("POST", "/v1/x", {}, b"b")
    assert (reply.status, reply.body) == (status, body if kind != TWICE else b"3")
    assert seen == [b"a"] + [b"b"] * times
    assert transport.request("POST", "/v1/x", {}, b"c").status == 200
    assert network.met == 1


# --- the command ---


def test_the_cases_are_listed() -> None:
    answer = CliRunner().invoke(main, ["bank-emulator", "list", "--json"])
    assert [row["case"] for row in json.loads(answer.stdout)] == list(CASES)
    plain = CliRunner().invoke(main, ["bank-emulator", "list"])
    assert plain.exit_code == 0
    assert all(name in plain.stdout for name in CASES)


def test_cases_are_run_and_reported() -> None:
    answer = CliRunner().invoke(main, ["bank-emulator", "run", "issue", "signed-calls", "--json"])
    assert answer.exit_code == 0
    report = json.loads(answer.stdout)
    assert report["ok"]
    assert [(row["case"], row["passed"]) for row in report["cases"]] == [("issue", 3), ("signed-calls", 6)]
    assert "2 of 2" in CliRunner().invoke(main, ["bank-emulator", "run", "issue", "signed-calls"]).stdout


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["issue", "nothing"]])
def test_a_case_that_is_none_is_refused(arguments: list[str]) -> None:
    answer = CliRunner().invoke(main, ["bank-emulator", "run", *arguments])
    assert answer.exit_code == 2
    assert "E_EMULATOR_CASE" in answer.stderr


@pytest.mark.slow
def test_a_client_of_ones_own_takes_part_over_a_socket() -> None:
    command = f"{sys.executable} -m wallets.emulator.client"
    assert run.play(CASES["answer-lost"], command, ManualClock(NOW)).problem != ""  # its clock is another
    results = run.run([CASES["sell"]], command)
    assert [result.problem for result in results] == [""]


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (f"{sys.executable} -c pass", "exit code 0"),
        (f"{sys.executable} -c 'raise SystemExit(3)'", "exit code 3"),
        ("no-such-program-anywhere", "could not be started"),
    ],
)
def test_a_command_that_is_no_client_fails(command: str, problem: str) -> None:
    [result] = run.run([CASES["issue"]], command)
    assert not result.ok
    assert problem in result.problem
    assert "FAILED" in "\n".join(run.words([result]))
