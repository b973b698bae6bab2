"""Makers for docs/protocol: the objects, their sizes, the parameters, and vectors as they stand in their files."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from cbdc import authority
from cbdc.record import Bytes, Group, Items, Kind, Record, Text, Unsigned
from offline import parameters, records
from tests.vectors import generate
from tests.vectors.case import FOLDER, load

# What the code does not say: the protocol's name of each type, and who signs it.
OBJECTS: Mapping[int, tuple[str, str]] = {
    1: ("ROOT", "itself"),
    2: ("AUTH", "ROOT"),
    3: ("DEVCERT", "a bank (BANK_CA)"),
    4: ("NOTE", "the National Bank (ISSUER)"),
    5: ("TRANSFER", "the payer's element"),
    6: ("INVOICE", "the payee's element"),
    7: ("RECEIPT", "the payee's element"),
    8: ("SYNC_REQ", "the device's element"),
    9: ("SYNC_ACK", "settlement (SETTLE)"),
    10: ("TRUST", "the National Bank (STATUS)"),
    11: ("REDEEM_ORDER", "the device's bank (BANK_CA)"),
    12: ("SUBMIT_ACK", "settlement (SETTLE)"),
    13: ("OUTCOME", "settlement (SETTLE)"),
    14: ("ENROL", "the device's element"),
    15: ("CERTLOG", "the National Bank (STATUS)"),
}

_ALL = 2**53 - 1


def record_classes() -> dict[int, type[Record]]:
    """Every signed object of DTO/1, by its type number."""
    found: dict[int, type[Record]] = {}
    for module in (authority, records):
        for value in vars(module).values():
            own = isinstance(value, type) and issubclass(value, Record) and value is not Record
            if own and value.__module__ == module.__name__:
                found[value.TYPE] = value
    return dict(sorted(found.items()))


def form(kind: Kind) -> str:
    """A field's wire form in short: `u`, `u8`, `b32`, `[...]`."""
    match kind:
        case Unsigned(least, most) if most == _ALL:
            return "u" if least == 0 else f"u≥{least}"
        case Unsigned(0, 255):
            return "u8"
        case Unsigned(0, 65_535):
            return "u16"
        case Unsigned(least, most):
            return f"{least}..{most}"
        case Bytes(sizes, _) if sizes:
            return "b" + "/".join(str(size) for size in sizes)
        case Text(most):
            return f"text≤{most}"
        case Group(kinds):
            forms = [form(one) for one in kinds]
            same = f"{len(forms)}×{forms[0]}" if len(set(forms)) == 1 and len(forms) > 2 else ", ".join(forms)
            return f"({same})"
        case Items(one, most, least):
            return f"[{form(one)}] {least}..{most}"
    raise ValueError(f"no short form for {kind!r}")


def objects(argument: str) -> str:
    """The table of objects."""
    lines = ["| type | name | signed by | body: fields in wire order |", "|---|---|---|---|"]
    for number, cls in record_classes().items():
        name, signer = OBJECTS[number]
        pairs = zip(fields(cls), cls.SCHEMA, strict=True)
        body = "; ".join(f"`{field.name}` {form(kind)}" for field, kind in pairs)
        lines.append(f"| {number} | {name} | {signer} | {body} |")
    return "\n".join(lines)


def parameter_table(argument: str) -> str:
    """Every parameter with its default."""
    lines = ["| id | name | default | unit | grade |", "|---|---|---|---|---|"]
    lines += [
        f"| {one.id} | `{one.name}` | {one.default:,} | {one.unit} | {one.note} |"
        for one in sorted(parameters.PARAMETERS, key=lambda parameter: parameter.id)
    ]
    return "\n".join(lines)


def presets(argument: str) -> str:
    """The parameters in which the presets differ, and their values in each."""
    names = list(parameters.PRESETS)
    lines = [f"| name | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for one in sorted(parameters.PARAMETERS, key=lambda parameter: parameter.id):
        values = [parameters.value_of(one, parameters.PRESETS[name]) for name in names]
        if len(set(values)) > 1:
            lines.append(f"| `{one.name}` | {' | '.join(f'{value:,}' for value in values)} |")
    return "\n".join(lines)


def sizes(argument: str) -> str:
    """Bytes of the named vectors of sizes, for both algorithms."""
    cases = {one["id"]: one for one in load("sizes")["cases"]}
    lines = ["| vector | what | Ed25519 | ES256 |", "|---|---|---|---|"]
    for name, one in cases.items():
        _, algorithm, short = name.split("-", 2)
        if algorithm == "ed25519":
            other = cases[f"sizes-es256-{short}"]["size_bytes"]
            lines.append(f"| `{short}` | {one['what']} | {one['size_bytes']:,} | {other:,} |")
    return "\n".join(lines)


def vector(argument: str) -> str:
    """One case, in the words and bytes of its file."""
    file, _, name = argument.partition("/")
    text = (FOLDER / f"{file}.json").read_text(encoding="utf-8")
    for line in text.splitlines():
        line = line.rstrip(",")
        if line.startswith('{"id": ' + json.dumps(name) + ","):
            assert json.loads(line)["id"] == name
            return f"```json\n{line}\n```"
    raise ValueError(f"{file}.json has no case {name!r}")


def vector_counts(argument: str) -> str:
    """How many cases each vector file of DTO/1 has, and how many of them must be refused."""
    lines = ["| file | cases | to be refused | about |", "|---|---|---|---|"]
    for name in sorted(generate.MAKERS):
        file: dict[str, Any] = load(name)
        bad = sum(one["expect"] != "ok" for one in file["cases"])
        link = f"[{name}.json](../../tests/vectors/{name}.json)"
        lines.append(f"| {link} | {len(file['cases'])} | {bad} | {file['origin']} |")
    return "\n".join(lines)


MAKERS: Mapping[str, Callable[[str], str]] = {
    "objects": objects,
    "parameters": parameter_table,
    "presets": presets,
    "sizes": sizes,
    "vector": vector,
    "vector-files": vector_counts,
}
