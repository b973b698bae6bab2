"""Journeys of the wallet in the browser: top up, ask and pay online, refusals explained, and paying with no network."""

from pathlib import Path

from playwright.sync_api import expect

from cbdc.money import tenge
from tests.web.play import Play, Wallet

ASKED_TIYN = tenge(1_250) + 50
TOPPED_UP_TIYN = tenge(5_000)


def two_people_pay_online(play: Play) -> None:
    """Top up, ask, pay the request, see it in the ledger's log, find it in the history, send the rest back."""
    payer, payee = play.wallet("aigerim"), play.wallet("bolat")
    payer.go("Home", "Top up").title("Deposit and wallet")
    payer.submit("Top up", {"Amount, tenge": play.say.typed(TOPPED_UP_TIYN)}).title("My money")
    payer.holds(TOPPED_UP_TIYN)
    deposit_tiyn = tenge(play.world.users.get("aigerim").deposit_tenge)
    expect(payer.page.locator("#deposit")).to_have_text(play.say.money(deposit_tiyn - TOPPED_UP_TIYN))
    play.step(payer, "topped-up")
    assert play.holds_tiyn("aigerim") == TOPPED_UP_TIYN

    news = "() => document.dispatchEvent(new CustomEvent('wallet-changed'))"
    payee.kept_focus(payee.control("link", "Request", payee.page.locator("main")), news)
    payee.kept_focus(
        payee.control("link", "Pay", payee.page.locator("#nav")), "() => window.tengeWallet.draw()"
    )
    payee.go("Home", "Request").title("Request")
    payee.submit("Show the request", {"Amount, tenge": play.say.typed(ASKED_TIYN), "What for": "Нан"})
    payee.title("Ask for {amount}", amount=play.say.money(ASKED_TIYN))
    play.step(payee, "request")
    text = payee.page.locator("button.copy").get_attribute("data-text") or ""
    payer.go("Pay").submit("Continue", {"Phone number, request, link or key": text})
    payer.shown("Нан")
    payer.submit("Pay now", {"Note for yourself": "№ 1"}).title("Paid")
    payer.shown(play.say.money(ASKED_TIYN)).press("button", "Check it against the ledger's log")
    log = play.say.pattern("It stands in the log of {size} entries that the ledger signed at {time}.")
    expect(payer.page.locator(".proof")).to_have_text(log)
    play.step(payer, "paid")
    expect(payee.page.locator(".arrived")).to_have_text(play.say.pattern("Paid: {amount} from {name}."))
    payee.holds(ASKED_TIYN)
    play.step(payee, "arrived")
    assert play.holds_tiyn("bolat") == ASKED_TIYN
    assert play.holds_tiyn("aigerim") == TOPPED_UP_TIYN - ASKED_TIYN

    payer.go("History").title("History")
    payer.write(payer.page.get_by_label(play.say("Search"), exact=True), "№ 1")
    expect(payer.page.locator("ul.lines > li")).to_have_count(1)
    payer.shown(play.say.money(-ASKED_TIYN)).see("Paid")
    play.step(payer, "history")
    payer.go("More", "Deposit and wallet")
    payer.submit("Send back", {"Amount, tenge": play.say.typed(TOPPED_UP_TIYN - ASKED_TIYN)}).title(
        "My money"
    )
    payer.holds(0)
    assert play.holds_tiyn("aigerim") == 0


def a_refusal_is_explained_and_put_right(play: Play) -> None:
    """An unknown number, no amount, more than there is: each says why; put right on the same screen, it goes."""
    payer, payee = play.wallet("madina"), play.wallet("yerlan")
    payer.go("Home", "Top up")
    payer.submit("Top up", {"Amount, tenge": play.say.typed(tenge(200_000))})
    payer.explained("E_FUNDS_ACCOUNT")
    play.step(payer, "deposit-too-small")
    payer.submit("Top up", {"Amount, tenge": play.say.typed(tenge(1_000))}).title("My money")
    payer.holds(tenge(1_000))

    payer.go("Pay").submit("Continue", {"Phone number, request, link or key": "+7 702 999 99 99"})
    payer.explained("E_ALIAS_UNKNOWN")
    play.step(payer, "unknown-number")
    payee.go("More")
    payee.submit("Be found by this number", {"My phone number": "8 (701) 000-11-22"})
    payee.see("Others pay you by {number}.", number="+77010001122")
    payer.submit("Continue", {"Phone number, request, link or key": "+7 701 000 11 22"})
    payer.title("Pay {name}", name="+77010001122")
    payer.submit("Pay now", {"Amount, tenge": "0"})
    payer.see("Write an amount above zero, like 1 250.50.")
    payer.submit("Pay now", {"Amount, tenge": play.say.typed(tenge(1_001))})
    payer.explained("E_FUNDS")
    play.step(payer, "not-enough")
    assert play.holds_tiyn("yerlan") == 0
    payer.submit("Pay now", {"Amount, tenge": play.say.typed(tenge(1_000))}).title("Paid")
    payee.holds(tenge(1_000))
    assert (play.holds_tiyn("madina"), play.holds_tiyn("yerlan")) == (0, tenge(1_000))


def two_browsers_pay_with_no_network(play: Play) -> None:
    """Money taken along; both browsers cut off; invoice, payment, receipt as pictures; then home to the ledger."""
    payer, payee = play.wallet("aigerim", workers=True), play.wallet("dana", workers=True)
    payer.go("Home", "Top up").submit("Top up", {"Amount, tenge": play.say.typed(tenge(6_000))})
    payer.title("My money").go("Home", "Take along").title("Take along")
    payer.submit("Take along", {"Amount, tenge": play.say.typed(tenge(3_000))})
    expect(payer.page.locator("#device-balance")).to_have_text(play.say.money(tenge(3_000)))
    play.step(payer, "taken-along")
    payee.go("More", "Take along").press("button", "Make it a device")
    expect(payee.page.locator("#device-balance")).to_have_text(play.say.money(0))
    for wallet in (payer, payee):
        wallet.kept().offline()
        wallet.page.reload()
        expect(wallet.page.locator("#net")).to_have_text(play.say("No network"))

    payee.go("More", "Take along", "Receive offline").title("Receive offline")
    payee.submit("Show the invoice", {"Amount, tenge": play.say.typed(ASKED_TIYN)})
    payee.title("Ask for {amount}", amount=play.say.money(ASKED_TIYN))
    play.step(payee, "invoice")
    _read(payer.go("Scan"), _picture(payee, play.folder / "invoice.png"))
    payer.title("Pay {amount} offline", amount=play.say.money(ASKED_TIYN))
    play.step(payer, "asked")
    payer.press("button", "Pay now").title("Show the payment of {amount}", amount=play.say.money(ASKED_TIYN))
    play.step(payer, "payment")
    _read(payee, _picture(payer, play.folder / "payment.png"))
    payee.title("{amount} received", amount=play.say.money(ASKED_TIYN))
    expect(payee.page.locator(".checks .passed")).to_have_count(9)
    play.step(payee, "received")
    _read(payer, _picture(payee, play.folder / "receipt.png"))
    payer.title("History").see("Paid offline")
    play.step(payer, "history-offline")
    payer.holds(tenge(3_000) - ASKED_TIYN, "#on-device")
    payee.holds(ASKED_TIYN, "#on-device")
    assert (play.holds_tiyn("aigerim"), play.holds_tiyn("dana")) == (tenge(3_000), 0)

    payee.offline(False).go("More", "Take along").press("button", "Sync").see("Synced.")
    payee.press("button", "Send everything home")
    payee.see("{amount} are on their way to your wallet.", amount=play.say.money(ASKED_TIYN))
    play.step(payee, "on-its-way-home")
    payee.holds(ASKED_TIYN)
    assert play.holds_tiyn("dana") == ASKED_TIYN


def _picture(wallet: Wallet, path: Path) -> Path:
    """The codes that are shown, saved on one picture."""
    wallet.take_file(wallet.control("button", "Save picture"), path)
    return path


def _read(wallet: Wallet, picture: Path) -> None:
    """A picture of a code, chosen in the system's window."""
    wallet.give_file(wallet.page.get_by_label(wallet.say("Choose a picture of a code"), exact=True), picture)
