"""A grade is as good as the worst of its worlds."""

from pathlib import Path

import pytest

from tests.exercises.answers import LABS, Rewritten, write
from wallets.exercises import grading

LAB = LABS[0]


def index_of(seed: int) -> int:
    """The index that the right answer returns in the world of a seed."""
    from wallets.exercises.grading import _alone

    with _alone(LAB.folder):
        from bazaar import Bazaar  # type: ignore[import-not-found]

        bazaar = Bazaar(seed)
        return int(bazaar.submit(bazaar.settled).index)


@pytest.mark.parametrize("seeds", [(7, 2026), (2026, 7)])
def test_an_answer_learned_by_heart_passes_in_one_world_only(seeds: tuple[int, int], tmp_path: Path) -> None:
    body = f"arguments[0].submit(arguments[0].settled)\n    return {index_of(7)}"
    answer = write(LAB, Rewritten("by heart", {"replay": body}, "replay"), tmp_path)
    assert grading.grade(LAB, answer, (7,), only="test_replay").passed
    found = grading.grade(LAB, answer, seeds, only="test_replay")
    assert not found.passed
    assert (found.findings[0].key, found.findings[0].seed) == ("another_index", 2026)


def test_the_fresh_seed_is_fresh() -> None:
    assert grading.fresh_seeds()[:2] == grading.FIXED_SEEDS
    assert len({grading.fresh_seeds()[2] for _ in range(20)}) == 20
