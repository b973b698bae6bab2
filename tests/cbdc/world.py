"""A small world for the tests of the ledger: the same keys, certificates and money on every machine.

ROOT and its certificates (three emission officers of whom two must sign, the operator, two banks, the treasury, the
ledger, settlement, enforcement, an outside register), a policy with three tiers, and the accounts of the institutions:
an inventory for each bank, the budget, the escrow and the loss reserve.

    world = World()
    world.register("ayan")
    world.issue("inventory1", 1_000_000)
    world.pay("inventory1", ("ayan", 50_000))
    world.ledger.supply().wallets_tiyn            # 50 000

A holder is named by a word; its key, key id and pseudonym follow from it. `sign` gives the transaction of any record
by any signers, so that a test forges what it likes; `submit` sends it and moves nothing else. The store is in memory
unless another one is given.
"""

import copy
import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from cbdc import authority
from cbdc.authority import Auth, make_root, network_id
from cbdc.errors import TengeError
from cbdc.keys import ED25519, SoftwareKey
from cbdc.ledger.entry import Policy, Receipt, make_genesis
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.store import Store
from cbdc.marks import MarkDefinition, Statement
from cbdc.ports import ManualClock
from cbdc.record import Record, Signed, sign
from cbdc.token import (
    BANK_INVENTORY,
    CANTEEN,
    ESCROW,
    LOSS_RESERVE,
    PERSON,
    PUPIL,
    SUPPLIER,
    TREASURY_ACCOUNT,
    KeyLock,
    Lock,
    Token,
    TokenId,
)
from cbdc.transaction import (
    Attest,
    Freeze,
    Issue,
    LoadOffline,
    Redeem,
    RegisterKey,
    RotateKey,
    SettleOffline,
    SignedTransaction,
    Transaction,
    Transfer,
    Unfreeze,
    sign_transaction,
)

START = 1_790_000_000
END = START + 1_000 * 86_400
# The ledger's own certificate outlives the others, so that what expired can still be asked.
LEDGER_END = END + 1_000 * 86_400
DAY = 86_400

BANK_ONE = 1
BANK_TWO = 2
OFFICERS_NEEDED = 2

# [tier, holding, payment, day]: tier 0 is unlimited, tier 1 is the usual person of these tests.
HOLDING_LIMIT = 10_000_000
PAYMENT_LIMIT = 4_000_000
DAY_LIMIT = 6_000_000
TIERS = ((0, 0, 0, 0), (1, HOLDING_LIMIT, PAYMENT_LIMIT, DAY_LIMIT), (2, 50_000_000, 0, 0))

CERTIFIED: tuple[tuple[str, int, tuple[int, ...]], ...] = (
    ("officer1", authority.EMISSION, (OFFICERS_NEEDED,)),
    ("officer2", authority.EMISSION, (OFFICERS_NEEDED,)),
    ("officer3", authority.EMISSION, (OFFICERS_NEEDED,)),
    ("operator", authority.OPERATOR, ()),
    ("bank1", authority.BANK, (BANK_ONE,)),
    ("bank2", authority.BANK, (BANK_TWO,)),
    ("treasury", authority.TREASURY, ()),
    ("ledger", authority.LEDGER, ()),
    ("settle", authority.SETTLE, ()),
    ("enforcement", authority.ENFORCEMENT, ()),
    ("register", authority.REGISTER, ()),
    ("register2", authority.REGISTER, ()),
)

ACCOUNTS: tuple[tuple[str, int, int, str], ...] = (
    ("inventory1", BANK_INVENTORY, BANK_ONE, "bank1"),
    ("inventory2", BANK_INVENTORY, BANK_TWO, "bank2"),
    ("budget", TREASURY_ACCOUNT, 0, "treasury"),
    ("escrow", ESCROW, 0, "settle"),
    ("reserve", LOSS_RESERVE, 0, "settle"),
)

# School meals: the budget pays pupils, pupils canteens, canteens suppliers; a supplier earns free money by evidence.
MEAL_EDGES = ((TREASURY_ACCOUNT, (PUPIL,)), (PUPIL, (CANTEEN,)), (CANTEEN, (SUPPLIER,)))


@lru_cache(maxsize=4_096)
def fixed_key(name: str, algorithm: int = ED25519) -> SoftwareKey:
    """The key that belongs to `name`, the same everywhere."""
    return SoftwareKey(algorithm, hashlib.sha256(b"tenge-ledger-test-key\0" + name.encode()).digest())


def fixed_bytes(name: str, size: int = 32) -> bytes:
    """Bytes that belong to `name`, the same everywhere."""
    return hashlib.sha512(b"tenge-ledger-test-bytes\0" + name.encode()).digest()[:size]


class World:
    """A ledger with its institutions; see the module's text. `name` makes another network with other keys."""

    def __init__(
        self,
        store: Store | None = None,
        name: str = "world",
        tiers: tuple[tuple[int, int, int, int], ...] = TIERS,
        extra_auths: Sequence[tuple[str, int, tuple[int, ...], int, int]] = (),
        certified: Sequence[tuple[str, int, tuple[int, ...]]] = CERTIFIED,
    ) -> None:
        """`extra_auths` are further certificates: (key name, role, scope, from, to); `certified` the usual ones."""
        self.name = name
        self.root = make_root(self.key("root"), START, END, f"Test {name}")
        self.network = network_id(self.root.record)
        rows = [
            (key, role, scope, START, LEDGER_END if role == authority.LEDGER else END)
            for key, role, scope in certified
        ]
        self.auths = [self.make_auth(*row) for row in (*rows, *extra_auths)]
        self.policy = self.certify(Policy("test", tiers, 5 * 3_600))
        self.genesis_payload = make_genesis(self.root, self.auths, self.policy)
        self.store: Store = MemoryStore() if store is None else store
        self.clock = ManualClock(START + 10 * DAY)
        self._number = 0
        self.ledger = Ledger.create(self.store, self.genesis_payload, self.key("ledger"), self.clock)
        for account, category, bank, registrar in ACCOUNTS:
            self.register(account, category, tier=0, bank=bank, registrar=registrar)

    def fork(self) -> "World":
        """The same world at the same moment, in a store of its own; only for the store in memory."""
        assert isinstance(self.store, MemoryStore)
        other = copy.copy(self)
        other.store = copy.deepcopy(self.store)
        other.clock = ManualClock(self.clock.now())
        other.ledger = Ledger(other.store, self.key("ledger"), other.clock)
        return other

    # --- names ---

    def key(self, name: str) -> SoftwareKey:
        """The key of `name`: P-256 when the name ends in "-p256", Ed25519 otherwise."""
        return fixed_key(f"{self.name}/{name}", 2 if name.endswith("-p256") else ED25519)

    def kid(self, name: str) -> bytes:
        """The key id of `name`."""
        return self.key(name).public.kid

    def lock(self, name: str) -> KeyLock:
        """The plain lock of `name`."""
        return KeyLock(self.kid(name))

    def pseudonym(self, name: str) -> bytes:
        """The holder pseudonym of `name`; keys named "ayan", "ayan.2" are one holder's."""
        return fixed_bytes(f"{self.name}/{name.partition('.')[0]}/pseudonym")

    def nonce(self) -> bytes:
        """The next nonce: they count up."""
        self._number += 1
        return fixed_bytes(f"{self.name}/nonce/{self._number}", 16)

    def unique(self) -> bytes:
        """32 bytes that were not given before: a request or a fact."""
        self._number += 1
        return fixed_bytes(f"{self.name}/unique/{self._number}")

    # --- signing ---

    def certify(self, record: Record) -> Signed[Any]:
        """`record` signed by ROOT."""
        return sign(record, self.network, self.key("root"))

    def make_auth(
        self, name: str, role: int, scope: tuple[int, ...] = (), not_before: int = START, expires: int = END
    ) -> Signed[Auth]:
        """A certificate for the key of `name`."""
        public = self.key(name).public
        return self.certify(Auth(role, public.algorithm, public.raw, not_before, expires, scope))

    def sign(self, record: Transaction, *signers: str) -> SignedTransaction:
        """`record` signed by the keys of these names."""
        return sign_transaction(record, self.network, [self.key(name) for name in signers])

    def submit(self, transaction: SignedTransaction) -> Receipt:
        """Its receipt, or its refusal raised."""
        return self.ledger.submit(transaction.encode())

    def do(self, record: Transaction, *signers: str) -> SignedTransaction:
        """Sign, submit, and give the accepted transaction."""
        transaction = self.sign(record, *signers)
        self.submit(transaction)
        return transaction

    # --- holders and money ---

    def register_key(self, name: str, category: int = PERSON, **fields: Any) -> RegisterKey:
        """The record that registers the key of `name`; each field can be overridden."""
        public = self.key(name).public
        values: dict[str, Any] = {
            "nonce": self.nonce(),
            "algorithm": public.algorithm,
            "public_key": public.raw,
            "bank_id": BANK_ONE,
            "tier": 1,
            "category": category,
            "pseudonym": self.pseudonym(name),
        }
        return RegisterKey(**{**values, **fields})

    def register(
        self,
        name: str,
        category: int = PERSON,
        tier: int = 1,
        bank: int = BANK_ONE,
        registrar: str | None = None,
        **fields: Any,
    ) -> bytes:
        """Register `name` by its bank (or another registrar); its key id."""
        record = self.register_key(name, category, tier=tier, bank_id=bank, **fields)
        self.do(record, name, registrar or f"bank{bank}")
        return self.kid(name)

    def rotate(self, old: str, new: str, registrar: str = "bank1") -> None:
        """Replace the key of `old` by that of `new`."""
        public = self.key(new).public
        self.do(RotateKey(self.nonce(), self.kid(old), public.algorithm, public.raw), old, new, registrar)

    def token(self, name: str, amount_tiyn: int, mark: bytes = b"") -> Token:
        """A token (not yet on the ledger) for the plain key of `name`."""
        return Token(amount_tiyn, self.lock(name), mark)

    def issue_record(self, outputs: Sequence[Token], request: bytes | None = None) -> Issue:
        """The record that issues `outputs` on a new request (or on `request`)."""
        return Issue(self.nonce(), request or self.unique(), tuple(outputs))

    def issue(self, name: str, *amounts_tiyn: int) -> list[TokenId]:
        """New tokens for `name`, signed by two officers and the operator; their ids."""
        record = self.issue_record([self.token(name, amount) for amount in amounts_tiyn])
        return ids(self.do(record, "officer1", "officer2", "operator"))

    def redeem(self, name: str, *inputs: TokenId) -> SignedTransaction:
        """`name` gives these tokens back whole."""
        return self.do(Redeem(self.nonce(), self.unique(), inputs, ()), name, "operator")

    def funds(self, name: str, mark: bytes = b"") -> list[tuple[TokenId, Token]]:
        """The tokens of one mark that `name`'s key holds behind a plain lock."""
        owned = self.ledger.owned(self.kid(name))
        return [(i, t) for i, t in owned if t.mark == mark and isinstance(t.lock, KeyLock)]

    def payment(
        self,
        payer: str,
        *payees: tuple[str, int],
        mark: bytes = b"",
        output_mark: bytes | None = None,
        definition: bytes = b"",
    ) -> Transfer:
        """The record by which `payer` pays all `payees` with all its tokens of `mark`; the change comes back."""
        owned = self.funds(payer, mark)
        total, paid = sum(t.amount_tiyn for _, t in owned), sum(amount for _, amount in payees)
        assert 0 < paid <= total, f"{payer} holds {total}, and should pay {paid}"
        outputs = [
            self.token(name, amount, mark if output_mark is None else output_mark) for name, amount in payees
        ]
        if paid < total:
            outputs.append(self.token(payer, total - paid, mark))
        return Transfer(self.nonce(), tuple(i for i, _ in owned), tuple(outputs), definition)

    def pay(self, payer: str, *payees: tuple[str, int], mark: bytes = b"") -> list[TokenId]:
        """`payer` pays; the ids of the payees' tokens, then of the change."""
        return ids(self.do(self.payment(payer, *payees, mark=mark), payer))

    def fund(self, *payees: tuple[str, int]) -> list[TokenId]:
        """Bank one issues itself what is missing and sells it: each payee gets one token; their ids."""
        missing = sum(amount for _, amount in payees) - sum(
            t.amount_tiyn for _, t in self.funds("inventory1")
        )
        if missing > 0:
            self.issue("inventory1", missing)
        return self.pay("inventory1", *payees)[: len(payees)]

    def lock_up(self, payer: str, token: TokenId, lock: Lock) -> TokenId:
        """Put one whole token of `payer` behind another lock; the new token's id."""
        held = self.ledger.token(token)
        assert held is not None
        record = Transfer(self.nonce(), (token,), (Token(held.amount_tiyn, lock, held.mark),))
        return ids(self.do(record, payer))[0]

    # --- marks ---

    def definition(
        self, label: str = "meals", signer: str = "treasury", **fields: Any
    ) -> Signed[MarkDefinition]:
        """A mark's signed definition: school meals, unless fields say otherwise."""
        values: dict[str, Any] = {
            "issuer": self.kid("budget"),
            "label": label,
            "purpose": 7,
            "edges": MEAL_EDGES,
            "person_to_person": 0,
            "max_hops": 2,
            "payment_cap_tiyn": 500_000,
            "valid_from": START,
            "valid_until": START + 100 * DAY,
            "return_to": self.kid("budget"),
            "release_categories": (SUPPLIER,),
            "evidence": self.kid("register"),
            "converts_on_redeem": 1,
        }
        return sign(MarkDefinition(**{**values, **fields}), self.network, self.key(signer))

    def mark(self, definition: Signed[MarkDefinition], *payees: tuple[str, int]) -> list[TokenId]:
        """The budget marks free money and pays it out (issued first); the ids of the payees' tokens."""
        self.issue("budget", sum(amount for _, amount in payees))
        record = self.payment("budget", *payees, output_mark=definition.oid, definition=definition.encode())
        return ids(self.do(record, "budget"))[: len(payees)]

    def statement(self, mark: bytes, who: str, amount_tiyn: int, **fields: Any) -> Signed[Statement]:
        """The register's word that `who` earned `amount_tiyn` of `mark`."""
        values: dict[str, Any] = {
            "register": self.kid("register"),
            "mark": mark,
            "holder": self.pseudonym(who),
            "amount_tiyn": amount_tiyn,
            "document": self.unique(),
            "time": self.clock.now(),
        }
        signer = fields.pop("signer", "register")
        return sign(Statement(**{**values, **fields}), self.network, self.key(signer))

    def attest_record(self, who: str, amount_tiyn: int = 0, **fields: Any) -> Attest:
        """The record by which a register says something of `who`; each field can be overridden."""
        values: dict[str, Any] = {
            "nonce": self.nonce(),
            "fact_kind": 1,
            "subject": self.pseudonym(who),
            "counterparty": b"",
            "document": b"",
            "amount_tiyn": amount_tiyn,
            "lines": (),
            "expires": END,
            "standing": 1,
        }
        return Attest(**{**values, **fields})

    def attest(self, who: str, amount_tiyn: int = 0, signer: str = "register", **fields: Any) -> None:
        """A register says something of `who` on the ledger."""
        self.do(self.attest_record(who, amount_tiyn, **fields), signer)

    # --- offline and enforcement ---

    def load(self, name: str, token: TokenId, *notes_tiyn: int) -> list[TokenId]:
        """`name` takes a token offline in notes of these amounts; the ids of the escrow tokens, then of the change."""
        held = self.ledger.token(token)
        assert held is not None
        outputs = [self.token("escrow", amount, held.mark) for amount in notes_tiyn]
        if rest := held.amount_tiyn - sum(notes_tiyn):
            outputs.append(self.token(name, rest, held.mark))
        record = LoadOffline(self.nonce(), (token,), tuple(outputs), fixed_bytes(f"{name}/device"), 1)
        return ids(self.do(record, name))

    def settle(
        self, kind: int, inputs: Iterable[TokenId], outputs: Sequence[Token], fact: bytes | None = None
    ) -> list[TokenId]:
        """Settlement books one fact; the ids of its outputs."""
        record = SettleOffline(self.nonce(), kind, fact or self.unique(), tuple(inputs), tuple(outputs))
        return ids(self.do(record, "settle"))

    def freeze(self, name: str) -> None:
        """Freeze the holder `name`."""
        self.do(Freeze(self.nonce(), self.pseudonym(name), "case 1"), "enforcement")

    def unfreeze(self, name: str) -> None:
        """Lift the freeze of `name`."""
        self.do(Unfreeze(self.nonce(), self.pseudonym(name), "case 1 closed"), "enforcement")


def ids(transaction: SignedTransaction) -> list[TokenId]:
    """The ids of all tokens that a transaction creates."""
    return [TokenId(transaction.id, place) for place in range(len(transaction.record.creates))]


def answer_of(call: Callable[..., object], *arguments: object) -> str:
    """What a call answers: "ok", or the code of its refusal."""
    try:
        call(*arguments)
    except TengeError as refusal:
        return refusal.code
    return "ok"


def picture(store: Store) -> tuple[object, ...]:
    """Everything a store holds, to compare before and after."""
    return (
        store.size(),
        list(store.entries()),
        list(store.leaves()),
        list(store.heads()),
        list(store.state()),
        list(store.owner_rows()),
    )
