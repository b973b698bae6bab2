"""The stage of the fuzzer: one small world in which devices of both key algorithms pay each other, and all their keys.

The payer has ES256, the carrier Ed25519, the payee ES256; institutions have Ed25519. So one keyring signs everything.
"""

from functools import lru_cache
from typing import Any

from cbdc.keys import ED25519, ES256, SoftwareKey
from cbdc.money import tenge
from cbdc.record import Signed, sign
from cbdc.token import MERCHANT
from offline.device import Device
from offline.records import SyncRequest
from tests.fuzz.mutation import Keyring
from tests.offline.bench import Bench
from tests.offline.world import World

PEOPLE = {"payer": ES256, "carrier": ED25519, "payee": ES256}
AMOUNT = tenge(1_000)


def roles_of(world: World) -> dict[int, tuple[SoftwareKey, ...]]:
    """Which keys sign which type of object, besides those that a device signs."""
    banks = (world.bank_key, world.other_bank_key)
    return {
        1: (world.root_key,),
        2: (world.root_key,),
        3: banks,
        4: (world.issuer_key,),
        9: (world.settle_key,),
        10: (world.status_key,),
        11: banks,
        12: (world.settle_key,),
        13: (world.settle_key,),
    }


class Stage:
    """A payer with two notes, a carrier with money of one hop, and a payee; `keyring` holds all their keys."""

    def __init__(self) -> None:
        self.bench = Bench("fuzz")
        self.people: dict[str, Device] = {}
        self.keys: dict[str, SoftwareKey] = {}
        for name, algorithm in PEOPLE.items():
            self.bench.algorithm = algorithm
            self.people[name] = self.bench.device(name, category=MERCHANT)
            self.keys[name] = SoftwareKey(algorithm, self.bench.entropy.bytes("element.key", name.encode()))
            assert self.keys[name].public.kid == self.people[name].kid
        self.payer, self.carrier, self.payee = self.people.values()
        self.bench.load(self.payer, tenge(5_000), tenge(300))
        self.bench.hand_over(self.payer, self.carrier, tenge(2_000))
        self.network = self.bench.world.network
        self.trust = self.bench.world.trust
        self.now = self.bench.now
        self.keyring = Keyring(self.network, roles_of(self.bench.world), list(self.keys.values()))

    def values(self) -> list[Any]:
        """What may only change when something was accepted: purse, totals, counter and sync number of each device."""
        found: list[Any] = []
        for device in self.people.values():
            status = device.status(self.now)
            found.append((dict(status.purse), status.totals, status.counter, status.sync_number))
        return found

    def statement(self, name: str) -> Signed[SyncRequest]:
        """A SYNC_REQ with this device's key, as its element would make it; the element does not know of it."""
        device = self.people[name]
        status = device.status(self.now)
        slots = tuple(sorted((*outpoint, slot.amount_tiyn) for outpoint, slot in status.purse.items()))
        totals = status.totals
        record = SyncRequest(
            device.kid, 1, status.counter, status.head, status.invoice_number, slots, totals.out_tiyn,
            totals.in_tiyn, totals.out_count, totals.in_count, 1, bytes(16),
        )  # fmt: skip
        return sign(record, self.network, self.keys[name])


@lru_cache(maxsize=1)
def shared() -> Stage:
    """A stage whose money nobody moves: for what only reads."""
    return Stage()
