"""Every guard and every code of the ledger has a row: the right case, and each wrong one."""

import tomllib
from collections import Counter

import pytest

from cbdc import authority
from cbdc.errors import TengeError, catalogue
from cbdc.ledger.audit import audit
from cbdc.ledger.entry import Receipt
from cbdc.money import MAX_TIYN
from cbdc.token import PUPIL
from cbdc.transaction import KINDS
from tests.cbdc import (
    rows_clauses,
    rows_ends,
    rows_institutions,
    rows_keys,
    rows_limits,
    rows_marks,
    rows_payment,
    rows_service,
)
from tests.cbdc.scene import CASH, Row, scene
from tests.cbdc.world import CERTIFIED, DAY, END, START, World, answer_of, picture
from tests.conftest import ROOT

ROWS = [
    *rows_payment.ROWS,
    *rows_marks.ROWS,
    *rows_clauses.ROWS,
    *rows_ends.ROWS,
    *rows_limits.ROWS,
    *rows_institutions.ROWS,
    *rows_keys.ROWS,
    *rows_service.ROWS,
]

# Guard G1 judges bytes: its codes have their rows in test_transaction.py and in the vectors.
FORM = {"E_CLAUSE", "E_LOCK", "E_INPUT_TWICE", "E_WITNESS_TWICE"}


@pytest.mark.parametrize("row", [row for row in ROWS if row.code is None], ids=lambda row: row.name)
def test_the_right_case_is_accepted(row: Row) -> None:
    world = scene()
    transaction = row.build(world)
    assert type(transaction.record).__name__ == row.kind
    before = world.ledger.size
    receipt = world.submit(transaction)
    assert (receipt.index, receipt.transaction_id) == (before, transaction.id)
    supply = world.ledger.supply()
    assert supply.held_tiyn == supply.outstanding_tiyn
    found = audit(world.store, world.ledger.head(), world.root.encode())
    assert found.problems == []


@pytest.mark.parametrize("row", [row for row in ROWS if row.code is not None], ids=lambda row: row.name)
def test_the_wrong_case_is_refused_and_leaves_no_trace(row: Row) -> None:
    world = scene()
    transaction = row.build(world)
    assert type(transaction.record).__name__ == row.kind
    before = picture(world.store)
    with pytest.raises(TengeError) as refusal:
        world.submit(transaction)
    assert refusal.value.code == row.code
    assert picture(world.store) == before
    assert "{" not in str(refusal.value), "a fact of the sentence is missing"


def test_v11_a_mark_with_no_hops_stays_online() -> None:
    rows = [row for row in ROWS if row.code == "E_MARK_OFFLINE"]
    assert rows
    for row in rows:
        world = scene()
        load = row.build(world)
        before = world.ledger.supply()
        assert answer_of(world.submit, load) == "E_MARK_OFFLINE"
        assert world.ledger.supply() == before


@pytest.mark.parametrize("row", [row for row in ROWS if row.code is not None], ids=lambda row: row.name)
def test_a_refusal_disturbs_nobody_in_its_group(row: Row) -> None:
    world = scene()
    wrong = row.build(world).encode()
    right = world.transfer(["neighbour"], [world.out("neighbour", CASH)], ["neighbour"])
    first, second, third = world.ledger.submit_many([wrong, right.encode(), wrong])
    assert isinstance(first, TengeError)
    assert isinstance(second, Receipt)
    assert isinstance(third, TengeError)
    assert first.code == third.code == row.code


@pytest.mark.parametrize(
    ("first", "last", "answer"),
    [(0, 10, "ok"), (10, 20, "ok"), (10, 10, "ok"), (0, 9, "E_SIG"), (11, 20, "E_SIG")],
)
def test_a_definition_is_signed_by_a_treasury_key_that_is_valid_now(
    first: int, last: int, answer: str
) -> None:
    period = (START + first * DAY, START + last * DAY)
    world = World(name="two treasuries", extra_auths=[("other", authority.TREASURY, (), *period)])
    assert world.clock.now() == START + 10 * DAY
    world.register("pupil", PUPIL, tier=0)
    definition = world.definition(signer="other")
    world.issue("budget", 5)
    record = world.payment("budget", ("pupil", 5), output_mark=definition.oid, definition=definition.encode())
    assert answer_of(world.submit, world.sign(record, "budget")) == answer


@pytest.mark.parametrize(
    ("first", "last", "valid"), [(0, 10, True), (10, 20, True), (0, 9, False), (11, 20, False)]
)
@pytest.mark.parametrize(
    ("role", "code"), [(authority.OPERATOR, "E_AUTHORITY_TIME"), (authority.EMISSION, "E_QUORUM")]
)
def test_a_certificate_counts_from_its_first_second_to_its_last(
    first: int, last: int, valid: bool, role: int, code: str
) -> None:
    period = (START + first * DAY, START + last * DAY)
    rows = [row for row in CERTIFIED if row[1] != role]
    timed = [(*row, *period) for row in CERTIFIED if row[1] == role]
    world = World(name="periods", certified=rows, extra_auths=timed)
    assert world.clock.now() == START + 10 * DAY
    issue = world.sign(world.issue_record([world.token("inventory1", 5)]), "officer1", "officer2", "operator")
    assert answer_of(world.submit, issue) == ("ok" if valid else code)


def test_all_there_can_ever_be_and_one_tiyn_more() -> None:
    world = World()
    world.issue("inventory1", MAX_TIYN - 1)
    world.issue("budget", 1)
    assert world.ledger.supply().issued_tiyn == MAX_TIYN
    issue = world.sign(world.issue_record([world.token("inventory1", 1)]), "officer1", "officer2", "operator")
    assert answer_of(world.submit, issue) == "E_MONEY_RANGE"


@pytest.mark.parametrize("scope", [(), (0,)])
def test_an_issue_needs_an_officer_whatever_the_certificates_say(scope: tuple[int, ...]) -> None:
    rows = [(name, role, scope if role == authority.EMISSION else own) for name, role, own in CERTIFIED]
    world = World(name="careless", certified=rows)
    issue = world.issue_record([world.token("inventory1", 5)])
    assert answer_of(world.submit, world.sign(issue, "operator")) == "E_QUORUM"
    assert answer_of(world.submit, world.sign(issue, "operator", "officer1")) == "ok"


def test_the_strictest_certificate_says_how_many_officers_sign() -> None:
    world = World(name="careful", extra_auths=[("officer4", authority.EMISSION, (3,), START, END)])
    issue = world.issue_record([world.token("inventory1", 5)])
    signers = ["operator", "officer1", "officer2"]
    assert answer_of(world.submit, world.sign(issue, *signers)) == "E_QUORUM"
    assert answer_of(world.submit, world.sign(issue, *signers, "officer4")) == "ok"


def test_names_are_unique() -> None:
    assert [name for name, count in Counter(row.name for row in ROWS).items() if count > 1] == []


def test_every_kind_has_a_right_case_and_more_wrong_ones() -> None:
    kinds = {kind.__name__ for kind in KINDS.values()}
    right = Counter(row.kind for row in ROWS if row.code is None)
    wrong = Counter(row.kind for row in ROWS if row.code is not None)
    assert set(right) == set(wrong) == kinds
    assert sum(wrong.values()) > sum(right.values())


def test_every_code_of_a_guard_has_a_row() -> None:
    rows = {}
    for name in ("ledger", "marks"):
        rows |= tomllib.loads((ROOT / f"cbdc/catalogue/en/{name}.toml").read_text(encoding="utf-8"))
    guarded = {code for code, row in rows.items() if row["rule"].startswith("G")}
    shown = {row.code for row in ROWS if row.code is not None}
    assert guarded - shown - FORM == {"E_AUDIT_CONSERVATION"}, (
        "G11 never refuses: it is asserted, and audited"
    )
    assert shown <= set(catalogue())
