"""`tenge bench all`: every workload at a tiny size, the JSON's shape, sums kept, and errors counted."""

import json
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cbdc.errors import Refused, Unavailable
from wallets import cli
from wallets.benches import limits, page, plan, run
from wallets.benches.children import Child, HostChild
from wallets.benches.plan import HTTP, IN_PROCESS, Plan
from wallets.benches.scene import AUDIT, ONE_IN, READ, TWO_IN, WORKLOADS, Purse, Script
from wallets.benches.wanted import targets

ROW = {
    "workload", "engine", "transport", "clients", "tokens", "rate_per_second", "p50_ms", "p99_ms", "p999_ms", "errors",
    "rss_mib", "limit_per_second", "ratio",
}  # fmt: skip
MACHINE = {
    "processor", "cores", "memory_mib", "disk_sync_ms", "system", "python", "versions", "load_at_start", "load_at_end",
}  # fmt: skip
TINY = Plan(
    engines=("sqlite",), clients=(1, 2), tokens=(1_000,), holders=8, repeats=2, seconds=0.001, warm=4, most=20,
    verifications=40, appends=3, quick=True,
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _quick_limits() -> Iterator[None]:
    """The bare signatures of this process alone: processes for all cores are measured in their own test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "on_all_cores", lambda asked, cores, name: 1_000.0)
        patch.setattr(plan, "BATCH", 10)
        yield


@pytest.fixture(scope="module")
def found(_quick_limits: None) -> dict[str, Any]:
    return run.Bench(replace(TINY, clients=(1, 16), repeats=1)).run()


def test_every_workload_is_played_on_every_way(found: dict[str, Any]) -> None:
    ways = {(row["workload"], row["transport"]) for row in found["rows"]}
    batches = {(workload, transport) for workload in WORKLOADS for transport in plan.TRANSPORTS}
    batches -= {(READ, f"{IN_PROCESS}-batch"), (READ, f"{HTTP}-batch")}
    assert ways == {way for way in batches if way[0] != AUDIT or way[1] == IN_PROCESS}
    assert {row["clients"] for row in found["rows"]} == {1, 16}


def test_the_shape_is_what_others_read(found: dict[str, Any]) -> None:
    assert json.loads(json.dumps(found)) == found
    assert set(found["machine"]) == MACHINE
    assert all(set(row) == ROW for row in found["rows"])
    assert len(found["details"]) == len(found["rows"])
    for row in found["rows"]:
        assert row["rate_per_second"] > 0
        assert row["limit_per_second"] > 0
        assert row["ratio"] == pytest.approx(
            row["rate_per_second"] / row["limit_per_second"], rel=0.01, abs=0.001
        )
        assert row["p50_ms"] <= row["p99_ms"] <= row["p999_ms"]
        assert row["rss_mib"] > 10
        assert row["tokens"] == 1_000
    assert found["limits"]["durable_commits_per_second"] > 0
    assert set(found["limits"]["verifications"]) == set(limits.LIBRARIES)


def test_nothing_is_wrong_and_sums_are_kept(found: dict[str, Any]) -> None:
    """The audit is one of the rows: what it finds, or a sum that is not kept, would be an error of it."""
    assert [detail["errors_by_code"] for detail in found["details"]] == [{}] * len(found["details"])
    assert found["errors"] == 0


def test_no_signed_row_is_faster_than_the_signature_limit_allows(found: dict[str, Any]) -> None:
    for row in found["rows"]:
        if row["workload"] not in (READ, AUDIT):
            assert row["limit_per_second"] <= 1_000


def test_targets_are_said_to_be_reached_or_missed(found: dict[str, Any]) -> None:
    said = {target["what"]: target["met"] for target in found["targets"]}
    assert any("half load" in what for what in said)
    assert any("audit" in what for what in said)
    for target in found["targets"]:
        word, bound = target["asked"].rsplit(" ", 1)
        assert target["met"] == (
            target["found"] >= float(bound) if word == "at least" else target["found"] <= float(bound)
        )
    assert targets({**found, "rows": []}) == []


def test_rows_of_two_sizes_are_compared_for_growth_alone(found: dict[str, Any]) -> None:
    fast = [{**row, "tokens": 100, "rate_per_second": 9e9, "ratio": 9.0} for row in found["rows"]]
    both = targets({**found, "rows": [*found["rows"], *fast]})
    growth = [one for one in both if "tokens over" in one["what"]]
    audits = [one for one in both if "100 tokens, audit" in one["what"]]
    assert len(growth) == len(audits) == 1
    assert [one for one in both if one not in (*growth, *audits)] == targets(found)


def test_the_peer_is_compared_at_sixteen_clients_and_more(found: dict[str, Any]) -> None:
    peer = {"rows": [{"clients": clients, "rate_per_second": 0.001} for clients in (1, 16)]}
    told = [target for target in targets({**found, "peer": peer}) if "nutshell" in target["what"]]
    assert [(target["met"], "16 clients" in target["what"]) for target in told] == [(True, True)]


def test_words_table_and_picture_tell_every_row(found: dict[str, Any], tmp_path: Path) -> None:
    lines = list(page.words(found))
    assert sum("sqlite" in line and "1,000" in line for line in lines) >= len(found["rows"])
    file = tmp_path / "page.md"
    file.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n", encoding="utf-8")
    page.write(found, file)
    text = file.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{page.BEGIN}\n")
    assert text.endswith(f"{page.END}\nafter\n")
    assert "old" not in text
    assert text.count("| sqlite |") == len(found["rows"])
    assert "No row had an error." in text
    page.write(found, file)
    assert file.read_text(encoding="utf-8") == text
    picture = page.picture(found)
    assert picture.startswith("<svg")
    assert "sqlite, http" in picture


def test_a_page_without_markers_is_left_alone(found: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("text", encoding="utf-8")
    with pytest.raises(Refused) as caught:
        page.write(found, file)
    assert caught.value.code == "E_SETTING"
    assert file.read_text(encoding="utf-8") == "text"


def test_a_busy_machine_is_told_loudly(found: dict[str, Any]) -> None:
    quiet = {**found, "machine": {**found["machine"], "cores": 2, "load_at_start": 0.9}}
    loud = {**found, "machine": {**found["machine"], "cores": 2, "load_at_start": 1.1}}
    assert "BUSY" not in "".join(page.described(quiet))
    assert "BUSY" in "".join(page.described(loud))


def test_planted_refusals_are_counted_and_listed_by_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run has one transaction more that no ledger takes, and one that was spent before."""
    really = Purse.script
    first: list[bytes] = []

    def script(self: Purse, workload: str, count: int) -> Script:
        made = really(self, workload, count)
        if workload == TWO_IN:
            made.operations.append(b"no transaction")
        return made

    monkeypatch.setattr(Purse, "script", script)
    tiny = replace(
        TINY, engines=("memory",), workloads=(TWO_IN,), clients=(2,), transports=(IN_PROCESS, HTTP)
    )
    found = run.Bench(tiny).run()
    assert not first
    assert [row["errors"] for row in found["rows"]] == [2, 2]
    assert found["errors"] == 4
    for detail in found["details"]:
        (code,) = detail["errors_by_code"]
        assert code.startswith("E_")
    assert any("errors of" in line for line in page.words(found))
    assert "2 times" in page.part(found)


def test_a_run_that_is_stopped_keeps_what_it_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = replace(TINY, engines=("memory",), workloads=(TWO_IN,), transports=(IN_PROCESS,))
    asked: list[str] = []

    def tell(text: str) -> None:
        asked.append(text)
        if "2 clients" in text:
            raise KeyboardInterrupt

    monkeypatch.setattr("wallets.cli_bench._plan", lambda **chosen: tiny)
    monkeypatch.setattr("wallets.cli_bench.show", tell)
    done = CliRunner().invoke(cli.main, ["bench", "all", "--json"])
    assert done.exit_code == 130
    told = json.loads(done.stdout)
    assert [row["clients"] for row in told["rows"]] == [1]
    assert "load_at_end" in told["machine"]
    assert "Stopped" in done.stderr


def test_a_process_that_dies_is_told(tmp_path: Path) -> None:
    host = HostChild("memory:", "", 2)
    try:
        host._process.kill()
        with pytest.raises(Unavailable) as caught:
            host.tell("found", 10)
        assert caught.value.code == "E_BENCH_PROCESS"
    finally:
        host.end()


def refuse_at_once(pipe: Connection) -> None:
    """A host that cannot open what it is to serve."""
    pipe.send(("failed", ("E_STORE_URL", {"url": "nowhere"})))
    pipe.close()


def test_a_host_that_refused_before_it_was_told_anything_is_heard() -> None:
    child = Child(refuse_at_once, (), "ledger")
    try:
        child._process.join(60)
        with pytest.raises(Refused, match="E_STORE_URL"):
            child.tell("play")
        with pytest.raises(Unavailable, match="E_BENCH_PROCESS"):
            child.tell("play")
    finally:
        child.end()


def test_what_a_host_refuses_comes_back(tmp_path: Path) -> None:
    host = HostChild("nonsense:", "", 2)
    try:
        with pytest.raises(Refused) as caught:
            host.tell("found", 10)
        assert caught.value.code == "E_STORE_URL"
    finally:
        host.end()


@pytest.mark.parametrize(
    "wrong",
    [
        {"engines": ("oracle",)},
        {"transports": ("pigeon",)},
        {"workloads": ("transfer",)},
        {"clients": (0,)},
        {"clients": (65,)},
        {"tokens": (999,)},
        {"repeats": 0},
        {"repeats": 101},
        {"seconds": 0.0},
        {"seconds": 61.0},
        {"seconds": float("nan")},
    ],
)
def test_what_cannot_be_measured_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused) as caught:
        run.Bench(replace(TINY, **wrong))
    assert caught.value.code == "E_SETTING"


def test_the_command_takes_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[Plan] = []

    class Stand:
        def __init__(self, plan: Plan, tell: Any, peer: str) -> None:
            chosen.append(plan)
            self.found = {
                "machine": {},
                "limits": {},
                "rows": [],
                "details": [],
                "targets": [],
                "errors": len(chosen) - 1,
            }

        def run(self) -> None:
            return None

    monkeypatch.setattr(run, "Bench", Stand)
    asked = [
        "bench",
        "all",
        "--quick",
        "--engine",
        "memory",
        "--clients",
        "4",
        "--tokens",
        "5000",
        "--repeats",
        "3",
    ]
    assert CliRunner().invoke(cli.main, [*asked, "--json"]).exit_code == 0
    assert CliRunner().invoke(cli.main, asked).exit_code == 1
    assert (chosen[0].engines, chosen[0].clients, chosen[0].tokens, chosen[0].repeats) == (
        ("memory",),
        (4,),
        (5_000,),
        3,
    )
    assert chosen[0].quick
    assert chosen[0].seconds < Plan().seconds
    assert CliRunner().invoke(cli.main, [*asked, "--seconds", "0.25"]).exit_code == 1
    assert chosen[-1].seconds == 0.25


def test_quick_is_smaller_and_leaves_no_workload_out() -> None:
    short = plan.quick(Plan())
    cases = list(short.cases("sqlite", plan.TRANSPORTS))
    assert {case.workload for case in cases} == set(WORKLOADS)
    assert {case.clients for case in cases if case.workload == TWO_IN} == set(plan.CLIENTS)
    assert {case.workload for case in short.cases("memory", plan.TRANSPORTS)} == {TWO_IN, AUDIT}
    assert {case.workload for case in short.cases("journal", plan.TRANSPORTS)} == {ONE_IN, TWO_IN, AUDIT}
    assert {case.workload for case in short.cases("postgresql", plan.TRANSPORTS)} == {TWO_IN, AUDIT}
    whole = list(Plan().cases("journal", plan.TRANSPORTS))
    assert len(whole) == 4 * (5 * 4 + 2) + 1
    assert len(cases) < len(whole)
    assert {case.workload for case in Plan().cases("memory", plan.TRANSPORTS)} == {ONE_IN, TWO_IN, AUDIT}


def test_a_further_size_is_measured_by_the_fullest_rows_alone() -> None:
    cases = list(Plan().growth(plan.TRANSPORTS))
    assert {(case.workload, case.transport) for case in cases} == {
        (ONE_IN, f"{IN_PROCESS}-batch"),
        (TWO_IN, f"{HTTP}-batch"),
    }
    assert {case.clients for case in cases} == {16, 64}
    assert list(replace(Plan(), workloads=(READ,)).growth(plan.TRANSPORTS)) == []


def test_two_sizes_give_rows_of_both() -> None:
    found = run.Bench(
        replace(
            TINY, tokens=(1_000, 2_000), workloads=(ONE_IN,), transports=(f"{IN_PROCESS}-batch",), repeats=1
        )
    ).run()
    rows = {(row["tokens"], row["clients"]) for row in found["rows"]}
    assert rows == {(1_000, 1), (1_000, 2), (2_000, 1), (2_000, 2)}
    assert found["errors"] == 0
    assert [(one["engine"], one["tokens"]) for one in found["founded"]] == [
        ("sqlite", 1_000),
        ("sqlite", 2_000),
    ]
    # A lock alone has 40 bytes.
    assert all(one["bytes_per_token"] > 40 for one in found["founded"])


def test_memory_has_no_further_size_above_a_million() -> None:
    tall = Plan(tokens=(1_000_000, 10_000, 10_000_000))
    assert [tall.plays("memory", tokens) for tokens in tall.tokens] == [True, True, False]
    assert all(tall.plays(engine, 10_000_000) for engine in ("sqlite", "journal", "postgresql"))
    assert Plan(tokens=(2_000_000,)).plays("memory", 2_000_000)


def test_an_engine_too_many_is_left_out_and_the_peer_comes_before_further_sizes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever stops a long run while its largest ledger is founded has the comparison already."""
    monkeypatch.setattr(plan, "MOST_IN_MEMORY", 1_500)
    order: list[str] = []
    peer = {"name": "nutshell", "version": "0", "rows": [], "differences": [], "skipped": "a stand-in"}
    monkeypatch.setattr(
        "wallets.benches.nutshell.compare", lambda repeats, tell: order.append("peer") or peer
    )
    tiny = replace(
        TINY, engines=("memory",), tokens=(1_000, 1_200, 2_000), workloads=(ONE_IN,),
        transports=(f"{IN_PROCESS}-batch",), repeats=1, quick=False,
    )  # fmt: skip
    found = run.Bench(tiny, order.append, "nutshell").run()
    assert {row["tokens"] for row in found["rows"]} == {1_000, 1_200}
    assert found["left_out"] == ["memory, 2,000 tokens: too many to keep in memory"]
    at = order.index("peer")
    assert any("1,000" in line for line in order[:at])
    assert not any("1,200" in line for line in order[:at])
    assert any("1,200" in line for line in order[at:])
    assert "too many to keep" in page.part(found)
