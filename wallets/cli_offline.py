"""The commands `tenge offline ...`: look at what devices hand to each other.

Heavy modules are loaded by the command that needs them, so that `tenge --version` answers at once.
"""

import click


@click.group()
def offline() -> None:
    """Payments with no network: look at messages as frames and bytes."""
