"""The small school-meals report, kept in the repository byte for byte.

python -m tests.pilot.golden            says whether the kept report is today's
python -m tests.pilot.golden --write    plays the pilot and writes its report

A change here is a change of what people read: write it anew only when that is what was meant, and say why.
"""

import difflib
import sys
import tempfile
from pathlib import Path

from tests.pilot.play import SMALL, played

GOLDEN = Path(__file__).with_name("golden") / "school-meals-small.json"


def today() -> bytes:
    """The report of the small run as the code gives it now."""
    with tempfile.TemporaryDirectory() as folder:
        return (played(Path(folder) / "run", SMALL).folder / "report.json").read_bytes()


def difference(report: bytes) -> list[str]:
    """Every line in which `report` is not the kept one."""
    kept = GOLDEN.read_text(encoding="utf-8").splitlines() if GOLDEN.exists() else []
    found = report.decode().splitlines()
    return list(difflib.unified_diff(kept, found, "kept", "today", lineterm="", n=1))


def main(arguments: list[str]) -> int:
    """Compare, or write."""
    report = today()
    if arguments == ["--write"]:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_bytes(report)
        return 0
    lines = difference(report)
    print("\n".join(lines) if lines else "The kept report is today's.")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
