"""Rows of clauses that count: estimates, caps, periods and windows."""

from cbdc.clause import ALL, EVER, MONTH, PAIR, PAYEE, PAYER, BasketLine
from cbdc.clauses import Cap, Estimate, Period, Window
from cbdc.token import PUPIL, TokenId
from cbdc.transaction import SignedTransaction, Transfer
from tests.cbdc.rows_clauses import MONEY, PAID, again, define, pay
from tests.cbdc.scene import Rows, Scene
from tests.cbdc.world import DAY, END, START, ids

ROWS = Rows()


# --- ESTIMATE, CAP, PERIOD, WINDOW ---


def estimate() -> Estimate:
    return Estimate("estimate", (), (), ((1, PAID), (2, PAID // 2)))


@ROWS("Transfer")
def lines_of_the_estimate_are_paid_to_their_sums(s: Scene) -> SignedTransaction:
    lines = ((1, 1, PAID - 1), (1, 1, 1), (2, 1, PAID // 2))
    return pay(s, estimate(), amount=PAID + PAID // 2, lines=lines)


@ROWS("Transfer", "E_MARK_ESTIMATE")
def line_is_not_in_the_estimate(s: Scene) -> SignedTransaction:
    return pay(s, estimate(), lines=((3, 1, PAID),))


@ROWS("Transfer", "E_MARK_ESTIMATE_SUM")
def line_is_overspent(s: Scene) -> SignedTransaction:
    return pay(s, estimate(), lines=((2, 1, PAID // 2), (2, 1, 1), (1, 1, PAID // 2 - 1)))


@ROWS("Transfer", "E_MARK_ESTIMATE_SUM")
def line_is_overspent_by_a_second_payment(s: Scene) -> SignedTransaction:
    return again(s, pay(s, estimate(), lines=((1, 1, PAID),)), 1, lines=(BasketLine(1, 1, 1),))


@ROWS("Transfer", "E_MARK_BASKET")
def no_line_of_the_estimate_is_named(s: Scene) -> SignedTransaction:
    return pay(s, estimate())


@ROWS("Transfer")
def most_that_one_payment_takes(s: Scene) -> SignedTransaction:
    return pay(s, Cap("small", (PUPIL,), (), PAID))


@ROWS("Transfer", "E_MARK_CAP")
def one_tiyn_above_a_clauses_cap(s: Scene) -> SignedTransaction:
    return pay(s, Cap("small", (PUPIL,), (), PAID - 1))


@ROWS("Transfer", "E_MARK_CAP")
def cap_of_a_clause_evaded_by_two_outputs(s: Scene) -> SignedTransaction:
    definition = define(s, Cap("small", (PUPIL,), (), PAID - 1))
    outputs = (s.out("canteen", PAID // 2, definition.oid),) * 2
    return pay(s, mark=definition, outputs=outputs)


def monthly(cap: int, whose: int = PAYER, period: int = MONTH) -> Period:
    return Period("limit", (), (), period, whose, cap)


@ROWS("Transfer")
def month_is_used_to_its_limit(s: Scene) -> SignedTransaction:
    return again(s, pay(s, monthly(2 * PAID)))


@ROWS("Transfer")
def next_month_begins_anew(s: Scene) -> SignedTransaction:
    second = again(s, pay(s, monthly(PAID)))
    s.clock.move_to(s.clock.now() + 31 * DAY)
    return second


@ROWS("Transfer", "E_MARK_PERIOD")
def month_is_overdrawn(s: Scene) -> SignedTransaction:
    return again(s, pay(s, monthly(2 * PAID - 1)))


@ROWS("Transfer", "E_MARK_PERIOD")
def payee_gets_too_much_in_a_month(s: Scene) -> SignedTransaction:
    return again(s, pay(s, monthly(2 * PAID - 1, PAYEE)))


@ROWS("Transfer", "E_MARK_PERIOD")
def payee_gets_too_much_from_two_payers(s: Scene) -> SignedTransaction:
    definition = define(s, monthly(2 * PAID - 1, PAYEE))
    s.register("friend", PUPIL, tier=0)
    token = s.mark(definition, ("friend", PAID))[0]
    s.do(Transfer(s.nonce(), (token,), (s.out("canteen", PAID, definition.oid),)), "friend")
    return pay(s, mark=definition)


@ROWS("Transfer")
def two_payers_have_a_month_each(s: Scene) -> SignedTransaction:
    definition = define(s, monthly(PAID, PAYER))
    s.register("friend", PUPIL, tier=0)
    token = s.mark(definition, ("friend", PAID))[0]
    s.do(Transfer(s.nonce(), (token,), (s.out("canteen", PAID, definition.oid),)), "friend")
    return pay(s, mark=definition)


@ROWS("Transfer", "E_MARK_PERIOD")
def too_much_goes_between_the_two(s: Scene) -> SignedTransaction:
    return again(s, pay(s, monthly(2 * PAID - 1, PAIR)))


@ROWS("Transfer", "E_MARK_PERIOD")
def all_together_take_too_much_for_ever(s: Scene) -> SignedTransaction:
    second = again(s, pay(s, monthly(2 * PAID - 1, ALL, EVER)))
    s.clock.move_to(s.clock.now() + 80 * DAY)
    return second


@ROWS("Transfer", "E_MARK_PERIOD")
def second_key_buys_no_second_month(s: Scene) -> SignedTransaction:
    first = pay(s, monthly(2 * PAID - 1))
    s.submit(first)
    s.register("pupil.2", PUPIL, tier=0)
    mark = first.record.creates[0].mark
    record = Transfer(s.nonce(), (TokenId(first.id, 1),), (s.out("pupil.2", MONEY - PAID, mark),))
    moved = ids(s.do(record, "pupil"))[0]
    outputs = (s.out("canteen", PAID, mark), s.out("pupil.2", MONEY - 2 * PAID, mark))
    return s.sign(Transfer(s.nonce(), (moved,), outputs), "pupil.2")


@ROWS("Transfer")
def window_is_open_to_its_last_second(s: Scene) -> SignedTransaction:
    return pay(s, Window("term", (), (), s.clock.now(), s.clock.now()))


@ROWS("Transfer", "E_MARK_TIME")
def window_closed_a_second_ago(s: Scene) -> SignedTransaction:
    return pay(s, Window("term", (), (), START, s.clock.now() - 1))


@ROWS("Transfer", "E_MARK_TIME")
def window_opens_in_a_second(s: Scene) -> SignedTransaction:
    return pay(s, Window("term", (), (), s.clock.now() + 1, END))
