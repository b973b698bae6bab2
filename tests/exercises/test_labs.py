"""Every lab grades truly: its stub fails in words that help, its solution passes, and wrong answers do not."""

import os
import re
import secrets
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from cbdc.errors import LANGUAGES
from tests.exercises.answers import (
    BY_NAME,
    HERE,
    LABS,
    Rewritten,
    Whole,
    Wrong,
    common_wrong,
    solution,
    to_do,
    write,
    wrong_ones,
)
from wallets.exercises import grading
from wallets.exercises.cage import Limits
from wallets.exercises.labs import ANSWER, CHECKS, Lab
from wallets.exercises.line import Student

FRESH = int(os.environ.get("TENGE_LAB_SEEDS", "1"))
FULL = os.environ.get("TENGE_LABS_FULL") == "1"
SOME, SOME_COMMON = 2, 1  # Of a lab's own wrong answers, and of those that every other lab is given.
NAMES = [lab.name for lab in LABS]
PATIENT = Limits(call_seconds=30)


def graded(lab: Lab, answer: Path, seeds: tuple[int, ...] = (7,), only: str = "") -> grading.Grade:
    """The grade; nobody here runs for ever, so that a machine that stands still for a while wrongs nobody."""
    return grading.grade(lab, answer, seeds, limits=PATIENT, only=only)


@pytest.mark.parametrize("name", NAMES)
def test_a_stub_fails_every_check_and_says_what_is_missing(name: str) -> None:
    lab = BY_NAME[name]
    found = graded(lab, lab.folder / ANSWER)
    assert found.points == 0
    assert {one.key for one in found.findings} == {"not_written"}, [one.problem for one in found.findings]
    assert all(re.search(r"line \d+ of exercise\.py", one.problem) for one in found.findings)


@pytest.mark.parametrize("name", NAMES)
def test_a_solution_passes_in_the_fixed_worlds_and_in_fresh_ones(name: str) -> None:
    lab = BY_NAME[name]
    # A fixed world or fresh ones in turn; all of them with TENGE_LABS_FULL=1 (`make labs`).
    fresh = tuple(secrets.randbelow(10**12) for _ in range(FRESH))
    turns = (grading.FIXED_SEEDS[:1], fresh, grading.FIXED_SEEDS[1:])
    seeds = (*grading.FIXED_SEEDS, *fresh) if FULL else turns[LABS.index(lab) % 3]
    assert seeds, "TENGE_LAB_SEEDS must leave a world to play"
    found = graded(lab, solution(lab), seeds)
    assert found.passed, "\n".join(grading.words(found, lab))


def some(wrong: Sequence[Wrong]) -> Sequence[Wrong]:
    """A few of a lab's wrong answers, spread over the list; all of them with TENGE_LABS_FULL=1 (`make labs`)."""
    return wrong if FULL else [wrong[place * len(wrong) // SOME] for place in range(SOME)]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        pytest.param(lab.name, wrong, id=f"{lab.name}-{wrong.name}")
        for lab in LABS
        for wrong in some(wrong_ones(lab.name))
    ],
)
def test_an_answer_that_lacks_one_thing_fails_there(name: str, wrong: Rewritten, tmp_path: Path) -> None:
    lab = BY_NAME[name]
    found = graded(lab, write(lab, wrong, tmp_path), only=f"test_{wrong.fails}" if wrong.fails else "")
    failing = {one.name: one.problem for one in found.findings if one.problem}
    assert failing, f"{wrong.name} was not seen"
    assert "grader_failed" not in {one.key for one in found.findings}, failing
    assert not wrong.fails or wrong.fails in failing


@pytest.mark.parametrize("name", NAMES if FULL else NAMES[1::2])
def test_answers_that_know_nothing_earn_nothing_whole(name: str, tmp_path: Path) -> None:
    lab = BY_NAME[name]
    common = common_wrong(lab)
    first = SOME_COMMON * LABS.index(lab)
    for wrong in common if FULL else [common[(first + place) % len(common)] for place in range(SOME_COMMON)]:
        found = graded(lab, write(lab, wrong, tmp_path))
        assert not found.passed, wrong.name
        keys = {one.key for one in found.findings if one.problem}
        assert "grader_failed" not in keys, (wrong.name, [one.problem for one in found.findings])
        assert isinstance(wrong, Whole)


# --- what stands in a lab's folder ---


@pytest.mark.parametrize("name", NAMES)
def test_a_lab_is_complete_in_three_languages(name: str) -> None:
    lab = BY_NAME[name]
    files = {file.name for file in lab.folder.iterdir() if file.is_file()}
    assert {"README.md", "README.kk.md", "README.ru.md", ANSWER, CHECKS, "lab.toml", "words.toml"} <= files
    texts = [
        lab.title,
        lab.teaches,
        *lab.barred.values(),
        *(hint.text for hint in lab.hints),
        *lab.words.values(),
    ]
    assert [text["en"] for text in texts if set(text) != set(LANGUAGES)] == []
    for text in lab.words.values():
        places = [set(re.findall(r"{(\w+)}", one)) for one in text.values()]
        assert all(one == places[0] for one in places), text
    assert lab.missing == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_lab_has_a_hint_for_each_function_and_asks_for_each_check(name: str) -> None:
    lab = BY_NAME[name]
    written = {node.name for node in to_do(lab)}
    assert written
    assert not written & set(dir(Student)), "the grader's own names"
    assert written <= {hint.about for hint in lab.hints}, "a function without a hint"
    checks = re.findall(r"^def test_(\w+)\(", (lab.folder / CHECKS).read_text(encoding="utf-8"), re.MULTILINE)
    asked = {key.removeprefix("asks.") for key in lab.words if key.startswith("asks.")}
    assert sorted(asked) == sorted(checks)


@pytest.mark.parametrize("name", NAMES)
def test_every_sentence_is_used_and_every_page_has_the_same_parts(name: str) -> None:
    lab = BY_NAME[name]
    code = "\n".join(file.read_text(encoding="utf-8") for file in sorted(lab.folder.glob("*.py")))
    table = tomllib.loads((lab.folder / "words.toml").read_text(encoding="utf-8"))
    unused = [key for key, value in table.items() if "en" in value and key not in code]
    assert unused == []
    pages = [(lab.folder / f"README{end}.md").read_text(encoding="utf-8") for end in ("", ".kk", ".ru")]
    parts = [
        (page.count("\n## "), page.count("```"), len(re.findall(r"^\|", page, re.MULTILINE)))
        for page in pages
    ]
    assert len(set(parts)) == 1, parts


@pytest.mark.parametrize("name", NAMES)
def test_a_lab_has_ten_wrong_answers_of_its_own_or_more(name: str) -> None:
    assert len(wrong_ones(name)) >= 10
    assert len({wrong.name for wrong in wrong_ones(name)}) == len(wrong_ones(name))


def test_every_lab_has_one_solution_and_one_list_of_wrong_answers() -> None:
    folders = {lab.folder.name for lab in LABS}
    assert {file.stem for file in (HERE / "solutions").glob("*.py")} == folders
    assert {file.stem for file in (HERE / "wrong").glob("*.py")} == folders
    assert [lab.number for lab in LABS] == list(range(1, len(LABS) + 1))
