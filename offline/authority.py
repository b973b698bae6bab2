"""Who may be a device, and what a mark means offline: enrolment, certificates, orders, purposes.

**Enrolment** (`DeviceRegister`). A device proves that it holds its key by signing a challenge that its bank made and
that is used once (ENROL); only then does the bank's CA key certify it. Every proof and every certificate stands in an
append-only log, so a bank that certified another key for a device, or one without proof, is found out. The register
knows the online key that belongs to each device's owner, and nothing else about the owner.

**Orders.** A REDEEM_ORDER names the owner's own online account and no other, so a hostile host cannot send the purse
elsewhere.

**The head of the log** (CERTLOG) is signed under STATUS. It also commits to the loosest limits of every key, so that
whoever accuses a device of breaking its limits can show that no certificate allowed it (evidence E5).

TRUST lists are made in `offline.trust_office`.

Every call that makes something takes a request id: the same id gives the same bytes for ever.

Source: DTO/1, sections 5.2, 5.12, 5.13 and 5.19 (5, 6).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import RLock

from cbdc import canonical
from cbdc.authority import BANK_CA, Auth, Authority
from cbdc.errors import Refused, Unavailable
from cbdc.keys import Signer, public_key
from cbdc.marks import MarkDefinition, NotOffline, OfflinePurpose, offline_purpose
from cbdc.ports import Clock, Entropy
from cbdc.record import Signed, open_envelope, sign
from offline.archive import Archive, ArchiveStore, Row
from offline.certificate_log import KeyLimits, ShownLimits, after_hash, key_limits, limits_tree
from offline.parameters import DAY_SECONDS, INTERMITTENT, Policy, limits_for
from offline.records import CertificateLogHead, DeviceCertificate, Enrol, RedeemOrder

CHALLENGE_SECONDS = DAY_SECONDS
CERTIFICATE_SECONDS = 365 * DAY_SECONDS
ORDER_SECONDS = DAY_SECONDS

_CHALLENGE = b"challenge/"
_ISSUED = b"issued/"
_ENROLLED = b"enrolled/"
_ACCOUNT = b"account/"
_ORDER = b"order/"
_RENEWED = b"renewed/"
_STRANGER = b"stranger/"
_LOG_HEAD = b"log head/"
_ATTEMPTS = 16
_TYPE_PLACE = 1


def purpose_row(definition: MarkDefinition) -> OfflinePurpose:
    """What a mark's definition means offline, as TRUST carries it: one rule, compiled, not two.

    A mark that does not go offline is carried too, with no hops, so that nobody takes its notes.
    """
    found = offline_purpose(definition)
    if isinstance(found, NotOffline):
        return OfflinePurpose(definition.purpose, (), 0, 0, 0, ())
    return found


def purpose_rows(definitions: Iterable[MarkDefinition]) -> list[OfflinePurpose]:
    """The rows of these marks, one for each number; E_PARAMETERS when two rules would go offline under one number.

    A note carries only the number, so the money of one mark would pass by the rules of the other.
    """
    rows: dict[int, OfflinePurpose] = {}
    for row in map(purpose_row, definitions):
        known = rows.get(row.purpose)
        if known is None or not known.max_hops:
            rows[row.purpose] = row
        elif row.max_hops and row != known:
            raise Refused("E_PARAMETERS", problem=f"two marks go offline under the number {row.purpose}")
    return list(rows.values())


class Papers:
    """An archive of signed objects that are made once for each request id."""

    def __init__(self, store: ArchiveStore, clock: Clock) -> None:
        self.archive = Archive(store)
        self.lock = RLock()
        self._clock = clock

    def now(self) -> int:
        """The present moment, never before the last paper."""
        return self.archive.moment(self._clock.now())

    def once(
        self, key: bytes, make: Callable[[], tuple[list[tuple[bytes, bytes]], dict[bytes, bytes]]]
    ) -> bytes:
        """The answer under `key`; made, with the papers (id, envelope) that belong to it, when there is none yet."""
        with self.lock:
            for _ in range(_ATTEMPTS):
                self.archive.follow()
                kept = self.archive.answer(key)
                if kept is not None:
                    return kept
                papers, answers = make()
                now = self.now()
                rows = [
                    Row(oid, envelope, now, True, not self.archive.is_logged(oid)) for oid, envelope in papers
                ]
                try:
                    self.archive.append(rows, answers)
                except Unavailable as error:
                    if error.code != "E_STORE_CONFLICT":
                        raise
            raise Unavailable("E_STORE_CONFLICT", expected=self.archive.size, found=self.archive.size + 1)


class DeviceRegister:
    """The banks' desk for devices, and the log of certificates. `signers` are the banks' CA keys by bank id.

    `status` signs the heads of the log; without it there are none.
    """

    def __init__(
        self,
        store: ArchiveStore,
        authority: Authority,
        signers: Mapping[int, Signer],
        clock: Clock,
        entropy: Entropy,
        status: Signer | None = None,
    ) -> None:
        self._papers = Papers(store, clock)
        self._authority = authority
        self._network = authority.network
        self._signers = dict(signers)
        self._entropy = entropy
        self._status = status

    # --- enrolment ---

    def challenge(self, bank_id: int, request_id: bytes) -> bytes:
        """32 bytes for a device to sign, good for a day and for one enrolment; the same for the same request.

        Raises E_BANK_UNKNOWN.
        """
        self._signer(bank_id)
        name = bank_id.to_bytes(8, "big") + request_id
        made = self._entropy.bytes("offline.challenge", name, 32)
        challenge = self._papers.archive.keep(_CHALLENGE + name, made)
        self._papers.archive.keep(_ISSUED + challenge, canonical.encode([bank_id, self._papers.now()]))
        return challenge

    def enrol(
        self,
        enrol: Signed[Enrol],
        tier: int,
        category: int,
        account: bytes,
        policy: Policy = INTERMITTENT,
        share: int = 1,
    ) -> Signed[DeviceCertificate]:
        """Certify the device that signed `enrol`; the same proof gives the same certificate.

        `account` is the owner's online key id; `share` divides the limits among an owner's devices. Raises E_KEY,
        E_SIG, E_BANK_UNKNOWN, E_CHALLENGE (unknown, another bank's, expired or used), E_DEVICE_KNOWN, E_CA, E_TIER.
        """
        record = enrol.record
        key = public_key(record.algorithm, record.public_key)
        enrol.verify(key)
        bank = self._bank(record.bank_id)

        def make() -> tuple[list[tuple[bytes, bytes]], dict[bytes, bytes]]:
            self._check_challenge(record)
            if self.certificate(key.kid) is not None:
                raise Refused("E_DEVICE_KNOWN", kid=key.kid)
            device_id = self._entropy.bytes("offline.device", key.kid, 16)
            made = self._certify(bank, record, device_id, tier, category, policy, share)
            answers = {
                _ENROLLED + enrol.oid: made.encode(),
                _ENROLLED + record.challenge: enrol.oid,
                _ACCOUNT + key.kid: canonical.encode([account, made.encode()]),
            }
            return [(enrol.oid, enrol.encode()), (made.oid, made.encode())], answers

        return self._open(self._papers.once(_ENROLLED + enrol.oid, make))

    def _check_challenge(self, record: Enrol) -> None:
        kept = self._papers.archive.answer(_ISSUED + record.challenge)
        bank_id, issued = (0, 0) if kept is None else canonical.decode_array(kept)
        assert isinstance(issued, int)
        if kept is None or bank_id != record.bank_id:
            raise Refused("E_CHALLENGE", problem="this bank never made it")
        if self._papers.now() > issued + CHALLENGE_SECONDS:
            raise Refused("E_CHALLENGE", problem="it is too old")
        if self._papers.archive.answer(_ENROLLED + record.challenge) is not None:
            raise Refused("E_CHALLENGE", problem="it was used before")

    def _certify(
        self,
        bank: Auth,
        record: Enrol,
        device_id: bytes,
        tier: int,
        category: int,
        policy: Policy,
        share: int,
    ) -> Signed[DeviceCertificate]:
        if tier > bank.scope[1]:
            raise Refused(
                "E_CA", reference=bank.kid[:8], problem=f"it may certify tiers up to {bank.scope[1]}"
            )
        limits = limits_for(tier, category, policy)
        if share > 1:
            limits = limits._replace(
                max_balance_tiyn=limits.max_balance_tiyn // share,
                max_payment_tiyn=limits.max_payment_tiyn // share,
                max_out_tiyn=limits.max_out_tiyn // share,
            )
        now = self._papers.now()
        return sign(
            DeviceCertificate(
                ca_reference=bank.kid[:8],
                device_id=device_id,
                algorithm=record.algorithm,
                public_key=record.public_key,
                tier=tier,
                category=category,
                limits=limits,
                not_before=now,
                expires=min(now + CERTIFICATE_SECONDS, bank.expires),
                certificate_number=self._papers.archive.log.size + 1,
            ),
            self._network,
            self._signers[record.bank_id],
        )

    def renew(
        self, request_id: bytes, kid: bytes, policy: Policy = INTERMITTENT
    ) -> Signed[DeviceCertificate]:
        """Another certificate for the same key and device, from now on; once for each request. E_DEVICE_UNKNOWN."""
        name = _RENEWED + hashlib.sha256(kid + request_id).digest()

        def make() -> tuple[list[tuple[bytes, bytes]], dict[bytes, bytes]]:
            old = self._known(kid).record
            bank_id = self._bank_of(old)
            again = Enrol(bank_id, old.algorithm, old.public_key, bytes(32))
            made = self._certify(self._bank(bank_id), again, old.device_id, old.tier, old.category, policy, 1)
            return [(made.oid, made.encode())], {name: made.encode()}

        return self._open(self._papers.once(name, make))

    # --- reading ---

    def certificate(self, kid: bytes) -> Signed[DeviceCertificate] | None:
        """The first certificate of a device, or None."""
        kept = self._papers.archive.answer(_ACCOUNT + kid)
        return None if kept is None else self._open(_second(kept))

    def account_of(self, kid: bytes) -> bytes | None:
        """The online key id of a device's owner, or None."""
        kept = self._papers.archive.answer(_ACCOUNT + kid)
        if kept is None:
            return None
        account, _ = canonical.decode_array(kept)
        assert isinstance(account, bytes)
        return account

    def owns(self, account: bytes | None, index: int, loader: bytes) -> bool:
        """Whether the load in journal entry `index`, made by `loader`, is the owner's (`account`); both present keys.

        A device without an owner may get one later: that its load was a stranger's when it was first seen is written
        down, so that the answer never changes.
        """
        name = _STRANGER + index.to_bytes(8, "big")
        if account is None:
            self._papers.archive.keep(name, loader)
            return False
        return account == loader and self._papers.archive.answer(name) is None

    def bank_of(self, kid: bytes) -> int:
        """The bank that certified a device; E_DEVICE_UNKNOWN."""
        return self._bank_of(self._known(kid).record)

    def devices(self) -> list[bytes]:
        """The key ids of all certified devices, ascending."""
        return [key[len(_ACCOUNT) :] for key, _ in self._papers.archive.answers(_ACCOUNT)]

    def papers(self) -> Iterator[Signed[DeviceCertificate] | Signed[RedeemOrder]]:
        """Every certificate and every order ever made, in their order: what settlement must know."""
        for row in self._papers.archive.rows_from(0):
            kind = row.envelope[_TYPE_PLACE]
            if kind == DeviceCertificate.TYPE:
                yield self._open(row.envelope)
            elif kind == RedeemOrder.TYPE:
                yield open_envelope(row.envelope, RedeemOrder, self._network)

    def head(self) -> tuple[int, bytes]:
        """The size and the root of the log of proofs and certificates."""
        with self._papers.lock:
            self._papers.archive.follow()
            return self._papers.archive.log.size, self._papers.archive.log.root()

    def inclusion(self, oid: bytes, size: int) -> tuple[int, list[bytes]]:
        """Where a certificate or a proof stands in the log of `size` leaves, and the path; E_DEVICE_UNKNOWN if not."""
        with self._papers.lock:
            self._papers.archive.follow()
            found = self._papers.archive.inclusion(oid, size)
        if found is None:
            raise Refused("E_DEVICE_UNKNOWN", kid=oid)
        return found

    def shown_limits(self, kid: bytes, after: Sequence[bytes] = ()) -> ShownLimits | None:
        """The loosest limits a key was ever given, under a signed head of the log made after the objects `after`.

        The same for the same objects. None when no head can be signed, or the key had no certificate then.
        """
        status = self._status
        if status is None:
            return None
        witness = after_hash(after)

        def make() -> tuple[list[tuple[bytes, bytes]], dict[bytes, bytes]]:
            size, root = self._papers.archive.log.size, self._papers.archive.log.root()
            tree = limits_tree(self._key_limits(size))
            record = CertificateLogHead(size, root, tree.size, tree.root(), witness, self._papers.now())
            made = sign(record, self._network, status)
            return [(made.oid, made.encode())], {_LOG_HEAD + witness: made.encode()}

        head = open_envelope(self._papers.once(_LOG_HEAD + witness, make), CertificateLogHead, self._network)
        leaves = self._key_limits(head.record.size)
        tree = limits_tree(leaves)
        for place, leaf in enumerate(leaves):
            if leaf.kid == kid:
                return ShownLimits(head, place, leaf, tree.inclusion(place, tree.size))
        return None

    def _key_limits(self, size: int) -> list[KeyLimits]:
        """The loosest limits of every key, by the first `size` papers of the log."""
        papers = [row.envelope for row in self._papers.archive.rows_from(0) if row.leaf][:size]
        return key_limits(
            self._open(envelope).record
            for envelope in papers
            if envelope[_TYPE_PLACE] == DeviceCertificate.TYPE
        )

    # --- orders ---

    def redeem_order(
        self, request_id: bytes, kid: bytes, account: bytes | None = None
    ) -> Signed[RedeemOrder]:
        """The bank's order for a device to redeem to its owner's account; the same for the same request.

        `account` replaces the registered one when its owner's key was rotated. Raises E_DEVICE_UNKNOWN.
        """
        name = _ORDER + hashlib.sha256(kid + request_id).digest()

        def make() -> tuple[list[tuple[bytes, bytes]], dict[bytes, bytes]]:
            certificate = self._known(kid)
            owner = account or self.account_of(kid)
            assert owner is not None, "a certified device has an owner"
            nonce = self._entropy.bytes("offline.order", kid + request_id, 16)
            order = RedeemOrder(kid, owner, nonce, self._papers.now() + ORDER_SECONDS)
            made = sign(order, self._network, self._signers[self._bank_of(certificate.record)])
            return [(made.oid, made.encode())], {name: made.encode()}

        return open_envelope(self._papers.once(name, make), RedeemOrder, self._network)

    def _known(self, kid: bytes) -> Signed[DeviceCertificate]:
        found = self.certificate(kid)
        if found is None:
            raise Refused("E_DEVICE_UNKNOWN", kid=kid)
        return found

    def _open(self, envelope: bytes) -> Signed[DeviceCertificate]:
        return open_envelope(envelope, DeviceCertificate, self._network)

    def _signer(self, bank_id: int) -> Signer:
        if bank_id not in self._signers:
            raise Refused("E_BANK_UNKNOWN", bank_id=bank_id)
        return self._signers[bank_id]

    def _bank(self, bank_id: int) -> Auth:
        return self._authority.require(self._signer(bank_id).public.kid, BANK_CA, self._papers.now())

    def _bank_of(self, record: DeviceCertificate) -> int:
        for bank_id, signer in self._signers.items():
            if signer.public.kid[:8] == record.ca_reference:
                return bank_id
        raise AssertionError("a certificate in the register was made by one of its banks")


def _second(kept: bytes) -> bytes:
    _, envelope = canonical.decode_array(kept)
    assert isinstance(envelope, bytes)
    return envelope
