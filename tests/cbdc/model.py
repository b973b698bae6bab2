"""The ledger once more, as simply as it can be said: lists of tokens, sums where they are needed, no counters at all.

It shares nothing with the rules but the records it reads. It knows only plain locks, and only judges what the machine
of `test_ledger_machine.py` sends: the guards stand in one column, each answering with the code it would give.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cbdc.keys import key_id
from cbdc.ledger.entry import Policy
from cbdc.marks import MarkDefinition, open_definition, open_statement
from cbdc.token import Token, TokenId
from cbdc.transaction import SignedTransaction
from tests.cbdc.world import CERTIFIED

INVENTORY, BUDGET, ESCROW, RESERVE = 200, 201, 202, 203
LINES = {INVENTORY: "bank_inventory", BUDGET: "treasury", ESCROW: "escrow", RESERVE: "loss_reserve"}


class No(Exception):
    """A refusal, with its code."""


def need(condition: object, code: str) -> None:
    """Refuse with `code` unless the condition holds."""
    if not condition:
        raise No(code)


@dataclass
class Holder:
    """A registered key: who it belongs to, and whether it was replaced."""

    pseudonym: bytes
    category: int
    tier: int
    bank: int
    replaced: bool = False

    @property
    def line(self) -> str:
        """Its line of the supply table."""
        return LINES.get(self.category, "wallets")

    @property
    def who(self) -> tuple[bytes, int]:
        """Whose key it is."""
        return self.pseudonym, self.category


@dataclass
class Model:
    """Everything the ledger should know."""

    network: bytes
    policy: Policy
    certified: dict[bytes, str]
    holders: dict[bytes, Holder] = field(default_factory=dict)
    tokens: dict[TokenId, tuple[bytes, int, bytes]] = field(default_factory=dict)
    marks: dict[bytes, MarkDefinition] = field(default_factory=dict)
    frozen: set[bytes] = field(default_factory=set)
    used: set[bytes] = field(default_factory=set)
    payments: list[tuple[bytes, int, int]] = field(default_factory=list)
    accepted: set[bytes] = field(default_factory=set)
    issued: int = 0
    redeemed: int = 0

    # --- figures ---

    def line_tiyn(self, line: str) -> int:
        """What one line of the supply table holds."""
        return sum(amount for kid, amount, _ in self.tokens.values() if self.holders[kid].line == line)

    def marked_tiyn(self, mark: bytes) -> int:
        """How much money carries a mark."""
        return sum(amount for _, amount, one in self.tokens.values() if one == mark)

    def held_tiyn(self, pseudonym: bytes) -> int:
        """What a wallet holder holds."""
        return sum(
            amount
            for kid, amount, _ in self.tokens.values()
            if self.holders[kid].pseudonym == pseudonym and self.holders[kid].line == "wallets"
        )

    def owned(self, kid: bytes) -> dict[TokenId, tuple[int, bytes]]:
        """The tokens of a key."""
        return {i: (amount, mark) for i, (owner, amount, mark) in self.tokens.items() if owner == kid}

    # --- judging ---

    def submit(self, transaction: SignedTransaction, honest: bool, now: int) -> str:
        """ "ok" and everything is done, or a code and nothing is."""
        if transaction.id in self.accepted:
            return "ok"
        try:
            done = self._judge(transaction, honest, now)
        except No as refusal:
            return str(refusal)
        done()
        self.accepted.add(transaction.id)
        return "ok"

    def _judge(self, transaction: SignedTransaction, honest: bool, now: int) -> Callable[[], None]:
        record: Any = transaction.record
        signers = {kid for kid, _ in transaction.witnesses}
        new = key_id(record.algorithm, record.public_key) if hasattr(record, "public_key") else b""
        for kid in signers:
            need(kid in self.holders or kid in self.certified or kid == new, "E_KEY_UNKNOWN")
        need(honest, "E_SIG")
        for token in record.creates:
            need(token.lock.holder in self.holders, "E_KEY_UNKNOWN")
            need(not self.holders[token.lock.holder].replaced, "E_KEY_RETIRED")
        for identity in record.spends:
            need(identity in self.tokens, "E_TOKEN_SPENT")
        roles = {self.certified[kid] for kid in signers if kid in self.certified}
        judge: Any = getattr(self, "_" + type(record).__name__.lower())
        spent = [self.tokens[identity] for identity in record.spends]
        return self._doing(transaction, judge(record, spent, list(record.creates), signers, roles, now))

    def _doing(self, transaction: SignedTransaction, more: Callable[[], None]) -> Callable[[], None]:
        record = transaction.record

        def do() -> None:
            more()
            for identity in record.spends:
                del self.tokens[identity]
            for place, token in enumerate(record.creates):
                self.tokens[TokenId(transaction.id, place)] = (
                    token.lock.holder,
                    token.amount_tiyn,
                    token.mark,
                )

        return do

    def _issue(
        self, r: Any, spent: Any, out: list[Token], signers: set[bytes], roles: set[str], now: int
    ) -> Any:
        officers = [kid for kid in signers if self.certified.get(kid, "").startswith("officer")]
        need(len(officers) >= 2, "E_QUORUM")
        need("operator" in roles, "E_AUTHORITY")
        need(not any(token.mark for token in out), "E_MARK_ISSUER")
        for token in out:
            need(self._line(token) in ("bank_inventory", "treasury", "loss_reserve"), "E_CATEGORY_LEDGER")
        need(r.request not in self.used, "E_REQUEST_USED")

        def do() -> None:
            self.used.add(r.request)
            self.issued += total(out)

        return do

    def _transfer(
        self, r: Any, spent: Any, out: list[Token], signers: set[bytes], roles: Any, now: int
    ) -> Any:
        need(all(kid in signers for kid, _, _ in spent), "E_LOCKED")
        need(worth(spent) == total(out), "E_SUM_LEDGER")
        learned = self._learned(r, spent)
        marks = {**self.marks, **learned}
        mark = one_mark(spent)
        payers = {self.holders[kid].who for kid, _, _ in spent}
        if mark:
            need(all(token.mark == mark for token in out), "E_MARK_DROPPED")
            change: dict[tuple[bytes, int], int] = {}
            for kid, amount, _ in spent:
                change[self.holders[kid].who] = change.get(self.holders[kid].who, 0) - amount
            for token in out:
                change[self._holder(token).who] = change.get(self._holder(token).who, 0) + token.amount_tiyn
            for (_, payee), gain in change.items():
                for (_, payer), loss in change.items():
                    if gain > 0 > loss:
                        self._edge(marks[mark], payer, payee, gain, now)
        for token in out if not mark else []:
            if token.mark:
                need(token.mark in marks, "E_MARK_UNKNOWN")
                need({kid for kid, _, _ in spent} == {marks[token.mark].issuer}, "E_MARK_ISSUER")
                if self._holder(token).who not in payers:
                    self._edge(marks[token.mark], BUDGET, self._holder(token).category, 0, now)
        for line in [self.holders[kid].line for kid, _, _ in spent] + [self._line(token) for token in out]:
            need(line not in ("escrow", "loss_reserve"), "E_CATEGORY_LEDGER")
        self._thaw(spent, signers)
        paying = self._limits(spent, out, now)

        def do() -> None:
            self.marks.update(learned)
            self.payments.extend(paying)

        return do

    def _redeem(
        self, r: Any, spent: Any, out: list[Token], signers: set[bytes], roles: set[str], now: int
    ) -> Any:
        need(all(kid in signers for kid, _, _ in spent), "E_LOCKED")
        need("operator" in roles, "E_AUTHORITY")
        need(total(out) < worth(spent), "E_SUM_LEDGER")
        need(not any(mark for _, _, mark in spent), "E_MARK_BLOCKS")
        need(not any(token.mark for token in out), "E_MARK_ISSUER")
        self._own(spent, out, ("bank_inventory", "treasury"), ())
        self._thaw(spent, signers)
        need(r.request not in self.used, "E_REQUEST_USED")

        def do() -> None:
            self.used.add(r.request)
            self.redeemed += worth(spent) - total(out)

        return do

    def _freeze(self, r: Any, spent: Any, out: Any, signers: Any, roles: set[str], now: int) -> Any:
        need("enforcement" in roles, "E_AUTHORITY")
        need(r.holder not in self.frozen, "E_FROZEN")
        return lambda: self.frozen.add(r.holder)

    def _unfreeze(self, r: Any, spent: Any, out: Any, signers: Any, roles: set[str], now: int) -> Any:
        need("enforcement" in roles, "E_AUTHORITY")
        need(r.holder in self.frozen, "E_NOT_FROZEN")
        return lambda: self.frozen.remove(r.holder)

    def _seize(self, r: Any, spent: Any, out: list[Token], signers: Any, roles: set[str], now: int) -> Any:
        need("enforcement" in roles, "E_AUTHORITY")
        need(worth(spent) == total(out), "E_SUM_LEDGER")
        mark = one_mark(spent)
        change = [token for token in out if self._line(token) == "wallets"]
        need(all(token.mark == mark for token in change), "E_MARK_DROPPED")
        need(not any(token.mark for token in out if token not in change), "E_MARK_ISSUER")
        self._own(spent, out, ("wallets",), ("treasury", "loss_reserve"))
        need(len(change) < len(out), "E_CATEGORY_LEDGER")
        return nothing

    def _releasemark(
        self, r: Any, spent: Any, out: list[Token], signers: set[bytes], roles: Any, now: int
    ) -> Any:
        need(all(kid in signers for kid, _, _ in spent), "E_LOCKED")
        need(worth(spent) == total(out), "E_SUM_LEDGER")
        mark = one_mark(spent)
        need(mark, "E_MARK_NONE")
        definition = self.marks[mark]
        owners = {self.holders[kid].who for kid, _, _ in spent}
        need(
            len(owners) == 1 and owners == {self._holder(token).who for token in out}, "E_MARK_RELEASE_HOLDER"
        )
        pseudonym, category = owners.pop()
        need(category in definition.release_categories, "E_MARK_RELEASE")
        need(all(token.mark in (b"", mark) for token in out), "E_MARK_DROPPED")
        said = [open_statement(envelope, self.network) for envelope in r.statements]
        for one in said:
            right = (definition.evidence, mark, pseudonym)
            need((one.record.register, one.record.mark, one.record.holder) == right, "E_STATEMENT")
        free = sum(token.amount_tiyn for token in out if not token.mark)
        need(sum(one.record.amount_tiyn for one in said) >= free, "E_MARK_EVIDENCE")
        self._own(spent, out, ("bank_inventory", "treasury", "wallets"), ())
        self._thaw(spent, signers)
        ids = [one.oid for one in said]
        need(not self.used & set(ids) and len(set(ids)) == len(ids), "E_STATEMENT_USED")
        return lambda: self.used.update(ids)

    def _expiremark(
        self, r: Any, spent: Any, out: list[Token], signers: Any, roles: set[str], now: int
    ) -> Any:
        need("treasury" in roles, "E_AUTHORITY")
        need(worth(spent) == total(out), "E_SUM_LEDGER")
        mark = one_mark(spent)
        need(mark, "E_MARK_NONE")
        need(now > self.marks[mark].valid_until, "E_MARK_NOT_OVER")
        account = self.holders[self.marks[mark].return_to].who
        need(all(not token.mark and self._holder(token).who == account for token in out), "E_MARK_RETURN")
        for kid, _, _ in spent:
            need(self.holders[kid].line not in ("escrow", "loss_reserve"), "E_CATEGORY_LEDGER")
        return nothing

    def _loadoffline(
        self, r: Any, spent: Any, out: list[Token], signers: set[bytes], roles: Any, now: int
    ) -> Any:
        need(all(kid in signers for kid, _, _ in spent), "E_LOCKED")
        need(worth(spent) == total(out), "E_SUM_LEDGER")
        mark = one_mark(spent)
        need(all(token.mark == mark for token in out), "E_MARK_DROPPED")
        if mark:
            frees = self.marks[mark].converts_on_redeem and self.marks[mark].release_categories
            need(self.holders[spent[0][0]].category not in (frees or ()), "E_MARK_OFFLINE")
            need(self.marks[mark].max_hops, "E_MARK_OFFLINE")
            need(self.marks[mark].valid_from <= now <= self.marks[mark].valid_until, "E_MARK_TIME")
        self._own(spent, out, ("wallets",), ("escrow",))
        lines = [self._line(token) for token in out]
        need(lines[0] == "escrow" and lines == sorted(lines, key="escrow".__ne__), "E_CATEGORY_LEDGER")
        self._thaw(spent, signers)
        return nothing

    def _settleoffline(
        self, r: Any, spent: Any, out: list[Token], signers: Any, roles: set[str], now: int
    ) -> Any:
        need("settle" in roles, "E_AUTHORITY")
        need(worth(spent) == total(out), "E_SUM_LEDGER")
        mark = one_mark(spent)
        source = "loss_reserve" if r.kind == 2 else "escrow"
        target = {1: "wallets", 2: "escrow", 3: "loss_reserve", 4: "wallets"}[r.kind]
        for token in out:
            if self._line(token) == source:
                need(token.mark == mark, "E_MARK_DROPPED")
            elif r.kind == 2:
                need(not token.mark or token.mark in self.marks, "E_MARK_UNKNOWN")
            else:
                drops = r.kind == 3 or (r.kind == 1 and mark and self._frees(mark, token))
                need(token.mark == (b"" if drops else mark), "E_MARK_DROPPED")
        lines = {self.holders[kid].line for kid, _, _ in spent}
        need(lines == {source}, "E_CATEGORY_LEDGER")
        need(all(self._line(token) in (source, target) for token in out), "E_CATEGORY_LEDGER")
        need(r.fact not in self.used, "E_FACT_USED")
        return lambda: self.used.add(r.fact)

    def _registerkey(
        self, r: Any, spent: Any, out: Any, signers: set[bytes], roles: set[str], now: int
    ) -> Any:
        kid = key_id(r.algorithm, r.public_key)
        need(kid in signers, "E_POSSESSION")
        registrar(r.category, r.bank_id, roles)
        need(any(row[0] == r.tier for row in self.policy.tiers) or r.category == INVENTORY, "E_TIER")
        need(kid not in self.holders and kid not in self.certified, "E_KEY_TAKEN")
        banks = {one.bank for one in self.holders.values() if one.pseudonym == r.pseudonym}
        need(banks <= {r.bank_id}, "E_PSEUDONYM_TAKEN")
        holder = Holder(r.pseudonym, r.category, r.tier, r.bank_id)
        return lambda: self.holders.update({kid: holder})

    def _rotatekey(self, r: Any, spent: Any, out: Any, signers: set[bytes], roles: set[str], now: int) -> Any:
        new, old = key_id(r.algorithm, r.public_key), self.holders.get(r.old)
        need(old, "E_KEY_UNKNOWN")
        assert old is not None
        need(not old.replaced, "E_KEY_RETIRED")
        need({r.old, new} <= signers, "E_POSSESSION")
        registrar(old.category, old.bank, roles)
        need(new not in self.holders and new not in self.certified, "E_KEY_TAKEN")

        def do() -> None:
            old.replaced = True
            self.holders[new] = Holder(old.pseudonym, old.category, old.tier, old.bank)

        return do

    # --- what several kinds ask ---

    def _holder(self, token: Token) -> Holder:
        return self.holders[token.lock.holder]

    def _line(self, token: Token) -> str:
        return self._holder(token).line

    def _frees(self, mark: bytes, token: Token) -> bool:
        definition = self.marks[mark]
        return (
            bool(definition.converts_on_redeem)
            and self._holder(token).category in definition.release_categories
        )

    def _learned(self, r: Any, spent: Any) -> dict[bytes, MarkDefinition]:
        if not r.definition:
            return {}
        signed = open_definition(r.definition, self.network)
        need(signed.record.issuer in {kid for kid, _, _ in spent}, "E_MARK_ISSUER")
        return {signed.oid: signed.record}

    def _edge(self, definition: MarkDefinition, payer: int, payee: int, amount: int, now: int) -> None:
        need(definition.valid_from <= now <= definition.valid_until, "E_MARK_TIME")
        need(any(payer == a and payee in b for a, b in definition.edges), "E_MARK_EDGE")
        need(not definition.payment_cap_tiyn or amount <= definition.payment_cap_tiyn, "E_MARK_CAP")

    def _own(
        self, spent: Any, out: list[Token], spenders: tuple[str, ...], receivers: tuple[str, ...]
    ) -> None:
        for kid, _, _ in spent:
            need(self.holders[kid].line in spenders, "E_CATEGORY_LEDGER")
        owners = {self.holders[kid].who for kid, _, _ in spent}
        need(len(owners) == 1, "E_ONE_HOLDER")
        for token in out:
            need(self._holder(token).who in owners or self._line(token) in receivers, "E_CATEGORY_LEDGER")

    def _thaw(self, spent: Any, signers: set[bytes]) -> None:
        for kid in {kid for kid, _, _ in spent} | (signers & set(self.holders)):
            need(self.holders[kid].pseudonym not in self.frozen, "E_FROZEN")

    def _limits(self, spent: Any, out: list[Token], now: int) -> list[tuple[bytes, int, int]]:
        day = (now + self.policy.day_offset_seconds) // 86_400
        flow: dict[bytes, int] = {}
        for kid, amount, _ in spent:
            if self.holders[kid].line == "wallets":
                flow[self.holders[kid].pseudonym] = flow.get(self.holders[kid].pseudonym, 0) - amount
        for token in out:
            if self._line(token) == "wallets":
                flow[self._holder(token).pseudonym] = (
                    flow.get(self._holder(token).pseudonym, 0) + token.amount_tiyn
                )
        paying = [(who, day, -amount) for who, amount in flow.items() if amount < 0]
        counted: list[tuple[bytes, int, int]] = []
        rows = {row[0]: row[1:] for row in self.policy.tiers}
        for who, _, amount in paying:
            tiers = {self.holders[kid].tier for kid, _, _ in spent if self.holders[kid].pseudonym == who}
            before = sum(paid for other, when, paid in self.payments if (other, when) == (who, day))
            for limit in [rows[tier][1] for tier in tiers]:
                need(not limit or amount <= limit, "E_LIMIT_PAYMENT")
            for limit in [rows[tier][2] for tier in tiers]:
                need(not limit or before + amount <= limit, "E_LIMIT_DAY")
            if any(rows[tier][2] for tier in tiers):
                counted.append((who, day, amount))
        for who, amount in flow.items():
            tiers = {
                self._holder(t).tier
                for t in out
                if self._holder(t).who[0] == who and self._line(t) == "wallets"
            }
            for limit in [rows[tier][0] for tier in tiers] if amount > 0 else []:
                need(not limit or self.held_tiyn(who) + amount <= limit, "E_LIMIT_HOLDING")
        return counted


def total(out: list[Token]) -> int:
    """The sum of outputs."""
    return sum(token.amount_tiyn for token in out)


def worth(spent: list[tuple[bytes, int, bytes]]) -> int:
    """The sum of inputs."""
    return sum(amount for _, amount, _ in spent)


def one_mark(spent: list[tuple[bytes, int, bytes]]) -> bytes:
    """The mark of all inputs."""
    marks = {mark for _, _, mark in spent}
    need(len(marks) == 1, "E_MARK_MIXED")
    return marks.pop()


def registrar(category: int, bank: int, roles: set[str]) -> None:
    """Who answers for a key: the bank, the treasury for its accounts, settlement for escrow and reserve."""
    institution = {BUDGET: "treasury", ESCROW: "settle", RESERVE: "settle"}.get(category)
    if institution:
        need(institution in roles, "E_AUTHORITY")
    else:
        need(any(role.startswith("bank") for role in roles), "E_AUTHORITY")
        need(f"bank{bank}" in roles, "E_BANK_SCOPE")


def nothing() -> None:
    """Only tokens move."""


def certified_names() -> tuple[str, ...]:
    """The names of the certified keys."""
    return tuple(name for name, _, _ in CERTIFIED)
