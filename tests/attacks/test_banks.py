"""Attacks on a bank: nobody is credited for the bank's own money, and no other bank speaks for its customers."""

import dataclasses

import pytest

from cbdc import canonical
from cbdc.errors import Refused
from cbdc.keys import ED25519, SoftwareKey
from cbdc.orders import FundOrder
from cbdc.ports import no_checkpoint
from cbdc.record import ONLINE_DOMAIN, sign, signing_message
from cbdc.token import PERSON, KeyLock
from cbdc.transaction import RegisterKey, Transfer, open_transaction, sign_transaction
from wallets.sandbox import Sandbox


@pytest.mark.parametrize("rightly_signed", [False, True])
def test_nobody_is_credited_for_the_change_of_the_banks_own_sale(rightly_signed: bool) -> None:
    # The ledger answers a known id whatever witnesses come with it, and the bank credits whom the witnesses name.
    sandbox = Sandbox.in_memory(seed=7)
    victim, mallory = (sandbox.person(name, deposit_tenge=10_000) for name in ("Victim", "Mallory"))
    sandbox.issue(tenge=100_000)
    sandbox.buy([(victim, 100)], b"x" * 32)
    bank, ledger = sandbox.system.banks[1], sandbox.system.ledger
    before = bank.deposit_tiyn(mallory.customer)
    for entry in ledger.entries(1):
        sale = open_transaction(entry.payload, ledger.network)
        outputs = sale.record.creates
        if isinstance(sale.record, Transfer) and KeyLock(bank.inventory_kid) in [t.lock for t in outputs]:
            message = signing_message(ONLINE_DOMAIN, Transfer.TYPE, sale.id)
            signature = mallory.wallet.signer.sign(message) if rightly_signed else bytes(64)
            forged = [Transfer.TYPE, sale.body, [[mallory.wallet.kid, signature]]]
            with pytest.raises(Refused):
                bank.defund(canonical.encode(forged))
    assert bank.deposit_tiyn(mallory.customer) == before


def test_a_key_that_another_bank_registered_orders_nothing_from_a_customers_deposit() -> None:
    one = Sandbox.in_memory(seed=7)._plan
    plan = dataclasses.replace(one, banks=(*one.banks, ("Evil Bank", "Evil Bank", 10_000_000)))
    sandbox = Sandbox(plan, None, no_checkpoint)
    sandbox.set_up()
    victim = sandbox.person("Victim", deposit_tenge=10_000)
    sandbox.issue(tenge=100_000)
    network, ledger = sandbox.system.network, sandbox.system.ledger
    known = ledger.registered(victim.wallet.kid)
    assert known is not None
    crook = SoftwareKey(ED25519, b"c" * 32)
    evil = sandbox.system.banks[2]._keys.bank
    record = RegisterKey(b"n" * 16, ED25519, crook.public.raw, 2, 2, PERSON, known.pseudonym)
    bank = sandbox.system.banks[1]
    order = FundOrder(b"i" * 32, 1, crook.public.kid, 500_000, sandbox.clock.now())

    def steal() -> None:
        ledger.submit(sign_transaction(record, network, [crook, evil]).encode())
        bank.fund(sign(order, network, crook))

    with pytest.raises(Refused):
        steal()
    assert bank.deposit_tiyn(victim.customer) == 1_000_000
