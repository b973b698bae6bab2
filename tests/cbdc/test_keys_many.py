"""Many signatures at once, and shortcuts: the same rule as one at a time."""

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from cbdc import keys
from cbdc.errors import Malformed, Refused
from cbdc.keys import ED25519, ES256, SoftwareKey, public_key, show_on_curve, sound

MESSAGE = b"digital tenge"


def key(name: str, algorithm: int = ED25519) -> SoftwareKey:
    return SoftwareKey(algorithm, hashlib.sha256(name.encode()).digest())


@pytest.fixture(autouse=True)
def _strangers() -> None:
    keys.forget_verified()
    keys.forget_keys()


def off_curve() -> bytes:
    for number in range(2, 100):
        raw = number.to_bytes(32, "little")
        if keys._has_no_root(raw):
            return raw
    raise AssertionError("half of all numbers are on no curve")


@pytest.mark.parametrize("algorithm", [ED25519, ES256])
def test_only_what_stands_is_named(algorithm: int) -> None:
    one, other = key("one", algorithm).public, key("other", algorithm).public
    signature = key("one", algorithm).sign(MESSAGE)
    bad = bytes([signature[0] ^ 1]) + signature[1:]
    known = [(algorithm, one.raw), (algorithm, other.raw), (ED25519, off_curve()), (9, b"")]
    asked = [
        (0, signature, MESSAGE),
        (0, signature, MESSAGE + b"."),
        (1, signature, MESSAGE),
        (0, bad, MESSAGE),
        (2, signature, MESSAGE),
        (3, signature, MESSAGE),
        (0, signature[:-1], MESSAGE),
        (0, b"", MESSAGE),
        (0, signature, MESSAGE),
    ]
    assert sound(known, asked) == [0, 8]
    assert sound(known, []) == []


def test_many_at_once_and_one_at_a_time_agree_on_the_corners() -> None:
    order = keys._ED25519_ORDER
    signature = key("one").sign(MESSAGE)
    scalar = int.from_bytes(signature[32:], "little")
    corners = [signature[:32] + (scalar + order).to_bytes(32, "little")]
    corners += [point + signature[32:] for point in sorted(keys._SMALL_ORDER_POINTS)]
    corners += [(keys._FIELD_PRIME + number).to_bytes(32, "little") + signature[32:] for number in range(19)]
    es = key("es", ES256).sign(MESSAGE)
    s = int.from_bytes(es[32:], "big")
    twin = es[:32] + (keys._P256_ORDER - s).to_bytes(32, "big")
    for algorithm, name, some in (
        (ED25519, "one", corners),
        (ES256, "es", [twin, bytes(64), es[:32] + bytes(32)]),
    ):
        public = key(name, algorithm).public
        for corner in some:
            assert sound([(algorithm, public.raw)], [(0, corner, MESSAGE)]) == []
            with pytest.raises(Refused):
                public.verify(corner, MESSAGE)


@given(st.binary(min_size=32, max_size=32))
def test_libsodium_and_the_formula_know_the_same_curve(raw: bytes) -> None:
    if not keys._small_order_or_noncanonical(raw):
        assert keys._off_curve(raw) == keys._has_no_root(raw)


def test_without_libsodiums_sum_the_formula_is_asked(monkeypatch: Any) -> None:
    def unavailable(point: bytes, other: bytes) -> bytes:
        raise keys.nacl.exceptions.UnavailableError

    monkeypatch.setattr(keys.nacl.bindings, "crypto_core_ed25519_add", unavailable)
    assert public_key(ED25519, key("one").public.raw).raw == key("one").public.raw
    with pytest.raises(Malformed) as refused:
        public_key(ED25519, off_curve())
    assert refused.value.code == "E_KEY"


def test_a_signature_that_stands_shows_the_curve_and_nothing_else_does(monkeypatch: Any) -> None:
    signer = key("one")
    signature = signer.sign(MESSAGE)
    asked: list[bytes] = []
    real = keys._off_curve
    monkeypatch.setattr(keys, "_off_curve", lambda raw: asked.append(raw) or real(raw))  # type: ignore[func-returns-value]
    show_on_curve(ED25519, signer.public.raw, signature, MESSAGE + b".")
    public_key(ED25519, signer.public.raw)
    assert asked == [signer.public.raw]
    keys.forget_keys()
    show_on_curve(ED25519, signer.public.raw, signature, MESSAGE)
    show_on_curve(ED25519, signer.public.raw, signature, MESSAGE)
    public_key(ED25519, signer.public.raw)
    assert asked == [signer.public.raw]
    for raw in (off_curve(), bytes(32), b"short", min(keys._SMALL_ORDER_POINTS)):
        show_on_curve(ED25519, raw, signature, MESSAGE)
        with pytest.raises(Malformed):
            public_key(ED25519, raw)
    show_on_curve(ES256, key("es", ES256).public.raw, bytes(64), MESSAGE)
    assert len(keys._shown) == 1


def test_what_is_shown_is_forgotten_when_it_grows_too_long(monkeypatch: Any) -> None:
    monkeypatch.setattr(keys, "_SHOWN_MOST", 2)
    for name in ("one", "two", "three"):
        show_on_curve(ED25519, key(name).public.raw, key(name).sign(MESSAGE), MESSAGE)
    assert list(keys._shown) == [key("three").public.raw]


@given(st.integers(1, 2**256 - 1), st.integers(1, 2**256 - 1), st.integers(0, 31), st.integers(0, 31))
def test_the_form_for_the_library_is_the_librarys_own(r: int, s: int, fewer_r: int, fewer_s: int) -> None:
    r, s = max(1, r >> 8 * fewer_r), max(1, s >> 8 * fewer_s)
    assert keys._der(r.to_bytes(32, "big") + s.to_bytes(32, "big")) == encode_dss_signature(r, s)
