"""The stage in a real browser: the play from the first payment to the verified proof, and a page anyone can use."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import APIResponse, BrowserContext, ConsoleMessage, Locator, Page, Route, expect

from cbdc.authority import open_root
from offline.evidence import verify_evidence
from tests.conftest import ROOT
from wallets.web.words import LANGUAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NARROW = {"width": 360, "height": 740}
WIDE = {"width": 1366, "height": 800}

# Where the story's button stands in each of the 20 frames after a step is told.
PLACES_AFTER_A_STEP = """() => {
  const twenty = (resolve, places = []) => requestAnimationFrame(() => {
    places.push(document.querySelector("#story-next").getBoundingClientRect().y);
    if (places.length < 20) twenty(resolve, places); else resolve(places);
  });
  new MutationObserver(() => { window.places = new Promise((resolve) => twenty(resolve)); })
    .observe(document.querySelector("#story-step"), { childList: true, characterData: true, subtree: true });
}"""

EVERY_SWITCHING = """() => {
  window.switched = [];
  const node = document.querySelector("#phone-dana [role=switch]");
  new MutationObserver(() => { window.switched.push(node.ariaChecked); })
    .observe(node, { attributeFilter: ["aria-checked"] });
}"""

# What a person with a screen reader, or without a mouse, would miss; each entry is one thing that is wrong.
FAULTS = """() => {
  const faults = [];
  const shown = (node) => node.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const text = (ids) => ids.split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim();
  const name = (node) => (node.getAttribute("aria-labelledby") && text(node.getAttribute("aria-labelledby")))
    || node.getAttribute("aria-label") || [...(node.labels ?? [])].map((label) => label.textContent).join(" ").trim()
    || node.textContent.trim();
  for (const node of document.querySelectorAll("input, select, textarea")) {
    if (!node.labels.length) faults.push("no label: " + node.outerHTML);
  }
  for (const node of document.querySelectorAll("button, a, summary, [role=switch], [role=img]")) {
    if (!name(node)) faults.push("no name: " + node.outerHTML);
    const words = node.innerText?.replace(/^[^\\p{L}]+/u, "").trim();
    if (shown(node) && node.hasAttribute("aria-label") && words && !node.getAttribute("aria-label").includes(words)
        && !(/^[^\\p{L}]*$/u).test(words)) faults.push("the name hides its words: " + node.outerHTML);
  }
  const buttons = [...document.querySelectorAll("button")].filter(shown).map(name);
  for (const one of new Set(buttons)) {
    if (buttons.filter((other) => other === one).length > 1) faults.push("two buttons are called " + one);
  }
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push("id twice: " + id);
  for (const attribute of ["aria-labelledby", "aria-describedby", "for"]) {
    for (const node of document.querySelectorAll(`[${attribute}]`)) {
      for (const id of node.getAttribute(attribute).split(" ")) {
        if (!document.getElementById(id)) faults.push(attribute + " leads nowhere: " + id);
      }
    }
  }
  if (!document.querySelector("[aria-live=polite]")) faults.push("no live region");
  if (!document.querySelector("[role=alert]")) faults.push("no place for refusals");
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  if (!document.documentElement.lang) faults.push("no language");
  let level = 0;
  for (const node of document.querySelectorAll("h1, h2, h3, h4")) {
    if (!shown(node)) continue;
    if (Number(node.tagName[1]) > level + 1) faults.push("a level is skipped at " + node.textContent);
    level = Number(node.tagName[1]);
  }
  for (const node of document.querySelectorAll("button, input, select, .button")) {
    const box = node.getBoundingClientRect();
    if (shown(node) && (box.height < 24 || box.width < 24)) faults.push("too small to hit: " + node.outerHTML);
  }
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) faults.push("wider than the window");
  return faults.concat(contrasts());

  function contrasts() {
    const found = [];
    const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (rgb) => {
      const [r, g, b] = rgb.map((part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (node) => {
      for (let at = node; at; at = at.parentElement) {
        const colour = parse(getComputedStyle(at).backgroundColor);
        if (colour.length < 4 || colour[3] > 0) return colour.slice(0, 3);
      }
      return [255, 255, 255];
    };
    for (const node of document.querySelectorAll("body *")) {
      const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
      if (!own || !shown(node) || node.closest("svg, .unseen, dialog:not([open]), .skip, noscript, option")) continue;
      const [a, b] = [light(parse(getComputedStyle(node).color).slice(0, 3)), light(ground(node))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < 4.5) found.push("contrast " + ratio.toFixed(2) + ": " + node.outerHTML.slice(0, 120));
    }
    return found;
  }
}"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The real command, on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "wallets.cli", "stage", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found
    yield found[0]
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
    process.stdout.close()


class Play:
    """A person at the page."""

    def __init__(self, page: Page, address: str, language: str = "en") -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(f"{address}?language={language}")
        expect(page.locator("#events li").first).to_be_visible()

    def _heard(self, message: ConsoleMessage) -> None:
        # A refusal is an answer with status 409; the browser itself notes that, and nothing else may be noted.
        if message.type in ("error", "warning") and not re.search("status of 4(00|09)", message.text):
            self.complaints.append(message.text)

    def phone(self, name: str) -> Locator:
        return self.page.locator(f"#phone-{name}")

    def button(self, name: str, button: str) -> Locator:
        return self.phone(name).get_by_role("button", name=re.compile(f": .{{0,2}}{button}"))

    def press(self, name: str, button: str) -> None:
        self.button(name, button).click()

    def fly(self, *names: str) -> None:
        for name in names:
            switch = self.phone(name).get_by_role("switch")
            before = switch.get_attribute("aria-checked")
            switch.click()
            expect(switch).to_have_attribute("aria-checked", "false" if before == "true" else "true")

    def pay(self, name: str, payee: str, amount: str) -> None:
        card = self.phone(name)
        card.get_by_label("To", exact=True).select_option(payee)
        card.get_by_label("Amount, ₸").fill(amount)
        self.press(name, "Pay")

    def has(self, name: str, tenge: str, where: str = "device") -> None:
        figure = self.page.locator(f"[data-figure='{name}.{where}_tiyn']")
        expect(figure).to_have_text(f"{tenge} ₸")

    def refused(self, words: str) -> None:
        box = self.page.locator("#refusal")
        expect(box).to_contain_text(words)
        expect(box).to_contain_text("What next:")

    def reset(self) -> None:
        with self.page.expect_response(re.compile("/api/reset")):
            self.page.locator("#reset").click()
            if self.page.locator("#ask").is_visible():
                self.page.locator("#ask").get_by_role("button", name="Start anew").click()
        expect(self.page.locator("#events li")).to_have_count(1)

    def supply(self) -> dict[str, int]:
        cells: list[list[str]] = self.page.locator("[data-supply]").evaluate_all(
            "nodes => nodes.map((node) => [node.dataset.supply, node.textContent])"
        )
        return {key: int(re.sub(r"\D", "", text)) for key, text in cells}

    def close(self) -> None:
        assert self.complaints == []


@pytest.fixture
def play(page: Page, address: str) -> Iterator[Play]:
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    play = Play(page, address)
    play.reset()
    yield play
    play.close()


def test_from_the_first_payment_to_the_proof(play: Play, tmp_path: Path) -> None:
    page = play.page
    play.pay("aigerim", "dana", "1 000")
    play.has("dana", "6 000", "wallet")
    play.phone("aigerim").get_by_label("Onto the device, ₸").fill("3000")
    play.press("aigerim", "Load")
    play.has("aigerim", "3 000")
    play.fly("aigerim", "bolat", "dana")
    expect(play.phone("aigerim")).to_contain_text("with no network")

    play.pay("aigerim", "bolat", "3000")
    play.has("bolat", "3 000")
    expect(play.phone("bolat").locator(".checks")).to_contain_text("hop 1 of at most 5")
    play.press("bolat", "Clone")
    play.has("bolat.clone", "3 000")
    play.pay("bolat", "dana", "3000")
    play.has("dana", "3 000")
    checks = play.phone("dana").locator(".checks")
    expect(checks).to_contain_text("hop 2 of at most 5")
    expect(checks).to_contain_text("National Bank → Aigerim → Bolat → Dana's bakery")
    play.pay("bolat-clone", "aigerim", "3000")
    play.has("aigerim", "3 000")

    play.press("dana", "Sync")
    play.refused("Dana's bakery is in airplane mode")
    play.fly("aigerim", "dana")
    play.press("dana", "Sync")
    expect(page.locator("#case-state")).to_contain_text("No money was spent twice")
    play.press("aigerim", "Sync")
    expect(page.locator("#case-state")).to_contain_text("spent the same money twice")
    expect(page.locator("#proofs")).to_contain_text("the device of Bolat")
    expect(page.locator("#announcement")).to_contain_text("the device of Bolat is named")

    page.get_by_role("button", name="case-1.dto: Verify with the root only").click()
    holds = page.locator(".proof .banner.good").first
    expect(holds).to_contain_text("The proof holds")
    with page.expect_download() as proof:
        page.get_by_role("link", name="case-1.dto: Download the proof").click()
    with page.expect_download() as root:
        page.get_by_role("link", name="Download the root").click()
    proof.value.save_as(tmp_path / "proof")
    root.value.save_as(tmp_path / "root")
    verdict = verify_evidence((tmp_path / "proof").read_bytes(), open_root((tmp_path / "root").read_bytes()))
    assert verdict.kid.hex()[:16] in holds.inner_text()

    play.press("dana", "Unload all")
    play.has("dana", "9 000", "wallet")
    play.press("aigerim", "Unload all")
    play.has("aigerim", "19 000", "wallet")
    page.get_by_role("button", name="Let 120 days pass").click()
    expect(page.locator("[data-borne=owner]")).to_have_text("3 000 ₸")
    supply = play.supply()
    held = sum(supply[key] for key in ("bank_inventory", "treasury", "wallets", "escrow", "loss_reserve"))
    assert supply["issued_tiyn"] - supply["redeemed_tiyn"] == supply["outstanding_tiyn"] == held
    expect(page.locator("#adds-up")).to_contain_text("It adds up")


def test_the_story_by_keyboard(play: Play) -> None:
    page = play.page
    page.locator("#story-start").focus()
    page.keyboard.press("Enter")
    step = page.locator("#story-step")
    expect(step).to_have_text("Step 0 of 12")
    for number in range(1, 13):
        expect(page.locator("#story-next")).to_be_focused()
        page.keyboard.press("Enter")
        expect(step).to_have_text(f"Step {number} of 12")
    expect(page.locator("#story-start")).to_be_focused()
    expect(page.locator("#story-see")).to_contain_text("collected from the one who spent twice")
    expect(page.locator("#proofs .banner.good")).to_have_count(1)


def test_a_press_before_the_stage_is_known_is_not_lost(play: Play) -> None:
    page, held = play.page, list[Route]()

    def hold_the_first(route: Route) -> None:
        held.append(route)
        if len(held) > 1:
            route.continue_()

    page.route("**/api/stage*", hold_the_first)
    page.reload()
    page.locator("#story-start").click()
    page.wait_for_timeout(200)
    expect(page.locator("#story-step")).to_be_hidden()
    held[0].continue_()
    expect(page.locator("#story-step")).to_have_text("Step 0 of 12")


def test_a_look_that_is_late_does_not_undo_a_wish(play: Play) -> None:
    page, held = play.page, list[tuple[Route, APIResponse]]()

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
            return
        headers = {key: value for key, value in route.request.headers.items() if key != "if-none-match"}
        held.append((route, route.fetch(headers=headers)))

    page.route("**/api/stage*", hold_the_first)
    while not held:
        page.wait_for_timeout(20)
    play.fly("dana")
    page.evaluate(EVERY_SWITCHING)
    route, answer = held[0]
    route.fulfill(response=answer)
    page.wait_for_event("response", lambda one: "/api/stage" in one.url and one.request != route.request)
    assert "false" not in page.evaluate("window.switched")
    expect(play.phone("dana").get_by_role("switch")).to_have_attribute("aria-checked", "true")


def test_words_that_do_not_come_are_asked_for_again_and_a_press_waits(play: Play) -> None:
    page, failures = play.page, ["abort", "server"]

    def fail_twice(route: Route) -> None:
        how = failures.pop() if failures else ""
        if how == "abort":
            route.abort()
        elif how == "server":
            route.fulfill(status=503, body="")
        else:
            route.continue_()

    page.route("**/static/text/*.json", fail_twice)
    page.reload()
    page.locator("#story-start").click()
    expect(page.locator("#refusal")).to_contain_text("The stage does not answer.")
    expect(page.locator("#story-step")).to_have_text("Step 0 of 12")
    expect(page.locator("#refusal")).to_be_empty()
    assert failures == []
    assert len(play.complaints) == 2, "the browser itself tells of both"
    play.complaints.clear()


def test_no_step_of_the_story_glides_away_under_a_press(play: Play) -> None:
    page = play.page
    page.set_viewport_size({"width": 1366, "height": 480})
    page.evaluate(PLACES_AFTER_A_STEP)
    page.locator("#story-start").click()
    step, has_scrolled = page.locator("#story-step"), False
    expect(step).to_have_text("Step 0 of 12")
    for number in range(1, 9):
        before = page.evaluate("scrollY")
        page.locator("#story-next").click()
        expect(step).to_have_text(f"Step {number} of 12")
        assert len(set(page.evaluate("window.places"))) == 1, f"step {number}"
        has_scrolled = has_scrolled or page.evaluate("scrollY") != before
    assert has_scrolled


def test_a_double_click_and_a_lost_answer_pay_once(play: Play) -> None:
    page = play.page
    play.phone("aigerim").get_by_label("Amount, ₸").fill("100")
    play.button("aigerim", "Pay").dblclick()
    play.has("aigerim", "19 900", "wallet")
    expect(page.locator("#events li")).to_have_count(2)
    expect(play.phone("aigerim").get_by_label("Amount, ₸")).to_have_value("100")

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/api/pay*", lose)
    play.pay("aigerim", "dana", "200")
    expect(page.locator("#refusal")).to_contain_text("nothing is done twice")
    page.unroute("**/api/pay*")
    assert all("ERR_FAILED" in complaint for complaint in play.complaints)
    play.complaints.clear()
    play.pay("aigerim", "dana", "200")
    expect(page.locator("#refusal")).to_be_empty()
    play.has("aigerim", "19 700", "wallet")
    expect(page.locator("#events li")).to_have_count(3)


def test_a_bad_amount_is_refused_in_words(play: Play) -> None:
    for amount in ("abc", "-5", "12,5", "0", "99999999999999", "8 000.01"):
        play.pay("bolat", "dana", amount)
        play.refused("Refused:")
        play.page.get_by_role("button", name="Close").click()
        expect(play.page.locator("#refusal")).to_be_empty()
    play.has("bolat", "8 000", "wallet")


def test_two_screens_show_one_stage(play: Play, context: BrowserContext, address: str) -> None:
    other = Play(context.new_page(), address, "ru")
    expect(other.page.locator("html")).to_have_attribute("lang", "ru")
    play.fly("dana")
    expect(other.phone("dana").get_by_role("switch")).to_have_attribute("aria-checked", "true")
    expect(other.page.locator("#events")).to_contain_text("Пекарня Даны: режим полёта включён")
    other.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_anyone_can_use_it(play: Play, address: str, scheme: Any) -> None:
    page = play.page
    page.emulate_media(color_scheme=scheme)
    page.keyboard.press("Tab")
    play.press("bolat", "Load")
    play.has("bolat", "3 000")
    play.fly("bolat")
    play.press("bolat", "Clone")
    for payer, payee in (("bolat", "dana"), ("bolat-clone", "aigerim")):
        play.pay(payer, payee, "3000")
        play.has(payee, "3 000")
    play.press("dana", "Sync")
    expect(page.locator("#case-state")).to_contain_text("No money was spent twice")
    play.press("aigerim", "Sync")
    expect(page.locator(".proof")).to_have_count(2)
    page.get_by_role("button", name="case-1.dto: Verify with the root only").click()
    expect(page.locator(".proof .banner.good")).to_have_count(1)
    for language in LANGUAGES:
        page.goto(f"{address}?language={language}")
        expect(page.locator(".proof")).to_have_count(2)
        page.locator("#phone-bolat [data-action=sync]").click()
        expect(page.locator("#refusal .banner")).to_be_visible()
        for details in page.locator("details:not([open]) > summary").all():
            if details.is_visible():
                details.click()
        for size in (WIDE, NARROW):
            page.set_viewport_size(size)  # type: ignore[arg-type]
            assert page.evaluate(FAULTS) == [], (language, size)
