"""The short way through the web application, for what is asked most: a transaction, or a batch of them, posted plainly.

A web framework finds the route, takes headers apart and builds objects for request and answer: several times what it
takes to verify a signature. Here a POST of one of the two writing routes, with a stated length within its limit and the
media type that they take, is counted, read, handed to the ledger and answered, and nothing else is looked at.

Rules kept here:

- the answers are, byte for byte and header for header, those of the long way; a test compares them;
- whatever is not plain (another method, path or media type, no length or one out of range) goes the long way untouched;
- so does what nobody foresaw, with its body: the long way gives it an incident's number, and the ledger answers the
  same bytes the same way;
- a request is counted against its address once, before its body is read, whichever way it goes.
"""

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from werkzeug.datastructures import LanguageAccept
from werkzeug.http import HTTP_STATUS_CODES, parse_accept_header

from cbdc.errors import LANGUAGES, TengeError
from cbdc.http import wire
from cbdc.ledger.entry import LogHead, Receipt
from cbdc.record import Signed
from cbdc.transaction import MAX_TRANSACTION_BYTES

Environ = dict[str, Any]
Start = Callable[..., Any]
Wsgi = Callable[[Environ, Start], Iterable[bytes]]

ONE, MANY = "/v1/transactions", "/v1/transactions/batch"
COUNTED = "tenge.counted"
"""Set in the environment of a request that was counted here and goes the long way all the same."""

_LIMITS = {ONE: MAX_TRANSACTION_BYTES, MANY: wire.MAX_BODY_BYTES}
_DIGITS = frozenset("0123456789")


class Submits(Protocol):
    """What the short way asks of a ledger, or of whatever stands before it."""

    def submit(self, transaction: bytes) -> Receipt:
        """The receipt of one transaction, or its refusal raised."""
        ...

    def submit_many(self, transactions: Sequence[bytes]) -> list[Receipt | TengeError]:
        """For each transaction its receipt or its refusal."""
        ...


class ShortWay:
    """A WSGI application before another one.

    `count(address)` counts a request or raises its refusal, `lock` is held around the ledger's call, `headers` go with
    every answer, and `note(environ, route, code)` tells whoever watches which route was asked and what was refused.
    """

    def __init__(
        self,
        long_way: Wsgi,
        ledger: Submits,
        count: Callable[[str], None],
        lock: AbstractContextManager[object],
        headers: Mapping[str, str],
        note: Callable[[Environ, str, str], None] = lambda environ, route, code: None,
    ) -> None:
        self._long_way = long_way
        self._ledger = ledger
        self._count = count
        self._lock = lock
        self._headers = list(headers.items())
        self._note = note
        self._head: tuple[Signed[LogHead] | None, str] = (None, "")

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        """Answer a plain request, or hand it on."""
        path = environ.get("PATH_INFO", "")
        size = _plain_size(environ, _LIMITS.get(path, 0))
        if not size:
            return self._long_way(environ, start)
        body, text = b"", ""
        try:
            self._count(environ.get("REMOTE_ADDR") or "")
            environ[COUNTED] = True
            body = environ["wsgi.input"].read(size)
            if len(body) == size:
                self._note(environ, path, "")
                with self._lock:
                    text = self._one(body) if path == ONE else self._many(body, environ)
        except TengeError as refusal:
            return self._refused(environ, start, path, refusal)
        except Exception:  # noqa: BLE001 - the long way has the words for it, and its log
            text = ""
        if not text:
            environ["wsgi.input"] = io.BytesIO(body)
            return self._long_way(environ, start)
        return self._answer(start, "200 OK", wire.JSON, text.encode(), [])

    def _one(self, body: bytes) -> str:
        return self._receipt(self._ledger.submit(body))

    def _many(self, body: bytes, environ: Environ) -> str:
        answers = self._ledger.submit_many(wire.read_batch(body))
        language = ""
        told: list[str] = []
        for answer in answers:
            if isinstance(answer, TengeError):
                language = language or _language(environ)
                told.append('{"problem":' + _json(wire.write_problem(answer, language)) + "}")
            else:
                told.append('{"receipt":' + self._receipt(answer) + "}")
        return '{"results":[' + ",".join(told) + "]}"

    def _receipt(self, receipt: Receipt) -> str:
        """A receipt as the long way writes it. All receipts of a group have one head, which is written once."""
        head, text = self._head
        if head is not receipt.head:
            text = _json(wire.write_head(receipt.head))
            self._head = (receipt.head, text)
        return (
            f'{{"head":{text},"index":{receipt.index},"time":{receipt.time},'
            f'"transaction_id":"{receipt.transaction_id.hex()}"}}'
        )

    def _refused(self, environ: Environ, start: Start, path: str, refusal: TengeError) -> Iterable[bytes]:
        self._note(environ, path, refusal.code)
        status = wire.status_of(refusal)
        more = [("Retry-After", "1")] if status in (429, 503) else []
        text = _json(wire.write_problem(refusal, _language(environ)))
        return self._answer(
            start, f"{status} {HTTP_STATUS_CODES[status].upper()}", wire.PROBLEM, text.encode(), more
        )

    def _answer(
        self, start: Start, status: str, media: str, body: bytes, more: list[tuple[str, str]]
    ) -> Iterable[bytes]:
        start(status, [("Content-Type", media), ("Content-Length", str(len(body))), *more, *self._headers])
        return [body]


def _plain_size(environ: Environ, limit: int) -> int:
    """How long the body of a plain request is; 0 for a request that is not plain."""
    if not limit or environ["REQUEST_METHOD"] != "POST" or environ.get("CONTENT_TYPE") != wire.CANONICAL:
        return 0
    text = environ.get("CONTENT_LENGTH") or ""
    if not text or len(text) > 8 or not _DIGITS.issuperset(text) or "HTTP_TRANSFER_ENCODING" in environ:
        return 0
    size = int(text)
    return size if size <= limit and not environ.get("SCRIPT_NAME") else 0


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _language(environ: Environ) -> str:
    asked = parse_accept_header(environ.get("HTTP_ACCEPT_LANGUAGE"), LanguageAccept)
    return asked.best_match(LANGUAGES) or "en"
