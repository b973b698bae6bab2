"""The audit: replay everything from entry 0, believe nothing.

It needs a store to read and nothing from whoever wrote it. Each entry must decode, follow the one before it, carry
the id under which it is found, and be allowed by the rules; the log must have the roots that the signed heads say; a
head kept elsewhere must still be part of it; every row of derived state must be what the replay gives; and the supply
is counted again token by token, apart from the counters.

Every problem is named by what it concerns: an entry, a head, a row of state, or the journal's tail.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from cbdc.errors import Refused, TengeError
from cbdc.ledger.ahead import Crew, Unit, alone, few_collections, units
from cbdc.ledger.entry import Genesis, LogHead, MerkleLog
from cbdc.ledger.export import Journal
from cbdc.ledger.fold import Fold
from cbdc.ledger.reading import OpenedHead
from cbdc.ledger.rows import Rows
from cbdc.ledger.state import (
    ISSUED,
    KIND_NAMES,
    REDEEMED,
    RegisteredKey,
    StateKey,
    class_counter,
    decode_value,
)
from cbdc.ledger.state import KEY as KEY_KIND
from cbdc.ledger.store import Pages, together
from cbdc.record import Signed, open_envelope
from cbdc.token import HOLDER_CLASSES, holder_class


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
    left_out: tuple[str, ...] = ()

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
    store: Journal,
    kept_head: Signed[LogHead] | bytes | None = None,
    root: bytes | None = None,
    derived: bool = True,
    *,
    workers: int = 0,
    signatures: bool = True,
    told: Callable[[int], None] | None = None,
) -> Audit:
    """Audit a store; `kept_head` is a head that somebody kept elsewhere, `root` the ROOT envelope one trusts (bytes).

    A journal without rows of state (`derived` false) is judged by what it has. So many `workers` read and verify
    ahead, this process among them (0: nobody does); without `signatures` only entry 0 and the heads are verified, and
    `left_out` says so. `told` hears how many entries were replayed. A journal's file that cannot be read raises
    E_JOURNAL_FILE; no other thing that is found is raised: every problem stands in the result.
    """
    result = Audit(left_out=() if signatures else ("signatures",))
    log = MerkleLog()
    rows = Rows()
    fold = Fold(rows, signatures)
    crews: list[Crew] = []
    # An engine may read its rows while the journal is replayed.
    pages = store.derived_rows() if derived else together((), ())
    try:
        times = _replay(store, result, fold, log, (workers, crews), told)
        if result.genesis is not None:
            _check_root(result, root)
            # Where bytes were changed, state is compared only if a signed head says that these are the right ones.
            logged = all(problem.code != "E_AUDIT_LEAF" for problem in result.problems)
            given = _heads(store, crews)
            # Processes open heads while this one compares.
            compared = _compared(store, rows, pages) if derived and logged and fold.bad is None else None
            heads = _check_heads(given, result, log, times)
            _check_kept(result, log, heads, kept_head)
            if fold.bad is None and (logged or log.size in heads):
                if derived:
                    _note_state(result, compared or _compared(store, rows, pages))
                check_supply(result, rows)
    except TengeError as error:
        if error.code == "E_JOURNAL_FILE":
            raise
        result.note("store", error)
    finally:
        result.issued_tiyn, result.redeemed_tiyn = rows.number(ISSUED), rows.number(REDEEMED)
        result.held_tiyn = {name: rows.number(class_counter(name)) for name in HOLDER_CLASSES}
        pages.close()
        rows.close()
        for crew in crews:
            crew.close()
    result.entries = log.size
    result.log_root = log.root()
    return result


def _replay(
    store: Journal,
    result: Audit,
    fold: Fold,
    log: MerkleLog,
    given: tuple[int, list[Crew]],
    told: Callable[[int], None] | None,
) -> "array[int]":
    """Fold the journal, log its leaves and note what is wrong; the time of each entry that was replayed."""
    times = array("Q")
    with few_collections(), closing(_read(fold, store, given, result.left_out == ())) as read:
        for unit in read:
            start = log.size
            log.extend_joined(unit.leaves)
            if fold.bad is None:
                times.extend(fold.take(unit))
                result.genesis = fold.genesis
            _note_entries(result, fold, unit, start)
            if told is not None:
                told(log.size)
    if not log.size:
        result.note("journal", Refused("E_LEDGER_EMPTY"))
        fold.bad = 0
    return times


def _read(
    fold: Fold, store: Journal, given: tuple[int, list[Crew]], signatures: bool
) -> Generator[Unit, None, None]:
    """The journal in units, read ahead by so many processes once entry 0 has said who is certified; they are noted."""
    source = units(store.entries())
    first = next(source, None)
    if first is None:
        return
    yield alone(first[:1])
    rest = chain([first[1:]] if first[1:] else [], source)
    if fold.genesis is None:
        yield from map(alone, rest)
    else:
        workers, crews = given
        crews.append(Crew(fold.genesis, fold.rows, workers, signatures))
        yield from crews[0].read(rest, 1)


def _note_entries(result: Audit, fold: Fold, unit: Unit, start: int) -> None:
    """What is wrong with each entry of a unit; another leaf than the logged one is told instead of another code."""
    wrong: dict[int, TengeError] = {
        start + place: Refused("E_AUDIT_LEAF", index=start + place) for place in unit.odd
    }
    if fold.bad is not None and fold.error is not None and start <= fold.bad < start + len(unit.rows):
        wrong.setdefault(fold.bad, fold.error)
    for place in sorted(wrong):
        result.note(f"entry {place}", wrong[place], place)


def _check_root(result: Audit, root: bytes | None) -> None:
    assert result.genesis is not None
    if root is not None and result.genesis.authority.root.encode() != root:
        result.note("genesis", Refused("E_AUDIT_ROOT"), 0)


def _opened_head(genesis: Genesis, envelope: bytes) -> tuple[int, bytes, int]:
    """Size, root and time of a head that the ledger signed; its refusal."""
    head = open_envelope(envelope, LogHead, genesis.network)
    genesis.verify_head(head)
    return head.record.size, head.record.root, head.record.time


def _heads(store: Journal, crews: Sequence[Crew]) -> Iterator[tuple[int, bytes, OpenedHead]]:
    """The heads as they are kept, opened by whoever has time from now on."""
    if crews:
        return crews[0].heads(store.heads())
    return ((*kept, None) for kept in store.heads())


def _check_heads(
    heads: Iterable[tuple[int, bytes, OpenedHead]], result: Audit, log: MerkleLog, times: Sequence[int]
) -> dict[int, set[int]]:
    """Each head must be signed and say what the journal says; the sizes of those that do, with their times."""
    assert result.genesis is not None
    right: dict[int, set[int]] = {}
    last = 0
    for kept_under, envelope, said in heads:
        try:
            size, root, time = said or _opened_head(result.genesis, envelope)
            last = size
            if size != kept_under or size > log.size or log.root(size) != root:
                raise Refused("E_AUDIT_HEAD", size=size)
            if size <= len(times) and times[size - 1] != time:
                raise Refused("E_AUDIT_HEAD", size=size)
            right.setdefault(size, set()).add(time)
        except TengeError as error:
            result.note(f"head {kept_under}", error)
    if last != log.size:
        result.note("journal", Refused("E_AUDIT_UNCOVERED", size=last, entries=log.size))
    return right


def _check_kept(
    result: Audit, log: MerkleLog, heads: dict[int, set[int]], kept_head: Signed[LogHead] | bytes | None
) -> None:
    if kept_head is None:
        return
    assert result.genesis is not None
    try:
        # Opened again for this journal's network: a head of another network proves nothing here.
        envelope = kept_head if isinstance(kept_head, bytes) else kept_head.envelope()
        head = open_envelope(envelope, LogHead, result.genesis.network)
        result.genesis.verify_head(head)
        size = head.record.size
        if size > log.size:
            raise Refused("E_AUDIT_TAIL", size=size, entries=log.size)
        if log.root(size) != head.record.root:
            raise Refused("E_AUDIT_FORK", size=size)
        if size not in heads:
            raise Refused("E_AUDIT_HEAD_GONE", size=size)
        if head.record.time not in heads[size]:
            # Two heads of one size and two times: both are signed, and they cannot both be true.
            raise Refused("E_AUDIT_FORK", size=size)
    except TengeError as error:
        result.note("kept head", error)


def _compared(store: Journal, rows: Rows, pages: Pages) -> tuple[Audit, TengeError | None]:
    """What is wrong with the rows of state, and what kept them from being read to their end."""
    found = Audit()
    try:
        _check_state(store, found, rows, pages)
    except TengeError as error:
        return found, error
    return found, None


def _note_state(result: Audit, compared: tuple[Audit, TengeError | None]) -> None:
    found, error = compared
    result.problems += found.problems
    if error is not None:
        raise error


def _check_state(store: Journal, result: Audit, rows: Rows, pages: Pages) -> None:
    """Each row of the store's state, and of its owner index, must be what the replay gives, and none may be missing."""
    if rows.same(pages):
        return
    for expected, found, code in (
        (rows.items, store.state, "E_AUDIT_STATE"),
        (rows.owners, store.owner_rows, "E_AUDIT_OWNER"),
    ):
        for packed in _differences(expected(), found()):
            kind = KIND_NAMES.get(packed[0], "unknown") if packed else "unknown"
            result.note(f"{kind} {packed[1:].hex()}", Refused(code, kind=kind, row=packed[1:]))


def _differences(
    expected: Iterable[tuple[bytes, bytes]], found: Iterable[tuple[bytes, bytes]]
) -> Iterator[bytes]:
    """The keys, ascending, whose rows differ; both are in ascending order of their keys."""
    mine, theirs = iter(expected), iter(found)
    one, other = next(mine, None), next(theirs, None)
    while one is not None or other is not None:
        if one == other:
            one, other = next(mine, None), next(theirs, None)
            continue
        key = min(row[0] for row in (one, other) if row is not None)
        yield key
        if one is not None and one[0] == key:
            one = next(mine, None)
        if other is not None and other[0] == key:
            other = next(theirs, None)


def check_supply(result: Audit, rows: Rows) -> None:
    """Count token by token what the counters say."""
    counted: Counter[str] = Counter()
    for kid, amount in rows.held().items():
        row = rows.get(StateKey(KEY_KIND, kid).pack())
        assert row is not None
        holder = decode_value(KEY_KIND, row)
        assert isinstance(holder, RegisteredKey)
        counted[holder_class(holder.category)] += amount
    issued, redeemed = rows.number(ISSUED), rows.number(REDEEMED)
    if issued - redeemed != sum(counted.values()):
        detail = f"{issued} - {redeemed} is not {sum(counted.values())}"
        result.note("supply", Refused("E_AUDIT_CONSERVATION", detail=detail))
    for name in HOLDER_CLASSES:
        if rows.number(class_counter(name)) != counted[name]:
            result.note("supply", Refused("E_AUDIT_CONSERVATION", detail=f"the line {name} does not add up"))
