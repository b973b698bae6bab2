"""What the cast does with no network, and what happens when the network is back.

Devices are simulated secure elements with a journal each, their hosts keep rows beside them, and settlement is the
real reconciler on the sandbox's own ledger. Every call takes the id of what it is; a call that was cut off is
completed by repeating it with the same id.

Mass runs write the elements' journals without waiting for the disk (`durable=False`): a killed process loses nothing,
a power cut might. The ledger, the books and the archive always wait.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cbdc import canonical
from cbdc.cabinet import Row
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.keys import ES256
from cbdc.ledger.entry import Receipt
from cbdc.marks import MarkDefinition
from cbdc.ports import Checkpoint, Clock, Entropy
from cbdc.private import make_folder
from cbdc.record import Signed, Unsigned, open_envelope
from cbdc.system import System
from offline.archive import SqliteArchive
from offline.authority import purpose_rows
from offline.beacon import SimulatedBeacon, simulated_beacon
from offline.bundle import open_bundle
from offline.device import Device
from offline.element import SimulatedSecureElement
from offline.element_protocol import ElementStatus
from offline.escrow import NONCE_BYTES
from offline.gateway import (
    DeviceTerms,
    OfflineCentre,
    OfflineKeys,
    OfflineStores,
    ask_to_enrol,
    memory_stores,
)
from offline.host_store import HostStore, MemoryHostStore, SqliteHostStore
from offline.journal import Journal, MemoryJournal
from offline.journal_store import JournalStore
from offline.loss_policy import WATERFALL, loss_policy
from offline.opened import OpenedElement, open_for_attack
from offline.parameters import GRACE_SECONDS, INTERMITTENT, SETTABLE, Policy, preset, value_of
from offline.purse import check_in, check_slots
from offline.reconcile import Settings
from offline.records import Enrol, Transfer, Trust
from wallets.case import Case, tell_case
from wallets.cast import Member
from wallets.desk import Answers, derived
from wallets.recourse import CourtRecourse
from wallets.store import WalletStore
from wallets.wallet import find_tokens_of, refresh, send

DAY_SECONDS = 86_400
PLAIN = 0
_REDEEMED = "offline redemptions"
_TYPE_PLACE = 1  # of an envelope's bytes: [type, body, signature], the type below 128


def named_numbers(named: Mapping[str, int], mode: str = "intermittent") -> Policy:
    """The numbers of the offline policy by id: those of a preset, and over them what is named.

    Raises E_PARAMETER_SET, and E_PARAMETERS for a name that no plan sets.
    """
    ids = {one.name: one.id for one in SETTABLE}
    for name in named:
        if name not in ids:
            raise Refused("E_PARAMETERS", problem=f"a plan sets no number {name[:40]}")
    return {**preset(mode), **{ids[name]: value for name, value in named.items()}}


def devices_of(member: Member) -> list[Device]:
    """A member's own device; a clone is the same money twice and does not count."""
    return [] if member.device is None else [member.device]


class Field:
    """The offline side of a sandbox."""

    def __init__(
        self,
        system: System,
        entropy: Entropy,
        clock: Clock,
        folder: Path | None,
        checkpoint: Checkpoint,
        store: WalletStore,
        durable: bool = False,
        titles: Mapping[str, str] | None = None,
        numbers: Policy = INTERMITTENT,
        loss: tuple[str, str] = (WATERFALL, ""),
    ) -> None:
        """`numbers` are those of the offline policy that have another value than their default (`named_numbers`);
        `loss` is the loss policy's name, and the reason to open FIRST_SEEN for a study. Raises E_LOSS_POLICY."""
        self._system = system
        self._parameters = dict(numbers)
        self._titles = titles or {}
        self._entropy = entropy
        self._clock = clock
        self._store = store
        self._folder = None if folder is None else folder / "offline"
        self._journals: JournalStore | None = None
        self._hosts: HostStore = MemoryHostStore()
        self._clone_hosts: HostStore = MemoryHostStore()
        stores = memory_stores()
        if self._folder is not None:
            make_folder(self._folder)
            self._journals = JournalStore(self._folder / "elements.journal", durable, checkpoint)
            self._hosts = SqliteHostStore(self._folder / "hosts.sqlite", durable)
            self._clone_hosts = SqliteHostStore(self._folder / "clones.sqlite", durable)
            names = ("evidence", "devices", "lists")
            stores = OfflineStores(*(SqliteArchive(self._folder / f"{name}.sqlite") for name in names))
        self._stores = stores
        self._owners: dict[bytes, Member] = {}
        self._tiers: dict[bytes, int] = {}
        self._outside_tier: int | None = None
        self._definitions: tuple[MarkDefinition, ...] = ()
        keys = system.keys
        self.centre = OfflineCentre(
            system.ledger,
            system.authority,
            OfflineKeys(system.issuers, keys.status, keys.settle, {n: keys.bank_ca(n) for n in system.banks}),
            stores,
            Settings(
                system.escrow_kid,
                system.loss_reserve_kid,
                loss_policy(loss[0], self._parameters, loss[1]),
                value_of(GRACE_SECONDS, self._parameters),
                self._beacon(),
            ),
            clock,
            entropy,
            CourtRecourse(system, self._owner_of, clock),
            checkpoint,
            self._terms,
        )
        self.reconciler = self.centre.reconciler
        self.payments = 0

    def _beacon(self) -> SimulatedBeacon:
        """The parties of the LOTTERY's beacon: the National Bank and every bank, each with a secret (simulated)."""
        begins = self._system.authority.root.record.not_before
        names = ("National Bank", *(bank.name for bank in self._system.banks.values()))
        return simulated_beacon(
            lambda name: self._entropy.bytes("offline.beacon", name.encode(), 32), names, begins
        )

    def _bank_id(self, member: Member) -> int:
        return next(number for number, bank in self._system.banks.items() if bank.name == member.bank)

    def open_to_wallets(self, tier: int) -> None:
        """Let wallets outside this process enrol devices of this tier: every account that the ledger knows."""
        self._outside_tier = tier

    def _outside_owner(self, device: bytes) -> tuple[bytes, int] | None:
        """The account that the register of devices names, and its bank; None when this field knows no such device."""
        account = None if self._outside_tier is None else self.centre.account_of(device)
        known = None if account is None else self._system.ledger.registered(account)
        return None if account is None or known is None else (account, known.bank_id)

    def _owner_of(self, device: bytes) -> tuple[bytes, int]:
        owner = self._owners.get(device)
        outside = None if owner is not None else self._outside_owner(device)
        if outside is not None:
            return outside
        if owner is None:
            # A sandbox opened again settles before its whole cast is back. "Nobody" would stand for ever as the answer
            # and the loss reserve would pay; a case that could not ask stays open, and asks again.
            raise Unavailable("E_STORE_UNAVAILABLE", detail="a device's owner has not come back yet")
        return owner.wallet.kid, self._bank_id(owner)

    def _terms(self, enrol: Signed[Enrol], account: bytes) -> DeviceTerms:
        """The bank's side: an account gets a device of the tier that its bank gave it, and no other."""
        tier = self._tiers.get(account, self._outside_tier)
        if tier is None:
            raise Refused("E_DEVICE_WORD", kid=account)
        return DeviceTerms(tier)

    def close(self) -> None:
        """Release every file."""
        if self._journals is not None:
            self._journals.close()
        for store in (self._hosts, self._clone_hosts):
            if isinstance(store, SqliteHostStore):
                store.close()
        self.centre.close()

    # --- devices and trust ---

    def publish(self, definitions: Sequence[MarkDefinition]) -> None:
        """Make the purposes of these marks known in the first TRUST list; again: the same list."""
        self._definitions = tuple(definitions)
        rows = purpose_rows(definitions)
        request = b"purposes" + derived(*(d.body() for d in definitions))
        self.centre.publish(request, policy=self._parameters, purposes=rows)

    def fresh_trust(self) -> Signed[Trust]:
        """Every day on which somebody syncs has a list of its own, so that devices never grow stale in between."""
        return self.centre.publish(b"day" + str(self._clock.now() // DAY_SECONDS).encode())

    def _lists_for(self, newer_than: int, now: int) -> Sequence[Signed[Trust]]:
        """The lists a device learns at a sync: up to today's, or to a newer one that was out before this moment.

        A list made while devices are syncing (a cheat was just found) reaches them at their next sync, all alike; so a
        run that was cut off in the middle of a sync ends like one that was not.
        """
        earlier = [one for one in self.centre.lists.lists if one.record.issued < now]
        newest = max(one.record.sequence for one in (self.fresh_trust(), *earlier))
        return self.centre.lists.chain(newer_than, newest)

    def _journal(self, name: str) -> Journal:
        return MemoryJournal() if self._journals is None else self._journals.journal(name)

    def enrol(self, member: Member, tier: int, bank_id: int, serial: int = 0) -> None:
        """Give a member a device: element, proof of possession, certificate, first TRUST list. Again: the same one.

        A later `serial` is another device of the same owner, whose wallet has another key by now.
        """
        name = member.wallet.kid.hex()[:32]
        identity = derived("element", member.name, *([serial] if serial else []))
        element = SimulatedSecureElement(
            self._journal(name), self._entropy, identity, ES256, attacks_allowed=True
        )
        self._tiers[member.wallet.kid] = tier
        # A device that has its certificate asks for none: its owner may have another key or another bank since.
        if element.status(self._clock.now()).certificate is None:
            request = derived("device", member.customer, serial) if serial else member.customer
            challenge = self.centre.challenge(bank_id, request)
            proof = element.enrol(self._system.network, bank_id, challenge)
            nonce = derived("enrol", proof.oid)[:NONCE_BYTES]
            word = ask_to_enrol(proof, member.wallet.signer, self._system.network, self._clock.now(), nonce)
            element.provision(self.centre.trust_view, self.centre.enrol(proof, word))
        member.device = Device(element, self._hosts)
        member.device.recover(self._clock.now())
        self._owners[element.public_key.kid] = member
        # A clone is there once its state is written: a kill may have left the file empty, or the record unfinished.
        if self._journals is not None and self._journals.journal(f"clone-{name}").replay():
            member.clone = self._open_clone(member, name)

    def _open_clone(self, member: Member, name: str) -> Device:
        reason = "an attack study of this sandbox"
        element = OpenedElement(self._journal(f"clone-{name}"), self._entropy, b"", reason=reason)
        return Device(element, self._clone_hosts)

    def clone(self, member: Member) -> None:
        """Open a member's device and copy it: `member.clone` has the same key and the same notes."""
        if member.clone is not None:
            return
        if member.device is None:
            raise Refused("E_NO_DEVICE", member=member.name)
        element = member.device.element
        assert isinstance(element, SimulatedSecureElement)
        opened = open_for_attack(element, "an attack study of this sandbox")
        kid = element.public_key.kid
        self._clone_hosts.write(kid, self._hosts.read(kid))
        if self._journals is None:
            member.clone = Device(opened, self._clone_hosts)
            return
        name = member.wallet.kid.hex()[:32]
        self._journals.journal(f"clone-{name}").append(opened.snapshot())
        member.clone = self._open_clone(member, name)

    # --- money out of the network and back ---

    def load(
        self, rows: Sequence[tuple[Member, list[int]]], mark: bytes, id: bytes, directory: Mapping[bytes, str]
    ) -> Answers:
        """Members lock money in escrow, one note for each amount, and their devices take the notes."""
        now = self._clock.now()
        answers: Answers = [None] * len(rows)
        intents, places = [], []
        for place, (member, amounts) in enumerate(rows):
            try:
                if member.device is None:
                    raise Refused("E_NO_DEVICE", member=member.name)
                status, name = member.device.status(now), derived(id, "load", member.name)
                if self._store.intent(member.wallet.name, name) is None:
                    _check_room(status, amounts)
                intents.append(
                    member.wallet.prepare_load(
                        name,
                        amounts,
                        self._system.escrow_kid,
                        status.kid,
                        status.load_number + 1,
                        mark,
                    )
                )
                places.append(place)
            except TengeError as error:
                answers[place] = error
        results = send(self._store, self._system.ledger, intents, directory, self._clock)
        for place, result in zip(places, results, strict=True):
            answers[place] = self._take_notes(rows[place][0], result)
        return answers

    def _take_notes(self, member: Member, result: Receipt | TengeError) -> TengeError | None:
        if isinstance(result, TengeError):
            return result
        assert member.device is not None
        now = self._clock.now()
        status = member.device.status(now)
        self.reconciler.tick()
        first: TengeError | None = None
        for note in self.centre.notes(status.kid, status.load_number):
            try:
                member.device.load(note, now)
            except TengeError as error:
                # A refused note is refunded when it closes; those after it are money all the same.
                first = first or error
        return first

    def _purpose(self, mark: bytes) -> int:
        if not mark:
            return PLAIN
        network = self._system.network
        found = [definition for definition in self._definitions if definition.oid(network) == mark]
        return found[0].purpose if found else PLAIN

    def pay(
        self, payer: Member, payee: Member, amount_tiyn: int, mark: bytes, id: bytes, clone: bool = False
    ) -> int:
        """Device pays device: invoice, payment, receipt; the longest chain of hops among the notes that moved."""
        device = payer.clone if clone else payer.device
        if device is None or payee.device is None:
            raise Refused("E_NO_DEVICE", member=payer.name if device is None else payee.name)
        now = self._clock.now()
        invoice = payee.device.invoice(id, amount_tiyn, self._purpose(mark), now)
        payment = device.pay(invoice, payee.device.certificate, now)
        receipt = payee.device.receive(payment, invoice, now)
        device.keep_receipt(receipt)
        self.payments += 1
        bundle = open_bundle(payment, self._system.network, len(payment))
        return max(token.transfers[-1].record.hop for token in bundle.tokens)

    def sync(self, members: Sequence[Member], id: bytes) -> Answers:
        """Each member's device hands in what it holds, takes the answer, and learns the newest TRUST list."""
        self.fresh_trust()
        answers: Answers = []
        for member in members:
            try:
                if member.device is None:
                    raise Refused("E_NO_DEVICE", member=member.name)
                self._sync(member.device, derived(id, "sync", member.name))
                answers.append(None)
            except TengeError as error:
                answers.append(error)
        return answers

    def _sync(self, device: Device, id: bytes) -> None:
        now = self._clock.now()
        batches = device.sync(id, now)
        for batch in batches[:-1]:
            self.centre.submit(batch.encode())
        device.sync_commit(self.centre.sync(batches[-1].encode()).sync, now)
        chain = self._lists_for(device.trust_view.sequence, now)
        if chain:
            device.trust(chain)

    def redeem(self, member: Member, id: bytes) -> int:
        """The device sends all its money home to the member's wallet, on the bank's orders; how much (tiyn).

        One order takes at most 255 pieces, so a full till needs several. Raises E_COINS when there is nothing.
        """
        if member.device is None:
            raise Refused("E_NO_DEVICE", member=member.name)
        total, number = 0, 0
        while number == 0 or self._redeemed(id, number) is not None or self._left_tiyn(member.device):
            total += self._redeem_part(member.device, id, number)
            number += 1
        find_tokens_of(self._store, self._system.ledger, [member.wallet])
        return total

    def _left_tiyn(self, device: Device) -> int:
        return device.balance_tiyn(self._clock.now())

    def _redeemed(self, id: bytes, number: int) -> int | None:
        data = self._system.stores.cabinet.get(_REDEEMED, derived(id, "redeemed", number))
        return None if data is None else Unsigned().load(canonical.decode(data), "amount")

    def _redeem_part(self, device: Device, id: bytes, number: int) -> int:
        now = self._clock.now()
        amount = self._redeemed(id, number)
        if amount is None:
            order = self.centre.redeem_order(derived(id, "order", number), device.status(now).kid)
            transfers = device.redeem(order, now)
            amount = sum(transfer.record.outputs[0].amount_tiyn for transfer in transfers)
            # After the sync below the device forgets; whoever repeats this call must still get the same answer.
            row = Row(_REDEEMED, derived(id, "redeemed", number), canonical.encode(amount))
            self._system.stores.cabinet.put_many([row])
        self._sync(device, derived(id, "redeem sync", number))
        return amount

    # --- the centre ---

    def reconcile(self) -> Case:
        """Derive, book what is due, and tell the case so far."""
        self.centre.tick()
        return self.case()

    def refresh_wallets(self, members: Sequence[Member]) -> None:
        """Wallets learn what settlement and the court moved: refunds, redemptions, write-offs."""
        for member in members:
            refresh(self._store, self._system.ledger, member.wallet)

    def case(self) -> Case:
        """Double spends, who is named, what was lost and who bore it."""
        return tell_case(
            self.reconciler,
            self._owners,
            self._system.authority.root,
            self.evidence_files(),
            self._titles,
            self._institutions(),
        )

    def _institutions(self) -> dict[bytes, str]:
        """Whose the keys are that a proof may name beside devices'."""
        banks = self._system.banks.items()
        keys = self._system.keys
        named = {
            keys.bank_ca(number).public.kid: self._titles.get(bank.name, bank.name) for number, bank in banks
        }
        issuers = dict.fromkeys(
            (one.public.kid for one in self._system.issuers), "National Bank (issuer of offline notes)"
        )
        return issuers | named

    def evidence_files(self) -> list[tuple[str, bytes]]:
        """(file name, bytes) of every proof: by device, then by institution, in the reconciler's order."""
        named = [*self.reconciler.guilty(), *sorted({alarm.kid for alarm in self.reconciler.alarms()})]
        proofs = [proof for kid in named for proof in self.reconciler.evidence(kid)]
        files = list(dict.fromkeys(proofs))
        return [(f"case-{number}.dto", data) for number, data in enumerate(files, start=1)]

    def transfers(self) -> Iterator[Signed[Transfer]]:
        """Every transfer that devices handed in, each once, in the order of the log."""
        for row in self._stores.evidence.rows(0):
            if row.leaf and row.envelope[_TYPE_PLACE] == Transfer.TYPE:
                yield open_envelope(row.envelope, Transfer, self._system.network)

    def object_ids(self) -> Iterator[bytes]:
        """The ids of everything devices signed and handed in, in the order of the log."""
        for row in self._stores.evidence.rows(0):
            if row.leaf:
                yield row.oid


def _check_room(status: ElementStatus, amounts_tiyn: Sequence[int]) -> None:
    """Refuse notes that the device would not take, before the ledger locks money for them: E_LIMIT_IN, E_PURSE_FULL."""
    if status.limits is not None:
        check_in(sum(amounts_tiyn), status.balance_tiyn, status.reserved_tiyn, status.limits)
    check_slots(len(amounts_tiyn), len(status.purse), 0, len(status.purse) + status.free_slots)


__all__ = ["Field", "devices_of", "named_numbers"]
