"""The ledger of a benchmark: who holds what, and what they will send, signed before any watch starts.

Everything follows from labels and numbers, so a second process that founds the same ledger gets the same tokens under
the same ids. `found` opens a ledger in an empty store with as many unspent tokens as asked for; `Purse` knows some of
them and signs what the workloads send:

    transfer-1in-2out          one token becomes a payment and change
    transfer-2in-2out          two tokens of one payer become a payment and change
    mixed-with-5%-double-spends  as the first; every twentieth spends a token that another one of the same run spends
    hot-account                as the first, and all pay one account
    issue                      the National Bank issues to a bank: two officers and the operator sign
    read                       an unspent token is looked up

A purse spends what it made itself, oldest first, so a ledger of fixed size carries any number of transfers. Nothing
spends what was made in the same run: the clients' order cannot make a refusal.

Rules kept here: the ledger is an ordinary one, with certificates, registered keys, tiers and their limits.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import nacl.bindings

from cbdc.customers import BUSINESS_TIER, sandbox_policy
from cbdc.errors import Refused, TengeError
from cbdc.institutions import BankName, InstitutionKeys, build_genesis, registrations
from cbdc.keys import PublicKey, Signer
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.store import Store
from cbdc.money import tenge
from cbdc.ports import Clock
from cbdc.token import PERSON, KeyLock, Token, TokenId
from cbdc.transaction import Issue, RegisterKey, SignedTransaction, Transfer, sign_transaction
from wallets.bench import bench_key

Tell = Callable[[str], None]

ONE_IN, TWO_IN = "transfer-1in-2out", "transfer-2in-2out"
MIXED, HOT = "mixed-with-5%-double-spends", "hot-account"
ISSUE, AUDIT, READ = "issue", "audit", "read"
WORKLOADS = (ONE_IN, TWO_IN, MIXED, HOT, ISSUE, AUDIT, READ)
SIGNATURES = {ONE_IN: 1, TWO_IN: 1, MIXED: 1, HOT: 1, ISSUE: 3, READ: 0}
"""How many signatures the ledger must verify in one operation of a workload."""

HELD_TIYN = tenge(100)
OUTPUTS = 250
_BANK = 1
_TIER = 3
_TOGETHER = 16
_RIVAL_EVERY, _RIVAL_BEHIND = 20, 7
_LEAST_TIYN = 100
MOST_IN_PURSE = 400_000


class QuickKey:
    """A software key that signs with libsodium and does not check what it signed: a bench signs a million times."""

    def __init__(self, label: str) -> None:
        made = bench_key(label)
        self._public = made.public
        self._secret = nacl.bindings.crypto_sign_seed_keypair(made.secret)[1]

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """The same signature that `SoftwareKey` gives."""
        return nacl.bindings.crypto_sign(message, self._secret)[: nacl.bindings.crypto_sign_BYTES]


class Scene:
    """The keys of a benchmark: the institutions, so many holders, and the one account that everybody pays."""

    def __init__(self, holders: int) -> None:
        self.institutions = InstitutionKeys(bench_key, (BankName(_BANK, "bank"),), ())
        self.holders: list[Signer] = [QuickKey(f"wallet {number}") for number in range(holders)]
        self.hot: Signer = QuickKey("hot account")
        self.kids = [signer.public.kid for signer in self.holders]

    def genesis(self, now: int) -> bytes:
        """The payload of entry 0."""
        return build_genesis(self.institutions, sandbox_policy(), "bench", now)

    def issue(self, network: bytes, number: int | str, amount_tiyn: int) -> SignedTransaction:
        """The signed issue with this number, to the bank."""
        request = _hash("request", str(number))
        officers = [*self.institutions.officers[:2], self.institutions.operator]
        to_bank = Token(amount_tiyn, KeyLock(self.institutions.bank_inventory(_BANK).public.kid))
        return sign_transaction(Issue(request[:16], request, (to_bank,)), network, officers)

    def registrations(self, network: bytes) -> Iterator[bytes]:
        """The registrations of the institutions' accounts, the holders and the hot account."""
        yield from (item.encode() for item in registrations(self.institutions, network))
        bank = self.institutions.bank(_BANK)
        for signer in self.holders:
            yield _registration(signer, bank, network, _TIER)
        yield _registration(self.hot, bank, network, BUSINESS_TIER)


def _registration(holder: Signer, bank: Signer, network: bytes, tier: int) -> bytes:
    public = holder.public
    pseudonym = _hash("pseudonym", public.kid.hex())
    record = RegisterKey(pseudonym[:16], public.algorithm, public.raw, _BANK, tier, PERSON, pseudonym)
    return sign_transaction(record, network, [holder, bank]).encode()


def _hash(label: str, text: str) -> bytes:
    return hashlib.sha256(f"tenge bench {label}\0{text}".encode()).digest()


@dataclass(frozen=True, slots=True)
class Founded:
    """A ledger that stands: its network, and the transactions whose outputs are the holders' tokens, in order."""

    network: bytes
    tokens: int
    funding: tuple[bytes, ...]


def found(store: Store, scene: Scene, tokens: int, clock: Clock, tell: Tell) -> tuple[Ledger, Founded]:
    """A new ledger with `tokens` unspent tokens of the holders, who hold them in turn; E_SETTING for a used store.

    The tokens of holders are all of `HELD_TIYN`.
    """
    if store.size():
        raise Refused("E_SETTING", name="engine", value="store", problem="its store must be empty")
    ledger = Ledger.create(store, scene.genesis(clock.now()), scene.institutions.ledger, clock)
    network = ledger.network
    _all(ledger, list(scene.registrations(network)))
    issued = scene.issue(network, "funding", tokens * HELD_TIYN)
    _all(ledger, [issued.encode()])
    inventory, source, left = scene.institutions.bank_inventory(_BANK), TokenId(issued.id, 0), tokens
    waiting, funding = list[bytes](), list[bytes]()
    while left:
        made = min(OUTPUTS, left)
        first = tokens - left
        outputs = [
            Token(HELD_TIYN, KeyLock(scene.kids[place % len(scene.kids)]))
            for place in range(first, first + made)
        ]
        left -= made
        change = [Token(left * HELD_TIYN, KeyLock(inventory.public.kid))] if left else []
        record = Transfer(_nonce(source, 0), (source,), (*outputs, *change))
        signed = sign_transaction(record, network, [inventory])
        funding.append(signed.id)
        waiting.append(signed.encode())
        source = TokenId(signed.id, made)
        if len(waiting) == _TOGETHER or not left:
            _all(ledger, waiting)
            waiting.clear()
            tell(f"{tokens - left:,} of {tokens:,} tokens")
    return ledger, Founded(network, tokens, tuple(funding))


def _all(ledger: Ledger, transactions: Sequence[bytes]) -> None:
    for answer in ledger.submit_many(transactions):
        if isinstance(answer, TengeError):
            raise answer


def _nonce(token: TokenId, number: int) -> bytes:
    text = token.transaction_id.hex() + f":{token.output}:{number}"
    return _hash("nonce", text)[:16]


class _Held(NamedTuple):
    """A token in a purse: where it is, how much, and in which run it was made."""

    id: TokenId
    amount_tiyn: int
    run: int


@dataclass(slots=True)
class Script:
    """What the clients of one run send: operations in order, and pairs of them of which just one can be accepted."""

    workload: str
    operations: list[bytes] = field(default_factory=list)
    rivals: list[tuple[int, int]] = field(default_factory=list)


class Purse:
    """The tokens that the workloads spend, and the signing of what they send."""

    def __init__(self, scene: Scene, founded: Founded) -> None:
        self._scene = scene
        self._network = founded.network
        self._run = 0
        self._issues = 0
        self._turn = 0
        self._held: list[deque[_Held]] = [deque() for _ in scene.holders]
        each = OUTPUTS if founded.tokens <= MOST_IN_PURSE else MOST_IN_PURSE // len(founded.funding)
        # One output of every funding transaction, then the next of each: neighbours in a run are none on the disk.
        for output in range(each):
            for number, identity in enumerate(founded.funding):
                place = number * OUTPUTS + output
                if place < founded.tokens:
                    held = _Held(TokenId(identity, output), HELD_TIYN, 0)
                    self._held[place % len(scene.holders)].append(held)

    def script(self, workload: str, count: int) -> Script:
        """At most `count` operations of a workload; fewer when the tokens that may be spent now are fewer."""
        self._run += 1
        script = Script(workload)
        if workload == ISSUE:
            for _ in range(count):
                self._issues += 1
                signed = self._scene.issue(self._network, self._issues, HELD_TIYN)
                script.operations.append(signed.encode())
        elif workload == READ:
            script.operations = self._reads(count)
        else:
            self._transfers(script, count)
        return script

    def _reads(self, count: int) -> list[bytes]:
        """Ids of tokens that nobody spends while they are read, each holder's in turn."""
        found = list[bytes]()
        depth = 0
        while len(found) < count:
            layer = [held[depth % len(held)].id for held in self._held if held]
            if not layer:
                break
            found += [identity.transaction_id + identity.output.to_bytes(2, "big") for identity in layer]
            depth += 1
        return found[:count]

    def _transfers(self, script: Script, count: int) -> None:
        inputs = 2 if script.workload == TWO_IN else 1
        recent: deque[tuple[int, list[_Held], int]] = deque(maxlen=_RIVAL_BEHIND)
        contested = set[int]()
        made: list[tuple[int, int, list[_Held]]] = []
        while len(script.operations) < count:
            number = len(script.operations)
            if script.workload == MIXED and number % _RIVAL_EVERY == _RIVAL_EVERY - 1:
                rival, spent, payer = recent[0]
                script.operations.append(self._signed(payer, spent, payer + 2, False).encode())
                script.rivals.append((rival, number))
                contested.add(rival)
                continue
            payer = self._turn % len(self._held)
            self._turn += 1
            taken = self._take(payer, inputs)
            if not taken:
                break
            signed = self._signed(payer, taken, payer + 1, script.workload == HOT)
            recent.append((number, taken, payer))
            script.operations.append(signed.encode())
            made.append((number, payer, self._kept(signed, script.workload == HOT)))
        for number, payer, kept in made:
            if number not in contested:
                self._keep(payer, kept)

    def _take(self, payer: int, inputs: int) -> list[_Held]:
        held = self._held[payer]
        while held and held[0].amount_tiyn < _LEAST_TIYN:
            held.popleft()
        if len(held) < inputs or any(held[place].run == self._run for place in range(inputs)):
            return []
        return [held.popleft() for _ in range(inputs)]

    def _signed(self, payer: int, spent: list[_Held], payee: int, hot: bool) -> SignedTransaction:
        total = sum(held.amount_tiyn for held in spent)
        paid = total * 3 // 5
        kids = self._scene.kids
        to = self._scene.hot.public.kid if hot else kids[payee % len(kids)]
        outputs = (Token(paid, KeyLock(to)), Token(total - paid, KeyLock(kids[payer])))
        ids = tuple(held.id for held in spent)
        record = Transfer(_nonce(ids[0], payee), ids, outputs)
        return sign_transaction(record, self._network, [self._scene.holders[payer]])

    def _kept(self, signed: SignedTransaction, hot: bool) -> list[_Held]:
        outputs = signed.record.creates
        places = (1,) if hot else (0, 1)
        return [_Held(TokenId(signed.id, place), outputs[place].amount_tiyn, self._run) for place in places]

    def _keep(self, payer: int, kept: list[_Held]) -> None:
        """The payment goes to the next holder, the change (always last) stays with the payer."""
        self._held[payer].append(kept[-1])
        if len(kept) == 2:
            self._held[(payer + 1) % len(self._held)].append(kept[0])


def expected(script: Script, outcomes: Sequence[str]) -> list[str]:
    """The outcomes with every refusal that the workload asks for taken away; what is left are errors by their code.

    Of two rivals one must be accepted and the other refused with E_TOKEN_SPENT; two acceptances are an error.
    """
    left = list(outcomes)
    for first, second in script.rivals:
        answers = (outcomes[first], outcomes[second])
        if sorted(answers) == ["", "E_TOKEN_SPENT"]:
            left[first] = left[second] = ""
        elif answers == ("", ""):
            left[second] = BOTH_ACCEPTED
    return left


BOTH_ACCEPTED = "both rivals were accepted"
