"""Journeys of those who hold money at a bank, and of the bank: person, shop, clerk."""

import re

from playwright.sync_api import expect

from cbdc.money import tenge
from tests.web.play import Play, Wallet
from wallets.site.opening import customer_id
from wallets.site.words import NO_BREAK


def person_joins_and_loses_a_phone(play: Play) -> None:
    """Choose a language, see the account, join a wallet with a code, and freeze it when the phone is gone."""
    user = play.world.users.get("aigerim")
    bank = play.world.system.banks[user.bank_id]
    keys = play.visitor()
    other = {"kk": "English", "ru": "Қазақша", "en": "Русский"}[play.say.language]
    own = {"kk": "Қазақша", "ru": "Русский", "en": "English"}[play.say.language]
    keys.leave(lambda: keys.hit(keys.page.get_by_role("link", name=other, exact=True)))
    expect(keys.page.locator("html")).not_to_have_attribute("lang", play.say.language)
    keys.leave(lambda: keys.hit(keys.page.get_by_role("link", name=own, exact=True)))
    play.step(keys, "landing")

    play.enter(keys, "person", user.id).title("My account")
    keys.shown(play.say.money(tenge(user.deposit_tenge))).see("No wallet has joined yet.")
    assert bank.customers.keys_of(customer_id(user)) == []
    keys.send("A code for a new wallet", {}).see("Here is your code.")
    expect(keys.page.locator(".code")).to_have_text(re.compile(r"^[0-9A-Z]{10}$"))
    play.step(keys, "code")
    keys.leave(lambda: keys.hit(keys.page.locator("main a[href*='#join=']")))
    wallet = Wallet(keys.page, play.say)
    play.step(wallet, "wallet-to-join")
    wallet.join(user.id)
    expect(keys.page.locator("#deposit")).to_have_text(play.say.money(tenge(user.deposit_tenge)))
    play.step(wallet, "joined")
    assert [kid.hex() for kid in bank.customers.keys_of(customer_id(user))] == [wallet.kid]

    keys.page.goto(f"{play.site.url}/person/")
    keys.open("Lost or stolen")
    keys.send_surely("My device is lost or stolen", {})
    keys.see("Your wallet is frozen and your devices are revoked. Your bank can lift this.")
    play.step(keys, "frozen")
    assert play.world.system.ledger.frozen(play.pseudonym(user.id))
    keys.leave(lambda: keys.press("button", "Sign out"))
    keys.see("You have left the desk: {desk}.", desk=play.say("Person"))


def shop_takes_money_at_the_till(play: Play) -> None:
    """A shop joins its wallet, rings up a bill, is paid by a customer, and gives the money back."""
    price_tiyn = tenge(1_250) + 50
    keys = play.desk("shop", "dana").title("My account")
    keys.send("A code for a new wallet", {})
    play.step(keys, "code")
    keys.leave(lambda: keys.hit(keys.page.locator("main a[href*='#join=']")))
    till = Wallet(keys.page, play.say).join("dana")
    customer = play.wallet("bolat")
    customer.go("Home", "Top up").submit("Top up", {"Amount, tenge": play.say.typed(tenge(5_000))})
    customer.title("My money").holds(tenge(5_000))

    till.go("More", "Till of a shop").title("Till")
    till.submit("Show the code", {"Amount, tenge": play.say.typed(price_tiyn), "Bill": "No. 7"})
    till.see("{amount} to pay", amount=play.say.money(price_tiyn))
    play.step(till, "to-pay")
    text = till.page.locator("button.copy").get_attribute("data-text") or ""
    customer.go("Pay").submit("Continue", {"Phone number, request, link or key": text})
    customer.submit("Pay now", {}).title("Paid")
    play.step(customer, "customer-paid")
    till.see("Today: {amount}", amount=play.say.money(price_tiyn))
    expect(till.page.locator(".arrived")).to_have_text(play.say.pattern("Paid: {amount} from {name}."))
    play.step(till, "paid")
    assert play.holds_tiyn("dana") == price_tiyn

    till.hit(till.page.get_by_role("button", name=re.compile(f"^{re.escape(play.say('Refund'))}:")))
    expect(till.page.locator("main h1")).to_have_text(play.say.pattern("Pay {name}"))
    till.submit("Pay now", {}).title("Paid")
    play.step(till, "refunded")
    assert (play.holds_tiyn("dana"), play.holds_tiyn("bolat")) == (0, tenge(5_000))
    customer.holds(tenge(5_000))


def clerk_serves_customers(play: Play) -> None:
    """A clerk opens an account, takes and gives cash, hands out a code, freezes and frees a wallet."""
    bank = play.world.system.banks[1]
    keys = play.desk("bank", "clerk-1")
    keys.send("Order digital tenge", {"Amount in tenge": "0"})
    keys.refused("E_SITE_FIELD")
    expect(keys.page.get_by_role("alert")).to_be_focused()
    play.step(keys, "refused")
    keys.press("link", "To the field")
    expect(keys.page.locator("[aria-invalid=true]")).to_have_value("0")
    assert play.world.system.register.open() == []

    keys.follow("Customers", keys.page.locator(".menu"))
    name = "Saule Omarova"
    form = keys.form("Open an account")
    keys.choose(keys.labelled("Person or shop", form), play.say("Person"))
    keys.send(
        "Open an account",
        {
            "Name": name,
            "Number of the document": "test-77",
            "First deposit in tenge": play.say.typed(tenge(9_000)),
        },
    )
    keys.see("Account opened: {name}.", name=name)
    keys.send("Search", {"Name or document number": "omarova"})
    play.step(keys, "found")
    keys.leave(lambda: keys.hit(keys.page.get_by_role("link", name=name)))
    customer = next(one for one in bank.customers.all() if one.name == name)
    keys.send("Pay in cash", {"Amount in tenge": play.say.typed(tenge(1_000) + 50)})
    keys.see("Paid in: {amount} for {name}.", amount=play.say.money(tenge(1_000) + 50), name=name)
    keys.send("Pay out cash", {"Amount in tenge": play.say.typed(tenge(4_000))})
    keys.shown(play.say.money(tenge(6_000) + 50))
    assert bank.deposit_tiyn(customer.id) == tenge(6_000) + 50
    keys.send("Pay out cash", {"Amount in tenge": play.say.typed(tenge(6_001))})
    keys.refused("E_FUNDS_ACCOUNT")
    assert bank.deposit_tiyn(customer.id) == tenge(6_000) + 50
    keys.send("Code for a wallet", {}).see("A code for {name}'s wallet.", name=name)
    play.step(keys, "code")

    keys.send_surely("Report a wallet lost", {"Legal reference": "call 17"})
    keys.see("{name}'s wallet is frozen and its devices are revoked.", name=name)
    play.step(keys, "frozen")
    assert play.world.system.ledger.frozen(customer.pseudonym)
    keys.send("Lift the freeze", {"Legal reference": "call 18"}).see(
        "{name}'s wallet is free again.", name=name
    )
    assert not play.world.system.ledger.frozen(customer.pseudonym)
    assert NO_BREAK in play.say.money(tenge(9_000))
