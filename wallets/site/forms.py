"""The fields of an operation as a form shows them: kind, title, hint, bounds, choices; read from its struct.

The struct is the only description there is: the form, the JSON interface and its document follow from it. Title and
hint are the `title` and `description` of the field's `msgspec.Meta`, in English; pages speak them in their language.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from wallets.site.operations import Operation

AMOUNT = "amount"
WHOLE = "whole"
TEXT = "text"
LONG_TEXT = "long-text"
FLAG = "flag"
CHOICE = "choice"
LIST = "list"
FILE = "file"
DATE = "date"
LONG = 200

Choice = tuple[str, str]


@dataclass(frozen=True, slots=True)
class FormField:
    """One field: `kind` is one of the names above; `choices` are (value, title); `value` is what stands in it, and
    `problem` is what is wrong with that, in the page's language."""

    name: str
    kind: str
    title: str
    hint: str = ""
    required: bool = True
    choices: tuple[Choice, ...] = ()
    least: int | None = None
    most: int | None = None
    value: str = ""
    problem: str = ""


def form_fields(
    operation: Operation,
    values: Mapping[str, str] | None = None,
    choices: Mapping[str, Sequence[Choice]] | None = None,
    wrong: tuple[str, str] = ("", ""),
) -> list[FormField]:
    """The fields of an operation's form.

    `values` fill them, `choices` makes a field a choice of what there is now, and `wrong` is the name of a field that
    was refused and the sentence that says why.
    """
    info = msgspec.inspect.type_info(operation.fields)
    assert isinstance(info, msgspec.inspect.StructType)
    found = []
    for field in info.fields:
        one = _described(field)
        if choices and field.name in choices:
            one = replace(one, kind=CHOICE, choices=tuple(choices[field.name]))
        if values and field.name in values:
            one = replace(one, value=values[field.name])
        if field.name == wrong[0]:
            one = replace(one, problem=wrong[1])
        found.append(one)
    return found


def _described(field: msgspec.inspect.Field) -> FormField:
    kind, extra = field.type, {}
    if isinstance(kind, msgspec.inspect.Metadata):
        extra, kind = kind.extra_json_schema or {}, kind.type
    title = str(extra.get("title", field.name))
    hint = str(extra.get("description", ""))
    name, required = field.name, field.required
    default = "" if required or field.default in (msgspec.NODEFAULT, None) else str(field.default)
    if isinstance(kind, msgspec.inspect.BoolType):
        return FormField(name, FLAG, title, hint, False, value=default)
    if isinstance(kind, msgspec.inspect.IntType):
        shown = AMOUNT if name.endswith("_tiyn") else WHOLE
        return FormField(name, shown, title, hint, required, least=kind.ge, most=kind.le, value=default)
    if isinstance(kind, msgspec.inspect.LiteralType):
        return FormField(
            name,
            CHOICE,
            title,
            hint,
            required,
            tuple((str(value), str(value)) for value in kind.values),
            value=default,
        )
    if isinstance(kind, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
        return FormField(name, LIST, title, hint, required, value=default)
    if isinstance(kind, msgspec.inspect.DateType):
        return FormField(name, DATE, title, hint, required, value=default)
    most: Any = getattr(kind, "max_length", None)
    if extra.get("contentEncoding") == "base16":
        return FormField(name, FILE, title, hint, required, most=most, value=default)
    shown = LONG_TEXT if most is not None and most > LONG else TEXT
    return FormField(name, shown, title, hint, required, most=most, value=default)
