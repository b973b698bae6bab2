"""Calls of institutions: the form against another implementation of RFC 9421, and every way to be refused."""

import datetime
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    algorithms,
)
from hypothesis import given
from hypothesis import strategies as st

from cbdc.authority import BANK, OPERATOR, SUPERVISOR, TREASURY, Auth, Authority, make_root, network_id
from cbdc.errors import TengeError
from cbdc.http.signed_calls import (
    LIFETIME_SECONDS,
    SKEW_SECONDS,
    CallDoor,
    MemoryNonces,
    Message,
    check_bank,
    content_digest,
    named,
    sign_call,
)
from cbdc.keys import ED25519, ES256, SoftwareKey
from cbdc.ports import ManualClock
from cbdc.record import Signed, sign

NOW = 1_800_000_000
ROOT = SoftwareKey(ED25519, b"r" * 32)
BANK_KEY = SoftwareKey(ED25519, b"b" * 32)
SOON = SoftwareKey(ED25519, b"s" * 32)
OLD = SoftwareKey(ED25519, b"o" * 32)
OFFICE = SoftwareKey(ES256, b"t" * 32)
STRANGER = SoftwareKey(ED25519, b"x" * 32)
WATCH = SoftwareKey(ED25519, b"w" * 32)
NONCE = "0123456789abcdef"
BODY = b"\x83\x01\x02\x03"
POSTED = Message(
    "POST",
    "bank.example:8765",
    "/v1/participants/7/requests",
    "a=b&c=%20",
    {"Content-Type": "application/octet-stream"},
    BODY,
)
OURS = named(["bank.example:8765", "Bank.Example"])
READ = Message("GET", "bank.example", "/v1/participants/7/account")


def certificate(key: SoftwareKey, role: int, period: tuple[int, int], *scope: int) -> Signed[Auth]:
    root = make_root(ROOT, NOW - 10_000, NOW + 10_000, "test")
    auth = Auth(role, key.public.algorithm, key.public.raw, *period, scope)
    return sign(auth, network_id(root.record), ROOT)


AUTHORITY = Authority(
    make_root(ROOT, NOW - 10_000, NOW + 10_000, "test"),
    [
        certificate(BANK_KEY, BANK, (NOW - 10_000, NOW + 10_000), 7),
        certificate(SOON, BANK, (NOW + 500, NOW + 10_000), 7),
        certificate(OLD, BANK, (NOW - 10_000, NOW - 1), 7),
        certificate(OFFICE, TREASURY, (NOW - 10_000, NOW + 10_000)),
    ],
)


def door(**changed: Any) -> CallDoor:
    return CallDoor(AUTHORITY, ManualClock(NOW), ManualClock(NOW - 1_000), **{"knows": OURS, **changed})


def at(now: int, **changed: Any) -> CallDoor:
    clock = ManualClock(NOW - 1_000)
    opened = CallDoor(AUTHORITY, ManualClock(NOW), clock, **{"knows": OURS, **changed})
    clock.move_to(now)
    return opened


def signed(
    message: Message = POSTED,
    key: SoftwareKey = BANK_KEY,
    nonce: str = NONCE,
    created: int = NOW,
    lifetime: int = LIFETIME_SECONDS,
) -> Message:
    return replace(message, headers=sign_call(message, key, nonce, created, lifetime))


def code(message: Message, opened: CallDoor | None = None, roles: tuple[int, ...] = (BANK,)) -> str:
    with pytest.raises(TengeError) as caught:
        (opened or at(NOW)).admit(message, roles)
    assert "{" not in caught.value.sentence(), caught.value.sentence()
    return caught.value.code


@pytest.mark.parametrize("message", [POSTED, READ])
def test_a_signed_call_is_admitted_with_its_certificate(message: Message) -> None:
    assert at(NOW).admit(signed(message), (OPERATOR, BANK)).scope == (7,)
    assert at(NOW).admit(signed(message, OFFICE), (TREASURY,)).role == TREASURY


# --- another implementation ---


class Keys(HTTPSignatureKeyResolver):
    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey:
        assert key_id == BANK_KEY.public.kid.hex()
        return Ed25519PublicKey.from_public_bytes(BANK_KEY.public.raw)

    def resolve_private_key(self, key_id: str) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(BANK_KEY.secret)


class Sent:
    """A message as the library looks at it."""

    def __init__(self, message: Message, headers: dict[str, str]) -> None:
        query = f"?{message.query}" if message.query else ""
        self.method = message.method
        self.url = f"http://{message.authority}{message.path}{query}"
        self.headers = headers
        self.body = message.body or b""


@pytest.mark.parametrize("message", [POSTED, READ])
def test_another_implementation_believes_what_is_signed_here(message: Message) -> None:
    created = int(datetime.datetime.now(datetime.UTC).timestamp())
    headers = dict(signed(message, created=created).headers)
    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=Keys())
    found = verifier.verify(Sent(message, headers), max_age=datetime.timedelta(days=1))
    assert {f'"{name}"' for name in message.required} <= set(found[0].covered_components)


@pytest.mark.parametrize("message", [POSTED, READ])
@pytest.mark.parametrize("turned", [False, True])
def test_what_another_implementation_signs_is_believed_here(message: Message, turned: bool) -> None:
    headers = dict(message.headers)
    if message.body is not None:
        headers["Content-Digest"] = content_digest(message.body)
    sent = Sent(message, headers)
    covered = tuple(reversed(message.required)) if turned else message.required
    HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=Keys()).sign(
        sent,
        key_id=BANK_KEY.public.kid.hex(),
        created=datetime.datetime.fromtimestamp(NOW, datetime.UTC),
        expires=datetime.datetime.fromtimestamp(NOW + 60, datetime.UTC),
        nonce=NONCE,
        tag="tenge-call",
        label="other-label",
        include_alg=True,
        use_existing_digest=message.body is not None,
        covered_component_ids=covered,
    )
    assert at(NOW).admit(replace(message, headers=sent.headers), (BANK,)).scope == (7,)


# --- what is altered ---


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"method": "PUT"}, "E_CALL_SIGNATURE"),
        ({"authority": "bank.example"}, "E_CALL_SIGNATURE"),
        ({"authority": "other.example:8765"}, "E_CALL_AUTHORITY"),
        ({"path": "/v1/participants/8/requests"}, "E_CALL_SIGNATURE"),
        ({"path": "/v1/participants/7/requests\n"}, "E_CALL_FORM"),
        ({"path": "/v1/participants/7/ə"}, "E_CALL_FORM"),
        ({"query": ""}, "E_CALL_SIGNATURE"),
        ({"query": "a=b&c=%21"}, "E_CALL_SIGNATURE"),
        ({"body": BODY + b"x"}, "E_CALL_DIGEST"),
        ({"body": b""}, "E_CALL_DIGEST"),
    ],
)
def test_an_altered_call_is_refused(changed: dict[str, Any], expected: str) -> None:
    assert code(replace(signed(), **changed)) == expected


def test_the_name_of_the_host_has_no_case() -> None:
    assert at(NOW).admit(replace(signed(), authority="BANK.example:8765"), (BANK,)).scope == (7,)


def headers(**changed: str | None) -> Message:
    """The posted call with headers replaced (None: left out)."""
    whole = dict(signed().headers)
    for name, value in changed.items():
        key = name.replace("_", "-").title()
        whole.pop(key)
        if value is not None:
            whole[key] = value
    return replace(POSTED, headers=whole)


def altered(old: str, new: str, times: int = 1) -> Message:
    whole = dict(signed().headers)
    assert old in whole["Signature-Input"]
    whole["Signature-Input"] = whole["Signature-Input"].replace(old, new, times)
    return replace(POSTED, headers=whole)


def test_an_altered_body_with_its_own_digest_is_refused() -> None:
    forged = headers(content_digest=content_digest(b"other"))
    assert code(replace(forged, body=b"other")) == "E_CALL_SIGNATURE"


@pytest.mark.parametrize("name", ["signature", "signature_input"])
def test_an_unsigned_call_is_refused(name: str) -> None:
    assert code(headers(**{name: None})) == "E_CALL_MISSING"
    assert code(headers(**{name: ""})) == "E_CALL_MISSING"


@pytest.mark.parametrize("component", POSTED.required)
def test_a_component_that_is_not_covered_is_refused(component: str) -> None:
    # Signed rightly over what it names, so only the missing component is wrong.
    less = tuple(name for name in POSTED.required if name != component)

    class Less(Message):
        @property
        def required(self) -> tuple[str, ...]:
            return less

    import cbdc.http.signed_calls as module

    whole = Less(
        POSTED.method,
        POSTED.authority,
        POSTED.path,
        POSTED.query,
        {**POSTED.headers, "Content-Digest": content_digest(BODY)},
        BODY,
    )
    text = signed().headers["Signature-Input"].removeprefix("tenge=")
    text = text.replace(f'"{component}"', "").replace("  ", " ").replace("( ", "(").replace(" )", ")")
    signature = BANK_KEY.sign(module._base(whole, less, text))
    value = f"tenge=:{module.base64.b64encode(signature).decode()}:"
    assert code(headers(signature_input=f"tenge={text}", signature=value)) == "E_CALL_COMPONENT"


@pytest.mark.parametrize("name", ["created", "expires", "nonce", "alg", "keyid", "tag"])
def test_a_parameter_that_is_missing_is_refused(name: str) -> None:
    import re

    text = signed().headers["Signature-Input"]
    less, count = re.subn(rf';{name}=(\d+|"[^"]*")', "", text)
    assert count == 1
    assert code(headers(signature_input=less)) == "E_CALL_COMPONENT"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("tenge=(", "other=(", "E_CALL_FORM"),
        ('"@method" ', '"@method" "@method" ', "E_CALL_FORM"),
        ('"@method" ', '"@method"  ', "E_CALL_FORM"),
        ('"@method" ', '"@method";req ', "E_CALL_FORM"),
        ('"@method" ', '"@method" "@status" ', "E_CALL_FORM"),
        ('"@method" ', '"@method" "x-not-there" ', "E_CALL_FORM"),
        (";created=", ";created=1;created=", "E_CALL_FORM"),
        (";created=", ";other=1;created=", "E_CALL_FORM"),
        (f"created={NOW}", f'created="{NOW}"', "E_CALL_FORM"),
        (f"created={NOW}", "created=-1", "E_CALL_FORM"),
        (NONCE, "short", "E_CALL_FORM"),
        (NONCE, "n" * 65, "E_CALL_FORM"),
        (NONCE, 'a"b' + "c" * 20, "E_CALL_FORM"),
        ('tag="tenge-call"', 'tag="tenge-webhook"', "E_CALL_FORM"),
        ('alg="ed25519"', 'alg="hmac-sha256"', "E_CALL_ALGORITHM"),
        ('alg="ed25519"', 'alg="rsa-v1_5-sha256"', "E_CALL_ALGORITHM"),
        ('alg="ed25519"', 'alg="ecdsa-p256-sha256"', "E_CALL_ALGORITHM"),
        ('alg="ed25519"', 'alg="none"', "E_CALL_ALGORITHM"),
        (BANK_KEY.public.kid.hex(), STRANGER.public.kid.hex(), "E_CALL_KEY"),
        (BANK_KEY.public.kid.hex(), BANK_KEY.public.kid.hex().upper(), "E_CALL_KEY"),
        (BANK_KEY.public.kid.hex(), "bank-7", "E_CALL_KEY"),
        (BANK_KEY.public.kid.hex(), OLD.public.kid.hex(), "E_CALL_SIGNATURE"),
        (f"expires={NOW + LIFETIME_SECONDS}", f"expires={NOW + LIFETIME_SECONDS - 1}", "E_CALL_SIGNATURE"),
    ],
)
def test_an_altered_signature_input_is_refused(old: str, new: str, expected: str) -> None:
    assert code(altered(old, new)) == expected


@pytest.mark.parametrize(
    "value",
    [
        "tenge=::",
        "tenge=:AA==:",
        "tenge=AAAA",
        "tenge=:" + "A" * 85 + "===:",
        "tenge=:" + "A" * 86 + "==:, tenge=:" + "A" * 86 + "==:",
        "x" * 3_000,
    ],
)
def test_a_signature_of_another_form_is_refused(value: str) -> None:
    assert code(headers(signature=value)) == "E_CALL_FORM"


def test_a_second_signature_beside_the_first_is_refused() -> None:
    text = signed().headers["Signature-Input"]
    assert code(headers(signature_input=f"{text}, {text}")) == "E_CALL_FORM"


@pytest.mark.parametrize(
    "value", ["sha-512=:AAAA:", "sha-256=:AAAA:", "", f"{content_digest(BODY)}, {content_digest(b'x')}"]
)
def test_a_digest_of_another_form_is_refused(value: str) -> None:
    assert code(headers(content_digest=value)) == "E_CALL_DIGEST"


def test_another_digest_may_stand_beside_ours() -> None:
    both = dict(POSTED.headers) | {"Content-Digest": f"sha-512=:AAAA:, {content_digest(BODY)}"}
    whole = replace(POSTED, headers=both)
    import cbdc.http.signed_calls as module

    text = signed().headers["Signature-Input"].removeprefix("tenge=")
    signature = module.base64.b64encode(BANK_KEY.sign(module._base(whole, POSTED.required, text))).decode()
    both |= {"Signature-Input": f"tenge={text}", "Signature": f"tenge=:{signature}:"}
    assert at(NOW).admit(replace(whole, headers=both), (BANK,)).scope == (7,)


# --- time ---


@pytest.mark.parametrize(
    ("now", "created", "lifetime", "expected"),
    [
        (NOW + 61, NOW, 60, "E_CALL_EXPIRED"),
        (NOW + 86_400, NOW, LIFETIME_SECONDS, "E_CALL_EXPIRED"),
        (NOW, NOW + SKEW_SECONDS + 1, 60, "E_CALL_FUTURE"),
        (NOW, NOW, LIFETIME_SECONDS + 1, "E_CALL_LIFETIME"),
        (NOW, NOW, 0, "E_CALL_LIFETIME"),
        (NOW, NOW, -5, "E_CALL_LIFETIME"),
        # Signed before this door was opened: nobody remembers which nonces were taken then.
        (NOW - 1_000, NOW - 1_001, LIFETIME_SECONDS, "E_CALL_EXPIRED"),
    ],
)
def test_a_call_of_another_time_is_refused(now: int, created: int, lifetime: int, expected: str) -> None:
    assert code(signed(created=created, lifetime=lifetime), at(now)) == expected


@pytest.mark.parametrize(("now", "created"), [(NOW + 60, NOW), (NOW, NOW + SKEW_SECONDS)])
def test_a_call_at_the_edge_of_its_time_is_admitted(now: int, created: int) -> None:
    assert at(now).admit(signed(created=created, lifetime=60), (BANK,)).role == BANK


# --- once ---


def test_a_call_is_taken_once() -> None:
    opened = at(NOW)
    opened.admit(signed(), (BANK,))
    assert code(signed(), opened) == "E_CALL_REPLAY"
    # The nonce is used, whatever is signed with it.
    assert code(signed(READ), opened) == "E_CALL_REPLAY"
    opened.admit(signed(nonce="f" * 16), (BANK,))


def test_one_key_cannot_use_up_anothers_nonce() -> None:
    opened = at(NOW)
    opened.admit(signed(), (BANK,))
    assert opened.admit(signed(key=OFFICE), (TREASURY,)).role == TREASURY


def test_nonces_are_bounded_and_refuse_rather_than_forget() -> None:
    clock = ManualClock(NOW)
    opened = CallDoor(AUTHORITY, ManualClock(NOW), clock, knows=OURS, nonces=MemoryNonces(clock.now(), 3))
    for number in range(3):
        opened.admit(signed(nonce=f"{number:016d}", lifetime=10), (BANK,))
    assert code(signed(nonce="9" * 16), opened) == "E_CALL_BUSY"
    assert code(signed(nonce=f"{0:016d}"), opened) == "E_CALL_REPLAY"
    assert opened.remembered == 3
    # Another key is not held up, and what has expired makes room.
    opened.admit(signed(key=OFFICE), (TREASURY,))
    clock.move_to(NOW + 11)
    opened.admit(signed(nonce="9" * 16, created=NOW + 11), (BANK,))
    assert opened.remembered == 2
    assert code(signed(nonce=f"{0:016d}", lifetime=10), opened) == "E_CALL_EXPIRED"


def test_a_stranger_fills_nothing() -> None:
    opened = at(NOW)
    for number in range(50):
        assert code(signed(key=STRANGER, nonce=f"{number:016d}"), opened) == "E_CALL_KEY"
        assert code(replace(signed(nonce=f"{number:016d}"), path="/"), opened) == "E_CALL_SIGNATURE"
        assert code(signed(key=OFFICE, nonce=f"{number:016d}"), opened) == "E_CALL_ROLE"
    assert opened.remembered == 0


# --- who ---


def test_wrong_roles_and_certificates_are_refused() -> None:
    assert code(signed(), roles=(OPERATOR,)) == "E_CALL_ROLE"
    assert code(signed(key=OFFICE)) == "E_CALL_ROLE"
    assert code(signed(key=OLD)) == "E_CALL_CERTIFICATE"
    assert code(signed(key=SOON)) == "E_CALL_CERTIFICATE"
    assert code(signed(key=WATCH), roles=(SUPERVISOR,)) == "E_CALL_KEY"


def test_a_certificate_beside_the_genesis_counts_if_root_signed_it() -> None:
    beside = certificate(WATCH, SUPERVISOR, (NOW, NOW + 10))
    assert at(NOW, more=[beside]).admit(signed(key=WATCH), (SUPERVISOR,)).role == SUPERVISOR
    forged = sign(beside.record, AUTHORITY.network, STRANGER)
    with pytest.raises(TengeError, match="E_SIG"):
        at(NOW, more=[forged])


def test_a_new_key_replaces_an_old_one_by_certificates_alone() -> None:
    # SOON's certificate begins when the clock of the ledger reaches it; nothing else changes.
    clock = ManualClock(NOW)
    opened = CallDoor(AUTHORITY, clock, ManualClock(NOW), knows=OURS)
    assert code(signed(key=SOON), opened) == "E_CALL_CERTIFICATE"
    clock.move_to(NOW + 500)
    assert opened.admit(signed(key=SOON), (BANK,)).scope == (7,)


def test_a_bank_asks_for_itself_only() -> None:
    bank = at(NOW).admit(signed(), (BANK,))
    check_bank(bank, 7)
    with pytest.raises(TengeError) as caught:
        check_bank(bank, 8)
    assert (caught.value.code, caught.value.facts) == ("E_CALL_SCOPE", {"own": 7, "bank_id": 8})
    check_bank(at(NOW).admit(signed(key=OFFICE), (TREASURY,)), 8)


@given(st.text(max_size=300), st.text(max_size=200))
def test_any_text_in_the_headers_gets_a_code(wanted: str, value: str) -> None:
    whole = {**POSTED.headers, "Signature-Input": wanted, "Signature": value}
    assert code(replace(POSTED, headers=whole)).startswith("E_CALL_")


@given(st.integers(0, 10_000), st.integers(0, 127))
def test_any_changed_letter_is_noticed(place: int, letter: int) -> None:
    text = signed().headers["Signature-Input"]
    place %= len(text)
    if text[place] == chr(letter):
        return
    changed = text[:place] + chr(letter) + text[place + 1 :]
    assert code(headers(signature_input=changed)).startswith("E_CALL_")
