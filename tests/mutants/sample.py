"""A seeded sample of all the mutants that mutmut makes, run and told: python -m tests.mutants.sample

    --groups NAME...  of these groups only
    --size N          that many of each group (40)
    --seed N          another number is another sample (7)
    --seconds N       no more tests for a mutant than took so long, quickest first, when they were measured (30)
    --again           run also what was killed before
    --read            run nothing: tell the verdicts that stand
    --json            the outcomes as JSON
    --write           keep them in tests/mutants/sample.json and write docs/mutants.md anew

Planted bugs are those that a person thought of. mutmut changes every operator, constant and argument of a module, more
than can be run each day. So a hash of the seed and the name puts all mutants of a group in an order, and the sample is
the first N: the same seed gives the same sample, and a larger sample holds the smaller one. The share killed is an
estimate for the group, no more.

A mutant counts as killed only when a test failed. One that no test reaches, or whose tests did not end in time, does
not. Verdicts are kept in `mutants/` as they come: what was stopped goes on where it was. After a change of tests run
again: what was not killed is asked anew, what was killed stays so unless `--again` is given.

Exit status 0 when every group has its share (90 of 100), 1 when not, 2 when mutmut could not run, 130 when stopped.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from tests.mutants import sample_page
from tests.mutants.sample_page import KILLED, Left, Sampled

ROOT = Path(__file__).resolve().parents[2]
SIZE = 40
SEED = 7
SECONDS = 30
GROUPS: Mapping[str, tuple[str, ...]] = {
    "records": ("records", "bundle"),
    "verify": ("verify", "checks", "admission"),
    "element": ("element", "element_core", "element_rules", "element_spend", "element_state"),
    "evidence": (
        "evidence",
        "evidence_device",
        "evidence_file",
        "evidence_institutions",
        "evidence_limits",
    ),
    "reconcile": ("reconcile", "graph", "live", "intake", "statements", "seen"),
    "settle": ("settle", "posting", "closing", "plan_close", "loss_policy", "shares"),
}
# How mutmut's runs of pytest end; what is not here is told as it is.
_VERDICTS = {
    0: "survived",
    1: KILLED,
    3: KILLED,
    5: "no test reaches it",
    33: "no test reaches it",
    -24: "too slow",
    -9: "too slow",
    24: "too slow",
    36: "too slow",
    152: "too slow",
    255: "too slow",
    None: "not run",
}


def files() -> list[str]:
    """The modules of all groups, as `only_mutate` in pyproject.toml names them."""
    return [f"offline/{module}.py" for modules in GROUPS.values() for module in modules]


def drawn(names: Sequence[str], size: int, seed: int) -> list[str]:
    """The first `size` names in the order that the seed gives; the order of `names` does not matter."""
    return sorted(names, key=lambda name: (hashlib.sha256(f"{seed}/{name}".encode()).digest(), name))[:size]


def verdict(status: int | None) -> str:
    """What an exit status of mutmut's means."""
    return _VERDICTS.get(status, f"ended with {status}")


def kept(root: Path, group: str) -> dict[str, int | None]:
    """Every mutant of a group, with the exit status that mutmut has kept for it."""
    found: dict[str, int | None] = {}
    for module in GROUPS[group]:
        file = root / "mutants" / "offline" / f"{module}.py.meta"
        found |= json.loads(file.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


@dataclass(frozen=True, slots=True)
class Mutmut:
    """mutmut in processes of its own; property tests get the same examples for every mutant."""

    root: Path
    seconds: int = SECONDS

    def make(self) -> int:
        """Make all mutants; the exit status."""
        return self._call(sys.executable, "-m", "tests.mutants.mutmut_calls", "make")

    def run(self, names: Sequence[str]) -> int:
        """Run the tests against these mutants; the exit status."""
        call = "tests.mutants.mutmut_calls"
        return self._call(sys.executable, "-m", call, "run", str(self.seconds), *names)

    def show(self, names: Sequence[str]) -> dict[str, str]:
        """The change of each of these mutants."""
        if not names:
            return {}
        command = [sys.executable, "-m", "tests.mutants.mutmut_calls", "show", *names]
        done = subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True)
        told: dict[str, str] = json.loads(done.stdout)
        return told

    def _call(self, *command: str) -> int:
        environment = {**os.environ, "CI": "true"}
        return subprocess.run(
            command, cwd=self.root, check=False, stdout=sys.stderr, env=environment
        ).returncode


def to_run(groups: Sequence[str], asked: argparse.Namespace, root: Path) -> list[str]:
    """The names of the sample that are still to be run, the groups in turn, so that a stop leaves none behind."""
    left = []
    for group in groups:
        status = kept(root, group)
        sample = drawn(list(status), asked.size, asked.seed)
        left.append([name for name in sample if asked.again or verdict(status[name]) != KILLED])
    return [name for turn in zip_longest(*left) for name in turn if name]


def told(groups: Sequence[str], size: int, seed: int, mutmut: Mutmut) -> list[Sampled]:
    """The outcome of each group as it stands; a mutant that was not run is no part of the sample."""
    samples = []
    for group in groups:
        status = kept(mutmut.root, group)
        verdicts = {name: verdict(status[name]) for name in drawn(list(status), size, seed)}
        ran = {name: word for name, word in verdicts.items() if word != _VERDICTS[None]}
        left = {name: word for name, word in ran.items() if word != KILLED}
        changes = mutmut.show(list(left))
        samples.append(
            Sampled(
                group,
                GROUPS[group],
                len(status),
                len(ran),
                Counter(ran.values())[KILLED],
                tuple(
                    Left(name, word, *sample_page.change(changes[name]))
                    for name, word in sorted(left.items())
                ),
            )
        )
    return samples


def table(samples: Sequence[Sampled]) -> str:
    lines = [f"{'group':10} {'mutants':>7} {'sample':>6} {'killed':>6}  share"]
    for one in samples:
        lines.append(
            f"{one.group:10} {one.mutants:7} {one.sample:6} {one.killed:6}  {sample_page.share(one)} %"
        )
        lines += [
            f"    {left.verdict}: {left.name}\n        - {left.was}\n        + {left.becomes}"
            for left in one.left
        ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants.sample", description="a seeded sample of all mutants"
    )
    parser.add_argument("--groups", nargs="+", choices=list(GROUPS), default=list(GROUPS), metavar="NAME")
    parser.add_argument("--size", type=int, default=SIZE, metavar="N", help=f"of each group ({SIZE})")
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help=f"another sample ({SEED})")
    parser.add_argument("--seconds", type=int, default=SECONDS, metavar="N", help=f"of tests ({SECONDS})")
    parser.add_argument("--again", action="store_true", help="run also what was killed before")
    parser.add_argument("--read", action="store_true", help="run nothing, tell the verdicts that stand")
    parser.add_argument("--json", action="store_true", help="the outcomes as JSON")
    parser.add_argument("--write", action="store_true", help="keep the outcomes and write docs/mutants.md")
    asked = parser.parse_args(arguments)
    mutmut = Mutmut(ROOT, asked.seconds)
    if not asked.read:
        if mutmut.make() != 0:
            sys.stderr.write("mutmut could not make the mutants (pip install -e .[mutation]?)\n")
            return 2
        names = to_run(asked.groups, asked, ROOT)
        if names and mutmut.run(names) != 0:
            return 2
    samples = told(asked.groups, asked.size, asked.seed, mutmut)
    sys.stdout.write((sample_page.as_json(samples) if asked.json else table(samples)) + "\n")
    if asked.write:
        sample_page.write(samples, asked.seed, ROOT)
    return 0 if all(sample_page.enough(one) for one in samples) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.stderr.write("stopped; what is done is kept\n")
        sys.exit(130)
