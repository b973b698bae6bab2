"""The village of Saty, cut off by snow: the world of this exercise.

The road to the lakes is closed and the mast is down. People pay each other device to device, with notes they loaded
before the storm. One of them is about to open his device.

    village = Village(seed=7)
    village.people, village.shops, village.cheat        names
    village.pay(payer, payee, amount_tiyn)              device pays device, with no network: the transfers it signed
    village.clone(name)                                 the loud switch: from now on there are two devices
    village.pay(payer, payee, amount_tiyn, clone=True)  the same with the second device
    village.kind(name, clone=True)                      what a device says of itself
    village.held(name)                                  the transfers in the histories of the money that a device holds
    village.balance(name)                               tiyn on a device
"""

import random
from contextlib import suppress

from cbdc.authority import Authority, Root
from cbdc.errors import TengeError
from cbdc.ports import ManualClock, no_checkpoint
from cbdc.record import Signed
from cbdc.token import MERCHANT, PERSON
from offline.bundle import open_bundle
from offline.device import Device
from offline.records import DeviceCertificate, Transfer
from wallets.cast import Member, SandboxPlan
from wallets.desk import derived
from wallets.sandbox import DEFAULT_START, Sandbox

PEOPLE = ("Aigerim", "Bolat", "Dana", "Erlan", "Saule", "Nurlan", "Zhanar", "Marat", "Asel", "Kairat")
SHOPS = ("Kolsai", "Kaindy", "Samal", "Dastarkhan")
BANKS = ("Kok Tobe Bank", "Charyn Bank")
PLAIN = 0
LIMIT_BYTES = 1 << 20


def _sandbox(seed: int) -> Sandbox:
    """A small sandbox with two banks; the devices of the village are certified by the first."""
    plan = SandboxPlan(
        seed,
        ManualClock(DEFAULT_START),
        banks=tuple((name, name, 10_000_000_000) for name in BANKS),
        budget_bank=BANKS[0],
        budget_tiyn=100_000_000,
        loss_reserve_tiyn=1_000_000,
    )
    sandbox = Sandbox(plan, None, no_checkpoint)
    sandbox.set_up()
    return sandbox


class Village:
    """A few people and two shops, all with devices; the same seed gives the same village.

    cheat           the name of the one who is about to open his device
    authority       ROOT and the certificates under it, those of the banks too
    root            ROOT alone: all that a stranger needs to check a proof
    certificates    what the bank certified, by the device's key id
    names           whose device it is, by the device's key id
    """

    # What an answer sees of it when it is graded, and what it may ask.
    SHOWN = ("people", "shops", "cheat", "authority", "root", "certificates", "names")
    CALLS = ("pay", "clone", "kind", "held", "balance")

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.sandbox = _sandbox(seed)
        self.sandbox.issue(tenge=900_000)
        people = self.chance.sample(PEOPLE, k=self.chance.randint(4, 6))
        shops = self.chance.sample(SHOPS, k=2)
        self.members: dict[str, Member] = {
            name: self.sandbox.person(name, deposit_tenge=60_000, category=PERSON) for name in people
        }
        self.members |= {name: self.sandbox.person(name, category=MERCHANT) for name in shops}
        self.people, self.shops = tuple(people), tuple(shops)
        self.cheat = self.chance.choice(people)
        # Every transfer signed so far, by whom: the device its owner carries, or a clone of it.
        self.signed: list[Signed[Transfer]] = []
        self.signed_by_clones: list[Signed[Transfer]] = []
        self._payments = 0

    @property
    def authority(self) -> Authority:
        """ROOT and the certificates under it, those of the banks too."""
        return self.sandbox.system.authority

    @property
    def root(self) -> Signed[Root]:
        """ROOT alone: all that a stranger needs to check a proof."""
        return self.sandbox.trusted_root

    @property
    def now(self) -> int:
        """The time, in seconds."""
        return self.sandbox.clock.now()

    @property
    def names(self) -> dict[bytes, str]:
        """Whose device it is, by the device's key id."""
        return {self.device(name).kid: name for name in self.members}

    @property
    def certificates(self) -> dict[bytes, Signed[DeviceCertificate]]:
        """What the bank certified, by the device's key id."""
        return {self.device(name).kid: self.device(name).certificate for name in self.members}

    def device(self, name: str, clone: bool = False) -> Device:
        """Somebody's device; the second one for a clone. KeyError where there is none."""
        member = self.members[name]
        found = member.clone if clone else member.device
        if found is None:
            raise KeyError(f"{name} has no such device")
        return found

    def clone(self, name: str) -> None:
        """Open somebody's device and make a second one of it. In this sandbox that is always loud."""
        self.sandbox.clone(self.members[name])

    def kind(self, name: str, clone: bool = False) -> str:
        """What a device says of itself: the kind of its element."""
        return self.device(name, clone).status(self.now).kind

    def balance(self, name: str) -> int:
        """What a device holds, in tiyn."""
        return self.device(name).balance_tiyn(self.now)

    def held(self, name: str) -> list[Signed[Transfer]]:
        """Every transfer in the histories of the money that somebody's device holds, the oldest of each line first."""
        found: list[Signed[Transfer]] = []
        device = self.device(name)
        for outpoint in device.status(self.now).purse:
            line = device.line(outpoint)
            assert line is not None
            found += line.transfers
        return found

    def load(self, name: str, tenge: int) -> None:
        """Before the storm: buy digital tenge and take it offline as one note."""
        self.sandbox.buy_and_load(self.members[name], tenge)

    def pay(self, payer: str, payee: str, amount_tiyn: int, clone: bool = False) -> list[Signed[Transfer]]:
        """Device pays device: the transfers signed for it, one a note; none when the payer's device refused.

        A payee's device that knows the other branch of a double spend refuses it. What was signed is signed.
        """
        self._payments += 1
        device, payees = self.device(payer, clone), self.device(payee)
        try:
            invoice = payees.invoice(derived("village", self._payments), amount_tiyn, PLAIN, self.now)
            payment = device.pay(invoice, payees.certificate, self.now)
        except TengeError:
            return []
        bundle = open_bundle(payment, self.sandbox.system.network, LIMIT_BYTES)
        signed = [line.transfers[-1] for line in bundle.tokens]
        (self.signed_by_clones if clone else self.signed).extend(signed)
        with suppress(TengeError):
            device.keep_receipt(payees.receive(payment, invoice, self.now))
        return signed

    def live(self, days: int = 2) -> None:
        """Honest life: loads, chains of payments, change, and two equal payments to one shop."""
        for person in self.people:
            self.load(person, self.chance.randrange(1_000, 6_000, 500))
        regular, shop = self.chance.choice(self.people), self.chance.choice(self.shops)
        for _ in range(2):
            self.load(regular, 700)
            self.pay(regular, shop, 70_000)
        for _ in range(6 * days):
            payer, payee = self.chance.sample(sorted(self.members), k=2)
            held_tiyn = self.balance(payer)
            if held_tiyn > 1:
                self.pay(payer, payee, self.chance.randrange(1, held_tiyn))
