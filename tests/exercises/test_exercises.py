"""Exercises grade truly: each stub fails, each solution passes, and an answer that lacks one thing fails there."""

import ast
import importlib.util
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner

from tests.exercises.lacking import ATTACKS, FINDING, HONEST, INVESTIGATORS, REFUSALS, VERIFIERS
from tests.house.tree import ROOT

EXERCISES = ROOT / "docs/exercises"
SOLUTIONS = ROOT / "tests/exercises/solutions"
FORGE, TWICE = 1, 2
FOLDERS = {FORGE: "01_forge_a_token", TWICE: "02_spend_twice"}


def _grader() -> ModuleType:
    spec = importlib.util.spec_from_file_location("exercise_grader", EXERCISES / "grade.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["exercise_grader"] = module
    spec.loader.exec_module(module)
    return module


grader: Any = _grader()


@pytest.fixture(autouse=True)
def _clean_path() -> Iterator[None]:
    before = list(sys.path)
    yield
    sys.path[:] = before


def solution(number: int) -> Path:
    """The solution of an exercise."""
    return SOLUTIONS / f"{FOLDERS[number]}.py"


def fresh_seeds(count: int) -> list[int]:
    """Seeds that nobody has seen; a failure prints them."""
    return [secrets.randbelow(1_000_000) for _ in range(count)]


def problems(
    number: int, answer: Path, names: tuple[str, ...], seeds: tuple[int, ...] = (7,)
) -> dict[str, str]:
    """What these checks find wrong with an answer, by name; the empty text where nothing is."""
    sys.path.insert(0, str(EXERCISES / FOLDERS[number]))
    checks = grader.load(EXERCISES / FOLDERS[number] / "checks.py", f"checks_of_{number}")
    student = grader.load(answer, "answer_under_test")
    by_name = {check.__name__: check for check in checks.CHECKS}
    return {name: grader.ask(by_name[name], student, seeds, answer) for name in names}


def changed(number: int, folder: Path, old: str, new: str) -> Path:
    """The solution with one thing changed."""
    text = solution(number).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the solution"
    path = folder / "answer.py"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def rewritten(number: int, folder: Path, **functions: str) -> Path:
    """The solution with other functions of these names."""
    text = solution(number).read_text(encoding="utf-8")
    text += "".join(f"\n\ndef {name}(*arguments):\n    {body}\n" for name, body in functions.items())
    path = folder / "answer.py"
    path.write_text(text, encoding="utf-8")
    return path


# --- stubs and solutions ---


def test_every_folder_is_an_exercise_with_a_solution() -> None:
    assert {number: folder.name for number, folder in grader.folders().items()} == FOLDERS
    assert sorted(file.stem for file in SOLUTIONS.glob("*.py")) == sorted(FOLDERS.values())
    for folder in FOLDERS.values():
        assert {"README.md", "exercise.py", "checks.py"} <= {
            file.name for file in (EXERCISES / folder).iterdir()
        }


@pytest.mark.parametrize("number", FOLDERS)
def test_every_stub_fails_every_check(number: int) -> None:
    found = grader.grade(number, [*grader.FIXED_SEEDS, *fresh_seeds(1)])
    assert not found.passed
    assert found.points == 0
    assert {one.problem.partition(",")[0] for one in found.findings} == {"not written yet"}


@pytest.mark.parametrize("number", FOLDERS)
def test_every_stub_has_a_hint(number: int) -> None:
    tree = ast.parse((EXERCISES / FOLDERS[number] / "exercise.py").read_text(encoding="utf-8"))
    todo = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and "NotImplementedError('TODO')" in ast.unparse(node.body[-1])
    ]
    assert len(todo) >= 5
    for node in todo:
        told = ast.get_docstring(node) or ""
        assert "Hint:" in told or told.endswith("?"), f"{node.name} has neither a hint nor a question"


@pytest.mark.parametrize("number", FOLDERS)
def test_every_solution_passes_in_the_fixed_worlds(number: int) -> None:
    found = grader.grade(number, grader.FIXED_SEEDS, solution(number))
    assert found.passed, "\n".join(grader.words(found))


@pytest.mark.parametrize("number", FOLDERS)
def test_every_solution_passes_in_fresh_worlds(number: int) -> None:
    found = grader.grade(number, fresh_seeds(2), solution(number))
    assert found.passed, "\n".join(grader.words(found))


# --- exercise 1: answers that know nothing, or lack one guard ---


def test_codes_without_attacks_earn_nothing(tmp_path: Path) -> None:
    answer = rewritten(FORGE, tmp_path, **{name: f"return {pair!r}" for name, pair in ATTACKS.items()})
    assert set(problems(FORGE, answer, tuple(ATTACKS)).values()) == {"nothing was submitted (seed 7)"}


@pytest.mark.parametrize("name", ATTACKS)
def test_another_attack_with_the_right_words_earns_nothing(name: str, tmp_path: Path) -> None:
    other = "invent_a_token" if name != "invent_a_token" else "take_anothers_token"
    answer = rewritten(FORGE, tmp_path, **{name: f"{other}(arguments[0]); return {ATTACKS[name]!r}"})
    assert problems(FORGE, answer, (name,))[name]


def test_right_attacks_read_wrongly_earn_nothing(tmp_path: Path) -> None:
    answer = changed(FORGE, tmp_path, "return error.code, error.rule", 'return error.code, "G9"')
    assert all(
        "the function returned" in problem for problem in problems(FORGE, answer, tuple(ATTACKS)).values()
    )


def test_an_index_learned_by_heart_passes_in_one_world_only(tmp_path: Path) -> None:
    sys.path.insert(0, str(EXERCISES / FOLDERS[FORGE]))
    bazaar = grader.load(EXERCISES / FOLDERS[FORGE] / "bazaar.py", "bazaar").Bazaar(7)
    index = bazaar.submit(bazaar.settled).index
    body = f"arguments[0].submit(arguments[0].settled); return {index}"
    answer = rewritten(FORGE, tmp_path, replay=body)
    assert not problems(FORGE, answer, ("replay",))["replay"]
    assert problems(FORGE, answer, ("replay",), grader.FIXED_SEEDS)["replay"]


def test_accepting_everything_fails_at_every_guard(tmp_path: Path) -> None:
    found = problems(FORGE, rewritten(FORGE, tmp_path, accept="return None"), (HONEST, *REFUSALS))
    assert [name for name, problem in found.items() if not problem] == [HONEST]
    assert all("a forgery was accepted" in found[name] for name in REFUSALS)


@pytest.mark.parametrize(
    "body", ["raise Forged('no')", "raise TengeError", "return True", "return False", "return 1 // 0"]
)
def test_refusing_everything_or_answering_anything_earns_nothing(body: str, tmp_path: Path) -> None:
    found = problems(FORGE, rewritten(FORGE, tmp_path, accept=body), (HONEST, *REFUSALS))
    assert all(found.values())


@pytest.mark.parametrize(("old", "new", "failing"), VERIFIERS)
def test_a_verifier_that_lacks_one_guard_fails_there(
    old: str, new: str, failing: str, tmp_path: Path
) -> None:
    assert problems(FORGE, changed(FORGE, tmp_path, old, new), (failing,))[failing]


# --- exercise 2 ---


def test_finding_nothing_or_everybody_earns_nothing(tmp_path: Path) -> None:
    found = problems(TWICE, rewritten(TWICE, tmp_path, find_double_spends="return []"), FINDING)
    assert [name for name, problem in found.items() if problem] == list(FINDING[1:])
    everybody = "return [(kid, (bytes(32), 0), bytes(32), bytes(32)) for kid in arguments[1]]"
    found = problems(TWICE, rewritten(TWICE, tmp_path, find_double_spends=everybody), FINDING)
    assert all("is honest" in problem for problem in found.values())


@pytest.mark.parametrize(("old", "new", "failing", "words"), INVESTIGATORS)
def test_an_answer_that_lacks_one_thing_fails_there(
    old: str, new: str, failing: str, words: str, tmp_path: Path
) -> None:
    assert words in problems(TWICE, changed(TWICE, tmp_path, old, new), (failing,))[failing]


# --- the grader itself ---


@pytest.mark.parametrize(
    ("number", "line", "reason"),
    [
        (FORGE, "from cbdc.ledger.rules import decide", "ask the guards itself"),
        (FORGE, "import wallets.sandbox", "ask the guards itself"),
        (TWICE, "from offline import reconcile", "here you do"),
        (TWICE, "from offline.evidence import double_spend", "by hand"),
    ],
)
def test_what_would_answer_for_the_student_may_not_be_imported(
    number: int, line: str, reason: str, tmp_path: Path
) -> None:
    answer = tmp_path / "answer.py"
    answer.write_text(f"{line}\n{solution(number).read_text(encoding='utf-8')}", encoding="utf-8")
    found = grader.grade(number, (7,), answer)
    assert found.points == 0
    assert reason in found.findings[0].problem


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def accept(:", "SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError, line 1 of answer.py"),
        ("exit(0)", "SystemExit"),
        ("", "AttributeError"),
        ("def replay(bazaar):\n    raise NotImplementedError", "not written yet, line 2 of answer.py"),
    ],
)
def test_an_answer_that_cannot_be_loaded_is_told_in_words(text: str, told: str, tmp_path: Path) -> None:
    answer = tmp_path / "answer.py"
    answer.write_text(text, encoding="utf-8")
    found = grader.grade(FORGE, (7,), answer)
    assert found.points == 0
    assert told in next(one.problem for one in found.findings if one.name == "replay")


def test_the_command_grades_and_tells() -> None:
    run = CliRunner()
    passed = run.invoke(grader.main, ["1", "--file", str(solution(FORGE)), "--seed", "5"])
    assert (passed.exit_code, passed.output.splitlines()[-1]) == (0, "Grade: 16 of 16, passed.")
    assert passed.output.startswith("Exercise 1: forge a token (seeds 5)\n")
    stub = run.invoke(grader.main, ["1"])
    assert stub.exit_code == 1
    assert "(seeds 7, 2026, " in stub.output
    assert "Grade: 0 of 16, not passed yet" in stub.output
    assert run.invoke(grader.main, ["9"]).exit_code == 2
    assert run.invoke(grader.main, ["1", "--file", "nowhere.py"]).exit_code == 2
