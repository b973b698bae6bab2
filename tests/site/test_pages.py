"""Landing, sign-in and the desks' pages: who gets where, and what a browser is told."""

import re
from collections.abc import Iterator

import pytest

from tests.site.visitor import Program, Visitor, opened
from wallets.site.pages import own_page
from wallets.site.users import DEMO_USERS, ROLES
from wallets.site.whole import Whole

PROMISED = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@pytest.fixture(scope="module")
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one


@pytest.fixture
def visitor(whole: Whole) -> Visitor:
    return Visitor(whole)


@pytest.mark.parametrize("path", ["/", "/sign-in/bank", "/nowhere/", "/person/", "/v1/health", "/v1/nothing"])
def test_every_answer_is_guarded(visitor: Visitor, path: str) -> None:
    answer = visitor.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy
    for name, value in PROMISED.items():
        if path.startswith(("/v1/h", "/v1/n")):
            continue
        assert answer.headers[name] == value, name
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/sign-in/person", "/nowhere/"])
def test_every_page_says_what_this_is(visitor: Visitor, path: str) -> None:
    assert "not affiliated with the National Bank of Kazakhstan" in visitor.get(path).text


def test_a_desk_asks_who_sits_there_and_then_opens(visitor: Visitor) -> None:
    answer = visitor.get("/person/")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in/person?next=/person/")
    visitor.signed_in("aigerim")
    assert visitor.get("/person/").status_code == 200
    assert visitor.get("/shop/").status_code == 303


def test_one_browser_may_sit_at_several_desks(visitor: Visitor) -> None:
    visitor.signed_in("aigerim").signed_in("dana")
    assert visitor.get("/person/").status_code == visitor.get("/shop/").status_code == 200
    assert visitor.post("/sign-out/person", {"csrf": visitor.csrf()}).status_code == 303
    assert (visitor.get("/person/").status_code, visitor.get("/shop/").status_code) == (303, 200)


def test_signing_in_gives_the_session_a_new_name(visitor: Visitor) -> None:
    visitor.get("/")
    before = visitor.client.get_cookie("tenge_site")
    visitor.signed_in("aigerim")
    after = visitor.client.get_cookie("tenge_site")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    assert after.http_only
    assert after.same_site == "Strict"
    planted = Visitor(visitor.whole)
    planted.client.set_cookie("tenge_site", before.value)
    assert planted.get("/person/").status_code == 303


def test_a_planted_session_name_is_not_taken(visitor: Visitor) -> None:
    visitor.client.set_cookie("tenge_site", "f" * 48)
    visitor.signed_in("aigerim")
    cookie = visitor.client.get_cookie("tenge_site")
    assert cookie is not None
    assert cookie.value != "f" * 48


@pytest.mark.parametrize(
    ("user", "passcode", "role"),
    [
        ("aigerim", "000000x", "person"),
        ("aigerim", "", "person"),
        ("nobody", "123456", "person"),
        ("", "", "bank"),
    ],
)
def test_a_wrong_passcode_opens_nothing(visitor: Visitor, user: str, passcode: str, role: str) -> None:
    data = {"csrf": visitor.csrf(), "user": user, "passcode": passcode}
    answer = visitor.post(f"/sign-in/{role}", data)
    assert answer.status_code == 403
    assert visitor.get(f"/{role}/").status_code == 303


def test_a_user_of_another_desk_cannot_sign_in_here(visitor: Visitor) -> None:
    users = visitor.whole.world.users
    passcode = users.passcode(users.get("operator"))
    answer = visitor.post(
        "/sign-in/person", {"csrf": visitor.csrf(), "user": "operator", "passcode": passcode}
    )
    assert answer.status_code == 403


def test_five_wrong_passcodes_make_everybody_wait() -> None:
    with opened(seed=8) as whole:
        visitor = Visitor(whole)
        wrong = {"csrf": visitor.csrf(), "user": "aigerim", "passcode": "000000"}
        statuses = [visitor.post("/sign-in/person", wrong).status_code for _ in range(6)]
        assert statuses == [403] * 5 + [429]
        users = whole.world.users
        right = wrong | {"passcode": users.passcode(users.get("aigerim"))}
        assert visitor.post("/sign-in/person", right).status_code == 429
        assert Visitor(whole).signed_in("bolat")


@pytest.mark.parametrize("csrf", ["", "x" * 48])
def test_a_form_without_the_sessions_token_does_nothing(visitor: Visitor, csrf: str) -> None:
    visitor.signed_in("aigerim")
    answer = visitor.post("/person/do/join-code", {"csrf": csrf, "request_id": "a-request-of-mine-1"})
    assert answer.status_code == 403
    assert visitor.post("/sign-out/person", {"csrf": csrf}).status_code == 403
    assert visitor.get("/person/").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
)
def test_a_form_from_another_site_does_nothing(visitor: Visitor, headers: dict[str, str]) -> None:
    users = visitor.whole.world.users
    data = {"csrf": visitor.csrf(), "user": "aigerim", "passcode": users.passcode(users.get("aigerim"))}
    assert visitor.post("/sign-in/person", data, headers=headers).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "10.0.0.1", ""])
def test_only_names_of_this_computer_are_answered(visitor: Visitor, host: str) -> None:
    answer = visitor.client.get("/", base_url="http://localhost", headers={"Host": host})
    assert answer.status_code == 421


@pytest.mark.parametrize(
    ("wished", "role", "to"),
    [
        ("/bank/customers", "bank", "/bank/customers"),
        ("/bank/customers/ab12?page=2", "bank", "/bank/customers/ab12?page=2"),
        ("//evil.example/", "bank", "/bank/"),
        ("https://evil.example", "bank", "/bank/"),
        ("/bank/../operator/", "bank", "/bank/"),
        ("/bank/\\evil.example", "bank", "/bank/"),
        ("/bank/\r\nSet-Cookie: x=1", "bank", "/bank/"),
        ("/operator/", "bank", "/bank/"),
        ("", "bank", "/bank/"),
    ],
)
def test_nobody_is_led_to_another_site(wished: str, role: str, to: str) -> None:
    assert own_page(wished, role) == to


def test_too_large_a_form_is_refused_before_it_is_read(visitor: Visitor) -> None:
    answer = visitor.post("/sign-in/person", {"csrf": "x" * 70_000})
    assert answer.status_code == 413


def test_the_language_is_chosen_kept_and_guessed(visitor: Visitor) -> None:
    assert 'lang="ru"' in visitor.get("/", headers={"Accept-Language": "ru-RU,en;q=0.5"}).text
    assert 'lang="kk"' in visitor.get("/?language=kk").text
    assert 'lang="kk"' in visitor.get("/", headers={"Accept-Language": "ru"}).text
    assert 'lang="kk"' in visitor.get("/?language=xx").text


def test_text_travels_compressed(visitor: Visitor) -> None:
    plain = visitor.get("/")
    packed = visitor.get("/", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.data) < len(plain.data)


def test_every_role_has_a_desk_or_is_not_listed(whole: Whole) -> None:
    for user in DEMO_USERS:
        assert user.role in ROLES
        code = whole.world.users.passcode(user)
        assert re.fullmatch(r"\d{6}", code)


# --- the JSON interface ---


def test_a_program_signs_in_with_a_token_and_no_cookie(whole: Whole) -> None:
    program = Program(whole, "aigerim")
    answer = program.get("/v1/roles/person/home")
    assert answer.status_code == 200
    assert answer.get_json()["deposit_tiyn"] == 25_000_000
    assert "Set-Cookie" not in answer.headers
    assert Program(whole).get("/v1/roles/person/home").status_code == 401
    refused = program.get("/v1/roles/shop/home")
    assert (refused.status_code, refused.get_json()["code"]) == (403, "E_SITE_ROLE")
    assert (
        program.client.delete(
            "/v1/sessions", base_url="http://localhost", headers=program.headers
        ).status_code
        == 200
    )
    assert program.get("/v1/roles/person/home").status_code == 401


def test_a_cookie_is_no_token(whole: Whole) -> None:
    visitor = Visitor(whole).signed_in("aigerim")
    assert visitor.get("/v1/roles/person/home").status_code == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"user": 1, "passcode": "x"}', b"[" * 100_000, b"\xff"])
def test_garbage_is_no_sign_in(whole: Whole, body: bytes) -> None:
    answer = Program(whole).client.post(
        "/v1/sessions", base_url="http://localhost", data=body, content_type="application/json"
    )
    assert answer.status_code in (400, 413)
    assert answer.mimetype == "application/problem+json"


@pytest.mark.parametrize("path", ["/bank/%0d%0aSet-Cookie:%20x=1", "/bank/%0a", "/bank/%00", "/bank/%C3%A9"])
def test_a_strange_path_leads_to_the_sign_in_and_puts_nothing_into_the_headers(
    visitor: Visitor, path: str
) -> None:
    answer = visitor.get(path)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/sign-in/bank?next=/bank/%")
    assert "x=1" not in str(answer.headers.getlist("Set-Cookie"))
