"""What the second part is about: a mark, its clauses, a payment, and what registers have said. Plain data.

The names follow the product (`docs/marks.md`), so that an answer and the real ledger can be compared word for word.
Amounts are whole tiyn, times are whole seconds.
"""

from typing import NamedTuple

Facts = dict[tuple[str, str, str], "Fact"]
"""What registers say: (register, holder, document) -> Fact. For a licence the document is the empty text."""

Used = dict[tuple[str, str, str], int]
"""What was paid or freed on a fact so far: (register, holder, document) -> tiyn; what is not there is 0."""


class Clause(NamedTuple):
    """One rule. It asks only about payments from `payers` to `payees` (categories; an empty tuple is everybody).

    listed    E_MARK_LISTED unless `register` has a fact about the payee, with the empty document, that stands
    document  E_MARK_DOCUMENT unless a fact of `register` about the payee stands for a document that the payment names;
              E_MARK_DOCUMENT_SUM when the documents that stand have less left than is paid
    cap       E_MARK_CAP when one payment takes more than `value` tiyn
    window    E_MARK_TIME unless value[0] <= now <= value[1]
    drops     never refuses: such a payee gets free money
    release   never refuses a payment: a holder of `payers` may free value[0]/value[1] of what documents prove
    """

    kind: str
    name: str
    payers: tuple[int, ...] = ()
    payees: tuple[int, ...] = ()
    register: str = ""
    value: int | tuple[int, int] = 0


class Mark(NamedTuple):
    """A definition: first and last second, who may pay whom, the most of one payment (0: no cap), and clauses."""

    label: str
    valid_from: int
    valid_until: int
    edges: tuple[tuple[int, tuple[int, ...]], ...]
    cap_tiyn: int
    clauses: tuple[Clause, ...]


class Party(NamedTuple):
    """A holder: name and category."""

    name: str
    category: int


class Payment(NamedTuple):
    """Who pays whom how much marked money, when, on which documents (one may be named twice and counts once)."""

    payer: Party
    payee: Party
    amount_tiyn: int
    now: int
    documents: tuple[str, ...] = ()


class Fact(NamedTuple):
    """What a register says now: up to which sum, until when (the last second counts), and whether it still stands."""

    amount_tiyn: int
    expires: int
    standing: int
