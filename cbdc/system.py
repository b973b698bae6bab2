"""The composition root of the institutions: the ledger, the books, the National Bank, the banks, the treasury.

One of the two places (the other is the sandbox above) where stores, clocks, keys and chance are chosen; everything
below takes them as arguments. A folder holds three files, `ledger.sqlite`, `books.sqlite` and `register.sqlite`;
without a folder everything is in memory. Opening an existing folder goes on where it stopped, and completes what a
crash left half done. The same keys, clock and chance give the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cbdc.accounts import CIRCULATION, Books
from cbdc.accounts_store import MemoryBooks, SqliteBooks
from cbdc.authority import ISSUER, Authority
from cbdc.cabinet import Cabinet, MemoryCabinet, SqliteCabinet
from cbdc.customers import sandbox_policy
from cbdc.distribution import BankKeys, CommercialBank
from cbdc.enforcement import Enforcement
from cbdc.errors import Refused, TengeError
from cbdc.institutions import (
    STANDARD_BANKS,
    STANDARD_REGISTERS,
    BankName,
    InstitutionKeys,
    KeySource,
    build_genesis,
    check_not_left,
    registrations,
)
from cbdc.issuance import Holders, NationalBank
from cbdc.keys import ED25519, Signer
from cbdc.ledger.entry import Genesis, Policy, Receipt, open_entry, open_genesis
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.sqlite import SqliteStore
from cbdc.ledger.store import Store
from cbdc.ports import Checkpoint, Clock, Entropy, no_checkpoint
from cbdc.private import make_folder
from cbdc.register import OperatorRegister
from cbdc.supervision import Alert, Supervisor
from cbdc.treasury import Treasury, TreasuryKeys


@dataclass(frozen=True, slots=True)
class Setup:
    """What a system is made of, besides its keys: all with defaults.

    `policy` holds the limits per tier, `banks` who distributes, `registers` the outside registers whose statements
    release marks, `label` the name in ROOT, `algorithm` the institutions' signature algorithm. For an existing
    folder the policy in its entry 0 holds, whatever is given here. A new one certifies `keys_in_turn` keys of the
    ledger and as many of the issuer of offline notes. The ledger's with `ledger_number` signs
    (`cbdc.operations.rotation`); which of the issuer's does, a TRUST list says (`offline.issue`).
    """

    policy: Policy = field(default_factory=sandbox_policy)
    banks: Sequence[BankName] = STANDARD_BANKS
    registers: Sequence[str] = STANDARD_REGISTERS
    label: str = "Sandbox of the digital tenge"
    algorithm: int = ED25519
    keys_in_turn: int = 1
    ledger_number: int = 1


class Stores(NamedTuple):
    """Where the institutions keep what they must not lose."""

    ledger: Store
    books: Books
    cabinet: Cabinet

    def close(self) -> None:
        """Release every file."""
        for store in self:
            store.close()


class System:
    """Everything the institutions are. Make one with `open_system`.

    `ledger` fits `cbdc.gateway.Gateway`; `banks` is by bank id.
    """

    def __init__(
        self,
        ledger: Ledger,
        stores: Stores,
        keys: InstitutionKeys,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self.ledger = ledger
        self.stores = stores
        self.books = stores.books
        cabinet = stores.cabinet
        self.keys = keys
        self.clock = clock
        self.register = OperatorRegister(cabinet, self.authority, clock)
        parties = {bank.id: keys.bank_inventory(bank.id).public.kid for bank in keys.banks}
        parties[0] = keys.treasury_account.public.kid
        self.national_bank = NationalBank(
            ledger,
            stores.books,
            self.register,
            self.authority,
            keys.officers,
            keys.operator,
            Holders(parties, keys.loss_reserve.public.kid),
            clock,
        )
        self.banks = {bank.id: self._bank(bank, entropy) for bank in keys.banks}
        self.treasury = Treasury(
            ledger, cabinet, self.national_bank, TreasuryKeys(keys.treasury, keys.treasury_account)
        )
        self.enforcement = Enforcement(ledger, cabinet, keys.enforcement)
        self.supervisor = Supervisor(ledger, self.register.closed)

    def _bank(self, bank: BankName, entropy: Entropy) -> CommercialBank:
        keys = BankKeys(self.keys.bank(bank.id), self.keys.bank_inventory(bank.id))
        return CommercialBank(
            bank.id,
            bank.name,
            self.ledger,
            self.books,
            self.stores.cabinet,
            self.national_bank,
            keys,
            self.clock,
            entropy,
        )

    @property
    def genesis(self) -> Genesis:
        """Entry 0: the authority and the policy."""
        return self.ledger.genesis

    @property
    def authority(self) -> Authority:
        """ROOT and its certificates."""
        return self.ledger.genesis.authority

    @property
    def network(self) -> bytes:
        """The network id, 8 bytes."""
        return self.ledger.network

    @property
    def issuers(self) -> list[Signer]:
        """The issuer's keys for offline notes, one for each certified epoch."""
        return [self.keys.issuer_key(auth.scope[0]) for auth in self.authority.with_role(ISSUER)]

    @property
    def escrow_kid(self) -> bytes:
        """The key id that holds what is offline."""
        return self.keys.escrow.public.kid

    @property
    def loss_reserve_kid(self) -> bytes:
        """The key id that holds the reserve for offline losses."""
        return self.keys.loss_reserve.public.kid

    def fund_loss_reserve(self, id: bytes, amount_tiyn: int) -> Receipt:
        """Issue to the loss reserve, charged to the National Bank's loss account: operator and two officers. Once."""
        self.national_bank.request_loss_reserve(id, amount_tiyn)
        return self.national_bank.approve_and_issue(id)

    def supervise(self) -> list[Alert]:
        """Read the journal to its end and compare three counts of the supply: the supervisor's own, the ledger's table
        and the National Bank's books. An empty list means that they agree (when nothing is half done)."""
        self.supervisor.read()
        return self.supervisor.check(self.ledger.supply(), self.books.balance(CIRCULATION))

    def resume(self) -> list[tuple[bytes, TengeError]]:
        """Complete whatever a crash left begun; the ids and refusals of what could not be completed."""
        refused = self.national_bank.resume()
        for bank in self.banks.values():
            refused += [
                (identity, answer)
                for identity, answer in bank.resume().items()
                if isinstance(answer, TengeError)
            ]
        return refused

    def close(self) -> None:
        """Release every file."""
        self.stores.close()


def open_system(
    folder: Path | None,
    key: KeySource,
    clock: Clock,
    entropy: Entropy,
    checkpoint: Checkpoint = no_checkpoint,
    setup: Setup | None = None,
) -> System:
    """Create the institutions in `folder` (in memory when None), or open those that are there, and resume.

    `key(label, algorithm)` gives every institution's signer. Raises E_SYSTEM_KEYS when the folder belongs to other
    keys or other banks, E_LEDGER_DAMAGED, E_STORE_UNAVAILABLE.
    """
    stores = open_stores(folder, checkpoint)
    try:
        return assemble(stores, key, clock, entropy, setup or Setup())
    except BaseException:
        stores.close()
        raise


def assemble(
    stores: Stores,
    key: KeySource,
    clock: Clock,
    entropy: Entropy,
    setup: Setup,
    ledger_clock: Clock | None = None,
) -> System:
    """The institutions over stores that are open already: entry 0 and the institutions' keys if missing, then resume.

    `ledger_clock` dates the journal where it is not `clock` (a guarded one). Raises like `open_system`.
    """
    dating = ledger_clock or clock
    keys = InstitutionKeys(key, setup.banks, setup.registers, setup.algorithm, setup.ledger_number)
    if stores.ledger.size() == 0:
        genesis = build_genesis(keys, setup.policy, setup.label, clock.now(), setup.keys_in_turn)
        ledger = Ledger.create(stores.ledger, genesis, keys.ledger, dating)
    else:
        ledger = _existing(stores.ledger, keys, dating)
    for answer in ledger.submit_many([item.encode() for item in registrations(keys, ledger.network)]):
        if isinstance(answer, TengeError):
            raise answer
    system = System(ledger, stores, keys, clock, entropy)
    system.resume()
    return system


def _existing(store: Store, keys: InstitutionKeys, clock: Clock) -> Ledger:
    first = next(iter(store.entries(0, 1)))
    certificates = open_genesis(open_entry(first.data).payload).authority
    known = {certificates.root.record.key.kid, *(auth.record.kid for auth in certificates.auths)}
    for signer in [keys.root, keys.ledger, *(keys.bank(bank.id) for bank in keys.banks)]:
        if signer.public.kid not in known:
            raise Refused("E_SYSTEM_KEYS", kid=signer.public.kid)
    check_not_left(store, certificates, keys.ledger.public.kid)
    return Ledger(store, keys.ledger, clock)


def open_stores(folder: Path | None, checkpoint: Checkpoint = no_checkpoint) -> Stores:
    """The three stores in a folder's files (made when missing), or in memory; E_STORE_UNAVAILABLE."""
    if folder is None:
        return Stores(MemoryStore(), Books(MemoryBooks(checkpoint)), MemoryCabinet(checkpoint))
    make_folder(folder)
    return Stores(
        SqliteStore(folder / "ledger.sqlite", checkpoint),
        Books(SqliteBooks(folder / "books.sqlite", checkpoint)),
        SqliteCabinet(folder / "register.sqlite", checkpoint),
    )
