"""Journeys of those who make and give out money: National Bank, operator's register, treasury."""

import re

import pytest
from playwright.sync_api import expect

from cbdc.authority import open_root
from cbdc.errors import TengeError
from cbdc.money import tenge
from offline.evidence import verify_evidence
from offline.loss_policy import POLICIES
from offline.parameters import INVOICE_SECONDS
from tests.web.keyboard import Keyboard
from tests.web.play import Play
from wallets.site.opening import BANKS
from wallets.site.words import number_text

ORDERED_TIYN = tenge(40_000) + 50
DRAWN_TIYN = tenge(10_000)
VOUCHER_TIYN = tenge(2_000)
SPENT_TIYN = tenge(1_250)


def two_officers_approve_an_issue(play: Play) -> None:
    """A bank orders; the register shows it open; two of three officers approve; the money is there and recorded."""
    before_tiyn, amount = play.outstanding_tiyn(), play.say.money(ORDERED_TIYN)
    bank = play.world.system.banks[2]
    inventory_tiyn = bank.inventory_tiyn()
    clerk = play.desk("bank", "clerk-2")
    clerk.send("Order digital tenge", {"Amount in tenge": play.say.typed(ORDERED_TIYN)})
    clerk.see("Ordered: {amount}. Two officers of the National Bank must approve it.", amount=amount)
    play.step(clerk, "ordered")

    registrar = play.desk("register", "registrar").title("Register of requests")
    row = registrar.page.get_by_role("row").filter(has_text=amount)
    registrar.see("Registered", row).shown(play.say(BANKS[1][1]), row)
    play.step(registrar, "registered")

    first = _to_requests(play, "officer-1")
    first.send("Approve {amount}", {}, amount=amount)
    first.see(
        "Approved: {approvals} of {threshold} for {amount}.", approvals="1", threshold="2", amount=amount
    )
    first.see("You have approved this.")
    play.step(first, "first-approval")
    assert play.outstanding_tiyn() == before_tiyn

    third = _to_requests(play, "officer-3")
    third.send("Approve {amount}", {}, amount=amount)
    third.see(
        "Approved: {approvals} of {threshold} for {amount}.", approvals="2", threshold="2", amount=amount
    )
    third.see("Nothing waits for approval.")
    play.step(third, "issued")
    assert play.outstanding_tiyn() == before_tiyn + ORDERED_TIYN
    assert bank.inventory_tiyn() == inventory_tiyn + ORDERED_TIYN
    third.follow("Supply and balance sheets", third.page.locator(".menu"))
    third.see("Issued − redeemed equals what the five kinds of holders have.")
    third.shown(play.say.money(before_tiyn + ORDERED_TIYN))
    play.step(third, "supply")

    registrar.page.reload()
    registrar.see("Done", row)
    play.step(registrar, "done")
    registrar.leave(lambda: registrar.hit(row.locator("a[href^='/explorer/']")))
    registrar.see("Found").see("Issue")
    assert registrar.page.url.endswith(play.world.system.register.closed()[-1].transaction_id.hex())


def _to_requests(play: Play, officer: str) -> Keyboard:
    keys = play.desk("national-bank", officer)
    return keys.follow("Requests to issue", keys.page.locator(".menu"))


def an_officer_takes_a_case_away(play: Play) -> None:
    """A neighbour spends twice; the case, its proof and the root are downloaded, verified here and by a stranger."""
    operator = play.desk("operator", "operator")
    operator.tick(operator.page.get_by_label(play.say("One of them opens a device and spends twice")))
    operator.send("Let the neighbours live a day", {})
    done = "The neighbours bought and paid; offline payments: {offline}, refusals: {refused}."
    operator.see(done, offline="3", refused="0")

    keys = play.desk("national-bank", "officer-2")
    keys.follow("Cases and evidence", keys.page.locator(".menu"))
    keys.see("revoked")
    play.step(keys, "case")
    root = keys.take_file(keys.control("link", "Download the root"), play.folder / "root.dto")
    name = play.world.sandbox.evidence_files()[0][0]
    proof = keys.take_file(keys.control("link", "Download {file}", file=name), play.folder / name)
    guilty = list(play.world.sandbox.field.centre.reconciler.guilty())
    assert [verify_evidence(proof, open_root(root)).kid] == guilty
    spoiled = proof[:-1] + bytes([proof[-1] ^ 1])
    with pytest.raises(TengeError):
        verify_evidence(spoiled, open_root(root))
    keys.send("Verify {file}", {}, file=name)
    proved = (
        "{file} proves it: device {device}, from {bytes} bytes of proof and {root_bytes} bytes of root alone."
    )
    keys.see(proved, file=name, device=guilty[0].hex(), bytes=str(len(proof)), root_bytes=str(len(root)))
    play.step(keys, "verified")


def a_policy_is_previewed_and_put_in_force(play: Play) -> None:
    """Who would bear the losses under each policy; what another number would change for devices; then it changes."""
    play.program("operator").do("operator", "live", fraud=True)
    centre = play.world.sandbox.field.centre
    keys = play.desk("national-bank", "officer-1")
    keys.follow("Loss policies", keys.page.locator(".menu"))
    table = keys.page.locator("#losses")
    lost_tiyn = sum(centre.reconciler.borne(kid).loss_tiyn for kid in centre.reconciler.guilty())
    assert lost_tiyn > 0
    keys.shown(play.say("Cases: {number}", number="1"), table).see("in force", table)
    for name in POLICIES:
        row = table.get_by_role("row").filter(has=keys.page.locator(f"code:text-is('{name}')"))
        keys.shown(play.say.money(lost_tiyn), row)
    play.step(keys, "loss-policies")

    keys.follow("Offline limits", keys.page.locator(".menu"))
    before = (centre.trust_view.sequence, centre.trust_view.parameter(INVOICE_SECONDS))
    form = keys.form("Show the effect")
    hops = f"{play.say('Most hops, software')} ({play.say('hops')})"
    keys.choose(form.get_by_label(play.say("Number"), exact=True), hops)
    keys.send("Show the effect", {"Value": "2"})
    expect(keys.page.locator("main")).to_contain_text(
        re.compile(
            play.say("{touched} of {devices} devices would be held to another limit.")
            .replace("{touched}", r"\d+")
            .replace("{devices}", r"\d+")
            .replace(".", r"\.")
        )
    )
    play.step(keys, "preview")
    assert (centre.trust_view.sequence, centre.trust_view.parameter(INVOICE_SECONDS)) == before
    keys.send_surely("Put in force", {})
    done = "In force with TRUST list {list}: {name} is now {value}."
    keys.see(done, list=str(before[0] + 1), name="max_hops_sw", value="2")
    play.step(keys, "in-force")
    assert centre.trust_view.sequence == before[0] + 1
    row = keys.page.get_by_role("row").filter(has_text=play.say("Most hops, software"))
    keys.shown(number_text(2, play.say.language), row)


def budget_money_reaches_a_shop(play: Play) -> None:
    """The treasury draws money, defines a purpose, gives a voucher; a person pays a shop; the project shows the way."""
    payer, shop = play.wallet("aigerim"), play.wallet("dana")
    treasury = play.world.system.treasury
    keys = play.desk("treasury", "treasurer").title("Treasury")
    before_tiyn = treasury.available_tiyn()
    keys.send("Draw digital tenge from the bank", {"Amount": play.say.typed(DRAWN_TIYN)})
    keys.see("The treasury has drawn it.").shown(play.say.money(before_tiyn + DRAWN_TIYN))
    play.step(keys, "drawn")
    assert treasury.available_tiyn() == before_tiyn + DRAWN_TIYN

    label = "Тасқын 2026"
    keys.follow("Define a purpose", keys.page.locator("main"))
    form = keys.form("Define a purpose")
    keys.choose(keys.labelled("Template", form), play.say("Relief after a disaster"))
    keys.send(
        "Define a purpose", {"Name of the purpose": label, "Most of one payment": play.say.typed(SPENT_TIYN)}
    )
    keys.see("The purpose “{label}” is defined.", label=label)
    mark = treasury.definitions()[-1]
    assert (mark.record.label, mark.record.payment_cap_tiyn) == (label, SPENT_TIYN)
    keys.follow("All purposes")
    keys.leave(lambda: keys.hit(keys.page.get_by_role("link", name=label, exact=True)))
    keys.see("Its rule in words")
    holder = play.pseudonym("aigerim").hex()[:10]
    keys.tick(keys.page.get_by_label(re.compile(holder)))
    play.step(keys, "purpose")
    keys.send("Give vouchers", {"Amount for each": play.say.typed(VOUCHER_TIYN)})
    keys.see("{given} holders got it.", given="1").shown(play.say.money(VOUCHER_TIYN))
    play.step(keys, "voucher")
    assert play.world.system.ledger.marked_tiyn(mark.oid) == VOUCHER_TIYN

    row = payer.page.get_by_role("link", name=re.compile(label))
    payer.go("Home").shown(play.say.money(VOUCHER_TIYN))
    payer.hit(row).see("Its rule")
    play.step(payer, "marked-money")
    _pay_marked(play, payer, shop.kid, SPENT_TIYN + 1)
    payer.explained("E_MARK_CAP")
    play.step(payer, "over-the-cap")
    payer.fill(payer.form("Pay now"), {"Amount, tenge": play.say.typed(SPENT_TIYN)})
    payer.submit("Pay now", {}).title("Paid")
    shop.holds(SPENT_TIYN)
    play.step(shop, "free-at-the-shop")
    assert play.holds_tiyn("dana") == SPENT_TIYN

    keys.follow("Projects", keys.page.locator(".menu"))
    keys.leave(lambda: keys.hit(keys.page.get_by_role("link", name=label, exact=True)))
    keys.see("Free at the final payee").shown(play.say.money(SPENT_TIYN))
    keys.see("given by the treasury").see("free money at the final payee")
    play.step(keys, "project")
    found = play.program("treasurer").get(f"/v1/roles/treasury/projects/{mark.oid.hex()}").get_json()
    told = [found[name] for name in ("given_tiyn", "freed_tiyn", "wallets_now_tiyn")]
    assert told == [VOUCHER_TIYN, SPENT_TIYN, VOUCHER_TIYN - SPENT_TIYN]


def _pay_marked(play: Play, payer: Keyboard, kid: str, amount_tiyn: int) -> None:
    """The screen that pays marked money to a key."""
    payer.press("link", "Pay", payer.page.locator("main"))
    payer.fill(payer.form("Continue"), {"Phone number, request, link or key": kid})
    payer.press("button", "Continue")
    form = payer.form("Pay now")
    payer.fill(form, {"Amount, tenge": play.say.typed(amount_tiyn)})
    payer.choose(form.get_by_label(play.say("Which money"), exact=True), re.compile(r"Тасқын.*"))
    payer.press("button", "Pay now", form)
