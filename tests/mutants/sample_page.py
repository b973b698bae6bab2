"""What a sample of mutants came to: kept as JSON, told in docs/mutants.md, with a line for each that was not killed.

The lines are hand-written in tests/mutants/survivors.toml, by what was changed into what and not by mutmut's number,
which moves when a function grows.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PAGE = "docs/mutants.md"
KEPT = "tests/mutants/sample.json"
WHYS = "tests/mutants/survivors.toml"
HEADING = "## A sample of all mutants"
KILLED = "killed"
ENOUGH = 90

_HEAD = """{heading}

Planted bugs are those that somebody thought of. [mutmut](https://mutmut.readthedocs.io) {mutmut} changes every
operator, constant and argument of a module in every way it knows. All of them are hours of work, so a **sample** is
run: of each group the first by a hash of the seed ({seed}) and the mutant's name. The share is an estimate for the
group, and it holds for the tests that `[tool.mutmut]` in `pyproject.toml` selects, without the slowest, and for each
mutant only the quickest of those that reach it, up to half a minute. A mutant that no test reaches or whose tests did
not end counts as not killed. Where a mutant showed a gap a test was written, so the shares flatter a little: another
seed gives those of mutants that nobody has looked at.

```bash
make mutants-sample                                    # {command}
.venv/bin/python -m tests.mutants.sample --groups settle --size 100 --seed 8
```

The first run makes all mutants and notes which test reaches which function; later runs go on from `mutants/`. After a
large change, delete that folder.

| group | modules of `offline` | mutants in all | sample | killed | share |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Left:
    """A mutant that was not killed: its verdict, the line that stood there, and the line in its place."""

    name: str
    verdict: str
    was: str
    becomes: str

    @property
    def place(self) -> str:
        """Where it is, as a person would say it: module and function."""
        module, _, mangled = self.name.removeprefix("offline.").rpartition(".")
        function = mangled.rpartition("__mutmut_")[0].removeprefix("x")
        return f"{module}.{function.strip('ǁ').replace('ǁ', '.').removeprefix('_')}"


@dataclass(frozen=True, slots=True)
class Sampled:
    """The outcome of one group: how many mutants there are, how many were run, how many killed, and the rest."""

    group: str
    modules: tuple[str, ...]
    mutants: int
    sample: int
    killed: int
    left: tuple[Left, ...]


def share(one: Sampled) -> int:
    """Killed of a hundred of the sample, rounded down; nought for an empty sample."""
    return one.killed * 100 // one.sample if one.sample else 0


def enough(one: Sampled) -> bool:
    """Whether the sample was run and its share is what the house asks for."""
    return share(one) >= ENOUGH


def change(diff: str) -> tuple[str, str]:
    """The lines a mutant takes out and puts in, of a unified diff, each side on one line."""
    lines = diff.splitlines()[2:]
    return tuple(  # type: ignore[return-value]
        " ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+"
    )


def as_json(samples: Sequence[Sampled]) -> str:
    return json.dumps([asdict(one) for one in samples], indent=2, ensure_ascii=False)


def from_json(kept: Sequence[Mapping[str, Any]]) -> list[Sampled]:
    """What `as_json` wrote."""
    return [
        Sampled(
            **{**one, "modules": tuple(one["modules"]), "left": tuple(Left(**left) for left in one["left"])}
        )
        for one in kept
    ]


def read(root: Path) -> dict[str, Any]:
    """The kept outcome of the last sample: the version of mutmut, the seed and the groups."""
    kept: dict[str, Any] = json.loads((root / KEPT).read_text(encoding="utf-8"))
    return kept


def whys(root: Path) -> dict[tuple[str, str], str]:
    """Why a mutant is left, by its place and what its line becomes."""
    text = (root / WHYS).read_text(encoding="utf-8")
    return {(one["place"], one["becomes"]): one["why"] for one in tomllib.loads(text).get("left", [])}


def unexplained(samples: Sequence[Sampled], known: Mapping[tuple[str, str], str]) -> list[Left]:
    """What is left and has no line."""
    return [left for one in samples for left in one.left if (left.place, left.becomes) not in known]


def section(kept: Mapping[str, Any], known: Mapping[tuple[str, str], str]) -> str:
    """The part of the page about the sample."""
    samples = from_json(kept["groups"])
    command = f"seed {kept['seed']}, the sizes below"
    rows = [
        f"| {one.group} | {', '.join(f'`{module}`' for module in one.modules)} | {one.mutants} | {one.sample} | "
        f"{one.killed} | {share(one)} % |"
        for one in samples
    ]
    total, killed = sum(one.sample for one in samples), sum(one.killed for one in samples)
    rows.append(
        f"| all | | {sum(one.mutants for one in samples)} | {total} | {killed} | {killed * 100 // total} % |"
    )
    left = [
        f"| `{one.place}` | {one.verdict} | {_code(one.was)} | {_code(one.becomes)} | "
        f"{known.get((one.place, one.becomes), '')} |"
        for group in samples
        for one in group.left
    ]
    head = _HEAD.format(heading=HEADING, mutmut=kept["mutmut"], seed=kept["seed"], command=command)
    parts = [head + "\n".join(rows) + "\n"]
    if left:
        table = ["| where | verdict | was | becomes | why it is left |", "|---|---|---|---|---|", *left]
        parts.append("### What was not killed\n\n" + "\n".join(table) + "\n")
    return "\n".join(parts)


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`" if text else "nothing"


def write(samples: Sequence[Sampled], seed: int, root: Path) -> None:
    """Keep these outcomes beside those of the groups that were not asked for, and write the page anew."""
    from importlib.metadata import version

    file = root / KEPT
    old = from_json(read(root)["groups"]) if file.exists() else []
    groups = {one.group: one for one in [*old, *samples]}
    kept = {"mutmut": version("mutmut"), "seed": seed, "groups": json.loads(as_json(list(groups.values())))}
    file.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    page = root / PAGE
    text = page.read_text(encoding="utf-8").partition(HEADING)[0].rstrip("\n")
    page.write_text(f"{text}\n\n{section(kept, whys(root))}", encoding="utf-8")
