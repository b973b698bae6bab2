"""The TRUST office: makes the lists that every device should know, mostly as changes, and keeps their history.

What is revoked stays revoked, what is set stays set until it is set anew. A list is published as a **change** to the
one before it: it names only what is new, so that a list of the day has about a hundred bytes and goes over any carrier.
Every `FULL_EVERY`-th list is **full** and says everything again, so that nobody needs a long chain; the first one is
full, and so is one that would not fit as a change. `chain` gives whoever asks the shortest way to the newest list.

The history is kept, because who could know of a revocation, and under which policy a note was made, depends on which
list was out when. For the same reason the issuer's epoch for new notes only rises, to one that ROOT certified: a note
of a key that was left, dated after that, is nobody's but the thief's. When a full list has no room any more for the
devices revoked, the chain goes on in changes; what does not fit a list at all is refused (E_TRUST_ROOM): revoke the
bank, or close the tier.

Source: DTO/1, sections 5.12, 5.13 and 5.18.
"""

import hashlib
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field

from cbdc import canonical
from cbdc.authority import ISSUER, STATUS, Authority
from cbdc.errors import Refused
from cbdc.keys import Signer
from cbdc.marks import OfflinePurpose
from cbdc.ports import Clock
from cbdc.record import Signed, open_envelope, sign
from offline.archive import ArchiveStore
from offline.authority import Papers
from offline.parameters import (
    DAY_SECONDS,
    INTERMITTENT,
    ISSUER_EPOCH,
    Policy,
    check_consistent,
    policy_items,
    value_of,
)
from offline.records import MAX_TRUST_KIDS, MAX_TRUST_REFERENCES, PurposeRow, Trust
from offline.trust import TrustView

NEXT_UPDATE_SECONDS = 7 * DAY_SECONDS
FULL_EVERY = 16

_LIST = b"list/"


@dataclass(slots=True)
class _Said:
    """Everything the lists so far say, or everything that one of them adds."""

    kids: set[bytes] = field(default_factory=set)
    references: set[bytes] = field(default_factory=set)
    tainted: set[bytes] = field(default_factory=set)
    policy: dict[int, int] = field(default_factory=dict)
    purposes: dict[int, PurposeRow] = field(default_factory=dict)

    def add(self, other: "_Said") -> None:
        self.kids |= other.kids
        self.references |= other.references
        self.tainted |= other.tainted
        self.policy |= other.policy
        self.purposes |= other.purposes

    def beyond(self, known: "_Said") -> "_Said":
        """What of this `known` does not say."""
        return _Said(
            self.kids - known.kids,
            self.references - known.references,
            self.tainted - known.tainted,
            {one: value for one, value in self.policy.items() if known.policy.get(one) != value},
            {one: row for one, row in self.purposes.items() if known.purposes.get(one) != row},
        )

    def trust(self, sequence: int, base: int, now: int) -> Trust | None:
        """The list that says it, or None when one list has no room, in its arrays, or in the bytes of a body."""
        largest = max(len(self.kids), len(self.tainted))
        if largest > MAX_TRUST_KIDS or len(self.references) > MAX_TRUST_REFERENCES:
            return None
        made = Trust(
            sequence=sequence,
            base_sequence=base,
            issued=now,
            next_update=now + NEXT_UPDATE_SECONDS,
            revoked_kids=tuple(sorted(self.kids)),
            revoked_references=tuple(sorted(self.references)),
            tainted_notes=tuple(sorted(self.tainted)),
            policy=policy_items(self.policy),
            purposes=tuple(self.purposes[number] for number in sorted(self.purposes)),
        )
        return made if len(made.body()) <= canonical.MAX_LENGTH else None

    @classmethod
    def of(cls, trust: Trust) -> "_Said":
        return cls(
            set(trust.revoked_kids),
            set(trust.revoked_references),
            set(trust.tainted_notes),
            dict(trust.policy),
            {row[0]: row for row in trust.purposes},
        )


def check_epoch(number: int, present: int, known: Iterable[int]) -> None:
    """Return if the issuer may go on from epoch `present` to `number`, one of the `known`; E_ISSUER_EPOCH otherwise."""
    later = [one for one in known if one > present]
    if number not in later:
        raise Refused(
            "E_ISSUER_EPOCH", number=number, present=present, later=", ".join(map(str, later)) or "none"
        )


class TrustOffice:
    """Makes the TRUST lists and keeps their history."""

    def __init__(
        self,
        store: ArchiveStore,
        authority: Authority,
        signer: Signer,
        clock: Clock,
        newest_entry: Callable[[], int] = lambda: 0,
    ) -> None:
        """`newest_entry` gives the time of the ledger's newest entry: no list is dated before it.

        Else a clock that was put back would date a list before loads that are there already, and their notes would
        change. Raises E_AUTHORITY when the signer has no STATUS certificate.
        """
        self._newest_entry = newest_entry
        self._papers = Papers(store, clock)
        self._authority = authority
        self._signer = signer
        self._lists: list[Signed[Trust]] = []
        self._policies: list[tuple[int, Policy]] = []
        self._said = _Said()
        self._view = TrustView(authority)
        authority.require(signer.public.kid, STATUS, self._papers.now())

    def _take(self, trust: Signed[Trust]) -> None:
        self._lists.append(trust)
        self._view = self._view.adopt(trust)
        self._said.add(_Said.of(trust.record))
        self._policies.append((trust.record.issued, dict(self._said.policy)))

    def publish(
        self,
        request_id: bytes,
        revoke: Iterable[bytes] = (),
        revoke_references: Iterable[bytes] = (),
        taint: Iterable[bytes] = (),
        policy: Policy = INTERMITTENT,
        purposes: Iterable[OfflinePurpose] = (),
        full: bool = False,
    ) -> Signed[Trust]:
        """A new list: what the last one said, and these key ids, references, notes, numbers and purposes.

        Once for each request id. `full` asks for a full list. Raises E_PARAMETERS for numbers that leave honest holders
        no time to sync, E_ISSUER_EPOCH, E_TRUST_ROOM for more than a list can carry.
        """
        name = _LIST + hashlib.sha256(request_id).digest()
        asked = _Said(
            {kid[:16] for kid in revoke},
            set(revoke_references),
            {note[:16] for note in taint},
            dict(policy),
            {row[0]: row for row in purposes},
        )

        def make() -> tuple[list[tuple[bytes, bytes]], dict[bytes, bytes]]:
            self.check_policy(policy, asked.kids, asked.references)
            made = self._make(asked, full)
            return [(made.oid, made.encode())], {name: made.encode()}

        kept = self._papers.once(name, make)
        self._catch_up()
        return open_envelope(kept, Trust, self._authority.network)

    def check_policy(
        self, policy: Policy, kids: Container[bytes] = (), references: Container[bytes] = ()
    ) -> None:
        """Return if these numbers may come on top of those in force, in a list that revokes these keys.

        Raises E_PARAMETERS, and E_ISSUER_EPOCH for an epoch below the present one, or whose key is not certified now or
        is revoked.
        """
        present = self.view.policy
        check_consistent({**present, **policy})
        before, wished = value_of(ISSUER_EPOCH, present), value_of(ISSUER_EPOCH, {**present, **policy})
        if wished != before:
            now = self._papers.now()
            known = {
                one.scope[0]
                for one in self._authority.with_role(ISSUER)
                if one.scope
                and one.not_before <= now <= one.expires
                and not self.view.is_revoked_authority(one.kid)
                and one.kid[:16] not in kids
                and one.kid[:8] not in references
            }
            check_epoch(wished, before, sorted(known))

    def _make(self, asked: _Said, full: bool) -> Signed[Trust]:
        sequence, now = self._view.sequence + 1, max(self._papers.now(), self._newest_entry())
        everything, fresh = _Said(), asked.beyond(self._said)
        everything.add(self._said)
        everything.add(asked)
        due = full or sequence % FULL_EVERY == 1
        made = everything.trust(sequence, 0, now) if due else None
        if made is None and sequence > 1:
            made = fresh.trust(sequence, sequence - 1, now)
        if made is None:
            raise Refused("E_TRUST_ROOM", kids=len(fresh.kids), most=MAX_TRUST_KIDS)
        return sign(made, self._authority.network, self._signer)

    def _catch_up(self) -> None:
        """Take up lists that were made meanwhile, here or elsewhere."""
        with self._papers.lock:
            for row in self._papers.archive.rows_from(len(self._lists)):
                self._take(open_envelope(row.envelope, Trust, self._authority.network))

    @property
    def view(self) -> TrustView:
        """What the newest list says."""
        self._catch_up()
        return self._view

    @property
    def lists(self) -> tuple[Signed[Trust], ...]:
        """Every list ever made, oldest first."""
        self._catch_up()
        return tuple(self._lists)

    def chain(self, newer_than: int = 0, up_to: int | None = None) -> tuple[Signed[Trust], ...]:
        """The way from list `newer_than` (0: none) to list `up_to` (the newest): from the last full list, or changes.

        Empty when there is nothing newer. Lists are numbered from 1 without a gap.
        """
        lists = self.lists[: None if up_to is None else max(0, up_to)]
        way = lists[newer_than:]
        full = max((place for place, one in enumerate(way) if not one.record.base_sequence), default=None)
        if full is not None:
            return way[full:]
        if newer_than or not way:
            return way
        raise AssertionError("the first list is full")

    def policy_at(self, moment: int) -> Policy:
        """The numbers in force just before a moment: those of the newest list issued earlier than it.

        Strictly earlier, so that a list made in the same second never changes a note that was already made.
        """
        self._catch_up()
        found: Policy = INTERMITTENT
        for issued, policy in self._policies:
            if issued < moment:
                found = policy
        return found
