"""A new wallet takes over a lost one: the other side of `cbdc.http.recoveries`.

    recovery = RecoveryClient(gateway, bank_id, signer)
    offered = recovery.papers("7K2M-XQ4T-9B")      the person looks at what comes back, and what does not
    recovery.complete("7K2M-XQ4T-9B", offered)

What is signed is made here from the bodies that were read, and only what gives to the own key: the enrolment of this
very key, and recoveries whose every token it gets (E_PEER_ANSWER otherwise).
"""

from typing import NamedTuple

from cbdc import canonical
from cbdc.errors import Unavailable
from cbdc.http import wire
from cbdc.http.client import HttpGateway
from cbdc.keys import Signer
from cbdc.ledger.entry import Receipt
from cbdc.record import ONLINE_DOMAIN, object_id, signing_message
from cbdc.token import KeyLock
from cbdc.transaction import Recover, RegisterKey, Transaction


class Offered(NamedTuple):
    """What a recovery brings (tiyn), what stays away, the moment from which it may be completed, what is signed."""

    lost: bytes
    ready: int
    done: bool
    amount_tiyn: int
    locked_tiyn: int
    offline_tiyn: int
    offline_closes: int
    papers: tuple[Transaction, ...]


class RecoveryClient:
    """The new key `signer` at the bank that made the code."""

    def __init__(self, gateway: HttpGateway, bank_id: int, signer: Signer) -> None:
        self._gateway = gateway
        self._bank_id = bank_id
        self._signer = signer

    def papers(self, code: str) -> Offered:
        """What the code brings to this key. Raises E_JOIN_CODE, E_JOIN_USED, E_JOIN_EXPIRED, E_KEY_TAKEN."""
        answer = self._post("papers", [code])
        with wire.understood("recovery"):
            body = wire.as_object(answer)
            lost = wire.as_octets(body["lost"])
            ready, amount, locked, offline, closes = (
                wire.as_number(body[name])
                for name in ("ready", "amount_tiyn", "locked_tiyn", "offline_tiyn", "offline_closes")
            )
            rows = [wire.as_object(row) for row in wire.as_list(body["papers"])]
            papers = tuple(_read(wire.as_number(row["type"]), wire.as_octets(row["body"])) for row in rows)
            return Offered(lost, ready, body["done"] is True, amount, locked, offline, closes, papers)

    def complete(self, code: str, offered: Offered) -> tuple[int, Receipt]:
        """Sign and take over; how much came (tiyn) and the receipt of this key. Again: the same answer.

        Raises E_PEER_ANSWER for papers that would give to another key, E_RECOVERY_WAIT, E_SIG when what the lost key
        holds has changed meanwhile (ask for the papers again).
        """
        signatures = [self._signed(paper, offered.lost) for paper in offered.papers]
        answer = self._post("complete", [code], [signatures])
        with wire.understood("recovery"):
            body = wire.as_object(answer)
            receipt = wire.read_receipt(body["receipt"], self._gateway.network)
            return wire.as_number(body["amount_tiyn"]), receipt

    def _post(self, what: str, before: list[object], after: list[object] | None = None) -> object:
        public = self._signer.public
        values = [*before, public.algorithm, public.raw, *(after or [])]
        return self._gateway.post(f"/v1/recoveries/{self._bank_id}/{what}", canonical.encode(values))

    def _signed(self, paper: Transaction, lost: bytes) -> bytes:
        public = self._signer.public
        if isinstance(paper, RegisterKey):
            mine = (public.algorithm, public.raw, self._bank_id)
            good = (paper.algorithm, paper.public_key, paper.bank_id) == mine
        else:
            assert isinstance(paper, Recover)
            locks = {token.lock for token in paper.outputs}
            good = (paper.old, paper.new) == (lost, public.kid) and locks <= {KeyLock(public.kid)}
        if not good:
            raise Unavailable("E_PEER_ANSWER", answer="recovery")
        name = object_id(ONLINE_DOMAIN, paper.TYPE, self._gateway.network, paper.body())
        return self._signer.sign(signing_message(ONLINE_DOMAIN, paper.TYPE, name))


def _read(number: int, body: bytes) -> Transaction:
    """One of the papers; ValueError for another kind, which no new key should ever sign."""
    if number == RegisterKey.TYPE:
        return RegisterKey.from_body(body)
    if number == Recover.TYPE:
        return Recover.from_body(body)
    raise ValueError(number)
