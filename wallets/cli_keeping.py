"""The options of `tenge serve` that say under which names it is asked and where its keys lie."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
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
    @click.option(
        "--keys",
        type=click.Path(path_type=Path),
        help="A file that says which institutions' keys are in a hardware module (PKCS#11) [none are].",
    )
    @click.option(
        "--clock-step",
        "clock_step_days",
        type=click.IntRange(1, 36_500),
        default=31,
        show_default=True,
        metavar="DAYS",
        help="How far this computer's clock may step ahead and still date entries.",
    )
    @wraps(command)
    def wrapped(
        *arguments: Any, authorities: tuple[str, ...], keys: Path | None, clock_step_days: int, **options: Any
    ) -> Any:
        from cbdc.hsm_file import read_hsm_file
        from cbdc.operations.clock_guard import DAY_SECONDS
        from wallets.site.authorities import checked
        from wallets.site.keeping import Keeping

        file = None if keys is None else read_hsm_file(keys)
        keeping = Keeping(checked(authorities), file, clock_step_days * DAY_SECONDS)
        return command(*arguments, keeping=keeping, **options)

    return wrapped
