"""The auditor of the fault runs: a model of its own, a dict of coins, that believes no code of the ledger.

It hears from the clients what was sent and what was answered, and reads what a store holds afterwards. It decodes with
a plain msgpack, hashes with hashlib, and says in one sentence what is wrong (`Wrong`):

- what was acknowledged is there, at the place and the time of its receipt, under the head of its receipt;
- nothing is there twice, nothing that was never sent, nothing in other bytes than were sent;
- the same id always gets the same receipt, and an honest payment is never refused for good;
- no coin is spent twice; the coins of the store are the coins of the model; all coins together are what was issued;
- the log has the roots that its heads say, no head that anybody was shown is forked away, time never falls.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgpack

from cbdc.errors import TengeError
from cbdc.ledger.entry import Receipt
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.store import Store
from tests.faults.town import Coin, Plan, Town

TOKEN_ROW = 1
ID_BYTES = 32


class Wrong(AssertionError):
    """The ledger broke its word."""


def insist(holds: bool, sentence: str) -> None:
    """`Wrong` unless it holds."""
    if not holds:
        raise Wrong(sentence)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a client was shown of an accepted transaction."""

    index: int
    time: int
    size: int
    root: bytes


def shown(receipt: Receipt) -> Shown:
    """A receipt without its form."""
    head = receipt.head.record
    return Shown(receipt.index, receipt.time, head.size, head.root)


class Peaks:
    """The root of a growing log by RFC 6962, from its perfect subtrees alone."""

    def __init__(self) -> None:
        self._peaks: list[tuple[int, bytes]] = []

    def add(self, leaf: bytes) -> None:
        """One more leaf."""
        count, node = 1, leaf
        while self._peaks and self._peaks[-1][0] == count:
            node = hashlib.sha256(b"\1" + self._peaks.pop()[1] + node).digest()
            count *= 2
        self._peaks.append((count, node))

    def root(self) -> bytes:
        """The root over all leaves so far."""
        node = self._peaks[-1][1]
        for _, left in reversed(self._peaks[:-1]):
            node = hashlib.sha256(b"\1" + left + node).digest()
        return node


def unpack(data: bytes) -> Any:
    """What msgpack says."""
    return msgpack.unpackb(data, use_list=True, raw=False)


@dataclass(slots=True)
class Auditor:
    """See the module's text. `coins` is the town before the first payment."""

    town: Town
    sent: dict[bytes, Plan] = field(default_factory=dict)
    receipts: dict[bytes, Shown] = field(default_factory=dict)
    checks: int = 0

    # --- what it hears ---

    def hears_sent(self, plan: Plan) -> None:
        """A client sends this, perhaps again."""
        self.sent[plan.id] = plan

    def hears_receipt(self, receipt: Receipt) -> None:
        """A client has this in hand: from now on it must be so for ever."""
        now = shown(receipt)
        insist(receipt.transaction_id in self.sent, "a receipt for what nobody sent")
        before = self.receipts.setdefault(receipt.transaction_id, now)
        insist(before == now, f"two receipts for one id: {before} and then {now}")
        insist(now.index < now.size, "a receipt whose head does not cover it")

    def hears_refusal(self, plan: Plan, code: str) -> None:
        """A client was refused."""
        insist(plan.id not in self.receipts, f"{code} after a receipt for the same id")
        insist(not plan.honest, f"an honest payment was refused: {code}")

    # --- what it sees ---

    def check(self, store: Store) -> set[bytes]:
        """Judge a store between two steps; the ids of the payments that stand in it."""
        self.checks += 1
        base = len(self.town.commit.entries)
        coins = dict(self.town.coins)
        log, roots, places = Peaks(), {}, {}
        before = 0
        for place, row in enumerate(store.entries()):
            index, time, payload = unpack(row.data)
            insist((row.index, index) == (place, place), f"entry {place} stands in another's place")
            insist(row.leaf == hashlib.sha256(b"\0" + row.data).digest(), f"entry {place} has another leaf")
            insist(time >= before, f"time falls at entry {place}")
            insist(row.transaction_id not in places, f"one id stands twice, at {place}")
            before, places[row.transaction_id] = time, (place, time)
            if place < base:
                insist(row == self.town.commit.entries[place], f"entry {place} of the town has changed")
            else:
                self._fold(coins, row.transaction_id, payload, place)
            log.add(row.leaf)
            roots[place + 1] = log.root()
        insist(len(places) >= base, "the town is gone")
        self._check_heads(store, roots)
        for identity, receipt in self.receipts.items():
            insist(identity in places, f"an acknowledged transaction is lost: {receipt}")
            insist(places[identity] == (receipt.index, receipt.time), f"another place or time than {receipt}")
            insist(
                roots.get(receipt.size) == receipt.root, f"a head that was shown is forked away: {receipt}"
            )
        self._check_coins(store, coins)
        return set(list(places)[base:])

    def _fold(self, coins: dict[Coin, tuple[str, int]], identity: bytes, payload: bytes, place: int) -> None:
        plan = self.sent.get(identity)
        insist(plan is not None, f"entry {place} was never sent")
        assert plan is not None
        insist(plan.data == payload, f"entry {place} has other bytes than were sent")
        for coin in plan.spends:
            insist(coin in coins, f"entry {place} spends a coin twice")
            del coins[coin]
        coins.update(plan.coins())

    def _check_heads(self, store: Store, roots: dict[int, bytes]) -> None:
        last = 0
        covering: dict[int, bytes] = {}
        for kept, envelope in store.heads():
            _, body, _ = unpack(envelope)
            size, root, _ = unpack(body)
            insist(last < size == kept, f"head {kept} is out of order")
            insist(roots.get(size) == root, f"head {size} is not the root of the entries")
            covering.update(dict.fromkeys(range(last, size), root))
            last = size
        insist(last == len(roots), f"{len(roots)} entries, and the last head covers {last}")
        for receipt in self.receipts.values():
            insist(covering.get(receipt.index) == receipt.root, f"another head than in {receipt}")

    def _check_coins(self, store: Store, coins: dict[Coin, tuple[str, int]]) -> None:
        issued = sum(amount for _, amount in self.town.coins.values())
        insist(sum(amount for _, amount in coins.values()) == issued, "money was made or lost")
        kids = self.town.kids
        expected = {_packed(coin): (amount, kids[name]) for coin, (name, amount) in coins.items()}
        found = {}
        for key, value in store.state():
            if key[0] == TOKEN_ROW:
                amount, lock, _ = unpack(value)
                found[key] = (amount, lock[-1])
        insist(found.items() >= expected.items(), "coins are missing from the state")
        strange = {key for key in found if key not in expected and key not in self.town.idle}
        insist(not strange, "the state has coins that should be spent or never were")
        insist(found.keys() >= self.town.idle, "coins that nobody touched are gone")
        owners = dict(store.owner_rows())
        insist(owners == {key: holder for key, (_, holder) in found.items()}, "the owner index is wrong")

    def check_answers(self, ledger: Ledger, identities: Iterable[bytes] | None = None) -> None:
        """A ledger that was opened again gives every receipt as it was given."""
        for identity in self.receipts if identities is None else identities:
            receipt = ledger.find(identity)
            insist(receipt is not None, "a receipt is known no more")
            assert receipt is not None
            insist(shown(receipt) == self.receipts[identity], "another receipt for the same id")

    def check_supply(self, ledger: Ledger) -> None:
        """The counters say what the coins say."""
        supply = ledger.supply()
        insist(supply.outstanding_tiyn == supply.held_tiyn, "the supply table does not add up")
        insist(supply.issued_tiyn == self.town.world.ledger.supply().issued_tiyn, "another sum was issued")


def _packed(coin: Coin) -> bytes:
    return bytes([TOKEN_ROW]) + coin[0] + coin[1].to_bytes(2, "big")


def code_of(answer: object) -> str:
    """A refusal's code, or "ok"."""
    return answer.code if isinstance(answer, TengeError) else "ok"
