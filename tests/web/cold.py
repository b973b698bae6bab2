"""A first visit with nothing kept: how soon a page can be used, what it weighs, whether anything jumps.

    python -m tests.web.cold            a table of the pages of `PAGES`, phone and desktop; what the wallet loads later

The server runs in this process and counts what it sends (bodies as they travel, packed or not), so that what a service
worker fetches behind the page is counted too. In the page an observer watches until something can be pressed.
Times are told and never asserted; bytes and jumps are the same everywhere, and `test_cold.py` asserts them.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser import CHROMIUM, FLAGS
from tests.one_playwright import KEPT_MILLISECONDS
from tests.site.visitor import opened
from tests.web.audit import DESKTOP, PHONE
from wallets.site.classroom import open_class
from wallets.site.serving import Wsgi, running

PAGES = {
    "landing": "/",
    "sign-in": "/sign-in/bank",
    "wallet": "/wallet/",
    "explorer": "/explorer/",
    "class": "/class/",
}
TIMES = 5

# Runs before the page's own scripts. Usable: in the main part stands a button, or a link, that can be pressed.
_WATCH = """
window.watched = { shift: 0, usable_ms: null, painted_ms: null, bytes: null, requests: null, words: null };
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.watched.shift += one.value;
}).observe({ type: "layout-shift", buffered: true });
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) window.watched.painted_ms = one.startTime;
}).observe({ type: "largest-contentful-paint", buffered: true });
const loaded = () => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
const look = () => {
  if (document.querySelector("main :is(button:enabled, a[href])")) {
    const found = loaded();
    window.watched.usable_ms = performance.now();
    window.watched.bytes = found.reduce((sum, one) => sum + one.encodedBodySize, 0);
    window.watched.requests = found.length;
    const paths = found.map((one) => new URL(one.name).pathname);
    window.watched.words = paths.filter((path) => path.startsWith("/wallet/text/"));
  } else requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""


@dataclass(slots=True)
class Counter:
    """A server's application that counts the bodies it sends, by path, in bytes on the wire."""

    app: Wsgi
    sent: dict[str, int] = field(default_factory=dict)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request; a stream is handed through and not counted."""
        path = str(environ.get("PATH_INFO", ""))
        answer = self.app(environ, start_response)
        if path.endswith("/events"):
            return answer
        return self._counted(path, answer)

    def _counted(self, path: str, answer: Iterable[bytes]) -> Iterator[bytes]:
        try:
            for piece in answer:
                self.sent[path] = self.sent.get(path, 0) + len(piece)
                yield piece
        finally:
            close = getattr(answer, "close", None)
            if close is not None:
                close()

    def total_bytes(self, *ends: str) -> int:
        """Everything so far, or that whose path ends so."""
        return sum(size for path, size in self.sent.items() if not ends or path.endswith(ends))


@contextmanager
def counted_site() -> Iterator[tuple[Counter, str]]:
    """A site whose bytes are counted, and its address."""
    with opened() as whole:
        open_class(whole.world, 3)
        counter = Counter(whole)
        with running(counter, "127.0.0.1", 0) as port:
            yield counter, f"http://localhost:{port}"
            whole.world.hub.close()


def first_visit(
    browser: Browser, counter: Counter, url: str, size: dict[str, int], spoil: str = ""
) -> dict[str, Any]:
    """One visit by a browser that has never been here; `spoil` is a script that runs before the page's own.

    `usable_ms`, `painted_ms` (largest paint), `shift`, and until usable: `bytes` (bodies on the wire), `requests`,
    `words` (files of words). `kept_bytes`: everything in the end, of it `reader_bytes` the QR reader; for the wallet
    that is when all that a day without network needs has been fetched.
    """
    counter.sent.clear()
    with browser.new_context(viewport=size, locale="en-GB") as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.add_init_script(_WATCH + spoil)
        page.goto(url, wait_until="networkidle")
        if url.endswith("/wallet/"):
            expect(page.locator("html[data-kept=yes]")).to_be_attached(timeout=KEPT_MILLISECONDS)
        page.wait_for_timeout(100)
        found: dict[str, Any] = page.evaluate("window.watched")
    assert found["usable_ms"] is not None, "nothing can be pressed"
    return found | {"kept_bytes": counter.total_bytes(), "reader_bytes": counter.total_bytes(".wasm")}


def kib(size_bytes: int) -> str:
    """Bytes for a person."""
    return f"{size_bytes / 1024:.0f} KiB"


def main() -> int:
    """Visit every page several times and tell the medians."""
    say = sys.stdout.write
    with sync_playwright() as playwright, counted_site() as (counter, address):
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        browser.new_page().goto(address)  # the server has made its templates once
        say("| page | on | usable | largest paint | requests | until usable | in the end | layout shift |\n")
        say("|---|---|---|---|---|---|---|---|\n")
        for name, path in PAGES.items():
            for form, size in (("phone", PHONE), ("desktop", DESKTOP)):
                found = [first_visit(browser, counter, address + path, size) for _ in range(TIMES)]
                usable, painted = (median(one[key] for one in found) for key in ("usable_ms", "painted_ms"))
                last = found[-1]
                figures = f"{last['requests']} | {kib(last['bytes'])} | {kib(last['kept_bytes'])}"
                shift = max(one["shift"] for one in found)
                say(f"| {name} | {form} | {usable:.0f} ms | {painted:.0f} ms | {figures} | {shift:.3f} |\n")
                if path == "/wallet/" and form == "phone":
                    reader, sent = last["reader_bytes"], dict(counter.sent)
        browser.close()
    say(f"\nThe QR reader is {kib(reader)} of what the wallet has loaded in the end. Its largest files:\n")
    for path, size_bytes in sorted(sent.items(), key=lambda one: -one[1])[:25]:
        say(f"  {size_bytes:8}  {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
