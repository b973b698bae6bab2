"""What an issuer makes of a request before anything moves: is this our card, may it, and did its holder sign?

The order of the questions is fixed, so that two mistakes always give the same answer: the card and the device, their
state, the lists, the count of the chip, the limits, the signature, the tokens. What the ledger decides (locks, marks,
freezes, limits of the tier) is not asked here.

A transfer pays for **one** payment: under which payment each was shown is written down with the payment. And it spends
tokens of the pocket only; a transfer of other tokens of the chip's key might be shown to the bank a second time, as a
sale of digital tenge.
"""

from typing import Any, NamedTuple

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.cards import fields
from cbdc.cards.message import Message
from cbdc.cards.numbers import masked
from cbdc.cards.payment import Payment
from cbdc.cards.pocket import (
    MOST_TOKENS,
    PocketNote,
    PocketQuestion,
    Shown,
    binding_of,
    bound_to,
    check_payment,
    is_pocket,
    open_shown,
    tokens_in,
)
from cbdc.cards.registry import DELETED, Card, CardRegistry, Device
from cbdc.cards.rules import CASH, ONLINE, POS, REPLAY, Rulebook, channel_of
from cbdc.distribution import CommercialBank
from cbdc.errors import Malformed, Refused, TengeError
from cbdc.gateway import Gateway
from cbdc.keys import Signer
from cbdc.ports import Clock
from cbdc.record import Group, Unsigned, open_envelope, sign
from cbdc.transaction import SignedTransaction

UTC_PLUS_5_SECONDS = 5 * 3_600
DAY_SECONDS = 86_400
_DAY = Group((Unsigned(), Unsigned()))


class Plan(NamedTuple):
    """A request that the rules allow: whose card, the transfer to send (empty: none covers it), and what to write
    down with the payment. `used` is the id of the transfer, empty with it."""

    card: bytes
    transaction: bytes
    notes: tuple[Row, ...]
    drawer: str
    used: bytes

    def rows(self, key: bytes) -> list[Row]:
        """What belongs to the payment `key`: the chip's count, the day's sums, which payment used the transfer."""
        return [*self.notes, *([Row(self.drawer, self.used, key)] if self.used else [])]


class Judge:
    """The questions of one issuing bank."""

    def __init__(
        self,
        bank: CommercialBank,
        gateway: Gateway,
        cabinet: Cabinet,
        signer: Signer,
        registry: CardRegistry,
        clock: Clock,
        rules: Rulebook,
    ) -> None:
        self._bank = bank
        self._gateway = gateway
        self._cabinet = cabinet
        self._signer = signer
        self._registry = registry
        self._clock = clock
        self.rules = rules
        self._days = f"bank {bank.bank_id}/card day"
        self._used = f"bank {bank.bank_id}/card transfer"

    # --- requests ---

    def plan(self, message: Message) -> Plan:
        """Judge a request for money. Raises E_CARD_UNKNOWN, the codes of the rules, E_CARD_MARKED, E_CARD_CRYPTOGRAM,
        E_CARD_REPLAY, E_CARD_POCKET."""
        device, card = self._speaker(message)
        self.rules.check_state(card, device, self._month())
        self.rules.check_sanctions(message)
        shown = open_shown(message.binary(55))
        replayed = shown.counter <= device.counter
        if replayed and self.rules.has(REPLAY):
            raise Refused("E_CARD_REPLAY", card=masked(device.number), counter=shown.counter)
        self.rules.check_limits(message, self.paid_today(card))
        signed = check_payment(
            message,
            shown,
            device.key,
            self._registry.lock(card.id),
            self._payee(message),
            self._gateway.network,
        )
        if not bound_to(message, shown, signed) and self.rules.has(REPLAY):
            raise Refused("E_CARD_CRYPTOGRAM", counter=shown.counter)
        used = self._cabinet.get(self._used, signed.id) is not None
        if not used:
            self._check_tokens(message, signed, card, device)
        elif self.rules.has(REPLAY):
            raise Refused("E_CARD_REPLAY", card=masked(device.number), counter=shown.counter)
        counted = self._counted(device, shown)
        notes = (self._registry.device_row(counted), self._day_row(card, message, 1))
        if (
            used
        ):  # without the rule, what was used up already covers nothing: the bank's loss, not the customer's
            return Plan(card.id, b"", notes, self._used, b"")
        return Plan(card.id, signed.encode(), notes, self._used, signed.id)

    def plan_advice(self, message: Message) -> Plan:
        """What there is to book of a payment that the network approved. Nothing is refused: what no signature covers
        becomes the bank's claim (`transaction` empty)."""
        try:
            device, card = self._speaker(message)
        except TengeError:
            return Plan(b"", b"", (), self._used, b"")
        shown = open_shown(message.binary(55))
        notes = (
            self._registry.device_row(self._counted(device, shown)),
            self._day_row(card, message, 1),
        )
        try:
            signed = check_payment(
                message,
                shown,
                device.key,
                self._registry.lock(card.id),
                self._payee(message),
                self._gateway.network,
            )
            used = self._cabinet.get(self._used, signed.id)
            if not bound_to(message, shown, signed) or used not in (None, message.key):
                raise Refused("E_CARD_CRYPTOGRAM", counter=shown.counter)
            self._check_tokens(message, signed, card, device)
        except (Malformed, Refused):
            return Plan(card.id, b"", notes, self._used, b"")
        return Plan(card.id, signed.encode(), notes, self._used, signed.id)

    def enquire(self, message: Message) -> Device:
        """Judge a chip's question for its pocket; the device with the new count. The refusals of `plan`."""
        device, card = self._speaker(message)
        self.rules.check_state(card, device, self._month())
        shown = open_shown(message.binary(55))
        try:
            question = open_envelope(shown.data, PocketQuestion, self._gateway.network)
            question.verify(device.key)
        except TengeError:
            raise Refused("E_CARD_CRYPTOGRAM", counter=shown.counter) from None
        bound = binding_of(dict(message.fields), shown.counter)
        if (question.record.number, question.record.counter, question.record.binding) != (
            device.number,
            shown.counter,
            bound,
        ):
            raise Refused("E_CARD_CRYPTOGRAM", counter=shown.counter)
        if shown.counter <= device.counter and self.rules.has(REPLAY):
            raise Refused("E_CARD_REPLAY", card=masked(device.number), counter=shown.counter)
        return self._counted(device, shown)

    def _speaker(self, message: Message) -> tuple[Device, Card]:
        device = self._registry.device(message.fields[2])
        return device, self._registry.card(device.card)

    def _payee(self, message: Message) -> bytes:
        return message.binary(48) or self._bank.inventory_kid

    def _check_tokens(self, message: Message, signed: SignedTransaction, card: Card, device: Device) -> None:
        """E_CARD_POCKET unless every token is there, in this pocket; E_CARD_MARKED when the bank is to buy marks.

        A transfer that the ledger took before it was shown here is no payment to us: its tokens are gone.
        """
        spent = [self._gateway.token(identity) for identity in signed.record.spends]
        for token in spent:
            if token is None or not is_pocket(token, card.wallet_kid, device.key.kid):
                raise Refused("E_CARD_POCKET", counter=open_shown(message.binary(55)).counter)
        # Free money may leave with a mark too, where a clause lets its payer put one on it.
        moved = [*(token for token in spent if token is not None), *signed.record.creates]
        if 48 not in message.fields and any(token.mark for token in moved):
            raise Refused("E_CARD_MARKED", card=masked(device.number), amount_tiyn=message.amount_tiyn)

    def ledger_refusal(self, code: str, message: Message, refusal: TengeError) -> TengeError:
        """How a refusal of the ledger is told: a stale pocket (the chip tries again), or the ledger's reason."""
        if code == "E_CARD_POCKET":
            return Refused("E_CARD_POCKET", counter=open_shown(message.binary(55)).counter)
        return Refused("E_CARD_LEDGER", card=masked(message.fields[2]), reason=refusal.code)

    # --- pocket notes ---

    def note(self, device: Device) -> bytes:
        """What a chip's pocket has now, signed by the bank: field 55 of an answer."""
        card = self._registry.card(device.card)
        tokens = tokens_in(self._gateway, card.wallet_kid, device.key.kid)[:MOST_TOKENS]
        note = PocketNote(
            device.number,
            device.counter,
            self._registry.lock(card.id).kids,
            tuple((t.transaction_id, t.output, t.amount_tiyn, t.mark) for t in tokens),
        )
        return sign(note, self._gateway.network, self._signer).encode()

    def note_for(self, number: str) -> bytes:
        """The note for a device by its number; empty for one that may know nothing."""
        device = self._registry.device(number)
        return b"" if device.state == DELETED else self.note(device)

    # --- counts and days ---

    def _counted(self, device: Device, shown: Shown) -> Device:
        return Device(
            device.number,
            device.card,
            device.key,
            device.expires,
            device.state,
            max(device.counter, min(shown.counter, canonical.MAX_INTEGER)),
        )

    def _today(self) -> int:
        return _day_of(self._clock.now())

    def _month(self) -> str:
        return month_of(self._clock.now())

    def paid_today(self, card: Card) -> dict[str, tuple[int, int]]:
        """What a card has paid today, by channel: tiyn, and how often."""
        return self._paid(card, self._today())

    def _paid(self, card: Card, day: int) -> dict[str, tuple[int, int]]:
        return {channel: self._read_day(_day_id(card.id, day, channel)) for channel in (POS, CASH, ONLINE)}

    def _read_day(self, id: bytes) -> tuple[int, int]:
        data = self._cabinet.get(self._days, id)
        if data is None:
            return (0, 0)
        values: tuple[Any, ...] = _DAY.load(canonical.decode(data), "card day")
        return (values[0], values[1])

    def _day_row(self, card: Card, message: Message, count: int) -> Row:
        day = _day_id(card.id, self._today(), channel_of(message))
        amount, times = self._read_day(day)
        return Row(self._days, day, canonical.encode([amount + message.amount_tiyn, times + count]))

    def give_day_back(self, payment: Payment, amount_tiyn: int, whole: bool) -> list[Row]:
        """What a payment took of its day's limits is there again; the count too when nothing of it is left."""
        if not (payment.card and payment.channel):
            return []
        day = _day_id(payment.card, _day_of(payment.time), payment.channel)
        amount, times = self._read_day(day)
        left = [max(0, amount - amount_tiyn), max(0, times - whole)]
        return [Row(self._days, day, canonical.encode(left))]


def _day_of(moment: int) -> int:
    return (moment + UTC_PLUS_5_SECONDS) // DAY_SECONDS


def _day_id(card: bytes, day: int, channel: str) -> bytes:
    return follow("card day", card, day.to_bytes(8, "big"), channel.encode())


def month_of(moment: int) -> str:
    """The month of a moment in Kazakhstan as a card shows it: YYMM."""
    return local_time(moment)[:4]


def local_time(moment: int) -> str:
    """Field 12: the moment in Kazakhstan, YYMMDDhhmmss."""
    return fields.clock_text(moment + UTC_PLUS_5_SECONDS)
