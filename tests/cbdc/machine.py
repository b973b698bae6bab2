"""The bench on which the ledger's machine works: a world, its model, a queue, and stores that die when told to."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple

from hypothesis.stateful import RuleBasedStateMachine

from cbdc.keys import Signer
from cbdc.ledger.entry import Receipt
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.store import Commit, Store
from cbdc.token import CANTEEN, PUPIL, SUPPLIER, KeyLock, Token, TokenId
from cbdc.transaction import SignedTransaction, Transaction, sign_transaction
from tests.cbdc.model import Holder, Model, certified_names
from tests.cbdc.world import ACCOUNTS, DAY, World, fixed_bytes

# Small limits, so that small amounts reach them.
TIERS = ((0, 0, 0, 0), (1, 700, 250, 400), (2, 3_000, 0, 900))

Crash = Literal["before", "inside", "after"]


class Died(Exception):
    """The store stopped answering at a named point."""


class CrashingMemory(MemoryStore):
    """A store in memory that dies at the next commit when told to."""

    fail: str | None = None

    def commit(self, commit: Commit) -> None:
        """Die before or after, once."""
        fail, self.fail = self.fail, None
        if fail in ("before", "inside"):
            raise Died
        super().commit(commit)
        if fail == "after":
            raise Died


class Attempt(NamedTuple):
    """A transaction to be submitted, and whether its signatures are right."""

    transaction: SignedTransaction
    honest: bool


class Bench(RuleBasedStateMachine):
    """Makes transactions from what the model knows; `flush` sends them as a group and compares the answers."""

    steps_taken: ClassVar[int] = 0

    def open_store(self) -> Store:
        """The store, or the same store opened again."""
        self.memory = getattr(self, "memory", None) or CrashingMemory()
        return self.memory

    def fail_next(self, where: Crash | None) -> None:
        """Let the next commit die (or not, after all)."""
        self.memory.fail = where

    def prepare(self) -> None:
        """A new world and its model, in which only the accounts of the institutions are known."""
        self.store = self.open_store()
        self.world = World(self.store, tiers=TIERS)
        world = self.world
        accounts = [account for account, _, _, _ in ACCOUNTS]
        self.names = {world.kid(name): name for name in ("stranger", "unknown", *accounts)}
        self.model = Model(world.network, world.policy.record, {world.kid(n): n for n in certified_names()})
        for account, category, bank, _ in ACCOUNTS:
            self.model.holders[world.kid(account)] = Holder(world.pseudonym(account), category, 0, bank)
        self.queue: list[Attempt] = []
        self.hoped: list[tuple[TokenId, Token]] = []
        self.sent: list[Attempt] = []
        self.receipts: dict[bytes, Receipt] = {}
        self.heads = [world.ledger.head()]
        self.group_size = 1
        self.crash: Crash | None = None
        self.restarts = False
        self.people = 0
        edges = ((201, (PUPIL, SUPPLIER)), (PUPIL, (CANTEEN,)), (CANTEEN, (SUPPLIER,)))
        last = world.clock.now() + 5 * DAY
        self.mark = world.definition(payment_cap_tiyn=700, valid_until=last, edges=edges)

    def pick(self, items: list[Any], number: int) -> Any:
        """One of the items."""
        return items[number % len(items)]

    def money(self, mark: bytes | None) -> list[tuple[TokenId, bytes, int]]:
        """Tokens of a mark that are there, or will be if what is queued is accepted: (id, owner, amount)."""
        there = [(i, kid, n) for i, (kid, n, m) in self.model.tokens.items() if mark is None or m == mark]
        hoped = [(i, t.lock.holder, t.amount_tiyn) for i, t in self.hoped if mark is None or t.mark == mark]
        return sorted(set(there + hoped))

    def attempt(self, record: Transaction, signers: Sequence[bytes], slip: str | None) -> None:
        """Sign (wrongly, if that is the slip) and queue; the queue is sent when it is as long as was agreed."""
        if slip == "signer":
            signers = [self.world.kid("reserve")]
        if slip == "stranger":
            signers = [*signers, self.world.kid("stranger")]
        keys: list[Signer] = [self.world.key(self.name(kid)) for kid in dict.fromkeys(signers)]
        transaction = sign_transaction(record, self.world.network, keys)
        honest = slip != "signature"
        if not honest:
            (kid, signature), *rest = transaction.witnesses
            wrong = ((kid, bytes([signature[0] ^ 1]) + signature[1:]), *rest)
            transaction = SignedTransaction(record, transaction.body, transaction.id, wrong)
        self.hoped += [(TokenId(transaction.id, n), token) for n, token in enumerate(record.creates)]
        type(self).steps_taken += 1
        self.enqueue(Attempt(transaction, honest))

    def enqueue(self, attempt: Attempt) -> None:
        """Into the group."""
        self.queue.append(attempt)
        if len(self.queue) >= self.group_size:
            self.flush()

    def name(self, kid: bytes) -> str:
        """The name of a key id."""
        return {**self.model.certified, **self.names}[kid]

    def inputs(
        self, mark: bytes | None, pick: int, slip: str | None, lines: tuple[str, ...] = (), category: int = 0
    ) -> tuple[bytes, tuple[TokenId, ...], int] | None:
        """Up to three tokens of one owner (of these lines, or this category, if any): (owner, ids, their sum)."""
        money = [row for row in self.money(mark) if not lines or self.line(row[1]) in lines]
        fitting = [row for row in money if category and self.category(row[1]) == category]
        money = fitting or money
        if not money:
            return None
        _, owner, _ = self.pick(money, pick)
        own = [(i, n) for i, kid, n in money if kid == owner]
        chosen = own[pick % len(own) :][:3]
        ids = [i for i, _ in chosen]
        if slip == "spent":
            ids.append(TokenId(fixed_bytes("ghost"), 0))
        return owner, tuple(ids), sum(n for _, n in chosen)

    def line(self, kid: bytes) -> str:
        """The line of the supply table that a key belongs to."""
        return self.model.holders[kid].line if kid in self.model.holders else ""

    def category(self, kid: bytes) -> int:
        """The category of a key."""
        return self.model.holders[kid].category if kid in self.model.holders else 0

    def outputs(
        self, owner: bytes, payee: bytes, total: int, amount: int, mark: bytes, slip: str | None
    ) -> tuple[Token, ...]:
        """A payment and its change."""
        amount = min(amount, total)
        payee = self.world.kid("unknown") if slip == "unknown" else payee
        paid = Token(amount + (slip == "sum"), KeyLock(payee), mark)
        return (paid, Token(total - amount, KeyLock(owner), mark)) if amount < total else (paid,)

    def anyone(self, pick: int, *categories: int) -> bytes:
        """Any registered key; seven times of eight one of these categories, where there is one."""
        holders = sorted(self.model.holders)
        fitting = [kid for kid in holders if self.model.holders[kid].category in categories]
        kid: bytes = self.pick(fitting if fitting and pick % 8 else holders, pick)
        return kid

    def flush(self) -> None:
        """Send what is queued as one group, with a crash in its commit perhaps, and compare every answer."""
        group, self.queue, self.hoped = self.queue, [], []
        crash, self.crash = self.crash, None
        data = [attempt.transaction.encode() for attempt in group]
        self.fail_next(crash)
        try:
            answers = self.world.ledger.submit_many(data)
        except Died:
            if crash == "after":
                self.judge(group)
            if self.restarts:
                self.restart()
            answers = self.world.ledger.submit_many(data)
        self.fail_next(None)
        for attempt, answer, expected in zip(group, answers, self.judge(group), strict=True):
            got = "ok" if isinstance(answer, Receipt) else answer.code
            assert got == expected, f"{type(attempt.transaction.record).__name__}: {got}, not {expected}"
            if isinstance(answer, Receipt):
                known = self.receipts.setdefault(attempt.transaction.id, answer)
                assert answer == known, "one receipt for ever"
        self.sent = (self.sent + group)[-40:]
        self.heads.append(self.world.ledger.head())

    def judge(self, group: list[Attempt]) -> list[str]:
        """What the model answers, one after the other."""
        now = self.world.clock.now()
        return [self.model.submit(attempt.transaction, attempt.honest, now) for attempt in group]

    def restart(self) -> None:
        """Open the same store again."""
        self.store = self.open_store()
        self.world.store = self.store
        self.world.ledger = Ledger(self.store, self.world.key("ledger"), self.world.clock)
