"""A holder reports over HTTP what was lost: one device, or the whole wallet.

    devices     the devices of all keys of the holder: certified by whom, reported or revoked, what is known on them
    a device    is revoked by the next TRUST list; what is unspent on it comes back when its notes close
    a wallet    the holder is frozen on the ledger, so that a thief's copy of any of its keys pays nothing, and all its
                devices are revoked. The holder's bank lifts the freeze when the person has come by

Whoever lost a wallet speaks with another of the holder's keys (a second browser) or with the same one (a copied
profile). A replaced key has nothing to say. A thief with a key can report as well: that stops the thief too.

A report is bound to its act by what is signed and happens once: the same words sent again freeze nothing again after
the bank has lifted it.

Source: DTO/1, sections 5.11 and 5.12 (lost and stolen devices).
"""

from collections.abc import Mapping

from cbdc import canonical
from cbdc.enforcement import Enforcement
from cbdc.errors import Refused
from cbdc.http import wire
from cbdc.http.routes import HEX_SCHEMA, NUMBER_SCHEMA, PROOF_SECONDS, Ask, Route, list_of, object_schema
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.state import RegisteredKey
from cbdc.orders import HolderProof
from cbdc.record import HASH, Bytes, Group, Signed, Unsigned, open_envelope
from offline.gateway import OfflineCentre
from offline.lost import LOST, STOLEN

WALLET_PURPOSE = "my wallet is lost"

_MOST_BYTES = 1_024
_DEVICE = Group((HASH, Unsigned(LOST, STOLEN), Bytes(most=_MOST_BYTES)))
_FLAG = {"type": "boolean"}

SCHEMAS: Mapping[str, wire.Json] = {
    "HoldersDevices": object_schema(
        devices=list_of(
            object_schema(
                kid=HEX_SCHEMA,
                account=HEX_SCHEMA,
                bank_id=NUMBER_SCHEMA,
                revoked=_FLAG,
                reported=NUMBER_SCHEMA,
                known_unspent_tiyn=NUMBER_SCHEMA,
            )
        )
    ),
    "LossReport": object_schema(kid=HEX_SCHEMA, kind=NUMBER_SCHEMA, time=NUMBER_SCHEMA),
    "WalletReport": object_schema(frozen={"type": "string"}, devices=list_of(HEX_SCHEMA)),
}


def device_purpose(device: bytes, kind: int) -> str:
    """What a key of the owner signs to report a device LOST or STOLEN."""
    return f"device {'stolen' if kind == STOLEN else 'lost'} {device.hex()}"


def freeze_reference(bank_id: int, told: str) -> str:
    """The legal reference of a freeze on a holder's own report: the bank of that holder may lift it, and no other."""
    return f"lost wallet, bank {bank_id}: {told}"


class LossApi:
    """The handlers. `enforcement` freezes on the holder's own word."""

    def __init__(self, ledger: Ledger, centre: OfflineCentre, enforcement: Enforcement) -> None:
        self._ledger = ledger
        self._centre = centre
        self._enforcement = enforcement

    def devices(self, ask: Ask) -> wire.Json:
        """The devices of a holder's keys."""
        kid = ask.octets("kid")
        key = self._ledger.registered(kid)
        if key is None:
            raise Refused("E_HTTP_NONE", what="key", id=kid)
        ask.require_holder(kid)
        return {"devices": [self._written(*found) for found in self._devices_of(key)]}

    def _written(self, device: bytes, account: bytes) -> wire.Json:
        report = self._centre.lost.reported(device)
        return {
            "kid": device.hex(),
            "account": account.hex(),
            "bank_id": self._centre.devices.bank_of(device),
            "revoked": self._centre.trust_view.is_revoked(device),
            "reported": 0 if report is None else report.kind,
            "known_unspent_tiyn": self._centre.known_unspent_tiyn(device),
        }

    def report_device(self, ask: Ask) -> wire.Json:
        """One device is gone."""
        device, kind, envelope = _DEVICE.load(canonical.decode(ask.body), "report")
        account = self._centre.account_of(device)
        owner = None if account is None else self._ledger.registered(account)
        if owner is None:
            raise Refused("E_DEVICE_UNKNOWN", kid=device)
        word = open_envelope(envelope, HolderProof, self._ledger.network)
        speaker = self._speaker(word, device_purpose(device, kind), ask)
        if not _same_holder(speaker, owner):
            raise Refused("E_LOSS_WORD", kid=word.record.kid)
        report = self._centre.report_lost(device, kind == STOLEN)
        return {"kid": device.hex(), "kind": report.kind, "time": report.time}

    def report_wallet(self, ask: Ask) -> wire.Json:
        """All keys and devices of a holder are stopped."""
        word = open_envelope(ask.body, HolderProof, self._ledger.network)
        holder = self._speaker(word, WALLET_PURPOSE, ask)
        reference = freeze_reference(holder.bank_id, "reported with the holder's own key")
        try:
            self._enforcement.freeze(word.oid, holder.pseudonym, reference)
        except Refused as refusal:
            if refusal.code != "E_FROZEN":
                raise
        devices = [device for device, _ in self._devices_of(holder)]
        for device in devices:
            self._centre.report_lost(device)
        frozen = self._ledger.frozen(holder.pseudonym)
        return {"frozen": frozen, "devices": [device.hex() for device in devices]}

    def _devices_of(self, holder: RegisteredKey) -> list[tuple[bytes, bytes]]:
        """(device, its present account) of a holder."""
        found = []
        for device in self._centre.devices.devices():
            account = self._centre.devices.account_of(device)
            owner = None if account is None else self._ledger.registered(account)
            if account is not None and owner is not None and _same_holder(owner, holder):
                found.append((device, account))
        return found

    def _speaker(self, word: Signed[HolderProof], purpose: str, ask: Ask) -> RegisteredKey:
        """The key that said just this, just now; E_LOSS_WORD, E_SIG."""
        said = word.record
        key = self._ledger.registered(said.kid)
        fresh = abs(said.time - ask.real_clock.now()) <= PROOF_SECONDS
        if key is None or key.successor or said.purpose != purpose or not fresh:
            raise Refused("E_LOSS_WORD", kid=said.kid)
        word.verify(key.key)
        return key

    # --- the table ---

    def routes(self) -> list[Route]:
        """The routes, for an `Extension` together with SCHEMAS."""
        return [
            Route(
                "GET",
                "/v1/keys/{kid}/devices",
                "The devices of a key's holder, for the holder only.",
                self.devices,
                "HoldersDevices",
                {"kid": "a 32-byte key id in hexadecimal"},
                proof=True,
                refusals=("E_HTTP_PROOF",),
            ),
            Route(
                "POST",
                "/v1/losses/devices",
                "A device is lost (1) or stolen (2): revoked on its owner's word; the first report stands.",
                self.report_device,
                "LossReport",
                takes="a canonical array: the device, 1 or 2, the envelope of a HolderProof by a key of its owner",
                limit_bytes=2 * _MOST_BYTES,
                refusals=("E_DEVICE_UNKNOWN", "E_LOSS_WORD", "E_SIG"),
            ),
            Route(
                "POST",
                "/v1/losses/wallets",
                "A wallet is lost: its holder is frozen and all its devices are revoked; the bank lifts it.",
                self.report_wallet,
                "WalletReport",
                takes="the envelope of a HolderProof for `my wallet is lost`, by a key of the holder",
                limit_bytes=_MOST_BYTES,
                refusals=("E_LOSS_WORD", "E_SIG"),
            ),
        ]


def _same_holder(one: RegisteredKey, other: RegisteredKey) -> bool:
    # With the bank: nothing keeps another bank from registering a key under a pseudonym that it has read.
    return (one.bank_id, one.pseudonym, one.category) == (other.bank_id, other.pseudonym, other.category)
