"""Journals that ask what the pages of the ledger must leave no doubt about: one for each reading that somebody had.

Each is made like those of `tests.vectors.journal_makers`; what stands last are files that are no journal.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cbdc.clause import BasketLine
from cbdc.clauses import Document, Listed
from cbdc.ledger.entry import MONTH, YEAR, Entry, Policy, open_entry
from cbdc.ledger.memory import MemoryStore
from cbdc.record import Record, Signed
from cbdc.token import CANTEEN, PUPIL, TREASURY_ACCOUNT, TokenId
from cbdc.transaction import LoadOffline, Transfer
from tests.cbdc.journals import log_anyway
from tests.cbdc.world import END, World, fixed_bytes
from tests.vectors.journal_makers import Maker, Problems, Spoiled, heads_after, last_entry, only

QUESTIONS: list[Maker] = []
EDGES = ((TREASURY_ACCOUNT, (PUPIL,)), (PUPIL, (CANTEEN,)))


def asks(what: str, expect: Callable[[Spoiled], Problems]) -> Callable[[Callable[[Spoiled], None]], None]:
    """Add the decorated function as a maker of a question."""

    def add(spoil: Callable[[Spoiled], None]) -> None:
        QUESTIONS.append(Maker(spoil.__name__.replace("_", "-"), what, expect, spoil))

    return add


# --- leaves, entries, heads ---


def _other_leaf(s: Spoiled, place: int) -> None:
    s.rows[place] = replace(s.rows[place], leaf=bytes(32))


@asks(
    "the leaf of entry 9 is another; its bytes are right, so the rest is judged",
    only(("entry 9", "E_AUDIT_LEAF")),
)
def another_leaf(s: Spoiled) -> None:
    _other_leaf(s, 9)


@asks(
    "another leaf, and a row of state: a right head covers the bytes, so state is compared",
    lambda s: _leaf_and_row(s),
)
def another_leaf_and_a_row_of_state(s: Spoiled) -> None:
    _other_leaf(s, 9)
    s.store._state.pop(min(s.store._state))


def _leaf_and_row(s: Spoiled) -> Problems:
    lost = min(Spoiled().store._state)
    return {("entry 9", "E_AUDIT_LEAF"), (f"token {lost[1:].hex()}", "E_AUDIT_STATE")}


@asks(
    "another leaf, a row of state and no head over all entries: state is not compared",
    only(("entry 9", "E_AUDIT_LEAF"), ("journal", "E_AUDIT_UNCOVERED")),
)
def another_leaf_and_no_last_head(s: Spoiled) -> None:
    another = min(s.store._state)
    _other_leaf(s, 9)
    del s.store._state[another], s.heads[-1], s.sizes[-1]


@asks(
    "entry 9 says a later time, and its leaf is the old one: times are compared with the last right leaf",
    heads_after(9, ("entry 9", "E_AUDIT_LEAF")),
)
def a_later_time_under_the_old_leaf(s: Spoiled) -> None:
    s.state = False
    entry = open_entry(s.rows[9].data)
    late = open_entry(s.rows[10].data).time + 1
    s.rows[9] = replace(s.rows[9], data=Entry(9, late, entry.payload).encode())


@asks(
    "the line of entry 0 has the number 1: it is not opened, and nothing after the entries is asked",
    only(("entry 0", "E_AUDIT_ORDER")),
)
def entry_0_under_another_number(s: Spoiled) -> None:
    s.rows[0] = replace(s.rows[0], index=1)
    s.kept, s.root = b"no head", b"no envelope"


@asks("the id of entry 8 has no bytes, and its leaf is right", only(("entry 8", "E_AUDIT_ID")))
def an_id_of_no_bytes(s: Spoiled) -> None:
    s.state = False
    s.rows[8] = replace(s.rows[8], transaction_id=b"")


@asks("the leaf of entry 8 has 31 bytes", only(("entry 8", "E_AUDIT_LEAF")))
def a_leaf_of_31_bytes(s: Spoiled) -> None:
    s.rows[8] = replace(s.rows[8], leaf=s.rows[8].leaf[:31])


@asks("two heads changed places, and one stands there twice; no question asks that", only())
def heads_in_another_order(s: Spoiled) -> None:
    s.state = False
    order = [0, 1, 2, 4, 3, 3, *range(5, len(s.heads))]
    s.heads[:] = [s.heads[place] for place in order]
    s.sizes[:] = [s.sizes[place] for place in order]


# --- what is given with the journal ---


@asks("the ROOT that is trusted is no envelope", only(("genesis", "E_AUDIT_ROOT")))
def a_trusted_root_of_no_form(s: Spoiled) -> None:
    s.state, s.root = False, b"no envelope"


@asks("the kept head is no envelope", only(("kept head", "E_DECODE")))
def a_kept_head_of_no_form(s: Spoiled) -> None:
    s.state, s.kept = False, b"no envelope"


def _other_time(s: Spoiled) -> bytes:
    return s.sign(s.size, s.log().root(), open_entry(s.rows[-1].data).time + 1)


@asks(
    "the kept head has the size and root of the last head, and another time",
    only(("kept head", "E_AUDIT_FORK")),
)
def a_kept_head_of_another_time(s: Spoiled) -> None:
    s.state, s.kept = False, _other_time(s)


@asks(
    "the kept head has another time than the last entry, and the journal has no head of its size",
    only(("kept head", "E_AUDIT_HEAD_GONE"), ("journal", "E_AUDIT_UNCOVERED")),
)
def a_kept_head_of_another_time_alone(s: Spoiled) -> None:
    s.state, s.kept = False, _other_time(s)
    del s.heads[-1], s.sizes[-1]


# --- rows ---


def _emptied(s: Spoiled) -> Problems:
    place = s.world.pseudonym("inventory1")
    return {
        (f"key {s.world.kid('inventory1').hex()}", "E_AUDIT_STATE"),
        (f"counter {(b'bank:' + place).hex()}", "E_AUDIT_STATE"),
    }


@asks("two entries, and the rows of state that were announced are not there", _emptied)
def no_row_where_rows_were_announced(s: Spoiled) -> None:
    del s.rows[2:]
    s.store._state.clear()
    s.store._owner_of.clear()
    s.relog()


@asks(
    "rows of state and of owners that have no place",
    only(("unknown ", "E_AUDIT_STATE"), ("unknown 01", "E_AUDIT_OWNER")),
)
def rows_of_no_kind(s: Spoiled) -> None:
    s.store._state[b""] = b""
    s.store._owner_of[b"\x09\x01"] = b""


class _Periods(World):
    """A world with limits of a month and a year."""

    def certify(self, record: Record) -> Signed[Any]:
        if isinstance(record, Policy):
            record = replace(record, periods=((1, MONTH, 1_000), (1, YEAR, 2_500)))
        return super().certify(record)


@asks("payments under limits of a day, a month and a year; the rows of their counters are right", only())
def counters_of_a_month_and_a_year(s: Spoiled) -> None:
    world = _Periods(name="periods")
    world.register("ayan")
    world.register("shop")
    world.fund(("ayan", 10_000))
    world.pay("ayan", ("shop", 900))
    assert isinstance(world.store, MemoryStore)
    s.store = world.store


@asks("a key that has a successor signs, and opens its lock", only())
def a_retired_key_pays(s: Spoiled) -> None:
    s.world.register("old", tier=0)
    token = s.world.fund(("old", 500))[0]
    s.world.rotate("old", "old.2")
    s.world.do(Transfer(s.world.nonce(), (token,), (s.world.out("shop", 500),)), "old")


# --- marks ---


def _may_go_offline(s: Spoiled, payers: tuple[int, ...]) -> None:
    clause = Listed("licence", payers, (), s.world.kid("register"), 1, 2)
    s.world.attest("pupil", fact_kind=1)
    definition = s.world.definition("twice", clauses=(clause,), valid_until=END)
    token = s.world.mark(definition, ("pupil", 9_000))[0]
    outputs = (s.world.out("escrow", 9_000, definition.oid),)
    record = LoadOffline(s.world.nonce(), (token,), outputs, fixed_bytes("device"), 1)
    log_anyway(s.world, s.world.sign(record, "pupil"))


@asks("money goes offline under a clause whose payers name the category 201 twice", only())
def payers_that_name_one_category_twice(s: Spoiled) -> None:
    s.state = False
    _may_go_offline(s, (TREASURY_ACCOUNT, TREASURY_ACCOUNT))


@asks(
    "money goes offline under a clause whose payers have 201 and another category",
    last_entry("E_MARK_OFFLINE"),
)
def payers_of_two_categories(s: Spoiled) -> None:
    s.state = False
    _may_go_offline(s, (TREASURY_ACCOUNT, PUPIL))


@asks("lines of many pieces are paid on a document: amounts count, not quantities", only())
def lines_of_many_pieces(s: Spoiled) -> None:
    paper, lines = fixed_bytes("invoice"), (BasketLine(10, 500, 60), BasketLine(10, 400, 40))
    clause = Document("invoices", (PUPIL,), (), s.world.kid("register"), 2, 2, 1)
    s.world.attest("canteen", 100, fact_kind=2, document=paper, lines=(BasketLine(10, 1, 100),))
    definition = _mark(s, "pieces", (clause,))
    token = s.world.mark(definition, ("pupil", 100))[0]
    outputs = (s.world.out("canteen", 100, definition.oid),)
    record = Transfer(s.world.nonce(), (token,), outputs, lines=lines, documents=(paper,))
    s.world.do(record, "pupil", "canteen")


def _mark(s: Spoiled, label: str, clauses: tuple[Any, ...] = (), **fields: Any) -> Signed[Any]:
    values = {"edges": EDGES, "valid_until": END, "payment_cap_tiyn": 0, "evidence": b"", "max_hops": 0}
    return s.world.definition(label, clauses=clauses, **{**values, **fields})


@asks(
    "the first payment is above the cap, the second has no edge: each payment is judged to its end",
    last_entry("E_MARK_CAP"),
)
def two_payments_each_with_a_fault(s: Spoiled) -> None:
    s.state = False
    definition = _mark(s, "cap", payment_cap_tiyn=10)
    tokens = s.world.mark(definition, ("pupil", 10), ("pupil", 10))
    outputs = tuple(s.world.out(name, tiyn, definition.oid) for name, tiyn in (("canteen", 11), ("shop", 9)))
    log_anyway(s.world, s.world.sign(Transfer(s.world.nonce(), tuple(tokens), outputs), "pupil"))


@asks(
    "a payment that marks under clauses stands beside one that has no right to its mark",
    last_entry("E_MARK_ISSUER"),
)
def a_marking_payment_beside_another(s: Spoiled) -> None:
    s.state = False
    s.world.register("budget2", TREASURY_ACCOUNT, tier=0, bank=0, registrar="treasury")
    clause = Listed("licence", (PUPIL,), (), s.world.kid("register"), 1, 2)
    own = _mark(s, "own", (clause,))
    other = _mark(s, "other", issuer=s.world.kid("budget2"))
    s.world.issue("budget2", 10)
    record = s.world.payment("budget2", ("pupil", 10), output_mark=other.oid, definition=other.encode())
    s.world.do(record, "budget2")
    s.world.mark(own, ("pupil", 10))
    token: TokenId = s.world.issue("budget", 20)[0]
    outputs = (s.world.out("pupil", 10, own.oid), s.world.out("pupil", 10, other.oid))
    log_anyway(s.world, s.world.sign(Transfer(s.world.nonce(), (token,), outputs), "budget"))


# --- files that are no journal ---


def no_journals() -> list[dict[str, Any]]:
    """Files that are refused with E_JOURNAL_FILE and get no report; each has what it is and its lines."""
    lines = Spoiled().lines()
    first, entry = lines[0], lines[1]
    rows = [line for line in lines if line.startswith('{"state"')]
    owners = [line for line in lines if line.startswith('{"owner"')]
    without = json.dumps({"format": json.loads(first)["format"], "state": False}, separators=(",", ":"))
    files = {
        "an entry after a row of state": [first, rows[0], entry],
        "a row of state after one of the owner index": [first, entry, owners[0], rows[0]],
        "rows of state in descending order": [first, entry, rows[1], rows[0]],
        "a row of state twice": [first, entry, rows[0], rows[0]],
        "a row of the owner index twice": [first, entry, owners[0], owners[0]],
        "a row of state where none was announced": [without, entry, rows[0]],
        "a row of the owner index where none was announced": [without, entry, owners[0]],
        "a field twice": [without, entry.replace('"entry":0', '"entry":1,"entry":0')],
        "a number with a sign": [without, entry.replace('"entry":0', '"entry":-0')],
        "a number above 2^53 - 1": [without, entry.replace('"entry":0', f'"entry":{2**53}')],
    }
    return [{"what": what, "lines": made} for what, made in files.items()]
