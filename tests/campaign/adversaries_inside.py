"""A8, A9 and A10: people inside a bank, the issuer and settlement, each with the key of their office.

They can sign what their office signs, and so deceive for a while; they cannot sign for a device, and so nobody honest
is named.
"""

import hashlib
from typing import Any

from cbdc import canonical
from cbdc.keys import ED25519, SoftwareKey
from cbdc.record import Signed, sign
from offline import evidence
from offline.admission import check_certificate_issue, check_follows
from offline.bundle import HeldToken
from offline.checks import check_note
from offline.graph import Rules, derive
from offline.intake import open_kept, verify
from offline.records import DeviceCertificate, Note, SubmitAck, SyncAck, SyncRequest, Transfer
from offline.seen import Seen
from tests.campaign.adversary import Adversary
from tests.campaign.people import Person, Piece


class BankInsider(Adversary):
    """A8: certifies what does not exist, and tries to frame an honest device with it."""

    ID = "A8"
    WHO = "an insider of a bank's certifying office"

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.mule = self.field.person("A8 mule")
        self.made = 0

    def certify(self, **fields: Any) -> tuple[SoftwareKey, Signed[DeviceCertificate]]:
        """A certificate of bank one for a key that nobody enrolled."""
        self.made += 1
        key = self.field.key(f"A8 false device {self.made}")
        template = self.mule.certificate.record
        values = {
            "ca_reference": template.ca_reference,
            "device_id": hashlib.sha256(key.public.raw).digest()[:16],
            "algorithm": ED25519,
            "public_key": key.public.raw,
            "tier": template.tier,
            "category": template.category,
            "limits": template.limits,
            "not_before": template.not_before,
            "expires": template.expires,
            "certificate_number": 1_000_000 + self.made,
        }
        record = DeviceCertificate(**{**values, **fields})
        return key, sign(record, self.field.network, self.field.key("ca1"))

    def false_person(self, certificate: Signed[DeviceCertificate], key: SoftwareKey) -> Person:
        """The false device, with money that the mule paid it."""
        self.field.directory[key.public.kid] = certificate
        person = Person(key, certificate, self.field.centre.trust_view, self.field.directory)
        if not any(self.mule.can_move(piece) and not piece.line.transfers for piece in self.mule.pieces):
            self.field.load_person(self.mule, "A8 mule", 20, 3_000)
        if self.mule.must_sync:
            self.field.sync_person(self.mule)
        piece = next(piece for piece in self.mule.pieces if not piece.line.transfers)
        self.mule.pieces.remove(piece)
        invoice = person.invoice(piece.amount_tiyn, self.now)
        made = self.mule.transfer(piece, person.kid, piece.amount_tiyn, self.now, reference=invoice.oid)
        self.mule.to_hand_in += [made, invoice, certificate]
        person.pieces.append(Piece(HeldToken(piece.line.note, (made,)), 0))
        return person

    def forge(self, payer: Person, amounts: tuple[int, ...]) -> list[Signed[Transfer]]:
        """Branches of the false device's one piece, shown to honest payees."""
        piece = payer.pieces[0]
        made: list[Signed[Transfer]] = []
        taken = 0
        for amount_tiyn in amounts:
            payee = self.field.chance.choice(self.field.honest)
            invoice = payee.invoice(amount_tiyn, self.now)
            transfer = payer.transfer(piece, payee.kid, amount_tiyn, self.now, reference=invoice.oid)
            made.append(transfer)
            data = self.show(piece, transfer)
            got = self.try_to(
                lambda payee=payee, data=data, invoice=invoice: payee.receive(data, invoice, self.now)
            )
            if got is None:
                payee.open.pop(invoice.oid, None)
                payee.to_hand_in += [transfer, invoice, payer.certificate]
            taken += got is not None
        self.tally.landed += taken == len(amounts)
        return made

    def by_false_device(self) -> None:
        """A device that does not exist spends twice: its key is named, and its certificate leads to the bank."""
        key, certificate = self.certify()
        payer = self.false_person(certificate, key)
        self.field.culprits[payer.kid] = self.ID
        self.mule.to_hand_in += self.forge(payer, (1_000, 1_500))
        self.tally.payments += 1

    def by_false_tier(self) -> None:
        """A tier above the bank's own."""
        key, certificate = self.certify(tier=4)
        payer = Person(key, certificate, self.field.centre.trust_view, dict(self.field.directory))
        _, payee, data, invoice = self.prepared()
        payer.directory[payer.kid] = certificate
        self.must_fail(lambda: check_certificate_issue(certificate, self.field.authority), "E_CA")
        self.field.deliver(payee, data, invoice)

    def by_second_key(self) -> None:
        """A second key under an honest device's id: whatever it signs, the honest one is not named, the bank is."""
        victim = self.field.chance.choice([one for one in self.field.honest if self._is_bank_one(one)])
        key, certificate = self.certify(device_id=victim.certificate.record.device_id)
        payer = self.false_person(certificate, key)
        self.field.culprits[payer.kid] = self.ID
        first, second = self.forge(payer, (1_200, 1_300))
        self.mule.to_hand_in += [first, second]
        self.tally.payments += 1
        file = evidence.double_spend(self.field.authority, certificate, first, second)
        assert evidence.verify_evidence(file, self.field.root).kid == key.public.kid != victim.kid
        proof = evidence.dual_certificate(self.field.authority, victim.certificate, certificate)
        assert evidence.verify_evidence(proof, self.field.root).kid == self.field.kid("ca1"), (
            "E8 names the bank"
        )
        self.tally.more["E8 files that name the bank"] += 1
        items = [evidence.DOUBLE_SPEND, victim.certificate.envelope(), first.envelope(), second.envelope()]
        auth = next(auth for auth in self.field.auths if auth.record.kid == self.field.kid("ca1"))
        framed = canonical.encode([1, [auth.envelope()], items])
        self.must_fail(lambda: evidence.verify_evidence(framed, self.field.root), "E_EVIDENCE")

    def _is_bank_one(self, person: Person) -> bool:
        return person.certificate.record.ca_reference == self.mule.certificate.record.ca_reference

    def by_forged_signature(self) -> None:
        """Two transfers and a statement in an honest device's name, signed by the bank's key."""
        victim = self.funded()
        piece = next(piece for piece in victim.pieces if victim.can_move(piece))
        bank = self.field.key("ca1")
        forged: list[Signed[Any]] = []
        for amount_tiyn in (1, 2):
            record = _record_of(victim, piece, self.mule.kid, amount_tiyn, self.now)
            forged.append(sign(record, self.field.network, bank))
        record = SyncRequest(victim.kid, 1, 0, bytes(32), 0, (), 0, 0, 0, 0, 1, bytes(16))
        forged.append(sign(record, self.field.network, bank))
        for one in forged:
            self.must_fail(lambda one=one: verify(one, self.field.authority, self.certificates), "E_SIG")
        self.mule.to_hand_in += forged
        _, payee, data, invoice = self.prepared()
        self.field.deliver(payee, data, invoice)

    def finish(self) -> None:
        """Hand in what the mule has."""
        self.field.sync_person(self.mule)


def _record_of(victim: Person, piece: Piece, payee: bytes, amount_tiyn: int, now: int) -> Transfer:
    """What the victim would sign, unsigned."""
    before = (victim.counter, victim.head, list(victim.totals))
    made = victim.transfer(piece, payee, amount_tiyn, now)
    victim.counter, victim.head, victim.totals = before
    record: Transfer = made.record
    return record


class IssuerThief(Adversary):
    """A9: has an issuer's key and signs notes that no load backs."""

    ID = "A9"
    WHO = "a thief of an issuer's key"

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.thief = self.field.person("A9 thief")
        self.notes: list[Signed[Note]] = []
        self.template = self.field.honest[0].pieces[0].line.note.record

    def forge(self, **fields: Any) -> Signed[Note]:
        """A note for the thief."""
        number = 1_000_000 + len(self.notes)
        values = {name: getattr(self.template, name) for name in self.template.__slots__}
        values |= {
            "serial": (1).to_bytes(4, "big") + number.to_bytes(8, "big") + bytes(4),
            "owner": self.thief.kid,
            "load_number": number,
            "amount_tiyn": 700,
        }
        note = sign(Note(**{**values, **fields}), self.field.network, self.field.key("issuer"))
        self.notes.append(note)
        return note

    def spend(self, note: Signed[Note]) -> None:
        """Pay an honest person with it."""
        if self.thief.must_sync:
            self.field.sync_person(self.thief)
        payee = self.field.chance.choice(self.field.honest)
        piece = Piece(HeldToken(note, ()), 0)
        invoice = payee.invoice(note.record.amount_tiyn, self.now)
        transfer = self.thief.transfer(
            piece, payee.kid, note.record.amount_tiyn, self.now, reference=invoice.oid
        )
        data = self.show(piece, transfer)
        taken = self.try_to(lambda: payee.receive(data, invoice, self.now))
        payee.to_hand_in += [note, transfer, invoice, self.thief.certificate]
        if taken is None:
            payee.open.pop(invoice.oid, None)
            return
        self.tally.landed += 1
        self.tally.more["phantom money taken, tiyn"] += note.record.amount_tiyn

    def by_new_serial(self) -> None:
        """A serial that names a load far ahead."""
        self.spend(self.forge())

    def by_twin(self) -> None:
        """The serial of a real load, with the thief as owner."""
        self.spend(self.forge(serial=self.template.serial, amount_tiyn=600 + len(self.notes) % 90))

    def by_size(self) -> None:
        """Above the epoch's largest note."""
        note = self.forge(amount_tiyn=50_000_001)
        payee = self.field.chance.choice(self.field.honest)
        self.must_fail(lambda: check_one_note(note, payee), "E_AMOUNT")

    def taint(self) -> None:
        """Settlement tells of phantoms; the National Bank taints what it knows."""
        phantoms = self.field.centre.reconciler.phantoms()
        if phantoms:
            self.field.centre.publish(b"taint %d" % len(phantoms), taint=phantoms)

    def finish(self) -> None:
        """Everything that was shown to anybody is known for a phantom in the end (checked after the last hand-in)."""
        self.tally.more["notes forged"] += len(self.notes)


def check_one_note(note: Signed[Note], payee: Person) -> None:
    """A payee's check of one note."""
    check_note(note, payee.trust)


class SettlementInsider(Adversary):
    """A10: drops, reorders, invents, and answers falsely, with settlement's own key."""

    ID = "A10"
    WHO = "an insider of settlement"
    RARE = ("by_false_answer", "by_reordering")

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.name = "A10 victim"
        self.victim = self.field.real(self.name)
        self.key = self.field.key("settle")

    def by_dropping(self) -> None:
        """A batch is acknowledged and thrown away: the acknowledgement and the log prove it."""
        payer, payee, data, invoice = self.prepared()
        self.tally.tried += 1
        self.field.deliver(payee, data, invoice)
        paid = payer.to_hand_in[-1]
        batch = self.field.batch([paid])
        size, root = self.field.centre.reconciler.head()
        ack = sign(
            SubmitAck(bytes(16), hashlib.sha256(batch).digest(), size + 1, root, self.now),
            self.field.network,
            self.key,
        )
        ack.verify(self.key.public)
        self.must_fail(
            lambda: self.field.centre.reconciler.inclusion(paid.oid, ack.record.log_size), "E_CLAIM_UNKNOWN"
        )
        self.tally.more["dropped batches that can be proved"] += 1

    def by_inventing(self) -> None:
        """Transfers in an honest device's name, signed by settlement's key."""
        victim = self.funded()
        piece = next(piece for piece in victim.pieces if victim.can_move(piece))
        for amount_tiyn in (1, 2):
            record = _record_of(victim, piece, self.victim.kid, amount_tiyn, self.now)
            forged = sign(record, self.field.network, self.key)
            self.must_fail(
                lambda forged=forged: verify(forged, self.field.authority, self.certificates), "E_SIG"
            )
            victim.to_hand_in.append(forged)
        _, payee, data, invoice = self.prepared()
        self.field.deliver(payee, data, invoice)

    def by_false_answer(self) -> None:
        """Acknowledgements that answer nothing, promise too much, or come from another office."""
        device = self.field.people[self.name]
        request = device.sync(self.field.next_id(), self.now)[-1].sync_request
        assert request is not None
        stated = request.record

        def answer(signer: SoftwareKey = self.key, **fields: Any) -> Signed[SyncAck]:
            values: dict[str, Any] = {
                "kid": stated.kid,
                "sync_number": stated.sync_number,
                "request": request.oid,
                "base_out_tiyn": 0,
                "base_in_tiyn": 0,
                "base_out_count": 0,
                "base_in_count": 0,
                "closed_invoice_number": stated.invoice_number,
                "time": self.now,
                "min_trust_sequence": 0,
                "action": 0,
                "drop": (),
                "certificate": b"",
            }
            return sign(SyncAck(**{**values, **fields}), self.field.network, signer)

        element = device.element
        self.must_fail(lambda: element.sync_commit(answer(request=bytes(32))), "E_SYNC_ACK")
        self.must_fail(
            lambda: element.sync_commit(answer(base_out_tiyn=stated.out_total_tiyn + 1)), "E_SYNC_ACK"
        )
        self.must_fail(lambda: element.sync_commit(answer(self.field.key("status"))), "E_SIG")
        self.field.sync(self.name)
        if self.field.purse(self.name) < 20_000:
            self.field.take_offline(self.name, *[20_000] * 4)
        payee = self.field.chance.choice(self.field.honest)
        invoice = payee.invoice(100, self.now)
        data = self.try_to(lambda: device.pay(invoice, payee.certificate, self.now))
        if data is not None:
            self.field.deliver(payee, data, invoice)

    def by_reordering(self) -> None:
        """The last rows of the archive in another order, some twice: the facts are the same, byte for byte."""
        _, payee, data, invoice = self.prepared()
        self.field.deliver(payee, data, invoice)
        self.tally.tried += 1
        rows = list(self.field.stores.evidence.rows(0))[-80:]
        objects = [
            (open_kept(row.envelope, self.field.network), row.arrived) for row in rows if row.envelope[1] != 9
        ]
        papers = [(one, 0) for one in self.field.directory.values()]
        notes = [piece.line.note for person in self.field.honest for piece in person.pieces[:2]]
        digests = set()
        for _ in range(2):
            mixed = objects + self.chance.sample(objects, len(objects) // 3)
            self.chance.shuffle(mixed)
            seen = Seen()
            for one, arrived in [*papers, *mixed]:
                seen.add(one, arrived)
            rules = Rules(check_follows, lambda made, parent: evidence.broken_rule(made, parent) is not None)
            digests.add(derive(seen, notes, rules, 0).digest())
        assert len(digests) == 1, "the order changed the facts"

    def by_edited_evidence(self) -> None:
        """A true evidence file, edited to name another."""
        guilty = sorted(self.field.centre.reconciler.guilty())
        files = self.field.centre.evidence(guilty[0]) if guilty else []
        _, payee, data, invoice = self.prepared()
        self.field.deliver(payee, data, invoice)
        if not files:
            return
        file = files[0]
        victim = self.field.chance.choice(self.field.honest)
        edited = file.replace(guilty[0], victim.kid)
        place = self.chance.randrange(len(file))
        flipped = file[:place] + bytes([file[place] ^ 1 << self.chance.randrange(8)]) + file[place + 1 :]
        for changed in (edited, flipped):
            self.must_fail(
                lambda changed=changed: evidence.verify_evidence(changed, self.field.root),
                "E_EVIDENCE",
                "E_EVIDENCE_TYPE",
            )
