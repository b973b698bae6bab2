"""What kill runs share, without a kill: the end is judged, a failure says how to play it again, the command writes."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import Unavailable
from cbdc.ledger.engines import open_store
from cbdc.ledger.store import Store
from tests.faults import kills
from tests.faults.auditor import Auditor, Wrong
from tests.faults.kill_runs import KillRun, command, played_again_by
from tests.faults.payers import Payers
from tests.faults.town import big_town


def settled(folder: Path) -> KillRun:
    """A run that has ended: the town stands in its store and nobody paid."""
    url = f"sqlite:///{folder / 'town'}"
    with closing(open_store(url)) as store:
        big_town().settle_in(store)
    return KillRun("sqlite", url, 3, Payers)


def test_the_figures_of_a_run_that_ended_well(tmp_path: Path) -> None:
    run = settled(tmp_path)
    run.happened.update(["writer", "front", "writer"])
    assert run.figures() == {
        "engine": "sqlite",
        "seed": 3,
        "kills": 3,
        "how": {"front": 1, "writer": 2},
        "acknowledged": 0,
        "lost": 0,
        "doubled": 0,
        "asked_again": 0,
    }


def test_there_are_no_figures_when_anything_is_wrong_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = settled(tmp_path)
    run.payers.open.add(bytes(32))
    with pytest.raises(Wrong, match="1 payments never settled"):
        run.figures()
    run.payers.wrong = ["one thing", "another"]
    with pytest.raises(Wrong, match="one thing; another"):
        run.figures()
    run.payers.wrong = []
    with monkeypatch.context() as patch:
        patch.setattr("tests.faults.kill_runs.audit", lambda store: _Found(["E_DOUBT"]))
        with pytest.raises(Wrong, match="E_DOUBT"):
            run.figures()
    run.url = f"sqlite:///{tmp_path / 'empty'}"
    open_store(run.url).close()
    with pytest.raises(Wrong, match="the town is gone"):
        run.figures()


class _Found:
    def __init__(self, problems: list[str]) -> None:
        self.problems = problems


def test_a_server_that_recovers_while_it_is_judged_is_judged_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, check, tries = settled(tmp_path).url, Auditor.check, [0, 1, 2]

    def recovering(auditor: Auditor, store: Store) -> set[bytes]:
        if tries.pop():
            raise Unavailable("E_STORE_UNAVAILABLE", detail="it recovers")
        return check(auditor, store)

    monkeypatch.setattr(Auditor, "check", recovering)
    kills.Run("sqlite", url, tmp_path, 3, kills.Database(lambda: None), False).judge()


def test_what_is_wrong_is_told_with_the_command_that_plays_it_again() -> None:
    with pytest.raises(Wrong) as told, played_again_by("tests.any", "journal", 7, 5, "--switch"):
        raise Wrong("a coin is lost")
    assert str(told.value) == (
        "a coin is lost\nagain: python -m tests.any --engine journal --kills 7 --seed 5 --switch"
    )
    with pytest.raises(OSError, match=r"^disk$"), played_again_by("tests.any", "journal", 7, 5):
        raise OSError("disk")


@pytest.mark.parametrize(("pipeline", "end"), [(False, "--seed 2"), (True, "--seed 2 --pipeline")])
def test_a_run_with_a_pipeline_is_played_again_with_one(
    pipeline: bool, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(run: kills.Run, count: int) -> dict[str, Any]:
        raise Wrong("told to")

    monkeypatch.setattr(kills.Run, "play", wrong)
    with pytest.raises(Wrong) as told:
        kills.play("sqlite", 4, 2, tmp_path, pipeline)
    assert str(told.value).endswith(f"again: python -m tests.faults.kills --engine sqlite --kills 4 {end}")


def test_the_command_plays_what_was_asked_and_writes_the_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[Any, ...]] = []

    def play(engine: str, kills: int, seed: int, folder: Path, pipeline: bool = False) -> dict[str, Any]:
        assert folder.is_dir()
        asked.append((engine, kills, seed, pipeline))
        return {"seed": seed}

    assert command("tests.any", "About.", 40, play, ("pipeline",), []) == 0
    file = tmp_path / "new" / "figures.json"
    words = ["--engine", "journal", "--kills", "2", "--seed", "9", "--pipeline", "--json", str(file)]
    assert command("tests.any", "About.", 40, play, ("pipeline",), words) == 0
    assert asked == [("sqlite", 40, 1, False), ("journal", 2, 9, True)]
    assert json.loads(file.read_text(encoding="utf-8")) == {"seed": 9}
    assert json.loads(capsys.readouterr().out.split("}\n")[0] + "}") == {"seed": 1}
