"""The states of the model: what two payments, three devices and settlement remember.

The fields of a payment p (payer, payee, the coin it spends; its coin p goes to the payee, its change stays):

    INV     0 not asked for, 1 open in the payee's element, 2 accepted, 3 open no more
    EPOCH   the time when the invoice was made; it has expired when time is later
    SHOWN   whether the invoice left the payee
    IVROW   whether the payee's host keeps the invoice, and settlement does not have it yet
    OUT     0 not paid, 1 in the outbox of the payer's element, 2 let go after an acknowledgement
    PROW    whether the payer's host keeps the message (of no interest once OUT is 2)
    NET     whether the message has been let out: from then on anybody may have it
    INROW   payee's host: 0 nothing, 1 the message kept and no receipt, 2 both, and settlement does not have it yet
    INBOX   whether the payee's host has set the message aside, and settlement does not have it yet

and of a device: whether its power is off, its open statement, which coins its element holds, which lines its host has.
What a host keeps is told only as long as it can still matter: rows that settlement has are as good as gone.

Source: DTO/1, sections 5.7, 5.8 and 5.9.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

NAMES = "ABC"


@dataclass(frozen=True)
class Payment:
    """Who pays whom with which coin: a note ("n0"), what payment 0 brought ("0"), or its change ("0c")."""

    payer: int
    payee: int
    coin: str
    value: int = 1


@dataclass(frozen=True)
class Scenario:
    """A topology: notes as (owner, value), two payments, and which mishaps are played.

    `alone` lets a statement arrive without the rest of its batch.
    """

    name: str
    notes: tuple[tuple[int, int], ...]
    payments: tuple[Payment, ...]
    crashes: bool = True
    wipes: int = 0
    late: bool = True
    alone: bool = False
    syncers: tuple[int, ...] = (0, 1, 2)

    @property
    def total(self) -> int:
        return sum(value for _, value in self.notes)


@dataclass(frozen=True)
class Rules:
    """The rules of the protocol; False takes one out."""

    accept_consumes_invoice: bool = True
    claim_needs_cancelling_statement: bool = True
    claim_needs_complete_log: bool = True
    claim_needs_purse_without: bool = True
    sync_cancels_invoices: bool = True
    journal_before_release: bool = True
    outbox_keeps_transfers: bool = True
    outbox_freed_only_when_complete: bool = True


class Statement(NamedTuple):
    """A SYNC_REQ: how many transfers its device had made, which coins it held, which invoices it had issued."""

    counter: int
    purse: frozenset[str]
    issued: frozenset[int]


class P(NamedTuple):
    """One payment's fields; see the module's text."""

    inv: int = 0
    epoch: int = 0
    shown: bool = False
    ivrow: bool = False
    out: int = 0
    prow: bool = False
    net: bool = False
    inrow: int = 0
    inbox: bool = False


class D(NamedTuple):
    """One device: power off, its open statement (None, or with the answer: 0 none, 1 incomplete, 2 complete), ...

    `floor` is the highest time settlement ever signed to it, `held` the coins of its element, `lines` the coins whose
    history its host has, `log` its payments in order. `gathered` are the rows of the first hand-in for its statement,
    which its answer will let go; they are told only where a statement may arrive without them (`Scenario.alone`).
    """

    down: bool = False
    asks: Statement | None = None
    answer: int = 0
    answered_at: int = 0
    floor: int = 0
    held: frozenset[str] = frozenset()
    lines: frozenset[str] = frozenset()
    log: tuple[int, ...] = ()
    gathered: frozenset[tuple[str, int]] | None = None


class State(NamedTuple):
    """Everything; `known` transfers and `invoices` lie at settlement.

    `cancelled[p]` are the counters of those statements there that cancelled the invoice of payment p and whose purse
    did not list its coin: what settlement may credit it by, once the log up to that counter is complete.
    """

    payments: tuple[P, ...]
    devices: tuple[D, ...]
    time: int = 0
    wiped: int = 0
    known: frozenset[int] = frozenset()
    invoices: frozenset[int] = frozenset()
    cancelled: tuple[frozenset[int], ...] = (frozenset(), frozenset())
    claimed: frozenset[int] = frozenset()


Label = tuple[Any, ...]
NONE: frozenset[Any] = frozenset()


def start(scenario: Scenario) -> State:
    """Everybody has its notes, and nothing was said."""
    devices = []
    for place in range(3):
        held = frozenset(f"n{number}" for number, (owner, _) in enumerate(scenario.notes) if owner == place)
        devices.append(D(held=held, lines=held))
    nothing = tuple(NONE for _ in scenario.payments)
    return State(tuple(P() for _ in scenario.payments), tuple(devices), cancelled=nothing)
