"""The National Bank's settings: loss policies and offline limits, each with what it would change.

A setting is shown with its effect on the cases and devices that there are, computed and booked nowhere
(`offline.preview`). The numbers of the offline policy are put in force by the next signed TRUST list. The loss policy
is fixed when a sandbox begins: what was booked under one cannot be judged by another, so here it is compared only.
"""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from cbdc.errors import Malformed, Refused
from cbdc.token import KeyLock
from offline.loss_policy import CAPPED, ISSUER, LOTTERY, PAYEE, POLICIES, PRO_RATA, WATERFALL, loss_policy
from offline.parameters import (
    CLOSED_TIERS,
    EARLY_PAYOUT_PERMILLE,
    INVOICE_SECONDS,
    ISSUER_EPOCH,
    MAX_AGE_DAYS,
    MAX_BALANCE_MERCHANT,
    MAX_BALANCE_SE,
    MAX_BALANCE_SW,
    MAX_BALANCE_TEE,
    MAX_COUNT,
    MAX_HOPS,
    MAX_HOPS_SW,
    MAX_OUT_PERMILLE,
    MAX_PAYMENT_PERMILLE,
    MAX_TRUST_AGE_SECONDS,
    Policy,
)
from offline.preview import Means, preview_limits, preview_loss
from offline.records import TIER_SE, TIER_SW, TIER_TEE, Limits
from wallets.site.marked import N_
from wallets.site.operations import Asked, Fields, Json, Operation, Query
from wallets.site.users import NATIONAL_BANK_ROLE
from wallets.site.world import World

TIER_NAMES = {TIER_SW: N_("software"), TIER_TEE: N_("trusted environment"), TIER_SE: N_("secure element")}
SETTABLE = {
    MAX_BALANCE_SW.name: (MAX_BALANCE_SW, N_("Largest balance, software"), N_("tiyn")),
    MAX_BALANCE_TEE.name: (MAX_BALANCE_TEE, N_("Largest balance, trusted environment"), N_("tiyn")),
    MAX_BALANCE_SE.name: (MAX_BALANCE_SE, N_("Largest balance, secure element"), N_("tiyn")),
    MAX_BALANCE_MERCHANT.name: (MAX_BALANCE_MERCHANT, N_("Largest balance, business"), N_("tiyn")),
    MAX_PAYMENT_PERMILLE.name: (
        MAX_PAYMENT_PERMILLE,
        N_("Largest payment"),
        N_("thousandths of the largest balance"),
    ),
    MAX_OUT_PERMILLE.name: (
        MAX_OUT_PERMILLE,
        N_("Most paid between two syncs"),
        N_("thousandths of the largest balance"),
    ),
    MAX_COUNT.name: (MAX_COUNT, N_("Most payments between two syncs"), N_("payments")),
    MAX_AGE_DAYS.name: (MAX_AGE_DAYS, N_("Longest time without a sync"), N_("days")),
    MAX_HOPS.name: (MAX_HOPS, N_("Most hops, hardware"), N_("hops")),
    MAX_HOPS_SW.name: (MAX_HOPS_SW, N_("Most hops, software"), N_("hops")),
    MAX_TRUST_AGE_SECONDS.name: (MAX_TRUST_AGE_SECONDS, N_("Oldest TRUST list that is taken"), N_("seconds")),
    INVOICE_SECONDS.name: (INVOICE_SECONDS, N_("How long an invoice holds"), N_("seconds")),
    EARLY_PAYOUT_PERMILLE.name: (
        EARLY_PAYOUT_PERMILLE,
        N_("Early payout on a lost device"),
        N_("thousandths of what is known to be unspent"),
    ),
    CLOSED_TIERS.name: (
        CLOSED_TIERS,
        N_("Closed tiers"),
        N_("sum of: 2 software, 4 trusted environment, 8 secure element"),
    ),
    ISSUER_EPOCH.name: (ISSUER_EPOCH, N_("Issuer's key for new notes"), N_("its number, which never falls")),
}
POLICY_WORDS = {
    ISSUER: N_("Every payee is paid at once; the loss reserve bears the loss."),
    WATERFALL: N_(
        "Every payee is paid at once; then the guilty device, its owner and its bank pay; the reserve bears the rest."
    ),
    CAPPED: N_("Decided at close: the reserve helps up to a cap, the rest is shared."),
    LOTTERY: N_("Decided at close: of each fork one branch is drawn and paid."),
    PRO_RATA: N_("Decided at close: every branch of a fork gets its share."),
    PAYEE: N_("Decided at close: no branch of a fork is paid; the payees bear it."),
}

Parameter = Annotated[str, Meta(min_length=1, max_length=40, title=N_("Number"))]
Value = Annotated[int, Meta(ge=0, le=10**13, title=N_("Value"))]


class Setting(Fields, frozen=True):
    """A number of the offline policy and its value."""

    parameter: Parameter
    value: Value


# --- loss policies ---


def losses(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Every loss policy, and who would bear the losses of the cases there are under it."""
    world = asked.world
    reconciler = world.sandbox.field.reconciler
    graph, settled = reconciler.look()
    rows = []
    for name in POLICIES:
        policy = loss_policy(name, world.sandbox.field.centre.trust_view.policy)
        borne = [preview_loss(graph, settled, kid, policy, _means(world, kid)) for kid in reconciler.guilty()]
        rows.append(
            {
                "name": name,
                "words": POLICY_WORDS[name],
                "in_force": name == world.sandbox.loss_policy,
                "loss_tiyn": sum(one.loss_tiyn for one in borne),
                "device_tiyn": sum(one.device_tiyn for one in borne),
                "owner_tiyn": sum(one.owner_tiyn for one in borne),
                "bank_tiyn": sum(one.bank_tiyn for one in borne),
                "reserve_tiyn": sum(one.reserve_tiyn for one in borne),
                "payees_tiyn": sum(one.payees_tiyn for one in borne),
            }
        )
    return {"policies": rows, "cases": len(reconciler.guilty()), "in_force": world.sandbox.loss_policy}


def _means(world: World, kid: bytes) -> Means:
    """What the owner's wallet and the bank's reserve account hold now, and what they have paid in this case."""
    centre = world.sandbox.field.centre
    borne, account = centre.reconciler.borne(kid), centre.account_of(kid)
    owned = [] if account is None else world.system.ledger.owned(account)
    free = sum(
        token.amount_tiyn
        for _, token in owned
        if account is not None and not token.mark and token.lock == KeyLock(account)
    )
    reserve = world.system.national_bank.reserve_tiyn(centre.devices.bank_of(kid))
    return Means(free + borne.owner_tiyn, reserve + borne.bank_tiyn)


# --- offline limits ---


def limits(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The numbers in force; with `parameter` and `value`, what that value would change for the devices there are."""
    view = asked.world.sandbox.field.centre.trust_view
    numbers = [
        {
            "name": name,
            "title": title,
            "unit": unit,
            "value": view.parameter(parameter),
            "default": parameter.default,
        }
        for name, (parameter, title, unit) in SETTABLE.items()
    ]
    answer: Json = {
        "numbers": numbers,
        "list": view.sequence,
        "issued": view.issued,
        "preview": None,
    }
    if arguments.get("parameter"):
        wish = _wish(arguments["parameter"], arguments.get("value", ""))
        answer["preview"] = _preview(asked.world, *wish)
    return answer


def _wish(name: str, value: str) -> tuple[str, int]:
    """A number and its value as they stand in an address; E_SITE_PARAMETER, E_SITE_FIELD."""
    _settable(name)
    if not value.isascii() or not value.isdigit() or len(value) > 14:
        raise Malformed("E_SITE_FIELD", field="value", problem="it must be a whole number")
    return name, int(value)


def _settable(name: str) -> int:
    if name not in SETTABLE:
        raise Refused("E_SITE_PARAMETER", name=name[:40], known=", ".join(SETTABLE))
    return SETTABLE[name][0].id


def _preview(world: World, name: str, value: int) -> Json:
    """What one other number would change, device by device; E_PARAMETERS or E_ISSUER_EPOCH when it may not be."""
    centre = world.sandbox.field.centre
    present: Policy = centre.trust_view.policy
    other = {**present, _settable(name): value}
    centre.check_policy({_settable(name): value})
    rows = []
    for kid in centre.devices.devices():
        signed = centre.devices.certificate(kid)
        if signed is None:
            continue
        now, then = preview_limits(signed.record, present, other)
        closed = name == CLOSED_TIERS.name and bool(value >> signed.record.tier & 1)
        holds_tiyn = centre.known_unspent_tiyn(kid)
        rows.append(
            {
                "kid": kid.hex(),
                "tier": TIER_NAMES.get(signed.record.tier, ""),
                "changes": _changes(now, then),
                "closed": closed,
                "holds_tiyn": holds_tiyn,
                "over": holds_tiyn > then.max_balance_tiyn,
            }
        )
    touched = [row for row in rows if row["changes"] or row["closed"]]
    return {
        "name": name,
        "title": SETTABLE[name][1],
        "value": value,
        "devices": len(rows),
        "touched": len(touched),
        "rows": touched[:40],
    }


LIMIT_TITLES = {
    "max_balance_tiyn": N_("largest balance"),
    "max_payment_tiyn": N_("largest payment"),
    "max_out_tiyn": N_("most between syncs"),
    "max_count": N_("payments between syncs"),
    "max_age_days": N_("days without a sync"),
    "max_hops": N_("hops"),
}


def _changes(now: Limits, then: Limits) -> list[Json]:
    return [
        {
            "title": title,
            "money": name.endswith("_tiyn"),
            "now": getattr(now, name),
            "then": getattr(then, name),
        }
        for name, title in LIMIT_TITLES.items()
        if getattr(now, name) != getattr(then, name)
    ]


def set_limit(asked: Asked, fields: Setting) -> Json:
    """Put one number of the offline policy in force by a new TRUST list."""
    number = _settable(fields.parameter)
    trust = asked.world.sandbox.field.centre.publish(
        b"site number/" + asked.id, policy={number: fields.value}
    )
    return {"list": trust.record.sequence, "name": fields.parameter, "value": fields.value}


QUERIES: tuple[Query, ...] = (
    Query(NATIONAL_BANK_ROLE, "losses", N_("Loss policies"), losses),
    Query(NATIONAL_BANK_ROLE, "limits", N_("Offline limits"), limits),
)
OPERATIONS: tuple[Operation, ...] = (
    Operation(
        NATIONAL_BANK_ROLE,
        "set-limit",
        N_("Put in force"),
        Setting,
        set_limit,
        N_("In force with TRUST list {list}: {name} is now {value}."),
        danger=True,
    ),
)
