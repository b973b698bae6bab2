"""The institutions for the tests of the browser's device: a sandbox in this process behind a small JSON door.

It serves the site's static files, a blank page with the bench (`device_bench.js`), and one POST a call. What a
browser's device asks goes to the real `OfflineCentre`; what it gets are the same bytes that a Python device gets.
"""

import json
import mimetypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from cbdc.errors import TengeError
from cbdc.ledger.audit import audit
from cbdc.record import open_envelope
from cbdc.token import PERSON
from offline.gateway import ask_to_enrol
from offline.records import TIER_SW, Enrol
from tests.conftest import ROOT
from wallets.cast import Member
from wallets.desk import derived
from wallets.sandbox import MERCHANT_TIER, Sandbox
from wallets.wallet import send_one

STATIC = ROOT / "wallets/site/static"
SCRIPTS = {
    "/bench.js": ROOT / "tests/web/device_bench.js",
}
PAGE = (
    '<!doctype html><html lang="en"><title>device</title>'
    '<script type="module" src="/bench.js"></script><body>device</body></html>'
)


class Desk:
    """A sandbox, and what browsers ask of it. `url` is where it listens; `lock` guards the sandbox."""

    def __init__(self) -> None:
        self.sandbox = Sandbox.in_memory()
        self.sandbox.issue(1_000_000)
        self.members: dict[str, Member] = {}
        self.kids: dict[str, bytes] = {}
        self.lock = Lock()
        self.asked: list[str] = []
        self.url = ""

    # --- members ---

    def member(self, name: str, tenge: int = 0, category: int = PERSON) -> Member:
        """A person without a device, with digital tenge in the online wallet; made once."""
        if name not in self.members:
            tier = 2 if category == PERSON else MERCHANT_TIER
            sandbox = self.sandbox
            deposit = max(tenge, 1) * 100
            self.members[name] = sandbox.add_group(
                name, category, sandbox.bank_name, tier, [name], [deposit], [False]
            )[0]
            if tenge:
                sandbox.buy_once(self.members[name], tenge)
        return self.members[name]

    def audit(self) -> None:
        """Replay the ledger; fails when anything in it does not add up."""
        with self.lock:
            self.sandbox.field.reconciler.tick()
            system = self.sandbox.system
            found = audit(system.stores.ledger, system.ledger.head(), system.authority.root.encode())
            assert found.ok, found.problems

    # --- what a device asks ---

    def challenge(self, name: str, serial: int) -> dict[str, Any]:
        member = self.member(name)
        bank = self.sandbox.desk.bank_id(member.bank)
        challenge = self.sandbox.field.centre.challenge(bank, derived("browser", name, serial))
        network = self.sandbox.system.network
        return {"network": network.hex(), "bank_id": bank, "challenge": challenge.hex()}

    def enrol(self, name: str, enrol: str) -> dict[str, Any]:
        field, system = self.sandbox.field, self.sandbox.system
        member = self.members[name]
        proof = open_envelope(bytes.fromhex(enrol), Enrol, system.network)
        word = ask_to_enrol(
            proof,
            member.wallet.signer,
            system.network,
            self.sandbox.clock.now(),
            derived("word", proof.oid)[:16],
        )
        field._tiers[member.wallet.kid] = TIER_SW
        certificate = field.centre.enrol(proof, word)
        field._owners[certificate.record.kid] = member
        self.kids[name] = certificate.record.kid
        return {
            "root": system.authority.root.encode().hex(),
            "auths": [auth.encode().hex() for auth in system.authority.auths],
            "trust": [one.encode().hex() for one in field.centre.trust()],
            "certificate": certificate.encode().hex(),
        }

    def load(
        self, name: str, kid: str, amounts: list[int], load_number: int, mark: str = ""
    ) -> dict[str, Any]:
        sandbox, member, device = self.sandbox, self.members[name], bytes.fromhex(kid)
        intent = member.wallet.prepare_load(
            derived("load", name, load_number),
            amounts,
            sandbox.system.escrow_kid,
            device,
            load_number,
            sandbox.marks[mark] if mark else b"",
        )
        send_one(sandbox.store, sandbox.system.ledger, intent, sandbox.directory, sandbox.clock)
        return self.notes(kid, load_number - 1)

    def notes(self, kid: str, load_number: int) -> dict[str, Any]:
        self.sandbox.field.reconciler.tick()
        notes = self.sandbox.field.centre.notes(bytes.fromhex(kid), load_number)
        return {"notes": [note.encode().hex() for note in notes]}

    def submit(self, batch: str, trust_sequence: int) -> dict[str, Any]:
        self.sandbox.field.centre.submit(bytes.fromhex(batch))
        return {}

    def sync(self, batch: str, trust_sequence: int) -> dict[str, Any]:
        centre = self.sandbox.field.centre
        synced = centre.sync(bytes.fromhex(batch))
        trust = centre.trust(trust_sequence)
        return {"ack": synced.sync.encode().hex(), "trust": [one.encode().hex() for one in trust]}

    def order(self, name: str, number: int = 0) -> str:
        """The bank's order to redeem, for a test to hand over."""
        with self.lock:
            order = self.sandbox.field.centre.redeem_order(derived("order", name, number), self.kids[name])
            return order.encode().hex()


def _handler(desk: Desk) -> type[BaseHTTPRequestHandler]:
    calls: dict[str, Callable[..., dict[str, Any]]] = {
        name: getattr(desk, name) for name in ("challenge", "enrol", "load", "notes", "submit", "sync")
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            if path == "/":
                self._answer(PAGE.encode(), "text/html")
            elif path in SCRIPTS:
                self._answer(SCRIPTS[path].read_bytes(), "text/javascript")
            elif path.startswith("/static/") and ".." not in path:
                file = STATIC / path.removeprefix("/static/")
                kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
                self._answer(file.read_bytes(), kind) if file.is_file() else self.send_error(404)
            else:
                self.send_error(404)

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            call = asked.pop("call")
            with desk.lock:
                desk.asked.append(call)
                try:
                    answer = calls[call](**asked)
                except TengeError as error:
                    answer = {"code": error.code, "facts": error.facts}
            self._answer(json.dumps(answer).encode(), "application/json")

        def _answer(self, data: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            if kind == "text/javascript":  # so that a page that is opened again asks for no file again
                self.send_header("Cache-Control", "max-age=600")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            return

    return Handler


@contextmanager
def open_desk() -> Iterator[Desk]:
    """A desk that listens on a port of its own, until the block ends."""
    desk = Desk()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(desk))
    server.daemon_threads = True
    desk.url = f"http://localhost:{server.server_address[1]}/"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield desk
    finally:
        server.shutdown()
        server.server_close()
        desk.sandbox.close()
