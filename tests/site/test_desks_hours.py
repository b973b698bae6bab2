"""Opening hours of the settlement system at the desks: previewed, set; what waits, and when it is carried out."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from cbdc.opening_hours import standard_calendar
from tests.site.killed import Bomb, kept, killed_at
from tests.site.visitor import Program, Visitor, opened
from wallets.site.whole import Whole

_fresh = (f"an-opening-hour-{number:06d}" for number in count())
HOURS = {"kept": True, "opens": "09:00", "closes": "18:00", "weekdays": "12345"}
QUERY = "kept=on&opens=09:00&closes=18:00&weekdays=12345"


@pytest.fixture
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one
        supply = one.world.sandbox.supply()
        assert supply.outstanding_tiyn == supply.held_tiyn


def code(answer) -> str:
    return str(answer.get_json()["code"])


def do(whole: Whole, user: str, role: str, name: str, **fields):
    return Program(whole, user).do(role, name, next(_fresh), **fields)


def set_hours(whole: Whole, seat: int = 1, **changes):
    return do(whole, f"officer-{seat}", "national-bank", "set-hours", **(HOURS | changes))


def to_night(whole: Whole) -> None:
    """Put the clock to a moment when the standard calendar rests, with an opening ahead."""
    while standard_calendar().is_open(whole.world.clock.now()):
        assert do(whole, "operator", "operator", "wait", hours=1).status_code == 200


def to_opening(whole: Whole) -> None:
    calendar, now = standard_calendar(), whole.world.clock.now()
    minutes, _ = divmod(calendar.next_opening(now) - now + 59, 60)
    days, minutes = divmod(minutes, 1_440)
    hours, minutes = divmod(minutes, 60)
    assert (
        do(whole, "operator", "operator", "wait", days=days, hours=hours, minutes=minutes).status_code == 200
    )


def ordered(whole: Whole, amount_tiyn: int = 1_000_000) -> str:
    return str(do(whole, "clerk-1", "bank", "order-tokens", amount_tiyn=amount_tiyn).get_json()["request"])


def approve(whole: Whole, seat: int, request: str):
    return do(whole, f"officer-{seat}", "national-bank", "approve", request=request)


def state(whole: Whole, request: str) -> str:
    return whole.world.system.register.get(bytes.fromhex(request)).state_name


def shown(whole: Whole, query: str = ""):
    return Program(whole, "officer-1").get(f"/v1/roles/national-bank/hours?{query}").get_json()


def waits(whole: Whole) -> str:
    """A request that two officers approved at night."""
    assert set_hours(whole).status_code == 200
    to_night(whole)
    request = ordered(whole)
    assert [approve(whole, seat, request).status_code for seat in (1, 2)] == [200, 200]
    assert state(whole, request) == "approved"
    return request


def test_by_default_the_system_never_rests(whole: Whole) -> None:
    to_night(whole)
    found = shown(whole)
    assert (found["kept"], found["is_open"], found["waiting"]) == (False, True, [])
    request = ordered(whole)
    assert [approve(whole, seat, request).status_code for seat in (1, 2)] == [200, 200]
    assert state(whole, request) == "done"


def test_an_issue_approved_at_night_waits_and_is_carried_out_at_the_opening(whole: Whole) -> None:
    issued = whole.world.sandbox.supply().issued_tiyn
    request = waits(whole)
    (row,) = shown(whole)["waiting"]
    assert (row["id"], row["now"]) == (request, standard_calendar().next_opening(whole.world.clock.now()))
    assert code(approve(whole, 3, request)) == "E_SETTLEMENT_CLOSED"
    assert state(whole, request) == "approved"
    assert whole.world.sandbox.supply().issued_tiyn == issued
    to_opening(whole)
    assert state(whole, request) == "done"
    assert whole.world.sandbox.supply().issued_tiyn == issued + 1_000_000
    assert shown(whole)["waiting"] == []


def test_what_waits_can_still_be_refused_and_is_then_never_issued(whole: Whole) -> None:
    issued = whole.world.sandbox.supply().issued_tiyn
    request = waits(whole)
    refused = do(whole, "officer-3", "national-bank", "refuse", request=request, reason="slept over it")
    assert refused.status_code == 200
    to_opening(whole)
    assert state(whole, request) == "refused"
    assert whole.world.sandbox.supply().issued_tiyn == issued


def test_a_redemption_at_night_is_refused_and_nothing_is_registered(whole: Whole) -> None:
    assert set_hours(whole).status_code == 200
    to_night(whole)
    before = len(whole.world.system.register.closed())
    assert code(do(whole, "clerk-1", "bank", "redeem-surplus", amount_tiyn=500)) == "E_SETTLEMENT_CLOSED"
    assert (whole.world.system.register.open(), len(whole.world.system.register.closed())) == ([], before)
    to_opening(whole)
    assert do(whole, "clerk-1", "bank", "redeem-surplus", amount_tiyn=500).status_code == 200


def test_the_effect_is_shown_before_it_is_put_in_force(whole: Whole) -> None:
    to_night(whole)
    found = shown(whole, QUERY)
    preview, calendar = found["preview"], standard_calendar()
    now = whole.world.clock.now()
    assert (preview["is_open"], preview["opening"]) == (False, calendar.next_opening(now))
    assert [row["rests"] for row in preview["days"]] == [
        calendar.hours_at(row["moment"]) is None for row in preview["days"]
    ]
    assert any(row["rests"] for row in preview["days"]), "a week has a weekend"
    assert shown(whole)["kept"] is False, "looking changes nothing"
    assert shown(whole, QUERY.replace("kept=on&", ""))["preview"]["is_open"] is True


def test_what_waits_goes_at_once_when_the_hours_are_given_up(whole: Whole) -> None:
    request = waits(whole)
    preview = shown(whole, "opens=09:00&closes=18:00&weekdays=12345")["preview"]
    assert preview["opening"] == whole.world.clock.now()
    assert set_hours(whole, 2, kept=False).get_json()["carried_out"] == 1
    assert state(whole, request) == "done"


def test_what_the_account_no_longer_covers_goes_on_waiting(whole: Whole) -> None:
    national_bank = whole.world.system.national_bank
    assert set_hours(whole).status_code == 200
    to_night(whole)
    has_tiyn = national_bank.reserve_tiyn(1)
    first, second = ordered(whole, has_tiyn), ordered(whole, has_tiyn)
    for request in (first, second):
        assert [approve(whole, seat, request).status_code for seat in (1, 2)] == [200, 200]
    to_opening(whole)
    assert (state(whole, first), state(whole, second)) == ("done", "approved")
    assert national_bank.reserve_tiyn(1) == 0
    assert [row["id"] for row in shown(whole)["waiting"]] == [second]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"opens": "9:00"}, "E_SITE_FIELD"),
        ({"opens": "25:00"}, "E_SITE_FIELD"),
        ({"opens": "24:30"}, "E_POLICY_RULE"),
        ({"opens": "18:00", "closes": "09:00"}, "E_POLICY_RULE"),
        ({"opens": "09:00", "closes": "09:00"}, "E_POLICY_RULE"),
        ({"weekdays": ""}, "E_SITE_FIELD"),
        ({"weekdays": "0"}, "E_SITE_FIELD"),
        ({"weekdays": "8"}, "E_SITE_FIELD"),
        ({"weekdays": "12345671"}, "E_SITE_FIELD"),
        ({"weekdays": "<b>"}, "E_SITE_FIELD"),
        ({"kept": "perhaps"}, "E_SITE_FIELD"),
        ({"holidays": "none"}, "E_SITE_FIELD"),
    ],
)
def test_hours_that_are_none_are_refused(whole: Whole, changes: dict[str, object], refusal: str) -> None:
    before = repr(whole.world.memory)
    assert code(set_hours(whole, **changes)) == refusal
    assert repr(whole.world.memory) == before


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ("kept=on&opens=xx:yy&closes=18:00&weekdays=1", "E_POLICY_RULE"),
        ("kept=on&opens=09:00&weekdays=1", "E_POLICY_RULE"),
        ("kept=on&opens=09:00&closes=18:00", "E_SITE_FIELD"),
        ("kept=on&opens=09:00&closes=18:00&weekdays=789", "E_SITE_FIELD"),
        ("opens=18:00&closes=09:00&weekdays=1", "E_POLICY_RULE"),
    ],
)
def test_a_preview_of_what_is_no_calendar_is_refused(whole: Whole, query: str, refusal: str) -> None:
    answer = Program(whole, "officer-1").get(f"/v1/roles/national-bank/hours?{query}")
    assert (answer.status_code, code(answer)) == (400, refusal)


@pytest.mark.parametrize("user", ["clerk-1", "registrar", "supervisor", "operator", "treasurer", "aigerim"])
def test_nobody_but_an_officer_sets_hours(whole: Whole, user: str) -> None:
    assert code(do(whole, user, "national-bank", "set-hours", **HOURS)) == "E_SITE_ROLE"
    assert whole.world.hours.kept is False


def test_the_page_leads_from_the_preview_to_the_hours(whole: Whole) -> None:
    to_night(whole)
    officer = Visitor(whole).signed_in("officer-1")
    assert "never rests" in officer.get("/national-bank/hours").text
    assert "are in force" in officer.send(f"/national-bank/hours?{QUERY}", "set-hours")
    assert "The system rests" in officer.get("/national-bank/hours").text
    assert whole.world.hours.kept is True


def test_the_hours_outlive_the_server_and_a_fresh_start_forgets_them(tmp_path: Path) -> None:
    whole = kept(tmp_path, Bomb())
    request = waits(whole)
    whole.world.close()
    again = kept(tmp_path, Bomb())
    try:
        assert again.world.hours.kept is True
        assert state(again, request) == "approved", "it rests when the server starts again"
        assert do(again, "operator", "operator", "reset", word="RESET").status_code == 200
        assert again.world.hours.kept is False
    finally:
        again.world.close()


@pytest.mark.parametrize("place", range(1, 10, 2))
def test_killed_at_the_opening_it_is_issued_once(tmp_path: Path, place: int) -> None:
    request: list[str] = []
    whole, _ = killed_at(place, tmp_path, lambda one: request.append(waits(one)), to_opening)
    try:
        to_opening(whole)
        assert state(whole, request[0]) == "done"
        assert whole.world.system.supervise() == []
        issues = whole.world.system.supervisor.figures.transactions["Issue"]
        do(whole, "operator", "operator", "wait", minutes=1)
        whole.world.system.supervise()
        assert whole.world.system.supervisor.figures.transactions["Issue"] == issues
    finally:
        whole.world.close()
