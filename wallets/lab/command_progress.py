"""What `tenge lab offline` does around a run: the folder, bars on standard error, and the files of the results."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from cbdc.errors import Refused
from wallets.lab import jobs, plots_chart, settings, tables_report
from wallets.lab.jobs import News, Teller
from wallets.lab.settings import Plan
from wallets.pilot.command import read_settings, way_on
from wallets.pilot.folder import write_atomic

PARTS = 1_000


def chosen(
    config: str | None, preset: str | None, changes: Sequence[str], seed: int | None
) -> tuple[str, dict[str, str]]:
    """The name of the configuration and the values to change; E_LAB_UNKNOWN unless just one was named."""
    if (config is None) == (preset is None):
        raise Refused("E_LAB_UNKNOWN", name=config or "", known=", ".join(settings.presets()))
    found = read_settings(changes)
    return str(config or preset), found if seed is None else {**found, "lab.seed": str(seed)}


def play(folder: Path, plan: Plan, workers: int) -> dict[str, Any]:
    """Run or go on in `folder`, with bars on a terminal, and write every file of the results."""
    console = Console(stderr=True)
    try:
        with _bars(console, plan) as tell:
            found = jobs.run(folder, plan, workers, tell)
    except KeyboardInterrupt:
        way_on(console, f"tenge lab offline --resume {folder.as_posix()}")
        raise
    write(folder, found)
    return found


def write(folder: Path, found: Mapping[str, Any]) -> None:
    """`tables.txt`, one SVG file for each plot, and `index.html`."""
    write_atomic(folder / "tables.txt", tables_report.text(found).encode())
    for name, picture in plots_chart.pictures(found):
        write_atomic(folder / "plots" / name, plots_chart.svg(picture).encode())
    write_atomic(folder / "index.html", plots_chart.page(found).encode())


@contextmanager
def _bars(console: Console, plan: Plan) -> Iterator[Teller]:
    every = jobs.jobs_of(plan)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(24),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        whole = bars.add_task(f"{len(every)} runs", total=len(every) * PARTS)
        tasks: dict[str, TaskID] = {}
        done: dict[str, int] = {}

        def tell(news: News) -> None:
            key = news.job.key
            done[key] = PARTS if news.ended else news.done * PARTS // (news.of + 1)
            if news.ended and key in tasks:
                bars.remove_task(tasks.pop(key))
            elif not news.ended:
                if key not in tasks:
                    tasks[key] = bars.add_task("", total=news.of)
                words = f"  {key}: day {news.done} of {news.of}, {news.payments:,} payments"
                bars.update(tasks[key], completed=news.done, description=words)
            ended = sum(1 for one in done.values() if one == PARTS)
            bars.update(whole, completed=sum(done.values()), description=f"{ended} of {len(every)} runs")

        yield tell
