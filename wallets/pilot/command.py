"""What `tenge pilot run` does around a run: where it goes, its progress on the screen, and its summary in words."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cbdc.errors import Refused
from cbdc.money import format_tenge
from cbdc.ports import checkpoint_from_environment
from wallets.pilot import runner
from wallets.pilot.script import load


def read_settings(settings: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE` texts as a dictionary; E_SETTING for anything else."""
    found: dict[str, str] = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise Refused("E_SETTING", name=text[:40], value="", problem="write it as KEY=VALUE")
        found[key.strip()] = value.strip()
    return found


def play(
    name: str | None, resume: Path | None, out: Path | None, seed: int, settings: Sequence[str], store: str
) -> runner.Finished:
    """Play or resume with a progress bar (on a terminal's standard error only)."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting", total=None)

        def show(done: int, of: int, text: str) -> None:
            bar.update(task, completed=done, total=of, description=text[:60].ljust(60))

        checkpoint = checkpoint_from_environment()
        chosen = read_settings(settings)
        folder = resume or out or Path("build") / f"{load(str(name), chosen).name}-{seed}"
        try:
            if resume is not None:
                return runner.resume(resume, checkpoint, show)
            return runner.run(str(name), folder, seed, chosen, store, checkpoint, show)
        except KeyboardInterrupt:
            # A command to be copied: no colours, no words in brackets lost, and in one line whatever the width.
            words = f"\nNothing is lost. Go on with: tenge pilot run --resume {folder.as_posix()}"
            console.print(words, soft_wrap=True, markup=False, highlight=False)
            raise


def summary(finished: runner.Finished, program: str = "tenge") -> Iterator[str]:
    """The run in a dozen lines; `program` is how the reader started this command."""
    report = finished.report
    supply, offline = report["supply"], report["offline"]
    yield f"{report['title']} (seed {report['seed']})"
    outstanding = supply["issued_tiyn"] - supply["redeemed_tiyn"]
    yield (
        f"  issued {format_tenge(supply['issued_tiyn'])}, redeemed {format_tenge(supply['redeemed_tiyn'])},"
        f" outstanding {format_tenge(outstanding)}"
    )
    yield (
        f"  offline: {offline['payments']} payments, chains of up to {offline['hops_max']} hops,"
        f" {offline['double_spends']} double spend, loss {format_tenge(offline['loss_tiyn'])}"
    )
    for name, amount in offline["borne_by"].items():
        yield f"    paid by {name}: {format_tenge(amount)}"
    for row in report["refusals"]:
        yield f"  refused {row['count']} × {row['code']}"
    met = sum(1 for row in report["expectations"] if row["ok"])
    yield f"  expectations met: {met} of {len(report['expectations'])}"
    for row in report["expectations"]:
        if not row["ok"]:
            yield f"  NOT MET: {row['name']}: expected {row['expected']}, found {row['actual']}"
    yield f"  report: {(finished.folder / 'report.html').as_posix()}"
    yield f"  next:   {program} audit {finished.folder.as_posix()}"
