"""A pilot's run in a process of its own: played or gone on with, told step by step, its summary kept beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wallets.pilot import runner
from wallets.pilot.folder import canonical_json, write_atomic
from wallets.site.jobs import Tell


def run_pilot(name: str, folder: str, seed: int, settings: Mapping[str, str], tell: Tell) -> dict[str, Any]:
    """Play the pilot into the folder, or go on with it there; its summary. Raises what the runner raises."""
    path = Path(folder)
    if (path / "run.json").exists():
        finished = runner.resume(path, progress=tell)
    else:
        finished = runner.run(name, path, seed, settings, progress=tell)
    rows = finished.report["expectations"]
    found = {
        "met": sum(1 for row in rows if row["ok"]),
        "expectations": len(rows),
        "ok": finished.ok,
        "steps": len(finished.report.get("steps", ())),
    }
    write_atomic(summary_file(path), canonical_json(found).encode())
    return found


def summary_file(folder: Path) -> Path:
    """Where the summary of the run in a folder lies: beside it, for a run's folder has a manifest of its files."""
    return folder.with_name(f"{folder.name}.summary.json")


def read_summary(folder: Path) -> dict[str, Any]:
    """The summary of a finished run, nothing for one that is not finished."""
    try:
        found = json.loads(summary_file(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
