"""`tenge bank-emulator run`: cases played one after the other, each on a platform of its own, and the report.

The client is the reference client in this process, or any program: it is started once for each case with the
emulator's address in the environment variable `TENGE_EMULATOR_URL`, and is done when it ends.
"""

import os
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cbdc.errors import Refused, TengeError
from cbdc.http.client import WsgiTransport
from cbdc.ports import Clock, SystemClock
from wallets.emulator.cases import CASES, Case
from wallets.emulator.client import ReferenceBank
from wallets.emulator.conductor import Conductor
from wallets.emulator.faults import DELAY_SECONDS
from wallets.emulator.platform import Platform
from wallets.site.serving import running

SEED = 9
CLIENT_SECONDS = 60
URL_VARIABLE = "TENGE_EMULATOR_URL"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a case: how many of its tasks passed, and what was wrong (empty: nothing)."""

    case: Case
    passed: int
    problem: str

    @property
    def ok(self) -> bool:
        """Whether the case passed."""
        return not self.problem

    def show(self) -> dict[str, Any]:
        """The result as JSON."""
        return {
            "case": self.case.name,
            "ok": self.ok,
            "tasks": len(self.case.tasks),
            "passed": self.passed,
            "refusals_expected": list(self.case.codes),
            "problem": self.problem,
        }


def chosen(names: Sequence[str], everything: bool) -> list[Case]:
    """The cases of these names, or all; E_EMULATOR_CASE."""
    unknown = [name for name in names if name not in CASES]
    if unknown or not (names or everything):
        raise Refused("E_EMULATOR_CASE", name=(unknown or [""])[0][:60], known=", ".join(CASES))
    return list(CASES.values()) if everything else [CASES[name] for name in names]


def run(cases: Iterable[Case], client: str = "") -> list[Result]:
    """Play cases with the reference client, or with a command; one result for each."""
    return [play(case, client, SystemClock()) for case in cases]


def play(case: Case, client: str, clock: Clock, delay_seconds: int = DELAY_SECONDS) -> Result:
    """Play one case on a fresh platform."""
    platform = Platform(SEED, clock, delay_seconds)
    try:
        conductor = Conductor(case, platform)
        if client:
            _with_command(conductor, client)
        else:
            _with_reference(conductor, clock)
        return Result(case, conductor.passed, conductor.problem)
    finally:
        platform.close()


def _with_reference(conductor: Conductor, clock: Clock) -> None:
    try:
        ReferenceBank(WsgiTransport(conductor), clock).work()
    except TengeError as error:
        conductor.give_up(error.sentence())
    conductor.give_up("the client ended before the case did")


def _with_command(conductor: Conductor, client: str) -> None:
    with running(conductor, "127.0.0.1", 0) as port:
        environment = os.environ | {URL_VARIABLE: f"http://127.0.0.1:{port}"}
        try:
            done = subprocess.run(  # noqa: S603 - the developer's own command, no shell in between
                shlex.split(client), env=environment, timeout=CLIENT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            conductor.give_up(f"the client took more than {CLIENT_SECONDS} seconds")
            return
        except OSError as error:
            conductor.give_up(f"the client could not be started: {error.strerror}")
            return
        conductor.give_up(f"the client ended with exit code {done.returncode}")


def words(results: Sequence[Result]) -> list[str]:
    """The report for people."""
    lines = []
    for result in results:
        mark = "passed" if result.ok else "FAILED"
        lines.append(f"{mark}  {result.case.name:28} {result.passed}/{len(result.case.tasks)} tasks")
        if not result.ok:
            lines.append(f"        {result.problem}")
    good = sum(result.ok for result in results)
    lines.append(f"{good} of {len(results)} cases passed.")
    return lines
