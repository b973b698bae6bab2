"""The real judgement for this lab's plain data, and seeded cases for it. Never given to students."""

import hashlib
import random
from dataclasses import dataclass, field

from roadrules import Clause, Fact, Facts, Mark, Party, Payment, Used
from roadworks import CONTRACTOR, OWNER, SHOP, SUBCONTRACTOR, SUPPLIER

from cbdc import clause as real
from cbdc.clauses import Cap, Document, Drops, Listed, Release, Window, parts_of
from cbdc.marks import MarkDefinition, judge, judge_release, uses_of

_KIND = 1
DAY = 86_400
NAMES = ("Asar", "Zhol", "Tulpar", "Sunkar", "Koktem", "Altai", "Ulytau", "Bereke", "Saryarka", "Karatau")
WORDS = ("asphalt", "gravel", "bridge", "signals", "drain", "kerb", "sleepers", "ballast", "culvert")


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest() if text else b""


def _clause(one: Clause) -> real.Clause:
    scope = (one.name, one.payers, one.payees)
    register = _hash(one.register)
    match one.kind, one.value:
        case "listed", _:
            return Listed(*scope, register, _KIND, real.PAYEE)
        case "document", _:
            return Document(*scope, register, _KIND, real.PAYEE)
        case "cap", int(cap_tiyn):
            return Cap(*scope, cap_tiyn)
        case "window", (first, last):
            return Window(*scope, first, last)
        case "drops", _:
            return Drops(*scope)
        case "release", (numerator, denominator):
            return Release(*scope, register, _KIND, numerator, denominator)
    raise AssertionError(one)


def definition(mark: Mark) -> MarkDefinition:
    """The mark as the product writes it."""
    return MarkDefinition(
        _hash("issuer"),
        mark.label,
        1,
        mark.edges,
        0,
        0,
        mark.cap_tiyn,
        mark.valid_from,
        mark.valid_until,
        _hash("return"),
        (),
        b"",
        0,
        tuple(_clause(one) for one in mark.clauses),
    )


class Registers:
    """`cbdc.clause.Known` over this lab's facts."""

    def __init__(self, facts: Facts, used: Used) -> None:
        self.names = {
            real.fact_id(_hash(key[0]), _KIND, _hash(key[1]), b"", _hash(key[2])): key
            for key in (*facts, *used)
        }
        self._facts, self._used = facts, used

    def fact(self, id: bytes) -> real.Fact | None:
        """The fact."""
        found = self._facts.get(self.names.get(id, ("", "", "")))
        return None if found is None else real.Fact(found.amount_tiyn, (), found.expires, found.standing)

    def used(self, name: bytes) -> int:
        """What was used of it."""
        return self._used.get(self.names.get(name.removeprefix(b"used:"), ("", "", "")), 0)

    def back(self, uses: dict[bytes, int]) -> Used:
        """Counters of the product as this lab's."""
        return {self.names[name.removeprefix(b"used:")]: amount for name, amount in uses.items()}


def _findings(mark: Mark, payment: Payment, known: Registers) -> list[real.Finding]:
    payer, payee = (real.Party(_hash(one.name), one.category) for one in payment[:2])
    asked = real.Payment(
        _hash(mark.label),
        payer,
        payee,
        payment.amount_tiyn,
        payment.now,
        documents=tuple(_hash(one) for one in payment.documents),
    )
    return judge(definition(mark), asked, known)


def right_judgement(mark: Mark, payment: Payment, facts: Facts, used: Used) -> list[tuple[str, str]]:
    """What the product finds, rule by rule."""
    return [(one.rule, one.code) for one in _findings(mark, payment, Registers(facts, used))]


def right_uses(mark: Mark, payment: Payment, facts: Facts, used: Used) -> Used:
    """What the product books as used."""
    known = Registers(facts, used)
    found = _findings(mark, payment, known)
    return {} if any(one.code for one in found) else known.back(uses_of(found))


def right_outputs(mark: Mark, payment: Payment, total_tiyn: int) -> list[tuple[str, int, str]]:
    """What the product's ledger asks of the outputs."""
    clauses = tuple(_clause(one) for one in mark.clauses)
    sides = payment.payer.category, payment.payee.category
    arrives = parts_of(clauses, _hash(mark.label), *sides, payment.amount_tiyn)
    label = mark.label if _hash(mark.label) in arrives else ""
    rows = [(payment.payee.name, payment.amount_tiyn, label)]
    rest = total_tiyn - payment.amount_tiyn
    return [*rows, (payment.payer.name, rest, mark.label)] if rest else rows


def right_free(
    mark: Mark,
    holder: Party,
    documents: tuple[str, ...],
    amount_tiyn: int,
    now: int,
    facts: Facts,
    used: Used,
) -> Used | None:
    """What the product's release takes, or None where it refuses."""
    known = Registers(facts, used)
    who = real.Party(_hash(holder.name), holder.category)
    named = tuple(_hash(one) for one in documents)
    found = judge_release(definition(mark), who, named, amount_tiyn, now, known)
    return None if not found or any(one.code for one in found) else known.back(dict(found[-1].uses))


# --- cases ---


@dataclass
class Case:
    """A mark, a payment that is honest in it, and what registers say."""

    mark: Mark
    payment: Payment
    facts: Facts
    used: Used = field(default_factory=dict)

    def given(self) -> tuple[Mark, Payment, Facts, Used]:
        """What an answer gets."""
        return self.mark, self.payment, dict(self.facts), dict(self.used)


class Cases:
    """Seeded marks, payments and their spoilt twins."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.names = self.chance.sample(NAMES, 6)

    def case(self) -> Case:
        """A road's mark, and an honest payment from a contractor or subcontractor on two acts."""
        chance = self.chance
        label, acts, licences, bills, own = (
            f"{word} {chance.randrange(100)}" for word in chance.sample(WORDS, 5)
        )
        first = chance.randrange(1_700_000_000, 1_800_000_000)
        last = first + chance.randrange(100, 700) * DAY
        rules = [
            Clause("document", acts, (), (CONTRACTOR, SUBCONTRACTOR), f"register of {acts}"),
            Clause("listed", licences, (), (SUPPLIER,), f"register of {licences}"),
            Clause("document", bills, (), (SUPPLIER,), f"register of {acts}"),
            Clause("cap", "cap of subs", (SUBCONTRACTOR,), (), value=chance.randrange(80, 90) * 10**8),
            Clause("window", "season", (CONTRACTOR,), (), value=(first + 20 * DAY, last - 20 * DAY)),
            Clause("drops", "the end", (), (SUPPLIER,)),
            Clause(
                "release", own, (SUBCONTRACTOR,), (), f"register of {acts}", (chance.randrange(80, 99), 100)
            ),
        ]
        chance.shuffle(rules)
        edges = (
            (OWNER, (CONTRACTOR,)),
            (CONTRACTOR, (SUBCONTRACTOR, SUPPLIER)),
            (SUBCONTRACTOR, (SUPPLIER,)),
        )
        mark = Mark(label, first, last, edges, chance.randrange(95, 99) * 10**8, tuple(rules))
        sides = chance.choice(
            ((CONTRACTOR, SUBCONTRACTOR), (CONTRACTOR, SUPPLIER), (SUBCONTRACTOR, SUPPLIER))
        )
        payer, payee = (
            Party(name, side) for name, side in zip(chance.sample(self.names, 2), sides, strict=True)
        )
        now = chance.randrange(first + 30 * DAY, last - 30 * DAY)
        amount = chance.randrange(10**8, 70 * 10**8)
        papers = tuple(f"{chance.choice(WORDS)}-{number}" for number in chance.sample(range(1000), 2))
        left = chance.randrange(1, amount)
        used = chance.randrange(1, 10**8)
        facts = {
            (f"register of {acts}", payee.name, papers[0]): Fact(left + used, now + DAY, 1),
            (f"register of {acts}", payee.name, papers[1]): Fact(amount - left + 10**7, now + DAY, 1),
            (f"register of {licences}", payee.name, ""): Fact(1, now + DAY, 1),
        }
        key = (f"register of {acts}", payee.name, papers[0])
        return Case(mark, Payment(payer, payee, amount, now, papers), facts, {key: used})

    def spoilt(self) -> list[tuple[str, Case]]:
        """(story, case): each is an honest case with one thing changed. A story "honest..." is still honest."""
        made = []
        for story, spoil in _SPOILS.items():
            case = self.case()
            spoil(case, self.chance)
            made.append((story, case))
        return made


def _act(case: Case, number: int) -> tuple[str, str, str]:
    return next(key for key in case.facts if key[2] == case.payment.documents[number])


def _licence(case: Case) -> tuple[str, str, str]:
    return next(key for key in case.facts if not key[2])


def _change(case: Case, **changed: object) -> None:
    case.payment = case.payment._replace(**changed)  # type: ignore[arg-type]


def _fact(case: Case, key: tuple[str, str, str], **changed: object) -> None:
    case.facts[key] = case.facts[key]._replace(**changed)  # type: ignore[arg-type]


def _to_supplier(case: Case) -> None:
    _change(case, payee=case.payment.payee._replace(category=SUPPLIER))


def _shop(case: Case, chance: random.Random) -> None:
    _change(case, payee=case.payment.payee._replace(category=SHOP))


def _shop_second_hop(case: Case, chance: random.Random) -> None:
    _shop(case, chance)
    _change(case, payer=case.payment.payer._replace(category=SUBCONTRACTOR))


def _backwards(case: Case, chance: random.Random) -> None:
    _change(case, payer=case.payment.payee, payee=case.payment.payer)


def _own_act(case: Case, chance: random.Random) -> None:
    for number in (0, 1):
        key = _act(case, number)
        case.facts[(case.payment.payee.name, *key[1:])] = case.facts.pop(key)


def _anothers_act(case: Case, chance: random.Random) -> None:
    for number in (0, 1):
        key = _act(case, number)
        case.facts[(key[0], case.payment.payer.name, key[2])] = case.facts.pop(key)


def _firm_of_today(case: Case, chance: random.Random) -> None:
    _to_supplier(case)
    del case.facts[_licence(case)]


def _own_licence(case: Case, chance: random.Random) -> None:
    _to_supplier(case)
    key = _licence(case)
    case.facts[(case.payment.payee.name, *key[1:])] = case.facts.pop(key)


def _licence_back(case: Case, chance: random.Random) -> None:
    _to_supplier(case)
    _fact(case, _licence(case), standing=0)


def _licence_over(case: Case, chance: random.Random) -> None:
    _to_supplier(case)
    _fact(case, _licence(case), expires=case.payment.now - 1)


def _licence_last_second(case: Case, chance: random.Random) -> None:
    _to_supplier(case)
    _fact(case, _licence(case), expires=case.payment.now)


def _used_up(case: Case, chance: random.Random) -> None:
    key = _act(case, 1)
    case.used[key] = case.facts[key].amount_tiyn


def _overused(case: Case, chance: random.Random) -> None:
    key = _act(case, 1)
    case.used[key] = case.facts[key].amount_tiyn + chance.randrange(10**8, 10**9)


def _twice_named(case: Case, chance: random.Random) -> None:
    _change(case, documents=(case.payment.documents[0],) * 9)


def _one_tiyn_more(case: Case, chance: random.Random) -> None:
    left = sum(case.facts[_act(case, one)].amount_tiyn - case.used.get(_act(case, one), 0) for one in (0, 1))
    _change(case, amount_tiyn=left + 1)


def _to_the_tiyn(case: Case, chance: random.Random) -> None:
    _one_tiyn_more(case, chance)
    _change(case, amount_tiyn=case.payment.amount_tiyn - 1)


def _rich(case: Case) -> None:
    for number in (0, 1):
        _fact(case, _act(case, number), amount_tiyn=10**12)


def _over_cap(case: Case, chance: random.Random) -> None:
    _rich(case)
    _change(case, amount_tiyn=case.mark.cap_tiyn + 1)


def _at_the_cap(case: Case, chance: random.Random) -> None:
    _rich(case)
    _to_supplier(case)
    payer = case.payment.payer._replace(category=CONTRACTOR)
    _change(case, payer=payer, amount_tiyn=case.mark.cap_tiyn)


def _honest_overused(case: Case, chance: random.Random) -> None:
    _overused(case, chance)
    _fact(case, _act(case, 0), amount_tiyn=case.payment.amount_tiyn + case.used[_act(case, 0)])
    _change(case, documents=tuple(reversed(case.payment.documents)))


def _sub_over_cap(case: Case, chance: random.Random) -> None:
    _rich(case)
    _to_supplier(case)
    cap = next(one.value for one in case.mark.clauses if one.kind == "cap")
    _change(case, payer=case.payment.payer._replace(category=SUBCONTRACTOR), amount_tiyn=int(cap) + 1)  # type: ignore[arg-type]


def _too_late(case: Case, chance: random.Random) -> None:
    for key in case.facts:
        _fact(case, key, expires=2**40)
    _change(case, now=case.mark.valid_until + 1)


def _out_of_season(case: Case, chance: random.Random) -> None:
    for key in case.facts:
        _fact(case, key, expires=2**40)
    _to_supplier(case)
    late = case.mark.valid_until - chance.randrange(0, 19) * DAY
    _change(case, now=late, payer=case.payment.payer._replace(category=CONTRACTOR))


def _act_back(case: Case, chance: random.Random) -> None:
    _fact(case, _act(case, chance.randrange(2)), standing=0)


def _act_over(case: Case, chance: random.Random) -> None:
    _fact(case, _act(case, chance.randrange(2)), expires=case.payment.now - 1)


def _nothing_named(case: Case, chance: random.Random) -> None:
    _change(case, documents=())


def _other_order(case: Case, chance: random.Random) -> None:
    _change(case, documents=(*reversed(case.payment.documents), "nobody knows it"))


def _everything(case: Case, chance: random.Random) -> None:
    _shop(case, chance)
    case.facts.clear()
    _change(case, now=case.mark.valid_until + 1, amount_tiyn=case.mark.cap_tiyn + 1)


def _two_clauses(case: Case, chance: random.Random) -> None:
    # Two document clauses that look at the same facts: the payment uses them up once.
    _to_supplier(case)
    twin = next(one for one in case.mark.clauses if one.kind == "document" and SUPPLIER in one.payees)
    case.mark = case.mark._replace(clauses=(*case.mark.clauses, twin._replace(name="twin")))


_SPOILS = {
    "honest_order": _other_order,
    "honest_to_the_tiyn": _to_the_tiyn,
    "honest_last_second": _licence_last_second,
    "honest_two_clauses": _two_clauses,
    "honest_at_the_cap": _at_the_cap,
    "honest_overused": _honest_overused,
    "shop": _shop,
    "second_hop": _shop_second_hop,
    "backwards": _backwards,
    "own_act": _own_act,
    "anothers_act": _anothers_act,
    "firm_of_today": _firm_of_today,
    "own_licence": _own_licence,
    "licence_back": _licence_back,
    "licence_over": _licence_over,
    "used_up": _used_up,
    "overused": _overused,
    "named_often": _twice_named,
    "one_tiyn_more": _one_tiyn_more,
    "over_cap": _over_cap,
    "sub_over_cap": _sub_over_cap,
    "too_late": _too_late,
    "out_of_season": _out_of_season,
    "act_back": _act_back,
    "act_over": _act_over,
    "nothing_named": _nothing_named,
    "everything": _everything,
}
