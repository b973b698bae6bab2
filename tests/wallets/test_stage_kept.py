"""A stage in a folder: as it was left, with a wish that was cut off finished, and one running stage at a time."""

import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import Malformed, Refused, TengeError
from cbdc.ports import CRASH_VARIABLE, ManualClock
from tests.conftest import ROOT
from tests.wallets.stage_hand import START, Hand
from wallets.web import memory
from wallets.web.opening import act_store
from wallets.web.stage import Stage


def _open(folder: Path, store: str = "", later_seconds: int = 0) -> Stage:
    return Stage(ManualClock(START + later_seconds), None, folder, store)


def test_a_kept_stage_comes_back_as_it_was(tmp_path: Path) -> None:
    stage = _open(tmp_path / "stage")
    hand = Hand(stage)
    hand.double_spend()
    before = hand.seen
    stage.close()
    stage = _open(tmp_path / "stage")
    hand = Hand(stage)
    assert hand.seen == before
    assert stage.phones["bolat"].clone is not None
    hand("sync", phone="dana")
    hand("sync", phone="aigerim")
    assert hand.seen["case"]["double_spends"] == 1
    hand("wait")
    case = hand.seen["case"]
    stage.close()
    stage = _open(tmp_path / "stage")
    assert Hand(stage).seen["case"] == case
    assert Hand(stage).seen["shift_days"] == 120
    stage.close()


def test_a_wish_that_was_cut_off_is_finished_at_the_next_start(tmp_path: Path) -> None:
    stage = _open(tmp_path)
    hand = Hand(stage)
    hand("load", phone="aigerim", amount="3000")
    hand.fly("aigerim")
    # As a kill leaves it: the wish is written down, the devices have paid, and nothing tells of it.
    stage.memory.doing = {
        "request": "the-wish-that-was-cut",
        "mark": "m",
        "action": "pay",
        "fields": {"phone": "aigerim", "payee": "dana", "amount": "3000", "clone": False},
    }
    stage._keep.save(stage.memory)
    again = memory.StageMemory(**asdict(stage.memory))
    assert stage._finish() is None
    stage._keep.save(again)
    stage.close()
    stage = _open(tmp_path)
    hand = Hand(stage)
    assert hand.phone("dana")["device_tiyn"] == 300_000
    assert hand.phone("aigerim")["device_tiyn"] == 0
    assert hand.kinds()[-1] == "paid_offline"
    assert stage.memory.doing is None
    assert stage.memory.answers["the-wish-that-was-cut"]["refusal"] is None
    stage.close()


_KILLED = """
import sys
from pathlib import Path
from cbdc.ports import ManualClock, checkpoint_from_environment
from wallets.web.stage import Stage
action, fields = eval(sys.argv[2])
stage = Stage(ManualClock(1_762_146_000), None, Path(sys.argv[1]), "", checkpoint_from_environment())
stage.act("the-wish-that-is-killed", action, fields)
"""
_OFFLINE = ("pay", {"phone": "aigerim", "payee": "bolat", "amount": "1200", "clone": False})
_ONLINE = ("pay", {"phone": "aigerim", "payee": "dana", "amount": "1200", "clone": False})
_SYNC = ("sync", {"phone": "dana"})
_LOAD = ("load", {"phone": "dana", "amount": "700"})
_UNLOAD = ("unload", {"phone": "aigerim"})
_WISHES = (
    ("wallet.intent.after", _ONLINE),
    ("ledger.commit.inside", _ONLINE),
    ("ledger.commit.after", _ONLINE),
    ("wallet.done.after", _ONLINE),
    ("element.journal.after", _OFFLINE),
    ("element.journal.after:2", _OFFLINE),
    ("element.journal.after:3", _OFFLINE),
    ("element.journal.torn:2", _OFFLINE),
    ("ledger.commit.after", _LOAD),
    ("element.journal.after", _LOAD),
    ("element.journal.after", _UNLOAD),
    ("reconciler.ingest.after", _UNLOAD),
    ("reconciler.post.after", _UNLOAD),
    ("reconciler.ingest.after", _SYNC),
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stage in which Aigerim has paid Dana from device to device, and Bolat is cut off."""
    folder = tmp_path_factory.mktemp("prepared") / "stage"
    stage = _open(folder)
    hand = Hand(stage)
    hand("load", phone="aigerim", amount="3000")
    hand.fly("dana")
    hand.pay("aigerim", "dana", "500")
    hand.fly("dana", on=False)
    hand.fly("bolat")
    stage.close()
    return folder


def _do(folder: Path, wish: tuple[str, dict[str, object]]) -> Hand:
    stage = _open(folder)
    stage.act("the-wish-that-is-killed", *wish)
    return Hand(stage)


@pytest.mark.slow
@pytest.mark.parametrize(("point", "wish"), _WISHES)
def test_a_killed_wish_ends_as_if_nothing_had_happened(
    tmp_path: Path, prepared: Path, point: str, wish: tuple[str, dict[str, object]]
) -> None:
    for name in ("calm", "killed"):
        shutil.copytree(prepared, tmp_path / name)
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path / "killed"), repr(wish)],
        env={**os.environ, CRASH_VARIABLE: point, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert killed.returncode in (-9, 137), killed.stderr
    calm, again = _do(tmp_path / "calm", wish), _do(tmp_path / "killed", wish)
    for part in ("phones", "supply", "bank", "case", "events"):
        assert again.seen[part] == calm.seen[part], part
    calm.stage.close()
    again.stage.close()


def test_acts_lie_beside_each_other(tmp_path: Path) -> None:
    stage = _open(tmp_path, store=f"sqlite:///{tmp_path}/ledger.db")
    Hand(stage)("reset")
    stage.close()
    assert {path.name for path in tmp_path.iterdir()} >= {"act-0001", "act-0002", "ledger.db", "ledger-2.db"}
    assert act_store("sqlite:///a.b/ledger", 3) == "sqlite:///a.b/ledger-3"
    server = "postgresql://me@one:1,two:2/db"
    assert act_store(f"{server}?schema=stage", 1) == f"{server}?schema=stage"
    assert act_store(f"{server}?schema=stage&sslmode=any", 2) == f"{server}?schema=stage_2&sslmode=any"
    assert act_store(server, 12) == f"{server}?schema=ledger_12"
    assert act_store(f"{server}?sslmode=require", 2) == f"{server}?sslmode=require&schema=ledger_2"


def test_a_folder_belongs_to_one_stage(tmp_path: Path) -> None:
    stage = _open(tmp_path)
    with pytest.raises(Refused) as caught:
        _open(tmp_path)
    assert caught.value.code == "E_STAGE_IN_USE"
    stage.close()
    _open(tmp_path).close()


def test_a_ledger_of_one_s_own_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        Stage(ManualClock(START), store=f"sqlite:///{tmp_path}/ledger.db")
    assert caught.value.code == "E_STAGE_STORE"
    with pytest.raises(Refused) as caught:
        Stage(ManualClock(START), folder=tmp_path / "stage", store="oracle://ledger")
    assert caught.value.code == "E_STORE_URL"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: "[]",
        lambda text: text[:-20],
        lambda text: text.replace('"format": 1', '"format": 2'),
        lambda text: text.replace('"act": 1', '"act": "1"'),
        lambda text: text.replace('"proven": 0', '"proven": true'),
        lambda text: text.replace('"airplane"', '"aeroplane"'),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, damage: Any) -> None:
    _open(tmp_path).close()
    file = tmp_path / memory.STATE_FILE
    file.write_text(damage(file.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(Malformed) as caught:
        _open(tmp_path)
    assert caught.value.code == "E_STAGE_DAMAGED"


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(TengeError) as caught:
        _open(tmp_path / "file")
    assert caught.value.code == "E_STAGE_FOLDER"
