"""The body of the simulated element: its state, its one journal, its papers, and what it tells of itself.

Every call that changes anything ends in `_commit`, which asserts the invariants, writes one journal record and only
then lets the new state and what was signed for it be seen. If the write fails, nobody knows which state the journal
holds, so the object refuses everything and a new one must be opened from the journal.

`offline.element` adds the calls that move money.

Source: DTO/1, sections 5.7 (I1 to I11), 5.2 (certificates) and 5.12 (trust).
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

from cbdc.authority import Auth, Authority, open_root
from cbdc.errors import Refused, Unavailable
from cbdc.keys import ES256, PublicKey, SoftwareKey
from cbdc.ports import Entropy
from cbdc.record import R, Signed, open_envelope, sign
from offline.checks import check_certificate
from offline.element_protocol import ElementStatus
from offline.element_state import (
    ACTIVE,
    NEW,
    OPENED_PAPER,
    STATUS_NAMES,
    ElementState,
    Envelope,
    Sent,
    apply,
    changes,
    check_differences,
    check_step,
    check_whole,
    committed,
    reserved,
)
from offline.journal import Journal
from offline.purse import max_slots
from offline.records import (
    DeviceCertificate,
    Enrol,
    Limits,
    Receipt,
    SignedTransfer,
    Transfer,
    Trust,
    genesis_link,
)
from offline.trust import TrustView

Answer = TypeVar("Answer")

_COMPACT_BYTES = 1 << 16

OPENED_KIND = "OPENED simulated secure element: its key and its state are in an attacker's hands"


@lru_cache(maxsize=256)
def view_of(root: Envelope, auths: tuple[Envelope, ...], chain: tuple[Envelope, ...]) -> TrustView:
    """The view in these envelopes, all verified; elements of one process share it, as it never changes.

    A restart of hundreds verifies the anchors once. Raises what `open_root`, `Authority` and `TrustView.adopt` raise.
    """
    authority = Authority(open_root(root), auths)
    return TrustView(authority).adopt_all(open_envelope(item, Trust, authority.network) for item in chain)


def envelope_of(signed: Signed[Any]) -> Envelope:
    """The envelope as an immutable value, as the state keeps it."""
    return (signed.record.TYPE, signed.body, signed.signature)


class ElementCore:
    """State, journal and papers of a **simulated** element; `offline.element` makes it whole."""

    KIND = "simulated secure element (software; no tamper resistance)"
    OPENED = False

    def __init__(
        self,
        journal: Journal,
        entropy: Entropy,
        name: bytes,
        algorithm: int = ES256,
        attacks_allowed: bool = False,
        deep_checks: bool = False,
    ) -> None:
        """Open the element whose journal this is, or make a new one with a key of `algorithm`."""
        self.attacks_allowed = attacks_allowed
        self._journal = journal
        self._entropy = entropy
        self._deep_checks = deep_checks
        self._unreleased: list[bytes] = []
        self._broken = False
        self._compact_at = _COMPACT_BYTES
        self._certificate: Signed[DeviceCertificate] | None = None
        self._trust: TrustView | None = None
        self._limits_by: tuple[TrustView, Signed[DeviceCertificate], Limits] | None = None
        self._state = ElementState()
        for record in journal.replay():
            self._state = apply(self._state, record)
        if b"key" not in self._state.papers:
            secret = entropy.bytes("element.key", name)
            self._key = SoftwareKey(algorithm, secret)
            self._commit(
                replace(self._state, head=genesis_link(self.kid), papers={b"key": (algorithm, secret)})
            )
        self._key = SoftwareKey(*self._state.papers[b"key"])
        self._open_papers()

    def _open_papers(self) -> None:
        papers = self._state.papers
        if b"root" in papers:
            self._trust = view_of(papers[b"root"][0], papers[b"auths"], papers[b"trust"])
            self._certificate = open_envelope(
                papers[b"certificate"][0], DeviceCertificate, self._trust.network
            )

    # --- reading ---

    @property
    def public_key(self) -> PublicKey:
        """The element's public key."""
        return self._key.public

    @property
    def kid(self) -> bytes:
        """The element's key id."""
        return self._key.public.kid

    @property
    def trust_view(self) -> TrustView:
        """The anchors and the TRUST list it believes; E_ELEMENT_STATE before provisioning."""
        if self._trust is None:
            raise Refused("E_ELEMENT_STATE", status=STATUS_NAMES[NEW])
        return self._trust

    @property
    def certificate(self) -> Signed[DeviceCertificate]:
        """Its certificate; E_ELEMENT_STATE before provisioning."""
        if self._certificate is None:
            raise Refused("E_ELEMENT_STATE", status=STATUS_NAMES[NEW])
        return self._certificate

    def resend(self, reference: bytes) -> tuple[SignedTransfer, ...]:
        """Own transfers for an invoice or an order, while they wait for an acknowledgement; empty if there are none."""
        found = [sent for sent in self._state.outbox.values() if sent.reference == reference]
        return tuple(transfer for sent in found for transfer in self._transfers(sent))

    def receipt(self, invoice: bytes) -> Signed[Receipt] | None:
        """The receipt given for the invoice with this id, if it is one of the last 32."""
        kept = self._state.receipts.get(invoice)
        return None if kept is None else open_envelope(kept.envelope, Receipt, self.trust_view.network)

    def status(self, now: int) -> ElementStatus:
        """What may be known of it; reservations are those open at `now`."""
        state = self._state
        reserved_tiyn, reserved_slots = reserved(state.open_at(self._moment(now)))
        opened = state.papers.get(OPENED_PAPER)
        return ElementStatus(
            kind=self.KIND if opened is None else OPENED_KIND,
            opened=self.OPENED or opened is not None,
            status=STATUS_NAMES[state.status],
            kid=self.kid,
            certificate=self._certificate,
            limits=None if self._certificate is None else self._limits(),
            balance_tiyn=state.balance_tiyn,
            reserved_tiyn=reserved_tiyn,
            free_slots=self._max_slots() - len(state.purse) - reserved_slots,
            purse=dict(state.purse),
            pending=tuple(state.pending),
            outbox=tuple(sent.reference for sent in state.outbox.values()),
            totals=state.totals,
            base=state.base,
            counter=state.counter,
            head=state.head,
            time_floor=state.time_floor,
            trust_sequence=state.trust_sequence,
            min_trust_sequence=state.min_trust_sequence,
            sync_time=state.sync_time,
            sync_number=state.sync_number,
            sync_pending=b"sync" in state.papers,
            last_ack=state.last_ack,
            invoice_number=state.invoice_number,
            load_number=state.load_number,
            opened_for="" if opened is None else opened[0].decode(),
        )

    # --- papers: enrolment, certificates, trust ---

    def enrol(self, network: bytes, bank_id: int, challenge: bytes) -> Signed[Enrol]:
        """Proof of possession for a bank. It speaks of no money and changes nothing, so nothing is journaled."""
        self._ready()
        key = self._key.public
        return sign(Enrol(bank_id, key.algorithm, key.raw, challenge), network, self._key)

    def provision(self, trust: TrustView, certificate: Signed[DeviceCertificate]) -> None:
        """Take the anchors, the first TRUST list and the certificate; once (again with the same: nothing happens).

        The age limit for paying counts from the list's issue until the first sync. Raises E_PROVISIONED,
        E_CERTIFICATE_KEY, and what `check_certificate` raises.
        """
        state = self._ready()
        if state.status != NEW:
            if self._certificate is not None and self._certificate.oid == certificate.oid:
                return
            raise Refused("E_PROVISIONED", kid=self.kid)
        self._check_certificate(certificate, trust)
        papers = {
            **state.papers,
            b"root": (envelope_of(trust.authority.root),),
            b"auths": tuple(envelope_of(auth) for auth in trust.authority.auths),
            b"trust": tuple(envelope_of(item) for item in trust.chain),
            b"certificate": (envelope_of(certificate),),
        }
        self._trust, self._certificate = trust, certificate
        self._commit(
            replace(
                state,
                status=ACTIVE,
                papers=papers,
                trust_sequence=trust.sequence,
                time_floor=max(state.time_floor, trust.issued),
                sync_time=trust.issued,
            )
        )

    def renew(self, certificate: Signed[DeviceCertificate]) -> None:
        """Take another certificate for the same key; E_CERTIFICATE_KEY, or what `check_certificate` raises."""
        state, trust = self._ready(), self.trust_view
        self._check_certificate(certificate, trust)
        self._certificate = certificate
        self._commit(replace(state, papers={**state.papers, b"certificate": (envelope_of(certificate),)}))

    def anchor(self, auth: Signed[Auth]) -> None:
        """Take one more certificate of ROOT; E_SIG when ROOT did not sign it, nothing when it is known."""
        state, trust = self._ready(), self.trust_view
        if any(known.oid == auth.oid for known in trust.authority.auths):
            return
        authority = Authority(trust.authority.root, [*trust.authority.auths, auth])
        self._trust = TrustView(authority).adopt_all(trust.chain)
        auths = tuple(envelope_of(item) for item in authority.auths)
        self._commit(replace(state, papers={**state.papers, b"auths": auths}))

    def trust(self, chain: Sequence[Signed[Trust]]) -> None:
        """Adopt one newer TRUST list, or catch up with another party's chain; raises what `TrustView.adopt` raises."""
        state, trust = self._ready(), self.trust_view
        view = trust.adopt(chain[0]) if len(chain) == 1 else trust.adopt_all(chain)
        if view is trust:
            return
        self._trust = view
        self._commit(
            replace(
                state,
                trust_sequence=view.sequence,
                time_floor=max(state.time_floor, view.issued),
                papers={**state.papers, b"trust": tuple(envelope_of(item) for item in view.chain)},
            )
        )

    def _check_certificate(self, certificate: Signed[DeviceCertificate], trust: TrustView) -> None:
        if certificate.record.kid != self.kid:
            raise Refused("E_CERTIFICATE_KEY", kid=certificate.record.kid, own=self.kid)
        check_certificate(certificate, trust)

    # --- the one way to change ---

    def _ready(self) -> ElementState:
        self._unreleased.clear()
        if self._broken:
            raise Unavailable("E_ELEMENT_RESTART", kid=self.kid)
        return self._state

    def _moment(self, now: int) -> int:
        return max(now, self._state.time_floor)

    def _limits(self) -> Limits:
        trust, certificate = self.trust_view, self.certificate
        known = self._limits_by
        if known is None or known[0] is not trust or known[1] is not certificate:
            known = self._limits_by = (trust, certificate, trust.limits(certificate.record))
        return known[2]

    def _max_slots(self) -> int:
        if self._certificate is None or self._trust is None:
            return 0
        return max_slots(self._certificate.record, self._trust)

    def _sign(self, record: R) -> Signed[R]:
        # What is signed here is not to be seen before `_commit` has journaled the state that remembers it (I2).
        signed = sign(record, self.trust_view.network, self._key)
        self._unreleased.append(signed.oid)
        return signed

    def _commit(self, after: ElementState, syncing: bool = False) -> None:
        before = self._state
        most_tiyn = 0 if self._certificate is None else self._limits().max_balance_tiyn
        check_step(before, after, most_tiyn, self._max_slots(), syncing)
        if self._deep_checks:
            check_whole(after)
            check_differences(before, after)
        self._broken = True
        self._journal.append(changes(before, after))
        self._state = after
        if self._journal.size_bytes > self._compact_at:
            snapshot = changes(ElementState(), after)
            self._journal.compact(snapshot)
            self._compact_at = max(_COMPACT_BYTES, 4 * len(snapshot))
        committed(after)
        self._broken = False
        self._unreleased.clear()

    def _released(self, answer: Answer) -> Answer:
        assert not self._unreleased, "I2: a signature would leave before its journal record"
        return answer

    def _transfers(self, sent: Sent) -> tuple[SignedTransfer, ...]:
        network = self.trust_view.network
        return tuple(open_envelope(item, Transfer, network) for item in sent.transfers)
