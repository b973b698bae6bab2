"""Structured logs: one JSON object a line, and nothing in it that could open anything.

A line of a request holds names of ours only: when, the request's id (made here), the method, the **route** (its
pattern, not the path that was asked), the status, whole microseconds, the code of a refusal, and the first sixteen
digits of the caller's key id. No body, header, query, address, cookie, passcode or key ever gets into it, because
nothing of the kind is handed over.

Other records (an incident of the server, say) keep their message, which this project writes; of an exception the
kind and the places are kept and its text is not, since a text may quote what was sent.

A file is its owner's only, turns over at 10 MiB, and five old ones are kept. A line that cannot be written is lost and
counted: a full disk of logs stops no payment.
"""

import json
import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

from cbdc import private
from cbdc.errors import Unavailable

REQUESTS = "tenge.requests"
MOST_BYTES = 10 * 1_048_576
KEPT_FILES = 5
_SHOWN_FRAMES = 12
_FIELDS = "fields"

Nothing = Callable[[], None]


def nothing() -> None:
    """Nobody counts."""


class JsonLines(logging.Formatter):
    """A record as one line of JSON with sorted keys."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, object] = {
            "time": int(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        fields = getattr(record, _FIELDS, None)
        if isinstance(fields, Mapping):
            line |= fields
        else:
            line["message"] = record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            kind, _, trace = record.exc_info
            line["exception"] = kind.__name__
            line["places"] = [
                f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(trace)[-_SHOWN_FRAMES:]
            ]
        return json.dumps(line, ensure_ascii=True, sort_keys=True, separators=(",", ":"))


class _File(RotatingFileHandler):
    def __init__(self, path: Path, lost: Nothing) -> None:
        private.make_file(path)
        self._lost = lost
        super().__init__(path, maxBytes=MOST_BYTES, backupCount=KEPT_FILES, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="utf-8", opener=private.opener)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Lose the line, and count it."""
        self._lost()


class _Stream(logging.StreamHandler[TextIO]):
    def __init__(self, lost: Nothing) -> None:
        super().__init__(sys.stderr)
        self._lost = lost

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Lose the line, and count it."""
        self._lost()


class Log:
    """The log of one server, at `where`: a file, or `-` for standard error. Close it at the end; E_LOG_FILE."""

    def __init__(self, where: str, lost: Nothing = nothing) -> None:
        try:
            self._handler: logging.Handler = _Stream(lost) if where == "-" else _File(Path(where), lost)
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or type(error).__name__
            raise Unavailable("E_LOG_FILE", path=where, problem=problem) from None
        self._handler.setFormatter(JsonLines())
        self._root = logging.getLogger()
        self._requests = logging.getLogger(REQUESTS)
        self._before = self._requests.level
        self._requests.setLevel(logging.INFO)
        self._root.addHandler(self._handler)

    def request(self, **fields: object) -> None:
        """One line of a request."""
        self._requests.info("request", extra={_FIELDS: fields})

    def close(self) -> None:
        """Write no more."""
        self._root.removeHandler(self._handler)
        self._requests.setLevel(self._before)
        self._handler.close()
