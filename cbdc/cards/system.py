"""Cards over a system of institutions: issuers and acquirers at its banks, two SIMULATED networks, their settlement.

    cards = CardSystem(system, {1: VISA_LIKE, 2: MASTERCARD_LIKE})
    card = cards.issuers[1].registry.issue([NewCard(...)])[0]
    chip = cards.chip(1, card.numbers[0], signer)
    outcome = cards.purchase(id, acquirer=2, terminal=..., chip=chip, amount_tiyn=676_000)

Every bank issues on the network it is a member of, and takes the cards of both. Nothing here decides about money: it
puts the parts together, lets the wire run, and reads how it ended.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cbdc.cabinet import follow
from cbdc.cards import fields
from cbdc.cards.acquirer import CardAcquirer
from cbdc.cards.asking import Terminal
from cbdc.cards.chip import SimulatedChip
from cbdc.cards.disputes import DisputeDesk
from cbdc.cards.issuer import CardIssuer
from cbdc.cards.judging import local_time
from cbdc.cards.message import Message, decode
from cbdc.cards.network import SimulatedNetwork
from cbdc.cards.numbers import MASTERCARD_LIKE, VISA_LIKE, acquirer_number, trace
from cbdc.cards.rules import POS, STANDARD_RULES, Rule, Rulebook
from cbdc.cards.sale import DECLINED, LOST, REVERSED, Sale
from cbdc.cards.settlement import CardSettlement, Settled
from cbdc.cards.wire import Faults, NoFaults, Wire
from cbdc.errors import TengeError, Unavailable
from cbdc.keys import Signer
from cbdc.system import System


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a sale stands when the wire has run, and why it came to nothing if it did.

    `refusal` is what the card holder's bank (or the network, or the terminal) says of it, with all facts: what the card
    holder is told. The merchant knows field 39 only (`CardAcquirer.reason`).
    """

    sale: Sale
    refusal: TengeError | None


class CardSystem:
    """See the module's text. `members` says which network each bank issues on."""

    def __init__(
        self,
        system: System,
        members: Mapping[int, str],
        rules: Iterable[Rule] = STANDARD_RULES,
        stand_in_limit_tiyn: int = 0,
        faults: Faults | None = None,
    ) -> None:
        self._system = system
        cabinet, books, ledger = system.stores.cabinet, system.books, system.ledger
        rulebook = Rulebook(rules)
        self.members = dict(members)
        self.wire = Wire(system.clock, faults or NoFaults())
        self.networks = {
            name: SimulatedNetwork(name, cabinet, self.wire, rulebook)
            for name in (VISA_LIKE, MASTERCARD_LIKE)
        }
        self.issuers = {
            bank: CardIssuer(
                system.banks[bank], ledger, books, cabinet, system.keys.bank(bank), self.wire, rulebook
            )
            for bank in members
        }
        self.acquirers = {
            bank: CardAcquirer(bank, ledger, books, cabinet, self.wire, self._send) for bank in members
        }
        self.disputes = {
            bank: DisputeDesk(bank, self.issuers[bank], books, cabinet, self.wire, self._send)
            for bank in members
        }
        sales = {bank: acquirer.sales for bank, acquirer in self.acquirers.items()}
        self.settlements = {
            name: CardSettlement(network, books, cabinet, self.wire, sales, self.disputes)
            for name, network in self.networks.items()
        }
        for bank, name in members.items():
            for network in self.networks.values():
                limit = stand_in_limit_tiyn if network.name == name else 0
                network.join(bank, self._door(bank, network.name), limit)

    # --- the wire's ends ---

    def _send(self, network: str, data: bytes) -> None:
        self.networks[network].send(data)

    def _door(self, bank: int, network: str) -> "Door":
        return Door(self, bank, network)

    def take(self, bank: int, network: str, data: bytes) -> None:
        """A message arrives at a bank."""
        message = decode(data)
        if message.type == "0422":
            self._send(network, self.acquirers[bank].charged_back(message))
        elif message.type == "0432":
            self.disputes[bank].receive(message)
        elif message.type in ("0100", "0120", "0200", "0220", "0400", "0420"):
            try:
                answer = self.issuers[bank].handle(data)
            except Unavailable:
                return  # the ledger or a store is silent, and so is the issuer
            self._send(network, answer)
        elif message.type != "0810":
            self.acquirers[bank].receive(message)

    # --- chips ---

    def chip(self, bank: int, number: str, signer: Signer) -> SimulatedChip:
        """The SIMULATED chip with this number and key, as the bank personalised it."""
        device = self.issuers[bank].registry.device(number)
        system = self._system
        return SimulatedChip(
            number,
            signer,
            system.stores.cabinet,
            system.network,
            system.keys.bank(bank).public,
            system.banks[bank].inventory_kid,
            device.expires,
        )

    # --- what happens at terminals, to the end ---

    def purchase(
        self,
        id: bytes,
        acquirer: int,
        terminal: Terminal,
        chip: SimulatedChip,
        amount_tiyn: int,
        channel: str = POS,
        mark: bytes = b"",
        direct: bool = False,
        gives_tiyn: int = -1,
    ) -> Outcome:
        """A purchase or cash, from the card in the terminal to an outcome; see `CardAcquirer.purchase`."""
        self.acquirers[acquirer].purchase(id, terminal, chip, amount_tiyn, channel, mark, direct, gives_tiyn)
        return self._run(acquirer, id)

    def capture(self, acquirer: int, id: bytes, amount_tiyn: int) -> Outcome:
        """See `CardAcquirer.capture`."""
        self.acquirers[acquirer].capture(id, amount_tiyn)
        return self._run(acquirer, id)

    def cancel(self, acquirer: int, id: bytes, remains_tiyn: int = 0) -> Outcome:
        """See `CardAcquirer.cancel`."""
        self.acquirers[acquirer].cancel(id, remains_tiyn)
        return self._run(acquirer, id)

    def refund(self, acquirer: int, id: bytes, of: bytes, amount_tiyn: int) -> Outcome:
        """See `CardAcquirer.refund`."""
        self.acquirers[acquirer].refund(id, of, amount_tiyn)
        return self._run(acquirer, id)

    def represent(self, acquirer: int, id: bytes, of: bytes, amount_tiyn: int) -> Outcome:
        """See `CardAcquirer.represent`."""
        self.acquirers[acquirer].represent(id, of, amount_tiyn)
        return self._run(acquirer, id)

    def charge_back(self, acquirer: int, id: bytes, amount_tiyn: int) -> None:
        """The card holder's bank charges a captured purchase back; see `DisputeDesk.begin`."""
        sale = self.acquirers[acquirer].sales.get(id)
        message = decode(sale.asked)
        self.disputes[issuer_of(sale)].begin(message.key, amount_tiyn)
        self.wire.run()

    def _run(self, acquirer: int, id: bytes) -> Outcome:
        self.wire.run()
        return self.outcome(acquirer, id)

    def outcome(self, acquirer: int, id: bytes) -> Outcome:
        """How a sale stands now."""
        sale = self.acquirers[acquirer].sales.get(id)
        if sale.state not in (DECLINED, REVERSED, LOST):
            return Outcome(sale, None)
        own = self.acquirers[acquirer].reason(id)
        if sale.refusal or not sale.asked:
            return Outcome(sale, own)
        key = decode(sale.asked).key
        issuer = self.issuers.get(issuer_of(sale))
        told = (issuer.reason(key) if issuer else None) or self.networks[sale.network].reason(key)
        return Outcome(sale, told or own)

    # --- days ---

    def sign_off(self, bank: int) -> None:
        """A bank tells its network that it will not answer for a while (planned maintenance)."""
        self._manage(bank, fields.SIGN_OFF)

    def sign_on(self, bank: int) -> None:
        """It is back, and hears what the network did meanwhile."""
        self._manage(bank, fields.SIGN_ON)

    def _manage(self, bank: int, what: str) -> None:
        name, now = self.members[bank], self.wire.now()
        stan = trace(follow("network management", bank.to_bytes(8, "big")), what, str(now))
        values = {
            7: fields.clock_text(now)[2:],
            11: stan,
            12: local_time(now),
            32: acquirer_number(bank),
            70: what,
        }
        self._send(name, Message("0800", values).encode())
        self.wire.run()

    def tend(self) -> None:
        """Everybody goes on with what is under way, and the wire runs: the end of a day, the morning after a crash."""
        for issuer in self.issuers.values():
            issuer.resume()
        for network in self.networks.values():
            network.tend()
        for acquirer in self.acquirers.values():
            acquirer.tend()
        for desk in self.disputes.values():
            desk.tend()
        self.wire.run()
        for issuer in self.issuers.values():
            issuer.returns.pay()

    def settle(self, id: bytes) -> dict[str, Settled]:
        """Settle every network; by its name."""
        return {name: settlement.settle(id) for name, settlement in self.settlements.items()}


@dataclass(frozen=True, slots=True)
class Door:
    """Where a network delivers to a bank."""

    cards: CardSystem
    bank: int
    network: str

    def __call__(self, data: bytes) -> None:
        """Deliver."""
        self.cards.take(self.bank, self.network, data)


def issuer_of(sale: Sale) -> int:
    """The number of the bank whose card it was."""
    return int(sale.number[2:6])


def approved_or_raise(outcome: Outcome) -> Sale:
    """The sale of an outcome that is not nothing; its refusal raised otherwise."""
    if outcome.refusal is not None:
        raise outcome.refusal
    return outcome.sale
