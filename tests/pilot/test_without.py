"""`--without-each` and `--without`: is it the named rule that refuses, and nothing else?"""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.pilot.play import script_text, step
from tests.pilot.test_rule_told import GIVEN, MARK, pay
from wallets import cli

SMALL = pay(101, refused="E_MARK_CAP", rule="mark.road.small")
SMALLER = pay(70, refused="E_MARK_CAP", rule="mark.road.smaller")
LATER = step("sell", day=3, who="person")


def tenge(*words: object) -> Result:
    return CliRunner().invoke(cli.main, ["pilot", "run", *map(str, words)])


def written(folder: Path, *steps: str) -> Path:
    file = folder / "tiny.toml"
    file.write_bytes(script_text(MARK, *GIVEN, *steps, LATER))
    return file


def test_without_each_says_which_rule_is_not_alone(tmp_path: Path) -> None:
    # 101 is above both caps, so without `small` it is still refused; 70 is above one of them.
    result = tenge(written(tmp_path, SMALL, SMALLER), "--without-each", "--out", tmp_path / "each")
    assert result.exit_code == 1, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["without", "rule", "accepted", "day", "attempt"]
    assert lines[1].split()[:3] == ["mark.road.small", "NO", "2"]
    assert lines[1].endswith("pay: a step (still refused: 1 × E_MARK_CAP)")
    assert lines[2].split()[:3] == ["mark.road.smaller", "yes", "2"]
    assert lines[3] == "1 of 2 accepted without their rule"


def test_without_each_as_json_and_again(tmp_path: Path) -> None:
    words = (written(tmp_path, SMALLER), "--without-each", "--full", "--out", tmp_path / "each", "--json")
    result = tenge(*words)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["ok"]
    assert found["problems"] == []
    (row,) = found["attempts"]
    assert (row["rule"], row["day"], row["verb"], row["accepted"]) == ("mark.road.smaller", 2, "pay", True)
    assert json.loads(tenge(*words).stdout) == found


def test_a_script_whose_steps_name_no_rule(tmp_path: Path) -> None:
    result = tenge(written(tmp_path), "--without-each", "--out", tmp_path / "each")
    assert (result.exit_code, "E_RULES_NONE" in result.output) == (2, True)
    assert not (tmp_path / "each").exists()


def test_without_one_rule_its_attempt_comes_first(tmp_path: Path) -> None:
    file = written(tmp_path, SMALL, SMALLER)
    for rule, ended in (("smaller", "accepted, as expected"), ("small", "still refused: 1 × E_MARK_CAP")):
        path = f"mark.road.{rule}"
        lines = tenge(file, "--without", path, "--out", tmp_path / rule).stdout.splitlines()
        assert lines[1:3] == [f"  without {path}: day 2, pay: {ended}", "  what else changed:"]
    again = tenge("--resume", tmp_path / "small").stdout.splitlines()
    assert again[1] == "  without mark.road.small: day 2, pay: still refused: 1 × E_MARK_CAP"


@pytest.mark.parametrize(
    "words",
    [
        ("--without-each",),
        ("--without-each", "--all"),
        ("--without-each", "--resume", "x"),
        ("school-meals", "--without-each", "--without", "mark.meal.chain"),
        ("school-meals", "--without-each", "--full", "--quick"),
        ("school-meals", "--full"),
    ],
)
def test_words_that_do_not_go_together(words: tuple[str, ...]) -> None:
    assert tenge(*words).exit_code == 2
