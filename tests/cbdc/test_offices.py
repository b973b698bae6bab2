"""What institutions are told over HTTP: each its own, in calls that its certified key signed, and nobody else."""

import json
from typing import Any

import pytest

from cbdc.authority import BANK, Auth
from cbdc.cabinet import follow
from cbdc.http import wire
from cbdc.http.call_client import CallingTransport
from cbdc.http.client import Reply, WsgiTransport
from cbdc.http.offices import SCHEMAS as OFFICE_SCHEMAS
from cbdc.http.offices import OfficeApi, supervisor_certificate
from cbdc.http.participants import SCHEMAS, ParticipantApi
from cbdc.http.server import Extension, create_app
from cbdc.http.signed_calls import CallDoor, named
from cbdc.keys import ED25519, Signer, SoftwareKey
from cbdc.money import tenge
from cbdc.ports import ManualClock, SeededEntropy
from cbdc.record import sign
from cbdc.register import ISSUE, MoneyRequest
from tests.cbdc.http_form import GENEROUS
from tests.cbdc.institutions import START, make_system, stock

BANK_PATHS = ("/v1/participants/{bank}/account", "/v1/participants/{bank}/requests/{id}")
OPERATOR_PATHS = ("/v1/offices/requests", "/v1/offices/requests/{id}")
TREASURY_PATHS = ("/v1/offices/treasury/account", "/v1/offices/treasury/requests/{id}")
SUPERVISOR_PATHS = ("/v1/offices/banks",)
ASKED = follow("asked", b"1")
OWN = follow("asked", b"treasury")


class Served:
    """A system behind HTTP."""

    def __init__(self) -> None:
        self.system = make_system()
        stock(self.system)
        self.clock = ManualClock(START)
        keys, root = self.system.keys, self.system.authority.root.record
        self.supervisor = keys.get("supervisor")
        certificate = supervisor_certificate(keys, self.system.network, root.not_before, root.expires)
        door = CallDoor(
            self.system.authority, self.system.clock, self.clock, [certificate], knows=named(["localhost"])
        )
        extensions = [
            Extension(ParticipantApi(self.system).routes(), SCHEMAS),
            Extension(OfficeApi(self.system).routes(), OFFICE_SCHEMAS),
        ]
        app = create_app(self.system, extensions, self.clock, GENEROUS, calls=door)
        self.wire = WsgiTransport(app)
        self.calls = 0
        self.system.treasury.request_tokens(OWN, tenge(5))

    def request(self, signer: Signer | None, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        """The status and the answer of a call that a key signed."""
        headers = {"Content-Type": wire.CANONICAL} if method == "POST" else {}
        if signer is None:
            reply: Reply = self.wire.request(method, path, headers, body)
        else:
            self.calls += 1
            entropy = SeededEntropy(self.calls)
            calling = CallingTransport(self.wire, signer, "localhost", self.clock, entropy)
            reply = calling.request(method, path, headers, body)
        return reply.status, json.loads(reply.body)

    def get(self, signer: Signer | None, path: str, bank: int = 1, id: bytes = ASKED) -> tuple[int, str]:
        """The status and the code of a read."""
        status, answer = self.request(signer, "GET", path.format(bank=bank, id=id.hex()))
        return status, answer.get("code", "")

    def ask(self, signer: Signer, bank: int = 1) -> tuple[int, Any]:
        """Bank 1's request, in a call that a key signed."""
        record = MoneyRequest(ASKED, ISSUE, 1, tenge(10), 0)
        body = sign(record, self.system.network, self.system.keys.bank(1)).encode()
        return self.request(signer, "POST", f"/v1/participants/{bank}/requests", body)


@pytest.fixture(scope="module")
def served() -> Served:
    found = Served()
    assert found.ask(found.system.keys.bank(1))[0] == 200
    return found


def test_each_reads_its_own(served: Served) -> None:
    keys = served.system.keys
    readers: list[tuple[Signer, tuple[str, ...], bytes]] = [
        (keys.bank(1), BANK_PATHS, ASKED),
        (keys.operator, OPERATOR_PATHS, ASKED),
        (keys.treasury, TREASURY_PATHS, OWN),
        (served.supervisor, SUPERVISOR_PATHS + OPERATOR_PATHS, ASKED),
    ]
    for signer, paths, name in readers:
        for path in paths:
            assert served.get(signer, path, id=name) == (200, ""), path


def test_nobody_reads_anothers(served: Served) -> None:
    keys = served.system.keys
    everywhere = BANK_PATHS + OPERATOR_PATHS + TREASURY_PATHS + SUPERVISOR_PATHS
    allowed: list[tuple[Signer, tuple[str, ...]]] = [
        (keys.bank(1), BANK_PATHS),
        (keys.operator, OPERATOR_PATHS),
        (keys.treasury, TREASURY_PATHS),
        (served.supervisor, SUPERVISOR_PATHS + OPERATOR_PATHS),
        (keys.officers[0], ()),
        (keys.ledger, ()),
        (keys.bank_ca(1), ()),
    ]
    for signer, own in allowed:
        for path in everywhere:
            if path not in own:
                assert served.get(signer, path) == (403, "E_CALL_ROLE"), path
    for path in everywhere:
        assert served.get(None, path) == (401, "E_CALL_MISSING")
        # The inventory's key holds money and is certified for nothing.
        assert served.get(keys.bank_inventory(1), path) == (401, "E_CALL_KEY")
        assert served.get(SoftwareKey(ED25519, b"?" * 32), path) == (401, "E_CALL_KEY")


def test_a_bank_asks_for_itself_only(served: Served) -> None:
    keys = served.system.keys
    for path in BANK_PATHS:
        assert served.get(keys.bank(2), path) == (403, "E_CALL_SCOPE")
        assert served.get(keys.bank(1), path, bank=2) == (403, "E_CALL_SCOPE")
    assert served.ask(keys.bank(2))[1]["code"] == "E_CALL_SCOPE"
    assert served.ask(keys.bank(2), bank=2)[1]["code"] == "E_REQUEST_PARTY"
    assert served.get(keys.bank(2), BANK_PATHS[1], bank=2) == (422, "E_REQUEST_UNKNOWN")


def test_the_treasury_sees_its_own_requests_only(served: Served) -> None:
    treasury = served.system.keys.treasury
    assert served.get(treasury, TREASURY_PATHS[1], id=ASKED) == (422, "E_REQUEST_UNKNOWN")
    assert served.get(treasury, TREASURY_PATHS[1], id=bytes(32)) == (422, "E_REQUEST_UNKNOWN")


def test_a_bank_that_is_certified_and_not_here_is_told_so() -> None:
    served = Served()
    stranger = SoftwareKey(ED25519, b"n" * 32)
    root = served.system.authority.root.record
    auth = Auth(BANK, ED25519, stranger.public.raw, root.not_before, root.expires, (77,))
    beside = sign(auth, served.system.network, served.system.keys.root)
    door = CallDoor(
        served.system.authority, served.system.clock, served.clock, [beside], knows=named(["localhost"])
    )
    extension = Extension(ParticipantApi(served.system).routes(), SCHEMAS)
    served.wire = WsgiTransport(create_app(served.system, [extension], served.clock, GENEROUS, calls=door))
    assert served.get(stranger, BANK_PATHS[0], bank=77) == (404, "E_BANK_UNKNOWN")


def test_a_call_that_arrives_twice_is_answered_once(served: Served) -> None:
    seen: list[tuple[str, str, Any, bytes]] = []

    class Twice:
        def request(self, method: str, path: str, headers: Any, body: bytes) -> Reply:
            seen.append((method, path, headers, body))
            return served.wire.request(method, path, headers, body)

    bank = served.system.keys.bank(1)
    calling = CallingTransport(Twice(), bank, "localhost", served.clock, SeededEntropy(991))
    assert calling.request("GET", "/v1/participants/1/account", {}, b"").status == 200
    again = served.wire.request(*seen[0])
    assert (again.status, json.loads(again.body)["code"]) == (401, "E_CALL_REPLAY")
    # Nor is it worth anything at another path, or under another host's name.
    method, path, headers, body = seen[0]
    other = served.wire.request(method, "/v1/participants/1/requests/" + ASKED.hex(), headers, body)
    assert json.loads(other.body)["code"] == "E_CALL_REPLAY"
    calling.request("GET", "/v1/participants/1/account?x=1", {}, b"")
    moved = served.wire.request(method, path, {**seen[1][2], "Host": "evil.example"}, body)
    assert json.loads(moved.body)["code"] == "E_CALL_AUTHORITY"


def test_an_altered_call_is_refused_over_http(served: Served) -> None:
    sent: list[tuple[str, str, dict[str, str], bytes]] = []

    class Kept:
        def request(self, method: str, path: str, headers: Any, body: bytes) -> Reply:
            sent.append((method, path, dict(headers), body))
            return Reply(200, b"{}")

    bank = served.system.keys.bank(1)
    body = sign(MoneyRequest(ASKED, ISSUE, 1, tenge(10), 0), served.system.network, bank).encode()
    calling = CallingTransport(Kept(), bank, "localhost", served.clock, SeededEntropy(992))
    calling.request("POST", "/v1/participants/1/requests", {"Content-Type": wire.CANONICAL}, body)
    method, path, headers, _ = sent[0]

    def code(**changed: Any) -> str:
        whole = {"method": method, "path": path, "headers": headers, "body": body} | changed
        reply = served.wire.request(whole["method"], whole["path"], whole["headers"], whole["body"])
        return str(json.loads(reply.body).get("code", ""))

    assert code(body=body[:-1] + bytes([body[-1] ^ 1])) == "E_CALL_DIGEST"
    assert code(path=path + "?a=1") == "E_CALL_SIGNATURE"
    assert code(headers={**headers, "Host": "other.example"}) == "E_CALL_AUTHORITY"
    assert code(headers={**headers, "Content-Type": "application/json"}) == "E_HTTP_MEDIA"
    assert code() == ""
    assert code() == "E_CALL_REPLAY"


def test_without_a_door_nobody_is_let_in() -> None:
    served = Served()
    extension = Extension(ParticipantApi(served.system).routes(), SCHEMAS)
    served.wire = WsgiTransport(create_app(served.system, [extension], served.clock, GENEROUS))
    assert served.get(served.system.keys.bank(1), BANK_PATHS[0]) == (401, "E_CALL_KEY")
