"""How a run shows on a terminal: one bar for a run, and for many runs one bar for all above one for each at work.

Bars go to standard error and only to a terminal; they disappear when the work is done. The time left is what is left
of the steps at the speed of the last ones.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from wallets.pilot.fleet import Job, News, Teller
from wallets.pilot.runner import Progress as Shown

WIDTH = 44


def _bars(console: Console) -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(20), MofNCompleteColumn())
    return Progress(
        *columns,
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("left"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _words(text: str) -> str:
    return text[:WIDTH].ljust(WIDTH)


@contextmanager
def one_run(console: Console) -> Iterator[Shown]:
    """A bar for one run, to be called with (steps done, of how many, what)."""
    with _bars(console) as bars:
        task = bars.add_task(_words("starting"), total=None)

        def show(done: int, of: int, text: str) -> None:
            bars.update(task, completed=done, total=of, description=_words(text))

        yield show


@contextmanager
def many_runs(console: Console, jobs: Sequence[Job]) -> Iterator[Teller]:
    """Bars for a fleet: all steps of all runs, and each run that is at work."""
    done = {job.key: 0 for job in jobs}
    length = {job.key: job.steps for job in jobs}
    with _bars(console) as bars:
        whole = bars.add_task(_words(f"{len(jobs)} runs"), total=sum(length.values()))
        tasks: dict[str, TaskID] = {}
        ended: set[str] = set()

        def tell(news: News) -> None:
            if news.result is not None:
                done[news.key] = length[news.key]
                ended.add(news.key)
                if news.key in tasks:
                    bars.remove_task(tasks.pop(news.key))
            else:
                done[news.key] = news.done
                if news.key not in tasks:
                    tasks[news.key] = bars.add_task("", total=news.of)
                text = _words(f"  {news.key}: {news.text}")
                bars.update(tasks[news.key], completed=news.done, total=news.of, description=text)
            told = _words(f"{len(ended)} of {len(jobs)} runs finished")
            bars.update(whole, completed=sum(done.values()), description=told)

        yield tell
