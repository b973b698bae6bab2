"""Every case of section 7 and every rule of section 5 is shown by something, and the page tells by what."""

import ast
from pathlib import Path

import pytest

from tests.house import conformance

KNOWN = conformance.cases()
# The numbers of each family of section 7.
FAMILIES = {"N": 20, "G": 22, "X": 32, "P": 24, "S": 24, "T": 17, "R": 39, "V": 15, "Z": 8}


def test_the_list_has_no_gap() -> None:
    assert set(KNOWN) == {
        f"{name}{number}" for name, most in FAMILIES.items() for number in range(1, most + 1)
    }


def test_no_case_is_without_a_test_or_a_vector() -> None:
    assert conformance.bare(KNOWN) == []


def test_what_is_shown_is_a_case() -> None:
    assert set(conformance.vectors()) | set(conformance.tests()) <= KNOWN.keys()


def test_what_is_not_built_or_awaited_is_shown_by_nothing() -> None:
    shown = conformance.vectors().keys() | conformance.tests().keys()
    assert shown & (conformance.NOT_BUILT.keys() | conformance.AWAITED.keys()) == set()


def test_every_rule_has_cases_that_are_there() -> None:
    rules = conformance.rules()
    assert len({rule.name for rule in rules}) == len(rules) > 60
    assert {case for rule in rules for case in rule.cases} <= KNOWN.keys()
    sections = {rule.name.split(" ")[0] for rule in rules}
    assert {f"5.{number}" for number in range(2, 17)} <= sections
    assert "5.18" in sections


def test_nothing_is_recorded_as_failed() -> None:
    assert [name for name, result in conformance.recorded().items() if result == "failed"] == []


def test_the_page_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert conformance.main(["--check"]) == 0, capsys.readouterr().out


# --- the scanner can see and pass over ---


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("test_r17_late", {"R17"}),
        ("test_p1_p2_p3_again", {"P1", "P2", "P3"}),
        ("test_r6", {"R6"}),
        ("test_base45_both_ways", set()),
        ("test_R17_shouted", set()),
        ("test_sha256_and_v2x", set()),
    ],
)
def test_names_are_read(name: str, ids: set[str]) -> None:
    assert conformance.ids_in_name(name) == ids


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("R17 and S5.", {"R17", "S5"}),
        ("P1 to P3, again", {"P1", "P2", "P3"}),
        ("step V5 of the receiver, and V14", {"V14"}),
        ("PR17, R17x, E4, I9", set()),
    ],
)
def test_texts_are_read(text: str, ids: set[str]) -> None:
    assert conformance.ids_in_text(text) == ids


def test_files_are_read(tmp_path: Path) -> None:
    text = (
        '"""S1 of the module counts for nothing."""\n'
        "def test_t4_lost() -> None:\n    pass\n"
        'def test_other() -> None:\n    """X24."""\n'
        "def helper_r1() -> None:\n    pass\n"
        'class Walk:\n    """S23: a walk."""\n'
        "TestWalk = Walk.TestCase\nTestAgain: Any = Walk.TestCase\n"
    )
    ast.parse(text)
    for area, found in (("offline", {"t4", "other", "Walk", "Again"}), ("cbdc", {"t4"})):
        file = tmp_path / "tests" / area / "test_file.py"
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
        told = conformance.nodes_in(file, tmp_path)
        assert len(told) == len(found)
        assert all(any(word in node for node in told) for word in found), told


def test_the_worst_outcome_stays() -> None:
    class Report:
        def __init__(self, nodeid: str, outcome: str) -> None:
            self.nodeid, self.outcome = nodeid, outcome

    recorder = conformance.Recorder()
    for outcome in ("passed", "failed", "passed", "skipped"):
        recorder.pytest_runtest_logreport(Report("tests/a.py::test_b[c]", outcome))
    recorder.pytest_runtest_logreport(Report("tests/a.py::TestWalk::runTest", "skipped"))
    assert recorder.outcomes == {"tests/a.py::test_b": "failed", "tests/a.py::TestWalk": "skipped"}
