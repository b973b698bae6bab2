"""Keys and signatures: both libraries agree where the rule lets them, and the rule decides where they do not."""

from typing import Any

import nacl.bindings
import nacl.exceptions
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc import keys
from cbdc.errors import Malformed, Refused, TengeError
from cbdc.keys import ED25519, ES256, SoftwareKey, check_quorum, key_id, public_key
from tests.offline.world import fixed_key
from tests.vectors import edwards
from tests.vectors.case import load

VECTORS = load("keys")["cases"]
ALGORITHMS = pytest.mark.parametrize("algorithm", [ED25519, ES256])
SECRETS = st.binary(min_size=32, max_size=32)


def _openssl_takes(key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _sodium_takes(key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        nacl.bindings.crypto_sign_open(signature + message, key)
    except (nacl.exceptions.BadSignatureError, ValueError):
        return False
    return True


def _rule_takes(algorithm: int, key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        public_key(algorithm, key).verify(signature, message)
    except TengeError:
        return False
    return True


ED25519_SIGNATURES = [one for one in VECTORS if one["check"] == "signature" and one["algorithm"] == ED25519]


@pytest.mark.parametrize("one", ED25519_SIGNATURES, ids=lambda one: one["id"])
def test_both_libraries_agree_within_the_rule(one: dict[str, Any]) -> None:
    """What the rule takes both take; what either refuses the rule refuses. Only small order divides the two."""
    key, message, signature = (bytes.fromhex(one[name]) for name in ("key", "message", "bytes"))
    taken = _rule_takes(ED25519, key, signature, message)
    assert taken == (one["expect"] == "ok")
    both = (_openssl_takes(key, signature, message), _sodium_takes(key, signature, message))
    if taken:
        assert both == (True, True)
    if both[0] != both[1]:
        assert "neutral" in one["id"], "a small-order R: OpenSSL takes it, libsodium and the rule do not"


def test_openssl_alone_would_take_a_key_that_fits_every_message() -> None:
    """The reason for E_KEY: under the neutral key R = B, S = 1 verifies whatever the message says."""
    neutral = edwards.encode(edwards.NEUTRAL)
    universal = edwards.encode(edwards.BASE) + (1).to_bytes(32, "little")
    for message in (b"one", b"two"):
        assert _openssl_takes(neutral, universal, message)
        assert not _sodium_takes(neutral, universal, message)
        assert not _rule_takes(ED25519, neutral, universal, message)


def test_all_eight_small_points_are_built_and_refused() -> None:
    points = edwards.small_points()
    assert len({edwards.encode(point) for point in points}) == 8
    for point in points:
        assert edwards.times(8, point) == edwards.NEUTRAL
        assert not nacl.bindings.crypto_core_ed25519_is_valid_point(edwards.encode(point))
        with pytest.raises(Malformed, match="E_KEY"):
            public_key(ED25519, edwards.encode(point))


@given(SECRETS, st.binary(max_size=200))
@settings(max_examples=40)
def test_ordinary_signatures_are_the_same_everywhere(secret: bytes, message: bytes) -> None:
    key = SoftwareKey(ED25519, secret)
    signature = key.sign(message)
    pair = nacl.bindings.crypto_sign_seed_keypair(secret)
    assert pair[0] == key.public.raw
    assert nacl.bindings.crypto_sign(message, pair[1])[:64] == signature
    assert _openssl_takes(key.public.raw, signature, message)
    assert edwards.encode(edwards.times(edwards.secret_scalar(secret), edwards.BASE)) == key.public.raw


@ALGORITHMS
@given(data=st.data())
@settings(max_examples=25)
def test_a_signature_fits_one_key_and_one_message(algorithm: int, data: st.DataObject) -> None:
    secret, other = data.draw(SECRETS), data.draw(SECRETS)
    message = data.draw(st.binary(max_size=80))
    key = SoftwareKey(algorithm, secret)
    signature = key.sign(message)
    key.public.verify(signature, message)
    assert len(signature) == keys.SIGNATURE_BYTES
    assert signature == SoftwareKey(algorithm, secret).sign(message), "deterministic"
    with pytest.raises(Refused, match="E_SIG"):
        key.public.verify(signature, message + b"\0")
    place = data.draw(st.integers(0, 511))
    bent = bytearray(signature)
    bent[place // 8] ^= 1 << place % 8
    with pytest.raises(Refused, match="E_SIG"):
        key.public.verify(bytes(bent), message)
    if other != secret:
        with pytest.raises(Refused, match="E_SIG"):
            SoftwareKey(algorithm, other).public.verify(signature, message)


@given(st.binary(max_size=70), st.binary(max_size=40))
def test_any_bytes_are_refused_by_a_code(raw: bytes, message: bytes) -> None:
    for algorithm in (0, ED25519, ES256, 3, 255):
        try:
            key = public_key(algorithm, raw)
        except Malformed:
            continue
        with pytest.raises(Refused, match="E_SIG"):
            key.verify(raw[:32] * 2, message)


@given(st.binary(min_size=32, max_size=32))
def test_the_rule_for_keys_is_that_of_libsodium_but_for_mixed_order(raw: bytes) -> None:
    """Sodium also wants the main subgroup; otherwise it and the rule say the same of every 32 bytes."""
    try:
        public_key(ED25519, raw)
        taken = True
    except Malformed:
        taken = False
    assert not nacl.bindings.crypto_core_ed25519_is_valid_point(raw) or taken
    wide = int.from_bytes(raw, "little")
    y, odd = wide & (2**255 - 1), wide >> 255
    point = edwards.decode(y, odd) if y < edwards.PRIME else None
    assert taken == (point is not None and edwards.times(8, point) != edwards.NEUTRAL)


@ALGORITHMS
def test_a_software_key(algorithm: int) -> None:
    key = fixed_key("a key", algorithm)
    assert key.secret == fixed_key("a key", algorithm).secret
    assert key.public.kid == key_id(algorithm, key.public.raw) == public_key(algorithm, key.public.raw).kid
    assert len(key.public.raw) == keys.KEY_BYTES[algorithm]
    assert key.secret.hex() not in repr(key)
    assert key.public.kid.hex()[:16] in repr(key)


def test_the_algorithm_is_in_the_key_id() -> None:
    assert key_id(1, bytes(32)) != key_id(2, bytes(32))


@pytest.mark.parametrize(
    ("algorithm", "secret"), [(0, bytes(32)), (3, bytes(32)), (1, bytes(31)), (2, bytes(33))]
)
def test_no_key_from_the_wrong_secret(algorithm: int, secret: bytes) -> None:
    with pytest.raises(Malformed, match="E_KEY"):
        SoftwareKey(algorithm, secret)


@ALGORITHMS
def test_a_broken_signer_is_noticed(algorithm: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature is verified before it is handed out: a fault while signing must not leak the key."""
    key = fixed_key("a key", algorithm)
    monkeypatch.setattr(key, "_public", fixed_key("another", algorithm).public)
    with pytest.raises(Refused, match="E_SIG"):
        key.sign(b"message")


def test_quorum() -> None:
    one, two, three, stranger = (fixed_key(name).public.kid for name in ("1", "2", "3", "4"))
    officers = frozenset({one, two, three})
    check_quorum(2, officers, [one, two])
    check_quorum(2, officers, [three, one, two])
    check_quorum(0, officers, [])
    with pytest.raises(Refused, match="E_QUORUM:") as refusal:
        check_quorum(2, officers, [one, stranger])
    assert refusal.value.facts == {"present": 1, "needed": 2}
    with pytest.raises(Refused, match="E_QUORUM:"):
        check_quorum(1, officers, [])
    with pytest.raises(Refused, match="E_QUORUM_DUPLICATE"):
        check_quorum(2, officers, [one, one])


# --- what a process remembers ---


@ALGORITHMS
def test_only_the_very_same_question_is_remembered(algorithm: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A yes answers its own key, signature and message; whatever differs in one of them is computed, and refused."""
    keys.forget_verified()
    key, other = fixed_key("a key", algorithm), fixed_key("another", algorithm)
    signature = key.sign(b"message")
    asked: list[bytes] = []
    for name in ("_verify_ed25519", "_verify_es256"):
        really = getattr(keys, name)
        monkeypatch.setattr(keys, name, lambda *q, really=really: (asked.append(q[2]), really(*q)))
    key.public.verify(signature, b"message")
    assert asked == []
    for public, one, message in (
        (other.public, signature, b"message"),
        (key.public, other.sign(b"message"), b"message"),
        (key.public, signature, b"massage"),
    ):
        for _ in range(2):
            with pytest.raises(Refused, match="E_SIG"):
                public.verify(one, message)
    # `other.sign` verified its own; each refusal was computed both times it was asked.
    assert asked == [*[b"message"] * 2, *[b"message"] * 3, *[b"massage"] * 2]
    keys.forget_verified()
    key.public.verify(signature, b"message")
    assert asked[-1] == b"message"


def test_the_memory_is_bounded() -> None:
    keys.forget_verified()
    for number in range(keys._SOUND_MOST + 1):
        keys._remember((keys.ED25519, b"", b"", number.to_bytes(4, "big")))
    assert len(keys._sound) == keys._SOUND_MOST // 2 + 1
    assert (keys.ED25519, b"", b"", bytes(4)) not in keys._sound
    keys.forget_verified()
    assert not keys._sound


@given(SECRETS, st.binary(max_size=200), st.integers(0, 95), st.booleans())
def test_the_two_ways_to_the_library_say_the_same(
    secret: bytes, message: bytes, place: int, touched: bool
) -> None:
    key = SoftwareKey(ED25519, secret)
    wire = bytearray(key.sign(message) + key.public.raw)
    wire[place] ^= touched
    signature, raw = bytes(wire[:64]), bytes(wire[64:])
    asked = [(signature + message, raw), (signature[:40], raw), (b"", raw), (signature + message + b"x", raw)]
    expected = [not touched, False, False, False]
    assert [keys._opens_by_binding(*one) for one in asked] == expected
    assert [keys._opens_at_once(*one) for one in asked] == expected
    assert not keys._opens_at_once(signature + message, raw[:31])
