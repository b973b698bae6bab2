"""The sandbox's site over HTTP: landing page, sign-in, one desk a role, the wallet's files, and the HTTP interface.

    GET  /                         what this is, and who may sign in
    GET  /sign-in/ROLE, POST       a user and a passcode; POST /sign-out/ROLE
    GET  /ROLE/..., POST /ROLE/do/OPERATION      the desks: see `wallets.site.pages`
    /wallet/...                    the wallet's files: see `wallets.site.wallet_files`
    /v1/...                        the HTTP interface: see `wallets.site.interface` and `cbdc.http`
    /stage/...                     the stage

Rules kept here:

- only names of this computer (or the host that was asked for) are answered, so that no foreign page can point its own
  name here;
- every form carries the token of its session, and a request that a browser says comes from another site is refused;
- a page loads nothing but this server's files and nothing in it is inline; nobody may frame it, and no page is cached;
- bodies are bounded before they are read, and requests that change something are counted against their address;
- a refusal is an answer with its code, rule, facts and next step; whatever is sent, nobody sees a traceback.
"""

import hmac
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from flask import Response, g, make_response, redirect, render_template, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from cbdc.errors import Malformed, Refused, TengeError, Unavailable
from cbdc.http.routes import RateLimit, fingerprint
from cbdc.http.server import problem
from cbdc.ports import Clock, Entropy
from wallets.site.pictures import qr_picture
from wallets.site.sessions import Session, Sessions
from wallets.site.table import TABLE, Table
from wallets.site.users import ROLE_SIGHTS, ROLE_TITLES, ROLES, User
from wallets.site.words import Words, choose
from wallets.site.world import World
from wallets.web.app import HEADERS as STAGE_HEADERS
from wallets.web.app import POLICY as STAGE_POLICY
from wallets.web.app import STATUS, Door
from wallets.web.words import refusal_words

MAX_FORM_BYTES = 65_536
LANGUAGE_COOKIE = "language"
THEME_COOKIE = "theme"
THEMES = ("light", "dark")
LANGUAGE_SECONDS = 365 * 86_400

# As the stage's, but pictures may stand in the page itself.
POLICY = STAGE_POLICY.replace("img-src 'self'", "img-src 'self' data:")
HEADERS = STAGE_HEADERS | {
    "Content-Security-Policy": POLICY,
    # With "no-referrer" a browser hides the origin of a form from its own server too, and that is what is checked.
    "Referrer-Policy": "same-origin",
}
_STATUS_OF = {
    "E_WEB_HOST": 421,
    "E_SITE_FORM": 403,
    "E_SITE_SIGN_IN": 401,
    "E_SITE_ROLE": 403,
    "E_SITE_PASSCODE": 403,
    "E_SITE_WAIT": 429,
    "E_HTTP_RATE": 429,
    "E_WEB_SIZE": 413,
    "E_SITE_PATH": 404,
    "E_HTTP_METHOD": 405,
}

log = logging.getLogger("tenge.site")


@dataclass(frozen=True, slots=True)
class Options:
    """How a site is served.

    `show_passcodes`: the sign-in page shows them (only this computer can reach it). `secure`: cookies are for TLS only.
    `pseudo`: the pseudo-language can be chosen. `authority`: the file
    of the authority that made the server's certificate. `per_second` and `burst` bound what one address may change.
    """

    door: Door = field(default_factory=lambda: Door(cookie="tenge_site"))
    show_passcodes: bool = False
    secure: bool = False
    pseudo: bool = False
    authority: Path | None = None
    per_second: int = 50
    burst: int = 200


def here(name: str, value: str) -> str:
    """The address of this page with one value of its query changed: its language, its colours."""
    return "?" + urlencode({**request.args.to_dict(), name: value})


class Site:
    """What all requests of the site share."""

    def __init__(self, world: World, entropy: Entropy, real_clock: Clock, options: Options) -> None:
        self.world = world
        self.options = options
        self.table: Table = TABLE
        self.clock = real_clock
        self.sessions = Sessions(world.users, entropy, real_clock)
        self.rate = RateLimit(real_clock, options.per_second, options.burst)
        self.words = Words(options.pseudo)
        self._incidents = 0
        world.on_reset.append(self._begin_anew)

    def _begin_anew(self) -> None:
        self.sessions.end_all()
        self.sessions.directory = self.world.users

    # --- who asks ---

    @staticmethod
    def session() -> Session | None:
        """The session of the present request."""
        found: Session | None = g.get("session")
        return found

    def user(self, role: str) -> User:
        """The user who sits at this role's desk in the present session; E_SITE_SIGN_IN."""
        session = self.session()
        user = session.users.get(role) if session is not None else None
        if user is None:
            raise Refused("E_SITE_SIGN_IN", role=role)
        return user

    def need_session(self) -> Session:
        """The session of the present request, started now if there was none."""
        if self.session() is None:
            g.session = self.sessions.start()
        session = self.session()
        assert session is not None
        return session

    def bearer(self) -> Session:
        """The session that a program's request names as its bearer token; E_SITE_SIGN_IN."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        session = self.sessions.find(token[:128]) if kind.lower() == "bearer" else None
        if session is None:
            raise Refused("E_SITE_SIGN_IN", role="")
        return session

    def check_form(self) -> None:
        """Return if the form came from a page of this session: E_SITE_FORM."""
        session = self.session()
        given = request.form.get("csrf", "")
        if session is None or not hmac.compare_digest(given.encode(), session.csrf.encode()):
            raise Refused("E_SITE_FORM")

    # --- around every request ---

    def enter(self) -> None:
        """Before a request: the host, the language, the session, where it came from, the rate."""
        g.language = choose("", "", request.headers.get("Accept-Language", ""))
        host = request.headers.get("Host", "")
        if not self.options.door.knows(host):
            raise Refused("E_WEB_HOST", host=host[:80])
        wished = request.args.get("language", "")
        kept = request.cookies.get(LANGUAGE_COOKIE, "")
        g.language = choose(wished, kept, request.headers.get("Accept-Language", ""), self.options.pseudo)
        g.keep_language = wished == g.language
        g.keep_theme = request.args.get("theme", "")
        theme = g.keep_theme or request.cookies.get(THEME_COOKIE, "")
        g.theme = theme if theme in THEMES else ""
        g.session = self.sessions.find(request.cookies.get(self.options.door.cookie, "")[:128])
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            self.rate.take(request.remote_addr or "")
            self._check_origin(host)

    @staticmethod
    def _check_origin(host: str) -> None:
        origin = request.headers.get("Origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise Refused("E_SITE_FORM")
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise Refused("E_SITE_FORM")

    def leave(self, response: Response) -> Response:
        """After a request: the headers, the session's cookie, the language's."""
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        session = self.session()
        if session is not None and request.cookies.get(self.options.door.cookie) != session.name:
            response.set_cookie(
                self.options.door.cookie,
                session.name,
                httponly=True,
                samesite="Strict",
                secure=self.options.secure,
            )
        if g.get("keep_language"):
            response.set_cookie(
                LANGUAGE_COOKIE,
                g.language,
                max_age=LANGUAGE_SECONDS,
                httponly=True,
                samesite="Lax",
                secure=self.options.secure,
            )
        if g.get("keep_theme"):
            response.set_cookie(
                THEME_COOKIE,
                g.theme,
                max_age=LANGUAGE_SECONDS if g.theme else 0,
                httponly=True,
                samesite="Lax",
                secure=self.options.secure,
            )
        return response

    # --- answers ---

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page in the language of the request, with what every page needs."""
        session = self.need_session()
        role = values.get("role", "")
        shared = {
            "language": g.language,
            "theme": g.get("theme", ""),
            "here": here,
            "languages": self.words.names(self.options.pseudo),
            "role": role,
            "roles": ROLES,
            "role_titles": ROLE_TITLES,
            "role_sights": ROLE_SIGHTS,
            "host_url": request.host_url,
            "qr": qr_picture,
            "user": session.users.get(role),
            "signed_in": session.users,
            "menu": self.table.menu(role) if role else [],
            "csrf": session.csrf,
            "path": request.path,
            "now": self.world.clock.now(),
            "flash": session.take_flash(role),
        }
        return make_response(render_template(template, **(shared | values)), status)

    def refusal(self, error: TengeError) -> Response:
        """A refusal as a page."""
        if request.path.startswith("/v1/"):
            answer = problem(error, self.words.spoken(g.language))
            status = _STATUS_OF.get(error.code, answer.status_code)
            if status != answer.status_code:  # the body names the status too
                body = answer.get_json(force=True) | {"status": status}
                answer.set_data(json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True))
            answer.status_code = status
            return answer
        words = refusal_words(error, self.words.spoken(g.language))
        status = _STATUS_OF.get(error.code, STATUS[error.family])
        if error.code == "E_SITE_SIGN_IN" and request.method == "GET":
            role = str(error.facts["role"])
            return make_response(redirect(f"/sign-in/{role}?next={quote(request.path)}", 303))
        return self.page("error.html", status, refusal=words)

    def http_refusal(self, error: HTTPException) -> Response:
        """What the framework refuses before any of our code: a path, a method, a size."""
        if error.code == 413:
            return self.refusal(Malformed("E_WEB_SIZE", limit_bytes=MAX_FORM_BYTES))
        if isinstance(error, MethodNotAllowed):
            other = Refused("E_HTTP_METHOD", method=request.method[:16], path=request.path[:120])
            answer = self.refusal(other)
            answer.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
            return answer
        if error.code == 404 or (error.code is not None and 300 <= error.code < 400):
            answer = self.refusal(Refused("E_SITE_PATH"))
            answer.status_code = 404
            return answer
        return self.refusal(Malformed("E_SITE_FIELD", field="request", problem=type(error).__name__))

    def broken(self, error: Exception) -> Response:
        """A bug: told to the log with its traceback, and to the page by a number."""
        self._incidents += 1
        number = fingerprint(f"{request.path} {self.clock.now()} {self._incidents}")
        log.error("incident %s at %s %s", number, request.method, request.path, exc_info=error)
        answer = self.refusal(Unavailable("E_INTERNAL", incident=number))
        answer.status_code = 500
        return answer
