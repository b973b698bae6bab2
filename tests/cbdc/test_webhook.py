"""Signed deliveries, checked against an independent implementation of RFC 9421; and where deliveries may go."""

import datetime
import ipaddress
import json
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

from cbdc.errors import Refused, TengeError
from cbdc.http import addresses
from cbdc.http.webhook import FRESH_SECONDS, Receiver, digest, signed_headers, verify
from cbdc.keys import ED25519, SoftwareKey
from cbdc.ports import ManualClock

URL = "http://127.0.0.1:9000/events?shop=7"
NOW = 1_762_146_000
KEY = SoftwareKey(ED25519, b"w" * 32)
ID = bytes(range(32))
BODY = json.dumps({"id": ID.hex(), "event": "order.paid", "data": {}}).encode()


class Keys(HTTPSignatureKeyResolver):
    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey:
        assert key_id == KEY.public.kid.hex()
        return Ed25519PublicKey.from_public_bytes(KEY.public.raw)

    def resolve_private_key(self, key_id: str) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(KEY.secret)


class Message:
    """What the independent implementation looks at."""

    def __init__(
        self, headers: dict[str, str], body: bytes = BODY, method: str = "POST", url: str = URL
    ) -> None:
        self.headers = headers
        self.body = body
        self.method = method
        self.url = url


def headers(**changed: Any) -> dict[str, str]:
    values: dict[str, Any] = {"url": URL, "body": BODY, "id": ID, "created": NOW, "signer": KEY}
    return signed_headers(**(values | changed))


def taken(
    given: dict[str, str], body: bytes = BODY, method: str = "POST", url: str = URL, now: int = NOW
) -> Any:
    return verify(method, url, given, body, KEY.public, now)


def test_a_delivery_is_believed() -> None:
    assert taken(headers())["event"] == "order.paid"
    assert taken({name.upper(): value for name, value in headers().items()})["event"] == "order.paid"


def test_another_implementation_of_the_rfc_believes_it_too() -> None:
    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=Keys())
    created = int(datetime.datetime.now(datetime.UTC).timestamp())
    results = verifier.verify(
        Message(headers(created=created)), max_age=datetime.timedelta(days=1), expect_tag="tenge-webhook"
    )
    covered = set(results[0].covered_components)
    assert {'"@method"', '"@target-uri"', '"content-type"', '"content-digest"'} <= covered


def test_what_another_implementation_signs_is_believed() -> None:
    message = Message({"Content-Type": "application/json", "Content-Digest": digest(BODY)})
    signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=Keys())
    signer.sign(
        message,
        key_id=KEY.public.kid.hex(),
        created=datetime.datetime.fromtimestamp(NOW, datetime.UTC),
        nonce=ID.hex(),
        tag="tenge-webhook",
        label="tenge",
        include_alg=True,
        use_existing_digest=True,
        covered_component_ids=("@method", "@target-uri", "content-type", "content-digest"),
    )
    ours = headers()
    # The order of parameters is the signer's choice; only one order is written and read here.
    assert set(message.headers["Signature-Input"].split(";")[1:]) == set(
        ours["Signature-Input"].split(";")[1:]
    )


@pytest.mark.parametrize("name", ["Content-Type", "Content-Digest", "Signature-Input", "Signature"])
def test_every_header_is_needed_and_covered(name: str) -> None:
    whole = headers()
    with pytest.raises(Refused, match="E_WEBHOOK"):
        taken({key: value for key, value in whole.items() if key != name})
    with pytest.raises(Refused, match="E_WEBHOOK"):
        taken(whole | {name: whole[name][:-3] + "AA" + whole[name][-1]})


@pytest.mark.parametrize(
    "changed",
    [
        {"body": BODY + b" "},
        {"body": b""},
        {"method": "PUT"},
        {"url": URL + "&x=1"},
        {"url": "http://127.0.0.1:9001/events?shop=7"},
        {"now": NOW + FRESH_SECONDS + 1},
        {"now": NOW - FRESH_SECONDS - 1},
    ],
)
def test_a_delivery_for_another_place_time_or_content_is_not_believed(changed: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="E_WEBHOOK"):
        taken(headers(), **changed)


def test_a_delivery_of_another_key_or_id_is_not_believed() -> None:
    other = SoftwareKey(ED25519, b"o" * 32)
    with pytest.raises(Refused, match="E_WEBHOOK"):
        taken(headers(signer=other))
    claimed = headers(signer=other)
    claimed["Signature-Input"] = headers()["Signature-Input"]
    with pytest.raises(Refused, match="E_WEBHOOK"):
        taken(claimed)
    with pytest.raises(Refused, match="E_WEBHOOK"):
        taken(headers(id=bytes(32)))


@pytest.mark.parametrize("body", [b"[]", b"{", b"null", b"[" * 5_000])
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(Refused, match="E_WEBHOOK"):
        taken(headers(body=body), body)


def test_a_receiver_takes_an_event_once() -> None:
    receiver = Receiver(URL, KEY.public, ManualClock(NOW))
    assert receiver.take("POST", headers(), BODY) is not None
    assert receiver.take("POST", headers(created=NOW + 5), BODY) is None


@given(st.binary(max_size=200), st.integers(0, 10**12))
def test_any_body_is_signed_and_only_as_it_is(body: bytes, created: int) -> None:
    event = json.dumps({"id": ID.hex(), "event": body.hex()}).encode()
    given_headers = signed_headers(URL, event, ID, created, KEY)
    assert verify("POST", URL, given_headers, event, KEY.public, created)["event"] == body.hex()


# --- where deliveries may go ---


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9000/",
        "http://localhost:9000/events",
        "https://10.1.2.3/",
        "http://192.168.0.7/x?y=z",
        "http://172.16.0.1/",
        "http://[::1]:8000/",
        "http://[fd12::1]/",
        "http://shop.local/",
    ],
)
def test_addresses_that_are_allowed(url: str) -> None:
    assert addresses.parse(url).path.startswith("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/events",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://",
        "http://user:word@127.0.0.1/",
        "http://user@127.0.0.1/",
        "http://127.0.0.1/#part",
        "http://127.0.0.1\\@8.8.8.8/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:x/",
        "http://169.254.169.254/latest/meta-data/",
        "http://169.254.0.1/",
        "http://[fe80::1]/",
        "http://[fe80::1%25eth0]/",
        "http://[::ffff:169.254.169.254]/",
        "http://[::ffff:8.8.8.8]/",
        "http://[fd00:ec2::254]/",
        "http://metadata.google.internal/",
        "http://METADATA.google.internal./",
        "http://100.100.100.200/",
        "http://8.8.8.8/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.1 /",
        "http://127.0.0.1/\r\nHost: x",
        "http://қазақ.kz/",
        "http://[::1/",
    ],
)
def test_addresses_that_are_not(url: str) -> None:
    with pytest.raises(TengeError, match="E_HOOK_URL"):
        addresses.parse(url)


@pytest.mark.parametrize(
    ("found", "right"),
    [
        (["127.0.0.1"], True),
        (["::1", "127.0.0.1"], True),
        ([], False),
        (["8.8.8.8"], False),
        (["127.0.0.1", "8.8.8.8"], False),
        (["169.254.169.254"], False),
        (["fe80::1%eth0"], False),
        (["nonsense"], False),
    ],
)
def test_every_address_of_a_name_must_be_allowed(found: list[str], right: bool) -> None:
    target = addresses.parse("http://shop.local/")
    if right:
        assert addresses.resolve(target, lookup=lambda host, port: found) == found[0]
        return
    with pytest.raises(Refused, match="E_HOOK_HOST"):
        addresses.resolve(target, lookup=lambda host, port: found)


def test_a_name_without_an_address_is_refused() -> None:
    def nothing(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(Refused, match="E_HOOK_HOST"):
        addresses.resolve(addresses.parse("http://shop.local/"), lookup=nothing)


@given(st.integers(0, 2**32 - 1))
def test_public_addresses_are_allowed_only_where_that_is_asked_for(number: int) -> None:
    address = ipaddress.IPv4Address(number)
    private, public = addresses.judge(address), addresses.judge(address, public=True)
    if not private:
        assert not address.is_global
        assert not address.is_link_local
    if not public and private:
        assert address.is_global
    assert addresses.judge(ipaddress.IPv6Address(f"::ffff:{address}")) == private


def test_a_literal_needs_no_lookup() -> None:
    def nobody(host: str, port: int) -> list[str]:
        raise AssertionError

    assert addresses.resolve(addresses.parse("http://[::1]:80/"), lookup=nobody) == "::1"
    assert addresses.resolve(addresses.parse("https://8.8.8.8/", public=True), True, nobody) == "8.8.8.8"
