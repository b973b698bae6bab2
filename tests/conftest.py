"""What every test of the house shares: the root, a browser where there is one, and one temper for property tests."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, Playwright

from cbdc.errors import TengeError
from tests.browser import CHROMIUM, FLAGS
from tests.house.catalogue import facts_named
from tests.memory import keep_in_memory, tidy_up
from tests.one_playwright import stop_playwright, the_browser, the_playwright
from tests.order import put_in_order, pytest_xdist_make_scheduler
from tests.parts import choose, pytest_addoption, pytest_ignore_collect
from tests.servers.postgres import stop_postgres

__all__ = ["pytest_addoption", "pytest_ignore_collect", "pytest_xdist_make_scheduler"]

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = tuple(f"{ROOT / name}{os.sep}" for name in ("cbdc", "offline", "wallets"))
IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}

# No deadlines: the machine may be busy. In CI the examples are the same on every run, so a failure is a fact.
settings.register_profile(
    "house", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", parent=settings.get_profile("house"), derandomize=True, database=None)
settings.load_profile("ci" if IN_CI else "house")


_told = TengeError.__init__


def _with_its_facts(refusal: TengeError, code: str, **facts: object) -> None:
    """In tests no refusal of the product may leave out a fact that its sentences name, or give nothing for one."""
    _told(refusal, code, **facts)
    raiser = sys._getframe(1).f_code.co_filename
    if not raiser.startswith(PRODUCT) or raiser.endswith(("errors.py", "element_refusal.py")):
        return
    missing = {name for name in facts_named(code) if facts.get(name) is None}
    assert not missing, f"{code} is raised without {sorted(missing)}"


TengeError.__init__ = _with_its_facts  # type: ignore[method-assign]


def pytest_configure(config: pytest.Config) -> None:
    """The first process of a run chooses where files are kept; its workers and their children inherit that."""
    if not hasattr(config, "workerinput"):
        keep_in_memory()


def pytest_unconfigure() -> None:
    """After the workers are gone."""
    tidy_up()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The tests of this part of the run (tests/parts.py), in the order that lets no worker wait (tests/order.py)."""
    choose(config, items)
    put_in_order(config, items)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A browser test without a browser is skipped at home and fails in CI."""
    if item.get_closest_marker("browser") is None or CHROMIUM.exists():
        return
    missing = f"no Chromium at {CHROMIUM}; install it or set CHROMIUM"
    if IN_CI:
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def playwright() -> Playwright:
    """In place of the plugin's own: modules that start a browser by themselves use the same one."""
    return the_playwright()


@pytest.fixture(scope="session")
def launch_browser() -> Callable[..., Browser]:
    """In place of the plugin's own, for the same reason."""
    return lambda **_: the_browser()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """After the last browser is closed and the last question to a server answered."""
    stop_playwright()
    stop_postgres()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The system's own Chromium (tests/browser.py)."""
    return {**browser_type_launch_args, "executable_path": str(CHROMIUM), "args": list(FLAGS)}
