"""The National Bank's weighty acts at the desk: freezing a holder, lifting a freeze, revoking a device. Each takes two.

`cbdc.joint_acts` keeps the proposals and both signatures; here is what is checked before one is signed, and what is
done after the second. No institution can be frozen: a frozen escrow or loss reserve would stop everybody's settlement.
"""

from cbdc.errors import Refused
from cbdc.joint_acts import FREEZE, REVOKE, UNFREEZE, Handler, JointAct, JointActs
from cbdc.system import System
from offline.gateway import OfflineCentre


def is_customer(system: System, pseudonym: bytes) -> bool:
    """Whether a pseudonym is a bank's customer's: somebody who can be frozen at the desks."""
    return any(one.pseudonym == pseudonym for bank in system.banks.values() for one in bank.customers.all())


def joint_acts(system: System, centre: OfflineCentre) -> JointActs:
    """The book of the acts that take two officers, over a system's cabinet. Call `resume` once it stands."""
    enforcement = system.enforcement

    def can_freeze(act: JointAct) -> None:
        """E_HTTP_NONE for who is no bank's customer, E_FROZEN."""
        if not is_customer(system, act.subject):
            raise Refused("E_HTTP_NONE", what="wallet holder", id=act.subject)
        why = system.ledger.frozen(act.subject)
        if why:
            raise Refused("E_FROZEN", holder=act.subject, legal_reference=why)

    def can_lift(act: JointAct) -> None:
        """E_NOT_FROZEN."""
        if not system.ledger.frozen(act.subject):
            raise Refused("E_NOT_FROZEN", holder=act.subject)

    def can_revoke(act: JointAct) -> None:
        """E_DEVICE_UNKNOWN, E_ACT_REVOKED."""
        centre.devices.bank_of(act.subject)
        if centre.trust_view.is_revoked(act.subject):
            raise Refused("E_ACT_REVOKED", kid=act.subject)

    def freeze(act: JointAct) -> str:
        return enforcement.freeze(act.id, act.subject, act.reference).transaction_id.hex()

    def lift(act: JointAct) -> str:
        return enforcement.unfreeze(act.id, act.subject, act.reference).transaction_id.hex()

    def revoke(act: JointAct) -> str:
        return str(centre.revoke(act.subject).record.sequence)

    handlers = {
        FREEZE: Handler(can_freeze, freeze),
        UNFREEZE: Handler(can_lift, lift),
        REVOKE: Handler(can_revoke, revoke),
    }
    return JointActs(system.stores.cabinet, system.authority, system.clock, handlers)
