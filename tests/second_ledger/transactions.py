"""Transactions: their types and what is judged without the ledger, G1 (ledger/3)."""

from dataclasses import dataclass
from typing import Any

from tests.second_ledger import crypto, forms
from tests.second_ledger.errors import require
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
    raw,
    raw_most,
    text,
)
from tests.second_ledger.mpc import MAX, decode_array
from tests.second_ledger.records import Envelope, open_bytes

LIMIT = 65_000
_INPUT = group(HASH, BYTE)
_OUTPUT = group(AMOUNT, forms.lock, MAYBE)
INPUTS = ("inputs", many(_INPUT, 1, 256))
SOME_INPUTS = ("inputs", many(_INPUT, 0, 256))
OUTPUTS = ("outputs", many(_OUTPUT, 1, 256))
SOME_OUTPUTS = ("outputs", many(_OUTPUT, 0, 256))
LINES = ("lines", many(group(number(0, 4_294_967_295), number(1, 1_000_000_000), AMOUNT), 0, 64))
DOCUMENTS = ("documents", many(HASH, 0, 16))
LEGAL = ("legal_reference", text(128))
REQUEST = ("request", HASH)
_BANK = number(1, MAX - 1)

TYPES: dict[int, forms.Schema] = {
    64: (REQUEST, OUTPUTS),
    65: (
        INPUTS,
        OUTPUTS,
        ("definition", raw_most(16_384)),
        ("preimages", many(raw(32), 0, 256)),
        LINES,
        DOCUMENTS,
    ),
    66: (REQUEST, INPUTS, SOME_OUTPUTS),
    67: (("holder", HASH), LEGAL),
    68: (("holder", HASH), LEGAL),
    69: (INPUTS, OUTPUTS, LEGAL),
    70: (INPUTS, OUTPUTS, ("statements", many(raw_most(16_384), 0, 64)), DOCUMENTS),
    71: (INPUTS, OUTPUTS),
    72: (INPUTS, OUTPUTS, ("device", HASH), ("load_number", number(1, MAX))),
    73: (("kind", number(1, 4)), ("fact", HASH), INPUTS, OUTPUTS),
    74: (
        ("algorithm", forms.ALGORITHM),
        ("public_key", forms.KEY),
        ("bank_id", number(0, MAX - 1)),
        ("tier", BYTE),
        ("category", number(1, 255)),
        ("pseudonym", HASH),
    ),
    75: (("old", HASH), ("algorithm", forms.ALGORITHM), ("public_key", forms.KEY)),
    76: (
        ("fact_kind", number(1, 65_535)),
        ("subject", HASH),
        ("counterparty", MAYBE),
        ("document", MAYBE),
        ("amount", NUMBER),
        LINES,
        ("expires", MOMENT),
        ("standing", number(0, 1)),
    ),
    78: (("pseudonym", HASH), ("from_bank", _BANK), ("to_bank", _BANK), ("keys", many(HASH, 1, 64)), LEGAL),
    79: (("old", HASH), ("new", HASH), SOME_INPUTS, SOME_OUTPUTS, LEGAL),
}
_WITNESSES = many(group(HASH, raw(64)), 1, 32)
_NONCE = ("nonce", raw(16))


@dataclass(frozen=True)
class Transaction:
    """An opened transaction."""

    kind: int
    body: bytes
    fields: dict[str, Any]
    witnesses: tuple[tuple[bytes, bytes], ...]
    definition: Envelope | None
    statements: tuple[Envelope, ...]

    def identity(self, network: bytes) -> bytes:
        """Its id (ledger/3, "The form")."""
        return crypto.object_id(crypto.ONLINE, self.kind, network, self.body)

    @property
    def inputs(self) -> tuple[tuple[bytes, int], ...]:
        """The tokens that it spends, by id."""
        return tuple(self.fields.get("inputs", ()))

    @property
    def outputs(self) -> tuple[Any, ...]:
        """The tokens that it makes: (amount, lock, mark)."""
        return tuple(self.fields.get("outputs", ()))

    @property
    def signers(self) -> frozenset[bytes]:
        """The kids of its witnesses (ledger/4, "Signers")."""
        return frozenset(kid for kid, _ in self.witnesses)


def open_transaction(data: bytes) -> Transaction:
    """G1, in the order of ledger/3."""
    items = decode_array(data, LIMIT)
    require(len(items) == 3, "E_FIELD")
    kind, body, witnesses = items
    require(isinstance(kind, int) and kind in TYPES, "E_OBJTYPE")
    require(isinstance(body, bytes), "E_TYPE")
    fields = forms.record((_NONCE, *TYPES[kind]), decode_array(body, LIMIT))
    pairs = _WITNESSES(witnesses)
    require(len({kid for kid, _ in pairs}) == len(pairs), "E_WITNESS_TWICE")
    inputs = fields.get("inputs", ())
    require(len(set(inputs)) == len(inputs), "E_INPUT_TWICE")
    require(sum(output[0] for output in fields.get("outputs", ())) <= MAX, "E_MONEY_RANGE")
    carried = fields.get("definition", b"")
    definition = open_bytes(carried, 82) if carried else None
    statements = tuple(open_bytes(item, 83) for item in fields.get("statements", ()))
    return Transaction(kind, body, fields, pairs, definition, statements)
