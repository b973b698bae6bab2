"""A recovery code: the bank identified a person, and lets one new wallet ask for what that person's lost wallet holds.

    issue      the clerk names the customer, the lost key and the document that was shown, and hands out a code
    begin      whoever has the code shows a new key: the code is this key's from now on, and the waiting time begins
    papers     what the new key must sign; looking changes nothing more
    complete   its signatures, and the money moves to the new key; again: the same answer
    end        the clerk takes the code back, and so a request that is not complete

Rules kept here:

- a code runs out after a day unless a key has shown it; it is one key's, once;
- a customer has one open code: a new one ends the one before it, so a code that was overheard is worth nothing;
- a code is written as a joining code is (`cbdc.joining`), and of it, too, only a hash is kept. One is never taken for
  the other.
"""

from typing import NamedTuple

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.distribution import CommercialBank
from cbdc.errors import Refused
from cbdc.gateway import Gateway
from cbdc.joining import CODE_SECONDS, code_from, code_name
from cbdc.keys import PublicKey
from cbdc.ledger.entry import Receipt
from cbdc.ports import Clock, Entropy
from cbdc.record import HASH, HASH_OR_NONE, MOMENT, ONLINE_DOMAIN, Group, Text, Unsigned, object_id
from cbdc.recovery import RecoveryDesk
from cbdc.transaction import Transaction

_DRAWER = "recovery codes"
_OPEN = "recovery codes.open"
_ROW = Group((HASH, HASH, HASH, Text(128), MOMENT, HASH_OR_NONE, Unsigned(0, 1)))


class Code(NamedTuple):
    """What is kept of a code: the recovery's id, whose, which key is lost, the document, until when, whose it is."""

    id: bytes
    customer: bytes
    lost: bytes
    reference: str
    expires: int
    kid: bytes
    ended: int


class RecoveryCodes:
    """The recovery codes of one bank, over its `RecoveryDesk`."""

    def __init__(
        self,
        bank: CommercialBank,
        desk: RecoveryDesk,
        gateway: Gateway,
        cabinet: Cabinet,
        entropy: Entropy,
        clock: Clock,
    ) -> None:
        self.desk = desk
        self._bank = bank
        self._gateway = gateway
        self._cabinet = cabinet
        self._entropy = entropy
        self._clock = clock

    def issue(self, id: bytes, customer: bytes, lost: bytes, reference: str) -> str:
        """A code for a customer who has shown the document `reference`; the same `id` (32 bytes) gives the same code.

        Raises E_CUSTOMER_UNKNOWN, E_CUSTOMER_CLOSED, E_RECOVERY_IDENTITY, E_CUSTOMER_KEY, E_KEY_RETIRED for a key that
        was replaced already, E_ID_REUSED.
        """
        code = code_from(self._entropy.bytes("recovery code", HASH.load(id, "id") + customer, 16))
        before = self._cabinet.get(_DRAWER, self._name(code))
        if before is None:
            self.check(customer, lost, reference)
            self.end(customer)
            row = Code(id, customer, lost, reference, self._clock.now() + CODE_SECONDS, b"", 0)
            self._keep(self._name(code), row)
        elif (kept := self._load(before))[1:4] != (customer, lost, reference):
            raise Refused("E_ID_REUSED", id=kept.id)
        return code

    def check(self, customer: bytes, lost: bytes, reference: str) -> None:
        """Return if this customer may have the key `lost` replaced; raises as `issue`."""
        self._bank.customers.served(customer)
        self.desk.identify(customer, reference)
        if self._bank.customers.owner_of(lost).id != customer:
            raise Refused("E_CUSTOMER_KEY", bank_id=self._bank.bank_id, kid=lost)
        known = self._gateway.registered(lost)
        if known is not None and known.successor:
            raise Refused("E_KEY_RETIRED", kid=lost)

    def begin(self, code: str, public: PublicKey) -> Code:
        """The recovery behind a code, which is this key's from now on; the waiting time has begun.

        Raises E_JOIN_CODE, E_JOIN_USED, E_JOIN_EXPIRED, E_KEY_TAKEN for a key that is somebody's wallet already.
        """
        name = self._name(code)
        data = self._cabinet.get(_DRAWER, name)
        if data is None:
            raise Refused("E_JOIN_CODE")
        kept = self._load(data)
        if kept.kid and kept.kid != public.kid:
            raise Refused("E_JOIN_USED")
        if kept.ended or (not kept.kid and self._clock.now() > kept.expires):
            raise Refused("E_JOIN_EXPIRED")
        if not kept.kid:
            if self._gateway.registered(public.kid) is not None:
                raise Refused("E_KEY_TAKEN", kid=public.kid)
            kept = kept._replace(kid=public.kid)
            self._keep(name, kept)
        self.desk.request(kept.id, kept.customer, kept.reference, kept.lost, public)
        return kept

    def papers(self, code: str, public: PublicKey) -> tuple[Transaction, ...]:
        """What the key must sign; nothing when the recovery is complete. Raises as `begin`."""
        return self.desk.papers(self.begin(code, public).id, public)

    def complete(self, code: str, public: PublicKey, signatures: list[bytes]) -> tuple[int, Receipt]:
        """How much came back (tiyn), and the receipt of the new key's registration; again: the same.

        Raises as `begin` and `RecoveryDesk.complete_signed`.
        """
        kept = self.begin(code, public)
        amount_tiyn = self.desk.complete_signed(kept.id, public, signatures)
        record = self._bank.enrolment(kept.customer, public)
        name = object_id(ONLINE_DOMAIN, record.TYPE, self._gateway.network, record.body())
        receipt = self._gateway.find(name)
        if receipt is None:
            raise Refused("E_RECOVERY_UNKNOWN", bank_id=self._bank.bank_id, id=kept.id)
        return amount_tiyn, receipt

    def open_code(self, customer: bytes) -> Code | None:
        """A customer's code that is neither used up nor ended; it may have run out."""
        name = self._cabinet.get(_OPEN, self._of(customer))
        data = None if name is None else self._cabinet.get(_DRAWER, name)
        kept = None if data is None else self._load(data)
        return None if kept is None or kept.ended or self.desk.is_done(kept.id) else kept

    def end(self, customer: bytes) -> bool:
        """Take a customer's open code back, and so what a wallet asked for by it; False when there is none."""
        kept = self.open_code(customer)
        if kept is None:
            return False
        # The request, if a key has made one, can be reached by the code only.
        name = self._cabinet.get(_OPEN, self._of(customer)) or b""
        self._keep(name, kept._replace(ended=1))
        return True

    def _keep(self, name: bytes, row: Code) -> None:
        rows = [Row(_DRAWER, name, canonical.encode(list(row))), Row(_OPEN, self._of(row.customer), name)]
        self._cabinet.put_many(rows)

    def _of(self, customer: bytes) -> bytes:
        return follow("recovery code of", self._bank.bank_id.to_bytes(4, "big"), customer)

    def _name(self, code: str) -> bytes:
        return follow("recovery code", self._bank.bank_id.to_bytes(4, "big"), code_name(code))

    def _load(self, data: bytes) -> Code:
        return Code(*_ROW.load(canonical.decode(data), "recovery code"))
