"""`tenge bench offline`: what offline payments weigh and cost on this machine, beside bare signatures in the same run.

    bytes         commit, bundles of 1 and 5 hops, evidence E1, of the named vectors: exact, the same everywhere
    check         a payee's whole check (V0 to V7) after 1, 3, 5 and 12 hops: cold, when neither signatures nor devices
                  were met before, and cached; beside a plain loop over the signatures it must verify
    element       what the simulated element takes to pay and to accept
    evidence      what a stranger takes to check E1
    reconcile     SIMULATED traffic in a file, streamed through all cores: read, verified, derived, written to the
                  diary; beside plain loops over the same signatures on all cores at once
    incremental   deriving a batch of about 1,000 transfers that continue the history, and the same batch's worth of
                  transfers on an empty shelf; no signatures, one process

Ratios can be compared between machines and days; bare figures cannot. A ratio `by_processor` compares processor time,
which other programs on the machine disturb less than the clock. Nothing is asserted about time; what goes wrong is
counted.

Source: DTO/1, sections 5.6, 5.9 and 5.19.7.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nacl.bindings
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from cbdc import keys
from cbdc.authority import Authority
from cbdc.errors import Refused, TengeError
from cbdc.keys import ED25519, Question
from cbdc.ports import SeededEntropy, processor_stopwatch, stopwatch
from cbdc.token import PERSON
from offline import evidence
from offline.bulk.limit import CRYPTOGRAPHY, on_all_cores
from offline.bulk.limit import loop as plain_loop
from offline.bulk.synthetic import ALGORITHMS, GROUP_TRANSFERS, Country, Made, Plan
from offline.bulk.work import Workers, all_cores
from offline.device import Device
from offline.element import SimulatedSecureElement
from offline.host_store import MemoryHostStore
from offline.journal import MemoryJournal
from offline.verify import verify_payment
from wallets.bench import milliseconds, peak_memory_mib
from wallets.bench_offline_bulk import incremental, questions_in, stream
from wallets.bench_offline_scene import NOW, Line, Scene
from wallets.reconcile_report import traffic

HOPS = (1, 3, 5, 12)
MOST_TRANSFERS = 5_000_000
LEAST_TRANSFERS = 2 * GROUP_TRANSFERS
_REPEATS = 60
_PAYMENTS = 40
_YARDSTICK = 6_000
_LATER = 1_000


def offline(transfers: int, tell: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Everything above with `transfers` in the streamed file; what `tenge bench offline --json` prints.

    Raises E_SETTING for a number out of range.
    """
    if not LEAST_TRANSFERS <= transfers <= MOST_TRANSFERS:
        problem = f"it must be from {LEAST_TRANSFERS} to {MOST_TRANSFERS}"
        raise Refused("E_SETTING", name="transfers", value=transfers, problem=problem)
    found: dict[str, Any] = {"transfers": transfers, "cores": all_cores(), "bytes": {}, "rows": []}
    rows: list[dict[str, Any]] = found["rows"]
    for name in ALGORITHMS:
        tell(f"{name}: checks")
        scene = Scene(name)
        found["bytes"][name] = scene.bytes()
        rows += [_check(name, scene, scene.line(hops)) for hops in HOPS]
        rows.append(_evidence(name, scene))
        rows += _element(name, scene)
    with tempfile.TemporaryDirectory(prefix="tenge-bench-") as folder:
        for name in ALGORITHMS:
            rows += _bulk(name, transfers, Path(folder), tell)
    found["errors"] = sum(int(row.get("errors", 0)) for row in rows)
    peak = peak_memory_mib()
    return found if peak is None else {**found, "peak_memory_mib": peak}


# --- one payment ---


def bare(questions: Sequence[Question]) -> None:
    """A plain loop over signatures whose keys nobody has seen before: parse where the library must, verify."""
    for algorithm, raw, signature, message in questions:
        if algorithm == ED25519:
            nacl.bindings.crypto_sign_open(signature + message, raw)
        else:
            r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
            key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))


def _strangers(authority: Authority) -> None:
    """Forget every signature and every device; the institutions stay known, as to every receiver."""
    keys.forget_verified()
    keys.forget_keys()
    for auth in authority.auths:
        _ = auth.record.key.kid


def _check(name: str, scene: Scene, line: Line) -> dict[str, Any]:
    cold, cached, loop = list[float](), list[float](), list[float]()
    errors = 0

    def check() -> None:
        verify_payment(line.bundle, line.invoice, PERSON, scene.trust, NOW)

    for _ in range(_REPEATS):
        _strangers(scene.authority)
        try:
            cold.append(_seconds(check))
            cached.append(_seconds(check))
        except TengeError:
            errors += 1
        loop.append(_seconds(lambda: bare(line.questions)))
    return {
        "name": f"check, {line.hops} hops",
        "algorithm": name,
        "signatures": len(line.questions),
        "cold_p50_ms": milliseconds(cold, 50),
        "cold_p99_ms": milliseconds(cold, 99),
        "cached_p50_ms": milliseconds(cached, 50),
        "bare_p50_ms": milliseconds(loop, 50),
        "ratio": _ratio(milliseconds(cold, 50), milliseconds(loop, 50)),
        # The quickest of many runs is the one that other programs disturbed least.
        "ratio_of_quickest": _ratio(milliseconds(cold, 1), milliseconds(loop, 1)),
        "errors": errors,
    }


def _evidence(name: str, scene: Scene) -> dict[str, Any]:
    file, questions = scene.double_spend()
    times, loop = list[float](), list[float]()
    for _ in range(_REPEATS):
        _strangers(scene.authority)
        times.append(_seconds(lambda: evidence.verify_evidence(file, scene.authority.root)))
        loop.append(_seconds(lambda: bare(questions)))
    return {
        "name": "evidence E1",
        "algorithm": name,
        "signatures": len(questions),
        "cold_p50_ms": milliseconds(times, 50),
        "cold_p99_ms": milliseconds(times, 99),
        "bare_p50_ms": milliseconds(loop, 50),
        "ratio": _ratio(milliseconds(times, 50), milliseconds(loop, 50)),
        "errors": 0,
    }


class _Timed:
    """An element whose `pay` and `accept` are timed; everything else passes through."""

    def __init__(self, element: SimulatedSecureElement) -> None:
        self._element = element
        self.pays: list[float] = []
        self.accepts: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._element, name)

    def pay(self, *given: Any, **named: Any) -> Any:
        started = stopwatch()
        answer = self._element.pay(*given, **named)
        self.pays.append(stopwatch() - started)
        return answer

    def accept(self, *given: Any, **named: Any) -> Any:
        started = stopwatch()
        answer = self._element.accept(*given, **named)
        self.accepts.append(stopwatch() - started)
        return answer


def _element(name: str, scene: Scene) -> list[dict[str, Any]]:
    """One device pays another again and again out of notes of its own, over flow Q, hosts included."""
    timed, devices = list[_Timed](), list[Device]()
    for label in ("payer", "payee"):
        element = SimulatedSecureElement(
            MemoryJournal(), SeededEntropy(7), label.encode(), scene.algorithm, deep_checks=False
        )
        element.provision(scene.trust, scene.certify(element.public_key.raw, label))
        timed.append(_Timed(element))
        devices.append(Device(timed[-1], MemoryHostStore()))
    payer, payee = devices
    for number in range(1, _PAYMENTS + 1):
        # A fresh note now and then, so that no line grows too long.
        if number % 10 == 1:
            payer.load(scene.note(payer.kid, 100_000), NOW)
        invoice = payee.invoice(number.to_bytes(16, "big"), 1_000, 0, NOW)
        receipt = payee.receive(payer.pay(invoice, payee.certificate, NOW), invoice, NOW)
        payer.keep_receipt(receipt)
    return [
        {
            "name": f"element {what}",
            "algorithm": name,
            "times": len(seconds),
            "p50_ms": milliseconds(seconds, 50),
            "p99_ms": milliseconds(seconds, 99),
            "errors": 0,
        }
        for what, seconds in (("pay", timed[0].pays), ("accept", timed[1].accepts))
    ]


# --- many transfers ---


def _bulk(name: str, transfers: int, folder: Path, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    cores = all_cores()
    inputs, out = folder / f"traffic-{name}", folder / f"run-{name}"
    tell(f"{name}: making {transfers:,} transfers")
    plan = Plan(transfers, algorithm=ALGORITHMS[name], later=_LATER)
    made = traffic(inputs, plan, cores, cores, tell)
    authority = Country(plan.seed).authority
    questions = questions_in(inputs, authority, _YARDSTICK)
    before = on_all_cores(questions, cores)
    tell(f"{name}: reconciling")
    with Workers(cores, authority) as workers:
        streamed = stream(inputs, out, authority, workers)
    after = on_all_cores(questions, cores)
    limit, each = (before[0] + after[0]) / 2, (before[1] + after[1]) / 2
    tell(f"{name}: an incremental batch")
    step = incremental(inputs, authority)
    shutil.rmtree(inputs)
    shutil.rmtree(out)
    return [
        *_yardsticks(name, questions, limit, cores),
        {
            "name": "reconcile",
            "algorithm": name,
            "transfers": streamed["transfers"],
            "signatures": streamed["signatures"],
            "seconds": round(streamed["seconds"], 2),
            "transfers_per_second": round(streamed["transfers"] / streamed["seconds"], 1),
            "signatures_per_second": round(streamed["signatures"] / streamed["seconds"], 1),
            "limit_per_second": round(limit, 1),
            "ratio": round(streamed["signatures"] / streamed["seconds"] / limit, 3),
            "ratio_by_processor": round(each / (streamed["processor_seconds"] / streamed["signatures"]), 3),
            "memory_mib": streamed["memory_mib"],
            "errors": _wrong(made, streamed["result"]),
        },
        {"name": "incremental derivation", "algorithm": name, **step},
    ]


def _yardsticks(name: str, questions: Sequence[Question], limit: float, cores: int) -> list[dict[str, Any]]:
    rows = []
    for library, label in (("product", "plain loop"), (CRYPTOGRAPHY, "plain loop, cryptography")):
        seconds, _ = plain_loop(questions, library)
        rows.append(
            {
                "name": label,
                "algorithm": name,
                "one_core_per_second": round(len(questions) / seconds, 1),
                "all_cores_per_second": round(
                    limit if library == "product" else on_all_cores(questions, cores, library)[0], 1
                ),
                "cores": cores,
            }
        )
    return rows


def _wrong(made: Made, result: dict[str, Any]) -> int:
    """How many of the planned facts a reconciliation got wrong: the guilty, the losses, what was set aside."""
    return sum(
        (
            {bytes.fromhex(kid) for kid in result["guilty"]} != made.guilty,
            result["loss_tiyn"] != made.loss_tiyn,
            result["transfers"] != made.transfers - made.cheats["forged"],
            result["refused"].get("E_SIG", 0) != made.cheats["forged"],
        )
    )


# --- measuring and words ---


def _seconds(work: Callable[[], object]) -> float:
    started = processor_stopwatch()
    work()
    return processor_stopwatch() - started


def _ratio(one: float, other: float) -> float:
    return round(one / max(other, 1e-9), 3)


def words(found: dict[str, Any]) -> Iterator[str]:
    """A measurement as small tables for a person."""
    yield "bytes                commit   1 hop  5 hops  evidence E1"
    for name, row in found["bytes"].items():
        yield f"{name:<18}{row['commit']:>9,}{row['hops_1']:>8,}{row['hops_5']:>8,}{row['evidence_e1']:>13,}"
    yield ""
    for row in found["rows"]:
        yield f"{row['algorithm']:<8} {row['name']:<26} {_told(row)}"
    if "peak_memory_mib" in found:
        yield f"peak memory of this process {found['peak_memory_mib']:,.0f} MiB; errors: {found['errors']}"


def _told(row: dict[str, Any]) -> str:
    if "cold_p50_ms" in row:
        cached = f", cached {row['cached_p50_ms']:.2f} ms" if "cached_p50_ms" in row else ""
        return (
            f"cold {row['cold_p50_ms']:.2f} ms (p99 {row['cold_p99_ms']:.2f}){cached}; "
            f"bare {row['bare_p50_ms']:.2f} ms; ratio {row['ratio']:.2f}"
        )
    if "p50_ms" in row:
        return f"p50 {row['p50_ms']:.2f} ms, p99 {row['p99_ms']:.2f} ms"
    if "one_core_per_second" in row:
        return f"{row['one_core_per_second']:,.0f} a second on one core, {row['all_cores_per_second']:,.0f} on all"
    if "limit_per_second" in row:
        return (
            f"{row['transfers_per_second']:,.0f} transfers, {row['signatures_per_second']:,.0f} signatures a second: "
            f"{row['ratio']:.2f} of the limit ({row['ratio_by_processor']:.2f} by processor time); "
            f"{row['memory_mib']:,.0f} MiB"
        )
    return (
        f"{row['transfers']:,} transfers on a history of {row['history']:,}: {row['milliseconds']:.1f} ms, "
        f"on none {row['empty_milliseconds']:.1f} ms: ratio {row['ratio']:.2f}"
    )
