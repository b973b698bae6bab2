"""`tenge bench ledger`: how fast is the ledger on this machine, beside what the machine can do at all?

The real thing is measured: `cbdc.ledger` on a SQLite file in a temporary folder, every commit on the disk before it
counts. Each transfer spends the token of a wallet of its own and makes two, one for the payee and one for change. All
of them are signed before the watch starts, so that what is timed is the ledger's work and no wallet's.

    one by one     each transfer is a commit of its own: what a single payer waits for
    in groups      `GROUP` transfers share a commit and a signed head: how canteens and clearing pay

Beside them stands the yardstick, measured in the same run: bare Ed25519 verifications on one core and bare appends of
4 KiB that wait for the disk. The ratios say how much of a machine's signature speed arrives as durable transfers, and
can be compared between machines; the bare figures cannot.

Rules kept here: nothing is asserted about time; the keys and transactions follow from their numbers; a refusal is
counted as an error, never left out; what this process remembers of signatures and transactions (it made them itself) is
forgotten before the watch starts, and the yardstick asks the library itself.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cbdc import keys
from cbdc.accounts import Books
from cbdc.accounts_store import MemoryBooks
from cbdc.cabinet import MemoryCabinet
from cbdc.errors import Refused, TengeError
from cbdc.institutions import BankName
from cbdc.keys import ED25519, Signer, SoftwareKey
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.sqlite import SqliteStore
from cbdc.money import tenge
from cbdc.ports import ManualClock, SeededEntropy, stopwatch
from cbdc.system import Setup, Stores, System, assemble
from cbdc.token import PERSON, KeyLock, Token, TokenId
from cbdc.transaction import Transfer, forget_opened, sign_transaction

GROUP = 250
MOST_TRANSFERS = 200_000
VERIFICATIONS = 3_000
APPENDS = 300
APPEND_BYTES = 4_096

_START = 1_762_146_000
_BANK = 1
_TIER = 2
_HELD_TIYN = tenge(1_000)
_PAID_TIYN = tenge(600)
_OUTPUTS_A_TRANSACTION = 250


def ledger(transfers: int) -> dict[str, Any]:
    """Measure `transfers` transfers one by one and as many in groups; what `tenge bench ledger --json` prints.

    Speeds are per second, latencies in milliseconds, `errors` the refusals that should not be. Raises E_SETTING for
    a number of transfers out of range.
    """
    if not 1 <= transfers <= MOST_TRANSFERS:
        problem = f"it must be from 1 to {MOST_TRANSFERS}"
        raise Refused("E_SETTING", name="transfers", value=transfers, problem=problem)
    with tempfile.TemporaryDirectory(prefix="tenge-bench-") as name:
        folder = Path(name)
        yardstick = {
            "verifications_per_second": _verifications_per_second(),
            "appends_per_second": _appends_per_second(folder / "appends"),
        }
        watch = _Watch()
        started = stopwatch()
        system = _open(folder, watch)
        try:
            alone, grouped = prepare(system, transfers)
            setup_seconds = stopwatch() - started
            one_by_one = _measure(system.ledger, watch, [[transfer] for transfer in alone])
            groups = [grouped[start : start + GROUP] for start in range(0, transfers, GROUP)]
            in_groups = _measure(system.ledger, watch, groups)
        finally:
            system.close()
    found = {
        "transfers": transfers,
        "group": GROUP,
        "setup_seconds": round(setup_seconds, 2),
        "one_by_one": one_by_one,
        "in_groups": in_groups,
        "yardstick": yardstick,
        "ratios": _ratios(one_by_one, in_groups, yardstick),
        "errors": one_by_one["errors"] + in_groups["errors"],
    }
    peak = peak_memory_mib()
    return found if peak is None else {**found, "peak_memory_mib": peak}


# --- what is measured ---


@dataclass(slots=True)
class _Watch:
    """Sits at the store's write points and notes how long each commit took."""

    commits_seconds: list[float] = field(default_factory=list)
    _begun: float = 0.0

    def __call__(self, point: str) -> None:
        if point == "ledger.commit.before":
            self._begun = stopwatch()
        elif point == "ledger.commit.after":
            self.commits_seconds.append(stopwatch() - self._begun)


def _measure(ledger: Ledger, watch: _Watch, groups: Sequence[Sequence[bytes]]) -> dict[str, Any]:
    watch.commits_seconds.clear()
    keys.forget_verified()
    forget_opened()
    submits_seconds: list[float] = []
    errors = 0
    started = stopwatch()
    for group in groups:
        before = stopwatch()
        answers = ledger.submit_many(group)
        submits_seconds.append(stopwatch() - before)
        errors += sum(1 for answer in answers if isinstance(answer, TengeError))
    elapsed = stopwatch() - started
    return {
        "transfers_per_second": per_second(sum(len(group) for group in groups) - errors, elapsed),
        "submit_p50_ms": milliseconds(submits_seconds, 50),
        "submit_p99_ms": milliseconds(submits_seconds, 99),
        "commit_p50_ms": milliseconds(watch.commits_seconds, 50),
        "commit_p99_ms": milliseconds(watch.commits_seconds, 99),
        "errors": errors,
    }


def per_second(count: int, seconds: float) -> float:
    """How many a second."""
    return round(count / max(seconds, 1e-9), 1)


def milliseconds(seconds: Sequence[float], percent: int) -> float:
    """The smallest of the times that `percent` of them do not exceed; 0 for none at all."""
    if not seconds:
        return 0.0
    place = -(-len(seconds) * percent // 100) - 1
    return round(sorted(seconds)[place] * 1_000, 3)


def _ratios(
    one_by_one: dict[str, Any], in_groups: dict[str, Any], yardstick: dict[str, float]
) -> dict[str, float]:
    alone, grouped = one_by_one["transfers_per_second"], in_groups["transfers_per_second"]
    return {
        "one_by_one_per_verification": round(alone / yardstick["verifications_per_second"], 4),
        "one_by_one_per_append": round(alone / yardstick["appends_per_second"], 4),
        "in_groups_per_verification": round(grouped / yardstick["verifications_per_second"], 4),
    }


# --- the yardstick ---


def _rate(times: int, work: Callable[[int], object]) -> float:
    started = stopwatch()
    for number in range(times):
        work(number)
    return per_second(times, stopwatch() - started)


def _verifications_per_second() -> float:
    """Bare verifications of different messages under one key, on one core, by the library and nothing around it."""
    signer = bench_key("yardstick")
    messages = [number.to_bytes(32, "big") for number in range(VERIFICATIONS)]
    signed = [signer.sign(message) + message for message in messages]
    raw = signer.public.raw
    # The bare call of the library, without the rules around it and without what this process remembers.
    return _rate(VERIFICATIONS, lambda number: keys._opens(signed[number], raw))


def _appends_per_second(path: Path) -> float:
    """Bare appends to one file, each on the disk before the next."""
    page = bytes(APPEND_BYTES)
    with path.open("ab", buffering=0) as file:

        def append(_: int) -> None:
            file.write(page)
            os.fsync(file.fileno())

        return _rate(APPENDS, append)


def peak_memory_mib() -> float | None:
    """The most memory this process ever had, in MiB; None where the system does not tell (Windows)."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kibibytes everywhere but on macOS, which counts bytes.
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


# --- the scene: one bank, a wallet for each transfer, two tokens in each wallet ---


def bench_key(label: str, algorithm: int = ED25519) -> SoftwareKey:
    """The key of a label: the same in every run and in every process of a run."""
    return SoftwareKey(algorithm, hashlib.sha256(b"tenge bench\0" + label.encode()).digest())


def _open(folder: Path, watch: _Watch) -> System:
    stores = Stores(SqliteStore(folder / "ledger.sqlite", watch), Books(MemoryBooks()), MemoryCabinet())
    setup = Setup(banks=(BankName(_BANK, "bank"),), registers=(), label="bench")
    return assemble(stores, bench_key, ManualClock(_START), SeededEntropy(0), setup)


def prepare(system: System, transfers: int) -> tuple[list[bytes], list[bytes]]:
    """Register and fund the wallets, and sign what they will pay: once one by one, once in groups."""
    signers = [bench_key(f"wallet {number}") for number in range(transfers)]
    bank = system.banks[_BANK]
    customers = [
        bank.open_account(signer.public.kid, f"holder {number}", str(number), _TIER, PERSON).id
        for number, signer in enumerate(signers)
    ]
    _accept(bank.register_keys(list(zip(customers, signers, strict=True))))
    tokens = _fund(system, signers)
    payees = [*signers[1:], signers[0]]
    rows = list(zip(signers, payees, strict=True))
    alone = [_pay(system, *row, token) for row, token in zip(rows, tokens[:transfers], strict=True)]
    grouped = [_pay(system, *row, token) for row, token in zip(rows, tokens[transfers:], strict=True)]
    return alone, grouped


def _fund(system: System, signers: Sequence[Signer]) -> list[TokenId]:
    """Two tokens for each wallet, out of the bank's inventory: all the first ones, then all the second ones."""
    bank = system.banks[_BANK]
    owners = [signer.public.kid for signer in signers] * 2
    left_tiyn = len(owners) * _HELD_TIYN
    system.national_bank.endow(_id("endow"), _BANK, left_tiyn)
    ordered = system.banks[_BANK].order_tokens(_id("order"), left_tiyn)
    inventory = system.keys.bank_inventory(_BANK)
    source = TokenId(ordered.transaction_id, 0)
    transactions, tokens = list[bytes](), list[TokenId]()
    for start in range(0, len(owners), _OUTPUTS_A_TRANSACTION):
        outputs = [Token(_HELD_TIYN, KeyLock(kid)) for kid in owners[start : start + _OUTPUTS_A_TRANSACTION]]
        left_tiyn -= _HELD_TIYN * len(outputs)
        change = [Token(left_tiyn, KeyLock(bank.inventory_kid))] if left_tiyn else []
        record = Transfer(_nonce(source), (source,), (*outputs, *change))
        signed = sign_transaction(record, system.network, [inventory])
        transactions.append(signed.encode())
        tokens += [TokenId(signed.id, place) for place in range(len(outputs))]
        source = TokenId(signed.id, len(outputs))
    _accept(system.ledger.submit_many(transactions))
    return tokens


def _pay(system: System, payer: Signer, payee: Signer, token: TokenId) -> bytes:
    """One token in, two out: the payment and the change."""
    outputs = (
        Token(_PAID_TIYN, KeyLock(payee.public.kid)),
        Token(_HELD_TIYN - _PAID_TIYN, KeyLock(payer.public.kid)),
    )
    record = Transfer(_nonce(token), (token,), outputs)
    return sign_transaction(record, system.network, [payer]).encode()


def _accept(answers: Sequence[object]) -> None:
    for answer in answers:
        if isinstance(answer, TengeError):
            raise answer


def _id(label: str) -> bytes:
    return hashlib.sha256(b"tenge bench id\0" + label.encode()).digest()


def _nonce(token: TokenId) -> bytes:
    return hashlib.sha256(b"tenge bench nonce\0" + token.transaction_id + bytes([token.output])).digest()[:16]


# --- words ---


def words(found: dict[str, Any]) -> Iterator[str]:
    """A measurement as a small table for a person."""
    yield f"{found['transfers']:,} transfers, 1 token in and 2 out; each commit is on the disk before it counts."
    yield f"{'':<28}{'per second':>12}{'submit p50':>12}{'p99':>10}{'commit p50':>12}{'p99':>10}{'errors':>8}"
    rows = (("one by one", found["one_by_one"]), (f"in groups of {found['group']}", found["in_groups"]))
    for name, row in rows:
        times = [row[key] for key in ("submit_p50_ms", "submit_p99_ms", "commit_p50_ms", "commit_p99_ms")]
        told = "".join(
            f"{time:>{width - 3},.2f} ms" for time, width in zip(times, (12, 10, 12, 10), strict=True)
        )
        yield f"{name:<28}{row['transfers_per_second']:>12,.0f}{told}{row['errors']:>8}"
    yardstick, ratios = found["yardstick"], found["ratios"]
    yield f"{'bare Ed25519 verifications':<28}{yardstick['verifications_per_second']:>12,.0f}   on one core"
    yield f"{'bare appends of 4 KiB':<28}{yardstick['appends_per_second']:>12,.0f}   each waits for the disk"
    yield (
        f"transfers a verification: {ratios['one_by_one_per_verification']:.3f} one by one,"
        f" {ratios['in_groups_per_verification']:.3f} in groups;"
        f" transfers an append: {ratios['one_by_one_per_append']:.3f}"
    )
    memory = f", peak memory {found['peak_memory_mib']:,.0f} MiB" if "peak_memory_mib" in found else ""
    yield f"set up in {found['setup_seconds']:.1f} s{memory}"
