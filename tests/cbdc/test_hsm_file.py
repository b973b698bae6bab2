"""The file of keys in a hardware module: what it may say, what is refused, and that it never shows a PIN."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import TengeError
from cbdc.hsm import PIN_FILE_VARIABLE, PIN_VARIABLE
from cbdc.hsm_file import MOST_BYTES, read_hsm_file

GOOD = """
module = "/usr/lib/module.so"
token = "tenge"
[keys]
ledger = "ledger-2026"
issuer-1 = "issuer-2026"
"""
SECRET = "8675309"


def test_a_file_says_module_token_and_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(GOOD)
    read = read_hsm_file(path)
    assert (read.module, read.token, read.pin_file) == ("/usr/lib/module.so", "tenge", "")
    assert read.keys == {"ledger": "ledger-2026", "issuer-1": "issuer-2026"}
    monkeypatch.delenv(PIN_FILE_VARIABLE, raising=False)
    monkeypatch.setenv(PIN_VARIABLE, SECRET)
    assert read.pin() == SECRET
    assert SECRET not in repr(read)


def test_the_pin_file_goes_before_the_environment_and_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = tmp_path / "pin"
    pin.touch(0o600)
    pin.write_text("1111")
    monkeypatch.setenv(PIN_VARIABLE, SECRET)
    path = tmp_path / "keys.toml"
    path.write_text(f'pin_file = "{pin.as_posix()}"\n' + GOOD)
    read = read_hsm_file(path)
    assert read.pin() == "1111"
    pin.write_text("2222\n")
    assert read.pin() == "2222"
    pin.chmod(0o644)
    with pytest.raises(TengeError, match="E_HSM_PIN"):
        read.pin()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "module",
        "\0",
        GOOD.replace('token = "tenge"', ""),
        GOOD.replace('module = "/usr/lib/module.so"', ""),
        GOOD.replace("tenge", ""),
        GOOD.replace('"tenge"', "7"),
        GOOD.replace("tenge", "a\\u0000b"),
        GOOD.replace('"ledger-2026"', "1"),
        GOOD.replace("issuer-2026", "ledger-2026"),
        GOOD.replace("issuer-1", "issuer_1"),
        GOOD.replace("issuer-1", "leger"),
        GOOD.replace("issuer-1", "bank-x"),
        GOOD.replace("ledger-2026", "x" * 129),
        GOOD.replace("ledger-2026", "x" * 127),
        GOOD.replace("issuer-2026", "ledger-2026-2"),
        GOOD.replace("ledger-2026", "issuer-2026-9"),
        GOOD + 'status = "issuer-2026-2"\n',
        GOOD + 'issuer-2 = "issuer-2026-3"\n',
        f'pin = "{SECRET}"\n' + GOOD,
        'pin_file = ""\n' + GOOD,
        'module = "m"\ntoken = "t"\n[keys]\n',
        'module = "m"\ntoken = "t"\nkeys = ["ledger"]\n',
        GOOD + "#" * MOST_BYTES,
        GOOD + GOOD,
    ],
)
def test_a_file_that_says_something_else_is_refused_and_shows_no_value(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(TengeError) as caught:
        read_hsm_file(path)
    assert (caught.value.code, caught.value.facts["file"]) == ("E_HSM_FILE", "keys.toml")
    assert SECRET not in caught.value.sentence() + repr(caught.value.facts)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", ["missing.toml", "folder", "a\0b"])
def test_no_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(TengeError, match="E_HSM_FILE"):
        read_hsm_file(tmp_path / name)


@given(st.binary(max_size=300))
def test_any_bytes_get_a_code(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keys.toml"
        path.write_bytes(data)
        with pytest.raises(TengeError, match="E_HSM_FILE"):
            read_hsm_file(path)
