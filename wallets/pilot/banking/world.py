"""What the banking verbs of a script stand on: every desk of `cbdc` and `wallets` that a policy rules, over a sandbox.

It decides nothing: desks are built over the sandbox's own ledger, books and cabinet, and what a script names (a bill, a
mandate, a lock) is written into the cabinet under the name, so that a run that was killed finds it again. A member
whose wallet was recovered, or whose bank changed, is put back as it was when the world opens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cbdc import canonical
from cbdc.aliases import AliasDirectory
from cbdc.cabinet import Row
from cbdc.errors import TengeError
from cbdc.liquidity import Liquidity
from cbdc.mandates import Mandate, MandateDesk
from cbdc.policies import PolicySet
from cbdc.purchases import PurchaseDesk
from cbdc.record import AMOUNT, HASH, Group, Text, Unsigned
from cbdc.recovery import RecoveryDesk
from cbdc.resolution import Resolution
from cbdc.sales import SaleOrder
from cbdc.settlement import SettlementDesk
from cbdc.token import TokenId
from wallets.cast import DEVICE_TIERS, Member
from wallets.conditional import Deals
from wallets.desk import derived
from wallets.pilot.policy_section import PolicySection
from wallets.policy_payments import PolicyPayments
from wallets.refunds import RefundDesk
from wallets.request_book import RequestBook
from wallets.sandbox import Sandbox
from wallets.wallet import Wallet, find_tokens_of, refresh

_NAMED = "script"
_BANKS = "script bank of"
_SOURCES = "script bank before"
_SERIALS = "script wallet of"
_LOCK = Group((HASH, Unsigned(0, 255), AMOUNT))
_PAID = Group((HASH, Text(64)))


def named(kind: str, name: str, member: Member) -> bytes:
    """The id of what a script calls `name` for one member: a lock, a mandate, a bill."""
    return derived(_NAMED, kind, name, member.name)


@dataclass(slots=True)
class Banking:
    """The desks over one sandbox."""

    section: PolicySection
    sandbox: Sandbox
    stolen: dict[str, Member] = field(default_factory=dict)
    _members: dict[str, Member] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._members = {member.name: member for member in self.sandbox.members()}
        for name, member in self._members.items():
            bank = self._kept(_BANKS, name)
            if bank is not None:
                member.bank = Text(128).load(canonical.decode(bank), "bank")
            serial = self._kept(_SERIALS, name)
            if serial is not None:
                self.renew(member, Unsigned(1).load(canonical.decode(serial), "serial"))

    # --- desks ---

    @property
    def policy(self) -> PolicySet:
        """The rules that hold."""
        return self.section.policy

    @property
    def settlement(self) -> SettlementDesk:
        """The door to the settlement system; without the rule `settlement_hours` it never rests."""
        system = self.sandbox.system
        calendar = self.section.calendar if self.policy.holds("settlement_hours") else None
        return SettlementDesk(system.banks, system.books, system.stores.cabinet, calendar, self.sandbox.clock)

    @property
    def liquidity(self) -> Liquidity:
        """What banks lend, and what the National Bank lends them."""
        return Liquidity(self.sandbox.system.books, self.policy, self.sandbox.clock)

    @property
    def payments(self) -> PolicyPayments:
        """Payments with waterfall and reverse waterfall."""
        sandbox, system = self.sandbox, self.sandbox.system
        purchases = {
            number: PurchaseDesk(bank, system.stores.cabinet, self.policy, sandbox.clock)
            for number, bank in system.banks.items()
        }
        return PolicyPayments(
            system, sandbox.desk, sandbox.store, self.policy, purchases, sandbox.directory, sandbox.clock
        )

    @property
    def aliases(self) -> AliasDirectory:
        """The directory of phone numbers."""
        system = self.sandbox.system
        secret = self.sandbox.secret("alias directory", b"secret")
        lookups = self.policy.value("alias_lookups")
        return AliasDirectory(system.ledger, system.stores.cabinet, secret, self.sandbox.clock, lookups)

    @property
    def mandates(self) -> MandateDesk:
        """Mandates, executed by the payer's bank out of the deposit."""
        system = self.sandbox.system
        return MandateDesk(
            system.ledger, system.stores.cabinet, self.policy, self.sandbox.clock, self._out_of_deposit
        )

    @property
    def refunds(self) -> RefundDesk:
        """Refunds bound to payments."""
        sandbox, system = self.sandbox, self.sandbox.system
        return RefundDesk(
            sandbox.store,
            system.ledger,
            system.stores.cabinet,
            self.policy,
            sandbox.directory,
            sandbox.clock,
        )

    @property
    def deals(self) -> Deals:
        """Locks."""
        sandbox = self.sandbox
        return Deals(sandbox.store, sandbox.system.ledger, sandbox.directory, sandbox.clock)

    @property
    def resolution(self) -> Resolution:
        """Banks that fail."""
        system = self.sandbox.system
        return Resolution(system.banks, system.enforcement, system.ledger)

    def book(self, member: Member) -> RequestBook:
        """A member's book of payment requests."""
        system = self.sandbox.system
        return RequestBook(
            member.name, system.network, system.stores.cabinet, self.policy, self.sandbox.clock
        )

    def recovery(self, member: Member) -> RecoveryDesk:
        """The recoveries of a member's bank."""
        system = self.sandbox.system
        bank = system.banks[self.sandbox.desk.bank_id(member.bank)]
        return RecoveryDesk(
            bank,
            system.enforcement,
            system.ledger,
            system.stores.cabinet,
            self.policy,
            self.sandbox.clock,
        )

    def _out_of_deposit(self, id: bytes, mandate: Mandate, amount_tiyn: int) -> None:
        sandbox = self.sandbox
        payer = self.owner(mandate.payer)
        bank = sandbox.system.banks[sandbox.desk.bank_id(payer.bank)]
        answer = bank.sell([SaleOrder(id, payer.customer, mandate.payee, amount_tiyn)])[0]
        if isinstance(answer, TengeError):
            raise answer
        payee = self.owner(mandate.payee)
        find_tokens_of(sandbox.store, sandbox.system.ledger, [payee.wallet])

    def owner(self, kid: bytes) -> Member:
        """The member whose wallet key this is, or was."""
        return self._members[self.sandbox.directory[kid]]

    # --- members that change ---

    def bank_before(self, member: Member, id: bytes) -> str:
        """The bank that served a member when this was asked first under an id: written down before it changes."""
        name = f"{id.hex()} {member.name}"
        if self._kept(_SOURCES, name) is None:
            self._keep(_SOURCES, name, canonical.encode(member.bank))
        return Text(128).load(canonical.decode(self._kept(_SOURCES, name) or b""), "bank")

    def change_bank(self, member: Member, bank: str) -> None:
        """Another bank serves a member from now on."""
        self._keep(_BANKS, member.name, canonical.encode(bank))
        member.bank = bank

    def thief_of(self, member: Member) -> Wallet:
        """A wallet with the key that a member's lost phone holds, and what that key can spend now."""
        sandbox = self.sandbox
        lost = sandbox.wallet(member.name)
        thief = Wallet(
            f"{member.name} (lost)",
            lost.signer,
            sandbox.store,
            sandbox.system.ledger,
            sandbox.entropy,
            sandbox.clock,
        )
        refresh(sandbox.store, sandbox.system.ledger, thief)
        return thief

    def renew(self, member: Member, serial: int) -> None:
        """A member has another wallet key, and another device where it had one. Again: nothing."""
        sandbox = self.sandbox
        self._keep(_SERIALS, member.name, canonical.encode(serial))
        self.stolen[member.name] = Member(
            member.name,
            member.group,
            member.number,
            member.bank,
            member.category,
            member.customer,
            member.wallet,
            device=member.device,
        )
        member.wallet = sandbox.wallet(member.name, serial)
        sandbox.directory[member.wallet.kid] = member.name
        refresh(sandbox.store, sandbox.system.ledger, member.wallet)
        if member.device is not None:
            tier = DEVICE_TIERS["SE"]
            sandbox.field.enrol(member, tier, sandbox.desk.bank_id(member.bank), serial)

    # --- what a script names ---

    def _kept(self, drawer: str, name: str) -> bytes | None:
        return self.sandbox.system.stores.cabinet.get(drawer, derived(drawer, name))

    def _keep(self, drawer: str, name: str, data: bytes) -> None:
        if self._kept(drawer, name) != data:
            self.sandbox.system.stores.cabinet.put_many([Row(drawer, derived(drawer, name), data)])

    def keep(self, kind: str, name: str, member: Member, data: bytes) -> None:
        """Write down what `name` stands for, for a member."""
        cabinet = self.sandbox.system.stores.cabinet
        cabinet.put_many([Row(f"script {kind}", named(kind, name, member), data)])

    def find(self, kind: str, name: str, member: Member) -> bytes | None:
        """What `name` stands for, for a member; None when nothing does."""
        return self.sandbox.system.stores.cabinet.get(f"script {kind}", named(kind, name, member))

    def keep_lock(self, name: str, member: Member, locked: TokenId, amount_tiyn: int) -> None:
        """A lock's token."""
        self.keep("lock", name, member, canonical.encode([*locked, amount_tiyn]))

    def lock(self, name: str, member: Member) -> TokenId | None:
        """The token of a member's lock of this name."""
        data = self.find("lock", name, member)
        if data is None:
            return None
        transaction_id, output, _ = _LOCK.load(canonical.decode(data), "lock")
        return TokenId(transaction_id, output)

    def locked_tiyn(self, name: str, member: Member) -> int:
        """How much a member's lock of this name held when it was made; 0 when there is none."""
        data = self.find("lock", name, member)
        return 0 if data is None else _LOCK.load(canonical.decode(data), "lock")[2]

    def keep_payment(self, name: str, member: Member, transaction_id: bytes, payee: Member) -> None:
        """A payment that may be refunded later."""
        self.keep("payment", name, member, canonical.encode([transaction_id, payee.name]))

    def payment(self, name: str, member: Member) -> tuple[bytes, Member] | None:
        """A member's payment of this name: its transaction id, and who was paid."""
        data = self.find("payment", name, member)
        if data is None:
            return None
        transaction_id, payee = _PAID.load(canonical.decode(data), "payment")
        return transaction_id, self._members[payee]

    # --- figures ---

    def tick(self, now: int) -> None:
        """Carry out what waits for the settlement system, if it is open by now."""
        self.settlement.run()

    def facts(self) -> Mapping[str, int]:
        """Whole numbers that an expectation may name."""
        system = self.sandbox.system
        found = {"policy.waiting": len(self.settlement.waiting())}
        for bank in system.banks.values():
            sheet = bank.balance_sheet()
            deposits = sum(tiyn for name, tiyn in sheet.liabilities if name.startswith("deposit:"))
            found[f"bank.{bank.name}.deposits_tiyn"] = deposits
            found[f"bank.{bank.name}.reserves_tiyn"] = system.national_bank.reserve_tiyn(bank.bank_id)
            found[f"bank.{bank.name}.inventory_tiyn"] = bank.inventory_tiyn()
            found[f"bank.{bank.name}.owed_tiyn"] = self.liquidity.owed_tiyn(bank.bank_id)
        locked = system.stores.cabinet.all("script lock")
        open_locks = [_LOCK.load(canonical.decode(data), "lock") for _, data in locked]
        found["policy.locked_tiyn"] = sum(
            tiyn for name, place, tiyn in open_locks if system.ledger.token(TokenId(name, place)) is not None
        )
        return found

    def report(self) -> Mapping[str, object]:
        """The rules that held, with grade and note, and what waits."""
        rules = [
            {
                "name": rule.name,
                "kind": rule.kind,
                "tier": rule.tier,
                "value": rule.value,
                "grade": rule.grade,
                "note": rule.note,
            }
            for rule in self.policy.rules
        ]
        return {"preset": self.policy.title, "note": self.policy.note, "rules": rules, "facts": self.facts()}
