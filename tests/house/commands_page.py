"""Writes docs/commands.md from the command line itself: every verb with the help a person sees.

python -m tests.house.commands_page            prints the page
python -m tests.house.commands_page --write    writes it
python -m tests.house.commands_page --check    fails where the written page is another
"""

import argparse
import difflib
import sys
from collections.abc import Iterator

import click
from click.testing import CliRunner

from tests.house.tree import ROOT

PAGE = ROOT / "docs/commands.md"

_TOP = """\
# Commands

Everything `tenge` can do, in the words of its own help. The page is made from the program by
`python -m tests.house.commands_page --write`, and a test keeps it in step. Words that are not explained here stand in
the [glossary](glossary.md).

## Exit codes

| code | meaning |
|---|---|
| 0 | all is well |
| 1 | an expectation was not met, an audit found a problem, or a proof proves nothing |
| 2 | bad input: a refusal, with its sentence, the next step and its code ([errors.md](errors.md)) |
| 130 | stopped with Ctrl-C; a pilot goes on with `--resume` |

Refusals are words, never a traceback. Progress goes to standard error, and only to a terminal. With `--json` exactly
one JSON value is printed on standard output; amounts in it are whole tiyn in fields whose names end in `_tiyn`.

## A first round

```sh
tenge demo                                          # a story of four people, in seconds
tenge pilot run school-meals --set pupils=40 --set days=3 --out build/small
tenge audit build/small                             # replay from entry 0 and add everything up again
tenge evidence verify build/small/evidence/case-1.dto --root build/small/evidence/root.dto
tenge serve                                         # the sandbox in the browser
```

For tests of crashes only: the environment variable `TENGE_CRASH_AT=POINT[:COUNT]` kills the process at a named write
point, such as `ledger.commit.inside:3`. The points stand in `cbdc/ports.py`.
"""


def command() -> click.Group:
    """The program."""
    from wallets import cli  # late: importing it asks for the installed distribution's version

    assert isinstance(cli.main, click.Group)
    return cli.main


def help_of(program: click.Group, path: tuple[str, ...]) -> str:
    """The help of a verb in a terminal of 80 columns."""
    answer = CliRunner(env={"COLUMNS": "80", "LANG": "C.UTF-8"}).invoke(
        program, [*path, "--help"], prog_name="tenge"
    )
    assert answer.exit_code == 0, answer.output
    return answer.output.strip()


def paths(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The program itself and every verb a person can type, groups before their members."""
    yield path
    if isinstance(group, click.Group):
        for name, member in sorted(group.commands.items()):
            if not member.hidden:
                yield from paths(member, (*path, name))


def page(program: click.Group | None = None) -> str:
    """The whole page."""
    program = command() if program is None else program
    sections = [_TOP]
    for path in paths(program):
        words = " ".join(("tenge", *path))
        sections.append(f"## {words}\n\n```text\n$ {words} --help\n{help_of(program, path)}\n```\n")
    return "\n".join(sections)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.house.commands_page", description="docs/commands.md"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="write the page")
    how.add_argument("--check", action="store_true", help="fail where the written page is another")
    chosen = parser.parse_args(arguments)
    made = page()
    if chosen.write:
        PAGE.write_text(made, encoding="utf-8")
        return 0
    if not chosen.check:
        sys.stdout.write(made)
        return 0
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    lines = list(
        difflib.unified_diff(written.splitlines(), made.splitlines(), "written", "help", lineterm="")
    )
    told = "\n".join(lines) + "\nRun `python -m tests.house.commands_page --write`.\n"
    sys.stdout.write(told if lines else "docs/commands.md is current\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
