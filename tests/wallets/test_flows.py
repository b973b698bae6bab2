"""The journal as moves and flows: what is added up is what the ledger holds, for every party and every mark."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc import canonical
from cbdc.errors import Refused
from cbdc.keys import ED25519, SoftwareKey
from cbdc.ledger.store import EntryRow
from cbdc.money import tenge
from cbdc.token import CANTEEN, MERCHANT, PUPIL, TREASURY_ACCOUNT
from cbdc.transaction import HandOver, RegisterKey, RotateKey, Transaction, Transfer
from wallets.cast import Member
from wallets.pilot.flows import Flow, MarkLife
from wallets.pilot.journal_report import JournalFigures, day_of, offline_payments, read_journal
from wallets.pilot.moves import Holder, Journal, Move
from wallets.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Sandbox:
    made = Sandbox.in_memory(seed=5)
    made.issue(tenge=10_000)
    return made


def figures(sandbox: Sandbox) -> JournalFigures:
    return read_journal(sandbox, {"Kok Tobe Bank": "Kok Tobe Bank (test)"})


def moves(sandbox: Sandbox) -> list[Move]:
    return list(Journal(sandbox.system.stores.ledger.entries()).moves())


def amount(found: JournalFigures, source: str, target: str, action: str, mark: str = "") -> int:
    return found.flows.amounts_tiyn[Flow(source, target, mark, action)]


# --- moves ---


def test_every_entry_that_moves_money_is_a_move(sandbox: Sandbox) -> None:
    one, two = sandbox.person("one", 500), sandbox.person("two")
    sandbox.buy_once(one, 300)
    sandbox.pay_once(one, two, 120)
    last = moves(sandbox)[-1]
    assert (last.type, last.settled, last.device) == (Transfer.TYPE, 0, b"")
    assert last.payer == one.wallet.kid
    assert sum(piece.amount_tiyn for piece in last.spent) == tenge(300)
    assert {(piece.holder, piece.amount_tiyn) for piece in last.made} == {
        (two.wallet.kid, tenge(120)),
        (one.wallet.kid, tenge(180)),
    }
    assert [move.entry for move in moves(sandbox)] == sorted(move.entry for move in moves(sandbox))
    assert all(after.time >= before.time for before, after in pairwise(moves(sandbox)))


def test_nothing_is_spent_that_was_not_made(sandbox: Sandbox) -> None:
    """Each move takes what earlier ones made: what is left over is what the ledger holds."""
    one = sandbox.person("one", 500)
    sandbox.buy_once(one, 300)
    left: Counter[bytes] = Counter()
    for move in moves(sandbox):
        left.update({piece.holder: 0 for piece in move.made})
        for piece in move.made:
            left[piece.holder] += piece.amount_tiyn
        for piece in move.spent:
            left[piece.holder] -= piece.amount_tiyn
            assert left[piece.holder] >= 0
    for kid, tiyn in left.items():
        assert tiyn == sum(token.amount_tiyn for _, token in sandbox.system.ledger.owned(kid))


def test_a_load_names_its_device(sandbox: Sandbox) -> None:
    one = sandbox.person("one", 500)
    sandbox.buy_and_load(one, 100)
    assert one.device is not None
    (load,) = [move for move in moves(sandbox) if move.device]
    assert load.device == one.device.element.public_key.kid


def test_a_journal_of_nothing_has_no_moves() -> None:
    assert list(Journal([]).moves()) == []


def _entry(index: int, record: Transaction) -> EntryRow:
    payload = canonical.encode([record.TYPE, record.body(), [[bytes(32), bytes(64)]]])
    return EntryRow(index, bytes([index] * 32), canonical.encode([index, 5, payload]), b"")


def test_keys_that_are_replaced_and_banks_that_hand_over() -> None:
    """A new key has the old one's holder; a holder that another bank serves keeps the pseudonym."""
    first, second = (SoftwareKey(ED25519, bytes([n] * 32)).public for n in (1, 2))
    nonce, pseudonym = bytes(16), bytes([7] * 32)
    journal = Journal(
        [
            _entry(1, RegisterKey(nonce, first.algorithm, first.raw, 1, 2, PUPIL, pseudonym)),
            _entry(2, RotateKey(nonce, first.kid, second.algorithm, second.raw)),
            _entry(3, HandOver(nonce, pseudonym, 1, 2, (second.kid,), "a bank that failed")),
        ]
    )
    assert list(journal.moves()) == []
    assert journal.keys[first.kid] == Holder(1, PUPIL, pseudonym)
    assert journal.keys[second.kid] == Holder(2, PUPIL, pseudonym)
    assert journal.keys[second.kid].line == "wallets"


# --- flows ---


def test_the_way_from_issue_to_redemption(sandbox: Sandbox) -> None:
    one = sandbox.person("one", 500)
    shop = sandbox.person("shop", category=MERCHANT)
    sandbox.buy_once(one, 300)
    sandbox.pay_once(one, shop, 120)
    sandbox.sell(shop)
    redeemed = sandbox.redeem()
    found = figures(sandbox)
    assert amount(found, "national_bank", "bank/1", "issue") == tenge(10_000)
    assert amount(found, "national_bank", "loss_reserve", "issue") == tenge(10_000)
    assert amount(found, "bank/1", "group/one", "sale") == tenge(300)
    assert amount(found, "group/one", "group/shop", "payment") == tenge(120)
    assert amount(found, "group/shop", "bank/1", "buy_back") == tenge(120)
    assert amount(found, "bank/1", "national_bank", "redeem") == redeemed == tenge(9_820)
    assert found.flows.payments == 1
    assert {row["id"]: row["name"] for row in found.party_rows()}["bank/1"] == "Kok Tobe Bank (test)"


def test_change_and_merges_are_no_flow(sandbox: Sandbox) -> None:
    one = sandbox.person("one", 500)
    sandbox.buy_once(one, 100)
    sandbox.buy_once(one, 200)
    before = figures(sandbox).flow_rows()
    sandbox.merge([one], b"", bytes(32))
    assert figures(sandbox).flow_rows() == before


def test_offline_money_goes_through_escrow_and_between_devices(sandbox: Sandbox) -> None:
    one, two = sandbox.person("one", 500), sandbox.person("two")
    sandbox.buy_and_load(one, 100)
    sandbox.pay_offline_once(one, two, 100)
    sandbox.sync([two])
    sandbox.redeem_offline(two)
    found = figures(sandbox)
    assert amount(found, "group/one", "escrow", "load") == tenge(100)
    assert amount(found, "escrow", "group/two", "redeem_offline") == tenge(100)
    assert found.offline_flows == {("group/one", "group/two"): (1, tenge(100))}
    (row,) = [row for row in found.flow_rows() if row["action"] == "offline_payment"]
    assert row == {
        "from": "group/one",
        "to": "group/two",
        "mark": "",
        "action": "offline_payment",
        "count": 1,
        "tiyn": tenge(100),
    }


def marked(sandbox: Sandbox) -> tuple[Member, Member]:
    pupil = sandbox.person("pupil", 0, category=PUPIL)
    canteen = sandbox.person("canteen", 0, category=CANTEEN)
    sandbox.new_mark("meal", {TREASURY_ACCOUNT: (PUPIL,), PUPIL: (CANTEEN,)}, released_by=(CANTEEN,))
    sandbox.give_once("meal", pupil, 90)
    return pupil, canteen


def test_the_life_of_a_mark(sandbox: Sandbox) -> None:
    pupil, canteen = marked(sandbox)
    sandbox.pay_once(pupil, canteen, 50, "meal")
    sandbox.release_once(canteen, "meal")
    sandbox.wait(31)
    sandbox.expire([pupil], sandbox.marks["meal"], bytes(32))
    found = figures(sandbox)
    name = sandbox.marks["meal"].hex()
    life = found.mark(name)
    assert (life.given_tiyn, life.released_tiyn, life.returned_tiyn) == (tenge(90), tenge(50), tenge(40))
    assert (life.covered_tiyn, life.recovered_tiyn, life.outstanding_tiyn) == (0, 0, 0)
    assert life.released_to == {"group/canteen": tenge(50)}
    assert [(row["from"], row["to"], row["action"]) for row in found.mark_rows(name)] == [
        ("treasury", "group/pupil", "give"),
        ("group/pupil", "group/canteen", "payment"),
        ("group/pupil", "treasury", "return"),
    ]
    assert {row["mark"] for row in found.flow_rows()} == {"", "meal"}


def test_what_is_marked_by_day(sandbox: Sandbox) -> None:
    pupil, canteen = marked(sandbox)
    first = day_of(sandbox.clock.now())
    sandbox.wait(1)
    sandbox.pay_once(pupil, canteen, 50, "meal")
    sandbox.release_once(canteen, "meal")
    second = day_of(sandbox.clock.now())
    days = figures(sandbox).flows.days
    name = sandbox.marks["meal"].hex()
    assert days[first].marked_tiyn[name] == tenge(90)
    assert days[second].marked_tiyn[name] == tenge(40)
    assert (days[second].payments, days[second].paid_tiyn) == (1, tenge(50))
    assert days[first].payments == 0


def test_a_mark_that_nothing_ever_carried(sandbox: Sandbox) -> None:
    assert figures(sandbox).mark("ab" * 32) == MarkLife()


def test_a_day_begins_at_midnight_in_kazakhstan() -> None:
    midnight = 1_699_210_800  # 2023-11-06 00:00 UTC+5
    assert day_of(midnight) == "2023-11-06"
    assert day_of(midnight - 1) == "2023-11-05"


def test_a_loss_is_covered_out_of_the_reserve(sandbox: Sandbox) -> None:
    one, two, three = (sandbox.person(name, 500) for name in ("one", "two", "three"))
    sandbox.buy_and_load(one, 100)
    sandbox.clone(one)
    sandbox.pay_offline_once(one, two, 100)
    sandbox.pay_offline_once(one, three, 100, clone=True)
    sandbox.sync([two, three])
    sandbox.reconcile()
    found = figures(sandbox)
    assert amount(found, "loss_reserve", "escrow", "cover") == tenge(100)
    assert found.linkability["payments"] == {"online": 0, "offline": 2}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["buy", "pay", "load", "sell", "redeem"]),
        st.integers(0, 2),
        st.integers(0, 2),
        st.integers(1, 400),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_what_came_less_what_went_is_what_is_held(steps: list[tuple[str, int, int, int]]) -> None:
    """For every party, whatever happened: flows in - flows out = tokens it holds on the ledger."""
    sandbox = Sandbox.in_memory(seed=3)
    sandbox.issue(tenge=2_000)
    people = [sandbox.person(f"p{number}", 1_000) for number in range(3)]
    for verb, who, whom, tenge_amount in steps:
        one = people[who]
        try:
            if verb == "buy":
                sandbox.buy_once(one, tenge_amount)
            elif verb == "pay":
                sandbox.pay_once(one, people[whom], tenge_amount)
            elif verb == "load":
                sandbox.buy_and_load(one, tenge_amount)
            elif verb == "sell":
                sandbox.sell(one)
            else:
                sandbox.redeem()
        except Refused:
            continue
    found = figures(sandbox)
    net: Counter[str] = Counter()
    for flow, tiyn in found.flows.amounts_tiyn.items():
        net[flow.target] += tiyn
        net[flow.source] -= tiyn
    supply = sandbox.supply()
    assert -net["national_bank"] == supply.issued_tiyn - supply.redeemed_tiyn
    assert net["escrow"] == supply.escrow_tiyn
    assert net["bank/1"] == supply.bank_inventory_tiyn
    assert net["loss_reserve"] == supply.loss_reserve_tiyn
    for person in people:
        assert net[f"group/{person.name}"] == person.wallet.total_tiyn()
    assert found.flows.payments == sum(day.payments for day in found.flows.days.values())


def test_offline_payments_without_transfers() -> None:
    assert list(offline_payments({})) == []
