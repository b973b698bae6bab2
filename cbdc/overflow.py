"""The waterfall: what would break a payee's holding limit goes on into its deposit, in the payment itself.

    1  terms    the payer (or the payee) asks the payee's bank how a payment is to be received. The bank answers with
                the payee's key and how much may go there, its own inventory key and how much goes there, and the nonce
                that the payment must have. What it has promised is kept free until the terms end
    2  payment  one transfer pays both outputs, or neither: the ledger sees to that
    3  settle   whoever has the transfer hands it to the payee's bank. The bank writes it down, sends it, and credits
                the payee's deposit with what its inventory got, once, under an id that follows from the transfer

So nothing is lost at any point: before 3 the payer still has everything, and a transfer that somebody sent straight
to the ledger is credited when it is handed in, however late. A transfer with the nonce of terms is never bought back
for its payer (`cbdc.distribution`), and a transfer that was bought back is never settled.

A tier with the rule `zero_holding` holds nothing: everything goes to the deposit. What this shows the payer, how much
of the payment went to the wallet, is told in `docs/limits.md`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from cbdc import canonical
from cbdc.accounts import Books, Posting, credit, debit, deposit, inventory
from cbdc.cabinet import Cabinet, Row, follow, follow_nonce
from cbdc.customers import CustomerFile
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.gateway import Gateway
from cbdc.ledger.entry import Receipt
from cbdc.money import check_tiyn
from cbdc.policies import PolicySet
from cbdc.ports import Clock
from cbdc.record import HASH, HASH_OR_NONE, MOMENT, Group, Unsigned
from cbdc.token import KeyLock, Token
from cbdc.transaction import SignedTransaction, Transfer, open_transaction

TERMS_SECONDS = 600
_FAILED = "bank failed"

Answer = Receipt | TengeError


@runtime_checkable
class Holdings(Protocol):
    """A gateway that knows what a holder holds over all its keys; the ledger itself does."""

    def holding_tiyn(self, pseudonym: bytes) -> int:
        """What a wallet holder holds, in tiyn."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """How a payment is to be received: `wallet_tiyn` to the key `kid`, `deposit_tiyn` to `inventory_kid`, with `nonce`,
    before `expires` has passed. `transaction_id` is the transfer that did it, once it is settled."""

    id: bytes
    customer: bytes
    kid: bytes
    inventory_kid: bytes
    wallet_tiyn: int
    deposit_tiyn: int
    expires: int
    transaction_id: bytes = b""

    @property
    def nonce(self) -> bytes:
        """The nonce that the payment must have."""
        return follow_nonce("waterfall", self.id)

    @property
    def outputs(self) -> tuple[Token, ...]:
        """What the payment creates for the payee: one output, or two."""
        parts = ((self.wallet_tiyn, self.kid), (self.deposit_tiyn, self.inventory_kid))
        return tuple(Token(amount, KeyLock(kid)) for amount, kid in parts if amount)

    def encode(self) -> bytes:
        """The row in the cabinet."""
        return canonical.encode(
            [
                self.customer,
                self.kid,
                self.inventory_kid,
                self.wallet_tiyn,
                self.deposit_tiyn,
                self.expires,
                self.transaction_id,
            ]
        )


_TERMS = Group((HASH, HASH, HASH, Unsigned(), Unsigned(), MOMENT, HASH_OR_NONE))


def bought_back_id(bank_id: int, transaction_id: bytes) -> bytes:
    """The id of the posting that credits what a bank's inventory got by a transfer: whoever it credits, it is one
    posting, so a transfer is credited once."""
    return follow("bought back", bank_id.to_bytes(8, "big"), transaction_id)


def stop_serving(cabinet: Cabinet, bank_id: int) -> None:
    """Write down that a bank has failed."""
    cabinet.put_many([Row(_FAILED, bank_id.to_bytes(8, "big"), b"1")])


def check_serving(cabinet: Cabinet, bank_id: int) -> None:
    """E_BANK_FAILED when a bank has failed."""
    if cabinet.get(_FAILED, bank_id.to_bytes(8, "big")) is not None:
        raise Refused("E_BANK_FAILED", bank_id=bank_id)


class Overflow:
    """The waterfall of one bank."""

    def __init__(
        self,
        gateway: Gateway,
        books: Books,
        cabinet: Cabinet,
        customers: CustomerFile,
        bank_id: int,
        inventory_kid: bytes,
        clock: Clock,
    ) -> None:
        self._gateway = gateway
        self._books = books
        self._cabinet = cabinet
        self._customers = customers
        self._bank_id = bank_id
        self._inventory_kid = inventory_kid
        self._clock = clock
        name = f"bank {bank_id}/terms"
        self._open, self._ended, self._done, self._nonces, self._paying = (
            f"{name}.{part}" for part in ("open", "ended", "done", "nonce", "paying")
        )

    def terms(
        self, wishes: Sequence[tuple[bytes, bytes, int]], policy: PolicySet
    ) -> list[Terms | TengeError]:
        """For payments (id, payee's key id, tiyn) in order their terms, each seeing what those before it take.

        The same id gives the same terms. Refusals: E_CUSTOMER_KEY, E_KEY_UNKNOWN, E_ID_REUSED for another payment under
        an id. Raises E_BANK_FAILED.
        """
        check_serving(self._cabinet, self._bank_id)
        answers: list[Terms | TengeError] = []
        rows: list[Row] = []
        promised = self._promised()
        for wish in wishes:
            try:
                given, fresh = self._give(wish, policy, promised)
                answers.append(given)
                rows += fresh
            except TengeError as refusal:
                answers.append(refusal)
        if rows:
            self._cabinet.put_many(rows)
        return answers

    def _promised(self) -> dict[bytes, int]:
        """What open terms keep free, by key id; terms that have ended leave the drawer, and are still known."""
        now = self._clock.now()
        promised: dict[bytes, int] = {}
        ended: list[Row] = []
        for name, data in self._cabinet.all(self._open):
            terms = self._load(name, data)
            if terms.expires >= now:
                promised[terms.kid] = promised.get(terms.kid, 0) + terms.wallet_tiyn
            else:
                ended += [Row(self._open, name, None), Row(self._ended, name, data)]
        if ended:
            self._cabinet.put_many(ended)
        return promised

    def _give(
        self, wish: tuple[bytes, bytes, int], policy: PolicySet, promised: dict[bytes, int]
    ) -> tuple[Terms, list[Row]]:
        identity, kid, amount_tiyn = wish
        HASH.load(identity, "terms id")
        check_tiyn(amount_tiyn, at_least=1)
        known = self._known(identity, kid, amount_tiyn)
        if known is not None:
            return known, []
        customer = self._customers.owner_of(kid).id
        room = max(0, self._room(kid, policy) - promised.get(kid, 0))
        wallet = min(amount_tiyn, room)
        promised[kid] = promised.get(kid, 0) + wallet
        parts = (wallet, amount_tiyn - wallet, self._clock.now() + TERMS_SECONDS)
        terms = Terms(identity, customer, kid, self._inventory_kid, *parts)
        return terms, [Row(self._open, identity, terms.encode()), Row(self._nonces, terms.nonce, identity)]

    def _known(self, id: bytes, kid: bytes, amount_tiyn: int) -> Terms | None:
        for drawer in (self._open, self._ended, self._done):
            data = self._cabinet.get(drawer, id)
            if data is not None:
                terms = self._load(id, data)
                if (terms.kid, terms.wallet_tiyn + terms.deposit_tiyn) != (kid, amount_tiyn):
                    raise Refused("E_ID_REUSED", id=id)
                return terms
        return None

    def _room(self, kid: bytes, policy: PolicySet) -> int:
        """How much more the holder of a key may hold, in tiyn; a very large sum where nothing limits it."""
        key = self._gateway.registered(kid)
        if key is None:
            raise Refused("E_KEY_UNKNOWN", kid=kid)
        if policy.holds("zero_holding", key.tier) and policy.holds("waterfall", key.tier):
            return 0
        limit = policy.limit("holding", key.tier)
        if not limit or not policy.holds("waterfall", key.tier):
            return canonical.MAX_INTEGER
        if isinstance(self._gateway, Holdings):
            return limit - self._gateway.holding_tiyn(key.pseudonym)
        return limit - sum(token.amount_tiyn for _, token in self._gateway.owned(kid))

    def is_promised(self, nonce: bytes) -> bool:
        """Whether a transfer with this nonce pays by terms of this bank, and so belongs to their payee."""
        return self._cabinet.get(self._nonces, nonce) is not None

    def settle(self, transactions: Sequence[bytes]) -> list[Answer]:
        """Send payments made by terms, in one group, and credit what went to the inventory; for each its answer.

        Refusals: E_QUOTE_UNKNOWN, E_QUOTE_PAYMENT (it pays something else, or was bought back), E_QUOTE_OVER, the
        ledger's own (the terms stay open then).
        """
        opened: list[tuple[SignedTransaction, Terms] | Answer] = []
        rows: dict[bytes, Row] = {}
        for data in transactions:
            try:
                item = self._open_payment(data)
                opened.append(item)
                rows[item[1].id] = Row(self._paying, item[1].id, data)
            except TengeError as refusal:
                opened.append(refusal)
        if rows:
            self._cabinet.put_many(rows.values())
        answers = iter(self._carry_out([item for item in opened if isinstance(item, tuple)]))
        return [next(answers) if isinstance(item, tuple) else item for item in opened]

    def resume(self) -> list[Answer]:
        """Complete what was begun before a crash."""
        waiting = [
            (open_transaction(data, self._gateway.network), self._get(name))
            for name, data in self._cabinet.all(self._paying)
        ]
        return self._carry_out(waiting)

    def _get(self, id: bytes) -> Terms:
        drawers = (self._done, self._open, self._ended)
        found = [data for drawer in drawers if (data := self._cabinet.get(drawer, id)) is not None]
        assert found, "terms are written before their payment"
        return self._load(id, found[0])

    def _open_payment(self, data: bytes) -> tuple[SignedTransaction, Terms]:
        transaction = open_transaction(data, self._gateway.network)
        name = self._cabinet.get(self._nonces, transaction.record.nonce)
        if name is None or not isinstance(transaction.record, Transfer):
            raise Refused("E_QUOTE_UNKNOWN", bank_id=self._bank_id)
        terms = self._get(name)
        wrong = Refused("E_QUOTE_PAYMENT", wallet_tiyn=terms.wallet_tiyn, deposit_tiyn=terms.deposit_tiyn)
        if terms.transaction_id:
            if terms.transaction_id != transaction.id:
                raise wrong
            return transaction, terms
        outputs = transaction.record.outputs
        if self._books.booked(bought_back_id(self._bank_id, transaction.id)) or any(
            self._paid(outputs, kid) != amount
            for kid, amount in ((terms.kid, terms.wallet_tiyn), (terms.inventory_kid, terms.deposit_tiyn))
        ):
            raise wrong
        now = self._clock.now()
        if now > terms.expires and self._gateway.find(transaction.id) is None:
            raise Refused("E_QUOTE_OVER", expires=terms.expires, now=now)
        return transaction, terms

    @staticmethod
    def _paid(outputs: Iterable[Token], kid: bytes) -> int:
        """What the outputs give a key alone, in free money; a payer who is the payee too is no case for a waterfall."""
        return sum(token.amount_tiyn for token in outputs if token == Token(token.amount_tiyn, KeyLock(kid)))

    def _carry_out(self, payments: Sequence[tuple[SignedTransaction, Terms]]) -> list[Answer]:
        answers = self._gateway.submit_many([transaction.encode() for transaction, _ in payments])
        postings: list[Posting] = []
        rows: list[Row] = []
        for (transaction, terms), answer in zip(payments, answers, strict=True):
            if isinstance(answer, Receipt):
                if terms.deposit_tiyn:
                    postings.append(self._credit(transaction.id, terms))
                settled = replace(terms, transaction_id=transaction.id)
                rows += [
                    Row(self._paying, terms.id, None),
                    Row(self._open, terms.id, None),
                    Row(self._ended, terms.id, None),
                    Row(self._done, terms.id, settled.encode()),
                ]
            elif not isinstance(answer, Unavailable):
                rows.append(Row(self._paying, terms.id, None))
        if postings:
            self._books.post_many(postings)
        if rows:
            self._cabinet.put_many(rows)
        return list(answers)

    def _credit(self, transaction_id: bytes, terms: Terms) -> Posting:
        lines = (
            debit(inventory(self._bank_id), terms.deposit_tiyn),
            credit(deposit(self._bank_id, terms.customer), terms.deposit_tiyn),
        )
        identity = bought_back_id(self._bank_id, transaction_id)
        return Posting(identity, self._clock.now(), "received above the holding limit", lines)

    def _load(self, id: bytes, data: bytes) -> Terms:
        values: tuple[Any, ...] = _TERMS.load(canonical.decode(data), "terms")
        return Terms(id, *values)
