"""Attacks with a stolen wallet, and around its recovery and a bank's failure, that a review found to succeed."""

import pytest

from cbdc.aliases import AliasDirectory, claim_purpose, move_purpose, remove_purpose
from cbdc.errors import TengeError
from cbdc.keys import SoftwareKey
from cbdc.mandates import Mandate, MandateDesk, revoke_purpose
from cbdc.money import tenge
from cbdc.orders import HolderProof
from cbdc.record import Signed, sign
from cbdc.resolution import Resolution
from cbdc.sales import SaleOrder
from tests.cbdc.institutions import buy, ident, key, pay, person
from tests.cbdc.test_recovery import DOCUMENT, Town
from tests.cbdc.world import answer_of as code

DAY = 86_400


def desk_of(town: Town) -> MandateDesk:
    """Mandates out of Ayan's deposit, straight to the payee."""
    system = town.system

    def execute(id: bytes, mandate: Mandate, amount_tiyn: int) -> None:
        answer = system.banks[1].sell([SaleOrder(id, ident("ayan"), mandate.payee, amount_tiyn)])[0]
        if isinstance(answer, TengeError):
            raise answer

    return MandateDesk(system.ledger, system.stores.cabinet, town.policy, system.clock, execute)


def mandate(town: Town, name: str) -> Mandate:
    now = town.system.clock.now()
    shop = key("shop").public.kid
    return Mandate(
        ident(name), key("ayan").public.kid, shop, tenge(500), tenge(500), 1, 30 * DAY, now, now + 90 * DAY
    )


def restore(town: Town) -> None:
    """The phone is reported stolen, and the wallet goes to a new key."""
    town.desk.report(ident("theft"), ident("ayan"), "stolen phone")
    town.request()
    town.wait()
    assert town.complete() == "ok"


@pytest.mark.parametrize("recovered", [False, True])
def test_a_stolen_key_signs_no_mandate_on_its_owners_deposit(recovered: bool) -> None:
    town = Town()
    if recovered:
        restore(town)
    else:
        town.desk.report(ident("theft"), ident("ayan"), "stolen phone")
    stolen = sign(mandate(town, "m"), town.system.network, town.thief)
    assert code(desk_of(town).accept, stolen) == ("E_KEY_RETIRED" if recovered else "E_FROZEN")


def test_a_stolen_phone_does_not_take_its_number_along() -> None:
    town = Town()
    system, number = town.system, "+77010000001"
    directory = AliasDirectory(system.ledger, system.stores.cabinet, bytes(32), system.clock, None)

    def proof(purpose: str) -> Signed[HolderProof]:
        record = HolderProof(town.thief.public.kid, purpose, system.clock.now(), bytes(16))
        return sign(record, system.network, town.thief)

    directory.claim(number, proof(claim_purpose(number)))
    town.desk.report(ident("theft"), ident("ayan"), "stolen phone")
    thiefs = key("shop").public.kid
    assert code(directory.move, number, thiefs, proof(move_purpose(number, thiefs))) == "E_FROZEN"
    assert code(directory.remove, number, proof(remove_purpose(number))) == "E_FROZEN"


def test_who_lost_the_key_of_a_mandate_revokes_it_with_the_new_one() -> None:
    town = Town()
    desk = desk_of(town)
    desk.accept(sign(mandate(town, "m"), town.system.network, town.thief))
    restore(town)

    def revoke(signer: SoftwareKey) -> str:
        now = town.system.clock.now()
        proof = HolderProof(signer.public.kid, revoke_purpose(ident("m")), now, bytes(16))
        return code(desk.revoke, sign(proof, town.system.network, signer), ident("m"))

    assert revoke(town.thief) == "E_MANDATE_UNKNOWN"
    assert revoke(key("ayan.2")) == "ok"


def test_a_court_that_takes_the_freeze_over_keeps_it_through_a_recovery() -> None:
    town = Town()
    holder = town.system.banks[1].customers.get(ident("ayan")).pseudonym
    town.desk.report(ident("theft"), ident("ayan"), "stolen phone")
    town.system.enforcement.unfreeze(ident("court 1"), holder, "court")
    town.system.enforcement.freeze(ident("court 2"), holder, "court")
    town.request()
    town.wait()
    assert town.complete() == "ok"
    assert town.system.ledger.frozen(holder) == "court"


def test_an_old_request_does_not_end_the_freeze_of_a_later_theft() -> None:
    town = Town()
    # Two requests for one lost key; one is completed, the other is still there when the new phone is stolen too.
    arguments = (ident("ayan"), DOCUMENT, key("ayan").public.kid)
    town.desk.request(ident("other"), *arguments, key("ayan.3").public)
    restore(town)
    assert town.desk.report(ident("theft 2"), ident("ayan"), "stolen again")
    assert code(town.desk.complete, ident("other"), key("ayan.3")) == "E_KEY_RETIRED"
    assert town.complete() == "ok"  # the same call again
    data = pay(town.system, key("ayan.2"), key("shop").public.kid, tenge(1)).encode()
    assert code(town.system.ledger.submit, data) == "E_FROZEN"
    # And the second recovery still knows which freeze is its own.
    town.desk.request(ident("r2"), ident("ayan"), DOCUMENT, key("ayan.2").public.kid, key("ayan.4").public)
    town.wait()
    assert code(town.desk.complete, ident("r2"), key("ayan.4")) == "ok"
    holder = town.system.banks[1].customers.get(ident("ayan")).pseudonym
    assert town.system.ledger.frozen(holder) == ""


def test_a_customer_of_both_banks_stops_nobody_elses_handover() -> None:
    town = Town()
    system = town.system
    system.banks[2].open_account(ident("ayan"), "ayan", DOCUMENT, 2, 1)
    person(system, "dana")
    system.banks[1].fail()
    answers = Resolution(system.banks, system.enforcement, system.ledger).hand_over(
        ident("h"), [ident("ayan"), ident("dana")], 1, 2
    )
    assert [answer and answer.code for answer in answers] == ["E_ID_REUSED", None]
    # Who was refused is still where the ledger and the files say.
    known = system.ledger.registered(key("ayan").public.kid)
    assert known is not None
    assert known.bank_id == 1
    assert getattr(buy(system, "dana", tenge(5), bank_id=2, sale="d"), "code", "ok") != "E_CUSTOMER_UNKNOWN"
