"""The same seed gives the same bytes, and a run that was stopped or killed ends as if it had not been."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.small import part_of, plan_of
from wallets.lab import jobs
from wallets.lab.notebook import Notebook
from wallets.lab.tokens import TokenEngine
from wallets.pilot.folder import canonical_json

_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.lab.small import part_of, plan_of
from wallets.lab.tokens import TokenEngine

left = [int(sys.argv[2])]
pay = TokenEngine.pay

def dying(self, *arguments):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return pay(self, *arguments)

TokenEngine.pay = dying
part_of(plan_of(opened_behaviour=sys.argv[3]), Path(sys.argv[1]))
"""


@pytest.mark.parametrize("behaviour", ["clone", "rollback"])
def test_the_same_seed_gives_the_same_part_and_another_seed_another(behaviour: str) -> None:
    first = part_of(plan_of(opened_behaviour=behaviour))
    assert first == part_of(plan_of(opened_behaviour=behaviour))
    assert first != part_of(plan_of(opened_behaviour=behaviour, lab_seed="8"))
    assert first["audit"]["ok"]
    assert first["findings"]["guilty"] == 1, "the attack of this test is found"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
@pytest.mark.parametrize(("payment", "behaviour"), [(20, "clone")])
def test_a_run_killed_in_the_middle_of_a_day_ends_with_the_same_bytes(
    tmp_path: Path, payment: int, behaviour: str
) -> None:
    path = tmp_path / "days.sqlite"
    died = subprocess.run([sys.executable, "-c", _KILLED, str(path), str(payment), behaviour], check=False)
    assert died.returncode == -signal.SIGKILL
    notebook = Notebook(path)
    assert 1 <= notebook.state[0] < plan_of().lab.days, "it died after some days, and before the last"
    notebook.close()
    plan = plan_of(opened_behaviour=behaviour)
    assert canonical_json(part_of(plan, path)) == canonical_json(part_of(plan))


def test_a_run_stopped_after_each_day_ends_with_the_same_bytes(tmp_path: Path) -> None:
    plan, path = plan_of(), tmp_path / "days.sqlite"

    def stop(done: int, of: int, payments: int) -> None:
        raise KeyboardInterrupt

    for _ in range(plan.lab.days):
        with pytest.raises(KeyboardInterrupt):
            jobs.play(plan, 1, path, stop)
    assert part_of(plan, path) == part_of(plan)


def test_a_region_of_its_own_has_its_own_people() -> None:
    assert part_of(plan_of(), region=1)["outcomes"] != part_of(plan_of(), region=2)["outcomes"]


def test_what_is_kept_opens_as_it_was(tmp_path: Path) -> None:
    plan, path = plan_of(), tmp_path / "days.sqlite"
    part_of(plan, path)
    engines = [jobs.make_engine(plan, 1, Notebook(path))[0] for _ in range(2)]
    for engine in engines:
        assert isinstance(engine, TokenEngine)
    first, second = (engine.world for engine in engines if isinstance(engine, TokenEngine))
    assert first.reconciler.facts().digest() == second.reconciler.facts().digest()
    assert [d.status(0).counter for d in first.devices] == [d.status(0).counter for d in second.devices]
    assert any(d.status(0).counter for d in first.devices)
    for engine in engines:
        engine.close()
