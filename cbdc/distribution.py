"""A commercial bank: orders digital tenge, sells it against deposits, buys it back, and knows its customers.

What is on the bank's balance sheet: its reserves, the inventory of digital tenge it holds itself, its customers'
deposits. What is not: the digital tenge of its customers, which is the National Bank's debt to them and lies in their
wallets. So a bank's failure takes nobody's digital tenge along.

    order    reserves -> inventory      a signed request to the operator, then the National Bank issues
    sell     deposit -> customer's key  `cbdc.sales`: many customers in one group
    buy back customer's key -> deposit  the customer's transfer to the inventory, credited once, by the transaction's
                                        id, to the owner of the tokens it spends: whoever hands it in decides nothing
    surplus  inventory -> reserves      redemption at the National Bank

Identity stays in the bank (`cbdc.customers`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from cbdc import canonical
from cbdc.accounts import (
    GOVERNMENT_AND_OTHER,
    BalanceSheet,
    Books,
    Posting,
    credit,
    debit,
    deposit,
    institution_of,
    inventory,
    reserve,
    reserves,
)
from cbdc.cabinet import Cabinet, Row, follow, follow_nonce
from cbdc.customers import Customer, CustomerFile
from cbdc.errors import Malformed, Refused, TengeError
from cbdc.gateway import Gateway
from cbdc.issuance import NationalBank
from cbdc.keys import PublicKey, Signer
from cbdc.ledger.entry import Receipt
from cbdc.orders import FundOrder
from cbdc.overflow import Overflow, bought_back_id, check_serving, stop_serving
from cbdc.ports import Clock, Entropy
from cbdc.record import HASH, Bytes, Group, Signed, open_envelope
from cbdc.register import ISSUE, REDEEM, REGISTERED, Request
from cbdc.sales import Answer, SaleDesk, SaleOrder
from cbdc.till import Till
from cbdc.token import KeyLock, Token, TokenId
from cbdc.transaction import (
    HandOver,
    Recover,
    Redeem,
    RegisterKey,
    SignedTransaction,
    Transfer,
    open_transaction,
    sign_transaction,
)


class BankKeys(NamedTuple):
    """A bank's own keys: the one that ROOT certified, and the one that holds the inventory."""

    bank: Signer
    inventory: Signer


@runtime_checkable
class Journal(Protocol):
    """A gateway that also shows what was accepted; the ledger itself does."""

    def transaction(self, index: int) -> SignedTransaction:
        """The transaction at `index` of the journal."""
        ...


@runtime_checkable
class ManyTokens(Protocol):
    """A gateway that can be asked for many tokens at once; the ledger itself can."""

    def tokens(self, identities: Sequence[TokenId]) -> dict[TokenId, Token]:
        """Those of these tokens that are unspent."""
        ...


class NewAccount(NamedTuple):
    """An account to be opened: what `CommercialBank.open_account` asks for."""

    id: bytes
    name: str
    reference: str
    tier: int
    category: int
    deposit_tiyn: int = 0


class Purchase(NamedTuple):
    """A transfer to the inventory and whom it credits: the customer (32 bytes) who owned what it spends."""

    transaction: SignedTransaction
    customer: bytes
    amount_tiyn: int

    def encode(self) -> bytes:
        """The row in the cabinet."""
        return canonical.encode([self.customer, self.transaction.encode()])


_PURCHASE = Group((HASH, Bytes()))
_GROUP = 1_000


class CommercialBank:
    """One bank; fits `cbdc.gateway.BankGateway`."""

    def __init__(
        self,
        bank_id: int,
        name: str,
        gateway: Gateway,
        books: Books,
        cabinet: Cabinet,
        national_bank: NationalBank,
        keys: BankKeys,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._bank_id = bank_id
        self.name = name
        self._gateway = gateway
        self._books = books
        self._cabinet = cabinet
        self._national_bank = national_bank
        self._keys = keys
        self._clock = clock
        self.customers = CustomerFile(cabinet, gateway, bank_id, entropy)
        self.till = Till(gateway, keys.inventory, f"inventory of bank {bank_id}")
        self._desk = SaleDesk(gateway, books, cabinet, self.till, bank_id, clock)
        self.overflow = Overflow(gateway, books, cabinet, self.customers, bank_id, self.till.kid, clock)
        self._buying = f"bank {bank_id}/buying"

    @property
    def bank_id(self) -> int:
        """The bank's number."""
        return self._bank_id

    @property
    def inventory_kid(self) -> bytes:
        """The key id that holds the inventory: what a customer pays to get a deposit."""
        return self.till.kid

    # --- customers and deposits ---

    def open_account(
        self, id: bytes, name: str, reference: str, tier: int, category: int, deposit_tiyn: int = 0
    ) -> Customer:
        """A new customer (or the one known under this id), with a first deposit brought from elsewhere.

        `id` is 32 bytes, `reference` the person's or firm's number. Raises E_ID_REUSED, E_MONEY_RANGE.
        """
        return self.open_accounts([NewAccount(id, name, reference, tier, category, deposit_tiyn)])[0]

    def open_accounts(self, accounts: Sequence[NewAccount]) -> list[Customer]:
        """For each its customer, as `open_account` does it: one commit of the file, one of the books."""
        opened = self.customers.open_many([account[:5] for account in accounts])
        deposits = [
            self._deposit(follow("first deposit", account.id), account.id, account.deposit_tiyn)
            for account in accounts
            if account.deposit_tiyn
        ]
        if deposits:
            self._books.post_many(deposits)
        return opened

    def receive_deposit(
        self, id: bytes, customer: bytes, amount_tiyn: int, text: str = "deposit received"
    ) -> None:
        """Money arrives from outside (salary, cash, another bank): reserves and deposit grow. Once per `id`."""
        self.customers.served(customer, self._books.booked(id))
        self._books.post(self._deposit(id, customer, amount_tiyn, text))

    def _deposit(
        self, id: bytes, customer: bytes, amount_tiyn: int, text: str = "deposit received"
    ) -> Posting:
        lines = (
            debit(GOVERNMENT_AND_OTHER, amount_tiyn),
            credit(reserve(self._bank_id), amount_tiyn),
            debit(reserves(self._bank_id), amount_tiyn),
            credit(deposit(self._bank_id, customer), amount_tiyn),
        )
        return Posting(id, self._clock.now(), text, lines)

    def pay_deposit_out(
        self, id: bytes, customer: bytes, amount_tiyn: int, text: str = "deposit paid out"
    ) -> None:
        """Money leaves to outside (cash, another bank). Once per `id`; E_FUNDS_ACCOUNT when there is too little."""
        self.customers.get(customer)
        lines = (
            debit(deposit(self._bank_id, customer), amount_tiyn),
            credit(reserves(self._bank_id), amount_tiyn),
            debit(reserve(self._bank_id), amount_tiyn),
            credit(GOVERNMENT_AND_OTHER, amount_tiyn),
        )
        self._books.post(Posting(id, self._clock.now(), text, lines))

    def move_deposit(
        self, id: bytes, payer: bytes, payee: bytes, amount_tiyn: int, text: str = "deposit moved"
    ) -> None:
        """Between two customers of this bank. Once per `id`; E_FUNDS_ACCOUNT when there is too little."""
        self.customers.get(payer)
        self.customers.served(payee, self._books.booked(id))
        lines = (
            debit(deposit(self._bank_id, payer), amount_tiyn),
            credit(deposit(self._bank_id, payee), amount_tiyn),
        )
        self._books.post(Posting(id, self._clock.now(), text, lines))

    def deposit_tiyn(self, customer: bytes) -> int:
        """What a customer has on deposit; E_CUSTOMER_UNKNOWN."""
        self.customers.get(customer)
        return self._books.balance(deposit(self._bank_id, customer))

    def balance_sheet(self) -> BalanceSheet:
        """What the bank has and owes; its customers' digital tenge is not on it."""
        return self._books.balance_sheet(institution_of(self._bank_id))

    # --- keys ---

    def enrolment(self, customer: bytes, public: PublicKey) -> RegisterKey:
        """The registration of a customer's key, for the holder to sign (and thereby to prove it has the key)."""
        return self._enrolment(self.customers.served(customer), public)

    def _enrolment(self, known: Customer, public: PublicKey) -> RegisterKey:
        nonce = follow_nonce("enrol", public.kid)
        return RegisterKey(
            nonce, public.algorithm, public.raw, self._bank_id, known.tier, known.category, known.pseudonym
        )

    def enrol(self, customer: bytes, public: PublicKey, possession: bytes) -> Receipt:
        """Register a customer's key on the ledger; `possession` is the key's signature over the enrolment.

        Raises E_BANK_FAILED, E_CUSTOMER_UNKNOWN, E_SIG, or the ledger's refusal (E_KEY_TAKEN, E_TIER).
        """
        check_serving(self._cabinet, self._bank_id)
        record = self.enrolment(customer, public)
        mine = sign_transaction(record, self._gateway.network, [self._keys.bank])
        public.verify(possession, mine.message)
        witnesses = ((public.kid, possession), *mine.witnesses)
        whole = SignedTransaction(record, mine.body, mine.id, witnesses)
        receipt = self._gateway.submit(whole.encode())
        self.customers.attach([(public.kid, customer)])
        return receipt

    def register_keys(self, keys: Sequence[tuple[bytes, Signer]]) -> list[Answer]:
        """Register many keys (customer id, signer) in one group; for each its receipt or its refusal."""
        known = self.customers.get_many([customer for customer, _ in keys])
        answers: list[Answer] = []
        for start in range(0, len(keys), _GROUP):
            transactions = []
            for customer, signer in keys[start : start + _GROUP]:
                record = self._enrolment(known.get(customer) or self.customers.get(customer), signer.public)
                both = [signer, self._keys.bank]
                transactions.append(sign_transaction(record, self._gateway.network, both).encode())
            answers += self._gateway.submit_many(transactions)
        self.customers.attach(
            [
                (signer.public.kid, customer)
                for (customer, signer), answer in zip(keys, answers, strict=True)
                if isinstance(answer, Receipt)
            ]
        )
        return answers

    def register_key(self, customer: bytes, signer: Signer) -> Receipt:
        """Register one key whose signer is at hand; raises the refusal."""
        return _raised(self.register_keys([(customer, signer)])[0])

    # --- deposits to digital tenge ---

    def sell(self, orders: Sequence[SaleOrder]) -> list[Answer]:
        """Sell to many customers in one group; for each its receipt or its refusal (see `cbdc.sales`).

        The bank's own staff (and a pilot) order here; a customer far away sends a signed `FundOrder` to `fund`.
        """
        check_serving(self._cabinet, self._bank_id)
        for order in orders:
            self.customers.get(order.customer)
        return self._desk.sell(orders)

    def fund(self, order: Signed[FundOrder]) -> Receipt:
        """Carry out a customer's signed order. Raises E_BANK_SCOPE (another bank's), E_CUSTOMER_KEY, E_SIG, and
        whatever refuses the sale."""
        # Opened anew, so that the signature is judged for this network and no other.
        order = open_envelope(order.envelope(), FundOrder, self._gateway.network)
        record = order.record
        if record.bank_id != self._bank_id:
            raise Refused("E_BANK_SCOPE", bank_id=record.bank_id)
        check_serving(self._cabinet, self._bank_id)
        customer = self.customers.owner_of(record.kid)
        registered = self._gateway.registered(record.kid)
        if registered is None:
            raise Refused("E_KEY_UNKNOWN", kid=record.kid)
        order.verify(registered.key)
        sale = SaleOrder(record.id, customer.id, record.kid, record.amount_tiyn)
        return _raised(self._desk.sell([sale])[0])

    # --- digital tenge to deposits ---

    def defund(self, transaction: bytes) -> Receipt:
        """Buy back one customer's digital tenge; raises the refusal."""
        return _raised(self.buy_back([transaction])[0])

    def buy_back(self, transactions: Sequence[bytes]) -> list[Answer]:
        """Submit customers' transfers to the inventory in one group and credit their deposits, each once.

        The deposit credited is that of the owner of the tokens spent, as the ledger knows them. Witnesses do not say
        it: the ledger answers an accepted transaction with its receipt whatever witnesses come with it.

        Refusals: E_BUYBACK (no plain transfer of one customer's tokens to the inventory), E_CUSTOMER_KEY,
        E_MARK_BLOCKS, E_TOKEN_SPENT, E_BOOKS_LEDGER, the ledger's own. E_BANK_FAILED is raised.
        """
        check_serving(self._cabinet, self._bank_id)
        made: dict[TokenId, Token] = {}
        opened: list[Purchase | Answer] = []
        for data in transactions:
            try:
                opened.append(self._open_buyback(data, made))
            except TengeError as refusal:
                opened.append(refusal)
        answers = iter(self._carry_out([item for item in opened if isinstance(item, Purchase)]))
        return [next(answers) if isinstance(item, Purchase) else item for item in opened]

    def _open_buyback(self, data: bytes, made: dict[TokenId, Token]) -> Purchase | Receipt:
        """The purchase in `data`, or the receipt of one that is booked already; `made`: what this group creates."""
        transaction = open_transaction(data, self._gateway.network)
        if not isinstance(transaction.record, Transfer) or self.overflow.is_promised(
            transaction.record.nonce
        ):
            raise Refused("E_BUYBACK", bank_id=self._bank_id)
        row = self._cabinet.get(self._buying, transaction.id)
        if row is not None:
            return self._purchase(transaction, self._load(row).customer)
        if self._books.booked(self._identity(transaction)):
            receipt = self._gateway.find(transaction.id)
            if receipt is None:
                raise Refused("E_BOOKS_LEDGER", id=transaction.id)
            return receipt
        purchase = self._purchase(transaction, self._payer(transaction, made))
        for place, token in enumerate(transaction.record.outputs):
            made[TokenId(transaction.id, place)] = token
        return purchase

    def _purchase(self, transaction: SignedTransaction, customer: bytes) -> Purchase:
        bought = [t for t in transaction.record.creates if t.lock == KeyLock(self.inventory_kid)]
        marked = [token.mark for token in bought if token.mark]
        if marked:
            raise Refused("E_MARK_BLOCKS", mark=marked[0])
        if not bought:
            raise Refused("E_BUYBACK", bank_id=self._bank_id)
        return Purchase(transaction, customer, sum(token.amount_tiyn for token in bought))

    def _payer(self, transaction: SignedTransaction, made: dict[TokenId, Token]) -> bytes:
        """The one customer whose tokens it spends. The bank's own inventory has no customer: E_CUSTOMER_KEY."""
        inputs = transaction.record.spends
        there = self._tokens([identity for identity in inputs if identity not in made])
        spent = [made.get(identity) or there.get(identity) for identity in inputs]
        owners: set[bytes] = set()
        if None not in spent:
            # Nothing is accepted yet, and the ledger will verify each of these.
            owners = {self.customers.owner_of(kid).id for kid, _ in transaction.witnesses}
        elif self._gateway.find(transaction.id) is not None:
            # Accepted before it came here: the witnesses may be anybody's, so the journal says what was spent.
            spent = [self._journal_token(identity) for identity in inputs]
        else:
            missing = inputs[spent.index(None)]
            raise Refused("E_TOKEN_SPENT", transaction_id=missing.transaction_id, output=missing.output)
        kids: dict[bytes, None] = {}
        for token in spent:
            if token is None or not isinstance(token.lock, KeyLock):
                raise Refused("E_BUYBACK", bank_id=self._bank_id)
            kids[token.lock.kid] = None
        owners |= {self.customers.owner_of(kid).id for kid in kids}
        if len(owners) != 1:
            raise Refused("E_BUYBACK", bank_id=self._bank_id)
        return owners.pop()

    def _tokens(self, identities: Sequence[TokenId]) -> Mapping[TokenId, Token]:
        """Those of these tokens that are unspent."""
        if isinstance(self._gateway, ManyTokens):
            return self._gateway.tokens(identities)
        found = ((identity, self._gateway.token(identity)) for identity in identities)
        return {identity: token for identity, token in found if token is not None}

    def _journal_token(self, identity: TokenId) -> Token | None:
        """A token that may be spent, from the transaction that made it; None if this gateway shows no journal."""
        made = self._gateway.find(identity.transaction_id)
        if made is None or not isinstance(self._gateway, Journal):
            return None
        return self._gateway.transaction(made.index).record.creates[identity.output]

    def _carry_out(self, purchases: Sequence[Purchase]) -> list[Answer]:
        # Who is credited is written down before anything is sent: afterwards the tokens are gone from the ledger.
        self._put([Row(self._buying, item.transaction.id, item.encode()) for item in purchases])
        answers = self._gateway.submit_many([item.transaction.encode() for item in purchases])
        postings: list[Posting] = []
        closed: list[Row] = []
        for item, answer in zip(purchases, answers, strict=True):
            if isinstance(answer, Receipt):
                lines = (
                    debit(inventory(self._bank_id), item.amount_tiyn),
                    credit(deposit(self._bank_id, item.customer), item.amount_tiyn),
                )
                identity = self._identity(item.transaction)
                postings.append(Posting(identity, self._clock.now(), "bought back", lines))
            if isinstance(answer, Receipt | Refused | Malformed):
                closed.append(Row(self._buying, item.transaction.id, None))
        if postings:
            self._books.post_many(postings)
        self._put(closed)
        return answers

    def _identity(self, transaction: SignedTransaction) -> bytes:
        """The id of the posting; with the bank in it, as one transfer may pay the inventories of two banks."""
        return bought_back_id(self._bank_id, transaction.id)

    # --- service of holders under supervision, and a bank that has failed ---

    def sign_service(self, record: HandOver | Recover, *others: Signer) -> SignedTransaction:
        """The bank's word for a handover to it or a recovery; the enforcement authority's must follow."""
        check_serving(self._cabinet, self._bank_id)
        return sign_transaction(record, self._gateway.network, [self._keys.bank, *others])

    def fail(self) -> None:
        """From now on the bank serves nobody: it sells, buys back, enrols and orders nothing. For ever."""
        stop_serving(self._cabinet, self._bank_id)

    def _load(self, row: bytes) -> Purchase:
        values: tuple[Any, ...] = _PURCHASE.load(canonical.decode(row), "purchase")
        customer, data = values
        return self._purchase(open_transaction(data, self._gateway.network), customer)

    # --- the inventory ---

    def inventory_tiyn(self) -> int:
        """The digital tenge the bank itself holds."""
        return self.till.available_tiyn()

    def request_tokens(self, id: bytes, amount_tiyn: int) -> Request:
        """Ask the National Bank for digital tenge against reserves: a signed request in the operator's register."""
        return self._request(id, ISSUE, amount_tiyn)

    def order_tokens(self, id: bytes, amount_tiyn: int) -> Receipt:
        """Ask, and have the National Bank's officers at hand approve and issue. Raises what `NationalBank` raises."""
        self._request(id, ISSUE, amount_tiyn)
        return self._national_bank.approve_and_issue(id)

    def redeem_surplus(self, id: bytes, amount_tiyn: int) -> Receipt:
        """Give digital tenge of the inventory back for reserves; E_TILL when there is too little, and the refusals of
        `NationalBank.redeem`."""
        return redeem_from_till(
            self._national_bank, self._gateway, self.till, self._request(id, REDEEM, amount_tiyn)
        )

    def _request(self, id: bytes, kind: int, amount_tiyn: int) -> Request:
        check_serving(self._cabinet, self._bank_id)
        return self._national_bank.ask(self._keys.bank, (id, kind, self._bank_id, amount_tiyn))

    # --- after a crash ---

    def resume(self) -> dict[bytes, Answer]:
        """Complete every open sale and every open purchase; the answers by sale id or transaction id."""
        answers = self._desk.resume()
        purchases = [self._load(row) for _, row in self._cabinet.all(self._buying)]
        bought = self._carry_out(purchases)
        answers.update((item.transaction.id, answer) for item, answer in zip(purchases, bought, strict=True))
        self.overflow.resume()
        return answers

    def _put(self, rows: list[Row]) -> None:
        if rows:
            self._cabinet.put_many(rows)


def redeem_from_till(national_bank: NationalBank, gateway: Gateway, till: Till, request: Request) -> Receipt:
    """Sign a registered redemption with tokens of the till and hand it to the National Bank."""
    if request.state != REGISTERED:
        return national_bank.redeem(request.id)
    till.tidy()
    inputs, change_tiyn = till.choose(till.tokens(), request.amount_tiyn)
    change = (Token(change_tiyn, KeyLock(till.kid)),) if change_tiyn else ()
    record = Redeem(follow_nonce("redeem", request.id), request.id, inputs, change)
    return national_bank.redeem(request.id, sign_transaction(record, gateway.network, [till.signer]))


def _raised(answer: Answer) -> Receipt:
    if isinstance(answer, TengeError):
        raise answer
    return answer
