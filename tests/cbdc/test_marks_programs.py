"""Done-when of marks: no sequence of allowed calls moves marked value outside its rule, loses it or frees it early.

Random programs over random definitions, the real rules against the model that was written from the documentation.
`TENGE_PROGRAMS=100000` plays so many; the default fits into the suite.
"""

import os
from collections import Counter

import pytest

from cbdc.keys import PublicKey
from tests.cbdc.marks_programs import Program
from tests.cbdc.marks_world import begin

PROGRAMS = int(os.environ.get("TENGE_PROGRAMS", "300"))
FIRST = int(os.environ.get("TENGE_FIRST_PROGRAM", "0"))
BATCHES = 10


@pytest.fixture(autouse=True)
def no_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures are tried elsewhere; here they would be most of the time."""
    begin()
    monkeypatch.setattr(PublicKey, "verify", lambda self, signature, message: None)


def played(first: int, stop: int) -> Counter[str]:
    """Programs by number; how often each answer was given."""
    answers: Counter[str] = Counter()
    for seed in range(first, stop):
        try:
            answers += Program(seed).run()
        except Exception as error:
            raise AssertionError(f"program {seed}: {error}") from error
    return answers


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_programs_do_what_the_model_says(batch: int) -> None:
    size = PROGRAMS // BATCHES
    first = FIRST + batch * size
    answers = played(first, first + size)
    # The programs are worth something only if both sides of the rules are seen.
    assert answers[""] > size
    assert sum(answers.values()) > 5 * size


@pytest.mark.slow
def test_the_programs_see_every_answer_of_a_clause_and_every_way_a_mark_ends() -> None:
    answers = played(0, min(PROGRAMS, 300))
    for code in (
        "E_MARK_LISTED",
        "E_MARK_DOCUMENT",
        "E_MARK_BASKET",
        "E_MARK_PERIOD",
        "E_MARK_PAYEES",
        "E_MARK_DROPPED",
        "E_MARK_SHARE",
        "E_MARK_CAP",
        "E_MARK_EDGE",
        "E_MARK_TIME",
        "E_MARK_ISSUER",
        "E_MARK_RELEASE",
        "E_MARK_RELEASE_SUM",
        "E_MARK_OFFLINE",
        "E_MARK_NOT_OVER",
    ):
        assert answers[code] > 0, code
    for kind in ("release", "expire", "seize", "load", "redeem", "refund", "recover", "loss"):
        assert answers[f"Move {kind}"] > 0, kind
    for kind in ("listed", "document", "goods", "prices", "estimate", "cap", "period", "window", "release"):
        assert answers[f"allowed by {kind}"] > 0, kind
    assert answers["Pay pay"] > 300
    assert answers["mark ended"] > 0
    assert answers["share went on"] > 0
