"""Marks: what a "coloured" tenge may be used for, as data that a signature can cover.

A mark is the 32-byte id of a **definition** signed by the treasury. The definition says, in closed and bounded form,
between which categories of holders the money may move, how much one payment may take, from when to when, who may
turn it into free money and on whose evidence, and where what is left returns. The mark is part of the token: change
and every onward transfer inherit it, and marked money is neither redeemed nor cashed out.

The same definition names its offline `purpose`: what a receiver can judge alone (categories, hops) goes with the
note, so there is one rule, compiled, not two.

Sources: `docs/domain.md`, programmability (marks disappear after the expenditure; while marked no conversion to cash
or ordinary money); DTO/1, sections 5.13 and 5.19.6.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from cbdc.errors import Refused
from cbdc.record import (
    AMOUNT,
    HASH,
    HASH_OR_NONE,
    MOMENT,
    ONLINE_DOMAIN,
    Group,
    Items,
    Kind,
    Record,
    Signed,
    Text,
    Unsigned,
    open_envelope,
)

_CATEGORY = Unsigned(0, 255)


@dataclass(frozen=True, slots=True)
class MarkDefinition(Record):
    """One purpose of marked money. Its object id is the mark.

    - `issuer`: key id of the treasury account that may put the mark on money; `return_to`: key id that gets the rest.
    - `edges`: [[payer category, [payee category...]]...]: who may pay whom.
    - `person_to_person` and `max_hops`: offline use (0 hops: not loadable); `purpose`: its number offline, 1..65535.
    - `payment_cap_tiyn`: the most one payment may take, 0 for no cap.
    - `valid_from`, `valid_until`: payments are allowed in between; after it the rest returns.
    - `release_categories`: holders who may turn it into free money; `evidence`: key id of the register whose signed
      statements that takes, or empty when none is needed.
    - `converts_on_redeem`: 1 if offline redemption drops the mark.
    """

    issuer: bytes
    label: str
    purpose: int
    edges: tuple[tuple[int, tuple[int, ...]], ...]
    person_to_person: int
    max_hops: int
    payment_cap_tiyn: int
    valid_from: int
    valid_until: int
    return_to: bytes
    release_categories: tuple[int, ...]
    evidence: bytes
    converts_on_redeem: int

    TYPE: ClassVar[int] = 82
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        HASH,
        Text(),
        Unsigned(1, 65_535),
        Items(Group((_CATEGORY, Items(_CATEGORY, most=64))), most=64),
        Unsigned(0, 1),
        Unsigned(0, 255),
        Unsigned(),
        MOMENT,
        MOMENT,
        HASH,
        Items(_CATEGORY, most=64),
        HASH_OR_NONE,
        Unsigned(0, 1),
    )

    def allows(self, payer_category: int, payee_category: int) -> bool:
        """Whether the definition has an edge from one category to the other."""
        return any(payer == payer_category and payee_category in payees for payer, payees in self.edges)


@dataclass(frozen=True, slots=True)
class Statement(Record):
    """A register's signed word that marked money was earned: used once, for one holder, up to an amount.

    `document` identifies what the register saw (an act, a tap of meals, an e-invoice), as a hash.
    """

    register: bytes
    mark: bytes
    holder: bytes
    amount_tiyn: int
    document: bytes
    time: int

    TYPE: ClassVar[int] = 83
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (HASH, HASH, HASH, AMOUNT, HASH, MOMENT)


@lru_cache(maxsize=4_096)
def open_definition(envelope: bytes, network: bytes) -> Signed[MarkDefinition]:
    """The definition in an envelope, structure checked and not verified; the errors of `record.open_envelope`."""
    return open_envelope(envelope, MarkDefinition, network)


@lru_cache(maxsize=4_096)
def open_statement(envelope: bytes, network: bytes) -> Signed[Statement]:
    """The statement in an envelope, structure checked and not verified; the errors of `record.open_envelope`."""
    return open_envelope(envelope, Statement, network)


def check_time(definition: MarkDefinition, now: int) -> None:
    """E_MARK_TIME unless marked money may move at `now`."""
    if not definition.valid_from <= now <= definition.valid_until:
        raise Refused(
            "E_MARK_TIME",
            mark=definition.label,
            now=now,
            valid_from=definition.valid_from,
            valid_until=definition.valid_until,
        )


def check_payment(
    definition: MarkDefinition, payer_category: int, payee_category: int, amount_tiyn: int, now: int
) -> None:
    """Return if the mark lets a payer of one category pay `amount_tiyn` to a payee of another at `now`.

    Raises E_MARK_TIME, E_MARK_EDGE or E_MARK_CAP, in this order.
    """
    check_time(definition, now)
    if not definition.allows(payer_category, payee_category):
        raise Refused("E_MARK_EDGE", mark=definition.label, payer=payer_category, payee=payee_category)
    if definition.payment_cap_tiyn and amount_tiyn > definition.payment_cap_tiyn:
        raise Refused(
            "E_MARK_CAP", mark=definition.label, amount_tiyn=amount_tiyn, cap_tiyn=definition.payment_cap_tiyn
        )
