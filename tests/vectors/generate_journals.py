"""Make the vectors of whole journals, or check them: `python -m tests.vectors.generate_journals [--check]`.

`journals.json` has one right journal with every kind of transaction, and journals that somebody spoiled, each with the
report of an audit. What is wrong with each is written here by hand, and compared with what the audit of this house says
(`tests/cbdc/test_journal_vectors.py`). Everything follows from fixed keys, so the file is the same on every machine.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from cbdc.ledger.entry import Entry, LogHead, MerkleLog, leaf_hash, open_entry
from cbdc.ledger.export import lines_of
from cbdc.ledger.ledger import genesis_row
from cbdc.ledger.memory import MemoryStore
from cbdc.record import open_envelope, sign
from cbdc.token import Token, TokenId
from cbdc.transaction import KINDS, Recover, Seize, Transfer, open_transaction
from tests.cbdc.journals import UNBUILT, audit_file, log_anyway, report_of
from tests.cbdc.scene import Scene, scene
from tests.cbdc.test_rules import ROWS
from tests.cbdc.world import fixed_key
from tests.vectors.case import FOLDER

NAME = "journals"
ORDER = (
    ("Issue", 1),
    ("Redeem", 1),
    ("SettleOffline", 4),
    ("LoadOffline", 1),
    ("ReleaseMark", 1),
    ("Attest", 1),
    ("RegisterKey", 1),
    ("Transfer", 3),
    ("ExpireMark", 1),
    ("Transfer", 4),
    ("Unfreeze", 1),
    ("RotateKey", 1),
    ("HandOver", 1),
    ("Freeze", 1),
)
MOST_BEFORE = 6

Problems = set[tuple[str, str]]


class Spoiled:
    """A copy of the right journal, and the hand that spoils it."""

    def __init__(self) -> None:
        self.world: Scene = right().fork()  # type: ignore[assignment]
        assert isinstance(self.world.store, MemoryStore)
        self.store = self.world.store
        self.rows = self.store._entries
        self.heads = self.store._heads
        self.sizes = self.store._sizes
        self.state = True
        self.root = b""
        self.kept = b""

    @property
    def size(self) -> int:
        """How many entries."""
        return len(self.rows)

    def sign(self, size: int, root: bytes, time: int, name: str = "ledger") -> bytes:
        """A head."""
        return sign(LogHead(size, root, time), self.world.network, self.world.key(name)).encode()

    def log(self) -> MerkleLog:
        """The tree over the leaves as they are now."""
        log = MerkleLog()
        for row in self.rows:
            log.append(row.leaf)
        return log

    def relog(self) -> None:
        """What a thief of the ledger's key does: number, hash and sign everything as it is now; one head for all."""
        for place, row in enumerate(self.rows):
            entry = open_entry(row.data)
            data = Entry(place, entry.time, entry.payload).encode()
            self.rows[place] = replace(row, index=place, data=data, leaf=leaf_hash(data))
        log = self.log()
        self.sizes[:] = [log.size]
        self.heads[:] = [self.sign(log.size, log.root(), open_entry(self.rows[-1].data).time)]

    def set_entry(self, place: int, payload: bytes | None = None, time: int | None = None) -> None:
        """Change an entry's payload or time, its leaf and id with it."""
        entry = open_entry(self.rows[place].data)
        payload = entry.payload if payload is None else payload
        data = Entry(place, entry.time if time is None else time, payload).encode()
        if place:
            identity = open_transaction(payload, self.world.network).id
        else:
            identity = genesis_row(payload, self.world.network, 0).transaction_id
        self.rows[place] = replace(self.rows[place], transaction_id=identity, data=data, leaf=leaf_hash(data))

    def lines(self) -> list[str]:
        """The lines of the file."""
        return list(lines_of(self.store, self.state))


@cache
def right() -> Scene:
    """The right journal: the scene's, and after it rows of every kind that can follow one another."""
    world = scene()
    for kind, most in ORDER:
        rows = [row for row in ROWS if row.code is None and row.kind == kind]
        for row in rows:
            # On a copy: a row that cannot be played here has done something already.
            other = world.fork()
            assert isinstance(other, Scene)
            try:
                other.submit(row.build(other))
            except UNBUILT:
                continue
            if other.ledger.size > world.ledger.size + 1 + MOST_BEFORE:
                continue
            world, most = other, most - 1
            if not most:
                break
    _by_hand(world)
    kinds = {type(world.ledger.transaction(place).record) for place in range(1, world.ledger.size)}
    assert kinds == set(KINDS.values())
    return world


def _by_hand(world: Scene) -> None:
    """A court's write-off, and a lost key: by now nothing is left of what the rows of the table use for them."""
    world.register("lost", tier=0)
    world.register("lost.2", tier=0)
    token = world.fund(("lost", 70_000))[0]
    outputs = (world.token("reserve", 20_000), world.token("lost", 50_000))
    seized = world.do(Seize(world.nonce(), (token,), outputs, "court 5"), "enforcement")
    recovered = (world.token("lost.2", 50_000),)
    old, new = world.kid("lost"), world.kid("lost.2")
    record = Recover(world.nonce(), old, new, (TokenId(seized.id, 1),), recovered, "lost 1")
    world.do(record, "lost.2", "enforcement", "bank1")


class Maker(NamedTuple):
    """A spoiled journal: its name, what was done, what an audit must find, and the hand."""

    name: str
    what: str
    expect: Callable[[Spoiled], Problems]
    spoil: Callable[[Spoiled], None]


MAKERS: list[Maker] = []


def spoils(what: str, expect: Callable[[Spoiled], Problems]) -> Callable[[Callable[[Spoiled], None]], None]:
    """Add the decorated function as a maker."""

    def add(spoil: Callable[[Spoiled], None]) -> None:
        MAKERS.append(Maker(spoil.__name__.replace("_", "-"), what, expect, spoil))

    return add


def only(*problems: tuple[str, str]) -> Callable[[Spoiled], Problems]:
    """Just these problems."""
    return lambda s: set(problems)


def last_entry(code: str) -> Callable[[Spoiled], Problems]:
    """The last entry is bad, and nothing else."""
    return lambda s: {(f"entry {s.size - 1}", code)}


def heads_after(place: int, *more: tuple[str, str]) -> Callable[[Spoiled], Problems]:
    """Every head that covers the entry at `place` says something else than the journal."""
    return lambda s: {(f"head {size}", "E_AUDIT_HEAD") for size in s.sizes if size > place} | set(more)


# --- hands ---


@spoils("nothing was done", only())
def right_with_state(s: Spoiled) -> None:
    pass


@spoils("nothing was done; without the derived rows", only())
def right_without_state(s: Spoiled) -> None:
    s.state = False


@spoils("an earlier head was kept, and the ROOT is trusted", only())
def right_with_a_kept_head(s: Spoiled) -> None:
    s.state, s.kept, s.root = False, s.heads[5], s.world.root.encode()


@spoils(
    "one byte of the entry 9 is another; its leaf is the old one", heads_after(9, ("entry 9", "E_AUDIT_LEAF"))
)
def a_byte_changed(s: Spoiled) -> None:
    s.state = False
    row = s.rows[9]
    place = len(row.data) - 1  # in a signature, so the entry can be read; the signature is wrong too
    s.rows[9] = replace(row, data=row.data[:place] + bytes([row.data[place] ^ 1]))


@spoils(
    "one byte of a signature in entry 9 is another, and whoever did it logged and signed everything anew",
    only(("entry 9", "E_SIG")),
)
def a_signature_changed_and_logged_anew(s: Spoiled) -> None:
    s.state = False
    entry = open_entry(s.rows[9].data)
    payload = entry.payload[:-1] + bytes([entry.payload[-1] ^ 1])
    s.set_entry(9, payload)
    s.relog()


@spoils("two entries changed places, logged anew", only(("entry 14", "E_TOKEN_SPENT")))
def entries_swapped(s: Spoiled) -> None:
    s.state = False
    s.rows[14], s.rows[15] = s.rows[15], s.rows[14]  # an issue, and the sale of what it issued
    s.relog()


@spoils(
    "two entries changed places; nothing else was done",
    heads_after(6, ("entry 6", "E_AUDIT_ORDER")),
)
def entries_swapped_by_hand(s: Spoiled) -> None:
    s.state = False
    s.rows[6], s.rows[7] = s.rows[7], s.rows[6]


@spoils("an entry is missing in the middle, logged anew", only(("entry 14", "E_TOKEN_SPENT")))
def an_entry_removed(s: Spoiled) -> None:
    s.state = False
    del s.rows[14]
    s.relog()


@spoils("the last entry stands there twice, logged anew", last_entry("E_AUDIT_REPLAY"))
def an_entry_twice(s: Spoiled) -> None:
    s.state = False
    s.world.attest("supplier", 5)
    s.rows.append(s.rows[-1])
    s.relog()


@spoils("the time falls at the last entry, logged anew", last_entry("E_AUDIT_TIME"))
def time_falls(s: Spoiled) -> None:
    s.state = False
    s.set_entry(s.size - 1, time=open_entry(s.rows[0].data).time - 1)
    s.relog()


@spoils("an entry is filed under another id", only(("entry 8", "E_AUDIT_ID")))
def another_id(s: Spoiled) -> None:
    s.state = False
    s.rows[8] = replace(s.rows[8], transaction_id=s.rows[7].transaction_id)


@spoils("the ledger logs an issue that only one officer signed", last_entry("E_QUORUM"))
def over_issue(s: Spoiled) -> None:
    s.state = False
    record = s.world.issue_record([s.world.token("inventory1", 1_000_000)])
    log_anyway(s.world, s.world.sign(record, "officer1", "operator"))


@spoils("the ledger logs a transfer that pays more than it spends", last_entry("E_SUM_LEDGER"))
def money_from_nothing(s: Spoiled) -> None:
    s.state = False
    token, amount = _money(s)
    record = Transfer(s.world.nonce(), (token,), (s.world.token("neighbour", amount + 1),))
    log_anyway(s.world, s.world.sign(record, "neighbour"))


@spoils("the ledger logs the second spending of a token", last_entry("E_TOKEN_SPENT"))
def spent_twice(s: Spoiled) -> None:
    s.state = False
    token, amount = _money(s)
    for _ in range(2):
        record = Transfer(s.world.nonce(), (token,), (s.world.token("neighbour", amount),))
        log_anyway(s.world, s.world.sign(record, "neighbour"))
    s.relog()


@spoils("the ledger logs a payment that its owner did not sign", last_entry("E_LOCKED"))
def not_its_owner(s: Spoiled) -> None:
    s.state = False
    token, amount = _money(s)
    record = Transfer(s.world.nonce(), (token,), (s.world.token("shop", amount),))
    log_anyway(s.world, s.world.sign(record, "shop"))


def _money(s: Spoiled) -> tuple[Any, int]:
    token, held = s.world.funds("neighbour")[0]
    assert isinstance(held, Token)
    return token, held.amount_tiyn


@spoils("the last head says another root", lambda s: {(f"head {s.size}", "E_AUDIT_HEAD")})
def another_root(s: Spoiled) -> None:
    s.state = False
    s.heads[-1] = s.sign(s.size, bytes(32), open_entry(s.rows[-1].data).time)


@spoils("the last head says another time", lambda s: {(f"head {s.size}", "E_AUDIT_HEAD")})
def another_time(s: Spoiled) -> None:
    s.state = False
    s.heads[-1] = s.sign(s.size, s.log().root(), open_entry(s.rows[-1].data).time + 1)


@spoils(
    "a stranger signed the last head",
    lambda s: {(f"head {s.size}", "E_SIG"), ("journal", "E_AUDIT_UNCOVERED")},
)
def a_strangers_head(s: Spoiled) -> None:
    s.state = False
    s.heads[-1] = s.sign(s.size, s.log().root(), open_entry(s.rows[-1].data).time, "operator")


@spoils("the last head is missing", only(("journal", "E_AUDIT_UNCOVERED")))
def no_last_head(s: Spoiled) -> None:
    s.state = False
    del s.heads[-1], s.sizes[-1]


@spoils("the tail was cut, and a head over it was kept elsewhere", only(("kept head", "E_AUDIT_TAIL")))
def tail_cut(s: Spoiled) -> None:
    s.state, s.kept = False, s.heads[-1]
    del s.rows[-1], s.heads[-1], s.sizes[-1]


@spoils("a second history of the same length was signed", only(("kept head", "E_AUDIT_FORK")))
def forked(s: Spoiled) -> None:
    s.state, s.kept = False, s.heads[-1]
    del s.rows[-1]
    record = s.world.attest_record("ayan", 1)
    transaction = s.world.sign(record, "register")
    now = open_entry(s.rows[-1].data).time
    data = Entry(s.size, now, transaction.encode()).encode()
    s.rows.append(
        replace(s.rows[-1], index=s.size, transaction_id=transaction.id, data=data, leaf=leaf_hash(data))
    )
    s.relog()


@spoils("a head that was kept elsewhere is no more among the heads", only(("kept head", "E_AUDIT_HEAD_GONE")))
def head_gone(s: Spoiled) -> None:
    s.state, s.kept = False, s.heads[5]
    del s.heads[5], s.sizes[5]


@spoils("another ROOT is trusted", only(("genesis", "E_AUDIT_ROOT")))
def another_trusted_root(s: Spoiled) -> None:
    from cbdc.authority import make_root

    s.state = False
    s.root = make_root(fixed_key("a stranger"), 0, 2**40, "Somebody else").encode()


@spoils("one byte of ROOT's signature in entry 0 is another", only(("entry 0", "E_SIG")))
def genesis_changed(s: Spoiled) -> None:
    s.state = False
    entry = open_entry(s.rows[0].data)
    payload = entry.payload[:-1] + bytes([entry.payload[-1] ^ 1])
    data = Entry(0, entry.time, payload).encode()
    identity = genesis_row(payload, s.world.network, 0).transaction_id
    s.rows[0] = replace(s.rows[0], transaction_id=identity, data=data, leaf=leaf_hash(data))


@spoils("a row of state was changed and one removed", lambda s: _row_problems(s))
def state_changed(s: Spoiled) -> None:
    keys = sorted(s.store._state)
    s.store._state[keys[0]] = s.store._state[keys[1]]
    del s.store._state[keys[-1]]


def _row_problems(s: Spoiled) -> Problems:
    keys = sorted(right().store._state)  # type: ignore[attr-defined]
    names = {1: "token", 2: "key", 3: "mark", 4: "counter", 5: "freeze", 6: "register", 7: "fact"}
    return {(f"{names[key[0]]} {key[1:].hex()}", "E_AUDIT_STATE") for key in (keys[0], keys[-1])}


@spoils("a row of the owner index names another holder", lambda s: _owner_problem(s))
def owner_changed(s: Spoiled) -> None:
    s.store._owner_of[min(s.store._owner_of)] = s.world.kid("shop")


def _owner_problem(s: Spoiled) -> Problems:
    return {(f"token {min(s.store._owner_of)[1:].hex()}", "E_AUDIT_OWNER")}


# --- the file ---


def pieces(lines: list[str], base: list[str]) -> list[Any]:
    """`lines` by the lines of `base`: [first, behind the last] of a run of them, or a line's text."""
    where = {line: place for place, line in enumerate(base)}
    made: list[Any] = []
    for line in lines:
        place = where.get(line)
        if place is None:
            made.append(line)
        elif made and isinstance(made[-1], list) and made[-1][1] == place:
            made[-1][1] = place + 1
        else:
            made.append([place, place + 1])
    return made


def whole(parts: list[Any], base: list[str]) -> list[str]:
    """The lines that `pieces` took apart."""
    return [line for part in parts for line in ([part] if isinstance(part, str) else base[part[0] : part[1]])]


def case_of(maker: Maker, base: list[str], folder: Path) -> dict[str, Any]:
    """One case, after asking the audit and comparing it with what the maker says."""
    spoiled = Spoiled()
    maker.spoil(spoiled)
    one = {
        "id": maker.name,
        "what": maker.what,
        "lines": pieces(spoiled.lines(), base),
        "kept_head": spoiled.kept.hex(),
        "root": spoiled.root.hex(),
    }
    report = answer(one, base, folder)
    found = {(row["subject"], row["code"]) for row in report["problems"]}
    wanted = maker.expect(spoiled)
    assert found == wanted, f"{maker.name}: found {found - wanted}, missed {wanted - found}"
    return {**one, "expect": report}


def answer(one: dict[str, Any], base: list[str], folder: Path) -> dict[str, Any]:
    """The report of the audit of this house on a case."""
    path = folder / "journal.jsonl"
    path.write_text("".join(line + "\n" for line in whole(one["lines"], base)), encoding="utf-8")
    given: dict[str, Any] = {}
    if one["kept_head"]:
        given["kept_head"] = open_envelope(bytes.fromhex(one["kept_head"]), LogHead, right().network)
    if one["root"]:
        given["root"] = bytes.fromhex(one["root"])
    return report_of(audit_file(path, **given))


def make() -> dict[str, Any]:
    """The file."""
    base = Spoiled().lines()
    with TemporaryDirectory() as folder:
        cases = [case_of(maker, base, Path(folder)) for maker in MAKERS]
    return {
        "origin": "made by tests/vectors/generate_journals.py; docs/protocol/ledger/7-audit.md",
        "schema": {
            "base": "the lines of a right journal's file, with its derived rows",
            "lines": "the case's file, in order: a text is a line, [a, b] are the lines a to b-1 of `base`",
            "kept_head": "the envelope of a kept head, or empty",
            "root": "the envelope of the trusted ROOT, or empty",
            "expect": "the report; its problems are a set",
        },
        "base": base,
        "cases": cases,
    }


def text_of(file: dict[str, Any]) -> str:
    """The file's text: one line of a journal, one case a line."""
    head = {name: value for name, value in file.items() if name not in ("base", "cases")}
    opening = json.dumps(head, indent=1)[:-2]
    base = ",\n".join(json.dumps(line) for line in file["base"])
    cases = ",\n".join(json.dumps(one) for one in file["cases"])
    return f'{opening},\n "base": [\n{base}\n],\n "cases": [\n{cases}\n]}}\n'


def stale() -> bool:
    """Whether the file is missing or other than it should be."""
    path = FOLDER / f"{NAME}.json"
    return not path.exists() or path.read_bytes() != text_of(make()).encode()


def main(arguments: list[str]) -> int:
    """Write the file; with `--check` only tell whether it is as it should be."""
    if arguments == ["--check"]:
        wrong = stale()
        if wrong:
            print(f"{NAME}.json is stale; run `python -m tests.vectors.generate_journals`")
        return int(wrong)
    (FOLDER / f"{NAME}.json").write_bytes(text_of(make()).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
