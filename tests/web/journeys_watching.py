"""Journeys of those who watch, and of the sandbox's operator: supervisor, explorer, operator."""

import hashlib
import re

from playwright.sync_api import expect

from cbdc.ledger.entry import LogHead
from cbdc.money import tenge
from cbdc.record import open_envelope
from tests.one_playwright import BACKGROUND_MILLISECONDS
from tests.web.keyboard import Keyboard
from tests.web.play import Play
from wallets.site.roles.pilots import scripts, told

HOUR_SECONDS = 3_600


def supervisor_audits(play: Play) -> None:
    """Alerts of a double spend, three counts of the supply, a signed head kept, an audit against it, and a forgery."""
    play.program("operator").do("operator", "live", fraud=True)
    keys = play.desk("supervisor", "supervisor")
    keys.see("Alerts, newest first")
    counts = "the supervisor's, the ledger's table, and the National Bank's books."
    keys.see(f"Three independent counts of the supply agree: {counts}")
    keys.shown(play.say.money(play.outstanding_tiyn()))
    play.step(keys, "alerts")
    keys.follow("Conservation", keys.page.locator(".menu"))
    keys.see("It adds up.")
    play.step(keys, "conservation")

    menu = keys.page.locator(".menu")
    keys.follow("Signed heads", menu)
    kept = play.folder / "head.dto"
    data = keys.take_file(keys.control("link", "Download"), kept)
    genesis = play.world.system.genesis
    head = open_envelope(data, LogHead, genesis.network)
    genesis.verify_head(head)
    play.program("operator").do("operator", "live", fraud=False)
    added = play.world.system.ledger.size - head.record.size
    assert added > 0

    form = keys.form("Compare a kept head")
    keys.give_file(keys.labelled("File of a signed head", form), kept)
    keys.leave(lambda: keys.press("button", "Compare a kept head", form))
    done = "The present journal continues the head that you kept: {added} entries were added since."
    keys.see(done, added=str(added))
    play.step(keys, "head-compared")
    keys.send("Compare a kept head", {"Or its text": (data[:-1] + bytes([data[-1] ^ 1])).hex()})
    keys.refused("E_SIG")

    keys.follow("Audits", menu)
    form = keys.form("Audit the journal")
    keys.give_file(keys.labelled("File of a signed head", form), kept)
    keys.leave(lambda: keys.press("button", "Audit the journal", form))
    keys.see("The audit has begun.")
    keys.leave(lambda: keys.hit(keys.page.locator("main td a.mono")))
    expect(keys.page.get_by_text(play.say("Everything adds up."))).to_be_visible(
        timeout=BACKGROUND_MILLISECONDS
    )
    keys.see("The head that was kept elsewhere is part of this journal").see("no problem")
    play.step(keys, "audited")
    found = play.program("supervisor").get(f"/v1/roles/supervisor/audits/{keys.page.url.rpartition('/')[2]}")
    assert found.get_json()["result"]["ok"]


def somebody_explores(play: Play) -> None:
    """From the journal to a payment, who sees what of it, its token's history as a graph, and its proof by hand."""
    play.program("operator").do("operator", "live", fraud=False)
    ledger = play.world.system.ledger
    payments = [
        index
        for index in range(1, ledger.size)
        if type(ledger.transaction(index).record).__name__ == "Transfer"
    ]
    keys = play.visitor()
    keys.follow("Ledger explorer", keys.page.locator("main")).title("Journal")
    keys.choose(keys.page.get_by_label(play.say("Only entries of one kind")), play.say("Payment"))
    keys.leave(lambda: keys.press("button", "Show"))
    play.step(keys, "payments")
    entry = payments[-1]
    keys.leave(lambda: keys.hit(keys.page.get_by_role("link", name=f"#{entry}", exact=True)))
    keys.see("Why it was allowed").see("Spent").see("Made")
    play.step(keys, "entry")

    keys.follow("What does each party see of this payment?").title(
        "What does each party see of this payment?"
    )
    keys.see("does not see").see("in the journal")
    play.step(keys, "who-sees-what")
    keys.page.go_back()
    tokens = keys.page.locator("main a[href^='/explorer/token/']")
    keys.leave(lambda: keys.hit(tokens.last))
    graph = keys.page.get_by_role("region", name=play.say("History of the token as a graph"))
    keys.see("Its history, from the issue to now")
    boxes = graph.locator("a[href]")
    assert boxes.count() >= 2
    play.step(keys, "token")
    keys.leave(lambda: keys.hit(boxes.first))

    keys.page.goto(f"{play.site.url}/explorer/entry/{entry}")
    keys.follow("Inclusion proof").see("The last step gives the signed root.")
    play.step(keys, "proof")
    data = keys.take_file(keys.control("link", "Its bytes as a file"), play.folder / "entry.bin")
    assert _root_by_hand(keys, data) == ledger.head().record.root.hex()
    assert _root_by_hand(keys, data + b"\0") != ledger.head().record.root.hex()


def _root_by_hand(keys: Keyboard, data: bytes) -> str:
    """What somebody gets who follows the page step by step with SHA-256, from the entry's own bytes."""
    value = hashlib.sha256(b"\0" + data).hexdigest()
    for step in keys.page.locator("ol.proof > li").all():
        shown = step.locator("code").inner_text()
        pair = re.fullmatch(r"printf 01([0-9a-f]{64})([0-9a-f]{64}) \| xxd -r -p \| sha256sum", shown)
        assert pair is not None, shown
        if value not in pair.groups():
            return ""
        value = hashlib.sha256(bytes.fromhex("01" + pair[1] + pair[2])).hexdigest()
    return value


def operator_runs_the_sandbox(play: Play) -> None:
    """The clock goes forward, a region loses its network, a pilot is played, and everything begins anew."""
    wallet = play.wallet("aigerim")
    keys = play.desk("operator", "operator").title("State of the sandbox")
    before = play.world.clock.now()
    keys.send("Let time pass", {"Days": "1", "Hours": "2"})
    keys.see("Time has passed: {days} d {hours} h {minutes} min.", days="1", hours="2", minutes="0")
    passed = play.world.clock.now() - before
    assert 26 * HOUR_SECONDS <= passed < 27 * HOUR_SECONDS

    keys.send("Cut off {name}", {}, name=play.say("Almaty"))
    keys.see("Cut off: {name}.", name=play.say("Almaty")).see("cut off")
    play.step(keys, "cut-off")
    wallet.go("Home", "Top up").submit("Top up", {"Amount, tenge": play.say.typed(tenge(500))})
    wallet.explained("E_SITE_OUTAGE")
    play.step(wallet, "no-network")
    assert play.holds_tiyn("aigerim") == 0
    keys.send("Connect {name}", {}, name=play.say("Almaty")).see(
        "Connected again: {name}.", name=play.say("Almaty")
    )
    wallet.submit("Top up", {"Amount, tenge": play.say.typed(tenge(500))}).title("My money")
    wallet.holds(tenge(500))
    assert play.holds_tiyn("aigerim") == tenge(500)

    keys.follow("Pilots", keys.page.locator(".menu"))
    pilot = next(one for one in scripts() if one.name == "stolen-phone")
    title = told(pilot, pilot.title, play.say.language)
    form = keys.form("Play: {title}", title=title)
    keys.leave(lambda: keys.press("button", "Play: {title}", form, title=title))
    keys.see("The run has begun.")
    keys.leave(lambda: keys.hit(keys.page.locator("main a[href^='/operator/pilots/']").first))
    met = keys.page.get_by_text(play.say.pattern("Expectations met: {met} of {all}"))
    expect(met).to_be_visible(timeout=BACKGROUND_MILLISECONDS)
    play.step(keys, "pilot")
    found = play.program("operator").get(f"/v1/roles/operator/pilots/{keys.page.url.rpartition('/')[2]}")
    assert found.get_json()["ok"]

    keys.follow("State of the sandbox", keys.page.locator(".menu"))
    keys.open("Begin anew")
    keys.send("Begin anew", {"Type RESET": "reset"}).refused("E_SITE_FIELD")
    assert play.world.memory.act == 1
    keys.open("Begin anew")
    keys.send("Begin anew", {"Type RESET": "RESET"})
    play.sign_in(keys, "operator", "operator").title("State of the sandbox")  # everybody has left the old act
    keys.shown("2", keys.page.locator("dd").nth(1))
    play.step(keys, "new-act")
    assert (play.world.memory.act, play.world.memory.shift_seconds) == (2, 0)
    assert play.holds_tiyn("aigerim") == 0
