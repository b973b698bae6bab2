"""The desk of offline money behind HTTP: `HttpOfflineDesk` is another form of `offline.gateway.OfflineDesk`.

`HttpLosses` is the other side of `offline.http_losses`.

It stands on an `HttpGateway` of `cbdc.http.client`, whose signers prove whose devices they ask for. It believes no
answer further than its form: certificates, lists and notes are verified by the device that takes them in.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from cbdc import canonical
from cbdc.authority import Authority, open_root
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.http import wire
from cbdc.http.client import HttpGateway, SignerOf
from cbdc.keys import Signer
from cbdc.orders import HolderProof
from cbdc.ports import Clock, Entropy
from cbdc.record import HASH, Record, Signed, open_envelope, sign
from offline.gateway import Synced
from offline.http_api import order_purpose
from offline.http_losses import WALLET_PURPOSE, device_purpose
from offline.lost import LOST, Report
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
from offline.trust import TrustView

R = TypeVar("R", bound=Record)


class Papers(NamedTuple):
    """ROOT with its certificates, verified, and the key that loads are paid to."""

    authority: Authority
    escrow_kid: bytes

    def view(self, lists: Sequence[Signed[Trust]]) -> TrustView:
        """What a new device believes: these lists, verified from ROOT on; raises what `TrustView.adopt_all` raises."""
        return TrustView(self.authority).adopt_all(lists)


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

    def papers(self) -> Papers:
        """What a device is begun with. E_PEER_ANSWER when ROOT is not this network's: its id follows from ROOT's body,
        so whoever knows the network from elsewhere knows the right ROOT."""
        answer = self._gateway.get("/v1/offline/papers")
        with wire.understood("papers"):
            body = wire.as_object(answer)
            root = open_root(wire.as_octets(body["root"]))
            authority = Authority(root, [wire.as_octets(one) for one in wire.as_list(body["certificates"])])
            if authority.network != self._gateway.network:
                raise ValueError
            return Papers(authority, bytes(HASH.load(wire.as_octets(body["escrow_kid"]), "escrow")))

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


class HoldersDevice(NamedTuple):
    """A device as settlement knows it: the account that owns it, the bank that certified it, whether it is revoked,
    LOST or STOLEN (0: not reported), and what is known to be unspent on it (tiyn)."""

    kid: bytes
    account: bytes
    bank_id: int
    revoked: bool
    reported: int
    known_unspent_tiyn: int


class HttpLosses:
    """A holder's reports. `clock` is the real one: a report is for now."""

    def __init__(self, gateway: HttpGateway, signer: Signer, clock: Clock, entropy: Entropy) -> None:
        self._gateway = gateway
        self._signer = signer
        self._clock = clock
        self._entropy = entropy

    def devices(self) -> list[HoldersDevice]:
        """The devices of all keys of this holder."""
        kid = self._signer.public.kid
        path = f"/v1/keys/{kid.hex()}/devices"
        answer = self._gateway.get(path, self._gateway.proof(kid, "GET", path))
        with wire.understood("devices"):
            rows = [wire.as_object(row) for row in wire.as_list(wire.as_object(answer)["devices"])]
            return [
                HoldersDevice(
                    wire.as_octets(row["kid"]),
                    wire.as_octets(row["account"]),
                    wire.as_number(row["bank_id"]),
                    row["revoked"] is True,
                    wire.as_number(row["reported"]),
                    wire.as_number(row["known_unspent_tiyn"]),
                )
                for row in rows
            ]

    def report_device(self, device: bytes, kind: int = LOST) -> Report:
        """A device is LOST or STOLEN; the first report stands. E_DEVICE_UNKNOWN, E_LOSS_WORD."""
        body = canonical.encode([device, kind, self._word(device_purpose(device, kind))])
        answer = self._gateway.post("/v1/losses/devices", body)
        with wire.understood("report"):
            row = wire.as_object(answer)
            return Report(wire.as_number(row["kind"]), wire.as_number(row["time"]))

    def report_wallet(self) -> str:
        """The wallet is lost: the legal reference under which its holder is frozen now. E_LOSS_WORD."""
        answer = self._gateway.post("/v1/losses/wallets", self._word(WALLET_PURPOSE))
        with wire.understood("report"):
            return wire.as_text(wire.as_object(answer)["frozen"])

    def _word(self, purpose: str) -> bytes:
        nonce = self._entropy.bytes("loss word", self._signer.public.kid + purpose.encode(), 16)
        record = HolderProof(self._signer.public.kid, purpose, self._clock.now(), nonce)
        return sign(record, self._gateway.network, self._signer).encode()
