"""Acts of two officers: freezing, lifting, revoking. One proposes, another signs; alone, twice, at once, killed."""

import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.site.killed import killed_at
from tests.site.visitor import Program, Visitor, opened
from wallets.site.opening import customer_id
from wallets.site.whole import Whole

_fresh = (f"an-act-of-officers-{number:06d}" for number in count())


@pytest.fixture
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one


def code(answer) -> str:
    return str(answer.get_json()["code"])


def act(whole: Whole, seat: int, name: str, **fields: str):
    return Program(whole, f"officer-{seat}").do("national-bank", name, next(_fresh), **fields)


def pseudonym(whole: Whole, user: str = "aigerim") -> bytes:
    one = whole.world.users.get(user)
    return whole.world.system.banks[one.bank_id].customers.get(customer_id(one)).pseudonym


def proposed(whole: Whole, seat: int = 1, name: str = "freeze", **fields: str) -> str:
    given = fields or {"pseudonym": pseudonym(whole).hex(), "reference": "court 5"}
    answer = act(whole, seat, name, **given)
    assert answer.status_code == 200, answer.text
    return str(answer.get_json()["id"])


def device(whole: Whole) -> str:
    return str(whole.world.sandbox.field.centre.devices.devices()[0].hex())


def test_one_officer_proposes_and_another_freezes(whole: Whole) -> None:
    ledger, holder = whole.world.system.ledger, pseudonym(whole)
    before = ledger.size
    one = proposed(whole)
    assert (ledger.size, ledger.frozen(holder)) == (before, "")
    assert code(act(whole, 1, "second", act=one)) == "E_ACT_SAME"
    assert ledger.size == before
    done = act(whole, 2, "second", act=one).get_json()
    assert (done["state"], done["proposed_by"], done["second_by"]) == ("done", 0, 1)
    assert ledger.frozen(holder) == "court 5"
    again = act(whole, 2, "second", act=one).get_json()
    assert again == done
    assert code(act(whole, 3, "second", act=one)) == "E_ACT_STATE"
    assert ledger.size == before + 1


def test_a_lift_and_a_revocation_take_two_as_well(whole: Whole) -> None:
    centre, kid = whole.world.sandbox.field.centre, device(whole)
    one = proposed(whole, 3, "revoke-device", device=kid, reference="opened in a laboratory")
    assert not centre.trust_view.is_revoked(bytes.fromhex(kid))
    assert act(whole, 1, "second", act=one).get_json()["outcome"] == str(centre.trust_view.sequence)
    assert centre.trust_view.is_revoked(bytes.fromhex(kid))
    assert code(act(whole, 2, "revoke-device", device=kid, reference="again")) == "E_ACT_REVOKED"
    assert act(whole, 2, "second", act=proposed(whole)).status_code == 200
    lift = proposed(whole, 2, "unfreeze", pseudonym=pseudonym(whole).hex(), reference="court 6")
    assert whole.world.system.ledger.frozen(pseudonym(whole)) == "court 5"
    assert act(whole, 3, "second", act=lift).status_code == 200
    assert whole.world.system.ledger.frozen(pseudonym(whole)) == ""


def test_what_is_dropped_is_never_carried_out(whole: Whole) -> None:
    one, before = proposed(whole), whole.world.system.ledger.size
    assert act(whole, 3, "drop", act=one, reason="the court withdrew it").get_json()["state"] == "dropped"
    for seat in (1, 2, 3):
        assert code(act(whole, seat, "second", act=one)) == "E_ACT_STATE"
    assert code(act(whole, 1, "drop", act=one, reason="another reason")) == "E_ACT_STATE"
    assert act(whole, 3, "drop", act=one, reason="the court withdrew it").status_code == 200
    assert whole.world.system.ledger.size == before
    assert act(whole, 2, "second", act=proposed(whole, 3)).status_code == 200  # a new one has a new id


def test_the_same_act_is_proposed_once(whole: Whole) -> None:
    one = proposed(whole)
    again = act(whole, 2, "freeze", pseudonym=pseudonym(whole).hex(), reference="court 6")
    assert code(again) == "E_ACT_WAITS"
    assert len(whole.world.acts.open()) == 1
    assert act(whole, 2, "second", act=one).status_code == 200
    assert code(act(whole, 3, "freeze", pseudonym=pseudonym(whole).hex(), reference="court 7")) == "E_FROZEN"


def test_what_became_impossible_is_not_signed(whole: Whole) -> None:
    """The bank reports the wallet lost before the second officer signs: nothing is signed, the proposal stays."""
    one = proposed(whole)
    clerk = Program(whole, "clerk-1")
    customer = customer_id(whole.world.users.get("aigerim")).hex()
    assert clerk.do("bank", "report-lost", customer=customer, reference="by telephone").status_code == 200
    before = whole.world.system.ledger.size
    assert code(act(whole, 2, "second", act=one)) == "E_FROZEN"
    assert [row.state_name for row in whole.world.acts.open()] == ["proposed"]
    assert whole.world.system.ledger.size == before
    assert clerk.do("bank", "unfreeze", customer=customer, reference="found").status_code == 200
    assert act(whole, 2, "second", act=one).status_code == 200


@pytest.mark.parametrize(
    ("name", "fields", "refusal"),
    [
        ("freeze", {"pseudonym": "ab" * 32, "reference": "court"}, "E_HTTP_NONE"),
        ("unfreeze", {"pseudonym": "ab" * 32, "reference": "court"}, "E_NOT_FROZEN"),
        ("revoke-device", {"device": "ab" * 32, "reference": "court"}, "E_DEVICE_UNKNOWN"),
        ("second", {"act": "ab" * 32}, "E_ACT_UNKNOWN"),
        ("drop", {"act": "ab" * 32, "reason": "why not"}, "E_ACT_UNKNOWN"),
        ("second", {"act": "ab"}, "E_SITE_FIELD"),
        ("second", {}, "E_SITE_FIELD"),
        ("drop", {"act": "ab" * 32}, "E_SITE_FIELD"),
        ("drop", {"act": "ab" * 32, "reason": "x"}, "E_SITE_FIELD"),
        ("freeze", {"pseudonym": "ab" * 32}, "E_SITE_FIELD"),
        ("revoke-device", {"device": "ab" * 32}, "E_SITE_FIELD"),
        ("revoke-device", {"device": "ab" * 32, "reference": "x" * 121}, "E_SITE_FIELD"),
        ("freeze", {"pseudonym": "ab" * 32, "reference": "Ұ" * 65}, "E_FIELD"),
    ],
)
def test_bad_acts_change_nothing(whole: Whole, name: str, fields: dict[str, str], refusal: str) -> None:
    before = whole.world.system.ledger.size
    assert code(act(whole, 1, name, **fields)) == refusal
    assert (whole.world.system.ledger.size, whole.world.acts.open(), whole.world.acts.closed()) == (
        before,
        [],
        [],
    )


@pytest.mark.parametrize("user", ["clerk-1", "registrar", "supervisor", "operator", "treasurer", "aigerim"])
def test_nobody_but_officers_act(whole: Whole, user: str) -> None:
    one = proposed(whole)
    program = Program(whole, user)
    for name, fields in (("second", {"act": one}), ("drop", {"act": one, "reason": "I say so"})):
        answer = program.do("national-bank", name, **fields)
        assert (answer.status_code, code(answer)) == (403, "E_SITE_ROLE")
    assert [row.state_name for row in whole.world.acts.open()] == ["proposed"]


def test_two_officers_sign_at_once_and_it_happens_once(whole: Whole) -> None:
    one, before = proposed(whole), whole.world.system.ledger.size
    programs = {seat: Program(whole, f"officer-{seat}") for seat in (2, 3)}
    answers, gate = {}, threading.Barrier(2)

    def press(seat: int) -> None:
        gate.wait()
        answers[seat] = programs[seat].do("national-bank", "second", next(_fresh), act=one).status_code

    threads = [threading.Thread(target=press, args=(seat,)) for seat in programs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers.values()) == [200, 422]
    assert whole.world.system.ledger.size == before + 1


@pytest.mark.parametrize("place", range(1, 12))
def test_killed_while_signing_it_is_before_or_after_and_once(tmp_path: Path, place: int) -> None:
    ids: list[str] = []
    whole, _ = killed_at(
        place,
        tmp_path,
        lambda one: ids.append(proposed(one)),
        lambda one: act(one, 2, "second", act=ids[0]),
    )
    try:
        world, holder = whole.world, pseudonym(whole)
        state = world.acts.get(bytes.fromhex(ids[0])).state_name
        assert state in ("proposed", "done"), "what was signed is completed when the world opens"
        assert world.system.ledger.frozen(holder) == ("court 5" if state == "done" else "")
        size = world.system.ledger.size
        answer = act(whole, 2, "second", act=ids[0])
        assert answer.get_json()["state"] == "done"
        assert world.system.ledger.size == size + (state == "proposed")
        assert world.system.ledger.frozen(holder) == "court 5"
    finally:
        whole.world.close()


@pytest.mark.parametrize("place", range(1, 5))
def test_killed_while_proposing_it_is_proposed_once(tmp_path: Path, place: int) -> None:
    whole, _ = killed_at(place, tmp_path, lambda one: None, proposed)
    try:
        assert len(whole.world.acts.open()) <= 1
        if not whole.world.acts.open():
            proposed(whole)
        (one,) = whole.world.acts.open()
        assert act(whole, 2, "second", act=one.act.id.hex()).get_json()["state"] == "done"
    finally:
        whole.world.close()


def test_the_lists_say_since_when_why_by_whom(whole: Whole) -> None:
    officer, kid = Program(whole, "officer-1"), device(whole)
    path = "/v1/roles/national-bank/stopped"
    assert officer.get(path).get_json() == {"frozen": [], "revoked": []}
    act(whole, 2, "second", act=proposed(whole))
    act(whole, 3, "second", act=proposed(whole, 1, "revoke-device", device=kid, reference="opened"))
    customer = customer_id(whole.world.users.get("madina")).hex()
    Program(whole, "clerk-2").do("bank", "report-lost", customer=customer, reference="by telephone")
    Program(whole, "operator").do("operator", "live", fraud=True)
    found = officer.get(path).get_json()
    court, report = found["frozen"]
    now = whole.world.clock.now()
    assert (court["pseudonym"], court["reference"]) == (pseudonym(whole).hex(), "court 5")
    assert (court["officers"], court["bank"], court["time"]) == ([0, 1], "", now)
    assert (report["officers"], report["lift_proposed"]) == ([], False)
    assert report["bank"] == whole.world.system.banks[2].name or report["bank"]
    by_device = {row["device"]: row for row in found["revoked"]}
    assert by_device[kid]["officers"] == [0, 2]
    assert by_device[kid]["reference"] == "opened"
    (guilty,) = [row for row in found["revoked"] if row["guilty"]]
    assert guilty["device"] != kid
    assert guilty["officers"] == []
    proposed(whole, 3, "unfreeze", pseudonym=report["pseudonym"], reference="court 8")
    again = officer.get(path).get_json()["frozen"]
    assert [row["lift_proposed"] for row in again] == [False, True]


def test_the_pages_lead_from_a_freeze_to_its_end(whole: Whole) -> None:
    first, second = (Visitor(whole).signed_in(f"officer-{seat}") for seat in (1, 2))
    shown = first.send(
        "/national-bank/acts", "freeze", pseudonym=pseudonym(whole).hex(), reference="<b>court 5</b>"
    )
    assert "A second officer must sign it" in shown
    assert "&lt;b&gt;court 5" in shown
    assert "/do/second" not in shown, "who proposed it has no button to sign it"
    assert "carried out" in second.send("/national-bank/acts", "second")
    page = second.get("/national-bank/stopped").text
    assert "First officer" in page
    assert "A second officer must sign it" in second.send(
        "/national-bank/stopped", "unfreeze", reference="court 6"
    )
    assert "Lifting it is proposed" in second.get("/national-bank/stopped").text
    assert "carried out" in first.send("/national-bank/acts", "second")
    assert "Nobody is frozen" in first.get("/national-bank/stopped").text


def test_alerts_are_the_supervisors(whole: Whole) -> None:
    act(whole, 2, "second", act=proposed(whole))
    mine = Program(whole, "officer-1").get("/v1/roles/national-bank/alerts").get_json()
    theirs = Program(whole, "supervisor").get("/v1/roles/supervisor/home").get_json()
    assert mine == theirs
    assert mine["rows"][0]["kind"] == "freeze"
    assert "court 5" in Visitor(whole).signed_in("officer-3").get("/national-bank/alerts").text
