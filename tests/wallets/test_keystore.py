"""The keystore: the same keys for ever, one file, and nothing said to whoever has no passphrase."""

import copy
import errno
import hashlib
import hmac
import os
import pickle
import stat
import traceback
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from cbdc import canonical
from cbdc.errors import Malformed, Refused, TengeError, Unavailable
from cbdc.keys import ED25519, ES256
from cbdc.ports import SeededEntropy, SystemEntropy
from wallets import keystore as module
from wallets.keystore import (
    MAGIC,
    MAX_MEMORY_KIB,
    STANDARD_COSTS,
    WEAK_COSTS_FOR_PILOTS,
    Costs,
    Keystore,
    change_passphrase,
    create,
    open_keystore,
    seal,
    unseal,
)

SAMPLE = Path(__file__).parent / "samples/keystore-v1.bin"
SAMPLE_PASSPHRASE = "сәлем, Алатау 2026"
WORDS = "correct horse battery staple"
CHEAP = Costs(memory_kib=8, iterations=1, lanes=1)
ENTROPY = SeededEntropy(7)
MASTER = bytes(range(32))


def _code(refused: pytest.ExceptionInfo[TengeError]) -> str:
    return refused.value.code


def _sealed(costs: Costs = CHEAP) -> bytes:
    return seal(MASTER, WORDS, ENTROPY, b"test", costs)


def _closed(whole: bytes) -> bytes:
    """A file whose closing hash fits: what a person who changes a file on purpose would write."""
    return whole + hashlib.sha256(whole).digest()


def _with_header(header: list[object], sealed: bytes = b"\0" * 51) -> bytes:
    body = canonical.encode(header)
    return _closed(MAGIC + b"\x01" + len(body).to_bytes(2, "big") + body + sealed)


# --- keys ---


def test_a_key_is_hkdf_of_its_label() -> None:
    # RFC 5869 written out with HMAC alone: extract, then one block of expand.
    extracted = hmac.digest(b"kzt-dt/keystore/v1\0key", MASTER, "sha256")
    for algorithm in (ED25519, ES256):
        info = canonical.encode(["aigerim/pay", algorithm])
        expected = hmac.digest(extracted, info + b"\x01", "sha256")
        assert Keystore(MASTER).key("aigerim/pay", algorithm).secret == expected
    assert Keystore(MASTER).key("aigerim/pay").public.raw.hex() == (
        "c21e05bc3d04cbc8b79300cceea20a0492873bed7b5c5dcec18cdcc5d9655884"
    )


def test_label_algorithm_and_master_each_change_the_key() -> None:
    keys = Keystore(MASTER)
    secrets = [
        keys.key("a").secret,
        keys.key("b").secret,
        keys.key("a", ES256).secret,
        Keystore(bytes(32)).key("a").secret,
    ]
    assert len(set(secrets)) == 4
    assert keys.key("a", ES256).public.algorithm == ES256
    assert keys.key("a").public.algorithm == ED25519
    assert keys.fingerprint != Keystore(bytes(32)).fingerprint


def test_a_derived_key_signs() -> None:
    key = Keystore(MASTER).key("shop/till 1", ES256)
    key.public.verify(key.sign(b"message"), b"message")


@pytest.mark.parametrize("label", ["", "x" * 129, "ә" * 65, "и\u0306", "\ud800"])
def test_labels_that_are_refused(label: str) -> None:
    with pytest.raises(Malformed) as refused:
        Keystore(MASTER).key(label)
    assert _code(refused) == "E_KEYSTORE_LABEL"


def test_the_longest_label_is_fine() -> None:
    assert Keystore(MASTER).key("ә" * 64).secret != Keystore(MASTER).key("ә" * 63).secret


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(Malformed) as refused:
        Keystore(MASTER).key("a", 3)
    assert _code(refused) == "E_KEY"


@pytest.mark.parametrize("master", [b"", bytes(31), bytes(33), bytearray(32), "x" * 32])
def test_a_master_secret_has_32_bytes(master: object) -> None:
    with pytest.raises(Malformed) as refused:
        Keystore(master)  # type: ignore[arg-type]
    assert _code(refused) == "E_KEYSTORE_MASTER"


# --- the file ---


def test_what_is_created_opens_with_the_same_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    made = create(path, WORDS, SystemEntropy(), costs=CHEAP)
    opened = open_keystore(path, WORDS)
    assert opened.key("a").secret == made.key("a").secret
    assert opened.costs == made.costs == CHEAP
    assert Keystore(MASTER).costs is None


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_only_its_owner_reads_the_file_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    create(path, WORDS, ENTROPY, costs=CHEAP)
    change_passphrase(path, WORDS, "other", ENTROPY, CHEAP)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["keys"]


def test_the_standard_costs_open_too() -> None:
    data = seal(MASTER, WORDS, ENTROPY, b"test")
    assert unseal(data, WORDS) == (MASTER, STANDARD_COSTS)
    assert STANDARD_COSTS.memory_kib == 64 * 1_024


def test_two_keystores_never_share_a_secret_or_a_salt(tmp_path: Path) -> None:
    one = create(tmp_path / "one", WORDS, ENTROPY, b"one", CHEAP)
    two = create(tmp_path / "two", WORDS, ENTROPY, b"two", CHEAP)
    assert one.fingerprint != two.fingerprint
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 2


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    for thing in ("file", "folder", "broken link"):
        target = path.with_suffix(f".{thing[0]}{thing[1]}")
        if thing == "file":
            target.write_bytes(b"mine")
        elif thing == "folder":
            target.mkdir()
        else:
            target.symlink_to(tmp_path / "nowhere")
        with pytest.raises(Refused) as refused:
            create(target, WORDS, ENTROPY, costs=CHEAP)
        assert _code(refused) == "E_KEYSTORE_EXISTS"
    assert path.with_suffix(".fi").read_bytes() == b"mine"


def test_a_file_that_appears_in_between_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys"
    path.write_bytes(b"mine")
    monkeypatch.setattr("wallets.keystore.os.path.lexists", lambda path: False)
    with pytest.raises(Refused) as refused:
        create(path, WORDS, ENTROPY, costs=CHEAP)
    assert _code(refused) == "E_KEYSTORE_EXISTS"
    assert path.read_bytes() == b"mine"
    assert os.listdir(tmp_path) == ["keys"]


def _no_links(source: str, target: Path) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def test_a_file_system_without_links_works_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wallets.keystore.os.link", _no_links)
    path = tmp_path / "keys"
    create(path, WORDS, ENTROPY, costs=CHEAP)
    assert open_keystore(path, WORDS).costs == CHEAP
    seen = iter([False, True])
    monkeypatch.setattr("wallets.keystore.os.path.lexists", lambda path: next(seen))
    with pytest.raises(Refused) as refused:
        create(path, WORDS, ENTROPY, b"second", CHEAP)
    assert _code(refused) == "E_KEYSTORE_EXISTS"


def test_a_new_passphrase_keeps_the_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    made = create(path, WORDS, ENTROPY, costs=CHEAP)
    before = path.read_bytes()
    changed = change_passphrase(path, WORDS, "new words", ENTROPY, WEAK_COSTS_FOR_PILOTS)
    assert changed.fingerprint == open_keystore(path, "new words").fingerprint == made.fingerprint
    assert changed.costs == WEAK_COSTS_FOR_PILOTS
    with pytest.raises(Refused) as refused:
        open_keystore(path, WORDS)
    assert _code(refused) == "E_KEYSTORE_PASSPHRASE"
    header = canonical.decode(before[18 : 18 + before[17]])
    again = canonical.decode(path.read_bytes()[18 : 18 + path.read_bytes()[17]])
    assert isinstance(header, list)
    assert isinstance(again, list)
    assert header[4] != again[4], "a new salt, even from seeded entropy"


def test_a_wrong_passphrase_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    create(path, WORDS, ENTROPY, costs=CHEAP)
    before = path.read_bytes()
    with pytest.raises(Refused):
        change_passphrase(path, "wrong", "new", ENTROPY, CHEAP)
    assert path.read_bytes() == before


def test_a_crash_before_the_rename_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys"
    create(path, WORDS, ENTROPY, costs=CHEAP)

    def dies(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("wallets.keystore.os.fsync", dies)
    with pytest.raises(KeyboardInterrupt):
        change_passphrase(path, WORDS, "new", ENTROPY, CHEAP)
    assert open_keystore(path, WORDS).costs == CHEAP
    assert os.listdir(tmp_path) == ["keys"]


def test_no_folder_sync_where_folders_cannot_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    monkeypatch.setattr("wallets.keystore.os.name", "nt")
    monkeypatch.setattr("wallets.keystore.os.open", lambda path, flags: opened.append(path))
    module._make_name_durable(tmp_path)
    assert opened == []


@pytest.mark.parametrize("spelled", ["сәлем", "се\u0301лем ﬁ", "", "пароль \udcff"])
def test_every_text_is_a_passphrase(spelled: str) -> None:
    data = seal(MASTER, spelled, ENTROPY, b"test", CHEAP)
    assert unseal(data, spelled)[0] == MASTER


def test_two_spellings_of_one_passphrase_open() -> None:
    data = seal(MASTER, "и\u0306 ﬁ", ENTROPY, b"test", CHEAP)
    assert unseal(data, "й fi")[0] == MASTER


# --- files that are refused ---


def test_a_missing_file_a_folder_and_a_strange_name(tmp_path: Path) -> None:
    for path, code in (
        (tmp_path / "none", "E_KEYSTORE_MISSING"),
        (tmp_path, "E_KEYSTORE_DAMAGED"),
        (tmp_path / "a\0b", "E_KEYSTORE_FILE"),
        (tmp_path / ("x" * 300), "E_KEYSTORE_FILE"),
    ):
        with pytest.raises(TengeError) as refused:
            open_keystore(path, WORDS)
        assert _code(refused) == code, path


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as refused:
        create(tmp_path / "no/such/keys", WORDS, ENTROPY, costs=CHEAP)
    assert _code(refused) == "E_KEYSTORE_FILE"
    assert refused.value.facts["detail"] == "No such file or directory"


def test_every_cut_and_every_flipped_bit_is_damage() -> None:
    data = _sealed()
    spoiled = [data[:length] for length in range(len(data))]
    spoiled += [data + b"\0"]
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        spoiled.append(bytes(changed))
    for bad in spoiled:
        with pytest.raises(Malformed) as refused:
            unseal(bad, WORDS)
        assert _code(refused) == "E_KEYSTORE_DAMAGED"


@given(st.binary(max_size=300))
def test_noise_is_damage(noise: bytes) -> None:
    for data in (noise, MAGIC + noise, _closed(noise), _closed(MAGIC + b"\x01" + noise)):
        with pytest.raises(TengeError) as refused:
            unseal(data, WORDS)
        assert _code(refused) == "E_KEYSTORE_DAMAGED"


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    with path.open("wb") as file:
        file.write(MAGIC)
        file.truncate(1 << 30)
    with pytest.raises(Malformed) as refused:
        open_keystore(path, WORDS)
    assert _code(refused) == "E_KEYSTORE_DAMAGED"


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_named(version: int) -> None:
    data = _sealed()
    with pytest.raises(Malformed) as refused:
        unseal(_closed(MAGIC + bytes([version]) + data[16:-32]), WORDS)
    assert _code(refused) == "E_KEYSTORE_VERSION"
    assert refused.value.facts == {"version": version, "expected": 1}


@pytest.mark.parametrize("place", range(15, len(_sealed()) - 32))
def test_a_file_changed_on_purpose_never_opens(place: int) -> None:
    whole = bytearray(_sealed()[:-32])
    whole[place] ^= 1
    with pytest.raises(TengeError) as refused:
        unseal(_closed(bytes(whole)), WORDS)
    assert _code(refused) in {
        "E_KEYSTORE_PASSPHRASE",
        "E_KEYSTORE_DAMAGED",
        "E_KEYSTORE_VERSION",
        "E_KEYSTORE_COSTS",
    }


@pytest.mark.parametrize(
    "header",
    [
        [],
        [1, 8, 1, 1, bytes(16), 1],
        [1, 8, 1, 1, bytes(15), 1, bytes(12)],
        [1, 8, 1, 1, bytes(16), 1, bytes(13)],
        [1, b"8", 1, 1, bytes(16), 1, bytes(12)],
        [2, 8, 1, 1, bytes(16), 1, bytes(12)],
        [1, 8, 1, 1, bytes(16), 2, bytes(12)],
    ],
)
def test_a_header_that_says_nothing_is_damage(header: list[object]) -> None:
    with pytest.raises(Malformed) as refused:
        unseal(_with_header(header), WORDS)
    assert _code(refused) == "E_KEYSTORE_DAMAGED"


@pytest.mark.parametrize(
    ("memory_kib", "iterations", "lanes"),
    [
        (MAX_MEMORY_KIB + 1, 1, 1),
        (2**53 - 1, 1, 1),
        (8, 9, 1),
        (8, 2**32, 1),
        (MAX_MEMORY_KIB, 1, 9),
        (7, 1, 1),
        (15, 1, 2),
        (0, 1, 1),
        (8, 0, 1),
        (8, 1, 0),
    ],
)
def test_hostile_costs_are_refused_before_they_are_paid(
    memory_kib: int, iterations: int, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: object, **named: object) -> None:
        raise AssertionError("the costs were not bounded")

    monkeypatch.setattr("wallets.keystore.Argon2id", never)
    with pytest.raises(Refused) as refused:
        unseal(_with_header([1, memory_kib, iterations, lanes, bytes(16), 1, bytes(12)]), WORDS)
    assert _code(refused) == "E_KEYSTORE_COSTS"
    with pytest.raises(Refused) as refused:
        seal(MASTER, WORDS, ENTROPY, b"test", Costs(memory_kib, iterations, lanes))
    assert _code(refused) == "E_KEYSTORE_COSTS"


@pytest.mark.parametrize("content", [[], [bytes(31)], [MASTER, MASTER], b"\x91"])
def test_a_content_that_is_no_secret_is_damage(content: object) -> None:
    header = canonical.encode([1, 8, 1, 1, bytes(16), 1, bytes(12)])
    prefix = MAGIC + b"\x01" + len(header).to_bytes(2, "big") + header
    key = module._stretch(WORDS, bytes(16), CHEAP)
    plain = content if isinstance(content, bytes) else canonical.encode(content)
    data = _closed(prefix + ChaCha20Poly1305(key).encrypt(bytes(12), plain, prefix))
    with pytest.raises(Malformed) as refused:
        unseal(data, WORDS)
    assert _code(refused) == "E_KEYSTORE_DAMAGED"


def test_a_machine_without_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Starved:
        def __init__(self, **named: object) -> None:
            pass

        def derive(self, passphrase: bytes) -> bytes:
            raise MemoryError

    monkeypatch.setattr("wallets.keystore.Argon2id", Starved)
    with pytest.raises(Unavailable) as refused:
        _sealed()
    assert _code(refused) == "E_KEYSTORE_MEMORY"


# --- nobody is told ---


def test_no_secret_is_shown_pickled_or_copied() -> None:
    keys = Keystore(MASTER)
    shown = f"{keys!r} {keys} {keys.fingerprint}"
    assert MASTER.hex() not in shown
    assert shown.startswith("Keystore(")
    assert not hasattr(keys, "__dict__")
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="never pickled"):
            attempt(keys)


@pytest.mark.parametrize("data", [_sealed(), _sealed()[:-1], _with_header([])])
def test_a_refusal_holds_neither_passphrase_nor_key(data: bytes) -> None:
    passphrase = " ".join(["my", "secret", "words"])
    with pytest.raises(TengeError) as refused:
        unseal(data, passphrase)
    told = "".join(traceback.format_exception(refused.value)) + repr(refused.value.facts)
    assert passphrase not in told
    assert MASTER.hex() not in told
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


# --- what users have must open for ever ---


def test_the_sample_of_version_1_opens() -> None:
    keys = open_keystore(SAMPLE, SAMPLE_PASSPHRASE)
    assert keys.fingerprint == "66136fb88997f499"
    assert keys.costs == WEAK_COSTS_FOR_PILOTS
    assert keys.key("aigerim/pay").public.raw.hex() == (
        "e8e971808e7fb217b4bedd15b5d8aeb2d17b688511d5b9dd108ac28fa01bdb1f"
    )
    assert keys.key("aigerim/pay", ES256).public.raw.hex() == (
        "031b6eb7b35abd31a4935ec29461775112686ba3f667fb9dfd629f905888f32b6a"
    )
