"""Rows of what a mark becomes: shares that go on, where it ends, who else may mark, what is freed; and of registers."""

from typing import Any

from cbdc.clause import PAYEE, BasketLine
from cbdc.clauses import Cap, Document, Drops, Listed, Marks, Release, Share
from cbdc.marks import MarkDefinition
from cbdc.record import Signed
from cbdc.token import CANTEEN, MERCHANT, PUPIL, SUPPLIER, TREASURY_ACCOUNT, QuorumLock, TokenId
from cbdc.transaction import LoadOffline, ReleaseMark, SignedTransaction, Transfer
from tests.cbdc.rows_clauses import (
    ACT,
    INVOICE,
    LAST_ACT,
    MILK,
    MONEY,
    OTHER_PAPER,
    PAID,
    PAPER,
    define,
    food,
    listed,
    pay,
)
from tests.cbdc.rows_limits import monthly
from tests.cbdc.scene import CASH, FORTUNE, Rows, Scene
from tests.cbdc.world import END, fixed_bytes

ROWS = Rows()


# --- SHARE, DROPS, MARKS ---


def taxed(s: Scene) -> tuple[Signed[MarkDefinition], bytes]:
    """A mark of which three twenty-fifths (12 percent) go on as tax, and the tax's mark."""
    tax = define(s, purpose=9)
    s.mark(tax, ("supplier", 1))
    return define(s, Share("tax", (), (), 3, 25, tax.oid)), tax.oid


@ROWS("Transfer")
def a_share_goes_on_as_tax(s: Scene) -> SignedTransaction:
    mark, tax = taxed(s)
    return pay(s, mark=mark, outputs=(s.out("canteen", 4_800, tax), s.out("canteen", 35_200, mark.oid)))


@ROWS("Transfer")
def a_broken_tiyn_goes_to_the_share(s: Scene) -> SignedTransaction:
    mark, tax = taxed(s)
    return pay(s, mark=mark, outputs=(s.out("canteen", 1, tax), s.out("canteen", 1, mark.oid)))


@ROWS("Transfer", "E_MARK_SHARE")
def share_is_kept_back(s: Scene) -> SignedTransaction:
    mark, _ = taxed(s)
    return pay(s, mark=mark)


@ROWS("Transfer", "E_MARK_SHARE")
def share_is_a_tiyn_short(s: Scene) -> SignedTransaction:
    mark, tax = taxed(s)
    return pay(s, mark=mark, outputs=(s.out("canteen", 4_799, tax), s.out("canteen", 35_201, mark.oid)))


@ROWS("Transfer", "E_MARK_SHARE")
def payer_keeps_the_share(s: Scene) -> SignedTransaction:
    mark, tax = taxed(s)
    outputs = (s.out("canteen", PAID, mark.oid), s.out("pupil", 4_800, tax))
    return pay(s, mark=mark, outputs=outputs)


@ROWS("Transfer", "E_MARK_DROPPED")
def own_money_is_turned_into_tax(s: Scene) -> SignedTransaction:
    mark, tax = taxed(s)
    return pay(s, mark=mark, outputs=(s.out("pupil", PAID, tax),))


@ROWS("Transfer", "E_MARK_PAYEES")
def payee_hides_the_share_behind_his_own_token(s: Scene) -> SignedTransaction:
    mark, _ = taxed(s)
    given, own = s.mark(mark, ("pupil", PAID), ("canteen", 5))
    record = Transfer(s.nonce(), (own, given), (s.out("canteen", PAID + 5, mark.oid),))
    return s.sign(record, "pupil", "canteen")


@ROWS("Transfer", "E_MARK_PAYEES")
def two_payees_under_clauses(s: Scene) -> SignedTransaction:
    s.register("bistro", CANTEEN, tier=0)
    definition = define(s, monthly(PAID))
    outputs = tuple(s.out(name, PAID // 2, definition.oid) for name in ("canteen", "bistro"))
    return pay(s, mark=definition, outputs=outputs)


@ROWS("Transfer", "E_MARK_PAYEES")
def two_payers_under_clauses(s: Scene) -> SignedTransaction:
    s.register("friend", PUPIL, tier=0)
    definition = define(s, monthly(PAID))
    tokens = s.mark(definition, ("pupil", PAID // 2), ("friend", PAID // 2))
    record = Transfer(s.nonce(), tuple(tokens), (s.out("canteen", PAID, definition.oid),))
    return s.sign(record, "pupil", "friend")


@ROWS("Transfer", "E_MARK_PAYEES")
def treasury_hands_out_to_many_on_one_paper(s: Scene) -> SignedTransaction:
    for name in ("pupil", "canteen"):
        s.attest(name, CASH, fact_kind=INVOICE, document=PAPER)
    scope = ("papers", (TREASURY_ACCOUNT,), ())
    definition = define(s, Document(*scope, s.kid("register"), INVOICE, PAYEE))
    outputs = (s.out("pupil", CASH - 5, definition.oid), s.out("canteen", 5, definition.oid))
    record = Transfer(s.nonce(), (s.tokens["budget"],), outputs, definition.encode(), documents=(PAPER,))
    return s.sign(record, "budget")


@ROWS("Transfer")
def own_tokens_are_merged_under_clauses(s: Scene) -> SignedTransaction:
    definition = define(s, monthly(1), food(), Drops("end", (), (CANTEEN,)))
    tokens = s.mark(definition, ("pupil", 7), ("pupil", 5))
    return s.sign(Transfer(s.nonce(), tuple(tokens), (s.out("pupil", 12, definition.oid),)), "pupil")


@ROWS("Transfer")
def mark_ends_at_the_canteen(s: Scene) -> SignedTransaction:
    return pay(s, Drops("end", (), (CANTEEN,)), outputs=(s.out("canteen", PAID),))


@ROWS("Transfer", "E_MARK_DROPPED")
def mark_is_kept_where_it_ends(s: Scene) -> SignedTransaction:
    return pay(s, Drops("end", (), (CANTEEN,)))


@ROWS("Transfer", "E_MARK_DROPPED")
def mark_ends_only_elsewhere(s: Scene) -> SignedTransaction:
    return pay(s, Drops("end", (), (SUPPLIER,)), outputs=(s.out("canteen", PAID),))


@ROWS("Transfer", "E_MARK_DROPPED")
def change_is_freed_where_the_mark_ends(s: Scene) -> SignedTransaction:
    outputs = (s.out("canteen", PAID), s.out("pupil", MONEY - PAID))
    return pay(s, Drops("end", (), (CANTEEN,)), outputs=outputs)


@ROWS("Transfer", "E_MARK_PAYEES")
def canteen_frees_its_own_token_in_passing(s: Scene) -> SignedTransaction:
    definition = define(s, Drops("end", (), (CANTEEN,)))
    given, own = s.mark(definition, ("pupil", 5), ("canteen", PAID))
    record = Transfer(s.nonce(), (given, own), (s.out("canteen", PAID + 5),))
    return s.sign(record, "pupil", "canteen")


@ROWS("Transfer", "E_MARK_LOCK")
def payee_among_the_payers_gets_it_behind_a_quorum(s: Scene) -> SignedTransaction:
    definition = define(s)
    given, own = s.mark(definition, ("pupil", PAID), ("canteen", 5))
    lock = QuorumLock(1, (s.kid("canteen"), s.kid("shop")))
    record = Transfer(s.nonce(), (given, own), (s.out("", PAID + 5, definition.oid, lock),))
    return s.sign(record, "pupil", "canteen")


def vat(s: Scene) -> Signed[MarkDefinition]:
    """A mark that merchants put on 12 percent of what they pay suppliers."""
    definition = define(s, Marks("vat", (MERCHANT,), (SUPPLIER,), 3, 25))
    s.mark(definition, ("supplier", 1))
    return definition


def vat_payment(s: Scene, marked: int, payee: str = "supplier") -> SignedTransaction:
    mark = vat(s).oid
    outputs = [s.out(payee, marked, mark), s.out(payee, PAID - marked), s.out("shop", CASH - PAID)]
    return s.transfer(["shop"], outputs, ["shop"])


@ROWS("Transfer")
def merchant_marks_the_tax(s: Scene) -> SignedTransaction:
    return vat_payment(s, 4_800)


@ROWS("Transfer", "E_MARK_SHARE")
def merchant_marks_too_little_tax(s: Scene) -> SignedTransaction:
    return vat_payment(s, 4_799)


@ROWS("Transfer", "E_MARK_SHARE")
def merchant_marks_too_much_tax(s: Scene) -> SignedTransaction:
    return vat_payment(s, 4_801)


@ROWS("Transfer", "E_MARK_ISSUER")
def merchant_marks_for_anybody(s: Scene) -> SignedTransaction:
    return vat_payment(s, 4_800, "canteen")


@ROWS("Transfer", "E_MARK_ISSUER")
def merchant_marks_for_itself(s: Scene) -> SignedTransaction:
    return vat_payment(s, 4_800, "shop")


@ROWS("Transfer", "E_MARK_PAYEES")
def two_merchants_mark_together(s: Scene) -> SignedTransaction:
    mark = vat(s).oid
    outputs = [s.out("supplier", 3, mark), s.out("supplier", 22), s.out("shop", FORTUNE + CASH - 25)]
    return s.transfer(["shop", "rich"], outputs, ["shop", "rich"])


@ROWS("Transfer", "E_MARK_LISTED")
def what_a_merchant_marks_is_judged_too(s: Scene) -> SignedTransaction:
    definition = define(s, Marks("vat", (MERCHANT,), (), 1, 1), listed(s, payers=(MERCHANT,)))
    s.mark(definition, ("supplier", 1))
    return s.transfer(["shop"], [s.out("supplier", CASH, definition.oid)], ["shop"])


# --- RELEASE ---


def retention(s: Scene) -> Signed[MarkDefinition]:
    """Nine tenths of an act are freed at once, the last tenth on the last act."""
    first = Release("acts", (SUPPLIER,), (), s.kid("register"), ACT, 9, 10)
    last = Release("last acts", (SUPPLIER,), (), s.kid("register"), LAST_ACT, 1, 1)
    return define(s, first, last, release_categories=(SUPPLIER, CANTEEN))


def free(
    s: Scene,
    amount: int,
    *documents: bytes,
    token: TokenId | None = None,
    held: int = MONEY,
    who: str = "supplier",
) -> SignedTransaction:
    definition = retention(s)
    chosen = token or s.mark(definition, (who, MONEY))[0]
    outputs = [s.out(who, amount)]
    if held > amount:
        outputs.append(s.out(who, held - amount, definition.oid))
    return s.sign(ReleaseMark(s.nonce(), (chosen,), tuple(outputs), (), documents), who)


def act(s: Scene, amount: int = MONEY, **fields: Any) -> None:
    s.attest("supplier", amount, **{"fact_kind": ACT, "document": PAPER, **fields})


@ROWS("ReleaseMark")
def act_frees_its_part(s: Scene) -> SignedTransaction:
    act(s)
    return free(s, 90_000, PAPER)


@ROWS("ReleaseMark")
def last_act_frees_what_was_retained(s: Scene) -> SignedTransaction:
    act(s)
    act(s, 10_000, fact_kind=LAST_ACT, document=OTHER_PAPER)
    first = free(s, 90_000, PAPER)
    s.submit(first)
    return free(s, 10_000, OTHER_PAPER, token=TokenId(first.id, 1), held=10_000)


@ROWS("ReleaseMark")
def both_acts_free_everything(s: Scene) -> SignedTransaction:
    act(s)
    act(s, 10_000, fact_kind=LAST_ACT, document=OTHER_PAPER)
    return free(s, MONEY, OTHER_PAPER, PAPER)


@ROWS("ReleaseMark", "E_MARK_RELEASE_SUM")
def a_broken_tiyn_stays_marked(s: Scene) -> SignedTransaction:
    act(s, 11)
    return free(s, 10, PAPER)


@ROWS("ReleaseMark", "E_MARK_RELEASE_SUM")
def retained_part_is_freed_too(s: Scene) -> SignedTransaction:
    act(s)
    return free(s, 90_001, PAPER)


@ROWS("ReleaseMark", "E_MARK_RELEASE_SUM")
def act_named_twice_frees_once(s: Scene) -> SignedTransaction:
    act(s, 50_000)
    return free(s, 45_001, PAPER, PAPER)


@ROWS("ReleaseMark", "E_MARK_RELEASE_SUM")
def act_frees_twice(s: Scene) -> SignedTransaction:
    act(s, 50_000)
    first = free(s, 45_000, PAPER)
    s.submit(first)
    return free(s, 1, PAPER, token=TokenId(first.id, 1), held=55_000)


@ROWS("ReleaseMark", "E_MARK_RELEASE_SUM")
def act_of_another_firm(s: Scene) -> SignedTransaction:
    s.attest("canteen", MONEY, fact_kind=ACT, document=PAPER)
    return free(s, 1, PAPER)


@ROWS("ReleaseMark", "E_MARK_RELEASE_SUM")
def act_that_was_taken_back(s: Scene) -> SignedTransaction:
    act(s)
    act(s, standing=0)
    return free(s, 1, PAPER)


@ROWS("ReleaseMark", "E_MARK_RELEASE_SUM")
def act_lowered_after_a_release(s: Scene) -> SignedTransaction:
    act(s)
    first = free(s, 45_000, PAPER)
    s.submit(first)
    act(s, 50_000)
    return free(s, 1, PAPER, token=TokenId(first.id, 1), held=55_000)


@ROWS("ReleaseMark", "E_MARK_RELEASE_SUM")
def one_act_under_two_release_clauses_frees_once(s: Scene) -> SignedTransaction:
    act(s)
    twice = [Release(name, (), (), s.kid("register"), ACT, 1, 2) for name in ("one", "two")]
    definition = define(s, *twice, release_categories=(SUPPLIER,))
    token = s.mark(definition, ("supplier", MONEY))[0]
    outputs = (s.out("supplier", 50_001), s.out("supplier", 49_999, definition.oid))
    return s.sign(ReleaseMark(s.nonce(), (token,), outputs, (), (PAPER,)), "supplier")


@ROWS("ReleaseMark", "E_MARK_RELEASE_HOLDER")
def two_holders_release_on_one_act(s: Scene) -> SignedTransaction:
    act(s)
    definition = retention(s)
    tokens = s.mark(definition, ("supplier", 5), ("canteen", 5))
    outputs = (s.out("supplier", 10),)
    return s.sign(ReleaseMark(s.nonce(), tuple(tokens), outputs, (), (PAPER,)), "supplier", "canteen")


@ROWS("ReleaseMark", "E_MARK_RELEASE")
def holder_that_no_release_clause_names(s: Scene) -> SignedTransaction:
    s.attest("canteen", MONEY, fact_kind=ACT, document=PAPER)
    return free(s, 1, PAPER, who="canteen")


@ROWS("ReleaseMark", "E_MARK_RELEASE_SUM")
def released_on_no_paper(s: Scene) -> SignedTransaction:
    act(s)
    return free(s, 1)


# --- LoadOffline ---


@ROWS("LoadOffline", "E_MARK_OFFLINE")
def mark_asks_for_what_no_receiver_knows(s: Scene) -> SignedTransaction:
    clause = Listed("licence", (), (), s.kid("register"), 1, 2)
    definition = s.definition("licensed", clauses=(clause,))
    s.tokens["licensed"] = s.mark(definition, ("pupil", 9_000))[0]
    outputs = (s.out("escrow", 9_000, definition.oid),)
    return s.sign(LoadOffline(s.nonce(), (s.tokens["licensed"],), outputs, fixed_bytes("device"), 1), "pupil")


@ROWS("LoadOffline", "E_MARK_OFFLINE")
def who_may_free_it_takes_none_along(s: Scene) -> SignedTransaction:
    outputs = (s.out("escrow", 200_000, s.meals),)
    record = LoadOffline(s.nonce(), (s.tokens["supplier"],), outputs, fixed_bytes("device"), 1)
    return s.sign(record, "supplier")


@ROWS("LoadOffline")
def mark_whose_caps_a_receiver_knows(s: Scene) -> SignedTransaction:
    definition = s.definition("capped", clauses=(Cap("cap", (), (), 5),))
    token = s.mark(definition, ("pupil", 9_000))[0]
    outputs = (s.out("escrow", 9_000, definition.oid),)
    return s.sign(LoadOffline(s.nonce(), (token,), outputs, fixed_bytes("device"), 1), "pupil")


# --- Attest ---


@ROWS("Attest")
def register_speaks(s: Scene) -> SignedTransaction:
    record = s.attest_record("canteen", 5, document=PAPER, lines=(BasketLine(MILK, 1, 5),))
    return s.sign(record, "register")


@ROWS("Attest")
def register_takes_it_back(s: Scene) -> SignedTransaction:
    s.attest("canteen", 5)
    return s.sign(s.attest_record("canteen", 0, standing=0), "register")


@ROWS("Attest")
def register_speaks_of_somebody_unknown(s: Scene) -> SignedTransaction:
    return s.sign(s.attest_record("nobody"), "register")


@ROWS("Attest", "E_AUTHORITY")
def holder_speaks_of_itself(s: Scene) -> SignedTransaction:
    return s.sign(s.attest_record("canteen"), "canteen")


@ROWS("Attest", "E_AUTHORITY")
def treasury_speaks_for_a_register(s: Scene) -> SignedTransaction:
    return s.sign(s.attest_record("canteen"), "treasury")


@ROWS("Attest", "E_AUTHORITY_TIME")
def register_has_expired(s: Scene) -> SignedTransaction:
    s.clock.move_to(END + 1)
    return s.sign(s.attest_record("canteen"), "register")


@ROWS("Attest", "E_ATTEST")
def two_registers_speak_at_once(s: Scene) -> SignedTransaction:
    return s.sign(s.attest_record("canteen"), "register", "register2")


@ROWS("Attest", "E_SIG")
def fact_is_changed_after_it_was_signed(s: Scene) -> SignedTransaction:
    right = s.sign(s.attest_record("canteen", 5), "register")
    more = s.sign(s.attest_record("canteen", 6), "register")
    return SignedTransaction(more.record, more.body, more.id, right.witnesses)
