"""The pages: landing, sign-in, and one desk a role, all made from the table of operations and queries.

A form posts to `/ROLE/do/OPERATION` and is answered by a redirect to the page it stood on, which then shows what
happened: the sentence of success, or the refusal with its rule, facts and next step and the values as they were typed.
They come back in the very form that sent them, which its values from the page tell apart from others like it.
The page to return to is checked to be a page of that very desk.
"""

import re
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, g, make_response, redirect, request

from cbdc.errors import Malformed, Refused, TengeError
from wallets.desk import derived
from wallets.site.app import Site
from wallets.site.forms import form_fields
from wallets.site.operations import MAX_UPLOAD_BYTES, Asked, Download, Operation, read_form, read_request_id
from wallets.site.table import OPEN_ROLES, VISITOR
from wallets.site.users import ROLES, User
from wallets.web.words import refusal_words

NO_ID = bytes(32)
_PAGE = re.compile(r"/[a-z-]+(?:/[A-Za-z0-9_.:-]{0,160}){0,3}(?:\?[A-Za-z0-9_=&.:-]{0,200})?", re.ASCII)
_OWN = frozenset({"csrf", "request_id", "back", "which"})
_WRONG = "(field)"
_PROBLEM = "(problem)"


def install(app: Flask, site: Site) -> None:
    """Put the pages' routes into the application."""
    pages = Pages(site)
    rules = (
        ("/", "GET", pages.landing),
        ("/sign-in/<role>", "GET", pages.ask_who),
        ("/sign-in/<role>", "POST", pages.sign_in),
        ("/sign-out/<role>", "POST", pages.sign_out),
        ("/<role>/", "GET", pages.home),
        ("/<role>/<name>", "GET", pages.show),
        ("/<role>/<name>/<argument>", "GET", pages.show),
        ("/<role>/do/<name>", "POST", pages.do),
        ("/<role>/events", "GET", pages.events),
    )
    for path, method, view in rules:
        app.add_url_rule(path, endpoint=f"{view.__name__} {method} {path}", view_func=view, methods=[method])


def own_page(path: str, role: str) -> str:
    """A page of the role's desk to go to: `path` if it is one, otherwise the desk's first page."""
    home = f"/{role}/"
    return path if path.startswith(home) and _PAGE.fullmatch(path) and ".." not in path else home


class Pages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def landing(self) -> Response:
        """What this is, and who may sign in."""
        world = self._site.world
        with world.lock:
            supply = world.sandbox.supply()
            size = world.system.ledger.size
        left = request.args.get("left", "")
        return self._site.page(
            "landing.html",
            supply=supply,
            entries=size,
            act=world.memory.act,
            left=left if left in ROLES else "",
        )

    # --- signing in ---

    def ask_who(self, role: str) -> Response:
        """The sign-in page of a role."""
        return self._ask_who(role, None, 200)

    def _ask_who(self, role: str, refusal: Mapping[str, str] | None, status: int) -> Response:
        if role not in ROLES:
            raise Refused("E_SITE_PATH")
        users = self._site.world.users
        shown = self._site.options.show_passcodes
        rows = [(user, users.passcode(user) if shown else "") for user in users.of_role(role)]
        return self._site.page(
            "sign_in.html",
            status,
            desk=role,
            shown=shown,
            users=rows,
            refusal=refusal,
            next=request.values.get("next", ""),
        )

    def sign_in(self, role: str) -> Response:
        """Sign a user in, and go to the page that was asked for."""
        site = self._site
        site.check_form()
        try:
            user = site.world.users.get(request.form.get("user", ""))
            if user.role != role:
                raise Refused("E_SITE_USER", user=user.id)
            g.session = site.sessions.sign_in(site.session(), user.id, request.form.get("passcode", ""))
        except TengeError as error:
            words = refusal_words(error, site.words.spoken(g.language))
            return self._ask_who(role, words, 429 if error.code == "E_SITE_WAIT" else 403)
        return make_response(redirect(own_page(request.form.get("next", ""), role), 303))

    def sign_out(self, role: str) -> Response:
        """Sign the role's user out."""
        site = self._site
        site.check_form()
        session = site.session()
        if session is not None:
            site.sessions.sign_out(session, role)
            g.session = None
        return make_response(redirect(f"/?left={role}" if role in ROLES else "/", 303))

    # --- desks ---

    def _who(self, role: str) -> User:
        if role in OPEN_ROLES:
            return VISITOR
        if role not in ROLES:
            raise Refused("E_SITE_PATH")
        return self._site.user(role)

    def home(self, role: str) -> Response:
        """The first page of a desk."""
        return self.show(role, "")

    def show(self, role: str, name: str, argument: str | None = None) -> Response:
        """A page of a desk."""
        user = self._who(role)
        query = self._site.table.query(role, name, argument)
        arguments = dict(request.args.items()) | ({query.takes: argument} if argument is not None else {})
        world = self._site.world
        with world.lock:
            seen = world.system.ledger.size
            answer = query.handler(Asked(world, user, NO_ID, g.language), arguments)
        if isinstance(answer, Download):
            return as_file(answer)
        return self._site.page(
            query.page,
            role=role,
            query=query,
            title=query.title,
            form=self._form(role),
            news_seen=seen,
            **answer,
        )

    def _form(self, role: str) -> Any:
        """What a template asks for a form: its operation, its fields, and the request id it will carry."""
        session = self._site.need_session()

        def form(name: str, choices: Mapping[str, Any] | None = None, /, **values: object) -> dict[str, Any]:
            operation = self._site.table.operation(role, name)
            given = {key: str(value) for key, value in values.items()}
            which = derived("site form", name, repr(sorted(given.items()))).hex()[:16]
            typed = session.take_typed(role, f"{name} {which}") or given
            return {
                "operation": operation,
                "action": f"/{role}/do/{name}",
                "fields": form_fields(
                    operation, typed, choices, (typed.get(_WRONG, ""), typed.get(_PROBLEM, ""))
                ),
                "which": which,
                "request_id": session.fresh_request(),
                "csrf": session.csrf,
                "back": request.full_path.rstrip("?"),
            }

        return form

    def do(self, role: str, name: str) -> Response:
        """Carry out an operation from a form, and return to its page."""
        site = self._site
        site.check_form()
        user = site.user(role)
        operation = site.table.operation(role, name)
        session = site.need_session()
        values = {key: value for key, value in request.form.items() if key not in _OWN}
        for key in values:
            if len(request.form.getlist(key)) > 1:
                values[key] = " ".join(request.form.getlist(key))
        try:
            values |= uploaded()
            asked_id = read_request_id(request.form.get("request_id"))
            answer = carry_out(site, operation, user, asked_id, read_form(operation, values), g.language)
            session.flash(role, {"done": operation.done, "facts": answer})
        except TengeError as error:
            wrong = self._point_at_field(error, operation)
            words = refusal_words(error, site.words.spoken(g.language))
            session.flash(role, {"refusal": words, "operation": name, "field": wrong})
            notes = {_WRONG: wrong, _PROBLEM: words["sentence"]}
            session.keep_typed(role, f"{name} {request.form.get('which', '')[:16]}", values | notes)
        return make_response(redirect(own_page(request.form.get("back", ""), role), 303))

    def _point_at_field(self, error: TengeError, operation: Operation) -> str:
        """The name of the field that a refusal is about, or nothing; the refusal names it as the form does."""
        name = str(error.facts.get("field", ""))
        for one in form_fields(operation):
            if one.name == name:
                error.facts["field"] = self._site.words.say(g.language, one.title)
                return name
        return ""

    def events(self, role: str) -> Response:
        """Server-sent events: something in the sandbox changed."""
        self._who(role)
        return event_stream(self._site, b"")


def uploaded() -> dict[str, str]:
    """The files of a form, in hexadecimal under the names of their fields; E_WEB_SIZE for one that is too large."""
    found = {}
    for name, file in request.files.items():
        data = file.stream.read(MAX_UPLOAD_BYTES + 1)
        if len(data) > MAX_UPLOAD_BYTES:
            raise Malformed("E_WEB_SIZE", limit_bytes=MAX_UPLOAD_BYTES)
        if data:
            found[name] = data.hex()
    return found


def as_file(download: Download) -> Response:
    """A query's file as an answer."""
    response = make_response(download.data)
    response.mimetype = download.kind
    kind = "inline" if download.shown else "attachment"
    response.headers.set("Content-Disposition", kind, filename=download.name)
    if download.policy:
        response.headers["Content-Security-Policy"] = download.policy
    return response


def carry_out(
    site: Site, operation: Operation, user: User, request_id: str, fields: Any, language: str
) -> dict[str, Any]:
    """The answer of an operation, once for a request id of a user; raises its refusals, and E_ID_REUSED."""
    world = site.world
    mark = derived(operation.role, operation.name, user.id, repr(fields)).hex()

    def do(id: bytes) -> dict[str, Any]:
        return operation.handler(Asked(world, user, id, language), fields)

    return world.once(f"{user.id} {request_id}", mark, do)


def event_stream(site: Site, kid: bytes) -> Response:
    """The news of a key (all news for no key) as an endless answer; E_SITE_LISTENERS."""
    hub = site.world.hub
    subscriber = hub.subscribe(kid)
    response = Response(hub.stream(subscriber, site.world.system.ledger.size), mimetype="text/event-stream")
    response.call_on_close(lambda: hub.leave(subscriber))
    response.headers["X-Accel-Buffering"] = "no"
    return response
