"""A lost wallet comes back under a new key, over HTTP: the wallet's half of `cbdc.recovery`, by a code of the bank's.

    papers     the code and a new key; the answer says what comes back, what does not, when, and what is to be signed
    complete   the code, the key and its signatures over the papers, in their order; again: the same answer

Nothing here asks who somebody is: the clerk who made the code did. A code is one key's from its first showing on.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cbdc import canonical
from cbdc.errors import Refused
from cbdc.http import wire
from cbdc.http.routes import HEX_SCHEMA, NUMBER_SCHEMA, Ask, Route, list_of, object_schema, reference
from cbdc.keys import public_key
from cbdc.ledger.ledger import Ledger
from cbdc.record import (
    ALGORITHM,
    ONLINE_DOMAIN,
    RAW_KEY,
    Bytes,
    Group,
    Items,
    Text,
    object_id,
    signing_message,
)
from cbdc.recovery_codes import Code, RecoveryCodes
from cbdc.token import KeyLock
from cbdc.transaction import Recover, Transaction

_MOST_PAPERS = 256
_MOST_BODY_BYTES = 32_768
_SHOWN = (Text(40), ALGORITHM, RAW_KEY)
_PAPERS = Group(_SHOWN)
_COMPLETE = Group((*_SHOWN, Items(Bytes((64,)), _MOST_PAPERS)))

Away = Callable[[bytes], tuple[int, int]]

SCHEMAS: Mapping[str, wire.Json] = {
    "RecoveryPapers": object_schema(
        lost=HEX_SCHEMA,
        ready=NUMBER_SCHEMA,
        done={"type": "boolean"},
        amount_tiyn=NUMBER_SCHEMA,
        locked_tiyn=NUMBER_SCHEMA,
        offline_tiyn=NUMBER_SCHEMA,
        offline_closes=NUMBER_SCHEMA,
        papers=list_of(reference("Offer")),
    ),
    "Recovered": object_schema(lost=HEX_SCHEMA, amount_tiyn=NUMBER_SCHEMA, receipt=reference("Receipt")),
}


class RecoveryApi:
    """The handlers. `desks` by the bank's number; `away` tells of a key what is offline (tiyn), and when all closes."""

    def __init__(self, ledger: Ledger, desks: Mapping[int, RecoveryCodes], away: Away) -> None:
        self._ledger = ledger
        self._desks = desks
        self._away = away

    def papers(self, ask: Ask) -> wire.Json:
        """What comes back, and what the new key signs for it."""
        code, algorithm, raw = _PAPERS.load(canonical.decode(ask.body), "recovery")
        desk, public = self._desk(ask), public_key(algorithm, raw)
        begun = desk.begin(code, public)
        papers = desk.desk.papers(begun.id, public)
        return self._told(desk, begun, papers)

    def _told(self, desk: RecoveryCodes, begun: Code, papers: Sequence[Transaction]) -> wire.Json:
        moved = [one for paper in papers if isinstance(paper, Recover) for one in paper.outputs]
        held = [token for _, token in self._ledger.owned(begun.lost)]
        offline_tiyn, closes = self._away(begun.lost)
        return {
            "lost": begun.lost.hex(),
            "ready": desk.desk.ready(begun.id),
            "done": desk.desk.is_done(begun.id),
            "amount_tiyn": sum(token.amount_tiyn for token in moved),
            "locked_tiyn": sum(one.amount_tiyn for one in held if one.lock != KeyLock(begun.lost)),
            "offline_tiyn": offline_tiyn,
            "offline_closes": closes,
            "papers": [self._written(paper) for paper in papers],
        }

    def _written(self, paper: Transaction) -> wire.Json:
        body = paper.body()
        name = object_id(ONLINE_DOMAIN, paper.TYPE, self._ledger.network, body)
        message = signing_message(ONLINE_DOMAIN, paper.TYPE, name)
        return {"type": paper.TYPE, "body": body.hex(), "id": name.hex(), "message": message.hex()}

    def complete(self, ask: Ask) -> wire.Json:
        """The money moves to the new key."""
        values: tuple[Any, ...] = _COMPLETE.load(canonical.decode(ask.body), "recovery")
        code, algorithm, raw, signatures = values
        desk, public = self._desk(ask), public_key(algorithm, raw)
        amount_tiyn, receipt = desk.complete(code, public, list(signatures))
        lost = desk.begin(code, public).lost
        return {"lost": lost.hex(), "amount_tiyn": amount_tiyn, "receipt": wire.write_receipt(receipt)}

    def _desk(self, ask: Ask) -> RecoveryCodes:
        number = ask.number("bank_id")
        desk = self._desks.get(number)
        if desk is None:
            raise Refused("E_BANK_UNKNOWN", bank_id=number)
        return desk

    def routes(self) -> list[Route]:
        """The routes, for an `Extension` together with SCHEMAS."""
        shown = "a canonical array: the recovery code, the new key's algorithm, the public key"
        codes = ("E_BANK_UNKNOWN", "E_JOIN_CODE", "E_JOIN_USED", "E_JOIN_EXPIRED", "E_KEY_TAKEN")
        bank = {"bank_id": "the number of the bank that made the code"}
        return [
            Route(
                "POST",
                "/v1/recoveries/{bank_id}/papers",
                "What comes back to a new key by a recovery code, and what the key signs for it; the code is its now.",
                self.papers,
                "RecoveryPapers",
                bank,
                takes=shown,
                limit_bytes=1_024,
                refusals=codes,
            ),
            Route(
                "POST",
                "/v1/recoveries/{bank_id}/complete",
                "The new key replaces the lost one and gets what it held; the same again is answered the same.",
                self.complete,
                "Recovered",
                bank,
                takes=f"{shown}, an array of its signatures over the papers in their order",
                limit_bytes=_MOST_BODY_BYTES,
                refusals=(*codes, "E_SIG", "E_RECOVERY_WAIT"),
            ),
        ]
