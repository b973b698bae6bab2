"""What one officer of the National Bank may not do alone: proposed by one, signed by a second, carried out once.

    proposed -> signed -> done         dropped is the other end: one officer is enough, with a reason
                       -> failed       the rules refused it when its turn came; its code is kept

Both officers sign the same bytes: what is to be done, to whom, on which legal reference. The act's id is made by the
client; what is carried out derives its own ids from it, so the act may be repeated at any point and happens once. The
second signature is written before anything is done, and `resume` completes what a crash cut off.

The threshold is an assumption of this sandbox, as is which acts are weighty: whoever makes the book gives a handler for
each kind. A bank stops its own customer's lost wallet alone, and quickly: that is another door.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from cbdc import canonical
from cbdc.authority import EMISSION, Authority
from cbdc.cabinet import Cabinet, Row
from cbdc.errors import Malformed, Refused
from cbdc.keys import Signer
from cbdc.ports import Clock
from cbdc.record import (
    HASH,
    HASH_OR_NONE,
    MOMENT,
    ONLINE_DOMAIN,
    Bytes,
    Group,
    Kind,
    Record,
    Signed,
    Text,
    Unsigned,
    open_envelope,
    sign,
)

FREEZE = 1
UNFREEZE = 2
REVOKE = 3
KIND_NAMES = {FREEZE: "freeze", UNFREEZE: "unfreeze", REVOKE: "revoke"}

PROPOSED = 1
SIGNED = 2
DONE = 3
DROPPED = 4
FAILED = 5
STATE_NAMES = {PROPOSED: "proposed", SIGNED: "signed", DONE: "done", DROPPED: "dropped", FAILED: "failed"}

MOST_REASON_BYTES = 255

_OPEN = "joint act.open"
_CLOSED = "joint act.closed"


@dataclass(frozen=True, slots=True)
class JointAct(Record):
    """What two officers sign: `kind` (FREEZE, ...), whom or what it is about (32 bytes), on which legal reference.

    `time` is when it was proposed.
    """

    id: bytes
    kind: int
    subject: bytes
    reference: str
    time: int

    TYPE: ClassVar[int] = 93
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (HASH, Unsigned(FREEZE, REVOKE), HASH, Text(128), MOMENT)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A line of the book.

    `officer` proposed it (a key id, and its signature in `signed`), `second` signed it too or dropped it; `reason` is
    why it was dropped, or the code by which it failed; `outcome` is what the handler said; `ended_at` when.
    """

    signed: Signed[JointAct]
    officer: bytes
    state: int = PROPOSED
    second: bytes = b""
    signature: bytes = b""
    signed_at: int = 0
    reason: str = ""
    outcome: str = ""
    ended_at: int = 0

    @property
    def act(self) -> JointAct:
        """What was signed."""
        return self.signed.record

    @property
    def state_name(self) -> str:
        """proposed, signed, done, dropped or failed."""
        return STATE_NAMES[self.state]

    def encode(self) -> bytes:
        """The row as it is kept."""
        return canonical.encode(
            [
                self.signed.encode(),
                self.officer,
                self.state,
                self.second,
                self.signature,
                self.signed_at,
                self.reason,
                self.outcome,
                self.ended_at,
            ]
        )


_ROW = Group(
    (
        Bytes(),
        HASH,
        Unsigned(PROPOSED, FAILED),
        HASH_OR_NONE,
        Bytes(),
        Unsigned(),
        Text(MOST_REASON_BYTES),
        Text(MOST_REASON_BYTES),
        Unsigned(),
    )
)


@dataclass(frozen=True, slots=True)
class Handler:
    """What an act of one kind does.

    `check` raises why it could not be carried out now; `carry_out` does it, once for the act's id, and says what came
    of it in a short text (an id, a number).
    """

    check: Callable[[JointAct], None]
    carry_out: Callable[[JointAct], str]


class JointActs:
    """The book of acts that take two officers. `handlers` by kind."""

    def __init__(
        self, cabinet: Cabinet, certificates: Authority, clock: Clock, handlers: Mapping[int, Handler]
    ) -> None:
        self._cabinet = cabinet
        self._certificates = certificates
        self._clock = clock
        self._handlers = handlers

    def propose(self, id: bytes, kind: int, subject: bytes, reference: str, officer: Signer) -> Proposal:
        """An officer proposes an act and so signs it; the same proposal again finds itself.

        Raises E_AUTHORITY (not an officer), E_ID_REUSED (another act under the id), E_ACT_WAITS (the same is proposed
        already), E_FIELD (a reference that is too long for the journal), and why it could not be carried out now.
        """
        known = self.find(id)
        if known is not None:
            act = known.act
            if (act.kind, act.subject, act.reference, known.officer) != (
                kind,
                subject,
                reference,
                officer.public.kid,
            ):
                raise Refused("E_ID_REUSED", id=id)
            return known
        self._check_officer(officer)
        act = JointAct(id, kind, subject, reference, self._clock.now())
        signed = sign(act, self._certificates.network, officer)
        open_envelope(
            signed.envelope(), JointAct, self._certificates.network
        )  # every field within its bounds
        for other in self.open():
            if (other.act.kind, other.act.subject) == (kind, subject):
                raise Refused("E_ACT_WAITS", id=other.act.id)
        self._handlers[kind].check(act)
        return self._write(Proposal(signed, officer.public.kid))

    def second(self, id: bytes, officer: Signer) -> Proposal:
        """Another officer signs the same bytes, and the act is carried out; again by the same officer: the same.

        Raises E_ACT_UNKNOWN, E_ACT_SAME (the one who proposed it), E_ACT_STATE (dropped, or signed by somebody else),
        E_AUTHORITY, and why it cannot be carried out now: then nothing is signed and the proposal stays.
        """
        proposal, kid = self.get(id), officer.public.kid
        if proposal.state in (SIGNED, DONE) and proposal.second == kid:
            return self._carry_out(proposal)
        if proposal.state != PROPOSED:
            raise Refused("E_ACT_STATE", id=id, state=proposal.state_name)
        if proposal.officer == kid:
            raise Refused("E_ACT_SAME", id=id)
        self._check_officer(officer)
        self._handlers[proposal.act.kind].check(proposal.act)
        signature = sign(proposal.act, self._certificates.network, officer).signature
        now = self._clock.now()
        signed = replace(proposal, state=SIGNED, second=kid, signature=signature, signed_at=now)
        return self._carry_out(self._write(signed))

    def drop(self, id: bytes, officer: Signer, reason: str) -> Proposal:
        """An officer, also who proposed it, ends a proposal that nobody signed yet; E_ACT_UNKNOWN, E_ACT_STATE."""
        proposal, kid = self.get(id), officer.public.kid
        if proposal.state == DROPPED and (proposal.second, proposal.reason) == (kid, reason):
            return proposal
        if proposal.state != PROPOSED:
            raise Refused("E_ACT_STATE", id=id, state=proposal.state_name)
        self._check_officer(officer)
        Text(MOST_REASON_BYTES).load(reason, "reason")
        now = self._clock.now()
        return self._close(replace(proposal, state=DROPPED, second=kid, reason=reason, ended_at=now))

    def resume(self) -> list[Proposal]:
        """Carry out what was signed when a crash came; the proposals that the rules refused by then (failed)."""
        failed = []
        for proposal in self.open():
            if proposal.state == SIGNED:
                try:
                    self._carry_out(proposal)
                except (Refused, Malformed):
                    failed.append(self.get(proposal.act.id))
        return failed

    # --- the book ---

    def find(self, id: bytes) -> Proposal | None:
        """A proposal, or None."""
        data = self._cabinet.get(_OPEN, id) or self._cabinet.get(_CLOSED, id)
        return None if data is None else self._open_row(data)

    def get(self, id: bytes) -> Proposal:
        """A proposal; E_ACT_UNKNOWN when there is none."""
        found = self.find(id)
        if found is None:
            raise Refused("E_ACT_UNKNOWN", id=id)
        return found

    def open(self) -> list[Proposal]:
        """What waits for a second officer (or, after a crash, to be completed), oldest first."""
        return [self._open_row(data) for _, data in self._cabinet.all(_OPEN)]

    def closed(self) -> list[Proposal]:
        """What was done, dropped or failed, in the order in which it ended."""
        return [self._open_row(data) for _, data in self._cabinet.all(_CLOSED)]

    def _check_officer(self, officer: Signer) -> None:
        self._certificates.require(officer.public.kid, EMISSION, self._clock.now())

    def _carry_out(self, proposal: Proposal) -> Proposal:
        if proposal.state == DONE:
            return proposal
        self._check_signatures(proposal)
        try:
            outcome = self._handlers[proposal.act.kind].carry_out(proposal.act)
        except (Refused, Malformed) as refusal:
            now = self._clock.now()
            self._close(replace(proposal, state=FAILED, reason=refusal.code, ended_at=now))
            raise
        return self._close(replace(proposal, state=DONE, outcome=outcome, ended_at=self._clock.now()))

    def _check_signatures(self, proposal: Proposal) -> None:
        """Both signatures, of two officers, over the same bytes; E_SIG, E_AUTHORITY, E_ACT_SAME."""
        signed, when = proposal.signed, proposal.signed_at
        if proposal.officer == proposal.second:
            raise Refused("E_ACT_SAME", id=proposal.act.id)
        for kid, signature in ((proposal.officer, signed.signature), (proposal.second, proposal.signature)):
            self._certificates.require(kid, EMISSION, when)
            replace(signed, signature=signature).verify(self._certificates.key(kid))

    def _write(self, proposal: Proposal) -> Proposal:
        self._cabinet.put_many([Row(_OPEN, proposal.act.id, proposal.encode())])
        return proposal

    def _close(self, proposal: Proposal) -> Proposal:
        name = proposal.act.id
        self._cabinet.put_many([Row(_OPEN, name, None), Row(_CLOSED, name, proposal.encode())])
        return proposal

    def _open_row(self, data: bytes) -> Proposal:
        values: tuple[Any, ...] = _ROW.load(canonical.decode(data, canonical.MAX_MESSAGE_BYTES), "act")
        return Proposal(open_envelope(values[0], JointAct, self._certificates.network), *values[1:])
