"""Refusals: a code is all that two implementations must have in common (5.1)."""

from __future__ import annotations


class Refusal(Exception):
    """A check failed; `code` is the code of the first check that did (5.1, 8.2)."""

    def __init__(self, code: str, why: str = "") -> None:
        """A code for machines, and words for people (5.1)."""
        super().__init__(f"{code}: {why}" if why else code)
        self.code = code


def need(condition: bool, code: str, why: str = "") -> None:
    """Refuse with `code` unless the condition holds (5.1: the first failure decides)."""
    if not condition:
        raise Refusal(code, why)
