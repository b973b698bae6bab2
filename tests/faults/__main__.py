"""The fault runs at full size.

    python -m tests.faults --engine sqlite --crashes 1000            many lives, until there were so many crashes
    python -m tests.faults --engine sqlite --seed 17 --crashes 8     one life again: what a failure printed

The figures go to stdout, and with `--json` to a file. The same arguments give the same figures.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from tests.faults.auditor import Wrong
from tests.faults.machines import MACHINES
from tests.faults.simulation import CRASHES, Figures, play


def main() -> int:
    """Play lives; 1 when one of them went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--engine", choices=sorted(MACHINES), action="append")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--crashes", type=int, default=1_000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows = []
    for engine in asked.engine or sorted(MACHINES):
        if missing := MACHINES[engine].missing:
            print(f"{engine}: left out, {missing}")
            continue
        figures, started, seed, wrong = Figures(), time.monotonic(), asked.seed, 0
        while figures.crashes < asked.crashes:
            try:
                play(engine, seed, min(CRASHES, asked.crashes - figures.crashes), figures)
            except Wrong as problem:
                wrong += 1
                print(problem, file=sys.stderr)
            seed += 1
        row = {"engine": engine, "first_seed": asked.seed, **figures.as_dict(), "wrong": wrong}
        print(json.dumps(row, indent=1), f"\n{time.monotonic() - started:.0f} s", file=sys.stderr)
        rows.append(row)
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")
    return 1 if any(row["wrong"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
