"""One region of the laboratory: real institutions, real wallets, real devices, over stores that a day is saved from.

Everything here is the sandbox's own code (ledger, banks, gateway, reconciler, court; wallets; elements and hosts);
this module only chooses stores, keys and clock, as `wallets.sandbox` does, and serves many at once:

- devices that sync at one moment hand in together (`Reconciler.ingest_many`), so that the ledger is posted to in
  groups; each gets its own acknowledgement;
- nothing waits for a disk: a day is saved whole (`wallets.lab.notebook`).

Every signature is made and every signature is checked.
"""

from collections.abc import Sequence

from cbdc.accounts import Books
from cbdc.distribution import NewAccount
from cbdc.errors import TengeError
from cbdc.institutions import MAX_NOTE_TIYN, BankName
from cbdc.keys import ED25519, Signer, SoftwareKey
from cbdc.ledger.entry import Policy as LedgerPolicy
from cbdc.money import tenge
from cbdc.ports import ManualClock, SeededEntropy
from cbdc.record import Signed
from cbdc.sales import SaleOrder
from cbdc.system import Setup, Stores, assemble
from offline.beacon import BeaconParty, SimulatedBeacon
from offline.device import Device
from offline.element import SimulatedSecureElement
from offline.escrow import NONCE_BYTES
from offline.gateway import DeviceTerms, OfflineCentre, OfflineKeys, OfflineStores, ask_to_enrol
from offline.parameters import GRACE_SECONDS, value_of
from offline.reconcile import Settings
from offline.records import Enrol, Trust
from wallets.desk import derived
from wallets.lab.notebook import Notebook
from wallets.lab.population import Agent
from wallets.lab.settings import Plan, policy_of
from wallets.recourse import CourtRecourse
from wallets.store_memory import memory_store
from wallets.wallet import Sight, Wallet, find_tokens_of, send

START = 1_762_146_000  # a Monday morning in Kazakhstan
DAY_SECONDS = 86_400
BANK = 1
GROUP = 1_000
_TIER = 4
_PARTS_TENGE = (5_000, 2_000, 1_000, 500, 200, 100)
_MOST_NOTES = 24


class World:
    """The institutions and the cast of one region. `open` gives it as it was saved, or new."""

    def __init__(self, plan: Plan, region: int, agents: Sequence[Agent], notebook: Notebook) -> None:
        self.plan = plan
        self.agents = agents
        self.notebook = notebook
        self.clock = ManualClock(START)
        self.entropy = SeededEntropy(plan.lab.seed * 1_000 + region)
        stores = Stores(notebook.ledger, Books(notebook.books), notebook.cabinet)
        ledger_policy = LedgerPolicy("laboratory", ((_TIER, 0, 0, 0),), 0)
        setup = Setup(ledger_policy, (BankName(BANK, "Laboratory Bank"),), (), "laboratory")
        self.system = assemble(stores, self._key, self.clock, self.entropy, setup)
        self.store = memory_store()
        self.wallets = [self._wallet(agent) for agent in agents]
        self.directory = {wallet.kid: wallet.name for wallet in self.wallets}
        self._place = {wallet.kid: place for place, wallet in enumerate(self.wallets)}
        self.devices: list[Device] = []
        self._owner_of_device: dict[bytes, int] = {}
        keys = self.system.keys
        archives = notebook.archives
        self.centre = OfflineCentre(
            self.system.ledger,
            self.system.authority,
            OfflineKeys([keys.issuer], keys.status, keys.settle, {BANK: keys.bank_ca(BANK)}),
            OfflineStores(archives["evidence"], archives["devices"], archives["lists"]),
            Settings(
                self.system.escrow_kid,
                self.system.loss_reserve_kid,
                policy_of(plan),
                value_of(GRACE_SECONDS, plan.policy),
                self._beacon(),
            ),
            self.clock,
            self.entropy,
            CourtRecourse(self.system, self._owner, self.clock),
            terms=self._terms,
        )
        self.reconciler = self.centre.reconciler

    def _beacon(self) -> SimulatedBeacon:
        """The parties of the LOTTERY's beacon, each with a secret (simulated)."""
        begins = self.system.authority.root.record.not_before
        names = ("National Bank", *(bank.name for bank in self.system.banks.values()))
        secrets = {name: self.entropy.bytes("offline.beacon", name.encode(), 32) for name in names}
        return SimulatedBeacon({name: BeaconParty(secret, begins) for name, secret in secrets.items()})

    def _key(self, label: str, algorithm: int) -> Signer:
        return SoftwareKey(algorithm, self.entropy.bytes("laboratory key", label.encode()))

    def _wallet(self, agent: Agent) -> Wallet:
        signer = self._key(f"wallet/{agent.name}", ED25519)
        return Wallet(agent.name, signer, self.store, self.system.ledger, self.entropy, self.clock)

    def _owner(self, device: bytes) -> tuple[bytes, int] | None:
        place = self._owner_of_device.get(device)
        return None if place is None else (self.wallets[place].kid, BANK)

    def _terms(self, enrol: Signed[Enrol], account: bytes) -> DeviceTerms:
        return DeviceTerms(self.agents[self._place[account]].tier)

    # --- setting up ---

    def set_up(self) -> None:
        """Money, accounts, keys and devices for everybody; harmless when it was done before."""
        total = max(1, sum(agent.online_tiyn for agent in self.agents))
        bank = self.system.banks[BANK]
        self.system.national_bank.endow(derived("endow"), BANK, 2 * total)
        self.system.fund_loss_reserve(derived("loss reserve"), total)
        bank.order_tokens(derived("order"), total)
        for start in range(0, len(self.agents), GROUP):
            part = self.agents[start : start + GROUP]
            accounts = [
                NewAccount(
                    _customer(agent),
                    agent.name,
                    agent.name,
                    _TIER,
                    agent.category,
                    agent.online_tiyn,
                )
                for agent in part
            ]
            bank.open_accounts(accounts)
            raise_first(
                bank.register_keys([(_customer(agent), self.wallets[agent.number].signer) for agent in part])
            )
            orders = [
                SaleOrder(
                    derived("buy", agent.name),
                    _customer(agent),
                    self.wallets[agent.number].kid,
                    agent.online_tiyn,
                )
                for agent in part
                if agent.online_tiyn
            ]
            raise_first(bank.sell(orders))
        self.centre.publish(b"first", policy=self.plan.policy)

    def open_devices(self) -> None:
        """Every device as its journal has it, enrolled if it is new; and what the wallets hold."""
        for agent in self.agents:
            device = self._device(agent)
            self.devices.append(device)
            self._owner_of_device[device.kid] = agent.number
        find_tokens_of(self.store, self.system.ledger, self.wallets)

    def _device(self, agent: Agent) -> Device:
        element = SimulatedSecureElement(
            self.notebook.journal(agent.name.encode()),
            self.entropy,
            agent.name.encode(),
            self.plan.lab.key_algorithm,
            attacks_allowed=agent.opened >= 0,
        )
        now = self.clock.now()
        if element.status(now).certificate is None:
            proof = element.enrol(self.system.network, BANK, self.centre.challenge(BANK, agent.name.encode()))
            nonce = derived("enrol", proof.oid)[:NONCE_BYTES]
            word = ask_to_enrol(proof, self.wallets[agent.number].signer, self.system.network, now, nonce)
            element.provision(self.centre.trust_view, self.centre.enrol(proof, word))
        return Device(element, self.notebook.hosts)

    # --- the network ---

    def fresh_list(self) -> Signed[Trust]:
        """Today's TRUST list."""
        day = self.clock.now() // DAY_SECONDS
        return self.centre.publish(b"day" + day.to_bytes(4, "big"))

    def sync(self, numbers: Sequence[int], id: bytes, redeem_all: bool = False, refill: bool = True) -> int:
        """These agents' devices hand in, are answered, send home what is stuck, and are filled up; bytes handed in.

        Shops send everything home, people what can pay no more (`redeem_all`: everybody everything).
        """
        now = self.clock.now()
        self.fresh_list()
        total = 0
        for number in numbers:
            self._send_home(number, id, redeem_all or self.agents[number].is_shop)
        for start in range(0, len(numbers), GROUP):
            part = numbers[start : start + GROUP]
            handed = [self.devices[n].sync(derived(id, "sync", n), now) for n in part]
            encoded = [batch.encode() for batches in handed for batch in batches]
            total += sum(map(len, encoded))
            raise_first(self.reconciler.ingest_many(encoded))
            for number, batches in zip(part, handed, strict=True):
                request = batches[-1].sync_request
                assert request is not None, "the last batch of a sync carries its request"
                self.devices[number].sync_commit(self.reconciler.sync(request), now)
        self.centre.tick()
        newest = self.centre.trust()
        for number in numbers:
            device = self.devices[number]
            if newest[-1].record.sequence > device.trust_view.sequence:
                device.trust(newest)
        if refill:
            self._refill([n for n in numbers if not self.agents[n].is_shop], id)
        return total

    def _send_home(self, number: int, id: bytes, everything: bool) -> None:
        device = self.devices[number]
        status = device.status(self.clock.now())
        hops = 0 if status.limits is None else status.limits.max_hops
        amount = sum(
            slot.amount_tiyn for slot in status.purse.values() if everything or not slot.may_move(hops)
        )
        place = 0
        while amount:
            order = self.centre.redeem_order(derived(id, "home", number, place), device.kid)
            sent = device.redeem(order, self.clock.now(), None if everything else amount)
            amount -= sum(transfer.record.outputs[0].amount_tiyn for transfer in sent)
            place += 1

    def _refill(self, numbers: Sequence[int], id: bytes) -> None:
        people, now = self.plan.people, self.clock.now()
        low = [n for n in numbers if self.devices[n].balance_tiyn(now) < tenge(people.refill_below)]
        if not low:
            return
        mine = [self.wallets[n] for n in low]
        find_tokens_of(self.store, self.system.ledger, mine)
        names = [derived(id, "load", n) for n in low]
        keys = [(wallet.name, name) for wallet, name in zip(mine, names, strict=True)]
        sight = Sight.of(self.store, keys)
        intents, loading = [], []
        for number, wallet, name in zip(low, mine, names, strict=True):
            device = self.devices[number]
            status = device.status(now)
            held = sum(token.amount_tiyn for token in sight.tokens.get(wallet.name, ()))
            room = 0 if status.limits is None else status.limits.max_balance_tiyn - status.balance_tiyn
            wanted = min(tenge(people.purse) - status.balance_tiyn, room, held)
            amounts = mix(wanted, min(_MOST_NOTES, status.free_slots))
            if amounts and status.status == "active":
                intents.append(
                    wallet.prepare_load(
                        name, amounts, self.system.escrow_kid, device.kid, status.load_number + 1, b"", sight
                    )
                )
                loading.append(number)
        if intents:
            send(self.store, self.system.ledger, intents, self.directory, self.clock)
        self.reconciler.tick()
        for number in loading:
            device = self.devices[number]
            for note in self.centre.notes(device.kid, device.status(now).load_number):
                device.load(note, now)

    # --- looking ---

    def online_tiyn(self, number: int) -> int:
        """What the ledger says an agent's wallet holds."""
        return sum(token.amount_tiyn for _, token in self.system.ledger.owned(self.wallets[number].kid))

    def close(self) -> None:
        """Release every file."""
        self.centre.close()
        self.system.close()
        self.notebook.close()


def mix(amount_tiyn: int, most: int) -> list[int]:
    """An amount in at most `most` notes of mixed sizes (1-2-5), the largest share first in few, small ones in many.

    So that most payments need no change (protocol, 5.5); the last note takes what is left. At most one largest note.
    """
    assert amount_tiyn <= MAX_NOTE_TIYN, "a purse holds at most the largest note (wallets.lab.form)"
    left = amount_tiyn
    amounts: list[int] = []
    for size in _PARTS_TENGE:
        part = tenge(size)
        while left >= 2 * part and len(amounts) < most - 1:
            amounts.append(part)
            left -= part
    return [*amounts, left] if left > 0 and most > 0 else amounts


def raise_first(answers: Sequence[object]) -> None:
    """Raise the first refusal among answers."""
    for answer in answers:
        if isinstance(answer, TengeError):
            raise answer


def _customer(agent: Agent) -> bytes:
    return derived("customer", agent.name)
