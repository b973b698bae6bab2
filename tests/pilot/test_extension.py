"""Extensions of pilot scripts: their sections, verbs, facts and part of the report; and rules that are left out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import Malformed, Refused, TengeError
from tests.pilot.play import expect, parsed, run_text, script_text, step
from wallets.pilot import perform, runner
from wallets.pilot.extension import Extension
from wallets.pilot.folder import RunFolder
from wallets.pilot.perform import check
from wallets.pilot.play import Arguments, Outcome, Play
from wallets.pilot.reader import Reader, rows_of
from wallets.pilot.script import Script, Step, parse
from wallets.sandbox import Sandbox

GUARD = """
[guard]
[[guard.rule]]
name = "small"
most = 100
"""


def _parse(script: Script) -> int:
    section = script.extra["guard"]
    most = 10**9
    for number, row in rows_of(script.file, section, "rule"):
        reader = Reader(script.file, f"[[guard.rule]] number {number}", row)
        reader.text("name")
        most = reader.value("most", script.names)
        reader.done()
    return most


def _open(most: int, sandbox: Sandbox, folder: RunFolder) -> dict[str, int]:
    return {"most": most, "passed": 0}


def _pass(play: Play, step: Step, arguments: Arguments) -> Outcome:
    number = arguments.value("number")
    arguments.done()
    world = play.worlds["guard"]
    if number > world["most"]:
        raise Refused("E_REGISTER", holder="guard", seen_tiyn=world["most"], asked_tiyn=number)
    world["passed"] += 1
    return Outcome([None])


def _facts(world: Any) -> Mapping[str, int]:
    return {"guard.passed": world["passed"]}


EXTENSION = Extension(
    "guard",
    frozenset({"guard"}),
    _parse,
    _open,
    {"pass": _pass},
    frozenset({"guard"}),
    _facts,
    lambda world: {"passed": world["passed"]},
)


@pytest.fixture(autouse=True)
def guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perform, "EXTENSIONS", (*perform.EXTENSIONS, EXTENSION))
    monkeypatch.setattr(perform, "VERBS", {**perform.VERBS, **EXTENSION.verbs})


def refused(call: Any) -> TengeError:
    with pytest.raises(TengeError) as caught:
        call()
    return caught.value


STEPS = (
    step("pass", number=7),
    step("pass", at="11:00", number=500, refused="E_REGISTER", rule="guard.small"),
)


def test_an_extension_plays_counts_and_reports(tmp_path: Path) -> None:
    finished = run_text(tmp_path, GUARD, *STEPS, expect("guard.passed", 1))
    assert finished.ok
    assert finished.report["parts"] == {"guard": {"passed": 1}}
    assert finished.report["off"] == []


def test_a_script_without_the_section_cannot_use_the_verb() -> None:
    refusal = refused(lambda: check(parsed(step("pass", number=7))))
    assert refusal.code == "E_VERB"
    assert "needs a section [guard]" in refusal.sentence()


def test_a_section_nobody_reads_is_refused() -> None:
    refusal = refused(lambda: check(parsed("[ghost]")))
    assert refusal.code == "E_SCRIPT"
    assert "unknown: ghost" in refusal.sentence()


def test_a_mistake_in_a_section_has_its_place() -> None:
    refusal = refused(lambda: check(parsed(GUARD.replace("most", "least"))))
    assert isinstance(refusal, Malformed)
    assert refusal.facts["place"] == "[[guard.rule]] number 1"


def test_without_its_rule_the_attempt_succeeds(tmp_path: Path) -> None:
    file = tmp_path / "tiny.toml"
    file.write_bytes(script_text(GUARD, *STEPS, expect("guard.passed", 2)))
    finished = runner.run(str(file), tmp_path / "run", 7, off=["guard.small"])
    assert finished.ok
    assert finished.report["off"] == ["guard.small"]
    assert runner.resume(tmp_path / "run").report["off"] == ["guard.small"]


@pytest.mark.parametrize(
    "path", ["guard.large", "guard", "guard.small.more", "mark.guard.small", "nothing.small", "pilot.name"]
)
def test_a_rule_that_is_not_there_cannot_be_left_out(path: str) -> None:
    refusal = refused(lambda: parse("tiny.toml", script_text(GUARD), {}, [path]))
    assert refusal.code == "E_SCRIPT"
    assert "no such rule" in refusal.sentence()


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ({"refused": "E_REGISTER", "rule": "guard.large"}, "there is no rule guard.large"),
        ({"rule": "guard.small"}, "a rule is named where one refuses"),
    ],
)
def test_a_step_names_a_rule_that_is_there(extra: dict[str, str], problem: str) -> None:
    refusal = refused(lambda: parsed(GUARD, step("pass", number=500, **extra)))
    assert refusal.code == "E_SCRIPT"
    assert problem in refusal.sentence()
