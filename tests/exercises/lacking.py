"""Answers that lack one thing: what to change in a solution, which check must see it, and in which words."""

HONEST = "accept_honest_payments"
REFUSALS = (
    "accept_refuses_wrong_forms",
    "accept_refuses_wrong_signatures",
    "accept_refuses_tokens_that_are_not_there",
    "accept_refuses_the_wrong_owner",
    "accept_refuses_wrong_sums",
    "accept_refuses_lost_marks",
)
FORMS, SIGNATURES, TOKENS, OWNERS, SUMS, MARKS = REFUSALS

# What the ledger says to each attack, for answers that only say it.
ATTACKS = {
    "change_the_amount": ("E_SIG", "G2, V3"),
    "invent_a_token": ("E_TOKEN_SPENT", "G3"),
    "spend_again": ("E_TOKEN_SPENT", "G3"),
    "take_anothers_token": ("E_LOCKED", "G4"),
    "make_more_of_it": ("E_SUM_LEDGER", "G5"),
    "count_it_twice": ("E_INPUT_TWICE", "G1"),
    "issue_without_officers": ("E_QUORUM", "G4"),
    "key_of_small_order": ("E_KEY", "G2, V3"),
}

_OPENED = "payment = open_transaction(data, network)"
_UNKNOWN = "if kid not in keys:\n            raise Forged"
_OWNED = "if token.lock.holder not in signers:"
_SUM = "for token in inputs) != sum("
_MARKED = "for token in (*inputs, *record.outputs)})"

# (what stands in the solution, what stands there instead, the check that must fail)
VERIFIERS = (
    (_OPENED, f"if not data:\n        return\n    {_OPENED}", FORMS),
    ("if not isinstance(record, Transfer):", "if False:", FORMS),
    ("public_key(*keys[kid]).verify(signature, payment.message)", "pass", SIGNATURES),
    (_UNKNOWN, _UNKNOWN.replace("raise", "continue\n            raise"), SIGNATURES),
    ("kid, signature in payment.witnesses:", "kid, signature in payment.witnesses[:1]:", SIGNATURES),
    ("if any(kid not in keys", "if any(False", SIGNATURES),
    ("unspent.get(identity)", "unspent[identity]", TOKENS),
    ("if token is None:", "if token is None:\n            continue\n        if False:", TOKENS),
    (_OWNED, "if not signers:", OWNERS),
    (_OWNED, "if inputs and token.lock.holder not in signers:", OWNERS),
    (_SUM, "for token in inputs) < sum(", SUMS),
    (_SUM, "for token in inputs) > sum(", SUMS),
    (f"{_MARKED} != 1", f"{_MARKED} > 2", MARKS),
    (_MARKED, "for token in record.outputs})", MARKS),
    (_MARKED, "for token in inputs})", MARKS),
    ("unspent.get(identity)", "unspent.pop(identity)", HONEST),
    (_OWNED, "if token.lock.holder != payment.witnesses[0][0]:", HONEST),
    ("if len({token.mark", "if any(token.mark for token in inputs) or len({token.mark", HONEST),
)

FINDING = ("find_nothing_among_the_honest", "find_one_cheat", "find_two_cheats")

_KEYED = "spends[payer, transfer.record.outpoint].add(transfer.oid)"
_PAIRS = "combinations(sorted(oids), 2)"
_SPENDS = "for (payer, outpoint), oids in spends.items()"
_TAKEN = "zip(village.shops, (False, True), strict=True):"
_SORTED = "low, high = sorted((first, second), key=lambda transfer: transfer.oid)"
_DOUBTED = "except TengeError:\n            continue\n    return"
_FILES = "for data in files:"

# (what stands in the solution, what stands there instead, the check that must fail, and its words)
INVESTIGATORS = (
    (
        "transfer.verify(certificates[payer].record.key)",
        "pass",
        FINDING[0],
        "signed by somebody else",
    ),
    (_KEYED, _KEYED.replace("payer", "min(certificates)"), FINDING[0], "different devices"),
    ("if payer not in certificates:", "if False:", FINDING[0], "KeyError"),
    (_KEYED, _KEYED.replace("transfer.oid", "transfer.oid + transfer.signature"), FINDING[0], "is honest"),
    (f"in {_PAIRS}", f"in list({_PAIRS})[:1]", FINDING[1], "is missing"),
    (_PAIRS, "combinations(sorted(oids, reverse=True), 2)", FINDING[1], "the smaller id"),
    (_SPENDS, _SPENDS.replace("spends.items()", "2 * list(spends.items())"), FINDING[1], "twice"),
    ("clone=clone", "clone=False", "spend_twice", "the shops gained"),
    (
        f"for shop, clone in {_TAKEN}",
        f"village.load(village.cheat, 9_000)\n    for shop, clone in {_TAKEN.replace('True)', 'False)')}",
        "spend_twice",
        "different money",
    ),
    ("    village.sandbox.clone(village.cheat)\n", "", "spend_twice", "has no such device"),
    ("return village.cheat.clone.status(village.now).kind", "return 'OPENED'", "spend_twice", "says"),
    ("device.line(outpoint).transfers", "device.line(outpoint).transfers[-1:]", "held_transfers", "missing"),
    (_SORTED, "low, high = first, second", "write_evidence", "E_EVIDENCE"),
    ("[bank.envelope()], evidence", "[bank.envelope()] * 2, evidence", "write_evidence", "not the one file"),
    (_DOUBTED, _DOUBTED.replace("continue", "found |= set(names.values())"), "name_the_cheats", "prove"),
    ("return sorted(found)", "return sorted(found, reverse=True)", "name_the_cheats", "prove"),
    (_FILES, "for data in files[:1]:", "name_the_cheats", "prove"),
)
