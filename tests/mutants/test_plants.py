"""The planted bugs do not rot: each text is where its plant says, and the page names them all."""

from pathlib import Path

import pytest

from tests.mutants import page
from tests.mutants.plant import Plant
from tests.mutants.plants import FIELDS, PLANTS

ROOT = Path(__file__).resolve().parents[2]


def test_there_are_enough_bugs_with_names_of_their_own() -> None:
    assert len(PLANTS) >= 25
    assert len({plant.name for plant in PLANTS}) == len(PLANTS)
    assert len({plant.means for plant in PLANTS}) == len(PLANTS)
    assert len({(plant.file, plant.text, plant.becomes) for plant in PLANTS}) == len(PLANTS)


@pytest.mark.parametrize("file", sorted({plant.file for plant in PLANTS}))
def test_every_text_stands_once_and_what_it_becomes_can_be_read(file: str) -> None:
    source = (ROOT / file).read_text(encoding="utf-8")
    for plant in PLANTS:
        if plant.file == file:
            planted = plant.planted(source)
            assert planted != source, plant.name
            if file.endswith(".py"):
                compile(planted, file, "exec")


def test_every_plant_says_what_it_means_and_who_should_find_it() -> None:
    for plant in PLANTS:
        assert plant.name.replace("-", "").isalnum(), plant.name
        assert plant.name == plant.name.lower()
        assert plant.means.endswith("."), plant.name
        assert "|" not in plant.means, plant.name
        assert plant.tests, plant.name
        gone = [test for test in plant.tests if not (ROOT / test.partition("::")[0]).is_file()]
        assert gone == [], plant.name


def test_the_page_names_every_bug_and_a_test_that_is_there() -> None:
    assert page.problems((ROOT / page.PAGE).read_text(encoding="utf-8"), FIELDS, ROOT) == []


# --- the checkers can fail ---


@pytest.mark.parametrize("text", ["x = 0\n", "x = 1\nx = 1\n"])
def test_a_text_that_is_gone_or_stands_twice_is_not_planted(text: str) -> None:
    with pytest.raises(ValueError, match="not once"):
        Plant("one", "One is two.", "one.py", "x = 1", "x = 2", ("test_one.py",)).planted(text)


def test_a_page_that_is_not_in_step_is_seen() -> None:
    found = {
        plant.name: "tests/mutants/test_plants.py::test_a_page_that_is_not_in_step_is_seen"
        for plant in PLANTS
    }
    right = page.made(FIELDS, found)
    assert page.problems(right, FIELDS, ROOT) == []
    assert page.problems(right + "\nmore\n", FIELDS, ROOT) != []
    assert page.problems(right.replace(PLANTS[0].means, "Nothing."), FIELDS, ROOT) != []
    assert page.problems(right.replace(PLANTS[-1].name, "another"), FIELDS, ROOT) != []
    gone = page.made(FIELDS, {**found, PLANTS[3].name: "tests/mutants/test_plants.py::test_nowhere"})
    assert page.problems(gone, FIELDS, ROOT) == [
        f"{PLANTS[3].name} was found by tests/mutants/test_plants.py::test_nowhere, which is gone"
    ]
