"""Third parties and the consents that holders gave them: who may ask what, judged at every call.

Rules kept here:

- a third party is known by its key; whoever shows a key and a name signed with it is written down. Being written down
  opens nothing: every power comes from a holder's consent;
- a consent is signed by the holder's present wallet key while the holder is not frozen, names one third party, what it
  may read or start, the most for one payment and for one day, and the first and last moment. The holder takes it back
  at any time with the key it then has, and the very next call is refused;
- every request of a third party is a signed `Call` for this network, this method and path, at most 300 seconds away
  from the real clock, with a nonce that is used once: a call that was listened to is worth nothing;
- under one request id one thing is done, once; the same again (signed anew) gets the same answer, another is refused.

Days are counted in local time (UTC+5), as the ledger's limits are. The bounds MOST_... are assumptions of this sandbox.
"""

import json
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.errors import Refused, TengeError
from cbdc.keys import PublicKey, public_key
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.state import RegisteredKey
from cbdc.opening_hours import DAY_SECONDS
from cbdc.orders import HolderProof
from cbdc.partners.records import CONSENT_REVOKED, Call, Consent, Introduction, revoke_purpose
from cbdc.policies import UTC_PLUS_5_SECONDS
from cbdc.ports import Clock
from cbdc.record import HASH, Bytes, Group, Signed, Unsigned, open_envelope

Json = dict[str, Any]
Tell = Callable[[bytes, str, Json], list[Row]]

CALL_SECONDS = 300
MOST_PARTNERS = 500
MOST_CONSENTS = 100

_PARTNERS = "partner"
_CONSENTS = "partner.consent"
_REVOKED = "partner.consent.revoked"
_DAYS = "partner.day"
_NONCES = "partner.nonce"
_ANSWERS = "partner.answer"
_ANSWER = Group((HASH, Bytes()))


class Partner(NamedTuple):
    """A third party that introduced itself."""

    key: PublicKey
    name: str
    since: int


def nobody(partner: bytes, event: str, data: Json) -> list[Row]:
    """Tell nobody."""
    return []


class PartnerDesk:
    """Third parties and consents over a ledger and a cabinet.

    `clock` is the ledger's, `real_clock` judges calls. `tell(partner, event, data)` gives the rows that queue an event
    for a third party; they are written in the same commit as what they tell of.
    """

    def __init__(
        self, ledger: Ledger, cabinet: Cabinet, clock: Clock, real_clock: Clock, tell: Tell = nobody
    ) -> None:
        self.ledger = ledger
        self.cabinet = cabinet
        self.clock = clock
        self.tell = tell
        self._real_clock = real_clock
        self._by_holder: dict[bytes, list[bytes]] = {}
        for name, data in cabinet.all(_CONSENTS):
            self._by_holder.setdefault(self._open(data).holder, []).append(name)
        self._nonces: deque[tuple[int, bytes]] = deque(
            sorted(
                (Unsigned().load(canonical.decode(data), "time"), name) for name, data in cabinet.all(_NONCES)
            )
        )
        self._used = {name for _, name in self._nonces}

    # --- third parties ---

    def introduce(self, introduction: Signed[Introduction]) -> bytes:
        """Write a third party down; its key id. The same again changes nothing.

        Raises E_KEY, E_SIG, E_ID_REUSED for another name under the key, E_PARTNER_MANY.
        """
        introduction = open_envelope(introduction.envelope(), Introduction, self.ledger.network)
        record = introduction.record
        key = public_key(record.algorithm, record.public_key)
        introduction.verify(key)
        known = self.cabinet.get(_PARTNERS, key.kid)
        if known is not None:
            if self._introduced(known).record.name != record.name:
                raise Refused("E_ID_REUSED", id=key.kid)
            return key.kid
        few("third parties", len(self.cabinet.all(_PARTNERS)), MOST_PARTNERS)
        self.cabinet.put_many([Row(_PARTNERS, key.kid, introduction.encode())])
        return key.kid

    def partner(self, kid: bytes) -> Partner:
        """A third party by its key id; E_PARTNER_UNKNOWN."""
        data = self.cabinet.get(_PARTNERS, kid)
        if data is None:
            raise Refused("E_PARTNER_UNKNOWN", kid=kid)
        record = self._introduced(data).record
        return Partner(public_key(record.algorithm, record.public_key), record.name, record.time)

    def all(self) -> list[bytes]:
        """The key ids of every third party, oldest first."""
        return [kid for kid, _ in self.cabinet.all(_PARTNERS)]

    def _introduced(self, data: bytes) -> Signed[Introduction]:
        return open_envelope(data, Introduction, self.ledger.network)

    # --- consents ---

    def accept(self, consent: Signed[Consent]) -> None:
        """Keep a holder's consent; again: nothing.

        Raises E_KEY_UNKNOWN, E_SIG, E_PARTNER_UNKNOWN, E_ID_REUSED, E_KEY_RETIRED, E_FROZEN, E_CONSENT_OVER (it ends
        before it begins), E_PARTNER_MANY.
        """
        consent = open_envelope(consent.envelope(), Consent, self.ledger.network)
        record = consent.record
        holder = self._key(record.holder)
        consent.verify(holder.key)
        self.partner(record.partner)
        known = self.cabinet.get(_CONSENTS, record.id)
        if known is not None:
            if self._open(known) != record:
                raise Refused("E_ID_REUSED", id=record.id)
            return
        if record.last < record.first:
            raise Refused("E_CONSENT_OVER", problem="it ends before it begins")
        if holder.successor:
            raise Refused("E_KEY_RETIRED", kid=record.holder)
        if reference := self.ledger.frozen(holder.pseudonym):
            raise Refused("E_FROZEN", holder=holder.pseudonym, legal_reference=reference)
        ids = self._by_holder.get(record.holder, [])
        few("consents of one key", len(ids), MOST_CONSENTS)
        self.cabinet.put_many([Row(_CONSENTS, record.id, consent.encode())])
        self._by_holder.setdefault(record.holder, []).append(record.id)

    def revoke(self, proof: Signed[HolderProof], id: bytes) -> None:
        """Take a consent back, on the signed word of the holder's present key; again: nothing.

        Raises E_CONSENT_UNKNOWN, E_SIG.
        """
        record = self.consent(id)
        self.check_word(proof, record.holder, revoke_purpose(id), Refused("E_CONSENT_UNKNOWN", id=id))
        if self.revoked(id):
            return
        now = self.clock.now()
        told = self.tell(record.partner, CONSENT_REVOKED, {"consent": id.hex(), "time": now})
        self.cabinet.put_many([Row(_REVOKED, id, canonical.encode(now)), *told])

    def check_word(
        self, proof: Signed[HolderProof], holder: bytes, purpose: str, otherwise: TengeError
    ) -> None:
        """Return if the present key of `holder` signed for this purpose; raise `otherwise`, or E_SIG."""
        kid = self.present(holder)
        proof = open_envelope(proof.envelope(), HolderProof, self.ledger.network)
        if (proof.record.kid, proof.record.purpose) != (kid, purpose):
            raise otherwise
        proof.verify(self._key(kid).key)

    def present(self, kid: bytes) -> bytes:
        """The key that a holder's key gave way to in the end, or itself; E_KEY_UNKNOWN."""
        while successor := self._key(kid).successor:
            kid = successor
        return kid

    def same_holder(self, one: bytes, other: bytes) -> bool:
        """Whether two registered keys are one holder's."""
        first, second = self.ledger.registered(one), self.ledger.registered(other)
        return (
            first is not None
            and second is not None
            and (first.pseudonym, first.category) == (second.pseudonym, second.category)
        )

    def consent(self, id: bytes) -> Consent:
        """A consent that is kept here, whatever became of it; E_CONSENT_UNKNOWN."""
        data = self.cabinet.get(_CONSENTS, id)
        if data is None:
            raise Refused("E_CONSENT_UNKNOWN", id=id)
        return self._open(data)

    def revoked(self, id: bytes) -> bool:
        """Whether the holder took it back."""
        return self.cabinet.get(_REVOKED, id) is not None

    def consents_of(self, holder: bytes) -> list[Consent]:
        """Every consent that a key signed, oldest first."""
        return [self.consent(name) for name in self._by_holder.get(holder, [])]

    def consents_for(self, partner: bytes) -> list[Consent]:
        """Every consent that names a third party, by holder and age."""
        found = (self.consent(name) for names in self._by_holder.values() for name in names)
        return [one for one in found if one.partner == partner]

    def live(self, consent: Consent) -> str:
        """What is wrong with a consent now; empty when it stands."""
        now = self.clock.now()
        if self.revoked(consent.id):
            return "the holder took it back"
        if now < consent.first:
            return "it has not begun"
        return "its time is over" if now > consent.last else ""

    def watchers(self, holder: bytes, scope: str) -> set[bytes]:
        """The third parties whose standing consents let them see `scope` of this key."""
        return {one.partner for one in self.consents_of(holder) if scope in one.scopes and not self.live(one)}

    def allowed(self, partner: bytes, id: bytes, scope: str) -> Consent:
        """The consent, if it lets this third party do `scope` now.

        Raises E_CONSENT_UNKNOWN (also for another's), E_CONSENT_OVER, E_CONSENT_SCOPE.
        """
        consent = self.consent(id)
        if consent.partner != partner:
            raise Refused("E_CONSENT_UNKNOWN", id=id)
        if problem := self.live(consent):
            raise Refused("E_CONSENT_OVER", problem=problem)
        if scope not in consent.scopes:
            raise Refused("E_CONSENT_SCOPE", scope=scope)
        return consent

    # --- how much was started ---

    def count(self, consent: Consent, amount_tiyn: int) -> Row:
        """The row that counts what is started now; E_CONSENT_PAYMENT, E_CONSENT_DAY when the consent forbids it."""
        if amount_tiyn > consent.payment_limit_tiyn:
            limit = consent.payment_limit_tiyn
            raise Refused("E_CONSENT_PAYMENT", amount_tiyn=amount_tiyn, limit_tiyn=limit)
        before = self.started_tiyn(consent.id, self.day())
        if before + amount_tiyn > consent.day_limit_tiyn:
            raise Refused(
                "E_CONSENT_DAY",
                amount_tiyn=amount_tiyn,
                before_tiyn=before,
                limit_tiyn=consent.day_limit_tiyn,
            )
        return self._counted(consent.id, self.day(), before + amount_tiyn)

    def uncount(self, consent: bytes, day: int, amount_tiyn: int) -> Row:
        """The row that takes back what was counted on a day."""
        return self._counted(consent, day, max(0, self.started_tiyn(consent, day) - amount_tiyn))

    def started_tiyn(self, consent: bytes, day: int) -> int:
        """What was started under a consent on a day."""
        data = self.cabinet.get(_DAYS, consent + day.to_bytes(8, "big"))
        return 0 if data is None else Unsigned().load(canonical.decode(data), "started")

    def day(self) -> int:
        """The number of today."""
        return (self.clock.now() + UTC_PLUS_5_SECONDS) // DAY_SECONDS

    @staticmethod
    def _counted(consent: bytes, day: int, tiyn: int) -> Row:
        return Row(_DAYS, consent + day.to_bytes(8, "big"), canonical.encode(tiyn))

    # --- calls ---

    def admit(self, data: bytes, purpose: str) -> Call:
        """The call in an envelope's bytes, if it is a known third party's for this purpose, now, for the first time.

        Raises the decoding errors, E_PARTNER_UNKNOWN, E_SIG, E_PARTNER_CALL, E_PARTNER_REPLAY.
        """
        signed = open_envelope(data, Call, self.ledger.network)
        call = signed.record
        signed.verify(self.partner(call.partner).key)
        if call.purpose != purpose:
            raise Refused("E_PARTNER_CALL", problem="it was signed for another method or path")
        now = self._real_clock.now()
        if abs(call.time - now) > CALL_SECONDS:
            raise Refused("E_PARTNER_CALL", problem="it is too old, or a clock is wrong")
        name = call.partner + call.nonce
        if name in self._used:
            raise Refused("E_PARTNER_REPLAY")
        self._remember(name, now)
        return call

    def _remember(self, name: bytes, now: int) -> None:
        rows = [Row(_NONCES, name, canonical.encode(now))]
        # A call may be so old on one side of the window and so young on the other.
        while self._nonces and self._nonces[0][0] < now - 2 * CALL_SECONDS - 1:
            old = self._nonces.popleft()[1]
            self._used.discard(old)
            rows.append(Row(_NONCES, old, None))
        self.cabinet.put_many(rows)
        self._nonces.append((now, name))
        self._used.add(name)

    def once(self, call: Call, do: Callable[[bytes], Json]) -> Json:
        """The answer of `do(id)`, once for the third party's request id; E_ID_REUSED for another wish under it.

        `do` gets an id that follows from the third party and its request id, and answers a repetition the same way.
        """
        name = follow("partner call", call.partner, call.id)
        mark = follow("partner wish", call.purpose.encode(), call.carried)
        known = self.cabinet.get(_ANSWERS, name)
        if known is not None:
            before, answer = _ANSWER.load(canonical.decode(known), "answer")
            if before != mark:
                raise Refused("E_ID_REUSED", id=call.id)
            return dict(json.loads(answer))
        found = do(name)
        text = json.dumps(found, sort_keys=True, separators=(",", ":")).encode()
        self.cabinet.put_many([Row(_ANSWERS, name, canonical.encode([mark, text]))])
        return found

    # --- details ---

    def _open(self, data: bytes) -> Consent:
        return open_envelope(data, Consent, self.ledger.network).record

    def _key(self, kid: bytes) -> RegisteredKey:
        key = self.ledger.registered(kid)
        if key is None:
            raise Refused("E_KEY_UNKNOWN", kid=kid)
        return key


def few(what: str, count: int, limit: int) -> None:
    """Return if there is room for one more; E_PARTNER_MANY."""
    if count >= limit:
        raise Refused("E_PARTNER_MANY", what=what, limit=limit)
