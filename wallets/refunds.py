"""Refunds bound to the payment they undo: to who paid, and never more in sum than was paid.

The original is read in the journal: what it gave the payee, and whose money it was. The refund goes to the payer's
present key (a rotated or recovered key is followed). What was refunded of a payment is written down, with the
refund's id, before the refund is sent, and taken back when it is refused, so no order of calls and no crash gives more
back than was paid. The same id gives the same refund.

Rules that a policy may leave out: `refund_sum`, `refund_payer`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.distribution import Journal
from cbdc.errors import Malformed, Refused
from cbdc.gateway import Gateway
from cbdc.ledger.entry import Receipt
from cbdc.ledger.state import RegisteredKey
from cbdc.policies import PolicySet
from cbdc.ports import Clock
from cbdc.record import AMOUNT, HASH, Group, Unsigned
from cbdc.token import Token, TokenId
from cbdc.transaction import SignedTransaction
from wallets.store import WalletStore
from wallets.wallet import Directory, Payee, Wallet, send_one

_SUMS = "refund.sum"
_REFUNDS = "refund"
_ROW = Group((HASH, AMOUNT, HASH))


class Original(NamedTuple):
    """A payment as the journal has it: what the payee got of it (tiyn), and the payer's key as it was."""

    paid_tiyn: int
    payer: bytes


class RefundDesk:
    """Refunds of the wallets of one store. `gateway` shows the journal (`cbdc.distribution.Journal`)."""

    def __init__(
        self,
        store: WalletStore,
        gateway: Gateway,
        cabinet: Cabinet,
        policy: PolicySet,
        directory: Directory,
        clock: Clock,
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._cabinet = cabinet
        self._policy = policy
        self._directory = directory
        self._clock = clock

    def refund(self, id: bytes, payee: Wallet, original: bytes, amount_tiyn: int, to: bytes = b"") -> Receipt:
        """`payee` gives back so much of the payment with this transaction id; `to` is the payer's key unless named.

        Raises E_REFUND_ORIGINAL, E_REFUND_PAYEE, E_REFUND_SUM, E_ID_REUSED, E_FUNDS, or the ledger's refusal.
        """
        AMOUNT.load(amount_tiyn, "amount")
        known = self._cabinet.get(_REFUNDS, HASH.load(id, "refund id"))
        if known is None:
            found = self._original(original, payee)
            target = self._target(found.payer, to)
            self._count(id, payee, original, amount_tiyn, target, found.paid_tiyn)
        else:
            before, amount, target = _ROW.load(canonical.decode(known), "refund")
            if (before, amount) != (original, amount_tiyn):
                raise Refused("E_ID_REUSED", id=id)
        try:
            intent = payee.prepare_payment(follow("refund", id), [Payee(bytes(target), amount_tiyn)])
            return send_one(self._store, self._gateway, intent, self._directory, self._clock)
        except (Refused, Malformed):
            self._take_back(id, payee, original, amount_tiyn)
            raise

    def refunded_tiyn(self, payee: Wallet, original: bytes) -> int:
        """What a payee has given back of a payment so far."""
        data = self._cabinet.get(_SUMS, self._sum_id(payee, original))
        return 0 if data is None else Unsigned().load(canonical.decode(data), "refunded")

    def _count(
        self, id: bytes, payee: Wallet, original: bytes, amount_tiyn: int, to: bytes, paid_tiyn: int
    ) -> None:
        total = self.refunded_tiyn(payee, original) + amount_tiyn
        if total > paid_tiyn and self._policy.holds("refund_sum"):
            raise Refused("E_REFUND_SUM", refunded_tiyn=total, paid_tiyn=paid_tiyn)
        row = Row(_REFUNDS, id, canonical.encode([original, amount_tiyn, to]))
        self._cabinet.put_many([row, Row(_SUMS, self._sum_id(payee, original), canonical.encode(total))])

    def _take_back(self, id: bytes, payee: Wallet, original: bytes, amount_tiyn: int) -> None:
        if self._cabinet.get(_REFUNDS, id) is None:
            return
        left = self.refunded_tiyn(payee, original) - amount_tiyn
        row = Row(_SUMS, self._sum_id(payee, original), canonical.encode(left))
        self._cabinet.put_many([Row(_REFUNDS, id, None), row])

    def _sum_id(self, payee: Wallet, original: bytes) -> bytes:
        return follow("refunds of", original, self._key(payee.kid).pseudonym)

    def _target(self, payer: bytes, to: bytes) -> bytes:
        while successor := self._key(payer).successor:
            payer = successor
        foreign = bool(to) and self._key(to).pseudonym != self._key(payer).pseudonym
        if foreign and self._policy.holds("refund_payer"):
            raise Refused("E_REFUND_PAYEE", kid=to)
        return to or payer

    def _original(self, id: bytes, payee: Wallet) -> Original:
        mine = self._key(payee.kid).pseudonym
        transaction = self._accepted(id)
        payers: list[bytes] = []
        paid = 0
        if transaction is not None:
            payers = [token.lock.holder for token in self._spent(transaction.record.spends)]
            paid = sum(
                token.amount_tiyn
                for token in transaction.record.creates
                if self._key(token.lock.holder).pseudonym == mine
            )
        holders = {self._key(kid).pseudonym for kid in payers}
        if not paid or len(holders) != 1 or mine in holders:
            raise Refused("E_REFUND_ORIGINAL", id=id)
        return Original(paid, payers[0])

    def _spent(self, inputs: Sequence[TokenId]) -> list[Token]:
        made = ((self._accepted(identity.transaction_id), identity.output) for identity in inputs)
        return [source.record.creates[output] for source, output in made if source is not None]

    def _accepted(self, id: bytes) -> SignedTransaction | None:
        receipt = self._gateway.find(id)
        gateway: Any = self._gateway
        assert isinstance(gateway, Journal), "refunds need a gateway that shows the journal"
        return None if receipt is None else gateway.transaction(receipt.index)

    def _key(self, kid: bytes) -> RegisteredKey:
        key = self._gateway.registered(kid)
        if key is None:
            raise Refused("E_KEY_UNKNOWN", kid=kid)
        return key
