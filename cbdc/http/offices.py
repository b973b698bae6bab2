"""What the offices of the state read over HTTP: each its own.

Only reading: whatever moves money is signed for itself (`POST /v1/transactions`), and the supervisor never writes.
Each call is signed with a certified key (`cbdc.http.signed_calls`) and opens what belongs to that office:

    operator     the register's requests
    treasury     its digital tenge, its reserve account, its own requests
    supervisor   the same register, and what each bank has

The supervisor is no party of the ledger and stands in no genesis; ROOT gives it a certificate beside it.
"""

from collections.abc import Mapping
from typing import Protocol

from cbdc.authority import OPERATOR, SUPERVISOR, TREASURY, Auth
from cbdc.errors import Refused
from cbdc.http import wire
from cbdc.http.participants import CALL_CODES, Platform, written_request
from cbdc.http.routes import HEX_SCHEMA, NUMBER_SCHEMA, Ask, Route, list_of, object_schema, reference
from cbdc.institutions import InstitutionKeys
from cbdc.record import Signed, sign
from cbdc.treasury import Treasury

TREASURY_PARTY = 0
MOST_REQUESTS = 1_000
_ID = {"id": "the request's 32-byte id in hexadecimal"}

SCHEMAS: Mapping[str, wire.Json] = {
    "MoneyRequests": object_schema(requests=list_of(reference("MoneyRequest"))),
    "TreasuryAccount": object_schema(
        reserve_tiyn=NUMBER_SCHEMA, available_tiyn=NUMBER_SCHEMA, account_kid=HEX_SCHEMA
    ),
    "BankAccounts": object_schema(banks=list_of(reference("BankAccount"))),
}


class Offices(Platform, Protocol):
    """What is served; `cbdc.system.System` fits it."""

    @property
    def treasury(self) -> Treasury:
        """The treasury."""
        ...


class OfficeApi:
    """The handlers."""

    def __init__(self, offices: Offices) -> None:
        self._offices = offices

    def open_requests(self, ask: Ask) -> wire.Json:
        """The requests that wait."""
        waiting = self._offices.register.open()[:MOST_REQUESTS]
        return {"requests": [written_request(request) for request in waiting]}

    def request(self, ask: Ask) -> wire.Json:
        """One request of anybody."""
        return self._request(ask, None)

    def own_request(self, ask: Ask) -> wire.Json:
        """One request of the treasury."""
        return self._request(ask, TREASURY_PARTY)

    def _request(self, ask: Ask, party: int | None) -> wire.Json:
        name = ask.octets("id")
        request = self._offices.register.find(name)
        if request is None or party not in (None, request.party):
            raise Refused("E_REQUEST_UNKNOWN", id=name)
        return written_request(request)

    def treasury_account(self, ask: Ask) -> wire.Json:
        """What the treasury has."""
        treasury = self._offices.treasury
        return {
            "reserve_tiyn": self._offices.national_bank.reserve_tiyn(TREASURY_PARTY),
            "available_tiyn": treasury.available_tiyn(),
            "account_kid": treasury.account_kid.hex(),
        }

    def bank_accounts(self, ask: Ask) -> wire.Json:
        """What each bank has."""
        ledger, banks = self._offices.ledger, list(self._offices.banks.values())
        held = ledger.owned_by_each([bank.inventory_kid for bank in banks])
        return {
            "banks": [
                {
                    "bank_id": bank.bank_id,
                    "reserve_tiyn": self._offices.national_bank.reserve_tiyn(bank.bank_id),
                    "inventory_tiyn": sum(token.amount_tiyn for _, token in held[bank.inventory_kid]),
                }
                for bank in banks
            ]
        }

    def routes(self) -> list[Route]:
        """The routes, for an `Extension` together with SCHEMAS."""
        unknown = (*CALL_CODES, "E_REQUEST_UNKNOWN")
        return [
            Route(
                "GET",
                "/v1/offices/requests",
                "The first 1,000 requests that wait in the operator's register.",
                self.open_requests,
                "MoneyRequests",
                roles=(OPERATOR, SUPERVISOR),
                refusals=CALL_CODES,
            ),
            Route(
                "GET",
                "/v1/offices/requests/{id}",
                "A request in the operator's register, whoever made it.",
                self.request,
                "MoneyRequest",
                _ID,
                roles=(OPERATOR, SUPERVISOR),
                refusals=unknown,
            ),
            Route(
                "GET",
                "/v1/offices/treasury/account",
                "What the treasury has: its reserve account, and its digital tenge without a purpose.",
                self.treasury_account,
                "TreasuryAccount",
                roles=(TREASURY,),
                refusals=CALL_CODES,
            ),
            Route(
                "GET",
                "/v1/offices/treasury/requests/{id}",
                "What became of a request of the treasury.",
                self.own_request,
                "MoneyRequest",
                _ID,
                roles=(TREASURY,),
                refusals=unknown,
            ),
            Route(
                "GET",
                "/v1/offices/banks",
                "Each bank's reserves and inventory.",
                self.bank_accounts,
                "BankAccounts",
                roles=(SUPERVISOR,),
                refusals=CALL_CODES,
            ),
        ]


def supervisor_certificate(
    keys: InstitutionKeys, network: bytes, not_before: int, expires: int
) -> Signed[Auth]:
    """ROOT's certificate for the supervisor's key (label `supervisor`): the same bytes for the same period."""
    public = keys.get("supervisor").public
    auth = Auth(SUPERVISOR, public.algorithm, public.raw, not_before, expires, ())
    return sign(auth, network, keys.root)
