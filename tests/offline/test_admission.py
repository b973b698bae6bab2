"""The rules that hold for ever: one step at a time, forged in every way and judged again at random."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.authority import Authority
from cbdc.errors import Refused
from cbdc.keys import ED25519, ES256
from cbdc.money import tenge
from cbdc.record import Signed
from offline.admission import (
    check_certificate_issue,
    check_follows,
    check_note_issue,
    check_transfer,
    hop_of,
    length_of,
    output_of,
)
from offline.records import REDEEM, Output, Transfer
from tests.offline.world import MAX_NOTE_TIYN, MEAL, NOW, START, World, fixed_bytes

WORLD = World("admission")
A, B, C = (WORLD.make_device(name) for name in "ABC")
NOTE = WORLD.make_note(A.kid, tenge(5_000))
PAID = WORLD.make_transfer(A.key, NOTE, NOTE, B.kid, tenge(4_000))
ACCOUNT = fixed_bytes("account", 32)


def _step(payer: Any, parent: Signed[Any], whole: int, **fields: Any) -> Signed[Transfer]:
    owner = fields.pop("owner", C.kid)
    return WORLD.make_transfer(payer.key, parent, NOTE, owner, tenge(whole), **{"counter": 50, **fields})


def _code(transfer: Signed[Transfer], parent: Signed[Any], certificate: Any = B, **more: Any) -> str:
    record = certificate.certificate.record if certificate is not None else None
    try:
        check_transfer(transfer, parent, NOTE, record, **more)
    except Refused as error:
        return error.code if "{" not in str(error) else "a fact is missing"
    return "ok"


def test_outputs_hops_and_lengths() -> None:
    assert output_of(NOTE, 0) == Output(tenge(5_000), A.kid)
    assert output_of(PAID, 0) == Output(tenge(4_000), B.kid)
    assert output_of(PAID, 1) == Output(tenge(1_000), A.kid)
    for parent, index in ((NOTE, 1), (PAID, 2), (PAID, 255), (PAID, -1)):
        with pytest.raises(Refused, match="E_INDEX"):
            output_of(parent, index)
    assert (hop_of(NOTE, 0), hop_of(PAID, 0), hop_of(PAID, 1)) == (0, 1, 0)
    redeemed = _step(B, PAID, 1_000, kind=REDEEM, owner=ACCOUNT)
    assert (hop_of(redeemed, 0), hop_of(redeemed, 1)) == (1, 1), "redeeming is no hop, nor is its change"
    assert (length_of(NOTE), length_of(PAID), length_of(redeemed)) == (0, 1, 2)


def test_payments_and_redemptions_are_admitted() -> None:
    assert _code(PAID, NOTE, A) == "ok"
    assert _code(_step(B, PAID, 4_000), PAID) == "ok"
    assert _code(_step(A, PAID, 1_000), PAID, A) == "ok"
    assert _code(_step(B, PAID, 4_000, kind=REDEEM, owner=ACCOUNT), PAID) == "ok"
    assert _code(_step(B, PAID, 1, kind=REDEEM, owner=ACCOUNT), PAID) == "ok"


def test_a_redemption_knows_no_caps() -> None:
    """5.19.1: an honest redemption is always admitted, whatever hops and length the note allowed."""
    for caps in ({"max_hops": 0}, {"max_length": 0}, {"max_hops": 0, "max_length": 0}):
        note = WORLD.make_note(A.kid, tenge(100), **caps)
        pay = WORLD.make_transfer(A.key, note, note, B.kid, tenge(100), counter=60)
        redeem = WORLD.make_transfer(A.key, note, note, ACCOUNT, tenge(100), kind=REDEEM, counter=61)
        check_transfer(redeem, note, note, A.certificate.record)
        check_follows(redeem, note, note)
        for check in (
            lambda pay=pay, note=note: check_transfer(pay, note, note, A.certificate.record),
            lambda pay=pay, note=note: check_follows(pay, note, note),
        ):
            with pytest.raises(Refused, match="E_HOPS"):
                check()


def test_after_a_redemption() -> None:
    """What was redeemed is gone; its change may be spent at the centre, and no device takes it."""
    redeemed = _step(B, PAID, 3_000, kind=REDEEM, owner=B.kid)
    gone = _step(B, redeemed, 3_000, index=0)
    assert _code(gone, redeemed) == "E_KIND"
    change = _step(B, redeemed, 1_000, index=1)
    assert _code(change, redeemed) == "ok"
    assert _code(redeemed, PAID, pay_only=True) == "E_KIND"
    again = _step(B, redeemed, 1_000, index=1, kind=REDEEM, owner=ACCOUNT)
    assert _code(again, redeemed) == "ok"


ALL = tenge(4_000)
BROKEN = [
    ({"previous": bytes(32)}, "E_LINK"),
    ({"index": 2, "hop": 2}, "E_INDEX"),
    ({"index": 1, "hop": 1, "outputs": ((tenge(1_000), C.kid),)}, "E_OWNER"),
    ({"kind": 2}, "E_KIND"),
    ({"kind": 255}, "E_KIND"),
    ({"outputs": ((ALL + 1, C.kid),)}, "E_SUM"),
    ({"outputs": ((ALL, C.kid), (0, B.kid))}, "E_SUM"),
    ({"outputs": ((0, C.kid), (ALL, B.kid))}, "E_SUM"),
    ({"outputs": ((2**53 - 1, C.kid), (2**53 - 1, B.kid))}, "E_SUM"),
    ({"outputs": ((ALL, B.kid),)}, "E_SELF"),
    ({"outputs": ((1, C.kid), (ALL - 1, A.kid))}, "E_CHANGE"),
    ({"kind": REDEEM, "hop": 1, "outputs": ((1, ACCOUNT), (ALL - 1, A.kid))}, "E_CHANGE"),
    ({"kind": REDEEM, "outputs": ((ALL, ACCOUNT),), "hop": 2}, "E_HOPS"),
    ({"hop": 0}, "E_HOPS"),
    ({"hop": 255}, "E_HOPS"),
    ({"length": 0}, "E_HOPS"),
    ({"length": 255}, "E_HOPS"),
    ({"purpose": MEAL}, "E_PURPOSE"),
    ({"spend_by": NOTE.record.spend_by + 1}, "E_INHERIT"),
]


@pytest.mark.parametrize(("fields", "code"), BROKEN)
def test_each_broken_rule_has_its_code(fields: dict[str, Any], code: str) -> None:
    forged = _step(B, PAID, 4_000, **fields)
    assert _code(forged, PAID) == code
    with pytest.raises(Refused, match=code):
        check_follows(forged, PAID, NOTE)


ORDER = [
    "E_LINK",
    "E_INDEX",
    "E_OWNER",
    "E_KIND",
    "E_SUM",
    "E_SELF",
    "E_CHANGE",
    "E_HOPS",
    "E_PURPOSE",
    "E_INHERIT",
]


PAIRS = [
    (one, two)
    for one in BROKEN
    for two in BROKEN
    if not set(one[0]) & set(two[0]) and REDEEM not in (one[0].get("kind"), two[0].get("kind"))
]


@pytest.mark.parametrize(("first", "then"), PAIRS)
def test_the_first_failure_wins(first: tuple[dict[str, Any], str], then: tuple[dict[str, Any], str]) -> None:
    """Two rules broken in different fields: none is named that comes after the first of the two."""
    forged = _step(B, PAID, 4_000, **{**first[0], **then[0]})
    assert ORDER.index(_code(forged, PAID)) <= min(ORDER.index(first[1]), ORDER.index(then[1]))


def test_the_certificate_comes_before_the_signature_and_after_the_owner() -> None:
    good = _step(B, PAID, 4_000)
    assert _code(good, PAID, None) == "E_CERT_MISSING"
    assert _code(good, PAID, A) == "E_CERT_MISSING"
    assert _code(_step(B, PAID, 4_000, signer=A.key), PAID) == "E_SIG"
    assert _code(_step(B, PAID, 4_000, signer=A.key, hop=9), PAID) == "E_SIG", "the statement is asked after"
    assert _code(_step(B, PAID, 500, index=1, hop=1), PAID, None) == "E_OWNER"


@pytest.mark.parametrize("algorithm", [ED25519, ES256])
@given(
    shares=st.lists(st.integers(1, 99), min_size=1, max_size=10), turns=st.lists(st.booleans(), min_size=10)
)
@settings(max_examples=25)
def test_honest_lines_are_admitted_and_conserve_money(
    algorithm: int, shares: list[int], turns: list[bool]
) -> None:
    """A line of random payments and own-change steps; every step passes, and its outputs sum to its input."""
    world = World("admission line")
    people = [world.make_device(f"line {place}", algorithm) for place in range(3)]
    note = world.make_note(people[0].kid, 10_000, max_hops=20, max_length=20)
    parent: Signed[Any] = note
    holder = 0
    for share, move in zip(shares, turns, strict=False):
        payer, payee = people[holder], people[(holder + 1) % 3]
        held = next(
            output.amount_tiyn
            for output in (parent.record.outputs if parent is not note else (output_of(note, 0),))
            if output.owner == payer.kid
        )
        amount_tiyn = max(1, held * share // 100)
        step = world.make_transfer(payer.key, parent, note, payee.kid, amount_tiyn)
        check_transfer(step, parent, note, payer.certificate.record, pay_only=True)
        assert sum(output.amount_tiyn for output in step.record.outputs) == held
        parent = step
        if move or len(step.record.outputs) == 1:
            holder = (holder + 1) % 3
    assert length_of(parent) == len(list(zip(shares, turns, strict=False)))


def test_certificates_and_notes_without_any_policy() -> None:
    """What is revoked or tainted since is still what it was; only the payee's checks ask for that."""
    check_certificate_issue(A.certificate, WORLD.authority)
    check_note_issue(NOTE, WORLD.authority)
    bare = Authority(WORLD.root)
    with pytest.raises(Refused, match="E_CA"):
        check_certificate_issue(A.certificate, bare)
    with pytest.raises(Refused, match="E_ISSUER"):
        check_note_issue(NOTE, bare)
    for fields, code in (
        ({"amount_tiyn": 0}, "E_AMOUNT"),
        ({"amount_tiyn": MAX_NOTE_TIYN + 1}, "E_AMOUNT"),
        ({"issued": START - 1}, "E_ISSUER"),
        ({"spend_by": NOW, "redeem_by": NOW}, "E_NOTE_TIME"),
        ({"signer": WORLD.bank_key}, "E_SIG"),
    ):
        note = WORLD.make_note(A.kid, **{"amount_tiyn": 1, **fields})
        with pytest.raises(Refused, match=code):
            check_note_issue(note, WORLD.authority)


def test_a_certificate_without_a_scope_allows_nothing() -> None:
    """An AUTH whose scope was left out certifies no tier and no amount."""
    key = WORLD.key("scopeless")
    bank = WORLD.make_auth(2, key)
    issuer = WORLD.make_auth(1, key)
    authority = Authority(WORLD.root, [bank, issuer])
    device = WORLD.make_device("somebody", ca=key)
    with pytest.raises(Refused, match="E_CA"):
        check_certificate_issue(device.certificate, authority)
    note = WORLD.make_note(A.kid, 1, signer=key, issuer_reference=key.public.kid[:8])
    with pytest.raises(Refused, match="E_AMOUNT"):
        check_note_issue(note, authority)
