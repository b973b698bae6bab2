"""The notebooks: they parse and import what exists, without marimo; with it, they run and show what they say."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.house.tree import ROOT

FOLDER = ROOT / "docs/exercises/notebooks"
NAMES = ("balance_sheets", "laboratory_curves", "token_graph")
NO_MARIMO = "marimo is not installed: pip install -e '.[notebooks]'"


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_parses_and_imports_what_exists(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None
            module = importlib.import_module(node.module)
            for alias in node.names:
                there = hasattr(module, alias.name)
                assert there or importlib.util.find_spec(f"{node.module}.{alias.name}"), alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                assert alias.name == "marimo" or importlib.util.find_spec(alias.name), alias.name


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_a_cell_is_made_by_one_other_cell(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    cells = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list]
    made: list[str] = []
    for cell in cells:
        last = cell.body[-1]
        value = last.value if isinstance(last, ast.Return) else None
        made += [one.id for one in ast.walk(value) if isinstance(one, ast.Name)] if value else []
    assert len(made) == len(set(made))
    for cell in cells:
        assert {one.arg for one in cell.args.args} <= set(made)


def test_every_notebook_stands_on_the_page() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == sorted(NAMES)
    assert all(f"({name}.py)" in page for name in NAMES)


def played(name: str) -> dict[str, Any]:
    """What the cells of a notebook have made, once all have run."""
    if importlib.util.find_spec("marimo") is None:
        pytest.skip(NO_MARIMO)
    spec = importlib.util.spec_from_file_location(f"notebook_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    _, made = module.app.run()
    return dict(made)


def test_the_token_graph_shows_the_fork() -> None:
    made = played("token_graph")
    assert len(made["forks"]) == 1
    assert made["graph"].count(":::fork") == 2
    assert made["graph"].count("Bolat pays") == 2
    assert made["files"]


def test_the_laboratory_draws_its_curves() -> None:
    made = played("laboratory_curves")
    assert len(made["curves"]) == 1
    assert made["curves"][0].startswith("<svg")
    assert [row["policy"] for row in made["rows"]] == ["ISSUER", "WATERFALL", "PRO_RATA"]
    assert len({row["loss_tiyn"] for row in made["rows"]}) == 1


def test_the_balance_sheets_add_up_at_every_step() -> None:
    made = played("balance_sheets")
    assert len(made["steps"]) == 6
    assert all(step["adds_up"] for step in made["steps"])
    held = [step["supply"]["escrow_tiyn"] for step in made["steps"]]
    assert held[2] < held[3]
    assert held[-1] < held[3]
    for step in made["steps"]:
        for sheet in step["sheets"]:
            sides = {"asset": 0, "liability": 0}
            for row in sheet["accounts"]:
                sides[row["side"]] += row["tiyn"]
            assert sides["asset"] == sides["liability"], (step["step"], sheet["institution"])


def test_a_notebook_runs_as_a_script(tmp_path: Path) -> None:
    if importlib.util.find_spec("marimo") is None:
        pytest.skip(NO_MARIMO)
    command = [sys.executable, str(FOLDER / "balance_sheets.py")]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ended.returncode == 0, ended.stderr[-2_000:]
