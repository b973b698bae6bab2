"""Signers (G2) and the pieces that several types use (ledger/4)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from tests.second_ledger import crypto
from tests.second_ledger.errors import Refusal, require
from tests.second_ledger.forms import lock_keys
from tests.second_ledger.genesis import Auth, Genesis
from tests.second_ledger.records import Envelope
from tests.second_ledger.state import Changes, Holder, Key, State, Token
from tests.second_ledger.transactions import Transaction


class Place(NamedTuple):
    """A row of the table of places (ledger/4)."""

    spends: str
    gives: str
    one_holder: bool = False
    plain: bool = False


PLACES = {
    "Issue": Place("", "bank_inventory treasury loss_reserve"),
    "Transfer": Place("bank_inventory treasury wallets", "bank_inventory treasury wallets"),
    "Redeem": Place("bank_inventory treasury", "", one_holder=True),
    "Seize": Place("wallets", "treasury loss_reserve", one_holder=True, plain=True),
    "ReleaseMark": Place("bank_inventory treasury wallets", "", one_holder=True),
    "ExpireMark": Place("bank_inventory treasury wallets", "treasury", plain=True),
    "Recover": Place("wallets", "", one_holder=True, plain=True),
    "LoadOffline": Place("wallets", "escrow", one_holder=True, plain=True),
    "Settle1": Place("escrow", "wallets escrow", plain=True),
    "Settle2": Place("loss_reserve", "escrow loss_reserve", plain=True),
    "Settle3": Place("escrow", "loss_reserve escrow", plain=True),
    "Settle4": Place("escrow", "wallets escrow", plain=True),
}


@dataclass
class Context:
    """One transaction before the state in which it is judged."""

    genesis: Genesis
    state: State
    tx: Transaction
    now: int
    changes: Changes = field(default_factory=Changes)
    inputs: list[Token] = field(default_factory=list)
    signers: frozenset[bytes] = frozenset()

    @property
    def outputs(self) -> list[Token]:
        """The tokens it makes."""
        return [Token(*output) for output in self.tx.outputs]

    def key_of(self, token: Token) -> Key:
        """The key that counts as holder of a token."""
        return self.state.owner(token)

    def holder_of(self, token: Token) -> Holder:
        """The holder of a token."""
        return self.key_of(token).holder

    def new_kid(self) -> bytes:
        """The kid of the new key of RegisterKey and RotateKey."""
        return crypto.kid_of(self.tx.fields["algorithm"], self.tx.fields["public_key"])

    def _witness_key(self, kid: bytes) -> tuple[int, bytes]:
        """The key of a witness (ledger/4, "Signers", 1)."""
        auth = self.genesis.certified(kid)
        if auth is not None:
            return auth.algorithm, auth.key
        if self.tx.kind in (74, 75) and self.new_kid() == kid:
            algorithm, key = self.tx.fields["algorithm"], self.tx.fields["public_key"]
            crypto.require_key(algorithm, key)
            return algorithm, key
        if kid in self.state.keys:
            registered = self.state.keys[kid]
            return registered.algorithm, registered.raw
        raise Refusal("E_KEY_UNKNOWN")

    def ask_signers(self) -> None:
        """G2 (ledger/4, "Signers")."""
        message = crypto.message_of(crypto.ONLINE, self.tx.kind, self.tx.identity(self.genesis.network))
        for kid, signature in self.tx.witnesses:
            algorithm, key = self._witness_key(kid)
            require(crypto.verifies(algorithm, key, message, signature), "E_SIG")
        for output in self.outputs:
            for kid in lock_keys(output.lock):
                require(kid in self.state.keys, "E_KEY_UNKNOWN")
                require(not self.state.keys[kid].successor, "E_KEY_RETIRED")
        self.signers = self.tx.signers

    def take_inputs(self) -> None:
        """G3: each input is a present token."""
        for place in self.tx.inputs:
            require(place in self.state.tokens, "E_TOKEN_SPENT")
            self.inputs.append(self.state.tokens[place])

    def locks(self) -> None:
        """G4: the lock of each input is open."""
        hashes = {sha256(item).digest() for item in self.tx.fields.get("preimages", ())}
        for token in self.inputs:
            lock = token.lock
            if lock[0] == 1:
                require(lock[1] in self.signers, "E_LOCKED")
            elif lock[0] == 2:
                require(sum(kid in self.signers for kid in lock[2]) >= lock[1], "E_QUORUM")
            elif self.now > lock[4]:
                require(lock[3] in self.signers, "E_LOCKED")
            else:
                require(lock[2] in self.signers and lock[1] in hashes, "E_LOCKED")

    def role(self, role: int) -> list[Auth]:
        """G4: a current certificate of the role signs; gives those that do."""
        signing = [auth for auth in self.genesis.of_role(role) if auth.kid in self.signers]
        require(bool(signing), "E_AUTHORITY")
        current = [auth for auth in signing if auth.current(self.now)]
        require(bool(current), "E_AUTHORITY_TIME")
        return current

    def bank(self, bank: int) -> None:
        """G4: the bank of that number signs."""
        require(any(auth.scope == (bank,) for auth in self.role(18)), "E_BANK_SCOPE")

    def registrar(self, category: int, bank: int) -> None:
        """Who signs for a key of this category (RegisterKey, RotateKey)."""
        if category == 201:
            self.role(19)
        elif category in (202, 203):
            self.role(4)
        else:
            self.bank(bank)

    def emission(self) -> None:
        """G4: enough emission officers sign."""
        officers = [auth for auth in self.genesis.of_role(16) if auth.current(self.now)]
        needed = max([1, *(auth.scope[0] for auth in officers if auth.scope)])
        signed = {auth.kid for auth in officers} & self.signers
        require(len(signed) >= needed, "E_QUORUM")

    def balanced(self) -> None:
        """G5: inputs and outputs have the same sum."""
        require(total(self.inputs) == total(self.outputs), "E_SUM_LEDGER")

    def one_mark(self) -> bytes:
        """G6: all inputs have the same mark."""
        marks = {token.mark for token in self.inputs}
        require(len(marks) <= 1, "E_MARK_MIXED")
        return next(iter(marks), b"")

    def places(self, kind: str) -> None:
        """G7, by the table of places."""
        place = PLACES[kind]
        spends, gives = place.spends.split(), place.gives.split()
        for token in self.inputs:
            require(self.key_of(token).line in spends, "E_CATEGORY_LEDGER")
        holders = {self.holder_of(token) for token in self.inputs}
        if place.one_holder:
            require(len(holders) <= 1, "E_ONE_HOLDER")
        for token in self.outputs:
            require(not place.plain or token.lock[0] == 1, "E_PLAIN_LOCK")
            own = place.one_holder and self.holder_of(token) in holders
            require(own or self.key_of(token).line in gives, "E_CATEGORY_LEDGER")

    def not_frozen(self) -> None:
        """G8: no holder of an input and no registered signer is frozen."""
        names = {self.key_of(token).pseudonym for token in self.inputs}
        names |= {self.state.keys[kid].pseudonym for kid in self.signers if kid in self.state.keys}
        require(not names & self.state.frozen.keys(), "E_FROZEN")

    def once(self, row: bytes, code: str) -> None:
        """G10: the register has no such row yet; it gets it."""
        require(row not in self.state.register and row not in self.changes.register, code)
        self.changes.register.add(row)

    def definition(self, mark: bytes) -> Envelope | None:
        """The definition of a mark that the ledger has, also the one this transaction brought."""
        return self.state.marks.get(mark) or self.changes.marks.get(mark)

    def known(self, mark: bytes) -> Envelope:
        """The definition of a mark, or E_MARK_UNKNOWN."""
        found = self.definition(mark)
        if found is None:
            raise Refusal("E_MARK_UNKNOWN")
        return found

    def counter(self, name: bytes) -> int:
        """A counter, with what this transaction has added to it (ledger/5, "Counters")."""
        return self.state.counter(name) + self.changes.added.get(name, 0)


def total(tokens: Iterable[Token]) -> int:
    """The sum of amounts."""
    return sum(token.amount for token in tokens)


def unmarked(tokens: Iterable[Token]) -> None:
    """Each of these outputs has no mark."""
    require(not any(token.mark for token in tokens), "E_MARK_ISSUER")


def keep(tokens: Iterable[Token], mark: bytes) -> None:
    """Each of these outputs has the mark."""
    require(all(token.mark == mark for token in tokens), "E_MARK_DROPPED")
