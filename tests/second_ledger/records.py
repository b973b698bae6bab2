"""Envelopes and the records that stand in them (ledger/1, "Domains, ids, messages"; ledger/2; ledger/5)."""

from dataclasses import dataclass
from typing import Any

from tests.second_ledger import crypto, forms
from tests.second_ledger.errors import Refusal, require
from tests.second_ledger.forms import (
    AMOUNT,
    BYTE,
    HASH,
    MAYBE,
    MOMENT,
    NUMBER,
    group,
    many,
    number,
    record,
    text,
)
from tests.second_ledger.mpc import MAX, decode, decode_array, enc

ROOT = (
    ("algorithm", forms.ALGORITHM),
    ("key", forms.KEY),
    ("not_before", MOMENT),
    ("expires", MOMENT),
    ("label", text(64)),
)
AUTH = (
    ("role", number(1, 255)),
    ("algorithm", forms.ALGORITHM),
    ("key", forms.KEY),
    ("not_before", MOMENT),
    ("expires", MOMENT),
    ("scope", many(NUMBER, 0, 8)),
)
POLICY = (
    ("label", text(64)),
    ("tiers", many(group(BYTE, NUMBER, NUMBER, NUMBER), 0, 64)),
    ("offset", number(0, 86_399)),
    ("periods", many(group(BYTE, number(1, 2), AMOUNT), 0, 64)),
)
HEAD = (("size", number(1, MAX)), ("root", HASH), ("time", MOMENT))
_PART = number(1, 10_000)
_ITEM = number(0, 4_294_967_295)
_KIND = number(1, 65_535)
_PRICED = many(group(_ITEM, AMOUNT), 1, 64)
LISTED, DOCUMENT, GOODS, PRICES, ESTIMATE, CAP, PERIOD, WINDOW, SHARE, DROPS, MARKS, RELEASE = range(1, 13)
ARGUMENTS: dict[int, forms.Schema] = {
    LISTED: (("register", HASH), ("fact_kind", _KIND), ("about", number(1, 3)), ("document", MAYBE)),
    DOCUMENT: (
        ("register", HASH),
        ("fact_kind", _KIND),
        ("about", number(1, 3)),
        ("same_lines", number(0, 1)),
    ),
    GOODS: (("allowed", number(0, 1)), ("ranges", many(group(_ITEM, _ITEM), 1, 64))),
    PRICES: (("caps", _PRICED),),
    ESTIMATE: (("sums", _PRICED),),
    CAP: (("cap", AMOUNT),),
    PERIOD: (("period", number(1, 5)), ("whose", number(1, 4)), ("cap", AMOUNT)),
    WINDOW: (("valid_from", MOMENT), ("valid_until", MOMENT)),
    SHARE: (("numerator", _PART), ("denominator", _PART), ("mark", HASH)),
    DROPS: (),
    MARKS: (("numerator", _PART), ("denominator", _PART)),
    RELEASE: (("register", HASH), ("fact_kind", _KIND), ("numerator", _PART), ("denominator", _PART)),
}


@dataclass(frozen=True)
class Clause:
    """A clause of a definition (ledger/5)."""

    tag: int
    name: str
    payers: tuple[int, ...]
    payees: tuple[int, ...]
    args: dict[str, Any]

    def covers(self, payer: int, payee: int) -> bool:
        """Whether it covers a payment from one category to another (ledger/5, below the table)."""
        from_payer = payer in self.payers if self.payers else payer != 201
        return from_payer and (not self.payees or payee in self.payees)


def _conditions(tag: int, payees: tuple[int, ...], args: dict[str, Any]) -> bool:
    """The conditions in the last column of the table of clauses."""
    if tag == GOODS:
        return all(first <= last for first, last in args["ranges"])
    if tag in (PRICES, ESTIMATE):
        items = [item for item, _ in args["caps" if tag == PRICES else "sums"]]
        return len(set(items)) == len(items)
    if tag == WINDOW:
        return bool(args["valid_from"] <= args["valid_until"])
    if tag in (SHARE, MARKS, RELEASE):
        return args["numerator"] <= args["denominator"] and not (tag == RELEASE and payees)
    return True


def read_clause(value: Any) -> Any:
    """A clause by its form and conditions (ledger/5, "Reading a clause")."""
    require(isinstance(value, list), "E_TYPE")
    require(len(value) == 5, "E_FIELD")
    tag = value[0]
    require(isinstance(tag, int) and tag in ARGUMENTS, "E_CLAUSE")
    name = text(32)(value[1])
    require(name != "", "E_CLAUSE")
    payers = many(BYTE, 0, 32)(value[2])
    payees = many(BYTE, 0, 32)(value[3])
    args = record(ARGUMENTS[tag], value[4])
    require(_conditions(tag, payees, args), "E_CLAUSE")
    return Clause(tag, name, payers, payees, args)


DEFINITION = (
    ("issuer", HASH),
    ("label", text(64)),
    ("purpose", _KIND),
    ("edges", many(group(BYTE, many(BYTE, 0, 64)), 0, 64)),
    ("person_to_person", number(0, 1)),
    ("max_hops", BYTE),
    ("payment_cap", NUMBER),
    ("valid_from", MOMENT),
    ("valid_until", MOMENT),
    ("return_to", HASH),
    ("release_categories", many(BYTE, 0, 64)),
    ("evidence", MAYBE),
    ("converts_on_redeem", number(0, 1)),
    ("clauses", many(read_clause, 0, 32)),
)
STATEMENT = (
    ("register", HASH),
    ("mark", HASH),
    ("holder", HASH),
    ("amount", AMOUNT),
    ("document", HASH),
    ("time", MOMENT),
)
SCHEMAS: dict[int, forms.Schema] = {
    1: ROOT, 2: AUTH, 80: POLICY, 81: HEAD, 82: DEFINITION, 83: STATEMENT
}  # fmt: skip


@dataclass(frozen=True)
class Envelope:
    """An opened envelope: its parts and the fields of its record."""

    kind: int
    body: bytes
    signature: bytes
    fields: dict[str, Any]

    @property
    def data(self) -> bytes:
        """The envelope as bytes."""
        return enc([self.kind, self.body, self.signature])

    @property
    def domain(self) -> bytes:
        """The domain of its type (ledger/1)."""
        return crypto.OFFLINE if self.kind in (1, 2) else crypto.ONLINE

    def identity(self, network: bytes) -> bytes:
        """Its object id under a network."""
        return crypto.object_id(self.domain, self.kind, network, self.body)

    def signed_by(self, network: bytes, algorithm: int, key: bytes) -> bool:
        """Whether its signature is that key's."""
        message = crypto.message_of(self.domain, self.kind, self.identity(network))
        return crypto.verifies(algorithm, key, message, self.signature)


def open_envelope(value: Any, kind: int) -> Envelope:
    """Open an envelope of the type that belongs here (5.3, "Reading an envelope")."""
    require(isinstance(value, list), "E_TYPE")
    require(len(value) == 3, "E_FIELD")
    found, body, signature = value
    require(isinstance(found, int), "E_TYPE")
    require(found == kind, "E_OBJTYPE")
    require(isinstance(body, bytes) and isinstance(signature, bytes), "E_TYPE")
    require(len(signature) == 64, "E_FIELD")
    fields = record(SCHEMAS[kind], decode_array(body, 65_535))
    if kind == 82:
        names = [clause.name for clause in fields["clauses"]]
        require(len(set(names)) == len(names), "E_CLAUSE")
    return Envelope(kind, body, signature, fields)


def open_bytes(data: Any, kind: int) -> Envelope:
    """Open an envelope that stands as bytes (ledger/1)."""
    if not isinstance(data, bytes):
        raise Refusal("E_TYPE")
    return open_envelope(decode(data), kind)
