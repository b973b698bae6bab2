"""Attacks on the law of marks, recoveries and registrations that a review found to succeed."""

from typing import Any

import pytest

from cbdc import canonical
from cbdc.clause import Fact, Payment, fact_id
from cbdc.clauses import Cap
from cbdc.errors import TengeError
from cbdc.ledger import judgement
from cbdc.ledger.state import fact_key
from cbdc.record import ONLINE_DOMAIN, object_id, signing_message
from cbdc.token import CANTEEN, PUPIL, TREASURY_ACCOUNT
from cbdc.transaction import Recover, Transfer
from tests.cbdc.world import World, answer_of


@pytest.mark.parametrize("clauses", [(), (Cap("small", (), (), 5),)])
def test_a_crowd_that_nobody_signed_for_costs_the_ledger_no_work(
    monkeypatch: pytest.MonkeyPatch, clauses: tuple[Any, ...]
) -> None:
    # Whatever is looked up is looked up before a signature is verified: 250 payers and 250 payees took seconds.
    world = World()
    pupils, canteens = [f"p{n}" for n in range(20)], [f"c{n}" for n in range(20)]
    for name in (*pupils, *canteens):
        world.register(name, CANTEEN if name in canteens else PUPIL)
    definition = world.definition(clauses=clauses, payment_cap_tiyn=0)
    tokens = world.mark(definition, *((name, 100) for name in pupils))
    outputs = tuple(world.token(name, 100, definition.oid) for name in canteens)
    record = Transfer(world.nonce(), tuple(tokens), outputs)
    made = 0
    payment = Payment

    def counted(*arguments: Any) -> Any:
        nonlocal made
        made += 1
        return payment(*arguments)

    monkeypatch.setattr(judgement, "Payment", counted)
    assert answer_of(lambda: world.do(record, pupils[0])) == "E_LOCKED"
    assert made < len(pupils)


@pytest.mark.parametrize("account", ["nobody", "shop"])
def test_no_mark_is_put_on_money_that_could_never_return(account: str) -> None:
    world = World()
    world.register("pupil", PUPIL)
    world.register("shop")
    definition = world.definition(return_to=world.kid(account))
    assert answer_of(lambda: world.mark(definition, ("pupil", 1_000))) == "E_MARK_RETURN"


def test_what_an_older_key_holds_is_not_lost_with_the_key_that_replaced_it() -> None:
    # A phone with two generations of keys is lost: the older one still holds money, its successor is recovered.
    world = World()
    world.register("ayan")
    world.fund(("ayan", 5_000))
    (token, _), *_ = world.funds("ayan")
    world.rotate("ayan", "ayan.2")
    world.register("ayan.3")

    def recover(old: str, *inputs: Any) -> Recover:
        outputs = (world.token("ayan.3", 5_000),) if inputs else ()
        return Recover(world.nonce(), world.kid(old), world.kid("ayan.3"), inputs, outputs, "loss 1")

    signers = ("enforcement", "bank1", "ayan.3")
    # While the second key is the holder's present one, the first key's money belongs there.
    assert answer_of(lambda: world.do(recover("ayan", token), *signers)) == "E_KEY_RETIRED"
    world.do(recover("ayan.2"), *signers)
    world.do(recover("ayan", token), *signers)
    assert [held.amount_tiyn for _, held in world.funds("ayan.3")] == [5_000]


def test_a_registration_that_cannot_be_stored_stops_nobody_elses_transaction() -> None:
    # The state keeps a bank's number plus one, and the treasury's registrations may name any number.
    world = World()
    world.register("ayan")
    world.fund(("ayan", 5_000))
    payment = world.sign(world.payment("ayan", ("inventory1", 5_000)), "ayan").encode()
    record = world.register_key("huge", TREASURY_ACCOUNT, bank_id=2**53 - 1, tier=0)
    body = canonical.encode(record.values())
    identity = object_id(ONLINE_DOMAIN, record.TYPE, world.network, body)
    message = signing_message(ONLINE_DOMAIN, record.TYPE, identity)
    signers = [world.key("huge"), world.key("treasury")]
    witnesses = [[signer.public.kid, signer.sign(message)] for signer in signers]
    data = canonical.encode([record.TYPE, body, witnesses])
    answers = world.ledger.submit_many([data, payment])
    assert isinstance(answers[0], TengeError)
    assert answers[0].code == "E_FIELD"
    assert not isinstance(answers[1], TengeError)


def test_limit_a_registers_word_that_was_never_taken_can_be_handed_in_later() -> None:
    # Named in docs/limits.md: the ledger knows no order among a register's words but the one in which it takes them.
    world = World()
    world.register("shop")
    early = world.sign(world.attest_record("shop", 1_000), "register")
    world.attest("shop", 1_000, standing=0)
    world.submit(early)
    key = fact_key(fact_id(world.kid("register"), 1, world.pseudonym("shop"), b"", b""))
    fact = world.ledger.load([key])[key]
    assert isinstance(fact, Fact)
    assert fact.standing == 1
