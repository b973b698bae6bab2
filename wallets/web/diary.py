"""What the stage writes down: the log of everything, each phone's history, and what a payee's device checked.

Entries are data (a kind and its facts), never sentences: the page says them in the reader's language. Amounts are
tiyn, people are ids of phones. Lists are cut at their oldest end.
"""

from typing import Any

from cbdc.errors import TengeError
from offline.device import Device
from offline.records import HeldToken, Outpoint
from wallets.web.memory import StageMemory

MAX_EVENTS = 200
MAX_LINES = 40


def tell(memory: StageMemory, now: int, kind: str, **facts: object) -> None:
    """One line of the log: a kind of event (a text `event.KIND` of the page) and its facts."""
    number = memory.events[-1]["number"] + 1 if memory.events else 1
    memory.events.append({"number": number, "time": now, "kind": kind, "facts": facts})
    del memory.events[:-MAX_EVENTS]


def refused(memory: StageMemory, now: int, error: TengeError, who: str) -> None:
    """One line of the log for a refusal: its code and facts, and whose wish it was (or empty)."""
    tell(memory, now, "refused", who=who, code=error.code, error_facts=error.facts)


def line(
    memory: StageMemory, place: str, now: int, kind: str, amount_tiyn: int, where: str, other: str = ""
) -> None:
    """One line of a phone's history: what came (above zero) or went, in the `wallet` or the `device`."""
    lines = memory.lines.setdefault(place, [])
    lines.append({"time": now, "kind": kind, "amount_tiyn": amount_tiyn, "where": where, "other": other})
    del lines[:-MAX_LINES]


def checked(device: Device, before: set[Outpoint], now: int, owners: dict[bytes, str]) -> dict[str, Any]:
    """What a payee's device has checked of the payment it just took: signatures, devices, hops, the money's way.

    `before` is what the device held before the payment, `owners` gives the phone of a device's key.
    """
    purse = device.status(now).purse
    new = [outpoint for outpoint in purse if outpoint not in before]
    held = [(outpoint, found) for outpoint in new if (found := device.line(outpoint)) is not None]
    signed = {item.oid for _, token in held for item in (token.note, *token.transfers)}
    payers = {transfer.record.payer for _, token in held for transfer in token.transfers}
    ways = [_way(token, outpoint) for outpoint, token in held]
    return {
        "signatures": len(signed),
        "certificates": len(payers),
        "trust": device.trust_view.sequence,
        "hop": max((purse[outpoint].hop for outpoint in new), default=0),
        "max_hops": min((purse[outpoint].max_hops for outpoint in new), default=0),
        "route": [owners.get(kid, kid.hex()[:8]) for kid in max(ways, key=len, default=[])],
    }


def _way(token: HeldToken, outpoint: Outpoint) -> list[bytes]:
    """The owners of a line of money, from the note's first to the holder."""
    way = [token.note.record.owner]
    for place, transfer in enumerate(token.transfers):
        last = place + 1 == len(token.transfers)
        index = outpoint.position if last else token.transfers[place + 1].record.index
        owner = transfer.record.outputs[index].owner
        if owner != way[-1]:
            way.append(owner)
    return way
