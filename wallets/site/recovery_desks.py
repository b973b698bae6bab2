"""The desks that give a lost wallet back to a new key, one for each bank of the sandbox, and the rules they keep.

An assumption of this sandbox: a report freezes the holder at once, only the document that the account was opened with
is taken, and nobody waits. A waiting time is a rule of the policy as well (`recovery_wait`); with one, the sandbox's
clock must be put forward before a recovery can be completed.
"""

from cbdc.policies import PolicySet, Rule, preset
from cbdc.ports import Clock, Entropy
from cbdc.recovery import RecoveryDesk
from cbdc.recovery_codes import RecoveryCodes
from cbdc.system import System
from wallets.site.opening import POLICY

RULES = (Rule("report", "theft_freeze", 1), Rule("document", "recovery_identity", 1))


def recovery_policy() -> PolicySet:
    """The rules of a recovery here."""
    return preset(POLICY).with_rules(RULES)


def recoveries(system: System, entropy: Entropy, clock: Clock) -> dict[int, RecoveryCodes]:
    """The recovery codes of each bank, by its number."""
    cabinet, policy = system.stores.cabinet, recovery_policy()
    return {
        number: RecoveryCodes(
            bank,
            RecoveryDesk(bank, system.enforcement, system.ledger, cabinet, policy, clock),
            system.ledger,
            cabinet,
            entropy,
            clock,
        )
        for number, bank in system.banks.items()
    }
