"""What can be done and seen at each desk, as data: pages, forms, the HTTP API and its document are made from it.

An `Operation` changes something: it has a role, a name, a struct of fields and one handler. A `Query` shows something:
a page and, under the same name, a JSON answer. A role module lists its own; nothing else gives anybody a power.

    Operation("bank", "pay-in", ...)       POST /bank/do/pay-in    and   POST /v1/roles/bank/pay-in
    Query("bank", "customers", ...)        GET /bank/customers     and   GET /v1/roles/bank/customers

Rules kept here:

- the fields are read strictly: one missing, one too many or of another kind is refused before any rule about money;
- a person types tenge ("1 000.50", "1 000,50") into a form, a program sends whole tiyn: `..._tiyn` are amounts;
- every operation has a request id of 16 to 64 letters, digits or hyphens, made by the page or the client. The same
  operation again under it gets the same answer, another one is refused (E_ID_REUSED);
- a handler gets who asks, and a 32-byte id that follows from the request; what it calls derives its own ids from that.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from cbdc.errors import Malformed, TengeError
from cbdc.money import check_tiyn, parse_tenge
from wallets.site.marked import N_
from wallets.site.users import User
from wallets.site.world import World

Json = dict[str, Any]
MAX_UPLOAD_BYTES = 4_096

_COMMA = re.compile(r",([0-9]{1,2})(?=\s*₸?\s*$)")
_REQUEST = re.compile(r"[A-Za-z0-9-]{16,64}", re.ASCII)


class Fields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of an operation. Titles of fields are the `title` of their `msgspec.Meta`, marked with `N_`."""


class Nothing(Fields, frozen=True):
    """An operation without fields."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for what: the world, the user, the 32-byte id of the request (zeros for a query), the language."""

    world: World
    user: User
    id: bytes
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a role may do. `done` is the sentence after success, with facts from the handler's answer."""

    role: str
    name: str
    title: str
    fields: type[Fields]
    handler: Callable[[Asked, Any], Json]
    done: str = N_("Done.")
    danger: bool = False


@dataclass(frozen=True, slots=True)
class Download:
    """What a query may answer in place of a page's values: a file, as it is.

    `shown` lets a browser open it in place of saving it; `policy` is its own content security policy then.
    """

    name: str
    data: bytes
    kind: str = "application/octet-stream"
    shown: bool = False
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """One thing that a role may see: a page at `/<role>/<name>`, or `/<role>/` for the name "".

    `takes` names a path argument, if the page is about one thing: `/bank/customers/<argument>` for the name
    "customers" and takes "customer". `in_menu` is False for pages that other pages lead to. `template` is
    `roles/<role>/<name or home>.html` unless given; it gets the answer's items as its variables.
    """

    role: str
    name: str
    title: str
    handler: Callable[[Asked, Mapping[str, str]], Json | Download]
    takes: str = ""
    in_menu: bool = True
    template: str = ""

    @property
    def page(self) -> str:
        """The template's file."""
        own = (self.name or "home") + ("-one" if self.takes else "")
        return self.template or f"roles/{self.role}/{own}.html"

    @property
    def is_file(self) -> bool:
        """Whether the answer is always a file: its handler says so."""
        return get_type_hints(self.handler).get("return") is Download

    @property
    def key(self) -> str:
        """The name that is unique within a role."""
        return f"{self.name}/{{{self.takes}}}" if self.takes else self.name


def read_request_id(value: object) -> str:
    """A request id as it was sent; E_SITE_REQUEST."""
    if not isinstance(value, str) or not _REQUEST.fullmatch(value):
        raise Malformed("E_SITE_REQUEST")
    return value


def read_json(operation: Operation, values: Mapping[str, object]) -> Fields:
    """The fields of an operation from JSON values; E_SITE_FIELD."""
    try:
        return msgspec.convert(dict(values), type=operation.fields)
    except msgspec.ValidationError as error:
        raise _field_problem(str(error)) from None


def read_form(operation: Operation, values: Mapping[str, str]) -> Fields:
    """The fields of an operation from a form: texts, amounts in tenge; an empty field counts as not sent.

    Raises E_SITE_FIELD, E_MONEY_TEXT, E_MONEY_RANGE.
    """
    kinds = get_type_hints(operation.fields)
    plain: dict[str, object] = {}
    for name, typed in values.items():
        text = typed.strip()
        if text:
            try:
                plain[name] = _typed(name, text, kinds.get(name, str))
            except TengeError as error:
                error.facts["field"] = name  # so that the page can point at it
                raise
    for name, kind in kinds.items():
        if name not in plain and kind is bool:
            plain[name] = False
    try:
        return msgspec.convert(plain, type=operation.fields, strict=False)
    except msgspec.ValidationError as error:
        raise _field_problem(str(error)) from None


def typed_tiyn(text: str) -> int:
    """The amount that a person typed in any of the page's languages, in tiyn: `1 000.50`, `1 000,50 ₸`, `1,000`.

    A comma before one or two last digits is the decimal sign of Kazakh and Russian; before three it parts groups.
    Raises E_MONEY_TEXT, E_MONEY_RANGE.
    """
    return check_tiyn(parse_tenge(text if "." in text else _COMMA.sub(r".\1", text)))


def _typed(name: str, text: str, kind: object) -> object:
    if name.endswith("_tiyn"):
        return typed_tiyn(text)
    if kind is bool:
        return text in ("on", "true", "1", "yes")
    if get_origin(kind) in (list, tuple) or kind in (list, tuple):
        inner = (get_args(kind) or (str,))[0]
        return [_typed(name, part, inner) for part in re.split(r"[\s,;]+", text) if part]
    return text


# What the reader of structs says, and what we say of it; the phrases are spoken in three languages.
_PROBLEMS = (
    (r"missing required field", "it is missing"),
    (r"unknown field", "there is no such field here"),
    (r"of length", "it is too short or too long"),
    (r"matching regex", "it has letters or signs that are not allowed here"),
    (r"[<>]=? -?\d", "the number is out of bounds"),
    (r"enum value", "it is none of the choices"),
)


def _field_problem(text: str) -> Malformed:
    """A validation error in our words: `Expected int >= 1 - at $.amount_tiyn`. The reader's own go along as a fact."""
    problem, _, place = text.partition(" - at `$.")
    field = place.rstrip("`") or "fields"
    named = re.search(r"field `(\w+)`", problem)
    if named and field == "fields":
        field = named.group(1)
    said = next((words for form, words in _PROBLEMS if re.search(form, problem)), "it is of another kind")
    return Malformed("E_SITE_FIELD", field=field[:60], problem=said, detail=problem[:160])


__all__ = [
    "N_",
    "Asked",
    "Fields",
    "Json",
    "Nothing",
    "Operation",
    "Query",
    "read_form",
    "read_json",
    "read_request_id",
    "typed_tiyn",
]
