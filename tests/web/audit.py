"""Is a page usable by everybody? What axe finds, and what it does not look at: the keyboard, narrow screens, jumps.

    audit(page)                       axe, width, inline code: on the page as it is
    walk(page)                        the keyboard alone: everything that can be pressed gets the focus, and is seen
    each_look(page, check)            the same check on a phone and a desktop, light and dark
    foreign_texts(page)               in the pseudo-language: what is said outside the catalogues
    weight_bytes(page)                what the page and all it loaded weighed on the wire

Axe is injected through the debugger, which no content policy of a page forbids.
"""

import os
from collections.abc import Callable
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import JSHandle, Page

PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 860}
RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    },
    "rules": {"target-size": {"enabled": True}},  # WCAG 2.2, which axe leaves out unless it is asked
    "resultTypes": ["violations"],
}
# What passed is not brought over from the browser: it is long, and nobody reads it.
_AXE = "(options) => axe.run(options).then((found) => found.violations)"
MOST_TABS = 120
SETTLING_LOOKS, SETTLING_MS = 5, 100
FULL = bool(os.environ.get("TENGE_BROWSER_FULL"))

_SHIFT = """() => new Promise((resolve) => {
  let sum = 0;
  new PerformanceObserver((list) => { for (const one of list.getEntries()) if (!one.hadRecentInput) sum += one.value; })
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(sum), 150);
})"""
_INLINE = """() => [...document.querySelectorAll("[style], style, script:not([src]), [onclick], [onload], [onerror]")]
  .map((node) => node.outerHTML.slice(0, 120))"""
_FOCUS = """(nodes) => {
  const node = document.activeElement;
  if (!node || node === document.body) return null;
  const box = node.getBoundingClientRect();
  const style = getComputedStyle(node);
  const above = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height / 2, 20));
  return {
    what: node.outerHTML.slice(0, 100),
    seen: box.width > 0 && box.height > 0 && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    covered: !(above === null || node.contains(above) || above.contains(node)),
    place: nodes.includes(node) ? nodes.indexOf(node) : nodes.push(node) - 1,
  };
}"""
# Ids, codes and names of languages are no words; drawings and scripts (`data-told`) have catalogues of their own.
_FOREIGN = """() => {
  const apart = "code, .mono, .hash, .code, .languages, .chart svg, .chart .unit, textarea, noscript, [data-told], a[href*='://'],"
    + " a[href^='/explorer/codes']";
  const found = [];
  const tell = (text, node) => {
    const said = text.trim();
    if (!/\\p{L}{3}/u.test(said) || /^[^\\p{L}\\d]*\\[/u.test(said)) return;
    if (/^[^\\p{L}]*\\d/u.test(said)) return; // a date, which begins with its day
    if (/^[\\w-]+\\.(dto|json|csv)$|^[0-9a-f]+…[0-9a-f]*$/u.test(said)) return; // a file's name, a key
    if (!node.closest(apart)) found.push(said.slice(0, 120));
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) tell(walker.currentNode.textContent, walker.currentNode.parentElement);
  for (const name of ["aria-label", "alt", "placeholder", "data-title", "data-confirm", "data-back", "data-copied"]) {
    for (const node of document.querySelectorAll(`[${name}]`)) tell(node.getAttribute(name), node);
  }
  tell(document.title, document.body);
  return found;
}"""
_WEIGHT = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .reduce((sum, one) => sum + one.transferSize, 0)"""
_REACHABLE = """() => [...document.querySelectorAll(
  "a[href], button:enabled, input:not([type=hidden]):enabled, select:enabled, textarea, summary, [tabindex='0']")]
  .filter((node) => node.checkVisibility({ visibilityProperty: true })
    && !node.closest("details:not([open]) > :not(summary)")
    && !(node.type === "radio" && !node.checked && node.form?.querySelector(`[name="${node.name}"]:checked`)))"""
# What left the page meanwhile, as a toast does, need not be reached.
_STILL_THERE = """(nodes) => Object.fromEntries(
  nodes.map((node, place) => [place, node]).filter(([, node]) => node.isConnected)
    .map(([place, node]) => [place, node.outerHTML.slice(0, 100)]))"""


def axe(page: Page) -> list[str]:
    """What axe finds on the page as it is shown now."""
    page.evaluate(Axe().axe_script)
    found: list[str] = []
    for violation in page.evaluate(_AXE, RULES):
        nodes = "; ".join(str(node["html"])[:110] for node in violation["nodes"][:3])
        found.append(f"{violation['id']}: {violation['help']}: {nodes}")
    return found


def audit(page: Page) -> list[str]:
    """What is wrong with the page as it is shown now; empty when nothing is."""
    found = axe(page)
    wide: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wide > 0:
        found.append(f"the page is {wide} px wider than the screen")
    found += [f"inline: {one}" for one in page.evaluate(_INLINE)]
    return found


def layout_shift(page: Page) -> float:
    """How much of the page jumped since it was loaded (the browser's own measure); 0 is still."""
    return float(page.evaluate(_SHIFT))


def foreign_texts(page: Page) -> list[str]:
    """Texts and spoken names that no catalogue holds, on a page that is shown in the pseudo-language."""
    return list(page.evaluate(_FOREIGN))


def weight_bytes(page: Page) -> int:
    """Bytes on the wire of a page and of everything that it has loaded so far (the browser's own measure)."""
    return int(page.evaluate(_WEIGHT))


def _settled_focus(page: Page, nodes: JSHandle) -> Any:
    """What has the focus, as it is seen once the page has scrolled to it: a quick browser still moves when asked."""
    now = page.evaluate(_FOCUS, nodes)
    for _ in range(SETTLING_LOOKS):
        if now is None or (now["seen"] and not now["covered"]):
            break
        page.wait_for_timeout(SETTLING_MS)
        now = page.evaluate(_FOCUS, nodes)
    return now


def walk(page: Page) -> list[str]:
    """Go round by the Tab key: what cannot be reached, what gets the focus unseen, a trap; empty when all is well."""
    page.evaluate("document.activeElement?.blur()")
    nodes = page.evaluate_handle(_REACHABLE)
    wanted = set(range(nodes.evaluate("(nodes) => nodes.length")))
    met: dict[int, dict[str, Any]] = {}
    for _ in range(min(MOST_TABS, 2 * len(wanted) + 10)):
        page.keyboard.press("Tab")
        now = _settled_focus(page, nodes)
        if now is None:
            continue
        if now["place"] in met and set(met) >= wanted:
            break
        met[now["place"]] = now
    found = [f"the focus is not seen: {one['what']}" for one in met.values() if not one["seen"]]
    found += [f"the focus is covered by something: {one['what']}" for one in met.values() if one["covered"]]
    there = {int(place): name for place, name in nodes.evaluate(_STILL_THERE).items()}
    missing = sorted((wanted - set(met)) & set(there))
    found += [f"cannot be reached by the keyboard: {there[place]}" for place in missing[:5]]
    return found


def each_look(page: Page, check: Callable[[Page], list[str]], whole: bool = FULL) -> list[str]:
    """The same check on a phone and on a desktop, light and dark; each finding says where.

    Without `whole` (or TENGE_BROWSER_FULL=1) only on a light phone and a dark desktop.
    """
    found = []
    for size_name, size in (("phone", PHONE), ("desktop", DESKTOP)):
        for scheme in ("light", "dark"):
            if not whole and (size_name == "phone") != (scheme == "light"):
                continue
            page.set_viewport_size(size)  # type: ignore[arg-type]
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found += [f"{size_name}, {scheme}: {one}" for one in check(page)]
    page.emulate_media(color_scheme="light")
    return found
