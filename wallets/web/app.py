"""The stage over HTTP: one page, and its JSON twin.

    GET  /                        the page, in the language of ?language=, of a cookie, or of the browser
    GET  /api/stage               everything the page shows; 304 when it is what the browser has
    POST /api/ACTION              a wish: {"request_id": ..., fields...}; the answer holds the stage after it
    GET  /evidence/FILE           the bytes of a proof; /evidence/root.dto: of the root to check it with

Rules kept here:

- only names of this computer (or the host that was asked for) are answered, so that no foreign page can point its own
  name here;
- every POST carries the token of a page of this very server, bound to the browser's session by a cookie that is sent
  to no request from elsewhere;
- the page may load nothing but its own files, and nothing in it is inline; no answer is ever cached or framed;
- a refusal is an answer with its code, rule, sentence and next step; whatever is sent, nobody sees a traceback.
"""

import hmac
import ipaddress
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, g, jsonify, make_response, render_template, request, session
from werkzeug.exceptions import HTTPException

from cbdc.errors import Malformed, Refused, TengeError
from cbdc.ports import Entropy
from wallets.web import scene
from wallets.web.stage import Stage
from wallets.web.wishes import ACTIONS
from wallets.web.words import LANGUAGES, choose_language, refusal_words, say, texts

MAX_REQUEST_BYTES = 4_096
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
DOWNLOAD = "application/octet-stream"
ROOT_FILE = "root.dto"

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; object-src 'none';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
STATUS = {"malformed": 400, "refused": 409, "unavailable": 503}
_STATUS_OF = {
    "E_WEB_HOST": 421,
    "E_WEB_SESSION": 403,
    "E_WEB_SIZE": 413,
    "E_WEB_PATH": 404,
    "E_STAGE_PROOF": 404,
}

log = logging.getLogger("tenge.stage")


@dataclass(frozen=True, slots=True)
class Door:
    """Under which names the server answers: `names`, and any literal address when `any_address` (a wildcard host).

    `cookie` names the session's cookie: two stages on one computer must not share one.
    """

    names: frozenset[str] = LOCAL_NAMES
    any_address: bool = False
    cookie: str = "tenge_stage"

    def knows(self, host: str) -> bool:
        """Whether a Host header names this server."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        name = name.removeprefix("[").removesuffix("]").lower()
        return name in self.names or (self.any_address and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def create_app(stage: Stage, entropy: Entropy, door: Door | None = None) -> Flask:
    """The application around a stage; `entropy` makes the key of its sessions."""
    app = Flask(__name__, static_folder="static", template_folder="templates")
    app.config.update(
        SECRET_KEY=entropy.bytes("stage session", b"key"),
        SESSION_COOKIE_NAME=(door or Door()).cookie,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_HTTPONLY=True,
        MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_REQUEST_BYTES,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    _Site(app, stage, entropy, door or Door())
    return app


class _Site:
    """The routes, and what surrounds each of them."""

    def __init__(self, app: Flask, stage: Stage, entropy: Entropy, door: Door) -> None:
        self._stage = stage
        self._entropy = entropy
        self._door = door
        self._token_key = entropy.bytes("stage token", b"key")
        self._birth = entropy.bytes("stage birth", b"tag", 8).hex()
        self._sessions = 0
        app.before_request(self._enter)
        app.after_request(self._leave)
        app.register_error_handler(TengeError, _refuse)
        app.register_error_handler(HTTPException, _refuse_http)
        app.register_error_handler(Exception, _break)
        rules: tuple[tuple[str, str, Callable[..., Any]], ...] = (
            ("/", "GET", self._page),
            ("/api/stage", "GET", self._look),
            ("/api/<action>", "POST", self._wish),
            ("/evidence/<file>", "GET", self._proof),
        )
        for path, method, view in rules:
            app.add_url_rule(path, endpoint=view.__name__, view_func=view, methods=[method])

    # --- around every request ---

    def _enter(self) -> None:
        g.language = choose_language("", request.headers.get("Accept-Language", ""))
        if not self._door.knows(request.headers.get("Host", "")):
            raise Refused("E_WEB_HOST", host=request.headers.get("Host", "")[:80])
        wished = request.args.get("language", "") or str(session.get("language", ""))
        g.language = choose_language(wished, request.headers.get("Accept-Language", ""))
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            self._check_session()

    @staticmethod
    def _leave(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers[name] = value
        if request.endpoint == "static" and response.status_code == 200:
            # The browser may keep a file, if it asks each time whether it is still the same.
            response.headers["Cache-Control"] = "no-cache"
        return response

    def _token(self) -> str:
        return hmac.digest(self._token_key, str(session["id"]).encode(), "sha256").hex()

    def _check_session(self) -> None:
        given = request.headers.get("X-Stage-Token", "")
        origin = request.headers.get("Origin")
        foreign = origin is not None and origin.partition("://")[2] != request.headers.get("Host", "")
        known = "id" in session and hmac.compare_digest(given.encode(), self._token().encode())
        if foreign or not known:
            raise Refused("E_WEB_SESSION")

    # --- the page ---

    def _page(self) -> Response:
        if "id" not in session:
            self._sessions += 1
            session["id"] = self._entropy.bytes("stage session", self._sessions.to_bytes(8, "big"), 16).hex()
        if request.args.get("language") in LANGUAGES:
            session["language"] = g.language
        words = texts(g.language)
        page = render_template(
            "stage.html",
            language=g.language,
            languages=[(name, texts(name)["language"]) for name in LANGUAGES],
            token=self._token(),
            phones=[(phone.id, phone.kind) for phone in self._stage.phones.values()],
            t=lambda key, **facts: say(g.language, key, **facts) if facts else words[key],
        )
        return make_response(page)

    # --- its twin ---

    def _look(self) -> Response:
        # One version of one stage is one text in one language, so its tag needs no hash.
        tag = f"{self._birth}-{self._stage.memory.act}-{self._stage.memory.version}-{g.language}"
        response = make_response("", 304) if request.if_none_match.contains(tag) else self._show()
        response.set_etag(tag)
        return response

    def _show(self) -> Response:
        return jsonify({"ok": True, "stage": scene.view(self._stage, g.language)})

    def _wish(self, action: str) -> Response:
        body = _json_object()
        request_id = body.pop("request_id", None)
        try:
            self._stage.act(request_id, action, body)
        except TengeError as error:
            answer = {"ok": False, "error": refusal_words(error, g.language)}
            if action in ACTIONS:
                answer["stage"] = scene.view(self._stage, g.language)
            return make_response(jsonify(answer), _status(error))
        return self._show()

    def _proof(self, file: str) -> Response:
        return _download(self._stage.root() if file == ROOT_FILE else self._stage.proof(file), file)


def _download(data: bytes, name: str) -> Response:
    response = make_response(data)
    response.headers["Content-Type"] = DOWNLOAD
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _json_object() -> dict[str, Any]:
    if request.mimetype != "application/json":
        raise Malformed("E_WEB_JSON")
    try:
        body = request.get_json()
    except HTTPException as error:
        if error.code == 413:
            raise
        raise Malformed("E_WEB_JSON") from None
    except RecursionError:
        raise Malformed("E_WEB_JSON") from None
    if not isinstance(body, dict):
        raise Malformed("E_WEB_JSON")
    return body


def _status(error: TengeError) -> int:
    return _STATUS_OF.get(error.code, STATUS[error.family])


def _refuse(error: TengeError) -> Response:
    return make_response(jsonify({"ok": False, "error": refusal_words(error, g.language)}), _status(error))


def _refuse_http(error: HTTPException) -> Response:
    """What the framework refuses before any of our code: a path, a method, a size."""
    if error.code == 413:
        return _refuse(Malformed("E_WEB_SIZE", limit_bytes=MAX_REQUEST_BYTES))
    if error.code is not None and 300 <= error.code < 400:
        return _refuse(Malformed("E_WEB_PATH"))
    answer = _refuse(Malformed("E_WEB_PATH" if error.code in (404, 405) else "E_WEB_JSON"))
    answer.status_code = error.code or 400
    return answer


def _break(error: Exception) -> Response:
    """A bug: told to the log with its traceback, and to the page in one sentence."""
    log.error("a request broke: %s", type(error).__name__, exc_info=error)
    words = {
        "code": "BUG",
        "rule": "",
        "sentence": say(g.language, "page.bug"),
        "next": say(g.language, "page.bug_next"),
    }
    return make_response(jsonify({"ok": False, "error": words}), 500)
