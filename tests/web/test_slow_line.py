"""A page that comes in two halves, with a pause between them, is shown whole: nothing in it jumps."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from tests.web.audit import PHONE, layout_shift
from tests.web.site_browser import browser_at_site

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAUSE_SECONDS = 0.5


@contextmanager
def slow_line(address: str, stop_after: bytes) -> Iterator[str]:
    """An address that hands on what the site at `address` answers; a page stops for a while after some words."""
    site = urlsplit(address)

    class Line(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            there = http.client.HTTPConnection(site.hostname or "", site.port, timeout=60)
            there.request("GET", self.path, headers={"Host": site.netloc})
            answer = there.getresponse()
            data = answer.read()
            there.close()
            kind = answer.headers["Content-Type"]
            self.send_response(answer.status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            until = data.index(stop_after) + len(stop_after) if kind.startswith("text/html") else 0
            self.wfile.write(data[:until])
            if until:
                time.sleep(PAUSE_SECONDS)
            self.wfile.write(data[until:])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Line)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[Browser, str]]:
    with browser_at_site() as (browser, _, address):
        yield browser, address


@pytest.mark.parametrize("stop_after", [b'class="languages">', b"</li>", b"</header>", b"</main>"])
def test_nothing_jumps_while_the_rest_of_a_page_comes(site: tuple[Browser, str], stop_after: bytes) -> None:
    with slow_line(site[1], stop_after) as address:
        context = site[0].new_context(viewport=PHONE)  # type: ignore[arg-type]
        page = context.new_page()
        began = time.monotonic()
        page.goto(address + "/")
        assert time.monotonic() - began >= PAUSE_SECONDS, "the page came in two halves"
        assert layout_shift(page) == 0
        context.close()
