"""Plant bugs, one at a time, and see whether the tests notice: python -m tests.mutants

    --only NAME     this bug (may be given several times; a star matches)
    --list          the bugs, and nothing more
    --json          the outcomes as JSON
    --write         note in docs/mutants.md which test found each
    --workers N     how many at a time (2)

Exit status 0 when every bug is found, 1 when one is not, 2 when the tests fail without any bug, 130 when stopped.
"""

import argparse
import fnmatch
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.mutants import page
from tests.mutants.plant import Plant
from tests.mutants.planter import FOUND, Bench, Outcome
from tests.mutants.plants import FIELDS, PLANTS

ROOT = Path(__file__).resolve().parents[2]


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def progress(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def chosen(only: Sequence[str], plants: Sequence[Plant] = PLANTS) -> list[Plant]:
    """The bugs with these names or patterns, all without any; `SystemExit` for a name that no bug has."""
    unknown = [name for name in only if not fnmatch.filter([plant.name for plant in plants], name)]
    if unknown:
        raise SystemExit(f"no bug is called {', '.join(unknown)}; --list shows all")
    return [plant for plant in plants if not only or any(fnmatch.fnmatch(plant.name, name) for name in only)]


def facts(outcome: Outcome) -> dict[str, object]:
    plant = outcome.plant
    return {
        "name": plant.name,
        "means": plant.means,
        "file": plant.file,
        "verdict": outcome.verdict,
        "found_by": outcome.found_by,
    }


def table(outcomes: Sequence[Outcome]) -> str:
    rows = [
        (one.plant.name, one.plant.means, one.found_by if one.verdict == FOUND else one.verdict)
        for one in outcomes
    ]
    names, words = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"{name:{names}}  {means:{words}}  {by}" for name, means, by in rows)


def write_page(outcomes: Sequence[Outcome], root: Path) -> None:
    """Note who found what; bugs that were not planted this time keep their finder."""
    file = root / page.PAGE
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    found = page.read(text)
    found |= {one.plant.name: one.found_by for one in outcomes if one.verdict == FOUND}
    never = [plant.name for plant in PLANTS if plant.name not in found]
    if never:
        progress(f"{page.PAGE} is not written: {', '.join(never)} has no test that finds it")
    else:
        parts = [page.made(FIELDS, found), page.sample_part(text)]
        file.write_text("\n".join(part for part in parts if part), encoding="utf-8")


def run(plants: Sequence[Plant], workers: int, root: Path = ROOT) -> list[Outcome] | None:
    """The outcome of each bug; None, with the reasons told, when the tests fail without any."""
    with Bench(root, workers) as bench:
        progress("first the tests without a bug")
        problems = bench.without_a_bug(plants)
        if problems:
            progress("\n".join(["these fail without any bug:", *problems]))
            return None
        done = 0

        def told(outcome: Outcome) -> None:
            nonlocal done
            done += 1
            progress(f"{done}/{len(plants)} {outcome.plant.name}: {outcome.found_by or outcome.verdict}")

        return bench.try_all(plants, told)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants", description="do the tests notice planted bugs?"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="this bug; a star matches"
    )
    parser.add_argument("--list", action="store_true", help="the bugs, and nothing more")
    parser.add_argument("--json", action="store_true", help="the outcomes as JSON")
    parser.add_argument("--write", action="store_true", help=f"note in {page.PAGE} which test found each")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="how many at a time (2)")
    asked = parser.parse_args(arguments)
    plants = chosen(asked.only)
    if asked.list:
        say("\n".join(f"{plant.name}  {plant.file}  {plant.means}" for plant in plants))
        return 0
    outcomes = run(plants, max(1, asked.workers))
    if outcomes is None:
        return 2
    say(json.dumps([facts(one) for one in outcomes], indent=2) if asked.json else table(outcomes))
    left = [one for one in outcomes if one.verdict != FOUND]
    progress(f"planted {len(outcomes)}: {len(outcomes) - len(left)} found, {len(left)} not")
    if asked.write:
        write_page(outcomes, ROOT)
    return 1 if left else 0


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        progress("stopped")
        sys.exit(130)
