"""What the grader asks: four payments made twice, and a till and a phone that no cut makes pay twice."""

import random
from collections.abc import Callable
from itertools import product

from ledgerbook import Book, Diary, Order, Road
from teahouse import Cut, Silence, Teahouse, read

from cbdc.keys import ED25519, SoftwareKey
from cbdc.ports import SeededEntropy
from wallets.exercises.asking import need
from wallets.exercises.labs import Key
from wallets.exercises.line import Raised, Student

NETWORK, PURPOSE = b"teahouse", "payment"
NAMES = ("Aigerim", "Bolat", "Dana", "Erlan", "Saule")


def _gained(student: Student, seed: int, name: str) -> Teahouse:
    teahouse = Teahouse(seed)
    before = teahouse.balance(teahouse.you)
    getattr(student, name)(teahouse)
    need(teahouse.sent, "nothing_sent")
    need(teahouse.balance(teahouse.you) > before, "nothing_gained")
    student.note(
        "E_ID_REUSED", "the real ledger: an id is the hash of all that was signed, and is booked once"
    )
    return teahouse


def _booked(teahouse: Teahouse) -> list[tuple[int, bytes]]:
    return [(nights, message) for nights, message, refused in teahouse.sent if not refused]


def test_with_another_number(student: Student, seed: int) -> None:
    teahouse = _gained(student, seed, "with_another_number")
    heard = {read(message)[:3] for message in teahouse.heard}
    booked = _booked(teahouse)
    need(all(read(message)[:3] in heard for _, message in booked), "not_heard")
    need(any(nights == 0 for nights, _ in booked), "not_the_same_day")


def test_tomorrow(student: Student, seed: int) -> None:
    teahouse = _gained(student, seed, "tomorrow")
    need(all(message in teahouse.heard for _, message in _booked(teahouse)), "bytes_changed")


def test_with_play_money(student: Student, seed: int) -> None:
    teahouse = _gained(student, seed, "with_play_money")
    wanted = read(teahouse.practice)[:3]
    need(any(read(message)[:3] == wanted for _, message in _booked(teahouse)), "not_the_practice_payment")


def test_with_a_slip(student: Student, seed: int) -> None:
    teahouse = _gained(student, seed, "with_a_slip")
    need(any(read(message)[:3] == teahouse.slip[:3] for _, message in _booked(teahouse)), "not_the_slip")


# --- part 2 ---


def _pairs(chance: random.Random) -> list[tuple[str, tuple[object, ...], tuple[object, ...]]]:
    """(story, fields, other fields) that a message without borders would confuse, and plain differences."""
    number, network = chance.randbytes(16), chance.randbytes(8)
    payer, payee = chance.sample(NAMES, 2)
    amount = chance.randrange(1, 10**9)
    base = (network, "payment", number, payer, payee, amount)

    def but(index: int, value: object) -> tuple[object, ...]:
        return tuple(value if place == index else one for place, one in enumerate(base))

    tail = (base[0], "payment", number, payer + payee[0], payee[1:], amount)
    return [
        ("network", base, but(0, chance.randbytes(8))),
        ("purpose", base, but(1, "slip")),
        ("number", base, but(2, chance.randbytes(16))),
        ("payer", base, but(3, payer + "a")),
        ("payee", base, but(4, payee[::-1])),
        ("amount", base, but(5, amount + 1)),
        ("moved_letter", base, tail),
        ("moved_digit", (*base[:4], payee + "1", 23), (*base[:4], payee, 123)),
        (
            "moved_purpose",
            (network, "pay", number, payer, payee, amount),
            (network + b"pay", "", number, payer, payee, amount),
        ),
        ("swapped", base, (network, "payment", number, payee, payer, amount)),
        ("separator", (*base[:3], payer, "a|b", amount), (*base[:3], payer + "|a", "b", amount)),
        ("separator_zero", (*base[:3], payer, "a\0b", amount), (*base[:3], payer + "\0a", "b", amount)),
        ("comma", (*base[:3], payer, "a, b", amount), (*base[:3], payer + ", a", "b", amount)),
        ("quote", (*base[:3], payer, "a', 'b", amount), (*base[:3], payer + "', 'a", "b", amount)),
        ("large_amount", (*base[:5], 5), (*base[:5], 5 + 2**32)),
        (
            "purpose_in_number",
            (network, "ab", b"c" + number[1:], payer, payee, 1),
            (network, "abc", number[1:], payer, payee, 1),
        ),
    ]


def test_message(student: Student, seed: int) -> None:
    chance = random.Random(seed)
    pairs = _pairs(chance)
    chance.shuffle(pairs)
    for story, first, second in pairs:
        one, again, other = student.message(*first), student.message(*first), student.message(*second)
        need(type(one) is bytes and type(other) is bytes and one, "message_is_bytes")
        need(one == again, "message_differs")
        need(one != other, "messages_alike", story=Key(f"story.{story}"))


class _Town:
    """People with keys, a book, and orders that the student's own `message` signs."""

    def __init__(self, student: Student, seed: int, cuts: list[tuple[str, str]] | None = None) -> None:
        self.chance, self.student = random.Random(seed), student
        entropy = SeededEntropy(seed)
        self.signers = {name: SoftwareKey(ED25519, entropy.bytes("person", name.encode())) for name in NAMES}
        self.keys = {name: key.public.raw for name, key in self.signers.items()}
        self.balances = {name: self.chance.randrange(50_000_00, 90_000_00) for name in NAMES}
        self.book = Book(self.balances, cuts or [])

    def order(self, **changed: object) -> Order:
        payer, payee = self.chance.sample(NAMES, 2)
        amount = self.chance.randrange(1, 9_000_00)
        fields = {"network": NETWORK, "purpose": PURPOSE, "number": self.chance.randbytes(16), "payer": payer}
        fields |= {"payee": payee, "amount_tiyn": amount, **changed}
        signed = self.student.message(**fields)
        need(type(signed) is bytes, "message_is_bytes")
        signature = self.signers[payer].sign(signed)
        return (*fields.values(), signature)  # type: ignore[return-value]

    def ask(self, order: Order, kinds: tuple[str, ...] = ()) -> str | None:
        """The answer; None for a refusal of these kinds."""
        try:
            answer = self.student.handle(order, self.keys, self.book)
        except Raised as error:
            if error.is_a(*kinds):
                return None
            need(not error.is_a("Wrong", "Reused"), "order_refused", kind=error.kinds[0], text=error.text)
            need(
                error.is_a("NotImplementedError"),
                "crashed",
                kind=error.kinds[0],
                text=error.text,
                line=error.line,
            )
            raise
        need(isinstance(answer, str), "answer_is_text")
        return str(answer)


def test_handle_books_once(student: Student, seed: int) -> None:
    town = _Town(student, seed)
    orders = [town.order() for _ in range(6)]
    answers: dict[bytes, str] = {}
    asked = [*orders, *orders, *orders]
    town.chance.shuffle(asked)
    for order in asked:
        answer = town.ask(order)
        need(answers.setdefault(order[2], answer or "") == answer, "another_answer")
    need(sorted(town.book.moves) == sorted((one[3], one[4], one[5]) for one in orders), "not_booked_once")


def _bad(town: _Town) -> list[tuple[str, Order]]:
    good = town.order()
    other = next(name for name in NAMES if name not in good[3:5])
    forged = town.signers[other].sign(bytes(town.student.message(*good[:6])))
    return [
        ("elsewhere", town.order(network=b"practice")),
        ("a_slip", town.order(purpose="slip")),
        *_no_orders(town),
        ("changed_amount", (*good[:5], good[5] + 1, good[6])),
        ("changed_payee", (*good[:4], other, *good[5:])),
        ("changed_number", (*good[:2], town.chance.randbytes(16), *good[3:])),
        ("anothers_signature", (*good[:6], forged)),
        ("no_signature", (*good[:6], bytes(64))),
        ("unknown_payer", (*good[:3], "Nobody", *good[4:])),
        ("too_much", town.order(amount_tiyn=10**12)),
    ]


def _no_orders(town: _Town) -> list[tuple[str, Order]]:
    """Orders for no amount, unless the student's `message` refuses already to sign them."""
    found: list[tuple[str, Order]] = []
    for story, amount in (("no_amount", 0), ("less_than_nothing", -5_00)):
        try:
            found.append((story, town.order(amount_tiyn=amount)))
        except Raised as error:
            if error.is_a("NotImplementedError"):
                raise
    return found


def test_handle_refuses(student: Student, seed: int) -> None:
    town = _Town(student, seed)
    asked: list[tuple[str, Order]] = [*_bad(town), *(("", town.order()) for _ in range(5))]
    town.chance.shuffle(asked)
    for story, order in asked:
        before = (dict(town.book.balances), dict(town.book.answers))
        answer = town.ask(order, kinds=("Wrong",) if story else ())
        if story:
            need(answer is None, "wrong_booked", story=Key(f"story.{story}"))
            need(
                before == (town.book.balances, town.book.answers),
                "refusal_changed",
                story=Key(f"story.{story}"),
            )


def test_handle_knows_a_reused_number(student: Student, seed: int) -> None:
    town = _Town(student, seed)
    for _ in range(4):
        first = town.order()
        second = town.order(number=first[2])
        town.ask(first)
        moves = list(town.book.moves)
        said = ""
        try:
            student.handle(second, town.keys, town.book)
        except Raised as error:
            said = error.kinds[0]
            if error.is_a("NotImplementedError"):
                raise
        need(said == "Reused", "reuse_not_seen", said=said or "an answer")
        need(town.book.moves == moves, "not_booked_once")
        need(town.ask(first) is not None, "another_answer")


def _with_cuts(run: Callable[[], object], most: int = 8) -> None:
    """Run until nothing is cut any more, as somebody does who switches on again after each cut."""
    for _ in range(most):
        try:
            run()
        except Raised as error:
            if not error.is_a(Cut.__name__, Silence.__name__):
                raise
            continue
        return


def test_handle_survives_every_cut(student: Student, seed: int) -> None:
    calls, moments = ("commit", "move", "remember"), ("before", "after")
    plans = [[cut] for cut in product(calls, moments)] + [[("commit", "after"), ("commit", "before")], []]
    for plan in plans:
        town = _Town(student, seed, list(plan))
        order = town.order()
        # Exactly enough for one: a second booking would overdraw, or be refused.
        town.book.balances[order[3]] = order[5]
        _with_cuts(lambda town=town, order=order: student.handle(order, town.keys, town.book))
        answers = set()
        for _ in range(3):  # at once after the first answer, and each time it is asked again
            told = {"cut": str(plan), "times": len(town.book.moves)}
            need(town.book.moves == [(order[3], order[4], order[5])], "cut_not_once", **told)
            answers.add(town.ask(order))
        need(len(answers) == 1, "another_answer")


class _Pen:
    SHOWN: tuple[str, ...] = ()
    CALLS = ("sign",)

    def __init__(self, key: SoftwareKey) -> None:
        self._key = key

    def sign(self, data: bytes) -> bytes:
        need(type(data) is bytes, "message_is_bytes")
        return self._key.sign(data)


def _honest_till(town: _Town) -> Callable[[Order], str]:
    """A till of the grader's own: it asks the signature and knows its numbers."""
    known: dict[bytes, tuple[Order, str]] = {}

    def till(order: Order) -> str:
        if order[2] in known:
            return known[order[2]][1] if known[order[2]][0] == order else "reused"
        town.book.moves.append((order[3], order[4], order[5]))
        known[order[2]] = (order, f"booked {len(known) + 1}")
        return known[order[2]][1]

    return till


def test_pay_and_resume(student: Student, seed: int) -> None:
    """Every cut of the diary and every silence of the road: paid once, saved before it was sent, never a new number."""
    plans = [("write", one) for one in ("before", "after")] + [("done", one) for one in ("before", "after")]
    for diary_cut, road_cut in product([None, *plans], [None, ("send", "before"), ("send", "after")]):
        town = _Town(student, seed)
        payer, payee = town.chance.sample(NAMES, 2)
        diary = Diary(seed, [diary_cut] if diary_cut else [])
        road = Road(_honest_till(town), [road_cut] if road_cut else [])
        amount = town.chance.randrange(1, 9_000_00)
        told = {"cut": f"{diary_cut}, {road_cut}"}
        try:
            answer: object = student.pay(payer, payee, amount, _Pen(town.signers[payer]), diary, road)
            need(answer == "booked 1", "pay_answer", answer=repr(answer)[:60])
        except Raised as error:
            if not error.is_a(Cut.__name__, Silence.__name__):
                raise
        need(all(order[2] in diary.orders for order in road.sent), "sent_before_saved", **told)
        _with_cuts(lambda diary=diary, road=road: student.resume(diary, road))
        if diary_cut == ("write", "before"):
            need(not road.sent, "sent_before_saved", **told)
            continue
        need(
            town.book.moves == [(payer, payee, amount)], "phone_not_once", times=len(town.book.moves), **told
        )
        need(len(set(road.sent)) == 1, "new_number", **told)
        need(list(diary.answers.values()) == ["booked 1"], "no_end", **told)
        order = road.sent[0]
        right = (order[0], order[1], order[3], order[4], order[5]) == (NETWORK, PURPOSE, payer, payee, amount)
        need(right and town.ask(order) is not None, "till_would_refuse")


def test_resume_brings_all_to_their_end(student: Student, seed: int) -> None:
    town = _Town(student, seed)
    diary, road = Diary(seed), Road(_honest_till(town))
    orders = [town.order() for _ in range(town.chance.randrange(2, 5))]
    for order in orders:
        diary.write(order)
    diary.done(orders[0][2], "booked 0")
    answers = student.resume(diary, road)
    need(
        answers == [f"booked {number + 1}" for number in range(len(orders) - 1)],
        "resume_answers",
        answers=str(answers)[:80],
    )
    need(not diary.open_orders() and len(road.sent) == len(orders) - 1, "no_end", cut="-")
