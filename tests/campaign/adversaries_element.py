"""A4, A5 and A6: opened elements, alone and as a class, and payees who collude with them.

The elements are real devices that were opened (`offline.opened`): cloned, rolled back, made to sign anything. What is
signed against itself is registered as a culprit at that moment, and nobody else may be named in the end.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cbdc.record import Signed
from offline.bundle import HeldToken
from offline.element import SimulatedSecureElement
from offline.opened import Captured, OpenedElement, open_for_attack
from offline.records import REDEEM, Invoice, Output, Transfer
from offline.settle import DENIED, HELD
from tests.campaign.adversary import Adversary
from tests.campaign.people import Person, Piece

PIECES = 24


class Opened(Adversary):
    """A4: one opened element after the other; each is used until it is revoked."""

    ID = "A4"
    WHO = "one opened element"
    BANK = 1
    MOST = 3
    answered = False

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.opened: list[OpenedElement] = []
        self.lines: dict[bytes, list[Piece]] = {}
        self.clean: dict[bytes, Captured] = {}
        self.open_one()

    def open_one(self) -> OpenedElement:
        """A person buys a device, loads it, and takes it apart."""
        name = f"{self.ID} device {len(self.opened)}"
        device = self.field.real(name, self.BANK)
        self.field.take_offline(name, *[5_000] * PIECES)
        element = device.element
        assert isinstance(element, SimulatedSecureElement)
        opened = open_for_attack(element, f"the campaign's {self.ID}")
        notes = {note.oid: note for note in self.field.centre.notes(device.kid)}
        self.lines[device.kid] = [
            Piece(HeldToken(notes[outpoint.previous], ()), 0) for outpoint in opened.status(self.now).purse
        ]
        self.clean[device.kid] = opened.capture()
        self.opened.append(opened)
        # Its host is the attacker's now: the honest device of that name is used no more.
        self.field.devices.pop(name)
        return opened

    def use(self) -> tuple[OpenedElement, Piece]:
        """The element in use, and a note it has not touched yet; a new element when this one is known or empty."""
        opened = self.opened[-1]
        known = self.field.centre.trust_view.is_revoked(opened.kid)
        if (known or not self.lines[opened.kid]) and len(self.opened) < self.MOST and not self.answered:
            opened = self.open_one()
        if not self.lines[opened.kid]:
            self.take_more(opened)
        return opened, self.lines[opened.kid].pop()

    def take_more(self, opened: OpenedElement) -> None:
        """Load again, into the state it had when it was opened: its purse is empty of change, its counter low again."""
        name = self.field.owners[opened.kid]
        opened.rollback(self.clean[opened.kid])
        self.field.culprits[opened.kid] = self.ID
        known = self.field.centre.reconciler.loads_of(opened.kid)
        self.field.take_offline(name, *[5_000] * PIECES, receive=False)
        for note in self.field.centre.notes(opened.kid, known[-1].load_number + len(known[-1].tokens) - 1):
            opened.load(note, self.now)
            self.lines[opened.kid].append(Piece(HeldToken(note, ()), 0))

    def payee(self) -> Person:
        return self.chance.choice(self.field.honest)

    def offer(self, payee: Person, invoice: Signed[Invoice], piece: Piece, transfer: Signed[Any]) -> bool:
        """Show a payment to an honest payee; whether it was deceived for the time being."""
        data = self.show(piece, transfer)
        taken = self.try_to(lambda: payee.receive(data, invoice, self.now))
        if taken is None:
            payee.open.pop(invoice.oid, None)
            payee.to_hand_in += [transfer, invoice]
            return False
        return True

    def twice(self, payments: Sequence[tuple[OpenedElement, Piece]]) -> None:
        """Each of these pays somebody else with the piece beside it; who signs two branches of one is a culprit."""
        taken = 0
        for opened, piece in payments:
            payee = self.payee()
            invoice = payee.invoice(self.chance.randint(1, piece.amount_tiyn), self.now)
            made = self.try_to(
                lambda opened=opened, piece=piece, payee=payee, invoice=invoice: opened.pay(
                    invoice, payee.certificate, [piece.outpoint], self.now
                )
            )
            if made is None:
                payee.open.pop(invoice.oid)
                continue
            self.tally.payments += 1
            taken += self.offer(payee, invoice, piece, made[0])
        self.tally.payments -= 1
        self.field.culprits[payments[0][0].kid] = self.ID
        if taken == len(payments):
            self.tally.landed += 1

    def by_clone(self) -> None:
        """Two elements with one key pay two people with one note."""
        opened, piece = self.use()
        self.twice([(opened.clone(), piece), (opened, piece)])

    def by_rollback(self) -> None:
        """The state from before the payment is put back."""
        opened, piece = self.use()
        before = opened.capture()
        payee = self.payee()
        invoice = payee.invoice(1_000, self.now)
        made = self.try_to(lambda: opened.pay(invoice, payee.certificate, [piece.outpoint], self.now))
        if made is None:
            payee.open.pop(invoice.oid)
            return
        first = self.offer(payee, invoice, piece, made[0])
        opened.rollback(before)
        self.twice([(opened, piece)])
        self.tally.payments += 1
        self.tally.landed += first

    def by_counter(self) -> None:
        """Two notes, each spent once, under one counter value."""
        opened, piece = self.use()
        if not self.lines[opened.kid]:
            self.twice([(opened.clone(), piece), (opened, piece)])
            return
        self.twice([(opened.clone(), piece), (opened, self.lines[opened.kid].pop())])

    def by_free_signing(self) -> None:
        """A transfer that makes money, or that forgets hops: no payee takes it, and signed it is proof (E4)."""
        opened, piece = self.use()
        payee = self.payee()
        invoice = payee.invoice(9_000, self.now)
        state = opened.status(self.now)
        self.field.culprits[opened.kid] = self.ID
        record = Transfer(
            0, *piece.outpoint, (Output(9_000, payee.kid),), opened.kid, state.counter + 1, state.head, invoice.oid, 0,
            1, 1, 1, 0, piece.line.note.record.spend_by, state.trust_sequence, state.sync_time, self.now,
        )  # fmt: skip
        if self.chance.random() < 0.5:
            record = replace(record, outputs=(Output(piece.amount_tiyn, payee.kid),), hop=0)
        made = opened.sign_anything(record)
        assert not self.offer(payee, invoice, piece, made), "a payee took what does not follow"


class OpenedClass(Opened):
    """A5: elements of one kind, all opened at once; the answer is to revoke their bank."""

    ID = "A5"
    WHO = "many opened elements of one kind"
    BANK = 2
    MOST = 6

    def answer(self) -> None:
        """The National Bank revokes the bank whose elements were broken."""
        reference = self.opened[0].certificate.record.ca_reference
        self.field.centre.publish(b"class break", revoke_references=[reference])
        self.answered = True

    def by_swarm(self) -> None:
        """Three copies pay three people at once."""
        opened, piece = self.use()
        self.twice([(opened.clone(), piece), (opened.clone(), piece), (opened, piece)])


class Colluders(Opened):
    """A6: payees who take branches of an element they know is revoked, and claim them at settlement."""

    ID = "A6"
    WHO = "payees who collude"
    MOST = 1

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.friend = self.field.person("A6 accomplice")
        self.claims: list[tuple[bytes, bool]] = []
        self.orders = 0
        self.ready = False
        self.log: tuple[int, bytes] | None = None

    def expose(self) -> None:
        """The element's first double spend is found and it is revoked, before anybody colludes."""
        opened, piece = self.use()
        for amount_tiyn in (1_000, 1_001):
            invoice = self.friend.invoice(amount_tiyn, self.now)
            copy = opened.clone()
            (made,) = copy.pay(invoice, self.friend.certificate, [piece.outpoint], self.now)
            self.friend.to_hand_in += [made, invoice]
        self.field.culprits[opened.kid] = self.ID
        self.hand_in()
        assert self.field.centre.trust_view.is_revoked(opened.kid)
        self.ready = True

    def hand_in(self) -> None:
        self.field.centre.submit(self.field.batch([self.friend.certificate, *self.friend.to_hand_in]))
        self.friend.to_hand_in.clear()

    def sign_freely(self, opened: OpenedElement, piece: Piece, invoice: Signed[Invoice]) -> Signed[Transfer]:
        """A payment of the whole piece past every limit of the element, with a log kept by hand."""
        state = opened.status(self.now)
        counter, head = self.log or (state.counter, state.head)
        output, note = Output(piece.amount_tiyn, self.friend.kid), piece.line.note.record
        record = Transfer(
            0, *piece.outpoint, (output,), opened.kid, counter + 1, head, invoice.oid, 0, 1, 1, 1, 0,
            note.spend_by, state.trust_sequence, state.sync_time, self.now,
        )  # fmt: skip
        made = opened.sign_anything(record)
        self.log = (counter + 1, made.oid)
        return made

    def collude(self, trust_sequence: int, known: bool) -> None:
        """The revoked element pays its friend, who sends the money home at once under this TRUST number."""
        if not self.ready:
            self.expose()
        opened, piece = self.use()
        invoice = self.friend.invoice(piece.amount_tiyn, self.now, trust_sequence=trust_sequence)
        self.tally.tried += 1
        made = self.sign_freely(opened, piece, invoice)
        self.orders += 1
        order = self.field.centre.redeem_order(f"A6 {self.orders}".encode(), self.friend.kid)
        taken = Piece(HeldToken(piece.line.note, (*piece.line.transfers, made)), 0)
        account = self.field.kid(self.field.owners[self.friend.kid])
        home = self.friend.transfer(
            taken, account, taken.amount_tiyn, self.now, kind=REDEEM, hop=1, reference=order.oid
        )
        self.friend.to_hand_in += [made, invoice, home]
        self.claims.append((home.oid, known))

    def by_knowing(self) -> None:
        """The friend's invoice names the newest list, as an honest element's would."""
        self.collude(self.field.centre.trust_view.sequence, known=True)

    def by_backdating(self) -> None:
        """The friend's element is opened too and names an old list: it looks like good faith."""
        self.collude(1, known=False)

    def finish(self) -> None:
        """What became of the claims: those that show their knowledge are denied, the look-alikes are paid."""
        if not self.ready:
            return
        self.hand_in()
        for subject, known in self.claims:
            standing = self.field.centre.reconciler.standing(subject)
            assert standing is not None
            if known:
                assert standing.status in (DENIED, HELD), "a claimant who knew was paid"
                self.tally.refused["DENIED"] += 1
            else:
                self.tally.landed += 1
                self.tally.more["paid to look-alikes, tiyn"] += standing.amount_tiyn
