"""What the grader asks: seven ways to the jeweller, and a judge that answers as the real ledger does."""

import random
from collections import Counter

from court import Case, Cases, right_free, right_judgement, right_outputs, right_uses
from roadrules import Clause, Fact, Mark, Party, Payment, Used
from roadworks import CONTRACTOR, OWNER, SHOP, SUBCONTRACTOR, SUPPLIER, Roadworks

from wallets.exercises.asking import need, refusal
from wallets.exercises.labs import Key
from wallets.exercises.line import Raised, Student

# --- part 1 ---


def _diverted(student: Student, seed: int, name: str, trick: str) -> None:
    """The jeweller has enough, and what tricked the clerk was this and nothing else."""
    road = Roadworks(seed)
    getattr(student, name)(road)
    got = road.with_jeweller()
    need(got, "nothing_arrived")
    total = sum(coin.amount_tiyn for coin in got)
    need(total >= road.wanted_tiyn, "too_little", tiyn=total, wanted=road.wanted_tiyn)
    tricks = frozenset().union(*(coin.tricks for coin in got))
    need(tricks == {trick}, "another_trick")


def _product_says(student: Student, seed: int, story: str) -> str:
    """What the real judgement says of that kind of payment: for explain mode, and held to be a refusal."""
    case = dict(Cases(seed).spoilt())[story]
    rule, code = next(pair for pair in right_judgement(*case.given()) if pair[1])
    student.note(code, f"the real judgement, rule {rule}")
    return code


def test_down_the_chain(student: Student, seed: int) -> None:
    _diverted(student, seed, "down_the_chain", "hop")
    assert _product_says(student, seed, "second_hop") == "E_MARK_EDGE"


def test_with_the_change(student: Student, seed: int) -> None:
    _diverted(student, seed, "with_the_change", "change")
    student.note("E_MARK_DROPPED", "G6 of the real ledger: every output has the mark, change included")


def test_by_mixing(student: Student, seed: int) -> None:
    _diverted(student, seed, "by_mixing", "mixing")
    student.note("E_MARK_MIXED", "G6 of the real ledger: the inputs have one mark")


def test_by_a_refund(student: Student, seed: int) -> None:
    _diverted(student, seed, "by_a_refund", "refund")
    assert _product_says(student, seed, "backwards") == "E_MARK_EDGE"


def test_with_an_act_of_your_own(student: Student, seed: int) -> None:
    _diverted(student, seed, "with_an_act_of_your_own", "own_act")
    assert _product_says(student, seed, "own_act") == "E_MARK_DOCUMENT"


def test_with_one_act_many_times(student: Student, seed: int) -> None:
    _diverted(student, seed, "with_one_act_many_times", "twice")
    assert _product_says(student, seed, "used_up") == "E_MARK_DOCUMENT_SUM"


def test_with_a_firm_of_today(student: Student, seed: int) -> None:
    _diverted(student, seed, "with_a_firm_of_today", "new_firm")
    assert _product_says(student, seed, "firm_of_today") == "E_MARK_LISTED"


# --- part 2: judge and uses ---


def _judged(student: Student, case: Case, story: str) -> None:
    right = right_judgement(*case.given())
    said = student.judge(*case.given())
    refused = next((pair for pair in right if pair[1]), ("", ""))
    student.note(refused[1], f"{story}: rule {refused[0]}" if refused[1] else story)
    plain = [tuple(pair) for pair in said] if isinstance(said, list) else said
    need(isinstance(said, list), "findings_form")
    first = next((pair for pair in plain if len(pair) == 2 and pair[1]), ("", ""))
    facts = {"story": Key(f"story.{story}"), "said": str(first), "right": str(refused)}
    need(first == refused, "another_refusal", **facts)
    place = next((one for one, pair in enumerate(right) if plain[one : one + 1] != [pair]), len(right))
    facts |= {"said": str(plain[place : place + 1]), "right": str(right[place : place + 1])}
    need(plain == right, "another_explanation", **facts)


def test_judge(student: Student, seed: int) -> None:
    """Honest payments and their spoilt twins, in an order of chance: the same first refusal, the same whole answer."""
    cases = Cases(seed)
    asked = [*cases.spoilt(), *(("honest", cases.case()) for _ in range(12))]
    cases.chance.shuffle(asked)
    for story, case in asked:
        allowed = not any(code for _, code in right_judgement(*case.given()))
        assert allowed or not story.startswith("honest"), story
        # Now and then chance spoils a payment so little that it is right all the same.
        _judged(student, case, "honest" if allowed else story)


def test_judge_a_strange_mark(student: Student, seed: int) -> None:
    """Clauses of any order, scope and number: what is written in the mark decides, and not the categories' names."""
    chance = random.Random(seed)
    for _ in range(40):
        _judged(student, _strange(chance), "strange")


def _strange(chance: random.Random) -> Case:
    sides = chance.sample(range(1, 200), 3)  # 201, the treasury, has a rule of its own in the product
    registers = [f"r{chance.randrange(100)}" for _ in range(2)]
    documents = [f"d{number}" for number in range(4)]

    def scope() -> tuple[int, ...]:
        return tuple(chance.sample(sides, chance.randrange(3)))

    def rule(number: int) -> Clause:
        kind = chance.choice(("listed", "document", "cap", "window", "drops", "release"))
        value = {"cap": chance.randrange(1, 200), "window": (chance.randrange(50), 60), "release": (1, 2)}
        payees = () if kind == "release" else scope()
        return Clause(kind, f"{kind} {number}", scope(), payees, chance.choice(registers), value.get(kind, 0))

    rules = tuple(rule(number) for number in range(chance.randrange(9)))
    edges = tuple((one, tuple(chance.sample(sides, chance.randrange(4)))) for one in [*sides, sides[0]])
    mark = Mark("strange", chance.randrange(20), 80, edges, chance.choice((0, 0, 100)), rules)
    payer, payee = Party("payer", chance.choice(sides)), Party("payee", chance.choice(sides))
    named = tuple(chance.choice(documents) for _ in range(chance.randrange(5)))
    edges_of_time = [moment for one in rules if one.kind == "window" for moment in one.value]  # type: ignore[union-attr]
    moments = [chance.randrange(10, 90), *edges_of_time, *(moment + 1 for moment in edges_of_time), 80, 81]
    payment = Payment(payer, payee, chance.randrange(1, 120), chance.choice(moments), named)
    keys = [
        (register, who, one)
        for who in ("payee", "payer")
        for register in registers
        for one in ["", *documents]
    ]
    facts = {
        key: Fact(chance.randrange(1, 100), chance.randrange(40, 90), int(chance.random() < 0.9))
        for key in keys
    }
    used = {key: chance.randrange(60) for key in chance.sample(keys, 4)}
    kept = {key: fact for key, fact in facts.items() if chance.random() < 0.85}
    return Case(mark, payment, kept, used)


def test_uses(student: Student, seed: int) -> None:
    """What one payment takes; nothing when it is refused."""
    cases = Cases(seed)
    chance = random.Random(seed)
    asked = [*cases.spoilt(), *(("honest", cases.case()) for _ in range(6))]
    asked += [("strange", _strange(chance)) for _ in range(30)]
    chance.shuffle(asked)
    for story, case in asked:
        right = right_uses(*case.given())
        said = student.uses(*case.given())
        need(isinstance(said, dict), "uses_form")
        need(
            said == right,
            "other_uses",
            story=Key(f"story.{story}"),
            said=str(said)[:90],
            right=str(right)[:90],
        )


def test_a_year_of_payments(student: Student, seed: int) -> None:
    """Many payments on the same acts, each after the other: what was used stays used, and no act is paid twice."""
    cases = Cases(seed)
    case, booked, paid = cases.case(), 0, Counter[tuple[str, str, str]]()
    used: Used = {}
    for _ in range(40):
        amount = cases.chance.randrange(1, case.payment.amount_tiyn // 6)
        payment = case.payment._replace(amount_tiyn=amount)
        right = right_judgement(case.mark, payment, case.facts, used)
        said = student.judge(case.mark, payment, case.facts, used)
        need(
            isinstance(said, list) and [tuple(one) for one in said] == right, "program_judged", number=booked
        )
        taken = student.uses(case.mark, payment, case.facts, used)
        need(taken == right_uses(case.mark, payment, case.facts, used), "program_uses", number=booked)
        for key, tiyn in taken.items():
            paid[key] += tiyn
            used[key] = used.get(key, 0) + tiyn
        booked += bool(taken)
    need(all(paid[key] <= fact.amount_tiyn for key, fact in case.facts.items()), "paid_twice")


# --- part 2: outputs, free, trace ---


def test_outputs(student: Student, seed: int) -> None:
    """Change keeps the mark, a final supplier gets free money, and nothing is mixed."""
    cases = Cases(seed)
    chance = cases.chance
    kinds = ["honest", "honest", "exact", "one_free", "all_free", "another_mark", "too_little", "nothing"] * 3
    chance.shuffle(kinds)
    for kind in kinds:
        case = cases.case()
        label, amount = case.mark.label, case.payment.amount_tiyn
        parts = [chance.randrange(1, amount), amount]
        coins = [(parts[0], label), (amount - parts[0] + chance.randrange(1, 10**9), label)]
        coins += [(chance.randrange(1, 10**6), label) for _ in range(chance.randrange(3))]
        if kind == "exact":
            coins = [(parts[0], label), (amount - parts[0], label)]
        elif kind == "one_free":
            coins[chance.randrange(len(coins))] = (amount, "")
        elif kind == "all_free":
            coins = [(tiyn, "") for tiyn, _ in coins]
        elif kind == "another_mark":
            coins[-1] = (amount, label + " 2")
        elif kind == "too_little":
            coins = [(amount - 1, label)]
        elif kind == "nothing":
            case.payment = case.payment._replace(amount_tiyn=chance.choice((0, -amount)))
        total = sum(tiyn for tiyn, _ in coins)
        story = Key(f"coins.{kind}")
        try:
            said = student.outputs(case.mark, case.payment, coins)
        except Raised as error:
            if not error.is_a("Refused"):
                raise
            need(kind not in ("honest", "exact"), "outputs_refused", story=story)
            continue
        need(kind in ("honest", "exact"), "outputs_allowed", story=story)
        right = right_outputs(case.mark, case.payment, total)
        plain = [tuple(row) for row in said] if isinstance(said, list) else said
        need(plain == right, "other_outputs", story=story, said=str(plain)[:120], right=str(right)[:120])


def test_outputs_of_a_strange_mark(student: Student, seed: int) -> None:
    """Any of several drops clauses, whoever pays whom: what is written in it decides."""
    chance = random.Random(seed)
    freed = Counter[bool]()
    while min(freed[True], freed[False]) < 8:
        case = _strange(chance)
        total = case.payment.amount_tiyn + chance.choice((0, 1, chance.randrange(1, 10**9)))
        right = right_outputs(case.mark, case.payment, total)
        free_now = not right[0][2]
        if freed[free_now] >= 16:
            continue
        freed[free_now] += 1
        said = student.outputs(case.mark, case.payment, [(total, case.mark.label)])
        plain = [tuple(row) for row in said] if isinstance(said, list) else said
        story = Key("coins.strange")
        need(plain == right, "other_outputs", story=story, said=str(plain)[:120], right=str(right)[:120])


def _freeing(chance: random.Random) -> tuple[object, ...]:
    register, holder = f"r{chance.randrange(100)}", Party("Asar", chance.choice((CONTRACTOR, SUBCONTRACTOR)))
    documents = tuple(f"act {chance.randrange(5)}" for _ in range(chance.randrange(1, 5)))
    rules = [
        Clause(
            "release",
            f"rule {number}",
            tuple(chance.sample((CONTRACTOR, SUBCONTRACTOR, OWNER, SHOP), chance.randrange(3))),
            (),
            chance.choice((register, register, "final")),
            (chance.randrange(1, 101), 100),
        )
        for number in range(chance.randrange(4))
    ]
    rules += [Clause("drops", "end", (), (SUPPLIER,)), Clause("cap", "cap", (), (), value=1)]
    chance.shuffle(rules)
    mark = Mark("rail", 0, 10**6, (), 0, tuple(rules))
    now = chance.randrange(10**6)
    keys = [
        (where, who, f"act {number}")
        for where in (register, "final", "Asar")
        for who in ("Asar", "Zhol")
        for number in range(5)
    ]
    facts = {
        key: Fact(
            chance.randrange(1, 10 ** chance.choice((9, 9, 15))),
            now + chance.choice((-1, 0, 50, 50)),
            int(chance.random() < 0.9),
        )
        for key in keys
    }
    facts = {key: fact for key, fact in facts.items() if chance.random() < 0.9}
    used = {key: chance.randrange(1, 3 * 10**8) for key in chance.sample(keys, 8)}
    return mark, holder, documents, 10**15, now, facts, used


def test_free(student: Student, seed: int) -> None:
    """Freed to the last tiyn that acts of the register prove, less the retained share; one tiyn more is refused."""
    chance = random.Random(seed)
    tried = Counter[bool]()
    while min(tried[True], tried[False]) < 15:
        given = _freeing(chance)
        least, most = 0, 9 * 10**15  # the most that the product frees, by halving
        while least < most:
            middle = (least + most + 1) // 2
            if right_free(*given[:3], middle, *given[4:]) is None:  # type: ignore[arg-type]
                most = middle - 1
            else:
                least = middle
        for amount in chance.sample((least, least + 1, max(1, least // 2)), 3):
            if amount < 1:
                continue
            asked = (*given[:3], amount, *given[4:])
            right = right_free(*asked)  # type: ignore[arg-type]
            tried[right is None] += 1
            _freed(student, asked, right)


def _freed(student: Student, asked: tuple[object, ...], right: Used | None) -> None:
    try:
        said = student.free(*asked)
    except Raised as error:
        if not error.is_a("Refused"):
            raise
        need(right is None, "free_refused", tiyn=asked[3], right=str(right)[:90])
        return
    need(right is not None, "freed_too_much", tiyn=asked[3])
    need(said == right, "freed_otherwise", said=str(said)[:90], right=str(right)[:90])


Move = tuple[list[int], list[tuple[int, int]]]


def _book(chance: random.Random, moves: int, scale: int) -> tuple[list[Move], dict[int, list[int]]]:
    """A book, and of each coin where every unit of `scale` tiyn came from, one by one."""
    units: dict[int, list[int]] = {}
    numbers = iter(chance.sample(range(10**6), 4 * moves + 20))
    book: list[Move] = []
    open_coins: list[int] = []
    for place in range(moves):
        made: list[tuple[int, int]] = []
        if place < 2 or chance.random() < min(0.15, 6 / moves):
            number, size = next(numbers), chance.randrange(1, 12)
            units[number] = [number] * size
            book.append(([], [(number, size * scale)]))
            open_coins.append(number)
            continue
        spent = chance.sample(open_coins, min(len(open_coins), chance.randrange(1, 4)))
        line = [unit for number in spent for unit in units[number]]
        while line:
            number, size = next(numbers), chance.randrange(1, len(line) + 1)
            size = len(line) if len(made) == 2 else size
            units[number], line = line[:size], line[size:]
            made.append((number, size * scale))
        open_coins = [one for one in open_coins if one not in spent] + [number for number, _ in made]
        book.append((spent, made))
    return book, units


def _traced(student: Student, book: list[Move], units: dict[int, list[int]], coin: int, scale: int) -> None:
    right = {source: count * scale for source, count in Counter(units[coin]).items()}
    said = student.where_from(book, coin)
    need(isinstance(said, dict), "trace_form")
    need(sum(said.values()) == sum(right.values()), "trace_sum", said=str(said)[:90])
    need(said == right, "traced_otherwise", said=str(said)[:90], right=str(right)[:90])


def test_where_from(student: Student, seed: int) -> None:
    """Every coin of small books, spent ones too: to the tiyn."""
    chance = random.Random(seed)
    for _ in range(4):
        scale = chance.randrange(1, 10**9)
        book, units = _book(chance, 14, scale)
        for coin in chance.sample(sorted(units), min(8, len(units))):
            _traced(student, book, units, coin, scale)


def test_where_from_in_a_long_book(student: Student, seed: int) -> None:
    """Thousands of hops, and amounts nobody counts one by one."""
    chance = random.Random(seed)
    scale = chance.randrange(10**9, 10**10)
    book, units = _book(chance, 3_000, scale)
    for coin in (book[-1][1][-1][0], chance.choice(sorted(units))):
        _traced(student, book, units, coin, scale)


def test_refuses_by_its_own_words(student: Student, seed: int) -> None:
    """Nothing that is not about this holder frees money, whatever the amount."""
    chance = random.Random(seed)
    for _ in range(6):
        mark, holder, documents, _, now, facts, used = _freeing(chance)
        assert isinstance(mark, Mark)
        others = tuple(one._replace(payers=(SHOP,)) for one in mark.clauses)
        asked = (mark._replace(clauses=others), holder, documents, 1, now, facts, used)
        need(refusal(student.free, *asked, kinds=("Refused",)) is not None, "freed_without_a_rule")
