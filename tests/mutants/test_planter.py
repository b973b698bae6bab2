"""The planter on a toy tree: what is found, what survives, what never ends, and what is left behind (nothing)."""

import tempfile
from pathlib import Path

import pytest

from tests.mutants.__main__ import chosen, facts, main, run, table
from tests.mutants.plant import Plant
from tests.mutants.planter import BROKEN, FOUND, SURVIVED, TOO_SLOW, Bench, Outcome
from tests.mutants.plants import PLANTS

SUM = "def total(one, other):\n    while one < 0:\n        one += 1\n    return one + other\n"
TEST = (
    "import pytest\n"
    "from cbdc.toy import total\n\n\n"
    "@pytest.mark.parametrize('one', [0, -1])\n"
    "def test_total(one):\n"
    "    assert total(one, 2) == 2\n"
)


def plant(name: str, text: str, becomes: str) -> Plant:
    return Plant(name, "The toy breaks.", "cbdc/toy.py", text, becomes, ("tests/test_toy.py",))


TOYS = (
    plant("wrong-sum", "one + other", "one - other"),
    plant("same-sum", "one + other", "other + one"),
    # For ever, and the processor is left to others.
    plant("no-end", "one += 1", "__import__('time').sleep(0.05)"),
    plant("no-name", "def total", "def totals"),
)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with one rule and one test; temporary folders are made beside it."""
    root, folder = tmp_path / "toy", tmp_path / "temporary"
    for name in ("cbdc", "tests"):
        (root / name).mkdir(parents=True)
    folder.mkdir()
    # Toys need no plugins, which take ten times as long to read as a toy to play.
    options = 'pythonpath = ["."]\naddopts = ["-ra", "--disable-plugin-autoload"]\n'
    (root / "pyproject.toml").write_text(f"[tool.pytest.ini_options]\n{options}")
    (root / "cbdc/__init__.py").touch()
    (root / "cbdc/toy.py").write_text(SUM)
    (root / "tests/test_toy.py").write_text(TEST)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return root


@pytest.mark.slow
def test_each_bug_gets_its_verdict_and_nothing_is_left(toy: Path, tmp_path: Path) -> None:
    heard: list[Outcome] = []
    with Bench(toy, workers=2, seconds_for_a_bug=30) as bench:
        assert bench.without_a_bug(TOYS) == []
        outcomes = bench.try_all(TOYS, heard.append)
        assert all((tree / "cbdc/toy.py").read_text() == SUM for tree in bench.trees)
    assert [one.verdict for one in outcomes] == [FOUND, SURVIVED, TOO_SLOW, BROKEN]
    assert [one.found_by for one in outcomes] == ["tests/test_toy.py::test_total", "", "", ""]
    assert sorted(heard, key=place_of) == outcomes
    assert (toy / "cbdc/toy.py").read_text() == SUM
    assert list((tmp_path / "temporary").iterdir()) == []


def place_of(outcome: Outcome) -> int:
    return TOYS.index(outcome.plant)


@pytest.mark.slow
def test_nothing_is_planted_where_tests_fail_anyhow(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (toy / "cbdc/toy.py").write_text(SUM.replace("one + other", "one - other"))
    assert run(TOYS[:1], workers=1, root=toy) is None
    assert "tests/test_toy.py::test_total" in capsys.readouterr().err


@pytest.mark.slow
def test_stopping_in_the_middle_leaves_nothing(toy: Path, tmp_path: Path) -> None:
    def stopped(outcome: Outcome) -> None:
        raise KeyboardInterrupt

    def plant_two() -> None:
        with Bench(toy, workers=1, seconds_for_a_bug=60) as bench:
            bench.try_all((TOYS[0], TOYS[2]), stopped)

    with pytest.raises(KeyboardInterrupt):
        plant_two()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_bugs_are_chosen_by_name_or_pattern() -> None:
    assert chosen([]) == list(PLANTS)
    assert [one.name for one in chosen(["quorum-off-by-one"])] == ["quorum-off-by-one"]
    assert {one.name for one in chosen(["audit-*"])} == {
        one.name for one in PLANTS if one.name.startswith("audit-")
    }
    with pytest.raises(SystemExit, match="no bug is called nothing-like-it"):
        chosen(["nothing-like-it"])


def test_the_list_names_every_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert capsys.readouterr().out.count("\n") == len(PLANTS)


def test_outcomes_are_told_as_a_table_and_as_facts() -> None:
    outcomes = [Outcome(TOYS[0], FOUND, "tests/test_toy.py::test_total"), Outcome(TOYS[1], SURVIVED)]
    assert table(outcomes).splitlines() == [
        "wrong-sum  The toy breaks.  tests/test_toy.py::test_total",
        "same-sum   The toy breaks.  SURVIVED",
    ]
    assert facts(outcomes[1]) == {
        "name": "same-sum",
        "means": "The toy breaks.",
        "file": "cbdc/toy.py",
        "verdict": SURVIVED,
        "found_by": "",
    }
