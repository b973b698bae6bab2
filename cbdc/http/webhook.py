"""Signed deliveries: HTTP Message Signatures (RFC 9421) with Ed25519 over one fixed set of components.

What is sent with every delivery:

    Content-Digest: sha-256=:...:                                   RFC 9530, over the body as sent
    Signature-Input: tenge=("@method" "@target-uri" "content-type" "content-digest");
                     created=...;keyid="...";alg="ed25519";nonce="...";tag="tenge-webhook"
    Signature: tenge=:...:

The sender's public key is open to everybody (`/v1/webhooks/key`), so a receiver holds no secret that could be stolen,
and cannot make a delivery itself. The address is signed: a delivery for one receiver is worth nothing at another.

Only this one set of components is written and only this one is read, so no library is needed for either side; the
tests check both against an independent implementation of the RFC.

    receiver = Receiver("https://shop.example/events", public, clock)
    event = receiver.take("POST", headers, body)      # raises E_WEBHOOK; None for one that was taken before
"""

import base64
import binascii
import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from cbdc.errors import Refused, TengeError
from cbdc.keys import PublicKey, Signer
from cbdc.ports import Clock

TAG = "tenge-webhook"
CONTENT_TYPE = "application/json"
FRESH_SECONDS = 300
MOST_REMEMBERED = 10_000
_COMPONENTS = '("@method" "@target-uri" "content-type" "content-digest")'
_PARAMETERS = re.compile(
    re.escape(_COMPONENTS)
    + r';created=(\d{1,15});keyid="([0-9a-f]{64})";alg="ed25519";nonce="([0-9a-f]{64})";tag="tenge-webhook"',
    re.ASCII,
)
_SIGNATURE = re.compile(r"tenge=:([A-Za-z0-9+/]{86}==):", re.ASCII)


def digest(body: bytes) -> str:
    """The header Content-Digest of a body."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def signed_headers(url: str, body: bytes, id: bytes, created: int, signer: Signer) -> dict[str, str]:
    """The headers of a delivery `id` of `body` to `url`, signed at `created` (real seconds) with an Ed25519 key."""
    kid = signer.public.kid.hex()
    parameters = f'{_COMPONENTS};created={created};keyid="{kid}";alg="ed25519";nonce="{id.hex()}";tag="{TAG}"'
    signature = signer.sign(_base("POST", url, CONTENT_TYPE, digest(body), parameters))
    return {
        "Content-Type": CONTENT_TYPE,
        "Content-Digest": digest(body),
        "Signature-Input": f"tenge={parameters}",
        "Signature": f"tenge=:{base64.b64encode(signature).decode()}:",
    }


def _base(method: str, url: str, content_type: str, content_digest: str, parameters: str) -> bytes:
    lines = (
        f'"@method": {method}',
        f'"@target-uri": {url}',
        f'"content-type": {content_type}',
        f'"content-digest": {content_digest}',
        f'"@signature-params": {parameters}',
    )
    return "\n".join(lines).encode()


class Receiver:
    """The receiving side for one address: verifies a delivery and tells repetitions apart."""

    def __init__(self, url: str, key: PublicKey, real_clock: Clock) -> None:
        self._url = url
        self._key = key
        self._clock = real_clock
        self._taken: OrderedDict[str, None] = OrderedDict()

    def take(self, method: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any] | None:
        """The event in a delivery, or None for one that was taken before; E_WEBHOOK for anything not to be believed.

        A receiver that works on an event after this and crashes should remember the event's id with its work.
        """
        event = verify(method, self._url, headers, body, self._key, self._clock.now())
        if event["id"] in self._taken:
            return None
        self._taken[event["id"]] = None
        if len(self._taken) > MOST_REMEMBERED:
            self._taken.popitem(last=False)
        return event


def verify(
    method: str, url: str, headers: Mapping[str, str], body: bytes, key: PublicKey, now: int
) -> dict[str, Any]:
    """The event in a delivery that is signed by `key` for this method and address, at most 300 seconds from `now`.

    Raises E_WEBHOOK.
    """
    given = {name.lower(): value for name, value in headers.items()}
    content_type, content_digest = given.get("content-type", ""), given.get("content-digest", "")
    wanted, signed = given.get("signature-input", ""), _SIGNATURE.fullmatch(given.get("signature", ""))
    parameters = wanted.removeprefix("tenge=")
    found = _PARAMETERS.fullmatch(parameters)
    if found is None or signed is None or not wanted.startswith("tenge="):
        raise Refused("E_WEBHOOK", problem="the signature's headers are missing or of another form")
    if content_digest != digest(body):
        raise Refused("E_WEBHOOK", problem="the body was changed")
    if abs(int(found[1]) - now) > FRESH_SECONDS:
        raise Refused("E_WEBHOOK", problem="it is too old, or a clock is wrong")
    if found[2] != key.kid.hex():
        raise Refused("E_WEBHOOK", problem="it is signed with another key")
    try:
        signature = base64.b64decode(signed[1], validate=True)
        key.verify(signature, _base(method, url, content_type, content_digest, parameters))
    except (TengeError, binascii.Error):
        raise Refused("E_WEBHOOK", problem="the signature does not fit") from None
    event = _event(body)
    if event.get("id") != found[3]:
        raise Refused("E_WEBHOOK", problem="the signature is another delivery's")
    return event


def _event(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise Refused("E_WEBHOOK", problem="the body is no event")
    return event
