"""A wallet joins a bank account: the bank hands out a code, the wallet shows it together with a key of its own.

    issue       the bank makes a code for a customer whom it knows (at the counter, on a page, in a class)
    offer       whoever has the code sees the registration that the bank would sign for a key, and signs it: so the key
                proves that it is there
    join        with that signature the bank registers the key on the ledger, as the customer's

Rules kept here:

- a code joins one key, once: the same key again gets the same receipt, another key is refused;
- a code runs out; only its hash is kept, so whoever reads the rows cannot join;
- codes are 50 random bits, written so that they can be read aloud: trying them all is not worth it, and the edge counts
  tries anyway;
- the same request for a code gives the same code.
"""

import hashlib

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.distribution import CommercialBank
from cbdc.errors import Malformed, Refused
from cbdc.keys import PublicKey
from cbdc.ledger.entry import Receipt
from cbdc.ports import Clock, Entropy
from cbdc.record import HASH, HASH_OR_NONE, MOMENT, Group
from cbdc.transaction import RegisterKey

CODE_SECONDS = 86_400
CODE_LETTERS = 10
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ALIKE = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
_DRAWER = "join codes"
_ROW = Group((HASH, MOMENT, HASH_OR_NONE))


def normal_code(text: str) -> str:
    """A code in its one form: capitals without blanks and hyphens; O is 0, I and L are 1. E_JOIN_CODE."""
    code = text.upper().translate(_ALIKE) if len(text) <= 40 else ""
    if len(code) != CODE_LETTERS or set(code) - set(_ALPHABET):
        raise Refused("E_JOIN_CODE")
    return code


def code_from(chance: bytes) -> str:
    """A code out of random bytes."""
    number = int.from_bytes(chance, "big")
    return "".join(_ALPHABET[number >> (5 * place) & 31] for place in range(CODE_LETTERS))


def code_name(text: str) -> bytes:
    """The hash under which a code is kept (32 bytes); E_JOIN_CODE."""
    return hashlib.sha256(b"kzt-dt/join/v1\0" + normal_code(text).encode()).digest()


class JoinDesk:
    """The codes of one bank."""

    def __init__(self, bank: CommercialBank, cabinet: Cabinet, entropy: Entropy, clock: Clock) -> None:
        self._bank = bank
        self._cabinet = cabinet
        self._entropy = entropy
        self._clock = clock

    def issue(self, id: bytes, customer: bytes) -> str:
        """A code for a customer; the same `id` (32 bytes) gives the same code.

        Raises E_CUSTOMER_UNKNOWN, E_CUSTOMER_CLOSED.
        """
        self._bank.customers.served(customer)
        code = code_from(self._entropy.bytes("join code", HASH.load(id, "id") + customer, 16))
        if self._cabinet.get(_DRAWER, self._name(code)) is None:
            expires = self._clock.now() + CODE_SECONDS
            self._cabinet.put_many(
                [Row(_DRAWER, self._name(code), canonical.encode([customer, expires, b""]))]
            )
        return code

    def offer(self, code: str, public: PublicKey) -> RegisterKey:
        """The registration that would be signed for this key. Raises E_JOIN_CODE, E_JOIN_USED, E_JOIN_EXPIRED."""
        customer, _, _ = self._open(code, public.kid)
        return self._bank.enrolment(customer, public)

    def join(self, code: str, public: PublicKey, possession: bytes) -> Receipt:
        """Register the key as the customer's; `possession` is its signature over the offer.

        Raises E_JOIN_CODE, E_JOIN_USED, E_JOIN_EXPIRED, E_SIG, and what `CommercialBank.enrol` raises.
        """
        customer, expires, joined = self._open(code, public.kid)
        # The code is this key's before the ledger hears of it: a crash in between must not let a second key in.
        self._note(code, customer, expires, public.kid)
        try:
            return self._bank.enrol(customer, public, possession)
        except (Refused, Malformed):
            if not joined:
                self._note(code, customer, expires, b"")
            raise

    def _note(self, code: str, customer: bytes, expires: int, kid: bytes) -> None:
        row = Row(_DRAWER, self._name(code), canonical.encode([customer, expires, kid]))
        self._cabinet.put_many([row])

    def _open(self, code: str, kid: bytes) -> tuple[bytes, int, bytes]:
        data = self._cabinet.get(_DRAWER, self._name(code))
        if data is None:
            raise Refused("E_JOIN_CODE")
        customer, expires, joined = _ROW.load(canonical.decode(data), "join code")
        if joined and joined != kid:
            raise Refused("E_JOIN_USED")
        if not joined and self._clock.now() > expires:
            raise Refused("E_JOIN_EXPIRED")
        return customer, expires, joined

    def _name(self, code: str) -> bytes:
        return follow("join code", self._bank.bank_id.to_bytes(4, "big"), code_name(code))
