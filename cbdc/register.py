"""The operator's register: who asked for digital tenge to be issued or redeemed, and what became of it.

A request is signed by who makes it (a bank with its own certificate, the treasury with its), has an id of 32 bytes
that the client made, and is registered once: the same request again finds itself, another one under the same id is
E_ID_REUSED. On the ledger its id is used once too, so no request can be carried out twice.

    registered -> approved -> done            refused is the other end, and final: a new request takes a new id

Beside a request the register keeps who did what and when: each approval's moment, and an officer's signed refusal with
its reason. They are written in the same commit as the request's new state.

Source: `docs/domain.md`: the National Bank issues on registers and payment messages that the operator produces from
the requests of banks and of the treasury.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from cbdc import authority, canonical
from cbdc.accounts import TREASURY_PARTY
from cbdc.authority import Authority
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.errors import Refused
from cbdc.ports import Clock
from cbdc.record import (
    AMOUNT,
    HASH,
    HASH_OR_NONE,
    MOMENT,
    ONLINE_DOMAIN,
    SIGNATURE,
    Bytes,
    Group,
    Items,
    Kind,
    Record,
    Signed,
    Text,
    Unsigned,
    open_envelope,
)

ISSUE = 1
REDEEM = 2
LOSS_RESERVE = 3
KIND_NAMES = {ISSUE: "issue", REDEEM: "redeem", LOSS_RESERVE: "loss reserve"}

REGISTERED = 1
APPROVED = 2
DONE = 3
REFUSED = 4
STATE_NAMES = {REGISTERED: "registered", APPROVED: "approved", DONE: "done", REFUSED: "refused"}

MOST_REASON_BYTES = 255

_OPEN = "request.open"
_CLOSED = "request.closed"
_APPROVED_AT = "request.approved at"
_REFUSALS = "request.refusal"


@dataclass(frozen=True, slots=True)
class MoneyRequest(Record):
    """What a party asks for: `kind` is ISSUE, REDEEM or LOSS_RESERVE, `party` a bank's id or 0 for the treasury.

    A request for the loss reserve is the operator's own (party 0).
    """

    id: bytes
    kind: int
    party: int
    amount_tiyn: int
    time: int

    TYPE: ClassVar[int] = 84
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (HASH, Unsigned(ISSUE, LOSS_RESERVE), Unsigned(), AMOUNT, MOMENT)


@dataclass(frozen=True, slots=True)
class RequestRefusal(Record):
    """An emission officer refuses a request: which one, why (words for its party), by which key, and when."""

    request: bytes
    officer: bytes
    reason: str
    time: int

    TYPE: ClassVar[int] = 92
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (HASH, HASH, Text(MOST_REASON_BYTES), MOMENT)


@dataclass(frozen=True, slots=True)
class Request:
    """A line of the register.

    `approvals` are [(key id, signature)...] of emission officers, `transaction` the signed redemption (empty for an
    issue), `transaction_id` what it became on the ledger, `refusal` the code that ended it.
    """

    signed: Signed[MoneyRequest]
    registered_at: int
    state: int = REGISTERED
    approvals: tuple[tuple[bytes, bytes], ...] = ()
    transaction: bytes = b""
    transaction_id: bytes = b""
    refusal: str = ""

    @property
    def id(self) -> bytes:
        """The id the party made."""
        return self.signed.record.id

    @property
    def kind(self) -> int:
        """ISSUE, REDEEM or LOSS_RESERVE."""
        return self.signed.record.kind

    @property
    def party(self) -> int:
        """A bank's id, 0 for the treasury."""
        return self.signed.record.party

    @property
    def amount_tiyn(self) -> int:
        """How much."""
        return self.signed.record.amount_tiyn

    @property
    def state_name(self) -> str:
        """registered, approved, done or refused."""
        return STATE_NAMES[self.state]

    def encode(self) -> bytes:
        """The row as the register keeps it."""
        return canonical.encode(
            [
                self.signed.encode(),
                self.registered_at,
                self.state,
                self.approvals,
                self.transaction,
                self.transaction_id,
                self.refusal,
            ]
        )


_ROW = Group(
    (
        Bytes(),
        MOMENT,
        Unsigned(REGISTERED, REFUSED),
        Items(Group((HASH, SIGNATURE)), most=32),
        Bytes(),
        HASH_OR_NONE,
        Text(),
    )
)


class OperatorRegister:
    """The register over a cabinet. Its rows are facts: nothing is ever deleted."""

    def __init__(self, cabinet: Cabinet, certificates: Authority, clock: Clock) -> None:
        self._cabinet = cabinet
        self._certificates = certificates
        self._clock = clock

    def register(self, signed: Signed[MoneyRequest]) -> Request:
        """Register a request, or find it registered. Raises E_REQUEST_PARTY (not signed by the party), E_ID_REUSED."""
        known = self.check(signed)
        return known if known is not None else self.write(Request(signed, self._clock.now()))

    def check(self, signed: Signed[MoneyRequest]) -> Request | None:
        """The same request if it is registered, None if it could be; raises what `register` raises, writes nothing."""
        # Opened anew, so that the signature is judged for this network and no other.
        signed = open_envelope(signed.envelope(), MoneyRequest, self._certificates.network)
        known = self.find(signed.record.id)
        if known is not None:
            if known.signed.body != signed.body:
                raise Refused("E_ID_REUSED", id=signed.record.id)
            return known
        self._check_party(signed, self._clock.now())
        return None

    def _check_party(self, signed: Signed[MoneyRequest], now: int) -> None:
        record = signed.record
        role, scope = authority.BANK, [record.party]
        if record.kind == LOSS_RESERVE:
            role, scope = authority.OPERATOR, []
        elif record.party == TREASURY_PARTY:
            role, scope = authority.TREASURY, []
        for auth in self._certificates.with_role(role):
            if list(auth.scope) == scope and auth.not_before <= now <= auth.expires:
                try:
                    signed.verify(auth.key)
                except Refused:
                    continue
                return
        raise Refused("E_REQUEST_PARTY", party=record.party)

    def find(self, id: bytes) -> Request | None:
        """A request, or None."""
        data = self._cabinet.get(_OPEN, id) or self._cabinet.get(_CLOSED, id)
        return None if data is None else self._open_row(data)

    def get(self, id: bytes) -> Request:
        """A request; E_REQUEST_UNKNOWN when there is none."""
        request = self.find(id)
        if request is None:
            raise Refused("E_REQUEST_UNKNOWN", id=id)
        return request

    def refuse(self, id: bytes, code: str = "E_REQUEST_REFUSED") -> Request:
        """Refuse a request on which nothing was begun; E_REQUEST_UNKNOWN, or E_REQUEST_STATE when it is not open."""
        request = self.get(id)
        if request.state != REGISTERED:
            raise Refused("E_REQUEST_STATE", id=id, state=request.state_name)
        return self.close(Request(request.signed, request.registered_at, REFUSED, refusal=code))

    def refuse_signed(self, request: Request, refusal: Signed[RequestRefusal]) -> Request:
        """Close a request by an officer's signed refusal; its approvals stay in the row, to be read and not used."""
        closed = replace(request, state=REFUSED, refusal="E_REQUEST_REFUSED")
        return self.close(closed, Row(_REFUSALS, request.id, refusal.encode()))

    def refusal_of(self, id: bytes) -> Signed[RequestRefusal] | None:
        """The officer's refusal of a request, or None: it was not refused, or by the ledger."""
        data = self._cabinet.get(_REFUSALS, id)
        return None if data is None else open_envelope(data, RequestRefusal, self._certificates.network)

    def approved_at(self, id: bytes, kid: bytes) -> int | None:
        """When an officer approved a request; None when it did not, or before the register kept moments."""
        data = self._cabinet.get(_APPROVED_AT, follow("approval", id, kid))
        return None if data is None else MOMENT.load(canonical.decode(data), "moment")

    def approved(self, request: Request, kid: bytes) -> Request:
        """Keep an open request with one approval more, and its moment."""
        data = canonical.encode(self._clock.now())
        return self.write(request, Row(_APPROVED_AT, follow("approval", request.id, kid), data))

    def open(self) -> list[Request]:
        """The requests that are not closed, oldest first."""
        return [self._open_row(data) for _, data in self._cabinet.all(_OPEN)]

    def closed(self) -> list[Request]:
        """The requests that are done or refused, in the order they ended."""
        return [self._open_row(data) for _, data in self._cabinet.all(_CLOSED)]

    def write(self, request: Request, *beside: Row) -> Request:
        """Keep an open request durably, in one commit with rows beside it."""
        self._cabinet.put_many([Row(_OPEN, request.id, request.encode()), *beside])
        return request

    def close(self, request: Request, *beside: Row) -> Request:
        """Keep a request that came to its end, in one commit with rows beside it."""
        self._cabinet.put_many(
            [Row(_OPEN, request.id, None), Row(_CLOSED, request.id, request.encode()), *beside],
        )
        return request

    def _open_row(self, data: bytes) -> Request:
        values: tuple[Any, ...] = _ROW.load(canonical.decode(data, canonical.MAX_MESSAGE_BYTES), "request")
        signed = open_envelope(values[0], MoneyRequest, self._certificates.network)
        return Request(signed, *values[1:])
