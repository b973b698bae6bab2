"""What the stage writes down: the log of everything, each phone's history, and what a payee's device checked.

Entries are data (a kind and its facts), never sentences: the page says them in the reader's language. Amounts are
tiyn, people are ids of phones. Lists are cut at their oldest end.
"""

from typing import Any

from cbdc.errors import TengeError
from offline.bundle import HeldToken
from offline.device import Device
from offline.records import Outpoint
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


def checked(device: Device, request: bytes, now: int, owners: dict[bytes, str]) -> dict[str, Any]:
    """What a payee's device has checked of the payment it took for its invoice `request`: signatures, devices, hops.

    `owners` gives the phone of a device's key. Empty once the device has let go of the invoice or of the money.
    """
    invoice = device.invoice_for(request)
    purse = device.status(now).purse
    lines = [(outpoint, found) for outpoint in purse if (found := device.line(outpoint)) is not None]
    held = [
        (outpoint, token)
        for outpoint, token in lines
        if invoice is not None and token.transfers and token.transfers[-1].record.reference == invoice.oid
    ]
    if not held:
        return {}
    signed = {token.note.oid for _, token in held}
    signed |= {transfer.oid for _, token in held for transfer in token.transfers}
    payers = {transfer.record.payer for _, token in held for transfer in token.transfers}
    ways = [_way(token, outpoint) for outpoint, token in held]
    return {
        "signatures": len(signed),
        "certificates": len(payers),
        "trust": device.trust_view.sequence,
        "hop": max(purse[outpoint].hop for outpoint, _ in held),
        "max_hops": min(purse[outpoint].max_hops for outpoint, _ in held),
        "route": [owners.get(kid, kid.hex()[:8]) for kid in max(ways, key=len)],
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
