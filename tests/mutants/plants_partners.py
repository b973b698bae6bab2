"""Bugs where third parties are let in: consents, calls, orders, deliveries."""

from tests.mutants.plant import Field, bugs

PARTNERS = ("tests/site/test_partners.py", "tests/site/test_partner_orders.py")
HOOKS = ("tests/site/test_webhooks.py",)
WEBHOOK = ("tests/cbdc/test_webhook.py",)

DESK = Field(
    "Third parties",
    bugs(
        "cbdc/partners/desk.py",
        PARTNERS,
        (
            "consent-outlives-its-end",
            "A third party goes on after the holder took the consent back.",
            "        if self.revoked(consent.id):",
            "        if False:",
        ),
        (
            "call-used-twice",
            "Who listened in sends a third party's call again.",
            "        if name in self._used:",
            "        if False:",
        ),
        (
            "call-for-another-path",
            "A call signed for one thing is good for another.",
            "        if call.purpose != purpose:",
            "        if False:",
        ),
        (
            "day-limit-forgotten",
            "A third party starts any number of payments a day.",
            "        if before + amount_tiyn > consent.day_limit_tiyn:",
            "        if amount_tiyn > consent.day_limit_tiyn:",
        ),
    )
    + bugs(
        "cbdc/partners/orders.py",
        PARTNERS,
        (
            "order-pays-somebody-else",
            "What is handed in for an order may pay anybody besides.",
            "            if not isinstance(lock, KeyLock) or not self._desk.same_holder(holder, lock.kid):",
            "            if False:",
        ),
        (
            "declined-order-counts",
            "A declined order keeps its share of the day.",
            "            rows.append(self._desk.uncount(order.consent, order.day, order.payment.amount_tiyn))",
            "            pass",
        ),
    )
    + bugs(
        "cbdc/partners/hooks.py",
        HOOKS,
        (
            "failed-delivery-lost",
            "A delivery that failed once is never tried again.",
            "        if tried > len(WAITS_SECONDS):",
            "        if tried:",
        ),
    )
    + bugs(
        "cbdc/http/webhook.py",
        WEBHOOK,
        (
            "body-not-covered",
            "A receiver believes a body that was changed on the way.",
            "    if content_digest != digest(body):",
            "    if False:",
        ),
    )
    + bugs(
        "cbdc/http/addresses.py",
        WEBHOOK,
        (
            "one-address-of-a-name",
            "A name with one allowed address leads to another one.",
            "    for text in found:",
            "    for text in found[:1]:",
        ),
    ),
)

FIELDS = (DESK,)
