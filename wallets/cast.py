"""Who takes part in a sandbox, and what a sandbox is made of.

A `Member` is a person or a shop with a bank account, an online wallet and perhaps a device. Nothing here holds a
secret: keys come from the cast's sealed keystore by the member's name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from cbdc.institutions import OverKeys, the_same_keys
from cbdc.operations.counted_store import OverStore, as_it_is
from cbdc.policies import PolicySet, preset
from cbdc.ports import Clock
from offline.device import Device
from offline.loss_policy import WATERFALL
from offline.records import TIER_SE, TIER_SW, TIER_TEE
from wallets.wallet import Wallet

DEVICE_TIERS = {"SE": TIER_SE, "TEE": TIER_TEE, "SW": TIER_SW}


OverClock = Callable[[Clock, int], Clock]


def the_same_clock(clock: Clock, last: int) -> Clock:
    """The clock as it is."""
    return clock


@dataclass(frozen=True, slots=True)
class SandboxPlan:
    """What a sandbox starts from.

    `seed` makes everything repeatable; None asks the operating system for keys (`tenge serve`). `store` is the URL of
    the ledger's store (`cbdc.ledger.engines`), empty for a file in the sandbox's folder, or memory without one.
    `banks` are (name, title, opening reserve in tiyn); the budget's deposit is at one of them. `registers` name the
    outside registers whose word counts on the ledger; `policy` holds the limits and the bank's rules. `loss_policy`
    says who bears double spends (`offline.loss_policy`), with `loss_study` the reason to open FIRST_SEEN; `mode` is
    the preset of offline numbers (`offline.parameters.PRESETS`), over which the policy's
    own offline rules stand. `keys_in_turn` keys of the ledger and of the issuer are certified, each to follow the one
    before it.
    `over_keys` takes institutions' keys from elsewhere than the keystore (a hardware module); `over_clock` makes
    of the clock, and of the time of the last entry (0: none), the one that dates the ledger.
    """

    seed: int | None
    clock: Clock
    label: str = "sandbox"
    store: str = ""
    banks: tuple[tuple[str, str, int], ...] = (("Kok Tobe Bank", "Kok Tobe Bank", 10_000_000_000),)
    budget_bank: str = ""
    budget_tiyn: int = 0
    loss_reserve_tiyn: int = 0
    registers: tuple[str, ...] = ()
    policy: PolicySet = field(default_factory=lambda: preset("sandbox"))
    loss_policy: str = WATERFALL
    loss_study: str = ""
    mode: str = "intermittent"
    over_store: OverStore = as_it_is
    keys_in_turn: int = 1
    over_keys: OverKeys = the_same_keys
    over_clock: OverClock = the_same_clock


@dataclass(slots=True)
class Member:
    """One participant: `number` within its `group`, its bank and account there, its wallet and its devices.

    `clone` is the copy of its opened device, where an attack study made one.
    """

    name: str
    group: str
    number: int
    bank: str
    category: int
    customer: bytes
    wallet: Wallet
    consent: bool = True
    device: Device | None = None
    clone: Device | None = None
