"""Rows of what institutions do with money: issue, redeem, freeze and seize."""

from cbdc.money import MAX_TIYN
from cbdc.token import QuorumLock, Token
from cbdc.transaction import Freeze, Redeem, Seize, SignedTransaction, Unfreeze
from tests.cbdc.scene import CASH, HELD, Rows, Scene
from tests.cbdc.world import END

ROWS = Rows()
EMITTERS = ("officer1", "officer3", "operator")


# --- Issue ---


@ROWS("Issue")
def two_officers_and_the_operator(s: Scene) -> SignedTransaction:
    outputs = [s.out("inventory1", 5), s.out("budget", 6), s.out("reserve", 7)]
    return s.sign(s.issue_record(outputs), *EMITTERS)


@ROWS("Issue")
def three_officers(s: Scene) -> SignedTransaction:
    return s.sign(s.issue_record([s.out("inventory1", 5)]), *EMITTERS, "officer2")


@ROWS("Issue", "E_QUORUM")
def one_officer(s: Scene) -> SignedTransaction:
    return s.sign(s.issue_record([s.out("inventory1", 5)]), "officer1", "operator")


@ROWS("Issue", "E_QUORUM")
def no_officer(s: Scene) -> SignedTransaction:
    return s.sign(s.issue_record([s.out("inventory1", 5)]), "operator", "bank1", "treasury")


@ROWS("Issue", "E_QUORUM")
def officers_have_expired(s: Scene) -> SignedTransaction:
    s.clock.move_to(END + 1)
    return s.sign(s.issue_record([s.out("inventory1", 5)]), *EMITTERS)


@ROWS("Issue", "E_AUTHORITY")
def issued_without_the_operator(s: Scene) -> SignedTransaction:
    return s.sign(s.issue_record([s.out("inventory1", 5)]), "officer1", "officer2")


@ROWS("Issue", "E_MARK_ISSUER")
def issued_with_a_mark(s: Scene) -> SignedTransaction:
    return s.sign(s.issue_record([s.out("budget", 5, s.meals)]), *EMITTERS)


@ROWS("Issue", "E_CATEGORY_LEDGER")
def issued_to_a_person(s: Scene) -> SignedTransaction:
    return s.sign(s.issue_record([s.out("inventory1", 5), s.out("ayan", 5)]), *EMITTERS)


@ROWS("Issue", "E_CATEGORY_LEDGER")
def issued_into_escrow(s: Scene) -> SignedTransaction:
    return s.sign(s.issue_record([s.out("escrow", 5)]), *EMITTERS)


@ROWS("Issue", "E_REQUEST_USED")
def request_issued_before(s: Scene) -> SignedTransaction:
    first = s.issue_record([s.out("inventory1", 5)])
    s.do(first, *EMITTERS)
    return s.sign(s.issue_record([s.out("inventory1", 5)], first.request), *EMITTERS)


@ROWS("Issue", "E_MONEY_RANGE")
def more_than_there_can_ever_be(s: Scene) -> SignedTransaction:
    return s.sign(s.issue_record([s.out("inventory1", MAX_TIYN)]), *EMITTERS)


# --- Redeem ---


def redeem(
    s: Scene, name: str, outputs: list[Token], *signers: str, request: bytes | None = None
) -> SignedTransaction:
    """A redemption of one token of the scene."""
    record = Redeem(s.nonce(), request or s.unique(), (s.tokens[name],), tuple(outputs))
    return s.sign(record, *signers)


@ROWS("Redeem")
def bank_redeems_whole(s: Scene) -> SignedTransaction:
    return redeem(s, "inventory", [], "inventory1", "operator")


@ROWS("Redeem")
def bank_redeems_a_part(s: Scene) -> SignedTransaction:
    return redeem(s, "inventory", [s.out("inventory1", 1)], "inventory1", "operator")


@ROWS("Redeem")
def treasury_redeems(s: Scene) -> SignedTransaction:
    return redeem(s, "budget", [], "budget", "operator")


@ROWS("Redeem", "E_LOCKED")
def operator_alone_redeems(s: Scene) -> SignedTransaction:
    return redeem(s, "inventory", [], "operator")


@ROWS("Redeem", "E_AUTHORITY")
def bank_alone_redeems(s: Scene) -> SignedTransaction:
    return redeem(s, "inventory", [], "inventory1")


@ROWS("Redeem", "E_AUTHORITY_TIME")
def operator_has_expired(s: Scene) -> SignedTransaction:
    s.clock.move_to(END + 1)
    return redeem(s, "inventory", [], "inventory1", "operator")


@ROWS("Redeem", "E_SUM_LEDGER")
def nothing_is_destroyed(s: Scene) -> SignedTransaction:
    return redeem(s, "inventory", [s.out("inventory1", CASH)], "inventory1", "operator")


@ROWS("Redeem", "E_SUM_LEDGER")
def redemption_makes_money(s: Scene) -> SignedTransaction:
    return redeem(s, "inventory", [s.out("inventory1", CASH + 1)], "inventory1", "operator")


@ROWS("Redeem", "E_MARK_BLOCKS")
def marked_money_is_redeemed(s: Scene) -> SignedTransaction:
    return redeem(s, "pupil", [], "pupil", "operator")


@ROWS("Redeem", "E_MARK_BLOCKS")
def treasury_redeems_marked_money(s: Scene) -> SignedTransaction:
    token = s.mark(s.definition("own"), ("budget", 9_000))[0]
    return s.sign(Redeem(s.nonce(), s.unique(), (token,), ()), "budget", "operator")


@ROWS("Redeem", "E_MARK_ISSUER")
def change_comes_back_marked(s: Scene) -> SignedTransaction:
    return redeem(s, "budget", [s.out("budget", 1, s.meals)], "budget", "operator")


@ROWS("Redeem", "E_CATEGORY_LEDGER")
def person_redeems(s: Scene) -> SignedTransaction:
    return redeem(s, "ayan", [], "ayan", "operator")


@ROWS("Redeem", "E_CATEGORY_LEDGER")
def escrow_is_redeemed(s: Scene) -> SignedTransaction:
    return redeem(s, "escrow", [], "escrow", "operator")


@ROWS("Redeem", "E_CATEGORY_LEDGER")
def change_goes_to_a_customer(s: Scene) -> SignedTransaction:
    return redeem(s, "inventory", [s.out("ayan", 1)], "inventory1", "operator")


@ROWS("Redeem", "E_CATEGORY_LEDGER")
def change_goes_to_another_bank(s: Scene) -> SignedTransaction:
    return redeem(s, "inventory", [s.out("inventory2", 1)], "inventory1", "operator")


@ROWS("Redeem", "E_ONE_HOLDER")
def two_banks_redeem_at_once(s: Scene) -> SignedTransaction:
    record = Redeem(s.nonce(), s.unique(), (s.tokens["inventory"], s.tokens["inventory2"]), ())
    return s.sign(record, "inventory1", "inventory2", "operator")


@ROWS("Redeem", "E_FROZEN")
def frozen_bank_redeems(s: Scene) -> SignedTransaction:
    s.freeze("inventory1")
    return redeem(s, "inventory", [], "inventory1", "operator")


@ROWS("Redeem", "E_REQUEST_USED")
def issue_request_is_redeemed(s: Scene) -> SignedTransaction:
    request = s.unique()
    s.do(s.issue_record([s.out("inventory1", 5)], request), *EMITTERS)
    return redeem(s, "inventory", [], "inventory1", "operator", request=request)


@ROWS("Redeem", "E_TOKEN_SPENT")
def redeemed_twice(s: Scene) -> SignedTransaction:
    s.submit(redeem(s, "inventory", [], "inventory1", "operator"))
    return redeem(s, "inventory", [], "inventory1", "operator")


# --- Freeze, Unfreeze ---


@ROWS("Freeze")
def court_freezes(s: Scene) -> SignedTransaction:
    return s.sign(Freeze(s.nonce(), s.pseudonym("ayan"), "case 7"), "enforcement")


@ROWS("Freeze")
def court_freezes_somebody_unknown_yet(s: Scene) -> SignedTransaction:
    return s.sign(Freeze(s.nonce(), bytes(32), ""), "enforcement")


@ROWS("Freeze", "E_AUTHORITY")
def bank_freezes(s: Scene) -> SignedTransaction:
    return s.sign(Freeze(s.nonce(), s.pseudonym("ayan"), "case 7"), "bank1")


@ROWS("Freeze", "E_AUTHORITY_TIME")
def expired_court_freezes(s: Scene) -> SignedTransaction:
    s.clock.move_to(END + 1)
    return s.sign(Freeze(s.nonce(), s.pseudonym("ayan"), "case 7"), "enforcement")


@ROWS("Freeze", "E_FROZEN")
def frozen_already(s: Scene) -> SignedTransaction:
    s.freeze("ayan")
    return s.sign(Freeze(s.nonce(), s.pseudonym("ayan"), "case 8"), "enforcement")


@ROWS("Unfreeze")
def court_lifts_a_freeze(s: Scene) -> SignedTransaction:
    s.freeze("ayan")
    return s.sign(Unfreeze(s.nonce(), s.pseudonym("ayan"), "closed"), "enforcement")


@ROWS("Unfreeze", "E_NOT_FROZEN")
def nothing_to_lift(s: Scene) -> SignedTransaction:
    return s.sign(Unfreeze(s.nonce(), s.pseudonym("ayan"), "closed"), "enforcement")


@ROWS("Unfreeze", "E_AUTHORITY")
def holder_lifts_it(s: Scene) -> SignedTransaction:
    s.freeze("ayan")
    return s.sign(Unfreeze(s.nonce(), s.pseudonym("ayan"), "closed"), "ayan")


# --- Seize ---


def seize(
    s: Scene, inputs: list[str], outputs: list[Token], signer: str = "enforcement"
) -> SignedTransaction:
    """A write-off of the scene's tokens."""
    chosen = tuple(s.tokens[name] for name in inputs)
    return s.sign(Seize(s.nonce(), chosen, tuple(outputs), "case 9"), signer)


@ROWS("Seize")
def court_takes_all(s: Scene) -> SignedTransaction:
    return seize(s, ["ayan"], [s.out("budget", CASH)])


@ROWS("Seize")
def court_takes_a_part_of_frozen_money(s: Scene) -> SignedTransaction:
    s.freeze("ayan")
    return seize(s, ["ayan", "quorum"], [s.out("reserve", 9), s.out("ayan", CASH + HELD["quorum"] - 9)])


@ROWS("Seize")
def seized_marked_money_is_free_in_the_budget(s: Scene) -> SignedTransaction:
    return seize(s, ["pupil"], [s.out("budget", 9), s.out("pupil", HELD["pupil"] - 9, s.meals)])


@ROWS("Seize", "E_AUTHORITY")
def bank_seizes(s: Scene) -> SignedTransaction:
    return seize(s, ["ayan"], [s.out("budget", CASH)], "bank1")


@ROWS("Seize", "E_AUTHORITY_TIME")
def expired_court_seizes(s: Scene) -> SignedTransaction:
    s.clock.move_to(END + 1)
    return seize(s, ["ayan"], [s.out("budget", CASH)])


@ROWS("Seize", "E_SUM_LEDGER")
def seizure_loses_money(s: Scene) -> SignedTransaction:
    return seize(s, ["ayan"], [s.out("budget", CASH - 1)])


@ROWS("Seize", "E_MARK_MIXED")
def free_and_marked_money_seized(s: Scene) -> SignedTransaction:
    s.fund(("pupil", 5))
    s.tokens["free"] = s.funds("pupil")[0][0]
    return seize(s, ["pupil", "free"], [s.out("budget", HELD["pupil"] + 5)])


@ROWS("Seize", "E_MARK_DROPPED")
def change_of_a_seizure_loses_its_mark(s: Scene) -> SignedTransaction:
    return seize(s, ["pupil"], [s.out("budget", 9), s.out("pupil", HELD["pupil"] - 9)])


@ROWS("Seize", "E_MARK_ISSUER")
def seized_money_gets_a_mark(s: Scene) -> SignedTransaction:
    return seize(s, ["ayan"], [s.out("budget", CASH, s.meals)])


@ROWS("Seize", "E_CATEGORY_LEDGER")
def seized_for_another_person(s: Scene) -> SignedTransaction:
    return seize(s, ["ayan"], [s.out("budget", 1), s.out("shop", CASH - 1)])


@ROWS("Seize", "E_CATEGORY_LEDGER")
def seized_from_a_bank(s: Scene) -> SignedTransaction:
    return seize(s, ["inventory"], [s.out("budget", CASH)])


@ROWS("Seize", "E_CATEGORY_LEDGER")
def seized_from_escrow(s: Scene) -> SignedTransaction:
    return seize(s, ["escrow"], [s.out("budget", HELD["escrow"])])


@ROWS("Seize", "E_CATEGORY_LEDGER")
def seizure_that_takes_nothing(s: Scene) -> SignedTransaction:
    return seize(s, ["quorum"], [s.out("ayan", HELD["quorum"])])


@ROWS("Seize", "E_ONE_HOLDER")
def money_moved_between_two_holders(s: Scene) -> SignedTransaction:
    return seize(s, ["ayan", "shop"], [s.out("budget", 1), s.out("shop", 2 * CASH - 1)])


@ROWS("Seize", "E_PLAIN_LOCK")
def change_behind_a_quorum(s: Scene) -> SignedTransaction:
    lock = QuorumLock(1, (s.kid("ayan"), s.kid("shop")))
    return seize(s, ["ayan"], [s.out("budget", 1), s.out("", CASH - 1, lock=lock)])


@ROWS("Seize", "E_TOKEN_SPENT")
def seized_twice(s: Scene) -> SignedTransaction:
    s.submit(seize(s, ["ayan"], [s.out("budget", CASH)]))
    return seize(s, ["ayan"], [s.out("reserve", CASH)])
