"""The composition root of everything: institutions, offline settlement, and a cast of wallets and devices.

One of the two places where stores, clocks, keys and chance are chosen. With a seed, every id, key and nonce follows
from (seed, what it is for): the same seed gives the same bytes. Without one, keys come from the operating system.

    sandbox = Sandbox.in_memory(seed=7)
    aigerim = sandbox.person("Aigerim", deposit_tenge=10_000)
    sandbox.issue(tenge=100_000)
    sandbox.buy_and_load(aigerim, tenge=3_000)

Pilots, the stage and the exercises all stand on this class; it decides nothing about money itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cbdc.accounts import NATIONAL_BANK, deposit, institution_of
from cbdc.authority import Root
from cbdc.distribution import NewAccount
from cbdc.errors import TengeError
from cbdc.institutions import BankName
from cbdc.ledger.engines import open_store
from cbdc.ledger.entry import open_entry
from cbdc.ledger.ledger import Supply
from cbdc.ledger.store import Store
from cbdc.marks import MarkDefinition
from cbdc.money import tenge as tiyn_of
from cbdc.operations.rotation import ledger_number
from cbdc.ports import Checkpoint, ManualClock, SeededEntropy, SystemEntropy, no_checkpoint
from cbdc.private import make_folder
from cbdc.record import Signed
from cbdc.system import Setup, assemble, open_stores
from cbdc.token import PERSON
from wallets import keystore
from wallets.balances import accounts
from wallets.basis import Basis
from wallets.case import Case
from wallets.cast import DEVICE_TIERS, Member, SandboxPlan
from wallets.desk import Answers, Desk, Row, derived
from wallets.field import DAY_SECONDS, Field, devices_of, named_numbers
from wallets.store_memory import memory_store
from wallets.store_sqlite import sqlite_store
from wallets.wallet import GROUP, Wallet

PASSPHRASE = "test money"  # noqa: S105 - seals only the seeded keys of pilots, which follow from the seed anyway
REGISTER = "general"
DEFAULT_START = 1_762_146_000  # a Monday morning in Kazakhstan
MERCHANT_TIER = 4


def _last_time(store: Store) -> int:
    """The time of a journal's last entry, 0 without one."""
    row = next(store.entries(max(0, store.size() - 1)), None)
    return 0 if row is None else open_entry(row.data).time


class Sandbox:
    """Everything in one process. Build it with `open` (a folder, a plan) or `in_memory` (a seed)."""

    def __init__(self, plan: SandboxPlan, folder: Path | None, checkpoint: Checkpoint) -> None:
        self.clock = plan.clock
        self._plan = plan
        entropy = SystemEntropy() if plan.seed is None else SeededEntropy(plan.seed)
        self._keys = self._open_keystore(folder, entropy)
        # Below the keystore everything is keyed by it, so that a folder opened again asks and gets the same.
        self._entropy = SeededEntropy(int.from_bytes(self._keys.key("entropy").secret, "big"))
        stores = open_stores(folder, checkpoint)
        if plan.store:
            stores.ledger.close()
            stores = stores._replace(ledger=open_store(plan.store, checkpoint))
        stores = stores._replace(ledger=plan.over_store(stores.ledger))
        setup = Setup(
            banks=tuple(BankName(number, name) for number, (name, _, _) in enumerate(plan.banks, start=1)),
            registers=(REGISTER, *plan.registers),
            label=plan.label,
            policy=plan.policy.ledger_policy(),
            keys_in_turn=plan.keys_in_turn,
            ledger_number=ledger_number(folder),
        )
        try:
            source = plan.over_keys(self._keys.key, stores.ledger.size() == 0)
            dating = plan.over_clock(self.clock, _last_time(stores.ledger))
            dating.now()  # a clock that may not date an entry is said before anything is opened
            self.system = assemble(stores, source, self.clock, self._entropy, setup, dating)
        except BaseException:
            stores.close()
            raise
        self.store = (
            memory_store(checkpoint)
            if folder is None
            else sqlite_store(folder / "wallets.sqlite", checkpoint)
        )
        self.directory: dict[bytes, str] = {}
        self.desk = Desk(self.system, self.store, self.clock, self.directory)
        titles = {name: title for name, title, _ in plan.banks}
        self.field = Field(
            self.system,
            self._entropy,
            self.clock,
            folder,
            checkpoint,
            self.store,
            titles=titles,
            numbers=named_numbers(plan.policy.offline(), plan.mode),
            loss=(plan.loss_policy, plan.loss_study),
        )
        self.marks: dict[str, bytes] = {}
        self.definitions: dict[str, Signed[MarkDefinition]] = {}
        self._groups: dict[str, list[Member]] = {}
        self._by_hand = 0

    @staticmethod
    def _open_keystore(folder: Path | None, entropy: SeededEntropy | SystemEntropy) -> keystore.Keystore:
        if folder is None:
            return keystore.Keystore(entropy.bytes("keystore.master", b"keystore", 32))
        path = folder / "keystore.tenge"
        make_folder(folder)
        if path.exists():
            return keystore.open_keystore(path, PASSPHRASE)
        return keystore.create(path, PASSPHRASE, entropy, costs=keystore.WEAK_COSTS_FOR_PILOTS)

    @classmethod
    def open(
        cls, plan: SandboxPlan, folder: Path | None = None, checkpoint: Checkpoint = no_checkpoint
    ) -> "Sandbox":
        """A sandbox in `folder` (in memory when None): new, or as it was left, with what a crash cut off completed."""
        return cls(plan, folder, checkpoint)

    @classmethod
    def in_memory(cls, seed: int = 7) -> "Sandbox":
        """A small sandbox with one bank, ready to use: the bank, the budget and the loss reserve have money."""
        sandbox = cls(
            SandboxPlan(
                seed,
                ManualClock(DEFAULT_START),
                budget_bank="Kok Tobe Bank",
                budget_tiyn=tiyn_of(1_000_000),
                loss_reserve_tiyn=tiyn_of(10_000),
            ),
            None,
            no_checkpoint,
        )
        sandbox.set_up()
        return sandbox

    @property
    def loss_policy(self) -> str:
        """The name of the policy that says who bears double spends."""
        return self._plan.loss_policy

    @property
    def entropy(self) -> SeededEntropy:
        """Chance for what is built over this sandbox: keyed by the keystore, the same when it is opened again."""
        return self._entropy

    def close(self) -> None:
        """Release every file."""
        self.field.close()
        self.store.close()
        self.system.close()

    # --- setting up ---

    def set_up(self) -> None:
        """Endow the banks, fund the loss reserve, open the budget's account; once, and harmless again."""
        for number, (name, _, reserve_tiyn) in enumerate(self._plan.banks, start=1):
            if reserve_tiyn:
                self.system.national_bank.endow(derived("endow", name), number, reserve_tiyn)
        if self._plan.loss_reserve_tiyn:
            self.system.fund_loss_reserve(derived("loss reserve"), self._plan.loss_reserve_tiyn)
        if self._plan.budget_tiyn:
            self._budget_bank.open_account(
                derived("budget"), "City budget", "budget", MERCHANT_TIER, PERSON, self._plan.budget_tiyn
            )
        if not self.definitions:
            self.field.publish(())

    @property
    def _budget_bank(self) -> Any:
        return self.system.banks[self.desk.bank_id(self._plan.budget_bank)]

    def define_mark(self, name: str, definition: Signed[MarkDefinition]) -> None:
        """Make a mark known by a short name, and its offline purpose known to devices."""
        self.marks[name] = definition.oid
        self.definitions[name] = definition

    def publish_purposes(self) -> None:
        """Put the purposes of all marks into a new TRUST list; devices enrolled from now on have it."""
        self.field.publish([definition.record for definition in self.definitions.values()])

    def add_group(
        self,
        group: str,
        category: int,
        bank: str,
        tier: int,
        names: Sequence[str],
        deposits_tiyn: Sequence[int],
        with_device: Sequence[bool],
        device_tier: str = "SW",
        consent: Sequence[bool] | None = None,
    ) -> list[Member]:
        """Add like members: bank accounts, keys registered on the ledger in one group, devices enrolled."""
        institution = self.system.banks[self.desk.bank_id(bank)]
        members = []
        for number, name in enumerate(names):
            wallet = self.wallet(name)
            self.directory[wallet.kid] = name
            agreed = True if consent is None else consent[number]
            customer = derived("customer", name)
            members.append(Member(name, group, number, bank, category, customer, wallet, agreed))
        for start in range(0, len(members), GROUP):
            part = members[start : start + GROUP]
            institution.open_accounts(
                [
                    NewAccount(m.customer, m.name, f"test-{m.name}", tier, category, deposits_tiyn[m.number])
                    for m in part
                ]
            )
            known = institution.customers.attached([m.wallet.kid for m in part])
            keys = [(m.customer, m.wallet.signer) for m in part if m.wallet.kid not in known]
            raise_first([a for a in institution.register_keys(keys) if isinstance(a, TengeError)])
        for member, wanted in zip(members, with_device, strict=True):
            if wanted:
                self.field.enrol(member, DEVICE_TIERS[device_tier], self.desk.bank_id(bank))
        self._groups.setdefault(group, []).extend(members)
        return members

    def person(
        self, name: str, deposit_tenge: int = 0, device: bool = True, category: int = PERSON
    ) -> Member:
        """One more person with a bank account, a registered wallet and a device."""
        bank = self._plan.banks[0][0]
        tier = 2 if category == PERSON else MERCHANT_TIER
        return self.add_group(name, category, bank, tier, [name], [tiyn_of(deposit_tenge)], [device], "SE")[0]

    def wallet(self, name: str, serial: int = 0) -> Wallet:
        """The wallet of this name; a later `serial` is the same person's with another key (after a recovery)."""
        label = f"wallet/{name}/{serial}" if serial else f"wallet/{name}"
        signer = self._keys.key(label)
        return Wallet(name, signer, self.store, self.system.ledger, self._entropy, self.clock)

    def secret(self, label: str, name: bytes) -> bytes:
        """32 bytes that nobody knows and that follow from the sandbox's own secret, for a purpose and a name."""
        return self._entropy.bytes(label, name, 32)

    def group(self, name: str) -> list[Member]:
        """The members of a group, in order; empty for an unknown name."""
        return self._groups.get(name, [])

    def pseudonym(self, member: Member) -> bytes:
        """The pseudonym under which the ledger knows a member's keys."""
        return self.system.banks[self.desk.bank_id(member.bank)].customers.get(member.customer).pseudonym

    # --- online: see `wallets.desk` ---

    def issue(self, tenge: int, bank: str = "", id: bytes = b"") -> None:
        """A bank orders `tenge` of digital tenge from the National Bank."""
        name = bank or self._plan.banks[0][0]
        self.desk.order(name, tiyn_of(tenge), id or derived("issue", self.system.ledger.size))

    def order(self, bank: str, amount_tiyn: int, id: bytes) -> None:
        """A bank orders digital tenge against its reserves."""
        self.desk.order(bank, amount_tiyn, id)

    def budget_buys(self, bank: str, amount_tiyn: int, id: bytes) -> None:
        """The budget buys digital tenge from its deposit at a bank."""
        institution = self.system.banks[self.desk.bank_id(bank)]
        self.system.treasury.draw(derived(id, "draw"), institution, derived("budget"), amount_tiyn)

    def publish_mark(self, mark: str) -> None:
        """The treasury puts a mark's definition on the ledger, so that those whom it lets may mark by it."""
        self.system.treasury.publish(self.definitions[mark])

    def give_vouchers(self, mark: str, rows: Sequence[Row], id: bytes) -> Answers:
        """The treasury gives marked money to members."""
        return self.desk.give_vouchers(self.definitions[mark], rows, id)

    def buy(self, rows: Sequence[Row], id: bytes) -> Answers:
        """Members buy digital tenge with their deposits."""
        return self.desk.buy(rows, id)

    def pay(
        self,
        rows: Sequence[tuple[Member, Member | None, int]],
        mark: bytes,
        id: bytes,
        bases: Sequence[Basis] = (),
        marking: bytes = b"",
    ) -> Answers:
        """Members pay members, or (None) the treasury; see `wallets.desk` for what payments may stand on."""
        return self.desk.pay(rows, self._definition(mark), id, bases, self._definition(marking))

    def _definition(self, mark: bytes) -> Signed[MarkDefinition] | None:
        return next((one for one in self.definitions.values() if one.oid == mark), None)

    def merge(self, members: Sequence[Member], mark: bytes, id: bytes) -> Answers:
        """Members make one token of many."""
        return self.desk.merge(members, mark, id)

    def release(self, member: Member, mark: bytes, seen_tiyn: int | None, id: bytes) -> int:
        """A member turns its marked money into free money on the register's statement."""
        return self.desk.release(member, mark, seen_tiyn, id, REGISTER)

    def release_on_documents(
        self, member: Member, mark: bytes, amount_tiyn: int, documents: Sequence[bytes], id: bytes
    ) -> int:
        """A member frees a part of its marked money on documents of outside registers."""
        return self.desk.release_on_documents(member, mark, amount_tiyn, documents, id)

    def sell(self, member: Member, mark: bytes = b"", id: bytes = b"") -> int:
        """A member turns its digital tenge into a deposit."""
        return self.desk.sell(member, mark, id or self._fresh_id())

    def sell_each(self, rows: Sequence[tuple[Member, bytes]], mark: bytes) -> list[int | TengeError]:
        """Members turn their digital tenge into deposits, each under its own id; how much, or the refusal."""
        return self.desk.sell_each(rows, mark)

    def redeem(self, bank: str = "", id: bytes = b"") -> int:
        """A bank gives its inventory back to the National Bank."""
        return self.desk.redeem(bank or self._plan.banks[0][0], id or self._fresh_id())

    def expire(self, members: Sequence[Member], mark: bytes, id: bytes) -> int:
        """Unused marked money returns to the budget."""
        definition = next(one for one in self.definitions.values() if one.oid == mark)
        return self.desk.expire(definition, members, id)

    # --- offline: see `wallets.field` ---

    def load(self, rows: Sequence[tuple[Member, list[int]]], mark: bytes, id: bytes) -> Answers:
        """Members take money offline: one note for each amount."""
        return self.field.load(rows, mark, id, self.directory)

    def buy_and_load(self, member: Member, tenge: int) -> None:
        """Buy digital tenge with the deposit and take it offline as one note."""
        request = derived("buy and load", member.name, self.system.ledger.size)
        raise_first(self.buy([(member, tiyn_of(tenge))], request))
        raise_first(self.load([(member, [tiyn_of(tenge)])], b"", request))

    def clone(self, member: Member) -> Member:
        """Open a member's device (the loud attack switch) and make a copy of it, `member.clone`."""
        self.field.clone(member)
        return member

    def pay_offline(
        self, payer: Member, payee: Member, amount_tiyn: int, mark: bytes, id: bytes, clone: bool = False
    ) -> int:
        """Device pays device, no network; the longest chain of hops among the notes paid."""
        return self.field.pay(payer, payee, amount_tiyn, mark, id, clone)

    def pay_offline_once(self, payer: Member, payee: Member, tenge: int, clone: bool = False) -> int:
        """`pay_offline` in free money, under an id of its own."""
        name = derived("offline", payer.name, payee.name, tenge, clone, self.field.payments)
        return self.pay_offline(payer, payee, tiyn_of(tenge), b"", name, clone)

    def sync(self, members: Sequence[Member], id: bytes = b"") -> Answers:
        """Members' devices hand in what they hold and take the answer."""
        return self.field.sync(members, id or derived("sync", self.system.ledger.size, self.field.payments))

    def reconcile(self) -> Case:
        """Derive the facts, book what is due, and tell the case so far."""
        return self.field.reconcile()

    def redeem_offline(self, member: Member, id: bytes = b"") -> int:
        """A member's device sends all it holds home, to the member's online wallet; how much (tiyn)."""
        return self.field.redeem(member, id or self._fresh_id())

    def close_cases(self) -> Case:
        """Book what has fallen due with time: refunds, and the collection of losses from those who answer for them."""
        case = self.field.reconcile()
        self.field.refresh_wallets(self.members())
        return case

    def case(self) -> Case:
        """The case as it stands."""
        return self.field.case()

    # --- by hand: one member at a time, whole tenge, an id made here, and a refusal is raised ---

    def _fresh_id(self) -> bytes:
        self._by_hand += 1
        return derived("by hand", self._by_hand, self.system.ledger.size, self.clock.now())

    def buy_once(self, member: Member, tenge: int) -> None:
        """A member buys digital tenge with its deposit."""
        raise_first(self.buy([(member, tiyn_of(tenge))], self._fresh_id()))

    def pay_once(self, payer: Member, payee: Member, tenge: int, mark: str = "") -> None:
        """A member pays another online, in free money or in money of a mark."""
        name = self.marks[mark] if mark else b""
        raise_first(self.pay([(payer, payee, tiyn_of(tenge))], name, self._fresh_id()))

    def new_mark(
        self, name: str, edges: Mapping[int, Sequence[int]], days: int = 30, released_by: Sequence[int] = ()
    ) -> None:
        """The treasury defines a mark for online money: payer category -> payee categories, for so many days.

        Who may be given the money stands under `cbdc.token.TREASURY_ACCOUNT`; `released_by` may make free money of it.
        """
        now = self.clock.now()
        definition = self.system.treasury.define(
            name, len(self.marks) + 1, tuple(edges.items()), now, now + days * DAY_SECONDS, 0, released_by
        )
        self.define_mark(name, definition)

    def give_once(self, mark: str, member: Member, tenge: int) -> None:
        """The budget buys digital tenge from the bank, marks it, and gives it to a member."""
        request = self._fresh_id()
        self.budget_buys(self._plan.budget_bank, tiyn_of(tenge), request)
        raise_first(self.give_vouchers(mark, [(member, tiyn_of(tenge))], request))

    def release_once(self, member: Member, mark: str) -> int:
        """A member whom the mark's definition names makes free money of all it has of it; how much (tiyn)."""
        return self.release(member, self.marks[mark], None, self._fresh_id())

    def wait(self, days: int) -> None:
        """Let days pass; only where time is virtual."""
        assert isinstance(self.clock, ManualClock), "this sandbox runs on the machine's time"
        self.clock.advance(days * DAY_SECONDS)

    # --- figures ---

    def members(self) -> list[Member]:
        """The whole cast, group by group."""
        return [member for group in self._groups.values() for member in group]

    def supply(self) -> Supply:
        """The supply table."""
        return self.system.ledger.supply()

    def group_figures(self, name: str) -> dict[str, int]:
        """What a group has in wallets, on devices and on deposit (tiyn)."""
        members, held = self.group(name), self.store.totals()
        accounts = [deposit(self.desk.bank_id(member.bank), member.customer) for member in members]
        return {
            "wallets": sum(held.get(member.name, 0) for member in members),
            "devices": sum(
                device.balance_tiyn(self.clock.now()) for member in members for device in devices_of(member)
            ),
            "deposits": sum(self.system.books.balance_each(accounts)),
        }

    def deposit_tiyn(self, member: Member) -> int:
        """What a member has on deposit at its bank."""
        return self.system.books.balance(deposit(self.desk.bank_id(member.bank), member.customer))

    def mark_figures(self, name: str) -> dict[str, Any]:
        """What money of a mark there is anywhere (tiyn), and its id."""
        mark = self.marks[name]
        return {"id": mark.hex(), "outstanding_tiyn": self.system.ledger.marked_tiyn(mark)}

    def balance_sheets(self) -> list[dict[str, Any]]:
        """The balance sheets of the National Bank and the banks; customers' deposits as one line."""
        books = self.system.books
        titles = {number: title for number, (_, title, _) in enumerate(self._plan.banks, start=1)}
        rows = [("National Bank", books.balance_sheet(NATIONAL_BANK))]
        rows += [(title, books.balance_sheet(institution_of(number))) for number, title in titles.items()]
        return [{"institution": name, "accounts": list(accounts(sheet, titles))} for name, sheet in rows]

    @property
    def bank_name(self) -> str:
        """The short name of the first bank."""
        return self._plan.banks[0][0]

    @property
    def bank_title(self) -> str:
        """The full name of the first bank."""
        return self._plan.banks[0][1]

    @property
    def trusted_root(self) -> Signed[Root]:
        """ROOT, as a verifier of evidence needs it."""
        return self.system.authority.root

    @property
    def root(self) -> bytes:
        """ROOT's bytes."""
        return self.trusted_root.encode()

    def head(self) -> bytes:
        """The newest signed head of the ledger, to be kept elsewhere."""
        return self.system.ledger.head().encode()

    def evidence_files(self) -> list[tuple[str, bytes]]:
        """(file name, bytes) of every proof, in a fixed order."""
        return self.field.evidence_files()

    def signed_ids(self) -> Iterator[bytes]:
        """The id of everything signed: the ledger's transactions in order, then the offline objects in order."""
        for row in self.system.stores.ledger.entries():
            yield row.transaction_id
        yield from self.field.object_ids()


def raise_first(answers: Sequence[TengeError | None]) -> None:
    """Raise the first refusal among the answers, if there is one."""
    for answer in answers:
        if answer is not None:
            raise answer
