"""A bank fails, and other banks serve its customers' wallets.

Digital tenge in wallets is the National Bank's debt and on no bank's balance sheet, so it is untouched: whoever has
some can pay with it on the day of the failure and after it. What ends is the service: no purchases and sales against
deposits, no new keys, no recoveries. Another bank takes it over, holder by holder, under the supervisor's eye:

    fail        the bank serves nobody any more (for ever)
    hand over   enforcement and the bank that takes over sign for a holder's keys; pseudonym, used limits, freezes
                and marks stay as they are, because they belong to the pseudonym; the file goes from bank to bank

Deposits are a claim on the failed bank and stay there; what becomes of them is deposit insurance, which this sandbox
does not have. The same call again changes nothing.
"""

from collections.abc import Mapping, Sequence

from cbdc.cabinet import follow_nonce
from cbdc.distribution import CommercialBank
from cbdc.enforcement import Enforcement
from cbdc.errors import TengeError
from cbdc.gateway import Gateway
from cbdc.transaction import HandOver

KEYS_AT_ONCE = 64


class Resolution:
    """The supervisor's desk for banks that fail."""

    def __init__(
        self, banks: Mapping[int, CommercialBank], enforcement: Enforcement, gateway: Gateway
    ) -> None:
        self._banks = banks
        self._enforcement = enforcement
        self._gateway = gateway

    def fail(self, bank_id: int) -> None:
        """The bank serves nobody from now on; again: nothing."""
        self._banks[bank_id].fail()

    def hand_over(
        self, id: bytes, customers: Sequence[bytes], from_bank: int, to_bank: int
    ) -> list[TengeError | None]:
        """Another bank serves these customers (ids of 32 bytes) of a bank; for each None, or its refusal.

        That is the ledger's, or E_ID_REUSED when the other bank knows the person already, by another pseudonym.

        Raises E_CUSTOMER_UNKNOWN, and E_BANK_FAILED when the bank that would take over has failed itself.
        """
        old, new = self._banks[from_bank], self._banks[to_bank]
        keys: dict[bytes, list[bytes]] = {}
        for kid, customer in old.customers.all_keys():
            keys.setdefault(customer, []).append(kid)
        answers: list[TengeError | None] = []
        for customer in customers:
            known = old.customers.get(customer)
            mine = keys.get(customer, [])
            try:
                new.customers.check_adoptable(known)
                for start in range(0, len(mine), KEYS_AT_ONCE):
                    self._take_over(
                        id, known.pseudonym, mine[start : start + KEYS_AT_ONCE], from_bank, to_bank
                    )
            except TengeError as refusal:
                answers.append(refusal)
                continue
            new.customers.adopt(known)
            new.customers.attach([(kid, customer) for kid in mine])
            answers.append(None)
        return answers

    def _take_over(
        self, id: bytes, holder: bytes, kids: Sequence[bytes], from_bank: int, to_bank: int
    ) -> None:
        nonce = follow_nonce("hand over", id, *kids)
        reference = f"resolution of bank {from_bank}"
        record = HandOver(nonce, holder, from_bank, to_bank, tuple(kids), reference)
        signed = self._enforcement.countersign(self._banks[to_bank].sign_service(record))
        # The same transaction gets the same receipt, so a repetition finds it done.
        self._gateway.submit(signed.encode())
