"""The corridor in a script: mistakes are refused with their place, and a run that is killed anywhere ends the same."""

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import TengeError
from cbdc.rails.messages import Statement, open_message
from tests.pilot.play import expect, parsed, run_text, step
from tests.simulation import kills
from wallets.pilot import runner
from wallets.pilot.perform import check
from wallets.pilot.script import quick_settings, read_source

HEAD = """
[pilot]
name = "abroad"
title = "A small corridor"
start = "2025-12-01"
loss_reserve = "tenge(1000)"

[[bank]]
name = "bank"
reserve = "tenge(100000000)"

[[bank]]
name = "other"
reserve = "tenge(1)"

[[cast]]
name = "firm"
count = 2
category = "firm"
bank = "bank"
tier = 4
deposit = "tenge(2000000)"

[[cast]]
name = "stranger"
count = 1
category = "firm"
bank = "other"
tier = 4

[rails]
bank = "bank"
rate = 513450000
spread_bp = 50
quote_minutes = 30
transit_seconds = 60
retry_minutes = 60
nostro = 10000000
stock = 10000000
own_minutes = 240
other_minutes = 120
claim_minutes = 10
again_minutes = 15
margin_minutes = 60
opens = "09:00"
cut_off = "18:00"
offset_hours = "0 - 5"

[[rails.payee]]
name = "acme"
title = "Acme Inc"

[[rails.payee]]
name = "ghost"
title = "Nobody Ltd"
account = "unknown"

[[step]]
day = 0
do = "order"
bank = "bank"
amount = "tenge(4000000)"
text = "order"

[[step]]
day = 0
at = "10:00"
do = "buy"
who = "firm"
amount = "tenge(2000000)"
text = "buy"
"""


def pay(
    payee: str = "acme",
    way: str = "correspondent",
    amount: object = 10_000,
    at: str = "20:00",
    **more: object,
) -> str:
    arguments: dict[str, Any] = {"who": "firm", "payee": payee, "way": way, "amount": amount, **more}
    return step("pay_abroad", at=at, **arguments)


def refused(*parts: str, head: str = HEAD) -> TengeError:
    with pytest.raises(TengeError) as caught:
        check(parsed(*parts, head=head))
    return caught.value


BAD = [
    ('bank = "bank"\nrate', 'bank = "bunk"\nrate', "[rails]"),
    ("spread_bp = 50\n", "", "[rails]"),
    ("spread_bp = 50", "spred_bp = 50\nspread_bp = 50", "[rails]"),
    ('opens = "09:00"', 'opens = "nine"', "[rails]"),
    ('opens = "09:00"', 'opens = "24:00"', "[rails]"),
    ('opens = "09:00"', 'holidays = ["soon"]\nopens = "09:00"', "[rails]"),
    ('opens = "09:00"', 'holidays = [1]\nopens = "09:00"', "[rails]"),
    ('title = "Acme Inc"', 'title = "Acme Inc"\naccount = "lost"', "[[rails.payee]] number 1"),
    ('name = "ghost"', 'name = "acme"', "[[rails.payee]] number 2"),
    ('title = "Acme Inc"', 'title = "Acme Inc"\nmore = 1', "[[rails.payee]] number 1"),
]


@pytest.mark.parametrize(("old", "new", "place"), BAD)
def test_a_mistake_in_the_section_has_its_place(old: str, new: str, place: str) -> None:
    assert old in HEAD
    refusal = refused(head=HEAD.replace(old, new))
    assert (refusal.code, refusal.facts["place"]) == ("E_SCRIPT", place)


ROWS = [
    ('[[rails.rule]]\nname = "a"\nkind = "magic"', "[[rails.rule]] number 1"),
    ('[[rails.rule]]\nname = "a"\nkind = "limit"', "[[rails.rule]] number 1"),
    ('[[rails.rule]]\nname = "a"\nkind = "sanctions"\nnames = [1]', "[[rails.rule]] number 1"),
    ('[[rails.rule]]\nname = "a"\nkind = "quote"\nmost = 1', "[[rails.rule]] number 1"),
    ('[[rails.hold]]\ntitle = "A"\nhours = 1', "[[rails.hold]] number 1"),
    ('[[rails.outage]]\nmember = "nobody"\nday = 1\nat = "10:00"\nminutes = 1', "[[rails.outage]] number 1"),
    ('[[rails.outage]]\nmember = "maker"\nday = 1\nat = "late"\nminutes = 1', "[[rails.outage]] number 1"),
    (
        '[[rails.fault]]\nmessage = "pacs.008"\nsender = "desk"\nreceiver = "maker"\nnumber = 1\ndo = "eat"',
        "[[rails.fault]] number 1",
    ),
    (
        '[[rails.fault]]\nmessage = "pacs.008"\nsender = "me"\nreceiver = "maker"\nnumber = 1\ndo = "lose"',
        "[[rails.fault]] number 1",
    ),
]


@pytest.mark.parametrize(("row", "place"), ROWS)
def test_a_mistake_in_a_row_has_its_place(row: str, place: str) -> None:
    refusal = refused(head=HEAD.replace("[[step]]", row + "\n\n[[step]]", 1))
    assert (refusal.code, refusal.facts["place"]) == ("E_SCRIPT", place)


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (pay(payee="nobody"), "there is no payee nobody"),
        (pay(way="pigeon"), "way must be one of"),
        (pay(who="stranger"), "is no customer of bank"),
        (step("rails_run", minutes=0), "minutes is 0"),
        (step("rails_run", minutes=10**6), "minutes is"),
        (pay(more=1), "unknown: more"),
    ],
)
def test_a_step_that_cannot_be_played_stops_the_run(tmp_path: Path, bad: str, problem: str) -> None:
    with pytest.raises(TengeError) as caught:
        run_text(tmp_path, bad, head=HEAD)
    assert caught.value.code == "E_VERB"
    assert problem in caught.value.sentence()


def test_the_rate_moves_and_an_unknown_account_sends_the_money_back(tmp_path: Path) -> None:
    cost = -(-10_000 * 516_017_250 // 1_000_000)
    dearer = -(-10_000 * 603_000_000 // 1_000_000)
    finished = run_text(
        tmp_path,
        pay(),
        pay(payee="ghost", at="20:01"),
        step("set_rate", at="20:02", rate=600_000_000),
        pay(at="20:03", when="i == 0"),
        step("rails_run", at="20:04", minutes=60),
        step("rails_statement", at="23:00"),
        expect("rails.orders_done", 3),
        expect("rails.orders_returned", 2),
        expect("rails.paid_minor", 30_000),
        expect("rails.paid_tiyn", 2 * cost + dearer),
        expect("wallets.firm_tiyn", 400_000_000 - 2 * cost - dearer),
        expect("rails.nostro_minor", 10_000_000 - 30_000),
        head=HEAD,
    )
    assert finished.ok, [row for row in finished.report["expectations"] if not row["ok"]]
    payments = finished.report["parts"]["rails"]["payments"]
    assert sorted(row["state"] for row in payments) == ["done"] * 3 + ["returned"] * 2
    assert {row["reason"] for row in payments if row["state"] == "returned"} == {"AC01"}
    (file,) = sorted((finished.folder / "rails").glob("statement-*.xml"))
    body = open_message(file.read_bytes()).body
    assert isinstance(body, Statement)
    assert len(body.entries) == 1 + 3 + 2 * 2


def test_too_little_money_is_refused_and_nothing_is_asked(tmp_path: Path) -> None:
    finished = run_text(
        tmp_path,
        pay(amount=1_000_000, refused="E_FUNDS"),
        pay(amount=1_000_000, way="exchange", at="20:01", refused="E_FUNDS"),
        step("rails_run", at="20:02", minutes=60),
        expect("rails.messages_pacs008", 0),
        expect("wallets.firm_tiyn", 400_000_000),
        head=HEAD,
    )
    assert finished.ok, [row for row in finished.report["expectations"] if not row["ok"]]


# --- kills ---


class Stop(BaseException):
    """The process ends here."""


def play(folder: Path, stop_at: int = 0) -> int:
    """Play the quick pilot, stop at the write point with this number (0: never); how many were passed."""
    passed = [0]

    def checkpoint(_: str) -> None:
        passed[0] += 1
        if passed[0] == stop_at:
            raise Stop

    try:
        runner.run("cross-border", folder, 7, quick_settings("cross-border"), checkpoint=checkpoint)
    except Stop:
        assert not (folder / "report.json").exists()
    return passed[0]


@pytest.mark.slow
def test_a_run_stopped_anywhere_goes_on_to_the_same_report(tmp_path: Path) -> None:
    points = play(tmp_path / "whole")
    files = ("report.json", *(f.name for f in (tmp_path / "whole" / "rails").glob("statement-*.xml")))
    whole = {name: digest(tmp_path / "whole", name) for name in files}
    assert len(whole) == 4
    for number in range(kills_wanted()):
        place = 1 + (2 * number + 1) * points // (2 * kills_wanted()) % points
        folder = tmp_path / f"stopped-{place}"
        play(folder, place)
        assert kills.audit_problems(folder) == ()
        runner.resume(folder)
        assert {name: digest(folder, name) for name in files} == whole, (
            f"stopped at write point {place} of {points}"
        )


def kills_wanted() -> int:
    from tests.simulation.test_kills import KILLS

    return max(KILLS // 2, 1)


def digest(folder: Path, name: str) -> str:
    path = folder / name if name == "report.json" else folder / "rails" / name
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_script_names_only_invented_banks() -> None:
    table = tomllib.loads(read_source("cross-border")[1].decode())
    assert all("invented" in bank["title"] for bank in table["bank"])
