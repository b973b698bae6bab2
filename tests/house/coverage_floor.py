"""Fails where a package's branches are covered less than its floor: `python -m tests.house.coverage_floor FILE`.

The file is SlipCover's report (tests/measuring.py). Branches are counted for each package by themselves, so that many
easy lines cannot hide a rule whose other side was never tried.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# The measured part (tests/parts.py) leaves out browsers, most of the site and all that is slow, where the other side of
# a branch may be tried.
FLOORS = {"cbdc": 93.0, "offline": 95.0}
MOST_FILES, MOST_BRANCHES = 8, 12


def covered(report: Mapping[str, Any], package: str) -> tuple[int, int]:
    """(branches taken, branches there are) over the files of a package."""
    sums = [
        file["summary"]
        for name, file in report["files"].items()
        if name.replace("\\", "/").startswith(f"{package}/")
    ]
    taken = sum(s["covered_branches"] for s in sums)
    return taken, taken + sum(s["missing_branches"] for s in sums)


def untried(report: Mapping[str, Any], package: str) -> list[str]:
    """The files of a package with the most branches that nobody took, with their lines."""
    files = [
        (file["missing_branches"], name)
        for name, file in report["files"].items()
        if name.replace("\\", "/").startswith(f"{package}/") and file["missing_branches"]
    ]
    most = sorted(files, key=lambda one: (-len(one[0]), one[1]))[:MOST_FILES]
    return [
        f"{name}: {len(branches)}, as " + ", ".join(f"{a}->{b}" for a, b in branches[:MOST_BRANCHES])
        for branches, name in most
    ]


def shortfalls(report: Mapping[str, Any], floors: Mapping[str, float] = FLOORS) -> list[str]:
    """A sentence for each package below its floor, or with nothing measured."""
    problems = []
    for package, floor in floors.items():
        taken, there_are = covered(report, package)
        if not there_are:
            problems.append(f"{package}: no branch was measured")
        elif 100 * taken < floor * there_are:
            problems.append(
                f"{package}: {100 * taken / there_are:.2f} % of {there_are} branches, floor {floor:g} %"
            )
    return problems


def main(arguments: list[str]) -> int:
    report = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    problems = shortfalls(report)
    for package in FLOORS:
        taken, there_are = covered(report, package)
        sys.stdout.write(f"branches of {package}: {taken} of {there_are} covered; most are missing in\n")
        sys.stdout.write("".join(f"  {line}\n" for line in untried(report, package)))
    for problem in problems:
        sys.stderr.write(f"below the floor: {problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
