"""What the grader asks: three attacks with an old file; a phone that no old state deceives; a bank; and the papers."""

import json
import random
from dataclasses import replace
from itertools import combinations, product
from typing import Any

from pocket import Bank, Cut, Phone, Power, digest, fresh, message, pack, unpack
from repairs import Stall
from rollbacks import proven, rolled_back

from cbdc.errors import TengeError
from wallets.exercises.asking import need
from wallets.exercises.labs import Key
from wallets.exercises.line import Raised, Student

SHOPS = ("Zhetisu", "Koktal", "Basar", "Sharyn", "Aksu", "Usek")
MOMENTS = ("before", "after")
KINDS = ("Stale", "Wrong", "Blocked", Cut.__name__)


def test_spend_again(student: Student, seed: int) -> None:
    stall = Stall(seed)
    note = student.spend_again(stall)
    twice = {one for one, shop in stall.sold if any(one == other and shop != at for other, at in stall.sold)}
    need(twice, "nothing_twice")
    student.note("E1, E2", "a real device's two transfers name it: part 3")
    need(note in twice, "which_note", right=", ".join(sorted(twice)), answer=repr(note)[:40])


def test_hide_a_taking(student: Student, seed: int) -> None:
    stall = Stall(seed)
    told = student.hide_a_taking(stall)
    need(stall.receipts, "no_receipt")
    need(any(note == stall.payment[0] for note, _ in stall.sold), "not_spent")
    need(stall.reports and stall.reports[-1] == 0, "not_hidden", reports=str(stall.reports)[:60])
    student.note("E3", "of two signed statements of one device, no total may be lower in the later one")
    need(told == 0 and type(told) is int, "report_says", right=0, answer=repr(told)[:40])


def test_guess_the_pin(student: Student, seed: int) -> None:
    stall = Stall(seed)
    pin = student.guess_the_pin(stall)
    need(stall.unlocked, "still_locked")
    need(pin == stall._pin, "wrong_pin", answer=repr(pin)[:40])


# --- part 2 ---


class _Shop:
    """A phone in the student's hands, and what was said and signed."""

    def __init__(
        self, student: Student, chance: random.Random, cuts: list[tuple[str, str]] | None = None
    ) -> None:
        self.student, self.chance = student, chance
        names = [f"N{number:06}" for number in chance.sample(range(10**6), 4)]
        self.notes = {name: chance.randrange(100_00, 9_000_00) for name in names}
        self.pin = str(chance.randint(1000, 9999))
        self.phone = Phone(self.notes, cuts or [], chance.randbytes(32), self.pin)

    def ask(self, name: str, *given: object) -> tuple[str, Any]:
        """(what it raised of the kinds there are, or "", what it returned). A cut that came must have passed."""
        due = self.cuts_to_come()
        try:
            kind, value = "", getattr(self.student, name)(self.phone.store, self.phone.chip, *given)
        except Raised as error:
            if error.kinds[0] not in KINDS:
                raise
            kind, value = error.kinds[0], None
        need(self.cuts_to_come() == due or kind == Cut.__name__, "cut_kept", call=name)
        return kind, value

    def cuts_to_come(self) -> int:
        """How many cuts are still planned; a plan without a moment lets one call pass."""
        return sum(moment in MOMENTS for _, moment in self.phone.power.cuts)

    def until_done(self, name: str, *given: object) -> tuple[str, Any]:
        """Ask again after each cut, as somebody does who switches on again."""
        for _ in range(8):
            kind, value = self.ask(name, *given)
            if kind != Cut.__name__:
                return kind, value
        return Cut.__name__, None

    def order(self) -> tuple[str, str, str]:
        """A new order of a note that was there at first."""
        return (
            f"O{self.chance.randrange(10**9):09}",
            self.chance.choice(sorted(self.notes)),
            self.chance.choice(SHOPS),
        )

    def newest(self) -> bool:
        """Whether a slot holds what the chip knows."""
        return any(digest(data) == self.phone.chip.held()[1] for data in self.phone.store.slots.values())

    def signed_once(self, **told: object) -> None:
        """No note was signed away in two messages."""
        by_note: dict[str, set[bytes]] = {}
        for data in self.phone.chip.signed:
            try:
                note = unpack_message(data)
            except (ValueError, IndexError, TypeError, KeyError):
                need(False, "odd_message", message=repr(data)[:60])
            by_note.setdefault(note, set()).add(data)
        twice = [note for note, datas in by_note.items() if len(datas) > 1]
        need(not twice, "signed_twice", note=", ".join(twice), **{"when": "-", **told})


def unpack_message(data: bytes) -> str:
    """The note that a message pays with."""
    return str(json.loads(data)[2])


def test_wake(student: Student, seed: int) -> None:
    chance = random.Random(seed)
    cases = ["newest", "other_slot", "unsealed_next", "old", "forged", "damaged", "empty", "neighbour"]
    cases += chance.sample(cases, 4)
    chance.shuffle(cases)
    cases += ["unsealed_next"] * 2  # one with the newest state in each slot
    for place, case in enumerate(cases):
        shop = _Shop(student, chance)
        store, chip = shop.phone.store, shop.phone.chip
        state = unpack(store.slots["a"])
        for _ in range(1 + place % 4):  # honest steps
            state = {**state, "number": state["number"] + 1, "tries": chance.randint(0, 2)}
            data = pack(state)
            free = "b" if digest(store.slots["a"]) == chip.held()[1] else "a"
            store.write(free, data)
            chip.advance(state["number"], digest(data))
        now = "a" if digest(store.slots["a"]) == chip.held()[1] else "b"
        past = "a" if now == "b" else "b"
        wrong = _spoil(case, chance, store.slots, now, past, state)
        before = (dict(store.slots), chip.held())
        kind, value = shop.ask("wake")
        told = {"case": Key(f"story.{case}")}
        if wrong:
            need(kind == "Stale", "not_stale", said=kind or repr(value)[:60], **told)
        else:
            need(kind == "" and value == state, "not_newest", said=kind or repr(value)[:60], **told)
        need(before == (store.slots, chip.held()), "wake_wrote", **told)


def _spoil(
    case: str, chance: random.Random, slots: dict[str, bytes], now: str, past: str, state: dict[str, Any]
) -> bool:
    """Change the slots as the case says; whether nothing newest is left."""
    number = state["number"]
    if case == "other_slot":
        slots[now], slots[past] = slots[past], slots[now]
    elif case == "unsealed_next":
        slots[past] = pack({**state, "number": number + 1, "notes": {"N1": 10**9}})
    elif case == "old":
        slots[now] = slots[past]
    elif case == "forged":
        known, number_of = digest(slots[now])[:1], 0
        while digest(slots[now])[:1] != known or number_of == 0:  # a digest that begins like the right one
            number_of += 1
            slots[now] = pack({**state, "notes": {**state["notes"], "N0": 9_000_00 + number_of}})
    elif case == "damaged":
        slots[now] = slots[now][: chance.randrange(1, len(slots[now]))]
        slots[past] = chance.randbytes(20)
    elif case == "empty":
        slots[now] = slots[past] = b""
    elif case == "neighbour":  # another phone's state, with the same number
        slots[now] = pack({**fresh({"N5": 500_00}), "number": number})
    return case in {"old", "forged", "damaged", "empty", "neighbour"}


def _paid(shop: _Shop, order: tuple[str, str, str], answer: object) -> bytes:
    """The message in a right answer to an order."""
    good = isinstance(answer, tuple) and len(answer) == 2 and all(isinstance(one, bytes) for one in answer)
    need(good, "answer_form", answer=repr(answer)[:60])
    data, signature = answer  # type: ignore[misc]
    name, note, payee = order
    steps = range(1, shop.phone.chip.held()[0] + 1)
    right = {message(name, note, shop.notes[note], payee, number) for number in steps}
    need(data in right, "other_message", answer=repr(data)[:80])
    try:
        shop.phone.public.verify(signature, data)
    except TengeError:
        need(False, "bad_signature")
    return bytes(data)


def test_pay(student: Student, seed: int) -> None:
    chance = random.Random(seed)
    shop = _Shop(student, chance)
    done: dict[str, tuple[tuple[str, str, str], Any]] = {}
    gone: set[str] = set()
    for _ in range(14):
        kind = chance.choice(("new", "new", "again", "reused", "unknown"))
        order = shop.order()
        if kind in ("again", "reused") and done:
            order = chance.choice([one for one, _ in done.values()])
        if kind == "reused" and done:
            order = (order[0], chance.choice(sorted(shop.notes)), chance.choice([*SHOPS, "Talgar"]))
        if kind == "unknown":
            order = (order[0], f"X{chance.randrange(10**6):06}", order[2])
        before = (dict(shop.phone.store.slots), shop.phone.chip.held(), len(shop.phone.chip.signed))
        said, answer = shop.ask("pay", *order)
        known = done.get(order[0])
        if known is not None and known[0] == order:
            need(said == "" and answer == known[1], "another_answer", said=said or repr(answer)[:60])
        elif known is not None or order[1] not in shop.notes or order[1] in gone:
            need(said == "Wrong", "not_wrong", said=said or repr(answer)[:60])
            after = (dict(shop.phone.store.slots), shop.phone.chip.held(), len(shop.phone.chip.signed))
            need(before == after, "refusal_changed")
        else:
            need(said == "", "honest_refused", said=said)
            _paid(shop, order, answer)
            done[order[0]] = (order, answer)
            gone.add(order[1])
        need(shop.newest(), "lost_the_newest", cut="-")
    for order, answer in done.values():
        said, again = shop.ask("pay", *order)
        need(said == "" and again == answer, "another_answer", said=said or repr(again)[:60])
    shop.signed_once()


def test_pay_survives_every_cut(student: Student, seed: int) -> None:
    """Cut anywhere, and asked again: the payment is made once; nothing was lost."""
    plans = [[cut] for cut in product(("write", "advance", "sign"), MOMENTS)]
    plans += [[("write", "after"), ("advance", one), ("sign", two)] for one, two in product(MOMENTS, MOMENTS)]
    chance = random.Random(seed)
    for plan in plans:
        shop = _Shop(student, chance, list(plan))
        order = shop.order()
        said, answer = shop.until_done("pay", *order)
        cut = ", ".join(f"{name} {moment}" for name, moment in plan)
        need(said == "", "never_done", said=said, cut=cut)
        _paid(shop, order, answer)
        need(shop.newest(), "lost_the_newest", cut=cut)
        shop.signed_once(when=cut)
        said, state = shop.ask("wake")
        left = {note: tiyn for note, tiyn in shop.notes.items() if note != order[1]}
        need(said == "" and state["notes"] == left, "money_lost", cut=cut)
        said, again = shop.ask("pay", *order)
        need(said == "" and again == answer, "another_answer", said=said or repr(again)[:60])


def test_an_old_state_signs_nothing(student: Student, seed: int) -> None:
    """Honest steps, then every older copy put back: refused. The newest put back again: all is well."""
    chance = random.Random(seed)
    shop = _Shop(student, chance)
    orders = [(f"O{place}", note, chance.choice(SHOPS)) for place, note in enumerate(sorted(shop.notes)[:3])]
    for order in orders:
        said, _ = shop.ask("pay", *order)
        need(said == "", "honest_refused", said=said)
    store, newest = shop.phone.store, dict(shop.phone.store.slots)
    old = [
        copy
        for copy in store.copies
        if all(data != shop.phone.chip.held()[1] for data in map(digest, copy.values()))
    ]
    chance.shuffle(old)
    student.restart()  # a thief switches the phone off; what only its memory knew is gone
    for copy in old:
        store.slots = dict(copy)
        count = len(shop.phone.chip.signed)
        for order in (shop.order(), orders[0], ("O9", orders[0][1], "Talgar")):
            said, answer = shop.ask("pay", *order)
            need(said == "Stale", "old_state_answers", said=said or repr(answer)[:60])
        said, answer = shop.ask("take", "N-new", 5_00)
        need(said == "Stale", "old_state_answers", said=said or repr(answer)[:60])
        need(len(shop.phone.chip.signed) == count, "old_state_signs")
    store.slots = newest
    last = ("O8", sorted(shop.notes)[3], "Talgar")
    said, answer = shop.ask("pay", *last)
    need(said == "", "honest_refused", said=said)
    _paid(shop, last, answer)


def test_a_thief_with_copies_and_scissors(student: Student, seed: int) -> None:
    """Any copy put back, any cut, in any order: no note is ever signed away twice, and no taken note twice."""
    chance = random.Random(seed)
    for _ in range(5):
        shop = _Shop(student, chance)
        orders = [shop.order() for _ in range(4)]
        orders += [(f"Q{place}", order[1], chance.choice(SHOPS)) for place, order in enumerate(orders)]
        for _ in range(14):
            if chance.random() < 0.55:
                shop.phone.store.slots = dict(chance.choice(shop.phone.store.copies))
            if chance.random() < 0.5:
                calls = ("write", "advance", "advance", "sign")
                shop.phone.power.cuts = [(chance.choice(calls), chance.choice(MOMENTS))]
            shop.ask("pay", *chance.choice(orders))
            shop.phone.power.cuts = []
            shop.signed_once()
    # The copy of a step that was cut before the chip knew of it, kept for later.
    shop = _Shop(student, chance, [("advance", "before")])
    start = dict(shop.phone.store.slots)
    note = min(shop.notes)
    shop.ask("pay", "first", note, "Koktal")
    kept = dict(shop.phone.store.slots)
    shop.phone.store.slots = start
    shop.ask("pay", "second", note, "Basar")
    shop.phone.store.slots = kept
    shop.ask("pay", "first", note, "Koktal")
    shop.signed_once(when="advance before")


def test_take(student: Student, seed: int) -> None:
    chance = random.Random(seed)
    shop = _Shop(student, chance)
    held, seen = dict(shop.notes), set(shop.notes)
    for place in range(12):
        if held and chance.random() < 0.3:
            note = chance.choice(sorted(held))
            said, _ = (
                shop.until_done("pay", f"O{place}", note, chance.choice(SHOPS))
                if note in shop.notes
                else ("-", 0)
            )
            if said == "":
                del held[note]
        again = chance.random() < 0.5
        note = chance.choice(sorted(seen)) if again else f"T{chance.randrange(10**6):06}"
        amount = chance.randrange(1_00, 900_00)
        if chance.random() < 0.5:
            shop.phone.power.cuts = [(chance.choice(("write", "advance")), chance.choice(MOMENTS))]
        said, answer = shop.until_done("take", note, amount)
        shop.phone.power.cuts = []
        if note not in seen:
            held[note] = amount
            seen.add(note)
        need(
            said == "" and answer == sum(held.values()),
            "holds",
            right=sum(held.values()),
            answer=said or repr(answer)[:40],
        )
        said, state = shop.ask("wake")
        need(
            said == "" and state["notes"] == held,
            "holds",
            right=sum(held.values()),
            answer=said or repr(state)[:40],
        )


def test_try_pin(student: Student, seed: int) -> None:
    """Honest people are told yes or no; three wrong tries end it; and neither a cut nor a copy gives a try back."""
    chance = random.Random(seed)
    for rounds in range(3):
        shop = _Shop(student, chance)
        for wrong in chance.sample(range(3), 3):
            answers = [shop.ask("try_pin", f"{place}") for place in range(wrong)] + [
                shop.ask("try_pin", shop.pin)
            ]
            need(answers == [("", False)] * wrong + [("", True)], "pin_answers", answers=str(answers)[:80])
        answers = [shop.ask("try_pin", "0")[1] for _ in range(3)]
        need(answers == [False] * 3, "pin_answers", answers=str(answers)[:80])
        if rounds == 0:
            student.restart()  # what only the program's memory counted is gone
        for pin in ("0", shop.pin):
            said, answer = shop.ask("try_pin", pin)
            need(said == "Blocked", "not_blocked", said=said or repr(answer))
        thief = _Shop(student, chance)
        for _ in range(16):
            if chance.random() < 0.6:
                thief.phone.store.slots = dict(chance.choice(thief.phone.store.copies))
            if chance.random() < 0.6:
                name = chance.choice(("write", "advance", "pin_is")) if rounds else "pin_is"
                thief.phone.power.cuts = [(name, chance.choice(MOMENTS))]
            thief.ask("try_pin", "0")
            thief.phone.power.cuts = []
        need(len(thief.phone.chip.guesses) <= 3, "too_many_guesses", times=len(thief.phone.chip.guesses))
    _a_right_pin_is_cut(student, chance)


def _a_right_pin_is_cut(student: Student, chance: random.Random) -> None:
    """The right PIN, cut where its tries are set back, and asked again: all three tries are there again."""
    for name, moment in product(("write", "advance"), MOMENTS):
        shop = _Shop(student, chance)
        need(shop.ask("try_pin", "0") == ("", False), "pin_answers", answers="-")
        shop.phone.power.cuts = [(name, ""), (name, moment)]  # the first write counts the try
        answer = shop.until_done("try_pin", shop.pin)
        shop.phone.power.cuts = []
        need(answer == ("", True), "pin_answers", answers=str(answer))
        answers = [shop.ask("try_pin", "0") for _ in range(3)]
        need(answers == [("", False)] * 3, "pin_answers", answers=str(answers)[:80])


def test_recover(student: Student, seed: int) -> None:
    chance = random.Random(seed)
    plans: list[list[tuple[str, str]]] = [[], [], [("revoke", "before")], [("revoke", "after")]]
    plans += [[("refund", one)] for one in MOMENTS] + [[("refund", "after"), ("refund", "before")]]
    for place_of, plan in enumerate(plans):
        mine, other = (f"D{number:06}" for number in chance.sample(range(10**6), 2))
        rows = {}
        for place, (was_spent, closed) in enumerate(2 * list(product((False, True), (False, True)))):
            spent = was_spent or place_of == 0  # nothing is due, and yet a lost phone is revoked
            amount = chance.randrange(1_00, 900_00)
            rows[f"N{place}{chance.randrange(1000):03}"] = (mine, amount, spent, closed)
        rows["M1"], rows["M2"] = (other, 700_00, False, True), (other, 5_00, False, True)
        due = {note: row[1] for note, row in rows.items() if row[0] == mine and row[3] and not row[2]}
        bank = Bank(rows, Power(list(plan)))
        claimed = {note: 2 * row[1] for note, row in rows.items()}
        if (
            due and place_of % 2
        ):  # an old backup: it does not know a note yet, and says of another that it is paid
            del claimed[min(due)]
        backup = fresh({**claimed, "X1": 10**8})
        if due:
            backup["paid"] = {"O1": [max(due), due[max(due)], "Koktal", 2]}
        paid, cut = 0, ", ".join(f"{name} {moment}" for name, moment in plan) or "-"
        for _ in range(5):
            left = len(bank._power.cuts)
            try:
                paid = student.recover(bank, mine, backup)
            except Raised as error:
                if not error.is_a(Cut.__name__):
                    raise
                continue
            need(len(bank._power.cuts) == left, "cut_kept", call="recover")
            break
        notes = [note for note, _ in bank.refunds]
        need(len(set(notes)) == len(notes), "refunded_twice", cut=cut)
        need(set(notes) <= set(due), "not_due", note=", ".join(sorted(set(notes) - set(due))))
        need(set(notes) == set(due), "not_refunded", cut=cut)
        need(bank.revoked and all(one == mine for one in bank.revoked), "not_revoked")
        need(all(late for _, late in bank.refunds), "revoke_first")
        need(
            bool(plan) or paid == sum(due.values()),
            "recover_sum",
            right=sum(due.values()),
            answer=repr(paid)[:40],
        )
        need(
            student.recover(bank, mine, backup) == 0 and len(bank.refunds) == len(due),
            "refunded_twice",
            cut=cut,
        )


# --- part 3 ---


def test_read_papers(student: Student, seed: int) -> None:
    """What the product's judge proves from two papers of a real device that was put back, and nothing else."""
    papers, chance = rolled_back(seed), random.Random(seed)
    pairs = list(combinations(papers.signed, 2)) + [(one, one) for one in papers.signed[:3]]
    pairs += [(replace(one), one) for one in papers.signed[:3]]  # a copy is equal, and another object
    pairs += [chance.choice((pair, pair[::-1])) for pair in papers.aimed]
    chance.shuffle(pairs)
    for first, second in pairs:
        right = proven(papers, first, second)
        answer = student.read_papers(first, second)
        kinds = " + ".join(type(one.record).__name__ for one in (first, second))
        need(answer == right, "papers_prove", kinds=kinds, right=str(right), answer=repr(answer)[:40])
    student.note(
        "E1, E2, E3", "offline.evidence proves the same from the same papers, to anybody who has ROOT"
    )
