"""How the sandbox's site looks on its first morning: banks with reserves, customers, a first issue, some neighbours.

Customers of the demo users have an account and no key: their wallets are made in browsers, which join later. The
neighbours are simulated wallets and devices in the server, so that the consoles have something to show: they buy, pay
each other, one of them takes money offline. Everything is asked for under fixed ids, so opening a kept sandbox again
changes nothing.

A wallet in a browser has no secure element, so its device is of the lowest tier.
"""

from pathlib import Path
from typing import NamedTuple

from cbdc.cabinet import Row
from cbdc.distribution import NewAccount
from cbdc.errors import TengeError
from cbdc.institutions import OverKeys, the_same_keys
from cbdc.money import tenge
from cbdc.operations.counted_store import OverStore, as_it_is
from cbdc.policies import preset
from cbdc.ports import Checkpoint, Clock
from cbdc.token import MERCHANT, PERSON
from offline.records import TIER_SW
from wallets.cast import Member, OverClock, SandboxPlan, the_same_clock
from wallets.desk import derived
from wallets.sandbox import Sandbox, raise_first
from wallets.site.marked import N_
from wallets.site.users import User

BANKS = (
    ("alatau", N_("Alatau Test Bank"), tenge(5_000_000)),
    ("tobol", N_("Tobol Test Bank"), tenge(3_000_000)),
)
FIRST_ISSUE_TENGE = {"alatau": 600_000, "tobol": 300_000}
POLICY = "sandbox"
KEYS_IN_TURN = 4
BUDGET_TENGE = 2_000_000
LOSS_RESERVE_TENGE = 50_000
PERSON_TIER = 2
MERCHANT_TIER = 4
NEIGHBOURS = ("Neighbour Asel", "Neighbour Timur", "Neighbour Zhanna")
NEIGHBOUR_DEPOSIT_TENGE = 40_000
NEIGHBOUR_BUYS_TENGE = 15_000


class Resident(NamedTuple):
    """Somebody of the street: a name, the short name of its bank, PERSON or MERCHANT, and where it lives."""

    name: str
    bank: str
    category: int
    region: str


STREET = (
    Resident(N_("Aru of the street"), "alatau", PERSON, "Almaty"),
    Resident(N_("Daulet of the street"), "alatau", PERSON, "Almaty"),
    Resident(N_("Kamila of the street"), "alatau", PERSON, "Almaty"),
    Resident(N_("Nurlan of the street"), "alatau", PERSON, "Almaty"),
    Resident(N_("Saltanat of the street"), "tobol", PERSON, "Aktobe"),
    Resident(N_("Temir of the street"), "tobol", PERSON, "Aktobe"),
    Resident(N_("Zarina of the street"), "tobol", PERSON, "Aktobe"),
    Resident(N_("Yerbol of the street"), "tobol", PERSON, "Aktobe"),
    Resident(N_("Grocery of the street"), "alatau", MERCHANT, "Almaty"),
    Resident(N_("Market stall of the street"), "tobol", MERCHANT, "Aktobe"),
    Resident(N_("Canteen of the street"), "tobol", MERCHANT, "Aktobe"),
)
STREET_DEPOSIT_TENGE = 60_000
_STREET = "site street"
_HERE = derived("street")


def open_sandbox(
    clock: Clock,
    seed: int | None,
    folder: Path | None,
    store: str,
    checkpoint: Checkpoint,
    over_store: OverStore = as_it_is,
    over_keys: OverKeys = the_same_keys,
    over_clock: OverClock = the_same_clock,
) -> Sandbox:
    """The sandbox of an act, with its institutions set up; raises what `Sandbox.open` raises.

    `over_store` makes of the ledger's store the one that is used, so that commits can be counted, `over_keys` of
    the institutions' keys those that are used, `over_clock` of the clock the one that dates its ledger.
    """
    plan = SandboxPlan(
        seed,
        clock,
        label="site",
        store=store,
        over_store=over_store,
        keys_in_turn=KEYS_IN_TURN,
        over_keys=over_keys,
        over_clock=over_clock,
        banks=BANKS,
        budget_bank=BANKS[0][0],
        budget_tiyn=tenge(BUDGET_TENGE),
        loss_reserve_tiyn=tenge(LOSS_RESERVE_TENGE),
        policy=preset(POLICY),
    )
    sandbox = Sandbox.open(plan, folder, checkpoint)
    sandbox.field.open_to_wallets(TIER_SW)
    sandbox.set_up()
    return sandbox


def bank_title(name: str) -> str:
    """The full name of a bank by its short one."""
    return next((title for short, title, _ in BANKS if short == name), name)


def customer_id(user: User) -> bytes:
    """The customer number of a user at its bank, 32 bytes."""
    return derived("site customer", user.id)


def open_accounts(sandbox: Sandbox, users: list[User]) -> None:
    """Every customer among the users has an account with its opening deposit; again: the same accounts."""
    for bank_id, bank in sandbox.system.banks.items():
        accounts = [
            NewAccount(
                customer_id(user),
                user.name,
                f"test-{user.id}",
                PERSON_TIER if user.category == PERSON else MERCHANT_TIER,
                user.category,
                tenge(user.deposit_tenge),
            )
            for user in users
            if user.is_customer and user.bank_id == bank_id
        ]
        if accounts:
            bank.open_accounts(accounts)


def bring_neighbours(sandbox: Sandbox) -> list[Member]:
    """The simulated neighbours and their shop: new ones, or those of a kept sandbox as they were."""
    people = [sandbox.person(name, NEIGHBOUR_DEPOSIT_TENGE) for name in NEIGHBOURS]
    shop = sandbox.person("Neighbourhood shop", 0, category=MERCHANT)
    for member in (*people, shop):
        if member.device is not None:
            member.device.recover(sandbox.clock.now())
    return [*people, shop]


def bring_street(sandbox: Sandbox) -> list[Member]:
    """The street's residents, in the order of `STREET`: new ones, or those of a kept sandbox as they were.

    They are **simulated**: wallets and devices in this server, at both banks. That they are here is written down first.
    """
    sandbox.system.stores.cabinet.put_many([Row(_STREET, _HERE, b"1")])
    found = []
    for one in STREET:
        is_shop = one.category == MERCHANT
        deposit_tiyn = 0 if is_shop else tenge(STREET_DEPOSIT_TENGE)
        tier = MERCHANT_TIER if is_shop else PERSON_TIER
        found += sandbox.add_group(
            one.name, one.category, one.bank, tier, [one.name], [deposit_tiyn], [True], "SE"
        )
    for member in found:
        if member.device is not None:
            member.device.recover(sandbox.clock.now())
    return found


def has_street(sandbox: Sandbox) -> bool:
    """Whether the street's residents have come to this sandbox."""
    return sandbox.system.stores.cabinet.get(_STREET, _HERE) is not None


def first_morning(sandbox: Sandbox, neighbours: list[Member]) -> None:
    """Issue to the banks, and let the neighbours live a little; harmless again."""
    for name, amount in FIRST_ISSUE_TENGE.items():
        sandbox.issue(amount, bank=name, id=derived("site issue", name))
    *people, shop = neighbours
    _all(sandbox.buy([(one, tenge(NEIGHBOUR_BUYS_TENGE)) for one in people], derived("site buy")))
    rows = [
        (people[0], shop, tenge(2_400)),
        (people[1], shop, tenge(1_150)),
        (people[2], people[0], tenge(5_000)),
    ]
    _all(sandbox.pay(rows, b"", derived("site pay")))
    _all(sandbox.load([(people[0], [tenge(3_000), tenge(2_000)])], b"", derived("site load")))


def _all(answers: list[TengeError | None]) -> None:
    raise_first(answers)
