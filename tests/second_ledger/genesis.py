"""Entry 0 (ledger/2, "Entry 0: the genesis")."""

import datetime
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tests.second_ledger import crypto
from tests.second_ledger.errors import require
from tests.second_ledger.mpc import decode_array
from tests.second_ledger.records import Envelope, open_bytes, open_envelope


@dataclass(frozen=True)
class Auth:
    """A certificate from ROOT."""

    role: int
    algorithm: int
    key: bytes
    kid: bytes
    not_before: int
    expires: int
    scope: tuple[int, ...]

    def current(self, moment: int) -> bool:
        """Whether it is current at a moment."""
        return self.not_before <= moment <= self.expires


@dataclass(frozen=True)
class Genesis:
    """What entry 0 says."""

    root: Envelope
    network: bytes
    auths: tuple[Auth, ...]
    policy: dict[str, Any]

    def of_role(self, role: int) -> list[Auth]:
        """The certificates of a role, in their order."""
        return [auth for auth in self.auths if auth.role == role]

    def certified(self, kid: bytes) -> Auth | None:
        """The first certificate that names a key."""
        return next((auth for auth in self.auths if auth.kid == kid), None)

    def tier(self, tier: int) -> tuple[int, int, int] | None:
        """The limits (holding, payment, day) of a tier: its first row (ledger/2, "Policy")."""
        for row in self.policy["tiers"]:
            if row[0] == tier:
                return (row[1], row[2], row[3])
        return None

    def day(self, moment: int) -> int:
        """The day of a moment."""
        return int((moment + self.policy["offset"]) // 86400)

    def year_month(self, moment: int) -> tuple[int, int]:
        """The year and the month (year x 12 + month - 1) of a moment."""
        year, month = civil(self.day(moment))
        return year, year * 12 + month - 1


def civil(day: int) -> tuple[int, int]:
    """Year and month of the date that many days after 1970-01-01, beyond the year 9999 too."""
    rounds, rest = divmod(day, 146_097)
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=rest)
    return date.year + 400 * rounds, date.month


def _part(value: Any, kind: int) -> Envelope:
    """A part of the genesis: an envelope, or the same as bytes."""
    return open_bytes(value, kind) if isinstance(value, bytes) else open_envelope(value, kind)


def open_root(value: Any) -> tuple[Envelope, bytes]:
    """ROOT with its own signature; gives the envelope and the network."""
    root = _part(value, 1)
    algorithm, key = root.fields["algorithm"], root.fields["key"]
    crypto.require_key(algorithm, key)
    network = sha256(root.body).digest()[:8]
    require(root.signed_by(network, algorithm, key), "E_SIG")
    return root, network


def open_genesis(payload: bytes) -> Genesis:
    """Open the genesis in the order of ledger/2."""
    items = decode_array(payload)
    require(len(items) == 4, "E_FIELD")
    require(isinstance(items[0], int) and items[0] == 1, "E_VERSION")
    root, network = open_root(items[1])
    signer = (root.fields["algorithm"], root.fields["key"])
    require(isinstance(items[2], list), "E_TYPE")
    auths = []
    for item in items[2]:
        envelope = _part(item, 2)
        require(envelope.signed_by(network, *signer), "E_SIG")
        fields = envelope.fields
        crypto.require_key(fields["algorithm"], fields["key"])
        kid = crypto.kid_of(fields["algorithm"], fields["key"])
        auths.append(Auth(kid=kid, **fields))
    policy = _part(items[3], 80)
    require(policy.signed_by(network, *signer), "E_SIG")
    return Genesis(root, network, tuple(auths), policy.fields)
