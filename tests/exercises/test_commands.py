"""`tenge exercise`: folders that are never written over, hints, grades in words and as JSON, and whole classes."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.exercises import hostile
from tests.exercises.answers import LABS, solution
from wallets.cli import main
from wallets.exercises import folder, labs, school_class
from wallets.exercises.labs import ANSWER

LAB = LABS[0]
NAME = LAB.name


def tenge(*words: str) -> Result:
    """A command's result."""
    return CliRunner().invoke(main, ["exercise", *words])


def refused(result: Result, code: str) -> None:
    """It left with 2, and named the code; no traceback."""
    assert result.exit_code == 2, result.output
    assert f"({code}," in result.stderr


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_list_names_every_lab_in_each_language() -> None:
    for language in ("en", "kk", "ru"):
        rows = json.loads(tenge("list", "--json", "--language", language).stdout)
        assert [row["name"] for row in rows] == [lab.name for lab in LABS]
        assert [row["title"] for row in rows] == [lab.title[language] for lab in LABS]
    assert NAME in tenge("list").stdout


def test_start_gives_the_page_the_stub_and_the_code_and_nothing_hidden(tmp_path: Path) -> None:
    assert tenge("start", "1", "--language", "kk").exit_code == 0
    place = tmp_path / "exercises" / NAME
    given = {file.name for file in place.iterdir()}
    assert {"README.md", ANSWER, "lab.txt", *(file.name for file in LAB.given())} == given
    assert not given & ({"checks.py", "words.toml", "lab.toml"} | LAB.hidden)
    assert (place / "README.md").read_text(encoding="utf-8") == folder.page_of(LAB, "kk")
    assert (place / ANSWER).read_bytes() == (LAB.folder / ANSWER).read_bytes()
    (place / ANSWER).write_text("mine", encoding="utf-8")
    refused(tenge("start", NAME), "E_EXERCISE_BEGUN")
    assert (place / ANSWER).read_text(encoding="utf-8") == "mine"


def test_a_started_folder_is_checked_from_inside_and_from_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenge("start", NAME, "--dir", "work")
    place = tmp_path / "work" / NAME
    shutil.copyfile(solution(LAB), place / ANSWER)
    for words in (
        [NAME, "--dir", "work"],
        [NAME, "--dir", f"work/{NAME}"],
        [NAME, "--file", f"work/{NAME}/{ANSWER}"],
    ):
        result = tenge("check", *words, "--seed", "5", "--only", "test_replay")
        assert result.exit_code == 0, result.output
        assert "Grade: 1 of 1, passed." in result.stdout
    monkeypatch.chdir(place)
    assert tenge("check", "--seed", "5", "--only", "test_replay").exit_code == 0
    assert tenge("check", NAME, "--seed", "5", "--only", "test_replay").exit_code == 0


def test_a_stub_is_not_passed_and_says_where_to_write(tmp_path: Path) -> None:
    tenge("start", NAME, "--language", "ru")
    result = tenge("check", NAME)
    assert result.exit_code == 1
    assert "ещё не написано, строка" in result.stdout
    told = json.loads(tenge("check", NAME, "--json", "--seed", "3", "--only", "test_replay").stdout)
    assert (told["lab"], told["points"], told["of"], told["passed"], told["seeds"]) == (
        NAME,
        0,
        1,
        False,
        [3],
    )
    assert told["checks"][0]["key"] == "not_written"
    assert told["missing_translations"] == []


def test_explain_shows_each_step_and_the_rule_that_decided() -> None:
    result = tenge(
        "check", NAME, "--file", str(solution(LAB)), "--seed", "5", "--explain", "--only", "spend_again"
    )
    assert "Rule that decided" in result.stdout
    assert "G3" in result.stdout
    assert "E_TOKEN_SPENT" in result.stdout


def test_a_reset_keeps_what_was_written(tmp_path: Path) -> None:
    tenge("start", NAME)
    place = tmp_path / "exercises" / NAME
    assert "kept" not in tenge("reset", NAME).stdout
    for number in (1, 2):
        (place / ANSWER).write_text(f"mine {number}", encoding="utf-8")
        assert f"exercise.{number}.py" in tenge("reset", NAME).stdout
        assert (place / f"exercise.{number}.py").read_text(encoding="utf-8") == f"mine {number}"
        assert (place / ANSWER).read_bytes() == (LAB.folder / ANSWER).read_bytes()


def test_hints_come_one_more_each_time(tmp_path: Path) -> None:
    tenge("start", NAME)
    count = len(LAB.hints)
    told = [tenge("hint", NAME).stdout for _ in range(count + 1)]
    assert [line.split("/")[0] for line in told] == [
        *(str(number) for number in range(1, count + 1)),
        str(count),
    ]
    assert LAB.hints[0].text["en"] in told[0]
    assert LAB.hints[1].text["kk"] in tenge("hint", NAME, "--number", "2", "--language", "kk").stdout
    refused(tenge("hint", NAME, "--number", "99"), "E_EXERCISE_HINT")
    refused(tenge("hint", NAME, "--about", "nothing"), "E_EXERCISE_HINT")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["start", "no-such-lab"], "E_EXERCISE_UNKNOWN"),
        (["start", "99"], "E_EXERCISE_UNKNOWN"),
        (["check"], "E_EXERCISE_WHICH"),
        (["check", NAME], "E_EXERCISE_NOT_BEGUN"),
        (["reset", NAME], "E_EXERCISE_NOT_BEGUN"),
        (["check", NAME, "--file", "nowhere.py"], "E_EXERCISE_ANSWER"),
        (["check", NAME, "--file", str(solution(LAB)), "--only", "nothing"], "E_EXERCISE_ONLY"),
        (["check", "--class", "nowhere"], "E_EXERCISE_CLASS"),
    ],
)
def test_bad_input_is_told(words: list[str], code: str) -> None:
    refused(tenge(*words), code)


def test_a_course_that_is_not_there_and_a_broken_lab_are_told(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="E_EXERCISE_NONE"):
        labs.all_labs(tmp_path)
    broken = tmp_path / "01_broken"
    broken.mkdir()
    (broken / "lab.toml").write_text("minutes = 'soon'\n", encoding="utf-8")
    with pytest.raises(Exception, match="E_EXERCISE_FORM"):
        labs.all_labs(tmp_path)


def test_a_missing_translation_falls_back_and_is_reported(tmp_path: Path) -> None:
    copy = tmp_path / LAB.folder.name
    shutil.copytree(LAB.folder, copy)
    (copy / "README.kk.md").unlink(missing_ok=True)
    lab = labs.read_lab(copy)
    place = folder.begin(lab, tmp_path / "work", "kk")
    assert (place.folder / "README.md").read_text(encoding="utf-8") == folder.page_of(lab, "en")
    assert lab.missing == {"README.kk.md"}


# --- a class ---


# Thirty of a class with TENGE_LABS_FULL=1 (`make labs`).
STUDENTS = 30 if os.environ.get("TENGE_LABS_FULL") == "1" else 6


def handed_in(root: Path, victim: Path) -> Path:
    """A class's submissions: solutions, stubs, and hostile ones among them."""
    school = root / "handed-in"
    names = list(hostile.BODIES)
    for number in range(STUDENTS):
        place = school / f"student-{number:02d}"
        place.mkdir(parents=True)
        (place / "lab.txt").write_text(f"{NAME}\nen\n", encoding="utf-8")
        if number % 3 == 0:
            shutil.copyfile(solution(LAB), place / ANSWER)
        elif number % 3 == 1:
            shutil.copyfile(LAB.folder / ANSWER, place / ANSWER)
        else:
            text = hostile.text(names[number // 3 % len(names)], victim, solution(LAB))
            (place / ANSWER).write_text(text, encoding="utf-8")
    return school


def outside(root: Path) -> dict[str, Any]:
    """Everything in a folder, with contents and times."""
    return {
        str(path): (
            path.stat().st_mtime_ns,
            path.stat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(root.rglob("*"))
    }


@pytest.mark.slow
def test_a_class_is_graded_with_hostile_answers_among_them(tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("kept", encoding="utf-8")
    school = handed_in(tmp_path, victim)
    before = outside(tmp_path)
    result = tenge("check", "--class", str(school), "--json", "--seed", "41")
    told = json.loads(result.stdout)
    assert len(told["grades"]) == STUDENTS
    assert all(row["lab"] == NAME and "error" not in row for row in told["grades"]), told
    passed = [row["student"] for row in told["grades"] if row["passed"]]
    assert passed == [f"student-{number:02d}" for number in range(0, STUDENTS, 3)]
    assert outside(tmp_path) == before
    assert result.exit_code == 0


def test_a_class_may_hand_in_files_and_folders_without_a_mark_are_told(tmp_path: Path) -> None:
    school = tmp_path / "class"
    school.mkdir()
    shutil.copyfile(solution(LAB), school / "aigerim.py")
    (school / "bolat").mkdir()
    shutil.copyfile(LAB.folder / ANSWER, school / "bolat" / ANSWER)
    os.symlink("/", school / "escape")
    found = school_class.submissions(school, None)
    assert [(one.who, one.lab) for one in found] == [("aigerim", ""), ("bolat", "")]
    result = tenge("check", "--class", str(school), "--json")
    assert result.exit_code == 1
    assert {row["error"] for row in json.loads(result.stdout)["grades"]} == {"E_EXERCISE_UNMARKED"}
    named = tenge("check", NAME, "--class", str(school), "--seed", "3")
    assert "aigerim" in named.stdout
    assert "1 of 2 passed" in named.stdout
