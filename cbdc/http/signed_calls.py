"""Calls of institutions, authenticated and scoped: HTTP Message Signatures (RFC 9421) by certified keys.

A bank's own system, the operator, the treasury and the supervisor hold no password here. Each call is signed with the
key that ROOT certified, and the signature covers what the call is: method, host, path, query and body.

    Content-Digest: sha-256=:...:                               RFC 9530, when there is a body
    Signature-Input: tenge=("@method" "@authority" "@path" "@query" "content-type" "content-digest");created=...;
                     expires=...;nonce="...";alg="ed25519";keyid="<key id in hexadecimal>";tag="tenge-call"
    Signature: tenge=:...:

Rules kept here:

- the label, the order of components and of parameters are the signer's; a component may not be left out, one signature
  stands in a call, and everything is written in the canonical form of RFC 8941 (one blank between components);
- a door knows its own names: a call that was signed for another host is another server's (E_CALL_AUTHORITY), also when
  both know the same keys;
- a call lives 120 seconds at most, may come from a clock that is 30 seconds ahead, and is taken once: its nonce is
  remembered until it has expired, so many for a key and no more. `cbdc.http.call_nonces` keeps nonces over a restart;
  without it they end with the process, and calls that were signed before it began are not taken;
- the certificate decides: its period (in the ledger's time), its role, and a bank's number. Nothing of a caller is told
  apart for one who has not shown the key: role and scope are judged after the signature;
- cheap questions come first, the signature is computed last but one, and a nonce is only remembered for a signature
  that stands, so a stranger can fill nothing.

Ed25519 and ECDSA on P-256 (with s in the lower half, `cbdc.keys`) are read; the tests check both directions against
an independent implementation of the RFC. Why this and no tokens: `docs/decisions/0030-operations.md`.
"""

import base64
import binascii
import hashlib
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cbdc.authority import BANK, ROLE_NAMES, Auth, Authority
from cbdc.errors import Malformed, Refused, TengeError, Unavailable
from cbdc.keys import ED25519, ES256, Signer
from cbdc.ports import Clock
from cbdc.record import Signed

TAG = "tenge-call"
LABEL = "tenge"
LIFETIME_SECONDS = 120
SKEW_SECONDS = 30
MOST_NONCES = 20_000
MOST_HEADER = 2_048
MOST_COMPONENTS = 16
ALGORITHMS = {ED25519: "ed25519", ES256: "ecdsa-p256-sha256"}

_ALWAYS = ("@method", "@authority", "@path", "@query")
_WITH_BODY = ("content-type", "content-digest")
_PARAMETERS = ("created", "expires", "nonce", "alg", "keyid", "tag")
_INPUT = re.compile(
    r'([a-z*][a-z0-9_.*-]{0,63})=(\(((?:"[@a-z][a-z0-9-]{0,63}"(?: "[@a-z][a-z0-9-]{0,63}")*)?)\)'
    r'((?:;[a-z]{1,16}=(?:\d{1,15}|"[ !#-\[\]-~]{0,128}"))*))',
    re.ASCII,
)
_SIGNATURE = re.compile(r"([a-z*][a-z0-9_.*-]{0,63})=:([A-Za-z0-9+/]{86}==):", re.ASCII)
_VALUE = re.compile(r"[ -~\t]{0,4096}", re.ASCII)
_NONCE = re.compile(r"[!#-\[\]-~]{16,64}", re.ASCII)
_KEY = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):", re.ASCII)


@dataclass(frozen=True, slots=True)
class Message:
    """What of a request is signed. `path` and `query` are as sent (`query` without its question mark, or empty)."""

    method: str
    authority: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    def component(self, name: str) -> str:
        """The value of a component for the signature's base; E_CALL_FORM for one that is not in the message."""
        derived = {
            "@method": self.method,
            "@authority": self.authority.lower(),
            "@path": self.path,
            "@query": f"?{self.query}",
        }
        value = derived.get(name) if name.startswith("@") else _lower(self.headers).get(name)
        if value is None:
            raise Malformed("E_CALL_FORM", problem=f"the component {name} is not in the request")
        if not _VALUE.fullmatch(value):
            # A line break here would be a line of the signature's base that nobody signed.
            raise Malformed("E_CALL_FORM", problem=f"the component {name} has letters outside ASCII")
        return value.strip()

    @property
    def required(self) -> tuple[str, ...]:
        """The components that a signature of this message must cover."""
        return _ALWAYS if self.body is None else _ALWAYS + _WITH_BODY


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def content_digest(body: bytes) -> str:
    """The header Content-Digest of a body (RFC 9530, SHA-256)."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def sign_call(
    message: Message, signer: Signer, nonce: str, created: int, lifetime_seconds: int = LIFETIME_SECONDS
) -> dict[str, str]:
    """The headers that make `message` a signed call, its own headers included.

    `created` is real Unix seconds, `nonce` 16 to 64 visible characters that no other call has.
    """
    headers = dict(message.headers)
    if message.body is not None:
        headers["Content-Digest"] = content_digest(message.body)
    whole = Message(message.method, message.authority, message.path, message.query, headers, message.body)
    covered = " ".join(f'"{name}"' for name in whole.required)
    parameters = (
        f'({covered});created={created};expires={created + lifetime_seconds};nonce="{nonce}"'
        f';alg="{ALGORITHMS[signer.public.algorithm]}";keyid="{signer.public.kid.hex()}";tag="{TAG}"'
    )
    signature = signer.sign(_base(whole, whole.required, parameters))
    headers["Signature-Input"] = f"{LABEL}={parameters}"
    headers["Signature"] = f"{LABEL}=:{base64.b64encode(signature).decode()}:"
    return headers


def _base(message: Message, components: Sequence[str], parameters: str) -> bytes:
    lines = [f'"{name}": {message.component(name)}' for name in components]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode()


@dataclass(frozen=True, slots=True)
class _Claim:
    """A signature as a call brings it: read, not believed."""

    components: tuple[str, ...]
    text: str
    created: int
    expires: int
    nonce: str
    algorithm: str
    kid: bytes
    signature: bytes


def _claim(headers: Mapping[str, str]) -> _Claim:
    given = _lower(headers)
    wanted, signed = given.get("signature-input", ""), given.get("signature", "")
    if not wanted or not signed:
        raise Refused("E_CALL_MISSING")
    if len(wanted) > MOST_HEADER or len(signed) > MOST_HEADER:
        raise Malformed("E_CALL_FORM", problem="the signature's headers are too long")
    found, value = _INPUT.fullmatch(wanted), _SIGNATURE.fullmatch(signed)
    if found is None or value is None or found[1] != value[1]:
        raise Malformed("E_CALL_FORM", problem="it is not one signature in the form of RFC 9421")
    components = tuple(name.strip('"') for name in found[3].split()) if found[3] else ()
    if len(set(components)) != len(components) or len(components) > MOST_COMPONENTS:
        raise Malformed("E_CALL_FORM", problem="a component is named twice, or there are too many")
    values = _values(found[4])
    if not _NONCE.fullmatch(values["nonce"]):
        raise Malformed("E_CALL_FORM", problem="the nonce is not 16 to 64 visible characters")
    if not _KEY.fullmatch(values["keyid"]):
        raise Refused("E_CALL_KEY", keyid=values["keyid"][:64])
    try:
        signature = base64.b64decode(value[2], validate=True)
        if base64.b64encode(signature).decode() != value[2]:
            raise ValueError("another form of the same bytes")
        times = int(values["created"]), int(values["expires"])
    except (binascii.Error, ValueError):
        raise Malformed("E_CALL_FORM", problem="a number or the Base64 cannot be read") from None
    kid = bytes.fromhex(values["keyid"])
    return _Claim(components, found[2], *times, values["nonce"], values["alg"], kid, signature)


def _values(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in re.findall(r';([a-z]+)=(\d+|"[^"]*")', text):
        if name in values or name not in _PARAMETERS:
            raise Malformed("E_CALL_FORM", problem=f"the parameter {name} is unknown or there twice")
        if value.startswith('"') == (name in ("created", "expires")):
            raise Malformed("E_CALL_FORM", problem=f"the parameter {name} has the wrong type")
        values[name] = value.strip('"')
    for name in _PARAMETERS:
        if name not in values:
            raise Refused("E_CALL_COMPONENT", component=name)
    if values["tag"] != TAG:
        raise Malformed("E_CALL_FORM", problem=f"the tag is not {TAG}")
    return values


Knows = Callable[[str], bool]


def named(authorities: Iterable[str]) -> Knows:
    """Whether a call is signed for one of these: each a host, with a port unless it is the protocol's own."""
    ours = frozenset(name.lower() for name in authorities)
    return lambda authority: authority.lower() in ours


def any_authority(authority: str) -> bool:
    """Every name: for a platform of test keys that does not know under which name it is asked."""
    return True


class Nonces(Protocol):
    """Which calls were taken. `since`: nothing is known of calls that were signed before this moment."""

    @property
    def since(self) -> int:
        """Since when calls are remembered, in real Unix seconds."""
        ...

    def known(self, kid: bytes, nonce: str) -> bool:
        """Whether this key used this nonce."""
        ...

    def remember(self, kid: bytes, nonce: str, created: int, expires: int, now: int) -> None:
        """Take a nonce; E_CALL_REPLAY when it was taken, E_CALL_BUSY when the key has too many that still live."""
        ...

    def __len__(self) -> int:
        """How many are kept."""
        ...


class MemoryNonces:
    """The nonces of calls that may still come again: so many for each certified key, forgotten when they expire."""

    def __init__(self, now: int, most: int = MOST_NONCES) -> None:
        self.since = now
        self._most = most
        self._lock = threading.Lock()
        self._seen: dict[bytes, dict[str, int]] = {}
        self._swept: dict[bytes, int] = {}
        self._forgotten = 0

    def known(self, kid: bytes, nonce: str) -> bool:
        """Whether this key used this nonce."""
        return nonce in self._seen.get(kid, ())

    def remember(self, kid: bytes, nonce: str, created: int, expires: int, now: int) -> None:
        """Take a nonce; E_CALL_REPLAY when it was taken, E_CALL_EXPIRED when it might have been and is forgotten,
        E_CALL_BUSY when the key has too many that still live."""
        with self._lock:
            seen = self._seen.setdefault(kid, {})
            if nonce in seen:
                raise Refused("E_CALL_REPLAY", kid=kid)
            if len(seen) >= self._most and self._swept.get(kid) != now:
                self._swept[kid] = now
                for old in [one for one, moment in seen.items() if moment < now]:
                    self._forgotten = max(self._forgotten, seen.pop(old))
            if expires <= self._forgotten:
                # A clock that is set back opens no door to what was forgotten.
                raise Refused(
                    "E_CALL_EXPIRED", created=created, expires=expires, now=now, since=self._forgotten
                )
            if len(seen) >= self._most:
                raise Unavailable("E_CALL_BUSY", kid=kid, most=self._most, seconds=LIFETIME_SECONDS)
            seen[nonce] = expires

    def __len__(self) -> int:
        return sum(len(seen) for seen in self._seen.values())


class CallDoor:
    """Who may come in: the certified keys, at their times, with their roles.

    `clock` is the ledger's time and judges certificates; `real_clock` judges signatures. `more` are certificates by the
    same ROOT that stand in no genesis (the supervisor's, or one that replaces a key of calls); E_SIG for another's.
    `knows` says which authorities are this server's (`named`); `nonces` remembers the calls, in memory unless given.
    """

    def __init__(
        self,
        authority: Authority,
        clock: Clock,
        real_clock: Clock,
        more: Iterable[Signed[Auth]] = (),
        *,
        knows: Knows,
        nonces: Nonces | None = None,
    ) -> None:
        self._authority = Authority(authority.root, [*authority.auths, *more])
        self._clock = clock
        self._real_clock = real_clock
        self._knows = knows
        self._nonces = MemoryNonces(real_clock.now()) if nonces is None else nonces
        self._since = self._nonces.since

    @property
    def remembered(self) -> int:
        """How many nonces are kept."""
        return len(self._nonces)

    def admit(self, message: Message, roles: Sequence[int]) -> Auth:
        """The certificate of one of `roles` by whose key `message` was signed, taken once.

        Raises E_CALL_MISSING, E_CALL_AUTHORITY, E_CALL_FORM, E_CALL_COMPONENT, E_CALL_KEY, E_CALL_ALGORITHM,
        E_CALL_EXPIRED, E_CALL_FUTURE, E_CALL_LIFETIME, E_CALL_REPLAY, E_CALL_DIGEST, E_CALL_SIGNATURE,
        E_CALL_CERTIFICATE, E_CALL_ROLE, E_CALL_BUSY, E_CALL_NONCES.
        """
        claim = _claim(message.headers)
        if not self._knows(message.authority):
            # The signature would cover this name, and stand: only the server can know that it is not its own.
            raise Refused("E_CALL_AUTHORITY", authority=message.authority[:120])
        for name in message.required:
            if name not in claim.components:
                raise Refused("E_CALL_COMPONENT", component=name)
        if not self._authority.holds(claim.kid):
            raise Refused("E_CALL_KEY", keyid=claim.kid.hex())
        key = self._authority.key(claim.kid)
        if ALGORITHMS[key.algorithm] != claim.algorithm:
            raise Refused("E_CALL_ALGORITHM", algorithm=claim.algorithm[:40], kid=claim.kid)
        now = self._real_clock.now()
        self._check_time(claim, now)
        if self._nonces.known(claim.kid, claim.nonce):
            raise Refused("E_CALL_REPLAY", kid=claim.kid)
        if message.body is not None:
            _check_digest(message, message.body)
        base = _base(message, claim.components, claim.text)
        try:
            key.verify(claim.signature, base)
        except TengeError:
            raise Refused("E_CALL_SIGNATURE", kid=claim.kid) from None
        certificate = self._certificate(claim.kid, roles)
        self._nonces.remember(claim.kid, claim.nonce, claim.created, claim.expires, now)
        return certificate

    def _check_time(self, claim: _Claim, now: int) -> None:
        if not 0 < claim.expires - claim.created <= LIFETIME_SECONDS:
            raise Refused("E_CALL_LIFETIME", seconds=claim.expires - claim.created, most=LIFETIME_SECONDS)
        if claim.created > now + SKEW_SECONDS:
            raise Refused("E_CALL_FUTURE", created=claim.created, now=now)
        if claim.expires < now or claim.created < self._since:
            raise Refused(
                "E_CALL_EXPIRED", created=claim.created, expires=claim.expires, now=now, since=self._since
            )

    def _certificate(self, kid: bytes, roles: Sequence[int]) -> Auth:
        moment, late = self._clock.now(), False
        for role in roles:
            try:
                return self._authority.require(kid, role, moment)
            except Refused as refusal:
                late = late or refusal.code == "E_AUTHORITY_TIME"
        if late:
            raise Refused("E_CALL_CERTIFICATE", kid=kid, now=moment)
        names = ", ".join(ROLE_NAMES[role] for role in roles)
        raise Refused("E_CALL_ROLE", kid=kid, roles=names)


def _check_digest(message: Message, body: bytes) -> None:
    given = message.component("content-digest")
    members = [member.strip() for member in given.split(",")]
    digests = [found[1] for member in members if (found := _DIGEST.fullmatch(member))]
    if len(digests) != 1 or f"sha-256=:{digests[0]}:" != content_digest(body):
        raise Refused("E_CALL_DIGEST")


def check_bank(certificate: Auth, bank_id: int) -> None:
    """Return if a certificate is no bank's or this bank's own; E_CALL_SCOPE when it is another bank's."""
    if certificate.role == BANK and certificate.scope[:1] != (bank_id,):
        own = certificate.scope[0] if certificate.scope else 0
        raise Refused("E_CALL_SCOPE", own=own, bank_id=bank_id)
