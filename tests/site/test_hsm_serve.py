"""`tenge serve --keys`: the ledger's and the issuer's key in a module, which goes away and comes back."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cbdc.authority import ISSUER, LEDGER, Auth
from cbdc.errors import TengeError
from cbdc.hsm import PIN_FILE_VARIABLE, PIN_VARIABLE
from cbdc.http.client import HttpGateway, SocketTransport
from cbdc.keys import SoftwareKey
from cbdc.ledger.audit import audit
from cbdc.ledger.entry import Receipt, open_entry, open_genesis
from cbdc.ledger.sqlite import SqliteStore
from cbdc.operations.rotation import rotate
from cbdc.transaction import RegisterKey, sign_transaction
from tests.conftest import ROOT
from tests.servers.softhsm import MODULE, PIN, make_token, needs_hsm, softhsm
from tests.site.process import served
from wallets import keystore
from wallets.sandbox import PASSPHRASE

pytestmark = [pytest.mark.slow, needs_hsm]

LEDGER_FILE = "act-0001/ledger.sqlite"


@pytest.fixture
def hardware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A token, and the file that names it; the folder of the module's tokens is `hsm/tokens`."""
    settings = softhsm(tmp_path / "hsm")
    monkeypatch.setenv("SOFTHSM2_CONF", settings)
    monkeypatch.delenv(PIN_VARIABLE, raising=False)
    monkeypatch.delenv(PIN_FILE_VARIABLE, raising=False)
    make_token(settings, "served")
    pin = tmp_path / "pin"
    pin.touch(0o600)
    pin.write_text(PIN)
    file = tmp_path / "keys.toml"
    head = f'module = "{MODULE}"\ntoken = "served"\npin_file = "{pin}"\n'
    file.write_text(head + '[keys]\nledger = "ledger-a"\nissuer-1 = "issuer-a"\n')
    return file


def registration(folder: Path, number: int) -> bytes:
    """A transaction that the ledger takes: a bank registers a holder's key."""
    keys = keystore.open_keystore(folder / "act-0001" / "keystore.tenge", PASSPHRASE)
    store = SqliteStore(folder / LEDGER_FILE, read_only=True)
    try:
        network = open_genesis(open_entry(next(store.entries(0, 1)).data).payload).network
    finally:
        store.close()
    holder = SoftwareKey(1, bytes([number]) * 32)
    public = holder.public
    record = RegisterKey(bytes([number]) * 16, public.algorithm, public.raw, 1, 1, 1, bytes([number]) * 32)
    return sign_transaction(record, network, [holder, keys.key("bank-1")]).encode()


def _signed(receipt: Receipt, auth: Auth) -> bool:
    try:
        receipt.head.verify(auth.key)
    except TengeError:
        return False
    return True


def refused(*arguments: str) -> str:
    """What a command that does not come up says."""
    command = [sys.executable, "-m", "wallets.cli", "serve", "--port", "0", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)
    assert ended.returncode not in (0, 1), ended.stderr
    assert "Traceback" not in ended.stderr
    assert PIN not in ended.stdout + ended.stderr
    found = re.search(r"\((E_[A-Z_]+), rule", ended.stderr)
    assert found, ended.stderr
    return found[1]


def test_a_module_signs_goes_away_and_comes_back(hardware: Path, tmp_path: Path) -> None:
    folder, log = tmp_path / "site", tmp_path / "log"
    tokens, elsewhere = tmp_path / "hsm" / "tokens", tmp_path / "elsewhere"
    with served("--data", str(folder), "--keys", str(hardware), "--log", str(log)) as (_, port, lines):
        gateway = HttpGateway(SocketTransport(f"http://127.0.0.1:{port}"))
        first = gateway.submit(registration(folder, 1))
        tokens.rename(elsewhere)
        second = registration(folder, 2)
        for _ in range(2):
            with pytest.raises(TengeError, match="E_HSM_UNAVAILABLE"):
                gateway.submit(second)
            # Reading goes on, and nothing was written.
            assert gateway.head().record == first.head.record
        elsewhere.rename(tokens)
        assert gateway.submit(second).index == first.index + 1
        assert gateway.submit(registration(folder, 1)).index == first.index
        shown = "\n".join(lines)
    assert PIN not in shown + log.read_text()
    store = SqliteStore(folder / LEDGER_FILE, read_only=True)
    genesis = open_genesis(open_entry(next(store.entries(0, 1)).data).payload)
    software = keystore.open_keystore(folder / "act-0001" / "keystore.tenge", PASSPHRASE)
    later = [f"{office}-{number}" for office in ("ledger", "issuer") for number in range(2, 10)]
    labels = ["issuer-1", "ledger", *later]
    in_software = {software.key(label).public.kid for label in labels}
    certified = {auth.kid for role in (LEDGER, ISSUER) for auth in genesis.authority.with_role(role)}
    assert len(certified) == 8
    assert not certified & in_software, "the genesis certifies the module's keys, also those that follow"
    assert audit(store).ok
    assert rotate(folder / "act-0001", store, 2).number == 2
    store.close()
    with served("--data", str(folder), "--keys", str(hardware)) as (_, port, _):
        gateway = HttpGateway(SocketTransport(f"http://127.0.0.1:{port}"))
        later = gateway.submit(registration(folder, 3))
        genesis.verify_head(later.head)
        genesis.verify_head(first.head)
        assert gateway.submit(registration(folder, 1)).index == first.index
        signers = [auth for auth in genesis.authority.with_role(LEDGER) if _signed(later, auth)]
        assert signers == genesis.authority.with_role(LEDGER)[1:2]


def test_what_is_wrong_is_said_before_anything_is_served(
    hardware: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site"
    good = hardware.read_text()
    given = ("--data", str(folder), "--keys", str(hardware))
    for text, code in (
        (good.replace(MODULE, "/nowhere/module.so"), "E_HSM_MODULE"),
        (good.replace('"served"', '"another"'), "E_HSM_TOKEN"),
        (good.replace("/pin", "/none"), "E_HSM_PIN"),
        (good + 'pin = "1"\n', "E_HSM_FILE"),
    ):
        hardware.write_text(text)
        assert refused(*given) == code
    hardware.write_text(good)
    (tmp_path / "pin").write_text("000000")
    assert refused(*given) == "E_HSM_PIN"
    assert not (folder / LEDGER_FILE).exists(), "nothing was begun"
    (tmp_path / "pin").write_text(PIN)
    with served(*given):
        pass
    # An existing sandbox makes no new key, and takes no other one.
    hardware.write_text(good.replace("ledger-a", "ledger-b"))
    assert refused(*given) == "E_HSM_KEY_MISSING"
    hardware.write_text(good.replace("ledger-a", "issuer-b").replace("issuer-a", "ledger-a"))
    assert refused(*given) in ("E_SYSTEM_KEYS", "E_HSM_KEY_MISSING")
    assert refused("--data", str(folder)) == "E_SYSTEM_KEYS"
    hardware.write_text(good)
    with served(*given):
        pass
