"""What the grader asks of this exercise. Attacks are played again here; decisions are compared with the product's."""

import random
from itertools import permutations

from road_papers import NOBODY, Case, RoadPapers
from three_roads import CLOSES, Pasture

from wallets.exercises.asking import need
from wallets.exercises.labs import Key
from wallets.exercises.line import Student

PARTS = ("credited", "losses", "guilty")


def test_make_the_shop_lose(student: Student, seed: int) -> None:
    """Whoever synchronises first is paid: so the order is the attack."""
    pasture = Pasture(seed)
    order = student.make_the_shop_lose(pasture)
    need(isinstance(order, list | tuple) and all(isinstance(one, str) for one in order), "no_names")
    need(sorted(order) == sorted(pasture.claimants), "not_each_claimant_once", order=", ".join(order)[:100])
    outcome = pasture.play(order)
    refused, suspects = outcome["refused"], outcome["suspects"]
    assert isinstance(refused, dict)
    assert isinstance(suspects, list)
    student.note("FIRST_SEEN", f"refused {refused}, suspects {suspects}")
    forked = _forked_tiyn(pasture, pasture.victim)
    need(
        refused.get(pasture.victim, 0) == forked,
        "shop_still_paid",
        name=pasture.victim,
        refused=refused.get(pasture.victim, 0),
        of=forked,
    )
    need(not refused.get(pasture.spared, 0), "spared_refused", name=pasture.spared)
    assert pasture.victim in suspects
    product = pasture.product(order)
    assert pasture.victim not in product["guilty"]  # type: ignore[operator]
    held = sum(line.amount_tiyn for line in pasture.lines[pasture.victim])
    assert product["paid"][pasture.victim] == held  # type: ignore[index]
    student.note("5.9", "the product pays the shop in full, whatever the order")


def _forked_tiyn(pasture: Pasture, name: str) -> int:
    """The most that a claimant can be refused: what it has from notes that are spent twice."""
    worst = 0
    for order in permutations(pasture.claimants):
        refused = pasture.play(order)["refused"]
        assert isinstance(refused, dict)
        worst = max(worst, refused.get(name, 0))
    return worst


def test_paid_twice(student: Student, seed: int) -> None:
    """A line that its holder has passed on is not his money any more, whoever comes first."""
    pasture = Pasture(seed)
    visits = student.paid_twice(pasture)
    fits = isinstance(visits, list | tuple) and all(
        isinstance(one, list | tuple)
        and len(one) == 2
        and one[0] in pasture.lines
        and type(one[1]) is int
        and 0 <= one[1] < len(pasture.lines[one[0]])
        for one in visits
    )
    need(fits, "no_visits", answer=repr(visits)[:80])
    rows = pasture.paid_of_each_note(visits)
    student.note("FIRST_SEEN", f"(worth, paid) of the notes: {rows}")
    need(any(paid > worth for worth, paid in rows), "no_note_paid_twice", visits=repr(visits)[:100])
    need(len(visits) == 2, "more_visits_than_needed", count=len(visits))
    need(not set(pasture.claimants) >= {name for name, _ in visits}, "no_note_paid_twice", visits=visits)
    product = pasture.product(list(dict.fromkeys(name for name, _ in visits)))
    assert product["digest"] == pasture.product([name for name, _ in reversed(visits)])["digest"]


def test_measure(student: Student, seed: int) -> None:
    """The same papers, 24 orders: many outcomes here, one there."""
    pasture = Pasture(seed)
    rows = student.measure(pasture)
    need(isinstance(rows, list) and all(isinstance(row, tuple) and len(row) == 4 for row in rows), "no_table")
    wanted = set()
    for order in permutations(pasture.claimants):
        refused, product = pasture.play(order)["refused"], pasture.product(order)
        assert isinstance(refused, dict)
        losses = (refused.get(pasture.victim, 0), refused.get(pasture.spared, 0))
        wanted.add((order, *losses, product["digest"]))
    assert len({row[1:3] for row in wanted}) > 2, "the order matters to the weak one"
    assert len({row[3] for row in wanted}) == 1, "and not to the product"
    need(len(rows) == len(wanted), "other_number_of_rows", count=len(rows), right=len(wanted))
    for row in rows:
        need(row in wanted, "row_is_not_so", row=repr(row)[:160])
    need(len(set(rows)) == len(rows), "a_row_stands_twice")
    student.note("5.9", "24 rows, one digest")


# --- part 2 ---


def _ask(student: Student, case: Case, chance: random.Random, again: int = 0) -> dict[str, object]:
    """The student's decision in a comparable form."""
    batches = case.batches(chance, again)
    said = student.decide(case.notes, batches, case.keys, case.network, CLOSES)
    need(isinstance(said, dict) and set(said) >= set(PARTS), "no_decision", value=repr(said)[:80])
    credited, losses, guilty = (said[part] for part in PARTS)
    need(isinstance(credited, dict) and isinstance(losses, dict), "no_decision", value=repr(said)[:80])
    need(isinstance(guilty, list | tuple), "no_decision", value=repr(said)[:80])
    return {
        "credited": {kid: tiyn for kid, tiyn in credited.items() if tiyn},
        "losses": {fork: tiyn for fork, tiyn in losses.items() if tiyn},
        "guilty": list(guilty),
    }


def _judge(student: Student, case: Case, said: dict[str, object]) -> None:
    story, truth = Key(f"story.{case.story}"), case.truth
    named = [case.names.get(kid, NOBODY) for kid in said["guilty"] if kid not in truth["guilty"]]  # type: ignore[attr-defined, operator]
    people = ", ".join(name for name in named if name != NOBODY)
    need(not named, "honest_named", story=story, names=people or Key("uncertified"))
    guilty = sorted(set(said["guilty"]))  # type: ignore[call-overload]
    need(guilty == truth["guilty"], "guilty_not_named", story=story)
    need(said["guilty"] == guilty, "guilty_in_another_order", story=story)
    found, right = (sum(one["losses"].values()) for one in (said, truth))  # type: ignore[attr-defined]
    need(said["losses"] == truth["losses"], "losses_differ", story=story, found=found, right=right)
    for kid in case.names:
        found, right = (one["credited"].get(kid, 0) for one in (said, truth))  # type: ignore[attr-defined]
        need(
            found == right,
            "credit_differs",
            story=story,
            name=_who(case.names[kid]),
            found=found,
            right=right,
        )
    need(said["credited"] == truth["credited"], "credit_to_nobody", story=story)


def _who(name: str) -> str:
    return Key("uncertified") if name == NOBODY else name


def _group(student: Student, seed: int, group: str, rule: str) -> None:
    chance = random.Random(seed)
    for case in RoadPapers(seed).cases(group):
        said = _ask(student, case, chance)
        student.note(rule, case.story.replace("_", " "))
        _judge(student, case, said)


def test_decide_settles_honest_papers(student: Student, seed: int) -> None:
    """Everybody gets what is his, and nothing is lost."""
    _group(student, seed, "honest", "note = float")


def test_decide_books_each_loss_once(student: Student, seed: int) -> None:
    """A fork with n spends is n - 1 losses, and every branch is paid."""
    _group(student, seed, "forks", "note + losses = float")


def test_decide_looks_at_the_close(student: Student, seed: int) -> None:
    """What counts is what was known at the close, with all its ancestors."""
    _group(student, seed, "close", "known at close")


def test_decide_names_nobody_honest(student: Student, seed: int) -> None:
    """Copies, forgeries and papers that follow from nothing name nobody."""
    _group(student, seed, "innocent", "5.10")


def test_decide_knows_no_order(student: Student, seed: int) -> None:
    """Other batches, another order, copies: the same decision and the same digest."""
    chance, papers = random.Random(seed), RoadPapers(seed)
    cases = papers.cases("forks") + papers.cases("close")
    for case in chance.sample(cases, 5):
        first = _ask(student, case, chance)
        for _ in range(3):
            other = _ask(student, case, chance, again=6)
            student.note("5.9", "another order, with copies")
            need(other == first, "order_matters", story=Key(f"story.{case.story}"))
        _judge(student, case, first)
        need(student.digest(first) == student.digest(other), "digests_differ")


def test_digest(student: Student, seed: int) -> None:
    """One digest for one decision."""
    chance = random.Random(seed)
    truth = chance.choice(RoadPapers(seed).cases("forks")).truth
    first = student.digest(truth)
    need(isinstance(first, bytes) and len(first) == 32, "no_digest", value=repr(first)[:80])
    for _ in range(3):
        turned = {part: truth[part] for part in chance.sample(PARTS, 3)}
        for part in ("credited", "losses"):
            rows = list(turned[part].items())  # type: ignore[attr-defined]
            turned[part] = dict(chance.sample(rows, len(rows)))
        need(student.digest(turned) == first, "digests_differ")
    for what, other in _changes(truth, chance):
        need(student.digest(other) != first, "digest_sees_nothing", what=Key(f"change.{what}"))


def _changes(truth: dict[str, object], chance: random.Random) -> list[tuple[str, dict[str, object]]]:
    credited, losses, guilty = (truth[part] for part in PARTS)
    assert isinstance(credited, dict)
    assert isinstance(losses, dict)
    assert isinstance(guilty, list)
    rich, poor = chance.sample(sorted(credited), 2)
    innocent = next(kid for kid in sorted(credited) if kid not in guilty)
    moved = {**credited, rich: credited[rich] - 1, poor: credited[poor] + 1}
    (previous, position), amount = chance.choice(sorted(losses.items()))
    rest = {fork: tiyn for fork, tiyn in losses.items() if fork != (previous, position)}
    found = [
        ("a_tiyn_moved", {**truth, "credited": moved}),
        ("a_loss_grew", {**truth, "losses": {**losses, (previous, position): amount + 1}}),
        ("a_loss_elsewhere", {**truth, "losses": {**rest, (previous, position + 1): amount}}),
        ("a_loss_missing", {**truth, "losses": rest}),
        ("somebody_else_named", {**truth, "guilty": [innocent]}),
        ("nobody_named", {**truth, "guilty": []}),
    ]
    chance.shuffle(found)
    return found
