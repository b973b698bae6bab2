"""Which payments a transaction makes in the eyes of marks, and what the ledger looks up to judge them.

A transfer is a list of tokens; a mark judges payments. What counts is who ends with more and who with less: putting in
a coin of one's own makes nobody a payer, and what moves between the keys of one holder is no payment. Free money that
leaves with a mark is a payment under that mark, of the marked part.

Deciding and finding out what a decision needs run the same code: once over the state, once over a list that notes
every look-up and answers nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import NamedTuple

from cbdc.clause import Fact, Party, Payment, fact_id, used_name
from cbdc.ledger.entry import Genesis
from cbdc.ledger.places import Holder, identity
from cbdc.ledger.state import COUNTER, KEY, MARK, RegisteredKey, StateKey, fact_key, token_key
from cbdc.ledger.view import Draft, View, number
from cbdc.marks import MarkDefinition, judge, open_definition
from cbdc.token import KeyLock, Token
from cbdc.transaction import ReleaseMark, SignedTransaction, Transfer

Held = tuple[Token, RegisteredKey]


class Judged(NamedTuple):
    """A payment and the definition of the mark that judges it."""

    definition: MarkDefinition
    payment: Payment


def crowded(payments: Sequence[Judged]) -> Judged | None:
    """The payment that may not stand beside others, or None.

    Lines and documents speak of one payment, and so do clauses: only the issuer that hands money out may pay many at
    once under a definition with clauses, and then without lines and documents. So judging is bounded: one payment, or
    one look for each clause and payee.
    """
    if len(payments) < 2:
        return None
    for item in payments:
        named = item.payment.lines or item.payment.documents
        if item.definition.clauses and (named or not item.payment.marking):
            return item
    return None


class Seen:
    """`cbdc.clause.Known` over a view and what the transaction itself has moved so far."""

    def __init__(self, view: View, draft: Draft) -> None:
        self._view = view
        self._draft = draft

    def fact(self, id: bytes) -> Fact | None:
        """The fact, or None."""
        value = self._view[fact_key(id)]
        assert value is None or isinstance(value, Fact)
        return value

    def used(self, name: bytes) -> int:
        """The counter, with what this transaction adds to it."""
        key = StateKey(COUNTER, name)
        return number(self._view, key) + self._draft.moved[key]


class Wanted:
    """`cbdc.clause.Known` that knows nothing and remembers what it was asked."""

    def __init__(self) -> None:
        self.keys: list[StateKey] = []

    def fact(self, id: bytes) -> Fact | None:
        """None."""
        self.keys.append(fact_key(id))
        return None

    def used(self, name: bytes) -> int:
        """0."""
        self.keys.append(StateKey(COUNTER, name))
        return 0


def flows(spent: Iterable[Held], created: Iterable[Held]) -> Counter[Holder]:
    """What each holder gains (or loses, below zero) in tiyn; who ends as before stands there with 0."""
    flow: Counter[Holder] = Counter()
    for token, holder in spent:
        flow[identity(holder)] -= token.amount_tiyn
    for token, payee in created:
        flow[identity(payee)] += token.amount_tiyn
    return flow


def judged(
    genesis: Genesis,
    definitions: Mapping[bytes, MarkDefinition],
    record: Transfer,
    spent: Sequence[Held],
    created: Sequence[Held],
    vouchers: frozenset[Holder],
    now: int,
) -> Iterator[Judged]:
    """The payments of a transfer whose inputs all have one mark, or none; `vouchers` are the holders who signed it.

    `definitions` are by mark; marks that are not among them judge nothing here.
    """
    mark = spent[0][0].mark
    flow = flows(spent, created)
    spenders = sorted({identity(holder) for _, holder in spent})
    if mark:
        payers = [holder for holder, amount in flow.items() if amount < 0]
        paid = {(mark, holder): amount for holder, amount in flow.items() if amount > 0}
    else:
        payers = spenders
        paid = {}
        for token, payee in created:
            key = (token.mark, identity(payee))
            if token.mark and identity(payee) not in spenders:
                paid[key] = paid.get(key, 0) + token.amount_tiyn
    locks = {token.lock for token, _ in spent}
    for (name, gaining), amount in paid.items():
        definition = definitions.get(name)
        if definition is None:
            continue
        issued = not mark and locks == {KeyLock(definition.issuer)}
        for payer in payers:
            payment = Payment(
                name,
                Party(*payer),
                Party(*gaining),
                amount,
                now,
                record.lines,
                record.documents,
                gaining in vouchers,
                issued,
                genesis.policy.day_offset_seconds,
            )
            yield Judged(definition, payment)


# --- what a decision needs ---


def needed(genesis: Genesis, view: View, transaction: SignedTransaction, now: int) -> list[StateKey]:
    """The facts and counters that marks will ask for; nothing while tokens, holders or definitions are missing."""
    record = transaction.record
    if not isinstance(record, Transfer | ReleaseMark):
        return []
    tokens = _tokens(view, record)
    if not any(token.mark for token in (*tokens, *record.creates)):
        return []
    spent = [(token, view.get(StateKey(KEY, token.lock.holder))) for token in tokens]
    created = [(token, view.get(StateKey(KEY, token.lock.holder))) for token in record.creates]
    held_before = [(token, holder) for token, holder in spent if isinstance(holder, RegisteredKey)]
    held_after = [(token, holder) for token, holder in created if isinstance(holder, RegisteredKey)]
    if len(held_before) != len(record.spends) or len(held_after) != len(created):
        return []
    marks = {token.mark for token, _ in (*held_before, *held_after) if token.mark}
    definitions = {mark: found for mark in marks if (found := _definition(genesis, view, record, mark))}
    if isinstance(record, ReleaseMark):
        # Of several marks or holders nothing is asked: they are refused before.
        holders = {identity(holder) for _, holder in held_before}
        before = {token.mark for token, _ in held_before}
        definition = definitions.get(before.pop()) if len(before) == 1 else None
        if definition is None or len(holders) != 1:
            return []
        return _release_needs(definition, record.documents, held_before[0][1])
    # Only clauses look anything up. This is asked before any signature is verified, so it must cost nobody much.
    asking = {mark: definition for mark, definition in definitions.items() if definition.clauses}
    if not asking or len({token.mark for token, _ in held_before}) != 1:
        return []
    wanted = Wanted()
    payments = judged(genesis, asking, record, held_before, held_after, frozenset(), now)
    first = list(islice(payments, 2))
    if crowded(first) is None:
        for item in chain(first, payments):
            judge(item.definition, item.payment, wanted)
    return wanted.keys


def _tokens(view: View, record: Transfer | ReleaseMark) -> list[Token]:
    found = (view.get(token_key(one)) for one in record.spends)
    return [token for token in found if isinstance(token, Token)]


def _definition(
    genesis: Genesis, view: View, record: Transfer | ReleaseMark, mark: bytes
) -> MarkDefinition | None:
    envelope = view.get(StateKey(MARK, mark))
    if isinstance(envelope, bytes):
        return open_definition(envelope, genesis.network).record
    if isinstance(record, Transfer) and record.definition:
        carried = open_definition(record.definition, genesis.network)
        return carried.record if carried.oid == mark else None
    return None


def _release_needs(
    definition: MarkDefinition, documents: tuple[bytes, ...], holder: RegisteredKey
) -> list[StateKey]:
    keys: list[StateKey] = []
    for clause in definition.releases:
        for document in documents:
            fact = fact_id(clause.register, clause.fact_kind, holder.pseudonym, b"", document)
            keys += (fact_key(fact), StateKey(COUNTER, used_name(fact)))
    return keys
