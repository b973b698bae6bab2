"""The two parts of a run: `pytest --part measured` and `pytest --part waiting`; without the option everything runs.

Measuring branches makes a test take longer (decision 44), so it is kept for those that gain by it: the tests of `cbdc`
and `offline`, in the files below, that are not marked `slow`. A slow one does over and over what the quick ones beside
it did once (a crash at every write, a thousand examples, a process killed), or it starts servers, browsers and whole
processes and mostly waits. Nothing is in both parts, and nothing in neither.
"""

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
# Beginnings of paths: whole folders, and files of others that try `cbdc` and `offline` through the doors of a site.
MEASURED = (
    "attacks/",
    "cbdc/",
    "contracts/",
    "faults/",
    "offline/",
    "pilot/test_rails",
    "roles/",
    "site/test_desks",
    "site/test_losses",
    "site/test_partner",
    "site/test_recovery",
    "site/test_request_links",
    "site/test_supervisor",
    "site/test_wallet_",
    "site/test_webhooks",
    "wallets/test_conditional",
    "wallets/test_request",
)
PARTS = ("measured", "waiting")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--part", choices=PARTS, help="one of the two parts of `make test` (tests/parts.py)")


def _name(path: Path) -> str:
    """The path below `tests`, a folder's with a stroke at its end; the empty text for what is elsewhere."""
    if not path.is_relative_to(TESTS) or path == TESTS:
        return ""
    return path.relative_to(TESTS).as_posix() + ("" if path.suffix else "/")


def is_measured(path: Path) -> bool:
    """Whether the quick tests of this file (or folder) are measured."""
    return _name(path).startswith(MEASURED)


def part_of(path: Path, is_slow: bool) -> str:
    """The part that a test of this file belongs to."""
    return "measured" if is_measured(path) and not is_slow else "waiting"


def may_hold_slow(path: Path) -> bool:
    """Whether a file is worth importing for slow tests: whoever marks one writes the mark's name."""
    return "mark.slow" in path.read_text(encoding="utf-8")


def passed_over(path: Path, part: str) -> bool:
    """Whether nothing in this file or folder can belong to the part, which saves importing it."""
    name = _name(path)
    if not name or path.name == "__init__.py":
        return False
    if name.endswith("/"):
        return part == "measured" and not any(
            one.startswith(name) or name.startswith(one) for one in MEASURED
        )
    if not is_measured(path):
        return part == "measured"
    return part == "waiting" and not may_hold_slow(path)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    part = config.getoption("--part")
    return True if part is not None and passed_over(collection_path, part) else None


def choose(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the part that was asked for; without one, all of them."""
    part = config.getoption("--part")
    if part is None:
        return
    chosen, left = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        is_slow = item.get_closest_marker("slow") is not None
        if is_slow and not may_hold_slow(item.path):
            raise pytest.UsageError(
                f"{item.nodeid} is slow and its file lacks the words `mark.slow`: nobody would run it"
            )
        (chosen if part_of(item.path, is_slow) == part else left).append(item)
    items[:] = chosen
    if left:
        config.hook.pytest_deselected(items=left)
