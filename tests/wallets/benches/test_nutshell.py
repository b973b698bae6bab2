"""The peer: what is installed, what is said where it cannot be, and how a token is blinded and unblinded."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wallets.benches import nutshell, nutshell_purse, page

DECLARED = """\
SQLAlchemy[asyncio] (>=2.0.35,<3.0.0)
breez-sdk-spark (>=0.17.0,<0.18.0)
psycopg2-binary (>=2.9,<3.0) ; extra == "pgsql"
zstandard>=0.23
"""


def test_what_is_declared_is_asked_for_so_that_it_starts() -> None:
    assert nutshell.requirements(DECLARED) == [
        "SQLAlchemy[asyncio]>=2.0.35,<3.0.0",
        "zstandard>=0.23",
        "breez-sdk-spark",
        "marshmallow<4",
        "limits<5",
    ]


def test_the_cache_is_where_the_system_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert nutshell.cache_folder() == tmp_path / "tenge-bench" / "nutshell-0.21.0"


def test_where_it_cannot_be_installed_a_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fail(command: list[str], **options: Any) -> Any:
        raise subprocess.CalledProcessError(1, command, stderr="first\nno such release\n")

    monkeypatch.setattr(subprocess, "run", fail)
    found = nutshell.compare(1, lambda text: None)
    assert found["rows"] == []
    assert found["skipped"] == "nutshell 0.21.0 could not be installed here: no such release"
    assert list(page.peer_lines({"peer": found})) == [f"Not compared: {found['skipped']}"]


def test_a_mint_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment whose mint is a program that ends at once."""
    (tmp_path / "mint").write_text(f"#!{sys.executable}\n", encoding="utf-8")
    (tmp_path / "mint").chmod(0o700)
    with pytest.raises(nutshell.CannotRun), nutshell.mint(tmp_path / "python", tmp_path):
        raise AssertionError("it did not start")


def test_an_environment_that_stands_is_not_made_again(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    (tmp_path / "installed").touch()
    assert nutshell.install(tmp_path, lambda text: None) == tmp_path / "bin" / "python"


def test_ratios_stand_beside_what_differs() -> None:
    peer = {
        "name": "nutshell",
        "version": "1",
        "rows": [
            {
                "clients": 16,
                "rate_per_second": 10.0,
                "p50_ms": 1.0,
                "p99_ms": 2.0,
                "p999_ms": 3.0,
                "errors": 0,
                "rss_mib": 9.0,
            }
        ],
        "differences": list(nutshell.DIFFERENCES),
    }
    columns = ("workload", "transport", "clients", "engine", "rate_per_second")
    ours = dict(zip(columns, ("transfer-2in-2out", "http", 16, "sqlite", 600.0), strict=True))
    lines = list(page.peer_lines({"peer": peer, "rows": [ours]}))
    assert any("60.0 times" in line for line in lines)
    assert all(any(difference in line for line in lines) for difference in nutshell.DIFFERENCES)
    assert len(nutshell.DIFFERENCES) == 5


# --- the purse, over a toy group in place of the curve ---

PRIME = 2**255 - 19


class Toy:
    """What the purse asks of `coincurve`. Points are numbers modulo a prime; a first byte of 3 negates."""

    class PublicKey:
        def __init__(self, data: bytes) -> None:
            value = int.from_bytes(data[1:], "big") % PRIME
            self.value = value if data[0] == 2 else -value % PRIME

        def format(self) -> bytes:
            return b"\x02" + self.value.to_bytes(32, "big")

        def multiply(self, factor: bytes) -> "Toy.PublicKey":
            return Toy.point(self.value * int.from_bytes(factor, "big"))

        @staticmethod
        def combine_keys(points: "list[Toy.PublicKey]") -> "Toy.PublicKey":
            return Toy.point(sum(point.value for point in points))

    class PrivateKey:
        def __init__(self, secret: bytes) -> None:
            self.public_key = Toy.point(int.from_bytes(secret, "big") * 9)

    @staticmethod
    def point(value: int) -> "Toy.PublicKey":
        return Toy.PublicKey(b"\x02" + (value % PRIME).to_bytes(32, "big"))


class ToyMint:
    """A mint over the toy group that signs blindly with its key `k`."""

    k = 123_456_789

    def __call__(self, path: str, body: dict[str, Any] | None = None) -> Any:
        if path == "keys":
            key = Toy.point(self.k * 9).format().hex()
            key = Toy.point(self.k * 9).format().hex()
            return {"keysets": [{"unit": "usd"}, {"unit": "sat", "id": "00", "keys": {"1": key}}]}
        if body is None:
            return {"state": "PAID"}
        if path == "mint/quote/bolt11":
            return {"quote": "q"}
        blinds = [Toy.PublicKey(bytes.fromhex(output["B_"])) for output in body["outputs"]]
        return {"signatures": [{"C_": Toy.point(blind.value * self.k).format().hex()} for blind in blinds]}


def test_a_token_is_unblinded_to_the_mints_signature_of_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nutshell_purse.importlib, "import_module", lambda name: SimpleNamespace(**vars(Toy)))
    mint = ToyMint()
    monkeypatch.setattr(nutshell_purse.Minter, "_ask", lambda self, path, body=None: mint(path, body))
    minter = nutshell_purse.Minter(1, "label")
    tokens = minter.buy(3)
    assert len({token["secret"] for token in tokens}) == 3
    for token in tokens:
        hashed = Toy.PublicKey(nutshell_purse.hash_to_curve(token["secret"].encode()))
        assert bytes.fromhex(token["C"]) == Toy.point(hashed.value * mint.k).format()


def test_swaps_spend_each_token_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import json

    monkeypatch.setattr(nutshell_purse.importlib, "import_module", lambda name: SimpleNamespace(**vars(Toy)))
    mint = ToyMint()
    monkeypatch.setattr(nutshell_purse.Minter, "_ask", lambda self, path, body=None: mint(path, body))
    nutshell_purse.main("1", "60", "label", str(tmp_path / "swaps"))
    swaps = [json.loads(line) for line in (tmp_path / "swaps").read_text().splitlines()]
    assert len(swaps) == 60
    assert all((len(swap["inputs"]), len(swap["outputs"])) == (2, 2) for swap in swaps)
    assert len({token["secret"] for swap in swaps for token in swap["inputs"]}) == 120
    assert len({output["B_"] for swap in swaps for output in swap["outputs"]}) == 120
