"""`tenge bench all --peer nutshell`: the same swap at Cashu's mint, in an environment and a process of its own.

nutshell is installed from the package registry into a cache folder, once. Its mint runs with SQLite and with a
Lightning backend that pays itself, and takes swaps of two tokens for two. The clients are the very ones that our own
server gets (`wallets.benches.http_client`): as many, with requests made before the watch starts, one at a time on each
connection.

What differs in the work stands in `DIFFERENCES` and is printed beside the ratio. Where nutshell cannot be installed or
started, a sentence says so and nothing is compared.

Source: nutshell 0.21.0 (PyPI: cashu), Cashu NUT-03.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cbdc.ports import stopwatch
from wallets.bench import milliseconds
from wallets.benches import limits
from wallets.benches.children import ClientChild
from wallets.benches.figures import median, p999
from wallets.benches.http_client import post

Tell = Callable[[str], None]

VERSION = "0.21.0"
CLIENTS = (1, 16, 64)
START_SECONDS = 60
_SCRIPT = Path(__file__).with_name("nutshell_purse.py")
# A plain install does not start: two libraries have to be older than what it allows, and of a third (a Lightning
# backend that is not used here) the registry no longer has the releases it asks for.
_BOUNDS = ("marshmallow<4", "limits<5")
_UNPINNED = "breez-sdk-spark"
_REQUIREMENTS = "from importlib.metadata import requires; print('\\n'.join(requires('cashu') or []))"

DIFFERENCES = tuple(
    """\
nutshell signs blindly (secp256k1, with a proof of equality for each output); our ledger verifies one Ed25519 signature.
nutshell's mint does not see who pays; our ledger knows pseudonyms, limits and marks, and keeps a signed Merkle log.
Both wait for the disk: nutshell at the commits of each swap (SQLite with a write-ahead log and its default flushing), \
ours once for all submits that came together.
nutshell runs in one process; ours in one for the ledger and the server, with verifying processes beside it.
Both were measured on this machine with the same clients on the same processors, one swap a request.""".splitlines()
)


class CannotRun(Exception):
    """Why there is no peer to compare with, as a sentence."""


def compare(repeats: int, tell: Tell) -> dict[str, Any]:
    """The peer's rows, what differs, or why there are none (`skipped`)."""
    found: dict[str, Any] = {
        "name": "nutshell",
        "version": VERSION,
        "rows": [],
        "differences": list(DIFFERENCES),
    }
    try:
        python = install(cache_folder(), tell)
        with (
            tempfile.TemporaryDirectory(prefix="tenge-bench-nutshell-") as name,
            mint(python, Path(name)) as (port, pid),
        ):
            for clients in CLIENTS:
                found["rows"].append(_row(python, Path(name), port, pid, clients, repeats, tell))
    except CannotRun as reason:
        found["skipped"] = str(reason)
    return found


def cache_folder() -> Path:
    """Where the peer's environment is kept between runs."""
    return (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        / "tenge-bench"
        / f"nutshell-{VERSION}"
    )


def install(folder: Path, tell: Tell) -> Path:
    """The Python of an environment with nutshell, made if there is none; `CannotRun`."""
    python, stamp = folder / "bin" / "python", folder / "installed"
    if stamp.exists() and python.exists():
        return python
    tell(f"nutshell {VERSION}: installing into {folder}")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _run([sys.executable, "-m", "venv", str(folder)])
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--no-deps", f"cashu=={VERSION}"])
        needed = requirements(_run([str(python), "-c", _REQUIREMENTS]))
        _run([*pip, *needed])
        _run([str(python), "-c", "import cashu.mint.main, coincurve"])
    except (OSError, subprocess.SubprocessError) as error:
        detail = getattr(error, "stderr", "") or str(error)
        last = detail.strip().splitlines()[-1:] or [type(error).__name__]
        raise CannotRun(f"nutshell {VERSION} could not be installed here: {last[0][:200]}") from None
    stamp.write_text("", encoding="utf-8")
    return python


def requirements(declared: str) -> list[str]:
    """What nutshell declares that it needs, so that it starts."""
    lines = [line.strip().replace(" (", "").replace(")", "") for line in declared.splitlines()]
    kept = [line for line in lines if line and "extra ==" not in line and not line.startswith(_UNPINNED)]
    return [*kept, _UNPINNED, *_BOUNDS]


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=900)  # noqa: S603
    return done.stdout


@contextmanager
def mint(python: Path, folder: Path) -> Iterator[tuple[int, int]]:
    """A running mint with an empty SQLite store: its port and process number; `CannotRun`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "CASHU_DIR": str(folder),
        "MINT_DATABASE": str(folder / "mint"),
        "MINT_PRIVATE_KEY": "tenge bench",
        "MINT_BACKEND_BOLT11_SAT": "FakeWallet",
        "FAKEWALLET_BRR": "TRUE",
        "FAKEWALLET_DELAY_INCOMING_PAYMENT": "0",
        "MINT_RATE_LIMIT": "FALSE",
        "MINT_INPUT_FEE_PPK": "0",
        "DEBUG": "FALSE",
        "LOG_LEVEL": "ERROR",
    }
    command = [str(python.with_name("mint")), "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "mint.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)  # noqa: S603
        try:
            _wait(process, port)
            yield port, process.pid
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = stopwatch() + START_SECONDS
    while stopwatch() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            threading.Event().wait(0.2)
    raise CannotRun(f"nutshell {VERSION} did not start within {START_SECONDS} seconds")


def _row(
    python: Path, folder: Path, port: int, pid: int, clients: int, repeats: int, tell: Tell
) -> dict[str, Any]:
    rates, seconds, errors = list[float](), list[float](), dict[str, int]()
    count = max(60, 2 * clients)
    child = ClientChild()
    try:
        for number in range(repeats + 1):
            tell(f"nutshell {VERSION}: swaps, {clients} clients, {number or 'warm-up'}")
            file = folder / "swaps"
            _prepare(python, port, count, f"{clients} {number}", file)
            bodies = file.read_bytes().splitlines()
            heard = child.play(port, clients, [post("/v1/swap", body, "application/json") for body in bodies])
            if not number:
                continue
            codes = [code for outcome in heard.outcomes for code in outcome if code]
            for code in codes:
                errors[code] = errors.get(code, 0) + 1
            rates.append((len(bodies) - len(codes)) / max(heard.took_seconds, 1e-9))
            seconds += heard.seconds
    finally:
        child.end()
    return {
        "clients": clients,
        "rate_per_second": round(median(rates), 1),
        "p50_ms": milliseconds(seconds, 50),
        "p99_ms": milliseconds(seconds, 99),
        "p999_ms": p999(seconds),
        "errors": sum(errors.values()),
        "errors_by_code": errors,
        "rss_mib": limits.peak_mib(pid),
    }


def _prepare(python: Path, port: int, count: int, label: str, file: Path) -> None:
    try:
        _run([str(python), str(_SCRIPT), str(port), str(count), label, str(file)])
    except subprocess.SubprocessError as error:
        detail = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1:]
        raise CannotRun(f"nutshell {VERSION} sold no tokens: {detail}") from None
