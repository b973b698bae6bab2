"""The engine of DTO/1 itself: signed tokens, several hops (`tokens`) or one (`staged`, the same with other numbers).

Nothing is modelled: devices are `offline.device.Device` over simulated elements, the centre is the sandbox's own.
Opened devices are the loud attack switch of `offline.opened`:

- **clone**: a copy of the device lives on beside it and spends the same notes; when it has nothing left, another copy
  is taken;
- **rollback**: the state at the first attack is kept and put back after every payment, so that the same notes pay
  people for ever. The device itself goes on as if nothing had happened.

The copies never sync, and the device stays off the network once its attack has begun: what the centre learns, it
learns from payees. The copies keep the element's own limits (its age limit ends a rollback); a thief that signs beyond
them is another study (E4, E5).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from offline.device import Device
from offline.element import SimulatedSecureElement
from offline.host_store import HostStore, Key, MemoryHostStore
from offline.loss_policy import LOTTERY
from offline.opened import OpenedElement, open_for_attack
from offline.parameters import DAY_SECONDS, MARGIN_SECONDS
from wallets.desk import derived
from wallets.lab import audit, measures
from wallets.lab.counter import Air, Lost, pay
from wallets.lab.notebook import Notebook
from wallets.lab.population import Region
from wallets.lab.settings import Link, Plan, policy_of
from wallets.lab.tally import Paid, Tally
from wallets.lab.world import World

REASON = "an attack study of the laboratory"
_SURE = Link(0, 1)
_TICKS = 50


class Aside:
    """The rows of copied devices, beside those of the devices they were copied from, in the same store."""

    def __init__(self, store: HostStore) -> None:
        self._store = store

    def read(self, device: bytes) -> dict[Key, bytes]:
        """All rows of the copy of this device."""
        return self._store.read(b"copy/" + device)

    def write(self, device: bytes, changes: Mapping[Key, bytes | None]) -> None:
        """Put and remove rows of the copy of this device."""
        self._store.write(b"copy/" + device, changes)


class TokenEngine:
    """`Engine` over a `World`."""

    def __init__(self, plan: Plan, number: int, region: Region, notebook: Notebook) -> None:
        """New, or as the notebook has it."""
        self.plan = plan
        self.region = region
        self.tally = Tally()
        self.first_day = 0
        self.world = World(plan, number, region.agents, notebook)
        self._notebook = notebook
        self._aside = Aside(notebook.hosts)
        self._copies: dict[int, Device] = {}
        if notebook.state is None:
            self.world.set_up()
        else:
            self.first_day, moment, values = notebook.state
            self.world.clock.move_to(moment)
            self.tally = Tally.of(values)
        self.world.open_devices()
        for agent in region.agents:
            if agent.opened >= 0 and notebook.journal(self._copy_name(agent.number)).replay():
                self._copies[agent.number] = self._open_copy(agent.number)
        if notebook.state is None:
            self.world.sync([agent.number for agent in region.agents], derived("first sync"))

    def move_to(self, moment: int) -> None:
        """It is this late now."""
        self.world.clock.move_to(max(moment, self.world.clock.now()))

    # --- payments ---

    def pay(self, payer: int, payee: int, amount_tiyn: int, near: bool, id: bytes, lost: Lost) -> Paid:
        """One payment, device to device."""
        devices = self.world.devices
        air = Air(self.plan.link, lost)
        return pay(devices[payer], devices[payee], amount_tiyn, near, id, self.world.clock.now(), air)

    def attack(self, attacker: int, payees: Sequence[int], amount_tiyn: int, id: bytes) -> list[Paid]:
        """An opened device pays each of these with the same money; how each ended."""
        row = self.plan.opened[self.region.agents[attacker].opened]
        if row.behaviour == "clone":
            return [self._from_copy(attacker, payee, amount_tiyn, id) for payee in payees]
        copy = self._copies.get(attacker) or self._copy(attacker)
        element, rows = copy.element, self._aside.read(copy.kid)
        assert isinstance(element, OpenedElement), "a copy is an opened element"
        paid = []
        for number, payee in enumerate(payees):
            # A copy of the copy: what is kept stays as it was at the first attack, for ever.
            kept = MemoryHostStore()
            kept.write(copy.kid, rows)
            twin = Device(element.clone(), kept)
            paid.append(self._hand_over(twin, payee, amount_tiyn, derived(id, number)[:16]))
        return paid

    def _from_copy(self, attacker: int, payee: int, amount_tiyn: int, id: bytes) -> Paid:
        copy = self._copies.get(attacker)
        if copy is None or copy.balance_tiyn(self.world.clock.now()) < amount_tiyn:
            copy = self._copy(attacker)
        return self._hand_over(copy, payee, amount_tiyn, id)

    def _hand_over(self, opened: Device, payee: int, amount_tiyn: int, id: bytes) -> Paid:
        air = Air(_SURE, lambda sent: False)
        return pay(opened, self.world.devices[payee], amount_tiyn, False, id, self.world.clock.now(), air)

    def _open(self, number: int) -> OpenedElement:
        element = self.world.devices[number].element
        assert isinstance(element, SimulatedSecureElement), "the laboratory made this element"
        return open_for_attack(element, REASON)

    def _copy_name(self, number: int) -> bytes:
        return b"copy/%d" % number

    def _copy(self, number: int) -> Device:
        name, kid = self._copy_name(number), self.world.devices[number].kid
        aside, opened = self._aside, self._open(number)
        aside.write(kid, dict.fromkeys(aside.read(kid)) | dict(self._notebook.hosts.read(kid)))
        self._notebook.drop_journal(name)
        self._notebook.journal(name).append(opened.snapshot())
        self._copies[number] = self._open_copy(number)
        return self._copies[number]

    def _open_copy(self, number: int) -> Device:
        journal = self._notebook.journal(self._copy_name(number))
        return Device(OpenedElement(journal, self.world.entropy, b"", reason=REASON), self._aside)

    # --- the network ---

    def sync(self, numbers: Sequence[int], id: bytes) -> None:
        """These agents' devices are on the network."""
        self.tally.sums["sync_bytes"] += self.world.sync(numbers, id)

    def settle_all(self) -> None:
        """The end: everybody whose device is whole syncs twice and sends everything home, then all notes close."""
        world = self.world
        honest = [agent.number for agent in self.region.agents if agent.opened < 0]
        for part in range(2):
            # Twice: what was cut is claimed by the sync of the payee that follows the payer's.
            self.tally.sums["sync_bytes"] += world.sync(honest, derived("last sync", part), True, False)
            world.clock.advance(60)
        self.tally.handed_in(set(honest))
        trees = world.reconciler.facts().trees.values()
        world.clock.move_to(max((tree.closes for tree in trees), default=world.clock.now()) + 1)
        self._settle()
        if policy_of(world.plan).name == LOTTERY:
            # A fork is drawn with the values of the day after its note has closed: they come out when that day is over.
            world.clock.advance(2 * DAY_SECONDS)
            self._settle()

    def _settle(self) -> None:
        """Let the centre settle until nothing moves any more."""
        world = self.world
        for _ in range(_TICKS):
            size = world.system.ledger.size
            world.centre.tick()
            if world.system.ledger.size == size:
                break

    # --- figures ---

    def day_row(self) -> list[int]:
        """Of the honest devices now: [tiyn held, tiyn that can be paid no more before a sync]."""
        now, held, stuck = self.world.clock.now(), 0, 0
        for agent in self.region.agents:
            if not agent.honest:
                continue
            device = self.world.devices[agent.number]
            status = device.status(now)
            hops = 0 if status.limits is None else status.limits.max_hops
            margin = device.trust_view.parameter(MARGIN_SECONDS)
            for slot in status.purse.values():
                held += slot.amount_tiyn
                if not slot.may_move(hops) or now + margin >= slot.spend_by:
                    stuck += slot.amount_tiyn
        return [held, stuck]

    def findings(self) -> dict[str, Any]:
        """What settlement found, beside the truth of the tally."""
        return measures.findings(self.world, self.region, self.tally)

    def audit(self) -> dict[str, Any]:
        """See `wallets.lab.audit`."""
        return audit.check(self.world, self.region, self.tally)

    def save(self, day: int) -> None:
        """Keep everything as it is at the end of this day."""
        self._notebook.save(day, [day, self.world.clock.now(), self.tally.values()])

    def close(self) -> None:
        """Release files."""
        self.world.close()
