"""`tenge serve`: the sandbox in the browser, or one of the roles that a ledger can be shared out to.

    tenge serve                        everything in one process
    tenge serve --role writer ...      the ledger alone (`wallets.roles.writer`)
    tenge serve --role front ...       a front end that keeps nothing (`wallets.roles.front`)
    tenge front-key ...                the file that a front end is given

A writer that another writer has replaced ends with exit code 3; every other end is as everywhere.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from cbdc.errors import Refused
from wallets.cli_answers import OK
from wallets.cli_answers import refusals as _refusals
from wallets.cli_keeping import keeping_options

_Command = Callable[..., Any]

ALL, WRITER, FRONT = "all", "writer", "front"
_KEEPING = ("--authority", "--keys", "--clock-step")
_NEEDS = {ALL: (), WRITER: ("--data",), FRONT: ("--writer", "--front-key")}
_HAS = {
    ALL: ("--data", "--store", "--class", *_KEEPING),
    WRITER: ("--data", "--store", *_KEEPING),
    FRONT: ("--writer", "--front-key"),
}


def where(kept: str) -> Callable[[_Command], _Command]:
    """The options of a command that serves: where it listens, and where it keeps what is `kept`."""
    options = [
        click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on."),
        click.option(
            "--port", default=8765, show_default=True, help="The port to listen on; 0 takes a free one."
        ),
        click.option(
            "--data", type=click.Path(path_type=Path), help=f"A folder to keep {kept} in [memory only]."
        ),
        click.option(
            "--store", default="", help="URL of the ledger's store [a file in the folder, or memory]."
        ),
    ]

    def given(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return given


def _check_options(role: str, given: Mapping[str, object]) -> None:
    """Return if a role has the options that it needs and no others; E_SERVE_ROLE."""
    for option, value in given.items():
        if value and option not in _HAS[role]:
            raise Refused("E_SERVE_ROLE", role=role, problem=f"it has no {option}")
        if not value and option in _NEEDS[role]:
            raise Refused("E_SERVE_ROLE", role=role, problem=f"it needs {option}")


def asked_for(parameter: str) -> bool:
    """Whether an option was given, and is not just what it is without being given."""
    return click.get_current_context().get_parameter_source(parameter) == ParameterSource.COMMANDLINE


@click.command()
@where("the sandbox")
@click.option(
    "--class", "seats", type=click.IntRange(1, 60), help="A class of so many students, over TLS, for phones."
)
@click.option("--log", default="", help="A file for one line a request, or - for standard error [no log].")
@click.option(
    "--drain",
    "drain_seconds",
    type=click.IntRange(0, 600),
    default=20,
    show_default=True,
    help="How long requests under way may take when the server is asked to stop, in seconds.",
)
@click.option(
    "--workers", type=click.IntRange(0, 64), help="Processes that verify long batches; 0: none [one a core]."
)
@click.option(
    "--server",
    "web_server",
    type=click.Choice(("cheroot", "waitress", "granian")),
    default="cheroot",
    show_default=True,
    help="The web server; waitress has no TLS, granian serves no sandbox.",
)
@click.option(
    "--role",
    type=click.Choice((ALL, WRITER, FRONT)),
    default=ALL,
    show_default=True,
    help="The whole sandbox, or the ledger alone, or a front end before it.",
)
@click.option("--writer", "writers", multiple=True, help="A front's writer, by URL; again for the next one.")
@click.option(
    "--front-key", "key", type=click.Path(path_type=Path), help="A front's file, from tenge front-key."
)
@_refusals
@keeping_options
def serve(
    host: str,
    port: int,
    data: Path | None,
    store: str,
    seats: int | None,
    log: str,
    drain_seconds: int,
    keeping: Any,
    workers: int | None,
    web_server: str,
    role: str,
    writers: tuple[str, ...],
    key: Path | None,
) -> int:
    """Open the sandbox in the browser: wallets, a shop, banks, the National Bank, treasury, supervisor, explorer.

    \b
    Examples:
      tenge serve                      then open http://127.0.0.1:8765
      tenge serve --data build/site    kept in a folder: stop it, start it, and go on
      tenge serve --class 30           for a classroom: every address of this computer, TLS, a wallet a student
      tenge serve --role writer --data build/writer --store postgresql://...
      tenge serve --role front --front-key front-1.key --writer http://writer.example:8765
    """
    from wallets.site.serving import Serving, check_server

    _check_options(
        role,
        {
            "--data": data,
            "--store": store,
            "--class": seats,
            "--writer": writers,
            "--front-key": key,
            "--authority": keeping.authorities,
            "--keys": keeping.keys,
            "--clock-step": asked_for("clock_step_days"),
        },
    )
    serving = Serving(log, drain_seconds, workers, web_server, keeping)
    check_server(web_server)
    if role == WRITER:
        from wallets.roles import writer

        assert data is not None
        return writer.serve(host, port, data, store, click.echo, serving)
    if role == FRONT:
        from wallets.roles import front

        assert key is not None
        return front.serve(host, port, writers, key, click.echo, serving)
    from wallets.site import server

    return server.serve(host, port, data, store, click.echo, seats=seats or 0, serving=serving)


@click.command("front-key")
@click.argument("out", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--data", "folder", type=click.Path(path_type=Path), required=True, help="The folder of the writer."
)
@click.option("--store", default="", help="URL of the writer's store [a file in the folder].")
@click.option(
    "--days", type=click.IntRange(1, 3_650), default=365, show_default=True, help="How long it is good."
)
@_refusals
def front_key(out: Path, folder: Path, store: str, days: int) -> int:
    """Make the FILE that a front end is given: a new key, and ROOT's certificate for it.

    The writer of the folder believes this front from its next start on. Whoever has the file can make the writer
    believe forged signatures until the next audit: carry it like a key. Delete its certificate in the folder's
    `fronts/` and start the writer again to end that.

    \b
    Example:
      tenge front-key front-1.key --data build/writer
    """
    from wallets.roles import writer

    click.echo(writer.make_front(folder, store, out, days))
    return OK
