"""Processes side by side end with whoever started them, however that ends."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT
from wallets import processes
from wallets.processes import side_by_side

PARENT = "from tests.wallets.test_processes import parent; parent()"
FOLDER = "TENGE_TEST_PROCESSES"


def note_and_wait(number: int, folder: str, _: Connection) -> None:
    """A job without an end and without a word; it writes down its number."""
    beside = Path(folder) / f"{number}.new"
    beside.write_text(str(os.getpid()), encoding="utf-8")
    beside.rename(Path(folder) / str(number))
    time.sleep(600)


def hear(connection: Connection, number: int, process: BaseProcess) -> tuple[int | None, bool]:
    connection.recv()
    return number, False


def is_at_work(pid: int) -> bool:
    """Whether a process is there and not only its name, which whoever adopted it has not yet taken away."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def parent() -> None:
    """Two processes side by side."""
    folder = os.environ[FOLDER]
    for _ in side_by_side((1, 2), 2, note_and_wait, lambda number: (number, folder), hear):
        pass


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_they_end_with_their_parent(how: str, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=ROOT,
        env={**os.environ, FOLDER: str(tmp_path)},
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    files = [tmp_path / "1", tmp_path / "2"]
    until = time.monotonic() + 60
    while not all(file.exists() for file in files) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    pids = [int(file.read_text(encoding="utf-8")) for file in files]
    process.send_signal(getattr(signal, how))
    process.wait(60)
    until = time.monotonic() + 20
    while any(map(is_at_work, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    left = [pid for pid in pids if is_at_work(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == [], "they end with the one that started them"


def test_ctrl_c_between_a_start_and_its_note_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[BaseProcess] = []
    start = processes.start

    def start_under_ctrl_c(*given: object) -> BaseProcess:
        started.append(start(*given))  # type: ignore[arg-type]
        signal.raise_signal(signal.SIGINT)
        return started[-1]

    monkeypatch.setattr(processes, "start", start_under_ctrl_c)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(side_by_side((1,), 1, note_and_wait, lambda number: (number, str(tmp_path)), hear))
    finally:
        signal.signal(signal.SIGINT, before)
    with pytest.raises(ValueError, match="process object is closed"):
        started[0].is_alive()
