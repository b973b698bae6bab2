"""Messages that a review found to stop a card issuer."""

import pytest

from cbdc.cards.fields import KINDS
from cbdc.cards.message import Message, decode
from cbdc.cards.pocket import binding_of, pocket_lock
from cbdc.cards.rules import POS
from cbdc.token import KeyLock, Token
from cbdc.transaction import Transfer, sign_transaction
from tests.cbdc.cards.scene import CardScene, check
from tests.cbdc.institutions import ident, key
from tests.cbdc.world import answer_of

NOT_ASKED = ("0110", "0130", "0210", "0230", "0410", "0430", "0432", "0800", "0810")


@pytest.fixture(scope="module")
def scene() -> CardScene:
    made = CardScene()
    assert made.cards.purchase(ident("sale"), 2, made.terminal, made.chip, 10_000, POS).refusal is None
    return made


def filled(scene: CardScene, mti: str, **more: str) -> Message:
    """A message of this type with the fields of the purchase."""
    asked = decode(scene.issuer.payments.all()[0].asked).fields
    usual = {**asked, 25: "1508", 38: "ABC123", 39: "00", 70: "301"}
    wanted = {number: usual[number] for number in KINDS[mti].required}
    return Message(mti, {**wanted, **{int(name[1:]): value for name, value in more.items()}})


@pytest.mark.parametrize("mti", NOT_ASKED)
def test_what_nobody_asks_an_issuer_is_refused_by_its_form(scene: CardScene, mti: str) -> None:
    assert answer_of(lambda: scene.issuer.handle(filled(scene, mti).encode())) == "E_CARD_MESSAGE"


def test_an_advice_of_nothing_does_not_stop_the_issuer_for_ever(scene: CardScene) -> None:
    # It was written down as begun, could not be carried out, and so no `resume` came to its end again.
    advice = filled(scene, "0120", f4="0" * 12, f37="000000000001")
    assert decode(scene.issuer.handle(advice.encode())).fields[39] == "30"
    scene.issuer.resume()
    check(scene)


def test_the_bank_buys_no_free_money_that_arrives_with_a_mark() -> None:
    # A clause may let holders mark what they pay; the bank would pay ordinary tenge for money it cannot redeem.
    scene = CardScene()
    note = scene.chip.known()
    assert note is not None
    other = CardScene()
    sale = other.cards.purchase(ident("sale"), 2, other.terminal, other.chip, 10_000, POS).sale
    asked = dict(decode(sale.asked).fields)
    total = sum(token.amount_tiyn for token in note.tokens)
    inventory = KeyLock(scene.system.banks[1].inventory_kid)
    outputs = (Token(10_000, inventory, b"m" * 32), Token(total - 10_000, pocket_lock(note.lock)))
    record = Transfer(binding_of(asked, 1), tuple(sorted(token.id for token in note.tokens)), outputs)
    signed = sign_transaction(record, scene.system.network, [key("chip aliya")])
    asked[55] = ((1).to_bytes(6, "big") + signed.encode()).hex().upper()
    assert decode(scene.issuer.handle(Message("0100", asked).encode())).fields[39] == "Q2"
