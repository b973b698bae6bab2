"""The keys of the institutions, by label, and the first entry of their ledger.

Every key follows from its label through one callable, `key(label, algorithm) -> Signer`: a keystore's, a hardware
module's, or a test's. Nothing else of the institutions is secret.

    ledger-2 ledger-3 ... issuer-2 issuer-3 ...                              the next keys of both, if certified
    root issuer-1 status settle operator treasury ledger enforcement         one each
    emission-1 emission-2 emission-3                                         any two of them issue
    bank-<id> bank-<id>/ca bank-<id>/inventory                               each bank
    register/<name>                                                          each outside register
    treasury/account escrow loss-reserve                                     holders on the ledger
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cbdc import authority
from cbdc.authority import Auth, Authority, Root, make_root, network_id
from cbdc.cabinet import follow_nonce
from cbdc.errors import Refused
from cbdc.keys import ED25519, Signer
from cbdc.ledger.entry import LogHead, Policy, make_genesis
from cbdc.ledger.store import Store
from cbdc.money import tenge
from cbdc.record import Signed, open_envelope, sign
from cbdc.token import BANK_INVENTORY, ESCROW, LOSS_RESERVE, TREASURY_ACCOUNT
from cbdc.transaction import RegisterKey, SignedTransaction, sign_transaction

KeySource = Callable[[str, int], Signer]
OverKeys = Callable[[KeySource, bool], KeySource]
"""What makes of a source of keys the one that is used; told whether the ledger is new, so that keys may be made."""


def the_same_keys(source: KeySource, new: bool) -> KeySource:
    """The source as it is."""
    return source


EMISSION_OFFICERS = 3
EMISSION_THRESHOLD = 2
MAX_NOTE_TIYN = tenge(500_000)
MAX_DEVICE_TIER = 3
TEN_YEARS_SECONDS = 3_652 * 86_400
STANDARD_REGISTERS = ("general",)


@dataclass(frozen=True, slots=True)
class BankName:
    """A bank of the sandbox: its number (1 or more) and its name."""

    id: int
    name: str


STANDARD_BANKS = (BankName(1, "Altyn Dala"), BankName(2, "Kok Tobe"))


class InstitutionKeys:
    """Every institution's signer, made from its label when it is asked for and kept."""

    def __init__(
        self,
        key: KeySource,
        banks: Sequence[BankName],
        registers: Sequence[str],
        algorithm: int = ED25519,
        ledger_number: int = 1,
    ) -> None:
        """`ledger_number` says which of the ledger's keys signs."""
        self._key = key
        self._algorithm = algorithm
        self._made: dict[str, Signer] = {}
        self._ledger_number = ledger_number
        self.banks = tuple(banks)
        self.registers = tuple(registers)

    def get(self, label: str) -> Signer:
        """The signer with this label."""
        if label not in self._made:
            self._made[label] = self._key(label, self._algorithm)
        return self._made[label]

    @property
    def root(self) -> Signer:
        """The National Bank's root: certifies everyone, signs the policy."""
        return self.get("root")

    @property
    def issuer(self) -> Signer:
        """Signs offline notes (epoch 1)."""
        return self.issuer_key(1)

    def issuer_key(self, epoch: int) -> Signer:
        """Signs the offline notes of an epoch, from 1 on."""
        return self.get(f"issuer-{epoch}")

    @property
    def status(self) -> Signer:
        """Signs trust lists and revocations."""
        return self.get("status")

    @property
    def settle(self) -> Signer:
        """Books offline facts."""
        return self.get("settle")

    @property
    def operator(self) -> Signer:
        """Keeps the register, countersigns issue and redemption."""
        return self.get("operator")

    @property
    def treasury(self) -> Signer:
        """Signs marks and the treasury's requests."""
        return self.get("treasury")

    @property
    def ledger(self) -> Signer:
        """Signs the log's heads."""
        return self.ledger_key(self._ledger_number)

    def ledger_key(self, number: int) -> Signer:
        """The ledger's first key, its second, and so on."""
        return self.get("ledger" if number == 1 else f"ledger-{number}")

    @property
    def enforcement(self) -> Signer:
        """Freezes and seizes."""
        return self.get("enforcement")

    @property
    def treasury_account(self) -> Signer:
        """Holds the treasury's digital tenge."""
        return self.get("treasury/account")

    @property
    def escrow(self) -> Signer:
        """Holds what is offline."""
        return self.get("escrow")

    @property
    def loss_reserve(self) -> Signer:
        """Holds the reserve for offline losses."""
        return self.get("loss-reserve")

    @property
    def officers(self) -> tuple[Signer, ...]:
        """The emission officers."""
        return tuple(self.get(f"emission-{number}") for number in range(1, EMISSION_OFFICERS + 1))

    def bank(self, bank_id: int) -> Signer:
        """A bank's certified key."""
        return self.get(f"bank-{bank_id}")

    def bank_ca(self, bank_id: int) -> Signer:
        """The key with which a bank certifies devices."""
        return self.get(f"bank-{bank_id}/ca")

    def bank_inventory(self, bank_id: int) -> Signer:
        """The key that holds a bank's inventory."""
        return self.get(f"bank-{bank_id}/inventory")

    def register(self, name: str) -> Signer:
        """An outside register's key."""
        return self.get(f"register/{name}")


def build_genesis(
    keys: InstitutionKeys, policy: Policy, label: str, now: int, keys_in_turn: int = 1
) -> bytes:
    """The payload of entry 0: ROOT, every certificate, the policy signed by ROOT; valid for ten years from `now`.

    So many keys of the ledger and of the issuer of offline notes are certified, the first to sign and the others to
    follow it.
    """
    until = now + TEN_YEARS_SECONDS
    root = make_root(keys.root, now, until, label)
    network = network_id(root.record)
    auths = [
        _certify(root, keys, role, signer, scope, (now, until))
        for role, signer, scope in _offices(keys, keys_in_turn)
    ]
    return make_genesis(root, auths, sign(policy, network, keys.root))


def _offices(keys: InstitutionKeys, keys_in_turn: int) -> Iterator[tuple[int, Signer, tuple[int, ...]]]:
    for epoch in range(1, keys_in_turn + 1):
        yield authority.ISSUER, keys.issuer_key(epoch), (epoch, MAX_NOTE_TIYN)
    for bank in keys.banks:
        yield authority.BANK_CA, keys.bank_ca(bank.id), (bank.id, MAX_DEVICE_TIER)
    yield authority.STATUS, keys.status, ()
    yield authority.SETTLE, keys.settle, ()
    for officer in keys.officers:
        yield authority.EMISSION, officer, (EMISSION_THRESHOLD,)
    yield authority.OPERATOR, keys.operator, ()
    for bank in keys.banks:
        yield authority.BANK, keys.bank(bank.id), (bank.id,)
    yield authority.TREASURY, keys.treasury, ()
    for number in range(1, keys_in_turn + 1):
        yield authority.LEDGER, keys.ledger_key(number), ()
    yield authority.ENFORCEMENT, keys.enforcement, ()
    for name in keys.registers:
        yield authority.REGISTER, keys.register(name), ()


def _certify(
    root: Signed[Root],
    keys: InstitutionKeys,
    role: int,
    signer: Signer,
    scope: tuple[int, ...],
    period: tuple[int, int],
) -> Signed[Auth]:
    auth = Auth(role, signer.public.algorithm, signer.public.raw, *period, scope)
    return sign(auth, network_id(root.record), keys.root)


def registrations(keys: InstitutionKeys, network: bytes) -> list[SignedTransaction]:
    """The registrations of the keys that hold money for institutions; the same bytes every time."""
    holders = [
        (keys.bank_inventory(bank.id), keys.bank(bank.id), bank.id, BANK_INVENTORY) for bank in keys.banks
    ]
    holders.append((keys.treasury_account, keys.treasury, 0, TREASURY_ACCOUNT))
    holders.append((keys.escrow, keys.settle, 0, ESCROW))
    holders.append((keys.loss_reserve, keys.settle, 0, LOSS_RESERVE))
    return [
        sign_transaction(_registration(holder, bank_id, category), network, [holder, registrar])
        for holder, registrar, bank_id, category in holders
    ]


def _registration(holder: Signer, bank_id: int, category: int) -> RegisterKey:
    public = holder.public
    pseudonym = hashlib.sha256(b"kzt-dt/institution/v1\0pseudonym\0" + public.kid).digest()
    nonce = follow_nonce("institution", public.kid)
    return RegisterKey(nonce, public.algorithm, public.raw, bank_id, 0, category, pseudonym)


def signing_number(store: Store, certified: Authority) -> int:
    """Which of the ledger's certified keys, counted from 1, signed the newest head of a store; 0 where none is."""
    newest = store.head_covering(store.size() - 1)
    if newest is None:
        return 0
    head = open_envelope(newest, LogHead, certified.network)
    for number, auth in reversed(list(enumerate(certified.with_role(authority.LEDGER), 1))):
        try:
            head.verify(auth.key)
        except Refused:
            continue
        return number
    return 0


def check_not_left(store: Store, certified: Authority, signing: bytes) -> None:
    """Return if the ledger's key with this id may sign the next head; E_ROTATION_BACK when a later one signed already.

    So does another server of the same store that has other keys, or a later folder than this one.
    """
    kids = [auth.kid for auth in certified.with_role(authority.LEDGER)]
    if signing not in kids:
        return  # whoever opens the ledger says so
    number, present = kids.index(signing) + 1, signing_number(store, certified)
    if number < present:
        raise Refused("E_ROTATION_BACK", number=number, present=present)
