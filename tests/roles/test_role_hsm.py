"""A writer whose ledger's key is in a hardware module (SoftHSM2): founded there, followed there, nowhere else."""

from contextlib import closing
from pathlib import Path

import pytest

from cbdc.errors import TengeError
from cbdc.hsm import PIN_FILE_VARIABLE, PIN_VARIABLE
from cbdc.hsm_file import read_hsm_file
from cbdc.ledger.audit import audit
from cbdc.ledger.engines import open_store
from cbdc.ledger.entry import Receipt
from cbdc.ports import ManualClock, SeededEntropy, SystemClock
from tests.attacks.test_roles import registered
from tests.servers.softhsm import MODULE, PIN, make_token, needs_hsm, softhsm
from tests.wallets.test_cli import refused, tenge
from wallets.roles.keys import institution_keys, open_ledger
from wallets.site.keeping import Keeping

pytestmark = [pytest.mark.slow, needs_hsm]
CLOCK = ManualClock(SystemClock().now())


@pytest.fixture
def hardware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that puts the ledger's key into a token."""
    settings = softhsm(tmp_path / "hsm")
    monkeypatch.setenv("SOFTHSM2_CONF", settings)
    monkeypatch.delenv(PIN_VARIABLE, raising=False)
    monkeypatch.delenv(PIN_FILE_VARIABLE, raising=False)
    for label in ("writer", "empty"):
        make_token(settings, label)
    pin = tmp_path / "pin"
    pin.touch(0o600)
    pin.write_text(PIN)
    file = tmp_path / "keys.toml"
    head = f'module = "{MODULE}"\ntoken = "writer"\npin_file = "{pin}"\n'
    file.write_text(head + '[keys]\nledger = "ledger-w"\n')
    return file


def entered(folder: Path, file: Path, name: str) -> Receipt:
    """One start of a writer with the module, and one entry."""
    with Keeping(keys=read_hsm_file(file)).opened_keys() as over:
        keys = institution_keys(folder, SeededEntropy(1), over)
        with closing(open_store(f"sqlite:///{folder / 'ledger.sqlite'}")) as store:
            ledger = open_ledger(store, keys, CLOCK)
            receipt = registered(ledger, folder, name)
            ledger.genesis.verify_head(receipt.head)
            assert audit(store, receipt.head).ok
            return receipt


def test_a_writers_ledger_signs_in_the_module_and_goes_on_there(hardware: Path, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    first = entered(folder, hardware, "one")
    assert tenge("keys", "rotate", folder, "--to", 2).exit_code == 0
    second = entered(folder, hardware, "two")
    soft = institution_keys(folder, SeededEntropy(1))
    for receipt, number in ((first, 1), (second, 2)):
        with pytest.raises(TengeError, match="E_SIG"):
            receipt.head.verify(soft.ledger_key(number).public)
    # Neither without the module, nor with a token that has not its keys.
    serve = ["serve", "--role", "writer", "--data", folder, "--port", 0]
    refused(tenge(*serve), "E_SYSTEM_KEYS")
    other = hardware.with_name("other.toml")
    other.write_text(hardware.read_text().replace('"writer"', '"empty"'))
    said = refused(tenge(*serve, "--keys", other), "E_HSM_KEY_MISSING")
    assert PIN not in said.output


def test_a_root_in_the_module_certifies_no_front_from_the_folder(hardware: Path, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    hardware.write_text(hardware.read_text() + 'root = "root-w"\n')
    entered(folder, hardware, "one")
    refused(tenge("front-key", tmp_path / "front.key", "--data", folder), "E_SYSTEM_KEYS")
    assert not (tmp_path / "front.key").exists()
    assert not (folder / "fronts").exists()
