"""The table of the routes for third parties and for the holders who let them in; the handlers are `cbdc.http.partners`.

create_app(system, [extension(desks)])
"""

from collections.abc import Sequence
from typing import Any

from cbdc.canonical import MAX_LENGTH
from cbdc.http.partner_schemas import SCHEMAS
from cbdc.http.partners import Desks, PartnerApi
from cbdc.http.routes import Route
from cbdc.http.server import Extension
from cbdc.partners.records import MAX_CALL_BYTES
from cbdc.transaction import MAX_TRANSACTION_BYTES

_PARTNER = "a third party's 32-byte key id in hexadecimal"
_CONSENT = "a consent's 32-byte id in hexadecimal"
_ORDER = "an order's 32-byte id in hexadecimal"
_KID = "a 32-byte key id in hexadecimal"
_CALL_REFUSALS = ("E_PARTNER_CALL", "E_PARTNER_REPLAY", "E_PARTNER_UNKNOWN", "E_SIG")
_CONSENT_REFUSALS = (*_CALL_REFUSALS, "E_CONSENT_UNKNOWN", "E_CONSENT_OVER", "E_CONSENT_SCOPE")


def _partner_routes(api: PartnerApi) -> list[Route]:
    partner = {"partner": _PARTNER}
    consent = partner | {"consent": _CONSENT}
    return [
        Route(
            "POST",
            "/v1/partners",
            "A third party introduces itself with its key and its name.",
            api.introduce,
            "Partner",
            takes="the canonical envelope of an Introduction, signed by the key in it",
            limit_bytes=MAX_LENGTH,
            refusals=("E_ID_REUSED", "E_KEY", "E_PARTNER_MANY", "E_SIG"),
        ),
        Route("GET", "/v1/partners", "Every third party that introduced itself.", api.partners, "Partners"),
        Route(
            "GET",
            "/v1/partners/{partner}",
            "Who a third party is.",
            api.partner,
            "Partner",
            partner,
            refusals=("E_PARTNER_UNKNOWN",),
        ),
        Route(
            "GET",
            "/v1/partners/{partner}/consents",
            "The consents that name a third party, for it only (header Tenge-Call).",
            api.consents,
            "Consents",
            partner,
            refusals=_CALL_REFUSALS,
        ),
        Route(
            "GET",
            "/v1/partners/{partner}/consents/{consent}/balance",
            "What the holder has, for a third party with the scope balance (header Tenge-Call).",
            api.balance,
            "Balance",
            consent,
            refusals=_CONSENT_REFUSALS,
        ),
        Route(
            "GET",
            "/v1/partners/{partner}/consents/{consent}/history/{start}",
            "What the holder paid and got, for a third party with the scope history (header Tenge-Call).",
            api.history,
            "History",
            consent | {"start": "the first entry of the journal to look at; the answer names the next one"},
            refusals=_CONSENT_REFUSALS,
        ),
    ]


def _call_routes(api: PartnerApi) -> list[Route]:
    rows = (
        (
            "orders",
            "Ask the holder to pay: one payee, several at once, or into locks.",
            api.order,
            "PartnerOrder",
        ),
        ("openings", "Ask for a lock to be claimed, taken back or released.", api.opening, "PartnerOrder"),
        ("collections", "Collect on a mandate of the holder, once.", api.collect, "Collected"),
    )
    carries = {
        "orders": "PaymentOrder",
        "openings": "OpeningOrder",
        "collections": "Collection",
    }
    posts = [
        Route(
            "POST",
            f"/v1/partners/{{partner}}/{name}",
            summary,
            handler,
            answer,
            {"partner": _PARTNER},
            takes=f"the canonical envelope of a Call with the body of a {carries[name]}",
            limit_bytes=MAX_CALL_BYTES,
            refusals=(*_CONSENT_REFUSALS, "E_CONSENT_DAY", "E_CONSENT_PAYMENT", "E_ID_REUSED"),
        )
        for name, summary, handler, answer in rows
    ]
    look = Route(
        "GET",
        "/v1/partners/{partner}/orders/{order}",
        "What became of an order, for its third party (header Tenge-Call).",
        api.state,
        "PartnerOrder",
        {"partner": _PARTNER, "order": _ORDER},
        refusals=(*_CALL_REFUSALS, "E_ORDER_UNKNOWN"),
    )
    return [*posts, look]


def _hook_routes(api: PartnerApi) -> list[Route]:
    partner = {"partner": _PARTNER}
    hook = partner | {"hook": "an address's 32-byte id in hexadecimal"}
    delivery = partner | {"delivery": "a delivery's 32-byte id in hexadecimal"}
    empty = "the canonical envelope of a Call with an empty body"
    rows: tuple[tuple[str, str, Any, str, dict[str, str], str, tuple[str, ...]], ...] = (
        (
            "webhooks",
            "Have events delivered to an address of a private network.",
            api.add_hook,
            "Hook",
            partner,
            "the canonical envelope of a Call with the body of a HookOrder",
            ("E_HOOK_URL", "E_PARTNER_MANY"),
        ),
        (
            "webhooks/{hook}/remove",
            "Forget an address.",
            api.remove_hook,
            "Named",
            hook,
            empty,
            ("E_HOOK_UNKNOWN",),
        ),
        (
            "dead-letters/{delivery}/again",
            "Deliver a dead letter again.",
            api.again,
            "Delivery",
            delivery,
            empty,
            ("E_HOOK_UNKNOWN",),
        ),
    )
    posts = [
        Route(
            "POST",
            f"/v1/partners/{{partner}}/{path}",
            summary,
            handler,
            answer,
            arguments,
            takes=takes,
            limit_bytes=MAX_CALL_BYTES,
            refusals=(*_CALL_REFUSALS, *refusals),
        )
        for path, summary, handler, answer, arguments, takes, refusals in rows
    ]
    return [
        *posts,
        Route(
            "GET",
            "/v1/partners/{partner}/webhooks",
            "A third party's addresses, what waits for them, and what could not be delivered (header Tenge-Call).",
            api.events,
            "Events",
            partner,
            refusals=_CALL_REFUSALS,
        ),
        Route(
            "GET",
            "/v1/webhooks/key",
            "The key that signs deliveries.",
            api.webhook_key,
            "WebhookKey",
        ),
    ]


_PROOF = "the canonical envelope of a HolderProof with the purpose"
_Row = tuple[str, str, Any, str, dict[str, str], str, int, tuple[str, ...]]


def _posts(rows: Sequence[_Row]) -> list[Route]:
    return [
        Route("POST", path, summary, handler, answer, arguments, takes, limit, refusals=refusals)
        for path, summary, handler, answer, arguments, takes, limit, refusals in rows
    ]


def _holder_routes(api: PartnerApi) -> list[Route]:
    rows: tuple[_Row, ...] = (
        (
            "/v1/consents",
            "A holder gives a third party a consent.",
            api.give_consent,
            "Consent",
            {},
            "the canonical envelope of a Consent, signed by the holder's wallet key",
            MAX_LENGTH,
            ("E_CONSENT_OVER", "E_FROZEN", "E_ID_REUSED", "E_KEY_RETIRED", "E_KEY_UNKNOWN", "E_SIG"),
        ),
        (
            "/v1/consents/{consent}/revoke",
            "A holder takes a consent back, at once.",
            api.revoke_consent,
            "Consent",
            {"consent": _CONSENT},
            f"{_PROOF} `consent revoke <consent id>`",
            MAX_LENGTH,
            ("E_CONSENT_UNKNOWN", "E_SIG"),
        ),
        (
            "/v1/partner-orders/{order}/pay",
            "Hand in a signed transaction that does just what an order asks.",
            api.pay,
            "Paid",
            {"order": _ORDER},
            "one transfer's canonical bytes",
            MAX_TRANSACTION_BYTES,
            ("E_CONSENT_OVER", "E_ORDER_CLOSED", "E_ORDER_DIFFERS", "E_ORDER_UNKNOWN", "E_SIG"),
        ),
        (
            "/v1/partner-orders/{order}/decline",
            "A holder says no to an order, for good.",
            api.decline,
            "PartnerOrder",
            {"order": _ORDER},
            f"{_PROOF} `order decline <order id>`",
            MAX_LENGTH,
            ("E_ORDER_CLOSED", "E_ORDER_UNKNOWN", "E_SIG"),
        ),
    )
    reads = (
        ("consents", "The consents that a key gave, for its holder only.", api.consents_of, "Consents"),
        ("partner-orders", "The orders that ask for a key's signature.", api.orders_for, "Orders"),
        (
            "mandates",
            "The newest 200 mandates that a key gave or may collect on, for its holder only.",
            api.mandates_of,
            "Mandates",
        ),
    )
    return [
        *_posts(rows),
        *(
            Route(
                "GET",
                f"/v1/keys/{{kid}}/{name}",
                summary,
                handler,
                answer,
                {"kid": _KID},
                proof=True,
                refusals=("E_HTTP_PROOF",),
            )
            for name, summary, handler, answer in reads
        ),
    ]


def _mandate_routes(api: PartnerApi) -> list[Route]:
    return _posts(
        [
            (
                "/v1/mandates",
                "A payer lets a payee collect out of the deposit, within limits.",
                api.give_mandate,
                "Named",
                {},
                "the canonical envelope of a Mandate, signed by the payer's wallet key",
                MAX_LENGTH,
                ("E_FROZEN", "E_ID_REUSED", "E_KEY_RETIRED", "E_KEY_UNKNOWN", "E_SIG"),
            ),
            (
                "/v1/mandates/{mandate}/revoke",
                "A payer takes a mandate back.",
                api.revoke_mandate,
                "Named",
                {"mandate": "a mandate's 32-byte id in hexadecimal"},
                f"{_PROOF} `mandate revoke <mandate id>`",
                MAX_LENGTH,
                ("E_MANDATE_UNKNOWN", "E_SIG"),
            ),
        ]
    )


def extension(desks: Desks) -> Extension:
    """The routes over the desks, for `cbdc.http.server.create_app`."""
    api = PartnerApi(desks)
    routes = [
        *_partner_routes(api),
        *_call_routes(api),
        *_hook_routes(api),
        *_holder_routes(api),
        *_mandate_routes(api),
    ]
    return Extension(routes, SCHEMAS)
