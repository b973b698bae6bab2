"""Two mistakes in one transaction always give the answer of the earlier guard: each kind, each pair, and all at once.

For each kind stands a recipe: given the guards that are to be broken, it makes a transaction (or prepares a world)
that breaks just these. `CODES` says what each broken guard answers alone.
"""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import NamedTuple

import pytest

from cbdc.token import QuorumLock, TokenId
from cbdc.transaction import (
    KINDS,
    SETTLE_REDEEM,
    Attest,
    ExpireMark,
    Freeze,
    HandOver,
    Issue,
    LoadOffline,
    Recover,
    Redeem,
    RegisterKey,
    ReleaseMark,
    RotateKey,
    Seize,
    SettleOffline,
    SignedTransaction,
    Transaction,
    Transfer,
    Unfreeze,
)
from tests.cbdc.scene import CASH, HELD, Scene, scene
from tests.cbdc.world import BANK_ONE, BANK_TWO, PAYMENT_LIMIT, answer_of, fixed_bytes, picture

Wrong = frozenset[str]
GHOST = TokenId(fixed_bytes("ghost"), 0)


class Made(NamedTuple):
    """A record, and who signs it."""

    record: Transaction
    signers: list[str]


def transfer(s: Scene, wrong: Wrong) -> Made:
    amount, inputs = CASH, [s.tokens["ayan"]]
    if "G9" in wrong:
        inputs.append(s.fund(("ayan", PAYMENT_LIMIT))[0])
        amount += PAYMENT_LIMIT
    if "G8" in wrong:
        s.freeze("ayan")
    if "G3" in wrong:
        inputs.append(GHOST)
    payee = "escrow" if "G7" in wrong else "shop"
    mark = s.meals if "G6" in wrong else b""
    output = s.out(payee, amount - ("G5" in wrong), mark)
    return Made(Transfer(s.nonce(), tuple(inputs), (output,)), ["rich" if "G4" in wrong else "ayan"])


def issue(s: Scene, wrong: Wrong) -> Made:
    request = s.unique()
    if "G10" in wrong:
        s.do(Issue(s.nonce(), request, (s.out("budget", 1),)), "officer1", "officer2", "operator")
    payee = "ayan" if "G7" in wrong else "inventory1"
    output = s.out(payee, 5, s.meals if "G6" in wrong else b"")
    officers = ["officer1"] if "G4" in wrong else ["officer1", "officer2"]
    return Made(Issue(s.nonce(), request, (output,)), [*officers, "operator"])


def redeem(s: Scene, wrong: Wrong) -> Made:
    request = s.unique()
    if "G10" in wrong:
        s.do(Issue(s.nonce(), request, (s.out("budget", 1),)), "officer1", "officer2", "operator")
    if "G8" in wrong:
        s.freeze("inventory1")
    inputs = [s.tokens["inventory"], *([GHOST] if "G3" in wrong else [])]
    outputs = []
    if "G5" in wrong:
        outputs.append(s.out("inventory1", CASH))
    if "G6" in wrong:
        outputs.append(s.out("inventory1", 1, s.meals))
    if "G7" in wrong:
        outputs.append(s.out("shop", 1))
    signers = ["operator"] if "G4" in wrong else ["operator", "inventory1"]
    return Made(Redeem(s.nonce(), request, tuple(inputs), tuple(outputs)), signers)


def freeze(s: Scene, wrong: Wrong) -> Made:
    if "G8" in wrong:
        s.freeze("ayan")
    return Made(
        Freeze(s.nonce(), s.pseudonym("ayan"), "case 2"), ["bank1" if "G4" in wrong else "enforcement"]
    )


def unfreeze(s: Scene, wrong: Wrong) -> Made:
    if "G8" not in wrong:
        s.freeze("ayan")
    return Made(
        Unfreeze(s.nonce(), s.pseudonym("ayan"), "case 2"), ["bank1" if "G4" in wrong else "enforcement"]
    )


def seize(s: Scene, wrong: Wrong) -> Made:
    inputs = [s.tokens["ayan"], *([GHOST] if "G3" in wrong else [])]
    output = s.out(
        "inventory1" if "G7" in wrong else "budget",
        CASH - ("G5" in wrong),
        s.meals if "G6" in wrong else b"",
    )
    return Made(
        Seize(s.nonce(), tuple(inputs), (output,), "case 3"), ["bank1" if "G4" in wrong else "enforcement"]
    )


def release(s: Scene, wrong: Wrong) -> Made:
    token, total = s.tokens["supplier"], HELD["supplier"]
    statement = s.statement(s.meals, "supplier", total).encode()
    if "G7" in wrong or "G10" in wrong:
        # The escrow stands where it may not: with a mark whose definition would let it release.
        odd = s.definition("odd", release_categories=(4, 5, 202), edges=((201, (5,)),), converts_on_redeem=0)
        marked = s.mark(odd, ("supplier", total), ("supplier", total))
        token = marked[0]
        statement = s.statement(odd.oid, "supplier", total).encode()
        if "G10" in wrong and "G7" not in wrong:
            out = (s.out("supplier", total),)
            s.do(ReleaseMark(s.nonce(), (marked[1],), out, (statement,)), "supplier")
        if "G7" in wrong:
            token = s.load("supplier", token, total)[0]
            statement = s.statement(odd.oid, "escrow", total).encode()
    holder = "escrow" if "G7" in wrong else "supplier"
    if "G8" in wrong:
        s.freeze(holder)
    if "G6" in wrong:
        statement = s.statement(bytes(32), holder, total).encode()
    # The escrow can never have used a statement before, so its own stands twice.
    statements = (statement, statement) if {"G7", "G10"} <= wrong else (statement,)
    inputs = (token, *([GHOST] if "G3" in wrong else []))
    output = s.out(holder, total - ("G5" in wrong))
    return Made(
        ReleaseMark(s.nonce(), inputs, (output,), statements), ["canteen" if "G4" in wrong else holder]
    )


def expire(s: Scene, wrong: Wrong) -> Made:
    name = "escrow_meals" if "G7" in wrong else "pupil"
    s.clock.move_to(s.meals_definition.record.valid_until + (0 if "G6" in wrong else 1))
    inputs = (s.tokens[name], *([GHOST] if "G3" in wrong else []))
    output = s.out("budget", HELD[name] - ("G5" in wrong))
    return Made(ExpireMark(s.nonce(), inputs, (output,)), ["pupil" if "G4" in wrong else "treasury"])


def load(s: Scene, wrong: Wrong) -> Made:
    if "G8" in wrong:
        s.freeze("ayan")
    inputs = (s.tokens["ayan"], *([GHOST] if "G3" in wrong else []))
    mark = s.meals if "G6" in wrong else b""
    outputs = (
        s.out("escrow", 5 + ("G5" in wrong), mark),
        s.out("shop" if "G7" in wrong else "ayan", CASH - 5, mark),
    )
    return Made(
        LoadOffline(s.nonce(), inputs, outputs, fixed_bytes("device"), 1),
        ["rich" if "G4" in wrong else "ayan"],
    )


def settle(s: Scene, wrong: Wrong) -> Made:
    fact, total, token = s.unique(), HELD["escrow"], s.tokens["escrow"]
    if "G10" in wrong:
        first = (s.out("shop", 9), s.out("escrow", total - 9))
        token = s.settle(SETTLE_REDEEM, [token], first, fact)[1]
        total -= 9
    inputs = (token, *([GHOST] if "G3" in wrong else []))
    output = s.out(
        "budget" if "G7" in wrong else "shop", total - ("G5" in wrong), s.meals if "G6" in wrong else b""
    )
    return Made(
        SettleOffline(s.nonce(), SETTLE_REDEEM, fact, inputs, (output,)),
        ["escrow" if "G4" in wrong else "settle"],
    )


def register(s: Scene, wrong: Wrong) -> Made:
    name = "ayan" if "G10" in wrong else "new"
    record = s.register_key(name, tier=9 if "G9" in wrong else 1)
    return Made(record, [name, "bank2" if "G4" in wrong else "bank1"])


def rotate(s: Scene, wrong: Wrong) -> Made:
    name = "shop" if "G10" in wrong else "ayan.2"
    public = s.key(name).public
    record = RotateKey(s.nonce(), s.kid("ayan"), public.algorithm, public.raw)
    return Made(record, ["ayan", name, "bank2" if "G4" in wrong else "bank1"])


def attest(s: Scene, wrong: Wrong) -> Made:
    return Made(s.attest_record("supplier", 5), ["operator" if "G4" in wrong else "register"])


def hand_over(s: Scene, wrong: Wrong) -> Made:
    banks = (7 if "G7" in wrong else BANK_ONE, BANK_TWO)
    record = HandOver(s.nonce(), s.pseudonym("ayan"), *banks, (s.kid("ayan"),), "resolution")
    return Made(record, ["enforcement", "bank1" if "G4" in wrong else "bank2"])


def recover(s: Scene, wrong: Wrong) -> Made:
    s.register("ayan.2")
    inputs = [s.tokens["ayan"], *([GHOST] if "G3" in wrong else [])]
    payee = "aruzhan" if "G7" in wrong else "ayan.2"
    output = s.out(payee, CASH - ("G5" in wrong), s.meals if "G6" in wrong else b"")
    record = Recover(s.nonce(), s.kid("ayan"), s.kid("ayan.2"), tuple(inputs), (output,), "loss")
    return Made(record, ["ayan.2", "enforcement", "bank2" if "G4" in wrong else "bank1"])


Recipe = Callable[[Scene, Wrong], Made]

_ALWAYS = {"G1": "E_WITNESS_TWICE", "G2": "E_KEY_UNKNOWN"}
_SPENDING = {**_ALWAYS, "G3": "E_TOKEN_SPENT", "G5": "E_SUM_LEDGER"}

CODES: dict[type[Transaction], tuple[Recipe, dict[str, str]]] = {
    Transfer: (
        transfer,
        _SPENDING
        | {"G4": "E_LOCKED", "G6": "E_MARK_ISSUER", "G7": "E_CATEGORY_LEDGER", "G8": "E_FROZEN"}
        | {"G9": "E_LIMIT_PAYMENT"},
    ),
    Issue: (
        issue,
        _ALWAYS
        | {"G4": "E_QUORUM", "G6": "E_MARK_ISSUER", "G7": "E_CATEGORY_LEDGER", "G10": "E_REQUEST_USED"},
    ),
    Redeem: (
        redeem,
        _SPENDING
        | {"G4": "E_LOCKED", "G6": "E_MARK_ISSUER", "G7": "E_CATEGORY_LEDGER", "G8": "E_FROZEN"}
        | {"G10": "E_REQUEST_USED"},
    ),
    Freeze: (freeze, _ALWAYS | {"G4": "E_AUTHORITY", "G8": "E_FROZEN"}),
    Unfreeze: (unfreeze, _ALWAYS | {"G4": "E_AUTHORITY", "G8": "E_NOT_FROZEN"}),
    Seize: (seize, _SPENDING | {"G4": "E_AUTHORITY", "G6": "E_MARK_ISSUER", "G7": "E_CATEGORY_LEDGER"}),
    ReleaseMark: (
        release,
        _SPENDING
        | {"G4": "E_LOCKED", "G6": "E_STATEMENT", "G7": "E_CATEGORY_LEDGER", "G8": "E_FROZEN"}
        | {"G10": "E_STATEMENT_USED"},
    ),
    ExpireMark: (
        expire,
        _SPENDING | {"G4": "E_AUTHORITY", "G6": "E_MARK_NOT_OVER", "G7": "E_CATEGORY_LEDGER"},
    ),
    LoadOffline: (
        load,
        _SPENDING | {"G4": "E_LOCKED", "G6": "E_MARK_DROPPED", "G7": "E_CATEGORY_LEDGER", "G8": "E_FROZEN"},
    ),
    SettleOffline: (
        settle,
        _SPENDING
        | {"G4": "E_AUTHORITY", "G6": "E_MARK_DROPPED", "G7": "E_CATEGORY_LEDGER", "G10": "E_FACT_USED"},
    ),
    RegisterKey: (register, _ALWAYS | {"G4": "E_BANK_SCOPE", "G9": "E_TIER", "G10": "E_KEY_TAKEN"}),
    RotateKey: (rotate, _ALWAYS | {"G4": "E_BANK_SCOPE", "G10": "E_KEY_TAKEN"}),
    Attest: (attest, _ALWAYS | {"G4": "E_AUTHORITY"}),
    HandOver: (hand_over, _ALWAYS | {"G4": "E_BANK_SCOPE", "G7": "E_HANDOVER_BANK"}),
    Recover: (
        recover,
        _SPENDING | {"G4": "E_BANK_SCOPE", "G6": "E_MARK_DROPPED", "G7": "E_CATEGORY_LEDGER"},
    ),
}


def made(s: Scene, kind: type[Transaction], wrong: Wrong) -> SignedTransaction:
    """The transaction that breaks these guards."""
    record, signers = CODES[kind][0](s, wrong)
    transaction = s.sign(record, *signers, *(["nobody"] if "G2" in wrong else []))
    if "G1" not in wrong:
        return transaction
    twice = (*transaction.witnesses, transaction.witnesses[0])
    return SignedTransaction(transaction.record, transaction.body, transaction.id, twice)


def sets() -> Iterator[tuple[type[Transaction], Wrong]]:
    """For each kind: nothing wrong, one guard broken, two broken, all broken."""
    for kind, (_, codes) in CODES.items():
        guards = sorted(codes)
        for size in (0, 1, 2, len(guards)):
            for wrong in combinations(guards, size):
                yield kind, frozenset(wrong)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    list(sets()),
    ids=lambda value: value.__name__ if isinstance(value, type) else "+".join(sorted(value)) or "right",
)
def test_the_earlier_guard_answers(kind: type[Transaction], wrong: Wrong) -> None:
    s = scene()
    transaction = made(s, kind, wrong)
    before = picture(s.store)
    first = min(wrong, key=lambda guard: int(guard[1:]), default="")
    assert answer_of(s.ledger.submit, transaction.encode()) == (CODES[kind][1][first] if first else "ok")
    assert (picture(s.store) == before) is bool(wrong)


def test_every_kind_has_a_recipe() -> None:
    assert set(CODES) == set(KINDS.values())


def test_retired_receivers_are_judged_before_tokens() -> None:
    s = scene()
    s.rotate("aruzhan", "aruzhan.2")
    output = s.out("aruzhan", CASH)
    transaction = s.sign(Transfer(s.nonce(), (GHOST,), (output,)), "ayan")
    assert answer_of(s.ledger.submit, transaction.encode()) == "E_KEY_RETIRED"
    lock = QuorumLock(1, (s.kid("shop"), s.kid("aruzhan")))
    transaction = s.sign(Transfer(s.nonce(), (GHOST,), (s.out("", 1, lock=lock),)), "ayan")
    assert answer_of(s.ledger.submit, transaction.encode()) == "E_KEY_RETIRED"
