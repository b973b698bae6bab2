"""The signed statements of the corridor: a licence, holdings of gold, an officer's verdict, a disclosure.

They are no transactions and never stand on the ledger, so they have a domain of their own (`kzt-dt/corridor/v1`): no
signature made here can be shown as one of the ledger's or of the offline protocol's, and the other way round.

Source: `docs/corridor.md`, what the sources say (AIFC rules for providers and for fiat stablecoins).
"""

from dataclasses import dataclass
from typing import ClassVar

from cbdc.record import HASH, MOMENT, Group, Items, Kind, Record, Text, Unsigned

CORRIDOR_DOMAIN = b"kzt-dt/corridor/v1\0"

# What a provider may be licensed for.
EXCHANGE_ACTIVITY = 1
CUSTODY_ACTIVITY = 2
STABLECOIN_ACTIVITY = 3

ACTIVITY_NAMES = {
    EXCHANGE_ACTIVITY: "exchange",
    CUSTODY_ACTIVITY: "custody",
    STABLECOIN_ACTIVITY: "stablecoin",
}

# The states of a licence.
APPLIED = 1
IN_FORCE = 2
SUSPENDED = 3
WITHDRAWN = 4
EXPIRED = 5

STATE_NAMES = {
    APPLIED: "applied",
    IN_FORCE: "in force",
    SUSPENDED: "suspended",
    WITHDRAWN: "withdrawn",
    EXPIRED: "expired",
}

# What a compliance officer may say of a held order.
RELEASE = 1
REFUSE = 2
FREEZE_ACCOUNT = 3

# A bar of gold: its number and its weight in milligrams.
_BAR = Group((Text(), Unsigned(1)))

VERDICT_NAMES = {RELEASE: "released", REFUSE: "refused", FREEZE_ACCOUNT: "account frozen"}


@dataclass(frozen=True, slots=True)
class LicenceStatement(Record):
    """The regulator's register says how the licence of a provider (key id) for one activity stands.

    `serial` rises with each change of that licence, so an older statement is known as old; `issued` is when it was
    signed, `expires` the last second of the licence.
    """

    register: bytes
    provider: bytes
    activity: int
    state: int
    number: str
    valid_from: int
    expires: int
    serial: int
    issued: int

    TYPE: ClassVar[int] = 1
    DOMAIN: ClassVar[bytes] = CORRIDOR_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        HASH,
        HASH,
        Unsigned(EXCHANGE_ACTIVITY, STABLECOIN_ACTIVITY),
        Unsigned(APPLIED, EXPIRED),
        Text(),
        MOMENT,
        MOMENT,
        Unsigned(1),
        MOMENT,
    )


@dataclass(frozen=True, slots=True)
class HoldingStatement(Record):
    """A custodian (key id) says what lies in its vault: so many milligrams in these bars. `serial` rises."""

    custodian: bytes
    asset: str
    bars: tuple[tuple[str, int], ...]
    serial: int
    time: int

    TYPE: ClassVar[int] = 2
    DOMAIN: ClassVar[bytes] = CORRIDOR_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (HASH, Text(), Items(_BAR, most=256), Unsigned(1), MOMENT)

    @property
    def total_mg(self) -> int:
        """All bars together, in milligrams."""
        return sum(weight for _, weight in self.bars)


@dataclass(frozen=True, slots=True)
class Verdict(Record):
    """A compliance officer (key id) decides about one held order: release, refuse, or freeze the account as well."""

    officer: bytes
    order: bytes
    verdict: int
    reason: str
    time: int

    TYPE: ClassVar[int] = 3
    DOMAIN: ClassVar[bytes] = CORRIDOR_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        HASH,
        HASH,
        Unsigned(RELEASE, FREEZE_ACCOUNT),
        Text(200),
        MOMENT,
    )


@dataclass(frozen=True, slots=True)
class Disclosure(Record):
    """What an issuer of a backed coin discloses once a quarter: the locked money and the coins it backs (tiyn).

    `quarter` is year * 10 + number of the quarter (20264 is October to December 2026). `ledger_size` and
    `chain_height` say up to where both sides were counted, so that anybody can count again.
    """

    issuer: bytes
    quarter: int
    locked_tiyn: int
    wrapped_tiyn: int
    minted_tiyn: int
    burned_tiyn: int
    ledger_size: int
    chain_height: int
    time: int

    TYPE: ClassVar[int] = 4
    DOMAIN: ClassVar[bytes] = CORRIDOR_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        HASH,
        Unsigned(20_001, 99_994),
        Unsigned(),
        Unsigned(),
        Unsigned(),
        Unsigned(),
        Unsigned(),
        Unsigned(),
        MOMENT,
    )
