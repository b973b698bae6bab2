"""Reports kept in the repository, to see at once what a change does to the figures.

    golden/school-meals-small.json   one whole report, byte for byte: what people read
    golden/NAME.json                 of every pilot at its quick size: expectations, refusals, supply, digest

python -m tests.pilot.golden                   says which kept reports are not today's
python -m tests.pilot.golden --write [NAME]    plays the pilots (or the one named) and writes their reports

A change here is a change of what a pilot does: write it anew only when that is what was meant, and say why.
"""

import difflib
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cbdc.ports import Checkpoint, no_checkpoint
from tests.pilot.play import SMALL, played
from wallets.pilot import runner
from wallets.pilot.script import built_in, quick_settings

FOLDER = Path(__file__).with_name("golden")
WHOLE = "school-meals-small"
SEED = 7


def compact(report: Mapping[str, Any]) -> bytes:
    """What is kept of every pilot: one line for each expectation and each refusal."""
    kept = {
        "pilot": report["pilot"],
        "seed": report["seed"],
        "digest": report["digest"],
        "expectations": [f"{row['fact']} = {row['actual']}" for row in report["expectations"]],
        "refusals": [f"{row['count']} x {row['code']}" for row in report["refusals"]],
        "supply": report["supply"],
    }
    return (json.dumps(kept, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def played_quick(name: str, folder: Path, checkpoint: Checkpoint = no_checkpoint) -> runner.Finished:
    """A built-in pilot at its quick size."""
    return runner.run(name, folder, SEED, quick_settings(name), checkpoint=checkpoint)


def today(name: str) -> bytes:
    """The report of a pilot as the code gives it now, in the form in which it is kept."""
    with tempfile.TemporaryDirectory() as folder:
        if name == WHOLE:
            return (played(Path(folder) / "run", SMALL, SEED).folder / "report.json").read_bytes()
        return compact(played_quick(name, Path(folder) / "run").report)


def difference(report: bytes, name: str = WHOLE) -> list[str]:
    """Every line in which `report` is not the kept one."""
    file = FOLDER / f"{name}.json"
    kept = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    found = report.decode().splitlines()
    return list(difflib.unified_diff(kept, found, f"{name} kept", "today", lineterm="", n=1))


def main(arguments: list[str]) -> int:
    """Compare, or write."""
    names = [name for name in arguments if name != "--write"] or [WHOLE, *built_in()]
    lines: list[str] = []
    for name in names:
        report = today(name)
        if "--write" in arguments:
            (FOLDER / f"{name}.json").write_bytes(report)
        else:
            lines += difference(report, name)
    print("\n".join(lines) if lines else f"{', '.join(names)}: the kept reports are today's.")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
