"""What the grader asks: three attacks on the granary's desks, and the arithmetic that would have stopped them."""

import random
from collections.abc import Callable

from grains import amount_texts, honest_outputs, spoilt_outputs, weights_of_chance
from granary import NAMES, Granary

from cbdc.canonical import encode
from cbdc.errors import TengeError
from wallets.exercises.asking import need, refusal
from wallets.exercises.labs import Key
from wallets.exercises.line import Raised, Student

MOST_TIYN = 2**53 - 1


def _real(amounts: list[object]) -> str:
    """The code with which the real code refuses the first amount that is none, or "" if the form lets all pass."""
    try:
        encode([*amounts])
    except TengeError as error:
        return error.code
    except (TypeError, ValueError):
        return "E_TYPE"
    return ""


def test_wrap(student: Student, seed: int) -> None:
    granary = Granary(seed)
    before, mine = granary.total("narrow"), granary.balance("narrow", granary.you)
    student.wrap(granary)
    need(granary.total("narrow") > before, "no_money_made")
    need(granary.balance("narrow", granary.you) > mine, "not_yours")
    outputs = [amount for desk, paid in granary.moves if desk == "narrow" for _, amount in paid]  # type: ignore[union-attr]
    student.note(_real(outputs), "the real form has no such amounts")


def test_owe(student: Student, seed: int) -> None:
    granary = Granary(seed)
    mine = granary.balance("trusting", granary.you)
    before = granary.total("trusting")
    student.owe(granary)
    need(granary.balance("trusting", granary.you) > mine, "not_yours")
    need(granary.total("trusting") == before, "only_moved")
    need(any(granary.balance("trusting", name) < 0 for name in granary.friends), "nobody_owes")
    student.note("E_RANGE", "the real form has no negative amounts")


def test_crumble(student: Student, seed: int) -> None:
    granary = Granary(seed)
    before = granary.total("fair")
    student.crumble(granary)
    splits = [move for desk, move in granary.moves if desk == "fair"]
    need(splits, "nothing_split")
    need(granary.total("fair") >= before + 100, "too_few_crumbs", made_tiyn=granary.total("fair") - before)


def _judged(student: Student, have_tiyn: int, outputs: object) -> Raised | None:
    return _kept(lambda: refusal(student.check_outputs, have_tiyn, outputs, kinds=("Wrong",)))


def _kept(ask: Callable[[], Raised | None]) -> Raised | None:
    """A crash is not a refusal, and is told as what it is."""
    try:
        return ask()
    except Raised as error:
        need(
            error.is_a("NotImplementedError"),
            "crashed",
            kind=error.kinds[0],
            text=error.text,
            line=error.line,
        )
        raise


def test_check_outputs(student: Student, seed: int) -> None:
    chance = random.Random(seed)
    asked: list[tuple[str, int, object]] = [("", *honest_outputs(chance)) for _ in range(12)]
    asked += spoilt_outputs(chance)
    chance.shuffle(asked)
    for story, have_tiyn, outputs in asked:
        said = _judged(student, have_tiyn, outputs)
        if story:
            need(said is not None, "wrong_accepted", story=Key(f"story.{story}"))
        else:
            need(said is None, "honest_refused", said=said.text if said else "", outputs=str(outputs)[:60])


def test_share_out(student: Student, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(30):
        amount, weights = (
            chance.choice((chance.randrange(100), chance.randrange(MOST_TIYN))),
            weights_of_chance(chance),
        )
        shares = student.share_out(amount, weights)
        facts = {"amount_tiyn": amount, "weights": str(weights)[:60], "shares": str(shares)[:80]}
        need(isinstance(shares, list) and len(shares) == len(weights), "shares_shape", **facts)
        need(all(type(one) is int for one in shares), "shares_shape", **facts)
        need(sum(shares) == amount, "shares_sum", **facts)
        need(shares == _shares(amount, weights), "shares_rule", **facts)


def _shares(amount_tiyn: int, weights: list[int]) -> list[int]:
    whole = sum(weights)
    parts = [divmod(amount_tiyn * weight, whole) for weight in weights]
    order = sorted(range(len(weights)), key=lambda index: (-parts[index][1], index))
    left = amount_tiyn - sum(part for part, _ in parts)
    return [part + (index in order[:left]) for index, (part, _) in enumerate(parts)]


def test_share_out_refuses(student: Student, seed: int) -> None:
    chance = random.Random(seed)
    bad: list[tuple[object, object]] = [
        (-1, [1, 2]),
        (MOST_TIYN + 1, [1]),
        (chance.randrange(1, 999), []),
        (chance.randrange(1, 999), [0, 0, 0]),
        (chance.randrange(1, 999), [3, -1]),
        (chance.randrange(1, 999), [1_000_001, 1]),
        (chance.randrange(1, 999), [1, True]),
        (True, [1, 1]),
        (chance.randrange(1, 999), [1, "2"]),
        (chance.randrange(1, 999), [1, None]),
    ]
    chance.shuffle(bad)
    for amount, weights in bad:
        need(
            isinstance(student.share_out(5, [1, 1]), list),
            "shares_shape",
            amount_tiyn=5,
            weights="[1, 1]",
            shares="",
        )
        said = _kept(lambda amount=amount, weights=weights: _refused(student, amount, weights))
        need(said is not None, "bad_shares_accepted", amount_tiyn=str(amount), weights=str(weights))


def _refused(student: Student, amount: object, weights: object) -> Raised | None:
    try:
        student.share_out(amount, weights)
    except Raised as error:
        if not error.is_a("Wrong"):
            raise
        return error
    return None


def test_read_tenge(student: Student, seed: int) -> None:
    chance = random.Random(seed)
    texts = amount_texts(chance)
    chance.shuffle(texts)
    for text, tiyn in texts:
        try:
            said: object = student.read_tenge(text)
        except Raised as error:
            need(
                error.is_a("Wrong", "NotImplementedError"),
                "crashed",
                kind=error.kinds[0],
                text=error.text,
                line=error.line,
            )
            if error.is_a("NotImplementedError"):
                raise
            said = None
        if tiyn is None:
            need(said is None, "not_refused", text=repr(text)[:60], said=said)
        need(
            type(said) is type(tiyn) and said == tiyn, "read_wrongly", text=repr(text), said=said, right=tiyn
        )


def test_nothing_is_made_at_an_honest_desk(student: Student, seed: int) -> None:
    """The student's own arithmetic at a desk of the grader's: honest payments and attacks, and the sum never moves."""
    chance = random.Random(seed)
    money = {name: chance.randrange(100, 10**9) for name in NAMES[:6]}
    before = sum(money.values())
    for _ in range(20):
        payer = chance.choice(list(money))
        outputs = _play(chance, money[payer])
        if money[payer] and _judged(student, money[payer], outputs) is None:
            money[payer] = 0
            for name, amount in zip(money, outputs, strict=False):
                money[name] += amount
    need(
        sum(money.values()) == before and min(money.values()) >= 0,
        "money_moved",
        change_tiyn=sum(money.values()) - before,
    )


def _play(chance: random.Random, have_tiyn: int) -> list[int]:
    cut = sorted(chance.randrange(1, max(2, have_tiyn)) for _ in range(2))
    fair = [one for one in (cut[0], cut[1] - cut[0], have_tiyn - cut[1]) if one]
    trick = chance.randrange(5)
    if trick == 0:
        return [have_tiyn + 10**6, -(10**6)]
    if trick == 1:
        return [have_tiyn + 2**64 - 7, 7]
    return fair
