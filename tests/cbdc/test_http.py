"""The institutions over HTTP: every route, its document, who may read what, and everything a stranger may send."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import TengeError
from cbdc.http import wire
from cbdc.http.api import Api
from cbdc.http.client import HttpBank
from cbdc.http.routes import SCHEMAS
from cbdc.http.server import SAFE_HEADERS
from cbdc.keys import SoftwareKey
from cbdc.ledger.entry import check_consistency
from cbdc.money import tenge
from cbdc.orders import FundOrder, HolderProof
from cbdc.record import sign
from tests.cbdc.http_form import Site
from tests.cbdc.institutions import START, ident, key, pay, person
from tests.conftest import ROOT


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture(scope="module")
def busy() -> Site:
    """One site for the tests that send nonsense: nothing they do may change anything."""
    return Site()


# --- the routes and their document ---


def fits(value: object, schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> bool:
    """Whether a JSON value fits a schema, as far as our schemas go."""
    if "$ref" in schema:
        return fits(value, schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "oneOf" in schema:
        return sum(fits(value, choice, schemas) for choice in schema["oneOf"]) == 1
    if "enum" in schema:
        return value in schema["enum"]
    kind = schema["type"]
    if kind == "object":
        properties = schema.get("properties", {})
        return (
            isinstance(value, dict)
            and set(schema.get("required", ())) <= set(value)
            and all(fits(value[name], part, schemas) for name, part in properties.items() if name in value)
        )
    if kind == "array":
        items = schema.get("items")
        return isinstance(value, list) and (
            items is None or all(fits(item, items, schemas) for item in value)
        )
    if kind == "integer":
        return type(value) is int and value >= schema["minimum"]
    return isinstance(value, str) and re.search(schema.get("pattern", ""), value) is not None


def test_every_route_answers_as_its_schema_says(site: Site) -> None:
    transfer = pay(site.system, site.aigerim, site.system.treasury.account_kid, tenge(5))
    routes = Api(site.system).routes()
    order = FundOrder(ident("order"), 1, site.aigerim.public.kid, tenge(3), START)
    bodies = {
        "/v1/transactions": transfer.encode(),
        "/v1/transactions/batch": wire.write_batch([transfer.encode(), b""]),
        "/v1/banks/{bank_id}/fund": sign(order, site.system.network, site.aigerim).encode(),
    }
    status, _ = site.post("/v1/transactions", transfer.encode())
    assert status == 200
    arguments = {
        "size": "3",
        "index": "2",
        "id": transfer.id.hex(),
        "kid": site.kid,
        "bank_id": "1",
        "count": "2",
    }
    for route in routes:
        path = route.path
        if path == "/v1/tokens/{id}":
            path = f"/v1/tokens/{transfer.id.hex()}:1"
        for name in route.arguments:
            path = path.replace("{" + name + "}", arguments[name])
        if path.endswith("/defund"):
            back = pay(site.system, site.aigerim, site.system.banks[1].inventory_kid, tenge(1), b"9" * 16)
            bodies[route.path] = back.encode()
        if route.method == "POST":
            status, value = site.post(path, bodies[route.path])
        else:
            headers = site.gateway.proof(site.aigerim.public.kid, "GET", path)
            status, value = site.get(path, headers)
        assert status == 200, (route.path, value)
        assert fits(value, SCHEMAS[route.answer], SCHEMAS), (route.path, value)


def test_the_document_holds_every_route(site: Site) -> None:
    status, document = site.get("/v1/openapi.json")
    assert status == 200
    assert document["openapi"] == "3.1.0"
    listed = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert listed == {(route.method, route.path) for route in Api(site.system).routes()} | {
        ("GET", "/v1/openapi.json")
    }
    served = {
        (method, re.sub(r"<(\w+)>", r"{\1}", rule.rule))
        for rule in site.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
    }
    assert served == listed
    names = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert names <= set(document["components"]["schemas"])
    operations = [part["operationId"] for methods in document["paths"].values() for part in methods.values()]
    assert len(set(operations)) == len(operations)


def test_the_page_holds_every_route(site: Site) -> None:
    page = (Path(ROOT) / "docs/http.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `(GET|POST) (/v1/[^`]+)` \|", page, re.MULTILINE))
    routes = {(route.method, route.path) for route in Api(site.system).routes()}
    # What a whole server adds to the institutions has its own test.
    assert told >= routes | {("GET", "/v1/openapi.json")}
    for route in Api(site.system).routes():
        line = next(line for line in page.splitlines() if f"`{route.method} {route.path}`" in line)
        assert line.endswith("| yes |") == route.proof


def test_every_refusal_a_route_names_is_in_the_catalogue(site: Site) -> None:
    from cbdc.errors import catalogue

    for route in Api(site.system).routes():
        assert set(route.refusals) <= set(catalogue())


def test_a_head_continues_an_older_one(site: Site) -> None:
    old = site.gateway.head().record
    site.post(
        "/v1/transactions", pay(site.system, site.aigerim, site.system.treasury.account_kid, 5).encode()
    )
    _, answer = site.get(f"/v1/consistency/{old.size}")
    head = wire.read_head(answer["head"], site.system.network).record
    proof = [bytes.fromhex(node) for node in answer["proof"]]
    check_consistency(old.size, old.root, head.size, head.root, proof)
    assert site.get("/v1/consistency/0")[1]["code"] == "E_ENTRY_UNKNOWN"


def test_answers_carry_safe_headers(site: Site) -> None:
    for path in ("/v1/health", "/v1/nothing", "/", "/v1/keys/zz"):
        answer = site.client.get(path)
        for name, value in SAFE_HEADERS.items():
            assert answer.headers[name] == value
        assert "Set-Cookie" not in answer.headers


# --- refusals ---


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "E_HTTP_PATH"),
        ("GET", "/v1", 404, "E_HTTP_PATH"),
        ("GET", "/v1/health/", 404, "E_HTTP_PATH"),
        ("GET", "/v2/health", 404, "E_HTTP_PATH"),
        ("POST", "/v1/health", 405, "E_HTTP_METHOD"),
        ("DELETE", "/v1/supply", 405, "E_HTTP_METHOD"),
        ("OPTIONS", "/v1/supply", 405, "E_HTTP_METHOD"),
        ("GET", "/v1/transactions", 405, "E_HTTP_METHOD"),
        ("GET", "/v1/entries/x", 400, "E_HTTP_ARGUMENT"),
        ("GET", "/v1/entries/-1", 400, "E_HTTP_ARGUMENT"),
        ("GET", "/v1/entries/01", 400, "E_HTTP_ARGUMENT"),
        ("GET", "/v1/entries/9999999999999999", 400, "E_HTTP_ARGUMENT"),
        ("GET", "/v1/entries/99999999", 404, "E_ENTRY_UNKNOWN"),
        ("GET", "/v1/transactions/" + "0" * 64, 404, "E_HTTP_NONE"),
        ("GET", "/v1/transactions/" + "0" * 64 + "/proof", 404, "E_HTTP_NONE"),
        ("GET", "/v1/transactions/" + "G" * 64, 400, "E_HTTP_ARGUMENT"),
        ("GET", "/v1/transactions/" + "0" * 63, 400, "E_HTTP_ARGUMENT"),
        ("GET", "/v1/tokens/" + "0" * 64, 400, "E_HTTP_ARGUMENT"),
        ("GET", "/v1/tokens/" + "0" * 64 + ":256", 400, "E_HTTP_ARGUMENT"),
        ("GET", "/v1/tokens/" + "0" * 64 + ":0", 404, "E_HTTP_NONE"),
        ("GET", "/v1/keys/" + "0" * 64, 404, "E_HTTP_NONE"),
        ("GET", "/v1/keys/" + "A" * 64, 400, "E_HTTP_ARGUMENT"),
        ("GET", "/v1/banks/9", 404, "E_BANK_UNKNOWN"),
        ("GET", "/v1/banks/%D9%A1", 400, "E_HTTP_ARGUMENT"),
    ],
)
def test_what_is_not_there_is_told(busy: Site, method: str, path: str, status: int, code: str) -> None:
    answer = busy.client.open(path, method=method)
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (status, code)
    assert answer.content_type == wire.PROBLEM
    assert ("Allow" in answer.headers) == (status == 405)


def test_a_problem_tells_everything(site: Site) -> None:
    transfer = pay(site.system, site.aigerim, site.system.treasury.account_kid, tenge(5))
    site.post("/v1/transactions", transfer.encode())
    again = sign_again(site, transfer)
    status, problem = site.post("/v1/transactions", again)
    assert status == 422
    assert problem["code"] == problem["title"] == "E_TOKEN_SPENT"
    assert problem["type"] == "urn:tenge:error:E_TOKEN_SPENT"
    assert (problem["family"], problem["rule"], problem["status"]) == ("refused", "G3", 422)
    assert problem["facts"]["output"] in (0, 1)
    assert problem["detail"].startswith("The token ")
    assert problem["next"]


def sign_again(site: Site, transfer: Any) -> bytes:
    """The same inputs under another nonce: a double spend."""
    from dataclasses import replace

    from cbdc.transaction import sign_transaction

    record = replace(transfer.record, nonce=b"x" * 16)
    return sign_transaction(record, site.system.network, [site.aigerim]).encode()


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("kk", "kk"),
        ("ru-RU,ru;q=0.9,en;q=0.1", "ru"),
        ("kk-KZ", "kk"),
        ("fr", "en"),
        ("", "en"),
        ("%%", "en"),
    ],
)
def test_sentences_come_in_the_client_s_language(busy: Site, header: str, language: str) -> None:
    from cbdc.errors import Refused

    answer = busy.client.get("/v1/banks/9", headers={"Accept-Language": header}).get_json(force=True)
    assert answer["detail"] == Refused("E_BANK_UNKNOWN", bank_id=9).sentence(language)
    answer = busy.client.get("/nowhere", headers={"Accept-Language": header}).get_json(force=True)
    assert answer["next"] == Refused("E_HTTP_PATH").next_step(language)


def test_what_nobody_foresaw_is_an_incident_and_nothing_leaks(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(site.system.ledger, "supply", broken)
    answer = site.client.get("/v1/supply")
    problem = answer.get_json(force=True)
    assert (answer.status_code, problem["code"]) == (500, "E_INTERNAL")
    assert "secret" not in answer.get_data(as_text=True)
    assert "Traceback" not in answer.get_data(as_text=True)
    assert problem["facts"]["incident"] in caplog.text
    assert "the secret of the house" in caplog.text
    assert site.client.get("/v1/supply").get_json(force=True)["facts"] != problem["facts"]
    with pytest.raises(TengeError, match="E_INTERNAL"):
        site.gateway.supply()


def test_a_store_that_does_not_answer_is_503(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from cbdc.errors import Unavailable

    def down(data: bytes) -> None:
        raise Unavailable("E_STORE_UNAVAILABLE", detail="disk")

    monkeypatch.setattr(site.system.ledger, "submit", down)
    answer = site.client.post("/v1/transactions", data=b"x", content_type=wire.CANONICAL)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


# --- proofs ---


def proof(site: Site, signer: SoftwareKey, network: bytes | None = None, **changes: object) -> dict[str, str]:
    path = f"/v1/keys/{site.kid}/tokens"
    values = {"kid": site.aigerim.public.kid, "purpose": f"GET {path}", "time": START, "nonce": bytes(16)}
    record = HolderProof(**(values | changes))  # type: ignore[arg-type]
    return {wire.PROOF_HEADER: wire.write_proof(sign(record, network or site.system.network, signer))}


def test_the_holder_sees_its_tokens(site: Site) -> None:
    status, answer = site.get(f"/v1/keys/{site.kid}/tokens", proof(site, site.aigerim))
    assert status == 200
    assert [token["amount_tiyn"] for token in answer["tokens"]] == [tenge(500)]


@pytest.mark.parametrize("moment", [START - 300, START + 300])
def test_a_proof_lasts_some_minutes(site: Site, moment: int) -> None:
    assert site.get(f"/v1/keys/{site.kid}/tokens", proof(site, site.aigerim, time=moment))[0] == 200


def test_nobody_else_does(busy: Site) -> None:
    path = f"/v1/keys/{busy.kid}/tokens"
    stranger = key("stranger")
    shown = proof(busy, busy.aigerim)[wire.PROOF_HEADER]
    bad: list[dict[str, str]] = [
        {},
        {wire.PROOF_HEADER: ""},
        {wire.PROOF_HEADER: "!!!"},
        {wire.PROOF_HEADER: "AAAA"},
        {wire.PROOF_HEADER: shown[:-4]},
        {wire.PROOF_HEADER: shown[:-6] + "AAAAAA"},
        {wire.PROOF_HEADER: "х" * 10},
        proof(busy, stranger),
        proof(busy, stranger, kid=stranger.public.kid),
        proof(busy, busy.aigerim, purpose="GET /v1/banks/1/deposits/" + busy.kid),
        proof(busy, busy.aigerim, purpose=f"POST {path}"),
        proof(busy, busy.aigerim, time=START - 301),
        proof(busy, busy.aigerim, time=START + 301),
        proof(busy, busy.aigerim, network=bytes(8)),
    ]
    for headers in bad:
        value = headers.get(wire.PROOF_HEADER)
        environ = {} if value is None else {"HTTP_TENGE_PROOF": value.encode().decode("latin-1")}
        answer = busy.client.get(path, environ_overrides=environ)
        assert (answer.status_code, answer.get_json(force=True)["code"]) == (401, "E_HTTP_PROOF"), headers
        assert "amount" not in answer.get_data(as_text=True)


def test_a_key_that_is_not_registered_holds_nothing(site: Site) -> None:
    assert site.get(f"/v1/keys/{'0' * 64}/tokens") == (200, {"tokens": []})


# --- the banks ---


def test_a_wallet_funds_and_defunds_through_its_bank(site: Site) -> None:
    bank = HttpBank(site.gateway, 1)
    kid = site.aigerim.public.kid
    order = sign(FundOrder(ident("order"), 1, kid, tenge(300), START), site.system.network, site.aigerim)
    assert bank.fund(order) == bank.fund(order)
    assert bank.deposit_tiyn(kid) == tenge(100_000 - 800)
    transfer = pay(site.system, site.aigerim, bank.inventory_kid, tenge(50)).encode()
    assert bank.defund(transfer) == bank.defund(transfer)
    assert bank.deposit_tiyn(kid) == tenge(100_000 - 750)
    assert bank.bank_id == 1


@pytest.mark.parametrize(
    ("bank_id", "code"), [(2, "E_BANK_SCOPE"), (9, "E_BANK_UNKNOWN"), (1, "E_FUNDS_ACCOUNT")]
)
def test_a_bank_s_refusal_comes_back_as_it_was(site: Site, bank_id: int, code: str) -> None:
    kid = site.aigerim.public.kid
    order = sign(FundOrder(ident("o"), 1, kid, tenge(200_000), START), site.system.network, site.aigerim)
    with pytest.raises(TengeError) as caught:
        HttpBank(site.gateway, bank_id).fund(order)
    assert caught.value.code == code
    with pytest.raises(TengeError):
        HttpBank(site.gateway, bank_id).defund(b"")


def test_a_deposit_is_its_holder_s_business(site: Site) -> None:
    berik = person(site.system, "berik")
    with pytest.raises(TengeError, match="E_HTTP_PROOF"):
        HttpBank(site.gateway, 1).deposit_tiyn(berik.public.kid)
    with pytest.raises(TengeError, match="E_CUSTOMER_KEY"):
        HttpBank(site.gateway, 2).deposit_tiyn(site.aigerim.public.kid)
    with pytest.raises(TengeError, match="E_BANK_UNKNOWN"):
        assert HttpBank(site.gateway, 9).inventory_kid
