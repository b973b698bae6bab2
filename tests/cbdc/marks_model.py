"""An independent model of marked money, written from docs/marks.md and docs/ledger.md, not from the rules.

It knows people, tokens, rules and facts as plain Python values, decides what the ledger must accept, and keeps an
account of every mark: what came under it and where it went. It shares no code with `cbdc.clauses`, `cbdc.marks` or
`cbdc.ledger`; the only thing taken from there is nothing.

A key is named "p1" or "p1.2" (two keys of one holder); a holder is the part before the point.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, NamedTuple

TREASURY, ESCROW, RESERVE, INVENTORY = 201, 202, 203, 200
WALLETS = "wallets"
DAY_OFFSET = 5 * 3_600


class Coin(NamedTuple):
    """A token: amount, the key that holds it, and the name of its mark (empty: free)."""

    amount: int
    key: str
    mark: str


@dataclass(frozen=True)
class Rule:
    """A mark's definition; `clauses` are dicts with kind, name, payers, payees and what the kind needs."""

    name: str
    edges: frozenset[tuple[int, int]]
    cap: int
    start: int
    end: int
    release: frozenset[int]
    evidence: str
    hops: int
    converts: bool
    clauses: tuple[dict[str, Any], ...]

    def asked(self, payer: int, payee: int, *kinds: str) -> list[dict[str, Any]]:
        """The clauses that ask something of a payment between these categories (of these kinds)."""
        found = []
        for clause in self.clauses:
            of_payer = payer in clause["payers"] if clause["payers"] else payer != TREASURY
            of_payee = not clause["payees"] or payee in clause["payees"]
            if of_payer and of_payee and (not kinds or clause["kind"] in kinds):
                found.append(clause)
        return found


@dataclass
class Pay:
    """A transfer that somebody sends: coins in, coins out, who signs, what for, on which papers."""

    inputs: list[Any]
    outputs: list[Coin]
    signers: set[str]
    lines: list[tuple[int, int, int]] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    brings: str = ""


def holder(key: str) -> str:
    """Whose key it is."""
    return key.partition(".")[0]


def part_up(amount: int, clause: dict[str, Any]) -> int:
    """A share, a broken tiyn more."""
    return ceil(amount * clause["numerator"] / clause["denominator"])


def period_of(word: str, seconds: int) -> Any:
    """Which day, week, month or year a local second falls in."""
    date = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds + DAY_OFFSET)).date()
    return {
        "day": date,
        "week": date - timedelta(days=date.weekday()),
        "month": (date.year, date.month),
        "year": date.year,
        "ever": 0,
    }[word]


class Refusal(Exception):
    """The model says no, and why."""


class Model:
    """Who holds what under which mark, and what may happen next."""

    def __init__(self, categories: dict[str, int], coins: dict[Any, Coin]) -> None:
        self.categories = categories
        self.coins = dict(coins)
        self.rules: dict[str, Rule] = {}
        self.known: set[str] = set()
        self.facts: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.used: Counter[Any] = Counter()
        self.statements: set[Any] = set()
        self.frozen: set[str] = set()
        self.came: Counter[str] = Counter()
        self.went: Counter[str] = Counter()

    def category(self, key: str) -> int:
        """The category of a key's holder."""
        return self.categories[holder(key)]

    def need(self, condition: object, why: str) -> None:
        """Refuse unless the condition holds."""
        if not condition:
            raise Refusal(why)

    # --- transfers ---

    def transfer(self, pay: Pay, now: int) -> list[tuple[Any, int]]:
        """What a transfer uses up, or a refusal. Nothing changes; `settle` makes it happen."""
        spent = self._spent(pay.inputs, pay.signers)
        self.need(sum(c.amount for c in spent) == sum(c.amount for c in pay.outputs), "sums")
        if pay.brings:
            self.need(any(coin.key == "budget" for coin in spent), "only the issuer brings a definition")
        self.need(len({coin.mark for coin in spent}) == 1, "mixed marks")
        mark = spent[0].mark
        known = self.known | {pay.brings}
        self.need(all(coin.mark in known | {""} for coin in (*spent, *pay.outputs)), "unknown mark")
        payments = self._payments(spent, pay, mark)
        if len(payments) > 1:
            for name, _, _, _, issued in payments:
                papers = pay.lines or pay.documents
                self.need(not self.rules[name].clauses or (issued and not papers), "crowd")
        if mark:
            self._arrives(spent, pay, self.rules[mark])
        else:
            self._marked(spent, pay)
        used: Counter[Any] = Counter()
        for name, payer, payee, amount, issued in payments:
            for counter, part in self._judge(name, payer, payee, amount, issued, pay, now, used):
                used[counter] += part
        for coin in (*spent, *pay.outputs):
            self.need(self.category(coin.key) not in (ESCROW, RESERVE), "not theirs")
        self._not_frozen(spent, pay.signers)
        return list(used.items())

    def _spent(self, inputs: list[Any], signers: set[str]) -> list[Coin]:
        self.need(all(one in self.coins for one in inputs), "spent")
        coins = [self.coins[one] for one in inputs]
        self.need(all(coin.key in signers for coin in coins), "locked")
        return coins

    def _not_frozen(self, spent: list[Coin], signers: set[str]) -> None:
        people = {holder(coin.key) for coin in spent} | {holder(key) for key in signers}
        self.need(not people & self.frozen, "frozen")

    def _net(self, spent: list[Coin], outputs: list[Coin]) -> Counter[str]:
        net: Counter[str] = Counter()
        for coin in spent:
            net[holder(coin.key)] -= coin.amount
        for coin in outputs:
            net[holder(coin.key)] += coin.amount
        return net

    def _payments(self, spent: list[Coin], pay: Pay, mark: str) -> list[tuple[str, str, str, int, bool]]:
        """(mark, payer, payee, amount, whether the issuer hands out): what marks judge."""
        net = self._net(spent, pay.outputs)
        if mark:
            payers = [one for one, amount in net.items() if amount < 0]
            return [(mark, a, b, amount, False) for b, amount in net.items() if amount > 0 for a in payers]
        spenders = sorted({holder(coin.key) for coin in spent})
        issued = all(coin.key == "budget" for coin in spent)
        gets: Counter[tuple[str, str]] = Counter()
        for coin in pay.outputs:
            if coin.mark and holder(coin.key) not in spenders:
                gets[coin.mark, holder(coin.key)] += coin.amount
        return [(name, a, b, amount, issued) for (name, b), amount in gets.items() for a in spenders]

    def _arrives(self, spent: list[Coin], pay: Pay, rule: Rule) -> None:
        net = self._net(spent, pay.outputs)
        spenders = {holder(coin.key) for coin in spent}
        payers = [one for one, amount in net.items() if amount < 0]
        arrived: dict[str, Counter[str]] = {}
        for coin in pay.outputs:
            arrived.setdefault(holder(coin.key), Counter())[coin.mark] += coin.amount
        for person, parts in arrived.items():
            due = Counter({rule.name: parts.total()})
            if net[person] > 0:
                parted = self._parted(rule, payers[0], person, net[person])
                if person in spenders:
                    self.need(parted == Counter({rule.name: net[person]}), "own coin hides a share")
                else:
                    due = parted
            self.need(parts == due, "arrives otherwise")

    def _parted(self, rule: Rule, payer: str, payee: str, amount: int) -> Counter[str]:
        a, b = self.categories[payer], self.categories[payee]
        parts: Counter[str] = Counter()
        rest = amount
        for clause in rule.asked(a, b, "share"):
            part = min(rest, part_up(amount, clause))
            parts[clause["mark"]] += part
            rest -= part
        parts["" if rule.asked(a, b, "drops") else rule.name] += rest
        return +parts

    def _marked(self, spent: list[Coin], pay: Pay) -> None:
        spenders = {holder(coin.key) for coin in spent}
        if all(coin.key == "budget" for coin in spent):
            return
        gross: Counter[str] = Counter()
        marked: Counter[tuple[str, str]] = Counter()
        for coin in pay.outputs:
            gross[holder(coin.key)] += coin.amount
            if coin.mark:
                marked[coin.mark, holder(coin.key)] += coin.amount
        for (name, person), amount in marked.items():
            self.need(len(spenders) == 1 and person not in spenders, "who marks")
            payer = next(iter(spenders))
            clauses = self.rules[name].asked(self.categories[payer], self.categories[person], "marks")
            self.need(clauses and amount == part_up(gross[person], clauses[0]), "what is marked")

    # --- judging a payment ---

    def _judge(
        self,
        name: str,
        payer: str,
        payee: str,
        amount: int,
        issued: bool,
        pay: Pay,
        now: int,
        before: Counter[Any],
    ) -> list[tuple[Any, int]]:
        rule = self.rules[name]
        a, b = self.categories[payer], self.categories[payee]
        self.need(rule.start <= now <= rule.end, "time")
        self.need((a, b) in rule.edges, "edge")
        self.need(issued or not rule.cap or amount <= rule.cap, "cap")
        vouched = any(coin.key in pay.signers for coin in pay.outputs if holder(coin.key) == payee)
        uses: dict[Any, int] = {}
        for clause in rule.asked(a, b):
            found = self._clause(rule, clause, payer, payee, amount, vouched, pay, now, before)
            for counter, part in found:
                uses[counter] = max(part, uses.get(counter, 0))
        return list(uses.items())

    def _clause(
        self,
        rule: Rule,
        clause: dict[str, Any],
        payer: str,
        payee: str,
        amount: int,
        vouched: bool,
        pay: Pay,
        now: int,
        before: Counter[Any],
    ) -> list[tuple[Any, int]]:
        kind = clause["kind"]
        if kind == "listed":
            fact = self._fact(clause, payer, payee, clause["document"])
            self.need(self._stands(fact, now), "listed")
        elif kind == "document":
            return self._document(clause, payer, payee, amount, vouched, pay, now, before)
        elif kind in ("goods", "prices", "estimate"):
            self._lines(pay, amount, vouched)
            return self._basket(rule, clause, pay, before)
        elif kind == "cap":
            self.need(amount <= clause["cap"], "cap of a clause")
        elif kind == "window":
            self.need(clause["start"] <= now <= clause["end"], "window")
        elif kind == "period":
            who = {"payer": payer, "payee": payee, "pair": (payer, payee), "all": ""}[clause["whose"]]
            counter = ("period", rule.name, clause["name"], who, period_of(clause["period"], now))
            self.need(self.used[counter] + before[counter] + amount <= clause["cap"], "period")
            return [(counter, amount)]
        return []

    def _fact(self, clause: dict[str, Any], payer: str, payee: str, document: str) -> tuple[Any, ...]:
        subject = payer if clause["about"] == "payer" else payee
        other = payer if clause["about"] == "pair" else ""
        return (clause["register"], clause["fact"], subject, other, document)

    def _stands(self, fact: tuple[Any, ...], now: int) -> bool:
        said = self.facts.get(fact)
        return said is not None and said["standing"] == 1 and now <= said["expires"]

    def _lines(self, pay: Pay, amount: int, vouched: bool) -> None:
        total = sum(line[2] for line in pay.lines)
        self.need(pay.lines and total == amount and vouched, "lines")

    def _basket(
        self, rule: Rule, clause: dict[str, Any], pay: Pay, before: Counter[Any]
    ) -> list[tuple[Any, int]]:
        paid: Counter[int] = Counter()
        for item, quantity, amount in pay.lines:
            paid[item] += amount
            if clause["kind"] == "goods":
                inside = any(first <= item <= last for first, last in clause["ranges"])
                self.need(inside == clause["only"], "goods")
            elif clause["kind"] == "prices" and item in clause["rows"]:
                self.need(amount <= quantity * clause["rows"][item], "price")
        if clause["kind"] != "estimate":
            return []
        uses = []
        for item, amount in paid.items():
            counter = ("estimate", rule.name, clause["name"], item)
            self.need(item in clause["rows"], "no such line")
            self.need(self.used[counter] + before[counter] + amount <= clause["rows"][item], "estimate")
            uses.append((counter, amount))
        return uses

    def _document(
        self,
        clause: dict[str, Any],
        payer: str,
        payee: str,
        amount: int,
        vouched: bool,
        pay: Pay,
        now: int,
        before: Counter[Any],
    ) -> list[tuple[Any, int]]:
        facts = [self._fact(clause, payer, payee, document) for document in dict.fromkeys(pay.documents)]
        good = [fact for fact in facts if self._stands(fact, now)]
        self.need(good, "no document")
        wants = [(("fact", fact), self.facts[fact]["amount"]) for fact in good]
        uses = self._take(wants, amount, before)
        if clause["same_lines"]:
            self._lines(pay, amount, vouched)
            paid: Counter[int] = Counter()
            for item, _, part in pay.lines:
                paid[item] += part
            for item, part in paid.items():
                rows = [
                    (("item", fact, item), sum(x[2] for x in self.facts[fact]["lines"] if x[0] == item))
                    for fact in good
                ]
                uses += self._take(rows, part, before)
        return uses

    def _take(self, rows: list[tuple[Any, int]], amount: int, before: Counter[Any]) -> list[tuple[Any, int]]:
        uses, rest = [], amount
        for counter, has in rows:
            part = min(rest, max(0, has - self.used[counter] - before[counter]))
            rest -= part
            uses.append((counter, part))
        self.need(not rest, "documents have too little")
        return uses
