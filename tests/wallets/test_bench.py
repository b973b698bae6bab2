"""The measurement of the ledger: everything it promises is there, nothing is refused, and no time is judged."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from cbdc import keys
from cbdc.errors import Refused, TengeError
from cbdc.ledger.ledger import Ledger
from cbdc.transaction import open_transaction
from wallets import bench


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "VERIFICATIONS", 20)
        patch.setattr(bench, "APPENDS", 3)
        patch.setattr(bench, "GROUP", 4)
        yield bench.ledger(10)


def test_everything_promised_is_there(found: dict[str, Any]) -> None:
    part = {
        "transfers_per_second",
        "submit_p50_ms",
        "submit_p99_ms",
        "commit_p50_ms",
        "commit_p99_ms",
        "errors",
    }
    assert set(found["one_by_one"]) == set(found["in_groups"]) == part
    assert set(found["yardstick"]) == {"verifications_per_second", "appends_per_second"}
    assert set(found["ratios"]) == {
        "one_by_one_per_verification",
        "one_by_one_per_append",
        "in_groups_per_verification",
    }
    assert (found["transfers"], found["group"]) == (10, 4)
    assert found["setup_seconds"] >= 0
    assert ("peak_memory_mib" in found) == (sys.platform != "win32")
    assert json.loads(json.dumps(found)) == found


def test_nothing_is_refused_and_every_figure_is_positive(found: dict[str, Any]) -> None:
    assert found["errors"] == 0
    for part in (found["one_by_one"], found["in_groups"]):
        assert all(value > 0 for name, value in part.items() if name != "errors")
        assert part["submit_p50_ms"] <= part["submit_p99_ms"]
        assert part["commit_p50_ms"] <= part["commit_p99_ms"] <= part["submit_p99_ms"]
    assert all(value > 0 for value in found["yardstick"].values())


def test_the_words_tell_every_figure(found: dict[str, Any]) -> None:
    lines = list(bench.words(found))
    text = "\n".join(lines)
    assert "in groups of 4" in text
    assert "bare Ed25519 verifications" in text
    assert "peak memory" in text or sys.platform == "win32"
    assert max(map(len, lines)) <= 110


def test_the_words_without_a_figure_for_memory(found: dict[str, Any]) -> None:
    without = {name: value for name, value in found.items() if name != "peak_memory_mib"}
    assert "memory" not in "\n".join(bench.words(without))


def test_a_system_that_does_not_tell_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert bench.peak_memory_mib() is None
    monkeypatch.setattr(bench, "VERIFICATIONS", 1)
    monkeypatch.setattr(bench, "APPENDS", 1)
    assert "peak_memory_mib" not in bench.ledger(1)


@pytest.mark.parametrize("transfers", [0, -1, bench.MOST_TRANSFERS + 1])
def test_a_number_out_of_range(transfers: int) -> None:
    with pytest.raises(Refused) as caught:
        bench.ledger(transfers)
    assert caught.value.code == "E_SETTING"


def test_refusals_are_counted_as_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that refuses every second transfer of the measured ones: the speed counts only what was accepted."""
    monkeypatch.setattr(bench, "VERIFICATIONS", 1)
    monkeypatch.setattr(bench, "APPENDS", 1)
    really = bench._measure

    def measure(ledger: Ledger, watch: bench._Watch, groups: Any) -> dict[str, Any]:
        return really(ledger, watch, [[*group, b"no transaction"] for group in groups])

    monkeypatch.setattr(bench, "_measure", measure)
    found = bench.ledger(3)
    assert (found["one_by_one"]["errors"], found["in_groups"]["errors"], found["errors"]) == (3, 1, 4)


def test_a_refusal_while_setting_up_is_raised() -> None:
    with pytest.raises(TengeError):
        bench._accept([None, Refused("E_SETTING", name="a", value="b", problem="c")])


def test_percentiles() -> None:
    times = [number / 1_000 for number in range(100, 0, -1)]
    assert bench.milliseconds(times, 50) == 50
    assert bench.milliseconds(times, 99) == 99
    assert bench.milliseconds([0.007], 99) == 7
    assert bench.milliseconds([], 50) == 0


# --- what is timed is the work ---


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every message that libsodium is really asked to verify, in order."""
    asked: list[bytes] = []
    really = keys._opens

    def opens(signed: bytes, raw: bytes) -> bool:
        asked.append(signed)
        return really(signed, raw)

    monkeypatch.setattr(keys, "_opens", opens)
    return asked


def test_the_yardstick_verifies_each_signature_in_the_time_it_takes(
    verified: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signer verifies what it signs, and a process remembers what it verified: not here."""
    counted: list[int] = []
    really = bench._rate

    def rate(times: int, work: Any) -> float:
        before = len(verified)
        found = really(times, work)
        counted.append(len(verified) - before)
        return found

    monkeypatch.setattr(bench, "_rate", rate)
    monkeypatch.setattr(bench, "VERIFICATIONS", 25)
    assert bench._verifications_per_second() > 0
    assert counted == [25]


def test_the_ledger_verifies_and_decodes_each_transfer_while_it_is_timed(
    verified: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transfers are signed in the same process: without forgetting, no signature would be checked at all."""
    counted: list[int] = []
    really = bench._measure

    def measure(ledger: Ledger, watch: bench._Watch, groups: Any) -> dict[str, Any]:
        opened = [open_transaction(data, ledger.network) for group in groups for data in group]
        sent = {signature for transfer in opened for _, signature in transfer.witnesses}
        before = len(verified)
        found = really(ledger, watch, groups)
        counted.append(len(sent & {signed[:64] for signed in verified[before:]}))
        return found

    monkeypatch.setattr(bench, "_measure", measure)
    for name, small in (("VERIFICATIONS", 1), ("APPENDS", 1), ("GROUP", 5)):
        monkeypatch.setattr(bench, name, small)
    bench.ledger(5)
    assert counted == [5, 5]
