"""A1 on the link, A11 who is curious, A12 who wants to exhaust: they touch messages and sign nothing."""

from dataclasses import replace
from typing import Any

from cbdc import canonical
from cbdc.record import Signed
from offline.batch import open_batch
from offline.bundle import Bundle, open_bundle
from offline.checks import check_invoice
from offline.link import Assembler, frames
from offline.records import Invoice
from tests.campaign.adversary import Adversary
from tests.campaign.people import Person


class Link(Adversary):
    """A1: reads, drops, repeats, changes, cuts, reorders and redirects what two honest devices say."""

    ID = "A1"
    WHO = "the link"

    def by_flip(self) -> None:
        """Bits are turned on the way."""
        _, payee, data, invoice = self.prepared()
        for _ in range(2):
            place = self.chance.randrange(len(data))
            changed = data[:place] + bytes([data[place] ^ 1 << self.chance.randrange(8)]) + data[place + 1 :]
            self.must_fail(lambda changed=changed: payee.receive(changed, invoice, self.now))
        self.field.deliver(payee, data, invoice)

    def by_cut(self) -> None:
        """Only the beginning arrives."""
        _, payee, data, invoice = self.prepared()
        place = self.chance.randrange(len(data))
        self.must_fail(lambda: payee.receive(data[:place], invoice, self.now))
        self.field.deliver(payee, data, invoice)

    def by_repetition(self) -> None:
        """The same message again, when it was taken already."""
        _, payee, data, invoice = self.prepared()
        if self.field.deliver(payee, data, invoice):
            self.must_fail(lambda: payee.receive(data, invoice, self.now), "E_INVOICE_UNKNOWN")

    def by_swap(self) -> None:
        """Two payments change places."""
        _, payee, data, invoice = self.prepared()
        _, other, others, asked = self.prepared()
        self.tally.payments += 1
        self.must_fail(lambda: payee.receive(others, invoice, self.now))
        self.must_fail(lambda: other.receive(data, asked, self.now))
        self.field.deliver(payee, data, invoice)
        self.field.deliver(other, others, asked)

    def by_request(self) -> None:
        """The request is changed before the payer sees it: another amount or payee under the old signature."""
        payer, payee = self.funded(), self.field.two()[1]
        if payer is payee:
            return
        asked = payee.invoice(500, self.now)
        thief = next(person for person in self.field.honest if person not in (payer, payee))
        for fields in ({"amount_tiyn": 501}, {"payee": thief.kid}):
            changed = _changed(asked, self.field.network, fields)
            self.must_fail(
                lambda changed=changed: check_invoice(changed, payee.certificate, payer.trust, self.now),
                "E_SIG",
                "E_PAYEE",
                "E_CA",
            )
        self.must_fail(
            lambda: check_invoice(asked, thief.certificate, payer.trust, self.now), "E_PAYEE", "E_CA"
        )
        payee.open.pop(asked.oid)

    def by_another_payee(self) -> None:
        """The payment is brought to somebody else, who has an invoice open too."""
        _, payee, data, invoice = self.prepared()
        other = next(person for person in self.field.honest if person is not payee)
        asked = other.invoice(invoice.record.amount_tiyn, self.now)
        self.must_fail(lambda: other.receive(data, asked, self.now))
        self.must_fail(lambda: other.receive(data, invoice, self.now))
        self.field.deliver(payee, data, invoice)

    def by_loss(self) -> None:
        """The message never arrives: the payee gives nothing, and settlement credits it after both have synced."""
        _, payee, _, invoice = self.prepared()
        self.tally.tried += 1
        self.tally.more["messages lost for good"] += 1
        payee.to_hand_in.append(invoice)


def _changed(asked: Signed[Invoice], network: bytes, fields: dict[str, Any]) -> Signed[Invoice]:
    record = replace(asked.record, **fields)
    return Signed(record, record.body(), asked.signature, record.oid(network))


class Curious(Adversary):
    """A11: an institution or a payee that reads everything it gets to see, and joins it."""

    ID = "A11"
    WHO = "a curious institution or payee"

    def look(self, data: bytes) -> None:
        """Search some bytes for anybody's name, identification number or phone (Z1)."""
        self.tally.tried += 1
        found = [needle for needle in self.field.personal if needle in data]
        self.tally.landed += bool(found)
        self.tally.more["personal data found"] += len(found)

    def by_reading_a_payment(self) -> None:
        """A payee reads the message and the request."""
        _, payee, data, invoice = self.prepared()
        self.look(data + invoice.encode() + payee.certificate.encode())
        seen = open_bundle(data, self.field.network, len(data))
        self.tally.more["earlier holders shown"] += sum(len(line.transfers) - 1 for line in seen.tokens)
        self.field.deliver(payee, data, invoice)

    def by_asking_for_little(self) -> None:
        """A payee asks for one tiyn to see a history."""
        payer, payee = self.funded(), self.field.two()[1]
        made = None if payer is payee else self.field.start_payment(payer, payee, 1)
        if made is None:
            return
        self.look(made[0])
        self.field.deliver(payee, *made)

    def finish(self) -> None:
        """Everything the central bank can see: archive, ledger, lists, certificates."""
        field = self.field
        rows = [row.envelope for row in field.stores.evidence.rows(0)]
        rows += [row.envelope for row in field.stores.devices.rows(0)]
        rows += [row.envelope for row in field.stores.lists.rows(0)]
        rows += [entry.payload for entry in field.ledger.entries()]
        self.look(b"\0".join(rows))
        self.tally.more["bytes searched"] += sum(map(len, rows))


class Exhauster(Adversary):
    """A12: messages that are huge, deep, endless or many, before and instead of an honest payment."""

    ID = "A12"
    WHO = "who wants to exhaust"

    def _then_pays(self) -> tuple[Person, bytes, Signed[Invoice]]:
        _, payee, data, invoice = self.prepared()
        return payee, data, invoice

    def by_size(self) -> None:
        """A message above every limit is refused before it is parsed."""
        payee, data, invoice = self._then_pays()
        self.must_fail(lambda: payee.receive(data + bytes(25_000), invoice, self.now), "E_SIZE")
        self.field.deliver(payee, data, invoice)

    def by_depth(self) -> None:
        """Arrays in arrays."""
        payee, data, invoice = self._then_pays()
        self.must_fail(
            lambda: payee.receive(b"\x91" * 2_000 + b"\x90", invoice, self.now), "E_DEPTH", "E_DECODE"
        )
        self.field.deliver(payee, data, invoice)

    def by_promises(self) -> None:
        """A length that promises four thousand million items."""
        payee, data, invoice = self._then_pays()
        self.must_fail(
            lambda: payee.receive(b"\x93\x01\xdd\xff\xff\xff\xff", invoice, self.now),
            "E_DECODE",
            "E_LENGTH",
            "E_NONCANON",
        )
        self.field.deliver(payee, data, invoice)

    def by_certificates(self) -> None:
        """Two dozen certificates that nothing needs: refused before any signature is checked."""
        payee, data, invoice = self._then_pays()
        bundle = open_bundle(data, self.field.network, len(data))
        many = tuple(list(self.field.directory.values())[:20])
        heavy = Bundle(tuple({one.oid: one for one in (*bundle.certificates, *many)}.values()), bundle.tokens)
        self.must_fail(lambda: payee.receive(heavy.encode(), invoice, self.now), "E_DUP", "E_SIZE")
        self.field.deliver(payee, data, invoice)

    def by_lines(self) -> None:
        """One line nine times."""
        payee, data, invoice = self._then_pays()
        bundle = open_bundle(data, self.field.network, len(data))
        heavy = Bundle(bundle.certificates, bundle.tokens * 9)
        self.must_fail(lambda: payee.receive(heavy.encode(), invoice, self.now), "E_COUNT", "E_SIZE")
        self.field.deliver(payee, data, invoice)

    def by_frames(self) -> None:
        """Frames of messages that never end, and then those of the payment: at most four are kept."""
        payee, data, invoice = self._then_pays()
        screen = Assembler(24_576)
        for number in range(6):
            self.tally.tried += 1
            first = frames(number.to_bytes(4, "big") * 800)[0]
            assert screen.take(first, self.now) is None
        whole = [screen.take(frame, self.now) for frame in frames(data)]
        assert whole[-1] == data, "the honest message must get through"
        self.field.deliver(payee, data, invoice)

    def by_batches(self) -> None:
        """Settlement gets junk: a batch above the limit is refused, junk objects are set aside and spoil nothing."""
        payee, data, invoice = self._then_pays()
        junk = canonical.encode([1, bytes(16), [], [[5, b"junk", bytes(64)]] * 4_097, []])
        self.must_fail(lambda: open_batch(junk, self.field.network), "E_COUNT", "E_SIZE")
        self.field.deliver(payee, data, invoice)
