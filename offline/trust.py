"""What one party believes at one moment: ROOT's certificates, and the newest TRUST list it has adopted.

A TRUST list is signed by the STATUS key and carries a rising sequence number. It revokes devices, banks and issuer
epochs, taints notes, sets policy and defines purposes. It comes full, or as a change to the one before it, and passes
from device to device, so everybody judges by the newest list that reached them.

A `TrustView` never changes: `adopt` gives a new one. Rules kept here:

- nothing enters without a STATUS signature that ROOT's certificates lead to;
- the sequence only rises, and a change is applied only to the list with the number it was made for;
- a reference of eight bytes must name exactly one key, or it names none.

Source: DTO/1, sections 5.2, 5.12, 5.13 and 5.19.6.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cbdc.authority import BANK_CA, ISSUER, ROLE_NAMES, STATUS, Auth, Authority
from cbdc.errors import Refused
from cbdc.marks import PurposeLimit
from cbdc.record import Signed
from cbdc.token import PERSON, PUPIL
from offline.admission import find_auth
from offline.parameters import CLOSED_TIERS, Parameter, stricter, value_of
from offline.records import DeviceCertificate, Limits, PurposeRow, Trust

PLAIN = 0

# Who may pass marked money to each other when a purpose lets people do so.
PEOPLE = frozenset({PERSON, PUPIL})

# The most lists that one message carries.
MAX_CHAIN = 64

_PREFIX_BYTES = 16
_REFERENCE_BYTES = 8
_LIMITS_MOST = 1_024


@dataclass(frozen=True, slots=True)
class Purpose:
    """What marked money may do offline: from which category to which, between people or not, how many hops, and how
    much when.

    `edges` maps a payer's category to the payees' categories. `converts` says whether redeeming drops the mark.
    """

    id: int
    edges: Mapping[int, frozenset[int]]
    person_to_person: bool
    max_hops: int
    converts: bool
    limits: tuple[PurposeLimit, ...] = ()

    def limits_of(self, payer_category: int, payee_category: int) -> tuple[PurposeLimit, ...]:
        """The limits that a payment between these categories keeps."""
        return tuple(
            row
            for row in self.limits
            if (not row.payers or payer_category in row.payers)
            and (not row.payees or payee_category in row.payees)
        )

    def allows(self, payer_category: int, payee_category: int) -> bool:
        """Whether money of this purpose may pass from one category to the other."""
        if self.person_to_person and payer_category in PEOPLE and payee_category in PEOPLE:
            return True
        return payee_category in self.edges.get(payer_category, frozenset())


@dataclass(frozen=True, slots=True)
class _Lists:
    """The adopted lists, merged from a full one and the changes after it."""

    kids: frozenset[bytes] = frozenset()
    references: frozenset[bytes] = frozenset()
    tainted: frozenset[bytes] = frozenset()
    policy: Mapping[int, int] = field(default_factory=dict)
    purposes: Mapping[int, Purpose] = field(default_factory=dict)

    def with_changes(self, trust: Trust) -> "_Lists":
        return _Lists(
            self.kids.union(trust.revoked_kids),
            self.references.union(trust.revoked_references),
            self.tainted.union(trust.tainted_notes),
            {**self.policy, **dict(trust.policy)},
            {**self.purposes, **{row[0]: _purpose(row) for row in trust.purposes}},
        )


def _purpose(row: PurposeRow) -> Purpose:
    number, edges, person_to_person, max_hops, converts, limits = row
    return Purpose(
        number,
        {payer: frozenset(payees) for payer, payees in edges},
        bool(person_to_person),
        max_hops,
        bool(converts),
        tuple(PurposeLimit(*limit) for limit in limits),
    )


class TrustView:
    """ROOT's certificates and the adopted TRUST list; never changes (see `adopt`).

    `trust`, when given, is verified and adopted at once, with the errors of `adopt`.
    """

    __slots__ = ("_chain", "_limits", "_lists", "authority")

    def __init__(self, authority: Authority, trust: Signed[Trust] | None = None) -> None:
        self.authority = authority
        self._lists = _Lists()
        self._chain: tuple[Signed[Trust], ...] = ()
        self._limits: dict[tuple[Limits, int, int], Limits] = {}
        if trust is not None:
            adopted = self.adopt(trust)
            self._lists, self._chain = adopted._lists, adopted._chain

    @property
    def network(self) -> bytes:
        """The 8-byte network id."""
        return self.authority.network

    @property
    def signed(self) -> Signed[Trust] | None:
        """The list adopted last, or None."""
        return self._chain[-1] if self._chain else None

    @property
    def chain(self) -> tuple[Signed[Trust], ...]:
        """The full list and the changes adopted after it, oldest first: what another party needs to catch up."""
        return self._chain

    def chain_after(self, sequence: int) -> tuple[Signed[Trust], ...]:
        """What another party that has adopted list number `sequence` needs of this chain; empty when nothing.

        A chain that is too long for a message is not passed on: a sync brings what is missing.
        """
        if self.sequence <= sequence:
            return ()
        numbers = [trust.record.sequence for trust in self._chain]
        needed = self._chain[numbers.index(sequence) + 1 :] if sequence in numbers else self._chain
        return needed if len(needed) <= MAX_CHAIN else ()

    @property
    def record(self) -> Trust | None:
        """The body of the list adopted last, or None."""
        return self._chain[-1].record if self._chain else None

    @property
    def sequence(self) -> int:
        """The adopted sequence number; 0 when there is no list yet."""
        return self._chain[-1].record.sequence if self._chain else 0

    @property
    def issued(self) -> int:
        """When the adopted list was issued; 0 when there is none."""
        return self._chain[-1].record.issued if self._chain else 0

    @property
    def policy(self) -> Mapping[int, int]:
        """The parameters that the adopted list sets, by id."""
        return self._lists.policy

    def age_seconds(self, now: int) -> int:
        """Seconds since the adopted list was issued; never negative."""
        return max(0, now - self.issued)

    def bank_ca(self, reference: bytes, at: int) -> Auth:
        """The bank certificate whose key id starts with `reference`, valid at `at`.

        Raises E_CA when no or more than one key fits, when the key is revoked, or at another time.
        """
        found = find_auth(self.authority, reference, BANK_CA, at)
        if isinstance(found, str):
            raise Refused("E_CA", reference=reference, problem=found)
        if self.is_revoked_authority(found.kid):
            raise Refused("E_CA", reference=reference, problem="the bank's key is revoked")
        return found

    def issuer(self, reference: bytes, at: int) -> Auth:
        """The issuer certificate whose key id starts with `reference`, valid at `at` (when the note was issued).

        Raises E_ISSUER when no or more than one key fits, when the epoch is revoked, or at another time.
        """
        found = find_auth(self.authority, reference, ISSUER, at)
        if isinstance(found, str):
            raise Refused("E_ISSUER", reference=reference, problem=found)
        if self.is_revoked_authority(found.kid):
            raise Refused("E_ISSUER", reference=reference, problem="this issuer's epoch is revoked")
        return found

    def is_revoked(self, kid: bytes) -> bool:
        """Whether the key with this id (32 bytes, or its first 16) is revoked."""
        return kid[:_PREFIX_BYTES] in self._lists.kids

    def is_tainted(self, note: bytes) -> bool:
        """Whether the note with this serial (16 bytes) or object id (32, or its first 16) is tainted."""
        return note[:_PREFIX_BYTES] in self._lists.tainted

    def purpose(self, id: int) -> Purpose | None:
        """The definition of a purpose, or None when the adopted list has none (plain money, 0, needs none)."""
        return self._lists.purposes.get(id)

    def is_closed_tier(self, tier: int) -> bool:
        """Whether devices of this tier may neither pay nor be paid (CLOSED_TIERS); their money is redeemable."""
        return bool(self.parameter(CLOSED_TIERS) >> tier & 1)

    def parameter(self, parameter: Parameter) -> int:
        """The value that the adopted list sets, or the default."""
        return value_of(parameter, self._lists.policy)

    def limits(self, certificate: DeviceCertificate) -> Limits:
        """The limits of a device now: for each the stricter of its certificate and the adopted list."""
        asked = (certificate.limits, certificate.tier, certificate.category)
        known = self._limits.get(asked)
        if known is None:
            if len(self._limits) >= _LIMITS_MOST:
                self._limits.clear()
            known = self._limits[asked] = stricter(*asked, self._lists.policy)
        return known

    def adopt(self, trust: Signed[Trust]) -> "TrustView":
        """A view with `trust` adopted; the same list again gives this view unchanged.

        Raises E_SIG or E_AUTHORITY when no STATUS key valid at its issue signed it, E_TRUST_OLD when its sequence
        number does not rise, E_TRUST_BASE when it is a change to another list than the adopted one.
        """
        if self.signed is not None and trust.oid == self.signed.oid:
            return self
        self._check_status(trust)
        record = trust.record
        if record.sequence <= self.sequence:
            raise Refused("E_TRUST_OLD", sequence=record.sequence, adopted=self.sequence)
        if record.base_sequence not in (0, self.sequence):
            raise Refused("E_TRUST_BASE", base=record.base_sequence, adopted=self.sequence)
        full = record.base_sequence == 0
        view = TrustView(self.authority)
        view._lists = (_Lists() if full else self._lists).with_changes(record)
        view._chain = (trust,) if full else (*self._chain, trust)
        return view

    def adopt_all(self, trusts: Iterable[Signed[Trust]]) -> "TrustView":
        """A view that has caught up with another party's `chain`; this view itself when the chain is not newer.

        The chain may rest on another full list than this view does; then it is taken from its start. Raises what
        `adopt` raises.
        """
        chain = tuple(trusts)
        newer = [trust for trust in chain if trust.record.sequence > self.sequence]
        if not newer:
            return self
        view = self
        if newer[0].record.base_sequence not in (0, self.sequence):
            view, newer = TrustView(self.authority), list(chain)
        for trust in newer:
            view = view.adopt(trust)
        return view

    def _check_status(self, trust: Signed[Trust]) -> None:
        at = trust.record.issued
        keys = [
            auth.key for auth in self.authority.with_role(STATUS) if auth.not_before <= at <= auth.expires
        ]
        if not keys:
            raise Refused("E_AUTHORITY", kid="of the list", role=ROLE_NAMES[STATUS])
        for key in keys[:-1]:
            try:
                trust.verify(key)
            except Refused:
                continue
            return
        trust.verify(keys[-1])

    def is_revoked_authority(self, kid: bytes) -> bool:
        """Whether the key of a bank, an epoch or settlement is revoked, by its id or by its reference."""
        return self.is_revoked(kid) or kid[:_REFERENCE_BYTES] in self._lists.references
