"""Events for third parties: who wants which, what is still to be delivered, and what could not be.

An event is queued in the same commit as what it tells of, or while the journal is read (payments received), with the
place up to which it was read in the same commit: nothing is told twice under two ids, and nothing is forgotten by a
crash. Delivering is somebody else's work (`wallets.site.postman`): it takes what is due, reports what became of it,
and an attempt that failed is due again after a growing wait. After the last attempt a delivery is a dead letter, which
its third party can see and have delivered again. A delivery may arrive twice; its id stays the same.

Moments of deliveries are of the real clock; the times in events are the ledger's.
"""

import json
from dataclasses import dataclass, replace
from typing import Any

from cbdc.cabinet import Cabinet, Row, follow
from cbdc.errors import Refused
from cbdc.ledger.ledger import Ledger
from cbdc.partners.desk import Json, PartnerDesk, few
from cbdc.partners.records import HISTORY, PAYMENT_RECEIVED, HookOrder
from cbdc.ports import Clock
from cbdc.token import KeyLock

WAITS_SECONDS = (2, 10, 60, 300, 1_800, 7_200)
MOST_HOOKS = 10
MOST_WAITING = 1_000
READ_ENTRIES = 500

_HOOKS = "partner.hook"
_DUE = "partner.delivery"
_DEAD = "partner.delivery.dead"
_READ = "partner.journal"
_AT = bytes(32)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one address: `attempts` were made, the next is due at `due` (real seconds)."""

    id: bytes
    hook: bytes
    partner: bytes
    url: str
    event: str
    body: str
    due: int
    attempts: int = 0
    problem: str = ""

    def row(self, drawer: str = _DUE) -> Row:
        """The row in the cabinet."""
        values = {
            "hook": self.hook.hex(),
            "partner": self.partner.hex(),
            "url": self.url,
            "event": self.event,
            "body": self.body,
            "due": self.due,
            "attempts": self.attempts,
            "problem": self.problem,
        }
        return Row(drawer, self.id, json.dumps(values, sort_keys=True).encode())

    def show(self) -> Json:
        """What its third party sees."""
        return {
            "id": self.id.hex(),
            "hook": self.hook.hex(),
            "url": self.url,
            "event": self.event,
            "attempts": self.attempts,
            "due": self.due,
            "problem": self.problem,
        }


class Hooks:
    """The addresses of third parties and the queue, over a cabinet."""

    def __init__(self, cabinet: Cabinet, real_clock: Clock) -> None:
        self._cabinet = cabinet
        self._real_clock = real_clock

    # --- addresses ---

    def add(self, id: bytes, partner: bytes, order: HookOrder) -> Json:
        """Keep an address and the events that go there; the address was judged before. E_PARTNER_MANY."""
        if self._hook(id) is None:
            few("addresses for events", len(self.of(partner)), MOST_HOOKS)
        row = {"partner": partner.hex(), "url": order.url, "events": list(order.events)}
        self._cabinet.put_many([Row(_HOOKS, id, json.dumps(row, sort_keys=True).encode())])
        return {"id": id.hex()} | row

    def remove(self, partner: bytes, id: bytes) -> Json:
        """Forget an address; what waits for it is not delivered. E_HOOK_UNKNOWN."""
        hook = self._hook(id)
        if hook is None or hook["partner"] != partner.hex():
            raise Refused("E_HOOK_UNKNOWN", id=id)
        waiting = [one for one in self._all(_DUE) if one.hook == id]
        self._cabinet.put_many([Row(_HOOKS, id, None), *(Row(_DUE, one.id, None) for one in waiting)])
        return {"id": id.hex()}

    def of(self, partner: bytes) -> list[Json]:
        """The addresses of a third party."""
        rows = [{"id": name.hex()} | json.loads(data) for name, data in self._cabinet.all(_HOOKS)]
        return [row for row in rows if row["partner"] == partner.hex()]

    def _hook(self, id: bytes) -> Json | None:
        data = self._cabinet.get(_HOOKS, id)
        return None if data is None else dict(json.loads(data))

    # --- what is told ---

    def tell(self, partner: bytes, event: str, data: Json) -> list[Row]:
        """The rows that queue an event at every address of the third party that wants it.

        The id of an event follows from what it says, so telling the same again is one event. When too much waits for
        a third party already, the event goes to the dead letters at once.
        """
        hooks = [hook for hook in self.of(partner) if event in hook["events"]]
        if not hooks:
            return []
        text = json.dumps({"event": event, "data": data}, sort_keys=True, separators=(",", ":"))
        waiting = sum(one.partner == partner for one in self._all(_DUE))
        rows = []
        for hook in hooks:
            name = follow("delivery", bytes.fromhex(hook["id"]), text.encode())
            body = json.dumps(
                {"id": name.hex(), "event": event, "data": data}, sort_keys=True, separators=(",", ":")
            )
            one = Delivery(
                name,
                bytes.fromhex(hook["id"]),
                partner,
                hook["url"],
                event,
                body,
                self._real_clock.now(),
                problem="" if waiting < MOST_WAITING else "too much is waiting",
            )
            rows.append(one.row(_DEAD if one.problem else _DUE))
        return rows

    def read_journal(self, ledger: Ledger, desk: PartnerDesk) -> bool:
        """Queue the payments received in the next entries of the journal; whether there is more to read.

        A key's payments are told to the third parties whose standing consents let them see its history, at the moment
        of reading.
        """
        at = self._cabinet.get(_READ, _AT)
        first = int.from_bytes(at, "big") if at is not None else ledger.size
        last = min(ledger.size, first + READ_ENTRIES)
        rows: list[Row] = []
        for index in range(max(first, 1), last):
            for kid, amount_tiyn in received(ledger, index).items():
                for partner in sorted(desk.watchers(kid, HISTORY)):
                    data = {"kid": kid.hex(), "amount_tiyn": amount_tiyn, "index": index}
                    rows += self.tell(partner, PAYMENT_RECEIVED, data)
        if last != first or at is None:
            self._cabinet.put_many([Row(_READ, _AT, last.to_bytes(8, "big")), *rows])
        return last < ledger.size

    # --- the queue ---

    def due(self, most: int = 20) -> list[Delivery]:
        """What is to be delivered now, what waits longest first."""
        now = self._real_clock.now()
        found = sorted((one for one in self._all(_DUE) if one.due <= now), key=lambda one: one.due)
        return found[:most]

    def next_due(self) -> int | None:
        """When the next delivery is due, None when nothing waits."""
        return min((one.due for one in self._all(_DUE)), default=None)

    def delivered(self, delivery: Delivery) -> None:
        """The receiver said yes: it leaves the queue."""
        self._cabinet.put_many([Row(_DUE, delivery.id, None)])

    def failed(self, delivery: Delivery, problem: str) -> None:
        """Not delivered: due again after a longer wait, or a dead letter after the last attempt."""
        if self._cabinet.get(_DUE, delivery.id) is None:
            return  # its address was forgotten meanwhile
        tried = delivery.attempts + 1
        if tried > len(WAITS_SECONDS):
            dead = replace(delivery, attempts=tried, problem=problem)
            self._cabinet.put_many([Row(_DUE, delivery.id, None), dead.row(_DEAD)])
            return
        due = self._real_clock.now() + WAITS_SECONDS[tried - 1]
        self._cabinet.put_many([replace(delivery, attempts=tried, due=due, problem=problem).row()])

    def waiting_for(self, partner: bytes) -> list[Delivery]:
        """What is still to be delivered to a third party."""
        return [one for one in self._all(_DUE) if one.partner == partner]

    def dead_letters(self, partner: bytes) -> list[Delivery]:
        """What could not be delivered to a third party."""
        return [one for one in self._all(_DEAD) if one.partner == partner]

    def again(self, partner: bytes, id: bytes) -> Json:
        """Deliver a dead letter again, from the first wait on; E_HOOK_UNKNOWN."""
        found = next((one for one in self.dead_letters(partner) if one.id == id), None)
        if found is None or self._hook(found.hook) is None:
            raise Refused("E_HOOK_UNKNOWN", id=id)
        fresh = replace(found, attempts=0, due=self._real_clock.now(), problem="")
        self._cabinet.put_many([Row(_DEAD, id, None), fresh.row()])
        return fresh.show()

    def _all(self, drawer: str) -> list[Delivery]:
        return [_load(name, json.loads(data)) for name, data in self._cabinet.all(drawer)]


def received(ledger: Ledger, index: int) -> dict[bytes, int]:
    """What each key got from others in an entry of the journal: key id -> tiyn. Change is nothing received."""
    transaction = ledger.transaction(index)
    signers = {kid for kid, _ in transaction.witnesses}
    found: dict[bytes, int] = {}
    for token in transaction.record.creates:
        if isinstance(token.lock, KeyLock) and token.lock.kid not in signers:
            found[token.lock.kid] = found.get(token.lock.kid, 0) + token.amount_tiyn
    return found


def _load(id: bytes, row: dict[str, Any]) -> Delivery:
    return Delivery(
        id,
        bytes.fromhex(row["hook"]),
        bytes.fromhex(row["partner"]),
        row["url"],
        row["event"],
        row["body"],
        row["due"],
        row["attempts"],
        row["problem"],
    )
