"""`tenge pilot new`: what it writes plays as it is, keeps every promise of a pilot, and replaces nothing."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from cbdc.errors import TengeError
from tests.pilot.test_all_pilots import Stop, accepted, events_of, stop_behind
from wallets import auditing, cli
from wallets.pilot import draft, form, runner
from wallets.pilot.check import check_script
from wallets.pilot.script import load, parse, quick_settings


def code_of(call: object) -> str:
    assert callable(call)
    with pytest.raises(TengeError) as found:
        call()
    return found.value.code


@pytest.mark.parametrize("template", draft.templates())
def test_a_template_plays_and_has_nothing_to_mend(template: str, tmp_path: Path) -> None:
    file, _, schema = draft.write_draft("my-pilot", template, tmp_path)
    assert check_script(file.name, file.read_bytes()) == []
    assert schema.read_text() == form.schema_text()
    assert file.read_text().startswith("#:schema ./pilot.schema.json\n")
    for seed, settings in ((7, quick_settings(str(file))), (8, {})):
        finished = runner.run(str(file), tmp_path / f"run-{seed}", seed, settings)
        assert finished.ok, [row for row in finished.report["expectations"] if not row["ok"]]
        assert finished.report["expectations"]
        assert auditing.audit_target(str(finished.folder))["ok"]
    assert load(str(file)).name == "my-pilot"


def test_each_rule_of_the_voucher_refuses(tmp_path: Path) -> None:
    file = draft.write_draft("my-pilot", "voucher", tmp_path)[0]
    settings = quick_settings(str(file))
    steps = [step for step in load(str(file), settings).steps if step.rule]
    assert len({step.rule for step in steps}) == 3
    for step in steps:
        folder = tmp_path / step.rule
        with pytest.raises(Stop):
            runner.run(str(file), folder, 7, settings, progress=stop_behind(step.number + 2), off=[step.rule])
        assert accepted(events_of(folder)[-1]), step.rule


def test_a_pilot_as_template(tmp_path: Path) -> None:
    file = draft.write_draft("my-meals", "school-meals", tmp_path)[0]
    mine, theirs = load(str(file)), load("school-meals")
    assert (mine.name, mine.steps) == ("my-meals", theirs.steps)


@pytest.mark.parametrize("template", draft.templates())
def test_the_page_says_what_the_script_says(template: str) -> None:
    script = parse("x.toml", draft.draft("x", template), {})
    text = draft.page(script)
    assert text.startswith(f"# {script.title}\n")
    for parameter in script.parameters:
        assert f"`{parameter.name}`" in text
    for step in script.steps:
        assert not step.refused or f"| {step.text} | `{step.refused}`" in text
    for row in script.expectations:
        assert f"`{row.fact}`" in text


@pytest.mark.parametrize("name", ["", "My-Pilot", "a b", "../x", "a/b", "school-meals", "a_b", "ä"])
def test_names_that_cannot_be(name: str, tmp_path: Path) -> None:
    assert code_of(lambda: draft.write_draft(name, "voucher", tmp_path)) == "E_DRAFT_NAME"
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_template(tmp_path: Path) -> None:
    assert code_of(lambda: draft.write_draft("x", "../scripts/school-meals", tmp_path)) == "E_DRAFT_TEMPLATE"


@pytest.mark.parametrize("there", ["x.toml", "x.md"])
def test_nothing_is_replaced(there: str, tmp_path: Path) -> None:
    (tmp_path / there).write_text("mine")
    (tmp_path / form.SCHEMA).write_text("my schema")
    assert code_of(lambda: draft.write_draft("x", "voucher", tmp_path)) == "E_DRAFT_EXISTS"
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        there: "mine",
        form.SCHEMA: "my schema",
    }
    (tmp_path / there).unlink()
    draft.write_draft("x", "voucher", tmp_path)
    assert (tmp_path / form.SCHEMA).read_text() == "my schema"


def test_the_command(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.main, ["pilot", "new", "bus-tickets", "--out", str(tmp_path / "new")])
    assert result.exit_code == 0, result.output
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == [
        "bus-tickets.md",
        "bus-tickets.toml",
        form.SCHEMA,
    ]
    assert re.search(r"Next: .*pilot check .*bus-tickets.toml\n", result.stdout)
    again = CliRunner().invoke(cli.main, ["pilot", "new", "bus-tickets", "--out", str(tmp_path / "new")])
    assert (again.exit_code, "E_DRAFT_EXISTS" in again.stderr) == (2, True)
