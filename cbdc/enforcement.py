"""The enforcement authority: freezes, and write-offs on a court's order. It acts by transactions like everybody.

A freeze stops a **holder** (a pseudonym, so all of its keys) from spending; a seizure moves money of a holder to the
treasury or to the loss reserve. Both name the legal reference on the ledger, for everyone who reads the journal.

Each act has an id made by the client and is written down before it is sent: the same act again gets the same receipt,
another act under its id is E_ID_REUSED.
"""

from cbdc import canonical
from cbdc.authority import ENFORCEMENT, ROLE_NAMES
from cbdc.cabinet import Cabinet, Row, follow_nonce
from cbdc.errors import Refused
from cbdc.gateway import Gateway
from cbdc.keys import Signer
from cbdc.ledger.entry import Receipt
from cbdc.money import check_tiyn
from cbdc.record import HASH, Bytes, Group
from cbdc.selection import choose
from cbdc.token import KeyLock, Token
from cbdc.transaction import (
    Freeze,
    HandOver,
    Recover,
    Seize,
    SignedTransaction,
    Transaction,
    Unfreeze,
    sign_transaction,
)

_ACTS = "enforcement/act"
_ACT = Group((HASH, Bytes()))


class Enforcement:
    """The authority with the enforcement certificate."""

    def __init__(self, gateway: Gateway, cabinet: Cabinet, signer: Signer) -> None:
        self._gateway = gateway
        self._cabinet = cabinet
        self._signer = signer

    def freeze(self, id: bytes, holder: bytes, legal_reference: str) -> Receipt:
        """Stop a holder (pseudonym, 32 bytes) from spending; E_FROZEN when it is frozen already, E_ID_REUSED."""
        return self._act(id, Freeze(follow_nonce("freeze", id), holder, legal_reference))

    def unfreeze(self, id: bytes, holder: bytes, legal_reference: str) -> Receipt:
        """Lift a freeze; E_NOT_FROZEN when there is none, E_ID_REUSED."""
        return self._act(id, Unfreeze(follow_nonce("unfreeze", id), holder, legal_reference))

    def seize(self, id: bytes, kid: bytes, amount_tiyn: int, to: bytes, legal_reference: str) -> Receipt:
        """Write off free money that the key `kid` holds, to the key `to` (treasury or loss reserve), change back.

        Raises E_FUNDS when it holds too little, E_ID_REUSED, or the ledger's refusal.
        """
        HASH.load(to, "to")
        check_tiyn(amount_tiyn, at_least=1)
        order = canonical.encode([HASH.load(kid, "kid"), amount_tiyn, to, legal_reference])
        content = follow_nonce("seize", order).ljust(32, b"\0")
        known = self._known(id, content)
        if known:
            try:
                return self._gateway.submit(known)
            except Refused as refusal:
                if refusal.code != "E_TOKEN_SPENT":
                    raise
        free = [
            (identity, token.amount_tiyn)
            for identity, token in self._gateway.owned(kid)
            if not token.mark and token.lock == KeyLock(kid)
        ]
        choice = choose(free, amount_tiyn)
        outputs: tuple[Token, ...] = (Token(amount_tiyn, KeyLock(to)),)
        if choice.change_tiyn:
            outputs += (Token(choice.change_tiyn, KeyLock(kid)),)
        record = Seize(follow_nonce("seize", id), choice.chosen, outputs, legal_reference)
        return self._send(id, content, record)

    def countersign(self, transaction: SignedTransaction) -> SignedTransaction:
        """The authority's word beside a bank's, for a handover or a recovery; E_AUTHORITY for any other transaction.

        Whether a bank signed, and the right one, is the ledger's to judge.
        """
        if not isinstance(transaction.record, HandOver | Recover):
            raise Refused("E_AUTHORITY", kid=self._signer.public.kid, role=ROLE_NAMES[ENFORCEMENT])
        own = sign_transaction(transaction.record, self._gateway.network, [self._signer])
        witnesses = (*transaction.witnesses, *own.witnesses)
        return SignedTransaction(transaction.record, transaction.body, transaction.id, witnesses)

    def _act(self, id: bytes, record: Transaction) -> Receipt:
        content = record.oid(self._gateway.network)
        self._known(id, content)
        return self._send(id, content, record)

    def _known(self, id: bytes, content: bytes) -> bytes:
        """The bytes sent before under this id, empty when there are none; E_ID_REUSED when they were of another act."""
        data = self._cabinet.get(_ACTS, HASH.load(id, "act id"))
        if data is None:
            return b""
        before, transaction = _ACT.load(canonical.decode(data, canonical.MAX_MESSAGE_BYTES), "act")
        if before != content:
            raise Refused("E_ID_REUSED", id=id)
        return bytes(transaction)

    def _send(self, id: bytes, content: bytes, record: Transaction) -> Receipt:
        transaction = sign_transaction(record, self._gateway.network, [self._signer]).encode()
        self._cabinet.put_many([Row(_ACTS, id, canonical.encode([content, transaction]))])
        return self._gateway.submit(transaction)
