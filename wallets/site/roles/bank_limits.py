"""A commercial bank's limits and its waterfall: what the National Bank sets, what the bank sets, and the effect first.

The page keeps the two apart. Holding, payment and day limits are entry 0's: shown, and set by nobody while the ledger
runs. The numbers of offline devices are the National Bank's signed lists. What is left is the bank's own
(`wallets.site.bank_rules`), each setting signed by its key with the clerk's name beside it.
"""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from cbdc.errors import Malformed
from cbdc.money import MAX_TIYN, format_tenge
from cbdc.policies import preset
from wallets.site import bank_rules as rules
from wallets.site.opening import POLICY
from wallets.site.operations import N_, Asked, Fields, Json, Nothing, Operation, Query, typed_tiyn
from wallets.site.roles.bank import bank
from wallets.site.users import BANK_ROLE

MOST_SHOWN = 50
TIER_TITLES = {
    "unidentified": N_("unidentified"),
    "identified at a distance": N_("identified at a distance"),
    "identified in person": N_("identified in person"),
    "business or public body": N_("business or public body"),
}
KIND_TITLES = {
    rules.WATERFALL: N_("Waterfall"),
    rules.REVERSE: N_("Reverse waterfall"),
    rules.TOP_UP: N_("Automatic top-up"),
}

TierNumber = Annotated[int, Meta(ge=1, le=255, title=N_("Tier"))]


class Waterfall(Fields, frozen=True):
    """How much a payment may leave in the wallets of a tier."""

    tier: TierNumber
    threshold_tiyn: Annotated[
        int,
        Meta(
            ge=0,
            le=MAX_TIYN,
            title=N_("Most that stays in the wallet"),
            description=N_("Empty or 0: no waterfall."),
        ),
    ] = 0


class Reverse(Fields, frozen=True):
    """Whether what a payer lacks comes out of the deposit."""

    tier: TierNumber
    on: Annotated[bool, Meta(title=N_("What a payer lacks comes out of the deposit"))] = False


class TopUp(Fields, frozen=True):
    """When and how far wallets of a tier are filled."""

    tier: TierNumber
    floor_tiyn: Annotated[
        int,
        Meta(
            ge=0,
            le=MAX_TIYN,
            title=N_("When less than this is held"),
            description=N_("Empty or 0: no top-up."),
        ),
    ] = 0
    target_tiyn: Annotated[int, Meta(ge=0, le=MAX_TIYN, title=N_("Fill up to"))] = 0


# --- what is seen ---


def home(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Limits of every tier, the bank's own rules, their history, and the effect of a setting thought of."""
    mine, world = bank(asked), asked.world
    policy, own = world.system.genesis.policy, rules.rules_of(world, mine.bank_id)
    customers = mine.customers.all()
    rows = []
    for number, name in rules.tiers():
        limits, rule = policy.limits(number), own[number]
        rows.append(
            {
                "tier": number,
                "title": TIER_TITLES.get(name, name),
                "customers": sum(1 for one in customers if one.tier == number),
                "holding_limit_tiyn": limits.holding_limit_tiyn,
                "payment_limit_tiyn": limits.payment_limit_tiyn,
                "day_limit_tiyn": limits.day_limit_tiyn,
                "waterfall_tiyn": rule.waterfall_tiyn,
                "reverse": bool(rule.reverse),
                "floor_tiyn": rule.floor_tiyn,
                "target_tiyn": rule.target_tiyn,
            }
        )
    waiting = rules.wanted(world, mine, own)
    return {
        "policy_title": preset(POLICY).title,
        "tiers": rows,
        "tier_choices": [(str(row["tier"]), f"{row['tier']}") for row in rows],
        "kinds": list(KIND_TITLES.items()),
        "asked": {name: arguments.get(name, "")[:40] for name in ("kind", "tier", "first", "second")},
        "preview": _preview(asked, arguments) if arguments.get("kind") else None,
        "waiting": len(waiting),
        "waiting_tiyn": sum(one.amount_tiyn for one in waiting),
        "inventory_tiyn": mine.inventory_tiyn(),
        "history": [
            one._asdict() | {"id": one.id.hex(), "title": KIND_TITLES[one.kind]}
            for one in reversed(rules.history(world, mine.bank_id))
        ][:MOST_SHOWN],
    }


def _preview(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """What a setting would do, computed and not put in force; E_SITE_FIELD and what `bank_rules.check` refuses."""
    kind, tier = arguments["kind"], arguments.get("tier", "")
    if kind not in KIND_TITLES:
        raise Malformed("E_SITE_FIELD", field="kind", problem="it is none of the choices")
    if not (tier.isascii() and tier.isdigit() and len(tier) < 4):
        raise Malformed("E_SITE_FIELD", field="tier", problem="the number is out of bounds")
    first = 1 if kind == rules.REVERSE else _typed(arguments, "first")
    second = _typed(arguments, "second") if kind == rules.TOP_UP else 0
    found = rules.effect(asked.world, bank(asked), kind, int(tier), first, second)
    return found | {
        "kind": kind,
        "title": KIND_TITLES[kind],
        "tier": int(tier),
        "first_tiyn": first,
        "second_tiyn": second,
        "first_text": format_tenge(first, ""),
        "second_text": format_tenge(second, ""),
    }


def _typed(arguments: Mapping[str, str], name: str) -> int:
    text = arguments.get(name, "").strip()[:40]
    return typed_tiyn(text) if text else 0


# --- what is done ---


def set_waterfall(asked: Asked, fields: Waterfall) -> Json:
    """What would bring a customer above so much goes on into the deposit; E_BANK_TIER, E_BANK_OVER."""
    return _set(asked, rules.WATERFALL, fields.tier, fields.threshold_tiyn)


def set_reverse(asked: Asked, fields: Reverse) -> Json:
    """What a customer lacks comes out of the deposit, or does not; E_BANK_TIER."""
    return _set(asked, rules.REVERSE, fields.tier, int(fields.on))


def set_top_up(asked: Asked, fields: TopUp) -> Json:
    """Customers who agreed are filled up when they hold too little; E_BANK_TIER, E_BANK_OVER, E_BANK_TOP_UP."""
    return _set(asked, rules.TOP_UP, fields.tier, fields.floor_tiyn, fields.target_tiyn)


def _set(asked: Asked, kind: str, tier: int, first: int, second: int = 0) -> Json:
    mine = bank(asked)
    rules.put(asked.world, mine.bank_id, asked.user.id, asked.id, kind, tier, first, second)
    return {"tier": tier, "kind": kind, "first": first, "second": second}


def top_up_now(asked: Asked, fields: Nothing) -> Json:
    """Fill up everybody who agreed and holds too little, at once; who cannot be served is counted."""
    served, sold_tiyn, refused = rules.top_up(asked.world, asked.user.bank_id, asked.id)
    return {"served": served, "amount_tiyn": sold_tiyn, "refused": refused}


QUERIES: tuple[Query, ...] = (Query(BANK_ROLE, "limits", N_("Limits and waterfall"), home),)
OPERATIONS: tuple[Operation, ...] = (
    Operation(
        BANK_ROLE,
        "set-waterfall",
        N_("Set the waterfall"),
        Waterfall,
        set_waterfall,
        N_("Set and signed, for tier {tier}."),
    ),
    Operation(
        BANK_ROLE,
        "set-reverse-waterfall",
        N_("Set the reverse waterfall"),
        Reverse,
        set_reverse,
        N_("Set and signed, for tier {tier}."),
    ),
    Operation(
        BANK_ROLE,
        "set-top-up",
        N_("Set the automatic top-up"),
        TopUp,
        set_top_up,
        N_("Set and signed, for tier {tier}."),
    ),
    Operation(
        BANK_ROLE,
        "top-up-now",
        N_("Top up now"),
        Nothing,
        top_up_now,
        N_("Customers served: {served}; sold: {amount}; refused: {refused}."),
    ),
)
