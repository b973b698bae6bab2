"""The list of what the wallet keeps: whole, without strangers, and with a version that follows from the bytes."""

import hashlib
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.site.visitor import Visitor, opened
from wallets.site.wallet_list import wallet_list

STATIC = ROOT / "wallets/site/static"
TEXTS = {"/wallet/text/en.json": b"{}"}
_IMPORT = re.compile(r'(?:from|import)\s*\(?\s*"(\.{1,2}/[^"]+)"')


def small(folder: Path) -> Path:
    for name, text in {
        "wallet/index.html": "page",
        "wallet/app.js": "app",
        "wallet/sw.js": "worker",
        "wallet/refusals/kk.json": "{}",
        "device/device.js": "device",
        "vendor/qrcode-generator/qrcode.js": "codes",
        "vendor/qrcode-generator/LICENSE": "licence",
        "vendor/zxing-wasm/reader/index.js": "reader",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_what_comes_first_and_what_later(tmp_path: Path) -> None:
    found = wallet_list(small(tmp_path), TEXTS)
    assert found["first"] == {
        "/wallet/": hashlib.sha256(b"page").hexdigest(),
        "/static/wallet/app.js": hashlib.sha256(b"app").hexdigest(),
        "/static/vendor/qrcode-generator/qrcode.js": hashlib.sha256(b"codes").hexdigest(),
    }
    later = found["later"]
    assert isinstance(later, dict)
    assert set(later) == {
        "/wallet/text/en.json",
        "/static/wallet/refusals/kk.json",
        "/static/device/device.js",
        "/static/vendor/zxing-wasm/reader/index.js",
    }


@pytest.mark.parametrize("name", ["wallet/app.js", "wallet/index.html", "device/device.js"])
def test_a_changed_file_is_another_version(tmp_path: Path, name: str) -> None:
    before = wallet_list(small(tmp_path), TEXTS)["version"]
    assert wallet_list(tmp_path, TEXTS)["version"] == before
    (tmp_path / name).write_text("another text", encoding="utf-8")
    assert wallet_list(tmp_path, TEXTS)["version"] != before


def test_changed_words_are_another_version(tmp_path: Path) -> None:
    small(tmp_path)
    other = {"/wallet/text/en.json": b'{"a": "b"}'}
    assert wallet_list(tmp_path, TEXTS)["version"] != wallet_list(tmp_path, other)["version"]


def test_whatever_a_script_imports_is_kept() -> None:
    found = wallet_list(STATIC, TEXTS)
    first, later = found["first"], found["later"]
    assert isinstance(first, dict)
    assert isinstance(later, dict)
    kept = {**first, **later}
    for path in kept:
        if path.endswith(".js"):
            script = STATIC / path.removeprefix("/static/")
            for name in _IMPORT.findall(script.read_text(encoding="utf-8")):
                wanted = (script.parent / name).resolve().relative_to(STATIC.resolve()).as_posix()
                assert f"/static/{wanted}" in kept, f"{path} imports {name}"


def test_the_server_tells_the_list_and_serves_every_file_of_it() -> None:
    with opened() as whole:
        visitor = Visitor(whole)
        answer = visitor.get("/wallet/files.json")
        assert answer.headers["Cache-Control"] == "no-store"
        found = answer.get_json()
        for path, digest in {**found["first"], **found["later"]}.items():
            with visitor.get(path) as got:
                assert got.status_code == 200, path
                assert hashlib.sha256(got.data).hexdigest() == digest, path
