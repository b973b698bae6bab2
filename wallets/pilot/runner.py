"""Plays a script on a sandbox, step by step, and can be stopped at any moment.

Each step has one moment of virtual time, one id, and one row in the run's folder once it is done. Killed anywhere,
`resume` reads the finished steps, plays the one that was under way again, and ends with the same report, byte for
byte. A step that names the code its tries must be refused with fails if one is accepted or refused otherwise, or by
another rule than the one it names where the refusal says its rule; a step that names none fails if anything is refused.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cbdc.errors import Refused
from cbdc.ledger.engines import SQLITE_URL
from cbdc.ports import Checkpoint, ManualClock, no_checkpoint
from wallets.cast import SandboxPlan
from wallets.pilot import csv_tables, page, report, setting
from wallets.pilot.folder import RunFolder, canonical_json, read_run, write_atomic
from wallets.pilot.perform import check, facts_of, perform, reports_of, worlds
from wallets.pilot.play import Outcome, Play
from wallets.pilot.policy_section import policy_of
from wallets.pilot.script import Script, Step, other_rule, parse, read_source
from wallets.sandbox import Sandbox

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished run: its report as a value, and where its files are."""

    report: Mapping[str, Any]
    folder: Path

    @property
    def ok(self) -> bool:
        """Whether every expectation was met."""
        return all(row["ok"] for row in self.report["expectations"])


def quiet(done: int, of: int, text: str) -> None:
    """The progress that shows nothing."""


def run(
    name_or_path: str,
    folder: Path,
    seed: int,
    settings: Mapping[str, str] | None = None,
    store: str = "",
    checkpoint: Checkpoint = no_checkpoint,
    progress: Progress = quiet,
    off: Sequence[str] = (),
) -> Finished:
    """Play a pilot into an empty folder, without the rules named in `off`.

    `store` is the URL of the ledger's store, empty for a file in the folder. Raises what `script.load` raises,
    E_STORE_URL, E_RUN_EXISTS for a folder that is not empty, E_VERB when a step cannot be played, and
    E_STORE_UNAVAILABLE or the like when the disk fails: go on with `resume` then.
    """
    file, data = read_source(name_or_path)
    script = parse(file, data, settings or {}, off, seed)
    check(script)
    if store and not store.startswith(SQLITE_URL):
        # A ledger in memory could be neither audited nor gone on with.
        raise Refused("E_STORE_URL", url=store)
    asked = {
        "pilot": script.name,
        "file": file,
        "script_sha256": script.sha256,
        "seed": seed,
        "settings": dict(sorted((settings or {}).items())),
        "store": store,
        "off": list(off),
    }
    return _play(script, RunFolder.create(folder, asked, data, checkpoint), asked, checkpoint, progress)


def resume(folder: Path, checkpoint: Checkpoint = no_checkpoint, progress: Progress = quiet) -> Finished:
    """Go on with the run in `folder`; a finished run gives its report again. E_RUN_UNKNOWN or E_RUN_DAMAGED."""
    asked, data = read_run(folder)
    script = parse(asked["file"], data, asked["settings"], asked["off"], asked["seed"])
    check(script)
    return _play(script, RunFolder.open(folder, checkpoint), asked, checkpoint, progress)


def _play(
    script: Script, folder: RunFolder, asked: Mapping[str, Any], checkpoint: Checkpoint, progress: Progress
) -> Finished:
    try:
        result = _play_on(script, folder, asked, checkpoint, progress)
    finally:
        folder.close()
    folder.write_manifest(complete=True)
    return Finished(result, folder.path)


def _play_on(
    script: Script, folder: RunFolder, asked: Mapping[str, Any], checkpoint: Checkpoint, progress: Progress
) -> dict[str, Any]:
    events = folder.finished()
    # What a crash left open is completed while the sandbox opens, at the moment of the step it belongs to.
    under_way = script.steps[max(0, len(events) - 1) :] if events else ()
    first = under_way[0] if under_way else None
    clock = ManualClock(script.moment_of(first.day, first.time) if first else script.moment_of(0, "00:00"))
    sandbox = Sandbox.open(plan_of(script, asked, clock), folder.path, checkpoint)
    try:
        setting.set_up(script, sandbox)
        with worlds(script, sandbox, folder) as opened:
            play = Play(script, sandbox, folder, opened)
            total = len(script.steps) + 1
            for number, event in enumerate(_remaining(play, clock, events), start=len(events)):
                folder.finish_step(number, event)
                events.append(event)
                progress(len(events), total, str(event["text"] or event["verb"]))
            parts = report.Parts(facts_of(opened), reports_of(opened), asked["off"])
            result = report.build(script, asked["seed"], events, sandbox, parts)
        _write(folder, result, sandbox)
    finally:
        sandbox.close()
    return result


def plan_of(script: Script, asked: Mapping[str, Any], clock: ManualClock) -> SandboxPlan:
    """What the sandbox of this script is made of."""
    section = policy_of(script)
    return SandboxPlan(
        seed=int(asked["seed"]),
        clock=clock,
        store=str(asked["store"]),
        label=f"pilot {script.name}",
        banks=tuple((bank.name, bank.title, bank.reserve_tiyn) for bank in script.banks),
        budget_bank=script.budget_bank,
        budget_tiyn=script.budget_tiyn,
        loss_reserve_tiyn=script.loss_reserve_tiyn,
        registers=tuple(dict.fromkeys(register for register, _ in script.facts)),
        policy=section.policy,
        loss_policy=section.losses,
        loss_study=section.study,
        mode=section.mode,
    )


def _remaining(
    play: Play, clock: ManualClock, events: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Play what is left: the event of the setting up first, then each step; yields its event when it is done."""
    script, sandbox = play.script, play.sandbox
    if not events:
        yield {
            "step": -1,
            "day": 0,
            "date": script.date_of(0).isoformat(),
            "time": "00:00",
            "verb": "set_up",
            "text": "The National Bank, the operator, banks, treasury and cast are set up; the loss reserve is funded.",
            "supply": asdict(sandbox.supply()),
            "sheets": sandbox.balance_sheets(),
        }
    for step in script.steps[max(0, len(events) - 1) :]:
        clock.move_to(max(clock.now(), script.moment_of(step.day, step.time)))
        yield _event(script, sandbox, step, perform(play, step))


def _event(script: Script, sandbox: Sandbox, step: Step, outcome: Outcome) -> dict[str, Any]:
    refused = [error for error in outcome.results if error is not None]
    others = Counter(other for error in refused if (other := other_rule(step, error)))
    refusals = Counter(error.code for error in refused)
    return {
        "step": step.number,
        "day": step.day,
        "date": script.date_of(step.day).isoformat(),
        "time": step.time,
        "verb": step.verb,
        "who": str(step.arguments.get("who", "")),
        "text": step.text,
        "note": outcome.note,
        "tries": len(outcome.results),
        "accepted": sum(1 for error in outcome.results if error is None),
        "refused_as": step.refused,
        "rule": step.rule,
        "milestone": step.milestone,
        "since": step.since,
        "refusals": dict(sorted(refusals.items())),
        "sentences": _sentences(outcome),
        "refused_with": _refused_with(outcome),
        "mark": str(step.arguments.get("mark", "")),
        "amount_tiyn": outcome.amount_tiyn,
        "offline_payments": outcome.offline_payments,
        "hops": outcome.hops,
        "supply": asdict(sandbox.supply()),
        # Only where it happened: what another rule of the mark refused with the expected code.
        **({"refused_by_others": dict(sorted(others.items()))} if others else {}),
    }


def _sentences(outcome: Outcome) -> dict[str, str]:
    """The first sentence of each code, with its facts: what a person at the counter would have read."""
    told: dict[str, str] = {}
    for error in outcome.results:
        if error is not None:
            told.setdefault(error.code, error.sentence())
    return dict(sorted(told.items()))


def _refused_with(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """The facts of the first refusal of each code: its sentence in every language follows from them."""
    told: dict[str, dict[str, Any]] = {}
    for error in outcome.results:
        if error is not None:
            facts = {
                name: value if isinstance(value, int) else str(value) for name, value in error.facts.items()
            }
            told.setdefault(error.code, facts)
    return told


def _write(folder: RunFolder, result: Mapping[str, Any], sandbox: Sandbox) -> None:
    evidence = folder.path / "evidence"
    write_atomic(evidence / "root.dto", sandbox.root)
    for name, data in sandbox.evidence_files():
        write_atomic(evidence / name, data)
    write_atomic(folder.path / "head.dto", sandbox.head())
    for name, data in csv_tables.files(result):
        write_atomic(folder.path / "tables" / name, data)
    write_atomic(folder.path / "report.html", page.render(result).encode())
    write_atomic(folder.path / "report.json", canonical_json(result).encode())
