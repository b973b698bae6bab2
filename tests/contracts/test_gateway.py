"""One suite for every `Gateway`: what a wallet may rely on, whether the ledger is in this process or far away.

To add a form, add a row to `FORMS`: how to reach the ledger of a world. Each form is given the same world.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest

from cbdc.errors import TengeError
from cbdc.gateway import Gateway
from cbdc.ledger.entry import Receipt, check_consistency, check_inclusion, leaf_hash
from cbdc.token import KeyLock, Token, TokenId
from tests.cbdc.http_form import behind_http
from tests.cbdc.scene import CASH, HELD, Scene, scene
from tests.cbdc.world import answer_of, fixed_bytes, picture

HOLDERS = ("ayan", "aruzhan", "shop", "pupil")
FORMS: dict[str, Callable[[Scene], Gateway]] = {
    "local": lambda world: world.ledger,
    "http": lambda world: behind_http(world.ledger, {world.kid(name): world.key(name) for name in HOLDERS}),
}


class Reached(NamedTuple):
    """A world and the gateway that reaches its ledger."""

    world: Scene
    gateway: Gateway


@pytest.fixture(params=FORMS)
def reached(request: pytest.FixtureRequest) -> Reached:
    """A fresh world through each form."""
    world = scene()
    return Reached(world, FORMS[request.param](world))


def payment(world: Scene, payee: str = "shop", amount_tiyn: int = 5_000) -> bytes:
    """Ayan pays and takes change."""
    outputs = [world.out(payee, amount_tiyn), world.out("ayan", CASH - amount_tiyn)]
    return world.transfer(["ayan"], outputs, ["ayan"]).encode()


def test_the_network_is_the_ledgers(reached: Reached) -> None:
    assert reached.gateway.network == reached.world.network


def test_an_accepted_transaction_has_one_receipt_for_ever(reached: Reached) -> None:
    world, gateway = reached
    data = payment(world)
    assert gateway.find(fixed_bytes("unknown")) is None
    receipt = gateway.submit(data)
    assert receipt.time == world.clock.now()
    world.clock.advance(1_000)
    world.register("newcomer")
    assert gateway.submit(data) == receipt
    assert gateway.submit_many([data, data]) == [receipt, receipt]
    assert gateway.find(receipt.transaction_id) == receipt


def test_what_was_paid_is_owned(reached: Reached) -> None:
    world, gateway = reached
    receipt = gateway.submit(payment(world))
    paid, change = TokenId(receipt.transaction_id, 0), TokenId(receipt.transaction_id, 1)
    assert gateway.token(paid) == Token(5_000, KeyLock(world.kid("shop")))
    assert gateway.token(world.tokens["ayan"]) is None
    assert (paid, gateway.token(paid)) in gateway.owned(world.kid("shop"))
    assert dict(gateway.owned(world.kid("ayan")))[change].amount_tiyn == CASH - 5_000
    assert gateway.owned(fixed_bytes("nobody")) == []


def test_locked_and_marked_tokens_are_told_whole(reached: Reached) -> None:
    world, gateway = reached
    hashed = gateway.token(world.tokens["hashed"])
    quorum = gateway.token(world.tokens["quorum"])
    marked = gateway.token(world.tokens["pupil"])
    assert hashed == Token(HELD["hashed"], world.hash_lock())
    assert quorum == Token(HELD["quorum"], world.quorum_lock())
    assert marked == Token(HELD["pupil"], KeyLock(world.kid("pupil")), world.meals)


def test_a_registered_key_is_known(reached: Reached) -> None:
    world, gateway = reached
    known = gateway.registered(world.kid("shop"))
    assert known is not None
    assert (known.category, known.tier, known.bank_id, known.successor) == (2, 0, 1, b"")
    assert known.pseudonym == world.pseudonym("shop")
    assert known.key.kid == world.kid("shop")
    assert gateway.registered(fixed_bytes("nobody")) is None
    world.rotate("shop", "shop.2")
    rotated = gateway.registered(world.kid("shop"))
    assert rotated is not None
    assert rotated.successor == world.kid("shop.2")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: b"", "E_DECODE"),
        (lambda data: data[:-1], "E_DECODE"),
        (lambda data: data + b"\0", "E_DECODE"),
        (lambda data: b"\x05", "E_TYPE"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "E_SIG"),
        (lambda data: bytes(70_000), "E_SIZE"),
    ],
)
def test_a_refusal_is_raised_with_its_code_and_changes_nothing(
    reached: Reached, change: Callable[[bytes], bytes], code: str
) -> None:
    world, gateway = reached
    before = picture(world.store)
    assert answer_of(gateway.submit, change(payment(world))) == code
    assert picture(world.store) == before


def test_a_refusal_keeps_its_facts_and_its_words(reached: Reached) -> None:
    world, gateway = reached
    gateway.submit(payment(world))
    with pytest.raises(TengeError) as caught:
        gateway.submit(payment(world, "aruzhan"))
    token = world.tokens["ayan"]
    assert caught.value.code == "E_TOKEN_SPENT"
    assert caught.value.facts == {"transaction_id": token.transaction_id.hex(), "output": token.output}
    assert token.transaction_id.hex() in caught.value.sentence()


def test_a_group_is_answered_in_order(reached: Reached) -> None:
    world, gateway = reached
    first, second = payment(world, "shop"), payment(world, "aruzhan")
    answers = gateway.submit_many([b"", first, second, first])
    assert isinstance(answers[0], TengeError)
    assert isinstance(answers[2], TengeError)
    assert [answers[0].code, answers[2].code] == ["E_DECODE", "E_TOKEN_SPENT"]
    assert isinstance(answers[1], Receipt)
    assert answers[1] == answers[3]
    assert gateway.submit_many([]) == []


def test_the_supply_adds_up(reached: Reached) -> None:
    world, gateway = reached
    supply = gateway.supply()
    assert supply.outstanding_tiyn == supply.held_tiyn > 0
    assert supply.escrow_tiyn == HELD["escrow"] + HELD["escrow_meals"]
    assert supply.loss_reserve_tiyn == HELD["reserve"]
    world.redeem("inventory1", world.tokens["inventory"])
    after = gateway.supply()
    assert after.redeemed_tiyn == supply.redeemed_tiyn + CASH
    assert after.bank_inventory_tiyn == supply.bank_inventory_tiyn - CASH


def test_a_receipt_is_proven_in_the_log(reached: Reached) -> None:
    world, gateway = reached
    old = gateway.head()
    receipt = gateway.submit(payment(world))
    head = gateway.head()
    assert head == receipt.head
    world.ledger.genesis.verify_head(head)
    inclusion = gateway.inclusion(receipt)
    assert (inclusion.index, inclusion.head) == (receipt.index, receipt.head)
    record = inclusion.head.record
    check_inclusion(inclusion.leaf, inclusion.index, record.size, inclusion.proof, record.root)
    assert inclusion.leaf == leaf_hash(world.ledger.entry(receipt.index).encode())
    proof = world.ledger.consistency(old.record.size)
    check_consistency(old.record.size, old.record.root, record.size, record.root, proof)


def test_an_old_receipt_is_proven_too(reached: Reached) -> None:
    world, gateway = reached
    receipt = gateway.submit(payment(world))
    for name in ("one", "two", "three"):
        world.register(name)
    again = gateway.find(receipt.transaction_id)
    assert again == receipt
    inclusion = gateway.inclusion(again)
    record = receipt.head.record
    check_inclusion(inclusion.leaf, receipt.index, record.size, inclusion.proof, record.root)


@pytest.mark.parametrize("index", [-1, 10**6])
def test_a_receipt_of_nowhere_has_no_proof(reached: Reached, index: int) -> None:
    world, gateway = reached
    receipt = gateway.submit(payment(world))
    assert answer_of(gateway.inclusion, replace(receipt, index=index)) == "E_ENTRY_UNKNOWN"
    later = replace(receipt.head, record=replace(receipt.head.record, size=10**6))
    assert answer_of(gateway.inclusion, replace(receipt, head=later)) == "E_ENTRY_UNKNOWN"
