"""Every role's main journeys, in a real browser, by keyboard alone, in three languages, on a phone and a desktop.

    pytest tests/web/test_journeys.py                            each journey once, languages and sizes in turn
    TENGE_BROWSER_FULL=1 pytest tests/web/test_journeys.py       each in every language on every size

The pictures of the key steps are kept under `build/screenshots/journeys/LANGUAGE-SIZE/`.
"""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.web import journeys_accounts as accounts
from tests.web import journeys_money as money
from tests.web import journeys_wallet as wallet
from tests.web import journeys_watching as watching
from tests.web.play import SIZES, WALLET, Journey, Play
from tests.web.site_browser import is_full
from wallets.site.table import OPEN_ROLES
from wallets.site.users import ROLES
from wallets.site.words import LANGUAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow]

JOURNEYS = (
    Journey("account", ("person",), accounts.person_joins_and_loses_a_phone),
    Journey("till", ("shop", WALLET), accounts.shop_takes_money_at_the_till),
    Journey("customers", ("bank",), accounts.clerk_serves_customers),
    Journey("issue", ("national-bank", "bank", "register"), money.two_officers_approve_an_issue),
    Journey("case", ("national-bank", "operator"), money.an_officer_takes_a_case_away),
    Journey("policy", ("national-bank",), money.a_policy_is_previewed_and_put_in_force),
    Journey("project", ("treasury", WALLET), money.budget_money_reaches_a_shop),
    Journey("audit", ("supervisor",), watching.supervisor_audits),
    Journey("explorer", ("explorer",), watching.somebody_explores),
    Journey("sandbox", ("operator", WALLET), watching.operator_runs_the_sandbox),
    Journey("online", (WALLET, "person"), wallet.two_people_pay_online),
    Journey("refusals", (WALLET,), wallet.a_refusal_is_explained_and_put_right),
    Journey("offline", (WALLET, "shop"), wallet.two_browsers_pay_with_no_network),
)
Cast = tuple[Journey, str, str]


def chosen(full: bool) -> list[Cast]:
    """What is played: everything, or each journey once, with another language and size than the one before it."""
    if full:
        return [(one, language, size) for one in JOURNEYS for language in LANGUAGES for size in SIZES]
    sizes = tuple(SIZES)
    return [
        (one, LANGUAGES[place % len(LANGUAGES)], sizes[place % len(sizes)])
        for place, one in enumerate(JOURNEYS)
    ]


@pytest.mark.parametrize(
    ("journey", "language", "size"),
    [pytest.param(*cast, id=f"{cast[0].name}-{cast[1]}-{cast[2]}") for cast in chosen(is_full())],
)
def test_journey(browser: Browser, tmp_path: Path, journey: Journey, language: str, size: str) -> None:
    with Play(browser, journey, language, size, tmp_path) as play:
        journey.act(play)


def test_every_role_has_a_journey_and_a_normal_run_speaks_every_language_on_every_size() -> None:
    played = chosen(False)
    assert {role for journey, _, _ in played for role in journey.roles} == {*ROLES, *OPEN_ROLES, WALLET}
    assert {(language, size) for _, language, size in played} == {
        (one, size) for one in LANGUAGES for size in SIZES
    }
