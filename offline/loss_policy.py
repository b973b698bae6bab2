"""Loss policies by name: who bears what a double spend adds, and when that is decided.

    ISSUER      every branch in good faith is paid; the loss reserve bears the loss           at once
    WATERFALL   as ISSUER, and then the guilty device, its owner, its bank pay into the reserve at once, the default
    CAPPED      as WATERFALL up to `cap_mult` of the device's `max_out`; the rest is shared   at close
    LOTTERY     one branch of each fork is paid, drawn by a beacon nobody could know before   at close
    PRO_RATA    each branch of a fork has a share                                             at close
    PAYEE       no branch of a fork is paid; the payees bear it                               at close
    FIRST_SEEN  the branch that arrived first is paid: depends on the order of syncs          study only

The last five keep redemptions HELD until note and case have closed (`offline.closing`). FIRST_SEEN is here to show why
a settlement must not do so: a `LossPolicy` of that name is refused (E_LOSS_POLICY) unless somebody opens it for a study
with a reason (`first_seen_for_study`), and it says so for as long as it lives.

Source: DTO/1, sections 5.11 and 5.19.9.
"""

from dataclasses import dataclass

from cbdc.errors import Refused
from offline.parameters import (
    BANK_CAP_PERMILLE,
    CAP_MULT_PERMILLE,
    INTERMITTENT,
    RECOURSE_CAP_PERMILLE,
    THEFT_COVER_PERMILLE,
    Policy,
    value_of,
)

ISSUER = "ISSUER"
WATERFALL = "WATERFALL"
CAPPED = "CAPPED"
LOTTERY = "LOTTERY"
PRO_RATA = "PRO_RATA"
PAYEE = "PAYEE"
FIRST_SEEN = "FIRST_SEEN"

POLICIES = (ISSUER, WATERFALL, CAPPED, LOTTERY, PRO_RATA, PAYEE)
_AT_CLOSE = (CAPPED, LOTTERY, PRO_RATA, PAYEE, FIRST_SEEN)
_WITH_RECOURSE = (WATERFALL, CAPPED)


@dataclass(frozen=True, slots=True)
class LossPolicy:
    """How losses are borne: the policy's name, and caps in thousandths of a guilty device's `max_out`.

    `recourse_permille` bounds what its owner pays, `bank_permille` what its bank pays, `cap_permille` what the loss
    reserve puts in under CAPPED. `study` is the reason for which FIRST_SEEN was opened, and empty otherwise.
    `theft_permille` is the part of a thief's payments after the report that the scheme bears (`offline.lost`). Raises
    E_LOSS_POLICY for a name that is not one of `POLICIES`, and for FIRST_SEEN that nobody opened.
    """

    name: str = WATERFALL
    recourse_permille: int = RECOURSE_CAP_PERMILLE.default
    bank_permille: int = BANK_CAP_PERMILLE.default
    cap_permille: int = CAP_MULT_PERMILLE.default
    study: str = ""
    theft_permille: int = THEFT_COVER_PERMILLE.default

    def __post_init__(self) -> None:
        if self.name in POLICIES or (self.name == FIRST_SEEN and self.study):
            return
        problem = "is unknown"
        if self.name == FIRST_SEEN:
            problem = "depends on the order of arrival, so only a study may open it"
        raise Refused("E_LOSS_POLICY", policy=self.name[:40], problem=problem, known=", ".join(POLICIES))

    @property
    def recovers(self) -> bool:
        """Whether a guilty device's claims wait for its case from the moment of the proof (WATERFALL)."""
        return self.name == WATERFALL

    @property
    def at_close(self) -> bool:
        """Whether what is paid is decided when notes and cases have closed."""
        return self.name in _AT_CLOSE

    @property
    def has_recourse(self) -> bool:
        """Whether the guilty device's owner and bank pay for what the loss reserve put in."""
        return self.name in _WITH_RECOURSE

    @property
    def title(self) -> str:
        """The name, and loudly that it is open for a study when it is."""
        return f"{self.name} (OPENED FOR STUDY: {self.study})" if self.name == FIRST_SEEN else self.name


def loss_policy(name: str, numbers: Policy = INTERMITTENT, study: str = "") -> LossPolicy:
    """The policy of this name with its caps out of the offline parameters; E_LOSS_POLICY."""
    return LossPolicy(
        name,
        value_of(RECOURSE_CAP_PERMILLE, numbers),
        value_of(BANK_CAP_PERMILLE, numbers),
        value_of(CAP_MULT_PERMILLE, numbers),
        study,
        value_of(THEFT_COVER_PERMILLE, numbers),
    )


def first_seen_for_study(reason: str) -> LossPolicy:
    """FIRST_SEEN, opened for the `reason` that a person gives; E_LOSS_POLICY without one."""
    return LossPolicy(FIRST_SEEN, study=reason)
