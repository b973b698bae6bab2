"""Reconciliation on a cluster ends with the digest of a bulk run: however it is cut, whatever is killed."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import Malformed, Refused, Unavailable
from cbdc.keys import ED25519, ES256
from offline.bulk.files import find_files
from offline.bulk.synthetic import Country
from offline.cluster import engines, jobs
from offline.cluster import run as cluster
from offline.cluster.run import ClusterRun, workers
from offline.records import Note
from tests.conftest import IN_CI
from tests.offline.bulk_reference import Reference
from tests.offline.test_bulk_stream import Town, run, traffic

try:
    engines.duckdb(), engines.parquet(), engines.distributed()
except Unavailable as missing:
    if IN_CI:
        raise
    pytest.skip(f"{missing.facts['missing']} is missing; `make cluster` installs it", allow_module_level=True)

# Dask's own sockets and loops are closed by its threads a moment after the client says that they are.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def clustered(
    folder: Path, authority: Any, paths: list[Path], client: Any = None, **more: Any
) -> dict[str, Any]:
    """A whole cluster run, without workers unless a client is given."""
    return ClusterRun(folder, authority, paths, **more).run(client)


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Every fact that both tell is the same."""
    assert {name: expected[name] for name in found} == found


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "shares"), [(ED25519, 1), (ES256, 5), (ED25519, 64)])
def test_r25_traffic_has_one_digest_however_it_is_cut(tmp_path: Path, algorithm: int, shares: int) -> None:
    made = traffic(tmp_path / "in", 5, algorithm)
    authority, paths = Country(5).authority, find_files([tmp_path / "in"])
    expected, _ = run(tmp_path / "out", authority, paths)
    found = clustered(tmp_path / "cluster", authority, paths, shares=shares)
    same(found, expected)
    assert {bytes.fromhex(kid) for kid in found["guilty"]} == made.guilty
    assert found["loss_tiyn"] == made.loss_tiyn > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_r2_r3_r5_batches_with_everything_in_them_end_as_a_bulk_run_does(tmp_path: Path, seed: int) -> None:
    town = Town(seed)
    order = [*range(len(town.batches)), 3, 0]
    town.chance.shuffle(order)
    paths = [town.write(tmp_path / "a.dtb", order[:7]), town.write(tmp_path / "b.dtb", order[7:], 4)]
    expected, _ = run(tmp_path / "out", town.world.authority, paths)
    reference = Reference(town.world.authority).files(paths)
    assert expected["digest"] == reference.facts().digest().hex()
    same(clustered(tmp_path / "cluster", town.world.authority, paths, shares=3), expected)


def test_r1_another_batch_under_a_known_id_counts_nowhere(tmp_path: Path) -> None:
    town = Town(2)
    town.batches = [town.batches[0], town.batches[0][:2] + town.batches[1][2:]]
    paths = [town.write(tmp_path / "a.dtb", [0, 1])]
    expected, _ = run(tmp_path / "out", town.world.authority, paths)
    same(clustered(tmp_path / "cluster", town.world.authority, paths, shares=2), expected)


def test_with_a_registry_a_note_that_nobody_registered_roots_nothing(tmp_path: Path) -> None:
    traffic(tmp_path / "in", 8)
    authority, paths = Country(8).authority, find_files([tmp_path / "in"])
    notes = sorted(one.oid for one in Reference(authority).files(paths).seen if isinstance(one.record, Note))
    registry = frozenset(notes[1:])
    expected, _ = run(tmp_path / "out", authority, paths, registry=registry)
    found = clustered(tmp_path / "cluster", authority, paths, registry=registry, shares=4)
    same(found, expected)
    assert found["pending"] > 0


@pytest.mark.slow
def test_r21_the_kill_of_a_worker_changes_nothing(tmp_path: Path) -> None:
    traffic(tmp_path / "in", 6, transfers=400)
    authority, paths = Country(6).authority, find_files([tmp_path / "in"])
    expected, _ = run(tmp_path / "out", authority, paths)
    killed: list[int] = []

    with workers(2, folder=tmp_path / "cluster") as client:

        def tell(stage: str, done: int, total: int) -> None:
            if stage == "devices" and done == 1 and not killed:
                killed.append(next(iter(client.run(os.getpid).values())))
                os.kill(killed[0], signal.SIGKILL)

        found = ClusterRun(tmp_path / "cluster", authority, paths, shares=8).run(client, tell)
        assert killed[0] not in client.run(os.getpid).values(), "it is gone"
    same(found, expected)


def test_r21_a_run_that_was_stopped_goes_on_and_repeats_no_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic(tmp_path / "in", 7)
    authority, paths = Country(7).authority, find_files([tmp_path / "in"])
    expected, _ = run(tmp_path / "out", authority, paths)
    monkeypatch.setattr(cluster, "CHUNK_BYTES", 20_000)
    done: list[str] = []
    really = jobs.note_job, jobs.device_job, jobs.judge_job, jobs.read_job
    for work in really:

        def counted(*given: Any, work: Any = work) -> Any:
            done.append(given[-1])
            return work(*given)

        monkeypatch.setattr(jobs, work.__name__, counted)
    attempts, found = 0, None
    while found is None:
        attempts, before = attempts + 1, len(done)

        def tell(stage: str, number: int, total: int, before: int = before) -> None:
            if len(done) > before:
                raise KeyboardInterrupt

        try:
            found = ClusterRun(tmp_path / "cluster", authority, paths, shares=4).run(None, tell)
        except KeyboardInterrupt:
            continue
    same(found, expected)
    assert attempts > len(done) >= 4 * len(really) - 4, "it was stopped after every job"
    assert len(done) == len(set(done)), "a job whose files are there is not done again"


def test_a_folder_goes_on_only_with_what_it_began_with(tmp_path: Path) -> None:
    traffic(tmp_path / "in", 3, transfers=40)
    authority, paths = Country(3).authority, find_files([tmp_path / "in"])
    clustered(tmp_path / "cluster", authority, paths, shares=2)
    with pytest.raises(Refused, match="E_RECONCILE_STATE"):
        ClusterRun(tmp_path / "cluster", authority, paths, shares=3)
    with pytest.raises(Refused, match="E_RECONCILE_STATE"):
        ClusterRun(tmp_path / "cluster", authority, paths, shares=2, grace_seconds=1)


def test_what_nobody_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name=name)

    monkeypatch.setattr(engines, "import_module", missing)
    for engine in (engines.duckdb, engines.arrow, engines.parquet, engines.distributed):
        with pytest.raises(Unavailable, match="E_CLUSTER_EXTRA"):
            engine()


def test_an_engine_that_fails_is_named_and_the_run_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic(tmp_path / "in", 3, transfers=40)
    authority, paths = Country(3).authority, find_files([tmp_path / "in"])
    expected, _ = run(tmp_path / "out", authority, paths)

    def full(*given: Any) -> None:
        raise engines.duckdb().IOException("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(cluster.Shuffle, "devices", full)
        with pytest.raises(Unavailable, match=r"E_CLUSTER_ENGINE: .*No space left"):
            clustered(tmp_path / "cluster", authority, paths, shares=2)
    same(clustered(tmp_path / "cluster", authority, paths, shares=2), expected)


def test_a_scheduler_that_does_not_answer_is_named() -> None:
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(Unavailable, match="E_CLUSTER_ENGINE"),
        workers(0, "tcp://127.0.0.1:9"),
    ):
        pass


def test_damage_in_a_file_is_refused_by_whichever_worker_meets_it(tmp_path: Path) -> None:
    traffic(tmp_path / "in", 3, transfers=40)
    authority, paths = Country(3).authority, find_files([tmp_path / "in"])
    data = bytearray(paths[0].read_bytes())
    data[len(data) // 2] ^= 1
    paths[0].write_bytes(data)
    with workers(1, folder=tmp_path / "workers") as client, pytest.raises(Malformed, match="E_BATCH_FILE"):
        clustered(tmp_path / "cluster", authority, paths, client, shares=2)
