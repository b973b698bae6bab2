"""A ledger as it stood at an earlier head: the journal is cut there and folded again, with the heads that were
signed then.

    cut_back(store, until_entries(500), target)

Nothing is signed here. The target holds the entries before the cut, the state that the rules give for them, and the
very heads that covered them, so an audit of it asks for nobody's word. A cut falls on a head: a group that was
committed whole is kept whole or not at all.

**What it is for.** To see what was true then, and to prove it. It is no ledger to go on with: later receipts have been
given out, and a journal that goes on from here is a fork that everybody can show who kept a later head. The books, the
register and the offline stores have no such history: they are of the moment of the backup and are not cut, so they are
left out.
"""

from collections.abc import Callable, Iterator

from cbdc.errors import Refused
from cbdc.ledger.entry import LogHead, open_entry
from cbdc.ledger.export import Journal
from cbdc.ledger.replay import Replay
from cbdc.ledger.rules import decide
from cbdc.ledger.state import encode_value, token_key
from cbdc.ledger.store import Commit, EntryRow, Store
from cbdc.record import Signed, open_envelope
from cbdc.token import TokenId

Within = Callable[[LogHead], bool]


def until_entries(size: int) -> Within:
    """Heads over at most so many entries, entry 0 included."""
    return lambda head: head.size <= size


def until_time(moment: int) -> Within:
    """Heads that were signed at this moment of the ledger's time or before."""
    return lambda head: head.time <= moment


def cut_back(source: Journal, within: Within, target: Store) -> Signed[LogHead]:
    """Fill `target` with the journal of `source` up to its last head `within`; that head.

    What stands in `target` already must be the beginning of it, up to a head: a restore that was cut off goes on.
    Raises E_RESTORE_UNTIL when not even the first head is within, E_RESTORE_STORE when the target ends between two
    heads or holds more, and the rules' refusal for a journal that breaks them.
    """
    already = target.size()
    rows = source.entries()
    first = next(rows, None)
    if first is None:
        raise Refused("E_LEDGER_EMPTY")
    replay, last, at = Replay(first), None, 0
    for size, envelope in source.heads():
        head = open_envelope(envelope, LogHead, replay.genesis.network)
        replay.genesis.verify_head(head)
        if not within(head.record):
            break
        group = _group(rows, first, at, size)
        commit = _commit(replay, at, group, envelope)
        if at < already < size:
            raise Refused("E_RESTORE_STORE", entries=already)
        if size > already:
            target.commit(commit)
        last, at = head, size
    if last is None:
        raise Refused("E_RESTORE_UNTIL", size=sum(1 for _ in source.entries()))
    if already > at:
        raise Refused("E_RESTORE_STORE", entries=already)
    return last


def _group(rows: Iterator[EntryRow], first: EntryRow, start: int, stop: int) -> list[EntryRow]:
    group = [first] if start == 0 else []
    while start + len(group) < stop:
        row = next(rows, None)
        if row is None:
            raise Refused("E_LEDGER_DAMAGED", entries=start + len(group))
        group.append(row)
    return group


def _commit(replay: Replay, start: int, group: list[EntryRow], envelope: bytes) -> Commit:
    changed, owners = {}, {}
    for row in group:
        if row.index == 0:
            continue
        entry = open_entry(row.data)
        item = replay.open(entry)
        effects = decide(replay.genesis, replay.state, item, entry.time)
        changed.update(effects)
        for place, token in enumerate(item.record.creates):
            owners[token_key(TokenId(item.id, place)).pack()] = token.lock.holder
        replay.apply(row)
    packed = {
        key.pack(): None if value is None else encode_value(key.kind, value) for key, value in changed.items()
    }
    return Commit(start, tuple(group), dict(sorted(packed.items())), owners, envelope)
