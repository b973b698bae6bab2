"""`python -m tests.alone PYTEST_ARGUMENTS`: a run of pytest, and once more by itself what failed beside others.

Tests that drive browsers, servers and processes share the processors with one another, and now and then one of
hundreds waits longer than it allows. What fails is played again when nothing else runs. What fails then too fails the
run; what passes is named at the end, for it has a fault of its own: it should not mind company. When more than `MOST`
fail, company is no excuse and nothing is played again.
"""

import subprocess
import sys
from collections.abc import Sequence

import pytest

MOST = 4


class _Noted:
    """The tests that failed, and the files that could not be read, in a run whose tests other processes may play."""

    def __init__(self) -> None:
        self.tests = list[str]()
        self.files = list[str]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and report.nodeid not in self.tests:
            self.tests.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.files.append(report.nodeid)


def main(arguments: Sequence[str]) -> int:
    """Run; pytest's exit code."""
    noted = _Noted()
    code = int(pytest.main(list(arguments), plugins=[noted]))
    if code != pytest.ExitCode.TESTS_FAILED or noted.files or not 0 < len(noted.tests) <= MOST:
        return code
    names = ", ".join(noted.tests)
    print(f"\nFailed beside others, now by themselves: {names}", flush=True)
    code = subprocess.run([sys.executable, "-m", "pytest", "-n", "0", *noted.tests], check=False).returncode
    if code == 0:
        print(f"PASSED BY THEMSELVES ONLY, to be mended: {names}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
