"""`tenge bench pilot`: what playing a pilot costs, beside what the bare ledger asks for the very same transactions.

The pilot `scale` is played into a temporary folder as `tenge pilot run` would do it: durable SQLite for ledger, books,
register, wallets and archive, every signature made and checked, every step resumable. Then a fresh ledger on a durable
SQLite file takes **the same signed transactions in the same groups**, read from the pilot's journal, and must arrive
at the same root. The ratio of the two times says what wallets, banks, books and the script cost on top of the ledger.

Offline payments never were the ledger's: the steps that load, pay, sync and redeem devices are timed apart, and what
they booked is left out of the bare ledger's share too.

Rules kept here: nothing is asserted about time; the two are measured in one process, one after the other; what the
process remembers of verified signatures and opened transactions is forgotten before the bare ledger starts; a step or
an expectation that did not end as the script says counts as an error.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from cbdc import keys
from cbdc.errors import TengeError
from cbdc.ledger.entry import Entry, LogHead, open_entry
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.sqlite import SqliteStore
from cbdc.ports import ManualClock, no_checkpoint, processor_stopwatch, stopwatch
from cbdc.record import open_envelope
from cbdc.transaction import LoadOffline, SettleOffline, forget_opened
from wallets import keystore
from wallets.bench import milliseconds, peak_memory_mib, per_second
from wallets.pilot import runner
from wallets.pilot.folder import RunFolder
from wallets.pilot.script import load
from wallets.sandbox import PASSPHRASE

PILOT = "scale"
SEED = 7
OFFLINE_VERBS = frozenset({"load", "pay_offline", "sync", "redeem_offline", "reconcile"})
SETTING_UP = "set_up"
_TYPE_PLACE = 1
_OFFLINE_TYPES = frozenset({LoadOffline.TYPE, SettleOffline.TYPE})


def pilot(people: int, days: int, progress: runner.Progress = runner.quiet) -> dict[str, Any]:
    """Play and replay; what `tenge bench pilot --json` prints. Raises E_SETTING or E_SCRIPT_REQUIRES for such sizes.

    Seconds are wall time unless the name says processor; ratios are of wall times.
    """
    settings = {"people": str(people), "days": str(days)}
    with tempfile.TemporaryDirectory(prefix="tenge-bench-") as name:
        folder = Path(name) / "run"
        played = _play(folder, settings, progress)
        memory = peak_memory_mib()
        bare = _replay(folder, Path(name) / "bare.sqlite")
        report_bytes = (folder / "report.html").stat().st_size
    found = {
        "people": people,
        "days": days,
        **_told(played, bare),
        "report_page_bytes": report_bytes,
    }
    return found if memory is None else {**found, "peak_memory_mib": memory}


# --- the pilot ---


@dataclass(slots=True)
class _Played:
    """The times of a run: by verb, and of each step that paid, for each payment."""

    report: dict[str, Any]
    total_seconds: float = 0.0
    processor_seconds: float = 0.0
    by_verb: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    a_payment: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def _play(folder: Path, settings: dict[str, str], progress: runner.Progress) -> _Played:
    steps = load(PILOT, settings).steps
    durations: list[float] = []
    last = begun = stopwatch()
    processor = processor_stopwatch()

    def watch(done: int, of: int, text: str) -> None:
        nonlocal last
        now = stopwatch()
        durations.append(now - last)
        last = now
        progress(done, of, text)

    finished = runner.run(PILOT, folder, SEED, settings, progress=watch)
    played = _Played(dict(finished.report), stopwatch() - begun, processor_stopwatch() - processor)
    played.by_verb[SETTING_UP] = durations[0]
    events = RunFolder.open(folder, no_checkpoint)
    try:
        done = events.finished()[1:]
    finally:
        events.close()
    for step, event, seconds in zip(steps, done, durations[1:], strict=True):
        played.by_verb[step.verb] += seconds
        if step.verb in ("pay", "pay_offline") and event["accepted"]:
            paid: int = event["accepted"]
            played.a_payment[step.verb] += [seconds / paid] * paid
    return played


# --- the bare ledger ---


@dataclass(slots=True)
class _Bare:
    """The times of the bare ledger, of groups with and without offline bookings."""

    transactions: int = 0
    seconds: float = 0.0
    processor_seconds: float = 0.0
    offline_transactions: int = 0
    offline_seconds: float = 0.0
    each_seconds: list[float] = field(default_factory=list)
    errors: int = 0
    same_root: bool = False


def _replay(folder: Path, file: Path) -> _Bare:
    found = _Bare()
    journal = SqliteStore(folder / "ledger.sqlite", read_only=True)
    store = SqliteStore(file)
    keys.forget_verified()
    forget_opened()
    try:
        signer = keystore.open_keystore(folder / "keystore.tenge", PASSPHRASE).key("ledger")
        rows = journal.entries()
        first = open_entry(next(rows).data)
        clock = ManualClock(first.time)
        ledger = Ledger.create(store, first.payload, signer, clock)
        heads = [size for size, _ in journal.heads()]
        for before, size in pairwise(heads):
            group: list[Entry] = [open_entry(next(rows).data) for _ in range(size - before)]
            clock.move_to(group[0].time)
            _submit(ledger, [entry.payload for entry in group], found)
        kept = journal.head_covering(ledger.size - 1)
        assert kept is not None, "every entry is covered by a head"
        found.same_root = open_envelope(kept, LogHead, ledger.network).record == ledger.head().record
    finally:
        journal.close()
        store.close()
    return found


def _submit(ledger: Ledger, group: Sequence[bytes], found: _Bare) -> None:
    before, processor = stopwatch(), processor_stopwatch()
    answers = ledger.submit_many(group)
    seconds = stopwatch() - before
    found.processor_seconds += processor_stopwatch() - processor
    found.transactions += len(group)
    found.seconds += seconds
    found.each_seconds += [seconds / len(group)] * len(group)
    found.errors += sum(1 for answer in answers if isinstance(answer, TengeError))
    offline = sum(1 for data in group if data[_TYPE_PLACE] in _OFFLINE_TYPES)
    found.offline_transactions += offline
    # A load or a booking never shares a group with an online payment.
    found.offline_seconds += seconds if offline else 0.0


# --- what is told ---


def _told(played: _Played, bare: _Bare) -> dict[str, Any]:
    online = sum(seconds for verb, seconds in played.by_verb.items() if verb not in OFFLINE_VERBS)
    offline = sum(seconds for verb, seconds in played.by_verb.items() if verb in OFFLINE_VERBS)
    facts = {row["fact"]: row["actual"] for row in played.report["expectations"]}
    paid, paid_offline = facts["steps.pay.person"], facts["offline.payments"]
    unmet = sum(1 for row in played.report["expectations"] if not row["ok"])
    bare_online = bare.seconds - bare.offline_seconds
    return {
        "payments": paid + paid_offline,
        "online": {
            "payments": paid,
            "seconds": round(online, 2),
            "payments_per_second": per_second(paid, played.by_verb["pay"]),
            **_percentiles(played.a_payment["pay"]),
        },
        "offline": {
            "payments": paid_offline,
            "seconds": round(offline, 2),
            "payments_per_second": per_second(paid_offline, played.by_verb["pay_offline"]),
            "milliseconds_a_payment_settled": round(offline * 1_000 / max(paid_offline, 1), 3),
            **_percentiles(played.a_payment["pay_offline"]),
        },
        "bare_ledger": {
            "transactions": bare.transactions,
            "offline_transactions": bare.offline_transactions,
            "seconds": round(bare.seconds, 2),
            "processor_seconds": round(bare.processor_seconds, 2),
            "transactions_per_second": per_second(bare.transactions, bare.seconds),
            "same_root": bare.same_root,
            **_percentiles(bare.each_seconds),
        },
        "total_seconds": round(played.total_seconds, 2),
        "processor_seconds": round(played.processor_seconds, 2),
        "payments_per_second": per_second(paid + paid_offline, played.total_seconds),
        "seconds_by_verb": {verb: round(played.by_verb[verb], 2) for verb in sorted(played.by_verb)},
        "ratios": {
            "online_to_bare_ledger": round(online / max(bare_online, 1e-9), 2),
            "all_to_bare_ledger": round(played.total_seconds / max(bare.seconds, 1e-9), 2),
            "all_to_bare_ledger_processor": round(
                played.processor_seconds / max(bare.processor_seconds, 1e-9), 2
            ),
        },
        "errors": bare.errors + unmet + (0 if bare.same_root else 1),
    }


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Over payments (or transactions), each of which took the mean time of its step (or group)."""
    return {"p50_ms": milliseconds(seconds, 50), "p99_ms": milliseconds(seconds, 99)}


def words(found: dict[str, Any]) -> Iterator[str]:
    """A measurement as a small table for a person."""
    online, offline, bare, ratios = (found[key] for key in ("online", "offline", "bare_ledger", "ratios"))
    yield f"{found['people']:,} people, {found['days']} days, {found['payments']:,} payments; each commit is durable."
    yield f"{'':<34}{'number':>11}{'seconds':>11}{'per second':>12}{'p50':>11}{'p99':>11}"
    rows = (
        ("online payments (the pay steps)", "payments", online, found["seconds_by_verb"]["pay"]),
        ("offline payments, device to device", "payments", offline, found["seconds_by_verb"]["pay_offline"]),
        ("the bare ledger, same transactions", "transactions", bare, bare["seconds"]),
    )
    for name, unit, row, seconds in rows:
        speed = row[f"{unit}_per_second"]
        yield (
            f"{name:<34}{row[unit]:>11,}{seconds:>11,.1f}{speed:>12,.0f}"
            f"{row['p50_ms']:>8,.2f} ms{row['p99_ms']:>8,.2f} ms"
        )
    yield (
        f"played in {found['total_seconds']:,.1f} s ({found['payments_per_second']:,.0f} payments a second all in),"
        f" of it {offline['seconds']:,.1f} s for devices"
    )
    yield (
        f"pilot to bare ledger: {ratios['online_to_bare_ledger']:.2f} online,"
        f" {ratios['all_to_bare_ledger']:.2f} with everything"
        f" ({ratios['all_to_bare_ledger_processor']:.2f} in processor time)"
    )
    same = "the same root" if bare["same_root"] else "ANOTHER ROOT"
    memory = f", peak memory {found['peak_memory_mib']:,.0f} MiB" if "peak_memory_mib" in found else ""
    yield f"replayed to {same}, {found['errors']} errors{memory}, page {found['report_page_bytes']:,} bytes"
