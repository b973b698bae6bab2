"""The card side of the byte channel: one command comes, one response goes, whatever the bytes are.

    SELECT        00 A4 04 00 Lc AID               opens the element from its journal; answers `[version]`
    a call        80 INS 00 00 Lc arguments        the instructions of `offline.element_wire.CALLS`
    chaining      90 INS 00 00 Lc piece            all pieces but the last (CLA bit 0x10), at most 255 bytes each
    GET RESPONSE  00 C0 00 00 Le                   the rest of an answer, while the status word is 61xx
    GET DATA      80 CA 00 00                      the whole of the last refusal: its code and its facts

Rules kept here:

- a command that is malformed, oversized, out of order or unknown gets a status word and changes nothing; only a whole
  call, read to its last byte, reaches the element;
- the size of a call is bounded while it arrives, before any of it is read;
- a new command drops an answer that was not fetched; another command within a chain ends the chain unread; a host that
  lost its place selects again, which forgets all of that, and asks again;
- when the element does not know whether its write happened, it is let go and opened anew from its journal at the next
  SELECT.

A failed assertion is a bug of the element, not a refusal: it ends the process, and the journal decides.

Source: DTO/1, section 5.7; ISO 7816-4 (commands, chaining, status words).
"""

from collections.abc import Callable
from typing import Any

from cbdc import canonical
from cbdc.errors import TengeError, Unavailable
from offline.element_protocol import SecureElement
from offline.element_refusal import (
    CHAIN_UNKNOWN,
    DONE,
    LAST_EXPECTED,
    NO_APPLICATION,
    NO_CLASS,
    NO_INSTRUCTION,
    NOT_NOW,
    NOTHING_KEPT,
    TOO_LONG,
    WRONG_LENGTH,
    WRONG_PLACE,
    status_word,
    write_refusal,
)
from offline.element_wire import BY_NUMBER, WIRE_VERSION, Call, read_arguments, write_answer

APPLICATION_ID = b"\xf0KZTSE1"
PIECE_BYTES = 255

ISO_CLASS = 0x00
OWN_CLASS = 0x80
CHAIN_BIT = 0x10
SELECT = 0xA4
GET_RESPONSE = 0xC0
GET_DATA = 0xCA
MORE = 0x61

_HEAD_BYTES = 4
_NO_NETWORK = bytes(8)

# More calls than those of the protocol, for opened elements: the call, and what carries it out.
Extra = dict[int, tuple[Call, Callable[..., Any]]]


def command(instruction: int, data: bytes, own: bool = True, chained: bool = False) -> bytes:
    """One command with `data` (at most 255 bytes); with none it asks for what there is (Le 00)."""
    kind = (OWN_CLASS if own else ISO_CLASS) | (CHAIN_BIT if chained else 0)
    place = bytes([kind, instruction, 0x04 if instruction == SELECT else 0, 0])
    return place + (bytes([len(data)]) + data if data else b"\x00")


class Applet:
    """One element behind commands. `open_element` opens it from its journal; `extra` are calls of an opened one."""

    def __init__(
        self, open_element: Callable[[], SecureElement], extra: Callable[[SecureElement], Extra] | None = None
    ) -> None:
        self._open = open_element
        self._extra = extra
        self._element: SecureElement | None = None
        self._chain: tuple[int, int] | None = None
        self._coming = bytearray()
        self._going = b""
        self._refusal = b""

    def process(self, command: bytes) -> bytes:
        """The response to one command: data and a status word."""
        if not _HEAD_BYTES <= len(command) <= _HEAD_BYTES + 1 + PIECE_BYTES + 1:
            return self._answer(WRONG_LENGTH)
        kind, instruction, *places = command[:_HEAD_BYTES]
        data = _data_of(command[_HEAD_BYTES:])
        if data is None:
            return self._answer(WRONG_LENGTH)
        own, chained = kind & ~CHAIN_BIT, bool(kind & CHAIN_BIT)
        if own not in (ISO_CLASS, OWN_CLASS):
            return self._answer(NO_CLASS)
        if (own, instruction) == (ISO_CLASS, GET_RESPONSE) and not chained:
            return self._piece() if self._going else self._answer(NOT_NOW)
        self._going = b""
        selects = (own, instruction) == (ISO_CLASS, SELECT) and not chained
        if self._chain not in (None, (own, instruction)) and not selects:
            return self._answer(LAST_EXPECTED)
        if own == OWN_CLASS and instruction != GET_DATA:
            return self._call(instruction, places, data, chained)
        if chained:
            return self._answer(CHAIN_UNKNOWN)
        if own == OWN_CLASS:
            refusal, self._refusal = self._refusal, b""
            return self._give(refusal) if refusal else self._answer(NOTHING_KEPT)
        if not selects:
            return self._answer(NO_INSTRUCTION)
        return self._select(data) if places == [0x04, 0] else self._answer(WRONG_PLACE)

    def _select(self, data: bytes) -> bytes:
        self._answer(DONE)
        self._element = None
        if data != APPLICATION_ID:
            return self._answer(NO_APPLICATION)
        try:
            self._element = self._open()
        except TengeError as error:
            return self._refused(error)
        return self._give(canonical.encode([WIRE_VERSION]))

    def _call(self, instruction: int, places: list[int], data: bytes, chained: bool) -> bytes:
        if self._element is None:
            return self._answer(NOT_NOW)
        extra = {} if self._extra is None else self._extra(self._element)
        call = BY_NUMBER.get(instruction) or extra.get(instruction, (None, None))[0]
        if call is None:
            return self._answer(NO_INSTRUCTION)
        if places != [0, 0]:
            return self._answer(WRONG_PLACE)
        if len(self._coming) + len(data) > call.limit_bytes:
            return self._answer(TOO_LONG)
        self._coming += data
        if chained:
            self._chain = (OWN_CLASS, instruction)
            return _word(DONE)
        whole, self._chain = bytes(self._coming), None
        self._coming.clear()
        self._refusal = b""
        try:
            return self._give(self._carry_out(call, whole, extra))
        except TengeError as error:
            return self._refused(error)

    def _carry_out(self, call: Call, data: bytes, extra: Extra) -> bytes:
        element = self._element
        network = _network(element)
        values = read_arguments(call, data, network)
        if call.number in extra:
            return write_answer(call, extra[call.number][1](*values))
        asked = getattr(element, call.name)
        return write_answer(call, asked if call.is_property else asked(*values))

    def _give(self, answer: bytes) -> bytes:
        self._going = answer
        return self._piece() if answer else _word(DONE)

    def _piece(self) -> bytes:
        piece, self._going = self._going[:PIECE_BYTES], self._going[PIECE_BYTES:]
        if self._going:
            return piece + bytes([MORE, min(len(self._going), PIECE_BYTES)])
        return piece + _word(DONE)

    def _refused(self, error: TengeError) -> bytes:
        if isinstance(error, Unavailable):
            self._element = None
        word = self._answer(status_word(error))
        self._refusal = write_refusal(error)
        return word

    def _answer(self, word: int) -> bytes:
        # Every ending but success forgets what had come and what was to go.
        self._chain, self._going, self._refusal = None, b"", b""
        self._coming.clear()
        return _word(word)


def _network(element: SecureElement | None) -> bytes:
    try:
        return _NO_NETWORK if element is None else element.trust_view.network
    except TengeError:
        return _NO_NETWORK


def _data_of(rest: bytes) -> bytes | None:
    """The data of a short command behind its head: with Lc, with Le, with both or with neither; None if it is wrong."""
    if len(rest) <= 1:
        return b""
    length = rest[0]
    return rest[1 : 1 + length] if length and len(rest) - 1 - length in (0, 1) else None


def _word(word: int) -> bytes:
    return word.to_bytes(2, "big")
