"""The commands `tenge exercise ...`: exercises that grade themselves.

Heavy modules are loaded by the command that needs them, so that `tenge --version` answers at once.
"""

import sys
from pathlib import Path
from typing import Any

import click

from cbdc.errors import LANGUAGES, TengeError
from wallets.cli_answers import FAILED, OK, print_json, program, refusals

_LANGUAGE = click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    default=None,
    help="The language of the words [that of the folder, else en].",
)
_FOLDER = click.option(
    "--dir",
    "parent",
    type=click.Path(path_type=Path),
    help="The folder in which the exercise stands [exercises].",
)


@click.group()
def exercise() -> None:
    """Exercises that grade themselves: attack the money, then defend it."""


@exercise.command("list")
@_LANGUAGE
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def exercise_list(language: str | None, as_json: bool) -> int:
    """The exercises of the course, in order.

    \b
    Examples:
      tenge exercise list
      tenge exercise list --language kk --json
    """
    from wallets.exercises.labs import all_labs

    spoken, labs = language or "en", all_labs()
    rows = [
        {
            "number": lab.number,
            "name": lab.name,
            "title": lab.say(lab.title, spoken, "title"),
            "teaches": lab.say(lab.teaches, spoken, "teaches"),
            "minutes": lab.minutes,
        }
        for lab in labs
    ]
    if as_json:
        print_json(rows)
        return OK
    width = max(len(lab.name) for lab in labs)
    for row in rows:
        click.echo(f"{row['number']:>2}. {row['name']:<{width}}  {row['title']} ({row['minutes']} min)")
        click.echo(f"    {'':<{width}}  {row['teaches']}")
    click.echo(f"Begin: {program()} exercise start {labs[0].name}")
    return OK


@exercise.command("start")
@click.argument("name")
@_FOLDER
@_LANGUAGE
@refusals
def exercise_start(name: str, parent: Path | None, language: str | None) -> int:
    """Make a folder with the page of NAME, its stub and its code.

    NAME is an exercise's name or its number.

    \b
    Examples:
      tenge exercise start forge-a-token
      tenge exercise start 2 --dir homework --language ru
    """
    from wallets.exercises import folder, labs

    lab = labs.find_lab(name)
    place = folder.begin(lab, parent or folder.DEFAULT_FOLDER, language or "en")
    click.echo((place.folder / folder.PAGE).as_posix())
    click.echo(place.answer.as_posix())
    if lab.missing:
        click.echo(f"Not translated yet, given in English: {', '.join(sorted(lab.missing))}", err=True)
    where = "" if parent is None else f" --dir {parent.as_posix()}"
    click.echo(f"Read the first, change the second, then: {program()} exercise check {lab.name}{where}")
    return OK


@exercise.command("check")
@click.argument("name", required=False)
@_FOLDER
@click.option("--file", "file", type=click.Path(path_type=Path), help="Grade this file, wherever it stands.")
@click.option(
    "--class", "school", type=click.Path(path_type=Path), help="Grade every submission in this folder."
)
@click.option(
    "--seed",
    "seeds",
    type=click.IntRange(min=0),
    multiple=True,
    help="A world to ask in; may be repeated [7, 2026 and a fresh one].",
)
@click.option("--only", default="", metavar="CHECK", help="Ask only the checks whose name holds this.")
@click.option("--explain", is_flag=True, help="Show each step, and the rule that decided.")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes, for --class."
)
@_LANGUAGE
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for a gradebook.")
@refusals
def exercise_check(
    name: str | None,
    parent: Path | None,
    file: Path | None,
    school: Path | None,
    seeds: tuple[int, ...],
    only: str,
    explain: bool,
    workers: int,
    language: str | None,
    as_json: bool,
) -> int:
    """Grade the answer to NAME, or to the exercise whose folder this is. Exit 1 when it is not passed yet.

    \b
    Examples:
      tenge exercise check forge-a-token
      tenge exercise check --explain --seed 41
      tenge exercise check --class handed-in --json > grades.json
    """
    if school is not None:
        return _check_class(name, school, seeds, workers, language or "en", as_json)
    from rich.console import Console

    from wallets.exercises import explain as explaining
    from wallets.exercises import folder, grading, labs

    if file is not None and name is not None:
        place = folder.Place(labs.find_lab(name), file.parent, "en")
        answer = file
    else:
        place = folder.located(name, parent, Path.cwd())
        answer = file or place.answer
    found = grading.grade(
        place.lab, answer.resolve(), seeds or grading.fresh_seeds(), language or place.language, only=only
    )
    if as_json:
        print_json(found.told())
    else:
        if explain:
            explaining.show(found, place.lab, Console())
        for line in grading.words(found, place.lab, explain):
            click.echo(line)
    return OK if found.passed else FAILED


def _check_class(
    name: str | None, school: Path, seeds: tuple[int, ...], workers: int, language: str, as_json: bool
) -> int:
    """Every submission of a class, in the same worlds; exit 1 when one of them could not be graded."""
    from wallets.exercises import grading, labs, school_class

    handed_in = school_class.submissions(school, labs.find_lab(name) if name else None)
    done = 0

    def told(row: dict[str, Any]) -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            click.echo(f"{done} of {len(handed_in)}: {row['student']}", err=True)

    chosen = seeds or grading.fresh_seeds()
    rows = school_class.grade_class(handed_in, chosen, language, workers, told)
    if as_json:
        print_json({"seeds": list(chosen), "grades": rows})
    else:
        width = max(len(row["student"]) for row in rows)
        for row in rows:
            mark = row.get("text") or f"{row['points']} of {row['of']}{', passed' if row['passed'] else ''}"
            click.echo(f"{row['student']:<{width}}  {row['lab']}  {mark}")
        click.echo(f"{sum(row['passed'] for row in rows)} of {len(rows)} passed (seeds {_listed(chosen)})")
    return FAILED if any("error" in row for row in rows) else OK


def _listed(seeds: tuple[int, ...]) -> str:
    return ", ".join(map(str, seeds))


@exercise.command("hint")
@click.argument("name", required=False)
@_FOLDER
@click.option("--about", default="", metavar="FUNCTION", help="Only hints about this function.")
@click.option("--number", type=click.IntRange(min=1), help="Only this hint; without it, one more each time.")
@_LANGUAGE
@refusals
def exercise_hint(
    name: str | None, parent: Path | None, about: str, number: int | None, language: str | None
) -> int:
    """One more hint for NAME each time it is asked.

    \b
    Examples:
      tenge exercise hint forge-a-token
      tenge exercise hint forge-a-token --about accept
    """
    from wallets.exercises import folder, hints, labs

    try:
        place = folder.located(name, parent, Path.cwd())
    except TengeError as error:
        if error.code != "E_EXERCISE_NOT_BEGUN":
            raise
        place = folder.Place(labs.find_lab(str(name)), Path(), "en")
    for line in hints.told(place, about, number, language or place.language):
        click.echo(line)
    return OK


@exercise.command("reset")
@click.argument("name", required=False)
@_FOLDER
@refusals
def exercise_reset(name: str | None, parent: Path | None) -> int:
    """Put the stub of NAME back; what you wrote is kept beside it.

    \b
    Example:
      tenge exercise reset forge-a-token
    """
    from wallets.exercises import folder

    place = folder.located(name, parent, Path.cwd())
    kept = folder.reset(place)
    click.echo(place.answer.as_posix())
    if kept is not None:
        click.echo(f"What you wrote is kept as {kept.as_posix()}")
    return OK
