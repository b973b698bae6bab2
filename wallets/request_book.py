"""A payer's book of payment requests: accepted, declined or out of time; each is paid once.

A request (`wallets.request`) is known by its text, so the payee makes each one different (a bill's number in the memo).
Accepting writes down the attempt before anything is paid; the same attempt again gives the same payment, another one
is refused while the first is under way and after it (`request_once`). What the payment itself refuses reopens the
request. A declined request stays declined; one whose time is over is refused (`request_expiry`).
"""

import hashlib
from collections.abc import Callable

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row
from cbdc.errors import Malformed, Refused
from cbdc.policies import PolicySet
from cbdc.ports import Clock
from cbdc.record import HASH, HASH_OR_NONE, Group, Unsigned
from wallets.request import PaymentRequest

DECLINED = 1
UNDER_WAY = 2
PAID = 3

_ROW = Group((Unsigned(DECLINED, PAID), HASH_OR_NONE))


class RequestBook:
    """The book of one payer, named `name`, in a cabinet."""

    def __init__(self, name: str, network: bytes, cabinet: Cabinet, policy: PolicySet, clock: Clock) -> None:
        self._drawer = f"request of {name}"
        self._network = network
        self._cabinet = cabinet
        self._policy = policy
        self._clock = clock

    def accept(
        self, request: PaymentRequest, attempt: bytes, pay: Callable[[PaymentRequest, bytes], None]
    ) -> None:
        """Pay a request by `pay(request, attempt)`, which is idempotent in the attempt's id (32 bytes) and raises.

        Raises E_REQUEST_NETWORK, E_REQUEST_EXPIRED, E_REQUEST_DECLINED, E_REQUEST_PAID, or what paying refuses.
        """
        HASH.load(attempt, "attempt")
        state, before = self.state(request)
        if state == DECLINED:
            raise Refused("E_REQUEST_DECLINED")
        again = before == attempt
        if state and not again and self._policy.holds("request_once"):
            raise Refused("E_REQUEST_PAID")
        if state == PAID and again:
            return
        # A payment that is under way is completed whatever the time is now.
        now = self._clock.now() if self._policy.holds("request_expiry") and not again else 0
        request.check(self._network, now)
        if not again:
            self._write(request, UNDER_WAY, attempt)
        try:
            pay(request, attempt)
        except (Refused, Malformed):
            self._cabinet.put_many([Row(self._drawer, self._id(request), None)])
            raise
        self._write(request, PAID, attempt)

    def decline(self, request: PaymentRequest) -> None:
        """Say no, for good; again: nothing. E_REQUEST_PAID when it was paid, or is being paid."""
        state, _ = self.state(request)
        if state in (UNDER_WAY, PAID):
            raise Refused("E_REQUEST_PAID")
        self._write(request, DECLINED, b"")

    def state(self, request: PaymentRequest) -> tuple[int, bytes]:
        """DECLINED, UNDER_WAY or PAID with the attempt, or 0 for a request nobody answered."""
        data = self._cabinet.get(self._drawer, self._id(request))
        if data is None:
            return 0, b""
        state, attempt = _ROW.load(canonical.decode(data), "request")
        return state, attempt

    @staticmethod
    def _id(request: PaymentRequest) -> bytes:
        return hashlib.sha256(request.text().encode()).digest()

    def _write(self, request: PaymentRequest, state: int, attempt: bytes) -> None:
        row = Row(self._drawer, self._id(request), canonical.encode([state, attempt]))
        self._cabinet.put_many([row])
