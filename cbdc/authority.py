"""Who may do what: one root, the certificates under it, and the network they make.

The National Bank's ROOT key signs AUTH certificates; each gives one key one role, from one moment to another, with a
scope. The network id is the first eight bytes of the hash of ROOT's body, so two sandboxes can never take each
other's signatures, and every signature below leads back to one key.

Roles 1 to 4 are those of the offline protocol; those from 16 on act on the online ledger.

Source: DTO/1, section 5.2; `docs/domain.md` (the law: only the National Bank issues and redeems).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from cbdc import keys
from cbdc.errors import Refused
from cbdc.record import (
    ALGORITHM,
    MOMENT,
    NETWORK_BYTES,
    OFFLINE_DOMAIN,
    RAW_KEY,
    Items,
    Kind,
    Record,
    Signed,
    Text,
    Unsigned,
    open_envelope,
    sign,
)

ISSUER = 1
BANK_CA = 2
STATUS = 3
SETTLE = 4
EMISSION = 16
OPERATOR = 17
BANK = 18
TREASURY = 19
LEDGER = 20
ENFORCEMENT = 21
REGISTER = 22
SUPERVISOR = 23
FRONT = 24

ROLE_NAMES = {
    ISSUER: "issuer of offline notes",
    BANK_CA: "bank certifying devices",
    STATUS: "status and revocation",
    SETTLE: "offline settlement",
    EMISSION: "emission officer",
    OPERATOR: "operator of the register",
    BANK: "commercial bank",
    TREASURY: "treasury",
    LEDGER: "ledger",
    ENFORCEMENT: "enforcement",
    REGISTER: "outside register",
    SUPERVISOR: "supervisor",
    FRONT: "front end",
}


@dataclass(frozen=True, slots=True)
class Root(Record):
    """The self-signed key of the National Bank: everything leads here."""

    algorithm: int
    public_key: bytes
    not_before: int
    expires: int
    label: str

    TYPE: ClassVar[int] = 1
    DOMAIN: ClassVar[bytes] = OFFLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (ALGORITHM, RAW_KEY, MOMENT, MOMENT, Text())

    @property
    def key(self) -> keys.PublicKey:
        """The root key; raises E_KEY when it is unusable."""
        return keys.public_key(self.algorithm, self.public_key)


@dataclass(frozen=True, slots=True)
class Auth(Record):
    """A certificate from ROOT: one key, one role, one period, and the role's scope (whole numbers).

    Scopes: ISSUER [epoch, max_note_tiyn]; BANK_CA [bank id, max tier]; EMISSION [signatures needed];
    BANK [bank id]; the others are empty.
    """

    role: int
    algorithm: int
    public_key: bytes
    not_before: int
    expires: int
    scope: tuple[int, ...]

    TYPE: ClassVar[int] = 2
    DOMAIN: ClassVar[bytes] = OFFLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        Unsigned(1, 255),
        ALGORITHM,
        RAW_KEY,
        MOMENT,
        MOMENT,
        Items(Unsigned(), most=8),
    )

    @property
    def key(self) -> keys.PublicKey:
        """The certified key; raises E_KEY when it is unusable."""
        return keys.public_key(self.algorithm, self.public_key)

    @property
    def kid(self) -> bytes:
        """The certified key's id."""
        return keys.key_id(self.algorithm, self.public_key)


REFERENCE_BYTES = 8


def network_id(root: Root) -> bytes:
    """The first eight bytes of SHA-256 of ROOT's body."""
    return hashlib.sha256(root.body()).digest()[:NETWORK_BYTES]


def make_root(signer: keys.Signer, not_before: int, expires: int, label: str) -> Signed[Root]:
    """A self-signed ROOT."""
    root = Root(signer.public.algorithm, signer.public.raw, not_before, expires, label)
    return sign(root, network_id(root), signer)


def open_root(envelope: object) -> Signed[Root]:
    """The ROOT in an envelope, verified under its own key; E_KEY, E_SIG or a decoding error otherwise."""
    unbound = open_envelope(envelope, Root, bytes(NETWORK_BYTES))
    root = open_envelope(envelope, Root, network_id(unbound.record))
    root.verify(root.record.key)
    return root


class Authority:
    """ROOT and its AUTH certificates, all verified when it is built: the trust everything else starts from.

    `auths` may come as envelopes; each must be signed by ROOT, or E_SIG.
    """

    def __init__(self, root: Signed[Root], auths: Iterable[object] = ()) -> None:
        self.root = root
        self.network = network_id(root.record)
        root_key = root.record.key
        root.verify(root_key)
        self.auths: list[Signed[Auth]] = []
        self._by_kid: dict[bytes, list[Auth]] = {}
        self._by_reference: dict[tuple[int, bytes], list[Auth]] = {}
        for item in auths:
            auth = item if isinstance(item, Signed) else open_envelope(item, Auth, self.network)
            auth.verify(root_key)
            self.auths.append(auth)
            kid = auth.record.key.kid
            self._by_kid.setdefault(kid, []).append(auth.record)
            self._by_reference.setdefault((auth.record.role, kid[:REFERENCE_BYTES]), []).append(auth.record)

    def holds(self, kid: bytes) -> bool:
        """Whether some certificate names this key."""
        return kid in self._by_kid

    def key(self, kid: bytes) -> keys.PublicKey:
        """The certified key with this id; E_AUTHORITY when there is none."""
        found = self._by_kid.get(kid)
        if not found:
            raise Refused("E_AUTHORITY", kid=kid, role="any")
        return found[0].key

    def require(self, kid: bytes, role: int, now: int) -> Auth:
        """The certificate that gives `kid` the `role` at `now`.

        Raises E_AUTHORITY when the key does not have the role, E_AUTHORITY_TIME when it has it at another time.
        """
        named = [auth for auth in self._by_kid.get(kid, ()) if auth.role == role]
        if not named:
            raise Refused("E_AUTHORITY", kid=kid, role=ROLE_NAMES.get(role, str(role)))
        for auth in named:
            if auth.not_before <= now <= auth.expires:
                return auth
        raise Refused("E_AUTHORITY_TIME", kid=kid, role=ROLE_NAMES.get(role, str(role)), now=now)

    def with_role(self, role: int) -> list[Auth]:
        """All certificates of one role, in the order given."""
        return [auth.record for auth in self.auths if auth.record.role == role]

    def referenced(self, reference: bytes, role: int) -> list[Auth]:
        """All certificates of one role whose key id starts with the 8-byte `reference`, in the order given."""
        return self._by_reference.get((role, reference), [])

    def by_reference(self, reference: bytes, role: int) -> Auth | None:
        """The one certificate of `role` whose key id starts with the 8-byte `reference`; None unless exactly one."""
        named = [auth for auth in self.with_role(role) if auth.kid[: len(reference)] == reference]
        return named[0] if len(named) == 1 else None
