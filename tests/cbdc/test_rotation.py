"""A ledger goes on to its next certified key and never back; what the earlier one signed stays verifiable."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cbdc.authority import LEDGER
from cbdc.errors import TengeError
from cbdc.ledger.audit import audit
from cbdc.ledger.entry import check_consistency
from cbdc.ledger.sqlite import SqliteStore
from cbdc.operations.rotation import FILE, ledger_number, rotate
from cbdc.ports import ManualClock, SeededEntropy
from cbdc.system import Setup, System, open_system
from tests.cbdc.institutions import BANKS, START, key
from wallets.cli import main
from wallets.site.world import World


def opened(folder: Path, clock: ManualClock, keys: int = 3) -> System:
    setup = Setup(banks=BANKS, keys_in_turn=keys, ledger_number=ledger_number(folder))
    return open_system(folder, key, clock, SeededEntropy(3), setup=setup)


def rotated(folder: Path, to: int) -> Any:
    store = SqliteStore(folder / "ledger.sqlite", read_only=True)
    try:
        return rotate(folder, store, to)
    finally:
        store.close()


def test_old_receipts_stand_when_the_next_key_signs(tmp_path: Path) -> None:
    clock = ManualClock(START)
    system = opened(tmp_path, clock)
    receipts = [system.fund_loss_reserve(bytes(32), 100)]
    labels = ["ledger"]
    for number in (2, 3):
        kept = system.ledger.head()
        system.close()
        assert rotated(tmp_path, number) == (number, number - 1, 3)
        clock.advance(50)
        system = opened(tmp_path, clock)
        labels.append(f"ledger-{number}")
        receipts.append(system.fund_loss_reserve(bytes([number]) * 32, 100))
        now = system.ledger.head().record
        proof = system.ledger.consistency(kept.record.size)
        check_consistency(kept.record.size, kept.record.root, now.size, now.root, proof)
    for label, receipt in zip(labels, receipts, strict=True):
        receipt.head.verify(key(label).public)
        system.genesis.verify_head(receipt.head)
        assert system.ledger.submit(system.ledger.entry(receipt.index).payload) == receipt
    assert [auth.kid for auth in system.authority.with_role(LEDGER)] == [
        key(one).public.kid for one in labels
    ]
    for receipt in receipts:
        assert audit(system.stores.ledger, receipt.head).ok
    system.close()


def test_it_never_goes_back_and_again_changes_nothing(tmp_path: Path) -> None:
    opened(tmp_path, ManualClock(START)).close()
    assert rotated(tmp_path, 1) == (1, 1, 3)
    assert not (tmp_path / FILE).exists()
    rotated(tmp_path, 3)
    before = (tmp_path / FILE).read_bytes()
    assert rotated(tmp_path, 3) == (3, 3, 3)
    for number, code in ((2, "E_ROTATION_BACK"), (1, "E_ROTATION_BACK"), (4, "E_ROTATION_NONE")):
        with pytest.raises(TengeError) as caught:
            rotated(tmp_path, number)
        assert caught.value.code == code
        assert "{" not in caught.value.sentence()
    assert (tmp_path / FILE).read_bytes() == before
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.glob("*.part")] == []


def test_another_folder_over_the_same_store_does_not_go_back(tmp_path: Path) -> None:
    clock, first, other = ManualClock(START), tmp_path / "first", tmp_path / "other"
    opened(first, clock).close()
    assert rotated(first, 2).number == 2
    system = opened(first, clock)
    system.fund_loss_reserve(bytes(32), 100)
    system.close()
    shutil.copytree(first, other)
    # The folder as it was before the change, and the store as it is.
    (other / FILE).unlink()
    with pytest.raises(TengeError, match="E_ROTATION_BACK") as caught:
        opened(other, clock)
    assert caught.value.facts == {"number": 1, "present": 2}
    assert "--to 2" in caught.value.next_step()
    # Nor does it name a key for the folder that the store has left.
    with pytest.raises(TengeError, match="E_ROTATION_BACK"):
        rotated(other, 1)
    assert rotated(other, 3) == (3, 1, 3)
    opened(other, clock).close()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", *(f'{{"ledger":{one}}}' for one in ("0", "10", "true", '"2"'))]
)
def test_a_file_that_says_something_else_is_refused_and_not_guessed(tmp_path: Path, text: str) -> None:
    opened(tmp_path, ManualClock(START)).close()
    (tmp_path / FILE).write_text(text)
    with pytest.raises(TengeError, match="E_ROTATION_FILE"):
        ledger_number(tmp_path)
    with pytest.raises(TengeError, match="E_ROTATION_FILE"):
        rotated(tmp_path, 2)
    assert (tmp_path / FILE).read_text() == text


def test_a_key_that_the_genesis_does_not_certify_signs_nothing(tmp_path: Path) -> None:
    clock = ManualClock(START)
    opened(tmp_path, clock, keys=1).close()
    (tmp_path / FILE).write_text('{"ledger":2}')
    with pytest.raises(TengeError, match="E_SYSTEM_KEYS"):
        opened(tmp_path, clock, keys=1)
    with pytest.raises(TengeError, match="E_LEDGER_EMPTY"):
        rotate(tmp_path, SqliteStore(tmp_path / "empty.sqlite"), 2)


def test_one_key_is_the_genesis_of_before() -> None:
    one = open_system(None, key, ManualClock(START), SeededEntropy(3), setup=Setup(banks=BANKS))
    assert len(one.authority.with_role(LEDGER)) == 1
    assert one.keys.ledger.public == key("ledger").public


def test_the_command_rotates_a_kept_sandbox(tmp_path: Path) -> None:
    def tenge_(*arguments: object) -> Any:
        return CliRunner().invoke(main, ["keys", "rotate", *(str(one) for one in arguments), "--json"])

    folder, clock = tmp_path / "site", ManualClock(START)
    world = World(clock, 7, folder)
    old = world.system.ledger.head()
    certified = [auth.kid for auth in world.system.authority.with_role(LEDGER)]
    assert len(certified) == 4
    world.close()
    done = tenge_(folder, "--to", 2)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["before"] == 1
    again = tenge_(folder, "--to", 2)
    assert json.loads(again.stdout)["before"] == 2
    assert tenge_(folder, "--to", 1).exit_code == 2
    assert tenge_(folder, "--to", 5).exit_code == 2
    assert tenge_(tmp_path / "nowhere", "--to", 2).exit_code == 2
    clock.advance(60)
    world = World(clock, 7, folder)
    world.sandbox.issue(100, world.sandbox.bank_name)
    assert world.system.keys.ledger.public.kid == certified[1]
    world.system.ledger.head().verify(world.system.keys.ledger.public)
    world.system.genesis.verify_head(old)
    assert audit(world.system.stores.ledger, old).ok
    # A new act has a genesis of its own and begins with its first key.
    world.reset()
    assert ledger_number(folder / "act-0002") == 1
    world.close()
