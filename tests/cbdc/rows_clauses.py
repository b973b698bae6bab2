"""Rows of the clauses of marks: each kind allows what it says, and refuses the rest; and what registers say.

`pay` makes a mark of some clauses, hands money under it to the pupil, and pays the canteen; a row says what is
different. The register has entered nothing unless the row lets it.
"""

from typing import Any

from cbdc.clause import PAIR, PAYEE, PAYER, BasketLine, Clause
from cbdc.clauses import (
    Document,
    Goods,
    Listed,
    Prices,
)
from cbdc.marks import MarkDefinition
from cbdc.record import Signed
from cbdc.token import CANTEEN, MERCHANT, PUPIL, SUPPLIER, TREASURY_ACCOUNT, Token, TokenId
from cbdc.transaction import SignedTransaction, Transfer
from tests.cbdc.scene import CASH, Rows, Scene
from tests.cbdc.world import fixed_bytes

ROWS = Rows()

MONEY = 100_000
PAID = 40_000
LICENCE, INVOICE, ACT, LAST_ACT = 1, 2, 3, 4
PAPER, OTHER_PAPER = fixed_bytes("paper"), fixed_bytes("other paper")
MILK, BREAD, WINE = 10, 11, 90
EDGES = (
    (TREASURY_ACCOUNT, (PUPIL, CANTEEN, SUPPLIER)),
    (PUPIL, (CANTEEN, PUPIL)),
    (CANTEEN, (SUPPLIER, CANTEEN)),
    (MERCHANT, (SUPPLIER,)),
)


def define(s: Scene, *clauses: Clause, **fields: Any) -> Signed[MarkDefinition]:
    """A mark with these clauses and no cap."""
    values = {"edges": EDGES, "payment_cap_tiyn": 0, "evidence": b"", "max_hops": 0}
    return s.definition("clauses", clauses=clauses, **{**values, **fields})


def pay(
    s: Scene,
    *clauses: Clause,
    amount: int = PAID,
    lines: tuple[tuple[int, int, int], ...] = (),
    documents: tuple[bytes, ...] = (),
    signed_by_payee: bool = True,
    outputs: tuple[Token, ...] = (),
    mark: Signed[MarkDefinition] | None = None,
) -> SignedTransaction:
    """The pupil pays the canteen under a mark with these clauses (or `mark`); the rest comes back."""
    definition = mark or define(s, *clauses)
    token = s.mark(definition, ("pupil", MONEY))[0]
    wanted = outputs or (s.out("canteen", amount, definition.oid),)
    rest = MONEY - sum(output.amount_tiyn for output in wanted)
    change = (s.out("pupil", rest, definition.oid),) if rest else ()
    basket = tuple(BasketLine(*line) for line in lines)
    record = Transfer(s.nonce(), (token,), (*wanted, *change), b"", (), basket, documents)
    return s.sign(record, "pupil", *(["canteen"] if signed_by_payee else []))


def again(s: Scene, transaction: SignedTransaction, amount: int = PAID, **fields: Any) -> SignedTransaction:
    """After an accepted payment, another one of the change, with the same papers unless fields say otherwise."""
    s.submit(transaction)
    record = transaction.record
    assert isinstance(record, Transfer)
    change = record.outputs[-1]
    outputs = (
        s.out("canteen", amount, change.mark),
        s.out("pupil", change.amount_tiyn - amount, change.mark),
    )
    lines = fields.get("lines", record.lines)
    documents = fields.get("documents", record.documents)
    token = TokenId(transaction.id, len(record.outputs) - 1)
    return s.sign(Transfer(s.nonce(), (token,), outputs, b"", (), lines, documents), "pupil", "canteen")


# --- LISTED ---


def listed(s: Scene, about: int = PAYEE, document: bytes = b"", **scope: Any) -> Listed:
    return Listed("licensed", scope.get("payers", ()), (), s.kid("register"), LICENCE, about, document)


@ROWS("Transfer")
def payee_has_a_licence(s: Scene) -> SignedTransaction:
    s.attest("canteen")
    return pay(s, listed(s))


@ROWS("Transfer")
def payer_takes_part_in_a_project(s: Scene) -> SignedTransaction:
    s.attest("pupil", document=PAPER)
    return pay(s, listed(s, PAYER, PAPER))


@ROWS("Transfer")
def payee_and_payer_have_a_contract(s: Scene) -> SignedTransaction:
    s.attest("canteen", counterparty=s.pseudonym("pupil"))
    return pay(s, listed(s, PAIR))


@ROWS("Transfer")
def licence_is_valid_to_its_last_second(s: Scene) -> SignedTransaction:
    s.attest("canteen", expires=s.clock.now())
    return pay(s, listed(s))


@ROWS("Transfer")
def clause_for_other_payers_asks_nothing(s: Scene) -> SignedTransaction:
    return pay(s, listed(s, payers=(CANTEEN,)))


@ROWS("Transfer")
def clause_for_other_payees_asks_nothing(s: Scene) -> SignedTransaction:
    return pay(s, Listed("licensed", (), (SUPPLIER,), s.kid("register"), LICENCE, PAYEE))


def handed_out(s: Scene, mark: Signed[MarkDefinition]) -> SignedTransaction:
    """The budget marks money and hands it to the pupil and the canteen."""
    outputs = [s.out("pupil", CASH - 5, mark.oid), s.out("canteen", 5, mark.oid)]
    return s.transfer(["budget"], outputs, ["budget"], definition=mark.encode())


@ROWS("Transfer")
def treasury_hands_out_without_being_asked(s: Scene) -> SignedTransaction:
    return handed_out(s, define(s, listed(s)))


@ROWS("Transfer", "E_MARK_LISTED")
def treasury_hands_out_to_a_stranger(s: Scene) -> SignedTransaction:
    s.attest("pupil")
    return handed_out(s, define(s, listed(s, payers=(TREASURY_ACCOUNT,))))


@ROWS("Transfer", "E_MARK_LISTED")
def payee_has_no_licence(s: Scene) -> SignedTransaction:
    s.attest("supplier")
    return pay(s, listed(s))


@ROWS("Transfer", "E_MARK_LISTED")
def licence_is_of_another_kind(s: Scene) -> SignedTransaction:
    s.attest("canteen", fact_kind=INVOICE)
    return pay(s, listed(s))


@ROWS("Transfer", "E_MARK_LISTED")
def licence_is_of_another_register(s: Scene) -> SignedTransaction:
    s.attest("canteen", signer="register2")
    return pay(s, listed(s))


@ROWS("Transfer", "E_MARK_LISTED")
def licence_is_for_another_project(s: Scene) -> SignedTransaction:
    s.attest("canteen", document=OTHER_PAPER)
    return pay(s, listed(s, document=PAPER))


@ROWS("Transfer", "E_MARK_LISTED")
def licence_was_taken_back(s: Scene) -> SignedTransaction:
    s.attest("canteen")
    s.attest("canteen", standing=0)
    return pay(s, listed(s))


@ROWS("Transfer", "E_MARK_LISTED")
def licence_ended_a_second_ago(s: Scene) -> SignedTransaction:
    s.attest("canteen", expires=s.clock.now() - 1)
    return pay(s, listed(s))


@ROWS("Transfer", "E_MARK_LISTED")
def contract_is_the_other_way_round(s: Scene) -> SignedTransaction:
    s.attest("pupil", counterparty=s.pseudonym("canteen"))
    return pay(s, listed(s, PAIR))


# --- DOCUMENT ---


def invoices(s: Scene, same_lines: int = 0, name: str = "invoices") -> Document:
    return Document(name, (), (), s.kid("register"), INVOICE, PAYEE, same_lines)


def invoice(s: Scene, amount: int = PAID, **fields: Any) -> None:
    s.attest("canteen", amount, **{"fact_kind": INVOICE, "document": PAPER, **fields})


@ROWS("Transfer")
def invoice_is_paid(s: Scene) -> SignedTransaction:
    invoice(s)
    return pay(s, invoices(s), documents=(PAPER,))


@ROWS("Transfer")
def two_invoices_are_paid_together(s: Scene) -> SignedTransaction:
    invoice(s, PAID - 1)
    invoice(s, 1, document=OTHER_PAPER)
    return pay(s, invoices(s), documents=(PAPER, OTHER_PAPER))


@ROWS("Transfer")
def invoice_is_paid_in_two_parts(s: Scene) -> SignedTransaction:
    invoice(s, 2 * PAID)
    return again(s, pay(s, invoices(s), documents=(PAPER,)))


@ROWS("Transfer")
def invoice_is_raised_and_the_rest_is_paid(s: Scene) -> SignedTransaction:
    invoice(s)
    first = pay(s, invoices(s), documents=(PAPER,))
    second = again(s, first)
    invoice(s, 2 * PAID)
    return second


@ROWS("Transfer")
def two_clauses_use_an_invoice_up_once(s: Scene) -> SignedTransaction:
    invoice(s, 2 * PAID)
    return again(s, pay(s, invoices(s), invoices(s, name="again"), documents=(PAPER,)))


@ROWS("Transfer")
def one_invoice_stands_and_another_does_not(s: Scene) -> SignedTransaction:
    invoice(s)
    invoice(s, PAID, document=OTHER_PAPER, standing=0)
    return pay(s, invoices(s), documents=(OTHER_PAPER, PAPER))


@ROWS("Transfer", "E_MARK_DOCUMENT")
def no_invoice_is_named(s: Scene) -> SignedTransaction:
    invoice(s)
    return pay(s, invoices(s))


@ROWS("Transfer", "E_MARK_DOCUMENT")
def invoice_is_not_in_the_register(s: Scene) -> SignedTransaction:
    invoice(s)
    return pay(s, invoices(s), documents=(OTHER_PAPER,))


@ROWS("Transfer", "E_MARK_DOCUMENT")
def invoice_is_anothers(s: Scene) -> SignedTransaction:
    s.attest("supplier", PAID, fact_kind=INVOICE, document=PAPER)
    return pay(s, invoices(s), documents=(PAPER,))


@ROWS("Transfer", "E_MARK_DOCUMENT")
def invoice_was_taken_back(s: Scene) -> SignedTransaction:
    invoice(s)
    invoice(s, standing=0)
    return pay(s, invoices(s), documents=(PAPER,))


@ROWS("Transfer", "E_MARK_DOCUMENT_SUM")
def paid_above_the_invoice(s: Scene) -> SignedTransaction:
    invoice(s, PAID - 1)
    return pay(s, invoices(s), documents=(PAPER,))


@ROWS("Transfer", "E_MARK_DOCUMENT_SUM")
def invoice_named_twice_counts_once(s: Scene) -> SignedTransaction:
    invoice(s, PAID - 1)
    return pay(s, invoices(s), documents=(PAPER, PAPER))


@ROWS("Transfer", "E_MARK_DOCUMENT_SUM")
def invoice_is_paid_twice(s: Scene) -> SignedTransaction:
    invoice(s)
    return again(s, pay(s, invoices(s), documents=(PAPER,)))


@ROWS("Transfer", "E_MARK_DOCUMENT_SUM")
def invoice_is_lowered_after_a_part_was_paid(s: Scene) -> SignedTransaction:
    invoice(s, 2 * PAID)
    second = again(s, pay(s, invoices(s), documents=(PAPER,)))
    invoice(s, PAID - 1)
    return second


@ROWS("Transfer", "E_MARK_DOCUMENT_SUM")
def invoice_that_was_taken_back_does_not_count(s: Scene) -> SignedTransaction:
    invoice(s, PAID - 1)
    invoice(s, PAID, document=OTHER_PAPER, standing=0)
    return pay(s, invoices(s), documents=(PAPER, OTHER_PAPER))


@ROWS("Transfer", "E_MARK_DOCUMENT_SUM")
def invoice_is_paid_again_under_another_mark(s: Scene) -> SignedTransaction:
    invoice(s)
    s.submit(pay(s, invoices(s), documents=(PAPER,)))
    other = define(s, invoices(s), purpose=8)
    return pay(s, mark=other, documents=(PAPER,))


def itemised(s: Scene) -> None:
    invoice(s, PAID, lines=(BasketLine(MILK, 1, PAID // 2), BasketLine(BREAD, 1, PAID // 2)))


@ROWS("Transfer")
def items_are_paid_as_invoiced(s: Scene) -> SignedTransaction:
    itemised(s)
    lines = ((MILK, 1, PAID // 4), (BREAD, 1, PAID // 2), (MILK, 1, PAID // 4))
    return pay(s, invoices(s, 1), documents=(PAPER,), lines=lines)


@ROWS("Transfer", "E_MARK_DOCUMENT_LINES")
def item_is_paid_above_its_line(s: Scene) -> SignedTransaction:
    itemised(s)
    lines = ((MILK, 1, PAID // 2 + 1), (BREAD, 1, PAID // 2 - 1))
    return pay(s, invoices(s, 1), documents=(PAPER,), lines=lines)


@ROWS("Transfer", "E_MARK_DOCUMENT_LINES")
def item_is_not_on_the_invoice(s: Scene) -> SignedTransaction:
    itemised(s)
    return pay(s, invoices(s, 1), documents=(PAPER,), amount=5, lines=((WINE, 1, 5),))


@ROWS("Transfer", "E_MARK_DOCUMENT_LINES")
def item_is_paid_twice_within_the_sum(s: Scene) -> SignedTransaction:
    itemised(s)
    first = pay(s, invoices(s, 1), documents=(PAPER,), amount=PAID // 2, lines=((MILK, 1, PAID // 2),))
    return again(s, first, PAID // 2)


@ROWS("Transfer", "E_MARK_BASKET")
def items_are_not_named(s: Scene) -> SignedTransaction:
    itemised(s)
    return pay(s, invoices(s, 1), documents=(PAPER,))


# --- GOODS and PRICES ---


def food() -> Goods:
    return Goods("food", (), (), 1, ((MILK, BREAD),))


def no_wine() -> Goods:
    return Goods("no wine", (), (), 0, ((WINE, WINE + 9),))


@ROWS("Transfer")
def food_is_bought(s: Scene) -> SignedTransaction:
    return pay(s, food(), lines=((MILK, 2, PAID - 5), (BREAD, 1, 5)))


@ROWS("Transfer")
def anything_but_wine_is_bought(s: Scene) -> SignedTransaction:
    return pay(s, no_wine(), lines=((WINE - 1, 1, PAID - 1), (WINE + 10, 1, 1)))


@ROWS("Transfer", "E_MARK_GOODS")
def wine_among_food(s: Scene) -> SignedTransaction:
    return pay(s, food(), lines=((MILK, 2, PAID - 5), (WINE, 1, 5)))


@ROWS("Transfer", "E_MARK_GOODS")
def wine_for_a_child(s: Scene) -> SignedTransaction:
    return pay(s, no_wine(), lines=((WINE + 9, 1, PAID),))


@ROWS("Transfer", "E_MARK_BASKET")
def nothing_is_said_of_the_goods(s: Scene) -> SignedTransaction:
    return pay(s, no_wine())


@ROWS("Transfer", "E_MARK_BASKET")
def a_part_of_the_goods_is_not_said(s: Scene) -> SignedTransaction:
    return pay(s, food(), lines=((MILK, 2, PAID - 1),))


@ROWS("Transfer", "E_MARK_BASKET")
def payer_alone_says_what_he_buys(s: Scene) -> SignedTransaction:
    return pay(s, food(), lines=((MILK, 2, PAID),), signed_by_payee=False)


def prices() -> Prices:
    return Prices("prices", (), (), ((MILK, 15_000),))


@ROWS("Transfer")
def milk_at_the_highest_price(s: Scene) -> SignedTransaction:
    return pay(s, prices(), lines=((MILK, 2, 30_000), (WINE, 1, 10_000)))


@ROWS("Transfer", "E_MARK_PRICE")
def milk_above_the_price(s: Scene) -> SignedTransaction:
    return pay(s, prices(), lines=((MILK, 2, 30_001), (BREAD, 1, 9_999)))


@ROWS("Transfer", "E_MARK_PRICE")
def cheap_milk_does_not_make_up_for_dear_milk(s: Scene) -> SignedTransaction:
    return pay(s, prices(), lines=((MILK, 4, 24_999), (MILK, 1, 15_001)))


@ROWS("Transfer", "E_MARK_BASKET")
def prices_are_not_told(s: Scene) -> SignedTransaction:
    return pay(s, prices())
