"""The stage over HTTP: headers, sessions, hosts, and every kind of bad request, without one traceback."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cbdc.ports import ManualClock, SeededEntropy
from wallets.web.app import HEADERS, MAX_REQUEST_BYTES, Door, create_app
from wallets.web.stage import Stage
from wallets.web.wishes import ACTIONS

START = 1_762_146_000
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    stage = Stage(ManualClock(START), seed=7)
    yield stage
    stage.close()


@pytest.fixture
def client(stage: Stage) -> FlaskClient:
    return create_app(stage, SeededEntropy(7)).test_client()


class Page:
    """A browser that has loaded the page."""

    def __init__(self, client: FlaskClient, **headers: str) -> None:
        self.client = client
        answer = client.get("/", headers=headers)
        assert answer.status_code == 200
        self.html = answer.get_data(as_text=True)
        found = re.search(r'name="stage-token" content="([0-9a-f]{64})"', self.html)
        assert found
        self.token = found[1]

    def post(self, action: str, token: str | None = None, **fields: object) -> TestResponse:
        body = {"request_id": f"a-press-of-the-page-{next(_NUMBERS)}", **fields}
        return self.client.post(
            f"/api/{action}",
            json=body,
            headers={"X-Stage-Token": self.token if token is None else token},
        )


def _error(answer: TestResponse) -> dict[str, str]:
    body = answer.get_json()
    assert body["ok"] is False
    error: dict[str, str] = body["error"]
    assert set(error) == {"code", "rule", "sentence", "next"}
    assert error["sentence"]
    assert error["next"]
    assert "Traceback" not in answer.get_data(as_text=True)
    return error


# --- the page ---


def test_every_answer_is_guarded(client: FlaskClient) -> None:
    page = Page(client)
    answers = [
        client.get("/"),
        client.get("/api/stage"),
        client.get("/static/stage.css"),
        client.get("/nowhere"),
        client.get("/evidence/case-1.dto"),
        page.post("steal"),
        client.post("/api/sync"),
        client.get("/", headers={"Host": "evil.example"}),
    ]
    for answer in answers:
        answer.close()
        for name, value in HEADERS.items():
            if name != "Cache-Control":
                assert answer.headers[name] == value
        assert answer.headers["Cache-Control"] in ("no-store", "no-cache")
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_nothing_in_the_page_is_inline_or_from_elsewhere(client: FlaskClient) -> None:
    html = Page(client).html
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
    assert all(attributes.strip() for attributes in re.findall(r"<script([^>]*)>", html))
    # Relative to the page, which may be mounted anywhere; no address with a scheme or a host.
    assert re.findall(r'(?:src|href)="(?:[a-z]+:|//)[^"]*"', html) == []
    assert "//" not in re.sub(r"<!doctype html>", "", html)


def test_the_cookie_is_strict(client: FlaskClient) -> None:
    cookie = client.get("/").headers["Set-Cookie"]
    assert "SameSite=Strict" in cookie
    assert "HttpOnly" in cookie


def test_nothing_secret_is_in_the_page_or_its_twin(client: FlaskClient, stage: Stage) -> None:
    page = Page(client)
    page.post("load", phone="aigerim", amount="100")
    shown = page.html + client.get("/api/stage").get_data(as_text=True)
    secret = stage.sandbox._keys.key("wallet/Aigerim").secret
    assert secret.hex() not in shown
    assert "seed" not in shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("path", "accepted", "language", "word"),
    [
        ("/", "", "en", "The phones"),
        ("/", "kk-KZ,kk;q=0.9,ru;q=0.8", "kk", "Телефондар"),
        ("/", "de,ru;q=0.5,en;q=0.4", "ru", "Телефоны"),
        ("/", "kk;q=0.1,en;q=high,ru;q=0.2", "ru", "Телефоны"),
        ("/?language=kk", "ru", "kk", "Телефондар"),
        ("/?language=xx", "ru", "ru", "Телефоны"),
    ],
)
def test_the_page_speaks_three_languages(
    client: FlaskClient, path: str, accepted: str, language: str, word: str
) -> None:
    html = client.get(path, headers={"Accept-Language": accepted}).get_data(as_text=True)
    assert f'<html lang="{language}">' in html
    assert word in html


def test_a_chosen_language_is_remembered(client: FlaskClient) -> None:
    client.get("/?language=kk")
    assert '<html lang="kk">' in client.get("/", headers={"Accept-Language": "en"}).get_data(as_text=True)


# --- the twin ---


def test_the_twin_tells_what_the_page_shows(client: FlaskClient, stage: Stage) -> None:
    answer = client.get("/api/stage")
    body = answer.get_json()
    assert body["ok"] is True
    assert body["stage"]["supply"]["adds_up"] is True
    again = client.get("/api/stage", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert again.get_data() == b""
    Page(client).post("airplane", phone="dana", on=False)
    assert client.get("/api/stage", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 200
    other = client.get("/api/stage?language=ru")
    assert other.headers["ETag"] != client.get("/api/stage?language=en").headers["ETag"]


def test_a_wish_is_done_and_answered_with_the_stage(client: FlaskClient) -> None:
    page = Page(client)
    before = client.get("/api/stage").get_json()["stage"]["phones"][2]["wallet_tiyn"]
    answer = page.post("pay", phone="aigerim", payee="dana", amount="10", clone=False)
    assert answer.status_code == 200
    assert answer.get_json()["stage"]["phones"][2]["wallet_tiyn"] == before + 1_000


def test_a_refusal_is_an_answer(client: FlaskClient) -> None:
    page = Page(client)
    answer = page.post("pay", phone="aigerim", payee="dana", amount="900 000", clone=False)
    assert answer.status_code == 409
    assert _error(answer)["code"] == "E_STAGE_WALLET_SHORT"
    assert answer.get_json()["stage"]["events"][-1]["kind"] == "refused"


def test_proofs_and_the_root_are_files(client: FlaskClient, stage: Stage) -> None:
    page = Page(client)
    page.post("story", go="start")
    for _ in range(9):
        assert page.post("story", go="next").status_code == 200
    proof = client.get("/evidence/case-1.dto")
    assert proof.get_data() == stage.proof("case-1.dto")
    assert proof.headers["Content-Disposition"] == 'attachment; filename="case-1.dto"'
    assert proof.mimetype == "application/octet-stream"
    assert client.get("/evidence/root.dto").get_data() == stage.root()
    for name in ("case-7.dto", "..%2froot.dto", "%00", "root", "a" * 300):
        missing = client.get(f"/evidence/{name}")
        assert missing.status_code == 404
        _error(missing)
    page.post("reset")


# --- who may ask ---


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "",
        "127.0.0.2",
        "192.168.0.7:8765",
        "[::2]:80",
        "localhost:x",
        "x\t",
    ],
)
def test_foreign_names_are_not_answered(client: FlaskClient, host: str) -> None:
    answer = client.get("/", headers={"Host": host})
    assert answer.status_code == 421
    assert _error(answer)["code"] == "E_WEB_HOST"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8765", "LOCALHOST:1", "127.0.0.1:80", "[::1]:8765", "[::1]"]
)
def test_names_of_this_computer_are_answered(client: FlaskClient, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200


def test_a_wildcard_host_answers_addresses_and_no_other_names(stage: Stage) -> None:
    door = Door(any_address=True)
    assert all(
        door.knows(host) for host in ("192.168.0.7:8765", "[fe80::1]:8765", "10.0.0.1", "localhost:8765")
    )
    assert not any(
        door.knows(host) for host in ("evil.example:8765", "192.168.0.7.evil.example", "", ":8765")
    )
    assert Door(frozenset({"classroom"})).knows("classroom:8765")
    client = create_app(stage, SeededEntropy(7), door).test_client()
    assert client.get("/", headers={"Host": "192.168.0.7:8765"}).status_code == 200


def test_a_wish_needs_the_page_s_token(client: FlaskClient, stage: Stage) -> None:
    page = Page(client)
    version = stage.memory.version
    stranger = create_app(stage, SeededEntropy(8)).test_client()
    other = Page(stranger)
    for token in ("", "0" * 64, other.token, page.token[:-1], page.token + "0", "жетон"):
        answer = page.post("airplane", token=token.encode().decode("latin-1"), phone="dana", on=True)
        assert answer.status_code == 403
        assert _error(answer)["code"] == "E_WEB_SESSION"
    without_cookie = create_app(stage, SeededEntropy(7)).test_client()
    answer = without_cookie.post("/api/reset", json={}, headers={"X-Stage-Token": page.token})
    assert answer.status_code == 403
    assert stage.memory.version == version


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", ""])
def test_a_wish_from_another_page_is_refused(client: FlaskClient, origin: str) -> None:
    page = Page(client)
    headers = {"X-Stage-Token": page.token, "Origin": origin}
    answer = client.post("/api/reset", json={"request_id": "r" * 20}, headers=headers)
    assert answer.status_code == 403
    assert _error(answer)["code"] == "E_WEB_SESSION"
    headers["Origin"] = "http://localhost"
    assert client.post("/api/sync", json={}, headers=headers).status_code == 400


def test_two_browsers_have_two_tokens(client: FlaskClient, stage: Stage) -> None:
    other = client.application.test_client()
    first, second = Page(client), Page(other)
    assert first.token != second.token
    assert Page(client).token == first.token
    assert second.post("airplane", phone="dana", on=False).status_code == 200
    assert first.post("airplane", phone="dana", on=False).status_code == 200


# --- bad requests ---


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"1e999",
        b'"text"',
        b"\xff\xfe",
        b"\x00" * 40,
        b"[" * 3_000,
        b'{"request_id": ' + b"9" * 4_000 + b"}",
        b"phone=dana",
    ],
)
def test_what_is_no_json_object_is_refused(client: FlaskClient, body: bytes) -> None:
    page = Page(client)
    answer = client.post(
        "/api/sync", data=body, content_type="application/json", headers={"X-Stage-Token": page.token}
    )
    assert answer.status_code == 400
    assert _error(answer)["code"] in ("E_WEB_JSON", "E_STAGE_REQUEST")


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_only_json_is_read(client: FlaskClient, content_type: str) -> None:
    page = Page(client)
    answer = client.post(
        "/api/reset", data="{}", content_type=content_type, headers={"X-Stage-Token": page.token}
    )
    assert answer.status_code == 400
    assert _error(answer)["code"] == "E_WEB_JSON"


_STRANGE: tuple[object, ...] = (
    None, True, False, 0, -1, 1.5, 10**30, "", " ", "x" * 900, "dana\x00", "\ud800", "ﾄ", "１００", "NaN", "1" * 500,
    "{phone}", "<script>alert(1)</script>", "' OR 1=1 --", [], [["dana"]], {}, {"a": {"b": 1}},
)  # fmt: skip


@pytest.mark.parametrize("value", _STRANGE, ids=repr)
def test_strange_values_are_refused_wherever_they_stand(
    client: FlaskClient, stage: Stage, value: object
) -> None:
    page = Page(client)
    before = [event for event in stage.memory.events if event["kind"] != "refused"]
    for action, fields in ACTIONS.items():
        for name in fields:
            if name in ("on", "clone") and isinstance(value, bool):
                continue
            good: dict[str, Any] = {
                "phone": "dana", "payee": "bolat", "amount": "1", "clone": False, "on": False, "file": "case-1.dto",
                "go": "next",
            }  # fmt: skip
            body = {key: good[key] for key in fields} | {name: value}
            answer = page.post(action, **body)
            assert answer.status_code == (404 if (name, value) == ("file", "NaN") else 400), (action, name)
            _error(answer)
    assert page.post("sync", **{"phone": "dana", str(value): 1}).status_code == 400
    assert [event for event in stage.memory.events if event["kind"] != "refused"] == before
    request_id = client.post(
        "/api/sync", json={"request_id": value, "phone": "dana"}, headers={"X-Stage-Token": page.token}
    )
    assert _error(request_id)["code"] in ("E_STAGE_REQUEST", "E_WEB_JSON")


def test_a_long_request_is_refused(client: FlaskClient) -> None:
    page = Page(client)
    answer = page.post("sync", phone="dana" * MAX_REQUEST_BYTES)
    assert answer.status_code == 413
    assert _error(answer)["code"] == "E_WEB_SIZE"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/api/sync", 405),
        ("GET", "/static/", 404),
        ("GET", "/static/../stage.py", 404),
        ("GET", "/static/%2e%2e/app.py", 404),
        ("GET", "/evidence/", 404),
        ("POST", "/", 405),
        ("PUT", "/api/sync", 405),
        ("DELETE", "/api/stage", 405),
        ("GET", "/api", 404),
    ],
)
def test_other_paths_and_methods_are_refused(
    client: FlaskClient, method: str, path: str, status: int
) -> None:
    page = Page(client)
    answer = client.open(path, method=method, headers={"X-Stage-Token": page.token})
    assert answer.status_code == status
    _error(answer)


def test_a_bug_is_told_in_a_sentence_and_logged(
    client: FlaskClient, stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    page = Page(client)

    def broken(*arguments: object, **fields: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(stage, "_sync", broken)
    answer = page.post("sync", phone="dana")
    assert answer.status_code == 500
    assert _error(answer)["code"] == "BUG"
    assert "planted" not in answer.get_data(as_text=True)
    assert "planted" in caplog.text
    monkeypatch.undo()
    assert stage.memory.doing is None
    assert page.post("sync", phone="dana").status_code == 200
