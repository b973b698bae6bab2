"""A solution of divert marked money. Students: this is where the fun ends."""

from roadrules import Clause, Fact, Facts, Mark, Party, Payment, Used
from roadworks import SUPPLIER, Roadworks

Key = tuple[str, str, str]


def _marked(road: Roadworks) -> tuple[int, int]:
    return next((number, tiyn) for number, tiyn, marked in road.coins(road.firm) if marked)


def down_the_chain(road: Roadworks) -> None:
    """Two hops."""
    number, tiyn = _marked(road)
    coin, _ = road.pay(road.firm, road.cousin, [number], tiyn)
    road.pay(road.cousin, road.jeweller, [coin], tiyn)


def with_the_change(road: Roadworks) -> None:
    """One tiyn to the cousin, the rest is change."""
    number, tiyn = _marked(road)
    _, change = road.pay(road.firm, road.cousin, [number], 1)
    road.pay(road.firm, road.jeweller, [change], tiyn - 1)


def by_mixing(road: Roadworks) -> None:
    """The free coin first."""
    number, tiyn = _marked(road)
    first, free = next((one, amount) for one, amount, marked in road.coins(road.firm) if not marked)
    road.pay(road.firm, road.jeweller, [first, number], free + tiyn)


def by_a_refund(road: Roadworks) -> None:
    """There and back."""
    number, tiyn = _marked(road)
    coin, _ = road.pay(road.firm, road.cousin, [number], tiyn)
    road.pay(road.firm, road.jeweller, [road.refund(road.cousin, coin)], tiyn)


def with_an_act_of_your_own(road: Roadworks) -> None:
    """Our own word."""
    number, tiyn = _marked(road)
    free, _ = road.free(road.firm, number, tiyn, road.write_act(road.firm, road.firm, tiyn))
    road.pay(road.firm, road.jeweller, [free], tiyn)


def with_one_act_many_times(road: Roadworks) -> None:
    """Again and again."""
    while road.paid_to_jeweller() < road.wanted_tiyn:
        number, tiyn = _marked(road)
        part = min(tiyn, road.act_tiyn)
        free, _ = road.free(road.firm, number, part, road.act)
        road.pay(road.firm, road.jeweller, [free], part)


def with_a_firm_of_today(road: Roadworks) -> None:
    """A supplier since this morning."""
    number, tiyn = _marked(road)
    road.found("Tomorrow & Co", SUPPLIER)
    free, _ = road.pay(road.firm, "Tomorrow & Co", [number], tiyn)
    road.pay("Tomorrow & Co", road.jeweller, [free], tiyn)


class Refused(Exception):
    """Refused."""


def _covers(one: Clause, payment: Payment) -> bool:
    payers = not one.payers or payment.payer.category in one.payers
    return payers and (not one.payees or payment.payee.category in one.payees)


def _stands(fact: Fact | None, now: int) -> bool:
    return fact is not None and fact.standing == 1 and now <= fact.expires


def _left(one: Clause, payment: Payment, facts: Facts, used: Used) -> dict[Key, int]:
    """What each named document that stands has left."""
    found = {}
    for document in dict.fromkeys(payment.documents):
        key = (one.register, payment.payee.name, document)
        if _stands(facts.get(key), payment.now):
            found[key] = max(0, facts[key].amount_tiyn - used.get(key, 0))
    return found


def _code(one: Clause, payment: Payment, facts: Facts, used: Used) -> str:
    match one.kind, one.value:
        case "listed", _:
            fact = facts.get((one.register, payment.payee.name, ""))
            return "" if _stands(fact, payment.now) else "E_MARK_LISTED"
        case "document", _:
            left = _left(one, payment, facts, used)
            if not left:
                return "E_MARK_DOCUMENT"
            return "" if sum(left.values()) >= payment.amount_tiyn else "E_MARK_DOCUMENT_SUM"
        case "cap", int(cap_tiyn):
            return "E_MARK_CAP" if payment.amount_tiyn > cap_tiyn else ""
        case "window", (first, last):
            return "" if first <= payment.now <= last else "E_MARK_TIME"
    return ""


def judge(mark: Mark, payment: Payment, facts: Facts, used: Used) -> list[tuple[str, str]]:
    """The head, then the clauses."""
    inside = mark.valid_from <= payment.now <= mark.valid_until
    sides = payment.payer.category, payment.payee.category
    allowed = any(sides[0] == payer and sides[1] in payees for payer, payees in mark.edges)
    over = mark.cap_tiyn and payment.amount_tiyn > mark.cap_tiyn
    found = [
        ("time", "" if inside else "E_MARK_TIME"),
        ("edges", "" if allowed else "E_MARK_EDGE"),
        ("cap", "E_MARK_CAP" if over else ""),
    ]
    asked = (one for one in mark.clauses if one.kind not in ("drops", "release"))
    return found + [(one.name, _code(one, payment, facts, used)) for one in asked if _covers(one, payment)]


def uses(mark: Mark, payment: Payment, facts: Facts, used: Used) -> Used:
    """The larger of what two clauses take."""
    taken: Used = {}
    if any(code for _, code in judge(mark, payment, facts, used)):
        return taken
    for one in mark.clauses:
        if one.kind == "document" and _covers(one, payment):
            rest = payment.amount_tiyn
            for key, left in _left(one, payment, facts, used).items():
                part = min(rest, left)
                rest -= part
                if part:
                    taken[key] = max(part, taken.get(key, 0))
    return taken


def outputs(mark: Mark, payment: Payment, coins: list[tuple[int, str]]) -> list[tuple[str, int, str]]:
    """One mark in, the same mark out, except where it ends."""
    total = sum(tiyn for tiyn, _ in coins)
    if any(label != mark.label for _, label in coins) or not 1 <= payment.amount_tiyn <= total:
        raise Refused("not money of this mark, or not enough")
    ends = any(one.kind == "drops" and _covers(one, payment) for one in mark.clauses)
    made = [(payment.payee.name, payment.amount_tiyn, "" if ends else mark.label)]
    if total > payment.amount_tiyn:
        made.append((payment.payer.name, total - payment.amount_tiyn, mark.label))
    return made


def free(
    mark: Mark,
    holder: Party,
    documents: tuple[str, ...],
    amount_tiyn: int,
    now: int,
    facts: Facts,
    used: Used,
) -> Used:
    """Clause by clause, act by act."""
    taken: Used = {}
    rest = amount_tiyn
    for one in mark.clauses:
        if one.kind != "release" or (one.payers and holder.category not in one.payers):
            continue
        numerator, denominator = one.value  # type: ignore[misc]
        for document in dict.fromkeys(documents):
            key = (one.register, holder.name, document)
            if not _stands(facts.get(key), now):
                continue
            allowed = facts[key].amount_tiyn * numerator // denominator
            part = min(rest, max(0, allowed - used.get(key, 0) - taken.get(key, 0)))
            rest -= part
            if part:
                taken[key] = taken.get(key, 0) + part
    if rest:
        raise Refused("the acts prove less")
    return taken


def where_from(book: list[tuple[list[int], list[tuple[int, int]]]], coin: int) -> dict[int, int]:
    """The line of segments, cut from the front."""
    segments: dict[int, list[tuple[int, int]]] = {}
    for spent, made in book:
        line = [one for number in spent for one in segments[number]]
        for number, tiyn in made:
            if not spent:
                segments[number] = [(number, tiyn)]
                continue
            cut: list[tuple[int, int]] = []
            while tiyn:
                source, size = line[0]
                part = min(size, tiyn)
                line[:1] = [(source, size - part)] if size > part else []
                tiyn -= part
                if cut and cut[-1][0] == source:
                    cut[-1] = (source, cut[-1][1] + part)
                else:
                    cut.append((source, part))
            segments[number] = cut
    found: dict[int, int] = {}
    for source, tiyn in segments[coin]:
        found[source] = found.get(source, 0) + tiyn
    return found
