"""What the grader asks: seven ways past a limit, and a limit book that none of them passes."""

import random

from crossing import (
    DAY,
    CalendarDesk,
    CancelDesk,
    Desk,
    OfflineDesk,
    ReceiptDesk,
    RefundDesk,
    WalletDesk,
)
from referee import Referee, limits_of, real_day_limit
from windows import Event, Limits

from wallets.exercises.asking import need
from wallets.exercises.labs import Key
from wallets.exercises.line import Student

# --- part 1 ---


def _passed(student: Student, name: str, desk: Desk) -> None:
    getattr(student, name)(desk)
    need(desk.asked, "nothing_asked")
    said = desk.passed()
    need(said >= desk.wanted_tiyn, "not_enough", passed=said, wanted=desk.wanted_tiyn)


def _real(student: Student, limit: int, payments: list[tuple[str, int, int]], right: list[str]) -> None:
    """What the product's guard G9 says of the same payments; for explain mode, and held to be so."""
    assert real_day_limit(limit, payments) == right
    student.note(right[-1] or "G9", f"the real ledger's answers to these payments: {right}")


def test_over_midnight(student: Student, seed: int) -> None:
    desk = CalendarDesk(seed)
    _passed(student, "over_midnight", desk)
    need(all(zone == desk.zone_minutes for _, _, zone in desk.booked), "another_zone")
    need(desk.booked[-1][1] - desk.booked[0][1] <= 120, "too_slow")
    # The ledger's limit is one of calendar days too, and allows two days' limits around midnight: by its definition.
    _real(student, desk.limit_tiyn, [("you", amount, at) for amount, at, _ in desk.booked], ["", ""])


def test_around_the_clock(student: Student, seed: int) -> None:
    desk = CalendarDesk(seed)
    _passed(student, "around_the_clock", desk)
    need(len({at for _, at, _ in desk.booked}) == 1, "not_one_second")
    at = desk.booked[0][1]
    _real(student, desk.limit_tiyn, [("you", desk.limit_tiyn, at)] * 2, ["", "E_LIMIT_DAY"])


def test_two_wallets(student: Student, seed: int) -> None:
    desk = WalletDesk(seed)
    _passed(student, "two_wallets", desk)
    _real(student, desk.limit_tiyn, [("you", desk.limit_tiyn, desk.now)] * 2, ["", "E_LIMIT_DAY"])


def test_all_at_once(student: Student, seed: int) -> None:
    _passed(student, "all_at_once", ReceiptDesk(seed))
    student.note(
        "G9", "the real ledger asks the limit in the same commit as the payment: nothing lies in between"
    )


def test_round_trip(student: Student, seed: int) -> None:
    desk = RefundDesk(seed)
    _passed(student, "round_trip", desk)
    trip = [("you", desk.limit_tiyn, desk.now), ("friend", desk.limit_tiyn, desk.now), ("you", 1, desk.now)]
    _real(student, desk.limit_tiyn, trip, ["", "", "E_LIMIT_DAY"])


def test_cancel_what_is_paid(student: Student, seed: int) -> None:
    _passed(student, "cancel_what_is_paid", CancelDesk(seed))


def test_tap_and_sync(student: Student, seed: int) -> None:
    _passed(student, "tap_and_sync", OfflineDesk(seed))


# --- part 2 ---


class _Trial:
    """The student's book and the referee's, told the same."""

    def __init__(self, student: Student, limits: Limits, story: str) -> None:
        self.student, self.limits, self.story = student, limits, story
        self.referee = Referee(limits)
        self.state = student.new_book()
        self.told: list[Event] = []

    def tell(self, kind: str, identity: str, name: str, amount_tiyn: int, at: int) -> str:
        """The right code; Problem when the student's book says anything else."""
        event = (kind, identity, name, amount_tiyn, at)
        right = self.referee.ask(event)
        said = self.student.step(self.limits, self.state, event)
        need(isinstance(said, tuple) and len(said) == 2, "step_form")
        state, answer = said
        self.told.append(event)
        self.student.note(right[0], f"{event}: right is {right}")
        facts = {"story": Key(f"story.{self.story}"), "number": len(self.told), "event": str(event)}
        plain = tuple(answer) if isinstance(answer, list) else answer
        need(plain == right, "another_answer", said=str(plain)[:60], right=str(right), **facts)
        self.state = state
        return right[0]

    def asked_room(self, wallet: str, at: int) -> int:
        """The room; Problem when the student says another."""
        right, said = self.referee.room(wallet, at), self.student.room(self.limits, self.state, wallet, at)
        need(said == right and type(said) is int, "another_room", said=str(said)[:40], right=right)
        return right

    def wallets(self, chance: random.Random) -> tuple[str, str, str]:
        """Two wallets of one person, and one of another."""
        owners = self.limits.owners
        first = chance.choice(sorted(owners))
        second = next(one for one in sorted(owners) if one != first and owners[one] == owners[first])
        return first, second, next(one for one in sorted(owners) if owners[one] != owners[first])


def _start(student: Student, seed: int, story: str) -> tuple[random.Random, _Trial, int]:
    chance = random.Random(f"{story} {seed}")
    return chance, _Trial(student, limits_of(chance), story), 1_790_000_000 + chance.randrange(90 * DAY)


def _fill(trial: _Trial, wallet: str, at: int, settle: bool = True) -> list[str]:
    """Reserve (and settle) all the room there is, in as many payments as it takes; the ids."""
    made: list[str] = []
    while amount := trial.referee.room(wallet, at):
        made.append(f"fill-{wallet}-{at}-{len(made)}")
        assert trial.tell("reserve", made[-1], wallet, amount, at) == ""
        if settle:
            trial.tell("settle", "", made[-1], 0, at)
    return made


def test_honest_to_the_tiyn(student: Student, seed: int) -> None:
    chance, trial, at = _start(student, seed, "honest")
    first, second, third = trial.wallets(chance)
    for number in range(8):
        amount = trial.referee.room(first, at) // chance.randrange(3, 6)
        trial.tell("reserve", f"part {number}", chance.choice((first, second)), max(1, amount), at)
        trial.tell("settle", "", f"part {number}", 0, at + chance.randrange(30))
        at += chance.randrange(40, 300)
    left = trial.referee.room(first, at)
    trial.tell("reserve", "one more", first, left + 1, at)
    trial.tell("reserve", "just that", first, left, at)
    for amount in (1, 0, -5, trial.limits.payment_tiyn + 1):
        trial.tell("reserve", f"no {amount}", first, amount, at)
    trial.tell("reserve", "nobody's", "w-none", 1, at)
    trial.tell("reserve", "nobody's nothing", "w-none", 0, at)
    _fill(trial, third, at)


def test_no_midnight(student: Student, seed: int) -> None:
    """The last second in which it counts, and the first in which it does not, for every window."""
    chance, trial, at = _start(student, seed, "window")
    first, second, _ = trial.wallets(chance)
    for number in range(3):
        _fill(trial, first, at)
        for window in sorted(trial.limits.windows, key=lambda one: one.seconds):
            for place, moment in enumerate((at + window.seconds - 1, at + window.seconds)):
                left = trial.referee.room(first, moment)
                trial.tell("reserve", f"{number} {window.name} {place} over", second, left + 1, moment)
                trial.tell("reserve", f"{number} {window.name} {place}", second, max(1, left // 2), moment)
                trial.tell("settle", "", f"{number} {window.name} {place}", 0, moment)
        at = trial.referee.now + chance.randrange(1, 5 * DAY)
    at += 20 * DAY
    for number in range(3):  # until a long window is nearly full as well as a short one: which is named?
        _fill(trial, first, at + number * DAY)
    trial.tell("reserve", "both are full", second, trial.limits.payment_tiyn, at + 2 * DAY)


def test_one_clock(student: Student, seed: int) -> None:
    """What is done moves the book's time, whatever its kind; what is repeated or refused does not."""
    done = (
        ("settle", "", "s", 0),
        ("cancel", "", "c", 0),
        ("refund", "r2", "paid", 1),
        ("load", "l2", "first", 1),
        ("sync", "y2", "card", 1),
        ("unload", "u2", "first", 0),
        ("reserve", "n2", "first", 1),
    )
    again = (
        ("reserve", "s", "first", 4),
        ("settle", "", "paid", 0),
        ("cancel", "", "gone", 0),
        ("refund", "r", "paid", 1),
        ("load", "card", "first", 4),
        ("sync", "y", "card", 1),
        ("refund", "r3", "paid", 9),
    )
    for mover in done + again:
        chance, trial, at = _start(student, seed, "clock")
        first, _, third = trial.wallets(chance)
        hold = trial.limits.hold_seconds
        for name in ("paid", "gone"):
            trial.tell("reserve", name, first, 4, at)
        trial.tell("settle", "", "paid", 0, at)
        trial.tell("cancel", "", "gone", 0, at)
        trial.tell("refund", "r", "paid", 1, at)
        trial.tell("load", "card", first, 4, at)
        trial.tell("sync", "y", "card", 1, at)
        _fill(trial, third, at, settle=False)
        for name in ("s", "c"):
            trial.tell("reserve", name, first, 4, at + 5)
        kind, identity, name, tiyn = mover
        trial.tell(kind, identity, first if name == "first" else name, tiyn, at + hold + 2)
        trial.tell("reserve", "after", third, trial.referee.room(third, at + hold + 2), at + hold - 1)


def test_one_person(student: Student, seed: int) -> None:
    chance, trial, at = _start(student, seed, "person")
    owners = trial.limits.owners
    for number in range(24):
        wallet = chance.choice(sorted(owners))
        amount = max(1, trial.referee.room(wallet, at) // 2 + chance.randrange(2))
        if chance.random() < 0.3:
            amount = trial.referee.room(wallet, at) + 1
        trial.tell("reserve", f"p{number}", wallet, amount, at)
        at += chance.randrange(20)


def test_what_waits(student: Student, seed: int) -> None:
    """What waits counts; what expired does not; a late settlement counts from then on."""
    chance, trial, at = _start(student, seed, "waits")
    first, second, _ = trial.wallets(chance)
    hold = trial.limits.hold_seconds
    trial.tell("reserve", "half", first, max(1, trial.referee.room(first, at) // 2), at)
    made = ["half", *_fill(trial, second, at, settle=False)]
    trial.tell("reserve", "too", second, 1, at + hold - 1)
    trial.tell("settle", "", made[0], 0, at + hold - 1)
    trial.tell("settle", "", made[-1], 0, at + hold)
    left = trial.referee.room(first, at + hold)
    trial.tell("reserve", "expired over", first, left + 1, at + hold)
    trial.tell("reserve", "expired", first, left, at + hold)
    trial.tell("cancel", "", "expired", 0, at + hold)
    late = at + hold - 1
    for window in sorted(trial.limits.windows, key=lambda one: one.seconds):
        for moment in (at + window.seconds, late + window.seconds - 1, late + window.seconds):
            if moment < trial.referee.now:
                continue
            left = trial.referee.room(second, moment)
            trial.tell("reserve", f"{window.name} {moment} over", second, left + 1, moment)
            if left:
                trial.tell("reserve", f"{window.name} {moment}", second, left, moment)
                trial.tell("cancel", "", f"{window.name} {moment}", 0, moment)
    trial.tell("settle", "", "never", 0, trial.referee.now)


def test_cancel_and_refund(student: Student, seed: int) -> None:
    """A cancelled reservation gives room, what was paid does not, and no refund does."""
    chance, trial, at = _start(student, seed, "back")
    first, second, third = trial.wallets(chance)
    (gone,) = _fill(trial, third, at, settle=False)[:1]
    trial.tell("cancel", "", gone, 0, at)
    trial.tell("settle", "", gone, 0, at)
    trial.tell("refund", "no", gone, 1, at)
    made = _fill(trial, first, at)
    amount = next(one[3] for one in trial.told if one[1] == made[0])
    part = chance.randrange(1, amount)
    steps = [
        ("cancel", "", made[0], 0),
        ("refund", "r0", made[0], 0),
        ("refund", "r1", made[0], part),
        ("reserve", "again 1", second, 1),
        ("refund", "r2", made[0], amount - part + 1),
        ("refund", "r3", made[0], amount - part),
        ("refund", "r4", made[0], 1),
        ("reserve", "again 2", second, amount),
        ("reserve", "again 3", first, 1),
        ("reserve", "other", third, 1),
        ("refund", "r5", "nothing", 1),
        ("cancel", "", "nothing", 0),
    ]
    for kind, identity, name, tiyn in steps:
        trial.tell(kind, identity, name, tiyn, at)
    after = at + max(one.seconds for one in trial.limits.windows)
    trial.tell("reserve", "later", second, trial.referee.room(second, after), after)


def test_offline(student: Student, seed: int) -> None:
    """What is loaded counts until it comes back; what was paid with it counts from the sync on."""
    chance, trial, at = _start(student, seed, "offline")
    first, second, _ = trial.wallets(chance)
    load = max(3, trial.referee.room(first, at) // 2)
    long = max(one.seconds for one in trial.limits.windows)
    trial.tell("load", "card", first, load, at)
    trial.tell("reserve", "beside over", second, trial.referee.room(second, at) + 1, at)
    _fill(trial, second, at)
    at += long
    left = trial.referee.room(second, at)
    trial.tell("reserve", "still loaded over", second, left + 1, at)
    part = chance.randrange(1, load)
    for kind, identity, name, tiyn in (
        ("sync", "s1", "card", part),
        ("sync", "s2", "card", load - part + 1),
        ("sync", "s3", "card", 0),
        ("sync", "s4", "no card", 1),
        ("sync", "s6", "no card", 0),
        ("sync", "s1", "card", part),
        ("reserve", "after the sync", second, left + 1),
        ("unload", "u0", "w-none", 0),
        ("unload", "u1", second, 0),
        ("reserve", "another wallet's", second, left + 1),
        ("unload", "u2", first, 0),
        ("sync", "s5", "card", 1),
        ("unload", "u2", first, 0),
    ):
        trial.tell(kind, identity, name, tiyn, at)
    for moment in (at, at + long - 1, at + long):
        left = trial.referee.room(second, moment)
        trial.tell("load", f"over {moment}", second, left + 1, moment)
        trial.tell("load", f"new {moment}", second, max(1, left // 4), moment)
        trial.tell("unload", f"back {moment}", second, 0, moment)
    at += 2 * long
    whole = max(2, trial.referee.room(first, at) // 2)
    trial.tell("load", "whole", first, whole, at)
    trial.tell("sync", "all of it", "whole", whole, at - 30)
    trial.tell("sync", "one more", "whole", 1, at)
    for seconds in sorted(one.seconds for one in trial.limits.windows):
        for moment in (at + seconds - 1, at + seconds):
            left = trial.referee.room(second, moment)
            trial.tell("reserve", f"left {moment}", second, left + 1, moment)
            trial.tell("reserve", f"room {moment}", second, max(1, left), moment)
            trial.tell("cancel", "", f"room {moment}", 0, moment)


def test_told_twice(student: Student, seed: int) -> None:
    """Answers get lost, events come again late and early, ids are used again, and two books do not know each other."""
    chance, trial, at = _start(student, seed, "twice")
    other = _Trial(student, trial.limits, "twice")
    first, second, third = trial.wallets(chance)
    amount = max(2, trial.referee.room(first, at) // 3)
    events = [
        ("reserve", "a", first, amount),
        ("settle", "", "a", 0),
        ("refund", "b", "a", amount // 2),
        ("load", "c", second, amount // 2),
        ("sync", "d", "c", 1),
        ("reserve", "e", third, 1),
        ("cancel", "", "e", 0),
        ("unload", "f", third, 0),
        ("reserve", "g", third, 1),
        ("settle", "a", "g", 0),
    ]
    for place, event in enumerate(events):
        at += chance.randrange(5)
        trial.tell(*event, at)
        for again in chance.sample(events[: place + 1], min(3, place + 1)):
            trial.tell(*again, at + chance.randrange(-50, 50))
        kind, identity, name, tiyn = chance.choice([one for one in events[: place + 1] if one[1]])
        trial.tell(kind, identity, name, tiyn + 1, at)
        trial.tell("reserve", identity, second if name == first else first, max(tiyn, 1), at)
        if chance.random() < 0.5:
            other.tell(*event, at)
    trial.tell("reserve", "late", first, trial.referee.room(first, at) + 1, at)
    trial.tell("reserve", "late", first, 1, at)
    for kind, identity, name, tiyn in (
        ("load", "a", first, amount),
        ("reserve", "c", second, amount // 2),
        ("unload", "e", third, 0),
        ("reserve", "e", third, 1),
        ("reserve", "late too", third, trial.referee.room(third, at) + 1),
        ("reserve", "late too", third, trial.referee.room(third, at)),
    ):
        trial.tell(kind, identity, name, tiyn, at)


def test_a_cut_forgets_the_last_step(student: Student, seed: int) -> None:
    """The new state was not kept: the old one is told the same again, or something else."""
    chance, trial, at = _start(student, seed, "cut")
    first, second, _ = trial.wallets(chance)
    for number in range(12):
        amount = max(1, trial.referee.room(first, at) // 3)
        event = ("reserve", f"c{number}", chance.choice((first, second)), amount, at)
        if chance.random() < 0.6:
            student.step(trial.limits, trial.state, event)
        if chance.random() < 0.7:
            trial.tell(*event)
            trial.tell("settle", "", event[1], 0, at)
        at += chance.randrange(60)
    trial.tell("reserve", "all that is left", first, max(1, trial.referee.room(first, at)), at)


def _event(chance: random.Random, trial: _Trial, number: int, at: int) -> Event:
    kind = chance.choice(("reserve",) * 5 + ("settle",) * 5 + ("cancel", "refund", "load", "sync", "unload"))
    wallet = chance.choice(sorted(trial.limits.owners))
    done = trial.referee.done
    reserved = [one[1] for one in done if one[0] == "reserve"] or ["none"]
    loaded = [one[1] for one in done if one[0] == "load"] or ["none"]
    left = trial.referee.room(wallet, at)
    amount = chance.choice(
        (left, left + 1, left // 2, left // 3, chance.randrange(1, trial.limits.payment_tiyn))
    )
    match kind:
        case "reserve" | "load":
            return kind, f"n{number}", wallet, amount if kind == "reserve" else amount // 3, at
        case "settle" | "cancel":
            return kind, "", chance.choice(reserved[-4:]), 0, at
        case "refund":
            return kind, f"n{number}", chance.choice(reserved), amount // 4, at
        case "sync":
            return kind, f"n{number}", chance.choice(loaded), chance.randrange(1, 1 + max(1, amount // 5)), at
    return kind, f"n{number}", wallet, 0, at


def test_a_season_of_events(student: Student, seed: int) -> None:
    """Many events of all kinds and times: the same answer as the referee's to each."""
    chance, trial, at = _start(student, seed, "season")
    for number in range(140):
        steps = [0, 0, 1, chance.randrange(900), -chance.randrange(100)]
        if trial.referee.done and chance.random() < 0.25:
            old = chance.choice(trial.referee.done[-8:])[4]
            ends = [one.seconds for one in trial.limits.windows] + [trial.limits.hold_seconds]
            steps = [max(0, old + chance.choice(ends) - chance.randrange(2) - at)]
        at += chance.choice(steps)
        event = _event(chance, trial, number, at)
        trial.tell(*event)
        if chance.random() < 0.1:
            trial.tell(*chance.choice(trial.told))


def test_room(student: Student, seed: int) -> None:
    chance, trial, at = _start(student, seed, "room")
    for number in range(20):
        trial.tell(*_event(chance, trial, number, at))
        wallet = chance.choice(sorted(trial.limits.owners))
        trial.asked_room(wallet, at)
        trial.asked_room(wallet, at - chance.randrange(1000))
        trial.asked_room(wallet, at + chance.choice([one.seconds for one in trial.limits.windows]))
        at += chance.randrange(400)
    first, second, third = trial.wallets(chance)
    at += 4 * max(one.seconds for one in trial.limits.windows)
    trial.tell("unload", "home", first, 0, at)
    trial.tell("unload", "home too", second, 0, at)
    trial.tell("reserve", "waiting", first, trial.referee.room(first, at), at)
    at += trial.limits.hold_seconds
    trial.tell("unload", "the clock goes on", third, 0, at)
    for wallet in chance.sample((first, second, third), 3):
        trial.asked_room(wallet, at - chance.randrange(1, trial.limits.hold_seconds))
    _fill(trial, first, at)
    need(trial.asked_room(second, at) == 0, "another_room", said="", right=0)
