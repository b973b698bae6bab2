"""Rows of offline settlement and of keys: SettleOffline, RegisterKey, RotateKey."""

from typing import Any

from cbdc.keys import key_id
from cbdc.token import (
    BANK_INVENTORY,
    ESCROW,
    LOSS_RESERVE,
    MERCHANT,
    PERSON,
    TREASURY_ACCOUNT,
    Token,
    TokenId,
)
from cbdc.transaction import (
    SETTLE_LOSS,
    SETTLE_RECOVER,
    SETTLE_REDEEM,
    SETTLE_REFUND,
    RotateKey,
    SettleOffline,
    SignedTransaction,
)
from tests.cbdc.scene import CASH, HELD, Rows, Scene
from tests.cbdc.world import BANK_TWO, END

ROWS = Rows()


# --- SettleOffline ---


def settle(
    s: Scene, kind: int, name: str, outputs: list[Token], signer: str = "settle", fact: bytes | None = None
) -> SignedTransaction:
    """A settlement of one fact from one token of the scene."""
    record = SettleOffline(s.nonce(), kind, fact or s.unique(), (s.tokens[name],), tuple(outputs))
    return s.sign(record, signer)


@ROWS("SettleOffline")
def device_redeems(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_REDEEM, "escrow", [s.out("shop", 60_000), s.out("escrow", 40_000)])


@ROWS("SettleOffline")
def note_is_refunded(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_REFUND, "escrow", [s.out("ayan", HELD["escrow"])])


@ROWS("SettleOffline")
def loss_is_covered(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_LOSS, "reserve", [s.out("escrow", 9), s.out("reserve", CASH - 9)])


@ROWS("SettleOffline")
def loss_of_marked_money_is_covered_marked(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_LOSS, "reserve", [s.out("escrow", 9, s.meals), s.out("reserve", CASH - 9)])


@ROWS("SettleOffline")
def loss_is_recovered(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_RECOVER, "escrow", [s.out("reserve", HELD["escrow"])])


@ROWS("SettleOffline")
def marked_loss_is_recovered_as_free_money(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_RECOVER, "escrow_meals", [s.out("reserve", HELD["escrow_meals"])])


@ROWS("SettleOffline")
def mark_converts_on_redemption(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_REDEEM, "escrow_meals", [s.out("supplier", HELD["escrow_meals"])])


@ROWS("SettleOffline")
def redemption_may_pass_the_holding_limit(s: Scene) -> SignedTransaction:
    s.fund(("aruzhan", 10_000_000))
    return settle(s, SETTLE_REDEEM, "escrow", [s.out("aruzhan", HELD["escrow"])])


@ROWS("SettleOffline", "E_AUTHORITY")
def escrow_key_settles(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_REFUND, "escrow", [s.out("ayan", HELD["escrow"])], "escrow")


@ROWS("SettleOffline", "E_AUTHORITY_TIME")
def settlement_has_expired(s: Scene) -> SignedTransaction:
    s.clock.move_to(END + 1)
    return settle(s, SETTLE_REFUND, "escrow", [s.out("ayan", HELD["escrow"])])


@ROWS("SettleOffline", "E_SUM_LEDGER")
def settlement_makes_money(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_REFUND, "escrow", [s.out("ayan", HELD["escrow"] + 1)])


@ROWS("SettleOffline", "E_MARK_DROPPED")
def mark_survives_a_refund(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_REFUND, "escrow_meals", [s.out("pupil", HELD["escrow_meals"])])


@ROWS("SettleOffline", "E_MARK_DROPPED")
def mark_must_drop_where_it_converts(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_REDEEM, "escrow_meals", [s.out("supplier", HELD["escrow_meals"], s.meals)])


@ROWS("SettleOffline")
def mark_comes_home_to_who_may_not_free_it(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_REDEEM, "escrow_meals", [s.out("pupil", HELD["escrow_meals"], s.meals)])


@ROWS("SettleOffline", "E_MARK_DROPPED")
def a_load_and_a_redemption_free_no_voucher(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_REDEEM, "escrow_meals", [s.out("pupil", HELD["escrow_meals"])])


@ROWS("SettleOffline", "E_MARK_DROPPED")
def rest_in_escrow_keeps_its_mark(s: Scene) -> SignedTransaction:
    outputs = [s.out("supplier", 1), s.out("escrow", HELD["escrow_meals"] - 1)]
    return settle(s, SETTLE_REDEEM, "escrow_meals", outputs)


@ROWS("SettleOffline", "E_MARK_DROPPED")
def recovered_money_is_free(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_RECOVER, "escrow_meals", [s.out("reserve", HELD["escrow_meals"], s.meals)])


@ROWS("SettleOffline", "E_MARK_DROPPED")
def free_money_is_redeemed_marked(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_REDEEM, "escrow", [s.out("pupil", HELD["escrow"], s.meals)])


@ROWS("SettleOffline", "E_MARK_UNKNOWN")
def loss_of_an_unknown_mark(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_LOSS, "reserve", [s.out("escrow", CASH, bytes(32))])


@ROWS("SettleOffline", "E_MARK_MIXED")
def two_marks_settled_together(s: Scene) -> SignedTransaction:
    inputs = (s.tokens["escrow"], s.tokens["escrow_meals"])
    outputs = (s.out("shop", HELD["escrow"] + HELD["escrow_meals"]),)
    return s.sign(SettleOffline(s.nonce(), SETTLE_REDEEM, s.unique(), inputs, outputs), "settle")


@ROWS("SettleOffline", "E_CATEGORY_LEDGER")
def settled_from_a_wallet(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_REDEEM, "ayan", [s.out("shop", CASH)])


@ROWS("SettleOffline", "E_CATEGORY_LEDGER")
def refund_paid_by_the_reserve(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_REFUND, "reserve", [s.out("ayan", CASH)])


@ROWS("SettleOffline", "E_CATEGORY_LEDGER")
def loss_paid_to_a_wallet(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_LOSS, "reserve", [s.out("ayan", CASH)])


@ROWS("SettleOffline", "E_CATEGORY_LEDGER")
def loss_taken_from_the_escrow(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_LOSS, "escrow", [s.out("escrow", HELD["escrow"])])


@ROWS("SettleOffline", "E_CATEGORY_LEDGER")
def redeemed_into_an_inventory(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_REDEEM, "escrow", [s.out("inventory1", HELD["escrow"])])


@ROWS("SettleOffline", "E_CATEGORY_LEDGER")
def recovered_into_a_wallet(s: Scene) -> SignedTransaction:
    return settle(s, SETTLE_RECOVER, "escrow", [s.out("ayan", HELD["escrow"])])


@ROWS("SettleOffline", "E_PLAIN_LOCK")
def redeemed_behind_a_hash(s: Scene) -> SignedTransaction:
    lock = s.hash_lock()
    return settle(s, SETTLE_REDEEM, "escrow", [s.out("", HELD["escrow"], lock=lock)])


@ROWS("SettleOffline", "E_FACT_USED")
def fact_booked_before(s: Scene) -> SignedTransaction:
    fact = s.unique()
    rest = s.out("escrow", HELD["escrow"] - 9)
    first = settle(s, SETTLE_REDEEM, "escrow", [s.out("shop", 9), rest], fact=fact)
    s.submit(first)
    s.tokens["escrow"] = TokenId(first.id, 1)
    return settle(s, SETTLE_REDEEM, "escrow", [s.out("shop", HELD["escrow"] - 9)], fact=fact)


# --- RegisterKey, RotateKey ---


def register(s: Scene, signers: tuple[str, ...], category: int = PERSON, **fields: Any) -> SignedTransaction:
    """The registration of a new holder."""
    return s.sign(s.register_key("new", category, **fields), *signers)


@ROWS("RegisterKey")
def bank_registers_a_person(s: Scene) -> SignedTransaction:
    return register(s, ("new", "bank1"))


@ROWS("RegisterKey")
def bank_registers_a_p256_key(s: Scene) -> SignedTransaction:
    return s.sign(s.register_key("new-p256"), "new-p256", "bank1")


@ROWS("RegisterKey")
def tier_means_nothing_for_an_account(s: Scene) -> SignedTransaction:
    return register(s, ("new", "bank1"), BANK_INVENTORY, tier=9)


@ROWS("RegisterKey")
def two_banks_sign(s: Scene) -> SignedTransaction:
    return register(s, ("new", "bank1", "bank2"), bank_id=BANK_TWO)


@ROWS("RegisterKey", "E_POSSESSION")
def holder_did_not_sign(s: Scene) -> SignedTransaction:
    return register(s, ("bank1",))


@ROWS("RegisterKey", "E_AUTHORITY")
def no_bank_signed(s: Scene) -> SignedTransaction:
    return register(s, ("new",))


@ROWS("RegisterKey", "E_BANK_SCOPE")
def another_bank_signed(s: Scene) -> SignedTransaction:
    return register(s, ("new", "bank2"))


@ROWS("RegisterKey", "E_AUTHORITY_TIME")
def bank_has_expired(s: Scene) -> SignedTransaction:
    s.clock.move_to(END + 1)
    return register(s, ("new", "bank1"))


@ROWS("RegisterKey", "E_AUTHORITY")
def bank_registers_an_escrow(s: Scene) -> SignedTransaction:
    return register(s, ("new", "bank1"), ESCROW)


@ROWS("RegisterKey", "E_AUTHORITY")
def bank_registers_a_reserve(s: Scene) -> SignedTransaction:
    return register(s, ("new", "bank1"), LOSS_RESERVE)


@ROWS("RegisterKey", "E_AUTHORITY")
def bank_registers_a_treasury_account(s: Scene) -> SignedTransaction:
    return register(s, ("new", "bank1"), TREASURY_ACCOUNT)


@ROWS("RegisterKey", "E_AUTHORITY")
def treasury_registers_a_person(s: Scene) -> SignedTransaction:
    return register(s, ("new", "treasury"))


@ROWS("RegisterKey", "E_TIER")
def tier_is_not_in_the_policy(s: Scene) -> SignedTransaction:
    return register(s, ("new", "bank1"), MERCHANT, tier=9)


@ROWS("RegisterKey", "E_KEY_TAKEN")
def key_is_registered_already(s: Scene) -> SignedTransaction:
    return s.sign(s.register_key("ayan"), "ayan", "bank1")


@ROWS("RegisterKey", "E_KEY_TAKEN")
def retired_key_is_registered_again(s: Scene) -> SignedTransaction:
    s.rotate("ayan", "ayan.2")
    return s.sign(s.register_key("ayan"), "ayan", "bank1")


@ROWS("RegisterKey", "E_KEY_TAKEN")
def certified_key_becomes_a_wallet(s: Scene) -> SignedTransaction:
    return s.sign(s.register_key("operator"), "operator", "bank1")


@ROWS("RegisterKey", "E_PSEUDONYM_TAKEN")
def another_bank_registers_the_same_person(s: Scene) -> SignedTransaction:
    return register(s, ("new", "bank2"), bank_id=BANK_TWO, pseudonym=s.pseudonym("ayan"))


@ROWS("RegisterKey", "E_KEY")
def key_of_small_order(s: Scene) -> SignedTransaction:
    record = s.register_key("new", public_key=b"\1" + bytes(31))
    kid = key_id(record.algorithm, record.public_key)
    signed = s.sign(record, "bank1")
    return SignedTransaction(signed.record, signed.body, signed.id, (*signed.witnesses, (kid, bytes(64))))


def rotate(s: Scene, signers: tuple[str, ...], old: str = "ayan", new: str = "ayan.2") -> SignedTransaction:
    """The replacement of one key by another."""
    public = s.key(new).public
    return s.sign(RotateKey(s.nonce(), s.kid(old), public.algorithm, public.raw), *signers)


@ROWS("RotateKey")
def holder_gets_a_new_key(s: Scene) -> SignedTransaction:
    return rotate(s, ("ayan", "ayan.2", "bank1"))


@ROWS("RotateKey")
def treasury_account_gets_a_new_key(s: Scene) -> SignedTransaction:
    return rotate(s, ("budget", "budget.2", "treasury"), "budget", "budget.2")


@ROWS("RotateKey", "E_KEY_UNKNOWN")
def unknown_key_is_replaced(s: Scene) -> SignedTransaction:
    return rotate(s, ("ayan.2", "bank1"), old="nobody")


@ROWS("RotateKey", "E_POSSESSION")
def old_key_did_not_sign(s: Scene) -> SignedTransaction:
    return rotate(s, ("ayan.2", "bank1"))


@ROWS("RotateKey", "E_POSSESSION")
def new_key_did_not_sign(s: Scene) -> SignedTransaction:
    return rotate(s, ("ayan", "bank1"))


@ROWS("RotateKey", "E_AUTHORITY")
def rotated_without_the_bank(s: Scene) -> SignedTransaction:
    return rotate(s, ("ayan", "ayan.2"))


@ROWS("RotateKey", "E_BANK_SCOPE")
def rotated_by_another_bank(s: Scene) -> SignedTransaction:
    return rotate(s, ("ayan", "ayan.2", "bank2"))


@ROWS("RotateKey", "E_KEY_RETIRED")
def replaced_twice(s: Scene) -> SignedTransaction:
    s.rotate("ayan", "ayan.2")
    return rotate(s, ("ayan", "ayan.3", "bank1"), new="ayan.3")


@ROWS("RotateKey", "E_KEY_TAKEN")
def replaced_by_anothers_key(s: Scene) -> SignedTransaction:
    return rotate(s, ("ayan", "shop", "bank1"), new="shop")


@ROWS("RotateKey", "E_KEY_TAKEN")
def replaced_by_itself(s: Scene) -> SignedTransaction:
    return rotate(s, ("ayan", "bank1"), new="ayan")


@ROWS("RotateKey", "E_KEY_TAKEN")
def replaced_by_a_certified_key(s: Scene) -> SignedTransaction:
    return rotate(s, ("ayan", "operator", "bank1"), new="operator")
