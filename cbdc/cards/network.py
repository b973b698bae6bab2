"""A SIMULATED card network, Visa-like or Mastercard-like by the first digit: no scheme's software, no scheme's rules.

It stands between acquirers and issuers, knows both by number, and moves no money itself; at the end of the day it says
who owes whom (`cbdc.cards.settlement`).

    forward    a request goes to the issuer whose number the card has; the answer goes back
    silence    no answer in time, or the issuer signed off: the network **stands in** within the limit that the issuer
               set, and tells the issuer later by an advice (0120) until it is answered; beyond the limit it answers 91
               and undoes what the issuer may have done (0420), until that is answered
    hot list   a card that is on it is refused before its issuer is asked
    record     every financial answer that says yes is one item to settle

While an advice of a payment is open, what comes behind it (capture, reversal) waits: it is not forwarded, and whoever
sent it repeats. A late answer, which came after the network had answered itself, goes nowhere.

Durable: the hot list, who signed off, what was stood in for, what is being undone, the items. Not durable: what is on
the wire; a kill loses it, and repetitions bring it back.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.cards import answers, fields
from cbdc.cards.message import Message, decode, original_of, request_id
from cbdc.cards.numbers import (
    authorisation_code,
    bank_of_acquirer,
    masked,
    prefix_of,
    trace,
)
from cbdc.cards.rules import CASH, SCHEME_LIST, Rulebook, channel_of
from cbdc.cards.wire import ISSUER_SECONDS, REPEAT_SECONDS, Leg, Wire
from cbdc.errors import Refused, TengeError
from cbdc.record import Bytes, Group, Text, Unsigned

MOST_REPEATS = 5
Deliver = Callable[[bytes], None]

_TO_ISSUER = ("0100", "0200", "0220", "0400", "0420")
_ITEM = Group((Unsigned(), Unsigned(), Unsigned(), Unsigned(0, 1)))
_OPEN = Group((Text(), Bytes(), Bytes()))
STOOD_IN = "stood in"
UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Item:
    """One item to settle: `payer` pays `payee` (banks' numbers) this much; `id` is that of the message that made it."""

    id: bytes
    payer: int
    payee: int
    amount_tiyn: int
    settled: bool = False

    def encode(self) -> bytes:
        """The row in the cabinet."""
        return canonical.encode([self.payer, self.payee, self.amount_tiyn, int(self.settled)])


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """What the network answered itself: `what`, the advice it still owes the issuer (empty: delivered), the answer."""

    what: str
    advice: bytes
    answer: bytes

    def encode(self) -> bytes:
        """The row in the cabinet."""
        return canonical.encode([self.what, self.advice, self.answer])


class SimulatedNetwork:
    """One network. `join` connects a bank; `wire` is shared by everybody on it."""

    def __init__(self, name: str, cabinet: Cabinet, wire: Wire, rules: Rulebook) -> None:
        self.name = name
        self._cabinet = cabinet
        self._wire = wire
        self._rules = rules
        self._banks: dict[int, Deliver] = {}
        self._limits: dict[int, int] = {}
        self._waiting: dict[bytes, int] = {}
        self._undoing: dict[bytes, Message] = {}
        self._hot = f"{name}/hot list"
        self._away = f"{name}/signed off"
        self._own = f"{name}/own answer"
        self._items = f"{name}/item"

    # --- participants ---

    def join(self, bank_id: int, deliver: Deliver, stand_in_limit_tiyn: int = 0) -> None:
        """Connect a bank. The network stands in for its cards up to this much for each card (0: never)."""
        self._banks[bank_id] = deliver
        self._limits[bank_id] = stand_in_limit_tiyn

    def list_card(self, number: str, listed: bool = True) -> None:
        """Put a card on the hot list, or take it off."""
        self._cabinet.put_many([Row(self._hot, follow("hot", number.encode()), b"" if listed else None)])

    def is_away(self, bank_id: int) -> bool:
        """Whether a bank has signed off."""
        return self._cabinet.get(self._away, _bank_row(bank_id)) is not None

    # --- the wire ---

    def send(self, data: bytes) -> None:
        """A participant hands a message over. It travels; nothing comes back by this call."""
        message = decode(data)
        answer = message.type in fields.ANSWERS.values()
        to_network: Leg = "from issuer" if answer else "to network"
        self._wire.carry(message.type, message.id, to_network, lambda: self._arrived(message))

    def _deliver(self, bank_id: int, message: Message) -> None:
        answer = message.type in fields.ANSWERS.values()
        leg: Leg = "from network" if answer else "to issuer"

        def hand_over() -> None:
            if bank_id in self._banks and (answer or not self.is_away(bank_id)):
                self._banks[bank_id](message.encode())

        self._wire.carry(message.type, message.id, leg, hand_over)

    def _arrived(self, message: Message) -> None:
        if message.type == "0800":
            self._manage(message)
        elif message.type in _TO_ISSUER:
            self._to_issuer(message)
        elif message.type == "0422":
            self._deliver(bank_of_acquirer(message.fields[32]), message)
        elif message.type in ("0110", "0210"):
            self._decided(message)
        elif message.type == "0130":
            self._delivered(message)
        elif message.type == "0432":
            self._record(message)
            self._deliver(_issuer_of(message), message)
        elif message.type in ("0230", "0410", "0430"):
            self._acknowledged(message)

    # --- requests ---

    def _to_issuer(self, message: Message) -> None:
        request = message.type in ("0100", "0200")
        own = self._own_answer(message.key)
        if own is not None and own.advice:
            # What the issuer does not know yet must reach it first. The sender will repeat.
            self._push(message.key)
            if not request:
                return
        issuer = _issuer_of(message)
        if request and own is not None and own.answer:
            self._deliver(bank_of_acquirer(message.fields[32]), decode(own.answer))
            return
        if issuer not in self._banks:
            self._refuse(message, Refused("E_CARD_ROUTE", number=masked(message.fields[2])))
            return
        if request and self._is_hot(message.fields[2]):
            self._refuse(message, Refused("E_CARD_SCHEME_LIST", card=masked(message.fields[2])))
            return
        if message.type in ("0400", "0420"):
            self._undoing[message.id] = message
        if request:
            self._waiting[message.id] = self._wire.session
            self._wire.after(ISSUER_SECONDS, lambda: self._silent(message))
        self._deliver(issuer, message)

    def _is_hot(self, number: str) -> bool:
        listed = self._cabinet.get(self._hot, follow("hot", number.encode())) is not None
        return listed and self._rules.has(SCHEME_LIST)

    def _refuse(self, message: Message, refusal: TengeError) -> None:
        answer = message.answer(answers.response_of(refusal))
        if message.type in ("0100", "0200"):
            self._keep_reason(message.key, refusal)
        self._deliver(bank_of_acquirer(message.fields[32]), answer)

    def _keep_reason(self, key: bytes, refusal: TengeError) -> None:
        self._cabinet.put_many([Row(f"{self.name}/reason", key, answers.keep_refusal(refusal))])

    def reason(self, key: bytes) -> TengeError | None:
        """Why the network itself refused a payment; None if it did not."""
        data = self._cabinet.get(f"{self.name}/reason", key)
        return None if data is None else answers.kept_refusal(data)

    def _stop_waiting(self, id: bytes) -> bool:
        """Whether this was waited for, in this session of the wire; it is not any more."""
        return self._waiting.pop(id, None) == self._wire.session

    # --- a silent issuer ---

    def _silent(self, message: Message) -> None:
        if not self._stop_waiting(message.id):
            return
        key = message.key
        if self._may_stand_in(message):
            code = authorisation_code(key, self.name)
            answer = message.answer(answers.APPROVED, f38=code)
            advice = Message("0120", {**message.fields, 25: fields.STOOD_IN, 38: code, 39: answers.APPROVED})
            own = OwnAnswer(STOOD_IN, advice.encode(), answer.encode())
        else:
            refusal = Refused("E_CARD_ISSUER_SILENT", reference=message.fields[37])
            self._keep_reason(key, refusal)
            answer = message.answer(answers.response_of(refusal))
            own = OwnAnswer(UNDONE, _undo(message, self.name).encode(), answer.encode())
        self._cabinet.put_many([Row(self._own, key, own.encode())])
        self._deliver(bank_of_acquirer(message.fields[32]), answer)
        self._push(key)

    def _may_stand_in(self, message: Message) -> bool:
        """Never for cash, a question, or a direct payment: only a purchase, within what is left of the card's limit."""
        purchase = message.type == "0100" and message.processing == fields.PURCHASE
        if not purchase or 48 in message.fields or channel_of(message) == CASH:
            return False
        limit = self._limits[_issuer_of(message)]
        return message.amount_tiyn + self._stood_in_tiyn(message.fields[2]) <= limit

    def _stood_in_tiyn(self, number: str) -> int:
        """What the issuer does not know yet of a card's payments."""
        advices = [decode(own.advice) for _, own in self._open_answers() if own.what == STOOD_IN]
        return sum(advice.amount_tiyn for advice in advices if advice.fields[2] == number)

    def _own_answer(self, key: bytes) -> OwnAnswer | None:
        data = self._cabinet.get(self._own, key)
        return None if data is None else _open_own(data)

    def _open_answers(self) -> list[tuple[bytes, OwnAnswer]]:
        opened = [(key, _open_own(data)) for key, data in self._cabinet.all(self._own)]
        return [(key, own) for key, own in opened if own.advice]

    def open_advices(self) -> int:
        """How many advices it still owes to issuers."""
        return len(self._open_answers())

    def stood_in(self) -> int:
        """How many payments it has answered for a silent issuer."""
        return sum(1 for _, data in self._cabinet.all(self._own) if _open_own(data).what == STOOD_IN)

    def _push(self, key: bytes, repeat: int = 0) -> None:
        """Send the advice that an issuer is owed, and again until it is answered or everybody is tired."""
        own = self._own_answer(key)
        if own is None or not own.advice or repeat > MOST_REPEATS:
            return
        advice = decode(own.advice)
        if self.is_away(_issuer_of(advice)):
            return
        if repeat == 0 and self._waiting.get(advice.id) == self._wire.session:
            return  # it is being sent already
        self._waiting[advice.id] = self._wire.session
        self._deliver(_issuer_of(advice), advice.again() if repeat else advice)

        def again() -> None:
            if repeat == MOST_REPEATS:
                self._stop_waiting(advice.id)
            self._push(key, repeat + 1)

        self._wire.after(REPEAT_SECONDS, again)

    def tend(self) -> None:
        """Send every advice that an issuer is still owed."""
        for key, _ in self._open_answers():
            self._push(key)

    def _delivered(self, message: Message) -> None:
        own = self._own_answer(message.key)
        if own is not None and own.advice:
            advice = decode(own.advice)
            if advice.fields[11] == message.fields[11] and fields.ANSWERS[advice.type] == message.type:
                self._stop_waiting(advice.id)
                self._cabinet.put_many(
                    [Row(self._own, message.key, OwnAnswer(own.what, b"", own.answer).encode())]
                )

    # --- answers ---

    def _decided(self, message: Message) -> None:
        request = _request_id(message)
        if not self._stop_waiting(request):
            return  # late, or a second copy
        if message.type == "0210":
            self._record(message)
        self._deliver(bank_of_acquirer(message.fields[32]), message)

    def _acknowledged(self, message: Message) -> None:
        own = self._own_answer(message.key)
        if own is not None and own.advice and decode(own.advice).fields[11] == message.fields[11]:
            self._delivered(message)
            return
        undone = self._undoing.pop(_request_id(message), None)
        if undone is not None and message.fields[39] == answers.APPROVED:
            self._lessen(undone)
        self._record(message)
        self._deliver(bank_of_acquirer(message.fields[32]), message)

    def _lessen(self, reversal: Message) -> None:
        """An item that was undone, whole or in part, is settled only for what remains."""
        about = reversal.fields[56]
        original = {**reversal.fields, 11: about[4:10], 12: about[10:22]}
        item = self.item(request_id(about[:4], original))
        if item is not None and not item.settled:
            less = replace(item, amount_tiyn=int(reversal.fields.get(95, "0")))
            self._cabinet.put_many([Row(self._items, less.id, less.encode())])

    def _record(self, message: Message) -> None:
        """Write an item down for a financial answer that says yes. Its id is that of the request it answers."""
        if message.fields[39] != answers.APPROVED or message.type in ("0410", "0430"):
            return
        issuer, acquirer = _issuer_of(message), bank_of_acquirer(message.fields[32])
        back = message.type == "0432" or message.processing == fields.REFUND
        payer, payee = (acquirer, issuer) if back else (issuer, acquirer)
        item = Item(_request_id(message), payer, payee, message.amount_tiyn)
        if self._cabinet.get(self._items, item.id) is None:
            self._cabinet.put_many([Row(self._items, item.id, item.encode())])

    def item(self, id: bytes) -> Item | None:
        """An item to settle, or None."""
        data = self._cabinet.get(self._items, id)
        if data is None:
            return None
        payer, payee, amount, settled = _ITEM.load(canonical.decode(data), "item")
        return Item(id, payer, payee, amount, bool(settled))

    def settled_net(self, bank_id: int) -> int:
        """What all settlements brought a bank, net (tiyn)."""
        net = 0
        for _, data in self._cabinet.all(self._items):
            payer, payee, amount, settled = _ITEM.load(canonical.decode(data), "item")
            net += settled * amount * ((payee == bank_id) - (payer == bank_id))
        return net

    def settled_rows(self, items: list[Item]) -> list[Row]:
        """The rows that say these items are settled, at these amounts."""
        rows = [Item(i.id, i.payer, i.payee, i.amount_tiyn, True) for i in items]
        return [Row(self._items, item.id, item.encode()) for item in rows]

    # --- network management ---

    def _manage(self, message: Message) -> None:
        bank_id = bank_of_acquirer(message.fields[32])
        what = message.fields[70]
        if bank_id not in self._banks:
            return
        if what == fields.SIGN_OFF:
            self._cabinet.put_many([Row(self._away, _bank_row(bank_id), b"")])
        elif what == fields.SIGN_ON:
            self._cabinet.put_many([Row(self._away, _bank_row(bank_id), None)])
            self.tend()
        self._deliver(bank_id, message.answer(answers.APPROVED))


def _issuer_of(message: Message) -> int:
    prefix = prefix_of(message.fields[2])
    return prefix.bank_id if prefix else 0


def _bank_row(bank_id: int) -> bytes:
    return follow("participant", bank_id.to_bytes(8, "big"))


def _request_id(answer: Message) -> bytes:
    """The id of the message that an answer answers."""
    return request_id(fields.ANSWERED[answer.type], answer.fields)


def _undo(message: Message, network: str) -> Message:
    """The network's own reversal of a request that no issuer answered."""
    kept = {number: message.fields[number] for number in (2, 3, 4, 7, 12, 32, 37, 41, 42, 49)}
    stan = trace(message.key, network, "undo")
    own = {11: stan, 24: fields.FULL_REVERSAL, 25: fields.TIMED_OUT, 56: original_of(message)}
    return Message("0420", {**kept, **own})


def _open_own(data: bytes) -> OwnAnswer:
    values: tuple[Any, ...] = _OPEN.load(canonical.decode(data), "own answer")
    return OwnAnswer(*values)
