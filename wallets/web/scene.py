"""What the page shows: the whole stage as plain values, ready to be JSON.

    {version, now, shift_days, phones: [...], bank, supply, case, events, story, hint}

Amounts are tiyn, people are ids, kinds are keys of the texts; only refusals come as sentences, in the language asked
for. Nothing secret is here: no key, no seed, no token, and of devices only what anyone may ask them.
"""

from typing import Any

from cbdc.errors import by_code
from wallets.field import DAY_SECONDS
from wallets.web import story
from wallets.web.memory import Row
from wallets.web.opening import BANK, Phone
from wallets.web.stage import Stage
from wallets.web.words import refusal_words


def view(stage: Stage, language: str) -> dict[str, Any]:
    """The stage as it is now, for a page in `language`."""
    with stage.lock:
        memory = stage.memory
        phones = [_phone(stage, phone) for phone in stage.phones.values()]
        return {
            "version": memory.version,
            "act": memory.act,
            "now": stage.clock.now(),
            "shift_days": memory.shift_seconds // DAY_SECONDS,
            "phones": phones,
            "bank": _bank(stage),
            "supply": _supply(stage),
            "case": _case(stage),
            "events": [_event(event, language) for event in memory.events],
            "story": _story(stage),
            "hint": _hint(stage, phones),
        }


def _phone(stage: Stage, phone: Phone) -> dict[str, Any]:
    now, memory = stage.clock.now(), stage.memory
    clone = phone.clone
    named = {stage.phone_named(str(row["named"])) for row in stage.case.evidence}
    return {
        "id": phone.id,
        "kind": phone.kind,
        "airplane": stage.in_airplane(phone.id),
        "wallet_tiyn": phone.member.wallet.total_tiyn(),
        "device_tiyn": phone.device.balance_tiyn(now),
        "deposit_tiyn": stage.sandbox.deposit_tiyn(phone.member),
        "device_kid": phone.device.kid.hex()[:16],
        "unsynced": phone.id in memory.unsynced,
        "named": phone.id in named,
        "lines": memory.lines.get(phone.id, [])[::-1],
        "checks": memory.checks.get(phone.id),
        "clone": None
        if clone is None
        else {
            "device_tiyn": clone.balance_tiyn(now),
            "lines": memory.lines.get(f"{phone.id}.clone", [])[::-1],
        },
    }


def _bank(stage: Stage) -> dict[str, int]:
    number = stage.sandbox.desk.bank_id(BANK)
    return {
        "reserves_tiyn": stage.sandbox.system.national_bank.reserve_tiyn(number),
        "inventory_tiyn": stage.sandbox.system.banks[number].inventory_tiyn(),
        "deposits_tiyn": sum(stage.sandbox.deposit_tiyn(phone.member) for phone in stage.phones.values()),
    }


def _supply(stage: Stage) -> dict[str, Any]:
    supply = stage.sandbox.supply()
    return {
        "issued_tiyn": supply.issued_tiyn,
        "redeemed_tiyn": supply.redeemed_tiyn,
        "outstanding_tiyn": supply.outstanding_tiyn,
        "held_tiyn": supply.held_tiyn,
        "adds_up": supply.outstanding_tiyn == supply.held_tiyn,
        "lines": [
            {"key": "bank_inventory", "tiyn": supply.bank_inventory_tiyn},
            {"key": "treasury", "tiyn": supply.treasury_tiyn},
            {"key": "wallets", "tiyn": supply.wallets_tiyn},
            {"key": "escrow", "tiyn": supply.escrow_tiyn},
            {"key": "loss_reserve", "tiyn": supply.loss_reserve_tiyn},
        ],
    }


def _case(stage: Stage) -> dict[str, Any]:
    case = stage.case
    facts = stage.sandbox.field.reconciler.facts()
    answered = sum(amount for kind, amount in case.borne.items() if kind != "reserve")
    return {
        "handed_in": stage.memory.handed_in,
        "notes": len(facts.trees),
        "transfers": sum(len(tree.admitted) for tree in facts.trees.values()),
        "pending": len(facts.pending),
        "double_spends": case.double_spends,
        "loss_tiyn": case.loss_tiyn,
        "borne": dict(case.borne),
        "open": bool(case.loss_tiyn) and not answered,
        "proofs": [
            {
                "file": row["file"],
                "bytes": row["bytes"],
                "sha256": row["sha256"],
                "type": row["type"],
                "amount_tiyn": row["amount_tiyn"],
                "named": stage.phone_named(str(row["named"])),
                "verified": stage.memory.verified.get(str(row["file"])),
            }
            for row in case.evidence
        ],
    }


def _event(event: Row, language: str) -> Row:
    if event["kind"] != "refused":
        return event
    facts = dict(event["facts"])
    error = by_code(facts.pop("code"), facts.pop("error_facts"))
    return {**event, "facts": facts, "refusal": refusal_words(error, language)}


def _story(stage: Stage) -> dict[str, Any]:
    told = stage.memory.story
    return {
        "told": told,
        "steps": len(story.STEPS),
        "places": list(story.PLACES[told - 1]) if told else [],
    }


def _hint(stage: Stage, phones: list[dict[str, Any]]) -> str:
    """What to try next when nobody follows the story: the key of a text."""
    memory, case = stage.memory, stage.case
    if case.double_spends:
        return _hint_of_case(stage, phones)
    cloned = [phone for phone in phones if phone["clone"]]
    if not any(phone["device_tiyn"] for phone in phones) and not memory.unsynced:
        return "hint.load"
    if cloned and any(phone["clone"]["lines"] for phone in cloned):
        return "hint.network" if memory.airplane else "hint.sync"
    if cloned:
        return "hint.cheat"
    if not memory.airplane and not memory.unsynced:
        return "hint.airplane"
    return "hint.clone"


def _hint_of_case(stage: Stage, phones: list[dict[str, Any]]) -> str:
    if not stage.memory.verified:
        return "hint.verify"
    if any(phone["device_tiyn"] and not phone["named"] for phone in phones):
        return "hint.network" if stage.memory.airplane else "hint.unload"
    return "hint.wait" if _case(stage)["open"] else "hint.free"
