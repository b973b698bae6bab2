"""The form of card messages, as data: which fields there are, which kinds of messages, and which fields each carries.

The messages are **shaped** like ISO 8583: a message type of four digits, bitmaps, numbered fields. Numbers and meanings
follow the edition of 1987, with the date and time (12), the function code (24) and the reason code (25) of 1993; what
is ours is said. It is nobody's production specification. `docs/cards.md` shows these tables.

    0100 0110   may I?              a purchase, or a question for the pocket
    0120 0130   I have said yes     the network, standing in for a silent issuer
    0200 0210   may I, and do it    cash from a machine
    0220 0230   it is done          capture, refund, second presentment
    0400 0410   undo it             a merchant or a machine takes a payment back, whole or in part
    0420 0430   undo it             the same, because no answer came in time
    0422 0432   I want it back      the issuer's chargeback
    0800 0810   are you there?      sign on, sign off, echo

A repetition has the next odd number (0101, 0121, 0421, 0423) and is otherwise the same message.
"""

from datetime import UTC, datetime
from typing import NamedTuple

PURCHASE = "00"
CASH = "01"
REFUND = "20"
ENQUIRY = "31"

TENGE = "398"  # ISO 4217, numeric
KAZAKHSTAN = "398"  # ISO 3166-1, numeric

FIRST = "200"  # function codes
SECOND_PRESENTMENT = "205"
ORIGINAL = "100"
FULL_REVERSAL = "400"
PARTIAL_REVERSAL = "401"
CHARGEBACK = "450"

CANCELLED = "4000"  # reason codes of reversals
TIMED_OUT = "4021"
PARTLY = "4004"
HOLD_EXPIRED = "4100"  # ours: the issuer gives back what nobody captured
STOOD_IN = "1003"
DISPUTED = "4553"

SIGN_ON = "001"
SIGN_OFF = "002"
ECHO = "301"

MAX_MESSAGE_BYTES = 2_048
MAX_DATA_BYTES = 999


class Field(NamedTuple):
    """One field: `least` to `most` characters (bytes when `binary`), `form` the characters allowed, and its meaning."""

    least: int
    most: int
    form: str
    meaning: str
    binary: bool = False

    @property
    def length_digits(self) -> int:
        """How many digits tell the length: none when it is fixed."""
        if self.least == self.most:
            return 0
        return 2 if self.most <= 99 else 3

    @property
    def shape(self) -> str:
        """The way the standard writes it, such as `n 6` or `LLVAR n ..19`."""
        kind = "b" if self.binary else "n" if self.form == _DIGITS else "an"
        return (
            f"{kind} {self.most}"
            if not self.length_digits
            else f"{'L' * self.length_digits}VAR {kind} ..{self.most}"
        )


_DIGITS = "[0-9]"
_LETTERS = "[0-9A-Z]"

FIELDS: dict[int, Field] = {
    2: Field(12, 19, _DIGITS, "number of the card or of the device token"),
    3: Field(6, 6, _DIGITS, "processing code: 00 purchase, 01 cash, 20 refund, 31 enquiry, then 0000"),
    4: Field(12, 12, _DIGITS, "amount in tiyn"),
    7: Field(10, 10, _DIGITS, "when it was first sent, UTC, MMDDhhmmss"),
    11: Field(6, 6, _DIGITS, "trace number of the message"),
    12: Field(12, 12, _DIGITS, "when it happened at the terminal, UTC+5, YYMMDDhhmmss"),
    14: Field(4, 4, _DIGITS, "last month of the card, YYMM"),
    18: Field(4, 4, _DIGITS, "kind of shop"),
    19: Field(3, 3, _DIGITS, "country of the acquirer (ISO 3166-1)"),
    22: Field(3, 3, _DIGITS, "how the card was read: 051 chip, 071 contactless, 810 online"),
    24: Field(3, 3, _DIGITS, "function code"),
    25: Field(4, 4, _DIGITS, "reason code"),
    32: Field(6, 11, _DIGITS, "acquirer"),
    37: Field(12, 12, _LETTERS, "retrieval reference: names the payment for its whole life, with field 32"),
    38: Field(6, 6, _LETTERS, "authorisation code"),
    39: Field(2, 2, _LETTERS, "answer: 00 is yes"),
    41: Field(8, 8, _LETTERS, "terminal"),
    42: Field(15, 15, _LETTERS, "merchant"),
    48: Field(32, 32, "", "ours: the merchant's key id, when it takes digital tenge directly", binary=True),
    49: Field(3, 3, _DIGITS, "currency (ISO 4217)"),
    55: Field(
        1,
        MAX_DATA_BYTES,
        "",
        "the chip's data. In a request: the card holder's signed transfer (or question); in an answer: the pocket",
        binary=True,
    ),
    56: Field(28, 33, _DIGITS, "the message it is about: type (4), trace (6), field 12 (12), acquirer (6..)"),
    70: Field(3, 3, _DIGITS, "network management: 001 sign on, 002 sign off, 301 echo"),
    95: Field(12, 12, _DIGITS, "what remains after a partial reversal, in tiyn"),
}


class Kind(NamedTuple):
    """One kind of message: the fields it must and may have."""

    meaning: str
    required: frozenset[int]
    optional: frozenset[int]


_BASE = frozenset({2, 3, 4, 7, 11, 12, 32, 37, 41, 42, 49})
_ASK = _BASE | {14, 18, 19, 22, 24, 55}


def _answer(meaning: str, *optional: int) -> Kind:
    return Kind(meaning, _BASE | {39}, frozenset(optional))


KINDS: dict[str, Kind] = {
    "0100": Kind("authorisation request", _ASK, frozenset({48})),
    "0110": _answer("authorisation answer", 38, 55),
    "0120": Kind("authorisation advice", _ASK | {25, 38, 39}, frozenset()),
    "0130": _answer("authorisation advice answer", 38, 55),
    "0200": Kind("financial request", _ASK, frozenset()),
    "0210": _answer("financial answer", 38, 55),
    "0220": Kind("financial advice", _BASE | {24, 56}, frozenset({25, 38})),
    "0230": _answer("financial advice answer"),
    "0400": Kind("reversal request", _BASE | {24, 25, 56}, frozenset({38, 95})),
    "0410": _answer("reversal answer"),
    "0420": Kind("reversal advice", _BASE | {24, 25, 56}, frozenset({38, 95})),
    "0430": _answer("reversal advice answer"),
    "0422": Kind("chargeback advice", _BASE | {24, 25, 56}, frozenset({38})),
    "0432": _answer("chargeback advice answer"),
    "0800": Kind("network management request", frozenset({7, 11, 12, 32, 70}), frozenset()),
    "0810": Kind("network management answer", frozenset({7, 11, 12, 32, 39, 70}), frozenset()),
}

ANSWERS = {
    "0100": "0110",
    "0120": "0130",
    "0200": "0210",
    "0220": "0230",
    "0400": "0410",
    "0420": "0430",
    "0422": "0432",
    "0800": "0810",
}
ANSWERED = {answer: request for request, answer in ANSWERS.items()}
_REPEATS = {"0101": "0100", "0121": "0120", "0201": "0200", "0221": "0220", "0421": "0420", "0423": "0422"}
REPEATED = {first: again for again, first in _REPEATS.items()}


def first_type(mti: str) -> str:
    """The type without the mark of a repetition: 0421 is 0420."""
    return _REPEATS.get(mti, mti)


def library_spec() -> dict[str, dict[str, object]]:
    """The same tables in the form that the library `iso8583` reads."""
    text = {"data_enc": "ascii", "len_enc": "ascii"}
    bits = {"data_enc": "b", "len_enc": "ascii", "len_type": 0, "max_len": 8}
    spec: dict[str, dict[str, object]] = {
        "h": {**text, "len_type": 0, "max_len": 0, "desc": "no header"},
        "t": {**text, "len_type": 0, "max_len": 4, "desc": "message type"},
        "p": {**bits, "desc": "bitmap"},
        "1": {**bits, "desc": "second bitmap"},
    }
    for number, field in FIELDS.items():
        spec[str(number)] = {
            "data_enc": "b" if field.binary else "ascii",
            "len_enc": "ascii",
            "len_type": field.length_digits,
            "max_len": field.most,
            "desc": field.meaning,
        }
    return spec


def clock_text(moment: int) -> str:
    """A moment (Unix seconds) as YYMMDDhhmmss; add an offset before for local time."""
    return datetime.fromtimestamp(moment, UTC).strftime("%y%m%d%H%M%S")
