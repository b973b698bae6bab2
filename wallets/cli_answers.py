"""How every command of `tenge` answers: exit codes, refusals in words, JSON, and commands that can be copied.

Exit codes: 0 all is well, 1 an expectation or a check failed, 2 bad input, 130 stopped with Ctrl-C.
"""

import errno
import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from cbdc.errors import Refused, TengeError

OK, FAILED, BAD_INPUT = 0, 1, 2
INTERRUPTED = 130


def refusals(command: Callable[..., int]) -> Callable[..., None]:
    """Run a command; print a refusal as words (or as JSON) and leave with the right exit code."""

    @wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        try:
            code = command(*arguments, **options)
        except TengeError as error:
            code = _refused(error, options)
        except OSError as error:
            # What a command could not open, make or write: a folder where a file stands, a full disk. (Whoever reads
            # our output may stop reading: click ends quietly then.)
            if error.errno == errno.EPIPE:
                raise
            file, problem = str(error.filename or "(being written)"), error.strerror or type(error).__name__
            code = _refused(Refused("E_FILE_USE", file=file, problem=problem), options)
        except KeyboardInterrupt:
            click.echo("\nStopped.", err=True)
            code = INTERRUPTED
        sys.exit(code)

    return wrapped


def _refused(error: TengeError, options: dict[str, Any]) -> int:
    """Print a refusal as words, and as JSON when that is asked for; the exit code."""
    if options.get("as_json"):
        print_json({"code": error.code, "rule": error.rule, "facts": error.facts, "text": error.sentence()})
    click.echo(f"{error.sentence()}\n{error.next_step()}\n({error.code}, rule {error.rule})", err=True)
    return BAD_INPUT


def print_json(value: Any) -> None:
    """One JSON value on standard output, keys in order."""
    click.echo(json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1))


def program() -> str:
    """How this command was started, so that the next command we propose can be copied as it is."""
    started = Path(sys.argv[0])
    if started.suffix == ".py":
        return "python -m wallets.cli"
    return (
        started.as_posix()
        if started.parent.name in {"bin", "Scripts"} and not started.is_absolute()
        else "tenge"
    )
