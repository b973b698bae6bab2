"""A few kills of a real ledger process under load; `make kills ENGINE=sqlite KILLS=100` makes a hundred."""

from pathlib import Path

import pytest

from tests.faults import kills
from tests.servers import postgres

KILLS = 7


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["sqlite", "journal", "postgresql"])
def test_a_killed_process_loses_nothing(engine: str, tmp_path: Path) -> None:
    if engine == "postgresql":
        postgres.need(postgres.missing())
    figures = kills.play(engine, KILLS, 5, tmp_path)
    assert figures["kills"] == KILLS
    assert set(kills.POINTS) <= set(figures["how"])
    assert figures["acknowledged"] > 0
    assert figures["asked_again"] > 0
