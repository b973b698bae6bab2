"""The issuing bank's answer to card messages, and what they do to digital tenge and to the books.

    request    rules (`cbdc.cards.rules`), then the card holder's signed transfer goes to the ledger: digital tenge of
               the pocket becomes the bank's, and at the same moment ordinary tenge that the bank holds for the payment
    advice     the network said yes in the bank's silence. The transfer goes to the ledger now; if it covers nothing,
               the bank has paid and books a **claim**. Nobody's digital tenge moves without its signature
    capture    held money becomes what the bank pays at settlement; what was not captured returns to the pocket
    reversal   held money (or cash that no machine gave out) returns. A reversal that comes first leaves a stone, and
               the request behind it is refused
    refund     the merchant's bank pays at settlement, the pocket has the money at once
    direct     a merchant that takes digital tenge: the transfer pays the merchant, nothing is booked here

For each message: the same again gets the same answer; other content under its id is E_ID_REUSED; effects are written
down before they begin (`cbdc.cards.payment`) and every id follows from the payment and the message. If the ledger does
not answer, the issuer does not either, and whoever asked repeats or undoes.

Source: `docs/domain.md`, cards: the issuer debits digital tenge and converts in real time; merchants need no change.
"""

from dataclasses import replace

from cbdc.accounts import Account, Books, Line, Posting, credit, debit, deposit, inventory
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.cards import answers, chart, fields
from cbdc.cards.judging import Judge, Plan
from cbdc.cards.message import Message, decode, original_of
from cbdc.cards.numbers import authorisation_code, prefix_of, trace
from cbdc.cards.payment import (
    APPROVED,
    CAPTURED,
    DECLINED,
    EXPIRED,
    PAID,
    REVERSED,
    Payment,
    PaymentFile,
    done,
    new_payment,
)
from cbdc.cards.registry import CardRegistry
from cbdc.cards.returns import Return, ReturnDesk
from cbdc.cards.rules import CASH, Rulebook
from cbdc.distribution import CommercialBank
from cbdc.errors import Malformed, Refused, TengeError, Unavailable
from cbdc.gateway import Gateway
from cbdc.keys import Signer
from cbdc.ports import Clock

DAY_SECONDS = 86_400
_ASKED = frozenset(fields.ANSWERS) - {"0800"}
HOLD_SECONDS = 7 * DAY_SECONDS  # an assumption: how long a merchant may wait with its capture


class CardIssuer:
    """One bank as issuer of cards."""

    def __init__(
        self,
        bank: CommercialBank,
        gateway: Gateway,
        books: Books,
        cabinet: Cabinet,
        signer: Signer,
        clock: Clock,
        rules: Rulebook,
    ) -> None:
        self._bank_id = bank.bank_id
        self._gateway = gateway
        self._books = books
        self._cabinet = cabinet
        self._clock = clock
        self.registry = CardRegistry(bank, cabinet)
        self.payments = PaymentFile(cabinet, bank.bank_id)
        self.returns = ReturnDesk(gateway, books, cabinet, bank.till, bank.bank_id, clock)
        self.judge = Judge(bank, gateway, cabinet, signer, self.registry, clock, rules)
        self._answered = f"bank {bank.bank_id}/card answer"

    # --- messages ---

    def handle(self, data: bytes) -> bytes:
        """The answer to a request or an advice; the same answer for the same message, for ever.

        Raises E_CARD_MESSAGE for what cannot be read or is no issuer's business, and Unavailable when the ledger or a
        store did not answer: then there is no answer.
        """
        message = decode(data)
        if message.type not in _ASKED:
            raise Malformed("E_CARD_MESSAGE", mti=message.mti, field=0, problem="nobody asks an issuer this")
        payment = self.payments.find(message.key) if 37 in message.fields else None
        if payment is not None and payment.pending:
            payment = self._complete(payment)
        kept = self._cabinet.get(self._answered, message.id)
        if kept is None:
            self._act(message, payment)
            kept = self._cabinet.get(self._answered, message.id)
            assert kept is not None, "what was done was answered"
        if kept[:32] != message.content:
            reused = Refused("E_ID_REUSED", id=message.id)
            return message.answer(answers.response_of(reused)).encode()
        self.returns.pay()
        return kept[32:]

    def _act(self, message: Message, payment: Payment | None) -> None:
        try:
            if message.type in ("0100", "0200"):
                self._request(message, payment)
            elif message.type == "0120":
                self._advice(message, payment)
            elif message.type == "0220":
                self._begin(message, self._financial(message, payment))
            elif message.type in ("0400", "0420"):
                self._reverse(message, payment)
            else:
                raise Refused("E_CARD_STATE", reference=message.fields.get(37, ""), state=message.type)
        except Unavailable:
            raise
        except TengeError as refusal:
            self._refuse(message, payment, refusal)

    def _request(self, message: Message, payment: Payment | None) -> None:
        if payment is not None:
            raise Refused("E_CARD_STATE", reference=payment.reference, state=payment.state)
        if message.processing == fields.ENQUIRY:
            device = self.judge.enquire(message)
            rows = [self.registry.device_row(device)]
            self._put_answer(message, answers.APPROVED, rows, note=self.judge.note(device))
            return
        plan = self.judge.plan(message)
        begun = self._new(message, plan)
        self._complete_after(begun, plan.rows(begun.key))

    def _advice(self, message: Message, payment: Payment | None) -> None:
        if payment is not None and payment.state != DECLINED:
            # Approved here already (the answer was lost), or reversed before it came: nothing is left to do.
            self._put_answer(message, answers.APPROVED, [])
            return
        if not message.amount_tiyn:
            # It would be written down and could never be carried out: no posting is of nothing.
            raise Malformed("E_CARD_MESSAGE", mti=message.mti, field=4, problem="nothing was paid")
        plan = self.judge.plan_advice(message)
        self._complete_after(self._new(message, plan), plan.rows(message.key))

    def _new(self, message: Message, plan: Plan) -> Payment:
        prefix = prefix_of(message.fields[2])
        network = prefix.network if prefix else ""
        payment = new_payment(message, network, plan.card, self._clock.now())
        return replace(payment, transaction=plan.transaction, pending=message.encode())

    def _financial(self, message: Message, payment: Payment | None) -> Payment:
        """The payment that a capture, a refund or a second presentment may go on with; or its refusal."""
        if payment is None:
            raise Refused("E_CARD_UNLOCATED", reference=message.fields[37])
        if message.processing == fields.REFUND:
            wanted, most = CAPTURED, payment.back_tiyn
        elif message.fields[24] == fields.SECOND_PRESENTMENT:
            wanted, most = CAPTURED, payment.disputed_tiyn
        else:
            wanted, most = APPROVED, payment.held_tiyn
        if payment.state != wanted:
            raise Refused("E_CARD_STATE", reference=payment.reference, state=payment.state)
        if not 0 < message.amount_tiyn <= most:
            raise Refused(
                "E_CARD_AMOUNT", reference=payment.reference, amount_tiyn=message.amount_tiyn, most_tiyn=most
            )
        return payment

    def _reverse(self, message: Message, payment: Payment | None) -> None:
        if payment is None:
            # The reversal overtook its request. The stone keeps the request out when it comes.
            prefix = prefix_of(message.fields[2])
            stone = new_payment(message, prefix.network if prefix else "", b"", self._clock.now())
            rows = self.payments.rows(replace(stone, state=REVERSED))
            self._put_answer(message, answers.APPROVED, rows)
            return
        if payment.state in (DECLINED, REVERSED, EXPIRED):
            rows = self.payments.rows(replace(payment, state=REVERSED)) if payment.state == DECLINED else []
            self._put_answer(message, answers.APPROVED, rows)
            return
        if payment.state == PAID:
            raise Refused("E_CARD_PAID", reference=payment.reference, amount_tiyn=payment.amount_tiyn)
        remains = int(message.fields.get(95, "0"))
        cash_given = payment.state == CAPTURED and payment.channel == CASH
        there = payment.captured_tiyn if cash_given else payment.held_tiyn
        if payment.state != APPROVED and not cash_given:
            raise Refused("E_CARD_STATE", reference=payment.reference, state=payment.state)
        if remains == there:  # done before, under a request whose answer was lost
            self._put_answer(message, answers.APPROVED, [])
            return
        if remains > there:
            raise Refused("E_CARD_AMOUNT", reference=payment.reference, amount_tiyn=remains, most_tiyn=there)
        self._begin(message, payment)

    def _begin(self, message: Message, payment: Payment) -> None:
        self._complete_after(replace(payment, pending=message.encode()), [])

    def _complete_after(self, payment: Payment, rows: list[Row]) -> None:
        """Write the intent down with what belongs to it, then carry it out."""
        self._cabinet.put_many([*self.payments.rows(payment), *rows])
        self._complete(payment)

    # --- effects ---

    def _complete(self, payment: Payment) -> Payment:
        """Carry out what is pending, from wherever it was cut off; the payment after it."""
        message = decode(payment.pending)
        if message.type in ("0100", "0200", "0120"):
            return self._take(message, payment)
        if message.type == "0220":
            return self._move(message, payment)
        return self._give_back(message, payment)

    def _take(self, message: Message, payment: Payment) -> Payment:
        """The pocket's money becomes the payment's, or (for an advice only) the bank's claim does."""
        refusal: TengeError | None = None
        if payment.transaction:
            try:
                self._gateway.submit(payment.transaction)
            except Unavailable:
                raise
            except TengeError as error:
                refusal = error
        covered = bool(payment.transaction) and refusal is None
        advice = message.type == "0120"
        if refusal is not None and not advice:
            stale = refusal.code == "E_TOKEN_SPENT"
            reason = "E_CARD_POCKET" if stale else "E_CARD_LEDGER"
            told = self.judge.ledger_refusal(reason, message, refusal)
            return self._refuse(message, payment, told)
        amount = payment.amount_tiyn
        direct = 48 in message.fields
        if not direct:
            source = debit(inventory(self._bank_id), amount) if covered else self._claim(amount)
            target = self._payable(payment) if payment.channel == CASH else chart.authorised(self._bank_id)
            self._post(payment, message, "card payment", source, credit(target, amount))
        state = PAID if direct else CAPTURED if payment.channel == CASH else APPROVED
        approved = done(
            payment,
            state=state,
            held_tiyn=amount if state == APPROVED else 0,
            captured_tiyn=amount if state == CAPTURED else 0,
            claim_tiyn=0 if covered else amount,
            transaction=payment.transaction if covered else b"",
            code=message.fields.get(38) or authorisation_code(payment.key, str(self._bank_id)),
        )
        note = self.judge.note_for(approved.number) if covered else b""
        self._put_answer(message, answers.APPROVED, self.payments.rows(approved), approved.code, note)
        return approved

    def _claim(self, amount_tiyn: int) -> Line:
        return debit(chart.claims(self._bank_id), amount_tiyn)

    def _payable(self, payment: Payment) -> Account:
        return chart.payable(self._bank_id, payment.network)

    def _move(self, message: Message, payment: Payment) -> Payment:
        amount, net = message.amount_tiyn, payment.network
        if message.processing == fields.REFUND:
            source = debit(chart.receivable(self._bank_id, net), amount)
            after = done(payment, refunded_tiyn=payment.refunded_tiyn + amount)
            return self._return(message, after, amount, [source], "card refund")
        if message.fields[24] == fields.SECOND_PRESENTMENT:
            taken = debit(chart.disputed(self._bank_id), amount)
            self._post(
                payment, message, "card second presentment", taken, credit(self._payable(payment), amount)
            )
            after = done(payment, disputed_tiyn=payment.disputed_tiyn - amount)
            self._put_answer(message, answers.APPROVED, self.payments.rows(after))
            return after
        held = payment.held_tiyn
        lines = [debit(chart.authorised(self._bank_id), held), credit(self._payable(payment), amount)]
        after = done(payment, state=CAPTURED, held_tiyn=0, captured_tiyn=amount)
        return self._return(message, after, held - amount, lines, "card capture")

    def _give_back(self, message: Message, payment: Payment) -> Payment:
        remains = int(message.fields.get(95, "0"))
        expired = message.fields[25] == fields.HOLD_EXPIRED
        if payment.state == CAPTURED:
            amount = payment.captured_tiyn - remains
            source = debit(self._payable(payment), amount)
            after = done(payment, captured_tiyn=remains, state=CAPTURED if remains else REVERSED)
        else:
            amount = payment.held_tiyn - remains
            source = debit(chart.authorised(self._bank_id), amount)
            state = APPROVED if remains else EXPIRED if expired else REVERSED
            after = done(payment, held_tiyn=remains, state=state)
        return self._return(message, after, amount, [source], "card reversal")

    def _return(
        self, message: Message, payment: Payment, amount_tiyn: int, lines: list[Line], text: str
    ) -> Payment:
        """Money goes back: first it pays what the bank only claims, the rest returns to the pocket."""
        claim = min(amount_tiyn, payment.claim_tiyn)
        rest = amount_tiyn - claim
        if claim:
            lines.append(credit(chart.claims(self._bank_id), claim))
        if rest:
            lines.append(credit(chart.owed(self._bank_id), rest))
        self._post(payment, message, text, *lines)
        after = replace(payment, claim_tiyn=payment.claim_tiyn - claim)
        rows = self.payments.rows(after) + self.return_rows(after, message.id, rest)
        if message.processing != fields.REFUND:
            rows += self.judge.give_day_back(payment, amount_tiyn, after.state in (REVERSED, EXPIRED))
        self._put_answer(message, answers.APPROVED, rows)
        return after

    def return_rows(self, payment: Payment, cause: bytes, amount_tiyn: int) -> list[Row]:
        """The rows that write down what the bank owes a pocket, because of the message `cause`."""
        if not amount_tiyn:
            return []
        card = self.registry.card(payment.card)
        identity = follow("card return", payment.key, cause)
        return self.returns.row(
            Return(identity, card.customer, amount_tiyn, self.registry.lock(card.id).kids)
        )

    def _refuse(self, message: Message, payment: Payment | None, refusal: TengeError) -> Payment:
        """Answer with a refusal. A request that was refused leaves a payment that was declined, with the reason."""
        if payment is None:
            prefix = prefix_of(message.fields[2])
            payment = new_payment(message, prefix.network if prefix else "", b"", self._clock.now())
        rows: list[Row] = []
        if message.type in ("0100", "0200") and (payment.state == "new"):
            rows = self.judge.give_day_back(payment, payment.amount_tiyn, True) if payment.pending else []
            payment = done(payment, state=DECLINED, refusal=answers.keep_refusal(refusal), transaction=b"")
            rows += self.payments.rows(payment)
        note = self.judge.note_for(message.fields[2]) if refusal.code == "E_CARD_POCKET" else b""
        self._put_answer(message, answers.response_of(refusal), rows, note=note)
        return payment

    def _put_answer(
        self, message: Message, response: str, rows: list[Row], code: str = "", note: bytes = b""
    ) -> None:
        more = (
            {} if message.type not in ("0100", "0120", "0200") else {"f38": code, "f55": note.hex().upper()}
        )
        answer = message.answer(response, **more)
        self._cabinet.put_many([*rows, Row(self._answered, message.id, message.content + answer.encode())])

    def _post(self, payment: Payment, message: Message, text: str, *lines: Line) -> None:
        identity = follow(text, self._bank_id.to_bytes(8, "big"), payment.key, message.id)
        self._books.post(Posting(identity, self._clock.now(), text, lines))

    # --- what the bank does of itself ---

    def resume(self) -> None:
        """Complete what a crash left begun, and pay what is owed to card holders as far as the inventory goes."""
        for payment in self.payments.open():
            if payment.pending:
                self._complete(payment)
        self.returns.pay()

    def expire_holds(self) -> int:
        """Give back what no merchant captured in time; how many payments expired."""
        before = self._clock.now() - HOLD_SECONDS
        late = [item for item in self.payments.open() if item.state == APPROVED and item.time <= before]
        for payment in late:
            self.handle(self._own_reversal(payment).encode())
        return len(late)

    def _own_reversal(self, payment: Payment) -> Message:
        """The bank's message to itself that ends a hold: a reversal like any other, under an id that follows."""
        asked = decode(payment.asked)
        kept = {number: asked.fields[number] for number in (2, 3, 4, 7, 12, 32, 37, 41, 42, 49)}
        own = {
            11: trace(payment.key, "expiry"),
            24: fields.FULL_REVERSAL,
            25: fields.HOLD_EXPIRED,
            56: original_of(asked),
        }
        return Message("0420", {**kept, **own})

    def collect_claims(self) -> int:
        """Take claims from card holders' deposits, as their card contract allows; how much (tiyn).

        A claim is collected whole or not at all. Ordinary money only: digital tenge is never taken without the
        holder's signature.
        """
        collected = 0
        for payment in self.payments.all():
            amount = payment.claim_tiyn
            if not (amount and payment.card):
                continue
            account = deposit(self._bank_id, self.registry.card(payment.card).customer)
            # What is left of the claim is part of the id: a crash between the two writes finds its posting again.
            identity = follow("card claim", payment.key, amount.to_bytes(8, "big"))
            if not self._books.booked(identity):
                if self._books.balance(account) < amount:
                    continue
                lines = debit(account, amount), credit(chart.claims(self._bank_id), amount)
                self._books.post(Posting(identity, self._clock.now(), "card claim collected", lines))
            self._cabinet.put_many(self.payments.rows(replace(payment, claim_tiyn=0)))
            collected += amount
        return collected

    def reason(self, key: bytes) -> TengeError | None:
        """Why a payment was declined, with all its facts: what the bank tells its own customer. None if it was not."""
        payment = self.payments.find(key)
        return answers.kept_refusal(payment.refusal) if payment is not None and payment.refusal else None
