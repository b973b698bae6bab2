"""One card message: fields by number, and the one byte form they have.

The library `iso8583` packs and unpacks; what it lets pass is judged here, because it reads more than it writes: a
length of `+6`, a bitmap in small letters, fields nobody listed. So reading is: bound the size, let the library read,
judge type, fields and characters by the tables of `cbdc.cards.fields`, write it again and compare every byte.
Whatever the bytes are, the answer is a message or E_CARD_MESSAGE (E_SIZE for too many of them).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import iso8583

from cbdc.cabinet import follow
from cbdc.cards import fields
from cbdc.cards.fields import FIELDS, KINDS, MAX_MESSAGE_BYTES, first_type
from cbdc.errors import Malformed

_SPEC = fields.library_spec()
_FORMS = {
    number: re.compile(f"{field.form}{{{field.least},{field.most}}}")
    for number, field in FIELDS.items()
    if not field.binary
}
_HEXADECIMAL = re.compile("(?:[0-9A-F]{2})+")


@dataclass(frozen=True, slots=True)
class Message:
    """A message of type `mti` with its `fields` by number; texts, binary fields as capital hexadecimal digits.

    Raises E_CARD_MESSAGE when it is built with a field that its kind does not have, without one it must have, or with
    a value of a wrong form.
    """

    mti: str
    fields: Mapping[int, str]

    def __post_init__(self) -> None:
        kind = KINDS.get(first_type(self.mti))
        if kind is None:
            raise Malformed("E_CARD_MESSAGE", mti=self.mti[:8], field=0, problem="there is no such type")
        present = set(self.fields)
        missing, strange = kind.required - present, present - kind.required - kind.optional
        if missing:
            raise Malformed("E_CARD_MESSAGE", mti=self.mti, field=min(missing), problem="it is missing")
        if strange:
            raise Malformed(
                "E_CARD_MESSAGE", mti=self.mti, field=min(strange), problem="it has no place here"
            )
        for number in sorted(present):
            problem = _problem(number, self.fields[number])
            if problem:
                raise Malformed("E_CARD_MESSAGE", mti=self.mti, field=number, problem=problem)

    @property
    def type(self) -> str:
        """The type without the mark of a repetition."""
        return first_type(self.mti)

    @property
    def processing(self) -> str:
        """The first two digits of field 3: what kind of operation."""
        return self.fields[3][:2]

    @property
    def amount_tiyn(self) -> int:
        """Field 4."""
        return int(self.fields[4])

    @property
    def key(self) -> bytes:
        """The id of the payment it belongs to: the acquirer and the retrieval reference."""
        return payment_key(self.fields[32], self.fields[37])

    @property
    def id(self) -> bytes:
        """The id of this message, the same for its repetitions: who, what, trace number, moment, payment."""
        return request_id(self.type, self.fields)

    @property
    def content(self) -> bytes:
        """All that must be the same in a repetition, as 32 bytes."""
        return follow("card content", Message(self.type, self.fields).encode())

    def binary(self, number: int) -> bytes:
        """A binary field; empty when it is not there."""
        return bytes.fromhex(self.fields.get(number, ""))

    def again(self) -> "Message":
        """The same message, marked as a repetition; a kind that is never repeated stays as it is."""
        return Message(fields.REPEATED.get(self.type, self.mti), self.fields)

    def answer(self, response: str, **more: str) -> "Message":
        """Its answer: the same fields that both have, field 39, and more as `f38="..."`."""
        mti = fields.ANSWERS[self.type]
        kept = {number: value for number, value in self.fields.items() if number in KINDS[mti].required}
        extra = {int(name[1:]): value for name, value in more.items() if value}
        return Message(mti, {**kept, 39: response, **extra})

    def encode(self) -> bytes:
        """The bytes on the wire."""
        document = {"t": self.mti, **{str(number): value for number, value in self.fields.items()}}
        raw, _ = iso8583.encode(document, _SPEC)
        return bytes(raw)


def original_of(asked: Message) -> str:
    """Field 56 of what follows a request: the request itself, also where the issuer only knows the network's advice."""
    first = "0100" if asked.type == "0120" else asked.type
    return first + asked.fields[11] + asked.fields[12] + asked.fields[32]


def request_id(mti: str, values: Mapping[int, str]) -> bytes:
    """The id of a message of type `mti` with these fields, whether it is at hand or not."""
    parts = (mti, *(values.get(number, "") for number in (2, 3, 11, 12, 32, 37)))
    return follow("card message", *(part.encode() for part in parts))


def payment_key(acquirer: str, reference: str) -> bytes:
    """The id of the payment that an acquirer names by a retrieval reference."""
    return follow("card payment", acquirer.encode(), reference.encode())


def decode(data: bytes) -> Message:
    """The message in `data`; E_SIZE or E_CARD_MESSAGE."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise Malformed("E_SIZE", size_bytes=len(data), limit_bytes=MAX_MESSAGE_BYTES)
    try:
        document, _ = iso8583.decode(data, _SPEC)
    except (ValueError, KeyError) as error:
        # KeyError: a field number that the tables do not have.
        problem = getattr(error, "msg", "there is no such field")
        raise Malformed("E_CARD_MESSAGE", mti=_shown(data), field=_field_of(error), problem=problem) from None
    values = {int(name): value for name, value in document.items() if name.isdigit() and name != "1"}
    message = Message(document["t"], values)
    if message.encode() != data:
        raise Malformed("E_CARD_MESSAGE", mti=message.mti, field=0, problem="it has another, proper form")
    return message


def _problem(number: int, value: str) -> str:
    field = FIELDS[number]
    if field.binary:
        whole = _HEXADECIMAL.fullmatch(value) is not None
        return (
            "" if whole and field.least <= len(value) // 2 <= field.most else "its bytes have a wrong length"
        )
    return "" if _FORMS[number].fullmatch(value) else "its characters or its length are wrong"


def _shown(data: bytes) -> str:
    return data[:4].decode("ascii", "replace")


def _field_of(error: Exception) -> int:
    name = str(getattr(error, "field", error.args[0] if error.args else ""))
    return int(name) if name.isdigit() else 0
