"""The closed list of transactions: what can happen to money on the ledger, and nothing else.

Each transaction is one record with one purpose. Its id is the hash of its body, which holds a nonce made by the
client, so the client knows the id before anything is sent and an accepted id answers the same for ever. On the wire
it travels as

    [type, body, [[key id, signature]...]]

Signatures stand outside the id. Everything that can be judged without the ledger is judged here (`open_transaction`);
what needs the state is judged by `cbdc.ledger.rules`.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from cbdc import canonical, plain_form
from cbdc.clause import DOCUMENTS, LINES, BasketLine
from cbdc.errors import Malformed, Refused
from cbdc.keys import Signer
from cbdc.marks import open_definition, open_statement
from cbdc.record import (
    ALGORITHM,
    AMOUNT,
    HASH,
    HASH_OR_NONE,
    MOMENT,
    NONCE,
    ONLINE_DOMAIN,
    RAW_KEY,
    SIGNATURE,
    Bytes,
    Group,
    Items,
    Kind,
    Record,
    Text,
    Unsigned,
    object_id,
    signing_message,
)
from cbdc.token import KeyLock, LockKind, Token, TokenId

MAX_INPUTS = plain_form.MAX_INPUTS
MAX_OUTPUTS = plain_form.MAX_OUTPUTS
MAX_WITNESSES = plain_form.MAX_WITNESSES
MAX_TRANSACTION_BYTES = plain_form.MAX_TRANSACTION_BYTES

SETTLE_REDEEM = 1
SETTLE_LOSS = 2
SETTLE_RECOVER = 3
SETTLE_REFUND = 4

_MOST_BANK = canonical.MAX_INTEGER - 1  # the state keeps a bank's number plus one


_INPUT = Group((HASH, Unsigned(0, MAX_OUTPUTS - 1)))
_OUTPUT = Group((AMOUNT, LockKind(), HASH_OR_NONE))


@dataclass(frozen=True, slots=True)
class _InputKind:
    def load(self, value: object, name: str) -> TokenId:
        return TokenId(*_INPUT.load(value, name))


@dataclass(frozen=True, slots=True)
class _OutputKind:
    def load(self, value: object, name: str) -> Token:
        if isinstance(value, Token):
            value = value.wire()
        amount, lock, mark = _OUTPUT.load(value, name)
        return Token(amount, lock, mark)


_INPUTS = Items(_InputKind(), most=MAX_INPUTS, least=1)
_OUTPUTS = Items(_OutputKind(), most=MAX_OUTPUTS, least=1)
_SOME_OUTPUTS = Items(_OutputKind(), most=MAX_OUTPUTS)
_ENVELOPE = Bytes(most=16_384)
_WITNESSES = Items(Group((HASH, SIGNATURE)), most=MAX_WITNESSES, least=1)


@dataclass(frozen=True, slots=True)
class Transaction(Record):
    """Base of the closed list. `inputs` are spent whole, `outputs` created; either may be absent from a kind."""

    nonce: bytes

    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN

    def body(self) -> bytes:
        """The canonical bytes of the body (tokens and locks in their wire form)."""
        return canonical.encode([_wire(value) for value in self.checked(self.values())])

    @property
    def spends(self) -> tuple[TokenId, ...]:
        """The tokens it spends."""
        return getattr(self, "inputs", ())

    @property
    def creates(self) -> tuple[Token, ...]:
        """The tokens it creates, in order of their index."""
        return getattr(self, "outputs", ())


def _wire(value: Any) -> Any:
    if isinstance(value, Token):
        return value.wire()
    if isinstance(value, tuple):
        return tuple(_wire(item) for item in value)
    return value


@dataclass(frozen=True, slots=True)
class Issue(Transaction):
    """The National Bank creates tokens for a bank, the treasury or the loss reserve, on a registered request."""

    request: bytes
    outputs: tuple[Token, ...]

    TYPE: ClassVar[int] = 64
    SCHEMA: ClassVar[tuple[Kind, ...]] = (NONCE, HASH, _OUTPUTS)


@dataclass(frozen=True, slots=True)
class Transfer(Transaction):
    """Holders pay. `definition` is the envelope of a mark's definition when the treasury first puts that mark on money.

    `preimages` opens hash locks; each may stand anywhere in the list. `lines` say what is paid for, `documents` (their
    32-byte ids) on what it stands; both only matter to marks that ask for them.
    """

    inputs: tuple[TokenId, ...]
    outputs: tuple[Token, ...]
    definition: bytes = b""
    preimages: tuple[bytes, ...] = ()
    lines: tuple[BasketLine, ...] = ()
    documents: tuple[bytes, ...] = ()

    TYPE: ClassVar[int] = 65
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        NONCE,
        _INPUTS,
        _OUTPUTS,
        _ENVELOPE,
        Items(Bytes((32,)), most=MAX_INPUTS),
        LINES,
        DOCUMENTS,
    )


@dataclass(frozen=True, slots=True)
class Redeem(Transaction):
    """A bank (or the treasury) gives tokens back on a registered request; what is not given out again is destroyed."""

    request: bytes
    inputs: tuple[TokenId, ...]
    outputs: tuple[Token, ...]

    TYPE: ClassVar[int] = 66
    SCHEMA: ClassVar[tuple[Kind, ...]] = (NONCE, HASH, _INPUTS, _SOME_OUTPUTS)


@dataclass(frozen=True, slots=True)
class Freeze(Transaction):
    """The enforcement authority stops a holder (pseudonym) from spending, naming its legal reference."""

    holder: bytes
    legal_reference: str

    TYPE: ClassVar[int] = 67
    SCHEMA: ClassVar[tuple[Kind, ...]] = (NONCE, HASH, Text(128))


@dataclass(frozen=True, slots=True)
class Unfreeze(Transaction):
    """The enforcement authority lifts a freeze."""

    holder: bytes
    legal_reference: str

    TYPE: ClassVar[int] = 68
    SCHEMA: ClassVar[tuple[Kind, ...]] = (NONCE, HASH, Text(128))


@dataclass(frozen=True, slots=True)
class Seize(Transaction):
    """A write-off on a court's order: to the treasury or the loss reserve, change back to the holder."""

    inputs: tuple[TokenId, ...]
    outputs: tuple[Token, ...]
    legal_reference: str

    TYPE: ClassVar[int] = 69
    SCHEMA: ClassVar[tuple[Kind, ...]] = (NONCE, _INPUTS, _OUTPUTS, Text(128))


@dataclass(frozen=True, slots=True)
class ReleaseMark(Transaction):
    """A holder whom the mark's definition names turns marked money into free money, on signed statements.

    `documents` (their ids) are what the definition's release clauses ask for.
    """

    inputs: tuple[TokenId, ...]
    outputs: tuple[Token, ...]
    statements: tuple[bytes, ...]
    documents: tuple[bytes, ...] = ()

    TYPE: ClassVar[int] = 70
    SCHEMA: ClassVar[tuple[Kind, ...]] = (NONCE, _INPUTS, _OUTPUTS, Items(_ENVELOPE, most=64), DOCUMENTS)


@dataclass(frozen=True, slots=True)
class ExpireMark(Transaction):
    """After the mark's last day the treasury returns what is left to where the definition says."""

    inputs: tuple[TokenId, ...]
    outputs: tuple[Token, ...]

    TYPE: ClassVar[int] = 71
    SCHEMA: ClassVar[tuple[Kind, ...]] = (NONCE, _INPUTS, _OUTPUTS)


@dataclass(frozen=True, slots=True)
class LoadOffline(Transaction):
    """A holder locks tokens in escrow for a device: the leading outputs are one escrow token a note, the rest change.

    `device` is the device's key id and `load_number` the number of its first new note.
    """

    inputs: tuple[TokenId, ...]
    outputs: tuple[Token, ...]
    device: bytes
    load_number: int

    TYPE: ClassVar[int] = 72
    SCHEMA: ClassVar[tuple[Kind, ...]] = (NONCE, _INPUTS, _OUTPUTS, HASH, Unsigned(1))


@dataclass(frozen=True, slots=True)
class SettleOffline(Transaction):
    """Settlement books one fact of offline life, once for ever: redemption, loss, recovery or refund (`kind`)."""

    kind: int
    fact: bytes
    inputs: tuple[TokenId, ...]
    outputs: tuple[Token, ...]

    TYPE: ClassVar[int] = 73
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        NONCE,
        Unsigned(SETTLE_REDEEM, SETTLE_REFUND),
        HASH,
        _INPUTS,
        _OUTPUTS,
    )


@dataclass(frozen=True, slots=True)
class RegisterKey(Transaction):
    """A bank (or another institution) makes a key known: its bank, tier, category and the holder's pseudonym."""

    algorithm: int
    public_key: bytes
    bank_id: int
    tier: int
    category: int
    pseudonym: bytes

    TYPE: ClassVar[int] = 74
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        NONCE,
        ALGORITHM,
        RAW_KEY,
        Unsigned(0, _MOST_BANK),
        Unsigned(0, 255),
        Unsigned(1, 255),
        HASH,
    )


@dataclass(frozen=True, slots=True)
class RotateKey(Transaction):
    """A holder's key gives way to a new one; the old one can still spend what it holds and receives no more."""

    old: bytes
    algorithm: int
    public_key: bytes

    TYPE: ClassVar[int] = 75
    SCHEMA: ClassVar[tuple[Kind, ...]] = (NONCE, HASH, ALGORITHM, RAW_KEY)


@dataclass(frozen=True, slots=True)
class Attest(Transaction):
    """An outside register says something about a holder, anew, or takes it back (`standing` 0).

    `fact_kind` is the register's own number for what it says (a licence, an act, an e-invoice), `subject` the holder's
    pseudonym, `counterparty` a second holder's or empty, `document` the document's hash or empty. `amount_tiyn` and
    `lines` are what it proves (0 and none for a bare membership), until `expires`. What it said before under the same
    five words is replaced; what was used of it stays used.
    """

    fact_kind: int
    subject: bytes
    counterparty: bytes
    document: bytes
    amount_tiyn: int
    lines: tuple[BasketLine, ...]
    expires: int
    standing: int

    TYPE: ClassVar[int] = 76
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        NONCE,
        Unsigned(1, 65_535),
        HASH,
        HASH_OR_NONE,
        HASH_OR_NONE,
        Unsigned(),
        LINES,
        MOMENT,
        Unsigned(0, 1),
    )


@dataclass(frozen=True, slots=True)
class HandOver(Transaction):
    """A holder's keys are served by another bank from now on: pseudonym, limits, freezes and money stay as they are."""

    pseudonym: bytes
    from_bank: int
    to_bank: int
    keys: tuple[bytes, ...]
    legal_reference: str

    TYPE: ClassVar[int] = 78
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        NONCE,
        HASH,
        Unsigned(1, _MOST_BANK),
        Unsigned(1, _MOST_BANK),
        Items(HASH, most=64, least=1),
        Text(128),
    )


@dataclass(frozen=True, slots=True)
class Recover(Transaction):
    """What a lost key holds goes to another key of the same holder, and the lost one receives no more.

    `old` and `new` are registered keys. A holder with more tokens than one transaction takes is recovered in several.
    """

    old: bytes
    new: bytes
    inputs: tuple[TokenId, ...]
    outputs: tuple[Token, ...]
    legal_reference: str

    TYPE: ClassVar[int] = 79
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        NONCE,
        HASH,
        HASH,
        Items(_InputKind(), most=MAX_INPUTS),
        _SOME_OUTPUTS,
        Text(128),
    )


KINDS: dict[int, type[Transaction]] = {
    kind.TYPE: kind
    for kind in (
        Issue,
        Transfer,
        Redeem,
        Freeze,
        Unfreeze,
        Seize,
        ReleaseMark,
        ExpireMark,
        LoadOffline,
        SettleOffline,
        RegisterKey,
        RotateKey,
        HandOver,
        Recover,
        Attest,
    )
}


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A well-formed transaction with its id and its signatures (not yet verified): [[key id, signature]...]."""

    record: Transaction
    body: bytes
    id: bytes
    witnesses: tuple[tuple[bytes, bytes], ...]

    @property
    def message(self) -> bytes:
        """What each witness signs."""
        return signing_message(ONLINE_DOMAIN, self.record.TYPE, self.id)

    def encode(self) -> bytes:
        """The canonical wire bytes."""
        return canonical.encode([self.record.TYPE, self.body, self.witnesses])


def sign_transaction(record: Transaction, network: bytes, signers: list[Signer]) -> SignedTransaction:
    """`record` with one signature of each signer."""
    body = record.body()
    identity = object_id(ONLINE_DOMAIN, record.TYPE, network, body)
    message = signing_message(ONLINE_DOMAIN, record.TYPE, identity)
    witnesses = tuple((signer.public.kid, signer.sign(message)) for signer in signers)
    return SignedTransaction(record, body, identity, witnesses)


_opened: dict[tuple[bytes, bytes], SignedTransaction] = {}
_OPENED_MOST = 10_000
_OPENED_BYTES = 1_024


def forget_opened() -> None:
    """Remember no opened transaction any more: whoever measures decoding asks for the whole work."""
    _opened.clear()


def open_transaction(data: bytes, network: bytes) -> SignedTransaction:
    """The transaction in `data`, judged as far as possible without the ledger (guard G1).

    The last small ones are remembered by their bytes: whoever handles the same group next need not decode it again.
    The errors are those of `_open`, below.
    """
    known = _opened.get((data, network))
    if known is not None:
        return known
    opened = _open_plain(data, network) or _open(data, network)
    if len(data) <= _OPENED_BYTES:
        if len(_opened) >= _OPENED_MOST:
            _opened.clear()
        _opened[data, network] = opened
    return opened


def _open_plain(data: bytes, network: bytes) -> SignedTransaction | None:
    """What `_open` says of a plain transfer, faster; None for all others."""
    form = plain_form.plain_form(data)
    if form is None:
        return None
    body, nonce, spends, creates, witnesses = form
    inputs = tuple([TokenId(*one) for one in spends])
    outputs = tuple([Token(amount, KeyLock(lock[1])) for amount, lock, _ in creates])
    identity = object_id(ONLINE_DOMAIN, Transfer.TYPE, network, body)
    return SignedTransaction(Transfer(nonce, inputs, outputs), body, identity, witnesses)


def _open(data: bytes, network: bytes) -> SignedTransaction:
    """The transaction in `data`, decoded and judged.

    Raises the decoding errors (also for a definition or a statement it carries), E_OBJTYPE for an unknown kind,
    E_WITNESS_TWICE when one key signs twice, E_INPUT_TWICE when one token stands twice among the inputs, and
    E_MONEY_RANGE when the outputs sum beyond the largest amount.
    """
    values = canonical.decode_array(data, MAX_TRANSACTION_BYTES)
    if len(values) != 3:
        raise Malformed("E_FIELD", field="transaction", problem=f"{len(values)} items, not 3")
    type_number, body, witnesses = values
    kind = KINDS.get(type_number) if type(type_number) is int else None
    if kind is None:
        raise Malformed("E_OBJTYPE", type=str(type_number)[:20], expected="64..79")
    Bytes().load(body, "body")
    assert isinstance(body, bytes)
    record = kind.from_body(body, MAX_TRANSACTION_BYTES)
    pairs = _WITNESSES.load(witnesses, "witnesses")
    if len({kid for kid, _ in pairs}) != len(pairs):
        raise Refused("E_WITNESS_TWICE", witnesses=len(pairs))
    if len(set(record.spends)) != len(record.spends):
        raise Refused("E_INPUT_TWICE", inputs=len(record.spends))
    total = sum(token.amount_tiyn for token in record.creates)
    if total > canonical.MAX_INTEGER:
        raise Malformed("E_MONEY_RANGE", amount_tiyn=total, least_tiyn=1, most_tiyn=canonical.MAX_INTEGER)
    _check_carried(record, network)
    return SignedTransaction(record, body, object_id(ONLINE_DOMAIN, kind.TYPE, network, body), pairs)


def _check_carried(record: Transaction, network: bytes) -> None:
    """The form of the signed records that travel inside a transaction; who signed them is judged by the rules."""
    if isinstance(record, Transfer) and record.definition:
        open_definition(record.definition, network)
    elif isinstance(record, ReleaseMark):
        for envelope in record.statements:
            open_statement(envelope, network)
