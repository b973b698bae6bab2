"""What a bank's own system asks of the national platform: its requests for money, their state, redemption, its account.

Everything else a bank does (registering keys, selling, buying back) are transactions that it signs and hands in like
anybody (`POST /v1/transactions`). Every call here is signed with the bank's certified key (`cbdc.http.signed_calls`),
and a bank asks for itself only. What is inside is signed too: a request with the certified key, a redemption with the
key of the inventory. So no password exists here either.
"""

from collections.abc import Mapping
from typing import Protocol

from cbdc.authority import BANK
from cbdc.canonical import MAX_LENGTH
from cbdc.distribution import CommercialBank
from cbdc.errors import Refused
from cbdc.http import wire
from cbdc.http.routes import HEX_SCHEMA, NUMBER_SCHEMA, Ask, Route, object_schema
from cbdc.issuance import NationalBank
from cbdc.ledger.ledger import Ledger
from cbdc.record import open_envelope
from cbdc.register import KIND_NAMES, MoneyRequest, OperatorRegister, Request
from cbdc.transaction import MAX_TRANSACTION_BYTES, open_transaction

CALL_CODES = (
    "E_CALL_MISSING",
    "E_CALL_FORM",
    "E_CALL_AUTHORITY",
    "E_CALL_EXPIRED",
    "E_CALL_REPLAY",
    "E_CALL_SIGNATURE",
    "E_CALL_ROLE",
)
_BANK_CODES = (*CALL_CODES, "E_CALL_SCOPE", "E_BANK_UNKNOWN")
_BANK = {"bank_id": "the bank's number"}
_REQUEST = _BANK | {"id": "the request's 32-byte id in hexadecimal"}
_TEXT = {"type": "string"}

SCHEMAS: Mapping[str, wire.Json] = {
    "MoneyRequest": object_schema(
        id=HEX_SCHEMA,
        kind={"enum": list(KIND_NAMES.values())},
        party=NUMBER_SCHEMA,
        amount_tiyn=NUMBER_SCHEMA,
        state={"enum": ["registered", "approved", "done", "refused"]},
        approvals=NUMBER_SCHEMA,
        transaction_id=HEX_SCHEMA,
        refusal=_TEXT,
    ),
    "BankAccount": object_schema(
        bank_id=NUMBER_SCHEMA, reserve_tiyn=NUMBER_SCHEMA, inventory_tiyn=NUMBER_SCHEMA
    ),
}


class Platform(Protocol):
    """What is served; `cbdc.system.System` fits it."""

    @property
    def ledger(self) -> Ledger:
        """The ledger."""
        ...

    @property
    def banks(self) -> Mapping[int, CommercialBank]:
        """The banks by number."""
        ...

    @property
    def register(self) -> OperatorRegister:
        """The operator's register."""
        ...

    @property
    def national_bank(self) -> NationalBank:
        """The National Bank."""
        ...


class ParticipantApi:
    """The handlers."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def ask(self, ask: Ask) -> wire.Json:
        """A bank's signed request is registered."""
        signed = open_envelope(ask.body, MoneyRequest, self._platform.ledger.network)
        bank = self._bank(ask)
        if signed.record.party != bank.bank_id:
            raise Refused("E_REQUEST_PARTY", party=signed.record.party)
        return written_request(self._platform.register.register(signed))

    def state(self, ask: Ask) -> wire.Json:
        """What became of a request."""
        return written_request(self._own(ask))

    def redeem(self, ask: Ask) -> wire.Json:
        """Tokens of the inventory are given back for reserves."""
        request = self._own(ask)
        transaction = open_transaction(ask.body, self._platform.ledger.network)
        return wire.write_receipt(self._platform.national_bank.redeem(request.id, transaction))

    def account(self, ask: Ask) -> wire.Json:
        """What a bank has: reserves, and digital tenge in its inventory."""
        bank = self._bank(ask)
        held = self._platform.ledger.owned(bank.inventory_kid)
        return {
            "bank_id": bank.bank_id,
            "reserve_tiyn": self._platform.national_bank.reserve_tiyn(bank.bank_id),
            "inventory_tiyn": sum(token.amount_tiyn for _, token in held),
        }

    def _bank(self, ask: Ask) -> CommercialBank:
        number = ask.number("bank_id")
        bank = self._platform.banks.get(number)
        if bank is None:
            raise Refused("E_BANK_UNKNOWN", bank_id=number)
        return bank

    def _own(self, ask: Ask) -> Request:
        bank, name = self._bank(ask), ask.octets("id")
        request = self._platform.register.find(name)
        if request is None or request.party != bank.bank_id:
            raise Refused("E_REQUEST_UNKNOWN", id=name)
        return request

    def routes(self) -> list[Route]:
        """The routes, for an `Extension` together with SCHEMAS."""
        base = "/v1/participants/{bank_id}"
        return [
            Route(
                "POST",
                f"{base}/requests",
                "A bank asks for digital tenge, or to give some back: registered once for its id.",
                self.ask,
                "MoneyRequest",
                _BANK,
                takes="the canonical envelope of a MoneyRequest, signed with the bank's certified key",
                limit_bytes=MAX_LENGTH,
                refusals=(*_BANK_CODES, "E_ID_REUSED", "E_REQUEST_PARTY"),
                roles=(BANK,),
                scope="bank_id",
            ),
            Route(
                "GET",
                f"{base}/requests/{{id}}",
                "What became of a bank's request.",
                self.state,
                "MoneyRequest",
                _REQUEST,
                refusals=(*_BANK_CODES, "E_REQUEST_UNKNOWN"),
                roles=(BANK,),
                scope="bank_id",
            ),
            Route(
                "POST",
                f"{base}/requests/{{id}}/redeem",
                "The tokens of a registered redemption: destroyed, and the reserve account is credited, once.",
                self.redeem,
                "Receipt",
                _REQUEST,
                takes="a Redeem's canonical bytes, signed with the inventory's key",
                limit_bytes=MAX_TRANSACTION_BYTES,
                refusals=(
                    *_BANK_CODES,
                    "E_REQUEST_AMOUNT",
                    "E_REQUEST_PARTY",
                    "E_REQUEST_REFUSED",
                    "E_REQUEST_STATE",
                    "E_REQUEST_UNKNOWN",
                    "E_TOKEN_SPENT",
                ),
                roles=(BANK,),
                scope="bank_id",
            ),
            Route(
                "GET",
                f"{base}/account",
                "A bank's reserves and inventory.",
                self.account,
                "BankAccount",
                _BANK,
                refusals=_BANK_CODES,
                roles=(BANK,),
                scope="bank_id",
            ),
        ]


def written_request(request: Request) -> wire.Json:
    """A registered request as an answer."""
    return {
        "id": request.id.hex(),
        "kind": KIND_NAMES[request.kind],
        "party": request.party,
        "amount_tiyn": request.amount_tiyn,
        "state": request.state_name,
        "approvals": len(request.approvals),
        "transaction_id": request.transaction_id.hex(),
        "refusal": request.refusal,
    }
