"""The desk of the supervisor and the auditor: alerts, figures over time, freezes in force, conservation.

It reads the journal and writes nothing: whoever wants something done about an alert asks the National Bank or the
enforcement authority. It sees keys, pseudonyms, amounts and marks, and no name of a person. Audits and the comparison
of signed heads stand in `wallets.site.roles.supervisor_audit`.
"""

import datetime
from collections import Counter
from collections.abc import Mapping
from typing import Any

from cbdc.accounts import CIRCULATION
from cbdc.supervision import Alert, Figures
from cbdc.system import System
from cbdc.token import HOLDER_CLASSES, TokenId
from wallets.site.following import Act, Following, following
from wallets.site.operations import N_, Asked, Json, Operation, Query
from wallets.site.roles.watching import KINDS, LINES, bank_title, mark_row, page_of, paged, party
from wallets.site.users import SUPERVISOR_ROLE as ROLE

ALERTS: Mapping[str, str] = {
    "large payment": N_("Large payment"),
    "freeze": N_("Freeze"),
    "freeze lifted": N_("Freeze lifted"),
    "seizure": N_("Seizure"),
    "offline loss": N_("Loss of offline money"),
    "mark returned": N_("Marked money returned"),
    "recovery": N_("Lost key recovered"),
    "handover": N_("Customer handed over to another bank"),
    "request refused": N_("Request refused"),
    "does not add up": N_("Money that does not add up"),
}
_STEPS_TENGE = (0, 1_000, 10_000, 50_000, 100_000, 500_000, 1_000_000)
_HOUR, _DAY = 3_600, 86_400
_MOST_BUCKETS = 60
_LOOKS = 5
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - local days, counted from the offset


def home(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Alerts, newest first, and whether three independent counts of the supply agree."""
    system = asked.world.system
    supervisor = system.supervisor
    figures, problems = _compared(system)
    alerts = problems + list(reversed(supervisor.alerts()))
    page, pages, first = page_of(arguments, len(alerts))
    return {
        **paged((_alert(row) for row in alerts[first : first + 25]), page, pages),
        "alerts": len(alerts),
        "agree": not problems,
        "entries": figures.entries,
        "payments": figures.payments,
        "paid_tiyn": figures.paid_tiyn,
        "outstanding_tiyn": figures.outstanding_tiyn,
        "offline_tiyn": figures.held_tiyn["escrow"],
        "frozen": len(figures.frozen),
    }


def _compared(system: System) -> tuple[Figures, list[Alert]]:
    """The supervisor's figures, and what does not add up in them.

    Payments do not wait for desks, so the ledger's table may be one payment ahead of what was read: then all is read
    once more, and again while payments come faster than they are counted, a few times.
    """
    looks = 0
    while True:
        figures, looks = system.supervisor.read(), looks + 1
        problems = system.supervisor.check(system.ledger.supply(), system.books.balance(CIRCULATION))
        if not problems or system.ledger.size == figures.entries or looks == _LOOKS:
            return figures, problems


def _alert(row: Alert) -> Json:
    return {**row._asdict(), "subject": row.subject.hex(), "title": ALERTS.get(row.kind, row.kind)}


# --- figures over time ---


def figures(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Payments, volumes, supply and offline money over time, by bank and by mark, and how holdings are spread."""
    system = asked.world.system
    book = following(system)
    found = system.supervisor.read()
    series = over_time(book, system.genesis.policy.day_offset_seconds)
    return {
        **series,
        "by_bank": [
            {
                "bank": bank_title(system, number) or "—",
                "held_tiyn": amount,
                "sold_tiyn": found.sold_by_bank_tiyn[number],
                "bought_tiyn": found.bought_by_bank_tiyn[number],
            }
            for number, amount in sorted(found.held_by_bank_tiyn.items())
        ],
        "kinds": [
            {"title": KINDS[name], "count": count} for name, count in sorted(found.transactions.items())
        ],
        "marks": [
            {
                **mark_row(book, mark),
                "came_tiyn": row.came_tiyn,
                "went_tiyn": row.went_tiyn,
                "outstanding_tiyn": row.outstanding_tiyn,
            }
            for mark, row in found.marks.items()
        ],
        "holdings": holdings(book),
        "settled": [{"name": name, "tiyn": amount} for name, amount in sorted(found.settled_tiyn.items())],
    }


def over_time(book: Following, offset_seconds: int) -> Json:
    """Sums by hour or by day, whichever gives a readable row of at most some dozens.

    `points` has for each bucket: its start and local day, payments and their sum in it, and outstanding and offline
    money at its end.
    """
    begin, end = book.lines[0].time, book.lines[-1].time
    seconds = _HOUR if end - begin <= 2 * _DAY else _DAY
    while (end - begin) // seconds >= _MOST_BUCKETS:
        seconds += _DAY
    points: dict[int, dict[str, Any]] = {}
    outstanding = offline = 0
    for line in book.lines:
        start = (line.time + offset_seconds) // seconds * seconds - offset_seconds
        point = points.setdefault(start, {"time": start, "payments": 0, "paid_tiyn": 0})
        if line.kind == "Issue":
            outstanding += line.amount_tiyn
        elif line.kind == "Redeem":
            outstanding -= line.amount_tiyn
        offline += _moved(book, line.made, "escrow") - _moved(book, line.spent, "escrow")
        payer = book.key(line.payer)
        if line.kind == "Transfer" and payer is not None and payer.line == "wallets":
            paid = _moved(book, line.made, "wallets", but=payer.pseudonym)
            paid += _moved(book, line.made, "treasury")
            point["payments"] += 1 if paid else 0
            point["paid_tiyn"] += paid
        day = _EPOCH + datetime.timedelta(seconds=start + offset_seconds)
        point |= {"day": day.isoformat()[:10], "outstanding_tiyn": outstanding, "offline_tiyn": offline}
    return {"points": list(points.values()), "bucket_seconds": seconds}


def _moved(book: Following, tokens: tuple[TokenId, ...], line: str, but: bytes = b"") -> int:
    total = 0
    for identity in tokens:
        token = book.tokens[identity].token
        holder = book.keys[token.lock.holder]
        if holder.line == line and holder.pseudonym != but:
            total += token.amount_tiyn
    return total


def holdings(book: Following) -> list[Json]:
    """How many wallet holders hold how much: holders and their sum, by steps."""
    held: Counter[bytes] = Counter({key.pseudonym: 0 for key in book.keys.values() if key.line == "wallets"})
    for _, life in book.unspent():
        key = book.keys[life.token.lock.holder]
        if key.line == "wallets":
            held[key.pseudonym] += life.token.amount_tiyn
    rows = []
    bounds = [step * 100 for step in _STEPS_TENGE]
    for place, least in enumerate(bounds):
        most = bounds[place + 1] if place + 1 < len(bounds) else None
        inside = [amount for amount in held.values() if amount >= least and (most is None or amount < most)]
        rows.append(
            {"least_tiyn": least, "below_tiyn": most, "holders": len(inside), "held_tiyn": sum(inside)}
        )
    return rows


# --- freezes and seizures ---


def freezes(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Freezes in force, and every act of enforcement, with the legal reference that stands on the ledger."""
    system = asked.world.system
    book = following(system)
    acts = list(reversed(book.acts))
    page, pages, first = page_of(arguments, len(acts))
    return {
        **paged((_act(asked, book, act) for act in acts[first : first + 25]), page, pages),
        "in_force": [
            {
                **_act(asked, book, act),
                "held_tiyn": system.ledger.holding_tiyn(pseudonym),
            }
            for pseudonym, act in book.frozen.items()
        ],
    }


def _act(asked: Asked, book: Following, act: Act) -> Json:
    keys = book.keys_of(act.subject)
    holder = party(asked.world.system, keys[-1], keys[-1].kid) if keys else None
    return {
        "entry": act.entry,
        "time": act.time,
        "kind": act.kind,
        "title": KINDS[act.kind],
        "subject": act.subject.hex(),
        "holder": holder,
        "amount_tiyn": act.amount_tiyn,
        "reference": act.reference,
    }


# --- conservation ---


def conservation(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Issued less redeemed, and who holds the difference: the ledger's counters beside a count token by token."""
    system = asked.world.system
    book = following(system)
    supply = system.ledger.supply()
    counted: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    unspent = []
    for identity, life in book.unspent():
        line = book.keys[life.token.lock.holder].line
        counted[line] += life.token.amount_tiyn
        tokens[line] += 1
        unspent.append((identity, life))
    issued = sum(line.amount_tiyn for line in book.lines if line.kind == "Issue")
    redeemed = sum(line.amount_tiyn for line in book.lines if line.kind == "Redeem")
    rows = [
        {
            "name": name,
            "title": LINES[name],
            "stated_tiyn": getattr(supply, f"{name}_tiyn"),
            "counted_tiyn": counted[name],
            "tokens": tokens[name],
        }
        for name in HOLDER_CLASSES
    ]
    page, pages, first = page_of(arguments, len(unspent), 50)
    shown = unspent[first : first + 50]
    return {
        "lines": rows,
        "issued_tiyn": supply.issued_tiyn,
        "redeemed_tiyn": supply.redeemed_tiyn,
        "counted_issued_tiyn": issued,
        "counted_redeemed_tiyn": redeemed,
        "outstanding_tiyn": supply.outstanding_tiyn,
        "held_tiyn": supply.held_tiyn,
        "counted_tiyn": sum(counted.values()),
        "circulation_tiyn": system.books.balance(CIRCULATION),
        "ok": supply.outstanding_tiyn == supply.held_tiyn == sum(counted.values()) == issued - redeemed
        and all(row["stated_tiyn"] == row["counted_tiyn"] for row in rows),
        **paged(
            (
                {
                    "id": f"{identity.transaction_id.hex()}:{identity.output}",
                    "amount_tiyn": life.token.amount_tiyn,
                    "mark": mark_row(book, life.token.mark) if life.token.mark else None,
                    "holder": party(system, book.key(life.token.lock.holder), life.token.lock.holder),
                    "made": life.made,
                }
                for identity, life in shown
            ),
            page,
            pages,
        ),
    }


QUERIES = (
    Query(ROLE, "", N_("Alerts"), home),
    Query(ROLE, "figures", N_("Figures"), figures),
    Query(ROLE, "freezes", N_("Freezes and seizures"), freezes),
    Query(ROLE, "conservation", N_("Conservation"), conservation),
)
OPERATIONS: tuple[Operation, ...] = ()
