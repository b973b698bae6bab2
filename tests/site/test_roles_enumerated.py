"""Who may do what, asked of every operation, query and route there is: the table and the URL maps are enumerated, so
what is added later is asked as well."""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from tests.site.visitor import BASE, Program, Visitor, opened
from wallets.site.app import MAX_FORM_BYTES
from wallets.site.table import OPEN_ROLES, TABLE
from wallets.site.users import ROLES
from wallets.site.whole import Whole

NOBODY = "nobody"
ASKERS = (*ROLES, NOBODY)
OPERATIONS = sorted(TABLE.operations)
QUERIES = sorted(TABLE.queries)
REQUEST = "an-enumerated-request-1"
FOREIGN = ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"})
LEADS_AWAY = (
    "//evil.example/",
    "https://evil.example/",
    "/\\evil.example/",
    "javascript:alert(1)",
    "/v1/../evil",
    "/{role}/../../evil",
    "/{role}/\r\nSet-Cookie: x=1",
    "/{role}//evil.example",
    "/{role}/@evil.example",
    "\t/{role}/",
    "/{role}/%2e%2e/",
)


@pytest.fixture(scope="module")
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one


def user_of(whole: Whole, role: str) -> str:
    return whole.world.users.of_role(role)[0].id


@pytest.fixture(scope="module")
def visitors(whole: Whole) -> dict[str, Visitor]:
    """A browser for each role, and one where nobody is signed in."""
    seated = {role: Visitor(whole).signed_in(user_of(whole, role)) for role in ROLES}
    return seated | {NOBODY: Visitor(whole)}


@pytest.fixture(scope="module")
def programs(whole: Whole) -> dict[str, Program]:
    return {role: Program(whole, user_of(whole, role)) for role in ROLES} | {NOBODY: Program(whole)}


def trace(whole: Whole) -> tuple[int, str]:
    """What must not change when somebody is refused."""
    memory = whole.world.memory
    return whole.world.system.ledger.size, repr(memory)


# --- operations and queries, by every role and by nobody ---


def test_the_open_pages_change_nothing() -> None:
    assert {role for role, _ in OPERATIONS} & OPEN_ROLES == set()
    assert {role for role, _ in OPERATIONS} <= set(ROLES)
    assert {role for role, _ in QUERIES} <= set(ROLES) | OPEN_ROLES


@pytest.mark.parametrize(("role", "name"), OPERATIONS)
def test_an_operation_is_its_roles_alone(
    whole: Whole, visitors: dict[str, Visitor], programs: dict[str, Program], role: str, name: str
) -> None:
    before = trace(whole)
    for asker in ASKERS:
        visitor, program = visitors[asker], programs[asker]
        # Without a usable request id nothing is carried out, whoever asks.
        sent = program.post(f"/v1/roles/{role}/{name}", {"request_id": "x"})
        if asker == role:
            assert (sent.status_code, sent.get_json()["code"]) == (400, "E_SITE_REQUEST")
            continue
        expected = (401, "E_SITE_SIGN_IN") if asker == NOBODY else (403, "E_SITE_ROLE")
        assert (sent.status_code, sent.get_json()["code"]) == expected, asker
        form = visitor.post(f"/{role}/do/{name}", {"csrf": visitor.csrf(), "request_id": REQUEST})
        assert form.status_code == 401, asker
    assert trace(whole) == before


@pytest.mark.parametrize(("role", "key"), QUERIES)
def test_a_query_is_its_roles_alone(
    visitors: dict[str, Visitor], programs: dict[str, Program], role: str, key: str
) -> None:
    query = TABLE.queries[role, key]
    tail = "/" + "0" * 64 if query.takes else ""
    for asker in ASKERS:
        page = visitors[asker].get(f"/{role}/{query.name}{tail}", buffered=True)
        path = f"/v1/roles/{role}/{query.name or 'home'}{tail}"
        headers = programs[asker].headers
        data = programs[asker].client.get(path, base_url=BASE, headers=headers, buffered=True)
        if asker == role or role in OPEN_ROLES:
            wanted = {200, 400, 404, 409, 422} if query.takes else {200}
            assert page.status_code in wanted, (asker, page.text)
            assert data.status_code in wanted, (asker, data.text)
            continue
        assert page.status_code == 303, asker
        assert page.headers["Location"].startswith(f"/sign-in/{role}?next="), asker
        assert data.status_code == (401 if asker == NOBODY else 403), asker
        assert data.get_json()["code"] in ("E_SITE_SIGN_IN", "E_SITE_ROLE")


@pytest.mark.parametrize("role", sorted(set(ROLES)))
def test_news_of_a_desk_are_its_roles_alone(visitors: dict[str, Visitor], role: str) -> None:
    for asker in ASKERS:
        if asker != role:
            assert visitors[asker].get(f"/{role}/events").status_code == 303, asker


def test_a_role_that_is_none_is_nowhere(visitors: dict[str, Visitor], programs: dict[str, Program]) -> None:
    for role in ("root", "admin", "static", "BANK", "bank ", "%62ank2", "v1"):
        assert visitors["bank"].get(f"/{role}/").status_code == 404
        assert visitors["bank"].get(f"/sign-in/{role}").status_code == 404
        assert programs["bank"].get(f"/v1/roles/{role}/home").status_code in (401, 403, 404)


# --- forms ---


def site_rules(whole: Whole, method: str) -> list[Rule]:
    return [rule for rule in whole.app.url_map.iter_rules() if method in (rule.methods or ())]


def filled(rule: str, role: str, name: str = "") -> str:
    """The rule's path with something plausible in every place."""
    text = rule.replace("<role>", role).replace("<name>", name or "nothing")
    return re.sub(r"<[^>]*>", "0" * 64, text)


def posting_paths(whole: Whole) -> list[tuple[str, str]]:
    """(role, path) of every form's address: each rule, with each role, and each operation that it has."""
    found = []
    for rule in site_rules(whole, "POST"):
        if rule.rule.startswith("/v1/"):
            continue
        for role in ROLES:
            names = [name for owner, name in OPERATIONS if owner == role] or ["nothing"]
            shown = names if "<name>" in rule.rule else [""]
            found += [(role, filled(rule.rule, role, name)) for name in shown]
    assert len(found) >= 2 * len(ROLES)
    return found


def test_every_form_needs_the_token_of_its_own_session(whole: Whole, visitors: dict[str, Visitor]) -> None:
    before = trace(whole)
    strangers = Visitor(whole).csrf()
    for role, path in posting_paths(whole):
        for csrf in (None, "", "x" * 48, strangers):
            data = {"request_id": REQUEST, "user": "", "passcode": ""} | (
                {} if csrf is None else {"csrf": csrf}
            )
            answer = visitors[role].post(path, data)
            assert answer.status_code == 403, (path, csrf)
    assert trace(whole) == before
    assert visitors["person"].get("/person/").status_code == 200


def test_no_form_is_taken_from_another_site(whole: Whole, visitors: dict[str, Visitor]) -> None:
    before = trace(whole)
    for role, path in posting_paths(whole):
        visitor = visitors[role]
        token = visitor.csrf()
        for headers in FOREIGN:
            data = {"csrf": token, "request_id": REQUEST}
            assert visitor.post(path, data, headers=headers).status_code == 403, (path, headers)
    assert trace(whole) == before


def test_no_program_of_another_site_is_heard(whole: Whole, programs: dict[str, Program]) -> None:
    for rule in site_rules(whole, "POST"):
        if not rule.rule.startswith("/v1/"):
            continue
        for headers in FOREIGN:
            answer = programs["bank"].client.post(
                filled(rule.rule, "bank"), base_url=BASE, json={}, headers=programs["bank"].headers | headers
            )
            assert answer.status_code == 403, (rule.rule, headers)


@pytest.mark.parametrize("role", ROLES)
def test_a_session_that_was_planted_is_worth_nothing(whole: Whole, role: str) -> None:
    victim = Visitor(whole)
    victim.get("/")
    planted = victim.client.get_cookie("tenge_site")
    assert planted is not None
    victim.signed_in(user_of(whole, role))
    thief = Visitor(whole)
    thief.client.set_cookie("tenge_site", planted.value)
    assert victim.get(f"/{role}/").status_code != 303
    assert thief.get(f"/{role}/").status_code == 303


@pytest.mark.parametrize("role", ROLES)
def test_nobody_is_led_away_after_signing_in_or_sending(whole: Whole, role: str) -> None:
    user = whole.world.users.get(user_of(whole, role))
    visitor = Visitor(whole)
    names = [name for owner, name in OPERATIONS if owner == role]
    for text in LEADS_AWAY:
        away = text.format(role=role) if "{" in text else text
        data = {
            "csrf": visitor.csrf(),
            "user": user.id,
            "passcode": whole.world.users.passcode(user),
            "next": away,
        }
        assert_own(visitor.post(f"/sign-in/{role}", data), role, away)
        for name in names[:1]:
            # Without a usable request id the operation is refused, and the browser is led back all the same.
            refused = {"csrf": visitor.csrf(), "request_id": "x", "back": away}
            assert_own(visitor.post(f"/{role}/do/{name}", refused), role, away)


def assert_own(answer: TestResponse, role: str, wished: str) -> None:
    assert answer.status_code == 303, wished
    location = answer.headers["Location"]
    assert location.startswith(f"/{role}/"), (wished, location)
    assert re.fullmatch(r"[A-Za-z0-9/_.:?=&-]+", location), (wished, location)
    assert ".." not in location


# --- every route: headers, methods, sizes ---


def interface_routes(whole: Whole) -> list[tuple[str, str, int]]:
    """(method, path, most bytes) of every route of the interface outside the site."""
    found = []
    document = Visitor(whole).get("/v1/openapi.json").get_json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path.startswith(("/v1/roles/", "/v1/sessions")) or path.endswith("/events"):
                continue
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/octet-stream", {}).get("schema", {})
            plain = re.sub(r"\{\w+\}", "0" * 64, path)
            found.append((method.upper(), plain, schema.get("maxLength", 0)))
    assert len(found) > 30
    return found


GUARDED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def assert_guarded(answer: TestResponse, what: object) -> None:
    for name, value in GUARDED.items():
        assert answer.headers.get(name) == value, (what, name)
    assert answer.headers.get("Referrer-Policy") in ("no-referrer", "same-origin"), what
    policy = answer.headers.get("Content-Security-Policy", "")
    assert "frame-ancestors 'none'" in policy, what
    assert "unsafe-inline" not in policy, what
    assert "unsafe-eval" not in policy.replace("wasm-unsafe-eval", ""), what
    assert "Server" not in answer.headers, what
    assert answer.headers.get("Cache-Control"), what


def test_every_answer_is_guarded(whole: Whole, visitors: dict[str, Visitor]) -> None:
    for rule in site_rules(whole, "GET"):
        if rule.rule.endswith("/events"):
            continue
        for role in (*ROLES, "nowhere"):
            path = filled(rule.rule, role)
            answer = visitors.get(role, visitors[NOBODY]).get(path, buffered=True)
            assert answer.status_code < 500, (path, answer.text)
            assert_guarded(answer, path)
            answer.close()
    for method, path, _ in interface_routes(whole):
        answer = visitors[NOBODY].client.open(path, method=method, base_url=BASE, buffered=True)
        assert answer.status_code < 500, (method, path, answer.text)
        assert_guarded(answer, path)
    for path in ("/static/none.css", "/v1/none", "/none", "/bank/none", "/wallet/none.js", "/%ff", "/v1/%ff"):
        answer = visitors["bank"].get(path, buffered=True)
        assert 300 <= answer.status_code < 500, path
        assert_guarded(answer, path)
    wrong_host = visitors[NOBODY].client.get("/", base_url=BASE, headers={"Host": "evil.example"})
    assert_guarded(wrong_host, "another host")


def test_the_status_in_a_problem_is_the_answers(programs: dict[str, Program]) -> None:
    for path in ("/v1/roles/bank/home", "/v1/roles/bank/nothing", "/v1/none", "/v1/keys/zz", "/v1/sessions"):
        for program in (programs["person"], programs[NOBODY], programs["bank"]):
            answer = program.get(path)
            if answer.status_code != 200:
                assert answer.get_json()["status"] == answer.status_code, path


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT")


def test_methods_that_a_route_does_not_have(whole: Whole, visitors: dict[str, Visitor]) -> None:
    before = trace(whole)
    adapter = whole.app.url_map.bind("localhost")
    for rule in whole.app.url_map.iter_rules():
        path = filled(rule.rule, "bank")
        allowed = set(adapter.allowed_methods(path))
        for method in set(METHODS) - allowed:
            answer = visitors["bank"].client.open(path, method=method, base_url=BASE)
            assert answer.status_code in (404, 405), (method, path, answer.status_code)
            if answer.status_code == 405:
                assert set(answer.headers["Allow"].split(", ")) >= allowed - {"HEAD", "OPTIONS"}, path
    document = visitors[NOBODY].get("/v1/openapi.json").get_json()
    for path in document["paths"]:
        plain = re.sub(r"\{\w+\}", "0" * 64, path)
        if plain.startswith(("/v1/roles/", "/v1/sessions")) or plain.endswith("/events"):
            continue
        # `/v1/transactions/batch` is also a transaction's path: another rule may answer there.
        there = {
            name.upper()
            for other, theirs in document["paths"].items()
            for name in theirs
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", other), plain)
        }
        for method in set(METHODS) - there:
            answer = visitors[NOBODY].client.open(plain, method=method, base_url=BASE)
            assert answer.status_code in (404, 405), (method, path, answer.status_code)
    assert trace(whole) == before


def test_too_much_is_refused_on_every_route(whole: Whole, visitors: dict[str, Visitor]) -> None:
    for method, path, limit in interface_routes(whole):
        if method == "POST":
            for stated in (True, False):
                answer = sent(visitors[NOBODY], path, limit + 1, "application/octet-stream", stated)
                assert answer.status_code == 413, (path, stated, answer.text)
    for rule in site_rules(whole, "POST"):
        path = filled(rule.rule, "bank")
        media = "application/json" if path.startswith("/v1/") else "application/x-www-form-urlencoded"
        headers = Program(whole, user_of(whole, "bank")).headers if path.startswith("/v1/") else {}
        for stated in (True, False):
            answer = sent(visitors["bank"], path, MAX_FORM_BYTES + 1, media, stated, headers)
            # An operation that is not there is told before its body is read.
            assert answer.status_code in (404, 413), (path, stated, answer.status_code)


def sent(
    visitor: Visitor,
    path: str,
    size: int,
    media: str,
    stated: bool,
    headers: dict[str, str] | None = None,
) -> TestResponse:
    body = b"{" + b" " * (size - 1) if media.endswith("json") else b"a=" + b"b" * (size - 2)
    options: dict[str, Any] = {"input_stream": io.BytesIO(body), "content_type": media}
    options["environ_overrides"] = {"wsgi.input_terminated": True}
    if stated:
        options["content_length"] = size
    return visitor.client.post(path, base_url=BASE, headers=headers or {}, **options)


@pytest.mark.parametrize(
    "media", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_json_is_read_as_json_only(whole: Whole, programs: dict[str, Program], media: str) -> None:
    """A form of another site can send these media without asking; none of them is read as JSON."""
    users = whole.world.users
    body = json.dumps({"user": "aigerim", "passcode": users.passcode(users.get("aigerim"))})
    for rule in site_rules(whole, "POST"):
        if rule.rule.startswith("/v1/"):
            name = OPERATIONS[0][1] if OPERATIONS else ""
            path = filled(rule.rule, OPERATIONS[0][0], name)
            program = programs[OPERATIONS[0][0]]
            answer = program.client.post(
                path, base_url=BASE, data=body, content_type=media, headers=program.headers
            )
            assert answer.status_code == 400, rule.rule
