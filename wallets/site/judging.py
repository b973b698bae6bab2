"""Why an entry was allowed: the journal replayed to just before it, and judged there again by the ledger's own rules.

A replay costs time, so the state after every few hundred entries is kept beside it, and answers are remembered. A
journal that is too long for a page is refused in words; `tenge explain` has no such bound.

`judge_now` judges a transaction that nobody has submitted, on the state as it is, and commits nothing.
"""

from collections import OrderedDict
from itertools import islice
from weakref import WeakKeyDictionary

from cbdc.errors import Refused
from cbdc.explanation import Explanation, explain_transaction
from cbdc.ledger.entry import open_entry
from cbdc.ledger.replay import Replay
from cbdc.ledger.rules import needs
from cbdc.ledger.state import StateKey, StateValue
from cbdc.ledger.store import Store
from cbdc.system import System
from cbdc.transaction import SignedTransaction

MOST_ENTRIES = 6_000
_STEP = 400
_REMEMBERED = 256


class Judge:
    """The explanations of one journal."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._replay = Replay(next(store.entries(0, 1)))
        self._kept: list[tuple[int, int, dict[object, object]]] = [(1, self._replay.time, {})]
        self._answers: OrderedDict[int, Explanation] = OrderedDict()

    def explain(self, index: int) -> Explanation:
        """What the rules say of entry `index` (1 or later); E_EXPLORER_LONG for one far down a long journal."""
        known = self._answers.get(index)
        if known is not None:
            return known
        if index > MOST_ENTRIES:
            raise Refused("E_EXPLORER_LONG", entries=index, limit=MOST_ENTRIES)
        self._stand_before(index)
        entry = open_entry(next(self._store.entries(index, index + 1)).data)
        replay = self._replay
        found = explain_transaction(replay.genesis, replay.state, replay.open(entry), entry.time)
        self._answers[index] = found
        while len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)
        return found

    def _stand_before(self, index: int) -> None:
        replay = self._replay
        if replay.size > index:
            size, time, state = next(row for row in reversed(self._kept) if row[0] <= index)
            replay.state.clear()
            replay.state.update(state)  # type: ignore[arg-type]
            replay.size, replay.time = size, time
        for row in islice(self._store.entries(replay.size), index - replay.size):
            replay.apply(row)
            if replay.size - self._kept[-1][0] >= _STEP:
                self._kept.append((replay.size, replay.time, dict(replay.state)))


_JUDGES: "WeakKeyDictionary[System, Judge]" = WeakKeyDictionary()


def judge(system: System) -> Judge:
    """The judge of a system's journal. Whoever asks holds the world's lock."""
    if system not in _JUDGES:
        _JUDGES[system] = Judge(system.stores.ledger)
    return _JUDGES[system]


def judge_now(system: System, transaction: SignedTransaction, now: int) -> Explanation:
    """What the ledger would answer to a transaction at `now` (not before its last entry), and why; nothing changes."""
    ledger = system.ledger
    now = max(now, ledger.head().record.time)
    view: dict[StateKey, StateValue | None] = {}
    while missing := needs(ledger.genesis, view, transaction, now):
        view.update(ledger.load(missing))
    return explain_transaction(ledger.genesis, view, transaction, now)
