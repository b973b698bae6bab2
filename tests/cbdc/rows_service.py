"""Rows of the table: HandOver and Recover."""

from cbdc.token import MERCHANT, Token
from cbdc.transaction import HandOver, Recover, SignedTransaction
from tests.cbdc.scene import CASH, HELD, Rows, Scene
from tests.cbdc.world import BANK_ONE, BANK_TWO

ROWS = Rows()


def hand(
    s: Scene,
    *signers: str,
    keys: tuple[str, ...] = ("ayan",),
    banks: tuple[int, int] = (BANK_ONE, BANK_TWO),
    holder: str = "ayan",
) -> SignedTransaction:
    """Ayan's keys go from bank one to bank two."""
    kids = tuple(s.kid(name) for name in keys)
    return s.sign(HandOver(s.nonce(), s.pseudonym(holder), *banks, kids, "resolution 1"), *signers)


BOTH = ("enforcement", "bank2")


@ROWS("HandOver")
def another_bank_serves_a_holder(s: Scene) -> SignedTransaction:
    return hand(s, *BOTH)


@ROWS("HandOver")
def a_second_key_follows_later(s: Scene) -> SignedTransaction:
    s.register("ayan.2")
    s.submit(hand(s, *BOTH))
    return hand(s, *BOTH, keys=("ayan.2",))


@ROWS("HandOver")
def a_frozen_holder_is_handed_over(s: Scene) -> SignedTransaction:
    s.freeze("ayan")
    return hand(s, *BOTH)


@ROWS("HandOver", "E_AUTHORITY")
def a_bank_takes_a_holder_over_alone(s: Scene) -> SignedTransaction:
    return hand(s, "bank2")


@ROWS("HandOver", "E_AUTHORITY")
def the_authority_hands_over_alone(s: Scene) -> SignedTransaction:
    return hand(s, "enforcement")


@ROWS("HandOver", "E_BANK_SCOPE")
def the_bank_that_loses_signs_instead(s: Scene) -> SignedTransaction:
    return hand(s, "enforcement", "bank1")


@ROWS("HandOver", "E_HANDOVER_BANK")
def a_holder_is_not_with_the_bank_named(s: Scene) -> SignedTransaction:
    return hand(s, *BOTH, banks=(7, BANK_TWO))


@ROWS("HandOver", "E_HANDOVER_BANK")
def handed_over_to_the_same_bank(s: Scene) -> SignedTransaction:
    return hand(s, "enforcement", "bank1", banks=(BANK_ONE, BANK_ONE))


@ROWS("HandOver", "E_HANDOVER_BANK")
def a_key_of_somebody_else_is_handed_over(s: Scene) -> SignedTransaction:
    return hand(s, *BOTH, keys=("ayan", "aruzhan"))


@ROWS("HandOver", "E_HANDOVER_BANK")
def an_inventory_is_handed_over(s: Scene) -> SignedTransaction:
    return hand(s, *BOTH, keys=("inventory1",), holder="inventory1")


@ROWS("HandOver", "E_HANDOVER_BANK")
def handed_over_twice(s: Scene) -> SignedTransaction:
    s.submit(hand(s, *BOTH))
    return hand(s, *BOTH)


@ROWS("HandOver", "E_KEY_UNKNOWN")
def a_key_nobody_knows_is_handed_over(s: Scene) -> SignedTransaction:
    return hand(s, *BOTH, keys=("nobody",))


# --- Recover ---


def recover(
    s: Scene,
    *signers: str,
    inputs: tuple[str, ...] = ("ayan",),
    outputs: tuple[Token, ...] | None = None,
    old: str = "ayan",
    new: str = "ayan.2",
) -> SignedTransaction:
    """Ayan's lost key gives way to ayan.2, registered first."""
    if s.ledger.registered(s.kid(new)) is None:
        s.register(new)
    given = (s.out(new, CASH),) if outputs is None else outputs
    chosen = tuple(s.tokens[name] for name in inputs)
    return s.sign(Recover(s.nonce(), s.kid(old), s.kid(new), chosen, given, "loss 1"), *signers)


ALL = ("enforcement", "bank1", "ayan.2")


@ROWS("Recover")
def a_lost_keys_money_is_recovered(s: Scene) -> SignedTransaction:
    return recover(s, *ALL)


@ROWS("Recover")
def a_lost_key_without_money_is_retired(s: Scene) -> SignedTransaction:
    return recover(s, *ALL, inputs=(), outputs=())


@ROWS("Recover")
def a_frozen_holder_is_recovered(s: Scene) -> SignedTransaction:
    s.freeze("ayan")
    return recover(s, *ALL)


@ROWS("Recover")
def marked_money_is_recovered_with_its_mark(s: Scene) -> SignedTransaction:
    s.register("pupil.2", s.ledger.registered(s.kid("pupil")).category, tier=0)  # type: ignore[union-attr]
    outputs = (s.out("pupil.2", HELD["pupil"], s.meals),)
    return recover(
        s,
        "enforcement",
        "bank1",
        "pupil.2",
        inputs=("pupil",),
        outputs=outputs,
        old="pupil",
        new="pupil.2",
    )


@ROWS("Recover", "E_TOKEN_SPENT")
def a_spent_token_is_recovered(s: Scene) -> SignedTransaction:
    s.pay("ayan", ("shop", CASH))
    return recover(s, *ALL)


@ROWS("Recover", "E_AUTHORITY")
def a_bank_recovers_alone(s: Scene) -> SignedTransaction:
    return recover(s, "bank1", "ayan.2")


@ROWS("Recover", "E_AUTHORITY")
def the_authority_recovers_alone(s: Scene) -> SignedTransaction:
    return recover(s, "enforcement", "ayan.2")


@ROWS("Recover", "E_BANK_SCOPE")
def another_bank_recovers(s: Scene) -> SignedTransaction:
    return recover(s, "enforcement", "bank2", "ayan.2")


@ROWS("Recover", "E_POSSESSION")
def the_new_key_does_not_sign_the_recovery(s: Scene) -> SignedTransaction:
    return recover(s, "enforcement", "bank1")


@ROWS("Recover", "E_SUM_LEDGER")
def more_is_recovered_than_was_lost(s: Scene) -> SignedTransaction:
    return recover(s, *ALL, outputs=(s.out("ayan.2", CASH + 1),))


@ROWS("Recover", "E_MARK_DROPPED")
def a_recovery_takes_the_mark_off(s: Scene) -> SignedTransaction:
    s.register("pupil.2", s.ledger.registered(s.kid("pupil")).category, tier=0)  # type: ignore[union-attr]
    signers = ("enforcement", "bank1", "pupil.2")
    outputs = (s.out("pupil.2", HELD["pupil"]),)
    return recover(s, *signers, inputs=("pupil",), outputs=outputs, old="pupil", new="pupil.2")


@ROWS("Recover", "E_CATEGORY_LEDGER")
def a_recovery_pays_somebody_else(s: Scene) -> SignedTransaction:
    return recover(s, *ALL, outputs=(s.out("aruzhan", CASH),))


@ROWS("Recover", "E_ONE_HOLDER")
def two_holders_are_recovered_at_once(s: Scene) -> SignedTransaction:
    return recover(s, *ALL, inputs=("ayan", "shop"), outputs=(s.out("ayan.2", 2 * CASH),))


@ROWS("Recover", "E_RECOVER_KEYS")
def the_new_key_is_another_holders(s: Scene) -> SignedTransaction:
    return recover(s, "enforcement", "bank1", "aruzhan", inputs=(), outputs=(), new="aruzhan")


@ROWS("Recover", "E_RECOVER_KEYS")
def the_new_key_is_of_another_category(s: Scene) -> SignedTransaction:
    s.register("ayan.2", MERCHANT)
    return recover(s, *ALL, inputs=(), outputs=())


@ROWS("Recover", "E_RECOVER_KEYS")
def money_goes_back_to_the_lost_key(s: Scene) -> SignedTransaction:
    return recover(s, *ALL, outputs=(s.out("ayan", CASH),))


@ROWS("Recover", "E_RECOVER_KEYS")
def money_behind_a_quorum_is_recovered(s: Scene) -> SignedTransaction:
    return recover(s, *ALL, inputs=("quorum",), outputs=(s.out("ayan.2", HELD["quorum"]),))


@ROWS("Recover", "E_RECOVER_KEYS")
def a_key_recovers_itself(s: Scene) -> SignedTransaction:
    return recover(s, "enforcement", "bank1", "ayan", inputs=(), outputs=(), new="ayan")


@ROWS("Recover", "E_RECOVER_KEYS")
def money_of_the_holders_other_key_is_taken_along(s: Scene) -> SignedTransaction:
    s.register("ayan.3")
    return recover(s, *ALL, outputs=(s.out("ayan.2", CASH),), old="ayan.3")


@ROWS("Recover", "E_KEY_RETIRED")
def a_lost_key_is_recovered_to_a_third(s: Scene) -> SignedTransaction:
    s.rotate("ayan", "ayan.3")
    return recover(s, *ALL)


@ROWS("Recover", "E_KEY_UNKNOWN")
def a_key_nobody_knows_is_recovered(s: Scene) -> SignedTransaction:
    return recover(s, *ALL, inputs=(), outputs=(), old="nobody")
