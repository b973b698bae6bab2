"""Cards in the sandbox of the site: a wallet's holder links cards, holds one to a till's terminal, freezes it.

The networks, the terminals and the chips are **simulated** (`cbdc.cards`). The card is the customer's bank's, on the
network of which that bank is a member. The pocket's lock names the wallet's key first and the chip's second, so the
wallet takes the money out without the card.

    link     the bank issues a card to a wallet, at most `MOST_CARDS`; the chip's key follows from the sandbox's secret
    hold     the holder holds the card to a terminal for one amount: a code of eight letters, good for two minutes
    pay      a shop's terminal finds the card under the code, and asks for exactly that amount, once

In the world a terminal touches a chip. Here the chip lies in the server, so the code stands for the touch: without the
holder's signed word no terminal reaches the chip, and for another amount or a second time it does not sign.

Rules kept here: what is begun is written down first, the payment's id follows from the holding, so a till that asks
again after a crash asks for the same payment. Everything lies in the institutions' cabinet and is kept with it.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from cbdc import canonical
from cbdc.cabinet import Row, follow
from cbdc.cards.asking import Terminal
from cbdc.cards.chip import SimulatedChip
from cbdc.cards.judging import local_time
from cbdc.cards.numbers import MASTERCARD_LIKE, VISA_LIKE
from cbdc.cards.pocket import tokens_in
from cbdc.cards.registry import Card, NewCard
from cbdc.cards.sale import APPROVED
from cbdc.cards.system import CardSystem, Outcome
from cbdc.cards.wire import Leg
from cbdc.distribution import CommercialBank
from cbdc.errors import Refused
from cbdc.keys import ED25519, SoftwareKey
from cbdc.money import check_tiyn
from cbdc.ports import Clock, Entropy
from cbdc.record import AMOUNT, HASH, Bytes, Group, Items, Unsigned
from cbdc.system import System

MOST_CARDS = 3
MOST_SHOWN = 20
HELD_SECONDS = 120
GOOD_YEARS = 4
STAND_IN_TIYN = 0  # a network never pays for a bank here
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_LETTERS = 8
_OF_WALLET = "site cards"
_HOLDINGS = "site card/holding"
_BY_CODE = "site card/code"
_RECENT = "site card/recent"
_IDS = Items(HASH, most=MOST_SHOWN)
_HOLDING = Group((HASH, AMOUNT, Unsigned(), Unsigned(), Bytes((0, 32)), Bytes((0, 32))))


@dataclass(frozen=True, slots=True)
class Holding:
    """A card held to a terminal for one amount, at `time` (virtual seconds).

    `acquirer`, `merchant` and `request` say which till took it, in which request; 0 and empty before.
    """

    id: bytes
    card: bytes
    amount_tiyn: int
    time: int
    acquirer: int = 0
    merchant: bytes = b""
    request: bytes = b""

    def encode(self) -> bytes:
        """The row in the cabinet."""
        row = [self.card, self.amount_tiyn, self.time, self.acquirer, self.merchant, self.request]
        return canonical.encode(row)

    @property
    def sale(self) -> bytes:
        """The id of its payment."""
        return follow("site card sale", self.id)


class SilentNetwork:
    """A fault that a till may play, **simulated**: the answers to payments never reach the terminal."""

    def __init__(self) -> None:
        self.on = False
        self.heard = 0

    def fate(self, type: str, id: bytes, leg: Leg, time: int) -> str:
        """`lost` for an answer to a payment while it is on; the first `heard` answers (to questions) arrive."""
        if not self.on or type != "0110" or leg != "from network":
            return ""
        if self.heard:
            self.heard -= 1
            return ""
        return "lost"


class SiteCards:
    """The cards of one act. See the module's text."""

    def __init__(self, system: System, entropy: Entropy, clock: Clock) -> None:
        self._system = system
        self._cabinet = system.stores.cabinet
        self._entropy = entropy
        self._clock = clock
        self._silence = SilentNetwork()
        self.members = {
            number: VISA_LIKE if number % 2 else MASTERCARD_LIKE for number in sorted(system.banks)
        }
        self.cards = CardSystem(system, self.members, stand_in_limit_tiyn=STAND_IN_TIYN, faults=self._silence)
        if self._cabinet.all(_HOLDINGS):
            self.cards.tend()

    # --- the holder's cards ---

    def link(self, bank: CommercialBank, customer: bytes, kid: bytes, id: bytes) -> Card:
        """The bank issues a card to a wallet under the wallet's own `id`; the same again: the same card.

        Raises E_CARDS_MOST, and what `CardRegistry.issue` raises.
        """
        name = card_id(kid, id)
        known = self._ids(_OF_WALLET, kid)
        if name not in known:
            if len(known) >= MOST_CARDS:
                raise Refused("E_CARDS_MOST", most=MOST_CARDS)
            known.append(name)
        network, expires = self.members[bank.bank_id], last_month(self._clock.now())
        registry = self.cards.issuers[bank.bank_id].registry
        card = registry.issue([NewCard(name, customer, kid, network, self._chip_key(name), expires)])[0]
        self._cabinet.put_many([Row(_OF_WALLET, kid, canonical.encode(known))])
        return card

    def cards_of(self, bank_id: int, kid: bytes) -> list[Card]:
        """The cards that were linked to a wallet, oldest first."""
        registry = self.cards.issuers[bank_id].registry
        return [registry.card(one) for one in self._ids(_OF_WALLET, kid)]

    def card(self, bank_id: int, kid: bytes, id: bytes) -> Card:
        """A card of this wallet; E_CARD_UNKNOWN for nobody's and for somebody else's."""
        if id not in self._ids(_OF_WALLET, kid):
            raise Refused("E_CARD_UNKNOWN", card=id.hex()[:12])
        return self.cards.issuers[bank_id].registry.card(id)

    def pocket_tiyn(self, bank_id: int, card: Card) -> int:
        """What the ledger says is in the card's pocket."""
        chip = self.cards.issuers[bank_id].registry.device(card.numbers[0]).key.kid
        return sum(one.amount_tiyn for one in tokens_in(self._system.ledger, card.wallet_kid, chip))

    def freeze(self, bank_id: int, id: bytes, frozen: bool) -> Card:
        """The card pays nothing, or pays again; what was approved before stays."""
        registry = self.cards.issuers[bank_id].registry
        return registry.block(id) if frozen else registry.unblock(id)

    def is_chip(self, bank_id: int, kid: bytes) -> bool:
        """Whether a customer's key is the chip of one of its cards, and no wallet."""
        bank = self._system.banks[bank_id]
        wallets = bank.customers.keys_of(bank.customers.owner_of(kid).id)
        return any(
            self._chip_key(card).public.kid == kid for one in wallets for card in self._ids(_OF_WALLET, one)
        )

    def _chip_key(self, card: bytes) -> SoftwareKey:
        return SoftwareKey(ED25519, self._entropy.bytes("card chip", card))

    def _ids(self, drawer: str, key: bytes) -> list[bytes]:
        data = self._cabinet.get(drawer, key)
        return [] if data is None else list(_IDS.load(canonical.decode(data), "ids"))

    # --- held to a terminal ---

    def hold(self, card: Card, id: bytes, amount_tiyn: int) -> tuple[Holding, str]:
        """The card is held to a terminal for one amount: the holding and its code. The same `id` again: the same.

        Raises E_MONEY_RANGE, E_ID_REUSED.
        """
        check_tiyn(amount_tiyn, at_least=1)
        name = follow("site card holding", card.id, id)
        known = self._holding(name)
        if known is not None:
            if known.amount_tiyn != amount_tiyn:
                raise Refused("E_ID_REUSED", id=id)
            return known, self._code(name)
        holding = Holding(name, card.id, amount_tiyn, self._clock.now())
        code = self._code(name)
        recent = [name, *self._ids(_RECENT, card.id)][:MOST_SHOWN]
        self._cabinet.put_many(
            [
                Row(_HOLDINGS, name, holding.encode()),
                Row(_BY_CODE, _code_id(code), name),
                Row(_RECENT, card.id, canonical.encode(recent)),
            ]
        )
        return holding, code

    def _holding(self, id: bytes) -> Holding | None:
        data = self._cabinet.get(_HOLDINGS, id)
        if data is None:
            return None
        values: tuple[Any, ...] = _HOLDING.load(canonical.decode(data), "holding")
        return Holding(id, *values)

    def _code(self, id: bytes) -> str:
        number = int.from_bytes(self._entropy.bytes("card code", id, 5), "big")
        letters = "".join(_LETTERS[(number >> (5 * place)) % 32] for place in range(_CODE_LETTERS))
        return f"{letters[:4]}-{letters[4:]}"

    def movements(self, card: Card) -> list[tuple[Holding, Outcome | None]]:
        """The newest payments of a card, newest first, each with how it stands; None where no till took it."""
        found = [one for name in self._ids(_RECENT, card.id) if (one := self._holding(name)) is not None]
        return [(one, self._outcome(one)) for one in found]

    def _outcome(self, holding: Holding) -> Outcome | None:
        if not holding.acquirer:
            return None
        sales = self.cards.acquirers[holding.acquirer].sales
        return self.cards.outcome(holding.acquirer, holding.sale) if sales.find(holding.sale) else None

    # --- a shop's till ---

    def pay(
        self,
        request: bytes,
        acquirer: int,
        merchant: bytes,
        code: str,
        amount_tiyn: int,
        silent: bool = False,
    ) -> tuple[Card, Outcome]:
        """A shop's **simulated** terminal asks the card under the code for an amount, and captures what is approved.

        `request` names the try of the shop: the same again is the same payment. `silent`: the network's answers do not
        arrive. Raises E_CARD_TAP for a code that stands for nothing, for another amount, is used or too old.
        """
        check_tiyn(amount_tiyn, at_least=1)
        holding = self._taken(request, acquirer, merchant, code, amount_tiyn)
        card, bank_id = self._card_of(holding)
        chip = self.cards.chip(bank_id, card.numbers[0], self._chip_key(card.id))
        outcome = self._playing(
            silent,
            chip,
            amount_tiyn,
            lambda: self.cards.purchase(holding.sale, acquirer, Terminal(merchant), chip, amount_tiyn),
        )
        if outcome.sale.state == APPROVED:
            outcome = self.cards.capture(acquirer, holding.sale, amount_tiyn)
        return card, outcome

    def _taken(self, request: bytes, acquirer: int, merchant: bytes, code: str, amount_tiyn: int) -> Holding:
        nothing = Refused("E_CARD_TAP", held=code[:20])
        name = self._cabinet.get(_BY_CODE, _code_id(code))
        holding = None if name is None else self._holding(name)
        if holding is None or holding.amount_tiyn != amount_tiyn:
            raise nothing
        if holding.acquirer:
            if (holding.acquirer, holding.merchant, holding.request) != (acquirer, merchant, request):
                raise nothing
            return holding
        if self._clock.now() > holding.time + HELD_SECONDS:
            raise nothing
        taken = replace(holding, acquirer=acquirer, merchant=merchant, request=request)
        self._cabinet.put_many([Row(_HOLDINGS, taken.id, taken.encode())])
        return taken

    def _card_of(self, holding: Holding) -> tuple[Card, int]:
        for bank_id, issuer in self.cards.issuers.items():
            try:
                return issuer.registry.card(holding.card), bank_id
            except Refused:
                continue
        raise Refused("E_CARD_UNKNOWN", card=holding.card.hex()[:12])

    def _playing(
        self, silent: bool, chip: SimulatedChip, amount_tiyn: int, do: Callable[[], Outcome]
    ) -> Outcome:
        # A chip that knows too little asks for its pocket first; the silence begins with the payment itself.
        self._silence.heard = int(chip.known_tiyn() < amount_tiyn)
        self._silence.on = silent
        try:
            return do()
        finally:
            self._silence.on = False

    # --- days ---

    def settle(self) -> None:
        """What is under way goes on, and both networks settle what was captured, once for a moment."""
        if self._cabinet.all(_HOLDINGS):
            self.cards.tend()
            with suppress(Refused):  # a bank without reserves: settled when it has some
                self.cards.settle(follow("site card settlement", str(self._clock.now()).encode()))


def card_id(kid: bytes, id: bytes) -> bytes:
    """The id of a wallet's card by the wallet's own id for it (32 bytes each)."""
    return follow("site card", kid, HASH.load(id, "card id"))


def last_month(now: int) -> str:
    """The last month of a card that is issued now, YYMM."""
    month = local_time(now)[:4]
    return f"{(int(month[:2]) + GOOD_YEARS) % 100:02d}{month[2:]}"


def _code_id(code: str) -> bytes:
    return follow("site card code", code.upper().replace("-", "").replace(" ", "").encode())
