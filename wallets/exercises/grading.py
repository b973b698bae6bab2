"""Grade an answer: pytest asks the lab's checks, in worlds that never change and in fresh ones.

Each check `test_NAME(student, seed)` is asked once a seed: in the two fixed worlds, and in one whose seed nobody knew
before (it is printed, so the failure can be seen again). A check counts when it holds in all of them; the lab is passed
when every check counts. The checks run here, the answer in a caged process (`wallets.exercises.line`), so an answer
sees neither the seed nor the checks nor what they expect.

Pytest runs in this process, with no plugin but this one, no configuration and no cache.
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import Refused, Unavailable, by_code
from cbdc.ports import Entropy, SystemEntropy
from wallets.exercises.asking import Problem
from wallets.exercises.cage import Limits
from wallets.exercises.labs import CHECKS, ENGLISH, Lab
from wallets.exercises.line import Ended, Raised, Step, Student, StudentFault

FIXED_SEEDS = (7, 2026)


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: its name, what it asks, and what is not right yet (an empty `problem`: all is).

    `key` names the kind of problem in the lab's words, and `seed` the first world where it showed.
    """

    name: str
    asks: str
    problem: str = ""
    key: str = ""
    seed: int | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Grade:
    """The grade of one answer: the findings in the order of the checks, and how it came about."""

    lab: str
    title: str
    language: str
    seeds: tuple[int, ...]
    findings: tuple[Finding, ...]
    walls: tuple[str, ...]
    missing: tuple[str, ...]
    printed: str = ""

    @property
    def points(self) -> int:
        """How many checks the answer passed, in every world."""
        return sum(not finding.problem for finding in self.findings)

    @property
    def passed(self) -> bool:
        """Whether it passed them all."""
        return bool(self.findings) and self.points == len(self.findings)

    def told(self) -> dict[str, Any]:
        """The grade as JSON for a gradebook."""
        return {
            "lab": self.lab,
            "title": self.title,
            "language": self.language,
            "seeds": list(self.seeds),
            "points": self.points,
            "of": len(self.findings),
            "passed": self.passed,
            "walls": list(self.walls),
            "missing_translations": list(self.missing),
            "checks": [
                {
                    "name": one.name,
                    "asks": one.asks,
                    "ok": not one.problem,
                    "problem": one.problem,
                    "key": one.key,
                    "seed": one.seed,
                }
                for one in self.findings
            ],
        }


def fresh_seeds(chance: Entropy | None = None) -> tuple[int, ...]:
    """The two fixed seeds and one that nobody has seen: so many are possible that no answer can try them all."""
    drawn = (chance or SystemEntropy()).bytes("exercise seed", b"", 5)
    return (*FIXED_SEEDS, int.from_bytes(drawn, "big"))


def grade(
    lab: Lab,
    answer: Path,
    seeds: Sequence[int],
    language: str = ENGLISH,
    limits: Limits | None = None,
    only: str = "",
) -> Grade:
    """The grade of the answer in the file `answer`, in these worlds; `only` asks one check.

    E_EXERCISE_ANSWER when there is no such file; E_EXERCISE_CHECKS when the lab's checks cannot be read.
    """
    if not answer.is_file():
        raise Refused("E_EXERCISE_ANSWER", file=answer.as_posix(), name=lab.name)
    barred = {name: lab.say(texts, language, f"barred.{name}") for name, texts in lab.barred.items()}
    # What is loaded before the bars are put up could be imported all the same.
    preload = [name for name in ("cbdc.keys", *lab.preload) if name not in barred]
    student = Student(answer, lab.given(), preload, barred, limits)
    asker = _Asker(lab, student, tuple(seeds), language)
    try:
        with _alone(lab.folder):
            arguments = [str(lab.folder / CHECKS), "-p", "no:cacheprovider", "-p", "no:terminal"]
            arguments += ["--import-mode=importlib", "-c", os.devnull, f"--rootdir={lab.folder}"]
            # What nobody could hear is not looked for: that searches all of memory, twice a grade.
            arguments += ["-p", "no:unraisableexception"]
            arguments += ["-p", "no:logging", "-p", "no:warnings", *(["-k", only] if only else [])]
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                code = pytest.main(arguments, plugins=[asker])
        if code == pytest.ExitCode.NO_TESTS_COLLECTED and only and not asker.broken:
            known = sorted(key.removeprefix("asks.") for key in lab.words if key.startswith("asks."))
            raise Refused("E_EXERCISE_ONLY", name=lab.name, check=only[:60], known=", ".join(known))
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or asker.broken:
            raise Unavailable(
                "E_EXERCISE_CHECKS", name=lab.name, problem=asker.broken or f"pytest said {code}"
            )
        findings = asker.findings()
        printed = student.printed()
    finally:
        student.close()
    title = lab.say(lab.title, language, "title")
    walls, missing = tuple(student.walls), tuple(sorted(lab.missing))
    return Grade(lab.name, title, language, tuple(seeds), findings, walls, missing, printed)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The lab's own modules can be imported by their names, and are forgotten afterwards; no plugin joins in."""
    path, known = list(sys.path), set(sys.modules)
    before = os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"), os.environ.pop("PYTEST_ADDOPTS", None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = path
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if name not in known and file and Path(file).parent == folder:
                del sys.modules[name]
        for name, value in zip(("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_ADDOPTS"), before, strict=True):
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@dataclass(slots=True)
class _Heard:
    problem: str = ""
    key: str = ""
    seed: int | None = None
    steps: tuple[Step, ...] = ()


@dataclass(eq=False)
class _Asker:
    """The pytest plugin: gives each check its student and its seeds, and keeps what came of it."""

    lab: Lab
    student_answer: Student
    seeds: tuple[int, ...]
    language: str
    broken: str = ""
    heard: dict[str, _Heard] = field(default_factory=dict)

    @pytest.fixture
    def student(self) -> Student:
        """The answer, ready for a new check."""
        self.student_answer.begin_check()
        return self.student_answer

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Every check in every world."""
        if "seed" in metafunc.fixturenames:
            metafunc.parametrize("seed", self.seeds)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Any:
        """Keep what the first failing world says, in words; a failure outside the call is the grader's own."""
        report = yield
        name = item.originalname.removeprefix("test_")
        kept = self.heard.setdefault(name, _Heard())
        seed = item.callspec.params.get("seed") if hasattr(item, "callspec") else None
        steps = tuple(self.student_answer.trace.steps)
        if call.when == "call" and not kept.steps:
            kept.steps, kept.seed = steps, seed
        if call.excinfo is not None and not kept.problem:
            error = call.excinfo.value
            try:
                kept.problem, kept.key = problem_words(self.lab, error, self.language)
            except (
                KeyError,
                ValueError,
                IndexError,
            ) as missing:  # a check names a sentence that is not there
                kept.problem, kept.key = f"{error!r} ({missing!r})", "grader_failed"
            kept.seed, kept.steps = seed, steps
        return report

    def pytest_collectreport(self, report: Any) -> None:
        """Checks that cannot be read are the lab's mistake, not the student's."""
        if report.failed and not self.broken:
            self.broken = str(report.longrepr)[-400:]

    def findings(self) -> tuple[Finding, ...]:
        """The findings, in the order in which the checks stand."""
        return tuple(
            Finding(
                name,
                self.lab.asks(name, self.language),
                one.problem,
                one.key,
                one.seed,
                one.steps,
            )
            for name, one in self.heard.items()
        )


def problem_words(lab: Lab, error: BaseException, language: str) -> tuple[str, str]:
    """What went wrong, for a person, and the key of that sentence."""
    match error:
        case Problem():
            return lab.sentence(error.key, language, error.facts), error.key
        case Raised():
            return _raised_words(lab, error, language)
        case Ended():
            key = f"ended.{error.facts['why']}"
            return lab.sentence(key, language, error.facts), key
        case StudentFault():
            return lab.sentence(error.key, language, error.facts), error.key
        case _:
            problem = f"{type(error).__name__}: {error}"[:300]
            return lab.sentence("grader_failed", language, {"problem": problem}), "grader_failed"


def _raised_words(lab: Lab, error: Raised, language: str) -> tuple[str, str]:
    facts: Mapping[str, object] = error.facts
    place = lab.sentence("place", language, facts) if error.line else ""
    if error.is_a("NotImplementedError"):
        return lab.sentence("not_written", language, {"place": place}), "not_written"
    if error.code:
        with contextlib.suppress(Exception):
            text = by_code(error.code, error.told).sentence(language)
            return lab.sentence(
                "refused", language, {"code": error.code, "place": place, "text": text}
            ), "refused"
    return lab.sentence("raised", language, {**facts, "place": place}), "raised"


def words(found: Grade, lab: Lab, explain: bool = False) -> list[str]:
    """A grade for a person, line by line; `explain` adds what the answer printed."""

    def say(key: str, **facts: object) -> str:
        return lab.sentence(key, found.language, facts)

    marks = [say("grade.not_yet") if one.problem else say("grade.ok") for one in found.findings]
    width = max((len(mark) for mark in marks), default=0)
    lines = [f"{lab.number}. {found.title} ({say('grade.seeds', seeds=', '.join(map(str, found.seeds)))})"]
    for mark, one in zip(marks, found.findings, strict=True):
        lines.append(f"  {mark:<{width}}  {one.name}: {one.asks}")
        if one.problem:
            seed = "" if one.seed is None else f" {say('grade.seed', seed=one.seed)}"
            lines.append(f"  {'':<{width}}    {one.problem}{seed}")
    verdict = say("grade.passed") if found.passed else say("grade.not_passed")
    lines.append(say("grade.line", points=found.points, of=len(found.findings), verdict=verdict))
    if found.missing:
        lines.append(say("grade.missing", missing=", ".join(found.missing)))
    if explain and found.printed.strip():
        lines += [say("grade.printed"), *(f"  {line}" for line in found.printed.rstrip().splitlines()[-40:])]
    return lines
