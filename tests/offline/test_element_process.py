"""Elements in a process of their own, and its real death: kill -9 at every write and at any exchange (S5, T6, I2, I9).

One script of calls moves money between two elements that share a process. The element in memory plays it too and is the
measure: whatever was killed when, what is there afterwards is the state before the call or the state after it, and the
call repeated gives the same bytes.

    TENGE_STEPS=1 pytest tests/offline/test_element_process.py        a kill at every exchange, not at some
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import Malformed, Unavailable
from cbdc.money import tenge
from cbdc.ports import CRASH_VARIABLE
from cbdc.record import Signed
from cbdc.token import MERCHANT
from offline.element_client import ElementProcess, OpenedRemote, RemoteElement, element_command
from offline.element_process import main
from offline.element_protocol import ElementStatus, SecureElement
from offline.journal import AFTER, BEFORE, TORN
from offline.purse import Caps
from offline.records import Outpoint
from tests.offline.bench import Bench
from tests.offline.ways import SEED, Memory
from tests.offline.world import NOW

ALL = bool(os.environ.get("TENGE_STEPS"))
PAYER, PAYEE = 1, 2


class Script:
    """Calls on a payer and a payee, each writing one record; the signed answers are kept by the name of the call."""

    CALLS = ("invoice", "pay", "accept", "load", "redeem", "trust", "sync_begin", "sync_commit")

    def __init__(self, element: Callable[[int], SecureElement]) -> None:
        self.element = element
        self.bench = Bench("script")
        self.world = self.bench.world
        self.said: dict[str, Any] = {}
        for number, name in ((PAYER, "payer"), (PAYEE, "payee")):
            raw = element(number).public_key.raw
            category = MERCHANT if number == PAYEE else 1
            made = self.world.make_device(name, algorithm=2, public_key=raw, category=category)
            element(number).provision(self.world.trust, made.certificate)
        payer = element(PAYER).public_key.kid
        self.notes = [self.world.make_note(payer, tenge(amount)) for amount in (5_000, 700)]
        element(PAYER).load(self.notes[0], NOW)
        self.order = self.world.make_redeem_order(payer)

    def call(self, name: str) -> Any:
        payer, payee, said = self.element(PAYER), self.element(PAYEE), self.said
        match name:
            case "invoice":
                answer: Any = payee.invoice(b"i", tenge(1_000), 0, NOW + 600, 4, 9_000, b"", b"", NOW)
            case "pay":
                picks = [Outpoint(self.notes[0].oid, 0)]
                answer = payer.pay(said["invoice"], payee.certificate, picks, NOW)
            case "accept":
                caps = [Caps(5, 12)]
                answer = payee.accept(said["invoice"].oid, said["pay"], caps, payer.certificate, NOW)
            case "load":
                answer = payer.load(self.notes[1], NOW)
            case "redeem":
                answer = payer.redeem(b"r", self.order, [Outpoint(self.notes[1].oid, 0)], tenge(700), NOW)
            case "trust":
                answer = payer.trust([self.world.make_trust(2)])
            case "sync_begin":
                answer = payer.sync_begin(b"s")
            case _:
                # An acknowledgement that was taken answers no open request any more: the host looks before it asks.
                ack = self.bench.ack(said["sync_begin"])
                answer = None if payer.status(NOW).last_ack == ack.oid else payer.sync_commit(ack)
        said[name] = answer
        return answer

    def states(self) -> tuple[ElementStatus, ElementStatus]:
        return self.element(PAYER).status(NOW), self.element(PAYEE).status(NOW)


class Measured(Script):
    """The script played in memory: the states before each call and at the end, and what was said."""

    def __init__(self) -> None:
        super().__init__(Memory(Path()).element)
        self.before = {}
        for name in self.CALLS:
            self.before[name] = self.states()
            self.call(name)
        self.end = self.states()

    def after(self, name: str) -> tuple[ElementStatus, ElementStatus]:
        place = self.CALLS.index(name) + 1
        return self.before[self.CALLS[place]] if place < len(self.CALLS) else self.end


@pytest.fixture(scope="module")
def measure() -> Measured:
    return Measured()


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ElementProcess]:
    with ElementProcess(element_command(tmp_path / "elements", SEED, durable=False)) as made:
        yield made


def clients(process: ElementProcess) -> Callable[[int], SecureElement]:
    made = {number: RemoteElement(process, number) for number in (PAYER, PAYEE)}
    return made.__getitem__


@pytest.mark.slow
@pytest.mark.parametrize("point", [BEFORE, TORN, AFTER])
def test_s5_kill_9_at_every_write_of_every_call(
    process: ElementProcess, measure: Measured, point: str
) -> None:
    script = Script(clients(process))
    process.close()
    written_again = 0
    for name in script.CALLS:
        # The process that repeats the call before is killed in this one: a call that was lost writes once more.
        process.environment = {**os.environ, CRASH_VARIABLE: f"{point}:{1 + written_again}"}
        process.close()
        if name != script.CALLS[0]:
            last = script.CALLS[script.CALLS.index(name) - 1]
            assert script.call(last) == measure.said[last]
            assert script.states() == measure.before[name]
        with pytest.raises(Unavailable, match="E_ELEMENT_GONE") as gone:
            script.call(name)
        assert gone.value.facts == {"exit_code": -signal.SIGKILL}
        process.environment = None
        assert script.states() == (measure.after(name) if point == AFTER else measure.before[name])
        written_again = 0 if point == AFTER else 1
    last = script.CALLS[-1]
    assert script.call(last) == measure.said[last]
    assert script.states() == measure.end
    assert script.said == measure.said


class Fatal:
    """A process that is killed just before its `number`-th exchange, or just after it."""

    def __init__(self, process: ElementProcess, number: int, after: bool) -> None:
        self._process = process
        self._left = number
        self._after = after

    @property
    def session(self) -> int:
        return self._process.session

    def exchange(self, address: int, command: bytes) -> bytes:
        self._left -= 1
        if self._left:
            return self._process.exchange(address, command)
        if self._after:
            self._process.exchange(address, command)
        if self._process._process is not None:
            self._process._process.kill()
            self._process._process.wait()
        if self._after:
            raise Unavailable("E_ELEMENT_GONE", exit_code=-signal.SIGKILL)
        return self._process.exchange(address, command)


def repeated(call: Callable[[], Any]) -> Any:
    """The answer to a call that may be cut off once."""
    try:
        return call()
    except Unavailable:
        return call()


@pytest.mark.slow
def test_t6_kill_9_at_any_exchange(process: ElementProcess, measure: Measured) -> None:
    """Every command of every call, also in the middle of a chain or of an answer."""
    counted = Fatal(process, 0, after=False)
    channels = {number: RemoteElement(counted, number) for number in (PAYER, PAYEE)}
    script = Script(channels.__getitem__)
    begun = -counted._left
    for name in script.CALLS:
        script.call(name)
    whole = -counted._left - begun
    assert whole > 25
    folder = Path(process._words[3])
    process.close()
    for number in range(1, whole + 1, 1 if ALL else whole // 6):
        for after in (False, True) if ALL else (number % 2 == 0,):
            for file in folder.iterdir():
                file.unlink()
            fatal = Fatal(process, 0, after)
            channels = {number: RemoteElement(fatal, number) for number in (PAYER, PAYEE)}
            script = Script(channels.__getitem__)
            fatal._left = number
            for name in script.CALLS:
                repeated(partial(script.call, name))
                assert repeated(script.states) == measure.after(name)
            assert fatal._left <= 0, "it was killed"
            assert script.said == measure.said
            process.close()


def test_a_process_that_died_between_two_calls_is_not_noticed(process: ElementProcess) -> None:
    script = Script(clients(process))
    before = script.states()
    first = process.pid
    os.kill(first, signal.SIGKILL)
    assert process._process is not None
    process._process.wait()
    assert script.states() == before
    assert process.pid not in (0, first)


def test_a_silent_process_is_ended_and_the_next_call_starts_another(tmp_path: Path) -> None:
    mute = ElementProcess([sys.executable, "-c", "import sys; sys.stdin.buffer.read()"], silence_seconds=0)
    with pytest.raises(Unavailable, match="E_ELEMENT_SILENT"):
        RemoteElement(mute, 1).status(NOW)
    assert mute.pid == 0


@pytest.mark.parametrize(
    "program", ["raise SystemExit(3)", "import sys; sys.stdin.close(); sys.stdout.close()"]
)
def test_a_process_that_will_not_serve_is_gone(program: str) -> None:
    with ElementProcess([sys.executable, "-c", program]) as broken:
        for _ in range(2):
            with pytest.raises(Unavailable, match="E_ELEMENT_GONE"):
                RemoteElement(broken, 1).status(NOW)


def test_a_damaged_journal_is_told_and_its_neighbours_live(process: ElementProcess) -> None:
    script = Script(clients(process))
    process.close()
    folder = Path(process._words[3])
    path = folder / "element-00000001.journal"
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    with pytest.raises(Malformed, match="E_JOURNAL"):
        script.element(PAYER).status(NOW)
    assert script.element(PAYEE).status(NOW).status == "active"


def test_two_processes_of_one_folder_never_both_write(process: ElementProcess, tmp_path: Path) -> None:
    script = Script(clients(process))
    with ElementProcess(process._words) as other:
        twin = RemoteElement(other, PAYER)
        first = script.element(PAYER).sync_begin(b"s")
        assert twin.sync_begin(b"t") == first, "it reads what the other one wrote"
        script.element(PAYER).sync_commit(script.bench.ack(first))
        with pytest.raises(Malformed, match=r"E_JOURNAL.*somebody else"):
            twin.load(script.notes[1], NOW)
        with pytest.raises(Unavailable, match="E_ELEMENT_RESTART"):
            twin.load(script.notes[1], NOW)
        twin.load(script.notes[1], NOW)
        assert twin.status(NOW).balance_tiyn == tenge(5_700)


def test_hundreds_of_elements_share_one_process_and_come_back(process: ElementProcess) -> None:
    keys = {number: RemoteElement(process, number).public_key for number in range(150)}
    assert len({key.kid for key in keys.values()}) == 150
    first = process.pid
    os.kill(first, signal.SIGKILL)
    assert process._process is not None
    process._process.wait()
    assert {number: RemoteElement(process, number).public_key for number in range(150)} == keys
    assert process.pid != first


# --- the switch ---


def test_an_opened_process_is_loud_and_its_journals_say_so_for_ever(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "elements"
    with ElementProcess(element_command(folder, SEED)) as honest:
        Script(clients(honest))
    assert capfd.readouterr().err == ""
    with ElementProcess(element_command(folder, SEED, open_for_attack="a study of rollbacks")) as opened:
        thief = OpenedRemote(opened, PAYER)
        assert thief.status(NOW).opened_for == "a study of rollbacks"
    said = capfd.readouterr().err
    assert "OPENED" in said
    assert "a study of rollbacks" in said
    with ElementProcess(element_command(folder, SEED)) as closed:
        touched = OpenedRemote(closed, PAYER)
        status = touched.status(NOW)
        assert status.opened
        assert "OPENED" in status.kind
        assert status.opened_for == "a study of rollbacks"
        with pytest.raises(Unavailable, match="6D00"):
            touched.capture()
        assert not RemoteElement(closed, PAYEE).status(NOW).opened, "what was never served open is closed"


def test_the_tools_of_a_thief_work_through_the_channel(tmp_path: Path) -> None:
    words = element_command(tmp_path / "elements", SEED, durable=False, open_for_attack="spend twice")
    with ElementProcess(words) as process:
        script = Script(clients(process))
        thief = OpenedRemote(process, PAYER)
        pick, payee = Outpoint(script.notes[0].oid, 0), script.element(PAYEE)

        def invoice(id: bytes) -> Signed[Any]:
            return payee.invoice(id, tenge(100), 0, NOW + 600, 1, 9_000, b"", b"", NOW)

        before = thief.capture()
        (first,) = thief.pay(invoice(b"1"), payee.certificate, [pick], NOW)
        twin = thief.clone(77)
        thief.rollback(before)
        (second,) = thief.pay(invoice(b"2"), payee.certificate, [pick], NOW)
        assert first.record.outpoint == second.record.outpoint
        assert first.oid != second.oid
        assert twin.status(NOW).totals.out_count == 1
        assert twin.public_key == thief.public_key
        forged = thief.sign_anything(first.record)
        forged.verify(thief.public_key)
        assert forged == first
        with refused_malformed("E_FIELD"):
            thief.rollback(5)
        assert (thief.status(NOW).opened, twin.status(NOW).opened) == (True, True)


def refused_malformed(code: str) -> Any:
    return pytest.raises(Malformed, match=f"^{code}:")


# --- the command ---


def test_it_serves_until_its_input_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with os.fdopen(reading) as nothing, (tmp_path / "out").open("wb") as out:
        monkeypatch.setattr("sys.stdin", nothing)
        monkeypatch.setattr("sys.stdout", out)
        assert main([str(tmp_path / "elements"), "--algorithm", "ed25519"]) == 0
    assert (tmp_path / "elements").is_dir()


def test_a_folder_that_cannot_be_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main([str(tmp_path / "file" / "elements")]) == 2
    assert "Not a directory" in capsys.readouterr().err
