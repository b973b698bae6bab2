"""What the grader asks of this exercise: link what can be linked, nothing more, and then leave less to link."""

import random
from collections.abc import Sequence

import watcher
from turkistan import MOST_CHANGE, PHARMACY, ROUND_TIYN, Day, Entry, Held, Order, linked, owners, score

from cbdc.token import KeyLock, Token, TokenId
from wallets.desk import derived
from wallets.exercises.asking import need, refusal
from wallets.exercises.labs import Key
from wallets.exercises.line import Student

MOST_FOUND = 120  # thousandths of pairs of payments that may be found; careless wallets leave 500 and more
MOST_TOKENS = 40


def _days(seed: int) -> list[Day]:
    return [Day(seed * 10 + number) for number in range(2)]


def test_change_of(student: Student, seed: int) -> None:
    for day in _days(seed):
        owner, printed = owners(day.journal), [day.pharmacy]
        paid = [entry for entry in day.journal if entry.id in day.change]
        for entry in random.Random(seed).sample(paid, k=len(paid)):
            answer = student.change_of(entry, owner, printed)
            need(isinstance(answer, list) and all(type(one) is int for one in answer), "places")
            right = day.change[entry.id]
            need(set(answer) <= set(right), "not_change", payee=day.paid_by[entry.id].payee)
            certain = watcher.change_of(entry, owner, printed)
            need(answer == certain or not set(certain) <= set(right), "change_missed")
    _made_entries(student, day, seed)
    student.note("change", "a key that pays, a printed key beside it, or the one amount that is not round")


def _made_entries(student: Student, day: Day, seed: int) -> None:
    """Payments with one output or three, and two printed keys: careless wallets make none of these."""
    chance, owner = random.Random(seed), owners(day.journal)
    inputs = sorted(token for token in owner if owner[token] != day.pharmacy)[:2]
    one, two = (owner[token] for token in inputs)
    shop, new, newer = (derived("made", seed, number) for number in range(3))
    odd = [ROUND_TIYN * chance.randrange(2, 60) + chance.randrange(1, 4_000) for _ in range(3)]
    printed = [derived("made", seed, 9), day.pharmacy]
    payments = (
        ((shop,), ()),
        ((shop, new), ()),
        ((shop, one, two), (one, two)),
        ((day.pharmacy, one, new), (one, new)),
        ((day.pharmacy, new, newer), (new, newer)),
    )
    for number, (keys, mine) in enumerate(payments):
        mixed = chance.sample(keys, k=len(keys))
        outputs = tuple(Token(amount, KeyLock(key)) for key, amount in zip(mixed, odd, strict=False))
        entry = Entry(60_000, derived("made entry", seed, number), tuple(inputs), outputs)
        answer = student.change_of(entry, owner, printed)
        need(isinstance(answer, list) and all(type(place) is int for place in answer), "places")
        right = [place for place, key in enumerate(mixed) if key in mine]
        need(set(answer) <= set(right), "not_change", payee=Key("somebody"))
        need(answer == right, "change_missed")


def _groups(student: Student, day: Day) -> tuple[list[Sequence[bytes]], tuple[int, int]]:
    groups = student.people(day.journal, [day.pharmacy])
    need(isinstance(groups, list) and all(isinstance(one, list | tuple) for one in groups), "groups")
    keys = [key for group in groups for key in group]
    need(all(isinstance(key, bytes) for key in keys), "groups")
    need(len(set(keys)) == len(keys), "key_twice")
    return groups, score(groups, day.keys_of())


def test_people_are_found(student: Student, seed: int) -> None:
    for day in _days(seed):
        _, (found, _) = _groups(student, day)
        possible, _ = score(watcher.people(day.journal, [day.pharmacy]), day.keys_of())
        need(found * 10 >= possible * 9, "found_few", found=found, possible=possible)
    student.note("score", f"{found} thousandths of the pairs")


def test_strangers_are_not_mixed(student: Student, seed: int) -> None:
    for day in _days(seed):
        _, (found, wrong) = _groups(student, day)
        need(wrong == 0, "mixed", wrong=wrong)
        need(found > 0, "found_few", found=found, possible=1)


def test_buyers(student: Student, seed: int) -> None:
    for day in [*_days(seed), Day(seed * 10 + 5)]:
        answer = student.buyers(day.journal, day.pharmacy, day.sightings)
        need(isinstance(answer, list), "names")
        right = watcher.buyers(day.journal, day.pharmacy, day.sightings)
        for name in answer:
            need(name in right, "slandered", name=str(name)[:40])
        need(answer == right, "buyers_missed", count=len(right) - len(set(answer)))
    for offset in (-150, -61, -60, 0, 60, 61, 150):  # and with an exact clock at the pharmacy's till alone
        seen = [
            (order.payer, order.second + offset, order.price_tiyn)
            for order in _alone(day)
            if offset or order.payee == PHARMACY
        ]
        answer = student.buyers(day.journal, day.pharmacy, seen)
        right = watcher.buyers(day.journal, day.pharmacy, seen)
        for name in answer:
            need(name in right, "slandered", name=str(name)[:40])
        need(answer == right, "buyers_missed", count=len(right) - len(set(answer)))


def _alone(day: Day) -> list[Order]:
    """The orders that were paid where nobody else has an output of that amount within ten minutes."""
    return [
        order
        for order in day.paid_by.values()
        if [
            one.amount_tiyn == order.price_tiyn
            for entry in day.journal
            if abs(entry.second - order.second) <= 600
            for one in entry.outputs
        ].count(True)
        == 1
    ]


def _tokens(chance: random.Random, seed: int) -> list[Held]:
    count = chance.randrange(1, 7)
    return [
        (
            TokenId(derived("token", seed, number, chance.randrange(10**9)), 0),
            derived("key", seed, number),
            chance.randrange(1, 900_000),
        )
        for number in range(count)
    ]


def test_spend_pays_to_the_tiyn(student: Student, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(60):
        tokens = _tokens(chance, seed)
        whole = sum(token[2] for token in tokens)
        fresh = [derived("fresh", seed, number, one) for one in range(MOST_CHANGE)]
        if number % 5 == 4:
            refused = refusal(student.spend, tokens, whole + 1 + number, fresh, kinds=("ValueError",))
            need(refused is not None, "paid_without_money")
            continue
        price = whole if number % 5 == 3 else chance.randrange(1, whole + 1)
        if number % 5 == 0 and whole > ROUND_TIYN:
            price = max(price // ROUND_TIYN, 1) * ROUND_TIYN
        _is_payment(student.spend(tokens, price, fresh), tokens, price, fresh)
    _no_amount_is_alone(student, chance, seed)


def _no_amount_is_alone(student: Student, chance: random.Random, seed: int) -> None:
    """One token, and a price and a change of two kinds: each kind stands there twice, but for a rare accident."""
    alone = 0
    for number in range(20):
        kinds = [ROUND_TIYN * chance.randrange(20, 90), ROUND_TIYN * chance.randrange(20, 90)]
        kinds[number % 2] += chance.randrange(10, 4_000)
        price, token = kinds[0], TokenId(derived("alone", seed, number), 0)
        tokens = [(token, derived("key", seed, number), sum(kinds))]
        fresh = [derived("fresh alone", seed, number, one) for one in range(MOST_CHANGE)]
        answer = student.spend(tokens, price, fresh)
        _is_payment(answer, tokens, price, fresh)
        odd = [amount % ROUND_TIYN != 0 for amount in (price, *(tiyn for _, tiyn in answer[1]))]
        alone += odd.count(True) == 1 or odd.count(False) == 1
    need(alone <= 2, "alone_of_its_kind", count=alone)


def _is_payment(answer: object, tokens: Sequence[Held], price: int, fresh: Sequence[bytes]) -> None:
    need(isinstance(answer, tuple) and len(answer) == 2, "payment_form")
    assert isinstance(answer, tuple)
    picked, changes = answer
    need(isinstance(picked, list) and isinstance(changes, list), "payment_form")
    need(all(type(one) is int and 0 <= one < len(tokens) for one in picked), "payment_form")
    need(len(set(picked)) == len(picked), "token_twice")
    need(
        all(isinstance(one, tuple) and len(one) == 2 and type(one[1]) is int for one in changes),
        "payment_form",
    )
    need(len(changes) <= MOST_CHANGE and all(amount >= 1 for _, amount in changes), "change_form")
    have, out = sum(tokens[place][2] for place in picked), price + sum(amount for _, amount in changes)
    need(have == out, "sums", have=have, out=out)
    own = {*fresh, *(tokens[place][1] for place in picked)}
    need(all(key in own for key, _ in changes), "not_yours")
    keys = [key for key, _ in changes]
    need(len(set(keys)) == len(keys) and set(keys) <= set(fresh), "key_again")
    need(len(picked) == 1 or all(token[2] < price for token in tokens), "one_suffices", count=len(picked))


def test_spend_hides(student: Student, seed: int) -> None:
    for number in range(2):
        day = Day(seed * 10 + 7 + number, spend=_checked(student))
        found = linked(watcher.people(day.journal, [day.pharmacy]), day)
        need(found <= MOST_FOUND, "seen_through", found=found, most=MOST_FOUND)
        student.note("score", f"{found} thousandths of the pairs")


def test_spend_goes_on_all_day(student: Student, seed: int) -> None:
    careless = Day(seed * 10 + 9)
    day = Day(seed * 10 + 9, spend=_checked(student))
    need(day.refused <= careless.refused, "payments_lost", count=day.refused - careless.refused)
    most = max(len(held) for held in day.held.values())
    need(most <= MOST_TOKENS, "crumbs", count=most, most=MOST_TOKENS)


def _checked(student: Student):
    def spend(tokens: Sequence[Held], price: int, fresh: Sequence[bytes]):
        answer = student.spend(list(tokens), price, list(fresh))
        _is_payment(answer, tokens, price, fresh)
        return answer

    return spend


def _table(student: Student, seed: int, channel: str) -> None:
    for case in watcher.cases(seed, channel):
        right, answer = watcher.truth(case, seed), student.sees(case)
        need(isinstance(answer, tuple) and len(answer) == 4, "cell_form")
        facts = {"party": Key(f"party.{case['party']}"), "reads": Key(f"reads.{case['reads']}")}
        need(answer[0] == right[0], "cell_count", answer=str(answer[0])[:20], **facts)
        need(answer[1] == right[1], "cell_handle", answer=str(answer[1])[:20], **facts)
        need(answer[2:] == right[2:], "cell_names", **facts)


def test_sees_online(student: Student, seed: int) -> None:
    _table(student, seed, "online")


def test_sees_offline(student: Student, seed: int) -> None:
    _table(student, seed, "offline")
