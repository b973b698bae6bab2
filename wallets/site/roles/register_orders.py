"""Orders carried to the register by hand: made and signed elsewhere, looked at here in words, judged, and submitted.

An order is a signed transaction of the ledger, or a bank's or the treasury's signed request to issue. It comes as a
file or as pasted text, hexadecimal or base64. Looking at it says what it is, who signed it, and what the rules say to
it now; nothing is written by that. Submitting it goes the way of every order: ledger or register judges it again.

What has books beside the ledger (issue, redemption, settlement, a bank's inventory, keys) is not taken by hand: the
desk of its institution books it. So a refused request cannot come back as a transaction signed before.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from cbdc import canonical
from cbdc.cabinet import Row
from cbdc.errors import Malformed, Refused, TengeError
from cbdc.explanation import told
from cbdc.record import Signed, open_envelope
from cbdc.register import ISSUE, KIND_NAMES, MoneyRequest
from cbdc.token import holder_class
from cbdc.transaction import (
    Attest,
    ExpireMark,
    Freeze,
    Issue,
    Redeem,
    ReleaseMark,
    Seize,
    SignedTransaction,
    Transfer,
    Unfreeze,
    open_transaction,
)
from wallets.site.deciding import is_customer
from wallets.site.following import following
from wallets.site.judging import judge_now
from wallets.site.operations import MAX_UPLOAD_BYTES, N_, Asked, Fields, Json, Operation, Query
from wallets.site.roles.parts import KIND_TITLES, party_name
from wallets.site.roles.watching import KINDS, party, signer, spoken, teller
from wallets.site.users import REGISTER_ROLE as ROLE

BY_HAND = (Transfer, Freeze, Unfreeze, Seize, ReleaseMark, ExpireMark, Attest)
_SUBMITTED = "register/order by hand"


class Carried(Fields, frozen=True):
    """A signed order: a file, or its text in hexadecimal or base64."""

    order_file: Annotated[
        str,
        Meta(
            max_length=2 * MAX_UPLOAD_BYTES,
            title=N_("File of a signed order"),
            extra_json_schema={"contentEncoding": "base16"},
        ),
    ] = ""
    order_text: Annotated[
        str,
        Meta(
            max_length=2 * MAX_UPLOAD_BYTES,
            title=N_("Or its text, hexadecimal or base64"),
            description=N_("At most 4 096 bytes when it is decoded"),
        ),
    ] = ""


# --- reading ---


def read_order(fields: Carried) -> bytes:
    """The bytes of an order; E_SITE_FIELD for no file and no text of one, E_WEB_SIZE for one that is too large."""
    if not fields.order_file and not fields.order_text.strip():
        raise Malformed("E_SITE_FIELD", field="order_file", problem="send a file or paste its text")
    if fields.order_file:
        try:
            data = bytes.fromhex(fields.order_file)
        except ValueError:
            raise Malformed("E_SITE_FIELD", field="order_file", problem="it is no hexadecimal text") from None
        # A file may also hold the text: no order in bytes consists of letters alone.
        text = data.decode("ascii") if data.isascii() else ""
        data = _decoded(text) or data
    else:
        found = _decoded(fields.order_text)
        if not found:
            raise Malformed(
                "E_SITE_FIELD", field="order_text", problem="it is neither hexadecimal nor base64 text"
            )
        data = found
    if len(data) > MAX_UPLOAD_BYTES:
        raise Malformed("E_WEB_SIZE", limit_bytes=MAX_UPLOAD_BYTES)
    return data


def _decoded(text: str) -> bytes:
    """Hexadecimal or base64 text as bytes; empty when it is neither."""
    plain = "".join(text.split())
    try:
        return bytes.fromhex(plain)
    except ValueError:
        pass
    try:
        return base64.b64decode(plain.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return b""


def open_order(asked: Asked, data: bytes) -> SignedTransaction | Signed[MoneyRequest]:
    """What the bytes are. Raises the decoding errors, E_OBJTYPE for anything else, E_CARRIED_KIND."""
    network = asked.world.system.network
    first = canonical.decode_array(data, MAX_UPLOAD_BYTES)[:1]
    if first == [MoneyRequest.TYPE]:
        request = open_envelope(data, MoneyRequest, network)
        if request.record.kind != ISSUE:
            raise Refused("E_CARRIED_KIND", kind="issue, redemption or the loss reserve")
        return request
    transaction = open_transaction(data, network)
    record = transaction.record
    if not isinstance(record, BY_HAND):
        issues = isinstance(record, Issue | Redeem)
        kind = (
            "issue, redemption or the loss reserve" if issues else "keys, offline money or a customer's move"
        )
        raise Refused("E_CARRIED_KIND", kind=kind)
    for identity in record.spends:
        token = asked.world.system.ledger.token(identity)
        holder = None if token is None else asked.world.system.ledger.registered(token.lock.holder)
        if holder is not None and holder_class(holder.category) not in ("wallets", "treasury"):
            raise Refused("E_CARRIED_KIND", kind="money of an institution")
    if isinstance(record, Freeze) and not is_customer(asked.world.system, record.holder):
        raise Refused("E_HTTP_NONE", what="wallet holder", id=record.holder)
    return transaction


# --- looking ---


def examine(asked: Asked, fields: Carried) -> Json:
    """What an order is, in words, and what the rules say to it now; nothing changes. Raises like `open_order`."""
    data = read_order(fields)
    opened = open_order(asked, data)
    seen = {"order": data.hex(), "size_bytes": len(data)}
    if isinstance(opened, SignedTransaction):
        return seen | _transaction_seen(asked, opened)
    return seen | _request_seen(asked, opened)


def _transaction_seen(asked: Asked, transaction: SignedTransaction) -> Json:
    system = asked.world.system
    book, record = following(system), transaction.record
    found = judge_now(system, transaction, asked.world.clock.now())
    receipt = system.ledger.find(transaction.id)
    error = found.error
    if receipt is not None:
        error = Refused("E_CARRIED_KNOWN", entry=receipt.index)
    spent = [system.ledger.token(identity) for identity in record.spends]
    payers = {token.lock.holder for token in spent if token is not None}
    paid = [token for token in record.creates if token.lock.holder not in payers]
    facts = {name: getattr(record, name, b"") for name in ("legal_reference", "holder", "fact")}
    return {
        "what": KINDS[type(record).__name__],
        "id": transaction.id.hex(),
        "from": [party(system, book.key(kid), kid) for kid in sorted(payers)],
        "to": [party(system, book.key(token.lock.holder), token.lock.holder) for token in paid],
        "amount_tiyn": sum(token.amount_tiyn for token in paid),
        "reference": str(facts["legal_reference"] or ""),
        "about": bytes(facts["holder"] or b"").hex(),
        "signers": [signer(system, book, kid) for kid, _ in transaction.witnesses],
        "time": 0,
        "told": [] if receipt is not None else told(found, teller(system, book, asked.language))[1:],
        **_verdict(asked, error),
    }


def _request_seen(asked: Asked, request: Signed[MoneyRequest]) -> Json:
    error: TengeError | None = None
    try:
        known = asked.world.system.register.check(request)
        if known is not None:
            error = Refused("E_CARRIED_REGISTERED", state=known.state_name)
    except TengeError as refusal:
        error = refusal
    record = request.record
    return {
        "what": KIND_TITLES[KIND_NAMES[record.kind]],
        "id": record.id.hex(),
        "from": [],
        "to": [],
        "amount_tiyn": record.amount_tiyn,
        "reference": party_name(record.party),
        "about": "",
        "signers": [],
        "time": record.time,
        "told": [],
        **_verdict(asked, error),
    }


def _verdict(asked: Asked, error: TengeError | None) -> Json:
    language = spoken(asked.language)
    return {
        "accepted": error is None,
        "code": "" if error is None else error.code,
        "sentence": "" if error is None else error.sentence(language),
        "next": "" if error is None else error.next_step(language),
    }


# --- submitting ---


def submit(asked: Asked, fields: Carried) -> Json:
    """Carry an order in: the ledger or the register judges it again, and a refusal changes nothing.

    Raises E_CARRIED_KNOWN and E_CARRIED_REGISTERED for one that was here before (unless it was this very press, cut
    off), and the refusals of the rules.
    """
    opened = open_order(asked, read_order(fields))
    if isinstance(opened, SignedTransaction):
        return _submit_transaction(asked, opened)
    known = asked.world.system.register.check(opened)
    if known is not None and not _was_this_press(asked, opened.oid):
        raise Refused("E_CARRIED_REGISTERED", state=known.state_name)
    _note(asked, opened.oid)
    request = asked.world.system.register.register(opened)
    return {"id": request.id.hex(), "entry": 0, "what": KIND_TITLES[KIND_NAMES[request.kind]]}


def _submit_transaction(asked: Asked, transaction: SignedTransaction) -> Json:
    ledger = asked.world.system.ledger
    receipt = ledger.find(transaction.id)
    if receipt is not None and not _was_this_press(asked, transaction.id):
        raise Refused("E_CARRIED_KNOWN", entry=receipt.index)
    if receipt is None:
        error = judge_now(asked.world.system, transaction, asked.world.clock.now()).error
        if error is not None:
            raise error
        _note(asked, transaction.id)
        receipt = ledger.submit(transaction.encode())
    what = KINDS[type(transaction.record).__name__]
    return {"id": transaction.id.hex(), "entry": receipt.index, "what": what}


def _was_this_press(asked: Asked, name: bytes) -> bool:
    return asked.world.system.stores.cabinet.get(_SUBMITTED, asked.id) == name


def _note(asked: Asked, name: bytes) -> None:
    """Written before the order goes in, so that the same press again after a crash is told from a replay."""
    asked.world.system.stores.cabinet.put_many([Row(_SUBMITTED, asked.id, name)])


def carried(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The page on which an order is looked at and submitted."""
    return {"most_bytes": MAX_UPLOAD_BYTES}


QUERIES: tuple[Query, ...] = (Query(ROLE, "orders", N_("Orders by hand"), carried),)
OPERATIONS: tuple[Operation, ...] = (
    Operation(
        ROLE,
        "examine",
        N_("Look at the order"),
        Carried,
        examine,
        N_("This is what the order says. Nothing changed."),
    ),
    Operation(
        ROLE,
        "submit-order",
        N_("Submit the order"),
        Carried,
        submit,
        N_("Taken: the order {id}."),
        danger=True,
    ),
)
