"""The desk of offline money behind HTTP: `HttpOfflineDesk` is another form of `offline.gateway.OfflineDesk`.

It stands on an `HttpGateway` of `cbdc.http.client`, whose signers prove whose devices they ask for. It believes no
answer further than its form: certificates, lists and notes are verified by the device that takes them in.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from cbdc import canonical
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.http.client import HttpGateway, SignerOf
from cbdc.orders import HolderProof
from cbdc.ports import Clock, Entropy
from cbdc.record import Record, Signed, open_envelope, sign
from offline.gateway import Synced
from offline.http_api import order_purpose
from offline.records import (
    DeviceCertificate,
    Enrol,
    Note,
    Outcome,
    RedeemOrder,
    SubmitAck,
    SyncAck,
    Trust,
)

R = TypeVar("R", bound=Record)


class HttpOfflineDesk:
    """Ask the institutions about devices. `account` is the key id of their owner, whose signer is at hand."""

    def __init__(
        self, gateway: HttpGateway, account: bytes, signer_of: SignerOf, clock: Clock, entropy: Entropy
    ) -> None:
        self._gateway = gateway
        self._account = account
        self._signer_of = signer_of
        self._clock = clock
        self._entropy = entropy

    def challenge(self, bank_id: int, request_id: bytes) -> bytes:
        """32 bytes for a device to sign; E_BANK_UNKNOWN."""
        answer = self._gateway.post("/v1/offline/challenges", canonical.encode([bank_id, request_id]))
        return _octets(answer, "challenge")

    def enrol(self, enrol: Signed[Enrol], word: Signed[HolderProof]) -> Signed[DeviceCertificate]:
        """A certificate for the device that signed the challenge; raises what `OfflineCentre.enrol` raises."""
        body = canonical.encode([enrol.encode(), word.encode()])
        return self._paper(self._gateway.post("/v1/offline/devices", body), "certificate", DeviceCertificate)

    def trust(self, newer_than: int = 0) -> Sequence[Signed[Trust]]:
        """What brings a device up to date."""
        return self._papers(self._gateway.get(f"/v1/offline/lists/{newer_than}"), "lists", Trust)

    def notes(self, device: bytes, load_number: int = 0) -> Sequence[Signed[Note]]:
        """The device's notes above a load number; E_HTTP_PROOF without its owner's key."""
        path = f"/v1/offline/devices/{device.hex()}/notes/{load_number}"
        answer = self._gateway.get(path, self._gateway.proof(self._account, "GET", path))
        return self._papers(answer, "notes", Note)

    def redeem_order(self, request_id: bytes, device: bytes) -> Signed[RedeemOrder]:
        """The bank's order to send money home; E_DEVICE_WORD without its owner's key."""
        signer = self._signer_of(self._account)
        if signer is None:
            raise Refused("E_DEVICE_WORD", kid=self._account)
        nonce = self._entropy.bytes("order word", request_id + device, 16)
        record = HolderProof(self._account, order_purpose(request_id, device), self._clock.now(), nonce)
        word = sign(record, self._gateway.network, signer)
        body = canonical.encode([request_id, device, word.encode()])
        return self._paper(self._gateway.post("/v1/offline/orders", body), "order", RedeemOrder)

    def submit(self, batch: bytes) -> Signed[SubmitAck]:
        """Hand in a batch."""
        return self._paper(self._gateway.post("/v1/offline/batches", batch), "acknowledgement", SubmitAck)

    def sync(self, batch: bytes) -> Synced:
        """Hand in a batch that carries a sync request."""
        answer = self._gateway.post("/v1/offline/syncs", batch)
        return Synced(self._paper(answer, "acknowledgement", SubmitAck), self._paper(answer, "sync", SyncAck))

    def outcome(self, subject: bytes) -> Signed[Outcome]:
        """What became of a claim or a transfer; E_CLAIM_UNKNOWN."""
        return self._paper(self._gateway.get(f"/v1/offline/outcomes/{subject.hex()}"), "outcome", Outcome)

    def evidence(self, kid: bytes) -> Sequence[bytes]:
        """The evidence files against a device."""
        return [_plain(one) for one in _list(self._gateway.get(f"/v1/offline/evidence/{kid.hex()}"), "files")]

    # --- reading answers ---

    def _paper(self, answer: object, name: str, kind: type[R]) -> Signed[R]:
        return self._opened(_octets(answer, name), name, kind)

    def _papers(self, answer: object, name: str, kind: type[R]) -> list[Signed[R]]:
        return [self._opened(_plain(one), name, kind) for one in _list(answer, name)]

    def _opened(self, data: bytes, name: str, kind: type[R]) -> Signed[R]:
        try:
            return open_envelope(data, kind, self._gateway.network)
        except TengeError:
            raise Unavailable("E_PEER_ANSWER", answer=name) from None


def _octets(answer: object, name: str) -> bytes:
    return _plain(answer.get(name) if isinstance(answer, dict) else None)


def _list(answer: object, name: str) -> list[Any]:
    found = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise Unavailable("E_PEER_ANSWER", answer=name)
    return found


def _plain(value: object) -> bytes:
    try:
        if isinstance(value, str):
            return bytes.fromhex(value)
    except ValueError:
        pass
    raise Unavailable("E_PEER_ANSWER", answer="bytes")
