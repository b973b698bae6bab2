"""What the routes for third parties answer, as schemas of the OpenAPI document."""

from collections.abc import Mapping

from cbdc.http import wire

_HEX = {"type": "string", "pattern": "^([0-9a-f]{2})*$"}
_ID = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_NUMBER = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}


def _closed(**properties: object) -> wire.Json:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list_of(items: object) -> wire.Json:
    return {"type": "array", "items": items}


def _reference(name: str) -> wire.Json:
    return {"$ref": f"#/components/schemas/{name}"}


_KEY = {"kid": _ID, "algorithm": {"enum": [1, 2]}, "public_key": _HEX}

SCHEMAS: Mapping[str, wire.Json] = {
    "Partner": _closed(name=_TEXT, since=_NUMBER, **_KEY),
    "Partners": _closed(partners=_list_of(_reference("Partner"))),
    "WebhookKey": _closed(**_KEY),
    "Named": _closed(id=_ID),
    "Consent": _closed(
        id=_ID,
        holder=_ID,
        partner=_ID,
        partner_name=_TEXT,
        scopes=_list_of({"enum": ["balance", "history", "lock", "mandate", "pay", "split"]}),
        payment_limit_tiyn=_NUMBER,
        day_limit_tiyn=_NUMBER,
        first=_NUMBER,
        last=_NUMBER,
        problem=_TEXT | {"description": "what is wrong with it now; empty when it stands"},
        started_today_tiyn=_NUMBER,
    ),
    "Consents": _closed(consents=_list_of(_reference("Consent"))),
    "Balance": _closed(kid=_ID, free_tiyn=_NUMBER, marked_tiyn=_NUMBER),
    "HistoryLine": _closed(
        index=_NUMBER, time=_NUMBER, transaction_id=_ID, received_tiyn=_NUMBER, paid_tiyn=_NUMBER
    ),
    "History": _closed(lines=_list_of(_reference("HistoryLine")), next=_NUMBER),
    "PartnerOrder": _closed(
        id=_ID,
        partner=_ID,
        partner_name=_TEXT,
        consent=_ID,
        kind={"enum": ["payment", "claim", "refund", "release"]},
        state={"enum": ["open", "under way", "paid", "declined", "expired"]},
        made=_NUMBER,
        expires=_NUMBER,
        signers=_list_of(_ID),
        signed_by=_list_of(_ID),
        transaction_id=_HEX,
        memo=_TEXT,
        amount_tiyn=_NUMBER,
        outputs=_list_of(
            _closed(amount_tiyn=_NUMBER, lock={"type": "array", "description": "tagged, as in a token"})
        ),
        to_sign=_HEX | {"description": "an opening: the body of the one transaction that fits"},
    ),
    "Orders": _closed(orders=_list_of(_reference("PartnerOrder"))),
    "Booked": _closed(transaction_id=_ID, index=_NUMBER, time=_NUMBER),
    "Paid": _closed(
        order=_reference("PartnerOrder"),
        receipt={"anyOf": [_reference("Booked"), {"type": "null"}]},
    ),
    "Mandate": _closed(
        id=_ID,
        payer=_ID,
        payee=_ID,
        payment_limit_tiyn=_NUMBER,
        period_limit_tiyn=_NUMBER,
        most_payments=_NUMBER,
        period_seconds=_NUMBER,
        first=_NUMBER,
        last=_NUMBER,
        problem=_TEXT | {"description": "what is wrong with it now; empty when it stands"},
        collected_tiyn=_NUMBER | {"description": "in the period that is under way"},
        payments=_NUMBER,
    ),
    "Mandates": _closed(mandates=_list_of(_reference("Mandate"))),
    "Collected": _closed(id=_ID, payee=_ID, amount_tiyn=_NUMBER),
    "Hook": _closed(id=_ID, partner=_ID, url=_TEXT, events=_list_of(_TEXT)),
    "Delivery": _closed(
        id=_ID, hook=_ID, url=_TEXT, event=_TEXT, attempts=_NUMBER, due=_NUMBER, problem=_TEXT
    ),
    "Events": _closed(
        hooks=_list_of(_reference("Hook")),
        waiting=_list_of(_reference("Delivery")),
        dead=_list_of(_reference("Delivery")),
    ),
}
