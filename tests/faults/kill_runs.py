"""What kill runs have in common: clients, judges, the figures at the end, and the command that plays a run again.

Who dies, and in which ways, is each run's own: `tests.faults.kills`, `tests.roles.kills`.
"""

import argparse
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from cbdc.ledger.audit import audit
from cbdc.ledger.engines import open_store
from cbdc.ledger.store import Store
from cbdc.ports import WRITE_POINTS
from tests.faults.auditor import Auditor, Wrong
from tests.faults.payers import Payers
from tests.faults.town import big_town

POINTS = [point for point in WRITE_POINTS if point.startswith("ledger.")]
SECONDS = 60


class KillRun:
    """Clients who pay into the store at `url`, and the auditor who looks at it; `happened` counts each way to die."""

    def __init__(self, engine: str, url: str, seed: int, payers: Callable[[Auditor, int], Payers]) -> None:
        self.engine, self.url, self.seed = engine, url, seed
        self.chance = random.Random(f"{engine}/{seed}")
        self.auditor = Auditor(big_town())
        self.payers = payers(self.auditor, seed)
        self.happened: Counter[str] = Counter()

    def read(self) -> Store:
        """The store, opened for reading."""
        return open_store(self.url, read_only=True)

    def judge(self) -> None:
        """The auditor looks at the store; what the clients heard before that moment must stand in it."""
        with self.payers.lock, closing(self.read()) as store:
            self.auditor.check(store)

    def figures(self) -> dict[str, Any]:
        """What was seen, when both judges have looked at the end and no client complains; else `Wrong`."""
        if self.payers.wrong:
            raise Wrong("; ".join(self.payers.wrong))
        self.judge()
        with closing(self.read()) as store:
            found = audit(store)
        if found.problems:
            raise Wrong(f"the product's own audit: {found.problems[0]}")
        if self.payers.open:
            raise Wrong(f"{len(self.payers.open)} payments never settled")
        return {
            "engine": self.engine,
            "seed": self.seed,
            "kills": sum(self.happened.values()),
            "how": dict(sorted(self.happened.items())),
            "acknowledged": len(self.auditor.receipts),
            "lost": 0,
            "doubled": 0,
            "asked_again": self.payers.asked_again,
        }


@contextmanager
def played_again_by(program: str, engine: str, kills: int, seed: int, *switches: str) -> Iterator[None]:
    """What is `Wrong` in here is told with the command that plays the same run."""
    try:
        yield
    except Wrong as wrong:
        again = f"python -m {program} --engine {engine} --kills {kills} --seed {seed}"
        raise Wrong(f"{wrong}\nagain: {' '.join([again, *switches])}") from wrong


def command(
    program: str,
    about: str | None,
    kills: int,
    play: Callable[..., dict[str, Any]],
    switches: Sequence[str] = (),
    arguments: Sequence[str] | None = None,
) -> int:
    """A run from the command line: `play(engine, kills, seed, folder)`, and by name whether each switch was given."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=about)
    parser.add_argument("--engine", default="sqlite")
    parser.add_argument("--kills", type=int, default=kills)
    parser.add_argument("--seed", type=int, default=1)
    for switch in switches:
        parser.add_argument(f"--{switch}", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    given = {switch: getattr(asked, switch) for switch in switches}
    with tempfile.TemporaryDirectory(prefix="tenge-kills-") as name:
        figures = play(asked.engine, asked.kills, asked.seed, Path(name), **given)
    text = json.dumps(figures, indent=1)
    print(text)
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(text + "\n", encoding="utf-8")
    return 0
