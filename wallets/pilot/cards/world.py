"""The cards of a run: `cbdc.cards` over the sandbox's banks, and the cast's chips, shops and machines.

Keys of chips follow from the seed, as every key of a pilot does. Everything durable lies in the institutions' cabinet;
what is here is made anew when a run goes on after a kill.
"""

from collections.abc import Iterator, Mapping

from cbdc.cards.asking import MACHINE, Terminal
from cbdc.cards.chip import SimulatedChip
from cbdc.cards.message import decode
from cbdc.cards.numbers import merchant_number
from cbdc.cards.registry import Card, NewCard
from cbdc.cards.rules import Rule
from cbdc.cards.sale import Sale
from cbdc.cards.system import CardSystem, Outcome
from cbdc.cards.wire import FAULTS, LEGS, Fault, Leg, PlannedFaults
from cbdc.errors import Refused
from cbdc.keys import ED25519, SoftwareKey
from wallets.cast import Member
from wallets.desk import derived
from wallets.pilot.cards.script import CardsPlan
from wallets.pocket import PocketMover
from wallets.sandbox import Sandbox
from wallets.wallet import refresh

FaultPlan = Mapping[tuple[str, Leg], tuple[Fault, ...]]


class CopiedChip(SimulatedChip):
    """An ATTACK: what a skimmer has of a card, its number and one field 55 that it saw. It has no key."""

    def __init__(self, own: SimulatedChip, copied: bytes) -> None:
        self.__dict__.update(vars(own))
        self._copied = copied

    def show(self, attempt: bytes, values: Mapping[int, str], mark: bytes = b"") -> bytes:
        """What was copied, whatever is asked."""
        return self._copied

    def tell(self, data: bytes) -> None:
        """It has no use for a pocket."""


class CardsWorld:
    """See the module's text."""

    def __init__(self, plan: CardsPlan, sandbox: Sandbox) -> None:
        self.plan = plan
        self.sandbox = sandbox
        self._bank_ids = {name: sandbox.desk.bank_id(name) for name in plan.networks}
        self.faults = PlannedFaults()
        self.cards = CardSystem(
            sandbox.system,
            {self._bank_ids[name]: network for name, network in plan.networks.items()},
            self._rules(),
            plan.stand_in_tiyn,
            self.faults,
        )
        self.mover = PocketMover(sandbox.system.ledger, sandbox.system.stores.cabinet)
        for member in self._shops():
            self.cards.acquirers[self.bank(member.bank)].knows(member.customer, member.wallet.signer)
        for issuer in self.cards.issuers.values():
            issuer.resume()

    def _rules(self) -> Iterator[Rule]:
        for rule in self.plan.rules:
            members = [self.sandbox.group(group)[number] for group, number in rule.shops]
            merchants = tuple(merchant_number(member.customer) for member in members)
            yield Rule(rule.name, rule.kind, rule.channel, rule.most, merchants, rule.countries)

    def _shops(self) -> Iterator[Member]:
        for group in sorted(self.plan.direct):
            yield from self.sandbox.group(group)

    def bank(self, name: str) -> int:
        """A bank's number; E_BANK_NAME."""
        return self.sandbox.desk.bank_id(name)

    def groups(self) -> list[str]:
        """The groups in which somebody has a card."""
        groups = {member.group for member in self.sandbox.members()}
        return [
            group
            for group in sorted(groups)
            if any(self._has_card(member) for member in self.sandbox.group(group))
        ]

    def _has_card(self, member: Member) -> bool:
        try:
            return bool(self.card(member).numbers)
        except Refused:
            return False

    # --- cards and chips ---

    def _key(self, *parts: object) -> SoftwareKey:
        label = "/".join(str(part) for part in parts)
        return SoftwareKey(ED25519, self.sandbox.entropy.bytes("card chip", label.encode()))

    def order_of(self, member: Member, expires: str) -> NewCard:
        """A member's card, as its bank is asked for it."""
        network = self.plan.networks[member.bank]
        chip = self._key(member.name, "plastic")
        return NewCard(card_id(member), member.customer, member.wallet.kid, network, chip, expires)

    def card(self, member: Member) -> Card:
        """A member's card; E_CARD_UNKNOWN."""
        return self.cards.issuers[self.bank(member.bank)].registry.card(card_id(member))

    def provision(self, member: Member, device: int) -> None:
        """A phone or a watch (numbered from 1) gets a token, and the wallet moves the pocket behind its new keys."""
        registry = self.cards.issuers[self.bank(member.bank)].registry
        registry.provision(
            card_id(member), derived("device", member.name, device), self._key(member.name, device)
        )

    def relock(self, member: Member, id: bytes) -> None:
        """The wallet moves the pocket behind its present keys; an empty one stays empty."""
        if self.mover.inside(member.wallet):
            lock = self.cards.issuers[self.bank(member.bank)].registry.lock(card_id(member))
            self.mover.relock(member.wallet, id, lock)

    def number(self, member: Member, device: int) -> str:
        """The number of a member's plastic (device 0) or token; E_CARD_UNKNOWN."""
        numbers = self.card(member).numbers
        if not 0 <= device < len(numbers):
            raise Refused("E_CARD_UNKNOWN", card=f"{member.name}, device {device}")
        return numbers[device]

    def chip(self, member: Member, device: int) -> SimulatedChip:
        """The chip of a member's plastic (device 0) or of a phone or watch."""
        key = self._key(member.name, device or "plastic")
        return self.cards.chip(self.bank(member.bank), self.number(member, device), key)

    def copied_chip(self, member: Member, sale: Sale) -> CopiedChip:
        """What somebody copied when the member paid."""
        return CopiedChip(self.chip(member, 0), decode(sale.asked).binary(55))

    # --- shops and machines ---

    def terminal(self, shop: Member, country: str) -> Terminal:
        """A shop's terminal."""
        direct = shop.wallet.signer if shop.group in self.plan.direct else None
        return Terminal(shop.customer, 1, country, direct)

    @staticmethod
    def machine() -> Terminal:
        """A bank's cash machine."""
        return Terminal(MACHINE)

    def acquirer_of(self, id: bytes) -> int:
        """The bank that acquired a sale; E_CARD_UNLOCATED."""
        for bank, acquirer in self.cards.acquirers.items():
            if acquirer.sales.find(id) is not None:
                return bank
        raise Refused("E_CARD_UNLOCATED", reference=id.hex()[:12])

    def take_in(self, *members: Member) -> None:
        """Have wallets know what the ledger says they hold."""
        for member in members:
            refresh(self.sandbox.store, self.sandbox.system.ledger, member.wallet)


def card_id(member: Member) -> bytes:
    """The id of a member's card."""
    return derived("card", member.name)


def sale_id(name: str, member: Member, turn: int) -> bytes:
    """The id of a member's sale that a script calls `name`."""
    return derived("card sale", name, member.name, turn)


def done_or_raise(outcome: Outcome) -> int:
    """What a sale came to; its refusal raised."""
    if outcome.refusal is not None:
        raise outcome.refusal
    return outcome.sale.done_tiyn


def read_faults(text: str) -> FaultPlan | None:
    """`0110 from network lost, 0420 to issuer late` as a plan; None when it is not such a text."""
    plan: dict[tuple[str, Leg], tuple[Fault, ...]] = {}
    for part in text.split(",") if text else []:
        mti, _, rest = part.strip().partition(" ")
        leg_text, _, fault_text = rest.rpartition(" ")
        legs = [leg for leg in LEGS if leg == leg_text]
        faults = [fault for fault in FAULTS if fault == fault_text]
        if not (legs and faults and len(mti) == 4 and mti.isdigit()):
            return None
        place = (mti, legs[0])
        plan[place] = (*plan.get(place, ()), faults[0])
    return plan
