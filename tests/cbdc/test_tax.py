"""The tax office's desk: what it reads from the ledger, what it confirms, and the circles it finds."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.cabinet import MemoryCabinet
from cbdc.clause import PAIR, fact_id
from cbdc.clauses import Document, Marks
from cbdc.errors import Refused, TengeError
from cbdc.ledger.state import FACT, StateKey
from cbdc.tax import FactName, TaxDesk, TaxRules, circles
from cbdc.token import FIRM, TREASURY_ACCOUNT
from cbdc.transaction import Transfer
from tests.cbdc.world import DAY, World

INVOICE, EXPORTER, REFUND = 3, 4, 9
GROSS, TAX = 116_000, 16_000


class Office:
    """A world with firms, a tax mark and a desk; `rules` by their names."""

    def __init__(self, *rules: str, firms: int = 3) -> None:
        self.world = World()
        for name in "abcd":
            self.world.register(name, FIRM, tier=0)
        self.world.fund(("budget", 1_000), *((name, 2 * GROSS) for name in "abcd"))
        register = self.world.kid("register")
        clauses = (
            Marks("at-payment", (FIRM,), (FIRM,), 16, 116),
            Document("invoices", (FIRM,), (FIRM,), register, INVOICE, PAIR),
        )
        edges = ((FIRM, (FIRM, TREASURY_ACCOUNT)), (TREASURY_ACCOUNT, (FIRM,)))
        self.vat = self.world.definition("vat", edges=edges, clauses=clauses)
        self.world.mark(self.vat, ("a", 1))
        self.cabinet = MemoryCabinet()
        self.rules = TaxRules(
            "paid" in rules,
            FactName(register, EXPORTER) if "exported" in rules else None,
            firms if "ring" in rules else 0,
            30,
        )
        self.desk = self.open()

    def open(self) -> TaxDesk:
        world = self.world
        return TaxDesk(
            world.ledger,
            self.cabinet,
            world.key("register2"),
            world.clock,
            FactName(world.kid("register"), INVOICE),
            REFUND,
            self.rules,
        )

    def invoice(self, number: int, seller: str, buyer: str, tax_tiyn: int = TAX, standing: int = 1) -> bytes:
        document = bytes([number]) * 32
        self.world.attest(
            seller,
            tax_tiyn,
            fact_kind=INVOICE,
            counterparty=self.world.pseudonym(buyer),
            document=document,
            standing=standing,
        )
        return document

    def pay(self, number: int, buyer: str, seller: str, gross_tiyn: int = GROSS) -> None:
        world = self.world
        identity, token = world.funds(buyer)[0]
        tax = -(-gross_tiyn * 16 // 116)
        outputs = [
            world.token(seller, tax, self.vat.oid),
            world.token(seller, gross_tiyn - tax),
        ]
        if token.amount_tiyn > gross_tiyn:
            outputs.append(world.token(buyer, token.amount_tiyn - gross_tiyn))
        record = Transfer(world.nonce(), (identity,), tuple(outputs), documents=(bytes([number]) * 32,))
        world.do(record, buyer)

    def claim(self, id: int, firm: str, *documents: bytes, amount_tiyn: int = TAX) -> int:
        return self.desk.claim(bytes([id]) * 32, self.world.pseudonym(firm), documents, amount_tiyn)

    def confirmed_tiyn(self, id: int, firm: str) -> int:
        key = StateKey(
            FACT,
            fact_id(self.world.kid("register2"), REFUND, self.world.pseudonym(firm), b"", bytes([id]) * 32),
        )
        fact = self.world.ledger.load([key])[key]
        return getattr(fact, "amount_tiyn", 0)


def code_of(call: object) -> str:
    with pytest.raises(TengeError) as caught:
        call()  # type: ignore[operator]
    return caught.value.code


def test_tax_that_was_paid_is_confirmed_once() -> None:
    office = Office("paid")
    first = office.invoice(1, "b", "a")
    assert code_of(lambda: office.claim(1, "a", first)) == "E_TAX_UNPAID"
    office.pay(1, "a", "b")
    assert office.claim(1, "a", first) == TAX
    assert office.confirmed_tiyn(1, "a") == TAX
    assert office.claim(1, "a", first) == TAX, "the same claim again"
    assert code_of(lambda: office.claim(2, "a", first, amount_tiyn=1)) == "E_TAX_UNPAID"
    assert office.confirmed_tiyn(2, "a") == 0


def test_a_claim_s_id_stands_for_one_claim() -> None:
    office = Office("paid")
    first = office.invoice(1, "b", "a")
    office.pay(1, "a", "b")
    office.claim(1, "a", first, amount_tiyn=10)
    assert code_of(lambda: office.claim(1, "a", first, amount_tiyn=11)) == "E_ID_REUSED"
    assert office.claim(2, "a", first, amount_tiyn=TAX - 10) == TAX - 10, "what is left may be claimed"


def test_several_invoices_make_one_claim_and_one_named_twice_counts_once() -> None:
    office = Office("paid")
    first, second = office.invoice(1, "b", "a"), office.invoice(2, "c", "a")
    office.pay(1, "a", "b")
    assert code_of(lambda: office.claim(1, "a", first, first, second, amount_tiyn=TAX + 1)) == "E_TAX_UNPAID"
    office.pay(2, "a", "c")
    assert office.claim(2, "a", first, second, amount_tiyn=2 * TAX) == 2 * TAX


def test_other_people_s_invoices_and_unknown_ones_are_refused() -> None:
    office = Office("paid")
    first = office.invoice(1, "b", "a")
    office.pay(1, "a", "b")
    assert code_of(lambda: office.claim(1, "c", first)) == "E_TAX_INVOICE"
    assert code_of(lambda: office.claim(1, "a", first, b"x" * 32)) == "E_TAX_INVOICE"
    assert code_of(lambda: office.claim(1, "a")) == "E_TAX_INVOICE"
    office.invoice(1, "b", "a", standing=0)
    assert code_of(lambda: office.claim(1, "a", first)) == "E_TAX_INVOICE", "the register took it back"


def test_what_another_register_says_is_no_invoice() -> None:
    office = Office("paid")
    other = office.world.attest_record(
        "b", TAX, fact_kind=INVOICE, counterparty=office.world.pseudonym("a"), document=b"z" * 32
    )
    office.world.do(other, "register2")
    assert office.desk.read() == {}


def test_exports_are_asked_for_and_may_be_taken_back() -> None:
    office = Office("paid", "exported")
    first = office.invoice(1, "b", "a")
    office.pay(1, "a", "b")
    assert code_of(lambda: office.claim(1, "a", first)) == "E_TAX_EXPORT"
    office.world.attest("a", fact_kind=EXPORTER)
    office.world.attest("a", fact_kind=EXPORTER, standing=0)
    assert code_of(lambda: office.claim(1, "a", first)) == "E_TAX_EXPORT"
    office.world.attest("a", fact_kind=EXPORTER)
    assert office.claim(1, "a", first) == TAX


def test_a_ring_is_found_within_its_window_only() -> None:
    office = Office("ring")
    documents = [office.invoice(n, s, b) for n, (s, b) in enumerate(("ab", "bc", "ca", "da"), start=1)]
    assert [len(ring) for ring in office.desk.rings(office.world.clock.now())] == [3]
    assert code_of(lambda: office.claim(1, "b", documents[0])) == "E_TAX_RING"
    assert code_of(lambda: office.claim(2, "a", documents[3])) == "E_TAX_RING", (
        "a sells to b, who is in it too"
    )
    office.world.clock.move_to(office.world.clock.now() + 31 * DAY)
    assert office.desk.rings(office.world.clock.now()) == []
    assert office.claim(3, "b", documents[0]) == TAX


def test_two_firms_that_trade_both_ways_are_no_ring_of_three() -> None:
    office = Office("ring")
    office.invoice(1, "a", "b")
    document = office.invoice(2, "b", "a")
    assert office.claim(1, "a", document) == TAX
    assert [len(r) for r in Office("ring", firms=2).desk.rings(office.world.clock.now())] == []


def test_a_desk_opened_again_answers_the_same() -> None:
    office = Office("paid")
    first = office.invoice(1, "b", "a")
    office.pay(1, "a", "b")
    office.claim(1, "a", first)
    size = office.world.ledger.size
    office.desk = office.open()
    assert office.claim(1, "a", first) == TAX
    assert office.world.ledger.size == size
    assert code_of(lambda: office.claim(2, "a", first)) == "E_TAX_UNPAID"


def test_a_claim_that_died_before_its_fact_is_completed() -> None:
    office = Office("paid")
    first = office.invoice(1, "b", "a")
    office.pay(1, "a", "b")
    confirm = office.desk._confirm

    def dies(*arguments: object) -> None:
        raise Refused("E_TAX_INVOICE", invoices=0)

    office.desk._confirm = dies  # type: ignore[method-assign]
    code_of(lambda: office.claim(1, "a", first))
    assert office.confirmed_tiyn(1, "a") == 0
    office.desk._confirm = confirm  # type: ignore[method-assign]
    assert office.claim(1, "a", first) == TAX
    assert office.confirmed_tiyn(1, "a") == TAX


# --- circles, against a slower way of finding them ---


def reaches(edges: Mapping[bytes, set[bytes]], start: bytes) -> set[bytes]:
    found: set[bytes] = set()
    todo = [start]
    while todo:
        for following in edges.get(todo.pop(), set()) - found:
            found.add(following)
            todo.append(following)
    return found


NODES = st.integers(0, 7).map(lambda number: bytes([number]))
GRAPHS = st.dictionaries(NODES, st.sets(NODES, max_size=4), max_size=8)


@given(GRAPHS)
def test_circles_are_the_nodes_that_reach_each_other(edges: dict[bytes, set[bytes]]) -> None:
    nodes = set(edges).union(*edges.values()) if edges else set()
    reach = {node: reaches(edges, node) for node in nodes}
    wanted = {frozenset(other for other in reach[node] if node in reach[other]) | {node} for node in nodes}
    found = circles(edges)
    assert {ring for ring in wanted if len(ring) > 1} == set(found)
    assert found == sorted(found, key=min)
    assert len(set().union(*found)) == sum(len(ring) for ring in found), "no firm is in two circles"


def test_a_long_circle_needs_no_recursion() -> None:
    names = [number.to_bytes(3, "big") for number in range(20_000)]
    edges = {name: {names[(place + 1) % len(names)]} for place, name in enumerate(names)}
    assert circles(edges) == [frozenset(names)]
