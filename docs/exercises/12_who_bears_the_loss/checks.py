"""What the grader asks: shares beside the product's, measures beside a run of its own, the facts of an argument.

Whether an argument is good, a teacher judges. Asked here is only what can be counted: that its figures are the measured
ones, that who it says is worse off is worse off, and that it says what it chose.
"""

import random
import re
from collections.abc import Mapping

from careless import Office, branch_id
from fork_trees import Fork, ForkMaker
from loss_town import MEASURES, OFFERED, PARTIES, Town

from wallets.exercises.asking import need
from wallets.exercises.line import Student

FEWEST_FIGURES = 4
FEWEST_WORDS, FEWEST_LIMIT_WORDS = 60, 8
SMALL = 999
Table = dict[str, dict[str, int]]


def _tiyn(value: object) -> bool:
    return type(value) is int


# --- part 1 ---


def test_off_balance(student: Student, seed: int) -> None:
    """Shares that are rounded one by one are not what there was."""
    office = Office(seed)
    answer = student.off_balance(office)
    fits = (
        isinstance(answer, tuple)
        and len(answer) == 2
        and all(isinstance(one, tuple) and len(one) == 2 and all(map(_tiyn, one)) for one in answer)
    )
    need(fits, "no_two_pairs", answer=repr(answer)[:80])
    for value_tiyn, branches in answer:
        inside = office.least_tiyn <= value_tiyn <= office.most_tiyn and 2 <= branches <= office.most_branches
        need(inside, "out_of_bounds", value=value_tiyn, branches=branches)
    off = [sum(office.pro_rata(value, branches)) - value for value, branches in answer]
    student.note("5.11", f"made {off[0]} tiyn, lost {-off[1]} tiyn")
    most, least = _most_off(office)
    need(off[0] == most, "makes_less", made=off[0], most=most)
    need(off[1] == least, "loses_less", lost=-off[1], most=-least)


def _most_off(office: Office) -> tuple[int, int]:
    offs = [
        sum(office.pro_rata(office.least_tiyn + more, branches)) - office.least_tiyn - more
        for branches in range(2, office.most_branches + 1)
        for more in range(branches)
    ]
    return max(offs), min(offs)


def test_grind(student: Student, seed: int) -> None:
    """A lot that can be computed beforehand is no lot; with the beacon of a later day the same branch is blind."""
    for number in range(5):  # one reference may win by luck, five do not
        office = Office(seed + number)
        reference = student.grind(office)
        need(
            isinstance(reference, bytes) and len(reference) == 32, "no_reference", answer=repr(reference)[:80]
        )
        mine = branch_id(office.friend, reference)
        need(office.draw([*office.honest, mine]) == mine, "another_branch_wins", count=len(office.honest))
    chance = random.Random(seed)
    fork = ForkMaker(seed, "grind").fork(office.value_tiyn, len(office.honest) + 1, 0)
    wins = [fork.drawn(chance.randbytes(32)) for _ in range(64)]
    most = max(wins.count(branch) for branch in fork.conflict.transfers)
    assert most < 50, "no branch wins on most days of the product's beacon"
    student.note("5.11", f"under 64 beacons of the product the luckiest branch wins {most} times")


def test_dilute(student: Student, seed: int) -> None:
    """Equal shares of branches are not equal shares of people."""
    office = Office(seed)
    answer = student.dilute(office)
    need(_tiyn(answer) and answer >= 1, "no_number", answer=repr(answer)[:80])
    need(answer < 10_000, "too_many", count=answer)
    kept = office.value_tiyn // (answer + 1)
    need(kept <= office.target_tiyn, "shop_keeps_more", kept=kept, target=office.target_tiyn)
    need(answer == 1 or office.value_tiyn // answer > office.target_tiyn, "fewer_would_do", count=answer)
    fork = ForkMaker(seed, "dilute").fork(office.value_tiyn, min(answer, 30) + 1, 0)
    paid = fork.decided("PRO_RATA", b"")["paid"]
    assert sum(paid.values()) == office.value_tiyn  # type: ignore[attr-defined]
    student.note("R28", f"the shop keeps {kept} of {office.value_tiyn} tiyn; under WATERFALL all of it")


def test_let_the_bank_pay(student: Student, seed: int) -> None:
    """Who pays last is not who pays most: behaviour decides which step of the waterfall the loss reaches."""
    office = Office(seed)
    answer = student.let_the_bank_pay(office)
    need(
        isinstance(answer, tuple) and len(answer) == 3 and all(map(_tiyn, answer)),
        "no_plan",
        answer=repr(answer)[:80],
    )
    device, online, branches = answer
    inside = 0 <= device <= office.device_tiyn and 0 <= online <= office.online_tiyn
    need(inside and 2 <= branches <= office.most_branches, "no_plan", answer=repr(answer)[:80])
    loss = (branches - 1) * office.value_tiyn
    borne = _waterfall(loss, device, online, office.max_out_tiyn, office.caps_permille)
    student.note("WATERFALL", f"{loss} tiyn: {borne}")
    for party in ("device", "owner", "reserve"):
        need(not borne[party], "another_pays_too", party=party, tiyn=borne[party])
    cap = office.max_out_tiyn * office.caps_permille[1] // 1_000
    most = min(office.most_branches, cap // office.value_tiyn + 1)
    need(branches == most, "bank_could_pay_more", branches=branches, most=most)


def _waterfall(loss: int, device: int, owner: int, most: int, caps: tuple[int, int]) -> dict[str, int]:
    """Who bears a loss under WATERFALL (5.11)."""
    right, left = dict.fromkeys(PARTIES, 0), loss
    for party, has in (
        ("device", device),
        ("owner", min(owner, most * caps[0] // 1_000)),
        ("bank", most * caps[1] // 1_000),
        ("reserve", loss),
    ):
        right[party] = min(left, has)
        left -= right[party]
    return right


# --- part 2 ---


def test_in_proportion(student: Student, seed: int) -> None:
    """Whole tiyn, exactly, and the broken ones where they were said to go."""
    from offline.shares import apportion

    chance = random.Random(seed)
    cases = [(0, [5, 3]), (7, [0, 7, 0]), (8, [3, 3, 2]), (1, [1, 1, 1]), (0, [])]
    for _ in range(25):
        weights = [chance.choice((0, 1, chance.randrange(1, 90_000))) for _ in range(chance.randrange(1, 8))]
        cases.append((chance.randrange(sum(weights) + 1), weights))
    chance.shuffle(cases)
    for amount_tiyn, weights in cases:
        said, right = student.in_proportion(amount_tiyn, weights), apportion(amount_tiyn, weights)
        need(isinstance(said, list | tuple) and all(map(_tiyn, said)), "no_shares", answer=repr(said)[:80])
        need(sum(said) == amount_tiyn, "shares_sum", found=sum(said), right=amount_tiyn)
        need(list(said) == right, "shares_differ", amount=amount_tiyn, weights=weights, said=list(said))


def _compare(student: Student, said: object, fork: Fork, right: dict[str, object], rule: str) -> None:
    """The student's shares of a fork beside the product's."""
    parts = ("paid", "device_tiyn", "payees_tiyn")
    fits = isinstance(said, dict) and set(said) >= set(parts) and isinstance(said["paid"], dict)
    need(fits, "no_decision", answer=repr(said)[:80])
    assert isinstance(said, dict)
    branches = len(fork.told["branches"])  # type: ignore[arg-type]
    student.note(rule, f"{branches} branches of {fork.told['value_tiyn']} tiyn")
    paid, wanted = said["paid"], right["paid"]
    assert isinstance(wanted, dict)
    need(set(paid) <= set(wanted) and all(map(_tiyn, paid.values())), "no_decision", answer=repr(said)[:80])
    there = int(fork.told["value_tiyn"]) + int(right["device_tiyn"])  # type: ignore[call-overload]
    need(sum(paid.values()) == there, "not_conserved", found=sum(paid.values()), right=there)
    for end in sorted(wanted):
        found = paid.get(end, 0)
        need(found == wanted[end], "end_differs", name=fork.names[end], found=found, right=wanted[end])
    for part in parts[1:]:
        need(said[part] == right[part], "part_differs", part=part, found=said[part], right=right[part])


def test_pro_rata(student: Student, seed: int) -> None:
    """Equal shares of branches, to the tiyn, as the product decides them at close."""
    for fork in ForkMaker(seed, "pro rata").forks(12):
        _compare(student, student.pro_rata(fork.told), fork, fork.decided("PRO_RATA", b""), "PRO_RATA")


def test_lottery(student: Student, seed: int) -> None:
    """One branch by the beacon, as the product draws it."""
    chance = random.Random(seed)
    for fork in ForkMaker(seed, "lottery").forks(10):
        beacon = chance.randbytes(32)
        right = fork.decided("LOTTERY", beacon)
        _compare(student, student.lottery(fork.told, beacon), fork, right, "LOTTERY")


def test_waterfall(student: Student, seed: int) -> None:
    """Each pays what it has, up to its cap, in its turn; nothing is left over and nothing paid twice."""
    chance = random.Random(seed)
    for _ in range(30):
        loss, device, owner = (chance.choice((0, chance.randrange(1_000_000))) for _ in range(3))
        most, caps = chance.randrange(300_000), (chance.randrange(3_000), chance.randrange(3_000))
        said = student.waterfall(loss, device, owner, most, caps)
        right = _waterfall(loss, device, owner, most, caps)
        need(isinstance(said, dict) and set(said) >= set(PARTIES), "no_parties", answer=repr(said)[:80])
        need(sum(said[party] for party in PARTIES) == loss, "loss_not_borne", loss=loss)
        for party in PARTIES:
            found = said[party]
            need(found == right[party], "party_differs", party=party, found=found, right=right[party])
        student.note("WATERFALL", f"{loss} tiyn: {right}")


# --- part 3 ---


def _measured(town: Town) -> Table:
    return {policy: town.measure(policy) for policy in town.policies}


def test_measured(student: Student, seed: int) -> None:
    """The table is what the laboratory gives for this town, run here again."""
    town = Town(seed)
    right = _measured(town)
    said = student.measured(town)
    need(isinstance(said, dict) and set(said) == set(right), "other_policies", answer=repr(said)[:80])
    for policy, row in right.items():
        need(isinstance(said[policy], dict), "other_policies", answer=repr(said)[:80])
        for measure in MEASURES:
            found = said[policy].get(measure)
            need(
                found == row[measure],
                "measured_otherwise",
                policy=policy,
                measure=measure,
                found=found,
                right=row[measure],
            )
    student.note("laboratory", "the same bytes from the same seed")


def _made_up(chance: random.Random) -> Table:
    """A table that no town gave, with equal rows now and then."""
    policies = chance.sample(OFFERED, chance.randrange(2, len(OFFERED) + 1))
    few = [chance.randrange(-200_000, 400_000) for _ in range(2)]
    return {
        policy: {
            "loss_tiyn": 900_000,
            **{f"{party}_tiyn": chance.choice((0, chance.randrange(500_000))) for party in PARTIES},
            "payees_tiyn": chance.choice((0, chance.randrange(90_000))),
            "ring_gain_tiyn": chance.choice((*few, chance.randrange(400_000))),
            "denied_people": chance.randrange(4),
        }
        for policy in policies
    }


def test_who_gains(student: Student, seed: int) -> None:
    """The policies that the ring likes best, and those under which honest payees lose least; all of them."""
    chance = random.Random(seed)
    tables = [_made_up(chance) for _ in range(12)]
    tables.append(_measured(Town(seed)))
    below = _made_up(chance)
    below[min(below)]["ring_gain_tiyn"] = -500_000
    chance.shuffle(tables)
    tables.append(below)
    for table in tables:
        most = max(row["ring_gain_tiyn"] for row in table.values())
        least = min(row["payees_tiyn"] for row in table.values())
        right = (
            sorted(name for name, row in table.items() if row["ring_gain_tiyn"] == most),
            sorted(name for name, row in table.items() if row["payees_tiyn"] == least),
        )
        said = student.who_gains(table)
        fits = isinstance(said, tuple) and len(said) == 2
        need(fits and [list(one) for one in said] == list(right), "gains_differ", said=said, right=right)


def test_argument(student: Student, seed: int) -> None:
    """The facts of an argument; its reasoning is for a teacher."""
    table = _measured(Town(seed))
    said = student.argument(table)
    need(isinstance(said, dict), "no_argument", answer=repr(said)[:80])
    _judge_argument(said, table)
    student.note("teacher", str(said["text"])[:2_000])
    # What holds in this town may not hold in another: the function must have read the table.
    chance = random.Random(seed)
    for _ in range(3):
        other = _made_up(chance)
        if _can_be_argued(other):
            _judge_argument(student.argument(other), other)


def _can_be_argued(table: Table) -> bool:
    """Whether somebody bears more under one policy than under another, whichever is chosen."""
    return all(
        any(row[f"{party}_tiyn"] > other[f"{party}_tiyn"] for other in table.values() for party in PARTIES)
        for row in table.values()
    )


def _judge_argument(said: Mapping[str, object], table: Table) -> None:
    keys = {"policy", "figures", "worse_off", "limit", "text"}
    need(isinstance(said, dict) and keys <= set(said), "no_argument", answer=repr(said)[:80])
    policy, figures, worse, limit, text = (
        said[key] for key in ("policy", "figures", "worse_off", "limit", "text")
    )
    need(policy in table, "policy_not_of_the_table", policy=policy)
    need(isinstance(text, str) and isinstance(limit, str), "no_argument", answer=repr(said)[:80])
    assert isinstance(text, str)
    assert isinstance(limit, str)
    cells = _cells(figures, table)
    fits = isinstance(worse, tuple) and len(worse) == 2 and worse[0] in PARTIES and worse[1] in table
    need(fits, "no_worse_off", answer=repr(worse)[:80])
    assert isinstance(worse, tuple)
    party, other = worse
    mine, theirs = (table[str(name)][f"{party}_tiyn"] for name in (policy, other))
    need(mine > theirs, "not_worse_off", party=party, policy=policy, other=other, mine=mine, theirs=theirs)
    need(len(limit.split()) >= FEWEST_LIMIT_WORDS, "limit_too_short", count=len(limit.split()))
    words = text.split()
    need(len(words) >= FEWEST_WORDS, "text_too_short", count=len(words), fewest=FEWEST_WORDS)
    need(len({word.lower() for word in words}) >= FEWEST_WORDS // 2, "text_repeats")
    for name in (policy, other, party):
        need(str(name) in text, "text_does_not_name", name=name)
    numbers = {int(one) for one in re.findall(r"-?\d+", text)} | {
        int(one) for one in re.findall(r"\d+", text)
    }
    for value in cells:
        need(value in numbers, "figure_not_in_text", value=value)
    known = {abs(value) for row in table.values() for value in row.values()}
    stray = [one for one in numbers if abs(one) > SMALL and abs(one) not in known]
    need(not stray, "number_not_measured", value=stray[:1])


def _cells(figures: object, table: Table) -> list[int]:
    """The values of the figures, all of them truly in the table."""
    need(isinstance(figures, list | tuple), "no_figures", answer=repr(figures)[:80])
    assert isinstance(figures, list | tuple)
    for one in figures:
        fits = isinstance(one, tuple) and len(one) == 3 and one[0] in table and one[1] in MEASURES
        need(fits, "no_figures", answer=repr(one)[:80])
        policy, measure, value = one
        need(
            value == table[policy][measure],
            "figure_not_measured",
            policy=policy,
            measure=measure,
            value=value,
        )
    cells = {(one[0], one[1]) for one in figures}
    need(len(cells) >= FEWEST_FIGURES, "too_few_figures", count=len(cells), fewest=FEWEST_FIGURES)
    need(len({one[0] for one in cells}) >= 2, "figures_of_one_policy")
    return [one[2] for one in figures]
