"""The acquiring bank: shops and machines, what they ask, and how everything that was begun comes to an end.

    purchase   ask, then yes or no. No answer in time: undo, again and again, until that is answered
    cash       the same; a yes gives banknotes at once, and what the machine could not give is undone
    capture    the merchant wants its money: advice, until answered; then the books credit the merchant
    cancel     undo what was approved and not captured, whole or in part
    refund     taken from the merchant first, advice until answered
    direct     the merchant takes digital tenge itself: yes means that the ledger did it. Where the merchant does not
               know (no answer), it asks to undo; if the ledger has done it, the merchant gives it back by its own
               signature

Money in the books moves when it is certain and never before: a merchant is credited when its capture is answered yes, a
machine's cash is booked when it is given. So whatever is lost on the wire, each purchase is whole or undone.

Everything is written down before it is sent, under the id that the caller made; the same id again sends the same
bytes. What is out when a process dies is sent again by the same call, or by `tend`.
"""

from dataclasses import replace

from cbdc.accounts import Books
from cbdc.cabinet import Cabinet, Row, follow, follow_nonce
from cbdc.cards import answers, asking, fields
from cbdc.cards.asking import Send, Terminal
from cbdc.cards.chip import SimulatedChip
from cbdc.cards.message import Message, decode, request_id
from cbdc.cards.numbers import NETWORKS, masked, merchant_number, trace
from cbdc.cards.rules import CASH, POS
from cbdc.cards.sale import (
    APPROVED,
    ASKING,
    CAPTURED,
    CAPTURING,
    DECLINED,
    LOST,
    OPEN_STATES,
    REFUND,
    RETURNING,
    REVERSED,
    REVERSING,
    SALE,
    SECOND,
    Sale,
    SaleFile,
    after,
)
from cbdc.cards.takings import Takings
from cbdc.cards.wire import ACQUIRER_SECONDS, REPEAT_SECONDS, Wire
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.gateway import Gateway
from cbdc.keys import Signer
from cbdc.money import check_tiyn
from cbdc.till import Payout, Till
from cbdc.token import QuorumLock, Token

MOST_REPEATS = 5
MOST_ATTEMPTS = 4
MOST_TIYN = 10**12 - 1  # what field 4 can say


class CardAcquirer:
    """One bank as acquirer. `send(network, bytes)` hands a message to a network."""

    def __init__(
        self, bank_id: int, gateway: Gateway, books: Books, cabinet: Cabinet, wire: Wire, send: Send
    ) -> None:
        self._bank_id = bank_id
        self._gateway = gateway
        self.takings = Takings(bank_id, books, cabinet, wire)
        self._wire = wire
        self._send = send
        self._cabinet = cabinet
        self.sales = SaleFile(cabinet, bank_id)
        self._chips: dict[bytes, tuple[SimulatedChip, bytes, Terminal]] = {}
        self._gives: dict[bytes, int] = {}
        self._signers: dict[bytes, Signer] = {}
        self._answered = f"bank {bank_id}/card answer"

    # --- what merchants and machines begin ---

    def purchase(
        self,
        id: bytes,
        terminal: Terminal,
        chip: SimulatedChip,
        amount_tiyn: int,
        channel: str = POS,
        mark: bytes = b"",
        direct: bool = False,
        gives_tiyn: int = -1,
    ) -> None:
        """Ask for a purchase (or cash) of an amount, in money of `mark`. `gives_tiyn`: a machine that gives less.

        The outcome is in `sales` when the wire has run. Raises E_MONEY_RANGE, E_CARD_ROUTE (no network for the card),
        E_CARD_DIRECT (the merchant does not take digital tenge), E_ID_REUSED.
        """
        check_tiyn(amount_tiyn, at_least=1)
        if amount_tiyn > MOST_TIYN:
            raise Refused("E_CARD_AMOUNT", reference="", amount_tiyn=amount_tiyn, most_tiyn=MOST_TIYN)
        network = NETWORKS.get(chip.number[:1])
        if network is None:
            raise Refused("E_CARD_ROUTE", number=masked(chip.number))
        if direct and terminal.direct is None:
            raise Refused("E_CARD_DIRECT", merchant=merchant_number(terminal.merchant))
        self._chips[id] = (chip, mark, terminal)
        self._gives[id] = amount_tiyn if gives_tiyn < 0 else gives_tiyn
        if terminal.direct is not None:
            self._signers[terminal.merchant] = terminal.direct
        asked = Sale(
            id, SALE, channel, terminal.merchant, b"", chip.number, network, int(direct), amount_tiyn
        )
        known = self.sales.find(id)
        if known is None:
            self._ask(asked)
            return
        if (known.merchant, known.number, known.amount_tiyn, known.channel, known.direct) != (
            asked.merchant,
            asked.number,
            asked.amount_tiyn,
            asked.channel,
            asked.direct,
        ):
            raise Refused("E_ID_REUSED", id=id)
        self._go_on(known)

    def capture(self, id: bytes, amount_tiyn: int) -> None:
        """The merchant wants `amount_tiyn` of an approved purchase; what it leaves returns to the card holder.

        Raises E_CARD_UNLOCATED, E_CARD_STATE, E_CARD_AMOUNT (more than was approved).
        """
        sale = self._expect(id, APPROVED, CAPTURING, CAPTURED, LOST)
        if sale.state != APPROVED:
            self._go_on(sale)
            return
        if not 0 < amount_tiyn <= sale.done_tiyn:
            raise self._too_much(sale, amount_tiyn, sale.done_tiyn)
        message = self._follow(sale, "capture", {4: f"{amount_tiyn:012d}", 24: fields.FIRST})
        self._advise(replace(sale, state=CAPTURING, item=message.id), message)

    def cancel(self, id: bytes, remains_tiyn: int = 0) -> None:
        """Take an approved purchase back, down to `remains_tiyn`. Raises like `capture`."""
        sale = self._expect(id, APPROVED, REVERSING, REVERSED)
        if sale.state != APPROVED or (remains_tiyn and remains_tiyn == sale.done_tiyn):
            self._go_on(sale)
            return
        if not 0 <= remains_tiyn < sale.done_tiyn:
            raise self._too_much(sale, remains_tiyn, sale.done_tiyn - 1)
        message = self._reversal(sale, "0400", fields.CANCELLED, remains_tiyn)
        self._advise(replace(sale, state=REVERSING), message)

    def refund(self, id: bytes, of: bytes, amount_tiyn: int) -> None:
        """A merchant gives money of a captured purchase back, under the refund's own id.

        Raises E_CARD_UNLOCATED, E_CARD_STATE, E_FUNDS_ACCOUNT (the merchant has too little), E_ID_REUSED. Whether it
        is too much, the issuer judges.
        """
        sale = self._expect(of, CAPTURED)
        check_tiyn(amount_tiyn, at_least=1)
        known = self.sales.find(id)
        if known is not None:
            if (known.of, known.amount_tiyn) != (of, amount_tiyn):
                raise Refused("E_ID_REUSED", id=id)
            self._go_on(known)
            return
        begun = replace(sale, id=id, kind=REFUND, of=of, amount_tiyn=amount_tiyn, done_tiyn=0)
        if sale.direct:
            self._give_back(replace(begun, state=RETURNING))
            return
        self.takings.begin_refund(begun, amount_tiyn)
        values = {3: fields.REFUND + "0000", 4: f"{amount_tiyn:012d}", 24: fields.FIRST}
        message = self._follow(begun, "refund", values)
        self._advise(replace(begun, state=CAPTURING, item=message.id), message)

    def represent(self, id: bytes, of: bytes, amount_tiyn: int) -> None:
        """A merchant objects to a chargeback: a second presentment, under an id of its own. Raises like `refund`."""
        sale = self._expect(of, CAPTURED)
        known = self.sales.find(id)
        if known is not None:
            self._go_on(known)
            return
        begun = replace(sale, id=id, kind=SECOND, of=of, amount_tiyn=amount_tiyn, done_tiyn=0)
        values = {4: f"{amount_tiyn:012d}", 24: fields.SECOND_PRESENTMENT}
        message = self._follow(begun, "second presentment", values)
        self._advise(replace(begun, state=CAPTURING, item=message.id), message)

    def tend(self) -> None:
        """Go on with everything that is under way: ask to undo what nobody answered, repeat what must be answered."""
        for sale in self.sales.open():
            if sale.state == ASKING:
                self._undo(sale, decode(sale.pending))
            else:
                self._go_on(sale)

    def fill(self, id: bytes, amount_tiyn: int) -> None:
        """Put banknotes into the bank's machines, bought with its reserves. Once per `id`; E_FUNDS_ACCOUNT."""
        self.takings.fill(id, amount_tiyn)

    def knows(self, merchant: bytes, signer: Signer) -> None:
        """The key of a merchant that takes digital tenge, for what it must give back (see `tend`)."""
        self._signers[merchant] = signer

    def reason(self, id: bytes) -> TengeError | None:
        """What the terminal itself knows of why a sale came to nothing; None when it did not."""
        sale = self.sales.find(id)
        if sale is None or sale.state not in (DECLINED, REVERSED, LOST):
            return None
        if sale.refusal:
            return answers.kept_refusal(sale.refusal)
        return answers.declined(sale.response, sale.reference, sale.amount_tiyn)

    # --- asking ---

    def _expect(self, id: bytes, *states: str) -> Sale:
        sale = self.sales.get(id)
        if sale.state not in states:
            raise Refused("E_CARD_STATE", reference=sale.reference, state=sale.state)
        return sale

    def _too_much(self, sale: Sale, amount_tiyn: int, most_tiyn: int) -> Refused:
        return Refused(
            "E_CARD_AMOUNT", reference=sale.reference, amount_tiyn=amount_tiyn, most_tiyn=most_tiyn
        )

    def _go_on(self, sale: Sale) -> None:
        """Send what is out once more; nothing for what is done."""
        if sale.state == RETURNING:
            self._give_back(sale)
        elif sale.state in OPEN_STATES:
            message = decode(sale.pending)
            self._transmit(sale, message, 0)

    def _ask(self, sale: Sale) -> None:
        """Show the purchase to the chip and send what it signs; a chip that knows too little asks first, once."""
        chip, mark, terminal = self._chips[sale.id]
        attempt = follow("attempt", sale.id, sale.attempt.to_bytes(8, "big"))
        values = asking.request_values(sale, terminal, self._bank_id, chip.expires, self._wire.now())
        kind = "0200" if sale.channel == CASH else "0100"
        try:
            shown = chip.show(attempt, values, mark)
        except TengeError as refusal:
            if sale.told or refusal.code != "E_CARD_FUNDS":
                kept = answers.keep_refusal(refusal)
                declined = after(sale, state=DECLINED, response=answers.OFFLINE, refusal=kept)
                self._cabinet.put_many(self.sales.rows(declined))
                return
            values |= {3: fields.ENQUIRY + "0000", 4: "0" * 12}
            values.pop(48, None)
            kind, shown = "0100", chip.ask(attempt, values)
        message = Message(kind, {**values, 55: shown.hex().upper()})
        begun = replace(
            sale,
            state=ASKING,
            reference=values[37],
            pending=message.encode(),
            asked=message.encode(),
            back=chip.pocket_kids() if sale.direct else (),
        )
        self._cabinet.put_many(self.sales.rows(begun, message.id))
        self._transmit(begun, message, 0)

    def _transmit(self, sale: Sale, message: Message, repeat: int) -> None:
        """Put a message on the wire, and see to it when nobody answers."""
        request = sale.state == ASKING
        self._send(sale.network, (message.again() if repeat else message).encode())

        def nobody_answered() -> None:
            now = self.sales.get(sale.id)
            if now.pending != sale.pending or now.state != sale.state:
                return
            if request:
                self._undo(now, message)
            elif message.type == "0400":
                self._advise(now, Message("0420", message.fields))
            elif repeat < MOST_REPEATS:
                self._transmit(now, message, repeat + 1)

        self._wire.after(ACQUIRER_SECONDS if request else REPEAT_SECONDS, nobody_answered)

    def _undo(self, sale: Sale, message: Message) -> None:
        """No answer came to a request: what it may have done is undone. A question has done nothing."""
        kept = answers.keep_refusal(Refused("E_CARD_TIMEOUT", reference=sale.reference))
        if message.processing == fields.ENQUIRY:
            self._cabinet.put_many(self.sales.rows(after(sale, state=DECLINED, refusal=kept)))
            return
        undoing = replace(sale, state=REVERSING, refusal=kept, done_tiyn=0)
        self._advise(undoing, self._reversal(undoing, "0420", fields.TIMED_OUT, 0))

    def _advise(self, sale: Sale, message: Message) -> None:
        """Write an advice down and send it until it is answered."""
        sending = replace(sale, pending=message.encode())
        self._cabinet.put_many(self.sales.rows(sending, message.id))
        self._transmit(sending, message, 0)

    def _follow(self, sale: Sale, what: str, values: dict[int, str]) -> Message:
        """A financial advice (0220) about a payment that was asked before."""
        stan = trace(sale.id, what, str(sale.attempt))
        return asking.follow_up(sale.asked, "0220", stan, self._wire.now(), values)

    def _reversal(self, sale: Sale, mti: str, reason: str, remains_tiyn: int) -> Message:
        stan = trace(sale.id, f"reversal to {remains_tiyn}", str(sale.attempt))
        return asking.reversal(sale.asked, mti, stan, self._wire.now(), reason, remains_tiyn)

    # --- answers ---

    def receive(self, message: Message) -> None:
        """An answer arrived. One that nobody waits for (late, or a second copy) changes nothing."""
        sale = self.sales.of_message(request_id(fields.ANSWERED[message.type], message.fields))
        if sale is None or not sale.pending:
            return
        if decode(sale.pending).id != request_id(fields.ANSWERED[message.type], message.fields):
            return
        response = message.fields[39]
        if sale.state == ASKING:
            self._decided(sale, message, response)
        elif sale.state == REVERSING:
            self._undone(sale, response)
        elif sale.state == CAPTURING:
            self._captured(sale, decode(sale.pending), response)

    def _decided(self, sale: Sale, message: Message, response: str) -> None:
        chip = self._chips[sale.id][0] if sale.id in self._chips else None
        note = message.binary(55)
        if note and chip is not None:
            # Before anything is written: a terminal that dies in between gets the same answer again.
            chip.tell(note)
        enquiry = decode(sale.pending).processing == fields.ENQUIRY
        if response == answers.APPROVED and not enquiry:
            self._approved(replace(sale, code=message.fields.get(38, ""), response=response))
            return
        again = response == answers.STALE_POCKET or (enquiry and response == answers.APPROVED)
        if again and chip is not None and sale.attempt < MOST_ATTEMPTS:
            self._ask(after(sale, attempt=sale.attempt + 1, told=1))
            return
        if sale.direct and response == answers.SILENT:
            # The issuer may have sent the transfer to the ledger before it fell silent.
            self._undo(replace(sale, response=response), decode(sale.pending))
            return
        self._cabinet.put_many(self.sales.rows(after(sale, state=DECLINED, response=response)))

    def _approved(self, sale: Sale) -> None:
        amount = sale.amount_tiyn
        if sale.channel == CASH:
            self._give_cash(sale)
        else:
            state = CAPTURED if sale.direct else APPROVED
            self._cabinet.put_many(self.sales.rows(after(sale, state=state, done_tiyn=amount)))

    def _give_cash(self, sale: Sale) -> None:
        """The machine gives what it has; what it does not give is undone."""
        given = self.takings.give_cash(sale, self._gives.get(sale.id, sale.amount_tiyn))
        paid = replace(sale, done_tiyn=given, item=decode(sale.pending).id)
        if given == sale.amount_tiyn:
            self._cabinet.put_many(self.sales.rows(after(paid, state=CAPTURED)))
            return
        if not given:
            empty = answers.keep_refusal(Refused("E_CARD_CASH", reference=sale.reference))
            paid = replace(paid, refusal=empty)
        self._advise(replace(paid, state=REVERSING), self._reversal(paid, "0420", fields.PARTLY, given))

    def _undone(self, sale: Sale, response: str) -> None:
        pending = decode(sale.pending)
        remains = int(pending.fields.get(95, "0"))
        if response == answers.PAID_ON_LEDGER:
            self._give_back(after(sale, state=RETURNING))
        elif response != answers.APPROVED:
            # The issuer knows better, for example that the hold has ended. Nothing of it is captured here.
            self._cabinet.put_many(self.sales.rows(after(sale, state=LOST, response=response)))
        elif sale.channel == CASH and remains:
            self._cabinet.put_many(self.sales.rows(after(sale, state=CAPTURED)))
        else:
            state = APPROVED if remains else REVERSED
            self._cabinet.put_many(self.sales.rows(after(sale, state=state, done_tiyn=remains)))

    def _captured(self, sale: Sale, message: Message, response: str) -> None:
        amount = message.amount_tiyn
        yes = response == answers.APPROVED
        if sale.kind == REFUND:
            self.takings.end_refund(sale, amount, yes)
        elif yes:
            self.takings.capture(sale, amount)
        state, done = (CAPTURED, amount) if yes else (LOST, 0)
        self._cabinet.put_many(self.sales.rows(after(sale, state=state, response=response, done_tiyn=done)))

    # --- direct payments that are given back ---

    def _give_back(self, sale: Sale) -> None:
        """The merchant pays a direct payment back into the pocket it came from, by its own signature."""
        signer = self._signers.get(sale.merchant)
        if not sale.pending:
            if signer is None or not sale.back:
                self._cabinet.put_many(self.sales.rows(sale))
                return  # the merchant's key is not at hand: `tend` goes on when it is
            till = Till(self._gateway, signer, f"merchant {merchant_number(sale.merchant)}")
            output = Token(sale.amount_tiyn, QuorumLock(1, sale.back))
            nonce = follow_nonce("direct payment given back", sale.id, sale.attempt.to_bytes(8, "big"))
            link = till.chain([Payout(nonce, (output,))])[0]
            if isinstance(link, TengeError):
                self._cabinet.put_many(self.sales.rows(sale))
                return
            sale = replace(sale, pending=link.encode())
            self._cabinet.put_many(self.sales.rows(sale))
        try:
            self._gateway.submit(sale.pending)
        except Unavailable:
            return
        except TengeError:
            # Its tokens moved meanwhile: planned anew, under a nonce of its own.
            self._cabinet.put_many(self.sales.rows(after(sale, attempt=sale.attempt + 1)))
            return
        state = CAPTURED if sale.kind == REFUND else REVERSED
        done = sale.amount_tiyn if sale.kind == REFUND else 0
        self._cabinet.put_many(self.sales.rows(after(sale, state=state, done_tiyn=done)))

    # --- chargebacks ---

    def charged_back(self, message: Message) -> bytes:
        """An issuer takes money of a captured purchase back: the answer. The merchant's deposit pays, as far as it
        goes; the rest is a claim. The same message again: the same answer."""
        kept = self._cabinet.get(self._answered, message.id)
        if kept is not None:
            return kept
        asked = self.sales.of_message(self._asked_id(message))
        sale = asked if asked is not None and asked.state == CAPTURED and not asked.direct else None
        if sale is None or message.amount_tiyn > sale.done_tiyn:
            response = answers.UNLOCATED if sale is None else "13"
            answer = message.answer(response).encode()
        else:
            self.takings.charge_back(sale, message.amount_tiyn)
            answer = message.answer(answers.APPROVED).encode()
        self._cabinet.put_many([Row(self._answered, message.id, answer)])
        return answer

    def _asked_id(self, message: Message) -> bytes:
        about = message.fields[56]
        return request_id(about[:4], {**message.fields, 11: about[4:10], 12: about[10:22]})
