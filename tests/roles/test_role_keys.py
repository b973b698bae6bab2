"""The files of roles: what a front is given, which of them are no good, and the commands that make and take them."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from cbdc.authority import BANK, FRONT
from cbdc.errors import Refused, TengeError
from cbdc.ledger.engines import open_store
from cbdc.ports import ManualClock, SeededEntropy, SystemClock
from cbdc.record import sign
from tests.cbdc.world import START
from tests.faults.town import big_town
from tests.roles.fleet import front_key
from tests.wallets.test_cli import refused, tenge
from wallets.roles.keys import (
    FrontKey,
    institution_keys,
    kept_certificates,
    open_ledger,
    read_front_key,
    write_front_key,
)
from wallets.roles.writer import make_front

NOW = START + 1


def written(tmp_path: Path, key: FrontKey) -> Path:
    """Its file."""
    path = tmp_path / "front.key"
    write_front_key(path, key)
    return path


def test_a_file_is_read_as_it_was_written_and_is_its_owners_alone(tmp_path: Path) -> None:
    key = front_key("one")
    path = written(tmp_path, key)
    read = read_front_key(path, NOW)
    assert read.signer.public == key.signer.public
    assert (read.certificate.encode(), read.network) == (key.certificate.encode(), key.network)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(Refused, match="E_FRONT_KEY"):
        write_front_key(path, front_key("two"))
    assert read_front_key(path, NOW).signer.public == key.signer.public


BAD_CERTIFICATES = {
    "another role": ({"role": BANK}, "E_AUTHORITY"),
    "expired": ({"expires": NOW - 1}, "E_AUTHORITY_TIME"),
    "not yet": ({"not_before": NOW + 1}, "E_AUTHORITY_TIME"),
    "not by ROOT": ({"root": "bank1"}, "E_SIG"),
}


@pytest.mark.parametrize("name", list(BAD_CERTIFICATES))
def test_a_front_does_not_start_with_a_wrong_certificate(name: str, tmp_path: Path) -> None:
    changed: Any
    changed, code = BAD_CERTIFICATES[name]
    with pytest.raises(TengeError) as wrong:
        read_front_key(written(tmp_path, front_key("one", **changed)), NOW)
    assert wrong.value.code == code


def test_anothers_certificate_and_another_networks_are_no_good(tmp_path: Path) -> None:
    key = front_key("one")
    others = key._replace(certificate=front_key("two").certificate)
    with pytest.raises(TengeError, match="E_AUTHORITY"):
        read_front_key(written(tmp_path, others), NOW)
    (tmp_path / "front.key").unlink()
    foreign = sign(key.certificate.record, b"another!", big_town().world.key("root"))
    with pytest.raises(TengeError, match="E_SIG"):
        read_front_key(written(tmp_path, key._replace(certificate=foreign)), NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "tenge-front-2"},
        {"secret": "00"},
        {"secret": "zz" * 32},
        {"secret": 7},
        {"root": ""},
        {"root": "9300"},
        {"root": None},
    ],
)
def test_a_file_in_another_form_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path, front_key("one"))
    value = json.loads(path.read_text(encoding="ascii")) | change
    path.write_text(json.dumps(value), encoding="ascii")
    with pytest.raises(Refused, match="E_FRONT_KEY"):
        read_front_key(path, NOW)


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"{}", b"[" * 5_000, b" " * 20_000])
def test_what_is_no_such_file_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "front.key"
    path.write_bytes(data)
    with pytest.raises(Refused, match="E_FRONT_KEY"):
        read_front_key(path, NOW)


def test_a_writers_folder_founds_once_and_believes_the_fronts_it_made(tmp_path: Path) -> None:
    folder, clock = tmp_path / "writer", ManualClock(SystemClock().now())
    keys = institution_keys(folder, SeededEntropy(1))
    url = f"sqlite:///{folder / 'ledger.sqlite'}"
    store = open_store(url)
    ledger = open_ledger(store, keys, clock)
    network, size = ledger.network, ledger.size
    assert kept_certificates(folder, network) == []
    said = make_front(folder, "", tmp_path / "front-1.key", 30)
    assert network.hex() in said
    [certificate] = kept_certificates(folder, network)
    read = read_front_key(tmp_path / "front-1.key", clock.now())
    assert (read.certificate.encode(), read.network) == (certificate.encode(), network)
    assert (certificate.record.role, certificate.record.kid) == (FRONT, read.signer.public.kid)
    store.close()
    again = open_store(url)
    opened = open_ledger(again, institution_keys(folder, SeededEntropy(2)), clock)
    assert (opened.network, opened.size) == (network, size)
    again.close()
    (folder / "fronts" / "zz.certificate").write_text("nothing", encoding="ascii")
    with pytest.raises(Refused, match="E_FRONT_KEY"):
        kept_certificates(folder, network)


def test_another_writers_keys_certify_nobody(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    store = open_store(url)
    with pytest.raises(Refused, match="E_LEDGER_EMPTY"):
        make_front(tmp_path / "mine", url, tmp_path / "front.key", 30)
    open_ledger(store, institution_keys(tmp_path / "mine", SeededEntropy(1)), SystemClock())
    store.close()
    institution_keys(tmp_path / "other", SeededEntropy(2))
    with pytest.raises(Refused, match="E_SYSTEM_KEYS"):
        make_front(tmp_path / "other", url, tmp_path / "front.key", 30)
    assert not (tmp_path / "front.key").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--role", "writer"],
        ["--role", "front"],
        ["--role", "front", "--writer", "http://x"],
        ["--role", "front", "--front-key", "x"],
        ["--role", "front", "--writer", "http://x", "--front-key", "x", "--data", "y"],
        ["--role", "front", "--writer", "http://x", "--front-key", "x", "--store", "memory:"],
        ["--role", "writer", "--data", "y", "--class", "3"],
        ["--role", "writer", "--data", "y", "--writer", "http://x"],
        ["--writer", "http://x"],
        ["--front-key", "x"],
    ],
)
def test_a_role_has_its_own_options(arguments: list[str]) -> None:
    refused(tenge("serve", *arguments), "E_SERVE_ROLE")


def test_a_front_needs_a_file_that_is_one(tmp_path: Path) -> None:
    (tmp_path / "junk").write_text("junk", encoding="ascii")
    front = ["serve", "--role", "front", "--writer", "http://127.0.0.1:1", "--front-key"]
    refused(tenge(*front, tmp_path / "junk"), "E_FRONT_KEY")
    refused(tenge(*front, tmp_path / "nothing"), "E_FILE_USE")
    refused(tenge("front-key", tmp_path / "x", "--data", tmp_path / "w"), "E_STORE_UNAVAILABLE")
