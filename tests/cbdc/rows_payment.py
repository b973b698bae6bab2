"""Rows of what holders do with free money: Transfer and LoadOffline."""

from cbdc.record import SIGNATURE
from cbdc.token import HashLock, QuorumLock, TokenId
from cbdc.transaction import SETTLE_REDEEM, LoadOffline, SignedTransaction
from tests.cbdc.scene import CASH, FORTUNE, HELD, PREIMAGE, Rows, Scene
from tests.cbdc.world import DAY, DAY_LIMIT, HOLDING_LIMIT, PAYMENT_LIMIT, fixed_bytes

ROWS = Rows()
HUNDRED = 10_000


# --- Transfer: right ---


@ROWS("Transfer")
def pays_and_takes_change(s: Scene) -> SignedTransaction:
    return s.transfer(["ayan"], [s.out("aruzhan", HUNDRED), s.out("ayan", CASH - HUNDRED)], ["ayan"])


@ROWS("Transfer")
def two_payers_in_one(s: Scene) -> SignedTransaction:
    return s.transfer(["ayan", "shop"], [s.out("aruzhan", 2 * CASH)], ["ayan", "shop"])


@ROWS("Transfer")
def wallet_sells_to_its_bank(s: Scene) -> SignedTransaction:
    return s.transfer(["ayan"], [s.out("inventory1", CASH)], ["ayan"])


@ROWS("Transfer")
def bank_sells_to_treasury(s: Scene) -> SignedTransaction:
    return s.transfer(["inventory"], [s.out("budget", CASH)], ["inventory1"])


@ROWS("Transfer")
def a_stranger_may_sign_too(s: Scene) -> SignedTransaction:
    return s.transfer(["ayan"], [s.out("aruzhan", CASH)], ["ayan", "rich"])


@ROWS("Transfer")
def old_key_spends_what_it_holds(s: Scene) -> SignedTransaction:
    s.rotate("ayan", "ayan.2")
    return s.transfer(["ayan"], [s.out("ayan.2", CASH)], ["ayan"])


@ROWS("Transfer")
def frozen_holder_still_receives(s: Scene) -> SignedTransaction:
    s.freeze("aruzhan")
    return s.transfer(["ayan"], [s.out("aruzhan", CASH)], ["ayan"])


@ROWS("Transfer")
def two_of_three_open_a_quorum(s: Scene) -> SignedTransaction:
    return s.transfer(["quorum"], [s.out("rich", HELD["quorum"])], ["shop", "aruzhan"])


@ROWS("Transfer")
def preimage_claims(s: Scene) -> SignedTransaction:
    return s.transfer(
        ["hashed"], [s.out("shop", HELD["hashed"])], ["shop"], preimages=(fixed_bytes("other"), PREIMAGE)
    )


@ROWS("Transfer")
def claim_in_the_last_second(s: Scene) -> SignedTransaction:
    s.clock.advance(DAY)
    return s.transfer(["hashed"], [s.out("shop", HELD["hashed"])], ["shop"], preimages=(PREIMAGE,))


@ROWS("Transfer")
def refund_after_the_deadline(s: Scene) -> SignedTransaction:
    s.clock.advance(DAY + 1)
    return s.transfer(["hashed"], [s.out("ayan", HELD["hashed"])], ["ayan"])


@ROWS("Transfer")
def exactly_the_payment_limit(s: Scene) -> SignedTransaction:
    s.fund(("ayan", PAYMENT_LIMIT))
    return s.sign(s.payment("ayan", ("shop", PAYMENT_LIMIT)), "ayan")


@ROWS("Transfer")
def exactly_the_day_limit(s: Scene) -> SignedTransaction:
    s.fund(("ayan", DAY_LIMIT))
    s.pay("ayan", ("shop", PAYMENT_LIMIT))
    return s.sign(s.payment("ayan", ("shop", DAY_LIMIT - PAYMENT_LIMIT)), "ayan")


@ROWS("Transfer")
def next_day_is_a_new_day(s: Scene) -> SignedTransaction:
    s.fund(("ayan", DAY_LIMIT))
    s.pay("ayan", ("shop", PAYMENT_LIMIT))
    s.clock.advance(DAY)
    return s.sign(s.payment("ayan", ("shop", DAY_LIMIT - PAYMENT_LIMIT + 1)), "ayan")


@ROWS("Transfer")
def exactly_the_holding_limit(s: Scene) -> SignedTransaction:
    return s.transfer(
        ["rich"], [s.out("aruzhan", HOLDING_LIMIT), s.out("rich", FORTUNE - HOLDING_LIMIT)], ["rich"]
    )


@ROWS("Transfer")
def own_money_moves_whatever_the_limits_say(s: Scene) -> SignedTransaction:
    s.register("ayan.2")
    s.fund(("ayan", HOLDING_LIMIT - CASH - HELD["quorum"] - HELD["hashed"]))
    s.settle(SETTLE_REDEEM, [s.tokens["escrow"]], [s.out("ayan", HELD["escrow"])])
    return s.sign(s.payment("ayan", ("ayan.2", HOLDING_LIMIT - HELD["quorum"] - HELD["hashed"])), "ayan")


@ROWS("Transfer")
def change_is_no_payment(s: Scene) -> SignedTransaction:
    s.fund(("ayan", HOLDING_LIMIT - CASH - HELD["quorum"] - HELD["hashed"]))
    return s.sign(s.payment("ayan", ("shop", 1)), "ayan")


# --- Transfer: refused, by guard ---


@ROWS("Transfer", "E_KEY_UNKNOWN")
def unknown_witness(s: Scene) -> SignedTransaction:
    return s.transfer(["ayan"], [s.out("aruzhan", CASH)], ["ayan", "nobody"])


@ROWS("Transfer", "E_KEY_UNKNOWN")
def unknown_payee(s: Scene) -> SignedTransaction:
    return s.transfer(["ayan"], [s.out("nobody", CASH)], ["ayan"])


@ROWS("Transfer", "E_KEY_UNKNOWN")
def unknown_second_key_of_a_quorum(s: Scene) -> SignedTransaction:
    lock = QuorumLock(1, (s.kid("shop"), s.kid("nobody")))
    return s.transfer(["ayan"], [s.out("", CASH, lock=lock)], ["ayan"])


@ROWS("Transfer", "E_KEY_UNKNOWN")
def unknown_claimant_of_a_hash_lock(s: Scene) -> SignedTransaction:
    lock = HashLock(bytes(32), s.kid("nobody"), s.kid("ayan"), s.clock.now())
    return s.transfer(["ayan"], [s.out("", CASH, lock=lock)], ["ayan"])


@ROWS("Transfer", "E_KEY_RETIRED")
def payee_has_a_newer_key(s: Scene) -> SignedTransaction:
    s.rotate("aruzhan", "aruzhan.2")
    return s.transfer(["ayan"], [s.out("aruzhan", CASH)], ["ayan"])


@ROWS("Transfer", "E_SIG")
def broken_signature(s: Scene) -> SignedTransaction:
    right = s.transfer(["ayan"], [s.out("aruzhan", CASH)], ["ayan"])
    wrong = bytes([right.witnesses[0][1][0] ^ 1]) + right.witnesses[0][1][1:]
    assert SIGNATURE.load(wrong, "signature")
    return SignedTransaction(right.record, right.body, right.id, ((s.kid("ayan"), wrong),))


@ROWS("Transfer", "E_SIG")
def signature_of_another_key(s: Scene) -> SignedTransaction:
    right = s.transfer(["ayan"], [s.out("aruzhan", CASH)], ["shop"])
    return SignedTransaction(right.record, right.body, right.id, ((s.kid("ayan"), right.witnesses[0][1]),))


@ROWS("Transfer", "E_TOKEN_SPENT")
def token_spent_before(s: Scene) -> SignedTransaction:
    first = s.transfer(["ayan"], [s.out("aruzhan", CASH)], ["ayan"])
    s.submit(first)
    return s.transfer(["ayan"], [s.out("shop", CASH)], ["ayan"])


@ROWS("Transfer", "E_TOKEN_SPENT")
def token_never_existed(s: Scene) -> SignedTransaction:
    s.tokens["ghost"] = TokenId(fixed_bytes("ghost"), 0)
    return s.transfer(["ghost"], [s.out("shop", CASH)], ["ayan"])


@ROWS("Transfer", "E_TOKEN_SPENT")
def output_beyond_the_last(s: Scene) -> SignedTransaction:
    s.tokens["beyond"] = TokenId(s.tokens["ayan"].transaction_id, 255)
    return s.transfer(["beyond"], [s.out("shop", CASH)], ["ayan"])


@ROWS("Transfer", "E_LOCKED")
def thief_signs(s: Scene) -> SignedTransaction:
    return s.transfer(["ayan"], [s.out("shop", CASH)], ["shop"])


@ROWS("Transfer", "E_LOCKED")
def second_input_is_not_theirs(s: Scene) -> SignedTransaction:
    return s.transfer(["ayan", "shop"], [s.out("ayan", 2 * CASH)], ["ayan"])


@ROWS("Transfer", "E_LOCKED")
def certified_key_opens_nothing(s: Scene) -> SignedTransaction:
    return s.transfer(["ayan"], [s.out("shop", CASH)], ["bank1", "enforcement", "settle"])


@ROWS("Transfer", "E_QUORUM")
def one_of_three_is_too_few(s: Scene) -> SignedTransaction:
    return s.transfer(["quorum"], [s.out("ayan", HELD["quorum"])], ["ayan", "rich"])


@ROWS("Transfer", "E_LOCKED")
def claim_without_preimage(s: Scene) -> SignedTransaction:
    return s.transfer(["hashed"], [s.out("shop", HELD["hashed"])], ["shop"])


@ROWS("Transfer", "E_LOCKED")
def claim_with_wrong_preimage(s: Scene) -> SignedTransaction:
    return s.transfer(["hashed"], [s.out("shop", HELD["hashed"])], ["shop"], preimages=(bytes(32),))


@ROWS("Transfer", "E_LOCKED")
def claim_by_the_payer(s: Scene) -> SignedTransaction:
    return s.transfer(["hashed"], [s.out("ayan", HELD["hashed"])], ["ayan"], preimages=(PREIMAGE,))


@ROWS("Transfer", "E_LOCKED")
def claim_after_the_deadline(s: Scene) -> SignedTransaction:
    s.clock.advance(DAY + 1)
    return s.transfer(["hashed"], [s.out("shop", HELD["hashed"])], ["shop"], preimages=(PREIMAGE,))


@ROWS("Transfer", "E_SUM_LEDGER")
def more_out_than_in(s: Scene) -> SignedTransaction:
    return s.transfer(["ayan"], [s.out("aruzhan", CASH + 1)], ["ayan"])


@ROWS("Transfer", "E_SUM_LEDGER")
def less_out_than_in(s: Scene) -> SignedTransaction:
    return s.transfer(["ayan"], [s.out("aruzhan", CASH - 1)], ["ayan"])


@ROWS("Transfer", "E_CATEGORY_LEDGER")
def wallet_pays_the_escrow(s: Scene) -> SignedTransaction:
    return s.transfer(["ayan"], [s.out("escrow", CASH)], ["ayan"])


@ROWS("Transfer", "E_CATEGORY_LEDGER")
def wallet_pays_the_reserve(s: Scene) -> SignedTransaction:
    return s.transfer(["ayan"], [s.out("reserve", CASH)], ["ayan"])


@ROWS("Transfer", "E_CATEGORY_LEDGER")
def escrow_pays_by_itself(s: Scene) -> SignedTransaction:
    return s.transfer(["escrow"], [s.out("ayan", HELD["escrow"])], ["escrow"])


@ROWS("Transfer", "E_CATEGORY_LEDGER")
def reserve_pays_by_itself(s: Scene) -> SignedTransaction:
    return s.transfer(["reserve"], [s.out("ayan", CASH)], ["reserve"])


@ROWS("Transfer", "E_FROZEN")
def frozen_payer(s: Scene) -> SignedTransaction:
    s.freeze("ayan")
    return s.transfer(["ayan"], [s.out("aruzhan", CASH)], ["ayan"])


@ROWS("Transfer", "E_FROZEN")
def freeze_holds_for_the_next_key(s: Scene) -> SignedTransaction:
    s.rotate("ayan", "ayan.2")
    s.freeze("ayan")
    s.fund(("ayan.2", CASH))
    return s.sign(s.payment("ayan.2", ("shop", 1)), "ayan.2")


@ROWS("Transfer", "E_FROZEN")
def frozen_signer_of_anothers_quorum(s: Scene) -> SignedTransaction:
    s.freeze("aruzhan")
    return s.transfer(["quorum"], [s.out("rich", HELD["quorum"])], ["shop", "aruzhan"])


@ROWS("Transfer", "E_FROZEN")
def frozen_claimant(s: Scene) -> SignedTransaction:
    s.freeze("shop")
    return s.transfer(["hashed"], [s.out("rich", HELD["hashed"])], ["shop"], preimages=(PREIMAGE,))


@ROWS("Transfer", "E_LIMIT_PAYMENT")
def over_the_payment_limit(s: Scene) -> SignedTransaction:
    s.fund(("ayan", PAYMENT_LIMIT))
    return s.sign(s.payment("ayan", ("shop", PAYMENT_LIMIT + 1)), "ayan")


@ROWS("Transfer", "E_LIMIT_PAYMENT")
def payment_cut_into_outputs(s: Scene) -> SignedTransaction:
    s.fund(("ayan", PAYMENT_LIMIT))
    payees = [("shop", PAYMENT_LIMIT // 2), ("rich", PAYMENT_LIMIT // 2), ("canteen", 1)]
    return s.sign(s.payment("ayan", *payees), "ayan")


@ROWS("Transfer", "E_LIMIT_PAYMENT")
def change_to_an_account_without_limits(s: Scene) -> SignedTransaction:
    # A second key of the same holder, registered in a tier without limits, must not lift those of the paying key.
    s.register("ayan.free", tier=0)
    s.fund(("ayan", PAYMENT_LIMIT))
    return s.sign(s.payment("ayan", ("shop", PAYMENT_LIMIT + 1), ("ayan.free", CASH - 1)), "ayan")


@ROWS("Transfer", "E_LIMIT_PAYMENT")
def change_to_an_inventory_of_the_same_name(s: Scene) -> SignedTransaction:
    s.register("ayan.bank", 200, tier=0)
    s.fund(("ayan", PAYMENT_LIMIT))
    return s.sign(s.payment("ayan", ("ayan.bank", PAYMENT_LIMIT + 1)), "ayan")


@ROWS("Transfer", "E_LIMIT_DAY")
def over_the_day_limit(s: Scene) -> SignedTransaction:
    s.fund(("ayan", DAY_LIMIT))
    s.pay("ayan", ("shop", PAYMENT_LIMIT))
    return s.sign(s.payment("ayan", ("shop", DAY_LIMIT - PAYMENT_LIMIT + 1)), "ayan")


@ROWS("Transfer", "E_LIMIT_DAY")
def second_key_buys_no_second_day(s: Scene) -> SignedTransaction:
    s.register("ayan.2")
    s.fund(("ayan", PAYMENT_LIMIT), ("ayan.2", PAYMENT_LIMIT))
    s.pay("ayan", ("shop", PAYMENT_LIMIT))
    return s.sign(s.payment("ayan.2", ("shop", DAY_LIMIT - PAYMENT_LIMIT + 1)), "ayan.2")


@ROWS("Transfer", "E_LIMIT_HOLDING")
def over_the_holding_limit(s: Scene) -> SignedTransaction:
    over = HOLDING_LIMIT + 1
    return s.transfer(["rich"], [s.out("aruzhan", over), s.out("rich", FORTUNE - over)], ["rich"])


@ROWS("Transfer", "E_LIMIT_HOLDING")
def second_key_holds_no_second_limit(s: Scene) -> SignedTransaction:
    s.register("aruzhan.2")
    s.fund(("aruzhan", HOLDING_LIMIT))
    return s.transfer(["rich"], [s.out("aruzhan.2", 1), s.out("rich", FORTUNE - 1)], ["rich"])


@ROWS("Transfer", "E_LIMIT_HOLDING")
def bank_sells_too_much(s: Scene) -> SignedTransaction:
    s.fund(("aruzhan", HOLDING_LIMIT))
    return s.transfer(["inventory2"], [s.out("aruzhan", CASH)], ["inventory2"])


# --- LoadOffline ---


def load(s: Scene, inputs: list[str], outputs: list[tuple[str, int]], *signers: str) -> SignedTransaction:
    """A load of the scene's tokens for a device."""
    tokens = tuple(s.out(name, amount) for name, amount in outputs)
    chosen = tuple(s.tokens[name] for name in inputs)
    return s.sign(LoadOffline(s.nonce(), chosen, tokens, fixed_bytes("device"), 1), *signers)


@ROWS("LoadOffline")
def loads_three_notes_and_change(s: Scene) -> SignedTransaction:
    notes = [("escrow", 5_000), ("escrow", 2_000), ("escrow", 1_000)]
    return load(s, ["ayan"], [*notes, ("ayan", CASH - 8_000)], "ayan")


@ROWS("LoadOffline")
def loads_all_it_has(s: Scene) -> SignedTransaction:
    return load(s, ["ayan"], [("escrow", CASH)], "ayan")


@ROWS("LoadOffline", "E_LOCKED")
def loads_anothers_money(s: Scene) -> SignedTransaction:
    return load(s, ["ayan"], [("escrow", CASH)], "aruzhan")


@ROWS("LoadOffline", "E_SUM_LEDGER")
def loads_more_than_it_gives(s: Scene) -> SignedTransaction:
    return load(s, ["ayan"], [("escrow", CASH + 1)], "ayan")


@ROWS("LoadOffline", "E_CATEGORY_LEDGER")
def load_without_a_note(s: Scene) -> SignedTransaction:
    return load(s, ["ayan"], [("ayan", CASH)], "ayan")


@ROWS("LoadOffline", "E_CATEGORY_LEDGER")
def note_after_the_change(s: Scene) -> SignedTransaction:
    return load(s, ["ayan"], [("escrow", 1), ("ayan", CASH - 2), ("escrow", 1)], "ayan")


@ROWS("LoadOffline", "E_CATEGORY_LEDGER")
def load_pays_somebody(s: Scene) -> SignedTransaction:
    return load(s, ["ayan"], [("escrow", 1), ("shop", CASH - 1)], "ayan")


@ROWS("LoadOffline", "E_CATEGORY_LEDGER")
def bank_loads(s: Scene) -> SignedTransaction:
    return load(s, ["inventory"], [("escrow", CASH)], "inventory1")


@ROWS("LoadOffline", "E_ONE_HOLDER")
def two_holders_load(s: Scene) -> SignedTransaction:
    return load(s, ["ayan", "shop"], [("escrow", 2 * CASH)], "ayan", "shop")


@ROWS("LoadOffline", "E_PLAIN_LOCK")
def note_behind_a_quorum(s: Scene) -> SignedTransaction:
    outputs = (s.out("", CASH, lock=QuorumLock(1, (s.kid("escrow"), s.kid("ayan")))),)
    record = LoadOffline(s.nonce(), (s.tokens["ayan"],), outputs, fixed_bytes("device"), 1)
    return s.sign(record, "ayan")


@ROWS("LoadOffline", "E_FROZEN")
def frozen_holder_loads(s: Scene) -> SignedTransaction:
    s.freeze("ayan")
    return load(s, ["ayan"], [("escrow", CASH)], "ayan")


@ROWS("LoadOffline", "E_TOKEN_SPENT")
def loads_twice(s: Scene) -> SignedTransaction:
    s.submit(load(s, ["ayan"], [("escrow", CASH)], "ayan"))
    return load(s, ["ayan"], [("escrow", CASH)], "ayan")


@ROWS("LoadOffline", "E_MARK_MIXED")
def loads_free_and_marked_money(s: Scene) -> SignedTransaction:
    s.register("pupil.2", 3, tier=0)
    extra = s.fund(("pupil", CASH))[0]
    outputs = (s.out("escrow", CASH + HELD["pupil"]),)
    inputs = (extra, s.tokens["pupil"])
    return s.sign(LoadOffline(s.nonce(), inputs, outputs, fixed_bytes("device"), 1), "pupil")


@ROWS("LoadOffline", "E_MARK_DROPPED")
def marked_money_loses_its_mark_in_escrow(s: Scene) -> SignedTransaction:
    return load(s, ["pupil"], [("escrow", HELD["pupil"])], "pupil")


@ROWS("LoadOffline")
def marked_money_goes_offline_marked(s: Scene) -> SignedTransaction:
    outputs = (s.out("escrow", 1_000, s.meals), s.out("pupil", HELD["pupil"] - 1_000, s.meals))
    record = LoadOffline(s.nonce(), (s.tokens["pupil"],), outputs, fixed_bytes("device"), 1)
    return s.sign(record, "pupil")


@ROWS("LoadOffline", "E_MARK_TIME")
def marked_load_after_the_last_day(s: Scene) -> SignedTransaction:
    s.clock.move_to(s.meals_definition.record.valid_until + 1)
    outputs = (s.out("escrow", HELD["pupil"], s.meals),)
    record = LoadOffline(s.nonce(), (s.tokens["pupil"],), outputs, fixed_bytes("device"), 1)
    return s.sign(record, "pupil")


@ROWS("LoadOffline", "E_MARK_OFFLINE")
def mark_that_stays_online(s: Scene) -> SignedTransaction:
    online = s.definition("online only", max_hops=0)
    token = s.mark(online, ("pupil", 5_000))[0]
    outputs = (s.out("escrow", 5_000, online.oid),)
    return s.sign(LoadOffline(s.nonce(), (token,), outputs, fixed_bytes("device"), 1), "pupil")


@ROWS("LoadOffline", "E_LOAD_NUMBERS")
def load_numbers_run_past_the_last(s: Scene) -> SignedTransaction:
    tokens = (s.out("escrow", 1), s.out("escrow", CASH - 1))
    record = LoadOffline(s.nonce(), (s.tokens["ayan"],), tokens, fixed_bytes("device"), 2**53 - 1)
    return s.sign(record, "ayan")


# --- who a lock makes a holder ---


@ROWS("Transfer", "E_LOCK_HOLDER")
def a_stranger_is_made_holder_by_a_quorum(s: Scene) -> SignedTransaction:
    lock = QuorumLock(1, (s.kid("shop"), s.kid("ayan")))
    return s.transfer(["ayan"], [s.out("", CASH, lock=lock)], ["ayan"])


@ROWS("Transfer", "E_LOCK_HOLDER")
def a_bank_stands_in_a_quorum_of_people(s: Scene) -> SignedTransaction:
    lock = QuorumLock(1, (s.kid("ayan"), s.kid("inventory1")))
    return s.transfer(["ayan"], [s.out("", CASH, lock=lock)], ["ayan"])


@ROWS("Transfer", "E_LOCK_HOLDER")
def a_hash_lock_refunds_a_stranger(s: Scene) -> SignedTransaction:
    lock = HashLock(bytes(32), s.kid("ayan"), s.kid("shop"), s.clock.now())
    return s.transfer(["ayan"], [s.out("", CASH, lock=lock)], ["ayan"])
