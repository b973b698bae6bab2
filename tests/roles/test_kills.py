"""A few kills of front ends and of the writer under load; `make kills-fronts ENGINE=sqlite KILLS=40` makes many."""

from pathlib import Path

import pytest

from tests.roles import kills
from tests.servers import postgres


@pytest.mark.slow
def test_killed_fronts_and_a_killed_writer_lose_nothing(tmp_path: Path) -> None:
    figures = kills.play("sqlite", 3, 5, tmp_path)
    assert figures["how"] == {"front": 1, "writer": 1, kills.POINTS[0]: 1}
    assert figures["acknowledged"] > 0
    assert figures["asked_again"] > 0


@pytest.mark.slow
def test_a_second_writer_takes_over_and_the_fronts_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.need(postgres.missing())
    monkeypatch.setattr(kills.Run, "ways", lambda self: ["takeover", "writer"])
    figures = kills.play("postgresql", 2, 6, tmp_path)
    assert figures["how"] == {"takeover": 1, "writer": 1}
    assert figures["acknowledged"] > 0
