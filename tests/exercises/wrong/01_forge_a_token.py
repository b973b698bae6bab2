"""Wrong answers to the first exercise: attacks that only say the right words, and verifiers that lack one guard."""

from tests.exercises.answers import Changed, Rewritten

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

_VERIFIERS = (
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
    (_OWNED, "if token.lock.holder != payment.witnesses[0][0]:", HONEST),
    ("if len({token.mark", "if any(token.mark for token in inputs) or len({token.mark", HONEST),
)


def _other(name: str) -> str:
    return "take_anothers_token" if name == "invent_a_token" else "invent_a_token"


WRONG = [
    *(
        Rewritten(f"{name} without an attack", {name: f"return {pair!r}"}, name)
        for name, pair in ATTACKS.items()
    ),
    *(
        Rewritten(
            f"{name} with another attack",
            {name: f"{_other(name)}(*arguments)\n    return {pair!r}"},
            name,
        )
        for name, pair in ATTACKS.items()
    ),
    Changed(
        "the code without the guard",
        "return error.code, error.rule",
        'return error.code, "G9"',
        "spend_again",
    ),
    Rewritten("accepts everything", {"accept": "return None"}, "accept_refuses_lost_marks"),
    Rewritten("refuses everything", {"accept": "raise Forged('no')"}, "accept_honest_payments"),
    Rewritten("answers instead of refusing", {"accept": "return False"}, "accept_refuses_wrong_sums"),
    Rewritten("crashes", {"accept": "return 1 // 0"}, "accept_refuses_wrong_forms"),
    *(Changed(f"verifier {number}", *row) for number, row in enumerate(_VERIFIERS, 1)),
]
