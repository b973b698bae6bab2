"""The scene of `tenge bench offline`: the named payments of DTO/1, made anew with fixed keys, in either algorithm.

A line of so many hops leads from a note over as many payers, each a device of its own, and its last step pays 1,000
tenge and gives 4,000 back; institutions sign with Ed25519. These are the payments of the size vectors
(`tests/vectors/sizes.json`), so their bytes are exact and the same on every machine.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cbdc import canonical
from cbdc.authority import BANK_CA, ISSUER, STATUS, Auth, Authority, make_root
from cbdc.keys import ED25519, ES256, Question, SoftwareKey
from cbdc.money import tenge
from cbdc.record import OFFLINE_DOMAIN, Record, Signed, sign, signing_message
from cbdc.token import PERSON
from offline import evidence
from offline.bundle import Bundle, HeldToken
from offline.parameters import DAY_SECONDS, limits_for
from offline.records import (
    PAY,
    TIER_SE,
    DeviceCertificate,
    Invoice,
    Note,
    Output,
    Transfer,
    Trust,
    genesis_link,
)
from offline.trust import TrustView

ALGORITHMS = {"ed25519": ED25519, "es256": ES256}
START = 1_790_000_000
NOW = START + 10 * DAY_SECONDS
MOST_HOPS = 12
_END = START + 1_000 * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Line:
    """A payment after so many hops: its bundle, the invoice it answers, and every signature it takes to check it."""

    hops: int
    bundle: bytes
    invoice: Signed[Invoice]
    questions: list[Question]


class Scene:
    """One world of devices of one algorithm."""

    def __init__(self, name: str) -> None:
        self.algorithm = ALGORITHMS[name]
        self._name = name
        self._root, self._issuer, self._bank, self._status = (
            self._key(label, ED25519) for label in ("root", "issuer", "bank", "status")
        )
        root = make_root(self._root, START, _END, f"bench {name}")
        self.network = Authority(root).network
        self.authority = Authority(
            root,
            [
                self._auth(ISSUER, self._issuer, (1, tenge(500_000))),
                self._auth(BANK_CA, self._bank, (1, TIER_SE)),
                self._auth(STATUS, self._status, ()),
            ],
        )
        trust = Trust(1, 0, NOW - DAY_SECONDS, NOW + 7 * DAY_SECONDS, (), (), (), (), ())
        self.trust = TrustView(self.authority, self._sign(trust, self._status))
        self._logs: dict[bytes, tuple[int, bytes]] = {}
        self._notes = 0

    def _key(self, label: str, algorithm: int | None = None) -> SoftwareKey:
        secret = hashlib.sha256(f"tenge bench offline/{self._name}/{label}".encode()).digest()
        return SoftwareKey(self.algorithm if algorithm is None else algorithm, secret)

    def _sign(self, record: Record, key: SoftwareKey) -> Signed[Any]:
        return sign(record, self.network, key)

    def _auth(self, role: int, key: SoftwareKey, scope: tuple[int, ...]) -> Signed[Auth]:
        return self._sign(Auth(role, ED25519, key.public.raw, START, _END, scope), self._root)

    # --- makers ---

    def certify(self, raw: bytes, label: str) -> Signed[DeviceCertificate]:
        """The bank's certificate for a device's key."""
        limits = limits_for(TIER_SE, PERSON)._replace(max_hops=MOST_HOPS)
        device_id = hashlib.sha256(label.encode()).digest()[:16]
        record = DeviceCertificate(
            self._bank.public.kid[:8],
            device_id,
            self.algorithm,
            raw,
            TIER_SE,
            PERSON,
            limits,
            START,
            START + 400 * DAY_SECONDS,
            1,
        )
        return self._sign(record, self._bank)

    def note(self, owner: bytes, amount_tiyn: int) -> Signed[Note]:
        """A note for a device; numbers count up."""
        self._notes += 1
        serial = (1).to_bytes(4, "big") + self._notes.to_bytes(8, "big") + bytes(4)
        times = (START + 5 * DAY_SECONDS, START + 65 * DAY_SECONDS, START + 95 * DAY_SECONDS)
        reference = self._issuer.public.kid[:8]
        record = Note(reference, serial, amount_tiyn, owner, 0, MOST_HOPS, MOST_HOPS, *times, self._notes)
        return self._sign(record, self._issuer)

    def _invoice(self, payee: SoftwareKey, amount_tiyn: int) -> Signed[Invoice]:
        record = Invoice(
            payee.public.kid, 1, bytes(16), amount_tiyn, 0, NOW + 600, 1, 8, 24 * 1_024, b"", b""
        )
        return self._sign(record, payee)

    def _transfer(
        self,
        payer: SoftwareKey,
        parent: Signed[Any],
        payee: bytes,
        amounts_tiyn: tuple[int, int],
        reference: bytes,
        hop: int,
        counter: int | None = None,
    ) -> Signed[Transfer]:
        kid = payer.public.kid
        last, link = self._logs.get(kid, (0, genesis_link(kid)))
        paid_tiyn, change_tiyn = amounts_tiyn
        outputs = [Output(paid_tiyn, payee), *([Output(change_tiyn, kid)] if change_tiyn else [])]
        record = Transfer(
            PAY,
            parent.oid,
            0,
            tuple(outputs),
            kid,
            last + 1 if counter is None else counter,
            link,
            reference,
            0,
            1,
            hop,
            hop,
            0,
            parent.record.spend_by,
            1,
            NOW - DAY_SECONDS,
            NOW,
        )
        made: Signed[Transfer] = self._sign(record, payer)
        self._logs[kid] = (record.counter, made.oid)
        return made

    def line(self, hops: int) -> Line:
        """A payment after `hops` hops, at least one; every payer is another device."""
        keys = [self._key(f"line {hops} {place}") for place in range(hops + 1)]
        certificates = [
            self.certify(key.public.raw, f"line {hops} {place}") for place, key in enumerate(keys)
        ]
        most = 4_000 + 1_000 * hops
        note = self.note(keys[0].public.kid, tenge(most))
        invoice = self._invoice(keys[-1], tenge(1_000))
        steps: list[Signed[Transfer]] = []
        parent: Signed[Any] = note
        for hop, (payer, payee) in enumerate(pairwise(keys), start=1):
            left = most - 1_000 * hop
            amounts_tiyn = (tenge(1_000), tenge(4_000)) if hop == hops else (tenge(left), tenge(1_000))
            reference = invoice.oid if hop == hops else hashlib.sha256(b"earlier").digest()
            steps.append(self._transfer(payer, parent, payee.public.kid, amounts_tiyn, reference, hop))
            parent = steps[-1]
        bundle = Bundle(tuple(certificates[:hops]), (HeldToken(note, tuple(steps)),))
        signed: list[tuple[SoftwareKey, Signed[Any]]] = [(self._bank, one) for one in certificates[:hops]]
        signed += [(self._issuer, note), *zip(keys, steps, strict=False)]
        return Line(hops, bundle.encode(), invoice, [question(key, one) for key, one in signed])

    def double_spend(self) -> tuple[bytes, list[Question]]:
        """An evidence file E1 over a note of 5,000 tenge, and the signatures it takes to check it."""
        payer, one, two = (self._key(f"fork {name}") for name in ("payer", "one", "two"))
        certificate = self.certify(payer.public.raw, "fork")
        note = self.note(payer.public.kid, tenge(5_000))
        amounts_tiyn = (tenge(1_000), tenge(4_000))
        first = self._transfer(payer, note, one.public.kid, amounts_tiyn, bytes(32), 1)
        second = self._transfer(payer, note, two.public.kid, amounts_tiyn, bytes(32), 1)
        file = evidence.double_spend(self.authority, certificate, first, second)
        bank = next(auth for auth in self.authority.auths if auth.record.role == BANK_CA)
        signed: list[tuple[SoftwareKey, Signed[Any]]] = [(self._root, bank), (self._bank, certificate)]
        signed += [(payer, first), (payer, second)]
        return file, [question(key, one) for key, one in signed]

    def bytes(self) -> dict[str, int]:
        """What weighs how much, exactly."""
        one, five = self.line(1), self.line(5)
        bundle: Any = canonical.decode(one.bundle)
        commit = canonical.encode(bundle[2][0][1][0])
        items = canonical.decode_array(self.double_spend()[0])[2]
        return {
            "commit": len(commit),
            "hops_1": len(one.bundle),
            "hops_5": len(five.bundle),
            "evidence_e1": len(canonical.encode(items)),
        }


def question(key: SoftwareKey, signed: Signed[Any]) -> Question:
    """What a verification of this object's signature asks."""
    message = signing_message(OFFLINE_DOMAIN, signed.record.TYPE, signed.oid)
    return key.public.algorithm, key.public.raw, signed.signature, message


def questions_of(lines: Sequence[Line]) -> list[Question]:
    """All signatures of some lines."""
    return [one for line in lines for one in line.questions]
