"""The page of all parts (`templates/styleguide.html`) with made-up values; only tests serve it."""

from datetime import date, timedelta
from types import SimpleNamespace

from flask import Response

from cbdc.errors import Malformed
from wallets.site.forms import AMOUNT, CHOICE, FILE, FLAG, LONG_TEXT, TEXT, WHOLE, FormField
from wallets.site.marked import N_
from wallets.site.whole import Whole
from wallets.web.words import refusal_words

ADDRESS = "/parts-of-pages"
_DAYS = 40


def sample_fields(problem: str) -> list[FormField]:
    """A field of every kind; the first one is wrong."""
    return [
        FormField("amount_tiyn", AMOUNT, N_("Amount"), value="1 000,5x", problem=problem),
        FormField("days", WHOLE, N_("Day"), least=1, most=400),
        FormField("name", TEXT, N_("Name"), hint=N_("Everybody here is made up."), required=False, most=60),
        FormField("kind", CHOICE, N_("Holder"), choices=(("person", N_("Person")), ("shop", N_("Shop")))),
        FormField("sure", FLAG, N_("Done"), hint=N_("Nothing here yet."), required=False),
        FormField("text", LONG_TEXT, N_("More"), required=False, most=400),
        FormField("file", FILE, N_("Rule"), required=False),
        FormField("secret", TEXT, N_("Passcode of {name}"), value="unseen"),
    ]


def serve_parts(whole: Whole) -> None:
    """Add the page to a server that has answered nothing yet."""
    site = whole.site

    def show() -> Response:
        problem = Malformed("E_SITE_FIELD", field="amount_tiyn", problem="it is of another kind")
        words = refusal_words(problem, "en")
        operation = SimpleNamespace(name="sample", title=N_("Send it?"), danger=True)
        form = {
            "operation": operation,
            "action": ADDRESS,
            "fields": sample_fields(site.words.say_now(N_("This needs attention."))),
            "request_id": "a-request-of-tests-0001",
            "csrf": "none",
            "back": ADDRESS,
            "which": "",
        }
        first = date(2026, 1, 1)
        return site.page(
            "styleguide.html",
            sample_refusal=words,
            sample_form=form,
            sample_supply=whole.world.sandbox.supply(),
            sample_days=[(first + timedelta(days=number)).isoformat() for number in range(_DAYS)],
            sample_values=[(number * number % 97) * 1_234_500 for number in range(_DAYS)],
            sample_counts=[number * 7 % 23 for number in range(_DAYS)],
        )

    whole.app.add_url_rule(ADDRESS, "parts of pages", show)
