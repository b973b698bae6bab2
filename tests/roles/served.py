"""The writer of the tests of roles: the product's own, over the town of the fault runs, whose clock stands still.

    python -m tests.roles.served URL PORT CERTIFICATE...

The store's write points obey TENGE_CRASH_AT. An empty store gets the town first.
"""

import sys

import click

from cbdc.authority import Auth
from cbdc.ledger.engines import open_store
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.store import Store
from cbdc.ports import ManualClock, checkpoint_from_environment
from cbdc.record import open_envelope
from tests.cbdc.world import DAY, START, fixed_key
from wallets.roles.writer import serve_ledger
from wallets.site.serving import Serving

CLOCK = START + 20 * DAY


def main(url: str, port: int, certificates: list[str]) -> int:
    """Serve until stopped, killed or fenced."""
    clock = ManualClock(CLOCK)

    def ledger_of(store: Store) -> Ledger:
        if store.size() == 0:
            from tests.faults.town import big_town

            big_town().settle_in(store)
        return Ledger(store, fixed_key("faults/ledger"), clock)

    return serve_ledger(
        "127.0.0.1",
        port,
        open_store(url, checkpoint_from_environment()),
        ledger_of,
        lambda network: [open_envelope(bytes.fromhex(text), Auth, network) for text in certificates],
        clock,
        click.echo,
        Serving(workers=0),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
