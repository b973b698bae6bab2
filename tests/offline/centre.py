"""The centre for tests: the ledger's small world, with offline certificates, devices, and a reconciler over it.

    centre = Centre()
    ayan, bota = centre.device("ayan"), centre.device("bota")
    note, = centre.load("ayan", 1_000)
    paid = centre.spend(note, 0, bota, 400)
    home = centre.take_home(paid, 0, bota)
    centre.hand_in(note, paid, home)
    centre.wallet("bota")                     # 400

Devices here are plain keys: they sign whatever a test asks. Their owners have wallets of the same name on the ledger.
`centre.reconciler` is the first reconciler; `open_reconciler` opens another over the same or another archive.
"""

from typing import Any, NamedTuple

from cbdc import authority
from cbdc.authority import Authority
from cbdc.keys import SoftwareKey
from cbdc.ledger.store import Store
from cbdc.ports import Checkpoint, no_checkpoint
from cbdc.record import Record, Signed, sign
from cbdc.token import PERSON
from cbdc.transaction import LoadOffline
from offline.archive import ArchiveStore, MemoryArchive
from offline.batch import make_batch
from offline.beacon import Beacon
from offline.escrow import EscrowBook
from offline.issue import NoteIssuer
from offline.parameters import GRACE_SECONDS, INTERMITTENT, REDEEM_BY_SECONDS, SPEND_BY_SECONDS, limits_for
from offline.posting import Recourse
from offline.reconcile import Reconciler, Settings
from offline.records import (
    REDEEM,
    TIER_SE,
    DeviceCertificate,
    Invoice,
    Note,
    RedeemOrder,
    SubmitAck,
    SyncRequest,
    Transfer,
    Trust,
)
from offline.settle import ISSUER, WATERFALL, LossPolicy
from tests.cbdc.world import DAY, END, START, World, fixed_bytes, ids
from tests.offline.fakes import Logs, held

EPOCH = 1
MAX_NOTE_TIYN = 50_000_000
CLOSE_DAYS = (SPEND_BY_SECONDS.default + REDEEM_BY_SECONDS.default + GRACE_SECONDS.default) // DAY

_OFFLINE_AUTHS = (
    ("issuer", authority.ISSUER, (EPOCH, MAX_NOTE_TIYN), START, END),
    ("ca1", authority.BANK_CA, (1, 3), START, END),
    ("ca2", authority.BANK_CA, (2, 3), START, END),
    ("status", authority.STATUS, (), START, END),
)


class Owned(NamedTuple):
    """A device: its name, key id and certificate."""

    name: str
    kid: bytes
    certificate: Signed[DeviceCertificate]


class Centre(World):
    """See the module's text."""

    def __init__(
        self,
        store: Store | None = None,
        archive: ArchiveStore | None = None,
        policy: LossPolicy | None = None,
        reserve_tiyn: int = 0,
        recourse: Recourse | None = None,
        name: str = "world",
        beacon: Beacon | None = None,
    ) -> None:
        super().__init__(store, name, extra_auths=_OFFLINE_AUTHS)
        self.authority = Authority(self.root, self.auths)
        self.devices: dict[bytes, Owned] = {}
        self.logs = Logs(self._sign_for)
        self.archive = archive or MemoryArchive()
        self.loss_policy = policy or LossPolicy(WATERFALL)
        self.recourse = recourse
        self.beacon = beacon
        self.sequence = 0
        self._batches = 0
        self._load_numbers: dict[bytes, int] = {}
        self._invoices: dict[bytes, int] = {}
        self.issuer = NoteIssuer(self.ledger, self.authority, [self.key("issuer")], lambda time: INTERMITTENT)
        self.book = EscrowBook(self.ledger, self.kid("escrow"), self.kid("reserve"))
        if reserve_tiyn:
            self.issue("reserve", reserve_tiyn)
        self.reconciler = self.open_reconciler()

    def open_reconciler(
        self,
        archive: ArchiveStore | None = None,
        checkpoint: Checkpoint = no_checkpoint,
        ledger: Any = None,
        **more: Any,
    ) -> Reconciler:
        """A reconciler over this ledger and the given archive (the centre's own by default)."""
        return Reconciler(
            archive or self.archive,
            ledger or self.ledger,
            self.issuer.registry,
            self.authority,
            self.key("settle"),
            self.clock,
            Settings(self.kid("escrow"), self.kid("reserve"), self.loss_policy, beacon=self.beacon),
            lambda kid: self.kid(self.devices[kid].name) if kid in self.devices else None,
            self.recourse,
            checkpoint,
            **more,
        )

    # --- devices ---

    def _sign_for(self, record: Record, kid: bytes) -> Signed[Any]:
        return sign(record, self.network, self.device_key(self.devices[kid].name))

    def device_key(self, name: str) -> SoftwareKey:
        """The key of the device of that name."""
        return self.key(f"{name}/device")

    def device(self, name: str, category: int = PERSON, known: bool = True, **fields: Any) -> Owned:
        """A certified device and its owner's registered wallet; `known` hands the certificate to the reconciler."""
        key = self.device_key(name)
        values: dict[str, Any] = {
            "ca_reference": self.kid("ca1")[:8],
            "device_id": fixed_bytes(f"{name}/id", 16),
            "algorithm": key.public.algorithm,
            "public_key": key.public.raw,
            "tier": TIER_SE,
            "category": category,
            "limits": limits_for(TIER_SE, category),
            "not_before": START,
            "expires": END,
            "certificate_number": len(self.devices) + 1,
        }
        certificate = sign(DeviceCertificate(**{**values, **fields}), self.network, self.key("ca1"))
        owned = Owned(name, key.public.kid, certificate)
        self.devices[owned.kid] = owned
        self.register(name, category, tier=2)
        if known:
            self.hand_in(certificate)
        return owned

    def load_notes(self, name: str, *amounts_tiyn: int, mark: bytes = b"") -> list[Signed[Note]]:
        """The owner buys money (or uses marked money) and loads it: one note each."""
        device = self.device_key(name).public.kid
        if not mark:
            self.fund((name, sum(amounts_tiyn)))
        inputs = tuple(identity for identity, _ in self.funds(name, mark))
        total = sum(token.amount_tiyn for _, token in self.funds(name, mark))
        outputs = [self.token("escrow", amount, mark) for amount in amounts_tiyn]
        if total > sum(amounts_tiyn):
            outputs.append(self.token(name, total - sum(amounts_tiyn), mark))
        number = self._load_numbers.get(device, 0) + 1
        self._load_numbers[device] = number + len(amounts_tiyn) - 1
        made = self.do(LoadOffline(self.nonce(), inputs, tuple(outputs), device, number), name)
        assert ids(made)
        self.book.refresh()
        return self.issuer.notes(self.book.new_loads()[-1])

    def spend(
        self, parent: Signed[Any], index: int, payee: Owned, amount_tiyn: int, **fields: Any
    ) -> Signed[Transfer]:
        """The owner of an output pays."""
        return self.logs.transfer(parent, index, payee.kid, amount_tiyn, **fields)

    def order(self, device: Owned, account: str | None = None, ca: str = "ca1") -> Signed[RedeemOrder]:
        """The bank's order to redeem to the owner's wallet (or another), always the same for the same two."""
        name = account or device.name
        nonce = fixed_bytes(f"order/{device.name}/{name}", 16)
        return sign(RedeemOrder(device.kid, self.kid(name), nonce, END), self.network, self.key(ca))

    def take_home(
        self,
        parent: Signed[Any],
        index: int,
        device: Owned,
        amount_tiyn: int = 0,
        hand_in: bool = True,
        **fields: Any,
    ) -> Signed[Transfer]:
        """The device redeems (all by default) under its bank's order, which the reconciler gets to know."""
        order = self.order(device)
        if hand_in:
            self.reconciler.submit(order)
        amount = amount_tiyn or held(parent, index).amount_tiyn
        values = {"kind": REDEEM, "reference": order.oid, **fields}
        return self.logs.transfer(parent, index, self.kid(device.name), amount, **values)

    def invoice(self, device: Owned, trust_sequence: int | None = None) -> Signed[Invoice]:
        """The device's next invoice."""
        number = self._invoices.get(device.kid, 0) + 1
        self._invoices[device.kid] = number
        sequence = self.sequence if trust_sequence is None else trust_sequence
        nonce = fixed_bytes(f"invoice/{device.name}/{number}", 16)
        record = Invoice(device.kid, number, nonce, 1, 0, END, sequence, 8, 24_000, b"", b"")
        return self._sign_for(record, device.kid)

    def declare(
        self, device: Owned, number: int, *purse: tuple[bytes, int, int], **fields: Any
    ) -> Signed[SyncRequest]:
        """The device's SYNC_REQ with its present log head and last invoice number."""
        counter, head = self.logs.head(device.kid)
        values: dict[str, Any] = {
            "kid": device.kid,
            "sync_number": number,
            "counter": counter,
            "head": head,
            "invoice_number": self._invoices.get(device.kid, 0),
            "purse": purse,
            "out_total_tiyn": 0,
            "in_total_tiyn": 0,
            "out_count": counter,
            "in_count": 0,
            "trust_sequence": 1,
            "nonce": fixed_bytes(f"sync/{device.name}/{number}", 16),
        }
        return self._sign_for(SyncRequest(**{**values, **fields}), device.kid)

    def revoke(self, *devices: Owned) -> Signed[Trust]:
        """A new TRUST list that revokes these devices, published."""
        self.sequence += 1
        now = self.clock.now()
        kids = tuple(device.kid[:16] for device in devices)
        trust = sign(
            Trust(self.sequence, 0, now, now + DAY, kids, (), (), (), ()), self.network, self.key("status")
        )
        self.reconciler.publish(trust)
        return trust

    # --- handing in ---

    def batch(self, *objects: Signed[Any]) -> bytes:
        """The bytes of a new batch of loose objects."""
        self._batches += 1
        return make_batch(fixed_bytes(f"batch/{self._batches}", 16), objects=objects).encode()

    def hand_in(self, *objects: Signed[Any]) -> Signed[SubmitAck]:
        """Hand these objects to the first reconciler in one batch."""
        return self.reconciler.ingest(self.batch(*objects))

    # --- looking ---

    def wallet(self, name: str) -> int:
        """What the wallet of that name holds online."""
        return sum(token.amount_tiyn for _, token in self.ledger.owned(self.kid(name)))

    def close(self) -> None:
        """Let every note close, and book what is due."""
        self.clock.advance((CLOSE_DAYS + 1) * DAY)
        self.reconciler.tick()


ISSUER_POLICY = LossPolicy(ISSUER)
