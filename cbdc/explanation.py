"""Explanations: what each rule of a mark found in a transaction, and which guard answered, in words.

The decision and its explanation are one computation: both ask `cbdc.marks.judge` and `judge_release` about the same
payments (`cbdc.ledger.rules_marks.payments_of`). The ledger stops at the first finding that refuses; an explanation
tells all. `explain_transaction` asserts that they agree.
"""

from dataclasses import dataclass
from typing import NamedTuple

from cbdc.clause import Finding, Party
from cbdc.errors import TengeError, by_code, catalogue
from cbdc.ledger.context import Case, create_all, open_case, spend_all
from cbdc.ledger.entry import Genesis
from cbdc.ledger.judgement import Seen, crowded
from cbdc.ledger.places import identity
from cbdc.ledger.rules import decide
from cbdc.ledger.rules_marks import definition_of, learn_definition, payments_of, single_mark
from cbdc.ledger.state import COUNTER, StateKey
from cbdc.ledger.view import View
from cbdc.marks import (
    MarkDefinition,
    judge,
    judge_offline,
    judge_over,
    judge_release,
    judge_time,
    uses_of,
)
from cbdc.money import format_tenge
from cbdc.rule_words import Teller, clause_in_words, explain, rule_in_words
from cbdc.transaction import ExpireMark, LoadOffline, ReleaseMark, SignedTransaction, Transfer

__all__ = [
    "Explanation",
    "Judgement",
    "Teller",
    "clause_in_words",
    "explain",
    "explain_transaction",
    "rule_in_words",
    "told",
]


class Judgement(NamedTuple):
    """What a mark's rules found in one payment (or release, load, return: then the payee is None)."""

    mark: bytes
    label: str
    payer: Party
    payee: Party | None
    amount_tiyn: int
    findings: tuple[Finding, ...]

    @property
    def refusal(self) -> Finding | None:
        """The first finding that refuses, or None."""
        return next((finding for finding in self.findings if finding.code), None)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A transaction judged at a moment: the ledger's answer (None: accepted), and what every rule found."""

    transaction: SignedTransaction
    now: int
    error: TengeError | None
    judgements: tuple[Judgement, ...]

    @property
    def code(self) -> str:
        """The code of the refusal, empty when it is accepted."""
        return "" if self.error is None else self.error.code

    @property
    def guard(self) -> str:
        """The guard that refused, such as G6; empty when it is accepted or was never a transaction."""
        return "" if self.error is None else catalogue()[self.error.code].rule.partition(",")[0]

    @property
    def refusal(self) -> Finding | None:
        """The first finding that refuses, or None."""
        return next((found for item in self.judgements if (found := item.refusal)), None)


def explain_transaction(
    genesis: Genesis, view: View, transaction: SignedTransaction, now: int
) -> Explanation:
    """What the ledger answers at `now`, and what each rule of each mark finds; `view` holds all that `needs` names."""
    error: TengeError | None = None
    try:
        decide(genesis, view, transaction, now)
    except TengeError as refusal:
        error = refusal
    judgements = _judgements(genesis, view, transaction, now)
    explanation = Explanation(transaction, now, error, judgements)
    _assert_agreement(explanation)
    return explanation


def _assert_agreement(explanation: Explanation) -> None:
    """An accepted transaction has no finding that refuses; a refusal that a finding can give is the first one's."""
    found = explanation.refusal
    if explanation.error is None:
        assert found is None, f"accepted, and {found} refuses"
    elif found is not None and found.code == explanation.code:
        facts = by_code(found.code, found.facts).facts
        assert facts == explanation.error.facts, f"{facts} is not {explanation.error.facts}"


def _judgements(
    genesis: Genesis, view: View, transaction: SignedTransaction, now: int
) -> tuple[Judgement, ...]:
    """Empty where the transaction is so wrong that no rule of a mark can be asked."""
    record = transaction.record
    if not isinstance(record, Transfer | ReleaseMark | LoadOffline | ExpireMark):
        return ()
    try:
        case = open_case(genesis, view, transaction, now)
        spend_all(case)
        create_all(case)
        if isinstance(record, Transfer):
            return tuple(_payments(case, record))
        mark = single_mark(case)
        crowd = len({identity(holder) for _, _, holder in case.draft.spent}) > 1
        if crowd and isinstance(record, ReleaseMark):
            # Refused whoever they are, and so nothing of documents was asked (`cbdc.ledger.judgement.needed`).
            return ()
        return (_other(case, record, mark, definition_of(case, mark)),) if mark else ()
    except TengeError:
        return ()


def _payments(case: Case, record: Transfer) -> list[Judgement]:
    if record.definition:
        learn_definition(case, record.definition)
    _, _, payments = payments_of(case, record)
    if crowded(payments):
        return []
    seen = Seen(case.view, case.draft)
    found = []
    for definition, payment in payments:
        findings = judge(definition, payment, seen)
        found.append(
            Judgement(
                payment.mark,
                definition.label,
                payment.payer,
                payment.payee,
                payment.amount_tiyn,
                tuple(findings),
            )
        )
        if found[-1].refusal is None:
            for name, amount in uses_of(findings).items():
                case.draft.moved[StateKey(COUNTER, name)] += amount
    return found


def _other(
    case: Case, record: ReleaseMark | LoadOffline | ExpireMark, mark: bytes, definition: MarkDefinition
) -> Judgement:
    """What a release, a load or a return of marked money is judged by."""
    spent = case.draft.spent
    holder = Party(*identity(spent[0][2]))
    amount = case.draft.spent_tiyn
    if isinstance(record, ReleaseMark):
        amount = sum(token.amount_tiyn for token, _ in case.draft.created if not token.mark)
        seen = Seen(case.view, case.draft)
        findings = judge_release(definition, holder, record.documents, amount, case.now, seen)
    elif isinstance(record, LoadOffline):
        findings = [judge_offline(definition, holder.category), judge_time(definition, case.now)]
    else:
        findings = [judge_over(definition, case.now)]
    return Judgement(mark, definition.label, holder, None, amount, tuple(findings))


def told(
    explanation: Explanation, teller: Teller, entry: int | None = None, known: TengeError | None = None
) -> list[str]:
    """An explanation as lines for a person: what happened, which guard answered, and what each rule found.

    `entry` is where an accepted transaction stands in the journal; `known` the refusal that was given at the time.
    """
    kind = type(explanation.transaction.record).__name__
    error = known or explanation.error
    facts = {"kind": kind, "id": explanation.transaction.id.hex(), "time": teller.moment(explanation.now)}
    lines = [teller.say("told", "refused" if error else "accepted", **facts, entry=entry)]
    if error is not None:
        guard = catalogue()[error.code].rule.partition(",")[0]
        lines.append(teller.say("told", "guard", guard=guard, what=teller.word("guard", guard)))
        lines.append(teller.say("told", "code", code=error.code, sentence=error.sentence(teller.language)))
        lines.append(teller.say("told", "next", next=error.next_step(teller.language)))
    for item in explanation.judgements:
        lines.append(_headline(explanation, item, teller))
        lines += [f"  {line}" for line in explain(item.findings, teller)]
    return lines if explanation.judgements else [*lines, teller.say("told", "no_marks")]


def _headline(explanation: Explanation, item: Judgement, teller: Teller) -> str:
    places = {
        "label": item.label,
        "amount": format_tenge(item.amount_tiyn),
        "payer": _party(item.payer, teller),
    }
    if item.payee is not None:
        return teller.say("told", "payment", **places, payee=_party(item.payee, teller))
    releases = isinstance(explanation.transaction.record, ReleaseMark)
    return teller.say("told", "release" if releases else "other", **places)


def _party(party: Party, teller: Teller) -> str:
    return f"{teller.name(party.pseudonym)} ({teller.categories([party.category])})"
