"""Plays the presets of the laboratory and keeps what they showed beside docs/offline-lab.md.

python -m tests.house.lab_pages --write        plays every preset (minutes) and writes docs/offline-lab/
python -m tests.house.lab_pages --check        plays every preset and fails where the kept results differ
python -m tests.house.lab_pages --write NAME   only these

The normal tests do not play the presets again; they see to it that the plots and tables are those of the kept results,
and that the results are of the presets as they are now.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.house.made_lab import FOLDER
from wallets.lab import command_progress, jobs, plots_chart, settings

LONG = ("hundred-thousand",)


def shown() -> list[str]:
    """The presets that the page shows."""
    return [name for name in settings.presets() if name not in LONG]


def play(name: str, folder: Path) -> bytes:
    """The results of one preset, played in `folder`."""
    plan = jobs.begin(folder, name, {})
    command_progress.play(folder, plan, jobs.processors())
    return (folder / "results.json").read_bytes()


def keep(data: bytes, name: str, folder: Path = FOLDER) -> None:
    """Write a preset's results and plots beside the page."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_bytes(data)
    for file, picture in plots_chart.pictures(json.loads(data)):
        (folder / file).write_text(plots_chart.svg(picture), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.house.lab_pages", description="presets for the page"
    )
    parser.add_argument("names", nargs="*", help="presets [all that the page shows]")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--write", action="store_true", help="keep what they show")
    how.add_argument("--check", action="store_true", help="fail where the kept results differ")
    chosen = parser.parse_args(arguments)
    wrong = 0
    for name in chosen.names or shown():
        with tempfile.TemporaryDirectory() as place:
            data = play(name, Path(place) / name)
        if chosen.write:
            keep(data, name)
        same = (FOLDER / f"{name}.json").read_bytes() == data
        wrong += not same
        sys.stdout.write(f"{name}: {'as kept' if same else 'NOT as kept'}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
