"""What the checks of a lab are written with: `need`, and the ways an answer can fail.

A check is a pytest test `test_NAME(student, seed)`. It builds its world from the seed, asks the student's functions,
and `need`s what must hold. The sentence comes from the lab's words.toml by its key, so that a grade is read in three
languages and a gradebook may count keys.
"""

from collections.abc import Callable
from typing import Any

from wallets.exercises.line import Raised


class Problem(Exception):
    """What is not right yet: the key of a sentence in words.toml, and the facts that fill it."""

    def __init__(self, key: str, **facts: object) -> None:
        super().__init__(key)
        self.key, self.facts = key, facts


def need(holds: object, key: str, **facts: object) -> None:
    """Go on if it holds; Problem otherwise."""
    if not holds:
        raise Problem(key, **facts)


def refusal(ask: Callable[..., Any], *given: Any, kinds: tuple[str, ...]) -> Raised | None:
    """What the student's function refused with, of the classes `kinds`; None if it returned None.

    Anything else it raises is the answer's failure and goes on; a value other than None is Problem `returned`.
    """
    try:
        value = ask(*given)
    except Raised as error:
        if error.is_a("NotImplementedError") or not error.is_a(*kinds):
            raise
        return error
    need(value is None, "returned", value=repr(value)[:80])
    return None
