"""A small corridor for tests: one customer at home with digital tenge, one payee abroad, everything in memory.

`Scene` keeps the stores, so that `again()` builds the institutions anew over them, as after a crash.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cbdc.accounts import being_sold, deposit, inventory
from cbdc.cabinet import MemoryCabinet
from cbdc.institutions import BankName
from cbdc.keys import ED25519, SoftwareKey
from cbdc.money import tenge
from cbdc.ports import Checkpoint, ManualClock, SeededEntropy, no_checkpoint
from cbdc.rails.corridor import (
    CORRESPONDENT,
    PAYEES_BANK,
    CorridorPlan,
    Shelves,
    SimulatedCorridor,
    open_shelves,
)
from cbdc.rails.currency import USD, money
from cbdc.rails.desk import Order, account_of
from cbdc.rails.exchange import Exchange, Signatures, Times
from cbdc.rails.hashlock import make_lock, spend_lock
from cbdc.rails.messages import Initiation, Message, reference_of, uetr_of
from cbdc.rails.rates import Quote, quote_id
from cbdc.rails.settlement import in_progress, incoming, locked, loro, nostro, orders, sent
from cbdc.sales import SaleOrder
from cbdc.system import Setup, Stores, System, assemble, open_stores
from cbdc.token import FIRM, KeyLock, Token
from cbdc.transaction import Transfer, sign_transaction
from tests.cbdc.institutions import ident, key

# A Tuesday, 17:00 in Almaty and 10:00 in the other country: the rate is of this day, 2 December 2025.
NOON = 1_764_687_600
RATE = 513_450_000
STOCK = 500_000_00
NOSTRO = 300_000_00
BOUGHT = tenge(900_000)
PAYER = ident("alem")
PLAN = CorridorPlan(nostro_minor=NOSTRO, stock_minor=STOCK)


def key_abroad(label: str, algorithm: int = ED25519) -> SoftwareKey:
    """The other country's keys."""
    return key(f"abroad/{label}", algorithm)


@dataclass
class Scene:
    """A corridor and what it stands on."""

    plan: CorridorPlan = PLAN
    checkpoint: Checkpoint = no_checkpoint
    start: int = NOON
    clock: ManualClock = field(init=False)
    home_stores: Stores = field(init=False)
    abroad_stores: Stores = field(init=False)
    shelves: Shelves = field(init=False)
    corridor: SimulatedCorridor = field(init=False)
    made: dict = field(default_factory=dict)  # what the customer has signed: a repetition is the same bytes

    def __post_init__(self) -> None:
        self.clock = ManualClock(self.start)
        self.home_stores = open_stores(None, lambda name: self.checkpoint(name))
        self.abroad_stores = open_stores(None, lambda name: self.checkpoint(name))
        self.shelves = open_shelves(None, lambda name: self.checkpoint(name))
        checkpoint, self.checkpoint = self.checkpoint, no_checkpoint
        self.again()
        self._fill()
        self.checkpoint = checkpoint

    def again(self) -> None:
        """Build everything anew over the same stores."""
        setup = Setup(banks=(BankName(1, "Bank One"), BankName(2, "Bank Two")))
        home = assemble(self.home_stores, key, self.clock, SeededEntropy(7), setup)
        abroad = self._abroad()
        self.corridor = SimulatedCorridor(
            home, abroad, self.shelves, self.plan, SeededEntropy(9), self.clock.move_to
        )

    def _abroad(self) -> System:
        from cbdc.customers import BUSINESS_TIER
        from cbdc.ledger.entry import Policy

        policy = Policy("abroad", ((BUSINESS_TIER, 0, 0, 0),), 5 * 3_600)
        banks = (BankName(CORRESPONDENT, "Meridian"), BankName(PAYEES_BANK, "Harbour"))
        setup = Setup(policy, banks, (), "abroad")
        return assemble(self.abroad_stores, key_abroad, self.clock, SeededEntropy(8), setup)

    def _fill(self) -> None:
        home = self.home
        home.national_bank.endow(ident("endow"), 1, tenge(4_000_000))
        home.banks[1].order_tokens(ident("order"), tenge(2_000_000))
        home.banks[1].open_account(PAYER, "Alem LLP", "000000000001", 4, FIRM, tenge(2_000_000))
        home.banks[1].register_key(PAYER, key("alem"))
        home.banks[1].sell([SaleOrder(ident("sale"), PAYER, self.payer.public.kid, BOUGHT)])
        self.corridor.rates.set_middle(RATE)
        self.corridor.add_payee(ident("acme"), "Acme Inc")

    # --- shortcuts ---

    @property
    def home(self) -> System:
        return self.corridor.home

    @property
    def abroad(self) -> System:
        return self.corridor.abroad

    @property
    def payer(self) -> SoftwareKey:
        return key("alem")

    @property
    def account(self) -> str:
        return account_of(ident("acme"))

    def tokens(self) -> list[tuple]:
        kid = self.payer.public.kid
        owned = self.home.ledger.owned(kid)
        return [(name, token.amount_tiyn) for name, token in owned if token.lock == KeyLock(kid)]

    def initiation(self, name: str, desk: str, quote: Quote, **changes: object) -> bytes:
        """The customer's order as a message."""
        id, now = ident(name), self.clock.now()
        reference = reference_of(id)
        body = Initiation(
            reference, now, reference, reference, uetr_of(id), now // 86_400, "Alem LLP", account_of(PAYER), desk,
            quote.foreign, reference_of(quote.id), self.plan.addresses.payees_bank, "Acme Inc", self.account,
            "invoice 7",
        )  # fmt: skip
        body = replace(body, **changes)
        return Message(body.debtor_account, body.debtor_bank, body).encode()

    def quote(self, name: str, dealer: str, minor: int) -> Quote:
        return self.corridor.rates.quote(quote_id(ident(name)), dealer, money(minor, USD), self.clock.now())

    def transfer(self, name: str, amount_tiyn: int, payee: bytes = b"") -> bytes:
        """The customer pays digital tenge to the bank."""
        tokens = self.tokens()
        total = sum(amount for _, amount in tokens)
        outputs = [Token(amount_tiyn, KeyLock(payee or self.home.banks[1].inventory_kid))]
        if total > amount_tiyn:
            outputs.append(Token(total - amount_tiyn, KeyLock(self.payer.public.kid)))
        record = Transfer(ident(name)[:16], tuple(name for name, _ in tokens), tuple(outputs))
        return sign_transaction(record, self.home.network, [self.payer]).encode()

    def order(self, name: str = "one", minor: int = 1_000_00, **changes: object) -> Order:
        """Order a payment through the correspondent."""
        desk = self.corridor.desk
        if name not in self.made:
            quote = self.quote(name, desk.bic, minor)
            message = self.initiation(name, desk.bic, quote, **changes)
            self.made[name] = (message, self.transfer(name, quote.asked.minor))
        return desk.take(ident(name), *self.made[name], self.payer.public.kid)

    def signed(self, name: str, quote: Quote, times: Times | None = None) -> tuple[Signatures, int]:
        """The three transfers of a payment against payment, and the other side's deadline."""
        terms = self.corridor.exchange.terms(ident(name), quote, self.payer.public.kid, times)
        network, kid = self.home.network, self.payer.public.kid
        lock = make_lock(ident(name), network, self.payer, self.tokens(), terms.amount_tiyn, terms.lock)
        refund = spend_lock("refund", network, self.payer, lock.id, terms.amount_tiyn, kid)
        late = spend_lock("late", network, self.payer, lock.id, terms.amount_tiyn, terms.lock.claim)
        return Signatures(lock.encode(), refund.encode(), late.encode()), terms.other

    def swap(
        self, name: str = "one", minor: int = 1_000_00, times: Times | None = None, **changes: object
    ) -> Exchange:
        """Order a payment against payment."""
        desk = self.corridor.exchange
        if name not in self.made:
            quote = self.quote(name, self.corridor.maker.bic, minor)
            message = self.initiation(name, desk.bic, quote, **changes)
            self.made[name] = (message, *self.signed(name, quote, times))
        return desk.take(ident(name), *self.made[name])

    def run(self, days: int = 5) -> int:
        """Let so many days pass."""
        return self.corridor.run(self.clock.now() + days * 86_400)

    # --- figures ---

    def wallet(self) -> int:
        """What the payer can spend."""
        return sum(amount for _, amount in self.tokens())

    def payee_deposit(self) -> int:
        return self.abroad.books.balance(deposit(PAYEES_BANK, ident("acme")))

    def payee_wallet(self) -> int:
        kid = self.corridor.payees[self.account]
        return sum(token.amount_tiyn for _, token in self.abroad.ledger.owned(kid))

    def maker_wallet(self) -> int:
        kid = self.home.keys.get("market maker").public.kid
        return sum(token.amount_tiyn for _, token in self.home.ledger.owned(kid))

    def check(self) -> None:
        """What must hold at every moment when nothing is half done: all books and both ledgers add up."""
        for books in (self.home.books, self.abroad.books, self.shelves.nostro, self.shelves.maker):
            books.check()
        for system in (self.home, self.abroad):
            supply = system.ledger.supply()
            assert supply.held_tiyn == supply.outstanding_tiyn
            assert system.supervise() == []
            for bank in system.banks.values():
                assert system.books.balance(being_sold(bank.bank_id)) == 0
                assert system.books.balance(inventory(bank.bank_id)) == bank.inventory_tiyn()
        assert self.home.ledger.supply().outstanding_tiyn == tenge(2_000_000)
        assert self.abroad.ledger.supply().outstanding_tiyn == STOCK

    def check_rest(self) -> None:
        """What must hold when everything came to its end: nothing is on its way in any book."""
        self.check()
        names = self.plan.addresses
        abroad = self.abroad.books
        assert self.home.books.balance(orders(1)) == 0
        assert self.shelves.nostro.balance(sent(names.desk)) == 0
        assert abroad.balance(in_progress(CORRESPONDENT)) == 0
        assert abroad.balance(incoming(PAYEES_BANK)) == 0
        assert abroad.balance(locked(CORRESPONDENT)) == 0
        assert self.shelves.nostro.balance(nostro(names.desk, names.correspondent)) == abroad.balance(
            loro(CORRESPONDENT, names.desk)
        )


def kinds_of(scene: Scene) -> list[tuple[str, str, str]]:
    """(kind, sender, receiver) of every message that was handed to the network, in order."""
    cabinet = scene.shelves.cabinet
    assert isinstance(cabinet, MemoryCabinet)
    seen = sorted(scene.corridor.network._seen(data) for _, data in cabinet.all("network/sent"))
    return [(row[4], row[2], row[3]) for row in seen]


def outcome_of(scene: Scene, minor: int, asked: int, swapped: bool) -> str:
    """`whole` or `undone`, or an assertion fails: nothing in between, nothing lost, nothing doubled."""
    scene.check_rest()
    spent = BOUGHT - scene.wallet()
    got = scene.payee_wallet() if swapped else scene.payee_deposit()
    assert (spent, got) in ((asked, minor), (0, 0)), (spent, got)
    if swapped:
        assert scene.maker_wallet() == spent
        assert scene.abroad.banks[CORRESPONDENT].inventory_tiyn() == STOCK - got
    return "whole" if got else "undone"


Play = Callable[[Scene], None]
