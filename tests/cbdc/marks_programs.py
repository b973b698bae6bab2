"""Random programs of marked money: what people, registers, the treasury and thieves try, one after another.

Most moves begin as what the rules allow and are then bent; some are nonsense from the start. After each move the real
ledger must have answered as the model did, the explanation as the ledger, and every token and every mark must be
where the model has it.
"""

from collections import Counter
from random import Random
from typing import Any

from cbdc.ledger.state import FREEZE, StateKey
from tests.cbdc.marks_ends_drawn import drawn_end
from tests.cbdc.marks_model import Coin, Pay, Rule, holder
from tests.cbdc.marks_model_ends import Move, WholeModel
from tests.cbdc.marks_rules_drawn import ITEMS, PAPERS, drawn_fact, drawn_rule
from tests.cbdc.marks_world import CATEGORIES, KEYS, PEOPLE, begin
from tests.cbdc.test_explanation import FOUND
from tests.cbdc.world import DAY

MOVES = 14
STRICT = 0.2


class Program:
    """One program, from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.ledger, coins = begin()
        self.model = WholeModel(CATEGORIES, coins)
        self.answers: Counter[str] = Counter()
        self.was: dict[Any, str] = {}
        for number in range(self.random.choice((1, 2, 2, 3))):
            name = f"m{number}"
            rule = drawn_rule(self.random, name, self.ledger.now, list(self.model.rules))
            self.model.rules[name] = rule
            self.ledger.define(rule)

    def run(self) -> Counter[str]:
        """Play it; how often each answer was given."""
        for name in self.model.rules:
            self.move(self.hand_out(name))
        for _ in range(MOVES):
            self.step()
        self.compare()
        return self.answers

    def step(self) -> None:
        """One thing that happens."""
        kind = self.random.choices(
            ("pay", "attest", "hand out", "end", "time", "freeze", "mark", "merge"),
            (42, 22, 7, 16, 4, 1, 5, 3),
        )[0]
        if kind == "attest":
            self.attest(*self.fact())
        elif kind == "time":
            self.ledger.now += self.random.choice((3_600, DAY, DAY, 7 * DAY, 30 * DAY))
        elif kind == "freeze":
            self.freeze()
        else:
            move = getattr(self, kind.replace(" ", "_"))()
            if move is not None:
                self.move(move)

    def attest(self, fact: tuple[Any, ...], said: dict[str, Any]) -> None:
        """A register speaks."""
        assert self.ledger.attest(fact, said) == ""
        self.model.facts[fact] = said

    def prepare(self, rule: Rule, payer: str, payee: str, pay: Pay | Move, amount: int) -> None:
        """More often than not, the registers said before what a move needs."""
        random = self.random
        categories = (CATEGORIES[payer], CATEGORIES[payee])
        asked = [one for one in rule.asked(*categories) if one["kind"] in ("listed", "document")]
        if isinstance(pay, Move):
            asked = [one for one in rule.clauses if one["kind"] == "release"]
        for clause in asked:
            if random.random() < 0.35:
                continue
            papers = [clause["document"]] if clause["kind"] == "listed" else pay.documents
            for paper in papers:
                subject = payer if clause.get("about") == "payer" else payee
                other = payer if clause.get("about") == "pair" else ""
                fact = (clause["register"], clause["fact"], subject, other, paper)
                if fact in self.model.facts and random.random() < 0.6:
                    continue
                sum_ = max(0, random.choice((amount, amount - 1, 2 * amount, 3 * amount)))
                lines = pay.lines if isinstance(pay, Pay) and random.random() < 0.8 else []
                expires = self.ledger.now + random.choice((0, DAY, 30 * DAY))
                self.attest(fact, {"amount": sum_, "lines": lines, "expires": expires, "standing": 1})

    def freeze(self) -> None:
        """Somebody is frozen, by a row of the state: how that comes about is tried elsewhere."""
        person = self.random.choice(tuple(PEOPLE))
        self.model.frozen.add(person)
        self.ledger.state[StateKey(FREEZE, self.ledger.world.pseudonym(person))] = "case"

    # --- judging ---

    def move(self, move: Pay | Move) -> None:
        """Send a move to both, and compare."""
        transaction = self.ledger.sign(self.ledger.record(move), move.signers)
        strict = self.random.random() < STRICT
        answer, explanation = self.ledger.submit(transaction, strict)
        self.was = {one: self.model.coins[one].mark for one in move.inputs if one in self.model.coins}
        marked = {name: self.ledger.marked(name) for name in self.model.rules}
        why = self.model.step(move, transaction.id, self.ledger.now)
        told = f"{move}: the ledger says {answer or 'yes'}, the model {why or 'yes'}"
        assert bool(answer) is bool(why), told
        assert explanation.code == answer, told
        if answer in FOUND:
            assert explanation.refusal is not None, told
            assert explanation.refusal.code == answer, told
        if not answer:
            assert explanation.refusal is None, told
            self.answers[f"{type(move).__name__} {getattr(move, 'kind', 'pay')}"] += 1
            for item in explanation.judgements:
                self.answers.update(f"allowed by {finding.kind}" for finding in item.findings)
            self.note_ends(move)
        self.answers[answer] += 1
        for name, amount in marked.items():
            there = sum(coin.amount for coin in self.model.coins.values() if coin.mark == name)
            assert amount == there, told

    def note_ends(self, move: Pay | Move) -> None:
        """Count the payments where a mark ended, or a share of the money went on under another."""
        before = {mark for mark in self.model.rules if any(self.was.get(one) == mark for one in move.inputs)}
        after = {coin.mark for coin in move.outputs}
        if isinstance(move, Pay) and before:
            self.answers["mark ended"] += "" in after
            self.answers["share went on"] += bool(after - before - {""})

    def compare(self) -> None:
        """Every token is where the model has it, and every mark adds up."""
        wanted = {
            one: (coin.amount, self.ledger.kid(coin.key), self.ledger.mark(coin.mark))
            for one, coin in self.model.coins.items()
        }
        assert {(a, b): value for (a, b), value in self.ledger.coins().items()} == {
            (a, b): value for (a, b), value in wanted.items()
        }
        self.model.check()

    # --- what happens ---

    def fact(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """A fact that some clause asks for, more often than not."""
        random = self.random
        fact, said = drawn_fact(random, self.ledger.now)
        asked = [
            clause for rule in self.model.rules.values() for clause in rule.clauses if "register" in clause
        ]
        if asked and random.random() < 0.8:
            clause = random.choice(asked)
            other = random.choice(tuple(PEOPLE)) if clause.get("about") == "pair" else ""
            paper = clause["document"] if "document" in clause else random.choice(PAPERS)
            fact = (clause["register"], clause["fact"], fact[2], other, paper)
        return fact, said

    def coins_of(self, key: str, mark: str | None = None) -> list[Any]:
        """The tokens of a key, of one mark or of any."""
        coins = self.model.coins.items()
        return [one for one, coin in coins if coin.key == key and mark in (None, coin.mark)]

    def hand_out(self, name: str = "") -> Pay | None:
        """The treasury marks money and gives it to one or several."""
        random = self.random
        name = name or random.choice(tuple(self.model.rules))
        free = self.coins_of("budget", "")
        if not free:
            return None
        rule = self.model.rules[name]
        able = [key for key in KEYS if (201, PEOPLE[holder(key)]) in rule.edges] or list(KEYS)
        payees = random.choices(able, k=random.choice((1, 2, 3)))
        outputs = [Coin(random.choice((100, 200, 350)), key, name) for key in payees]
        chosen = free[0]
        rest = self.model.coins[chosen].amount - sum(coin.amount for coin in outputs)
        outputs.append(Coin(rest, "budget", "" if random.random() < 0.95 else name))
        brings = name if name not in self.model.known or random.random() < 0.1 else ""
        pay = Pay([chosen], outputs, {"budget"}, brings=brings)
        if random.random() < 0.1:
            pay.lines, pay.documents = [(0, 1, outputs[0].amount)], list(PAPERS[:1])
        return self.bent(pay) if random.random() < 0.15 else pay

    def pay(self) -> Pay | None:
        """Somebody pays somebody in marked money, as the rule asks, and then perhaps otherwise."""
        random = self.random
        marked = [(one, coin) for one, coin in self.model.coins.items() if coin.mark and coin.key in KEYS]
        if not marked:
            return None
        _, first = random.choice(marked)
        rule = self.model.rules[first.mark]
        payer = holder(first.key)
        able = [key for key in KEYS if (PEOPLE[payer], PEOPLE[holder(key)]) in rule.edges]
        payee = random.choice(able) if able and random.random() < 0.9 else random.choice(KEYS)
        inputs = [one for one in self.coins_of(first.key, first.mark) if random.random() < 0.6]
        inputs = inputs or self.coins_of(first.key, first.mark)[:1]
        total = sum(self.model.coins[one].amount for one in inputs)
        edges = [rule.cap, *(clause["cap"] for clause in rule.clauses if "cap" in clause)]
        near = [cap + more for cap in edges for more in (0, 1) if cap]
        amount = min(total, random.choice((7, 10, 25, 50, 50, 75, 120, *near)))
        outputs = self.due(rule, payer, payee, amount)
        if total > amount:
            outputs.append(Coin(total - amount, first.key, first.mark))
        pay = Pay(inputs, outputs, {first.key})
        self.papers(pay, rule, payer, payee, amount)
        if len({coin.mark for coin in outputs}) > 1 and random.random() < 0.2:
            return self.with_own_coin(pay)
        return self.bent(pay) if random.random() < 0.3 else pay

    def with_own_coin(self, pay: Pay) -> Pay:
        """A payee's own token goes in too, and all he gets comes out as one coin."""
        payee = pay.outputs[0].key
        mark = self.model.coins[pay.inputs[0]].mark
        own = [one for one in self.coins_of(payee, mark) if one not in pay.inputs][:1]
        gets = sum(coin.amount for coin in pay.outputs if coin.key == payee)
        gets += sum(self.model.coins[one].amount for one in own)
        pay.inputs += own
        rest = [coin for coin in pay.outputs if coin.key != payee]
        pay.outputs = [Coin(gets, payee, self.random.choice((mark, mark, pay.outputs[0].mark))), *rest]
        pay.signers.add(payee)
        return pay

    def due(self, rule: Rule, payer: str, payee: str, amount: int) -> list[Coin]:
        """What the payee's coins must be, as the model parts them."""
        if holder(payee) == payer:
            return [Coin(amount, payee, rule.name)]
        parts = self.model._parted(rule, payer, holder(payee), amount)
        return [Coin(part, payee, mark) for mark, part in parts.items()]

    def papers(self, pay: Pay, rule: Rule, payer: str, payee: str, amount: int) -> None:
        """Lines, documents and the payee's signature, where the rule asks for them, and sometimes otherwise."""
        random = self.random
        kinds = {clause["kind"] for clause in rule.clauses}
        items = [clause for clause in rule.clauses if "rows" in clause]
        if kinds & {"goods", "prices", "estimate", "document"} and random.random() < 0.9:
            choice = list(items[0]["rows"]) if items and random.random() < 0.8 else list(ITEMS)
            first = random.randint(1, amount)
            parts = [first, amount - first] if amount > first and random.random() < 0.5 else [amount]
            pay.lines = [(random.choice(choice), random.choice((1, 2, 5)), part) for part in parts]
            pay.signers.add(payee)
            if random.random() < 0.15:
                # The payee did not sign, or the lines are not what is paid.
                item, quantity, part = pay.lines[0]
                wrong = random.choice((part + 1, part + 7, max(1, part - 1)))
                if random.random() < 0.5:
                    pay.signers.discard(payee)
                else:
                    pay.lines[0] = (item, quantity, wrong)
        if "document" in kinds and random.random() < 0.95:
            pay.documents = random.choices(PAPERS, k=random.choice((1, 1, 2, 3)))
        self.prepare(rule, payer, holder(payee), pay, amount)

    def bent(self, pay: Pay) -> Pay:
        """The same with one thing changed."""
        random = self.random
        match random.randrange(11):
            case 0 if pay.outputs:
                place = random.randrange(len(pay.outputs))
                mark = random.choice(("", *self.model.rules))
                pay.outputs[place] = pay.outputs[place]._replace(mark=mark)
            case 1:
                pay.outputs = [coin._replace(mark="") for coin in pay.outputs]
            case 2:
                place = random.randrange(len(pay.outputs))
                key = random.choice((*KEYS, "inventory1", "budget", "escrow"))
                pay.outputs[place] = pay.outputs[place]._replace(key=key)
            case 3:
                key = random.choice(KEYS)
                mark = self.model.coins[pay.inputs[0]].mark
                own = [one for one in self.coins_of(key, mark) if one not in pay.inputs][:1]
                pay.inputs += own
                pay.outputs += [self.model.coins[one] for one in own]
                pay.signers.add(key)
            case 4:
                pay = self.with_own_coin(pay)
            case 5 if pay.outputs[0].amount > 1:
                first = pay.outputs[0]
                half = random.randrange(1, first.amount)
                key = random.choice((first.key, random.choice(KEYS)))
                pay.outputs[0] = first._replace(amount=half)
                pay.outputs.append(first._replace(amount=first.amount - half, key=key))
            case 6:
                pay.lines = []
            case 7:
                pay.signers -= {pay.outputs[0].key}
            case 8:
                pay.outputs[0] = pay.outputs[0]._replace(amount=pay.outputs[0].amount + 1)
            case 9:
                pay.signers |= {random.choice(KEYS)}
                pay.documents = random.choices(PAPERS, k=2)
            case _:
                pay.signers = {random.choice(KEYS)}
        return pay

    def mark(self) -> Pay | None:
        """Somebody who is not the treasury puts a mark on free money."""
        random = self.random
        name = random.choice(tuple(self.model.rules))
        rule = self.model.rules[name]
        clauses = [clause for clause in rule.clauses if clause["kind"] == "marks"]
        payer, payee = random.choice(KEYS), random.choice(KEYS)
        if clauses and clauses[0]["payers"] and random.random() < 0.9:
            payer = next((key for key in KEYS if PEOPLE[holder(key)] in clauses[0]["payers"]), payer)
        free = self.coins_of(payer, "")
        if not free:
            return None
        amount = self.model.coins[free[0]].amount
        clause = clauses[0] if clauses else {"numerator": 1, "denominator": 2}
        paid = random.choice((amount, 33))
        part = -(-paid * clause["numerator"] // clause["denominator"]) + random.choice((0, 0, 0, 1))
        outputs = [Coin(part, payee, name), Coin(paid - part, payee, ""), Coin(amount - paid, payer, "")]
        pay = Pay(free[:1], [coin for coin in outputs if coin.amount > 0], {payer})
        self.papers(pay, rule, holder(payer), payee, part)
        return pay

    def merge(self) -> Pay | None:
        """Somebody makes one coin of several."""
        key = self.random.choice(KEYS)
        coins = [self.model.coins[one] for one in self.coins_of(key)]
        if not coins:
            return None
        mark = self.random.choice(coins).mark
        inputs = self.coins_of(key, mark)
        total = sum(self.model.coins[one].amount for one in inputs)
        return Pay(inputs, [Coin(total, key, mark)], {key})

    def end(self) -> Move | None:
        """Marked money is released, returned, seized, loaded, settled or burnt, by those who may and by others."""
        return drawn_end(self)
