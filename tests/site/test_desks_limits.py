"""A bank's own rules: signed, stricter than the ledger and never looser, their effect computed before they hold."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cbdc import canonical
from cbdc.cabinet import Row
from cbdc.errors import Refused
from cbdc.money import tenge
from cbdc.ports import ManualClock
from tests.site.visitor import START, Program, Visitor, opened
from wallets.desk import derived
from wallets.site import bank_rules
from wallets.site.opening import customer_id
from wallets.site.whole import Whole
from wallets.site.world import World


@pytest.fixture
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one
        supply = one.world.sandbox.supply()
        assert supply.outstanding_tiyn == supply.held_tiyn
        assert one.world.system.supervise() == []


def page(whole: Whole, query: str = "", clerk: str = "clerk-1") -> dict:
    answer = Program(whole, clerk).get(f"/v1/roles/bank/limits{query}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def rule(whole: Whole, tier: int, clerk: str = "clerk-1") -> dict:
    return next(row for row in page(whole, clerk=clerk)["tiers"] if row["tier"] == tier)


def code(answer) -> str:
    return str(answer.get_json()["code"])


def joined(whole: Whole, user_id: str) -> bytes:
    """A wallet in this server that is a customer's; its key id."""
    user = whole.world.users.get(user_id)
    wallet = whole.world.sandbox.wallet(f"a phone of {user_id}")
    whole.world.system.banks[user.bank_id].register_key(customer_id(user), wallet.signer)
    return wallet.kid


def test_a_setting_is_signed_recorded_and_holds(whole: Whole) -> None:
    clerk = Program(whole, "clerk-1")
    done = clerk.do("bank", "set-waterfall", "the-same-setting-1", tier=2, threshold_tiyn=tenge(50_000))
    again = clerk.do("bank", "set-waterfall", "the-same-setting-1", tier=2, threshold_tiyn=tenge(50_000))
    assert done.get_json() == again.get_json()
    other = clerk.do("bank", "set-waterfall", "the-same-setting-1", tier=2, threshold_tiyn=tenge(60_000))
    assert code(other) == "E_ID_REUSED"
    clerk.do("bank", "set-reverse-waterfall", tier=2, on=True)
    clerk.do("bank", "set-top-up", tier=2, floor_tiyn=tenge(1_000), target_tiyn=tenge(5_000))
    row = rule(whole, 2)
    held = (row["waterfall_tiyn"], row["reverse"], row["floor_tiyn"], row["target_tiyn"])
    assert held == (tenge(50_000), True, tenge(1_000), tenge(5_000))
    assert [one["kind"] for one in page(whole)["history"]] == ["top-up", "reverse", "waterfall"]
    assert {one["user"] for one in page(whole)["history"]} == {"clerk-1"}
    clerk.do("bank", "set-waterfall", tier=2)
    assert rule(whole, 2)["waterfall_tiyn"] == 0
    assert len(page(whole)["history"]) == 4
    assert rule(whole, 2, "clerk-2")["floor_tiyn"] == 0, "another bank's rules are its own"
    assert page(whole, clerk="clerk-2")["history"] == []


@pytest.mark.parametrize(
    ("operation", "fields", "refusal"),
    [
        ("set-waterfall", {"tier": 9, "threshold_tiyn": 5}, "E_BANK_TIER"),
        ("set-waterfall", {"tier": 2, "threshold_tiyn": tenge(1_000_000) + 1}, "E_BANK_OVER"),
        ("set-waterfall", {"tier": 2, "threshold_tiyn": -1}, "E_SITE_FIELD"),
        ("set-waterfall", {"tier": 0, "threshold_tiyn": 5}, "E_SITE_FIELD"),
        ("set-waterfall", {"tier": 2, "threshold_tiyn": 5, "bank_id": 2}, "E_SITE_FIELD"),
        ("set-reverse-waterfall", {"tier": 7, "on": True}, "E_BANK_TIER"),
        ("set-reverse-waterfall", {"tier": 2, "on": 2}, "E_SITE_FIELD"),
        ("set-top-up", {"tier": 2, "floor_tiyn": 500, "target_tiyn": 500}, "E_BANK_TOP_UP"),
        ("set-top-up", {"tier": 2, "floor_tiyn": 0, "target_tiyn": 500}, "E_BANK_TOP_UP"),
        ("set-top-up", {"tier": 2, "floor_tiyn": 500}, "E_BANK_TOP_UP"),
        ("set-top-up", {"tier": 1, "floor_tiyn": 5, "target_tiyn": tenge(12_976)}, "E_BANK_OVER"),
        ("top-up-now", {"tier": 2}, "E_SITE_FIELD"),
    ],
)
def test_what_cannot_hold_is_refused_and_nothing_is_kept(
    whole: Whole, operation: str, fields: dict[str, object], refusal: str
) -> None:
    assert code(Program(whole, "clerk-1").do("bank", operation, **fields)) == refusal
    assert page(whole)["history"] == []


def test_a_setting_that_the_bank_did_not_sign_stops_the_desk(whole: Whole) -> None:
    Program(whole, "clerk-1").do("bank", "set-waterfall", tier=2, threshold_tiyn=500)
    cabinet = whole.world.system.stores.cabinet
    ((id, data),) = cabinet.all("site bank 1/rule")
    user, envelope = canonical.decode(data)  # type: ignore[misc]
    spoilt = bytearray(envelope)
    spoilt[-1] ^= 1
    cabinet.put_many([Row("site bank 1/rule", id, canonical.encode([user, bytes(spoilt)]))])
    with pytest.raises(Refused) as refused:
        bank_rules.rules_of(whole.world, 1)
    assert refused.value.code == "E_SIG"
    assert code(Program(whole, "clerk-1").get("/v1/roles/bank/limits")) == "E_SIG"


def test_looking_at_an_effect_changes_nothing_and_the_top_up_does_what_was_shown(whole: Whole) -> None:
    for user_id in ("aigerim", "bolat"):
        joined(whole, user_id)
        Program(whole, user_id).do("person", "agree-top-up")
    clerk = Program(whole, "clerk-1")
    bolat = customer_id(whole.world.users.get("bolat")).hex()
    clerk.do("bank", "pay-out", customer=bolat, amount_tiyn=tenge(179_000))
    query = "?kind=top-up&tier=2&first=1 000&second=5 000"
    seen = page(whole, query)
    preview = seen["preview"]
    assert (preview["touched"], preview["moved_tiyn"], preview["short"]) == (2, tenge(6_000), 1)
    assert seen["history"] == []
    assert seen["waiting"] == 0
    text = Visitor(whole).signed_in("clerk-1")
    sent = text.send(f"/bank/limits{query.replace(' ', '')}", "set-top-up")
    assert "Set and signed" in sent
    waiting = page(whole)
    assert (waiting["waiting"], waiting["waiting_tiyn"]) == (2, preview["moved_tiyn"])
    before = waiting["inventory_tiyn"]
    done = clerk.do("bank", "top-up-now", "top-up-once-0001").get_json()
    assert (done["served"], done["amount_tiyn"], done["refused"]) == (2, tenge(6_000), 0)
    assert clerk.do("bank", "top-up-now", "top-up-once-0001").get_json() == done
    assert clerk.do("bank", "top-up-now").get_json()["amount_tiyn"] == 0
    after = page(whole)
    assert before - after["inventory_tiyn"] == tenge(6_000)
    # Who has no more on deposit stays short, and is told apart.
    assert (after["waiting"], after["waiting_tiyn"]) == (0, 0)


def test_who_did_not_agree_or_is_frozen_or_has_no_wallet_is_left_alone(whole: Whole) -> None:
    joined(whole, "aigerim")
    clerk = Program(whole, "clerk-1")
    clerk.do("bank", "set-top-up", tier=2, floor_tiyn=tenge(1_000), target_tiyn=tenge(5_000))
    assert clerk.do("bank", "top-up-now").get_json()["served"] == 0
    aigerim = Program(whole, "aigerim")
    aigerim.do("person", "agree-top-up")
    Program(whole, "bolat").do("person", "agree-top-up")  # no wallet has joined
    mine = customer_id(whole.world.users.get("aigerim")).hex()
    clerk.do("bank", "freeze", customer=mine, reference="mislaid")
    rows = bank_rules.wanted(whole.world, whole.world.system.banks[1], bank_rules.rules_of(whole.world, 1))
    assert sorted((row.why, row.amount_tiyn) for row in rows) == [("frozen", 0), ("key", 0)]
    assert clerk.do("bank", "top-up-now").get_json()["served"] == 0
    clerk.do("bank", "unfreeze", customer=mine, reference="found")
    aigerim.do("person", "end-top-up")
    assert clerk.do("bank", "top-up-now").get_json()["served"] == 0
    aigerim.do("person", "agree-top-up")
    assert Program(whole, "operator").do("operator", "wait", hours=1).status_code == 200
    pseudonym = whole.world.system.banks[1].customers.get(bytes.fromhex(mine)).pseudonym
    assert whole.world.system.ledger.holding_tiyn(pseudonym) == tenge(5_000)


def test_the_effect_of_a_waterfall_is_read_out_of_the_journal(whole: Whole) -> None:
    world = whole.world
    payer, payee = world.neighbours[0], world.neighbours[1]
    pseudonym = world.system.banks[1].customers.get(payee.customer).pseudonym
    held_tiyn = world.system.ledger.holding_tiyn(pseudonym)
    seen = page(whole, "?kind=waterfall&tier=2&first=1000000")["preview"]
    assert (seen["touched"], seen["moved_tiyn"]) == (0, 0)
    world.sandbox.pay_once(payer, payee, 300)
    moved = bank_rules.would_have_moved(world, {pseudonym}, held_tiyn + tenge(100))
    assert moved == {pseudonym: tenge(200)}
    # One who bought and was paid nothing is not touched, however much is held.
    assert bank_rules.would_have_moved(world, {pseudonym}, held_tiyn + tenge(300)) == {}
    world.put_forward(31 * 86_400)
    assert bank_rules.would_have_moved(world, {pseudonym}, 1) == {}


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ("?kind=none&tier=2", "E_SITE_FIELD"),
        ("?kind=waterfall&tier=two", "E_SITE_FIELD"),
        ("?kind=waterfall&tier=²", "E_SITE_FIELD"),
        ("?kind=waterfall", "E_SITE_FIELD"),
        ("?kind=waterfall&tier=99&first=5", "E_BANK_TIER"),
        ("?kind=waterfall&tier=2&first=all", "E_MONEY_TEXT"),
        ("?kind=waterfall&tier=2&first=1000001", "E_BANK_OVER"),
        ("?kind=top-up&tier=2&first=7&second=3", "E_BANK_TOP_UP"),
    ],
)
def test_an_effect_of_nothing_is_refused(whole: Whole, query: str, refusal: str) -> None:
    assert code(Program(whole, "clerk-1").get(f"/v1/roles/bank/limits{query}")) == refusal


def test_rules_and_consents_outlive_the_server(tmp_path: Path) -> None:
    with opened(folder=tmp_path) as whole:
        Program(whole, "clerk-2").do("bank", "set-waterfall", tier=4, threshold_tiyn=tenge(9))
        Program(whole, "madina").do("person", "agree-top-up")
    with opened(folder=tmp_path) as whole:
        assert rule(whole, 4, "clerk-2")["waterfall_tiyn"] == tenge(9)
        assert bank_rules.agrees(whole.world, 2, customer_id(whole.world.users.get("madina")))
        assert derived("nobody") not in dict(whole.world.system.stores.cabinet.all("site bank 2/top-up"))


class Killed(BaseException):
    """The power went out."""


@pytest.mark.parametrize("place", [1, 4, 7, 10, 13])
def test_a_top_up_that_is_killed_anywhere_sells_once(tmp_path: Path, place: int) -> None:
    left = [-1]

    def bomb(point: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed(point)

    clock = ManualClock(START)
    world = World(clock, 7, tmp_path, "", bomb)
    aigerim = world.users.get("aigerim")
    name = customer_id(aigerim)
    wallet = world.sandbox.wallet("a phone of aigerim")
    world.system.banks[1].register_key(name, wallet.signer)
    bank_rules.agree(world, 1, name, True)
    bank_rules.put(world, 1, "clerk-1", derived("rule"), bank_rules.TOP_UP, 2, tenge(1_000), tenge(5_000))
    has_tiyn = world.system.banks[1].deposit_tiyn(name)
    left[0] = place
    with suppress(Killed):
        bank_rules.top_up(world, 1, derived("top up"))
    reached = left[0] <= 0
    left[0] = -1
    world.close()
    world = World(clock, 7, tmp_path)
    try:
        assert reached
        bank_rules.top_up(world, 1, derived("top up"))
        bank_rules.top_up(world, 1, derived("top up"))
        bank = world.system.banks[1]
        assert world.system.ledger.holding_tiyn(bank.customers.get(name).pseudonym) == tenge(5_000)
        assert bank.deposit_tiyn(name) == has_tiyn - tenge(5_000)
        assert world.system.supervise() == []
    finally:
        world.close()
