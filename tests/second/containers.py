"""Containers (5.4) and messages (5.5): structure alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from .mpc import DEFAULT_LIMIT, Value, as_bytes, as_int, as_list, decode
from .objects import DEVCERT, INVOICE, NOTE, RECEIPT, SYNC_REQ, TRANSFER, TRUST, Obj, open_item
from .refusal import Refusal, need

BUNDLE_LIMIT = 24_576
MESSAGE_LIMIT = 524_288
REQUEST, HELLO, OFFER, DRAFT, COMMIT, LISTS = range(32, 38)
_ITEMS = {1: 3, 7: 3, REQUEST: 3, HELLO: 8, OFFER: 5, DRAFT: 4, COMMIT: 2}
LISTS_LIMIT = 1_024
MOST_LISTS = 64


@dataclass(frozen=True)
class Token:
    """A line as it stands in a container: `[note, [transfer...]]` (5.1)."""

    note: Obj
    transfers: list[Obj]

    @property
    def tip(self) -> Obj:
        """The object at the end of the line."""
        return self.transfers[-1] if self.transfers else self.note

    def needed(self) -> set[bytes]:
        """The needed kids of the line (5.6, "The arguments")."""
        return {t.raw("payer") for t in self.transfers} | {owner for _, owner in self.tip.outputs()}


@dataclass(frozen=True)
class Bundle:
    """Certificates and tokens (5.4)."""

    certificates: list[Obj]
    tokens: list[Token]


@dataclass(frozen=True)
class Message:
    """A message of 5.5: its kind and the objects it was opened into."""

    kind: int
    objects: list[Obj] = field(default_factory=list)


def open_bundle(data: bytes, limit: int, network: bytes) -> Bundle:
    """`open_bundle(bytes, limit)` of 5.4: V0 to V2."""
    items = as_list(decode(data, limit))
    need(len(items) == 3, "E_FIELD")
    need(items[0] == 1, "E_VERSION")
    certificates = as_list(items[1])
    need(len(certificates) <= 24, "E_COUNT")
    tokens = as_list(items[2])
    need(1 <= len(tokens) <= 8, "E_COUNT")
    opened = [open_item(c, DEVCERT, network) for c in certificates]
    return Bundle(opened, [_open_token(t, network) for t in tokens])


def _open_token(item: Value, network: bytes) -> Token:
    """Step 6 of "Reading a BUNDLE" (5.4)."""
    pair = as_list(item)
    need(len(pair) == 2, "E_COUNT")
    transfers = as_list(pair[1])
    need(len(transfers) <= 12, "E_COUNT")
    note = open_item(pair[0], NOTE, network)
    return Token(note, [open_item(t, TRANSFER, network) for t in transfers])


def open_offer_bytes(data: bytes) -> tuple[bytes, list[tuple[bytes, int]]]:
    """ "Reading an OFFER" (5.4)."""
    items = as_list(decode(data, DEFAULT_LIMIT))
    need(len(items) == 2, "E_FIELD")
    bundle, picks = items
    need(isinstance(bundle, bytes) and isinstance(picks, list), "E_FIELD")
    found: list[tuple[bytes, int]] = []
    for pick in as_list(picks):
        pair = pick if isinstance(pick, list) else []
        need(len(pair) == 2 and isinstance(pair[0], bytes) and isinstance(pair[1], int), "E_FIELD")
        found.append((as_bytes(pair[0]), as_int(pair[1])))
    return as_bytes(bundle), found


def open_batch(data: bytes, network: bytes) -> None:
    """ "Reading a BATCH" (5.4)."""
    items = as_list(decode(data, DEFAULT_LIMIT))
    need(len(items) == 5, "E_FIELD")
    need(items[0] == 1, "E_VERSION")
    statements = as_list(items[4])
    need(len(statements) <= 1, "E_COUNT")
    need(len(as_bytes(items[1])) == 16, "E_FIELD")
    bundles = as_list(items[2])
    need(len(bundles) <= 1_024, "E_COUNT")
    for bundle in bundles:
        as_bytes(bundle)
    need(len(as_list(items[3])) <= 4_096, "E_COUNT")
    for statement in statements:
        open_item(statement, SYNC_REQ, network)


def open_message(data: bytes, limit: int, network: bytes) -> Message:
    """`open_message(bytes, limit)` of 5.5."""
    items = as_list(decode(data, limit))
    kind = items[0] if items else 0
    if not isinstance(kind, int) or kind not in _ITEMS:
        raise Refusal("E_OBJTYPE")
    need(len(items) == _ITEMS[kind], "E_FIELD")
    if kind == 1:
        return Message(kind)
    if kind == RECEIPT:
        return Message(kind, [open_item(items, RECEIPT, network)])
    if kind == REQUEST:
        invoice = open_item(items[1], INVOICE, network)
        return Message(kind, [invoice, open_item(items[2], DEVCERT, network)])
    if kind == COMMIT:
        transfers = as_list(items[1])
        need(1 <= len(transfers) <= 8, "E_COUNT")
        return Message(kind, [open_item(t, TRANSFER, network) for t in transfers])
    need(len(as_bytes(items[1])) == 16, "E_FIELD", "session")
    if kind == HELLO:
        return Message(kind, [_hello(items, network)])
    if kind == DRAFT:
        invoice = open_item(items[2], INVOICE, network)
        return Message(kind, [invoice, *open_lists(items[3], network)])
    as_bytes(items[2])
    as_int(items[3])
    return Message(kind, open_lists(items[4], network))


def _hello(items: list[Value], network: bytes) -> Obj:
    """A HELLO (5.5, step 5): items 4 to 7 are numbers, the DEVCERT, the amount, the parts."""
    for item in items[4:8]:
        as_int(item)
    certificate = open_item(items[2], DEVCERT, network)
    need(as_int(items[3]) >= 1, "E_FIELD")
    need(1 <= as_int(items[5]) <= 8, "E_FIELD")
    return certificate


def open_lists(value: Value, network: bytes) -> list[Obj]:
    """The lists of an OFFER or DRAFT (5.5, step 5)."""
    lists = as_list(value)
    need(len(lists) <= MOST_LISTS, "E_COUNT")
    return [open_item(item, TRUST, network) for item in lists]


def open_lists_message(data: bytes, network: bytes) -> list[Obj]:
    """`[37, [TRUST envelope...]]`, the lists over QR (5.12, "Over QR")."""
    need(len(data) <= LISTS_LIMIT, "E_TRUST_QR")
    items = as_list(decode(data, LISTS_LIMIT))
    need(len(items) == 2 and items[0] == LISTS and isinstance(items[1], list), "E_FIELD")
    lists = as_list(items[1])
    need(len(lists) <= MOST_LISTS, "E_FIELD")
    return [open_item(item, TRUST, network) for item in lists]
