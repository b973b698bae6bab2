"""What a device's host may ask of the institutions offline money rests on: the desk, in its local form.

`OfflineDesk` is the protocol; `OfflineCentre` answers it in this process and is the composition of everything behind
it: the register of devices, the TRUST office, the issuer of notes and the reconciler, over one ledger. Another form
may carry the same questions over HTTP.

    challenge, enrol    become a device              trust               what every device should know
    notes               money taken offline          redeem_order        where the purse may be sent home
    submit, sync        hand in, and be answered     outcome, evidence   what became of it

A device belongs to an account only if the account says so: its owner signs, with the account's online key, that it
asks for this very enrolment (`ask_to_enrol`); refunds go to the owner, and recourse takes from it. The tier is the
bank's to decide (`Terms`), never the applicant's.

A device whose own signatures contradict each other is revoked by the next TRUST list, made at once.

Source: DTO/1, sections 5.2, 5.9, 5.12 and 5.19.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from cbdc.authority import Authority
from cbdc.errors import Refused
from cbdc.keys import Signer
from cbdc.ledger.state import RegisteredKey
from cbdc.marks import OfflinePurpose
from cbdc.orders import HolderProof
from cbdc.ports import Checkpoint, Clock, Entropy, no_checkpoint
from cbdc.record import Signed, sign
from offline.archive import Archive, ArchiveStore, MemoryArchive
from offline.authority import DeviceRegister
from offline.batch import open_batch
from offline.escrow import Load, SettlementLedger
from offline.issue import NoteIssuer
from offline.lost import LOST, STOLEN, Advance, AdvanceOutcome, LostDevices, Report, outcome_of
from offline.parameters import (
    EARLY_PAYOUT_PERMILLE,
    INTERMITTENT,
    ISSUER_EPOCH,
    Policy,
    mode_policy,
    value_of,
)
from offline.posting import Recourse
from offline.reconcile import Reconciler, Settings
from offline.records import (
    TIER_SW,
    DeviceCertificate,
    Enrol,
    Note,
    Outcome,
    RedeemOrder,
    SubmitAck,
    SyncAck,
    Trust,
)
from offline.trust import TrustView
from offline.trust_office import TrustOffice, check_epoch


class Synced(NamedTuple):
    """The two answers to a batch with a sync request."""

    submit: Signed[SubmitAck]
    sync: Signed[SyncAck]


class DeviceTerms(NamedTuple):
    """What a bank grants a device: its tier, and among how many devices its owner's limits are divided."""

    tier: int
    share: int = 1


Terms = Callable[[Signed[Enrol], bytes], DeviceTerms]
"""A bank's decision on an enrolment for an account (online key id)."""


def lowest_terms(enrol: Signed[Enrol], account: bytes) -> DeviceTerms:
    """The lowest tier, whoever asks."""
    return DeviceTerms(TIER_SW)


def _asks_for(enrol: Signed[Enrol]) -> str:
    return f"enrol device {enrol.oid.hex()}"


def ask_to_enrol(
    enrol: Signed[Enrol], owner: Signer, network: bytes, time: int, nonce: bytes
) -> Signed[HolderProof]:
    """The word of an account's owner (its online key): this device is to be mine. `nonce` has 16 bytes."""
    return sign(HolderProof(owner.public.kid, _asks_for(enrol), time, nonce), network, owner)


class OfflineDesk(Protocol):
    """What a device's host may ask. Answers are the same for the same question, for ever."""

    def challenge(self, bank_id: int, request_id: bytes) -> bytes:
        """32 bytes for a device to sign."""
        ...

    def enrol(self, enrol: Signed[Enrol], word: Signed[HolderProof]) -> Signed[DeviceCertificate]:
        """A certificate for the device that signed the challenge, owned by the account that signed `word`."""
        ...

    def trust(self, newer_than: int = 0) -> Sequence[Signed[Trust]]:
        """What brings a device up to date: the changes since its list, or a full list and those since."""
        ...

    def notes(self, device: bytes, load_number: int = 0) -> Sequence[Signed[Note]]:
        """The device's notes with a load number above the given one, by load number."""
        ...

    def redeem_order(self, request_id: bytes, device: bytes) -> Signed[RedeemOrder]:
        """The bank's order to send money home to the owner's account."""
        ...

    def submit(self, batch: bytes) -> Signed[SubmitAck]:
        """Hand in a batch."""
        ...

    def sync(self, batch: bytes) -> Synced:
        """Hand in a batch that carries a sync request."""
        ...

    def outcome(self, subject: bytes) -> Signed[Outcome]:
        """What became of a claim or a transfer."""
        ...

    def evidence(self, kid: bytes) -> Sequence[bytes]:
        """The evidence files against a device."""
        ...


class OnlineKeys(Protocol):
    """The ledger as settlement and the desk use it; `cbdc.ledger.ledger.Ledger` fits it as it is."""

    def registered(self, kid: bytes) -> RegisteredKey | None:
        """What the ledger knows of a key, or None."""
        ...


class OfflineLedger(SettlementLedger, OnlineKeys, Protocol):
    """Both."""


@dataclass(frozen=True, slots=True)
class OfflineKeys:
    """The keys behind the desk: issuer epochs, status, settlement, and each bank's CA key by bank id."""

    issuers: Sequence[Signer]
    status: Signer
    settle: Signer
    bank_cas: Mapping[int, Signer]


@dataclass(frozen=True, slots=True)
class OfflineStores:
    """Where they keep what they must not lose: evidence and acknowledgements, devices, lists."""

    evidence: ArchiveStore
    devices: ArchiveStore
    lists: ArchiveStore

    def close(self) -> None:
        """Release every file."""
        self.evidence.close()
        self.devices.close()
        self.lists.close()


def memory_stores() -> OfflineStores:
    """Stores that are gone when the process ends."""
    return OfflineStores(MemoryArchive(), MemoryArchive(), MemoryArchive())


class OfflineCentre:
    """Everything behind the desk, over one ledger. Opening existing stores goes on where they stopped."""

    def __init__(
        self,
        ledger: OfflineLedger,
        authority: Authority,
        keys: OfflineKeys,
        stores: OfflineStores,
        settings: Settings,
        clock: Clock,
        entropy: Entropy,
        recourse: Recourse | None = None,
        checkpoint: Checkpoint = no_checkpoint,
        terms: Terms = lowest_terms,
    ) -> None:
        self._ledger = ledger
        self._terms = terms
        self._stores = stores
        self._clock = clock
        self._network = authority.network
        self.devices = DeviceRegister(stores.devices, authority, keys.bank_cas, clock, entropy, keys.status)
        self.lists = TrustOffice(
            stores.lists, authority, keys.status, clock, lambda: ledger.head().record.time
        )
        self.lost = LostDevices(Archive(stores.devices))
        self.issuer = NoteIssuer(ledger, authority, keys.issuers, self.lists.policy_at, self._is_owners)
        self.reconciler = Reconciler(
            stores.evidence,
            ledger,
            self.issuer.registry,
            authority,
            keys.settle,
            clock,
            replace(settings, stolen_at=self.lost.stolen_at),
            self.account_of,
            recourse,
            checkpoint,
            self.devices.shown_limits,
        )
        # A crash may have come between making a paper and telling settlement.
        for paper in (*self.devices.papers(), *self.lists.lists):
            if not self.reconciler.knows(paper.oid):
                self._tell(paper)
        for kid in self.lost.kids():
            if not self.lists.view.is_revoked(kid):
                self.revoke(kid)

    def _tell(self, paper: Signed[Any]) -> None:
        if isinstance(paper.record, Trust):
            self.reconciler.publish(paper)
        else:
            self.reconciler.submit(paper)

    def registered(self, kid: bytes) -> RegisteredKey | None:
        """What the ledger knows of a key, or None."""
        return self._ledger.registered(kid)

    # --- enrolment and lists ---

    def challenge(self, bank_id: int, request_id: bytes) -> bytes:
        """32 bytes for a device to sign; E_BANK_UNKNOWN."""
        return self.devices.challenge(bank_id, request_id)

    def enrol(self, enrol: Signed[Enrol], word: Signed[HolderProof]) -> Signed[DeviceCertificate]:
        """Certify a device for the account that signed `word` (`ask_to_enrol`), in the ledger's category for it.

        The bank's terms decide its tier. Raises E_KEY_UNKNOWN when the ledger does not know the account's key,
        E_KEY_RETIRED when it has a newer one, E_SIG and E_DEVICE_WORD when the account did not ask for this enrolment,
        E_DEVICE_OWNER when another bank registered it, and what `DeviceRegister.enrol` raises.
        """
        account = word.record.kid
        owner = self._ledger.registered(account)
        if owner is None:
            raise Refused("E_KEY_UNKNOWN", kid=account)
        word.verify(owner.key)
        if word.record.purpose != _asks_for(enrol):
            raise Refused("E_DEVICE_WORD", kid=account)
        if owner.successor:
            raise Refused("E_KEY_RETIRED", kid=account)
        if owner.bank_id != enrol.record.bank_id:
            raise Refused("E_DEVICE_OWNER", bank_id=enrol.record.bank_id, owner_bank_id=owner.bank_id)
        policy = self.lists.view.policy
        tier, share = self._terms(enrol, account)
        certificate = self.devices.enrol(enrol, tier, owner.category, account, policy, share)
        self.reconciler.submit(certificate)
        return certificate

    def renew(self, request_id: bytes, device: bytes) -> Signed[DeviceCertificate]:
        """Another certificate for the same device, under the present numbers; E_DEVICE_UNKNOWN."""
        certificate = self.devices.renew(request_id, device, self.lists.view.policy)
        self.reconciler.submit(certificate)
        return certificate

    def account_of(self, device: bytes) -> bytes | None:
        """The present online key id of a device's owner (its successor, if it was rotated), or None.

        An online key is its own: it is named where the money of a stranger's load is to be refunded. After an early
        payout it is the bank's account.
        """
        advance = self.lost.advanced(device)
        account = self.devices.account_of(device) if advance is None else advance.account
        if account is None and self._ledger.registered(device) is not None:
            account = device
        return None if account is None else self._present(account)

    def _present(self, account: bytes) -> bytes:
        known = self._ledger.registered(account)
        while known is not None and known.successor:
            account = known.successor
            known = self._ledger.registered(account)
        return account

    def _is_owners(self, load: Load) -> bool:
        account = self.devices.account_of(load.device)
        present = None if account is None else self._present(account)
        return self.devices.owns(present, load.index, self._present(load.loader))

    def trust(self, newer_than: int = 0) -> Sequence[Signed[Trust]]:
        """The shortest chain that brings the asker up to date; empty when it is."""
        return self.lists.chain(newer_than)

    @property
    def trust_view(self) -> TrustView:
        """What the newest list says."""
        return self.lists.view

    def publish(
        self,
        request_id: bytes,
        revoke: Iterable[bytes] = (),
        revoke_references: Iterable[bytes] = (),
        taint: Iterable[bytes] = (),
        policy: Policy = INTERMITTENT,
        purposes: Iterable[OfflinePurpose] = (),
    ) -> Signed[Trust]:
        """Make a new TRUST list, once for the request, and let settlement know it.

        Raises what `TrustOffice.publish` raises; E_ISSUER_EPOCH also for an epoch whose key is not behind this desk.
        """
        self._check_signer(policy)
        made = self.lists.publish(request_id, revoke, revoke_references, taint, policy, purposes)
        self.reconciler.publish(made)
        return made

    def check_policy(self, policy: Policy) -> None:
        """Return if these numbers may come on top of those in force; E_PARAMETERS or E_ISSUER_EPOCH otherwise."""
        self.lists.check_policy(policy)
        self._check_signer(policy)

    def _check_signer(self, policy: Policy) -> None:
        number = value_of(ISSUER_EPOCH, policy)
        present = value_of(ISSUER_EPOCH, self.lists.view.policy)
        if ISSUER_EPOCH.id in policy and number > present:
            check_epoch(number, present, self.issuer.epochs_at(self._clock.now()))

    def switch_mode(self, request_id: bytes, name: str) -> Signed[Trust]:
        """Put the preset of this name (`staged`, `intermittent`, `extended`) in force for everybody; E_PARAMETER_SET.

        `staged` is also the kill switch for a class of broken devices: at once nothing received is paid on.
        """
        return self.publish(b"mode/" + request_id, policy=mode_policy(name))

    def revoke(self, device: bytes) -> Signed[Trust]:
        """Revoke a device (lost, stolen, opened): once; the list that did it."""
        return self.publish(b"revoke/" + device, revoke=[device])

    # --- lost and stolen devices ---

    def report_lost(self, device: bytes, stolen: bool = False) -> Report:
        """The owner reports a device lost or stolen: written down once, then revoked; E_DEVICE_UNKNOWN."""
        self.devices.bank_of(device)
        report = self.lost.report(device, STOLEN if stolen else LOST, self._clock.now())
        self.revoke(device)
        return report

    def known_unspent_tiyn(self, device: bytes) -> int:
        """What settlement knows to be unspent of a device, in notes that have not closed."""
        return self.reconciler.unspent_tiyn(device)

    def early_payout(self, device: bytes, account: bytes) -> Advance:
        """What the bank advances on a lost device, once; from now on refunds go to the bank's `account`.

        The parameter `early_payout` of the newest list decides how much. Raises E_PAYOUT_OFF, E_PAYOUT_REPORT.
        """
        permille = self.lists.view.parameter(EARLY_PAYOUT_PERMILLE)
        known_tiyn = self.known_unspent_tiyn(device)
        return self.lost.advance(device, known_tiyn, permille, account, self._clock.now())

    def payout_outcome(self, device: bytes) -> AdvanceOutcome:
        """What became of an early payout by now, in tiyn; E_PAYOUT_REPORT when there was none."""
        advance = self.lost.advanced(device)
        if advance is None:
            raise Refused("E_PAYOUT_REPORT", kid=device)
        came_tiyn = self.reconciler.refunded_tiyn(device, advance.account, advance.time)
        return outcome_of(advance.advanced_tiyn, came_tiyn)

    # --- notes and orders ---

    def notes(self, device: bytes, load_number: int = 0) -> Sequence[Signed[Note]]:
        """The device's notes above a load number, by load number; the same bytes each time.

        Only out of its owner's loads: what a stranger loaded is refunded to the stranger.
        """
        found = [note for load in self.reconciler.loads_of(device) for note in self.issuer.notes(load)]
        return sorted(
            (note for note in found if note.record.load_number > load_number),
            key=lambda note: (note.record.load_number, note.record.serial),
        )

    def redeem_order(self, request_id: bytes, device: bytes) -> Signed[RedeemOrder]:
        """The bank's order for the owner's present account, known to settlement before it is handed out."""
        order = self.devices.redeem_order(request_id, device, self.account_of(device))
        self.reconciler.submit(order)
        return order

    # --- handing in ---

    def submit(self, batch: bytes) -> Signed[SubmitAck]:
        """Hand in a batch; devices it proves guilty are revoked at once."""
        acknowledgement = self.reconciler.ingest(batch)
        self._revoke_guilty()
        return acknowledgement

    def sync(self, batch: bytes) -> Synced:
        """Hand in a batch with a sync request; E_SYNC_MISSING when it carries none."""
        request = open_batch(batch, self._network).sync_request
        if request is None:
            raise Refused("E_SYNC_MISSING")
        acknowledgement = self.submit(batch)
        return Synced(acknowledgement, self.reconciler.sync(request))

    def _revoke_guilty(self) -> None:
        view = self.lists.view
        fresh = [kid for kid in self.reconciler.guilty() if not view.is_revoked(kid)]
        if fresh:
            self.publish(b"guilty/" + hashlib.sha256(b"".join(fresh)).digest(), revoke=fresh)

    def tick(self) -> None:
        """Book what has fallen due with time."""
        self.reconciler.tick()
        self._revoke_guilty()

    def outcome(self, subject: bytes) -> Signed[Outcome]:
        """What became of a claim or a transfer; E_CLAIM_UNKNOWN."""
        return self.reconciler.outcome(subject)

    def evidence(self, kid: bytes) -> Sequence[bytes]:
        """The evidence files against a device."""
        return self.reconciler.evidence(kid)

    def close(self) -> None:
        """Release every file."""
        self._stores.close()
