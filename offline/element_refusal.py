"""Refusals of a secure element as bytes: a status word, and behind it the whole refusal.

A **status word** of ISO 7816-4 says what kind of refusal it is. An error status carries no data, so the whole of it is
fetched by GET DATA: `[code, [[fact, kind, value]...]]`, and the host raises the same code with the same facts as if the
element lived in its own process. The kinds of facts: 0 a whole number, 1 a negative one without its sign, 2 text in
UTF-8, 3 a number too large for MP-C, in digits.

Source: DTO/1, section 5.7; ISO 7816-4 (status words).
"""

from collections.abc import Mapping
from typing import Any

from cbdc import canonical
from cbdc.errors import Malformed, TengeError, by_code
from cbdc.record import Bytes, Group, Items, Unsigned

DONE = 0x9000
WRONG_LENGTH = 0x6700
LAST_EXPECTED = 0x6883
CHAIN_UNKNOWN = 0x6884
NOT_NOW = 0x6985
WRONG_DATA = 0x6A80
NO_APPLICATION = 0x6A82
TOO_LONG = 0x6A84
WRONG_PLACE = 0x6A86
NOTHING_KEPT = 0x6A88
NO_INSTRUCTION = 0x6D00
NO_CLASS = 0x6E00

# What the status word says of a family of refusals; the code says the rest.
FAMILY_WORDS: Mapping[str, int] = {"malformed": WRONG_DATA, "refused": NOT_NOW, "unavailable": 0x6581}

# Refusals that ISO 7816-4 has a better word for.
STATUS_WORDS: Mapping[int, tuple[str, ...]] = {
    0x6581: ("E_JOURNAL", "E_JOURNAL_IO", "E_ELEMENT_RESTART"),
    0x6982: ("E_PIN", "E_PIN_WRONG"),
    0x6983: ("E_PIN_BLOCKED",),
    0x6984: ("E_PIN_UNSET", "E_CERTIFICATE_KEY"),
    0x6988: ("E_SIG",),
    0x6A84: ("E_PURSE_FULL", "E_OUTBOX_FULL", "E_INVOICES_OPEN", "E_SIZE"),
    0x6A88: ("E_OUTPOINT", "E_INVOICE_UNKNOWN", "E_PURPOSE_UNKNOWN"),
    0x6A89: ("E_PAID_BEFORE", "E_PROVISIONED", "E_REQUEST_REUSED"),
    0x6F01: ("E_ELEMENT_DEAD",),
}
_WORD_OF: Mapping[str, int] = {code: word for word, codes in STATUS_WORDS.items() for code in codes}
_MOST_TEXT_BYTES = 1_024
_NO_FACTS = ("self", "code")
_TEXT = Bytes(most=_MOST_TEXT_BYTES)


class _Any:
    def load(self, value: object, name: str) -> Any:
        return value


_FACTS = Items(Group((_TEXT, Unsigned(0, 3), _Any())), most=64)


def status_word(error: TengeError) -> int:
    """The status word of a refusal."""
    return _WORD_OF.get(error.code, FAMILY_WORDS[error.family])


def write_refusal(error: TengeError) -> bytes:
    """`[code, [[fact, kind, value]...]]` as MP-C."""
    facts = [[name.encode(), *_write_fact(value)] for name, value in sorted(error.facts.items())]
    return canonical.encode([error.code.encode(), facts])


def read_refusal(data: bytes) -> TengeError:
    """The refusal in `data`, as the element raised it; Malformed when it is none."""
    code, facts = Group((_TEXT, _FACTS)).load(canonical.decode(data), "refusal")
    told = {_words(name): _read_fact(kind, value) for name, kind, value in facts}
    if not told.keys().isdisjoint(_NO_FACTS):
        raise Malformed("E_FIELD", field="fact", problem="no name of a fact")
    return by_code(_words(code), told)


def _write_fact(value: object) -> tuple[int, int | bytes]:
    if isinstance(value, int):
        if not -canonical.MAX_INTEGER <= value <= canonical.MAX_INTEGER:
            return 3, str(value).encode()[:_MOST_TEXT_BYTES]
        return (0, int(value)) if value >= 0 else (1, -value)
    return 2, str(value).encode("utf-8", "replace")[:_MOST_TEXT_BYTES]


def _read_fact(kind: int, value: object) -> object:
    if kind <= 1:
        number = Unsigned().load(value, "fact")
        return -number if kind else number
    text = _words(_TEXT.load(value, "fact"))
    if kind == 2:
        return text
    if not text.removeprefix("-").isdigit() or not text.isascii():
        raise Malformed("E_FIELD", field="fact", problem="no number")
    return int(text)


def _words(data: bytes) -> str:
    return data.decode("utf-8", "replace")
