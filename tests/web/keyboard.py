"""Somebody at a page with a keyboard and nothing else: Tab and Shift+Tab, Enter, Space, arrows, letters.

    keys = Keyboard(page, Tongue("ru"))
    keys.press("button", "Sign out")             Tab until the focus is there, then Enter; named as the language says
    keys.send("Order digital tenge", {"Amount in tenge": "40 000"})
    keys.see("Nothing waits for approval.")

Nothing here points at a place of the screen or calls a page's function to act. Where the focus must be seen, it is
asked for: a control that is reached and does not show it fails. How many times Tab is needed is estimated from the
page, so that not every step is looked at; whether it arrived is then the browser's own word.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from playwright.sync_api import Locator, Page, expect

from tests.web.tongue import Tongue

MOST_ROUNDS = 12
MOST_CHOICES = 60

# How many controls lie between the focus and a node: below zero when it is before. 0: it has the focus.
_AWAY = """(node) => {
  const now = document.activeElement;
  if (now === node) return 0;
  const reach = [...document.querySelectorAll(
    "a[href], button:enabled, input:not([type=hidden]):enabled, select:enabled, textarea, summary, [tabindex='0']")]
    .filter((one) => one.checkVisibility({ visibilityProperty: true })
      && !one.closest("details:not([open]) > :not(summary)"));
  const place = reach.indexOf(node);
  if (place < 0) return node.isConnected ? null : 1;
  if (!now || now === document.body) return place + 1;
  const follows = (one) => now.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING;
  const ahead = reach.filter((one) => one !== now && follows(one));
  return follows(node) ? ahead.indexOf(node) + 1 : -(reach.filter((one) => one !== now && !follows(one)
    && (node === one || node.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING)).length);
}"""
# The same, and whether the focus is to be seen there: asked for at once, for the page may be drawn again in between.
_WHERE = f"""(node) => {{
  const away = ({_AWAY})(node);
  const box = node.getBoundingClientRect();
  const style = getComputedStyle(node);
  const seen = box.width > 0 && box.height > 0 && node.matches(":focus-visible")
    && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return [away, seen];
}}"""
_TAG = "(node) => node.outerHTML.slice(0, 160)"
_CHOSEN = "(node) => node.selectedOptions[0]?.textContent.trim() ?? ''"


class Keyboard:
    """The keys pressed at one page, in one language."""

    def __init__(self, page: Page, say: Tongue) -> None:
        self.page = page
        self.say = say

    # --- finding ---

    def control(self, role: Any, text: str, within: Locator | None = None, /, **facts: str) -> Locator:
        """A control by its role and its accessible name, which is a text of the catalogue."""
        scope = within or self.page
        return scope.get_by_role(role, name=self.say(text, **facts), exact=True)

    def form(self, button: str, within: Locator | None = None, /, **facts: str) -> Locator:
        """The form with this button."""
        scope = within or self.page
        named = self.page.get_by_role("button", name=self.say(button, **facts), exact=True)
        return scope.locator("form").filter(has=named)

    def labelled(self, label: str, within: Locator) -> Locator:
        """A field by its label; the word for "optional" may follow it."""
        name = f"^{re.escape(self.say(label))}( \\({re.escape(self.say('optional'))}\\))?$"
        return within.get_by_label(re.compile(name))

    # --- keys ---

    def reach(self, target: Locator) -> Self:
        """Tab, forward or back, until the focus is on the target; it must be seen there."""
        expect(target).to_be_visible()
        for _ in range(MOST_ROUNDS):
            # The locator finds it anew each time: a page may be drawn again while keys are pressed.
            away, seen = target.evaluate(_WHERE)
            assert away is not None, f"no key leads to {target.evaluate(_TAG)}"
            if away == 0:
                assert seen, f"the focus is not seen: {target.evaluate(_TAG)}"
                return self
            for _ in range(abs(away)):
                self.page.keyboard.press("Tab" if away > 0 else "Shift+Tab")
        raise AssertionError(f"Tab does not reach {target.evaluate(_TAG)}")

    def hit(self, target: Locator, key: str = "Enter") -> Self:
        """Reach it and press a key on it."""
        self.reach(target)
        self.page.keyboard.press(key)
        return self

    def press(self, role: Any, text: str, within: Locator | None = None, /, **facts: str) -> Self:
        """A control by role and name, with Enter."""
        return self.hit(self.control(role, text, within, **facts))

    def leave(self, act: Callable[[], Any]) -> Self:
        """Do something that loads another page, and wait for that."""
        with self.page.expect_navigation():
            act()
        return self

    def follow(self, text: str, within: Locator | None = None, /, **facts: str) -> Self:
        """A link of a desk to another page."""
        return self.leave(lambda: self.press("link", text, within, **facts))

    def write(self, target: Locator, text: str) -> Self:
        """Write a text into a field, in place of what is there."""
        self.reach(target)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)
        expect(target).to_have_value(text)
        return self

    def choose(self, target: Locator, option: str | re.Pattern[str]) -> Self:
        """An option of a list by the arrow keys; `option` is its text as it is shown."""
        self.reach(target)
        self.page.keyboard.press("Home")
        pattern = option if isinstance(option, re.Pattern) else re.compile(re.escape(option))
        for _ in range(MOST_CHOICES):
            if pattern.fullmatch(target.evaluate(_CHOSEN)):
                return self
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"the arrow keys do not reach {pattern.pattern}")

    def tick(self, target: Locator) -> Self:
        """Set a check box with the space bar."""
        self.hit(target, "Space")
        expect(target).to_be_checked()
        return self

    def open(self, text: str, within: Locator | None = None, /) -> Self:
        """Unfold what is folded under a text."""
        summary = (within or self.page).locator("summary", has_text=self.say(text))
        self.hit(summary.first, "Space")
        expect(summary.locator("xpath=..").first).to_have_attribute("open", "")
        return self

    # --- forms ---

    def fill(self, form: Locator, values: Mapping[str, str]) -> Self:
        """Write into fields by their labels."""
        for label, value in values.items():
            self.write(self.labelled(label, form), value)
        return self

    def send(
        self, button: str, values: Mapping[str, str], within: Locator | None = None, /, **facts: str
    ) -> Self:
        """Fill the form of a desk and press its button; the page that answers is loaded."""
        form = self.form(button, within, **facts)
        self.fill(form, values)
        return self.leave(lambda: self.press("button", button, form, **facts))

    def send_surely(self, button: str, values: Mapping[str, str], within: Locator | None = None, /) -> Self:
        """The same where a dialog asks first: Escape goes back and nothing is sent, the second time it is meant."""
        form = self.form(button, within)
        self.fill(form, values)
        dialog = self.page.get_by_role("dialog")
        self.press("button", button, form)
        expect(dialog).to_be_visible()
        self.page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        self.press("button", button, form)
        expect(self.control("button", "Go back", dialog)).to_be_focused()
        return self.leave(lambda: self.press("button", button, dialog))

    def give_file(self, target: Locator, *paths: Path) -> Self:
        """Choose files: Enter on the field opens the system's own window, which takes paths."""
        with self.page.expect_file_chooser() as waiting:
            self.hit(target)
        waiting.value.set_files(list(paths))
        return self

    def take_file(self, target: Locator, path: Path) -> bytes:
        """Press what downloads a file; its bytes."""
        with self.page.expect_download() as waiting:
            self.hit(target)
        waiting.value.save_as(path)
        return path.read_bytes()

    # --- what is there ---

    def see(self, text: str, within: Locator | None = None, /, **facts: str) -> Self:
        """The page shows a text of the catalogue."""
        return self.shown(self.say(text, **facts), within)

    def shown(self, text: str | re.Pattern[str], within: Locator | None = None, /) -> Self:
        """The page shows this: an amount, a name, a pattern."""
        expect(within or self.page.locator("main")).to_contain_text(text, use_inner_text=True)
        return self

    def title(self, text: str, /, **facts: str) -> Self:
        """The page's heading is this text of the catalogue."""
        try:
            expect(self.page.locator("main h1")).to_have_text(self.say(text, **facts))
        except AssertionError as error:
            said = self.page.locator(".refusal, [role=alert]").all_inner_texts()
            raise AssertionError(f"{error}\nthe page refuses: {said}") from None
        return self

    def refused(self, code: str) -> Self:
        """The page refuses: the code's sentence, its next step, and the focus where it can be heard."""
        notice = self.page.get_by_role("alert")
        expect(notice).to_contain_text(self.say.refusal(code))
        return self
