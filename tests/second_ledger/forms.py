"""The forms of fields and their refusals (ledger/1, "Bytes" and "Locks")."""

from collections.abc import Callable, Sequence
from typing import Any

from tests.second_ledger.errors import Refusal, require
from tests.second_ledger.mpc import MAX

Form = Callable[[Any], Any]
Schema = Sequence[tuple[str, Form]]


def number(low: int, high: int) -> Form:
    """``low..high``."""

    def read(value: Any) -> Any:
        require(isinstance(value, int), "E_TYPE")
        require(low <= value <= high, "E_FIELD")
        return value

    return read


def raw(*sizes: int) -> Form:
    """A byte string of one of these lengths."""

    def read(value: Any) -> Any:
        require(isinstance(value, bytes), "E_TYPE")
        require(len(value) in sizes, "E_FIELD")
        return value

    return read


def raw_most(most: int) -> Form:
    """``bytes <= most``."""

    def read(value: Any) -> Any:
        require(isinstance(value, bytes), "E_TYPE")
        require(len(value) <= most, "E_FIELD")
        return value

    return read


def text(most: int) -> Form:
    """``text <= most`` bytes of UTF-8."""

    def read(value: Any) -> Any:
        require(isinstance(value, str), "E_TYPE")
        require(len(value.encode()) <= most, "E_FIELD")
        return value

    return read


def group(*forms: Form) -> Form:
    """``(x, y)``: an array of exactly these."""

    def read(value: Any) -> Any:
        require(isinstance(value, list), "E_TYPE")
        require(len(value) == len(forms), "E_FIELD")
        return tuple(form(item) for form, item in zip(forms, value, strict=True))

    return read


def many(form: Form, low: int, high: int) -> Form:
    """``[x] low..high``."""

    def read(value: Any) -> Any:
        require(isinstance(value, list), "E_TYPE")
        require(low <= len(value) <= high, "E_COUNT")
        return tuple(form(item) for item in value)

    return read


def record(schema: Schema, values: Any) -> dict[str, Any]:
    """A record's fields in their order; a wrong number of fields comes first."""
    require(isinstance(values, list), "E_TYPE")
    require(len(values) == len(schema), "E_FIELD")
    return {name: form(item) for (name, form), item in zip(schema, values, strict=True)}


HASH = raw(32)
MAYBE = raw(0, 32)
KEY = raw(32, 33)
ALGORITHM = number(1, 255)
NUMBER = number(0, MAX)
MOMENT = number(0, MAX)
AMOUNT = number(1, MAX)
BYTE = number(0, 255)
_THRESHOLD = number(1, MAX)
_LOCK_KEYS = many(HASH, 1, 16)


def lock(value: Any) -> Any:
    """A lock as a tuple (ledger/1, "Locks")."""
    require(isinstance(value, list), "E_TYPE")
    shape = (value[0] if value and isinstance(value[0], int) else None, len(value))
    if shape == (1, 2):
        return (1, HASH(value[1]))
    if shape == (2, 3):
        keys = _LOCK_KEYS(value[2])
        threshold = _THRESHOLD(value[1])
        require(threshold <= len(keys) and len(set(keys)) == len(keys), "E_LOCK")
        return (2, threshold, keys)
    if shape == (3, 5):
        return (3, *(HASH(item) for item in value[1:4]), MOMENT(value[4]))
    raise Refusal("E_LOCK")


def lock_keys(value: Any) -> tuple[bytes, ...]:
    """The keys of a lock in their order; the first counts as holder (ledger/1, "Locks")."""
    if value[0] == 1:
        return (value[1],)
    if value[0] == 2:
        return tuple(value[2])
    return (value[3], value[2])
