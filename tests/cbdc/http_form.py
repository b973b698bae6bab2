"""The institutions behind HTTP, without a network: for every test that wants the same thing once more, far away."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cbdc.distribution import CommercialBank
from cbdc.http.client import HttpGateway, WsgiTransport
from cbdc.http.server import Limits, create_app
from cbdc.keys import Signer
from cbdc.ledger.ledger import Ledger
from cbdc.ports import ManualClock, SeededEntropy
from tests.cbdc.institutions import START

GENEROUS = Limits(per_second=100_000, burst=100_000)


@dataclass(frozen=True)
class LedgerOnly:
    """A ledger without banks."""

    ledger: Ledger
    banks: Mapping[int, CommercialBank] = field(default_factory=dict)


def behind_http(ledger: Ledger, signers: Mapping[bytes, Signer]) -> HttpGateway:
    """A gateway to this ledger through the web application; `signers` by key id prove whose tokens are asked for."""
    clock = ManualClock(START)
    app = create_app(LedgerOnly(ledger), real_clock=clock, limits=GENEROUS)
    return HttpGateway(WsgiTransport(app), signers.get, clock, SeededEntropy(3))
