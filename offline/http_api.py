"""Offline money over HTTP: the desk that a device's host asks (`offline.gateway.OfflineDesk`), as routes.

The routes are an extension of `cbdc.http`. Everything handed in is signed by those it concerns, so nobody needs to be
known to hand it in: whoever found a payment may bring it. What belongs to one device is told to its owner alone, on a
proof of the owner's online key.

Source: DTO/1, sections 5.2, 5.9 and 5.12.
"""

from collections.abc import Callable, Mapping

from cbdc import canonical
from cbdc.authority import Authority
from cbdc.errors import Refused
from cbdc.http import wire
from cbdc.http.routes import HEX_SCHEMA, Ask, Route, list_of, object_schema
from cbdc.orders import HolderProof
from cbdc.record import HASH, Bytes, Group, Unsigned, open_envelope
from offline.gateway import OfflineCentre
from offline.records import Enrol

MOST_BATCH_BYTES = canonical.MAX_MESSAGE_BYTES
_MOST_BODY_BYTES = 4_096
_CHALLENGE = Group((Unsigned(1), Bytes(most=64)))
_ENROL = Group((Bytes(most=_MOST_BODY_BYTES), Bytes(most=_MOST_BODY_BYTES)))
_ORDER = Group((Bytes(most=64), HASH, Bytes(most=_MOST_BODY_BYTES)))
_DEVICE = {"kid": "a device's 32-byte key id in hexadecimal"}

SCHEMAS: Mapping[str, wire.Json] = {
    "Authority": object_schema(root=HEX_SCHEMA, certificates=list_of(HEX_SCHEMA), escrow_kid=HEX_SCHEMA),
    "Challenge": object_schema(challenge=HEX_SCHEMA),
    "Certificate": object_schema(certificate=HEX_SCHEMA),
    "Lists": object_schema(lists=list_of(HEX_SCHEMA)),
    "Notes": object_schema(notes=list_of(HEX_SCHEMA)),
    "Order": object_schema(order=HEX_SCHEMA),
    "Acknowledgement": object_schema(acknowledgement=HEX_SCHEMA),
    "Synced": object_schema(acknowledgement=HEX_SCHEMA, sync=HEX_SCHEMA),
    "Outcome": object_schema(outcome=HEX_SCHEMA),
    "Evidence": object_schema(files=list_of(HEX_SCHEMA)),
}


def order_purpose(request_id: bytes, device: bytes) -> str:
    """What a device's owner signs to get the bank's order that sends the device's money home."""
    return f"redeem {device.hex()[:32]} {request_id.hex()[:64]}"


class OfflineApi:
    """The handlers over one centre. `fresh` brings the newest TRUST list up to today before lists are told."""

    def __init__(
        self, centre: OfflineCentre, authority: Authority, escrow_kid: bytes, fresh: Callable[[], object]
    ) -> None:
        self._centre = centre
        self._authority = authority
        self._escrow_kid = escrow_kid
        self._fresh = fresh

    def papers(self, ask: Ask) -> wire.Json:
        """ROOT, its certificates, and the key that loads are paid to."""
        return {
            "root": self._authority.root.encode().hex(),
            "certificates": [auth.encode().hex() for auth in self._authority.auths],
            "escrow_kid": self._escrow_kid.hex(),
        }

    def challenge(self, ask: Ask) -> wire.Json:
        """Something for a device to sign."""
        bank_id, request_id = _CHALLENGE.load(canonical.decode(ask.body), "challenge")
        return {"challenge": self._centre.challenge(bank_id, request_id).hex()}

    def enrol(self, ask: Ask) -> wire.Json:
        """A certificate for a device whose owner asks for it."""
        network = self._authority.network
        enrol, word = _ENROL.load(canonical.decode(ask.body), "enrolment")
        opened = open_envelope(enrol, Enrol, network), open_envelope(word, HolderProof, network)
        return {"certificate": self._centre.enrol(*opened).encode().hex()}

    def lists(self, ask: Ask) -> wire.Json:
        """What brings a device up to date."""
        self._fresh()
        return {"lists": [one.encode().hex() for one in self._centre.trust(ask.number("newer_than"))]}

    def notes(self, ask: Ask) -> wire.Json:
        """A device's notes above a load number, for its owner."""
        device = ask.octets("kid")
        ask.require_holder(self._owner(device))
        self._centre.tick()
        found = self._centre.notes(device, ask.number("load_number"))
        return {"notes": [note.encode().hex() for note in found]}

    def redeem_order(self, ask: Ask) -> wire.Json:
        """The bank's order to send a device's money home, on its owner's word."""
        request_id, device, envelope = _ORDER.load(canonical.decode(ask.body), "order")
        word = open_envelope(envelope, HolderProof, self._authority.network)
        owner = self._owner(device)
        key = self._centre.registered(owner)
        if (
            word.record.kid != owner
            or key is None
            or word.record.purpose != order_purpose(request_id, device)
        ):
            raise Refused("E_DEVICE_WORD", kid=word.record.kid)
        word.verify(key.key)
        return {"order": self._centre.redeem_order(request_id, device).encode().hex()}

    def _owner(self, device: bytes) -> bytes:
        owner = self._centre.account_of(device)
        if owner is None:
            raise Refused("E_DEVICE_UNKNOWN", kid=device)
        return owner

    def submit(self, ask: Ask) -> wire.Json:
        """Take a batch in."""
        return {"acknowledgement": self._centre.submit(ask.body).encode().hex()}

    def sync(self, ask: Ask) -> wire.Json:
        """Take a batch in and answer its sync request."""
        self._fresh()
        synced = self._centre.sync(ask.body)
        self._centre.tick()
        return {"acknowledgement": synced.submit.encode().hex(), "sync": synced.sync.encode().hex()}

    def outcome(self, ask: Ask) -> wire.Json:
        """What became of a claim or a transfer."""
        return {"outcome": self._centre.outcome(ask.octets("subject")).encode().hex()}

    def evidence(self, ask: Ask) -> wire.Json:
        """The proofs against a device: anybody may read what anybody can check."""
        return {"files": [data.hex() for data in self._centre.evidence(ask.octets("kid"))]}

    # --- the table ---

    def routes(self) -> list[Route]:
        """The routes, for an `Extension` together with SCHEMAS."""
        return [*self._paper_routes(), *self._money_routes(), *self._batch_routes()]

    def _paper_routes(self) -> list[Route]:
        return [
            Route(
                "GET",
                "/v1/offline/papers",
                "ROOT and its certificates, from which a device checks everything else; and the escrow's key.",
                self.papers,
                "Authority",
            ),
            Route(
                "POST",
                "/v1/offline/challenges",
                "Thirty-two bytes for a device to sign when it enrols; the same request gets the same.",
                self.challenge,
                "Challenge",
                takes="a canonical array: the bank's number, 1 to 64 bytes that name the request",
                limit_bytes=256,
                refusals=("E_BANK_UNKNOWN",),
            ),
            Route(
                "POST",
                "/v1/offline/devices",
                "A certificate for a device: its signed enrolment, and its owner's word for it.",
                self.enrol,
                "Certificate",
                takes="a canonical array: the envelope of an ENROL, the envelope of a HolderProof for it",
                limit_bytes=2 * _MOST_BODY_BYTES,
                refusals=("E_KEY_UNKNOWN", "E_DEVICE_WORD", "E_DEVICE_OWNER", "E_SIG"),
            ),
            Route(
                "GET",
                "/v1/offline/lists/{newer_than}",
                "The TRUST lists that bring a device up to date, today's included.",
                self.lists,
                "Lists",
                {"newer_than": "the number of the newest list it has, 0 for none"},
            ),
        ]

    def _money_routes(self) -> list[Route]:
        return [
            Route(
                "GET",
                "/v1/offline/devices/{kid}/notes/{load_number}",
                "A device's notes above a load number, for its owner only.",
                self.notes,
                "Notes",
                {**_DEVICE, "load_number": "the highest load number it has"},
                proof=True,
                refusals=("E_DEVICE_UNKNOWN", "E_HTTP_PROOF"),
            ),
            Route(
                "POST",
                "/v1/offline/orders",
                "The bank's order that sends a device's money home, on its owner's word; once for a request.",
                self.redeem_order,
                "Order",
                takes="a canonical array: 1 to 64 bytes that name the request, the device, a HolderProof's envelope",
                limit_bytes=_MOST_BODY_BYTES,
                refusals=("E_DEVICE_UNKNOWN", "E_DEVICE_WORD", "E_SIG"),
            ),
            Route(
                "GET",
                "/v1/offline/evidence/{kid}",
                "The proofs against a device, as files that anybody can check with ROOT alone.",
                self.evidence,
                "Evidence",
                _DEVICE,
            ),
        ]

    def _batch_routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/v1/offline/batches",
                "Hand in what a device has seen.",
                self.submit,
                "Acknowledgement",
                takes="a batch",
                limit_bytes=MOST_BATCH_BYTES,
            ),
            Route(
                "POST",
                "/v1/offline/syncs",
                "Hand in a batch with a sync request, and be answered.",
                self.sync,
                "Synced",
                takes="a batch that carries a sync request",
                limit_bytes=MOST_BATCH_BYTES,
                refusals=("E_SYNC_MISSING",),
            ),
            Route(
                "GET",
                "/v1/offline/outcomes/{subject}",
                "What became of a claim or a transfer.",
                self.outcome,
                "Outcome",
                {"subject": "the 32-byte id of the claim or the transfer in hexadecimal"},
                refusals=("E_CLAIM_UNKNOWN",),
            ),
        ]
