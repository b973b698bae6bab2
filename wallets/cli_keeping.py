"""The options of `tenge serve` that say under which names it is asked and where its keys lie."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click


def keeping_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options, as one argument `keeping` (`wallets.site.keeping.Keeping`)."""

    @click.option(
        "--authority",
        "authorities",
        multiple=True,
        metavar="HOST[:PORT]",
        help="A name under which institutions ask this server, as behind a proxy [host and port]; may be repeated.",
    )
    @wraps(command)
    def wrapped(*arguments: Any, authorities: tuple[str, ...], **options: Any) -> Any:
        from wallets.site.authorities import checked
        from wallets.site.keeping import Keeping

        return command(*arguments, keeping=Keeping(checked(authorities)), **options)

    return wrapped
