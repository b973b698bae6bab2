"""A small world for the tests of everything offline: the same keys, certificates and money on every machine.

One ROOT, an issuer of epoch 1, two banks, the status and the settlement key, a first TRUST list with one purpose, and
makers for devices, notes, transfers and invoices. Each field of each object can be overridden, so that a test forges
what it likes; `forge_envelope` signs even values that no record class would let pass.

    world = World()
    ayan = world.make_device("ayan")
    shop = world.make_device("shop", category=MERCHANT)
    note = world.make_note(ayan.kid, tenge(5_000))
    invoice = world.make_invoice(shop.key, tenge(1_000))
    paid = world.make_transfer(ayan.key, note, note, shop.kid, tenge(1_000), reference=invoice.oid)
    data = world.bundle([ayan.certificate], [(note, [paid])]).encode()

A device's counter and link are remembered and rise with each transfer made; a transfer whose counter or link is given
leaves them alone, which is just what a cheat does.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgpack

from cbdc.authority import BANK_CA, ISSUER, SETTLE, STATUS, Auth, Authority, make_root
from cbdc.keys import ED25519, SoftwareKey
from cbdc.money import tenge
from cbdc.record import OFFLINE_DOMAIN, Record, Signed, object_id, sign, signing_message
from cbdc.token import CANTEEN, PERSON, PUPIL, SUPPLIER
from offline.bundle import Bundle, HeldToken
from offline.parameters import DAY_SECONDS, limits_for
from offline.records import (
    PAY,
    REDEEM,
    TIER_SE,
    DeviceCertificate,
    Invoice,
    Note,
    Output,
    Receipt,
    RedeemOrder,
    Transfer,
    Trust,
    genesis_link,
)
from offline.trust import TrustView

START = 1_790_000_000
NOW = START + 10 * DAY_SECONDS
END = START + 1_000 * DAY_SECONDS

BANK_ONE = 1
BANK_TWO = 2
EPOCH = 1
MAX_NOTE_TIYN = tenge(500_000)
MEAL = 7
MEAL_ROW = (MEAL, ((PUPIL, (CANTEEN,)), (CANTEEN, (SUPPLIER,))), 0, 2, 1, ())


class Device(NamedTuple):
    """A device's key and its certificate; unpacks as `key, certificate`."""

    key: SoftwareKey
    certificate: Signed[DeviceCertificate]

    @property
    def kid(self) -> bytes:
        """The 32-byte key id."""
        return self.key.public.kid


def fixed_key(name: str, algorithm: int = ED25519) -> SoftwareKey:
    """The key that belongs to `name`, the same everywhere."""
    return SoftwareKey(algorithm, hashlib.sha256(b"tenge-test-key\0" + name.encode()).digest())


def fixed_bytes(name: str, size: int) -> bytes:
    """Bytes that belong to `name`, the same everywhere."""
    return hashlib.sha512(b"tenge-test-bytes\0" + name.encode()).digest()[:size]


class World:
    """Root, certificates, trust and makers; see the module's text. `name` makes another network with other keys."""

    def __init__(self, name: str = "world", authority_algorithm: int = ED25519) -> None:
        self.name = name
        self.root_key = self.key("root", authority_algorithm)
        self.issuer_key = self.key("issuer", authority_algorithm)
        self.bank_key = self.key("bank one", authority_algorithm)
        self.other_bank_key = self.key("bank two", authority_algorithm)
        self.status_key = self.key("status", authority_algorithm)
        self.settle_key = self.key("settle", authority_algorithm)
        self.root = make_root(self.root_key, START, END, f"Test {name}")
        bare = Authority(self.root)
        self.network = bare.network
        self.issuer_auth = self.make_auth(ISSUER, self.issuer_key, (EPOCH, MAX_NOTE_TIYN))
        self.bank_auth = self.make_auth(BANK_CA, self.bank_key, (BANK_ONE, 3))
        self.other_bank_auth = self.make_auth(BANK_CA, self.other_bank_key, (BANK_TWO, 3))
        self.status_auth = self.make_auth(STATUS, self.status_key)
        self.settle_auth = self.make_auth(SETTLE, self.settle_key)
        self.authority = Authority(
            self.root,
            [self.issuer_auth, self.bank_auth, self.other_bank_auth, self.status_auth, self.settle_auth],
        )
        self.first_trust = self.make_trust()
        self.trust = TrustView(self.authority, self.first_trust)
        self._logs: dict[bytes, tuple[int, bytes]] = {}
        self._numbers: dict[str, int] = {}

    def key(self, name: str, algorithm: int = ED25519) -> SoftwareKey:
        """The fixed key of `name` in this world."""
        return fixed_key(f"{self.name}/{name}", algorithm)

    def _next(self, what: str) -> int:
        self._numbers[what] = self._numbers.get(what, 0) + 1
        return self._numbers[what]

    def sign(self, record: Record, key: SoftwareKey, network: bytes | None = None) -> Signed[Any]:
        """`record` signed by `key` for this network, or another."""
        return sign(record, self.network if network is None else network, key)

    def make_auth(
        self,
        role: int,
        key: SoftwareKey,
        scope: tuple[int, ...] = (),
        signer: SoftwareKey | None = None,
        **fields: Any,
    ) -> Signed[Auth]:
        """A certificate from ROOT (or from `signer`)."""
        values = {
            "role": role,
            "algorithm": key.public.algorithm,
            "public_key": key.public.raw,
            "not_before": START,
            "expires": END,
            "scope": scope,
        }
        return self.sign(Auth(**{**values, **fields}), signer or self.root_key)

    def make_trust(
        self, sequence: int = 1, signer: SoftwareKey | None = None, **fields: Any
    ) -> Signed[Trust]:
        """A TRUST list; without more it is the first, with the purpose MEAL and nothing revoked."""
        values: dict[str, Any] = {
            "sequence": sequence,
            "base_sequence": 0,
            "issued": NOW - DAY_SECONDS + sequence,
            "next_update": NOW + 7 * DAY_SECONDS,
            "revoked_kids": (),
            "revoked_references": (),
            "tainted_notes": (),
            "policy": (),
            "purposes": (MEAL_ROW,),
        }
        return self.sign(Trust(**{**values, **fields}), signer or self.status_key)

    def make_device(
        self,
        name: str,
        algorithm: int = ED25519,
        tier: int = TIER_SE,
        category: int = PERSON,
        ca: SoftwareKey | None = None,
        signer: SoftwareKey | None = None,
        **fields: Any,
    ) -> Device:
        """A device's key and certificate from bank one (or from the bank whose key is `ca`)."""
        key = self.key(name, algorithm)
        bank = ca or self.bank_key
        values: dict[str, Any] = {
            "ca_reference": bank.public.kid[:8],
            "device_id": fixed_bytes(f"{self.name}/{name}/device", 16),
            "algorithm": algorithm,
            "public_key": key.public.raw,
            "tier": tier,
            "category": category,
            "limits": limits_for(tier, category) if tier <= 3 else limits_for(TIER_SE, category),
            "not_before": START,
            "expires": START + 400 * DAY_SECONDS,
            "certificate_number": self._next("certificate"),
        }
        return Device(key, self.sign(DeviceCertificate(**{**values, **fields}), signer or bank))

    def make_note(
        self,
        owner: bytes,
        amount_tiyn: int,
        signer: SoftwareKey | None = None,
        network: bytes | None = None,
        **fields: Any,
    ) -> Signed[Note]:
        """A note for the device `owner`; serials count up from journal entry 1."""
        number = self._next("note")
        values: dict[str, Any] = {
            "issuer_reference": self.issuer_key.public.kid[:8],
            "serial": EPOCH.to_bytes(4, "big") + number.to_bytes(8, "big") + bytes(4),
            "amount_tiyn": amount_tiyn,
            "owner": owner,
            "purpose": 0,
            "max_hops": 5,
            "max_length": 12,
            "issued": START + 5 * DAY_SECONDS,
            "spend_by": START + 65 * DAY_SECONDS,
            "redeem_by": START + 95 * DAY_SECONDS,
            "load_number": number,
        }
        return self.sign(Note(**{**values, **fields}), signer or self.issuer_key, network)

    def make_invoice(self, payee_key: SoftwareKey, amount_tiyn: int, **fields: Any) -> Signed[Invoice]:
        """A payee's request; nonces and numbers count up."""
        number = self._next("invoice")
        values: dict[str, Any] = {
            "payee": payee_key.public.kid,
            "invoice_number": number,
            "nonce": fixed_bytes(f"{self.name}/invoice/{number}", 16),
            "amount_tiyn": amount_tiyn,
            "purpose": 0,
            "expires": NOW + 600,
            "trust_sequence": 1,
            "max_parts": 8,
            "max_bytes": 24 * 1_024,
            "offer": b"",
            "memo": b"",
        }
        return self.sign(Invoice(**{**values, **fields}), payee_key)

    def make_receipt(
        self, payee_key: SoftwareKey, invoice: Signed[Invoice], **fields: Any
    ) -> Signed[Receipt]:
        """A payee's receipt for `invoice`."""
        values: dict[str, Any] = {
            "payee": payee_key.public.kid,
            "invoice": invoice.oid,
            "payment_root": fixed_bytes("payment root", 32),
            "status": 1,
            "time": NOW,
        }
        return self.sign(Receipt(**{**values, **fields}), payee_key)

    def make_redeem_order(
        self, kid: bytes, bank_key: SoftwareKey | None = None, **fields: Any
    ) -> Signed[RedeemOrder]:
        """A bank's order that lets `kid` redeem to the account `fixed_bytes("account", 32)`."""
        values: dict[str, Any] = {
            "kid": kid,
            "account": fixed_bytes("account", 32),
            "nonce": fixed_bytes(f"{self.name}/order/{self._next('order')}", 16),
            "expires": NOW + 600,
        }
        return self.sign(RedeemOrder(**{**values, **fields}), bank_key or self.bank_key)

    def make_transfer(
        self,
        payer_key: SoftwareKey,
        parent: Signed[Any],
        note: Signed[Note],
        payee: bytes,
        amount_tiyn: int,
        signer: SoftwareKey | None = None,
        network: bytes | None = None,
        **fields: Any,
    ) -> Signed[Transfer]:
        """`payer_key` spends its output of `parent` (a note or a transfer): `amount_tiyn` to `payee`, the rest back.

        Every field may be overridden by name; `signer` signs in the payer's place. With kind=REDEEM, `payee` is the
        account.
        """
        kid = payer_key.public.kid
        kind = fields.get("kind", PAY)
        index = fields.get("index", owned_index(parent, kid))
        held = output_at(parent, index)
        counter, head = self._logs.get(kid, (0, genesis_link(kid)))
        own_log = "counter" not in fields and "link" not in fields
        outputs = (Output(amount_tiyn, payee),)
        if held.amount_tiyn > amount_tiyn:
            outputs = (*outputs, Output(held.amount_tiyn - amount_tiyn, kid))
        values: dict[str, Any] = {
            "kind": kind,
            "previous": parent.oid,
            "index": index,
            "outputs": outputs,
            "payer": kid,
            "counter": counter + 1,
            "link": head,
            "reference": fixed_bytes("reference", 32),
            "part": 0,
            "parts": 1,
            "hop": hop_at(parent, index) + (0 if kind == REDEEM else 1),
            "length": (parent.record.length if isinstance(parent.record, Transfer) else 0) + 1,
            "purpose": note.record.purpose,
            "spend_by": note.record.spend_by,
            "trust_sequence": 1,
            "sync_time": NOW - DAY_SECONDS,
            "time": NOW,
        }
        transfer = self.sign(Transfer(**{**values, **fields}), signer or payer_key, network)
        if own_log:
            self._logs[kid] = (counter + 1, transfer.oid)
        return transfer

    def line(self, note: Signed[Note], *transfers: Signed[Transfer]) -> HeldToken:
        """A note with its transfers."""
        return HeldToken(note, transfers)

    def bundle(
        self,
        certificates: Sequence[Signed[DeviceCertificate]],
        tokens: Sequence[tuple[Signed[Note], Sequence[Signed[Transfer]]] | HeldToken],
    ) -> Bundle:
        """A bundle of these certificates and lines."""
        held = tuple(
            token if isinstance(token, HeldToken) else HeldToken(token[0], tuple(token[1]))
            for token in tokens
        )
        return Bundle(tuple(certificates), held)

    def forge_envelope(self, type: int, values: Sequence[Any], signer: SoftwareKey) -> list[Any]:
        """`[type, body, signature]` over any values at all, rightly signed: what only an opened device would make."""
        body: bytes = msgpack.packb(list(values), use_bin_type=True)
        oid = object_id(OFFLINE_DOMAIN, type, self.network, body)
        return [type, body, signer.sign(signing_message(OFFLINE_DOMAIN, type, oid))]


def output_at(parent: Signed[Any], index: int) -> Output:
    """Output `index` of a note or a transfer; an empty one when there is none (for forgers)."""
    if isinstance(parent.record, Note):
        return Output(parent.record.amount_tiyn, parent.record.owner)
    outputs = parent.record.outputs
    return outputs[index] if index < len(outputs) else Output(0, b"")


def owned_index(parent: Signed[Any], kid: bytes) -> int:
    """The place of the output of `parent` that `kid` owns; 0 when it owns none."""
    if isinstance(parent.record, Transfer):
        for index, output in enumerate(parent.record.outputs):
            if output.owner == kid:
                return index
    return 0


def hop_at(parent: Signed[Any], index: int) -> int:
    """The hop that output `index` of `parent` stands at: change keeps the hop of what was spent."""
    if not isinstance(parent.record, Transfer):
        return 0
    hop: int = parent.record.hop
    return hop - 1 if index == 1 and parent.record.kind == PAY else hop
