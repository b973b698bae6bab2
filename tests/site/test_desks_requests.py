"""A request of the operator's register: refused for ever with a reason, one page each, races and kills."""

import re
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.site.killed import killed_at
from tests.site.visitor import Program, Visitor, opened
from wallets.site.whole import Whole

REASON = "The order is larger than the plan of this quarter"


@pytest.fixture
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one
        supply = one.world.sandbox.supply()
        assert supply.outstanding_tiyn == supply.held_tiyn


def code(answer) -> str:
    return str(answer.get_json()["code"])


_fresh = (f"a-press-of-a-button-{number:06d}" for number in count())


def ordered(whole: Whole, amount_tiyn: int = 1_000_000, clerk: str = "clerk-1") -> str:
    answer = Program(whole, clerk).do("bank", "order-tokens", next(_fresh), amount_tiyn=amount_tiyn)
    return str(answer.get_json()["request"])


def approve(whole: Whole, officer: int, request: str):
    return Program(whole, f"officer-{officer}").do("national-bank", "approve", next(_fresh), request=request)


def refuse(whole: Whole, officer: int, request: str, reason: str = REASON):
    program = Program(whole, f"officer-{officer}")
    return program.do("national-bank", "refuse", next(_fresh), request=request, reason=reason)


def state(whole: Whole, request: str) -> tuple[str, int]:
    found = whole.world.system.register.get(bytes.fromhex(request))
    return found.state_name, len(found.approvals)


def test_a_refusal_is_final_and_the_bank_reads_the_reason(whole: Whole) -> None:
    issued = whole.world.sandbox.supply().issued_tiyn
    request = ordered(whole)
    assert approve(whole, 1, request).status_code == 200
    assert refuse(whole, 2, request).status_code == 200
    for officer in (1, 2, 3):
        assert code(approve(whole, officer, request)) == "E_REQUEST_STATE"
    assert whole.world.sandbox.supply().issued_tiyn == issued
    rows = Program(whole, "clerk-1").get("/v1/roles/bank/home").get_json()["requests"]
    (row,) = [one for one in rows if one["id"] == request]
    assert (row["state"], row["reason"], row["refused_by"]) == ("refused", REASON, 1)
    assert REASON in Visitor(whole).signed_in("clerk-1").get("/bank/").text
    # The other officers may go on with other requests.
    other = ordered(whole)
    assert approve(whole, 3, other).status_code == 200
    assert approve(whole, 2, other).get_json()["transaction"]


def test_signatures_gathered_before_issue_nothing_after_the_refusal(whole: Whole) -> None:
    """Both approvals stand, and the account covers nothing yet: the refusal makes them worthless."""
    national_bank = whole.world.system.national_bank
    request = ordered(whole)
    raw = bytes.fromhex(request)
    for officer in national_bank.officers[:2]:
        national_bank.approve(raw, officer)
    assert state(whole, request) == ("approved", 2)
    assert refuse(whole, 3, request).status_code == 200
    assert state(whole, request) == ("refused", 2)
    before = whole.world.system.ledger.size
    for attempt in (national_bank.issue, national_bank.approve_and_issue):
        with pytest.raises(Exception, match="E_REQUEST_REFUSED"):
            attempt(raw)
    assert whole.world.system.resume() == []
    assert whole.world.system.ledger.size == before


def test_the_same_refusal_finds_itself_and_another_one_is_refused(whole: Whole) -> None:
    request = ordered(whole)
    assert refuse(whole, 2, request).status_code == 200
    assert refuse(whole, 2, request).status_code == 200
    assert code(refuse(whole, 2, request, "For another reason")) == "E_REQUEST_STATE"
    assert code(refuse(whole, 1, request)) == "E_REQUEST_STATE"
    refusal = whole.world.system.register.refusal_of(bytes.fromhex(request))
    assert refusal is not None
    refusal.verify(whole.world.system.keys.officers[1].public)
    assert refusal.record.reason == REASON


def test_what_was_carried_out_or_is_no_issue_cannot_be_refused(whole: Whole) -> None:
    request = ordered(whole)
    for officer in (1, 2):
        assert approve(whole, officer, request).status_code == 200
    assert code(refuse(whole, 3, request)) == "E_REQUEST_STATE"
    assert state(whole, request)[0] == "done"
    assert Program(whole, "clerk-1").do("bank", "redeem-surplus", amount_tiyn=500).status_code == 200
    (redeemed,) = [one for one in whole.world.system.register.closed() if one.kind == 2]
    assert code(refuse(whole, 3, redeemed.id.hex())) == "E_REQUEST_STATE"
    assert code(refuse(whole, 3, "00" * 32)) == "E_REQUEST_UNKNOWN"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"request": "00" * 32},
        {"request": "00" * 32, "reason": ""},
        {"request": "00" * 32, "reason": "ab"},
        {"request": "00" * 32, "reason": "x" * 121},
        {"request": "00" * 32, "reason": 7},
        {"request": "zz" * 32, "reason": REASON},
        {"request": "00" * 32, "reason": REASON, "officer": 2},
    ],
)
def test_a_refusal_needs_a_request_and_a_reason(whole: Whole, fields: dict[str, object]) -> None:
    answer = Program(whole, "officer-1").do("national-bank", "refuse", **fields)
    assert (answer.status_code, code(answer)) == (400, "E_SITE_FIELD")


@pytest.mark.parametrize("user", ["clerk-1", "registrar", "supervisor", "operator", "treasurer", "aigerim"])
def test_nobody_but_an_officer_refuses(whole: Whole, user: str) -> None:
    request = ordered(whole)
    answer = Program(whole, user).do("national-bank", "refuse", request=request, reason=REASON)
    assert (answer.status_code, code(answer)) == (403, "E_SITE_ROLE")
    assert state(whole, request) == ("registered", 0)


def test_a_reason_is_text_and_no_markup(whole: Whole) -> None:
    request, reason = ordered(whole), "<script>alert(1)</script> Ә"
    assert refuse(whole, 1, request, reason).status_code == 200
    for user, path in (
        ("officer-2", f"/national-bank/requests/{request}"),
        ("registrar", f"/register/requests/{request}"),
        ("clerk-1", "/bank/"),
    ):
        page = Visitor(whole).signed_in(user).get(path).text
        assert "&lt;script&gt;alert(1)" in page, path
        assert "<script>alert" not in page, path


def test_a_long_reason_is_kept_whole_and_a_longer_one_refused(whole: Whole) -> None:
    request, reason = ordered(whole), "Ұ" * 120
    too_long = refuse(whole, 1, request, "\U0001f4b0" * 120)
    assert (too_long.status_code, code(too_long)) == (400, "E_FIELD")
    assert state(whole, request) == ("registered", 0)
    assert refuse(whole, 1, request, reason).status_code == 200
    shown = Program(whole, "registrar").get(f"/v1/roles/register/requests/{request}").get_json()["one"]
    assert shown["reason"] == reason


def test_the_page_of_a_request_tells_who_signed_what_is_missing_and_the_reserves(whole: Whole) -> None:
    officer, path = Program(whole, "officer-1"), "/v1/roles/national-bank/requests/"
    has_tiyn = Program(whole, "clerk-1").get("/v1/roles/bank/home").get_json()["reserve_tiyn"]
    request = ordered(whole, has_tiyn + 7)
    other = ordered(whole, 1_000)
    first = officer.get(path + request).get_json()["one"]
    assert (first["missing"], first["silent"], first["short_tiyn"]) == (2, [0, 1, 2], 7)
    assert (first["reserve_tiyn"], first["open_tiyn"]) == (has_tiyn, has_tiyn + 1_007)
    Program(whole, "operator").do("operator", "wait", hours=1)
    assert approve(whole, 3, request).status_code == 200
    second = officer.get(path + request).get_json()["one"]
    assert (second["missing"], second["silent"]) == (1, [0, 1])
    times = [row["time"] for row in second["history"]]
    assert [row["what"] for row in second["history"]] == ["registered", "approved"]
    assert times[1] - times[0] == 3_600
    assert [approve(whole, seat, other).status_code for seat in (1, 2)] == [200, 200]
    done = officer.get(path + other).get_json()["one"]
    assert [row["what"] for row in done["history"]] == ["registered", "approved", "approved", "done"]
    assert (done["missing"], done["short_tiyn"], done["is_open"]) == (0, 0, False)
    assert whole.world.system.ledger.entry(done["entry"]).time == done["history"][-1]["time"]
    assert code(officer.get(path + "00" * 32)) == "E_REQUEST_UNKNOWN"
    assert code(officer.get(path + "nonsense")) == "E_SITE_FIELD"


def test_an_officer_decides_on_the_page_of_the_request(whole: Whole) -> None:
    request = ordered(whole)
    path = f"/national-bank/requests/{request}"
    first, second = (Visitor(whole).signed_in(f"officer-{seat}") for seat in (1, 2))
    assert "Approved: 1 of 2" in first.send(path, "approve")
    assert re.search(r"/do/approve\"", first.get(path).text) is None
    refused = second.send(path, "refuse", reason="no")
    assert "E_SITE_FIELD" in refused
    assert "Refused for ever" in second.send(path, "refuse", reason=REASON)
    after = second.get(path).text
    assert REASON in after
    assert "/do/approve" not in after
    assert "/do/refuse" not in after
    assert "Second officer" in after


def at_once(programs: dict[int, Program], wishes: dict[str, tuple[int, dict[str, str]]]) -> dict[str, int]:
    """The status of each operation, by its name, when all are sent at the same moment."""
    answers: dict[str, int] = {}
    gate = threading.Barrier(len(wishes))

    def act(name: str) -> None:
        seat, fields = wishes[name]
        gate.wait()
        answers[name] = programs[seat].do("national-bank", name, next(_fresh), **fields).status_code

    threads = [threading.Thread(target=act, args=(name,)) for name in wishes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_approval_and_refusal_at_once_have_one_outcome(whole: Whole) -> None:
    outcomes = set()
    programs = {seat: Program(whole, f"officer-{seat}") for seat in (1, 2, 3)}
    for turn in range(8):
        request, amount = ordered(whole, 1_000 + turn), 1_000 + turn
        assert approve(whole, 1, request).status_code == 200
        issued = whole.world.sandbox.supply().issued_tiyn
        wishes = {"approve": (2, {"request": request}), "refuse": (3, {"request": request, "reason": REASON})}
        answers = at_once(programs, dict(reversed(wishes.items())) if turn % 2 else wishes)
        assert sorted(answers.values()) == [200, 422], answers
        end = state(whole, request)[0]
        assert end == ("done" if answers["approve"] == 200 else "refused")
        assert whole.world.sandbox.supply().issued_tiyn == issued + (amount if end == "done" else 0)
        outcomes.add(end)
    assert outcomes <= {"done", "refused"}


@pytest.mark.parametrize("place", range(1, 6))
def test_killed_while_refusing_it_is_before_or_after(tmp_path: Path, place: int) -> None:
    asked: list[str] = []

    def before(whole: Whole) -> None:
        asked.append(ordered(whole))
        assert approve(whole, 1, asked[0]).status_code == 200

    whole, killed = killed_at(place, tmp_path, before, lambda one: refuse(one, 2, asked[0]))
    try:
        found = state(whole, asked[0])
        refusal = whole.world.system.register.refusal_of(bytes.fromhex(asked[0]))
        assert found in (("registered", 1), ("refused", 1))
        assert (refusal is not None) == (found[0] == "refused")
        # The officer presses again, and it is refused whatever came before.
        assert refuse(whole, 2, asked[0]).status_code == 200
        assert code(approve(whole, 3, asked[0])) == "E_REQUEST_STATE"
        assert killed or place > 4
    finally:
        whole.world.close()


@pytest.mark.parametrize("place", range(1, 16, 2))
def test_killed_while_issuing_a_refusal_comes_too_late_or_in_time(tmp_path: Path, place: int) -> None:
    asked: list[str] = []

    def before(whole: Whole) -> None:
        asked.append(ordered(whole))
        assert approve(whole, 1, asked[0]).status_code == 200

    whole, _ = killed_at(place, tmp_path, before, lambda one: approve(one, 2, asked[0]))
    try:
        supply = whole.world.sandbox.supply()
        answer, end = refuse(whole, 3, asked[0]), state(whole, asked[0])[0]
        assert (answer.status_code, end) in ((200, "refused"), (422, "done"))
        assert whole.world.sandbox.supply() == supply
        assert whole.world.system.supervise() == []
    finally:
        whole.world.close()
