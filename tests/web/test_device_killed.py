"""The whole browser is killed without warning: what it gave out is on the disk, what it had not written never was."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import BrowserContext, BrowserType, Page, expect

from tests.dying import kill_all
from tests.web.device_desk import Desk, open_desk
from tests.web.device_phone import NAME

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with open_desk() as opened:
        yield opened


def _processes_with(folder: Path) -> Iterator[psutil.Process]:
    """The processes of the browser whose profile is this folder."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if f"--user-data-dir={folder}" in process.cmdline():
                yield process


class Machine:
    """A browser with a profile on the disk, that can be killed and started again."""

    def __init__(self, kind: BrowserType, arguments: dict[str, Any], folder: Path, desk: Desk) -> None:
        self.kind, self.arguments, self.folder, self.desk = kind, arguments, folder, desk
        self.context: BrowserContext
        self.page: Page
        self.start()

    def start(self) -> None:
        """Start the browser and open the device."""
        self.context = self.kind.launch_persistent_context(self.folder, **self.arguments)
        self.page = self.context.new_page()
        self.page.goto(self.desk.url)
        expect(self.page.locator("html[data-ready=yes]")).to_be_attached()
        options = {"desk": self.desk.sandbox.clock.now()}
        self.page.evaluate("([name, options]) => bench.open(name, options)", [NAME, options])

    def kill(self) -> None:
        """No goodbye: every process of this profile ends at once."""
        kill_all([*_processes_with(self.folder)])
        with pytest.raises(Exception, match=r"closed|crash"):
            self.page.evaluate("() => 1")

    def call(self, name: str, *args: Any) -> Any:
        """A call of the device."""
        found = self.page.evaluate("([name, args]) => bench.call(name, ...args)", [name, list(args)])
        assert "code" not in found, found
        return found["answer"]


def test_a_browser_killed_after_it_paid_gives_the_same_payment_again(
    desk: Desk, browser_type: BrowserType, browser_type_launch_args: dict[str, Any], tmp_path: Path
) -> None:
    desk.member("Killed", 500)
    machine = Machine(browser_type, browser_type_launch_args, tmp_path / "profile", desk)
    payee = Machine(browser_type, browser_type_launch_args, tmp_path / "payee", desk)
    desk.member("Payee of the killed")
    machine.page.evaluate("() => bench.join('Killed')")
    machine.page.evaluate("() => bench.load('Killed', [50_000])")
    payee.page.evaluate("() => bench.join('Payee of the killed')")
    request = payee.call("invoice", {"hex": "01"}, 12_000)["request"]

    paid = machine.call("pay", {"hex": request})
    machine.kill()
    taken = payee.call("receive", {"hex": paid["payment"]})
    payee.kill()
    machine.start()
    payee.start()
    assert machine.call("status")["balanceTiyn"] == 38_000
    assert machine.call("resend", paid["id"]) == paid["payment"]
    assert machine.call("pay", {"hex": request})["payment"] == paid["payment"]
    assert payee.call("receive", {"hex": paid["payment"]})["receipt"] == taken["receipt"]
    assert payee.call("status")["balanceTiyn"] == 12_000
    machine.call("keepReceipt", {"hex": taken["receipt"]})
    for one in (machine, payee):
        assert one.page.evaluate("() => bench.sync()")["complete"]
        one.context.close()
    assert desk.sandbox.reconcile().double_spends == 0
    desk.audit()
