"""The audit: replay everything from entry 0, believe nothing.

It needs a store to read and nothing from whoever wrote it. Each entry must decode, follow the one before it, carry
the id under which it is found, and be allowed by the rules; the log must have the roots that the signed heads say; a
head kept elsewhere must still be part of it; every row of derived state must be what the replay gives; and the supply
is counted again token by token, apart from the counters.

Every problem is named by what it concerns: an entry, a head, a row of state, or the journal's tail.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from cbdc.errors import Refused, TengeError
from cbdc.ledger.entry import Genesis, LogHead, MerkleLog, leaf_hash, open_entry, open_genesis
from cbdc.ledger.export import Journal
from cbdc.ledger.ledger import genesis_row
from cbdc.ledger.replay import Replayed
from cbdc.ledger.rules import decide
from cbdc.ledger.state import (
    ISSUED,
    KIND_NAMES,
    REDEEMED,
    TOKEN,
    RegisteredKey,
    StateKey,
    StateValue,
    class_counter,
    encode_value,
)
from cbdc.ledger.state import KEY as KEY_KIND
from cbdc.ledger.store import EntryRow
from cbdc.record import Signed, open_envelope
from cbdc.token import HOLDER_CLASSES, Token, holder_class
from cbdc.transaction import open_transaction


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong and where: the subject ("entry 12", "token 3f…", "head 40"), the code and the sentence.

    `details` are the facts of the refusal, with which it can be told in another language.
    """

    subject: str
    code: str
    sentence: str
    entry: int | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """For a report."""
        row: dict[str, Any] = {"subject": self.subject, "code": self.code, "sentence": self.sentence}
        if self.entry is not None:
            row["entry"] = self.entry
        return row


@dataclass(slots=True)
class Audit:
    """What an audit found. `ok` only if there is no problem at all; `held_tiyn` is by line of the supply table."""

    entries: int = 0
    issued_tiyn: int = 0
    redeemed_tiyn: int = 0
    held_tiyn: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HOLDER_CLASSES, 0))
    log_root: bytes = b""
    genesis: Genesis | None = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    @property
    def supply_tiyn(self) -> dict[str, int]:
        """The supply table as the replay gives it, with the names of `Supply`."""
        held = {f"{name}_tiyn": amount for name, amount in self.held_tiyn.items()}
        return {"issued_tiyn": self.issued_tiyn, "redeemed_tiyn": self.redeemed_tiyn, **held}

    @property
    def outstanding_tiyn(self) -> int:
        """Issued minus redeemed, as the replay counts it."""
        return self.issued_tiyn - self.redeemed_tiyn

    def note(self, subject: str, error: TengeError, entry: int | None = None) -> None:
        """Add a problem."""
        self.problems.append(Problem(subject, error.code, error.sentence(), entry, dict(error.facts)))


def audit(
    store: Journal, kept_head: Signed[LogHead] | None = None, root: bytes | None = None, derived: bool = True
) -> Audit:
    """Audit a store; `kept_head` is a head that somebody kept elsewhere, `root` the ROOT envelope one trusts.

    A journal without rows of state (`derived` false) is judged by what it has. A journal's file that cannot be read
    raises E_JOURNAL_FILE; no other thing that is found is raised:
    every problem stands in the result.
    """
    result = Audit()
    state = Replayed()
    log = MerkleLog()
    times: list[int] = []
    try:
        whole = _replay(store, result, state, log, times)
        if result.genesis is not None:
            _check_root(result, root)
            sizes = _check_heads(store, result, log, times)
            _check_kept(result, log, sizes, kept_head)
            # Where bytes were changed, state is compared only if a signed head says that these are the right ones.
            logged = all(problem.code != "E_AUDIT_LEAF" for problem in result.problems)
            if whole and (logged or log.size in sizes):
                if derived:
                    _check_state(store, result, state)
                _check_supply(result, state)
    except TengeError as error:
        if error.code == "E_JOURNAL_FILE":
            raise
        result.note("store", error)
    result.entries = log.size
    result.log_root = log.root()
    result.issued_tiyn, result.redeemed_tiyn = _count(state, ISSUED), _count(state, REDEEMED)
    result.held_tiyn = {name: _count(state, class_counter(name)) for name in HOLDER_CLASSES}
    return result


def _count(state: Replayed, counter: StateKey) -> int:
    value = state[counter]
    return value if isinstance(value, int) else 0


def _replay(store: Journal, result: Audit, state: Replayed, log: MerkleLog, times: list[int]) -> bool:
    """Fold the journal; False when an entry was bad and what follows cannot be judged.

    `times` gets the time of each entry that was replayed.
    """
    whole = True
    last_time = 0
    seen: set[bytes] = set()
    for place, row in enumerate(store.entries()):
        leaf = leaf_hash(row.data)
        log.append(leaf)
        problem: TengeError | None = None
        if whole:
            try:
                times.append(_replay_entry(result, state, row, place, last_time))
                if row.transaction_id in seen:
                    raise Refused("E_AUDIT_REPLAY", index=place)
                seen.add(row.transaction_id)
                last_time = times[-1] if leaf == row.leaf else last_time
            except TengeError as error:
                problem = error
            except AssertionError as broken:
                problem = Refused("E_AUDIT_CONSERVATION", detail=str(broken))
            whole = problem is None
        if leaf != row.leaf:
            problem = Refused("E_AUDIT_LEAF", index=place)
        if problem is not None:
            result.note(f"entry {place}", problem, place)
    if not log.size:
        result.note("journal", Refused("E_LEDGER_EMPTY"))
    return whole and log.size > 0


def _replay_entry(result: Audit, state: Replayed, row: EntryRow, place: int, last_time: int) -> int:
    entry = open_entry(row.data)
    if (row.index, entry.index) != (place, place):
        raise Refused("E_AUDIT_ORDER", index=place, found=entry.index)
    if entry.time < last_time:
        raise Refused("E_AUDIT_TIME", index=place, time=entry.time, before=last_time)
    if place == 0:
        result.genesis = open_genesis(entry.payload)
        identity = genesis_row(entry.payload, result.genesis.network, entry.time).transaction_id
        effects: dict[StateKey, StateValue | None] = {}
    else:
        assert result.genesis is not None
        transaction = open_transaction(entry.payload, result.genesis.network)
        identity = transaction.id
        effects = decide(result.genesis, state, transaction, entry.time)
    if identity != row.transaction_id:
        raise Refused("E_AUDIT_ID", index=place)
    state.apply(effects)
    return entry.time


def _check_root(result: Audit, root: bytes | None) -> None:
    assert result.genesis is not None
    if root is not None and result.genesis.authority.root.encode() != root:
        result.note("genesis", Refused("E_AUDIT_ROOT"), 0)


def _check_heads(store: Journal, result: Audit, log: MerkleLog, times: list[int]) -> set[int]:
    """Each head must be signed and say what the journal says; the sizes of those that do."""
    assert result.genesis is not None
    sizes: set[int] = set()
    last = 0
    for kept_under, envelope in store.heads():
        try:
            head = open_envelope(envelope, LogHead, result.genesis.network)
            result.genesis.verify_head(head)
            size = last = head.record.size
            if size != kept_under or size > log.size or log.root(size) != head.record.root:
                raise Refused("E_AUDIT_HEAD", size=size)
            if size <= len(times) and times[size - 1] != head.record.time:
                raise Refused("E_AUDIT_HEAD", size=size)
            sizes.add(size)
        except TengeError as error:
            result.note(f"head {kept_under}", error)
    if last != log.size:
        result.note("journal", Refused("E_AUDIT_UNCOVERED", size=last, entries=log.size))
    return sizes


def _check_kept(result: Audit, log: MerkleLog, sizes: set[int], kept_head: Signed[LogHead] | None) -> None:
    if kept_head is None:
        return
    assert result.genesis is not None
    try:
        # Opened again for this journal's network: a head of another network proves nothing here.
        head = open_envelope(kept_head.envelope(), LogHead, result.genesis.network)
        result.genesis.verify_head(head)
        size = head.record.size
        if size > log.size:
            raise Refused("E_AUDIT_TAIL", size=size, entries=log.size)
        if log.root(size) != head.record.root:
            raise Refused("E_AUDIT_FORK", size=size)
        if size not in sizes:
            raise Refused("E_AUDIT_HEAD_GONE", size=size)
    except TengeError as error:
        result.note("kept head", error)


def _check_state(store: Journal, result: Audit, state: Replayed) -> None:
    """Each row of the store's state, and of its owner index, must be what the replay gives, and none may be missing."""
    expected = {
        key.pack(): encode_value(key.kind, value) for key, value in state.items() if value is not None
    }
    owners = {key.pack(): value.lock.holder for key, value in state.items() if isinstance(value, Token)}
    for rows, found, code in (
        (expected, dict(store.state()), "E_AUDIT_STATE"),
        (owners, dict(store.owner_rows()), "E_AUDIT_OWNER"),
    ):
        for packed in sorted(rows.keys() | found.keys()):
            if rows.get(packed) != found.get(packed):
                kind = KIND_NAMES.get(packed[0], "unknown") if packed else "unknown"
                subject = f"{kind} {packed[1:].hex()}"
                result.note(subject, Refused(code, kind=kind, row=packed[1:]))


def _check_supply(result: Audit, state: Replayed) -> None:
    counted: Counter[str] = Counter()
    for key, token in state.items():
        if key.kind == TOKEN and isinstance(token, Token):
            holder = state[StateKey(KEY_KIND, token.lock.holder)]
            assert isinstance(holder, RegisteredKey)
            counted[holder_class(holder.category)] += token.amount_tiyn
    issued, redeemed = state[ISSUED] or 0, state[REDEEMED] or 0
    assert isinstance(issued, int)
    assert isinstance(redeemed, int)
    if issued - redeemed != sum(counted.values()):
        detail = f"{issued} - {redeemed} is not {sum(counted.values())}"
        result.note("supply", Refused("E_AUDIT_CONSERVATION", detail=detail))
    for name in HOLDER_CLASSES:
        if (state[class_counter(name)] or 0) != counted[name]:
            result.note("supply", Refused("E_AUDIT_CONSERVATION", detail=f"the line {name} does not add up"))
