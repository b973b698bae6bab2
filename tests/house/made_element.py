"""Makers for the byte channel of secure elements: its calls, its status words, and the commands around them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields

from cbdc.ports import SeededEntropy
from offline.element_applet import APPLICATION_ID, GET_DATA, PIECE_BYTES, SELECT, Applet, command
from offline.element_protocol import ElementStatus
from offline.element_refusal import FAMILY_WORDS, STATUS_WORDS
from offline.element_server import ATTACKS, Drawer
from offline.element_wire import BY_NAME, CALLS, Call, Form, write_arguments
from offline.journal import MemoryJournal
from tests.house.made_protocol import OBJECTS, record_classes

# What the code does not say: ISO 7816-4's name of each status word.
WORDS: Mapping[int, str] = {
    0x6581: "memory failure",
    0x6982: "security status not satisfied",
    0x6983: "authentication method blocked",
    0x6984: "reference data not usable",
    0x6985: "conditions of use not satisfied",
    0x6988: "incorrect secure messaging data objects",
    0x6A80: "incorrect parameters in the data field",
    0x6A84: "not enough memory space",
    0x6A88: "referenced data not found",
    0x6A89: "already exists",
    0x6F01: "no precise diagnosis: it has stopped for good",
}


def _words(form: Form) -> str:
    """The words of a form, with the protocol's names of objects instead of our classes'."""
    names = {cls.__name__: OBJECTS[number][0] for number, cls in record_classes().items()}
    return re.sub(r"[A-Z]\w+", lambda found: names.get(found[0], found[0]), form.words)


def _row(call: Call) -> str:
    asks = ", ".join(f"`{name}` {_words(form)}" for name, form in call.asks) or "–"
    answer = "–" if call.answer is None else _words(call.answer)
    return f"| {call.number:02X} | `{call.name}` | {asks} | {answer} | {call.limit_bytes:,} |"


def calls(argument: str) -> str:
    """The table of calls, or of those of an opened element (`attacks`)."""
    lines = ["| INS | call | arguments | answer | most bytes |", "|---|---|---|---|---|"]
    return "\n".join(lines + [_row(call) for call in (ATTACKS if argument == "attacks" else CALLS)])


def status_fields(argument: str) -> str:
    """The fields of a status answer, in order."""
    return ", ".join(f"`{field.name}`" for field in fields(ElementStatus))


def status_words(argument: str) -> str:
    """Which refusal has which status word."""
    lines = ["| status word | ISO 7816-4 | refusals |", "|---|---|---|"]
    for word in sorted({*STATUS_WORDS, *FAMILY_WORDS.values()}):
        told = ", ".join(f"`{code}`" for code in STATUS_WORDS.get(word, ()))
        family = [
            f"every other of the family {name}" for name, other in FAMILY_WORDS.items() if other == word
        ]
        lines.append(f"| {word:04X} | {WORDS[word]} | {'; '.join(filter(None, [told, *family]))} |")
    return "\n".join(lines)


def select(argument: str) -> str:
    """The application id and the longest piece."""
    return f"AID `{APPLICATION_ID.hex(' ').upper()}`; a piece has at most {PIECE_BYTES} bytes."


def example(argument: str) -> str:
    """A new element with a fixed key is asked a few things: commands and responses in hexadecimal."""
    applet = Applet(lambda: Drawer(lambda name: MemoryJournal(), SeededEntropy(7)).open(1))
    asked = {
        "SELECT": command(SELECT, APPLICATION_ID, own=False),
        "public_key": command(BY_NAME["public_key"].number, b""),
        "sync_begin, too early": command(
            BY_NAME["sync_begin"].number, write_arguments(BY_NAME["sync_begin"], [b"s"])
        ),
        "GET DATA": command(GET_DATA, b""),
        "enrol, first piece": command(BY_NAME["enrol"].number, b"\x93\xc4\x08network.", chained=True),
        "enrol, cut off by another call": command(BY_NAME["public_key"].number, b""),
    }
    lines = []
    for what, sent in asked.items():
        lines += [f"{what}", f"  > {sent.hex(' ')}", f"  < {applet.process(sent).hex(' ')}"]
    return "```text\n" + "\n".join(lines) + "\n```"


MAKERS: Mapping[str, Callable[[str], str]] = {
    "element-calls": calls,
    "element-status": status_fields,
    "element-words": status_words,
    "element-select": select,
    "element-example": example,
}
