"""The desks of those who make and distribute money: whole stories, what each may not do, and an audit at the end."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site.visitor import Program, Visitor, opened
from wallets.auditing import audit_target
from wallets.site.opening import customer_id
from wallets.site.whole import Whole


@pytest.fixture
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one
        supply = one.world.sandbox.supply()
        assert supply.outstanding_tiyn == supply.held_tiyn


def customer(whole: Whole, user_id: str) -> str:
    return customer_id(whole.world.users.get(user_id)).hex()


def code(answer) -> str:
    return str(answer.get_json()["code"])


def test_a_bank_orders_and_two_officers_issue(whole: Whole) -> None:
    before = whole.world.sandbox.supply().issued_tiyn
    clerk = Program(whole, "clerk-1")
    ordered = clerk.do("bank", "order-tokens", amount_tiyn=1_000_000).get_json()
    first, second = Program(whole, "officer-1"), Program(whole, "officer-2")
    answer = first.do("national-bank", "approve", request=ordered["request"]).get_json()
    assert (answer["approvals"], answer["transaction"]) == (1, "")
    again = first.do("national-bank", "approve", request=ordered["request"]).get_json()
    assert (again["approvals"], again["transaction"]) == (1, "")
    assert whole.world.sandbox.supply().issued_tiyn == before
    answer = second.do("national-bank", "approve", request=ordered["request"]).get_json()
    assert (answer["approvals"], len(answer["transaction"])) == (2, 64)
    assert whole.world.sandbox.supply().issued_tiyn == before + 1_000_000
    late = Program(whole, "officer-3").do("national-bank", "approve", request=ordered["request"])
    assert (late.status_code, code(late)) == (422, "E_REQUEST_STATE")
    rows = Program(whole, "registrar").get("/v1/roles/register/home").get_json()["closed"]
    assert rows[0]["id"] == ordered["request"]
    assert (rows[0]["state"], rows[0]["approved_by"]) == ("done", [0, 1])


def test_the_same_press_orders_once(whole: Whole) -> None:
    clerk = Program(whole, "clerk-1")
    first = clerk.do("bank", "order-tokens", "the-same-request-1", amount_tiyn=500)
    again = clerk.do("bank", "order-tokens", "the-same-request-1", amount_tiyn=500)
    assert first.get_json() == again.get_json()
    other = clerk.do("bank", "order-tokens", "the-same-request-1", amount_tiyn=501)
    assert code(other) == "E_ID_REUSED"
    assert len(clerk.get("/v1/roles/bank/home").get_json()["requests"]) == 2


def test_a_bank_redeems_its_surplus(whole: Whole) -> None:
    clerk = Program(whole, "clerk-2")
    before = clerk.get("/v1/roles/bank/home").get_json()
    done = clerk.do("bank", "redeem-surplus", amount_tiyn=7_000)
    assert done.status_code == 200
    after = clerk.get("/v1/roles/bank/home").get_json()
    assert after["inventory_tiyn"] == before["inventory_tiyn"] - 7_000
    assert after["reserve_tiyn"] == before["reserve_tiyn"] + 7_000
    too_much = clerk.do("bank", "redeem-surplus", amount_tiyn=after["inventory_tiyn"] + 1)
    assert code(too_much) == "E_TILL"


def test_a_customer_is_opened_found_and_served(whole: Whole) -> None:
    clerk = Visitor(whole).signed_in("clerk-1")
    clerk.send("/bank/customers", "open-account", name="Saule", reference="test-77", deposit_tiyn="1 000.50")
    page = clerk.get("/bank/customers?search=saule").text
    found = re.search(r"/bank/customers/[0-9a-f]{64}", page)
    assert found is not None
    one = found[0]
    assert "1 000.50" in clerk.get(one).text.replace("\u00a0", " ")
    assert "Paid in" in clerk.send(one, "pay-in", amount_tiyn="250")
    assert "Paid out" in clerk.send(one, "pay-out", amount_tiyn="1 250.50")
    assert "E_FUNDS_ACCOUNT" in clerk.send(one, "pay-out", amount_tiyn="0.01")
    coded = clerk.send(one, "join-code")
    assert re.search(r'class="code">[0-9A-Z]{10}<', coded)
    assert "Nobody has this name" in clerk.get("/bank/customers?search=<script>").text


def test_a_clerk_serves_the_own_bank_only(whole: Whole) -> None:
    clerk = Program(whole, "clerk-1")
    strangers = customer(whole, "madina")
    assert code(clerk.get(f"/v1/roles/bank/customers/{strangers}")) == "E_CUSTOMER_UNKNOWN"
    for operation, fields in (
        ("pay-in", {"amount_tiyn": 100}),
        ("pay-out", {"amount_tiyn": 100}),
        ("join-code", {}),
        ("report-lost", {"reference": "a report"}),
        ("unfreeze", {"reference": "a report"}),
    ):
        answer = clerk.do("bank", operation, customer=strangers, **fields)
        assert code(answer) == "E_CUSTOMER_UNKNOWN", operation


def test_a_lost_wallet_is_frozen_and_freed_and_a_courts_freeze_stays(whole: Whole) -> None:
    world = whole.world
    clerk, aigerim = Program(whole, "clerk-1"), customer(whole, "aigerim")
    wallet = world.sandbox.wallet("a phone of Aigerim's")
    world.system.banks[1].register_key(bytes.fromhex(aigerim), wallet.signer)
    pseudonym = world.system.banks[1].customers.get(bytes.fromhex(aigerim)).pseudonym
    assert clerk.do("bank", "report-lost", customer=aigerim, reference="by telephone").status_code == 200
    assert world.system.ledger.frozen(pseudonym).endswith("by telephone")
    assert clerk.do("bank", "report-lost", customer=aigerim, reference="again").status_code == 200
    other = Program(whole, "clerk-2").do("bank", "unfreeze", customer=aigerim, reference="not mine")
    assert code(other) == "E_CUSTOMER_UNKNOWN"
    assert clerk.do("bank", "unfreeze", customer=aigerim, reference="found").status_code == 200
    assert world.system.ledger.frozen(pseudonym) == ""
    officer, another = Program(whole, "officer-1"), Program(whole, "officer-2")
    court = {"pseudonym": pseudonym.hex(), "reference": "court 5"}
    assert officer.do("national-bank", "freeze", **court).get_json()["state"] == "proposed"
    assert world.system.ledger.frozen(pseudonym) == ""
    (proposed,) = officer.get("/v1/roles/national-bank/acts").get_json()["open"]
    assert another.do("national-bank", "second", act=proposed["id"]).get_json()["state"] == "done"
    assert world.system.ledger.frozen(pseudonym) == "court 5"
    assert code(clerk.do("bank", "unfreeze", customer=aigerim, reference="please")) == "E_SITE_FREEZE"
    assert Program(whole, "aigerim").do("person", "report-lost").status_code == 200
    court["reference"] = "court 6"
    proposed = another.do("national-bank", "unfreeze", **court).get_json()
    assert officer.do("national-bank", "second", act=proposed["id"]).get_json()["state"] == "done"
    missing = officer.do("national-bank", "unfreeze", pseudonym=pseudonym.hex(), reference="court 7")
    assert code(missing) == "E_NOT_FROZEN"


@pytest.mark.parametrize(
    ("user", "role", "operation", "fields"),
    [
        ("clerk-1", "bank", "order-tokens", {}),
        ("clerk-1", "bank", "order-tokens", {"amount_tiyn": 0}),
        ("clerk-1", "bank", "order-tokens", {"amount_tiyn": -5}),
        ("clerk-1", "bank", "order-tokens", {"amount_tiyn": 2**53}),
        ("clerk-1", "bank", "order-tokens", {"amount_tiyn": "1000"}),
        ("clerk-1", "bank", "order-tokens", {"amount_tiyn": 1.5}),
        ("clerk-1", "bank", "order-tokens", {"amount_tiyn": True}),
        ("clerk-1", "bank", "order-tokens", {"amount_tiyn": 5, "bank_id": 2}),
        ("clerk-1", "bank", "pay-in", {"customer": "xy", "amount_tiyn": 5}),
        ("clerk-1", "bank", "open-account", {"name": "", "reference": "abc", "kind": "person"}),
        ("clerk-1", "bank", "open-account", {"name": "Ok", "reference": "abc", "kind": "king"}),
        ("officer-1", "national-bank", "approve", {"request": "00"}),
        ("officer-1", "national-bank", "approve", {"request": "AB" * 32}),
        ("officer-1", "national-bank", "verify", {"file": "../../etc/passwd"}),
        ("operator", "operator", "wait", {"days": 100_000}),
        ("operator", "operator", "cut", {"name": "<script>"}),
        ("operator", "operator", "reset", {"word": "reset"}),
    ],
)
def test_fields_that_do_not_fit_are_refused(
    whole: Whole, user: str, role: str, operation: str, fields: dict[str, object]
) -> None:
    before = whole.world.system.ledger.size
    answer = Program(whole, user).do(role, operation, **fields)
    assert (answer.status_code, code(answer)) == (400, "E_SITE_FIELD")
    assert whole.world.system.ledger.size == before


@pytest.mark.parametrize(
    "request_id", ["", "short", "x" * 65, "blank in the middle", "ünïcode-ünïcode-ü", 17, None]
)
def test_a_request_needs_a_usable_id(whole: Whole, request_id: object) -> None:
    body = {"request_id": request_id, "amount_tiyn": 5}
    answer = Program(whole, "clerk-1").post("/v1/roles/bank/order-tokens", body)
    assert code(answer) == "E_SITE_REQUEST"


def test_unknown_things_are_refused_in_words(whole: Whole) -> None:
    officer = Program(whole, "officer-1")
    assert code(officer.do("national-bank", "approve", request="00" * 32)) == "E_REQUEST_UNKNOWN"
    assert (
        code(officer.do("national-bank", "revoke-device", device="00" * 32, reference="abc"))
        == "E_DEVICE_UNKNOWN"
    )
    assert code(officer.do("national-bank", "switch-mode", mode="none such")) == "E_PARAMETER_SET"
    assert code(officer.do("national-bank", "verify", file="case-9.dto")) == "E_STAGE_PROOF"
    assert code(officer.get("/v1/roles/national-bank/no-page")) == "E_SITE_PATH"
    assert code(officer.do("national-bank", "no-operation")) == "E_SITE_PATH"


def test_a_fraud_among_the_neighbours_becomes_a_case_with_a_proof(whole: Whole) -> None:
    lived = Program(whole, "operator").do("operator", "live", fraud=True).get_json()
    assert lived == {"offline": 3, "refused": 0}
    officer = Program(whole, "officer-1")
    cases = officer.get("/v1/roles/national-bank/cases").get_json()["cases"]
    assert len(cases) == 1
    case = cases[0]
    assert case["is_revoked"]
    parts = ("device", "owner", "bank", "reserve", "payees", "open")
    assert case["loss_tiyn"] == sum(case[f"{part}_tiyn"] for part in parts) == 60_000
    verdict = officer.do("national-bank", "verify", file=case["files"][0]).get_json()
    assert verdict["device"] == case["device"]
    browser = Visitor(whole).signed_in("officer-1")
    file = browser.get(f"/national-bank/evidence/{case['files'][0]}")
    assert (file.mimetype, len(file.data)) == ("application/octet-stream", verdict["bytes"])
    assert "attachment" in file.headers["Content-Disposition"]
    assert browser.get("/national-bank/evidence/root.dto").data == whole.world.sandbox.root


def test_offline_money_is_shown_by_age_and_the_mode_can_be_switched(whole: Whole) -> None:
    officer, operator = Program(whole, "officer-1"), Program(whole, "operator")
    first = officer.get("/v1/roles/national-bank/offline").get_json()
    assert sum(row["amount_tiyn"] for row in first["ages"]) == first["totals"]["float_tiyn"] == 500_000
    assert operator.do("operator", "wait", days=8).status_code == 200
    later = officer.get("/v1/roles/national-bank/offline").get_json()
    by_age = {row["under_days"]: row["amount_tiyn"] for row in later["ages"]}
    assert by_age[30] == 500_000
    switched = officer.do("national-bank", "switch-mode", mode="staged").get_json()
    assert switched["list"] > first["list_number"]
    assert switched["mode"] == "staged"


def test_the_operator_cuts_waits_and_resets(whole: Whole) -> None:
    operator, world = Visitor(whole).signed_in("operator"), whole.world
    assert "Cut off: Aktobe" in operator.send("/operator/", "cut") or world.memory.outages
    assert len(world.memory.outages) == 1
    operator.send("/operator/", "connect")
    assert world.memory.outages == []
    before = world.clock.now()
    operator.send("/operator/", "wait", hours="2", minutes="3")
    assert world.clock.now() == before + 7_380
    assert "E_SITE_FIELD" in operator.send("/operator/", "reset", word="nope!")
    action, fields = operator.form("/operator/", "reset")
    assert operator.post(action, fields | {"word": "RESET"}).status_code == 303
    assert world.memory.act == 2
    assert operator.get("/operator/").status_code == 303
    assert Visitor(whole).signed_in("operator").get("/operator/").status_code == 200


def test_a_kept_world_with_all_this_can_be_audited(tmp_path: Path) -> None:
    with opened(folder=tmp_path) as whole:
        clerk = Program(whole, "clerk-1")
        ordered = clerk.do("bank", "order-tokens", amount_tiyn=900_000).get_json()
        for officer in ("officer-3", "officer-1"):
            Program(whole, officer).do("national-bank", "approve", request=ordered["request"])
        Program(whole, "operator").do("operator", "live", fraud=True)
    assert audit_target(str(tmp_path / "act-0001"))["problems"] == []


def test_the_effect_of_a_limit_is_shown_before_it_is_put_in_force(whole: Whole) -> None:
    officer = Program(whole, "officer-1")
    before = officer.get("/v1/roles/national-bank/limits").get_json()
    assert before["preview"] is None
    seen = officer.get("/v1/roles/national-bank/limits?parameter=max_hops&value=1").get_json()["preview"]
    assert (seen["devices"], seen["touched"]) == (4, 4)
    assert {change["then"] for row in seen["rows"] for change in row["changes"]} == {1}
    same = officer.get("/v1/roles/national-bank/limits").get_json()
    assert same["list"] == before["list"], "looking changes nothing"
    done = officer.do("national-bank", "set-limit", parameter="max_hops", value=1)
    assert done.status_code == 200
    after = officer.get("/v1/roles/national-bank/limits").get_json()
    assert after["list"] > before["list"]
    assert {row["name"]: row["value"] for row in after["numbers"]}["max_hops"] == 1


def issued(whole: Whole) -> dict[bytes, int]:
    """Every note of a device here, as it was signed, and the epoch of its key."""
    centre = whole.world.sandbox.field.centre
    notes = [note for kid in centre.devices.devices() for note in centre.notes(kid)]
    return {note.encode(): int.from_bytes(note.record.serial[:4], "big") for note in notes}


def test_the_issuer_goes_on_to_its_next_key_and_old_notes_stand(tmp_path: Path) -> None:
    with opened(folder=tmp_path) as whole:
        officer, operator = Program(whole, "officer-1"), Program(whole, "operator")
        operator.do("operator", "live")
        old = issued(whole)
        assert set(old.values()) == {1}
        done = officer.do("national-bank", "set-limit", parameter="issuer_epoch", value=2)
        assert done.get_json()["value"] == 2
        operator.do("operator", "wait", minutes=1)
        operator.do("operator", "live")
        both = issued(whole)
        assert old.items() <= both.items()
        assert set(both.values()) == {1, 2}
        for value in (1, 5):
            assert code(officer.do("national-bank", "set-limit", parameter="issuer_epoch", value=value)) == (
                "E_ISSUER_EPOCH"
            )
            looked = officer.get(f"/v1/roles/national-bank/limits?parameter=issuer_epoch&value={value}")
            assert code(looked) == "E_ISSUER_EPOCH"
    with opened(folder=tmp_path) as whole:
        assert issued(whole) == both
    assert audit_target(str(tmp_path / "act-0001"))["problems"] == []


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ("parameter=none_such&value=1", "E_SITE_PARAMETER"),
        ("parameter=max_hops&value=-1", "E_SITE_FIELD"),
        ("parameter=max_hops&value=99999999999999999", "E_SITE_FIELD"),
        ("parameter=max_hops", "E_SITE_FIELD"),
    ],
)
def test_what_is_no_limit_has_no_effect(whole: Whole, query: str, refusal: str) -> None:
    assert code(Program(whole, "officer-1").get(f"/v1/roles/national-bank/limits?{query}")) == refusal


def test_every_loss_policy_is_compared_and_each_adds_up(whole: Whole) -> None:
    officer = Program(whole, "officer-1")
    Program(whole, "operator").do("operator", "live", fraud=True)
    found = officer.get("/v1/roles/national-bank/losses").get_json()
    assert found["cases"] == 1
    assert sum(1 for row in found["policies"] if row["in_force"]) == 1
    for row in found["policies"]:
        parts = ("device", "owner", "bank", "reserve", "payees")
        assert row["loss_tiyn"] == sum(row[f"{part}_tiyn"] for part in parts) == 60_000, row["name"]
    by_name = {row["name"]: row for row in found["policies"]}
    assert by_name["ISSUER"]["reserve_tiyn"] == 60_000
    assert by_name["PAYEE"]["payees_tiyn"] > 0


def test_a_refused_redemption_leaves_no_request_behind(whole: Whole) -> None:
    clerk = Program(whole, "clerk-2")
    has_tiyn = clerk.get("/v1/roles/bank/home").get_json()["inventory_tiyn"]
    assert code(clerk.do("bank", "redeem-surplus", amount_tiyn=has_tiyn + 1)) == "E_TILL"
    assert whole.world.system.register.open() == []
    assert clerk.do("bank", "redeem-surplus", amount_tiyn=has_tiyn).status_code == 200


def test_an_approval_that_could_not_issue_is_not_written_down(whole: Whole) -> None:
    clerk, world = Program(whole, "clerk-2"), whole.world
    has_tiyn = clerk.get("/v1/roles/bank/home").get_json()["reserve_tiyn"]
    request = clerk.do("bank", "order-tokens", amount_tiyn=has_tiyn + 1).get_json()["request"]
    first, second = Program(whole, "officer-2"), Program(whole, "officer-3")
    assert first.do("national-bank", "approve", request=request).get_json()["approvals"] == 1
    for _ in range(2):
        assert code(second.do("national-bank", "approve", request=request)) == "E_FUNDS_ACCOUNT"
        (waiting,) = world.system.register.open()
        assert (waiting.state_name, len(waiting.approvals)) == ("registered", 1)
    # The approval counts as soon as the account covers the order.
    customer_of_two = customer(whole, "madina")
    assert clerk.do("bank", "pay-in", customer=customer_of_two, amount_tiyn=1).status_code == 200
    assert second.do("national-bank", "approve", request=request).get_json()["approvals"] == 2
    assert world.system.register.open() == []


def test_money_of_closed_notes_has_no_age(whole: Whole) -> None:
    operator, officer = Program(whole, "operator"), Program(whole, "officer-1")
    assert operator.do("operator", "wait", days=200).status_code == 200
    shown = officer.get("/v1/roles/national-bank/offline").get_json()
    assert shown["totals"]["float_tiyn"] == 0
    assert [row["amount_tiyn"] for row in shown["ages"]] == [0] * len(shown["ages"])


def test_the_clock_stops_before_the_certificates_end(tmp_path: Path) -> None:
    with opened(folder=tmp_path) as whole:
        operator, world = Program(whole, "operator"), whole.world
        answers = [operator.do("operator", "wait", days=400) for _ in range(12)]
        assert [answer.status_code for answer in answers][:3] == [200] * 3
        assert code(answers[-1]) == "E_SITE_CLOCK"
        reached = world.clock.now()
        assert reached < min(auth.record.expires for auth in world.system.authority.auths)
    with opened(folder=tmp_path) as whole:
        assert whole.world.clock.now() == reached


def test_no_institution_and_no_stranger_can_be_frozen(whole: Whole) -> None:
    system, officer = whole.world.system, Program(whole, "officer-1")
    keys = (
        system.banks[1].inventory_kid,
        system.loss_reserve_kid,
        system.escrow_kid,
        system.treasury.account_kid,
    )
    known = [system.ledger.registered(kid) for kid in keys]
    pseudonyms = [key.pseudonym.hex() for key in known if key is not None]
    assert len(pseudonyms) == len(keys)
    for pseudonym in (*pseudonyms, "ab" * 32):
        before = system.ledger.size
        refused = officer.do("national-bank", "freeze", pseudonym=pseudonym, reference="court 9")
        assert (refused.status_code, code(refused)) == (404, "E_HTTP_NONE")
        assert system.ledger.size == before
