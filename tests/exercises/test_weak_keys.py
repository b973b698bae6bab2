"""Exercise 4: what the weak till lets into its book, the real ledger refuses."""

import pytest

from cbdc.errors import Refused
from cbdc.keys import ED25519, SoftwareKey
from cbdc.token import PERSON
from cbdc.transaction import RegisterKey, sign_transaction
from wallets.sandbox import Sandbox


def test_a_key_is_registered_with_its_own_signature_or_not_at_all() -> None:
    sandbox = Sandbox.in_memory(7)
    holder = SoftwareKey(ED25519, bytes(32))
    record = RegisterKey(bytes(16), ED25519, holder.public.raw, 1, 2, PERSON, bytes(32))
    ledger, bank = sandbox.system.ledger, sandbox.system.keys.bank(1)
    with pytest.raises(Refused, match="E_POSSESSION"):
        ledger.submit(sign_transaction(record, ledger.network, [bank]).encode())
    ledger.submit(sign_transaction(record, ledger.network, [bank, holder]).encode())
