"""Marked money in the wallet: shown by purpose, its rule in words, paid where it may be, refused elsewhere."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from cbdc.money import tenge
from tests.site.visitor import Program
from tests.web.wallet_site import Person, WalletSite, open_site

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FIRST, LAST = "2026-01-01", "2036-12-31"


@pytest.fixture(scope="module")
def site() -> Iterator[WalletSite]:
    with open_site() as opened:
        yield opened


def give(site: WalletSite, template: str, label: str, person: Person, amount_tenge: int) -> str:
    """The treasury defines a purpose and gives this person so much of it; the mark."""
    treasurer = Program(site.whole, "treasurer")
    drawn = treasurer.do("treasury", "draw", f"draw-for-{template}-0001", amount_tiyn=tenge(amount_tenge))
    assert drawn.status_code == 200, drawn.text
    given = {"template": template, "label": label, "first_day": FIRST, "last_day": LAST}
    answer = treasurer.do("treasury", "define", f"define-{template}-000001", **given)
    assert answer.status_code == 200, answer.text
    mark = str(answer.get_json()["mark"])
    with site.world.lock:
        key = site.world.system.ledger.registered(bytes.fromhex(person.kid))
    assert key is not None
    fields = {"mark": mark, "amount_tiyn": tenge(amount_tenge), "holders": [key.pseudonym.hex()]}
    answer = treasurer.do("treasury", "give-vouchers", f"give-for-{template}-0001", **fields)
    assert answer.status_code == 200, answer.text
    return mark


def test_marked_money_is_shown_explained_and_paid(browser: Browser, site: WalletSite) -> None:
    aigerim, bolat, dana = (Person(browser, site, name).join() for name in ("aigerim", "bolat", "dana"))
    mark = give(site, "relief", "Flood relief", aigerim, 800)
    row = aigerim.open("").locator(".mark-row")
    expect(row).to_contain_text("Flood relief")
    expect(row).to_contain_text("800")
    row.click()
    aigerim.heading("Flood relief")
    expect(aigerim.page.locator(".words li").first).to_be_visible()
    aigerim.shot("marked-money")
    aigerim.open(f"pay/{bolat.kid}")
    aigerim.page.locator("form[name=pay] [name=mark]").select_option(mark)
    aigerim.send("pay", amount="300")
    aigerim.heading("Paid")
    expect(bolat.open("").locator(".mark-row")).to_contain_text("300")
    bolat.open(f"pay/{dana.kid}")
    bolat.page.locator("form[name=pay] [name=mark]").select_option(mark)
    bolat.send("pay", amount="120")
    bolat.heading("Paid")
    dana.holds(12_000)
    site.audited()
    for person in (aigerim, bolat, dana):
        person.close()


def test_what_the_rule_forbids_is_explained(browser: Browser, site: WalletSite) -> None:
    madina, yerlan = (Person(browser, site, name).join() for name in ("madina", "yerlan"))
    mark = give(site, "school-meals", "School meals", madina, 500)
    expect(madina.open("").locator(".mark-row")).to_contain_text("School meals")
    madina.open(f"pay/{yerlan.kid}")
    madina.page.locator("form[name=pay] [name=mark]").select_option(mark)
    madina.send("pay", amount="100")
    refusal = madina.page.locator(".refusal")
    expect(refusal).to_be_visible()
    refusal.get_by_text("Explain").click()
    expect(refusal.get_by_text("Rule", exact=True)).to_be_visible()
    madina.shot("marked-money-refused")
    expect(madina.open("").locator(".mark-row")).to_contain_text("500")
    for person in (madina, yerlan):
        person.close()
