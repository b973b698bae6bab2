"""The ledger against a simple model of it: any order of right and wrong transactions, groups, crashes and restarts.

By default it is quick. `TENGE_STEPS=20000 pytest tests/cbdc/test_ledger_machine.py` takes that many steps.
"""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from cbdc.ledger.audit import audit
from cbdc.ledger.sqlite import SqliteStore
from cbdc.ledger.store import Store
from cbdc.token import CANTEEN, MERCHANT, PERSON, PUPIL, SUPPLIER, KeyLock, Token, TokenId
from cbdc.transaction import (
    ExpireMark,
    Freeze,
    Issue,
    LoadOffline,
    Redeem,
    ReleaseMark,
    RotateKey,
    Seize,
    SettleOffline,
    Transaction,
    Transfer,
    Unfreeze,
)
from tests.cbdc.machine import Bench, Crash, Died
from tests.cbdc.world import ACCOUNTS, DAY, fixed_bytes

pytestmark = pytest.mark.slow

STEPS = int(os.environ.get("TENGE_STEPS", "1200"))
STEPS_A_RUN = 60


PICK = st.integers(0, 10**6)
AMOUNT = st.integers(1, 1_200)
SLIPS = st.sampled_from(
    [None, None, None, None, "signature", "signer", "stranger", "sum", "spent", "unknown"]
)


class LedgerMachine(Bench):
    """The rules, and what always holds."""

    @initialize()
    def start(self) -> None:
        self.prepare()
        for category in (PERSON, PERSON, MERCHANT, PUPIL, CANTEEN, SUPPLIER):
            self.add_holder(category, 1 if category == PERSON else 0, 1, None)
        for account in ("inventory1", "budget", "reserve"):
            self.issue(account, 2_000, None)
        for number in range(6):
            self.sell(0, number, 300)
        self.mark_money(0, 1, 600, False)

    # --- rules: keys ---

    @rule(
        category=st.sampled_from([PERSON, MERCHANT, PUPIL, CANTEEN, SUPPLIER, 200]),
        tier=st.sampled_from([0, 1, 1, 2, 9]),
        bank=st.sampled_from([1, 1, 2]),
        slip=st.sampled_from([None, None, None, "signature", "signer", "scope"]),
    )
    def add_holder(self, category: int, tier: int, bank: int, slip: str | None) -> None:
        self.people += 1
        self.register(f"holder{self.people}", category, tier, bank, slip)

    @rule(
        pick=PICK,
        category=st.sampled_from([PERSON, SUPPLIER]),
        tier=st.sampled_from([0, 1, 2]),
        bank=st.sampled_from([1, 1, 1, 2]),
    )
    def add_key_to_a_holder(self, pick: int, category: int, tier: int, bank: int) -> None:
        self.people += 1
        number = pick % self.people + 1
        self.register(f"holder{number}.{self.people}", category, tier, bank, None)

    def register(self, name: str, category: int, tier: int, bank: int, slip: str | None) -> None:
        world = self.world
        self.names[world.kid(name)] = name
        record = world.register_key(name, category, tier=tier, bank_id=bank)
        signing = 3 - bank if slip == "scope" else bank
        self.attempt(record, [world.kid(name), world.kid(f"bank{signing}")], slip)

    @rule(pick=PICK, slip=st.sampled_from([None, None, "signature", "signer"]))
    def rotate(self, pick: int, slip: str | None) -> None:
        self.people += 1
        old = self.anyone(pick)
        name = f"{self.name(old).partition('.')[0]}.{self.people}"
        public = self.world.key(name).public
        self.names[public.kid] = name
        record = RotateKey(self.world.nonce(), old, public.algorithm, public.raw)
        self.attempt(record, [old, public.kid, self.world.kid("bank1")], slip)

    # --- rules: money ---

    @rule(
        account=st.sampled_from(["inventory1", "inventory2", "budget", "reserve", "escrow"]),
        amount=AMOUNT,
        slip=st.sampled_from([None, None, None, "signature", "signer", "unknown"]),
    )
    def issue(self, account: str, amount: int, slip: str | None) -> None:
        world = self.world
        kid = world.kid("unknown" if slip == "unknown" else account)
        record = Issue(world.nonce(), world.unique(), (Token(amount, KeyLock(kid)),))
        self.attempt(record, [world.kid(n) for n in ("officer1", "officer2", "operator")], slip)

    @rule(pick=PICK, to=PICK, amount=AMOUNT, slip=SLIPS)
    def pay(self, pick: int, to: int, amount: int, slip: str | None, lines: tuple[str, ...] = ()) -> None:
        chosen = self.inputs(b"", pick, slip, lines)
        if chosen is None:
            return
        owner, ids, total = chosen
        payee = self.anyone(to, PERSON, MERCHANT) if lines else self.anyone(to)
        outputs = self.outputs(owner, payee, total, amount, b"", slip)
        self.attempt(Transfer(self.world.nonce(), ids, outputs), [owner], slip)

    @rule(pick=PICK, to=PICK, amount=AMOUNT)
    def sell(self, pick: int, to: int, amount: int) -> None:
        self.pay(pick, to, amount, None, ("bank_inventory", "treasury"))

    @rule(pick=PICK, to=PICK, amount=AMOUNT, slip=SLIPS)
    def people_pay(self, pick: int, to: int, amount: int, slip: str | None) -> None:
        self.pay(pick, to, amount, slip, ("wallets",))

    @rule(pick=PICK, to=PICK, amount=AMOUNT, slip=SLIPS, dropped=st.sampled_from([False, False, False, True]))
    def pay_marked(self, pick: int, to: int, amount: int, slip: str | None, dropped: bool) -> None:
        chosen = self.inputs(self.mark.oid, pick, slip)
        if chosen is None:
            return
        owner, ids, total = chosen
        payee = self.anyone(to, *dict(self.mark.record.edges).get(self.category(owner), ()))
        mark = b"" if dropped else self.mark.oid
        outputs = self.outputs(owner, payee, total, amount, mark, slip)
        self.attempt(Transfer(self.world.nonce(), ids, outputs), [owner], slip)

    @rule(pick=PICK, to=PICK, amount=AMOUNT, known=st.booleans())
    def mark_money(self, pick: int, to: int, amount: int, known: bool) -> None:
        own = [(i, n) for i, kid, n in self.money(b"") if kid == self.world.kid("budget")]
        if not own:
            return
        identity, total = self.pick(own, pick)
        amount = min(amount, total)
        outputs = [Token(amount, KeyLock(self.anyone(to, PUPIL, SUPPLIER)), self.mark.oid)]
        if amount < total:
            outputs.append(Token(total - amount, KeyLock(self.world.kid("budget"))))
        definition = b"" if known else self.mark.encode()
        record = Transfer(self.world.nonce(), (identity,), tuple(outputs), definition)
        self.attempt(record, [self.world.kid("budget")], None)

    @rule(pick=PICK, amount=AMOUNT, proven=st.sampled_from([0, -1, 5]), again=st.booleans())
    def release(self, pick: int, amount: int, proven: int, again: bool) -> None:
        chosen = self.inputs(self.mark.oid, pick, None, category=SUPPLIER if pick % 4 else 0)
        if chosen is None:
            return
        owner, ids, total = chosen
        free = min(amount, total)
        holder = self.model.holders.get(owner)
        who = holder.pseudonym if holder else bytes(32)
        document = bytes(32) if again else self.world.unique()
        statement = self.world.statement(
            self.mark.oid, "", max(free + proven, 1), holder=who, document=document
        )
        outputs = [Token(free, KeyLock(owner))]
        if free < total:
            outputs.append(Token(total - free, KeyLock(owner), self.mark.oid))
        record = ReleaseMark(self.world.nonce(), ids, tuple(outputs), (statement.encode(),))
        self.attempt(record, [owner], None)

    @rule(pick=PICK, slip=SLIPS)
    def expire(self, pick: int, slip: str | None) -> None:
        chosen = self.inputs(self.mark.oid, pick, slip)
        if chosen is None:
            return
        budget = self.world.kid("budget")
        outputs = self.outputs(budget, budget, chosen[2], chosen[2], b"", slip)
        self.attempt(ExpireMark(self.world.nonce(), chosen[1], outputs), [self.world.kid("treasury")], slip)

    @rule(pick=PICK, amount=AMOUNT, marked=st.booleans(), slip=SLIPS)
    def load(self, pick: int, amount: int, marked: bool, slip: str | None) -> None:
        mark = self.mark.oid if marked else b""
        chosen = self.inputs(mark, pick, slip, ("wallets",) if pick % 8 else ())
        if chosen is None:
            return
        owner, ids, total = chosen
        outputs = self.outputs(owner, self.world.kid("escrow"), total, amount, mark, slip)
        record = LoadOffline(self.world.nonce(), ids, outputs, fixed_bytes("device"), 1)
        self.attempt(record, [owner], slip)

    @rule(
        pick=PICK,
        to=PICK,
        kind=st.integers(1, 4),
        amount=AMOUNT,
        free=st.booleans(),
        old=st.booleans(),
        slip=SLIPS,
    )
    def settle(
        self, pick: int, to: int, kind: int, amount: int, free: bool, old: bool, slip: str | None
    ) -> None:
        account = self.world.kid("reserve" if kind == 2 else "escrow")
        own = [row for row in self.money(None) if row[1] == account]
        if not own:
            return
        identity, _, total = self.pick(own, pick)
        mark = next((m for i, (_, _, m) in self.model.tokens.items() if i == identity), b"")
        payee = {2: self.world.kid("escrow"), 3: self.world.kid("reserve")}.get(kind)
        payee = payee or self.anyone(to, PERSON, MERCHANT, CANTEEN)
        paid, *rest = self.outputs(account, payee, total, amount, mark, slip)
        outputs = (Token(paid.amount_tiyn, paid.lock, b"" if free else mark), *rest)
        ids = (identity, TokenId(fixed_bytes("ghost"), 0)) if slip == "spent" else (identity,)
        fact = bytes(32) if old else self.world.unique()
        record = SettleOffline(self.world.nonce(), kind, fact, ids, outputs)
        self.attempt(record, [self.world.kid("settle")], slip)

    @rule(pick=PICK, amount=AMOUNT, slip=SLIPS)
    def redeem(self, pick: int, amount: int, slip: str | None) -> None:
        own = [row for row in self.money(b"") if self.name(row[1]).startswith(("inventory", "budget"))]
        if not own:
            return
        identity, owner, total = self.pick(own, pick)
        outputs = self.outputs(owner, owner, total, amount, b"", slip)[1:]
        record = Redeem(self.world.nonce(), self.world.unique(), (identity,), outputs)
        self.attempt(record, [owner, self.world.kid("operator")], slip)

    # --- rules: enforcement ---

    @rule(pick=PICK, slip=st.sampled_from([None, None, "signature", "signer"]), lift=st.booleans())
    def freeze(self, pick: int, slip: str | None, lift: bool) -> None:
        pseudonyms = sorted(self.model.frozen) if lift else []
        pseudonyms = pseudonyms or sorted({holder.pseudonym for holder in self.model.holders.values()})
        holder = self.pick(pseudonyms, pick)
        record: Transaction = Freeze(self.world.nonce(), holder, "case")
        if lift:
            record = Unfreeze(self.world.nonce(), holder, "closed")
        self.attempt(record, [self.world.kid("enforcement")], slip)

    @rule(pick=PICK, amount=AMOUNT, marked=st.booleans(), slip=SLIPS)
    def seize(self, pick: int, amount: int, marked: bool, slip: str | None) -> None:
        mark = self.mark.oid if marked else b""
        chosen = self.inputs(mark, pick, slip, ("wallets",) if pick % 8 else ())
        if chosen is None:
            return
        owner, ids, total = chosen
        taken, *rest = self.outputs(owner, self.world.kid("budget"), total, amount, mark, slip)
        outputs = (Token(taken.amount_tiyn, taken.lock), *rest)
        self.attempt(Seize(self.world.nonce(), ids, outputs, "case"), [self.world.kid("enforcement")], slip)

    # --- rules: the ledger's own life ---

    @rule(pick=PICK)
    def send_again(self, pick: int) -> None:
        if self.sent:
            self.enqueue(self.pick(self.sent, pick))

    @rule(
        size=st.integers(1, 8),
        crash=st.sampled_from([None, "before", "inside", "after"]),
        restart=st.booleans(),
    )
    def agree(self, size: int, crash: Crash | None, restart: bool) -> None:
        """How large the next groups are, and whether the first of them meets a crash."""
        self.group_size, self.crash, self.restarts = size, crash, restart

    @rule()
    def stop_and_start(self) -> None:
        self.restart()

    @rule(seconds=st.sampled_from([1, 3_600, DAY, 3 * DAY]))
    def time_passes(self, seconds: int) -> None:
        self.flush()
        self.world.clock.advance(seconds)

    @rule(pick=PICK)
    def audit_against_a_kept_head(self, pick: int) -> None:
        if pick % 4 == 0:
            found = audit(self.store, self.pick(self.heads, pick), self.world.root.encode())
            assert found.problems == []

    # --- what always holds ---

    @invariant()
    def supply_is_the_models(self) -> None:
        if not hasattr(self, "model"):
            return
        supply = self.world.ledger.supply()
        assert (supply.issued_tiyn, supply.redeemed_tiyn) == (self.model.issued, self.model.redeemed)
        for line in ("bank_inventory", "treasury", "wallets", "escrow", "loss_reserve"):
            assert getattr(supply, f"{line}_tiyn") == self.model.line_tiyn(line), line
        assert supply.outstanding_tiyn == supply.held_tiyn
        assert self.world.ledger.marked_tiyn(self.mark.oid) == self.model.marked_tiyn(self.mark.oid)

    def teardown(self) -> None:
        """At the end every token is compared, and everything audited."""
        if not hasattr(self, "model"):
            return
        self.flush()
        for kid, holder in self.model.holders.items():
            owned = {i: (t.amount_tiyn, t.mark) for i, t in self.world.ledger.owned(kid)}
            assert owned == self.model.owned(kid)
            registered = self.world.ledger.registered(kid)
            assert registered is not None
            assert (registered.pseudonym, bool(registered.successor)) == (holder.pseudonym, holder.replaced)
        assert audit(self.store, self.world.ledger.head(), self.world.root.encode()).problems == []
        assert self.world.ledger.size == 1 + len(ACCOUNTS) + len(self.model.accepted)
        self.store.close()


class SqliteMachine(LedgerMachine):
    """The same on SQLite, in a folder of its own; a restart closes the file and opens it again."""

    def open_store(self) -> Store:
        """The store in the file."""
        if not hasattr(self, "folder"):
            self.folder = tempfile.TemporaryDirectory()
            self.dying: str | None = None
        else:
            self.store.close()
        return SqliteStore(Path(self.folder.name) / "ledger.sqlite", self.checkpoint)

    def checkpoint(self, name: str) -> None:
        """Die at the point that was named."""
        if name == f"ledger.commit.{self.dying}":
            self.dying = None
            raise Died

    def fail_next(self, where: Crash | None) -> None:
        """Let the next commit die (or not, after all)."""
        self.dying = where

    def teardown(self) -> None:
        """Also remove the folder."""
        super().teardown()
        if hasattr(self, "folder"):
            self.folder.cleanup()


def runs(share: int) -> settings:
    """Enough runs for a share of the steps (per cent)."""
    return settings(
        max_examples=max(STEPS * share // 100 // STEPS_A_RUN, 2),
        stateful_step_count=STEPS_A_RUN,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


TestInMemory = LedgerMachine.TestCase
TestInMemory.settings = runs(80)
TestInSqlite = SqliteMachine.TestCase
TestInSqlite.settings = runs(20)
