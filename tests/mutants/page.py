"""docs/mutants.md: every bug, what it would mean, and the test that found it when they were last planted."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.mutants.plant import Field
from tests.mutants.sample_page import HEADING

PAGE = "docs/mutants.md"

_HEAD = """# Planted bugs

A test that never fails proves nothing. Here are {count} bugs in the rules that keep money safe, each of a kind that a
tired person could make, planted one at a time in a copy of the tree. The table says which test noticed each first.

```bash
make mutants                                           # all of them: ten to twenty minutes on two cores
.venv/bin/python -m tests.mutants --only quorum-off-by-one
.venv/bin/python -m tests.mutants --list               # names and places
.venv/bin/python -m tests.mutants --write              # all of them, and this page anew
```

A bug that survives fails the run: either a test is missing, or the rule is. The bugs are data (`tests/mutants/`): a
place, the text that stands there and the text that takes its place. When you change such a line, change its plant too;
a quick test says which. `tests/mutants/test_plants.py` keeps this page and the data in step.
"""
_ROW = re.compile(
    r"^\| `(?P<name>[a-z0-9-]+)` \| (?P<means>.*?) \| `(?P<file>\S+)` \| `(?P<test>\S+)` \|$", re.MULTILINE
)


def made(fields: Sequence[Field], found_by: Mapping[str, str]) -> str:
    """The page; `found_by` maps each bug's name to the id of the test that found it."""
    parts = [_HEAD.format(count=sum(len(field.plants) for field in fields))]
    for field in fields:
        rows = [
            f"| `{plant.name}` | {plant.means} | `{plant.file}` | `{found_by[plant.name]}` |"
            for plant in field.plants
        ]
        table = "\n".join(
            ["| bug | what it would mean | planted in | found by |", "|---|---|---|---|", *rows]
        )
        parts.append(f"## {field.title}\n\n{table}\n")
    return "\n".join(parts)


def read(text: str) -> dict[str, str]:
    """Who found each bug, as a page says."""
    return {row["name"]: row["test"] for row in _ROW.finditer(text)}


def planted_part(text: str) -> str:
    """A page without its part about the sample of all mutants."""
    before, heading, _ = text.partition(HEADING)
    return before.rstrip("\n") + "\n" if heading else text


def sample_part(text: str) -> str:
    """The part of a page about the sample of all mutants; empty when there is none."""
    _, heading, after = text.partition(HEADING)
    return heading + after


def is_there(test: str, root: Path) -> bool:
    """Whether a test id names a file of the tree and a function in it."""
    file, _, function = test.partition("::")
    path = root / file
    return path.is_file() and f"def {function}(" in path.read_text(encoding="utf-8")


def problems(text: str, fields: Sequence[Field], root: Path) -> list[str]:
    """What is wrong with a page: bugs it does not know, tests that are gone, or words that were changed by hand.

    The part about the sample of all mutants has a check of its own.
    """
    text = planted_part(text)
    found = read(text)
    names = [plant.name for field in fields for plant in field.plants]
    missing = [f"{name} was never planted" for name in names if name not in found]
    if missing:
        return missing
    gone = [
        f"{name} was found by {found[name]}, which is gone"
        for name in names
        if not is_there(found[name], root)
    ]
    return gone or _differences(text, made(fields, found))


def _differences(written: str, right: str) -> list[str]:
    pairs: Iterable[tuple[str, str]] = zip(written.splitlines(), right.splitlines(), strict=False)
    changed = [f"is: {one}, should be: {other}" for one, other in pairs if one != other]
    return changed[:5] if changed or written == right else ["the page is too long or too short"]
