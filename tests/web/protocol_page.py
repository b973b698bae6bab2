"""One Chromium page with the protocol code of the site: a tiny server on localhost, and nothing behind it."""

import mimetypes
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from playwright.sync_api import Browser, Page

from tests.conftest import ROOT

STATIC = ROOT / "wallets/site/static"
SCRIPT = ROOT / "tests/web/protocol_vectors.js"
PAGE = b'<!doctype html><html lang="en"><title>protocol</title><body>protocol</body></html>'


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        file = SCRIPT if path == "/vectors.js" else (STATIC / path.removeprefix("/static/")).resolve()
        if path == "/":
            self._answer(200, "text/html", PAGE)
        elif path == "/favicon.ico" or not file.is_file() or not file.is_relative_to(ROOT):
            self._answer(404, "text/plain", b"")
        else:
            self._answer(200, mimetypes.guess_type(file.name)[0] or "text/plain", file.read_bytes())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is written to the terminal."""


@contextmanager
def protocol_page(browser: Browser) -> Iterator[Page]:
    """A page at a secure origin that can import `/static/protocol/*.js` and `/vectors.js`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with browser.new_context() as context:
            page = context.new_page()
            page.goto(f"http://localhost:{server.server_address[1]}/")
            yield page
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def give_modules(page: Page) -> None:
    """Let the page's scripts find the modules as `protocol.NAME`, and refusals as codes through `told`."""
    page.evaluate(
        """async () => {
          const names = ["bytes", "canonical", "errors", "evidence", "frames", "keys", "online", "records",
            "selection", "transaction", "trust", "verify"];
          const load = async (name) => [name, await import(`/static/protocol/${name}.js`)];
          window.protocol = Object.fromEntries(await Promise.all(names.map(load)));
          window.told = (act) => {
            try {
              return act();
            } catch (error) {
              if (error instanceof protocol.errors.TengeError) return error.code;
              throw error;
            }
          };
        }"""
    )
