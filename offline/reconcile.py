"""The reconciler: takes in what devices hand over, in any order and as often as they like, and settles what follows.

    ingest(batch)      verify, archive and log; derive; book; the signed SUBMIT_ACK, the same for the same batch
    sync(request)      the signed SYNC_ACK, the same for the same request
    publish(list)      a TRUST list becomes part of the evidence (who could know of which revocation)
    tick()             book what has fallen due with time

Everything it knows stands in its archive (what was handed in) and in the ledger's journal (notes and booked facts);
memory is a fold of the two, rebuilt on `resume`. So each step may be cut off anywhere: what was archived is derived
and booked later, and what was booked is found booked. Several reconcilers may share one archive and one ledger.

Every act of its own is signed: SUBMIT_ACK names the log's size and root after the batch, so a batch that was
acknowledged and is not in the log proves the reconciler wrong (C4).

Source: DTO/1, sections 5.9 and 5.19.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from threading import RLock
from typing import Any

from cbdc import canonical
from cbdc.authority import Authority
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.keys import Signer
from cbdc.ledger.entry import leaf_hash
from cbdc.ports import Checkpoint, Clock, no_checkpoint
from cbdc.record import Signed, open_envelope, sign
from offline import sync
from offline.admission import check_follows
from offline.archive import Archive, ArchiveStore, Row
from offline.batch import MAX_BATCH_BYTES, batch_hash, open_batch
from offline.bundle import open_bundle
from offline.escrow import EscrowBook, Load, SettlementLedger
from offline.evidence import broken_rule
from offline.graph import Facts, Guilt, Rules
from offline.intake import Intake, device_of, open_kept, open_submitted, verify
from offline.live import LiveGraph
from offline.posting import NoRecourse, Recourse, Settlement, Totals
from offline.posting import Settings as Settings  # noqa: PLC0414 - also known from here
from offline.prosecution import Alarm, LimitsOf, Prosecutor, no_limits
from offline.records import DeviceCertificate, Note, Outcome, Outpoint, SubmitAck, SyncAck, SyncRequest, Trust
from offline.settle import (
    CREDITED,
    DENIED,
    HELD,
    HELD_PENDING,
    LATE,
    Borne,
    Settled,
    Standing,
    subject_of,
)

_BATCH = b"batch/"
_QUARANTINE = b"quarantine/"
_ATTEMPTS = 16

Registry = Callable[[Load], Sequence[Signed[Note]]]
Accounts = Callable[[bytes], bytes | None]


def no_account(kid: bytes) -> bytes | None:
    """Nobody's online key is known."""
    return None


class Reconciler:
    """See the module's text. `registry` makes the notes of a load; `account_of` knows a device owner's online key.

    `limits_of` asks the log of certificates, which evidence of broken limits (E5) needs.
    """

    def __init__(
        self,
        store: ArchiveStore,
        ledger: SettlementLedger,
        registry: Registry,
        authority: Authority,
        signer: Signer,
        clock: Clock,
        settings: Settings,
        account_of: Accounts = no_account,
        recourse: Recourse | None = None,
        checkpoint: Checkpoint = no_checkpoint,
        limits_of: LimitsOf = no_limits,
    ) -> None:
        """Reads the archive and the journal; books nothing before the first call."""
        self._archive = Archive(store)
        self._registry = registry
        self._authority = authority
        self._network = authority.network
        self._signer = signer
        self._clock = clock
        self._checkpoint = checkpoint
        self._lock = RLock()
        self._waiting: dict[bytes, dict[tuple[bytes, bytes], tuple[Signed[Any], int]]] = {}
        self._acks: dict[bytes, Signed[SyncAck]] = {}
        self._last_ack: dict[bytes, SyncAck] = {}
        self._phantoms: set[bytes] = set()
        self._trust_sequence = 0
        self._changed: set[bytes] = set()
        rules = Rules(check_follows, lambda transfer, parent: broken_rule(transfer, parent) is not None)
        self._graph = LiveGraph(rules, settings.grace_seconds)
        self._prosecutor = Prosecutor(authority, self._graph, ledger, lambda: self._phantoms, limits_of)
        self._book = EscrowBook(ledger, settings.escrow, settings.reserve)
        self._settlement = Settlement(
            ledger,
            self._book,
            self._graph,
            self._archive,
            signer,
            settings,
            account_of,
            recourse or NoRecourse(),
            checkpoint,
        )
        self._follow()

    # --- what it is asked ---

    def ingest(self, data: bytes) -> Signed[SubmitAck]:
        """Take in a batch; its acknowledgement, the same for the same batch for ever.

        What cannot enter is quarantined with its code and spoils nothing else. Raises the errors of `open_batch`,
        and E_BATCH_REUSED when the batch id stands for other bytes.
        """
        (answer,) = self.ingest_many([data])
        if isinstance(answer, TengeError):
            raise answer
        return answer

    def ingest_many(self, batches: Sequence[bytes]) -> list[Signed[SubmitAck] | TengeError]:
        """For each batch its acknowledgement or its refusal; everything is derived and booked once, at the end."""
        with self._lock:
            answers: list[Signed[SubmitAck] | TengeError] = []
            for data in batches:
                try:
                    answers.append(self._archived(data))
                except TengeError as error:
                    answers.append(error)
            self._settle()
            return answers

    def _archived(self, data: bytes) -> Signed[SubmitAck]:
        batch = open_batch(data, self._network)
        key, digest = _BATCH + batch.batch_id, batch_hash(data)
        envelopes: list[object] = list(batch.objects)
        if batch.sync_request is not None:
            envelopes.append(batch.sync_request.envelope())
        for _ in range(_ATTEMPTS):
            self._follow()
            kept = self._archive.answer(key)
            if kept is not None:
                return self._acknowledged(kept, batch.batch_id, digest)
            self._keep_batch(self._judge(batch.bundles, envelopes), key, batch.batch_id, digest)
        raise self._contended()

    def sync(self, request: Signed[SyncRequest]) -> Signed[SyncAck]:
        """The answer to a device's statement of itself: made once, repeated for ever.

        Raises E_SIG, and E_CERT_MISSING while the device's certificate is not known.
        """
        with self._lock:
            for _ in range(_ATTEMPTS):
                self._follow()
                if request.oid not in self._graph.seen:
                    self._add_one(request)
                    continue
                # Also who asks again must show the device's own signature: the answer tells what the device has.
                verify(request, self._authority, self._graph.seen.certificates)
                if request.oid in self._acks:
                    return self._acks[request.oid]
                self._settle()
                last = self._last_ack.get(request.record.kid)
                now = self._archive.moment(self._clock.now())
                answer = sync.answer(
                    request.oid, request.record, last, self._graph, self._trust_sequence, now
                )
                self._keep([self._own_row(sign(answer, self._network, self._signer), now)])
            raise self._contended()

    def publish(self, trust: Signed[Trust]) -> None:
        """A TRUST list becomes evidence of what devices could know; the same list again changes nothing."""
        with self._lock:
            verify(trust, self._authority, self._graph.seen.certificates)
            for _ in range(_ATTEMPTS):
                self._follow()
                if trust.oid in self._graph.seen:
                    self._settle()
                    return
                self._keep([self._own_row(trust, self._archive.moment(self._clock.now()))])
            raise self._contended()

    def submit(self, signed: Signed[Any]) -> None:
        """Take in one object that needs no batch (a bank's certificate, a redeem order); raises why it may not enter.

        Raises E_CERT_MISSING when it must wait for a certificate: hand that in first.
        """
        with self._lock:
            for _ in range(_ATTEMPTS):
                self._follow()
                if signed.oid in self._graph.seen:
                    self._settle()
                    return
                self._add_one(signed)
            raise self._contended()

    def tick(self) -> None:
        """Follow archive and journal, and book whatever is due by now."""
        with self._lock:
            self._follow()
            self._settle()

    def _contended(self) -> Unavailable:
        """Others kept writing to the archive, however often this one tried."""
        return Unavailable("E_STORE_CONFLICT", expected=self._archive.size, found=self._archive.size + 1)

    # --- taking in ---

    def _add_one(self, signed: Signed[Any]) -> None:
        if not verify(signed, self._authority, self._graph.seen.certificates):
            raise Refused("E_CERT_MISSING", kid=device_of(signed.record))
        self._keep([self._own_row(signed, self._archive.moment(self._clock.now()))])

    def _own_row(self, signed: Signed[Any], now: int) -> tuple[Row, Signed[Any]]:
        leaf = not self._archive.is_logged(signed.oid)
        return Row(signed.oid, signed.encode(), now, True, leaf), signed

    def _judge(self, bundles: Sequence[bytes], envelopes: list[object]) -> Intake:
        intake = Intake()
        now = self._archive.moment(self._clock.now())
        for data in bundles:
            try:
                bundle = open_bundle(data, self._network, MAX_BATCH_BYTES)
            except TengeError as error:
                intake.refused[hashlib.sha256(data).digest()] = error.code
                continue
            for certificate in bundle.certificates:
                self._judge_one(certificate, intake, now)
            for token in bundle.tokens:
                self._judge_one(token.note, intake, now)
                for transfer in token.transfers:
                    self._judge_one(transfer, intake, now)
        for envelope in envelopes:
            try:
                opened = open_submitted(envelope, self._network)
            except TengeError as error:
                intake.refused[hashlib.sha256(canonical.encode(envelope)).digest()] = error.code
                continue
            self._judge_one(opened, intake, now)
        return intake

    def _judge_one(self, signed: Signed[Any], intake: Intake, now: int) -> None:
        name = (signed.oid, signed.signature)
        known = self._graph.seen.get(signed.oid)
        kid = device_of(signed.record)
        waiting = kid is not None and name in self._waiting.get(kid, {})
        if name in intake.known or waiting or (known is not None and known.signature <= signed.signature):
            return

        def certificates(kid: bytes) -> list[Signed[DeviceCertificate]]:
            return self._graph.seen.certificates(kid) or intake.certificates.get(kid, [])

        try:
            verified = verify(signed, self._authority, certificates)
        except TengeError as error:
            intake.refused[hashlib.sha256(signed.encode()).digest()] = error.code
            return
        intake.known.add(name)
        leaf = not (self._archive.is_logged(signed.oid) or signed.oid in intake.logged)
        intake.logged.add(signed.oid)
        intake.rows.append((Row(signed.oid, signed.encode(), now, verified, leaf), signed))
        if isinstance(signed.record, DeviceCertificate):
            intake.certificates.setdefault(signed.record.kid, []).append(signed)

    def _keep_batch(self, intake: Intake, key: bytes, batch_id: bytes, digest: bytes) -> None:
        size, root = self._archive.head_after([row for row, _ in intake.rows])
        now = self._archive.moment(self._clock.now())
        ack = sign(SubmitAck(batch_id, digest, size, root, now), self._network, self._signer)
        answers = {key: ack.encode()}
        answers |= {_QUARANTINE + name: code.encode() for name, code in intake.refused.items()}
        self._checkpoint("reconciler.ingest.before")
        self._keep(intake.rows, answers)
        self._checkpoint("reconciler.ingest.after")

    def _acknowledged(self, kept: bytes, batch_id: bytes, digest: bytes) -> Signed[SubmitAck]:
        ack = open_envelope(kept, SubmitAck, self._network)
        if ack.record.batch_hash != digest:
            raise Refused("E_BATCH_REUSED", batch_id=batch_id)
        return ack

    def _keep(self, rows: list[tuple[Row, Signed[Any]]], answers: dict[bytes, bytes] | None = None) -> None:
        """Archive and take up; when another reconciler was faster, nothing happens here and the caller tries again."""
        try:
            self._archive.append([row for row, _ in rows], answers)
        except Unavailable as error:
            if error.code != "E_STORE_CONFLICT":
                raise
            return
        for row, signed in rows:
            self._take(row, signed)

    # --- the fold ---

    def _follow(self) -> None:
        """Take up what stands in the journal and in the archive and is not in memory yet."""
        self._book.refresh()
        for load in self._book.new_loads():
            for note in self._registry(load):
                self._graph.register(note)
                self._phantoms.discard(note.oid)
            self._book.registered(load)
        for row in self._archive.follow():
            self._take(row, open_kept(row.envelope, self._network))

    def _take(self, row: Row, signed: Signed[Any]) -> None:
        record = signed.record
        if isinstance(record, SyncAck):
            self._take_ack(signed)
        kid = device_of(record)
        if not row.verified and kid is not None:
            if not self._graph.seen.certificates(kid):
                self._waiting.setdefault(kid, {})[signed.oid, signed.signature] = (signed, row.arrived)
                return
            if not self._stands(signed):
                return
        self._graph.add(signed, row.arrived)
        if isinstance(record, Trust):
            self._trust_sequence = max(self._trust_sequence, record.sequence)
        elif isinstance(record, Note) and signed.oid not in self._graph.notes:
            self._phantoms.add(signed.oid)
        elif isinstance(record, DeviceCertificate):
            for late, arrived in self._waiting.pop(record.kid, {}).values():
                if self._stands(late):
                    self._graph.add(late, arrived)

    def _take_ack(self, signed: Signed[SyncAck]) -> None:
        record = signed.record
        self._acks.setdefault(record.request, signed)
        last = self._last_ack.get(record.kid)
        if last is None or record.sync_number > last.sync_number:
            self._last_ack[record.kid] = record

    def _stands(self, signed: Signed[Any]) -> bool:
        try:
            return verify(signed, self._authority, self._graph.seen.certificates)
        except TengeError:
            return False

    def _settle(self) -> None:
        # What a failed booking leaves undone is not forgotten: it stays among the changed.
        self._changed |= self._graph.refresh()
        self._settlement.settle(self._changed, self._archive.moment(self._clock.now()))
        self._changed = set()

    # --- what it tells ---

    def facts(self) -> Facts:
        """All facts as they follow from the archive and the journal."""
        with self._lock:
            return self._look().facts()

    def _look(self) -> LiveGraph:
        """Follow archive and journal and derive, without booking."""
        self._follow()
        self._changed |= self._graph.refresh()
        return self._graph

    def knows(self, oid: bytes) -> bool:
        """Whether an object is part of the evidence."""
        return oid in self._graph.seen

    def loads_of(self, device: bytes) -> list[Load]:
        """The loads of a device, in the order of the journal."""
        with self._lock:
            self._follow()
            return self._book.loads_of(device)

    def totals(self) -> Totals:
        """The books, asserted to balance."""
        with self._lock:
            self.tick()
            self.facts()
            return self._settlement.totals()

    def standing(self, subject: bytes) -> Standing | None:
        """Where a claim or a transfer stands; None for a subject that settlement knows nothing of.

        A payment stands where its payee's money stands, and is CREDITED when the payee has spent it.
        """
        found = self._settlement.standings.get(subject)
        transfer = self._graph.seen.transfer(subject)
        if found is not None or transfer is None:
            return found
        root = self._graph.root_of(subject)
        amount_tiyn, owner = transfer.record.outputs[0]
        if root is None or root not in self._graph.trees:
            return Standing(subject, HELD, HELD_PENDING, owner, amount_tiyn)
        tree = self._graph.trees[root]
        if subject in tree.refused:
            return Standing(subject, DENIED, tree.refused[subject], owner, 0)
        if subject in tree.late:
            return Standing(subject, LATE, "", owner, 0)
        if subject not in tree.admitted:
            return Standing(subject, HELD, HELD_PENDING, owner, amount_tiyn)
        claim = self._settlement.standings.get(subject_of(Outpoint(subject, 0)))
        return claim or Standing(subject, CREDITED, "", owner, amount_tiyn)

    def standings(self) -> dict[bytes, Standing]:
        """Where every claim stands, by subject."""
        return dict(self._settlement.standings)

    def outcome(self, subject: bytes) -> Signed[Outcome]:
        """The signed word on a claim or a transfer; E_CLAIM_UNKNOWN when settlement knows nothing of it."""
        with self._lock:
            standing = self.standing(subject)
            if standing is None:
                raise Refused("E_CLAIM_UNKNOWN", subject=subject)
            files = self.evidence(standing.beneficiary) if standing.beneficiary in self._graph.guilty else []
            proof = hashlib.sha256(files[0]).digest() if files else b""
            now = self._archive.moment(self._clock.now())
            place = self._archive.place(subject) or 0
            record = Outcome(subject, standing.status, standing.amount_tiyn, proof, place, now)
            return sign(record, self._network, self._signer)

    def guilty(self) -> dict[bytes, list[Guilt]]:
        """Every device with a proof against it, and the proofs."""
        return {kid: self._graph.guilt(kid) for kid in sorted(self._graph.guilty)}

    def evidence(self, kid: bytes) -> list[bytes]:
        """The evidence files against a device, a bank or an issuer, that a stranger can check with ROOT alone."""
        with self._lock:
            self._look()
            return self._prosecutor.files(kid)

    def alarms(self) -> list[Alarm]:
        """What institutions' keys signed and must not: notes without a load (E7), two keys for one device (E8)."""
        with self._lock:
            self._look()
            return self._prosecutor.alarms()

    def borne(self, kid: bytes) -> Borne:
        """Who bore the losses of a guilty device, so far."""
        return self._settlement.borne(kid)

    def look(self) -> tuple[LiveGraph, Mapping[bytes, Settled]]:
        """The graph and the booked facts as archive and journal have them now; to be read, not changed."""
        with self._lock:
            return self._look(), self._book.settled

    def unspent_tiyn(self, kid: bytes) -> int:
        """What is known to be unspent of a device in notes that have not closed."""
        with self._lock:
            self.tick()
            return self._settlement.unspent_tiyn(kid)

    def refunded_tiyn(self, kid: bytes, account: bytes, since: int) -> int:
        """What came to `account` for a device after a moment: refunds, redemptions ordered to it, and theft cover."""
        with self._lock:
            self.tick()
            return self._settlement.refunded_tiyn(kid, account, since)

    def owed_tiyn(self, kid: bytes) -> int:
        """What settlement holds back of a device's money, or owes its owner and could not pay yet."""
        with self._lock:
            self.tick()
            covers = [
                cover for found in self._settlement.covers.values() for cover in found if cover.kid == kid
            ]
            owed = [cover.amount_tiyn for cover in covers if cover.payment not in self._book.settled]
            standings = self._settlement.standings.values()
            held = [one for one in standings if one.status == HELD and one.beneficiary == kid]
            return sum(owed) + sum(one.amount_tiyn for one in held)

    def phantoms(self) -> list[bytes]:
        """The notes that an issuer's key signed and no load backs (E7): an issuer key was stolen."""
        return sorted(self._phantoms)

    def quarantined(self) -> dict[bytes, str]:
        """What could not enter, by the hash of its envelope, with the code of what is wrong."""
        found = self._archive.answers(_QUARANTINE)
        return {key[len(_QUARANTINE) :]: value.decode() for key, value in found}

    def uncertified(self) -> dict[bytes, list[tuple[bytes, int]]]:
        """What waits for its device's certificate: by key id, the object ids and when each arrived."""
        return {kid: [(oid, row[1]) for (oid, _), row in rows.items()] for kid, rows in self._waiting.items()}

    def head(self) -> tuple[int, bytes]:
        """The size and the root of the log of object ids."""
        return self._archive.log.size, self._archive.log.root()

    def inclusion(self, oid: bytes, size: int) -> tuple[bytes, int, list[bytes]]:
        """The leaf, its index and the proof that an object is in the log of `size` leaves; E_CLAIM_UNKNOWN if not."""
        found = self._archive.inclusion(oid, size)
        if found is None:
            raise Refused("E_CLAIM_UNKNOWN", subject=oid)
        return leaf_hash(oid), *found
