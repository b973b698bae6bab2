"""The field of the adversary campaign: a ledger, the desk of settlement, honest people, and what attackers bring.

Honest people pay each other; adversaries attack in between (`tests.campaign.adversaries`); now and then somebody syncs,
the guilty are revoked at once, and the new list reaches some. At the end everybody hands in what it has, and `judge`
asks what must hold whoever attacked:

- nobody is named guilty who did not sign against himself (`culprits` are those that an adversary opened and used);
- everybody whose own signatures, as they lie in the archive, spend one output twice or use one counter twice is named,
  by a derivation of our own from the raw rows (`tests.campaign.derivation`);
- each evidence file stands with ROOT alone and names one culprit;
- the books balance: notes + losses = float + redeemed + claimed, by settlement's count and by ours.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from cbdc.errors import TengeError
from cbdc.keys import ED25519
from cbdc.record import Signed, sign
from cbdc.token import PERSON
from cbdc.transaction import LoadOffline
from offline.batch import make_batch
from offline.bundle import HeldToken, open_bundle
from offline.device import Device
from offline.element import SimulatedSecureElement
from offline.evidence import verify_evidence
from offline.gateway import DeviceTerms
from offline.journal import MemoryJournal
from offline.records import TIER_SE, DeviceCertificate, Enrol, Invoice, Note
from tests.campaign.derivation import Derived, derive
from tests.campaign.people import Person, Piece
from tests.offline.desk import Desk


@dataclass
class Tally:
    """What one adversary did. `payments` are those it attacked (or made), whatever came of them.

    `tried` are attacks; `refused` says with which code; `landed` those that reached their aim against one honest party
    for the time being (a bad branch accepted offline, a framed file taken); `named` devices of the adversary proved
    guilty; `loss_tiyn` what its conflicts cost; `more` figures of its own.
    """

    payments: int = 0
    tried: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    landed: int = 0
    named: int = 0
    loss_tiyn: int = 0
    more: Counter[str] = field(default_factory=Counter)


class Field(Desk):
    """One world of the campaign; see the module's text."""

    def __init__(self, chance: random.Random, people: int, reserve_tiyn: int = 100_000_000) -> None:
        super().__init__(reserve_tiyn=reserve_tiyn)
        self.chance = chance
        self.directory: dict[bytes, Signed[DeviceCertificate]] = {}
        self.honest: list[Person] = []
        self.neighbours: set[bytes] = set()
        self.owners: dict[bytes, str] = {}
        self.culprits: dict[bytes, str] = {}
        self.devices: dict[str, Device] = {}
        self.personal: list[bytes] = []
        self.shown: list[bytes] = []
        self.refused_honest: Counter[str] = Counter()
        self.honest_payments = 0
        self._batch = 0
        for number in range(people):
            person = self.person(f"citizen {number}", bank=1 + (number % 5 == 4))
            self.honest.append(person)
            self.neighbours.add(person.kid)
            self.load_person(person, f"citizen {number}", 12)

    # --- making ---

    def bare(self, name: str, attacks_allowed: bool = True) -> SimulatedSecureElement:
        """A real element with an Ed25519 key."""
        journal = self.journals.setdefault(name, MemoryJournal())
        return SimulatedSecureElement(
            journal, self.entropy, name.encode(), ED25519, attacks_allowed=attacks_allowed
        )

    def remember(self, name: str) -> None:
        """Who stands behind a wallet: what must appear in no object (Z1)."""
        number = len(self.personal) // 3
        self.personal += [
            name.encode(),
            f"{700_101_300_000 + number}".encode(),
            f"+7701{5_550_000 + number}".encode(),
        ]

    def person(self, name: str, bank: int = 1) -> Person:
        """A registered, enrolled person whose element is a plain key."""
        account = self.register(name, PERSON, tier=2, bank=bank)
        self.remember(name)
        key = self.key(f"{name}/device")
        challenge = self.centre.challenge(bank, name.encode())
        enrol = sign(Enrol(bank, ED25519, key.public.raw, challenge), self.network, key)
        self.terms[account] = DeviceTerms(TIER_SE if bank == 1 else 2)
        certificate = self.centre.enrol(enrol, self.word(enrol, name))
        self.directory[key.public.kid] = certificate
        self.owners[key.public.kid] = name
        return Person(key, certificate, self.centre.trust_view, self.directory, self.neighbours)

    def real(self, name: str, bank: int = 1) -> Device:
        """A person with a real device and money in it."""
        device = self.join(name, tier=TIER_SE if bank == 1 else 2, bank=bank)
        self.remember(name)
        self.directory[device.kid] = device.certificate
        self.owners[device.kid] = name
        self.devices[name] = device
        self.take_offline(name, *[20_000] * 8)
        return device

    def load_person(self, person: Person, name: str, notes: int, amount_tiyn: int = 20_000) -> None:
        """Buy money and take it offline for a plain person."""
        amounts = [amount_tiyn] * notes
        self.fund((name, sum(amounts)))
        inputs = tuple(identity for identity, _ in self.funds(name))
        total = sum(token.amount_tiyn for _, token in self.funds(name))
        outputs = [self.token("escrow", amount) for amount in amounts]
        if total > sum(amounts):
            outputs.append(self.token(name, total - sum(amounts)))
        had = {piece.line.note.oid for piece in person.pieces if not piece.line.transfers}
        known = self.centre.reconciler.loads_of(person.kid)
        number = known[-1].load_number + len(known[-1].tokens) if known else 1
        self.do(LoadOffline(self.nonce(), inputs, tuple(outputs), person.kid, number), name)
        fresh = self.centre.reconciler.loads_of(person.kid)[-1]
        for note in self.centre.issuer.notes(fresh):
            if note.oid not in had:
                person.pieces.append(Piece(HeldToken(note, ()), 0))

    def notes_of(self) -> list[Signed[Note]]:
        """Every registered note, as the registry knows it."""
        found: list[Signed[Note]] = []
        for kid in self.owners:
            for load in self.centre.reconciler.loads_of(kid):
                found += self.centre.issuer.registry(load)
        return found

    # --- honest life ---

    def two(self) -> tuple[Person, Person]:
        """A payer with money and a payee."""
        payer, payee = self.chance.sample(self.honest, 2)
        return payer, payee

    def start_payment(
        self, payer: Person, payee: Person, amount_tiyn: int
    ) -> tuple[bytes, Signed[Invoice]] | None:
        """An honest payment up to the message; None when the payer has no money or must refuse."""
        now = self.clock.now()
        if payer.must_sync:
            self.sync_person(payer)
        invoice = payee.invoice(amount_tiyn, now)
        try:
            data = payer.pay(invoice, payee.certificate, now)
        except TengeError as refusal:
            self.refused_honest[refusal.code] += 1
            data = None
        if data is None:
            payee.open.pop(invoice.oid)
            return None
        return data, invoice

    def honest_payment(self) -> bool:
        """Two honest people: paid and accepted, or False."""
        payer, payee = self.two()
        piece = next((piece for piece in payer.pieces if payer.can_move(piece)), None)
        if piece is None:
            self.load_person(payer, self.owners[payer.kid], 10)
            piece = payer.pieces[-1]
        whole = piece.amount_tiyn <= 500 or self.chance.random() < 0.6
        amount_tiyn = piece.amount_tiyn if whole else self.chance.randint(1, piece.amount_tiyn - 1)
        made = self.start_payment(payer, payee, amount_tiyn)
        if made is None:
            return False
        self.honest_payments += 1
        return self.deliver(payee, *made)

    def deliver(self, payee: Person, data: bytes, invoice: Signed[Invoice]) -> bool:
        """The message reaches its payee; whether it was accepted. What is refused is handed in all the same."""
        try:
            payee.receive(data, invoice, self.clock.now())
        except TengeError as refusal:
            self.refused_honest[refusal.code] += 1
            payee.to_hand_in.append(invoice)
            for line in open_bundle(data, self.network, len(data)).tokens:
                payee.to_hand_in += line.transfers
            return False
        return True

    # --- settlement ---

    def batch(self, objects: list[Signed[Any]], request: Signed[Any] | None = None) -> bytes:
        """A new batch of loose objects."""
        self._batch += 1
        return make_batch(self._batch.to_bytes(16, "big"), (), objects, request).encode()

    def sync_person(self, person: Person, take_list: bool = True) -> None:
        """A plain person's sync: everything it took part in, and its statement."""
        now = self.clock.now()
        objects = list({signed.oid: signed for signed in person.to_hand_in}.values())
        person.to_hand_in.clear()
        for start in range(0, len(objects), 2_000):
            self.centre.submit(self.batch(objects[start : start + 2_000]))
        answer = self.centre.sync(self.batch([person.certificate], person.statement())).sync
        person.sync_time = max(person.sync_time, answer.record.time)
        person.acknowledged = max(person.acknowledged, answer.record.base_out_count)
        drop = set(answer.record.drop)
        if drop:
            person.pieces = [piece for piece in person.pieces if tuple(piece.outpoint) not in drop]
        if take_list:
            person.trust = self.centre.trust_view
        assert now <= self.clock.now()

    def sync_some(self, share: float, statements: int = 2) -> None:
        """Some people hand in what they have and take the newest list; a few make a statement and are answered."""
        some = [person for person in self.honest if self.chance.random() < share]
        self.hand_in(some)
        for person in some[:statements]:
            self.sync_person(person)
        for person in some[statements:]:
            if self.chance.random() < 0.8:
                person.trust = self.centre.trust_view

    def hand_in(self, people: list[Person], statements: bool = False) -> None:
        """These people's objects in one go, with their statements if asked; the guilty are revoked at once."""
        batches: list[bytes] = []
        for person in people:
            objects = list({signed.oid: signed for signed in person.to_hand_in}.values())
            person.to_hand_in.clear()
            objects += [person.statement()] if statements else []
            batches += [self.batch(objects[start : start + 2_000]) for start in range(0, len(objects), 2_000)]
        for answer in self.centre.reconciler.ingest_many(batches):
            assert not isinstance(answer, TengeError)
        self.centre.tick()

    def hand_in_all(self) -> None:
        """Everybody hands in all it has, and states what it holds."""
        for name in self.devices:
            try:
                self.sync(name)
            except TengeError as refusal:
                self.refused_honest[refusal.code] += 1
        self.hand_in(self.honest, statements=True)

    # --- the end ---

    def judge(self) -> Derived:
        """What must hold at the end; the independent derivation."""
        reconciler = self.centre.reconciler
        named = reconciler.guilty()
        framed = named.keys() - self.culprits.keys()
        assert not framed, f"honest devices were named guilty: {[self.owners.get(kid) for kid in framed]}"
        derived = derive(self.network, self.stores.evidence.rows(0), self.notes_of(), self.authority)
        missed = derived.contradicted - named.keys()
        assert not missed, "a double spend whose branches came in was not named"
        for kid in named:
            for data in reconciler.evidence(kid):
                assert verify_evidence(data, self.root).kid == kid, "a file names another"
        facts = reconciler.facts()
        assert facts.loss_tiyn == derived.loss_tiyn, "losses differ by our own count"
        claimed_tiyn = sum(tree.claimed_tiyn for tree in facts.trees.values())
        assert facts.float_tiyn + claimed_tiyn == derived.float_tiyn, "the float differs by our own count"
        reconciler.totals()
        self.check()
        return derived
