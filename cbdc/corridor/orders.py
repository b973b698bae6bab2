"""How a provider carries out an order: judged, screened, written down, done leg by leg, written down as done.

    judge    may this client do this at all; changes nothing
    screen   does it look suspicious: then it is held, for a compliance officer
    plan     the price, the units: what stands in the order from now on
    open     written down; each leg below has an id that follows from the order, so repeating it is harmless
    effect   the legs: ledger, books, asset ledgers. The first that refuses ends the order, and `undo` takes back
             what was done before it; one that does not answer leaves it open, for the same order again or `resume`
    done     written down, with its event

An accepted order answers the same for ever. A refused one is judged again, as a new attempt with ids of its own; one
that an officer refused stays refused. The licence is asked before anything else, every time.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn, Protocol

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.corridor.events import EventLog
from cbdc.corridor.licences import Gate
from cbdc.corridor.records import EXCHANGE_ACTIVITY, FREEZE_ACCOUNT, REFUSE, RELEASE, VERDICT_NAMES, Verdict
from cbdc.corridor.screening import Screen, Seen, suspicious
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.keys import PublicKey
from cbdc.ports import Clock
from cbdc.record import HASH, HASH_OR_NONE, MOMENT, Bytes, Group, Text, Unsigned, open_envelope

OPEN = "open"
HELD = "held"
DONE = "done"
REFUSED = "refused"
_STATES = (OPEN, HELD, DONE, REFUSED)
_FINAL = (VERDICT_NAMES[REFUSE], VERDICT_NAMES[FREEZE_ACCOUNT])

_ORDER = Group(
    (
        HASH,
        Text(),
        HASH,
        Text(),
        Unsigned(),
        Unsigned(),
        Unsigned(),
        HASH_OR_NONE,
        Text(),
        Bytes(),
        MOMENT,
        Unsigned(1),
        Text(),
        Unsigned(0, 1),
    )
)
_SEEN = Group((MOMENT, Unsigned()))


class Order(NamedTuple):
    """One order of a client. `content` is the hash of what was asked; `tiyn`, `units` and `usd_cents` what it is
    worth.

    `other` and `place` name the other side (a link, a client of a provider), `data` carries a transaction, `refusal`
    the code or rule that stopped it, `cleared` is 1 once an officer released it.
    """

    id: bytes
    content: bytes
    kind: str
    client: bytes
    asset: str = ""
    tiyn: int = 0
    units: int = 0
    usd_cents: int = 0
    other: bytes = b""
    place: str = ""
    data: bytes = b""
    time: int = 0
    attempt: int = 1
    refusal: str = ""
    cleared: int = 0

    def part(self, label: str) -> bytes:
        """The id of one leg: follows from the order and the attempt."""
        return follow(f"corridor {label}", self.content, self.id, self.attempt.to_bytes(8, "big"))

    def encode(self) -> bytes:
        """The row in the cabinet."""
        return canonical.encode(list(self[1:]))


def asked(*parts: object) -> bytes:
    """The hash of what a client asked: two orders under one id must agree in it."""
    return hashlib.sha256(canonical.encode(list(parts))).digest()


class Handler(Protocol):
    """What one kind of order does. `client` is the pseudonym under which it is told in the event log."""

    screened: bool

    def judge(self, order: Order) -> Order:
        """The order with its worth filled in; raises the refusal, and changes nothing."""
        ...

    def plan(self, order: Order) -> Order:
        """The order with price and units; raises the refusal, and changes nothing."""
        ...

    def effect(self, order: Order) -> None:
        """All legs, each harmless to repeat; raises what refuses or does not answer."""
        ...

    def undo(self, order: Order) -> None:
        """Take back the legs that were done before one refused; harmless to repeat."""
        ...


class Clients(Protocol):
    """What the desk asks of the provider's file of clients."""

    def person(self, client: bytes) -> bytes:
        """The pseudonym of a client among all providers."""
        ...

    def declared_usd_cents(self, client: bytes) -> int:
        """What the client declared as its turnover in the window of a mismatch rule."""
        ...

    def freeze(self, client: bytes) -> Row:
        """The row that freezes the account."""
        ...


class OrderDesk:
    """The orders of one provider."""

    def __init__(
        self,
        provider: str,
        kid: bytes,
        cabinet: Cabinet,
        clock: Clock,
        gate: Gate,
        log: EventLog,
        clients: Clients,
        screens: Sequence[Screen],
        officer: PublicKey,
        network: bytes,
    ) -> None:
        self._provider = provider
        self._kid = kid
        self._cabinet = cabinet
        self._clock = clock
        self._gate = gate
        self._log = log
        self._clients = clients
        self._screens = tuple(screens)
        self._officer = officer
        self._network = network
        self.handlers: dict[str, Handler] = {}

    # --- placing ---

    def place(self, order: Order) -> Order:
        """Carry the order out; the done order. Raises its refusal, E_ORDER_HELD, E_ID_REUSED, what did not answer."""
        state, known = self.find(order.id)
        if known is not None:
            if known.content != order.content:
                raise Refused("E_ID_REUSED", id=order.id)
            if state == DONE:
                return known
            if state == HELD:
                raise Refused("E_ORDER_HELD", id=order.id, rule=known.refusal)
            if state == OPEN:
                return self._finish(known)
            if known.refusal in _FINAL:
                raise Refused("E_ORDER_REFUSED", id=order.id)
            order = order._replace(attempt=known.attempt + 1, cleared=known.cleared)
        return self._begin(order._replace(time=self._clock.now()))

    def _begin(self, order: Order) -> Order:
        handler = self.handlers[order.kind]
        try:
            self._gate.require(self._kid, EXCHANGE_ACTIVITY)
            order = handler.judge(order)
            held = "" if order.cleared or not handler.screened else self._screen(order)
            if not held:
                order = handler.plan(order)
        except TengeError as error:
            self._log.note(self._event(order, _outcome(error), error.code))
            raise
        if held:
            order = order._replace(refusal=held)
            self._put(order, HELD, [self._event(order, HELD, held), self._seen(order)])
            raise Refused("E_ORDER_HELD", id=order.id, rule=held)
        self._put(order, OPEN)
        return self._finish(order)

    def _finish(self, order: Order) -> Order:
        handler = self.handlers[order.kind]
        if order.refusal:  # its refusal was written down; only the way back is left
            self._give_up(handler, order)
        try:
            handler.effect(order)
        except Unavailable as error:
            self._log.note(self._event(order, "unanswered", error.code))
            raise
        except TengeError as error:
            order = order._replace(refusal=error.code)
            self._put(order, OPEN)
            try:
                self._give_up(handler, order)
            except Refused:
                raise error from None
        rows = [self._event(order, "accepted", order.place if order.kind == "send" else "")]
        if handler.screened:
            rows.append(self._seen(order))
        self._put(order, DONE, rows)
        return order

    def _give_up(self, handler: Handler, order: Order) -> NoReturn:
        handler.undo(order)
        self._put(order, REFUSED, [self._event(order, REFUSED, order.refusal)])
        raise Refused("E_ORDER_UNDONE", id=order.id, reason=order.refusal)

    def _screen(self, order: Order) -> str:
        rows = self._cabinet.all(self._drawer("seen " + order.client.hex()))
        seen = [Seen(*_SEEN.load(canonical.decode(data), "seen")) for name, data in rows if name != order.id]
        declared = self._clients.declared_usd_cents(order.client)
        return suspicious(self._screens, Seen(order.time, order.usd_cents), seen, declared)

    # --- held orders ---

    def review(self, verdict: bytes) -> Order:
        """An officer's signed verdict on a held order; what became of the order. The same verdict again is harmless.

        Raises E_SIG, E_COMPLIANCE_OFFICER (not this provider's officer), E_ORDER_NOT_HELD, and what refuses a
        released order.
        """
        signed = open_envelope(verdict, Verdict, self._network)
        signed.verify(self._officer)
        record = signed.record
        if record.officer != self._officer.kid:
            raise Refused("E_COMPLIANCE_OFFICER", officer=record.officer)
        reviewed = self._cabinet.get(self._drawer("verdict"), record.order)
        state, order = self.find(record.order)
        if order is None or (state != HELD and reviewed != signed.encode()):
            raise Refused("E_ORDER_NOT_HELD", id=record.order)
        if state != HELD:
            return self.place(order) if record.verdict == RELEASE else order
        rows = [Row(self._drawer("verdict"), order.id, signed.encode())]
        rows.append(self._event(order, VERDICT_NAMES[record.verdict], order.refusal))
        if record.verdict == RELEASE:
            # The verdict is written first: `resume` goes on from it.
            self._cabinet.put_many(rows)
            return self._begin(_cleared(order))
        if record.verdict == FREEZE_ACCOUNT:
            rows.append(self._clients.freeze(order.client))
        order = order._replace(refusal=VERDICT_NAMES[record.verdict])
        self._put(order, REFUSED, rows)
        return order

    def resume(self) -> list[tuple[bytes, TengeError]]:
        """Bring every open and every released order to its end; the ids and refusals of those that were refused."""
        refused: list[tuple[bytes, TengeError]] = []
        for order in self.all(OPEN):
            try:
                self._finish(order)
            except TengeError as error:
                refused.append((order.id, error))
        for order in self.all(HELD):
            data = self._cabinet.get(self._drawer("verdict"), order.id)
            if data is not None:
                try:
                    self._begin(_cleared(order))
                except TengeError as error:
                    refused.append((order.id, error))
        return refused

    # --- the file ---

    def find(self, id: bytes) -> tuple[str, Order | None]:
        """An order and its state."""
        for state in _STATES:
            data = self._cabinet.get(self._drawer(f"order.{state}"), HASH.load(id, "order id"))
            if data is not None:
                return state, _open(id, data)
        return "", None

    def all(self, state: str) -> list[Order]:
        """Every order in a state, oldest first."""
        return [_open(*row) for row in self._cabinet.all(self._drawer(f"order.{state}"))]

    def _drawer(self, name: str) -> str:
        return f"exchange {self._provider}/{name}"

    def _put(self, order: Order, state: str, rows: Sequence[Row] = ()) -> None:
        moved = [
            Row(self._drawer(f"order.{other}"), order.id, order.encode() if other == state else None)
            for other in _STATES
        ]
        self._cabinet.put_many([*moved, *rows])

    def _seen(self, order: Order) -> Row:
        drawer = self._drawer("seen " + order.client.hex())
        return Row(drawer, order.id, canonical.encode([order.time, order.usd_cents]))

    def _event(self, order: Order, outcome: str, code: str) -> Row:
        return self._log.row(
            order.id,
            self._provider,
            order.kind,
            outcome,
            self._person(order),
            code,
            order.time,
            order.tiyn,
            order.units,
            order.usd_cents,
        )

    def _person(self, order: Order) -> bytes:
        try:
            return self._clients.person(order.client)
        except Refused:  # an order in the name of nobody known
            return b""


def _cleared(order: Order) -> Order:
    return order._replace(refusal="", cleared=1, attempt=order.attempt + 1)


def _outcome(error: TengeError) -> str:
    return "unanswered" if isinstance(error, Unavailable) else "refused"


def _open(id: bytes, data: bytes) -> Order:
    values: tuple[Any, ...] = _ORDER.load(canonical.decode(data, canonical.MAX_MESSAGE_BYTES), "order")
    return Order(id, *values)
