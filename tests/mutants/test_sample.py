"""The sample of all mutants: what is drawn, how verdicts are read, and that the page says what was kept."""

import json
import tomllib
from pathlib import Path

import pytest

from tests.mutants import page, sample, sample_page
from tests.mutants.sample_page import KILLED, Left, Sampled

ROOT = Path(__file__).resolve().parents[2]
NAMES = [f"offline.shares.x_split__mutmut_{number}" for number in range(1, 61)]
LEFT = Left("offline.seen.xǁSeenǁadd__mutmut_3", "survived", "a | b", "a & b")
ONE = Sampled("reconcile", ("seen",), 60, 10, 9, (LEFT,))


def test_the_same_seed_draws_the_same_and_more_holds_less() -> None:
    few, many = sample.drawn(NAMES, 10, 7), sample.drawn(NAMES, 20, 7)
    assert few == many[:10]
    assert sample.drawn(list(reversed(NAMES)), 10, 7) == few
    assert sample.drawn(NAMES, 10, 8) != few
    assert sorted(sample.drawn(NAMES, 1000, 7)) == sorted(NAMES)


def test_mutmut_is_told_to_change_the_modules_of_the_groups() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]
    assert told["only_mutate"] == sample.files()
    assert [file for file in sample.files() if not (ROOT / file).is_file()] == []
    named = [part.partition("=")[2].partition("::")[0] for part in told["pytest_add_cli_args"] if "=" in part]
    assert [file for file in named if not (ROOT / file).is_file()] == []


@pytest.mark.parametrize("status", [0, 5, 33, -24, -9, 36, 152, None, 2, 4, -11, -6])
def test_only_a_failed_test_kills(status: int | None) -> None:
    assert sample.verdict(status) != KILLED


def test_a_failed_test_kills() -> None:
    assert sample.verdict(1) == KILLED


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree where mutmut has made the mutants of one module and run four: one survived, two were killed."""
    monkeypatch.setattr(sample, "GROUPS", {"settle": ("shares",)})
    folder = tmp_path / "mutants/offline"
    folder.mkdir(parents=True)
    order = sample.drawn(NAMES, 60, 7)
    status = dict.fromkeys(NAMES) | {order[0]: 1, order[1]: 0, order[2]: 1, order[3]: 33}
    (folder / "shares.py.meta").write_text(json.dumps({"exit_code_by_key": status}))
    return tmp_path


class Silent(sample.Mutmut):
    """A mutmut whose every mutant turns a plus into a minus."""

    def show(self, names: list[str]) -> dict[str, str]:  # type: ignore[override]
        return dict.fromkeys(names, "--- a\n+++ b\n@@ -1 +1 @@\n same\n-  one + two\n+  one - two")


def test_what_was_not_run_is_no_part_of_the_sample(tree: Path) -> None:
    (one,) = sample.told(["settle"], 10, 7, Silent(tree))
    order = sample.drawn(NAMES, 60, 7)
    assert (one.mutants, one.sample, one.killed) == (60, 4, 2)
    assert {left.name for left in one.left} == {order[1], order[3]}
    assert {(left.was, left.becomes) for left in one.left} == {("one + two", "one - two")}
    assert (sample_page.share(one), sample_page.enough(one)) == (50, False)
    assert "shares.x_split__mutmut_" in sample.table([one])


def test_what_was_killed_is_not_run_again_unless_asked(tree: Path) -> None:
    class Asked:
        size, seed, again = 5, 7, False

    order = sample.drawn(NAMES, 60, 7)
    assert sample.to_run(["settle"], Asked(), tree) == [order[1], order[3], order[4]]  # type: ignore[arg-type]
    Asked.again = True
    assert sample.to_run(["settle"], Asked(), tree) == order[:5]  # type: ignore[arg-type]


def test_a_place_is_said_as_a_person_would() -> None:
    assert LEFT.place == "seen.Seen.add"
    assert Left(NAMES[0], "survived", "", "").place == "shares.split"
    assert Left("offline.shares.x__rest__mutmut_10", "survived", "", "").place == "shares._rest"


def test_outcomes_are_kept_whole() -> None:
    assert sample_page.from_json(json.loads(sample_page.as_json([ONE]))) == [ONE]


def test_a_mutant_without_a_line_is_seen() -> None:
    assert sample_page.unexplained([ONE], {}) == [LEFT]
    assert sample_page.unexplained([ONE], {("seen.Seen.add", "a & b"): "Both are sets of one."}) == []
    assert sample_page.unexplained([ONE], {("seen.Seen.add", "a - b"): "Both are sets of one."}) == [LEFT]


def test_an_empty_sample_is_not_enough() -> None:
    assert not sample_page.enough(Sampled("settle", (), 60, 0, 0, ()))
    assert sample_page.enough(ONE)


def test_the_page_says_what_was_kept_and_each_mutant_left_has_its_line() -> None:
    kept, known = sample_page.read(ROOT), sample_page.whys(ROOT)
    assert page.sample_part((ROOT / page.PAGE).read_text(encoding="utf-8")) == sample_page.section(
        kept, known
    )
    samples = sample_page.from_json(kept["groups"])
    assert [one.group for one in samples] == list(sample.GROUPS)
    assert sample_page.unexplained(samples, known) == []
    left = {(one.place, one.becomes) for group in samples for one in group.left}
    assert sorted(set(known) - left) == [], "a line for a mutant that is not left"


def test_writing_keeps_the_groups_that_were_not_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("mutmut")
    for folder in ("docs", "tests/mutants"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / sample_page.WHYS).touch()
    (tmp_path / sample_page.PAGE).write_text("# Planted bugs\n\nold\n")
    other = Sampled("settle", ("shares",), 5, 5, 5, ())
    sample_page.write([ONE, other], 7, tmp_path)
    sample_page.write([Sampled("settle", ("shares",), 6, 6, 6, ())], 7, tmp_path)
    text = (tmp_path / sample_page.PAGE).read_text()
    assert [one["mutants"] for one in sample_page.read(tmp_path)["groups"]] == [60, 6]
    assert page.planted_part(text) == "# Planted bugs\n\nold\n"
    assert page.sample_part(text) == sample_page.section(sample_page.read(tmp_path), {})
    assert "| all | | 66 | 16 | 15 | 93 % |" in text
