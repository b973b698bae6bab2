"""Every number of the offline system that a regulator may choose: names, defaults, units, and three ready sets.

None of these numbers has been published for the digital tenge; each is an assumption of this sandbox and says so.
They travel in two places, both signed: a device's certificate holds its limits, and TRUST.policy holds
`[[parameter id, value]...]` for all. Where both speak, a device applies the stricter one (`offline.trust`).

Three presets cover the ways the literature speaks of: **staged** (a received token must go online before it is spent
again), **intermittent** (the default: several hops, sync within days) and **extended** (months, more hops).

Rules kept here: an id never changes its meaning; `redeem_by` leaves every honest holder time to sync after
`spend_by`, and `check_consistent` refuses a set of numbers that does not.

Source: DTO/1, sections 5.18 and 5.19.11.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cbdc.errors import Refused
from cbdc.money import TIYN_PER_TENGE
from cbdc.token import CANTEEN, MERCHANT, SUPPLIER
from offline.records import (
    MAX_TOKENS,
    MAX_TRANSFERS,
    TIER_SE,
    TIER_SW,
    TIER_TEE,
    Limits,
)

DAY_SECONDS = 86_400

# Categories whose devices take payments for a living and may hold the higher balance.
BUSINESS_CATEGORIES = frozenset({MERCHANT, CANTEEN, SUPPLIER})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number of the policy: its id on the wire, its name, its default, its unit, and where the number is from."""

    id: int
    name: str
    default: int
    unit: str
    note: str = "assumption"


MAX_BALANCE_SW = Parameter(1, "max_balance_sw", 12_975 * TIYN_PER_TENGE, "tiyn")
MAX_BALANCE_TEE = Parameter(2, "max_balance_tee", 30_000 * TIYN_PER_TENGE, "tiyn")
MAX_BALANCE_SE = Parameter(3, "max_balance_se", 50_000 * TIYN_PER_TENGE, "tiyn")
MAX_BALANCE_MERCHANT = Parameter(4, "max_balance_merchant", 500_000 * TIYN_PER_TENGE, "tiyn")
MAX_PAYMENT_PERMILLE = Parameter(5, "max_payment", 500, "thousandths of the largest balance")
MAX_OUT_PERMILLE = Parameter(6, "max_out", 2_000, "thousandths of the largest balance")
MAX_COUNT = Parameter(7, "max_count", 50, "payments since the last sync")
MAX_AGE_DAYS = Parameter(8, "max_age", 14, "days since the last sync")
MAX_HOPS = Parameter(9, "max_hops", 5, "hops")
MAX_HOPS_SW = Parameter(10, "max_hops_sw", 3, "hops")
MAX_LENGTH = Parameter(11, "max_length", MAX_TRANSFERS, "transfers")
MAX_PARTS = Parameter(12, "max_parts", MAX_TOKENS, "transfers in one payment")
MAX_SLOTS = Parameter(13, "max_slots", 64, "outpoints in one purse")
MAX_BYTES = Parameter(14, "max_bytes", 24 * 1_024, "bytes")
MAX_BYTES_QR = Parameter(15, "max_bytes_qr", 4 * 1_024, "bytes")
MAX_TRUST_AGE_SECONDS = Parameter(16, "max_trust_age", 14 * DAY_SECONDS, "seconds")
MARGIN_SECONDS = Parameter(17, "margin", DAY_SECONDS, "seconds before spend_by")
CLOCK_SKEW_SECONDS = Parameter(18, "clock_skew", 600, "seconds")
INVOICE_SECONDS = Parameter(19, "invoice", 600, "seconds")
SPEND_BY_SECONDS = Parameter(20, "spend_by", 60 * DAY_SECONDS, "seconds after issue")
REDEEM_BY_SECONDS = Parameter(21, "redeem_by", 30 * DAY_SECONDS, "seconds after spend_by")
GRACE_SECONDS = Parameter(22, "grace", 15 * DAY_SECONDS, "seconds after redeem_by")
RECOURSE_CAP_PERMILLE = Parameter(23, "recourse_cap", 2_000, "thousandths of max_out")
BANK_CAP_PERMILLE = Parameter(24, "bank_cap", 2_000, "thousandths of max_out")
CAP_MULT_PERMILLE = Parameter(27, "cap_mult", 1_000, "thousandths of max_out")
EARLY_PAYOUT_PERMILLE = Parameter(28, "early_payout", 0, "thousandths of what is known to be unspent")
THEFT_COVER_PERMILLE = Parameter(29, "theft_cover", 1_000, "thousandths of payments after the report")
CLOSED_TIERS = Parameter(30, "closed_tiers", 0, "bits: 2 software, 4 trusted environment, 8 secure element")
ISSUER_EPOCH = Parameter(
    31, "issuer_epoch", 1, "lowest epoch of the issuer's key for new notes; it never falls"
)
MAX_SLOTS_MERCHANT = Parameter(26, "max_slots_merchant", 1_024, "outpoints in a business's purse")
REJECT_REVOKED_ANCESTOR = Parameter(25, "reject_revoked_ancestor", 1, "0 or 1")

PARAMETERS: tuple[Parameter, ...] = (
    MAX_BALANCE_SW,
    MAX_BALANCE_TEE,
    MAX_BALANCE_SE,
    MAX_BALANCE_MERCHANT,
    MAX_PAYMENT_PERMILLE,
    MAX_OUT_PERMILLE,
    MAX_COUNT,
    MAX_AGE_DAYS,
    MAX_HOPS,
    MAX_HOPS_SW,
    MAX_LENGTH,
    MAX_PARTS,
    MAX_SLOTS,
    MAX_BYTES,
    MAX_BYTES_QR,
    MAX_TRUST_AGE_SECONDS,
    MARGIN_SECONDS,
    CLOCK_SKEW_SECONDS,
    INVOICE_SECONDS,
    SPEND_BY_SECONDS,
    REDEEM_BY_SECONDS,
    GRACE_SECONDS,
    RECOURSE_CAP_PERMILLE,
    BANK_CAP_PERMILLE,
    REJECT_REVOKED_ANCESTOR,
    MAX_SLOTS_MERCHANT,
    CAP_MULT_PERMILLE,
    EARLY_PAYOUT_PERMILLE,
    THEFT_COVER_PERMILLE,
    CLOSED_TIERS,
    ISSUER_EPOCH,
)

# What a script, a plan or an experiment may set before anything is issued. The issuer goes on to its next key later.
SETTABLE: tuple[Parameter, ...] = tuple(one for one in PARAMETERS if one is not ISSUER_EPOCH)

Policy = Mapping[int, int]

INTERMITTENT: Policy = {}
STAGED: Policy = {MAX_HOPS.id: 1, MAX_HOPS_SW.id: 1}
EXTENDED: Policy = {
    MAX_HOPS.id: 10,
    MAX_AGE_DAYS.id: 90,
    MAX_TRUST_AGE_SECONDS.id: 90 * DAY_SECONDS,
    SPEND_BY_SECONDS.id: 180 * DAY_SECONDS,
    REDEEM_BY_SECONDS.id: 105 * DAY_SECONDS,
}

PRESETS: Mapping[str, Policy] = {"staged": STAGED, "intermittent": INTERMITTENT, "extended": EXTENDED}

_BALANCE_OF_TIER = {TIER_SW: MAX_BALANCE_SW, TIER_TEE: MAX_BALANCE_TEE, TIER_SE: MAX_BALANCE_SE}


def value_of(parameter: Parameter, policy: Policy = INTERMITTENT) -> int:
    """What `policy` says of the parameter, or its default."""
    return policy.get(parameter.id, parameter.default)


def preset(name: str) -> Policy:
    """The set of numbers called `staged`, `intermittent` or `extended`; E_PARAMETER_SET for any other name."""
    if name not in PRESETS:
        raise Refused("E_PARAMETER_SET", name=name[:40], known=", ".join(PRESETS))
    return PRESETS[name]


def mode_policy(name: str) -> Policy:
    """What a TRUST list says to put a preset in force, whatever was in force: every number that any preset sets.

    A number that this preset does not name has its default again. E_PARAMETER_SET for an unknown name.
    """
    chosen = preset(name)
    touched = {one for policy in PRESETS.values() for one in policy}
    defaults = {one.id: one.default for one in PARAMETERS if one.id in touched}
    return {**defaults, **chosen}


def policy_items(policy: Policy) -> tuple[tuple[int, int], ...]:
    """The policy as TRUST carries it: `((parameter id, value)...)`, by rising id."""
    return tuple(sorted(policy.items()))


def check_consistent(policy: Policy) -> None:
    """Return if these numbers leave every honest holder time to sync; raise E_PARAMETERS otherwise.

    Someone who took a payment at the last moment before `spend_by` may lawfully stay offline for the whole of
    `max_age`; `redeem_by` must not come earlier than that (attack list, V13).
    """
    redeem_seconds = value_of(REDEEM_BY_SECONDS, policy)
    age_seconds = value_of(MAX_AGE_DAYS, policy) * DAY_SECONDS
    if redeem_seconds < age_seconds:
        raise Refused(
            "E_PARAMETERS",
            problem=f"redeem_by comes {redeem_seconds} s after spend_by, max_age is {age_seconds} s",
        )
    if value_of(SPEND_BY_SECONDS, policy) <= value_of(MARGIN_SECONDS, policy):
        raise Refused(
            "E_PARAMETERS", problem="notes would reach the margin before spend_by on the day of issue"
        )


def balance_parameter(tier: int, category: int) -> Parameter:
    """The parameter that bounds the balance of such a device; E_DEVICE_TIER for an unknown tier.

    The higher limit of a business needs hardware: a shop's browser keeps the limit of software.
    """
    if tier not in _BALANCE_OF_TIER:
        raise Refused("E_DEVICE_TIER", tier=tier)
    if category in BUSINESS_CATEGORIES and tier != TIER_SW:
        return MAX_BALANCE_MERCHANT
    return _BALANCE_OF_TIER[tier]


def hops_parameter(tier: int) -> Parameter:
    """The parameter that bounds the hops such a device may add to."""
    return MAX_HOPS_SW if tier == TIER_SW else MAX_HOPS


def limits_for(tier: int, category: int, policy: Policy = INTERMITTENT) -> Limits:
    """The limits a bank writes into the certificate of a device of this tier and category; E_DEVICE_TIER if unknown."""
    balance_tiyn = value_of(balance_parameter(tier, category), policy)
    return Limits(
        max_balance_tiyn=balance_tiyn,
        max_payment_tiyn=balance_tiyn * value_of(MAX_PAYMENT_PERMILLE, policy) // 1_000,
        max_out_tiyn=balance_tiyn * value_of(MAX_OUT_PERMILLE, policy) // 1_000,
        max_count=value_of(MAX_COUNT, policy),
        max_age_days=value_of(MAX_AGE_DAYS, policy),
        max_hops=value_of(hops_parameter(tier), policy),
    )


def stricter(limits: Limits, tier: int, category: int, policy: Policy) -> Limits:
    """`limits` of a certificate, lowered where `policy` names a lower number; what it does not name stays."""
    bound = limits_for(tier, category, policy)
    balance = balance_parameter(tier, category).id
    named_by = (
        (balance,),
        (balance, MAX_PAYMENT_PERMILLE.id),
        (balance, MAX_OUT_PERMILLE.id),
        (MAX_COUNT.id,),
        (MAX_AGE_DAYS.id,),
        (hops_parameter(tier).id,),
    )
    return Limits(
        *(
            min(own, lowered) if any(name in policy for name in names) else own
            for own, lowered, names in zip(limits, bound, named_by, strict=True)
        )
    )
