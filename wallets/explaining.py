"""`tenge explain`: which rule allowed or refused what, with the facts, for anything in a run.

    ID          what it may be
    hex         the beginning of the id of a transaction, of an intent of a wallet, or of a mark
    hex:N       token N of a transaction
    a label     a mark
    refused     every intent that was refused, with its code

The journal is replayed to the state just before the transaction, and judged there again; the ledger's own rules and
`cbdc.explanation` do the judging. A refused intent left no trace in the journal: the wallet kept its signed bytes, its
time and its refusal, and the state at which the ledger gives that very refusal again is the one that is told. Nothing
is written.

Names of holders are those of the run's own wallets; whoever has only the ledger sees keys and pseudonyms.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cbdc import canonical
from cbdc.errors import Refused, TengeError
from cbdc.explanation import Explanation, Judgement, Teller, explain, explain_transaction, rule_in_words, told
from cbdc.ledger.entry import open_entry
from cbdc.ledger.replay import Replay
from cbdc.ledger.sqlite import SqliteStore
from cbdc.ledger.state import KEY, MARK, RegisteredKey, StateKey
from cbdc.ledger.store import EntryRow
from cbdc.marks import open_definition
from cbdc.money import format_tenge
from cbdc.transaction import SignedTransaction, open_transaction
from wallets.auditing import ledger_of
from wallets.store import Intent
from wallets.store_sqlite import read_intents, read_names
from wallets.wallet import open_refusal

REFUSED = "refused"
_HEX = re.compile(r"[0-9a-f]{4,64}")
_TOKEN = re.compile(r"([0-9a-f]{4,64}):(\d{1,3})")
_KEY_LOCK = 1


@dataclass(slots=True)
class Run:
    """A run's folder as it is read: the journal's rows, the marks, the wallets' intents."""

    folder: Path
    store: SqliteStore
    marks: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def wallets(self) -> Path:
        """Where the wallets' rows are."""
        return self.folder / "wallets.sqlite"

    def rows(self, start: int = 0) -> Iterator[EntryRow]:
        """The journal."""
        return self.store.entries(start)

    def replay(self) -> Replay:
        """A replay that stands behind entry 0."""
        return Replay(next(self.rows()))

    def intents(self, prefix: str = "", state: str = "") -> list[Intent]:
        """The wallets' intents, none without wallets."""
        return read_intents(self.wallets, prefix, state) if self.wallets.is_file() else []

    def names(self, replay: Replay) -> dict[bytes, str]:
        """The names of wallets by key id and pseudonym, and the labels of marks."""
        network = replay.genesis.network
        found = {mark: open_definition(data, network).record.label for mark, data in self.marks.items()}
        locks = read_names(self.wallets) if self.wallets.is_file() else {}
        for lock, name in locks.items():
            kind, kid, *_ = canonical.decode_array(lock)
            if kind != _KEY_LOCK or not isinstance(kid, bytes):
                continue
            holder = replay.state[StateKey(KEY, kid)]
            if isinstance(holder, RegisteredKey):
                found |= {kid: name, holder.pseudonym: name}
        return found


def explain_target(name: str, folder: Path, language: str = "en") -> dict[str, Any]:
    """What `name` is in the run in `folder`, explained: what `tenge explain --json` prints; `lines` are for a person.

    Raises E_AUDIT_TARGET when there is no run, E_EXPLAIN_UNKNOWN and E_EXPLAIN_AMBIGUOUS.
    """
    ledger = ledger_of(folder)
    if not ledger.is_file():
        raise Refused("E_AUDIT_TARGET", target=str(folder))
    store = SqliteStore(ledger, read_only=True)
    try:
        marks = {key[1:]: value for key, value in store.state() if key[:1] == bytes([MARK])}
        run = Run(folder, store, {mark: _bytes(value) for mark, value in marks.items()})
        return {"name": name, **_explained(run, name, language)}
    finally:
        store.close()


def _bytes(value: bytes) -> bytes:
    envelope = canonical.decode(value)
    assert isinstance(envelope, bytes)
    return envelope


def _explained(run: Run, name: str, language: str) -> dict[str, Any]:
    if name == REFUSED:
        return _all_refused(run, language)
    kind, found = _find(run, name)
    if kind == "mark":
        return _mark(run, found, language)
    if kind == "token":
        row, output = found
        return _token(run, row, output, language)
    if kind == "transaction":
        return _accepted(run, found, language)
    return _intent(run, found, language)


def _find(run: Run, name: str) -> tuple[str, Any]:
    """What the name means: ("transaction", row), ("token", (row, output)), ("mark", id) or ("intent", intent)."""
    lower = name.lower()
    network = run.replay().genesis.network
    labels = [
        ("mark", mark)
        for mark, data in run.marks.items()
        if open_definition(data, network).record.label == name
    ]
    if labels:
        return _only(name, labels)
    if match := _TOKEN.fullmatch(lower):
        rows = [row for row in run.rows(1) if row.transaction_id.hex().startswith(match[1])]
        return _only(name, [("token", (row, int(match[2]))) for row in rows])
    if not _HEX.fullmatch(lower):
        raise Refused("E_EXPLAIN_UNKNOWN", name=name)
    found: list[tuple[str, Any]] = [("mark", mark) for mark in run.marks if mark.hex().startswith(lower)]
    found += [("intent", intent) for intent in run.intents(lower)]
    found += [("transaction", row) for row in run.rows(1) if row.transaction_id.hex().startswith(lower)]
    return _only(name, found)


def _only(name: str, found: list[tuple[str, Any]]) -> tuple[str, Any]:
    if not found:
        raise Refused("E_EXPLAIN_UNKNOWN", name=name)
    if len(found) > 1:
        several = ", ".join(f"{kind} {_id_of(what).hex()[:16]}" for kind, what in found[:5])
        raise Refused("E_EXPLAIN_AMBIGUOUS", name=name, found=several)
    return found[0]


def _id_of(what: Any) -> bytes:
    if isinstance(what, tuple):
        what = what[0]
    if isinstance(what, EntryRow):
        return what.transaction_id
    return what.id if isinstance(what, Intent) else bytes(what)


def _teller(run: Run, replay: Replay, language: str) -> Teller:
    return Teller(language, run.names(replay), replay.genesis.policy.day_offset_seconds)


def _accepted(run: Run, row: EntryRow, language: str) -> dict[str, Any]:
    """A transaction of the journal, judged at the state just before it."""
    replay = run.replay()
    replay.until(run.rows(1), lambda before: before.size == row.index)
    transaction = open_transaction(_payload(row), replay.genesis.network)
    explanation = explain_transaction(replay.genesis, replay.state, transaction, _time(row))
    teller = _teller(run, replay, language)
    lines = told(explanation, teller, row.index)
    return {**_facts(explanation, teller, "transaction"), "entry": row.index, "lines": lines}


def _payload(row: EntryRow) -> bytes:
    return open_entry(row.data).payload


def _time(row: EntryRow) -> int:
    return open_entry(row.data).time


def _token(run: Run, row: EntryRow, output: int, language: str) -> dict[str, Any]:
    """A token: what it is, who spent it, and the transaction that made it."""
    found = _accepted(run, row, language)
    transaction = open_transaction(_payload(row), run.replay().genesis.network)
    if output >= len(transaction.record.creates):
        raise Refused("E_EXPLAIN_UNKNOWN", name=f"{row.transaction_id.hex()}:{output}")
    token = transaction.record.creates[output]
    teller = _teller(run, run.replay(), language)
    label = teller.name(token.mark) if token.mark else teller.say("told", "no_mark")
    places = {"amount": format_tenge(token.amount_tiyn), "holder": teller.name(token.lock.holder)}
    lines = [
        teller.say("told", "token", id=f"{row.transaction_id.hex()[:12]}:{output}", label=label, **places)
    ]
    spender = _spender(run, row, output)
    if spender is None:
        lines.append(teller.say("told", "token_there"))
    else:
        facts = {"id": spender.transaction_id.hex(), "entry": spender.index}
        lines.append(teller.say("told", "token_spent", **facts))
    more = {
        "amount_tiyn": token.amount_tiyn,
        "mark": token.mark.hex(),
        "spent_by": spender.transaction_id.hex() if spender else "",
    }
    return {**found, "kind": "token", **more, "lines": [*lines, *found["lines"]]}


def _spender(run: Run, row: EntryRow, output: int) -> EntryRow | None:
    network = run.replay().genesis.network
    for later in run.rows(row.index + 1):
        spends = open_transaction(_payload(later), network).record.spends
        if (row.transaction_id, output) in spends:
            return later
    return None


def _mark(run: Run, mark: bytes, language: str) -> dict[str, Any]:
    """A mark's whole rule in words."""
    replay = run.replay()
    definition = open_definition(run.marks[mark], replay.genesis.network).record
    names = _teller(run, replay, language).names
    offset = replay.genesis.policy.day_offset_seconds
    lines = rule_in_words(definition, language, mark, names, offset)
    return {"kind": "mark", "id": mark.hex(), "label": definition.label, "lines": lines}


def _intent(run: Run, intent: Intent, language: str) -> dict[str, Any]:
    """What a wallet wanted: the transaction it became, or why it did not."""
    replay = run.replay()
    transaction = open_transaction(intent.body, replay.genesis.network)
    if intent.state == "refused":
        return _refused(run, intent, transaction, language)
    place = run.store.find([transaction.id]).get(transaction.id)
    if place is not None:
        return {**_accepted(run, next(run.rows(place)), language), "intent": intent.id.hex()}
    teller = _teller(run, replay, language)
    kind = type(transaction.record).__name__
    line = teller.say("told", "unsent", kind=kind, id=transaction.id.hex())
    return {"kind": "intent", "id": intent.id.hex(), "verdict": "waiting", "lines": [line]}


def _refused(run: Run, intent: Intent, transaction: SignedTransaction, language: str) -> dict[str, Any]:
    kept = open_refusal(intent.result)
    asking = _Refusing(run, intent, transaction, kept)
    replay = run.replay()
    found = replay.until(run.rows(1), asking.gives_it)
    if not found:
        # The ledger never said so: an institution or the wallet did, and the ledger is asked in its place.
        replay = run.replay()
        replay.until(run.rows(1), asking.has_come)
    now = max(intent.time, replay.time)
    explanation = explain_transaction(replay.genesis, replay.state, transaction, now)
    teller = _teller(run, replay, language)
    lines = told(explanation, teller, known=kept)
    if not found:
        lines.insert(1, teller.say("told", "elsewhere", code=explanation.code or "-"))
    facts = _facts(explanation, teller, "intent")
    own = {"id": intent.id.hex(), "wallet": intent.wallet, "at_entry": replay.size, "by_ledger": found}
    answer = {"verdict": "refused", "code": kept.code, "guard": kept.rule, "facts": kept.facts}
    ledger = {"ledger_code": explanation.code}
    return {**facts, **answer, **own, **ledger, "transaction": transaction.id.hex(), "lines": lines}


@dataclass(slots=True)
class _Refusing:
    """Whether a replayed state is the one at which an intent was refused."""

    run: Run
    intent: Intent
    transaction: SignedTransaction
    kept: TengeError

    def has_come(self, replay: Replay) -> bool:
        """Whether everything before the intent's time is in."""
        if replay.time >= self.intent.time:
            return True
        following = next(self.run.rows(replay.size), None)
        return following is None or _time(following) >= self.intent.time

    def gives_it(self, replay: Replay) -> bool:
        """Whether the ledger gives the very refusal here that was kept."""
        if not self.has_come(replay):
            return False
        answer = replay.answer(self.transaction, max(self.intent.time, replay.time))
        return answer is not None and _plain(answer) == _plain(self.kept)


def _plain(error: TengeError) -> list[Any]:
    """A refusal as an intent keeps it."""
    plain: list[Any] = json.loads(json.dumps([error.code, error.facts], default=str))
    return plain


def _all_refused(run: Run, language: str) -> dict[str, Any]:
    """Every refused intent in one line each."""
    teller = Teller(language, {}, run.replay().genesis.policy.day_offset_seconds)
    rows, lines = [], []
    for one in run.intents(state=REFUSED):
        error = open_refusal(one.result)
        rows.append({"intent": one.id.hex(), "wallet": one.wallet, "time": one.time, "code": error.code})
        when, what = teller.moment(one.time), error.sentence(language)
        lines.append(f"{one.id.hex()[:16]}  {when}  {one.wallet}  {error.code}  {what}")
    return {"kind": REFUSED, "refused": rows, "lines": lines}


def _facts(explanation: Explanation, teller: Teller, kind: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "id": explanation.transaction.id.hex(),
        "type": type(explanation.transaction.record).__name__,
        "time": explanation.now,
        "verdict": "refused" if explanation.code else "accepted",
        "code": explanation.code,
        "guard": explanation.guard,
        "judgements": [_judgement(item, teller) for item in explanation.judgements],
    }


def _judgement(item: Judgement, teller: Teller) -> dict[str, Any]:
    sentences = explain(item.findings, teller)
    payee = None if item.payee is None else item.payee.pseudonym.hex()
    return {
        "mark": item.mark.hex(),
        "label": item.label,
        "payer": item.payer.pseudonym.hex(),
        "payee": payee,
        "amount_tiyn": item.amount_tiyn,
        "findings": [
            {
                "rule": finding.rule,
                "kind": finding.kind,
                "allows": not finding.code,
                "code": finding.code,
                "facts": finding.facts,
                "sentence": sentence,
            }
            for finding, sentence in zip(item.findings, sentences, strict=True)
        ],
    }
