"""One target under atheris (libFuzzer): compiled coverage, our own mutations beside libFuzzer's.

    python -m tests.fuzz.libfuzzer TARGET STATUS-FILE [libFuzzer's own arguments and corpus folder]

What breaks is written down and the hunt goes on; the status file (JSON, rewritten as it goes) tells how far it came.
libFuzzer itself stops an input that takes longer than its `-timeout` or holds more than its `-rss_limit_mb`.
"""

import json
import random
import sys
from collections import Counter
from pathlib import Path

import atheris

SAMPLE_RUNS = 2_000
WRITE_RUNS = 100


def main(arguments: list[str]) -> None:
    """Hunt until libFuzzer says it is enough."""
    with atheris.instrument_imports(include=["cbdc", "offline"]):
        from tests.fuzz import engine, targets
    name, status = arguments[1], Path(arguments[2])
    target = targets.MAKERS[name]()
    answers: Counter[str] = Counter()
    found: dict[str, engine.Found] = {}
    runs = 0
    samples: list[float] = []

    def one(data: bytes) -> None:
        nonlocal runs
        answer, broken = engine.attempt(target, data)
        runs += 1
        answers[answer] += 1
        if broken is not None and broken.kind not in found:
            found[broken.kind] = broken
            broken.save(status.parent)
        if runs % SAMPLE_RUNS == 0:
            samples.append(engine.memory_mib())
        if runs % WRITE_RUNS == 0:
            write()

    def write() -> None:
        rest = samples[len(samples) // 8 :] or [0.0]
        status.write_text(
            json.dumps(
                {
                    "runs": runs,
                    "accepted": answers["ok"],
                    "answers": len(answers),
                    "growth_mib": int(rest[-1] - rest[0]),
                    "memory_mib": int(rest[-1]),
                    "found": [broken.problem for broken in found.values()],
                }
            ),
            encoding="ascii",
        )

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        dice = random.Random(seed)
        if dice.random() < 0.3:
            changed: bytes = atheris.Mutate(data, max_size)
            return changed
        parent = data if len(data) > 1 and dice.random() < 0.8 else dice.choice(list(target.seeds))
        return target.mutator.mutate(parent, dice)[:max_size]

    write()
    atheris.Setup([arguments[0], *arguments[3:]], one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
