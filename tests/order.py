"""The order of a run with several workers: files stay whole, and the slowest begin.

The tests of a file often share one world, and those of a browser go on where the one before stopped. So a worker takes
a whole file, and who has nothing left takes the next one. A slow file that began last would be played by one worker
while the others have nothing to do, so the slowest come first. `--dist worksteal` (or another) cuts files after all:
for long runs of a few files whose tests share nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import pytest
from xdist.scheduler import LoadFileScheduling

from tests.parts import TESTS

# Seconds that the slowest files took on two busy processors; only their order matters, and a file may be missing.
SLOW_SECONDS: Mapping[str, int] = {
    "web/test_journeys": 146,
    "exercises/test_labs": 115,
    "simulation/test_kills": 102,
    "web/test_every_page": 93,
    "pilot/test_all_pilots": 85,
    "web/test_wallet_faults": 72,
    "exercises/test_commands": 68,
    "fuzz/test_fuzz": 67,
    "web/test_watch_browser": 55,
    "web/test_shell_browser": 49,
    "ha/test_cluster": 47,
    "site/test_hsm_serve": 45,
    "web/test_wallet_offline": 43,
    "web/test_wallet_recovery": 42,
    "exercises/test_cage": 41,
    "web/test_wallet_requests": 37,
    "site/test_openapi": 37,
    "site/test_drain": 37,
    "web/test_lesson": 36,
    "web/test_stage_browser": 34,
    "web/test_wallet_screens": 34,
    "wallets/benches/test_run": 33,
    "web/test_report_browser": 31,
    "site/test_fuzz_api": 31,
    "web/test_tour": 30,
    "offline/test_element_process": 30,
    "web/test_device_cut": 30,
    "web/test_wallet_marked": 28,
    "roles/test_kills": 26,
    "pilot/test_rails": 24,
    "web/test_wallet_third": 23,
    "web/test_wallet_online": 22,
    "faults/test_kills": 22,
    "campaign/test_adversaries": 22,
    "pilot/test_runner": 21,
    "web/test_wallet_cards": 21,
    "model/test_bound": 21,
    "site/test_server": 21,
    "mutants/test_planter": 20,
    "cbdc/rails/test_crashes": 20,
    "wallets/test_page_safety": 20,
    "lab/test_resume": 19,
    "model/test_model": 18,
    "attacks/test_service": 18,
    "wallets/test_stage_kept": 18,
    "cbdc/rails/test_faults": 17,
    "cbdc/cards/test_kills": 16,
    "cbdc/cards/test_faults": 16,
    "site/test_treasury": 16,
    "web/test_newcomer": 15,
    "web/test_cold": 15,
    "site/test_roles_enumerated": 15,
    "wallets/test_cli_offline": 14,
    "wallets/emulator/test_emulator": 14,
    "simulation/test_element_host": 13,
    "offline/test_vectors": 13,
    "cbdc/corridor/test_exchange_faults": 12,
    "site/test_partner_crash": 12,
    "lab/test_command": 12,
    "web/test_device_fraud": 11,
    "offline/test_cluster": 11,
    "exercises/test_blind_coins": 11,
    "offline/test_graph": 11,
    "wallets/test_auditing": 11,
    "offline/test_carriers": 11,
    "web/test_keyboard": 10,
}
_T = TypeVar("_T")


def slowest_first(files: Mapping[str, Sequence[_T]]) -> list[_T]:
    """The tests of all files in one row: the slow files by their seconds, then the others as they were."""
    names = sorted(files, key=lambda name: -SLOW_SECONDS.get(name, 0))
    return [one for name in names for one in files[name]]


def name_of(item: pytest.Item) -> str:
    """The path of its file below `tests`, without the ending."""
    path = item.path.with_suffix("")
    return path.relative_to(TESTS).as_posix() if path.is_relative_to(TESTS) else path.as_posix()


def put_in_order(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every worker computes the same row. A run of one process keeps the usual order."""
    if int(getattr(config, "workerinput", {}).get("workercount", 1)) < 2:
        return
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(name_of(item), []).append(item)
    items[:] = slowest_first(files)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """Whole files in the order of the row, unless `--dist` asked for something else."""
    if config.getoption("dist") != "load":
        return None
    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)
