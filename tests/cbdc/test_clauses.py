"""Clauses as data and as look-ups: what cannot be is refused, nothing is looked up that was not foreseen."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.clause import DAY, EVER, MONTH, WEEK, YEAR, Fact, Payment, counter_name, period_number
from cbdc.clauses import (
    KINDS,
    MAX_CLAUSES,
    Cap,
    Clause,
    ClauseKind,
    Drops,
    Share,
    marking_of,
    parts_of,
)
from cbdc.errors import TengeError
from cbdc.ledger.judgement import Judged, crowded
from cbdc.ledger.rules import decide, needs
from cbdc.ledger.state import FACT, StateKey, StateValue
from cbdc.marks import MarkDefinition, check, judge, open_definition
from cbdc.token import CANTEEN, PUPIL, TREASURY_ACCOUNT
from cbdc.transaction import ReleaseMark
from tests.cbdc import rows_clauses, rows_ends, rows_limits, rows_marks
from tests.cbdc.marks_draw import PAYMENT, any_clauses, any_payment
from tests.cbdc.rows_clauses import define
from tests.cbdc.rows_ends import retention
from tests.cbdc.scene import Row, Scene, scene
from tests.cbdc.world import answer_of, fixed_bytes

MOST_ROUNDS = 4
MARK, OTHER, REGISTER = fixed_bytes("mark"), fixed_bytes("other"), fixed_bytes("register")

# A right clause of each kind, in wire form: [tag, name, payers, payees, arguments].
RIGHT: dict[str, list[Any]] = {
    "listed": [1, "a", [3], [4], [REGISTER, 1, 1, b""]],
    "document": [2, "a", [], [], [REGISTER, 1, 3, 1]],
    "goods": [3, "a", [], [], [1, [[1, 1], [5, 9]]]],
    "prices": [4, "a", [], [], [[[1, 1], [2, 5]]]],
    "estimate": [5, "a", [], [], [[[1, 1], [2, 5]]]],
    "cap": [6, "a", [], [], [1]],
    "period": [7, "a", [], [], [5, 4, 1]],
    "window": [8, "a", [], [], [5, 5]],
    "share": [9, "a", [], [], [3, 25, MARK]],
    "drops": [10, "a", [], [5], []],
    "marks": [11, "a", [2], [], [1, 1]],
    "release": [12, "a", [5], [], [REGISTER, 1, 9, 10]],
}


def changed(kind: str, place: int, value: Any, argument: int | None = None) -> list[Any]:
    """A right clause with one item (or one argument) changed."""
    wire = [*RIGHT[kind]]
    if argument is None:
        wire[place] = value
    else:
        wire[place] = [*wire[place][:argument], value, *wire[place][argument + 1 :]]
    return wire


WRONG: list[tuple[str, Any, str]] = [
    ("nothing", None, "E_TYPE"),
    ("a number", 5, "E_TYPE"),
    ("too short", RIGHT["cap"][:4], "E_FIELD"),
    ("too long", [*RIGHT["cap"], 0], "E_FIELD"),
    ("kind nought", changed("cap", 0, 0), "E_CLAUSE"),
    ("kind thirteen", changed("cap", 0, 13), "E_CLAUSE"),
    ("kind is true", changed("cap", 0, True), "E_CLAUSE"),
    ("kind is text", changed("cap", 0, "cap"), "E_CLAUSE"),
    ("no name", changed("cap", 1, ""), "E_CLAUSE"),
    ("name too long", changed("cap", 1, "ә" * 17), "E_FIELD"),
    ("name is bytes", changed("cap", 1, b"a"), "E_TYPE"),
    ("payers are a number", changed("cap", 2, 3), "E_TYPE"),
    ("payer of no category", changed("cap", 2, [256]), "E_FIELD"),
    ("too many payees", changed("cap", 3, [1] * 33), "E_COUNT"),
    ("arguments of another kind", changed("cap", 4, RIGHT["share"][4]), "E_FIELD"),
    ("no arguments", changed("cap", 4, []), "E_FIELD"),
    ("cap of nothing", changed("cap", 4, [0]), "E_FIELD"),
    ("register of 31 bytes", changed("listed", 4, REGISTER[:31], 0), "E_FIELD"),
    ("fact of kind nought", changed("listed", 4, 0, 1), "E_FIELD"),
    ("listed about all", changed("listed", 4, 4, 2), "E_FIELD"),
    ("document about nobody", changed("document", 4, 0, 2), "E_FIELD"),
    ("same lines twice", changed("document", 4, 2, 3), "E_FIELD"),
    ("goods of no range", changed("goods", 4, [], 1), "E_COUNT"),
    ("goods of too many ranges", changed("goods", 4, [[1, 1]] * 65, 1), "E_COUNT"),
    ("goods backwards", changed("goods", 4, [[9, 8]], 1), "E_CLAUSE"),
    ("goods maybe", changed("goods", 4, 2, 0), "E_FIELD"),
    ("two prices of one item", changed("prices", 4, [[[1, 5], [1, 6]]]), "E_CLAUSE"),
    ("price of nothing", changed("prices", 4, [[[1, 0]]]), "E_FIELD"),
    ("two sums of one line", changed("estimate", 4, [[[1, 5], [1, 5]]]), "E_CLAUSE"),
    ("estimate without lines", changed("estimate", 4, [[]]), "E_COUNT"),
    ("period six", changed("period", 4, 6, 0), "E_FIELD"),
    ("period of nobody", changed("period", 4, 0, 1), "E_FIELD"),
    ("window backwards", changed("window", 4, [6, 5]), "E_CLAUSE"),
    ("share above the whole", changed("share", 4, 26, 0), "E_CLAUSE"),
    ("share of nothing", changed("share", 4, 0, 0), "E_FIELD"),
    ("share divided by nothing", changed("share", 4, 0, 1), "E_FIELD"),
    ("share under no mark", changed("share", 4, b"", 2), "E_FIELD"),
    ("marks above the whole", changed("marks", 4, [3, 2]), "E_CLAUSE"),
    ("release above the whole", changed("release", 4, 11, 2), "E_CLAUSE"),
    ("release to a payee", changed("release", 3, [4]), "E_CLAUSE"),
]


def test_every_kind_has_a_right_clause() -> None:
    assert [wire[0] for wire in RIGHT.values()] == sorted(KINDS)
    for name, wire in RIGHT.items():
        clause = ClauseKind().load(wire, "clause")
        assert name == clause.KIND
        assert ClauseKind().load(clause, "clause") == clause


@pytest.mark.parametrize(("wire", "code"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_clause_that_cannot_be_is_refused(wire: Any, code: str) -> None:
    assert answer_of(ClauseKind().load, wire, "clause") == code


def test_a_definition_with_every_kind_comes_back_from_its_envelope() -> None:
    s = scene()
    wires = [[wire[0], name, *wire[2:]] for name, wire in RIGHT.items()]
    signed = define(s, *(ClauseKind().load(wire, "clause") for wire in wires))
    opened = open_definition(signed.encode(), s.network)
    assert (opened.oid, opened.record) == (signed.oid, signed.record)
    assert [clause.KIND for clause in opened.record.clauses] == list(RIGHT)


def test_clauses_are_few_and_each_has_its_own_name() -> None:
    record = define(scene()).record
    many = tuple(Cap(f"cap {n}", (), (), 5) for n in range(MAX_CLAUSES + 1))
    assert answer_of(replace(record, clauses=many[:-1]).body) == "ok"
    assert answer_of(replace(record, clauses=many).body) == "E_COUNT"
    assert answer_of(replace(record, clauses=(many[0], Drops("cap 0", (), ()))).body) == "E_CLAUSE"


# --- scope and shares ---


@pytest.mark.parametrize(
    ("payers", "payees", "payer", "payee", "covered"),
    [
        ((), (), PUPIL, CANTEEN, True),
        ((), (), TREASURY_ACCOUNT, CANTEEN, False),
        ((TREASURY_ACCOUNT,), (), TREASURY_ACCOUNT, CANTEEN, True),
        ((PUPIL,), (), CANTEEN, PUPIL, False),
        ((), (PUPIL,), CANTEEN, PUPIL, True),
        ((), (PUPIL,), TREASURY_ACCOUNT, PUPIL, False),
        ((PUPIL,), (CANTEEN,), PUPIL, PUPIL, False),
    ],
)
def test_a_scope_is_payers_and_payees(
    payers: tuple[int, ...], payees: tuple[int, ...], payer: int, payee: int, covered: bool
) -> None:
    assert Cap("a", payers, payees, 1).covers(payer, payee) is covered


@given(
    amount=st.integers(1, 2**50),
    shares=st.lists(st.tuples(st.integers(1, 100), st.integers(100, 200)), max_size=3),
    ends=st.booleans(),
)
def test_a_payment_arrives_whole(amount: int, shares: list[tuple[int, int]], ends: bool) -> None:
    clauses: list[Clause] = [
        Share(f"s{place}", (), (), part, whole, bytes([place]) * 32)
        for place, (part, whole) in enumerate(shares)
    ]
    clauses += [Drops("end", (), ())] if ends else []
    parts = parts_of(tuple(clauses), MARK, PUPIL, CANTEEN, amount)
    assert sum(parts.values()) == amount
    assert all(parts.values())
    assert (MARK if ends else b"") not in parts
    for place, (part, whole) in enumerate(shares[:1]):
        assert parts[bytes([place]) * 32] == -(-amount * part // whole)


def test_marks_are_put_on_only_by_a_clause() -> None:
    clause = ClauseKind().load(RIGHT["marks"], "clause")
    assert marking_of((clause,), 2, 5) is clause
    assert marking_of((clause,), 3, 5) is None
    assert marking_of((), 2, 5) is None


# --- periods ---


@given(seconds=st.integers(0, 20_000 * 86_400))
def test_periods_are_those_of_the_calendar(seconds: int) -> None:
    date = datetime.fromtimestamp(seconds, UTC).date()
    assert period_number(DAY, seconds) == seconds // 86_400
    assert period_number(MONTH, seconds) == date.year * 12 + date.month - 1
    assert period_number(YEAR, seconds) == date.year
    assert period_number(EVER, seconds) == 0
    monday = seconds - date.weekday() * 86_400 - seconds % 86_400
    assert period_number(WEEK, seconds) == period_number(WEEK, max(0, monday))
    assert period_number(WEEK, monday + 7 * 86_400) == period_number(WEEK, seconds) + 1
    assert period_number(WEEK, monday + 7 * 86_400 - 1) == period_number(WEEK, seconds)


@given(
    one=st.lists(st.one_of(st.text("a:1"), st.binary(max_size=3), st.integers(0, 11)), max_size=3),
    two=st.lists(st.one_of(st.text("a:1"), st.binary(max_size=3), st.integers(0, 11)), max_size=3),
)
def test_two_counters_never_share_a_name(one: list[Any], two: list[Any]) -> None:
    assert (counter_name(b"x", *one) == counter_name(b"x", *two)) is (one == two)


# --- look-ups ---

MARKED = [*rows_clauses.ROWS, *rows_ends.ROWS, *rows_limits.ROWS, *rows_marks.ROWS]


class Watched(dict[StateKey, StateValue | None]):
    """A view that remembers what was read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: set[StateKey] = set()

    def __getitem__(self, key: StateKey) -> StateValue | None:
        self.read.add(key)
        return super().__getitem__(key)


def loaded(s: Scene, row: Row) -> tuple[Watched, int, str]:
    """The view that `needs` asks for, in how many rounds, and what `decide` answers on it."""
    transaction = row.build(s)
    view, rounds = Watched(), 0
    while wanted := sorted(needs(s.ledger.genesis, view, transaction, s.clock.now())):
        rounds += 1
        view.update(s.ledger.load(wanted))
    view.read.clear()
    return view, rounds, answer_of(decide, s.ledger.genesis, view, transaction, s.clock.now())


@pytest.mark.parametrize("row", MARKED, ids=lambda row: row.name)
def test_what_a_decision_needs_is_known_in_four_rounds(row: Row) -> None:
    view, rounds, answer = loaded(scene(), row)
    assert answer == (row.code or "ok")
    assert rounds <= MOST_ROUNDS
    assert view.read <= view.keys()


class Noted:
    """`cbdc.clause.Known` that answers as it is told, and notes what it was asked."""

    def __init__(self, fact: Fact | None, used: int) -> None:
        self.asked: list[bytes] = []
        self._fact, self._used = fact, used

    def fact(self, id: bytes) -> Fact | None:
        """What it was told."""
        self.asked.append(id)
        return self._fact

    def used(self, name: bytes) -> int:
        """What it was told."""
        self.asked.append(name)
        return self._used


@st.composite
def payments(draw: st.DrawFn) -> tuple[MarkDefinition, Payment]:
    """A definition with any clauses, and a payment it may judge."""
    return replace(define(scene()).record, clauses=draw(any_clauses())), draw(any_payment())


LOOKS_A_CLAUSE = 16 * (2 + 64)


@given(
    pair=payments(),
    fact=st.one_of(
        st.none(), st.builds(Fact, st.integers(0, 99), st.just(()), st.integers(0, 2), st.integers(0, 1))
    ),
    used=st.integers(0, 100),
)
def test_look_ups_do_not_depend_on_answers_and_are_bounded(
    pair: tuple[MarkDefinition, Payment], fact: Fact | None, used: int
) -> None:
    definition, payment = pair
    blind, seeing = Noted(None, 0), Noted(fact, used)
    judge(definition, payment, blind)
    judge(definition, payment, seeing)
    assert blind.asked == seeing.asked
    assert len(blind.asked) <= len(definition.clauses) * LOOKS_A_CLAUSE


def test_many_payments_at_once_are_judged_only_where_that_is_one_look_each() -> None:
    definition = define(scene(), Cap("cap", (), (), 5)).record

    def answer(**fields: Any) -> bool:
        return crowded([Judged(definition, replace(PAYMENT, **fields))] * 2) is not None

    assert answer() is True
    assert answer(marking=True) is False
    assert answer(marking=True, documents=(MARK,)) is True
    assert crowded([Judged(definition, PAYMENT)]) is None
    plain = define(scene()).record
    assert crowded([Judged(plain, PAYMENT)] * 9) is None


def test_a_release_by_a_crowd_looks_nothing_up() -> None:
    """Anybody may name anybody's tokens: what is refused anyway must not cost look-ups first."""
    s = scene()
    definition = retention(s)
    tokens = s.mark(definition, ("supplier", 5), ("canteen", 5), ("supplier", 5))
    papers = tuple(fixed_bytes(f"paper {number}") for number in range(16))

    def facts(*places: int, mark: bytes = b"") -> int:
        inputs = tuple(tokens[place] for place in places)
        outputs = (s.out("supplier", 5 * len(places), mark),)
        transaction = s.sign(ReleaseMark(s.nonce(), inputs, outputs, (), papers), "supplier")
        view: dict[StateKey, StateValue | None] = {}
        while wanted := needs(s.ledger.genesis, view, transaction, s.clock.now()):
            view.update(s.ledger.load(wanted))
        return sum(key.kind == FACT for key in view)

    assert facts(0) == facts(0, 2) == 2 * len(papers)
    # What comes out under another mark changes nothing of what is asked.
    other = define(s, purpose=9)
    s.mark(other, ("supplier", 1))
    assert facts(0, mark=other.oid) == 2 * len(papers)
    assert facts(0, 1) == 0


def test_a_refusal_is_the_first_finding_that_refuses() -> None:
    definition = define(scene(), Cap("one", (), (), 5), Cap("two", (), (), 5)).record
    found = judge(definition, replace(PAYMENT, amount_tiyn=6), Noted(None, 0))
    assert [(finding.rule, finding.code) for finding in found if finding.code] == [
        ("one", "E_MARK_CAP"),
        ("two", "E_MARK_CAP"),
    ]
    with pytest.raises(TengeError) as refusal:
        check(found)
    assert refusal.value.facts["rule"] == "one"
