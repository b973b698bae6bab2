"""The village of Saty, cut off by snow: the world of exercise 2.

The road to the lakes is closed and the mast is down. People pay each other device to device, with notes they loaded
before the storm. One of them is about to open his device.

    village = Village(seed=7)
    village.live()                                      honest days: loads, payments, change, chains
    village.pay(payer, payee, amount_tiyn)              device pays device, with no network
    village.sandbox.clone(member)                       the loud switch: `member.clone` is a second device
    village.pay(payer, payee, amount_tiyn, clone=True)
"""

import random
from contextlib import suppress

from cbdc.authority import Authority, Root
from cbdc.errors import TengeError
from cbdc.record import Signed
from cbdc.token import MERCHANT, PERSON
from offline.bundle import open_bundle
from offline.device import Device
from offline.records import DeviceCertificate, Transfer
from wallets.cast import Member
from wallets.desk import derived
from wallets.sandbox import Sandbox

PEOPLE = ("Aigerim", "Bolat", "Dana", "Erlan", "Saule", "Nurlan", "Zhanar", "Marat", "Asel", "Kairat")
SHOPS = ("Kolsai", "Kaindy", "Samal", "Dastarkhan")
PLAIN = 0
LIMIT_BYTES = 1 << 20


class Village:
    """A few people and two shops, all with devices; the same seed gives the same village.

    people, shops   members, each with a `name` and a `device`
    cheat           the one of the people who is about to open his device
    sandbox         everything behind it
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.sandbox = Sandbox.in_memory(seed)
        self.sandbox.issue(tenge=900_000)
        names = self.chance.sample(PEOPLE, k=self.chance.randint(4, 6))
        self.people = [self.sandbox.person(name, deposit_tenge=60_000, category=PERSON) for name in names]
        names = self.chance.sample(SHOPS, k=2)
        self.shops = [self.sandbox.person(name, category=MERCHANT) for name in names]
        self.cheat = self.chance.choice(self.people)
        # Every transfer signed so far, by whom: the device its owner carries, or a clone of it.
        self.signed: list[Signed[Transfer]] = []
        self.signed_by_clones: list[Signed[Transfer]] = []
        self._payments = 0

    @property
    def members(self) -> list[Member]:
        """Everybody with a device."""
        return [*self.people, *self.shops]

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
        return {device_of(member).kid: member.name for member in self.members}

    @property
    def certificates(self) -> dict[bytes, Signed[DeviceCertificate]]:
        """What the bank certified, by the device's key id."""
        return {device_of(member).kid: device_of(member).certificate for member in self.members}

    def load(self, member: Member, tenge: int) -> None:
        """Before the storm: buy digital tenge and take it offline as one note."""
        self.sandbox.buy_and_load(member, tenge)

    def pay(
        self, payer: Member, payee: Member, amount_tiyn: int, clone: bool = False
    ) -> list[Signed[Transfer]]:
        """Device pays device: the transfers signed for it, one a note; none when the payer's device refused.

        A payee's device that knows the other branch of a double spend refuses it. What was signed is signed.
        """
        self._payments += 1
        device, payees = (payer.clone if clone else payer.device), device_of(payee)
        assert device is not None, f"{payer.name} has no such device"
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
            payer, payee = self.chance.sample(self.members, k=2)
            held_tiyn = device_of(payer).balance_tiyn(self.now)
            if held_tiyn > 1:
                self.pay(payer, payee, self.chance.randrange(1, held_tiyn))


def device_of(member: Member) -> Device:
    """The device a member carries."""
    assert member.device is not None, f"{member.name} has no device"
    return member.device
