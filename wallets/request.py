"""A payment request: what a payee shows and a payer reads, as one line of text and as a QR code.

    text    = "TENGE1:" || Base32 without padding of (payload || first 4 bytes of SHA-256(domain || payload))
    payload = canonical [1, network (8 bytes), payee's key id (32), amount in tiyn, memo, expires]

An amount of 0 lets the payer choose it, and `expires` 0 never expires: together they make the card on a shop's wall.
Base32 has only capitals and digits: a QR code packs them densely, and no chat or mail program changes them, as they
do with the blanks and percent signs of Base45.

A request is not signed and moves no money. The checksum finds slips of the hand, not forgers: the payer's screen
names the amount, the memo and (by the bank's directory) the payee, and a person says yes.

Rules kept here: one request has one text (capitals; small letters are read too, for some scanners make them); a memo
is one line of visible letters, so that it cannot pretend to be another part of the screen; the length is judged
before anything else.
"""

import base64
import hashlib
import re
from dataclasses import dataclass

import segno

from cbdc import canonical
from cbdc.errors import Malformed, Refused
from cbdc.record import HASH, MOMENT, REFERENCE, Kind, Unsigned
from cbdc.request_board import Line

VERSION = 1
MAX_TEXT_CHARACTERS = 512
CHECKSUM_BYTES = 4

_DOMAIN = b"kzt-dt/request/v1\0"
_TEXT = re.compile(r"TENGE(?P<version>[1-9][0-9]{0,2}):(?P<payload>[A-Z2-7]+)")


_FIELDS: tuple[tuple[str, Kind], ...] = (
    ("network", REFERENCE),
    ("payee", HASH),
    ("amount_tiyn", Unsigned()),
    ("memo", Line()),
    ("expires", MOMENT),
)


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """Pay `amount_tiyn` (0: as much as you like) to the key id `payee` in `network`, until `expires` (0: any time).

    Raises E_FIELD, E_TYPE or E_NONCANON when it is built with a value that no request can have.
    """

    network: bytes
    payee: bytes
    amount_tiyn: int = 0
    memo: str = ""
    expires: int = 0

    def __post_init__(self) -> None:
        canonical.encode(self._values())
        for name, kind in _FIELDS:
            kind.load(getattr(self, name), name)

    def _values(self) -> list[object]:
        return [VERSION, *(getattr(self, name) for name, _ in _FIELDS)]

    def text(self) -> str:
        """The one line of text."""
        payload = canonical.encode(self._values())
        code = base64.b32encode(payload + _checksum(payload)).decode().rstrip("=")
        return f"TENGE{VERSION}:{code}"

    def check(self, network: bytes, now: int) -> None:
        """Return if a wallet of `network` may pay it at `now`; raise E_REQUEST_NETWORK or E_REQUEST_EXPIRED."""
        if self.network != network:
            raise Refused("E_REQUEST_NETWORK", network=self.network, own=network)
        if self.expires and now > self.expires:
            raise Refused("E_REQUEST_EXPIRED", expires=self.expires, now=now)


def parse_request(text: str) -> PaymentRequest:
    """The request in `text`; blanks around it do not matter.

    Raises, in this order: E_REQUEST_TEXT (too long, or not such a text), E_VERSION, E_REQUEST_CHECKSUM (a slip),
    the decoding errors, E_FIELD or E_TYPE, and E_REQUEST_TEXT for a second spelling of the same request.
    """
    # Bounded before anything is read; the bound leaves room for the blanks that come with a copied line.
    if len(text) > 2 * MAX_TEXT_CHARACTERS:
        raise Malformed("E_REQUEST_TEXT", text=text[:16])
    line = text.strip()
    match = _TEXT.fullmatch(line.upper()) if line.isascii() and len(line) <= MAX_TEXT_CHARACTERS else None
    if match is None:
        raise Malformed("E_REQUEST_TEXT", text=line[:16])
    if match["version"] != str(VERSION):
        raise Malformed("E_VERSION", version=int(match["version"]), expected=VERSION)
    code = match["payload"]
    try:
        whole = base64.b32decode(code + "=" * (-len(code) % 8))
    except ValueError:  # a length that no whole number of bytes has
        raise Malformed("E_REQUEST_CHECKSUM") from None
    payload, checksum = whole[:-CHECKSUM_BYTES], whole[-CHECKSUM_BYTES:]
    if _checksum(payload) != checksum:
        raise Malformed("E_REQUEST_CHECKSUM")
    request = _open(payload)
    if request.text() != match[0]:
        raise Malformed("E_REQUEST_TEXT", text=line[:16])
    return request


def _open(payload: bytes) -> PaymentRequest:
    values = canonical.decode_array(payload)
    if values[:1] != [VERSION]:
        raise Malformed("E_VERSION", version=str(values[:1])[1:9], expected=VERSION)
    if len(values) != len(_FIELDS) + 1:
        raise Malformed("E_FIELD", field="request", problem=f"{len(values)} items, not {len(_FIELDS) + 1}")
    loaded = [kind.load(value, name) for (name, kind), value in zip(_FIELDS, values[1:], strict=True)]
    return PaymentRequest(*loaded)


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(_DOMAIN + payload).digest()[:CHECKSUM_BYTES]


def qr_svg(text: str, border: int = 4) -> str:
    """A QR code of `text` as an `<svg>` element without a size of its own: the page's style decides how large it is.

    Black on white whatever the page's colours, with the quiet zone that scanners need, and error correction M.
    Raises E_REQUEST_QR when the text does not fit into the largest code, or is empty.
    """
    if not text:
        raise Malformed("E_REQUEST_QR", characters=0)
    try:
        code = segno.make_qr(text, error="m", boost_error=False)
    except ValueError:  # too long, or letters that no encoding has
        raise Malformed("E_REQUEST_QR", characters=len(text)) from None
    return code.svg_inline(border=border, dark="#000", light="#fff", omitsize=True)
