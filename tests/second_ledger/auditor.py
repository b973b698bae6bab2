"""The audit of a journal (ledger/7, "What an audit asks")."""

from collections.abc import Iterable, Iterator

from tests.second_ledger import crypto
from tests.second_ledger.errors import Refusal, require
from tests.second_ledger.forms import MOMENT, NUMBER, raw_most, record
from tests.second_ledger.genesis import Genesis, open_genesis
from tests.second_ledger.journalfile import EntryLine, JournalFile, read_journal
from tests.second_ledger.merkle import Tree, leaf_of
from tests.second_ledger.mpc import decode_array
from tests.second_ledger.records import Envelope, open_bytes
from tests.second_ledger.report import Report
from tests.second_ledger.rules import decide
from tests.second_ledger.state import State
from tests.second_ledger.transactions import open_transaction

__all__ = ["Report", "audit"]
_ENTRY = (("index", NUMBER), ("time", MOMENT), ("payload", raw_most(65_535)))
_KINDS = {1: "token", 2: "key", 3: "mark", 4: "counter", 5: "freeze", 6: "register", 7: "fact"}
LEAF = "E_AUDIT_LEAF"
Rows = Iterable[tuple[bytes, bytes]]


class _Audit:
    """One audit: the journal, what was folded so far, and the report."""

    def __init__(self, journal: JournalFile) -> None:
        self.journal = journal
        self.tree = Tree([leaf_of(line.data) for line in journal.entries])
        self.report = Report(entries=len(journal.entries), log_root=self.tree.root(len(journal.entries)))
        self.genesis: Genesis | None = None
        self.state = State()
        self.ids: set[bytes] = set()
        self.times: dict[int, int] = {}
        self.last_time = 0
        self.bad = False
        self.leaf_wrong = False
        self.right_heads: dict[int, set[int]] = {}

    def _fold(self, place: int, line: EntryLine, leaf_right: bool) -> None:
        """Questions 1 to 6 of "Entries"; the changes are made when 1 to 5 are right."""
        entry = record(_ENTRY, decode_array(line.data))
        require(line.number == place and entry["index"] == place, "E_AUDIT_ORDER")
        require(entry["time"] >= self.last_time, "E_AUDIT_TIME")
        if leaf_right:
            self.last_time = entry["time"]
        if place == 0:
            self.genesis = open_genesis(entry["payload"])
            kind, network, body = 80, self.genesis.network, entry["payload"]
            identity = crypto.object_id(crypto.ONLINE, kind, network, body)
            require(identity == line.identity, "E_AUDIT_ID")
        else:
            assert self.genesis is not None
            tx = open_transaction(entry["payload"])
            changes, values = decide(self.genesis, self.state, tx, entry["time"])
            identity = tx.identity(self.genesis.network)
            require(identity == line.identity, "E_AUDIT_ID")
            self.state.apply(changes, values, identity)
        self.times[place] = entry["time"]
        require(identity not in self.ids, "E_AUDIT_REPLAY")
        self.ids.add(identity)

    def entries(self) -> None:
        """1. Entries. One that fails a question of its own is bad, also when only its leaf is told."""
        for place, line in enumerate(self.journal.entries):
            code = ""
            leaf_right = self.tree.levels[0][place] == line.leaf
            if not self.bad and (place == 0 or self.genesis is not None):
                try:
                    self._fold(place, line, leaf_right)
                except Refusal as refusal:
                    code = refusal.code
            self.bad = self.bad or bool(code)
            if not leaf_right:
                code, self.leaf_wrong = LEAF, True
            if code:
                self.report.add(f"entry {place}", code)
        if not self.journal.entries:
            self.report.add("journal", "E_LEDGER_EMPTY")

    def root(self, trusted: bytes) -> None:
        """2. ROOT."""
        if self.genesis is not None and self.genesis.root.data != trusted:
            self.report.add("genesis", "E_AUDIT_ROOT")

    def _head(self, data: bytes) -> Envelope:
        """A head with the ledger's signature (ledger/2, "Heads")."""
        assert self.genesis is not None
        head = open_bytes(data, 81)
        auths = [auth for auth in self.genesis.of_role(20) if auth.current(head.fields["time"])]
        network = self.genesis.network
        require(any(head.signed_by(network, auth.algorithm, auth.key) for auth in auths), "E_SIG")
        return head

    def heads(self) -> None:
        """3. Heads."""
        last = -1
        for kept, data in self.journal.heads:
            try:
                fields = self._head(data).fields
                last = size = fields["size"]
                fits = size == kept and size <= self.report.entries and self.tree.root(size) == fields["root"]
                require(fits, "E_AUDIT_HEAD")
                require(self.times.get(size - 1, fields["time"]) == fields["time"], "E_AUDIT_HEAD")
                self.right_heads.setdefault(size, set()).add(fields["time"])
            except Refusal as refusal:
                self.report.add(f"head {kept}", refusal.code)
        if last != self.report.entries:
            self.report.add("journal", "E_AUDIT_UNCOVERED")

    def kept_head(self, data: bytes) -> None:
        """4. The kept head."""
        try:
            fields = self._head(data).fields
            size = fields["size"]
            require(size <= self.report.entries, "E_AUDIT_TAIL")
            require(self.tree.root(size) == fields["root"], "E_AUDIT_FORK")
            require(size in self.right_heads, "E_AUDIT_HEAD_GONE")
            require(fields["time"] in self.right_heads[size], "E_AUDIT_FORK")
        except Refusal as refusal:
            self.report.add("kept head", refusal.code)

    def rows(self) -> None:
        """5. State, and 6. Supply, where they are asked."""
        if self.bad or (self.leaf_wrong and self.report.entries not in self.right_heads):
            return
        if self.journal.has_state:
            for subject in _differences(self.state.rows(), self.journal.state):
                self.report.add(subject, "E_AUDIT_STATE")
            for subject in _differences(self.state.owners(), self.journal.owners):
                self.report.add(subject, "E_AUDIT_OWNER")
        issued, redeemed, held = self.state.supply()
        counted = self.state.count()
        if counted != held or sum(counted.values()) != issued - redeemed:
            self.report.add("supply", "E_AUDIT_CONSERVATION")

    def finish(self) -> Report:
        """The amounts after the last entry whose changes were made."""
        self.report.issued, self.report.redeemed, self.report.held = self.state.supply()
        return self.report


def _differences(right: Rows, found: Rows) -> Iterator[str]:
    """The subjects of the rows that differ, in ascending order of their keys."""
    wanted, seen = dict(right), dict[bytes, bytes]()
    wrong = set()
    for key, value in found:
        if key in seen or wanted.get(key) != value:
            wrong.add(key)
        seen[key] = value
    wrong |= wanted.keys() - seen.keys()
    for key in sorted(wrong):
        yield f"{_KINDS.get(key[0] if key else 0, 'unknown')} {key[1:].hex()}"


def audit(lines: Iterable[str], *, kept_head: bytes | None = None, root: bytes | None = None) -> Report:
    """Audit a journal as a file. Refuses with E_JOURNAL_FILE what is no such file."""
    work = _Audit(read_journal(lines))
    work.entries()
    if work.genesis is not None:
        if root is not None:
            work.root(root)
        work.heads()
        if kept_head is not None:
            work.kept_head(kept_head)
        work.rows()
    return work.finish()
