"""Grade an exercise: `python docs/exercises/grade.py 1`.

The grader loads your `exercise.py` and the `checks.py` beside it, and asks every check in several worlds: two that
never change, and one from a fresh seed, which it prints. So an answer learned by heart does not pass. Exit codes:
0 passed, 1 not yet, 2 bad input.

A check is a function `check(student, seed)` whose docstring says what it asks; it raises AssertionError with a
sentence when the answer is not right. Whatever else the student's code raises is told in words.
"""

import ast
import importlib.util
import secrets
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import click

from cbdc.errors import TengeError

HERE = Path(__file__).resolve().parent
FIXED_SEEDS = (7, 2026)
PASSED, NOT_YET, BAD_INPUT = 0, 1, 2

Check = Callable[[ModuleType, int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: its name, and what is not right yet (empty: it is)."""

    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class Grade:
    """The findings of one exercise, in the order of its checks."""

    title: str
    seeds: tuple[int, ...]
    findings: tuple[Finding, ...]

    @property
    def points(self) -> int:
        """How many checks the answer passed, in every world."""
        return sum(not finding.problem for finding in self.findings)

    @property
    def passed(self) -> bool:
        """Whether it passed them all."""
        return self.points == len(self.findings)


def folders() -> dict[int, Path]:
    """Every exercise by its number: the folders whose names begin with one."""
    found = [folder for folder in sorted(HERE.iterdir()) if folder.name[:2].isdigit()]
    return {int(folder.name[:2]): folder for folder in found}


def load(path: Path, name: str) -> ModuleType:
    """The module in a file, loaded anew; beside it stand the modules it may import."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def grade(number: int, seeds: Sequence[int], file: Path | None = None) -> Grade:
    """The grade of exercise `number` for the answer in `file` (the student's own by default), in these worlds."""
    folder = folders()[number]
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    checks = load(folder / "checks.py", f"exercise_{number}_checks")
    path = file or folder / "exercise.py"
    problem, student = "", ModuleType("nothing")
    try:
        problem = not_your_own(path, checks.NOT_HERE)
        student = load(path, f"exercise_{number}_answer")
    except (Exception, SystemExit) as error:  # a file that cannot be loaded is an answer too
        problem = _words(error, path)
    findings = [
        Finding(check.__name__, problem or ask(check, student, seeds, path)) for check in checks.CHECKS
    ]
    return Grade(str(checks.TITLE), tuple(seeds), tuple(findings))


def not_your_own(path: Path, not_here: dict[str, str]) -> str:
    """The first import that would answer the exercise instead of you, with the reason; empty when there is none."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), path.name)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            for barred, reason in not_here.items():
                if name == barred or name.startswith(barred + "."):
                    return f"it imports {name}; {reason}"
    return ""


def ask(check: Check, student: ModuleType, seeds: Sequence[int], path: Path) -> str:
    """What a check finds wrong in the first of the worlds where it finds anything; empty when all is well."""
    for seed in seeds:
        try:
            check(student, seed)
        except (Exception, SystemExit) as error:  # whatever a student's code does, the grader goes on
            return f"{_words(error, path)} (seed {seed})"
    return ""


def _words(error: BaseException, path: Path) -> str:
    lines = [row.lineno for row in traceback.extract_tb(error.__traceback__) if row.filename == str(path)]
    place = f", line {lines[-1]} of {path.name}" if lines else ""
    if isinstance(error, NotImplementedError):
        return f"not written yet{place}"
    if isinstance(error, AssertionError):
        return f"{error or 'an assertion failed'}{place}"
    if isinstance(error, TengeError):
        return f"it raised {error.code}{place}: {error.sentence()}"
    return f"it raised {type(error).__name__}{place}: {error}"


def words(found: Grade) -> list[str]:
    """A grade for a person."""
    width = max(len(finding.name) for finding in found.findings)
    first = f"{found.title} (seeds {', '.join(map(str, found.seeds))})"
    lines = [
        f"  {'not yet' if finding.problem else 'ok':<8}{finding.name:<{width}}  {finding.problem}".rstrip()
        for finding in found.findings
    ]
    verdict = "passed" if found.passed else "not passed yet: every check counts, in every world"
    return [first, *lines, f"Grade: {found.points} of {len(found.findings)}, {verdict}."]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("number", type=int)
@click.option(
    "--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Another answer to grade."
)
@click.option("--seed", "seeds", type=int, multiple=True, help="A world to ask in; may be repeated.")
def main(number: int, file: Path | None, seeds: tuple[int, ...]) -> None:
    """Grade exercise NUMBER."""
    if number not in folders():
        raise click.BadParameter(f"there are the exercises {', '.join(map(str, folders()))}")
    chosen = seeds or (*FIXED_SEEDS, secrets.randbelow(1_000_000))
    found = grade(number, chosen, file.resolve() if file else None)
    for line in words(found):
        click.echo(line)
    sys.exit(PASSED if found.passed else NOT_YET)


if __name__ == "__main__":
    main()
