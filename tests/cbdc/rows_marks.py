"""Rows of marked money: marking, paying, releasing and expiring it."""

from typing import Any

from cbdc.token import CANTEEN, SUPPLIER, TREASURY_ACCOUNT, HashLock, QuorumLock, TokenId
from cbdc.transaction import ExpireMark, ReleaseMark, SignedTransaction
from tests.cbdc.scene import CASH, HELD, Rows, Scene
from tests.cbdc.world import DAY, END

ROWS = Rows()
CAP = 250_000


# --- Transfer of marked money ---


@ROWS("Transfer")
def pupil_pays_canteen(s: Scene) -> SignedTransaction:
    rest = s.out("pupil", HELD["pupil"] - CAP, s.meals)
    return s.transfer(["pupil"], [s.out("canteen", CAP, s.meals), rest], ["pupil"])


@ROWS("Transfer")
def own_money_moves_to_a_second_key(s: Scene) -> SignedTransaction:
    s.register("pupil.2", 3, tier=0)
    return s.transfer(["pupil"], [s.out("pupil.2", HELD["pupil"], s.meals)], ["pupil"])


@ROWS("Transfer")
def own_marked_money_behind_a_quorum(s: Scene) -> SignedTransaction:
    s.register("pupil.2", 3, tier=0)
    lock = QuorumLock(2, (s.kid("pupil"), s.kid("pupil.2")))
    return s.transfer(["pupil"], [s.out("", HELD["pupil"], s.meals, lock)], ["pupil"])


@ROWS("Transfer")
def two_canteens_each_below_the_cap(s: Scene) -> SignedTransaction:
    s.register("bistro", CANTEEN, tier=0)
    outputs = [s.out(name, HELD["pupil"] // 2, s.meals) for name in ("canteen", "bistro")]
    return s.transfer(["pupil"], outputs, ["pupil"])


@ROWS("Transfer")
def budget_hands_out_more_than_a_cap(s: Scene) -> SignedTransaction:
    return s.transfer(["budget"], [s.out("pupil", CASH, s.meals)], ["budget"])


@ROWS("Transfer")
def definition_that_is_known_already(s: Scene) -> SignedTransaction:
    envelope = s.meals_definition.encode()
    return s.transfer(["budget"], [s.out("pupil", CASH, s.meals)], ["budget"], definition=envelope)


@ROWS("Transfer")
def budget_marks_a_part_for_itself(s: Scene) -> SignedTransaction:
    outputs = [s.out("budget", 400_000, s.meals), s.out("budget", CASH - 400_000)]
    return s.transfer(["budget"], outputs, ["budget"])


def new_mark(s: Scene, **fields: Any) -> SignedTransaction:
    """The budget gives a pupil money of a new mark, with a definition in which `fields` differ."""
    definition = s.definition("new", **fields)
    output = s.out("pupil", CASH, definition.oid)
    return s.transfer(["budget"], [output], ["budget"], definition=definition.encode())


@ROWS("Transfer")
def definition_comes_with_the_first_transfer(s: Scene) -> SignedTransaction:
    return new_mark(s)


@ROWS("Transfer", "E_SIG")
def definition_signed_by_nobody_certified(s: Scene) -> SignedTransaction:
    return new_mark(s, signer="budget")


@ROWS("Transfer", "E_MARK_ISSUER")
def definition_brought_by_another_account(s: Scene) -> SignedTransaction:
    return new_mark(s, issuer=s.kid("inventory1"))


@ROWS("Transfer", "E_MARK_ISSUER")
def definition_names_no_treasury_account(s: Scene) -> SignedTransaction:
    definition = s.definition("shop's own", issuer=s.kid("shop"), edges=((2, (3,)),))
    output = s.out("pupil", CASH, definition.oid)
    return s.transfer(["shop"], [output], ["shop"], definition=definition.encode())


@ROWS("Transfer", "E_MARK_UNKNOWN")
def mark_without_definition(s: Scene) -> SignedTransaction:
    return s.transfer(["budget"], [s.out("pupil", CASH, bytes(32))], ["budget"])


@ROWS("Transfer", "E_MARK_ISSUER")
def shop_marks_its_own_money(s: Scene) -> SignedTransaction:
    return s.transfer(["shop"], [s.out("shop", CASH, s.meals)], ["shop"])


@ROWS("Transfer", "E_MARK_ISSUER")
def budget_marks_anothers_money_too(s: Scene) -> SignedTransaction:
    return s.transfer(["budget", "shop"], [s.out("pupil", 2 * CASH, s.meals)], ["budget", "shop"])


@ROWS("Transfer", "E_MARK_EDGE")
def budget_marks_to_a_merchant(s: Scene) -> SignedTransaction:
    return s.transfer(["budget"], [s.out("shop", CASH, s.meals)], ["budget"])


@ROWS("Transfer", "E_MARK_TIME")
def budget_marks_after_the_last_day(s: Scene) -> SignedTransaction:
    s.clock.move_to(s.meals_definition.record.valid_until + 1)
    return s.transfer(["budget"], [s.out("pupil", CASH, s.meals)], ["budget"])


@ROWS("Transfer", "E_MARK_LOCK")
def budget_marks_behind_a_quorum(s: Scene) -> SignedTransaction:
    lock = QuorumLock(1, (s.kid("pupil"), s.kid("shop")))
    return s.transfer(["budget"], [s.out("", CASH, s.meals, lock)], ["budget"])


@ROWS("Transfer", "E_MARK_MIXED")
def free_and_marked_money_together(s: Scene) -> SignedTransaction:
    s.tokens["free"] = s.fund(("pupil", CASH))[0]
    return s.transfer(["pupil", "free"], [s.out("canteen", CASH + HELD["pupil"], s.meals)], ["pupil"])


@ROWS("Transfer", "E_MARK_DROPPED")
def payee_gets_it_free(s: Scene) -> SignedTransaction:
    return s.transfer(["pupil"], [s.out("canteen", HELD["pupil"])], ["pupil"])


@ROWS("Transfer", "E_MARK_DROPPED")
def change_comes_back_free(s: Scene) -> SignedTransaction:
    outputs = [s.out("canteen", 1_000, s.meals), s.out("pupil", HELD["pupil"] - 1_000)]
    return s.transfer(["pupil"], outputs, ["pupil"])


@ROWS("Transfer", "E_MARK_DROPPED")
def mark_is_swapped(s: Scene) -> SignedTransaction:
    other = s.definition("other")
    s.mark(other, ("pupil", 1_000))
    return s.transfer(["pupil"], [s.out("canteen", HELD["pupil"], other.oid)], ["pupil"])


@ROWS("Transfer", "E_MARK_LOCK")
def marked_money_behind_a_hash(s: Scene) -> SignedTransaction:
    lock = HashLock(bytes(32), s.kid("pupil"), s.kid("canteen"), s.clock.now() + DAY)
    return s.transfer(["pupil"], [s.out("", HELD["pupil"], s.meals, lock)], ["pupil"])


@ROWS("Transfer", "E_MARK_TIME")
def paid_after_the_last_day(s: Scene) -> SignedTransaction:
    s.clock.move_to(s.meals_definition.record.valid_until + 1)
    return s.transfer(["pupil"], [s.out("canteen", HELD["pupil"], s.meals)], ["pupil"])


@ROWS("Transfer", "E_MARK_EDGE")
def pupil_pays_a_shop(s: Scene) -> SignedTransaction:
    return s.transfer(["pupil"], [s.out("shop", HELD["pupil"], s.meals)], ["pupil"])


@ROWS("Transfer", "E_MARK_EDGE")
def pupil_cashes_out_at_a_bank(s: Scene) -> SignedTransaction:
    return s.transfer(["pupil"], [s.out("inventory1", HELD["pupil"], s.meals)], ["pupil"])


@ROWS("Transfer", "E_MARK_EDGE")
def one_persons_two_categories_are_two_holders(s: Scene) -> SignedTransaction:
    # The same pseudonym registered as a supplier too: a way around the canteen, if "own money" looked at names only.
    s.register("pupil.firm", SUPPLIER, tier=0)
    return s.transfer(["pupil"], [s.out("pupil.firm", HELD["pupil"], s.meals)], ["pupil"])


@ROWS("Transfer", "E_MARK_CAP")
def over_the_cap(s: Scene) -> SignedTransaction:
    rest = s.out("pupil", HELD["pupil"] - CAP - 1, s.meals)
    return s.transfer(["pupil"], [s.out("canteen", CAP + 1, s.meals), rest], ["pupil"])


@ROWS("Transfer", "E_MARK_CAP")
def cap_evaded_by_two_outputs(s: Scene) -> SignedTransaction:
    outputs = [s.out("canteen", HELD["pupil"] // 2, s.meals)] * 2
    return s.transfer(["pupil"], outputs, ["pupil"])


# --- ReleaseMark ---


def release(
    s: Scene, *statements: bytes, free_tiyn: int = HELD["supplier"], inputs: tuple[str, ...] = ("supplier",)
) -> SignedTransaction:
    """The supplier releases a part of what it holds on these statements."""
    total = sum(HELD[name] for name in inputs)
    outputs = [s.out("supplier", free_tiyn)]
    if free_tiyn < total:
        outputs.append(s.out("supplier", total - free_tiyn, s.meals))
    chosen = tuple(s.tokens[name] for name in inputs)
    return s.sign(ReleaseMark(s.nonce(), chosen, tuple(outputs), statements), "supplier")


def said(s: Scene, amount_tiyn: int, **fields: Any) -> bytes:
    """The register's statement for the supplier, as an envelope."""
    mark, holder = fields.pop("mark", s.meals), fields.pop("who", "supplier")
    return s.statement(mark, holder, amount_tiyn, **fields).encode()


@ROWS("ReleaseMark")
def supplier_releases_what_is_proven(s: Scene) -> SignedTransaction:
    return release(s, said(s, 150_000), said(s, 50_000))


@ROWS("ReleaseMark")
def supplier_releases_a_part(s: Scene) -> SignedTransaction:
    return release(s, said(s, 1_000), free_tiyn=1_000)


@ROWS("ReleaseMark")
def earned_money_is_released_after_the_last_day(s: Scene) -> SignedTransaction:
    s.clock.move_to(s.meals_definition.record.valid_until + 1)
    return release(s, said(s, HELD["supplier"]))


@ROWS("ReleaseMark")
def mark_that_needs_no_evidence(s: Scene) -> SignedTransaction:
    easy = s.definition("easy", evidence=b"", edges=((TREASURY_ACCOUNT, (SUPPLIER,)),))
    token = s.mark(easy, ("supplier", 9_000))[0]
    return s.sign(ReleaseMark(s.nonce(), (token,), (s.out("supplier", 9_000),), ()), "supplier")


@ROWS("ReleaseMark", "E_MARK_NONE")
def free_money_is_released(s: Scene) -> SignedTransaction:
    record = ReleaseMark(s.nonce(), (s.tokens["shop"],), (s.out("shop", CASH),), ())
    return s.sign(record, "shop")


@ROWS("ReleaseMark", "E_MARK_RELEASE")
def canteen_is_not_the_last_recipient(s: Scene) -> SignedTransaction:
    outputs = (s.out("canteen", HELD["canteen"]),)
    envelope = said(s, HELD["canteen"], who="canteen")
    return s.sign(ReleaseMark(s.nonce(), (s.tokens["canteen"],), outputs, (envelope,)), "canteen")


@ROWS("ReleaseMark", "E_MARK_RELEASE_HOLDER")
def released_to_somebody_else(s: Scene) -> SignedTransaction:
    record = ReleaseMark(
        s.nonce(),
        (s.tokens["supplier"],),
        (s.out("shop", HELD["supplier"]),),
        (said(s, HELD["supplier"]),),
    )
    return s.sign(record, "supplier")


@ROWS("ReleaseMark", "E_MARK_RELEASE_HOLDER")
def released_together_with_another_holder(s: Scene) -> SignedTransaction:
    inputs = (s.tokens["supplier"], s.tokens["canteen"])
    outputs = (s.out("supplier", 200_000), s.out("canteen", 200_000, s.meals))
    return s.sign(ReleaseMark(s.nonce(), inputs, outputs, (said(s, 200_000),)), "supplier", "canteen")


@ROWS("ReleaseMark", "E_MARK_DROPPED")
def released_into_another_mark(s: Scene) -> SignedTransaction:
    other = s.definition("other")
    s.mark(other, ("pupil", 1_000))
    record = ReleaseMark(
        s.nonce(),
        (s.tokens["supplier"],),
        (s.out("supplier", HELD["supplier"], other.oid),),
        (said(s, HELD["supplier"]),),
    )
    return s.sign(record, "supplier")


@ROWS("ReleaseMark", "E_MARK_EVIDENCE")
def too_little_is_proven(s: Scene) -> SignedTransaction:
    return release(s, said(s, HELD["supplier"] - 1))


@ROWS("ReleaseMark", "E_MARK_EVIDENCE")
def nothing_is_proven(s: Scene) -> SignedTransaction:
    return release(s)


@ROWS("ReleaseMark", "E_STATEMENT")
def statement_for_another_holder(s: Scene) -> SignedTransaction:
    return release(s, said(s, HELD["supplier"], who="canteen"))


@ROWS("ReleaseMark", "E_STATEMENT")
def statement_for_another_mark(s: Scene) -> SignedTransaction:
    return release(s, said(s, HELD["supplier"], mark=bytes(32)))


@ROWS("ReleaseMark", "E_STATEMENT")
def statement_of_another_register(s: Scene) -> SignedTransaction:
    return release(s, said(s, HELD["supplier"], register=s.kid("operator"), signer="operator"))


@ROWS("ReleaseMark", "E_SIG")
def statement_signed_by_the_holder(s: Scene) -> SignedTransaction:
    return release(s, said(s, HELD["supplier"], signer="supplier"))


@ROWS("ReleaseMark", "E_AUTHORITY")
def evidence_register_is_not_certified(s: Scene) -> SignedTransaction:
    odd = s.definition("odd", evidence=s.kid("shop"), edges=((TREASURY_ACCOUNT, (SUPPLIER,)),))
    token = s.mark(odd, ("supplier", 9_000))[0]
    envelope = said(s, 9_000, mark=odd.oid, register=s.kid("shop"), signer="shop")
    return s.sign(ReleaseMark(s.nonce(), (token,), (s.out("supplier", 9_000),), (envelope,)), "supplier")


@ROWS("ReleaseMark", "E_AUTHORITY_TIME")
def evidence_register_has_expired(s: Scene) -> SignedTransaction:
    s.clock.move_to(END + 1)
    return release(s, said(s, HELD["supplier"]))


@ROWS("ReleaseMark", "E_STATEMENT_USED")
def statement_used_before(s: Scene) -> SignedTransaction:
    envelope = said(s, 1_000)
    first = release(s, envelope, free_tiyn=1_000)
    s.submit(first)
    s.tokens["supplier"] = TokenId(first.id, 1)
    total = HELD["supplier"] - 1_000
    outputs = (s.out("supplier", 1_000), s.out("supplier", total - 1_000, s.meals))
    return s.sign(ReleaseMark(s.nonce(), (s.tokens["supplier"],), outputs, (envelope,)), "supplier")


@ROWS("ReleaseMark", "E_STATEMENT_USED")
def statement_stands_twice(s: Scene) -> SignedTransaction:
    envelope = said(s, HELD["supplier"] // 2)
    return release(s, envelope, envelope)


@ROWS("ReleaseMark", "E_LOCKED")
def released_by_a_thief(s: Scene) -> SignedTransaction:
    right = release(s, said(s, HELD["supplier"]))
    return s.sign(right.record, "canteen")


@ROWS("ReleaseMark", "E_SUM_LEDGER")
def release_makes_money(s: Scene) -> SignedTransaction:
    return release(s, said(s, CASH), free_tiyn=HELD["supplier"] + 1)


@ROWS("ReleaseMark", "E_FROZEN")
def frozen_holder_releases(s: Scene) -> SignedTransaction:
    s.freeze("supplier")
    return release(s, said(s, HELD["supplier"]))


@ROWS("ReleaseMark", "E_CATEGORY_LEDGER")
def escrow_releases_what_it_keeps_for_devices(s: Scene) -> SignedTransaction:
    odd = s.definition("odd", evidence=b"", release_categories=(202,))
    token = s.mark(odd, ("pupil", 9_000))[0]
    kept = s.load("pupil", token, 9_000)[0]
    return s.sign(ReleaseMark(s.nonce(), (kept,), (s.out("escrow", 9_000),), ()), "escrow")


# --- ExpireMark ---


def expire(
    s: Scene, name: str = "pupil", to: str = "budget", signer: str = "treasury", days: int = 1
) -> SignedTransaction:
    """The treasury returns a marked token of the scene, `days` after its last day."""
    s.clock.move_to(s.meals_definition.record.valid_until + days)
    record = ExpireMark(s.nonce(), (s.tokens[name],), (s.out(to, HELD[name]),))
    return s.sign(record, signer)


@ROWS("ExpireMark")
def treasury_returns_the_rest(s: Scene) -> SignedTransaction:
    return expire(s)


@ROWS("ExpireMark")
def treasury_collects_from_many(s: Scene) -> SignedTransaction:
    s.clock.move_to(s.meals_definition.record.valid_until + 1)
    names = ("pupil", "canteen", "supplier")
    total = sum(HELD[name] for name in names)
    inputs = tuple(s.tokens[name] for name in names)
    return s.sign(ExpireMark(s.nonce(), inputs, (s.out("budget", total),)), "treasury")


@ROWS("ExpireMark")
def account_has_a_newer_key(s: Scene) -> SignedTransaction:
    s.rotate("budget", "budget.2", "treasury")
    return expire(s, to="budget.2")


@ROWS("ExpireMark")
def a_freeze_does_not_keep_the_budgets_money(s: Scene) -> SignedTransaction:
    s.freeze("pupil")
    return expire(s)


@ROWS("ExpireMark", "E_MARK_NOT_OVER")
def last_day_is_not_over(s: Scene) -> SignedTransaction:
    return expire(s, days=0)


@ROWS("ExpireMark", "E_AUTHORITY")
def holder_expires_it(s: Scene) -> SignedTransaction:
    return expire(s, signer="pupil")


@ROWS("ExpireMark", "E_AUTHORITY_TIME")
def treasury_has_expired(s: Scene) -> SignedTransaction:
    s.clock.move_to(END + 1)
    record = ExpireMark(s.nonce(), (s.tokens["pupil"],), (s.out("budget", HELD["pupil"]),))
    return s.sign(record, "treasury")


@ROWS("ExpireMark", "E_MARK_RETURN")
def returned_to_another_account(s: Scene) -> SignedTransaction:
    s.register("other", TREASURY_ACCOUNT, registrar="treasury")
    return expire(s, to="other")


@ROWS("ExpireMark", "E_MARK_RETURN")
def returned_with_its_mark(s: Scene) -> SignedTransaction:
    s.clock.move_to(s.meals_definition.record.valid_until + 1)
    record = ExpireMark(s.nonce(), (s.tokens["pupil"],), (s.out("budget", HELD["pupil"], s.meals),))
    return s.sign(record, "treasury")


def first_use(s: Scene, return_to: str) -> SignedTransaction:
    """The budget marks its cash under a definition whose rest returns to this account."""
    odd = s.definition("odd", return_to=s.kid(return_to))
    return s.transfer(["budget"], [s.out("pupil", CASH, odd.oid)], ["budget"], definition=odd.encode())


@ROWS("Transfer", "E_MARK_RETURN")
def account_was_never_registered(s: Scene) -> SignedTransaction:
    return first_use(s, "nobody")


@ROWS("Transfer", "E_MARK_RETURN")
def returned_to_a_private_account(s: Scene) -> SignedTransaction:
    return first_use(s, "shop")


@ROWS("ExpireMark", "E_PLAIN_LOCK")
def returned_behind_a_quorum(s: Scene) -> SignedTransaction:
    s.clock.move_to(s.meals_definition.record.valid_until + 1)
    lock = QuorumLock(1, (s.kid("budget"), s.kid("shop")))
    record = ExpireMark(s.nonce(), (s.tokens["pupil"],), (s.out("", HELD["pupil"], lock=lock),))
    return s.sign(record, "treasury")


@ROWS("ExpireMark", "E_CATEGORY_LEDGER")
def what_backs_a_note_stays_in_escrow(s: Scene) -> SignedTransaction:
    return expire(s, "escrow_meals")


@ROWS("ExpireMark", "E_MARK_NONE")
def free_money_expires(s: Scene) -> SignedTransaction:
    return expire(s, "shop")


@ROWS("ExpireMark", "E_MARK_MIXED")
def two_marks_expire_together(s: Scene) -> SignedTransaction:
    other = s.definition("other")
    token = s.mark(other, ("pupil", 9_000))[0]
    s.clock.move_to(other.record.valid_until + 1)
    outputs = (s.out("budget", HELD["pupil"] + 9_000),)
    return s.sign(ExpireMark(s.nonce(), (s.tokens["pupil"], token), outputs), "treasury")


@ROWS("ExpireMark", "E_SUM_LEDGER")
def expiry_loses_money(s: Scene) -> SignedTransaction:
    s.clock.move_to(s.meals_definition.record.valid_until + 1)
    record = ExpireMark(s.nonce(), (s.tokens["pupil"],), (s.out("budget", HELD["pupil"] - 1),))
    return s.sign(record, "treasury")
