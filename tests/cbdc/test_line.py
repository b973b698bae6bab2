"""The line before the ledger, alone: who gathers, who leads, who waits for whom, and who hands on what he had."""

import linecache
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import FrameType
from typing import Any, cast

import pytest

from cbdc.errors import Malformed, TengeError, Unavailable
from cbdc.ledger import line as line_module
from cbdc.ledger.group import Item
from cbdc.ledger.line import Answer, Line, Party
from tests.cbdc.gates import PATIENCE, Step, eventually

WRONG = Malformed("E_DECODE", detail="not read here")


class Trial:
    """A line whose verifying and committing are steps, and threads that stand in it."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self.threads = threads
        self.verify: Step[bytes, Item] = Step(_items)
        self.settle: Step[Item, Item] = Step(list)
        # What is verified comes back as its answer.
        self.line = Line(cast("Callable[[Sequence[Item]], list[Answer]]", self.settle), self.verify)

    def few(self, *names: bytes) -> "Future[list[Answer]]":
        """A call of a few."""
        return self.threads.submit(self.line.together, Party(names, [], few=True))

    def many(self, *names: bytes, came: int = 0) -> "Future[list[Answer]]":
        """A call of many that is verified."""
        party = Party(names, [_item(name) for name in names], few=False)
        return self.threads.submit(lambda: self.line.answered(party, came=came))

    @property
    def commits(self) -> list[list[bytes]]:
        """What was committed together."""
        return [[item[0] for item in group] for group in self.settle.given]


def _item(data: bytes) -> Item:
    return data, WRONG


def _items(given: Sequence[bytes]) -> list[Item]:
    return [_item(data) for data in given]


def _names(answers: "Future[list[Answer]]") -> list[bytes]:
    return [cast(Item, answer)[0] for answer in answers.result(PATIENCE)]


@pytest.fixture
def trial() -> Iterator[Trial]:
    """A line, and at the end nothing in it."""
    with ThreadPoolExecutor(24) as threads:
        made = Trial(threads)
        yield made
        made.verify.open.set()
        made.settle.open.set()
        eventually(lambda: not (made.line._leader or made.line._gatherer))
    left = made.line
    assert (len(left), left._standing, left._standing_few, left._expected, left._gathering) == (0, 0, 0, 0, 0)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gets up by himself in this test."""
    monkeypatch.setattr(line_module, "HELD_SECONDS", PATIENCE)


@pytest.mark.usefixtures("patient")
def test_one_verifies_for_all_who_came_while_it_was_busy(trial: Trial) -> None:
    with trial.verify.held():
        answers = [trial.few(b"0")]
        assert trial.verify.inside.wait(PATIENCE)
        answers += [trial.few(b"%d" % number, b"%d'" % number) for number in range(1, 9)]
        eventually(lambda: len(trial.line._few) == 8)
    assert [_names(one) for one in answers] == [[b"0"], *([b"%d" % n, b"%d'" % n] for n in range(1, 9))]
    assert [len(some) for some in trial.verify.given] == [1, 16]
    assert sorted(name for group in trial.commits for name in group) == sorted(
        trial.verify.given[0] + trial.verify.given[1]
    )


@pytest.mark.usefixtures("patient")
def test_many_share_a_commit_while_more_are_verified_than_stand(trial: Trial) -> None:
    trial.line.expected_more(5)
    first = trial.many(b"a", b"b", came=2)
    eventually(lambda: len(trial.line) == 1)
    assert (trial.line._leader, trial.commits) == (None, [])
    second = trial.many(b"c", came=1)
    assert [_names(first), _names(second)] == [[b"a", b"b"], [b"c"]]
    assert trial.commits == [[b"a", b"b", b"c"]], "three stand and two are verified: due"
    trial.line.expected_more(-2)


@pytest.mark.usefixtures("patient")
def test_a_few_do_not_wait_for_many_and_take_them_along(trial: Trial) -> None:
    trial.line.expected_more(100)
    held = trial.many(b"a", came=1)
    eventually(lambda: len(trial.line) == 1)
    assert _names(trial.few(b"b")) == [b"b"]
    assert _names(held) == [b"a"]
    assert trial.commits == [[b"a", b"b"]]
    trial.line.expected_more(-99)


@pytest.mark.usefixtures("patient")
def test_who_was_waited_for_and_does_not_come_is_waited_for_no_longer(trial: Trial) -> None:
    trial.line.expected_more(10)
    held = trial.many(b"a", came=1)
    eventually(lambda: len(trial.line) == 1)
    trial.line.expected_more(-9)
    assert _names(held) == [b"a"]


def test_whoever_waited_long_leads_whatever_is_verified(trial: Trial) -> None:
    trial.line.expected_more(100)
    assert _names(trial.many(b"a", came=1)) == [b"a"]
    trial.line.expected_more(-99)


@pytest.mark.usefixtures("patient")
def test_a_commit_waits_for_what_is_gathered_when_that_is_more(trial: Trial) -> None:
    with trial.settle.held():
        answers = [trial.few(b"0")]
        assert trial.settle.inside.wait(PATIENCE)
        answers.append(trial.few(b"1"))
        eventually(lambda: len(trial.line) == 1)
        trial.verify.inside.clear()
        trial.verify.open.clear()
        answers.append(trial.few(b"2", b"3"))
        assert trial.verify.inside.wait(PATIENCE)
    assert _names(answers[0]) == [b"0"]
    eventually(lambda: not trial.line._leader)
    assert trial.commits == [[b"0"]]
    trial.verify.open.set()
    assert [_names(one) for one in answers[1:]] == [[b"1"], [b"2", b"3"]]
    assert trial.commits == [[b"0"], [b"1", b"2", b"3"]]


@pytest.mark.usefixtures("patient")
def test_what_fails_for_the_gatherer_fails_for_all_it_gathered_for(trial: Trial) -> None:
    with trial.verify.held():
        first = trial.few(b"0")
        assert trial.verify.inside.wait(PATIENCE)
        others = [trial.few(b"1"), trial.few(b"2")]
        eventually(lambda: len(trial.line._few) == 2)
        trial.verify.failure = Unavailable("E_STORE_UNAVAILABLE", detail="told to")
    with pytest.raises(TengeError):
        first.result(PATIENCE)
    assert [_names(one) for one in others] == [[b"1"], [b"2"]], "they were gathered after it"
    with trial.verify.held():
        first = trial.few(b"3")
        eventually(lambda: len(trial.verify.given) == 3)
        others = [trial.few(b"4"), trial.few(b"5")]
        eventually(lambda: len(trial.line._few) == 2)
        trial.verify.answer, whole = _fails_for_two, trial.verify.answer
    assert _names(first) == [b"3"]
    for one in others:
        with pytest.raises(TengeError):
            one.result(PATIENCE)
    trial.verify.answer = whole
    assert _names(trial.few(b"6")) == [b"6"]


def _fails_for_two(given: Sequence[bytes]) -> list[Item]:
    if len(given) == 2:
        raise Unavailable("E_STORE_UNAVAILABLE", detail="told to")
    return _items(given)


@pytest.mark.usefixtures("patient")
def test_an_interrupted_gatherer_hands_on_what_it_gathered_for_others(trial: Trial) -> None:
    failures: list[BaseException] = [KeyboardInterrupt()]

    def interrupted_once(given: Sequence[bytes]) -> list[Item]:
        if len(given) == 2 and failures:
            raise failures.pop()
        return _items(given)

    trial.verify.answer = interrupted_once
    with trial.settle.held():
        answers = [trial.few(b"0")]
        assert trial.settle.inside.wait(PATIENCE)
        with trial.verify.held():
            answers.append(trial.few(b"1"))
            assert trial.verify.inside.wait(PATIENCE)
            answers += [trial.few(b"2"), trial.few(b"3")]
            eventually(lambda: len(trial.line._few) == 2)
        # The one that gathered first stands in line by now, and gathers for the two others: it is interrupted there.
        with pytest.raises(KeyboardInterrupt):
            answers[1].result(PATIENCE)
    assert [_names(one) for one in (answers[0], answers[2], answers[3])] == [[b"0"], [b"2"], [b"3"]]


class Leaver(Party):
    """A party whose owner is interrupted while it waits, when told to."""

    def __init__(self, *names: bytes) -> None:
        super().__init__(names, [], few=True)
        self.leave = threading.Event()

    def wait(self) -> bool:
        """Wait until told to be interrupted."""
        assert self.leave.wait(PATIENCE)
        raise KeyboardInterrupt


@pytest.mark.usefixtures("patient")
def test_one_that_leaves_while_another_verifies_for_it_does_not_stand_in_line(trial: Trial) -> None:
    gone, taken, verified = Leaver(b"2"), threading.Event(), threading.Event()

    def slowly(given: Sequence[bytes]) -> list[Item]:
        if b"2" in given:
            taken.set()
            assert verified.wait(PATIENCE)
        return _items(given)

    trial.verify.answer = slowly
    with trial.settle.held():
        answers = [trial.few(b"0")]
        assert trial.settle.inside.wait(PATIENCE)
        with trial.verify.held():
            answers.append(trial.few(b"1"))
            assert trial.verify.inside.wait(PATIENCE)
            left = trial.threads.submit(trial.line.together, gone)
            eventually(lambda: len(trial.line._few) == 1)
        assert taken.wait(PATIENCE)
        gone.leave.set()
        with pytest.raises(KeyboardInterrupt):
            left.result(PATIENCE)
        verified.set()
    assert [_names(one) for one in answers] == [[b"0"], [b"1"]]
    assert trial.commits == [[b"0"], [b"1"]]


@pytest.mark.usefixtures("patient")
def test_one_that_leaves_before_anybody_gathers_it_is_forgotten(trial: Trial) -> None:
    gone = Leaver(b"1")
    gone.leave.set()
    with trial.verify.held():
        first = trial.few(b"0")
        assert trial.verify.inside.wait(PATIENCE)
        with pytest.raises(KeyboardInterrupt):
            trial.line.together(gone)
        assert not trial.line._few
    assert _names(first) == [b"0"]


def test_three_hundred_calls_of_every_kind_and_all_are_answered_once(trial: Trial) -> None:
    calls = [[b"%d.%d" % (call, place) for place in range(1 + call % 3)] for call in range(300)]
    answers = []
    for number, names in enumerate(calls):
        if number % 5 == 4:
            trial.line.expected_more(len(names))
            answers.append(trial.many(*names, came=len(names)))
        else:
            answers.append(trial.few(*names))
    assert [_names(one) for one in answers] == calls
    done = [name for group in trial.commits for name in group]
    assert len(done) == len(set(done)) == sum(map(len, calls))


class Interrupting:
    """Raises KeyboardInterrupt at one of the lines of the module that this thread runs; `at` tells where."""

    def __init__(self, number: int) -> None:
        self._left = number
        self.armed = threading.Event()
        self.at = ""

    def __enter__(self) -> None:
        self._traced = sys.gettrace()
        sys.settrace(
            lambda frame, *_: self._line if frame.f_code.co_filename == line_module.__file__ else None
        )

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._traced)

    def _line(self, frame: FrameType, event: str, _: Any) -> Any:
        # What is raised by tracing where a lock is being taken leaves it taken; a signal does not.
        if event == "line" and self.armed.is_set() and not self.at:
            text = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
            if not text.startswith("with "):
                self._left -= 1
                if not self._left:
                    self.at = f"{frame.f_code.co_name}:{frame.f_lineno}: {text}"
                    raise KeyboardInterrupt
        return self._line


def _interrupted_at(number: int, threads: ThreadPoolExecutor) -> str:
    """This thread gathers and leads for three others and is interrupted at one of its lines; where, if there is one."""
    trial, stop = Trial(threads), Interrupting(number)
    with trial.verify.held():
        first = trial.few(b"first")
        assert trial.verify.inside.wait(PATIENCE)

        def others() -> list["Future[list[Answer]]"]:
            eventually(lambda: len(trial.line._few) == 1)
            came = [trial.few(b"%d" % number) for number in range(3)]
            eventually(lambda: len(trial.line._few) == 4)
            stop.armed.set()
            trial.verify.open.set()
            return came

        waiting = threads.submit(others)
        with stop, suppress(KeyboardInterrupt):
            trial.line.together(Party([b"mine"], [], few=True))
    for call in (first, *waiting.result(PATIENCE), trial.few(b"later")):
        try:
            call.result(2)
        except TengeError:
            pass  # E_STORE_OUTCOME: who shared a commit that was interrupted
        except TimeoutError:
            raise AssertionError(f"somebody waits for ever after an interruption at {stop.at}") from None
    return stop.at


@pytest.mark.slow
def test_wherever_one_is_interrupted_nobody_waits_for_ever() -> None:
    threads = ThreadPoolExecutor(8)
    try:
        seen = set[str]()
        for number in range(1, 1_000):
            at = _interrupted_at(number, threads)
            if not at:
                break
            seen.add(at.partition(":")[0])
        assert number > 100
        assert seen >= {"together", "_gather", "_stand", "_lead", "_call_next", "answer_together"}
    finally:
        # Whoever waits for ever is left.
        threads.shutdown(wait=False)
