"""What a reader believes: ROOT, AUTHs and the TRUST lists it adopted (5.2, 5.12, 5.13, 5.18)."""

from __future__ import annotations

from dataclasses import dataclass, field

from .mpc import Value, as_bytes, as_int, as_list
from .objects import Obj, network_of
from .refusal import Refusal, need

ISSUER, BANK_CA, STATUS, SETTLE, LEDGER = 1, 2, 3, 4, 20
MAX_BYTES, MARGIN, REJECT_REVOKED, CLOSED_TIERS = 14, 17, 25, 30

DEFAULTS = {
    1: 1_297_500,
    2: 3_000_000,
    3: 5_000_000,
    4: 50_000_000,
    5: 500,
    6: 2_000,
    7: 50,
    8: 14,
    9: 5,
    10: 3,
    11: 12,
    12: 8,
    13: 64,
    14: 24_576,
    15: 4_096,
    16: 1_209_600,
    17: 86_400,
    18: 600,
    19: 600,
    20: 5_184_000,
    21: 2_592_000,
    22: 1_296_000,
    23: 2_000,
    24: 2_000,
    25: 1,
    26: 1_024,
    27: 1_000,
    28: 0,
    29: 1_000,
    30: 0,
}


@dataclass(frozen=True)
class Limits:
    """The six limits of a device (5.2, 5.18), in the order of the certificate."""

    balance: int
    payment: int
    out: int
    count: int
    age: int
    hops: int


def limits_of(certificate: Obj) -> Limits:
    """The limits that the certificate itself names (5.2)."""
    return Limits(*[as_int(n) for n in certificate.seq("limits")])


@dataclass(frozen=True)
class Purpose:
    """What marked money may do (5.13)."""

    edges: dict[int, list[int]]
    person_to_person: bool
    max_hops: int
    limits: list[tuple[list[int], list[int], int, int, int]]

    def allows(self, payer: int, payee: int) -> bool:
        """Whether a payment from one category to another is allowed (5.13)."""
        if payee in self.edges.get(payer, []):
            return True
        return self.person_to_person and payer in (1, 3) and payee in (1, 3)


def _numbers(value: Value) -> list[int]:
    """An array of numbers (5.4, TRUST)."""
    return [as_int(n) for n in as_list(value)]


def _purpose(item: list[Value]) -> Purpose:
    """One purpose of a list (5.13); of a category named twice the last one counts (5.12)."""
    edges = {as_int(as_list(e)[0]): _numbers(as_list(e)[1]) for e in as_list(item[1])}
    caps = []
    for cap in as_list(item[5]):
        c = as_list(cap)
        caps.append((_numbers(c[0]), _numbers(c[1]), as_int(c[2]), as_int(c[3]), as_int(c[4])))
    return Purpose(edges, item[2] == 1, as_int(item[3]), caps)


def find(auths: list[Obj], role: int, reference: bytes, at: int) -> Obj | None:
    """`find(role, reference, at)` of 5.2."""
    named = [a for a in auths if a.num("role") == role and a.key_id().startswith(reference)]
    if len({a.key_id() for a in named}) != 1:
        return None
    for auth in named:
        if auth.num("not_before") <= at <= auth.num("expires"):
            return auth
    return None


def of_role(auths: list[Obj], role: int, at: int) -> list[Obj]:
    """Any of the role whose period holds `at` (5.2)."""
    return [a for a in auths if a.num("role") == role and a.num("not_before") <= at <= a.num("expires")]


def scope(auth: Obj, place: int) -> int:
    """A number of the scope; a missing one is 0 (5.2)."""
    numbers = auth.seq("scope")
    return as_int(numbers[place]) if place < len(numbers) else 0


@dataclass
class Trust:
    """ROOT, AUTHs and what the adopted lists say (5.12)."""

    root: Obj
    auths: list[Obj]
    sequence: int = 0
    last: bytes = b""
    revoked_kids: set[bytes] = field(default_factory=set)
    revoked_references: set[bytes] = field(default_factory=set)
    tainted: set[bytes] = field(default_factory=set)
    policy: dict[int, int] = field(default_factory=dict)
    purposes: dict[int, Purpose] = field(default_factory=dict)

    @property
    def network(self) -> bytes:
        """The network that ROOT makes (5.3)."""
        return network_of(self.root.body)

    def adopt(self, item: Obj) -> None:
        """`adopt(list)` of 5.12."""
        if item.oid == self.last:
            return
        offices = of_role(self.auths, STATUS, item.num("issued"))
        need(bool(offices), "E_AUTHORITY")
        need(any(item.signed_by(office) for office in offices), "E_SIG")
        need(item.num("sequence") > self.sequence, "E_TRUST_OLD")
        need(item.num("base_sequence") in (0, self.sequence), "E_TRUST_BASE")
        if item.num("base_sequence") == 0:
            self.forget()
        self.sequence, self.last = item.num("sequence"), item.oid
        self.revoked_kids |= {as_bytes(k) for k in item.seq("revoked_kids")}
        self.revoked_references |= {as_bytes(k) for k in item.seq("revoked_references")}
        self.tainted |= {as_bytes(k) for k in item.seq("tainted_notes")}
        for pair in item.seq("policy"):
            self.policy[as_int(as_list(pair)[0])] = as_int(as_list(pair)[1])
        for entry in item.seq("purposes"):
            self.purposes[as_int(as_list(entry)[0])] = _purpose(as_list(entry))

    def forget(self) -> None:
        """A full list: everything believed before is forgotten (5.12)."""
        self.revoked_kids, self.revoked_references, self.tainted = set(), set(), set()
        self.policy, self.purposes = {}, {}

    def catch_up(self, chain: list[Obj]) -> Trust:
        """ "Catching up" of 5.12; gives what is believed afterwards and changes nothing here."""
        left = [item for item in chain if item.num("sequence") > self.sequence]
        fresh = Trust(self.root, self.auths)
        if not left:
            return self
        if left[0].num("base_sequence") in (0, self.sequence):
            fresh = Trust(
                self.root,
                self.auths,
                self.sequence,
                self.last,
                set(self.revoked_kids),
                set(self.revoked_references),
                set(self.tainted),
                dict(self.policy),
                dict(self.purposes),
            )
        else:
            left = chain
        for item in left:
            fresh.adopt(item)
        return fresh

    def parameter(self, number: int) -> int:
        """The adopted lists' value of a parameter, or its default (5.18)."""
        return self.policy.get(number, DEFAULTS[number])

    def authority_revoked(self, key_id: bytes) -> bool:
        """A bank or issuer is revoked by key or by reference (5.12)."""
        return key_id[:16] in self.revoked_kids or key_id[:8] in self.revoked_references

    def standing(self, certificate: Obj) -> None:
        """A device is not revoked and its tier is not closed (5.12)."""
        need(certificate.key_id()[:16] not in self.revoked_kids, "E_REVOKED")
        closed = self.parameter(CLOSED_TIERS) >> certificate.num("tier") & 1
        need(not closed, "E_TIER_CLOSED")

    def strict(self, certificate: Obj) -> Limits:
        """The stricter limits of certificate and lists (5.18, "A device's limits")."""
        tier, own = certificate.num("tier"), limits_of(certificate)
        if tier > 3:
            raise Refusal("E_DEVICE_TIER")
        purse = 4 if certificate.num("category") in (2, 4, 5) and tier >= 2 else tier
        hops = 10 if tier == 1 else 9
        balance = self.parameter(purse)

        def lower(held: int, made: int, *names: int) -> int:
            """The lower of both, where an adopted list names one of these parameters (5.18)."""
            return min(held, made) if any(n in self.policy for n in names) else held

        return Limits(
            lower(own.balance, balance, purse),
            lower(own.payment, balance * self.parameter(5) // 1_000, purse, 5),
            lower(own.out, balance * self.parameter(6) // 1_000, purse, 6),
            lower(own.count, self.parameter(7), 7),
            lower(own.age, self.parameter(8), 8),
            lower(own.hops, self.parameter(hops), hops),
        )
