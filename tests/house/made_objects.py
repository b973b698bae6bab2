"""Makers for docs/protocol: the fields of each object with their meaning, and vectors taken apart byte by byte."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from cbdc.record import Record
from cbdc.token import CATEGORY_NAMES
from tests.house.made_protocol import OBJECTS as NAMED
from tests.house.made_protocol import form
from tests.house.object_words import MEANINGS
from tests.vectors.case import OBJECTS, load

_WIDTHS = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}


def head_bytes(data: bytes, place: int) -> tuple[int, str, int]:
    """(bytes of the head, kind, number) of the MP-C value at `place`: a number, a length or a count."""
    first = data[place]
    if first < 0x80:
        return 1, "number", first
    if first in _WIDTHS:
        width = _WIDTHS[first]
        return 1 + width, "number", int.from_bytes(data[place + 1 : place + 1 + width], "big")
    if 0x90 <= first < 0xA0:
        return 1, "array", first & 15
    if 0xA0 <= first < 0xC0:
        return 1, "text", first & 31
    kinds = {0xC4: ("bytes", 1), 0xC5: ("bytes", 2), 0xDC: ("array", 2), 0xD9: ("text", 1)}
    kind, width = kinds[first]
    return 1 + width, kind, int.from_bytes(data[place + 1 : place + 1 + width], "big")


def _parts(data: bytes, place: int, name: str, depth: int) -> Iterator[tuple[int, str, str]]:
    """(depth, hexadecimal, words) of each piece of the value at `place`; the caller knows where it ends."""
    head, what, number = head_bytes(data, place)
    shown = data[place : place + head].hex(" ")
    if what == "number":
        yield depth, data[place : place + head].hex(), f"{name}: {number:,}"
    elif what == "array":
        yield depth, shown, f"{name}: {number} items"
        inner = place + head
        for index in range(number):
            yield from _parts(data, inner, f"{name}[{index}]", depth + 1)
            inner = end_of(data, inner)
    else:
        content = data[place + head : place + head + number]
        told = f'{name}: "{content.decode()}"' if what == "text" else f"{name}: {number} bytes"
        yield depth, f"{shown} {content.hex()}".strip(), told


def end_of(data: bytes, place: int) -> int:
    """Where the MP-C value at `place` ends."""
    head, what, number = head_bytes(data, place)
    place += head
    if what in ("bytes", "text"):
        return place + number
    for _ in range(number if what == "array" else 0):
        place = end_of(data, place)
    return place


def _lines(parts: Iterator[tuple[int, str, str]]) -> Iterator[str]:
    for depth, shown, told in parts:
        yield f"{'  ' * depth}{shown:<{max(40 - 2 * depth, len(shown))}}  {told}"


def annotated(cls: type[Record], data: bytes) -> str:
    """An envelope taken apart: each head with what it begins, and each field by its name."""
    body_place = 2
    head, _, size = head_bytes(data, body_place)
    body = data[body_place + head : body_place + head + size]
    parts: list[tuple[int, str, str]] = [
        (0, data[:1].hex(), "the envelope: 3 items"),
        (0, data[1:2].hex(), f"type {data[1]}"),
        (0, data[body_place : body_place + head].hex(" "), f"body: {size} bytes, which are"),
    ]
    start, _, count = head_bytes(body, 0)
    parts.append((1, body[:start].hex(" "), f"{count} fields"))
    place = start
    for field in fields(cls):
        parts += _parts(body, place, field.name, 2)
        place = end_of(body, place)
    assert place == len(body)
    parts += _parts(data, body_place + head + size, "signature", 0)
    return "\n".join(_lines(iter(parts)))


def _case(name: str) -> dict[str, Any]:
    return next(one for one in load("objects")["cases"] if one["id"] == name)


def object_example(argument: str) -> str:
    """One object's fields with their forms and meanings, and its vector taken apart."""
    number = next(number for number, (name, _) in NAMED.items() if name == argument)
    cls = OBJECTS[number]
    lines = ["| field | form | meaning |", "|---|---|---|"]
    for field, kind in zip(fields(cls), cls.SCHEMA, strict=True):
        lines.append(f"| `{field.name}` | {form(kind)} | {MEANINGS[number][field.name]} |")
    assert MEANINGS[number].keys() == {field.name for field in fields(cls)}
    one = _case(f"sealed-{argument}-ed25519")
    taken = annotated(cls, bytes.fromhex(one["bytes"]))
    facts = f"object id  {one['oid']}\nsigned     {one['message']}\nby the key {one['key']}"
    return "\n".join(lines) + f"\n\nVector `{one['id']}`:\n\n```text\n{taken}\n\n{facts}\n```"


def categories(argument: str) -> str:
    """The numbers of the categories of holders that a device may have."""
    lines = ["| category | holder |", "|---|---|"]
    lines += [f"| {number} | {name} |" for number, name in CATEGORY_NAMES.items() if number < 200]
    return "\n".join(lines)


MAKERS: Mapping[str, Callable[[str], str]] = {"object": object_example, "categories": categories}
