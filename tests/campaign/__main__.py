"""The campaigns at full size: `python -m tests.campaign runs --count 100000`, `... adversaries --count 1000000`.

Progress goes to stderr, the figures to a JSON file and as text to stdout. With `--workers` the work is split by seeds;
the figures are the sum, and the same for the same seed and number of workers.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tests.campaign import battle, runs


def tell(what: str, total: int) -> Callable[[int], None]:
    """A progress line on stderr, at most one in five seconds."""
    last = [time.monotonic()]

    def say(done: int) -> None:
        if time.monotonic() - last[0] > 5 or done >= total:
            last[0] = time.monotonic()
            print(f"{what}: {done:,} of {total:,}", file=sys.stderr, flush=True)

    return say


def play_runs(seed: int, count: int) -> tuple[dict[str, Any], float]:
    """One worker's share of the random runs, and the processor seconds it took."""
    say, start = tell(f"runs (seed {seed})", count), time.process_time()
    figures = runs.play(seed, count, lambda figures: say(figures.runs))
    return figures.as_dict(), time.process_time() - start


def play_battle(seed: int, count: int) -> tuple[dict[str, Any], float]:
    """One worker's share of the adversaries."""
    say, start = tell(f"adversaries (seed {seed})", count), time.process_time()
    figures = battle.play(seed, count, lambda figures: say(figures.payments))
    return figures.as_dict(), time.process_time() - start


def merged(one: Any, other: Any) -> Any:
    """Two figures as one: numbers are added (of the largest, the larger), tables joined."""
    if isinstance(one, dict):
        joined = {key: merged(one.get(key, 0), other.get(key, 0)) for key in {**one, **other}}
        most = {
            key: max(one[key], other[key]) for key in one.keys() & other.keys() if key.startswith("most_")
        }
        return {**joined, **most}
    if isinstance(other, dict):
        return other
    return one if isinstance(one, str) else one + other


def main() -> None:
    """Play a campaign and write its figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("what", choices=["runs", "adversaries"])
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    play = play_runs if asked.what == "runs" else play_battle
    share = [
        asked.count // asked.workers + (place < asked.count % asked.workers) for place in range(asked.workers)
    ]
    seeds = [asked.seed + 1_000 * place for place in range(asked.workers)]
    start = time.monotonic()
    if asked.workers == 1:
        answers = [play(seeds[0], share[0])]
    else:
        with ProcessPoolExecutor(asked.workers) as pool:
            answers = list(pool.map(play, seeds, share))
    figures = answers[0][0]
    for more, _ in answers[1:]:
        figures = merged(figures, more)
    figures["seed"], figures["workers"] = asked.seed, asked.workers
    seconds = {
        "processor": round(sum(took for _, took in answers), 1),
        "wall": round(time.monotonic() - start, 1),
    }
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps({**figures, "seconds": seconds}, indent=2) + "\n", encoding="utf-8")
    print(battle.table(figures) if asked.what == "adversaries" else json.dumps(figures, indent=2))
    print(f"seconds: {seconds}", file=sys.stderr)


if __name__ == "__main__":
    main()
