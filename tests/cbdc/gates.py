"""Gates: work that waits until a test lets it go on, so that others come meanwhile."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

PATIENCE = 20.0
"""Seconds after which something that a test waits for is taken to have failed."""

Given = TypeVar("Given")
Made = TypeVar("Made")


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something is so, for a while."""
    pause = threading.Event()
    for _ in range(2_000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it never happened")


class Gate:
    """Where work waits while the gate is shut; it can fail there once. `inside` tells that somebody came to it."""

    def __init__(self) -> None:
        super().__init__()
        self.failure: BaseException | None = None
        self.inside = threading.Event()
        self.open = threading.Event()
        self.open.set()

    def pass_through(self) -> None:
        """Wait until the gate is open; raises what the test wants to fail here."""
        self.inside.set()
        assert self.open.wait(PATIENCE)
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    @contextmanager
    def held(self) -> Iterator[None]:
        """Whoever comes to the gate in here waits until the end."""
        self.inside.clear()
        self.open.clear()
        try:
            yield
        finally:
            self.open.set()


class Step(Gate, Generic[Given, Made]):
    """A step of the work behind a gate, that writes down what it was given."""

    def __init__(self, answer: Callable[[Sequence[Given]], list[Made]]) -> None:
        super().__init__()
        self.answer = answer
        self.given: list[list[Given]] = []

    def __call__(self, given: Sequence[Given]) -> list[Made]:
        """Wait until the gate is open, and answer."""
        self.given.append(list(given))
        self.pass_through()
        return self.answer(given)
