"""Programs of marked money against the ledger's rules: the names of the model, and the same things as transactions.

Signatures are not what is tried here (test_guards.py and the vectors do that), so keys' verification is switched off
and every witness carries zeros; everything else is the real thing: bytes, ids, `needs`, `decide`, state.
"""

import hashlib
from functools import cache
from typing import Any

from cbdc.clause import ALL, PAIR, PAYEE, PAYER, PERIOD_NAMES, BasketLine
from cbdc.clauses import (
    Cap,
    Document,
    Drops,
    Estimate,
    Goods,
    Listed,
    Marks,
    Period,
    Prices,
    Release,
    Share,
    Window,
)
from cbdc.errors import TengeError
from cbdc.explanation import Explanation, explain_transaction
from cbdc.ledger.replay import Replayed
from cbdc.ledger.rules import decide, needs
from cbdc.ledger.state import TOKEN, StateKey, StateValue, mark_counter, token_id
from cbdc.marks import MarkDefinition, Statement
from cbdc.record import Signed, object_id
from cbdc.token import CANTEEN, CONTRACTOR, PUPIL, SUPPLIER, KeyLock, Token, TokenId
from cbdc.transaction import (
    Attest,
    ExpireMark,
    LoadOffline,
    Redeem,
    ReleaseMark,
    Seize,
    SettleOffline,
    SignedTransaction,
    Transaction,
    Transfer,
)
from tests.cbdc.marks_model import Coin, Pay, Rule
from tests.cbdc.marks_model_ends import Move
from tests.cbdc.world import World, fixed_bytes

PEOPLE = {"p1": PUPIL, "p2": PUPIL, "c1": CANTEEN, "c2": CANTEEN, "s1": SUPPLIER, "b1": CONTRACTOR}
ACCOUNTS = {"budget": 201, "escrow": 202, "reserve": 203, "inventory1": 200}
KEYS = (*PEOPLE, "p1.2", "c1.2")
CATEGORIES = {**PEOPLE, **ACCOUNTS}
REGISTERS = ("register", "register2")
NO_SIGNATURE = bytes(64)
FREE, NOTE = 400, 300
_ABOUT = {"payer": PAYER, "payee": PAYEE, "pair": PAIR, "all": ALL}
_PERIOD = {name: number for number, name in PERIOD_NAMES.items()}
_SETTLE = {"redeem": 1, "loss": 2, "recover": 3, "refund": 4}
MOST_ROUNDS = 4


@cache
def _base() -> tuple[World, Replayed, dict[TokenId, Coin]]:
    """A world with everybody registered and some free money, as state."""
    world = World(name="programs", tiers=((0, 0, 0, 0),))
    for key in KEYS:
        world.register(key, PEOPLE[key.partition(".")[0]], tier=0)
    coins: dict[TokenId, Coin] = {}
    for account in ("budget", "inventory1", "reserve"):
        for identity in world.issue(account, *[FREE * 3] * (12 if account == "budget" else 3)):
            coins[identity] = Coin(FREE * 3, account, "")
    world.issue("inventory1", FREE * len(KEYS) * 3)
    payees = [(key, FREE) for key in KEYS for _ in range(3)]
    whole = [one for one, token in world.funds("inventory1") if token.amount_tiyn == FREE * len(KEYS) * 3]
    outputs = tuple(world.token(key, amount) for key, amount in payees)
    record = Transfer(world.nonce(), tuple(whole), outputs)
    paid = world.do(record, "inventory1")
    coins |= {TokenId(paid.id, place): Coin(amount, key, "") for place, (key, amount) in enumerate(payees)}
    keys = [StateKey(packed[0], packed[1:]) for packed, _ in world.store.state()]
    return world, Replayed(world.ledger.load(keys)), coins


def begin() -> tuple["Ledger", dict[TokenId, Coin]]:
    """A fresh ledger, and the coins there are."""
    world, state, coins = _base()
    return Ledger(world, Replayed(state)), dict(coins)


class Ledger:
    """The real rules over a state in memory."""

    def __init__(self, world: World, state: Replayed) -> None:
        self.world = world
        self.genesis = world.ledger.genesis
        self.state = state
        self.definitions: dict[str, Signed[MarkDefinition]] = {}
        self.now = world.clock.now()
        self._number = 0

    # --- names into bytes ---

    def nonce(self) -> bytes:
        """The next nonce."""
        self._number += 1
        return self._number.to_bytes(16, "big")

    def kid(self, name: str) -> bytes:
        """A key id."""
        return self.world.kid(name)

    def paper(self, name: str) -> bytes:
        """A document's id, empty for none."""
        return fixed_bytes(f"paper {name}") if name else b""

    def mark(self, name: str) -> bytes:
        """A mark's id, empty for free money."""
        return self.definitions[name].oid if name else b""

    def token(self, coin: Coin) -> Token:
        """A coin as a token."""
        return Token(coin.amount, KeyLock(self.kid(coin.key)), self.mark(coin.mark))

    def sign(self, record: Transaction, signers: set[str]) -> SignedTransaction:
        """A transaction with witnesses that nobody verifies."""
        body = record.body()
        identity = object_id(record.DOMAIN, record.TYPE, self.genesis.network, body)
        witnesses = tuple((self.kid(name), NO_SIGNATURE) for name in sorted(signers))
        return SignedTransaction(record, body, identity, witnesses)

    def define(self, rule: Rule) -> None:
        """The real definition of a model's rule."""
        record = MarkDefinition(
            self.kid("budget"),
            rule.name,
            len(self.definitions) + 1,
            tuple(
                (payer, tuple(b for a, b in sorted(rule.edges) if a == payer))
                for payer, _ in sorted(rule.edges)
            ),
            0,
            rule.hops,
            rule.cap,
            rule.start,
            rule.end,
            self.kid("budget"),
            tuple(sorted(rule.release)),
            self.kid(rule.evidence) if rule.evidence else b"",
            int(rule.converts),
            tuple(self._clause(clause) for clause in rule.clauses),
        )
        body = record.body()
        oid = object_id(record.DOMAIN, record.TYPE, self.genesis.network, body)
        self.definitions[rule.name] = Signed(record, body, NO_SIGNATURE, oid)

    def _clause(self, clause: dict[str, Any]) -> Any:
        scope = (clause["name"], tuple(clause["payers"]), tuple(clause["payees"]))
        register = self.kid(clause["register"]) if "register" in clause else b""
        match clause["kind"]:
            case "listed":
                about, paper = _ABOUT[clause["about"]], self.paper(clause["document"])
                return Listed(*scope, register, clause["fact"], about, paper)
            case "document":
                return Document(
                    *scope, register, clause["fact"], _ABOUT[clause["about"]], int(clause["same_lines"])
                )
            case "goods":
                return Goods(*scope, int(clause["only"]), tuple(clause["ranges"]))
            case "prices":
                return Prices(*scope, tuple(clause["rows"].items()))
            case "estimate":
                return Estimate(*scope, tuple(clause["rows"].items()))
            case "cap":
                return Cap(*scope, clause["cap"])
            case "period":
                return Period(*scope, _PERIOD[clause["period"]], _ABOUT[clause["whose"]], clause["cap"])
            case "window":
                return Window(*scope, clause["start"], clause["end"])
            case "share":
                return Share(*scope, clause["numerator"], clause["denominator"], self.mark(clause["mark"]))
            case "drops":
                return Drops(*scope)
            case "marks":
                return Marks(*scope, clause["numerator"], clause["denominator"])
        return Release(*scope, register, clause["fact"], clause["numerator"], clause["denominator"])

    def record(self, move: Pay | Move) -> Transaction:
        """A move of the model as a record."""
        inputs = tuple(TokenId(*one) for one in move.inputs)
        outputs = tuple(self.token(coin) for coin in move.outputs)
        if isinstance(move, Pay):
            lines = tuple(BasketLine(*line) for line in move.lines)
            brings = self.definitions[move.brings].encode() if move.brings else b""
            papers = tuple(map(self.paper, move.documents))
            return Transfer(self.nonce(), inputs, outputs, brings, (), lines, papers)
        unique = hashlib.sha256(self._number.to_bytes(8, "big")).digest()
        match move.kind:
            case "release":
                said = tuple(self._statement(one) for one in move.statements)
                return ReleaseMark(
                    self.nonce(), inputs, outputs, said, tuple(map(self.paper, move.documents))
                )
            case "expire":
                return ExpireMark(self.nonce(), inputs, outputs)
            case "seize":
                return Seize(self.nonce(), inputs, outputs, "case")
            case "load":
                return LoadOffline(self.nonce(), inputs, outputs, fixed_bytes("device"), 1)
            case "burn":
                return Redeem(self.nonce(), unique, inputs, outputs)
        return SettleOffline(self.nonce(), _SETTLE[move.kind], unique, inputs, outputs)

    def _statement(self, said: dict[str, Any]) -> bytes:
        values = (self.kid(said["register"]), self.mark(said["mark"]), self.world.pseudonym(said["holder"]))
        record = Statement(*values, said["amount"], fixed_bytes(f"statement {said['id']}"), 5)
        body = record.body()
        oid = object_id(record.DOMAIN, record.TYPE, self.genesis.network, body)
        return Signed(record, body, NO_SIGNATURE, oid).encode()

    def attest(self, fact: tuple[Any, ...], said: dict[str, Any]) -> str:
        """A register speaks; what the ledger answers."""
        register, kind, subject, other, document = fact
        record = Attest(
            self.nonce(),
            kind,
            self.world.pseudonym(subject),
            self.world.pseudonym(other) if other else b"",
            self.paper(document),
            said["amount"],
            tuple(BasketLine(*line) for line in said["lines"]),
            said["expires"],
            said["standing"],
        )
        return self.submit(self.sign(record, {register}))[0]

    # --- the ledger ---

    def submit(self, transaction: SignedTransaction, strict: bool = False) -> tuple[str, Explanation]:
        """The ledger's answer (a code, or nothing) and its explanation. `strict`: on what `needs` names, only."""
        view = self._view(transaction) if strict else self.state
        explanation = explain_transaction(self.genesis, view, transaction, self.now)
        try:
            effects = decide(self.genesis, view, transaction, self.now)
        except TengeError as refusal:
            return refusal.code, explanation
        self.state.apply(effects)
        return "", explanation

    def _view(self, transaction: SignedTransaction) -> dict[StateKey, StateValue | None]:
        view: dict[StateKey, StateValue | None] = {}
        for _ in range(MOST_ROUNDS + 1):
            wanted = needs(self.genesis, view, transaction, self.now)
            if not wanted:
                return view
            view |= {key: self.state.get(key) for key in wanted}
        raise AssertionError("needs asks more than four rounds")

    def coins(self) -> dict[TokenId, tuple[int, bytes, bytes]]:
        """Every token that is there: amount, holder's key id, mark."""
        return {
            token_id(key): (token.amount_tiyn, token.lock.holder, token.mark)
            for key, token in self.state.items()
            if key.kind == TOKEN and isinstance(token, Token)
        }

    def marked(self, name: str) -> int:
        """The ledger's own counter of a mark."""
        value = self.state[mark_counter(self.mark(name))]
        return value if isinstance(value, int) else 0
