"""Payment requests over HTTP: posted by the payee, read by whoever has the link, marked as paid by the payer.

An extension of `cbdc.http`; the rules are those of `cbdc.request_board`. An answer carries the payee's signed envelope,
so a payer's wallet believes the payee's key and nobody else.
"""

from collections.abc import Callable, Iterable, Mapping

from cbdc import canonical
from cbdc.errors import Refused
from cbdc.http import wire
from cbdc.http.routes import HEX_SCHEMA, NUMBER_SCHEMA, Ask, Route, list_of, object_schema, reference
from cbdc.orders import HolderProof
from cbdc.record import HASH, Bytes, Group, open_envelope
from cbdc.request_board import (
    DECLINED,
    EXPIRED,
    OPEN,
    PAID,
    WITHDRAWN,
    BoardGateway,
    Posted,
    RequestBoard,
    RequestToPay,
)

_MOST_BYTES = 1_024
_PAYMENT = Group((HASH, Bytes(most=_MOST_BYTES)))
Tell = Callable[[Iterable[bytes]], None]
_ID = {"id": "a request's 32-byte id in hexadecimal"}
_KID = {"kid": "a 32-byte key id in hexadecimal"}
_TEXT = {"type": "string"}

SCHEMAS: Mapping[str, wire.Json] = {
    "PaymentRequest": object_schema(
        id=HEX_SCHEMA,
        payee=HEX_SCHEMA,
        amount_tiyn=NUMBER_SCHEMA,
        memo=_TEXT,
        made=NUMBER_SCHEMA,
        expires=NUMBER_SCHEMA,
        state={"enum": [OPEN, PAID, WITHDRAWN, DECLINED, EXPIRED]},
        transaction_id=HEX_SCHEMA,
        envelope=HEX_SCHEMA,
        payer=HEX_SCHEMA
        | {"description": "whom it was addressed to; empty for nobody, and in what a link shows"},
    ),
    "PaymentRequests": object_schema(requests=list_of(reference("PaymentRequest"))),
}


def nobody(kids: Iterable[bytes]) -> None:
    """Tell nobody."""


def written(posted: Posted, whole: bool = False) -> wire.Json:
    """A request as an answer; `whole` with whom it asks, for those two only."""
    record = posted.request.record
    return {
        "id": record.id.hex(),
        "payee": record.payee.hex(),
        "amount_tiyn": record.amount_tiyn,
        "memo": record.memo,
        "made": record.made,
        "expires": record.expires,
        "state": posted.state,
        "transaction_id": posted.transaction_id.hex(),
        "envelope": posted.request.encode().hex(),
        "payer": posted.payer.hex() if whole else "",
    }


class RequestApi:
    """The handlers over one board. `tell` lets the keys know that a request of theirs has changed."""

    def __init__(self, gateway: BoardGateway, board: RequestBoard, tell: Tell = nobody) -> None:
        self._gateway = gateway
        self._board = board
        self._tell = tell

    def post(self, ask: Ask) -> wire.Json:
        """A payee asks for money."""
        return written(self._board.post(open_envelope(ask.body, RequestToPay, self._gateway.network)))

    def read(self, ask: Ask) -> wire.Json:
        """What a link leads to."""
        return written(self._board.request(ask.octets("id")))

    def mine(self, ask: Ask) -> wire.Json:
        """What a key asked for."""
        return {"requests": [written(one, True) for one in self._board.requests_of(self._holder(ask))]}

    def inbox(self, ask: Ask) -> wire.Json:
        """What a key is asked for."""
        return {"requests": [written(one, True) for one in self._board.inbox_of(self._holder(ask))]}

    def _holder(self, ask: Ask) -> bytes:
        kid = ask.octets("kid")
        if self._gateway.registered(kid) is None:
            raise Refused("E_HTTP_NONE", what="key", id=kid)
        ask.require_holder(kid)
        return kid

    def address(self, ask: Ask) -> wire.Json:
        """The payee puts a request into an inbox."""
        kid, envelope = _PAYMENT.load(canonical.decode(ask.body), "addressee")
        word = open_envelope(envelope, HolderProof, self._gateway.network)
        return self._told(self._board.address(ask.octets("id"), kid, word))

    def decline(self, ask: Ask) -> wire.Json:
        """Who is asked says no."""
        word = open_envelope(ask.body, HolderProof, self._gateway.network)
        return self._told(self._board.decline(ask.octets("id"), word))

    def _told(self, posted: Posted) -> wire.Json:
        self._tell({posted.request.record.payee, posted.payer} - {b""})
        return written(posted, True)

    def mark_paid(self, ask: Ask) -> wire.Json:
        """The payer names the transaction that paid."""
        transaction_id, envelope = _PAYMENT.load(canonical.decode(ask.body), "payment")
        word = open_envelope(envelope, HolderProof, self._gateway.network)
        posted = self._board.mark_paid(ask.octets("id"), transaction_id, word)
        self._told(posted)
        return written(posted)

    def withdraw(self, ask: Ask) -> wire.Json:
        """The payee takes a request back."""
        word = open_envelope(ask.body, HolderProof, self._gateway.network)
        return self._told(self._board.withdraw(ask.octets("id"), word))

    # --- the table ---

    def routes(self) -> list[Route]:
        """The routes, for an `Extension` together with SCHEMAS."""
        return [*self._payees_routes(), *self._payers_routes(), *self._inbox_routes()]

    def _inbox_routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/v1/requests/{id}/addressees",
                "The payee puts a request into the inbox of one key, which may pay or decline it.",
                self.address,
                "PaymentRequest",
                _ID,
                takes="a canonical array: the key's id, a HolderProof's envelope for `request to <hexadecimal"
                " SHA-256(request id || key id)>`, of the payee's key",
                limit_bytes=2 * _MOST_BYTES,
                refusals=(
                    "E_PAY_REQUEST_UNKNOWN",
                    "E_REQUEST_WORD",
                    "E_REQUEST_ADDRESSED",
                    "E_REQUEST_INBOX",
                    "E_KEY_UNKNOWN",
                    "E_SIG",
                ),
            ),
            Route(
                "GET",
                "/v1/keys/{kid}/inbox",
                "The newest 200 requests that were addressed to a key, for its holder only.",
                self.inbox,
                "PaymentRequests",
                _KID,
                proof=True,
                refusals=("E_HTTP_PROOF",),
            ),
            Route(
                "POST",
                "/v1/requests/{id}/refusals",
                "Who was asked says no, for good.",
                self.decline,
                "PaymentRequest",
                _ID,
                takes="a HolderProof's envelope for `request decline <id>`, of the key that was asked",
                limit_bytes=_MOST_BYTES,
                refusals=("E_PAY_REQUEST_UNKNOWN", "E_REQUEST_WORD", "E_REQUEST_PAID", "E_SIG"),
            ),
        ]

    def _payees_routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/v1/requests",
                "A payee asks for money; the request's id makes a link.",
                self.post,
                "PaymentRequest",
                takes="the envelope of a RequestToPay, signed by the payee's key",
                limit_bytes=_MOST_BYTES,
                refusals=("E_KEY_UNKNOWN", "E_SIG", "E_ID_REUSED", "E_REQUEST_EXPIRED", "E_REQUEST_MANY"),
            ),
            Route(
                "GET",
                "/v1/keys/{kid}/requests",
                "The newest 200 requests that a key posted, for its holder only.",
                self.mine,
                "PaymentRequests",
                _KID,
                proof=True,
                refusals=("E_HTTP_PROOF",),
            ),
            Route(
                "POST",
                "/v1/requests/{id}/withdrawals",
                "The payee takes an unpaid request back.",
                self.withdraw,
                "PaymentRequest",
                _ID,
                takes="a HolderProof's envelope for `request withdraw <id>`, of the payee's key",
                limit_bytes=_MOST_BYTES,
                refusals=("E_PAY_REQUEST_UNKNOWN", "E_REQUEST_WORD", "E_REQUEST_PAID", "E_SIG"),
            ),
        ]

    def _payers_routes(self) -> list[Route]:
        return [
            Route(
                "GET",
                "/v1/requests/{id}",
                "A payment request and what became of it, for whoever has its id.",
                self.read,
                "PaymentRequest",
                _ID,
                refusals=("E_PAY_REQUEST_UNKNOWN",),
            ),
            Route(
                "POST",
                "/v1/requests/{id}/payments",
                "The payer names the transaction that paid a request; the journal is asked whether it did.",
                self.mark_paid,
                "PaymentRequest",
                _ID,
                takes="a canonical array: the transaction's id, the envelope of a HolderProof by a key that signed it",
                limit_bytes=2 * _MOST_BYTES,
                refusals=(
                    "E_PAY_REQUEST_UNKNOWN",
                    "E_REQUEST_PAID",
                    "E_REQUEST_WITHDRAWN",
                    "E_REQUEST_EXPIRED",
                    "E_REQUEST_PAYMENT",
                    "E_REQUEST_WORD",
                    "E_SIG",
                ),
            ),
        ]
