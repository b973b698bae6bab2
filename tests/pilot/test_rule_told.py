"""Which rule refuses a step: the run looks whether it is the one that the step names, and `release` needs one place."""

from pathlib import Path
from typing import Any

from tests.pilot.play import run_text, script_text, step
from wallets.pilot import runner
from wallets.pilot.script import parse
from wallets.pilot.setting import releasers

MARK = """
[budget]
deposit = "tenge(1000)"

[[register]]
name = "works"
facts = ["act"]

[[mark]]
name = "road"
purpose = 9

[[mark.rule]]
name = "small"
kind = "most"
amount = 100
payers = ["contractor"]

[[mark.rule]]
name = "smaller"
kind = "most"
amount = 50
payers = ["contractor"]
payees = ["supplier"]

[[mark.rule]]
name = "earned"
kind = "release"
payers = ["contractor"]
parts = [["works", "act", 1, 2]]

[[cast]]
name = "builder"
count = 1
category = "contractor"
bank = "bank"

[[cast]]
name = "pit"
count = 1
category = "supplier"
bank = "bank"
"""
GIVEN = (
    step("budget_buys", bank="bank", amount=1_000),
    step("voucher", at="11:00", mark="road", to="builder", amount=1_000),
)
RELEASE = {"who": "builder", "mark": "road", "amount": 500, "documents": [["act", 1]]}


def pay(amount: int, **more: object) -> str:
    return step("pay", day=2, who="builder", to="pit", mark="road", amount=amount, **more)


def missed(finished: runner.Finished) -> list[dict[str, Any]]:
    return [row for row in finished.report["expectations"] if not row["ok"]]


def refusal_steps(finished: runner.Finished, code: str) -> list[bool]:
    rows = next(row for row in finished.report["refusals"] if row["code"] == code)["steps"]
    return [row["expected"] for row in rows]


def test_the_named_rule_refuses(tmp_path: Path) -> None:
    attempt = pay(70, refused="E_MARK_CAP", rule="mark.road.smaller")
    finished = run_text(tmp_path, MARK, *GIVEN, attempt)
    assert finished.ok
    assert refusal_steps(finished, "E_MARK_CAP") == [True]


def test_another_rule_refuses(tmp_path: Path) -> None:
    attempt = pay(101, refused="E_MARK_CAP", rule="mark.road.smaller")
    finished = run_text(tmp_path, MARK, *GIVEN, attempt)
    (row,) = missed(finished)
    assert row["expected"] == "refused as E_MARK_CAP"
    assert row["actual"] == "1 × refused by rule small, not by smaller"
    assert refusal_steps(finished, "E_MARK_CAP") == [False]
    # Stopped behind it and gone on with, it is still so.
    assert runner.resume(finished.folder).report == finished.report


def test_a_refusal_that_does_not_say_its_rule_counts_by_its_code(tmp_path: Path) -> None:
    attempt = step(
        "release",
        day=2,
        **{**RELEASE, "amount": 501, "refused": "E_MARK_RELEASE_SUM", "rule": "mark.road.earned"},
    )
    assert run_text(tmp_path, MARK, *GIVEN, attempt).ok


def test_a_release_rule_with_payers_is_enough(tmp_path: Path) -> None:
    told = step(
        "attest",
        day=2,
        at="09:00",
        register="works",
        fact="act",
        who="builder",
        document=["act", 1],
        amount=1_000,
    )
    attempt = step("release", day=2, **RELEASE)
    assert run_text(tmp_path, MARK, *GIVEN, told, attempt).ok


def test_who_may_release_is_named_once() -> None:
    other = MARK.replace("purpose = 9", 'purpose = 9\nrelease = ["supplier", "contractor"]')
    (alone,), (both,) = (parse("a.toml", script_text(text), {}).marks for text in (MARK, other))
    assert len(releasers(alone)) == 1
    assert releasers(both) == both.release_categories


def test_without_the_release_rule_the_release_is_free(tmp_path: Path) -> None:
    attempt = step(
        "release", day=2, **{**RELEASE, "refused": "E_MARK_RELEASE_SUM", "rule": "mark.road.earned"}
    )
    assert run_text(tmp_path, MARK, *GIVEN, attempt).ok
    file = str(tmp_path / "tiny.toml")
    assert runner.run(file, tmp_path / "free", 7, off=["mark.road.earned"]).ok
