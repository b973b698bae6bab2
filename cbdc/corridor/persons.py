"""Who is who, without the name: how a bank and a provider agree on a person, and what travels with a transfer.

A bank and a provider identify the same client each for itself. To agree, both compute a code from the person's number
with a secret that only this pair shares, and compare the codes. Neither tells the other a name or a number, two
providers cannot compare the codes that their banks see, and a stranger cannot try numbers. The licensed providers
share one more secret among themselves: the pseudonym under which they count a person's deposits together.

With a transfer from provider to provider travel facts about both sides: the full set from USD 1,000, a reduced set
below [P, AIFC travel rule]. Which fields each set has is our assumption, after the usual form of that rule. They go
from provider to provider only; no institution of the digital tenge sees them.
"""

import hmac
from dataclasses import dataclass

from cbdc.errors import Refused

REDUCED_FIELDS = ("originator_name", "originator_account", "beneficiary_name", "beneficiary_account")
FULL_FIELDS = (*REDUCED_FIELDS, "originator_reference", "originator_address")


def match_code(secret: bytes, reference: str) -> bytes:
    """The 32-byte code of a person's number for one pair of institutions (or for all providers, with their secret)."""
    return hmac.digest(secret, b"kzt-dt/corridor/person\0" + reference.encode(), "sha256")


def check_match(mine: bytes, theirs: bytes) -> None:
    """Return if both sides mean the same person; E_PERSON_MATCH otherwise. Compared in constant time."""
    if not hmac.compare_digest(mine, theirs):
        raise Refused("E_PERSON_MATCH")


@dataclass(frozen=True, slots=True)
class TravelFacts:
    """What one provider tells another about a transfer; an empty text is a fact that is missing."""

    originator_name: str = ""
    originator_account: str = ""
    originator_reference: str = ""
    originator_address: str = ""
    beneficiary_name: str = ""
    beneficiary_account: str = ""


def check_travel(facts: TravelFacts, usd_cents: int, full_from_usd_cents: int) -> str:
    """Return "full" or "reduced": the set that such a transfer needs and has; E_TRAVEL_RULE names what is missing."""
    wanted = FULL_FIELDS if usd_cents >= full_from_usd_cents else REDUCED_FIELDS
    missing = [field for field in wanted if not getattr(facts, field)]
    if missing:
        raise Refused("E_TRAVEL_RULE", missing=", ".join(missing), usd_cents=usd_cents)
    return "full" if wanted is FULL_FIELDS else "reduced"
