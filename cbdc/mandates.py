"""Recurring payments: a payer signs once what may be collected, and each collection keeps to it.

A **mandate** names the payee, the most for one payment, the most and how many payments in a period, and the first and
last moment. It is signed by the payer's present key, while the payer is not frozen: a stolen key allows nothing new.
It may be revoked at any time, by the key that the payer then has. Periods are counted from the first
moment (`period_seconds` each), so a period is the same for everybody and each is used up for itself.

A **collection** has an id of the payee's making. It is judged, written down with the sum of its period, and carried
out by whoever executes the mandate: the payer's bank out of the deposit (`SaleDesk` delivers straight to the payee),
or the payer's wallet. The same id gives the same answer; what the execution refuses is taken out of its period again,
so a period in which money was missing can be collected later in the same period.

Rules that a policy may leave out, to see what they do: `mandate_payment`, `mandate_period`, `mandate_window`. That
only the named payee collects is the mandate itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.errors import Malformed, Refused
from cbdc.gateway import Freezes, Gateway
from cbdc.ledger.state import RegisteredKey
from cbdc.orders import HolderProof
from cbdc.policies import PolicySet
from cbdc.ports import Clock
from cbdc.record import (
    AMOUNT,
    HASH,
    MOMENT,
    ONLINE_DOMAIN,
    Group,
    Kind,
    Record,
    Signed,
    Unsigned,
    open_envelope,
)

Execute = Callable[[bytes, "Mandate", int], None]

_MANDATES = "mandate"
_REVOKED = "mandate.revoked"
_PERIODS = "mandate.period"
_TAKEN = "mandate.collection"
MOST_LISTED = 200
_SUM = Group((Unsigned(), Unsigned()))
_COLLECTION = Group((HASH, Unsigned(), AMOUNT, Unsigned(0, 1)))


@dataclass(frozen=True, slots=True)
class Mandate(Record):
    """What a payer allows: `payee` may collect up to `payment_limit_tiyn` at once, up to `period_limit_tiyn` in at most
    `most_payments` payments in each `period_seconds`, from `first` to `last` (both included). `id` is the payer's."""

    id: bytes
    payer: bytes
    payee: bytes
    payment_limit_tiyn: int
    period_limit_tiyn: int
    most_payments: int
    period_seconds: int
    first: int
    last: int

    TYPE: ClassVar[int] = 87
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        HASH,
        HASH,
        HASH,
        AMOUNT,
        AMOUNT,
        Unsigned(1),
        Unsigned(1),
        MOMENT,
        MOMENT,
    )

    def period(self, now: int) -> int:
        """The number of the period that a moment falls in, from 0; what is before the first moment is in it."""
        return max(0, now - self.first) // self.period_seconds


def revoke_purpose(id: bytes) -> str:
    """What the payer's key signs to revoke a mandate."""
    return f"mandate revoke {id.hex()}"


def _listing(kid: bytes) -> str:
    return f"mandate.of/{kid.hex()}"


class MandateDesk:
    """Mandates at whoever executes them. `execute(id, mandate, tiyn)` moves the money under that id, or raises."""

    def __init__(
        self, gateway: Gateway, cabinet: Cabinet, policy: PolicySet, clock: Clock, execute: Execute
    ) -> None:
        self._gateway = gateway
        self._cabinet = cabinet
        self._policy = policy
        self._clock = clock
        self._execute = execute

    def accept(self, mandate: Signed[Mandate]) -> None:
        """Keep a signed mandate; again: nothing.

        Raises E_KEY_UNKNOWN, E_SIG, E_ID_REUSED for another one, E_KEY_RETIRED and E_FROZEN for a new one.
        """
        mandate = open_envelope(mandate.envelope(), Mandate, self._gateway.network)
        payer = self._key(mandate.record.payer)
        mandate.verify(payer.key)
        known = self._cabinet.get(_MANDATES, mandate.record.id)
        # Signatures may differ from one signing to the next; what was signed may not.
        if known is not None and self._open(known) != mandate.record:
            raise Refused("E_ID_REUSED", id=mandate.record.id)
        if known is None:
            self._check_present(mandate.record.payer, payer)
            record = mandate.record
            rows = [Row(_MANDATES, record.id, mandate.encode())]
            rows += [
                Row(_listing(kid), record.id, b"") for kid in dict.fromkeys((record.payer, record.payee))
            ]
            self._cabinet.put_many(rows)

    def _check_present(self, kid: bytes, payer: RegisteredKey) -> None:
        """What a mandate takes comes out of a deposit, so the ledger would not stop who found or stole a wallet."""
        if payer.successor:
            raise Refused("E_KEY_RETIRED", kid=kid)
        if isinstance(self._gateway, Freezes) and (reference := self._gateway.frozen(payer.pseudonym)):
            raise Refused("E_FROZEN", holder=payer.pseudonym, legal_reference=reference)

    def revoke(self, proof: Signed[HolderProof], id: bytes) -> None:
        """End a mandate, on the signed word of the payer's present key; again: nothing. E_MANDATE_UNKNOWN, E_SIG."""
        kid = self.mandate(id).payer
        while successor := self._key(kid).successor:
            kid = successor
        proof = open_envelope(proof.envelope(), HolderProof, self._gateway.network)
        if (proof.record.kid, proof.record.purpose) != (kid, revoke_purpose(id)):
            raise Refused("E_MANDATE_UNKNOWN", id=id)
        proof.verify(self._key(kid).key)
        self._cabinet.put_many([Row(_REVOKED, id, canonical.encode(self._clock.now()))])

    def mandate(self, id: bytes) -> Mandate:
        """A mandate that is kept here; E_MANDATE_UNKNOWN."""
        data = self._cabinet.get(_MANDATES, id)
        if data is None:
            raise Refused("E_MANDATE_UNKNOWN", id=id)
        return self._open(data)

    def mandates_of(self, kid: bytes) -> list[Mandate]:
        """The newest MOST_LISTED mandates that a key gave or may collect on, newest first."""
        ids = [name for name, _ in self._cabinet.all(_listing(kid))][-MOST_LISTED:]
        rows = self._cabinet.get_many(_MANDATES, ids)
        return [self._open(rows[name]) for name in reversed(ids)]

    def revoked(self, id: bytes) -> bool:
        """Whether the payer took it back."""
        return self._cabinet.get(_REVOKED, id) is not None

    def standing(self, mandate: Mandate) -> str:
        """What is wrong with a mandate now; empty when it stands."""
        now = self._clock.now()
        if self.revoked(mandate.id):
            return "the payer revoked it"
        if now < mandate.first:
            return "it has not begun"
        return "its time is over" if now > mandate.last else ""

    def collected(self, id: bytes, period: int) -> tuple[int, int]:
        """What was collected of a mandate in a period: tiyn, and payments."""
        data = self._cabinet.get(_PERIODS, self._period_id(id, period))
        if data is None:
            return 0, 0
        tiyn, payments = _SUM.load(canonical.decode(data), "period")
        return tiyn, payments

    def collect(self, id: bytes, mandate_id: bytes, payee: bytes, amount_tiyn: int) -> None:
        """Collect an amount for the payee's key `payee`, once for the id.

        Raises E_MANDATE_UNKNOWN, E_MANDATE_PAYEE, E_MANDATE_OVER, E_MANDATE_PAYMENT, E_MANDATE_PERIOD, E_ID_REUSED, or
        what the execution refuses.
        """
        mandate = self.mandate(mandate_id)
        AMOUNT.load(amount_tiyn, "amount")
        known = self._cabinet.get(_TAKEN, HASH.load(id, "collection id"))
        if known is None:
            self._judge(mandate, payee, amount_tiyn)
            period = mandate.period(self._clock.now())
            self._note(id, mandate, period, amount_tiyn)
        else:
            before, period, amount, done = _COLLECTION.load(canonical.decode(known), "collection")
            if (before, amount) != (mandate_id, amount_tiyn):
                raise Refused("E_ID_REUSED", id=id)
            if done:
                return
        try:
            self._execute(follow("collection", id), mandate, amount_tiyn)
        except (Refused, Malformed):
            self._take_back(id, mandate, period, amount_tiyn)
            raise
        self._cabinet.put_many([Row(_TAKEN, id, canonical.encode([mandate_id, period, amount_tiyn, 1]))])

    def _judge(self, mandate: Mandate, payee: bytes, amount_tiyn: int) -> None:
        now = self._clock.now()
        if payee != mandate.payee:
            raise Refused("E_MANDATE_PAYEE", kid=payee)
        if self._policy.holds("mandate_window"):
            if self.revoked(mandate.id):
                raise Refused("E_MANDATE_OVER", problem="the payer revoked it")
            if not mandate.first <= now <= mandate.last:
                problem = f"it is {now}, outside {mandate.first} to {mandate.last}"
                raise Refused("E_MANDATE_OVER", problem=problem)
        if self._policy.holds("mandate_payment") and amount_tiyn > mandate.payment_limit_tiyn:
            limit = mandate.payment_limit_tiyn
            raise Refused("E_MANDATE_PAYMENT", amount_tiyn=amount_tiyn, limit_tiyn=limit)
        tiyn, payments = self.collected(mandate.id, mandate.period(now))
        full = tiyn + amount_tiyn > mandate.period_limit_tiyn or payments + 1 > mandate.most_payments
        if full and self._policy.holds("mandate_period"):
            raise Refused(
                "E_MANDATE_PERIOD",
                amount_tiyn=tiyn + amount_tiyn,
                payments=payments + 1,
                limit_tiyn=mandate.period_limit_tiyn,
                most_payments=mandate.most_payments,
            )

    def _note(self, id: bytes, mandate: Mandate, period: int, amount_tiyn: int) -> None:
        tiyn, payments = self.collected(mandate.id, period)
        sums = canonical.encode([tiyn + amount_tiyn, payments + 1])
        taken = canonical.encode([mandate.id, period, amount_tiyn, 0])
        self._cabinet.put_many(
            [Row(_PERIODS, self._period_id(mandate.id, period), sums), Row(_TAKEN, id, taken)]
        )

    def _take_back(self, id: bytes, mandate: Mandate, period: int, amount_tiyn: int) -> None:
        tiyn, payments = self.collected(mandate.id, period)
        sums = canonical.encode([tiyn - amount_tiyn, payments - 1])
        name = self._period_id(mandate.id, period)
        self._cabinet.put_many([Row(_PERIODS, name, sums), Row(_TAKEN, id, None)])

    @staticmethod
    def _period_id(id: bytes, period: int) -> bytes:
        return id + period.to_bytes(8, "big")

    def _open(self, data: bytes) -> Mandate:
        return open_envelope(canonical.decode(data), Mandate, self._gateway.network).record

    def _key(self, kid: bytes) -> RegisteredKey:
        key = self._gateway.registered(kid)
        if key is None:
            raise Refused("E_KEY_UNKNOWN", kid=kid)
        return key
