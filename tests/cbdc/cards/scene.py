"""Two banks with cards, people and a shop: what the tests of cards play with.

Bank 1 issues on the Visa-like network, bank 2 on the Mastercard-like one. Aliya banks at bank 1 and has a card with
a filled pocket; the shop banks at bank 2 and takes digital tenge too.
"""

from collections.abc import Iterable
from dataclasses import replace

from cbdc.accounts import CIRCULATION, deposit, inventory, reserve, reserves
from cbdc.cabinet import Row, follow
from cbdc.cards import chart
from cbdc.cards.acquirer import CardAcquirer
from cbdc.cards.asking import MACHINE, Terminal
from cbdc.cards.chip import SimulatedChip
from cbdc.cards.issuer import CardIssuer
from cbdc.cards.numbers import MASTERCARD_LIKE, VISA_LIKE
from cbdc.cards.pocket import tokens_in
from cbdc.cards.registry import Card, NewCard
from cbdc.cards.rules import CASH, STANDARD_RULES, Rule
from cbdc.cards.system import CardSystem
from cbdc.cards.wire import PlannedFaults
from cbdc.keys import SoftwareKey
from cbdc.money import tenge
from cbdc.ports import ManualClock, SeededEntropy
from cbdc.system import Setup, Stores, assemble, open_stores
from cbdc.token import MERCHANT, KeyLock, QuorumLock, Token, TokenId
from cbdc.transaction import Transfer, sign_transaction
from tests.cbdc.institutions import BANKS, START, buy, ident, key, person, stock

ISSUER, ACQUIRER = 1, 2
MEMBERS = {1: VISA_LIKE, 2: MASTERCARD_LIKE}
POCKET = tenge(50_000)


class CardScene:
    """See the module's text. Built again over the same stores and clock, it is the same scene."""

    def __init__(
        self,
        rules: Iterable[Rule] = STANDARD_RULES,
        stand_in_tiyn: int = 0,
        stores: Stores | None = None,
        clock: ManualClock | None = None,
    ) -> None:
        self.clock = clock or ManualClock(START)
        self.stores = stores or open_stores(None)
        self.system = assemble(self.stores, key, self.clock, SeededEntropy(7), Setup(banks=BANKS))
        self.faults = PlannedFaults()
        self.cards = CardSystem(self.system, MEMBERS, rules, stand_in_tiyn, self.faults)
        for bank in MEMBERS:
            stock(self.system, bank)
        self.aliya = person(self.system, "aliya", 1, tier=3, deposit_tiyn=tenge(400_000))
        self.shop = person(self.system, "shop", 2, category=MERCHANT, tier=4)
        self.terminal = Terminal(ident("shop"), direct=self.shop)
        self.machine = Terminal(MACHINE)
        self.issuer: CardIssuer = self.cards.issuers[1]
        self.acquirer: CardAcquirer = self.cards.acquirers[2]
        self.acquirer.knows(ident("shop"), self.shop)
        self.acquirer.fill(ident("machine"), tenge(500_000))
        self.card = self.issue("aliya")
        self.chip = self.cards.chip(1, self.card.numbers[0], key("chip aliya"))
        if not tokens_in(self.system.ledger, self.aliya.public.kid):
            buy(self.system, "aliya", tenge(100_000))
            self.load(self.aliya, self.card, POCKET)
            self.tell(self.chip)

    def issue(self, name: str, expires: str = "9912", which: str = "") -> Card:
        """A card for a customer of bank 1."""
        chip = key(f"{which}chip {name}")
        order = NewCard(
            ident(f"{which}card {name}"), ident(name), key(name).public.kid, VISA_LIKE, chip, expires
        )
        return self.issuer.registry.issue([order])[0]

    def tell(self, chip: SimulatedChip) -> None:
        """A chip is told its pocket, as by an answer."""
        chip.tell(self.issuer.judge.note_for(chip.number))

    def forget(self, chip: SimulatedChip) -> None:
        """A chip that was told nothing yet."""
        self.system.stores.cabinet.put_many(
            [Row("simulated chip", follow("chip", chip.number.encode()), None)]
        )

    def load(self, owner: SoftwareKey, card: Card, amount_tiyn: int, mark: bytes = b"") -> None:
        """The wallet puts money into the pocket: a transfer to oneself, behind the pocket's lock."""
        kid = owner.public.kid
        owned = [
            (i, t) for i, t in self.system.ledger.owned(kid) if t.mark == mark and isinstance(t.lock, KeyLock)
        ]
        total = sum(token.amount_tiyn for _, token in owned)
        outputs = [Token(amount_tiyn, self.issuer.registry.lock(card.id), mark)]
        if total > amount_tiyn:
            outputs.append(Token(total - amount_tiyn, KeyLock(kid), mark))
        self.transfer(owner, tuple(i for i, _ in owned), tuple(outputs))

    def transfer(self, owner: SoftwareKey, inputs: tuple[TokenId, ...], outputs: tuple[Token, ...]) -> None:
        """A transfer signed by one key."""
        nonce = ident(f"{inputs}{self.system.ledger.size}")[:16]
        record = Transfer(nonce, tuple(sorted(inputs)), outputs)
        self.system.ledger.submit(sign_transaction(record, self.system.network, [owner]).encode())

    def relock(self) -> None:
        """The wallet moves the pocket behind its present keys."""
        tokens = self._pocket_tokens()
        amount = sum(token.amount_tiyn for _, token in tokens)
        self.transfer(
            self.aliya, tuple(i for i, _ in tokens), (Token(amount, self.issuer.registry.lock(self.card.id)),)
        )

    def empty_pocket(self) -> None:
        """The wallet takes everything out, without the card."""
        tokens = self._pocket_tokens()
        amount = sum(token.amount_tiyn for _, token in tokens)
        lock = KeyLock(self.aliya.public.kid)
        self.transfer(self.aliya, tuple(i for i, _ in tokens), (Token(amount, lock),))

    def _pocket_tokens(self) -> list[tuple[TokenId, Token]]:
        owned = self.system.ledger.owned(self.aliya.public.kid)
        return [(i, t) for i, t in owned if isinstance(t.lock, QuorumLock)]

    def abroad(self, country: str) -> Terminal:
        """The shop's terminal in another country."""
        return replace(self.terminal, country=country)

    # --- what is where ---

    def pocket(self, owner: SoftwareKey | None = None) -> int:
        """What the ledger says is in a pocket."""
        kid = (owner or self.aliya).public.kid
        return sum(token.amount_tiyn for token in tokens_in(self.system.ledger, kid))

    def deposit(self, name: str, bank: int) -> int:
        """A deposit."""
        return self.system.books.balance(deposit(bank, ident(name)))

    def shop_tokens(self) -> int:
        """The shop's digital tenge."""
        return sum(token.amount_tiyn for _, token in self.system.ledger.owned(self.shop.public.kid))

    def balance(self, account: object) -> int:
        """An account's balance."""
        return self.system.books.balance(account)  # type: ignore[arg-type]

    def cash(self) -> int:
        """Banknotes in bank 2's machines."""
        return self.balance(chart.cash(2))


def check(scene: CardScene) -> None:
    """Books and ledger agree, and every amount of cards is where the payments say. Holds whenever nothing is begun."""
    system, books = scene.system, scene.system.books
    books.check()
    supply = system.ledger.supply()
    assert supply.held_tiyn == supply.outstanding_tiyn == books.balance(CIRCULATION)
    total = {"payable": 0, "receivable": 0}
    for bank, issuer in scene.cards.issuers.items():
        assert books.balance(inventory(bank)) == system.banks[bank].inventory_tiyn()
        assert books.balance(reserve(bank)) == books.balance(reserves(bank))
        payments = issuer.payments.all()
        assert books.balance(chart.authorised(bank)) == sum(p.held_tiyn for p in payments)
        assert books.balance(chart.claims(bank)) == sum(p.claim_tiyn for p in payments)
        assert books.balance(chart.disputed(bank)) == sum(p.disputed_tiyn for p in payments)
        assert books.balance(chart.owed(bank)) == sum(r.amount_tiyn for r in issuer.returns.waiting())
        assert not any(p.pending for p in payments)
        for name in MEMBERS.values():
            total["payable"] += books.balance(chart.payable(bank, name))
            total["receivable"] += books.balance(chart.receivable(bank, name))
        sheet = system.banks[bank].balance_sheet()
        assert sheet.assets_tiyn == sheet.claims_tiyn
    assert total["payable"] == total["receivable"], "what one bank owes, another one gets"


def settle(scene: CardScene, name: str = "settlement") -> None:
    """Settle everything; nothing is left to settle."""
    left = scene.cards.settle(ident(name))
    assert all(result.left_out == 0 for result in left.values())
    for bank in MEMBERS:
        for network in MEMBERS.values():
            assert scene.balance(chart.payable(bank, network)) == 0
            assert scene.balance(chart.receivable(bank, network)) == 0


__all__ = ["ACQUIRER", "CASH", "ISSUER", "POCKET", "CardScene", "SimulatedChip", "check", "settle"]
