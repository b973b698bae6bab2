"""The model of marked money, second half: what is not a transfer, and the account of every mark."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.cbdc.marks_model import ESCROW, INVENTORY, RESERVE, TREASURY, Coin, Model, Pay, Refusal, holder

_INSTITUTIONS = (ESCROW, RESERVE, INVENTORY, TREASURY)


@dataclass
class Move:
    """Anything else that moves coins: `kind` is release, expire, seize, load, redeem, or a kind of settlement."""

    kind: str
    inputs: list[Any]
    outputs: list[Coin]
    signers: set[str]
    documents: list[str] = field(default_factory=list)
    statements: list[dict[str, Any]] = field(default_factory=list)


class WholeModel(Model):
    """The model with all that can happen; `step` decides and, if it is accepted, makes it happen."""

    def step(self, move: Pay | Move, identity: Any, now: int) -> str:
        """Empty when the ledger must accept it (it has happened then), or why it must refuse."""
        try:
            uses = self.transfer(move, now) if isinstance(move, Pay) else self._decide(move, now)
        except Refusal as refusal:
            return str(refusal)
        if isinstance(move, Pay) and move.brings:
            self.known.add(move.brings)
        self.used.update(dict(uses))
        self._account(move)
        for one in move.inputs:
            del self.coins[one]
        for place, coin in enumerate(move.outputs):
            self.coins[identity, place] = coin
        return ""

    def _account(self, move: Pay | Move) -> None:
        """What each mark gained came; what it lost went."""
        change: Counter[str] = Counter()
        for one in move.inputs:
            change[self.coins[one].mark] -= self.coins[one].amount
        for coin in move.outputs:
            change[coin.mark] += coin.amount
        for mark, amount in change.items():
            if mark and amount > 0:
                self.came[mark] += amount
            elif mark:
                self.went[mark] -= amount

    def check(self) -> None:
        """What came under each mark is what went and what is there."""
        there: Counter[str] = Counter()
        for coin in self.coins.values():
            there[coin.mark] += coin.amount
        for mark in self.rules:
            assert self.came[mark] == self.went[mark] + there[mark], mark

    # --- deciding ---

    def _decide(self, move: Move, now: int) -> list[tuple[Any, int]]:
        institution = {"expire": "treasury", "seize": "enforcement", "release": "", "load": "", "burn": ""}
        signer = institution.get(move.kind, "settle")
        if signer:
            self.need(all(one in self.coins for one in move.inputs), "spent")
            spent = [self.coins[one] for one in move.inputs]
            self.need(signer in move.signers, "authority")
        else:
            spent = self._spent(move.inputs, move.signers)
        total, made = sum(c.amount for c in spent), sum(c.amount for c in move.outputs)
        if move.kind == "burn":
            self.need("operator" in move.signers and made < total, "burns")
            self.need(not any(coin.mark for coin in (*spent, *move.outputs)), "marks block")
            self._places(spent, move.outputs, (INVENTORY, TREASURY), (), one_holder=True)
            self._not_frozen(spent, move.signers)
            return []
        self.need(total == made, "sums")
        self.need(len({coin.mark for coin in spent}) == 1, "mixed")
        mark = spent[0].mark
        return self._of_kind(move, spent, mark, now)

    def _of_kind(self, move: Move, spent: list[Coin], mark: str, now: int) -> list[tuple[Any, int]]:
        if move.kind == "release":
            return self._release(move, spent, mark, now)
        if move.kind == "expire":
            self.need(mark and now > self.rules[mark].end, "not over")
            self.need(all(coin.key == "budget" and not coin.mark for coin in move.outputs), "returns")
            self._places(spent, move.outputs, (INVENTORY, TREASURY, 0), (TREASURY,))
        elif move.kind == "seize":
            self._places(spent, move.outputs, (0,), (TREASURY, RESERVE), one_holder=True)
            taken = [coin for coin in move.outputs if self.category(coin.key) in _INSTITUTIONS]
            kept = [coin for coin in move.outputs if coin not in taken]
            self.need(taken and not any(coin.mark for coin in taken), "what is taken is free")
            self.need(all(coin.mark == mark for coin in kept), "change keeps its mark")
        elif move.kind == "load":
            self._load(move, spent, mark, now)
        else:
            self._settled(move, spent, mark)
        return []

    def _places(
        self,
        spent: list[Coin],
        outputs: list[Coin],
        spenders: tuple[int, ...],
        receivers: tuple[int, ...],
        one_holder: bool = False,
    ) -> None:
        """Who may spend and who may get; 0 stands for wallets. One holder may always get change."""

        def line(coin: Coin) -> int:
            category = self.category(coin.key)
            return category if category in _INSTITUTIONS else 0

        own = {holder(coin.key) for coin in spent}
        self.need(all(line(coin) in spenders for coin in spent), "who spends")
        self.need(not one_holder or len(own) == 1, "one holder")
        for coin in outputs:
            change = one_holder and holder(coin.key) in own
            self.need(change or line(coin) in receivers, "who gets")

    def _release(self, move: Move, spent: list[Coin], mark: str, now: int) -> list[tuple[Any, int]]:
        self.need(mark, "no mark")
        rule = self.rules[mark]
        people = {holder(coin.key) for coin in spent}
        self.need(len(people) == 1 and people == {holder(coin.key) for coin in move.outputs}, "holder")
        person = next(iter(people))
        category = self.categories[person]
        releases = [clause for clause in rule.clauses if clause["kind"] == "release"]
        mine = [clause for clause in releases if not clause["payers"] or category in clause["payers"]]
        self.need(category in rule.release and (mine or not releases), "who releases")
        self.need(all(coin.mark in ("", mark) for coin in move.outputs), "another mark")
        free = sum(coin.amount for coin in move.outputs if not coin.mark)
        for said in move.statements:
            about = (said["register"], said["mark"], said["holder"])
            self.need(about == (rule.evidence, mark, person) and rule.evidence, "statement")
        proven = sum(said["amount"] for said in move.statements)
        self.need(not rule.evidence or proven >= free, "evidence")
        uses = self._freed(mine, person, move.documents, free, now)
        self._places(spent, move.outputs, (INVENTORY, TREASURY, 0), (), one_holder=True)
        self._not_frozen(spent, move.signers)
        ids = [said["id"] for said in move.statements]
        self.need(len(set(ids)) == len(ids) and not set(ids) & self.statements, "statement used")
        self.statements |= set(ids)
        return uses

    def _freed(
        self, clauses: list[dict[str, Any]], person: str, documents: list[str], free: int, now: int
    ) -> list[tuple[Any, int]]:
        """Each clause frees its share of each document, rounded down, less what was used of that document."""
        taken: Counter[Any] = Counter()
        rest = free
        for clause in clauses:
            for document in dict.fromkeys(documents):
                fact = (clause["register"], clause["fact"], person, "", document)
                if not self._stands(fact, now):
                    continue
                whole = self.facts[fact]["amount"] * clause["numerator"] // clause["denominator"]
                part = min(rest, max(0, whole - self.used["fact", fact] - taken["fact", fact]))
                taken["fact", fact] += part
                rest -= part
        self.need(not clauses or not rest, "documents free less")
        return list(taken.items())

    def _load(self, move: Move, spent: list[Coin], mark: str, now: int) -> None:
        self.need(all(coin.mark == mark for coin in move.outputs), "mark dropped")
        if mark:
            rule = self.rules[mark]
            alone = all(self._alone(clause, rule.converts) for clause in rule.clauses)
            self.need(rule.hops and alone and rule.start <= now <= rule.end, "stays online")
            frees = rule.converts and self.category(spent[0].key) in rule.release
            self.need(not frees, "who frees it releases it online")
        self._places(spent, move.outputs, (0,), (ESCROW,), one_holder=True)
        notes = [self.category(coin.key) == ESCROW for coin in move.outputs]
        self.need(notes[0] and sorted(notes, reverse=True) == notes, "notes first")
        self._not_frozen(spent, move.signers)

    def _alone(self, clause: dict[str, Any], converts: bool) -> bool:
        """Whether a receiver without a network can live with a clause."""
        kind = clause["kind"]
        if kind in ("cap", "window", "marks") or (kind == "release" and not converts):
            return True
        return kind != "release" and set(clause["payers"]) == {TREASURY}

    def _settled(self, move: Move, spent: list[Coin], mark: str) -> None:
        source = RESERVE if move.kind == "loss" else ESCROW
        for coin in move.outputs:
            if self.category(coin.key) == source:
                self.need(coin.mark == mark, "stays marked")
            elif move.kind == "loss":
                self.need(not coin.mark or coin.mark in self.known, "known")
            elif move.kind == "recover":
                self.need(not coin.mark, "recovered free")
            else:
                rule = self.rules.get(mark)
                frees = rule is not None and rule.converts and self.category(coin.key) in rule.release
                drops = move.kind == "redeem" and frees
                self.need(coin.mark == ("" if drops else mark), "comes home otherwise")
        goes = {"redeem": (0, ESCROW), "refund": (0, ESCROW)}
        receivers = goes.get(move.kind, (ESCROW, RESERVE))
        self._places(spent, move.outputs, (source,), receivers)
