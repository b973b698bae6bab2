"""Cases Z3 to Z6 on the code of exercise 14: blind signatures, and coins that name their double spender.

The code is for teaching and no part of DTO/1; the cases are shown on it all the same. Every test has fixed seeds, so a
bound that holds once holds always; it says how unlikely another outcome would be.
"""

import json
import random
import sys
from collections.abc import Callable
from math import comb, isqrt
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.exercises.answers import solution
from tests.house.tree import ROOT
from wallets.exercises.labs import find_lab
from wallets.exercises.pupil import _load

LAB = find_lab("blind-coins")
VECTOR: dict[str, Any] = json.loads((ROOT / "tests/vectors/blind_rsa.json").read_text(encoding="utf-8"))
SHUFFLES = 1_000


@pytest.fixture(scope="module")
def lab() -> Any:
    """The lab's own modules by name, importable as they are in a student's folder."""
    known = set(sys.modules)
    sys.path.insert(0, str(LAB.folder))
    try:
        yield lambda name: __import__(name)
    finally:
        sys.path.remove(str(LAB.folder))
        for name in set(sys.modules) - known:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(LAB.folder)):
                del sys.modules[name]


Modules = Callable[[str], Any]


@pytest.fixture(scope="module")
def right(lab: Modules) -> ModuleType:
    """The solution's three parties."""
    lab("named_coins")
    return _load(solution(LAB))


def _bytes(name: str) -> bytes:
    return bytes.fromhex(VECTOR[name])


def _key() -> rsa.RSAPrivateKey:
    p, q, e = int(VECTOR["p"], 16), int(VECTOR["q"], 16), VECTOR["e"]
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPublicNumbers(e, p * q)
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), numbers).private_key()


# --- Z3 ---


def test_z3_the_vectors_of_rfc_9474(lab: Modules) -> None:
    blinding = lab("blinding")
    secret = blinding.secret_of(_key())
    n = secret.public[0]
    prepared = blinding.prepare(_bytes("msg"), _bytes("msg_prefix"))
    factor = pow(int(VECTOR["inv"], 16), -1, n)
    blinded, inverse = blinding.blind(secret.public, prepared, _bytes("salt"), factor)
    assert blinded == _bytes("blinded_msg")
    assert inverse == int(VECTOR["inv"], 16)
    signed = blinding.blind_sign(secret, blinded)
    assert signed == _bytes("blind_sig")
    assert blinding.finalize(secret.public, prepared, signed, inverse) == _bytes("sig")
    blinding.check(secret.public, prepared, _bytes("sig"))


def test_z3_a_tampered_blind_signature_is_refused(lab: Modules) -> None:
    blinding = lab("blinding")
    secret = blinding.secret_of(_key())
    prepared, inverse = _bytes("msg_prefix") + _bytes("msg"), int(VECTOR["inv"], 16)
    for place in (0, 200, 511):
        signed, asked = bytearray(_bytes("blind_sig")), bytearray(_bytes("blinded_msg"))
        signed[place] ^= 1
        asked[place] ^= 1
        with pytest.raises(blinding.BlindFailure, match="invalid signature"):
            blinding.finalize(secret.public, prepared, bytes(signed), inverse)
        other = blinding.blind_sign(secret, bytes(asked))  # the signer cannot see it; the client does
        with pytest.raises(blinding.BlindFailure, match="invalid signature"):
            blinding.finalize(secret.public, prepared, other, inverse)
    with pytest.raises(blinding.BlindFailure, match="invalid signature"):
        blinding.finalize(secret.public, prepared + b"!", _bytes("blind_sig"), inverse)
    with pytest.raises(blinding.BlindFailure, match="unexpected input size"):
        blinding.finalize(secret.public, prepared, _bytes("blind_sig")[1:], inverse)


def test_z3_a_number_not_below_the_modulus_is_refused(lab: Modules) -> None:
    blinding = lab("blinding")
    secret = blinding.secret_of(_key())
    n = secret.public[0]
    for number in (n, n + 1, (1 << 4096) - 1):
        with pytest.raises(blinding.BlindFailure, match="out of range"):
            blinding.blind_sign(secret, number.to_bytes(512, "big"))
    with pytest.raises(blinding.BlindFailure, match="unexpected input size"):
        blinding.blind_sign(secret, b"\0" + _bytes("blinded_msg"))


def test_z3_another_key_and_a_wrong_factor_are_refused(lab: Modules) -> None:
    blinding = lab("blinding")
    secret, other = (lab("mint_keys").KEYS[name] for name in ("Almaty", "Taraz"))
    prepared, salt = _bytes("msg_prefix") + _bytes("msg"), _bytes("salt")
    factor = min(secret.public[0], other.public[0]) // 3
    blinded, inverse = blinding.blind(secret.public, prepared, salt, factor)
    for key, unblinder in ((other, inverse), (secret, inverse + 1)):
        number = int.from_bytes(blinded, "big") % key.public[0]
        signed = blinding.power(key, number).to_bytes(256, "big")
        with pytest.raises(blinding.BlindFailure, match="invalid signature"):
            blinding.finalize(secret.public, prepared, signed, unblinder)
    for bad in (0, secret.p, secret.public[0]):
        with pytest.raises(blinding.BlindFailure, match="blinding error"):
            blinding.blind(secret.public, prepared, salt, bad)


def test_z3_a_slip_of_the_signer_is_not_handed_out(lab: Modules) -> None:
    blinding = lab("blinding")
    secret = lab("mint_keys").KEYS["Semey"]
    broken = blinding.Secret(secret.p, secret.q, secret.e, secret.dmp1, secret.dmq1 ^ 2, secret.iqmp)
    with pytest.raises(blinding.BlindFailure, match="signing failure"):
        blinding.power(broken, 123_456_789)


# --- Z4 ---


def _jacobi(number: int, n: int) -> int:
    """1 or -1 (0 never occurs here): what a signer can compute of any number without the factors."""
    result = 1
    number %= n
    while number:
        while number % 2 == 0:
            number //= 2
            if n % 8 in {3, 5}:
                result = -result
        number, n = n, number
        if number % 4 == n % 4 == 3:
            result = -result
        number %= n
    return result if n == 1 else 0


Scored = list[list[int]]


def _scores(lab: Modules, wallet: str, coins: int = 30) -> dict[str, Scored]:
    """What a signer can hold against each other: for each statistic, a score of every transcript with every coin.

    Transcript `j` belongs to coin `j`; the wallet is "good", "square" (every factor is a square) or "same" (one factor
    for all).
    """
    blinding = lab("blinding")
    secret = lab("mint_keys").KEYS["Almaty"]
    n = secret.public[0]
    chance = random.Random(f"Z4 {wallet}")
    one = chance.randrange(2, n)
    seen: list[tuple[int, int]] = []
    spent: list[tuple[int, int]] = []
    for _ in range(coins):
        factor = {"good": chance.randrange(2, n), "same": one, "square": chance.randrange(2, n) ** 2 % n}[
            wallet
        ]
        prepared = blinding.prepare(chance.randbytes(32), chance.randbytes(32))
        blinded, inverse = blinding.blind(secret.public, prepared, chance.randbytes(48), factor)
        signed = blinding.blind_sign(secret, blinded)
        signature = blinding.finalize(secret.public, prepared, signed, inverse)
        seen.append((int.from_bytes(blinded, "big"), int.from_bytes(signed, "big")))
        number = blinding.encoded_number(secret.public, signature)
        spent.append((number, int.from_bytes(signature, "big")))

    def table(score: Callable[[tuple[int, int], tuple[int, int]], int]) -> Scored:
        return [[score(saw, coin) for coin in spent] for saw in seen]

    quotients = table(lambda saw, coin: saw[0] * pow(coin[0], -1, n) % n)
    flat = [quotient for row in quotients for quotient in row]
    signs = [(_jacobi(saw[0], n), _jacobi(coin[0], n)) for saw, coin in zip(seen, spent, strict=True)]
    return {
        "bits of the numbers": table(lambda saw, coin: -(saw[0] ^ coin[0]).bit_count()),
        "bits of the signatures": table(lambda saw, coin: -(saw[1] ^ coin[1]).bit_count()),
        "nearness": table(lambda saw, coin: -abs(saw[0] - coin[0])),
        "low bytes": table(lambda saw, coin: -((saw[0] ^ coin[0]) & 0xFFFF).bit_count()),
        "repeated quotients": [[flat.count(one) - 1 for one in row] for row in quotients],
        "Jacobi symbols": [[int(saw[0] == coin[1]) for coin in signs] for saw in signs],
    }


def _better_than(scores: Scored) -> int:
    """How many of 1 000 random matchings score less than the true one."""
    size = len(scores)
    true = sum(scores[place][place] for place in range(size))
    chance = random.Random(2026)
    shuffles = (chance.sample(range(size), size) for _ in range(SHUFFLES))
    return sum(
        sum(scores[place][other] for place, other in enumerate(matching)) < true for matching in shuffles
    )


def _guessed(scores: Scored) -> int:
    """For how many transcripts the coin with the highest score is the true one."""
    return sum(row.index(max(row)) == place for place, row in enumerate(scores))


def test_z4_the_transcript_says_nothing_about_the_coins(lab: Modules) -> None:
    """The true matching is an ordinary one among 1 000 shuffles, and the best guess is right as often as by chance.

    Six statistics. Blinding being perfect, the true matching beats 995 of 1 000 with chance 1 in 200; of 30 coins one
    is guessed rightly, and more than 5 with chance 1 in 1 700. The seeds are fixed.
    """
    for name, scores in _scores(lab, "good").items():
        assert _better_than(scores) < SHUFFLES - 5, name
        assert _guessed(scores) <= 5, name


def test_z4_every_coin_can_be_of_every_transcript(lab: Modules) -> None:
    """For every pair there is one factor that explains it: the transcript rules out nothing."""
    blinding, secret = lab("blinding"), lab("mint_keys").KEYS["Taraz"]
    n, e = secret.public
    chance = random.Random(4)
    rows = []
    for _ in range(8):
        prepared = blinding.prepare(b"coin", chance.randbytes(32))
        blinded, inverse = blinding.blind(
            secret.public, prepared, chance.randbytes(48), chance.randrange(2, n)
        )
        signed = blinding.blind_sign(secret, blinded)
        rows.append((blinded, signed, prepared, blinding.finalize(secret.public, prepared, signed, inverse)))
    for blinded, signed, *_ in rows:
        for _, _, prepared, signature in rows:
            factor = int.from_bytes(signed, "big") * pow(int.from_bytes(signature, "big"), -1, n) % n
            number = blinding.encoded_number(secret.public, signature)
            assert number * pow(factor, e, n) % n == int.from_bytes(blinded, "big")
            assert blinding.finalize(secret.public, prepared, signed, pow(factor, -1, n)) == signature


@pytest.mark.parametrize(
    ("wallet", "seen_by"), [("same", "repeated quotients"), ("square", "Jacobi symbols")]
)
def test_z4_a_careless_wallet_is_seen(lab: Modules, wallet: str, seen_by: str) -> None:
    assert _better_than(_scores(lab, wallet)[seen_by]) == SHUFFLES


# --- Z5 ---


def _names(right: ModuleType, tricks: Any, *deposits: Any) -> tuple[str, bytes]:
    *seen, last = deposits
    found: tuple[str, bytes] = right.settle(tricks.public, tricks.customers, seen, last)
    return found


def test_z5_two_challenges_name_the_holder_and_one_does_not(lab: Modules, right: ModuleType) -> None:
    for seed in range(6):
        tricks = lab("coin_tricks").Tricks(seed)
        identity = tricks.customers[seed % len(tricks.customers)]
        purse = tricks.purse([identity] * 16)
        first, second = tricks.twice(purse)
        assert _names(right, tricks, first) == ("credit", b"")
        assert _names(right, tricks, first, second) == ("cheat", identity)
        assert _names(right, tricks, first, first) == ("replay", b"")
        again, same = tricks.twice(tricks.purse([identity] * 16), [0] * 16)
        assert _names(right, tricks, again, same) == ("replay", b"")


def test_z5_honest_coins_are_never_named_together(lab: Modules, right: ModuleType) -> None:
    tricks = lab("coin_tricks").Tricks(5)
    seen: list[Any] = []
    for _ in range(12):
        deposit = tricks.deposit(tricks.purse())
        assert _names(right, tricks, *seen, deposit) == ("credit", b"")
        seen.append(deposit)
    for paid in tricks.payments():
        with pytest.raises(right.Refused):
            _names(right, tricks, *seen, paid.deposit)


# --- Z6 ---


@pytest.mark.parametrize("planted", [1, 2, 4])
def test_z6_a_planted_identity_is_caught_at_the_expected_rate(
    lab: Modules, right: ModuleType, planted: int
) -> None:
    """200 withdrawals: the number caught lies within four standard deviations (missed 1 time in 16 000 by chance)."""
    tricks = lab("coin_tricks").Tricks(60 + planted)
    withdrawal = lab("coin_tricks").Withdrawal(tricks)
    rounds, caught = 200, 0
    for _ in range(rounds):
        blinded, opener = withdrawal.planted(tricks.chance.sample(range(32), planted))
        try:
            right.cut(tricks.public, withdrawal.identity, blinded, tricks.chance.randbytes(32), opener)
        except right.Refused:
            caught += 1
    escapes, ways = comb(32 - planted, 16), comb(32, 16)
    expected = rounds * (ways - escapes)
    variance = rounds * (ways - escapes) * escapes  # times ways squared
    assert abs(caught * ways - expected) <= 4 * isqrt(variance)


def test_z6_all_pairs_false_escape_once_in_six_hundred_million(right: ModuleType) -> None:
    assert right.escape_chance(32, 16, 16) == (1, 601_080_390)
    assert right.escape_chance(32, 16, 17)[0] == 0


def test_z6_what_was_opened_is_never_in_the_coin(lab: Modules, right: ModuleType) -> None:
    tricks = lab("coin_tricks").Tricks(6)
    withdrawal = lab("coin_tricks").Withdrawal(tricks)
    for _ in range(5):
        blinded, opener = withdrawal.planted(())
        signed = right.cut(tricks.public, withdrawal.identity, blinded, tricks.chance.randbytes(32), opener)
        assert sorted([*signed, *opener.asked[0]]) == list(range(32))
