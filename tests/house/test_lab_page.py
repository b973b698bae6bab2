"""docs/offline-lab: plots are those of the kept results, results those of the presets as they are now."""

import json
import os
from pathlib import Path

import pytest

from tests.house import lab_pages
from tests.house.made_lab import FOLDER, results_of
from wallets.lab import plots_chart, settings


@pytest.mark.parametrize("name", lab_pages.shown())
def test_what_the_page_shows_is_what_the_kept_results_say(name: str, tmp_path: Path) -> None:
    kept = (FOLDER / f"{name}.json").read_bytes()
    lab_pages.keep(kept, name, tmp_path)
    made = sorted(tmp_path.iterdir())
    assert len(made) == 1 + len(results_of(name)["plots"])
    for file in made:
        assert file.read_bytes() == (FOLDER / file.name).read_bytes(), file.name


@pytest.mark.parametrize("name", lab_pages.shown())
def test_the_kept_results_are_of_the_preset_as_it_is_and_sound(name: str) -> None:
    found, plan = results_of(name), settings.load(name)
    assert found["config_sha256"] == plan.sha256, (
        "the preset changed: python -m tests.house.lab_pages --write"
    )
    assert [run["point"] for run in found["runs"]] == [dict(point.point) for point in plan.points()]
    assert all(run["audit"]["ok"] for run in found["runs"])


def test_nothing_else_is_kept() -> None:
    expected = {f"{name}.json" for name in lab_pages.shown()}
    for name in lab_pages.shown():
        expected |= {file for file, _ in plots_chart.pictures(results_of(name))}
    assert {file.name for file in FOLDER.iterdir()} == expected


@pytest.mark.slow
@pytest.mark.skipif(
    "TENGE_LAB_PRESETS" not in os.environ, reason="minutes: set TENGE_LAB_PRESETS=1 (make lab)"
)
@pytest.mark.parametrize("name", lab_pages.shown())
def test_a_preset_played_again_gives_the_kept_bytes(name: str, tmp_path: Path) -> None:
    data = lab_pages.play(name, tmp_path / name)
    assert json.loads(data) == results_of(name)
    assert data == (FOLDER / f"{name}.json").read_bytes()
