"""Marks: definitions and statements as signed records, and what one payment may do."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.canonical import MAX_INTEGER
from cbdc.clause import MONTH, PAYEE, Fact, Party, Payment
from cbdc.clauses import (
    Cap,
    Document,
    Drops,
    Estimate,
    Goods,
    Listed,
    Marks,
    Period,
    Prices,
    Release,
    Share,
    Window,
)
from cbdc.errors import TengeError
from cbdc.marks import (
    MarkDefinition,
    NotOffline,
    OfflinePurpose,
    PurposeLimit,
    Statement,
    check,
    judge,
    judge_time,
    offline_purpose,
    open_definition,
    open_statement,
)
from cbdc.token import CANTEEN, PUPIL, SUPPLIER, TREASURY_ACCOUNT
from tests.cbdc.world import START, World, answer_of


class Nothing:
    """`cbdc.clause.Known` that knows nothing."""

    def fact(self, id: bytes) -> Fact | None:
        """None."""
        return None

    def used(self, name: bytes) -> int:
        """0."""
        return 0


def check_payment(definition: MarkDefinition, payer: int, payee: int, amount: int, now: int) -> None:
    """Judge a payment between two strangers."""
    parties = Party(bytes(32), payer), Party(bytes(31) + b"\1", payee)
    check(judge(definition, Payment(MEALS.oid, *parties, amount, now), Nothing()))


WORLD = World(name="marks")
MEALS = WORLD.definition()
CAP = MEALS.record.payment_cap_tiyn


def test_a_definition_comes_back_from_its_envelope() -> None:
    opened = open_definition(MEALS.encode(), WORLD.network)
    assert (opened.record, opened.oid) == (MEALS.record, MEALS.oid)
    opened.verify(WORLD.key("treasury").public)


def test_another_network_gives_another_mark() -> None:
    opened = open_definition(MEALS.encode(), bytes(8))
    assert opened.oid != MEALS.oid
    with pytest.raises(TengeError, match="E_SIG"):
        opened.verify(WORLD.key("treasury").public)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("issuer", b"", "E_FIELD"),
        ("label", "x" * 65, "E_FIELD"),
        ("label", b"x", "E_TYPE"),
        ("purpose", 0, "E_FIELD"),
        ("purpose", 65_536, "E_FIELD"),
        ("edges", ((256, (1,)),), "E_FIELD"),
        ("edges", ((1, 2),), "E_TYPE"),
        ("edges", ((1,),), "E_FIELD"),
        ("edges", ((1, (2,)),) * 65, "E_COUNT"),
        ("person_to_person", 2, "E_FIELD"),
        ("max_hops", 256, "E_FIELD"),
        ("payment_cap_tiyn", -1, "E_FIELD"),
        ("valid_from", "now", "E_TYPE"),
        ("return_to", b"short", "E_FIELD"),
        ("release_categories", (256,), "E_FIELD"),
        ("evidence", b"short", "E_FIELD"),
        ("converts_on_redeem", True, "E_TYPE"),
    ],
)
def test_a_field_out_of_bounds_is_refused(field: str, value: Any, code: str) -> None:
    with pytest.raises(TengeError) as refusal:
        replace(MEALS.record, **{field: value}).body()
    assert refusal.value.code == code


@pytest.mark.parametrize("opener", [open_definition, open_statement])
@pytest.mark.parametrize("data", [b"", b"\x90", b"\x93\x52\xc4\x00\xc4\x00", b"\xff" * 40])
def test_what_is_no_envelope_is_malformed(opener: Any, data: bytes) -> None:
    with pytest.raises(TengeError) as refusal:
        opener(data, WORLD.network)
    assert refusal.value.family == "malformed"


def test_a_statement_is_no_definition() -> None:
    statement = WORLD.statement(MEALS.oid, "ayan", 5)
    assert open_statement(statement.encode(), WORLD.network).record == statement.record
    with pytest.raises(TengeError, match="E_OBJTYPE"):
        open_definition(statement.encode(), WORLD.network)
    with pytest.raises(TengeError, match="E_OBJTYPE"):
        open_statement(MEALS.encode(), WORLD.network)
    with pytest.raises(TengeError, match="E_FIELD"):
        replace(statement.record, amount_tiyn=0).body()


def test_types_are_their_own() -> None:
    assert len({MarkDefinition.TYPE, Statement.TYPE, 80, 81}) == 4


NOW = START + 1


@pytest.mark.parametrize(
    ("payer", "payee", "amount", "now", "answer"),
    [
        (PUPIL, CANTEEN, CAP, NOW, "ok"),
        (CANTEEN, SUPPLIER, 1, NOW, "ok"),
        (PUPIL, CANTEEN, CAP, MEALS.record.valid_from, "ok"),
        (PUPIL, CANTEEN, CAP, MEALS.record.valid_until, "ok"),
        (PUPIL, CANTEEN, CAP, MEALS.record.valid_from - 1, "E_MARK_TIME"),
        (PUPIL, CANTEEN, CAP, MEALS.record.valid_until + 1, "E_MARK_TIME"),
        (CANTEEN, PUPIL, 1, NOW, "E_MARK_EDGE"),
        (PUPIL, SUPPLIER, 1, NOW, "E_MARK_EDGE"),
        (PUPIL, PUPIL, 1, NOW, "E_MARK_EDGE"),
        (PUPIL, CANTEEN, CAP + 1, NOW, "E_MARK_CAP"),
        # two mistakes: time before edge before cap
        (PUPIL, SUPPLIER, CAP + 1, MEALS.record.valid_until + 1, "E_MARK_TIME"),
        (PUPIL, SUPPLIER, CAP + 1, NOW, "E_MARK_EDGE"),
    ],
)
def test_a_payment_is_judged_by_time_edge_and_cap(
    payer: int, payee: int, amount: int, now: int, answer: str
) -> None:
    assert answer_of(check_payment, MEALS.record, payer, payee, amount, now) == answer


def test_no_cap_is_no_limit() -> None:
    free = replace(MEALS.record, payment_cap_tiyn=0)
    assert answer_of(check_payment, free, PUPIL, CANTEEN, 2**50, NOW) == "ok"


LIMIT = PurposeLimit((), (), CAP, MEALS.record.valid_from, MEALS.record.valid_until)
REGISTER = bytes(32)
SCOPE = ("rule", (PUPIL,), (CANTEEN,))
TO_HOLDERS = ("rule", (TREASURY_ACCOUNT,), ())


@pytest.mark.parametrize(
    ("clauses", "more"),
    [
        ((), ()),
        ((Cap(*SCOPE, 5),), (PurposeLimit((PUPIL,), (CANTEEN,), 5, 0, MAX_INTEGER),)),
        ((Window(*SCOPE, 5, 6),), (PurposeLimit((PUPIL,), (CANTEEN,), 0, 5, 6),)),
        ((Marks(*SCOPE, 1, 2),), ()),
        ((Listed(*TO_HOLDERS, REGISTER, 1, PAYEE),), ()),
        ((Document(*TO_HOLDERS, REGISTER, 1, PAYEE),), ()),
    ],
)
def test_what_a_receiver_can_judge_goes_offline(clauses: Any, more: tuple[PurposeLimit, ...]) -> None:
    definition = replace(MEALS.record, clauses=clauses)
    assert offline_purpose(definition) == OfflinePurpose(7, definition.edges, 0, 2, 1, (LIMIT, *more))


@pytest.mark.parametrize(
    "clause",
    [
        Listed(*SCOPE, REGISTER, 1, PAYEE),
        Document(*SCOPE, REGISTER, 1, PAYEE),
        Goods(*SCOPE, 1, ((1, 2),)),
        Prices(*SCOPE, ((1, 2),)),
        Estimate(*SCOPE, ((1, 2),)),
        Period(*SCOPE, MONTH, PAYEE, 5),
        Share(*SCOPE, 1, 2, REGISTER),
        Drops(*SCOPE),
        Release("rule", (CANTEEN,), (), REGISTER, 1, 1, 2),
        Listed("rule", (TREASURY_ACCOUNT, PUPIL), (), REGISTER, 1, PAYEE),
        Listed("rule", (), (), REGISTER, 1, PAYEE),
    ],
    ids=lambda clause: clause.KIND,
)
def test_what_a_receiver_cannot_judge_stays_online(clause: Any) -> None:
    answer = offline_purpose(replace(MEALS.record, clauses=(Cap("cap", (), (), 5), clause)))
    assert isinstance(answer, NotOffline)
    assert answer.rule == "rule"


def test_no_hops_is_no_way_offline() -> None:
    assert offline_purpose(replace(MEALS.record, max_hops=0)) == ("its definition allows no hops", "hops")


def test_a_release_clause_goes_offline_where_redeeming_frees_nothing() -> None:
    clause = Release("rule", (CANTEEN,), (), REGISTER, 1, 1, 2)
    kept = replace(MEALS.record, clauses=(clause,), converts_on_redeem=0)
    assert offline_purpose(kept) == OfflinePurpose(7, kept.edges, 0, 2, 0, (LIMIT,))


@given(now=st.integers(0, 2**40))
def test_time_is_the_closed_interval(now: int) -> None:
    inside = MEALS.record.valid_from <= now <= MEALS.record.valid_until
    assert judge_time(MEALS.record, now).code == ("" if inside else "E_MARK_TIME")


@given(
    edges=st.lists(
        st.tuples(st.integers(0, 9), st.lists(st.integers(0, 9), max_size=3).map(tuple)), max_size=4
    ),
    payer=st.integers(0, 9),
    payee=st.integers(0, 9),
)
def test_an_edge_is_there_when_some_row_has_it(edges: list[Any], payer: int, payee: int) -> None:
    definition = replace(MEALS.record, edges=tuple(edges))
    assert definition.allows(payer, payee) == any((payer, payee) == (a, b) for a, bs in edges for b in bs)
