"""`pytest -p tests.measuring`: which branches of `cbdc` and `offline` the tests take, into `build/coverage.json`.

SlipCover writes its probes into the code as it is imported, and takes each out again once it has told enough; so a
measured run takes longer than a bare one, but less than where every line is told (decision 44). It must be there before
the first module that it measures: pytest loads what `-p` names before any `conftest.py`. Every worker measures what it
plays and hands it over as it ends; a process that a test starts is not measured.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import slipcover

PACKAGES = ("cbdc", "offline")
REPORT = Path(__file__).resolve().parents[1] / "build" / "coverage.json"
# Lines that are no choice of ours, and the bodies of protocols.
EXCLUDED = [r"assert_never\(", "if TYPE_CHECKING:", r"^\s*\.\.\.$"]
HANDED_OVER = "branches taken"


def begin() -> slipcover.Slipcover:
    """Whatever is imported from here on is measured."""
    measured = slipcover.Slipcover(branch=True, source=list(PACKAGES), exclude_also=EXCLUDED)
    slipcover.ImportManager(measured, slipcover.FileMatcher(sources=list(PACKAGES))).__enter__()
    return measured


class Measuring:
    """One process of a run: it measures (a worker, or a run without workers) or brings together (the first of many)."""

    def __init__(self) -> None:
        self.measured = begin()
        self.sum: dict[str, Any] | None = None

    def add(self, found: dict[str, Any]) -> None:
        """Count what one process has found."""
        self.sum = found if self.sum is None else slipcover.merge_coverage(self.sum, found)

    def pytest_testnodedown(self, node: Any) -> None:
        """A worker has ended: it hands over what it measured, unless it died."""
        found = getattr(node, "workeroutput", {}).get(HANDED_OVER)
        if found is not None:
            self.add(json.loads(found))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand over, or write the report of all."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[HANDED_OVER] = json.dumps(self.measured.get_coverage())
            return
        if not getattr(session.config.option, "numprocesses", None):
            self.add(self.measured.get_coverage())
        # What an earlier run found must not be judged in place of this one's.
        REPORT.unlink(missing_ok=True)
        if self.sum is not None:
            REPORT.parent.mkdir(exist_ok=True)
            REPORT.write_text(json.dumps(self.sum), encoding="utf-8")


MEASURING = Measuring() if os.environ.get("PYTEST_VERSION") else None


def pytest_configure(config: pytest.Config) -> None:
    if MEASURING is not None:
        config.pluginmanager.register(MEASURING, "measuring branches")
