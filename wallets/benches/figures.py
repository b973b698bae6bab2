"""Medians and far percentiles of what was measured."""

from collections.abc import Sequence


def median(values: Sequence[float]) -> float:
    """The middle one, or the mean of the two in the middle; 0 for none."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if not ordered:
        return 0.0
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def p999(seconds: Sequence[float]) -> float:
    """The smallest of the times, in milliseconds, that 999 of 1,000 do not exceed; 0 for none."""
    if not seconds:
        return 0.0
    return round(sorted(seconds)[-(-len(seconds) * 999 // 1_000) - 1] * 1_000, 3)
