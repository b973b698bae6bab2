"""The institutions behind HTTP, without a network: for every test that wants the same thing once more, far away."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from cbdc.distribution import CommercialBank
from cbdc.http import wire
from cbdc.http.client import HttpGateway, WsgiTransport
from cbdc.http.server import Limits, create_app
from cbdc.keys import Signer
from cbdc.ledger.ledger import Ledger
from cbdc.money import tenge
from cbdc.ports import ManualClock, SeededEntropy
from cbdc.system import System
from tests.cbdc.institutions import START, buy, make_system, person, stock

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


class Site:
    """A system behind HTTP, with a customer who has tokens."""

    def __init__(self, limits: Limits = GENEROUS) -> None:
        self.system: System = make_system()
        stock(self.system)
        self.aigerim = person(self.system, "aigerim")
        buy(self.system, "aigerim", tenge(500))
        self.clock = ManualClock(START)
        self.app: Flask = create_app(self.system, real_clock=self.clock, limits=limits)
        self.client: FlaskClient = self.app.test_client()
        signers = {self.aigerim.public.kid: self.aigerim}
        self.gateway = HttpGateway(WsgiTransport(self.app), signers.get, self.clock, SeededEntropy(3))

    @property
    def kid(self) -> str:
        """The customer's key id."""
        return self.aigerim.public.kid.hex()

    def post(self, path: str, body: bytes, media: str = wire.CANONICAL) -> tuple[int, Any]:
        """The status and the JSON of a POST."""
        answer = self.client.post(path, data=body, content_type=media)
        return answer.status_code, answer.get_json(force=True)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """The status and the JSON of a GET."""
        answer = self.client.get(path, headers=dict(headers or {}))
        return answer.status_code, answer.get_json(force=True)
