"""How the stage looks when the curtain rises: who is there, what everybody has, and where it is kept.

Three phones: Aigerim and Bolat, and Dana's bakery. One bank with reserves, a funded loss reserve, a first issue, and
some digital tenge in every wallet. All of it is asked for under fixed ids, so opening a kept stage again changes
nothing. Each fresh start is an act of its own, with a folder and a ledger of its own beside the earlier ones.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from cbdc.errors import TengeError
from cbdc.money import tenge
from cbdc.ports import Checkpoint, Clock
from cbdc.token import MERCHANT, PERSON
from offline.device import Device
from wallets.cast import Member, SandboxPlan
from wallets.desk import derived
from wallets.sandbox import Sandbox
from wallets.web.wishes import PHONES

BANK = "bank"
NAMES = {"aigerim": "Aigerim", "bolat": "Bolat", "dana": "Dana"}
CATEGORIES = {"aigerim": PERSON, "bolat": PERSON, "dana": MERCHANT}
DEPOSITS_TENGE = {"aigerim": 50_000, "bolat": 30_000, "dana": 80_000}
BOUGHT_TENGE = {"aigerim": 20_000, "bolat": 8_000, "dana": 5_000}
FIRST_ISSUE_TENGE = 100_000
RESERVES_TENGE = 1_000_000
LOSS_RESERVE_TENGE = 50_000


@dataclass(frozen=True, slots=True)
class Phone:
    """One phone: its id, whose it is, and what it is (`person` or `shop`)."""

    id: str
    member: Member
    kind: str

    @property
    def device(self) -> Device:
        """Its secure device; every phone of the stage has one."""
        assert self.member.device is not None
        return self.member.device

    @property
    def clone(self) -> Device | None:
        """The copy of its device, where somebody made one."""
        return self.member.clone


def act_folder(folder: Path | None, act: int) -> Path | None:
    """Where an act is kept: a folder of its own inside the stage's."""
    return None if folder is None else folder / f"act-{act:04d}"


def act_store(store: str, act: int) -> str:
    """The URL of an act's own ledger: the given one for the first act, one beside it for each later."""
    if not store or act == 1:
        return store
    if store.startswith(("postgresql:", "postgres:")):
        named, found = re.subn(r"([?&]schema=\w+)", rf"\1_{act}", store)
        return named if found else f"{store}{'&' if '?' in store else '?'}schema=ledger_{act}"
    stem, dot, ending = store.rpartition(".")
    return f"{stem}-{act}.{ending}" if dot and "/" not in ending else f"{store}-{act}"


def open_sandbox(
    clock: Clock, seed: int | None, folder: Path | None, store: str, act: int, checkpoint: Checkpoint
) -> Sandbox:
    """The sandbox of an act, with its institutions set up; raises what `Sandbox.open` raises."""
    plan = SandboxPlan(
        seed,
        clock,
        label="stage",
        store=act_store(store, act),
        banks=((BANK, "Test bank", tenge(RESERVES_TENGE)),),
        loss_reserve_tiyn=tenge(LOSS_RESERVE_TENGE),
    )
    sandbox = Sandbox.open(plan, act_folder(folder, act), checkpoint)
    sandbox.set_up()
    return sandbox


def bring_phones(sandbox: Sandbox) -> dict[str, Phone]:
    """The three phones by their ids: new ones, or those of a kept stage with what a crash cut off finished."""
    phones = {}
    for name in PHONES:
        category = CATEGORIES[name]
        member = sandbox.person(NAMES[name], DEPOSITS_TENGE[name], category=category)
        phone = phones[name] = Phone(name, member, "shop" if category == MERCHANT else "person")
        for device in filter(None, (phone.device, phone.clone)):
            device.recover(sandbox.clock.now())
    return phones


def first_money(sandbox: Sandbox, phones: dict[str, Phone]) -> dict[str, int]:
    """Issue to the bank and let everybody buy; how much (tiyn) each phone bought."""
    sandbox.issue(FIRST_ISSUE_TENGE, id=derived("stage issue"))
    bought = {name: tenge(BOUGHT_TENGE[name]) for name in phones}
    rows = [(phone.member, bought[name]) for name, phone in phones.items()]
    for answer in sandbox.buy(rows, derived("stage bought")):
        if isinstance(answer, TengeError):
            raise answer
    return bought
