"""The whole offline system for tests: the ledger's small world, the desk behind it, and people with real devices.

desk = Desk()
ayan, shop = desk.join("ayan"), desk.join("shop", category=MERCHANT)
desk.take_offline("ayan", 5_000, 2_000)
desk.hand_over("ayan", "shop", 3_000)
desk.send_home("shop")
desk.sync("shop")
desk.wallet("shop")                       # 3 000
"""

from collections.abc import Sequence
from typing import Any

from cbdc import authority
from cbdc.authority import Authority
from cbdc.ledger.store import Store
from cbdc.orders import HolderProof
from cbdc.ports import Checkpoint, SeededEntropy, no_checkpoint
from cbdc.record import Signed
from cbdc.token import PERSON
from cbdc.transaction import LoadOffline
from offline.bundle import Bundle, HeldToken
from offline.device import Device
from offline.element import SimulatedSecureElement
from offline.gateway import (
    DeviceTerms,
    OfflineCentre,
    OfflineKeys,
    OfflineStores,
    ask_to_enrol,
    memory_stores,
)
from offline.host_store import MemoryHostStore
from offline.journal import MemoryJournal
from offline.opened import OpenedElement, open_for_attack
from offline.parameters import INTERMITTENT, Policy
from offline.posting import Recourse
from offline.reconcile import Settings
from offline.records import TIER_SE, Enrol, Invoice, Outpoint, Receipt, SyncAck
from offline.settle import LossPolicy
from tests.cbdc.world import BANK_ONE, BANK_TWO, DAY, END, START, World

EPOCH = 1
MAX_NOTE_TIYN = 50_000_000

_OFFLINE_AUTHS = (
    ("issuer", authority.ISSUER, (EPOCH, MAX_NOTE_TIYN), START, END),
    ("issuer-2", authority.ISSUER, (EPOCH + 1, MAX_NOTE_TIYN), START, END),
    ("issuer-3", authority.ISSUER, (EPOCH + 2, MAX_NOTE_TIYN), START + 300 * DAY, END),
    ("ca1", authority.BANK_CA, (BANK_ONE, 3), START, END),
    ("ca2", authority.BANK_CA, (BANK_TWO, 2), START, END),
    ("status", authority.STATUS, (), START, END),
)


class Desk(World):
    """See the module's text."""

    def __init__(
        self,
        store: Store | None = None,
        stores: OfflineStores | None = None,
        reserve_tiyn: int = 0,
        loss_policy: LossPolicy | None = None,
        recourse: Recourse | None = None,
        policy: Policy = INTERMITTENT,
    ) -> None:
        super().__init__(store, extra_auths=_OFFLINE_AUTHS)
        self.authority = Authority(self.root, self.auths)
        self.stores = stores or memory_stores()
        self.loss_policy = loss_policy or LossPolicy()
        self.recourse = recourse
        self.entropy = SeededEntropy(11)
        self.people: dict[str, Device] = {}
        self.hosts: dict[str, MemoryHostStore] = {}
        self.journals: dict[str, MemoryJournal] = {}
        self.terms: dict[bytes, DeviceTerms] = {}
        self._ids = 0
        if reserve_tiyn:
            self.issue("reserve", reserve_tiyn)
        self.centre = self.open_centre()
        self.centre.publish(b"first list", policy=policy)

    def open_centre(
        self, stores: OfflineStores | None = None, checkpoint: Checkpoint = no_checkpoint, **changes: Any
    ) -> OfflineCentre:
        """The desk over this ledger and these stores (its own by default)."""
        keys = OfflineKeys(
            [self.key(name) for name in ("issuer", "issuer-2", "issuer-3")],
            self.key("status"),
            self.key("settle"),
            {1: self.key("ca1"), 2: self.key("ca2")},
        )
        values: dict[str, Any] = {
            "ledger": self.ledger,
            "authority": self.authority,
            "keys": keys,
            "stores": stores or self.stores,
            "settings": Settings(self.kid("escrow"), self.kid("reserve"), self.loss_policy),
            "clock": self.clock,
            "entropy": self.entropy,
            "recourse": self.recourse,
            "checkpoint": checkpoint,
            "terms": lambda enrol, account: self.terms.get(account, DeviceTerms(TIER_SE)),
        }
        return OfflineCentre(**{**values, **changes})

    def next_id(self) -> bytes:
        """A request id that was not used before."""
        self._ids += 1
        return self._ids.to_bytes(16, "big")

    # --- devices ---

    def bare(self, name: str, attacks_allowed: bool = True) -> SimulatedSecureElement:
        """The element of that name: from the factory, or opened again from its journal."""
        journal = self.journals.setdefault(name, MemoryJournal())
        return SimulatedSecureElement(journal, self.entropy, name.encode(), attacks_allowed=attacks_allowed)

    def join(
        self, name: str, category: int = PERSON, tier: int = TIER_SE, bank: int = BANK_ONE, share: int = 1
    ) -> Device:
        """A person with a wallet at the bank and an enrolled device."""
        account = self.register(name, category, tier=2, bank=bank)
        element = self.bare(name)
        challenge = self.centre.challenge(bank, name.encode())
        enrol = element.enrol(self.network, bank, challenge)
        self.terms[account] = DeviceTerms(tier, share)
        certificate = self.centre.enrol(enrol, self.word(enrol, name))
        element.provision(self.centre.trust_view, certificate)
        self.hosts[name] = MemoryHostStore()
        self.people[name] = Device(element, self.hosts[name])
        return self.people[name]

    def word(self, enrol: Signed[Enrol], name: str) -> Signed[HolderProof]:
        """The word of that wallet's owner that it asks for this device."""
        return ask_to_enrol(enrol, self.key(name), self.network, self.clock.now(), bytes(16))

    def restart(self, name: str) -> Device:
        """The device of that name after a crash of its host and its element."""
        self.people[name] = Device(self.bare(name), self.hosts[name])
        self.people[name].recover(self.clock.now())
        return self.people[name]

    # --- money ---

    def take_offline(self, name: str, *amounts_tiyn: int, mark: bytes = b"", receive: bool = True) -> None:
        """Buy money (or use marked money), load it in notes of these amounts, and let the device take them."""
        device = self.people[name]
        if not mark:
            self.fund((name, sum(amounts_tiyn)))
        funds = self.funds(name, mark)
        total = sum(token.amount_tiyn for _, token in funds)
        outputs = [self.token("escrow", amount, mark) for amount in amounts_tiyn]
        if total > sum(amounts_tiyn):
            outputs.append(self.token(name, total - sum(amounts_tiyn), mark))
        last = self.centre.notes(device.kid)
        number = last[-1].record.load_number + 1 if last else 1
        inputs = tuple(identity for identity, _ in funds)
        self.do(LoadOffline(self.nonce(), inputs, tuple(outputs), device.kid, number), name)
        if receive:
            self.fetch(name)

    def fetch(self, name: str) -> None:
        """Let the device take the notes it does not have yet."""
        device = self.people[name]
        now = self.clock.now()
        for note in self.centre.notes(device.kid, device.status(now).load_number):
            device.load(note, now)

    def hand_over(self, payer: str, payee: str, amount_tiyn: int, purpose: int = 0) -> Signed[Receipt]:
        """One whole payment, flow Q."""
        now = self.clock.now()
        invoice = self.people[payee].invoice(self.next_id(), amount_tiyn, purpose, now)
        payment = self.people[payer].pay(invoice, self.people[payee].certificate, now)
        receipt = self.people[payee].receive(payment, invoice, now)
        self.people[payer].keep_receipt(receipt)
        return receipt

    def send_home(self, name: str, amount_tiyn: int | None = None) -> None:
        """Redeem an amount, or all."""
        device = self.people[name]
        order = self.centre.redeem_order(self.next_id(), device.kid)
        device.redeem(order, self.clock.now(), amount_tiyn)

    def sync(self, name: str) -> Signed[SyncAck]:
        """A whole sync: batches in order, the acknowledgement, the newest list."""
        device = self.people[name]
        now = self.clock.now()
        batches = device.sync(self.next_id(), now)
        for batch in batches[:-1]:
            self.centre.submit(batch.encode())
        answer = self.centre.sync(batches[-1].encode())
        device.sync_commit(answer.sync, now)
        device.trust(self.centre.trust(device.trust_view.sequence))
        return answer.sync

    # --- attacks ---

    def opened(self, name: str) -> OpenedElement:
        """An opened copy of the element of that name, as it is now."""
        element = self.people[name].element
        assert isinstance(element, SimulatedSecureElement)
        return open_for_attack(element, "a test of the desk")

    def pay_opened(
        self, opened: OpenedElement, payee: Device, invoice: Signed[Invoice], picks: Sequence[Outpoint] = ()
    ) -> bytes:
        """A payment with notes that the opened element holds (all of them by default): the bytes to hand over."""
        now = self.clock.now()
        notes = {note.oid: note for note in self.centre.notes(opened.public_key.kid)}
        chosen = picks or sorted(opened.status(now).purse)
        transfers = opened.pay(invoice, payee.certificate, chosen, now)
        lines = tuple(HeldToken(notes[transfer.record.previous], (transfer,)) for transfer in transfers)
        return Bundle((opened.certificate,), lines).encode()

    # --- looking ---

    def wallet(self, name: str) -> int:
        """What the wallet of that name holds online."""
        return sum(token.amount_tiyn for _, token in self.ledger.owned(self.kid(name)))

    def purse(self, name: str) -> int:
        """What the device of that name holds."""
        return self.people[name].balance_tiyn(self.clock.now())

    def check(self) -> None:
        """The ledger, the books and the graph agree."""
        totals = self.centre.reconciler.totals()
        table = self.ledger.supply()
        assert table.escrow_tiyn == totals.escrow_tiyn
        assert table.loss_reserve_tiyn == totals.reserve_tiyn
