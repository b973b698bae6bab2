"""The desks over HTTP, for programs: everything a page does, as JSON.

    POST   /v1/sessions                        {"user": ..., "passcode": ...} -> {"token": ..., "role": ...}
    DELETE /v1/sessions                        the token ends
    GET    /v1/roles/ROLE/NAME[/ARGUMENT]      a query's answer (NAME "home" is the desk's first page)
    POST   /v1/roles/ROLE/NAME                 an operation: {"request_id": ..., fields...} -> its answer

The token travels as `Authorization: Bearer ...` and never as a cookie, so no page of another site can use it. Refusals
are problems (RFC 9457). The explorer's queries need no token.
"""

import json
from typing import Any

from flask import Flask, Response, g, request

from cbdc.errors import Malformed, Refused
from wallets.site.app import MAX_FORM_BYTES, Site
from wallets.site.operations import Asked, Download, read_json, read_request_id
from wallets.site.pages import NO_ID, as_file, carry_out
from wallets.site.table import OPEN_ROLES, VISITOR
from wallets.site.users import User

HOME = "home"


def install(app: Flask, site: Site) -> None:
    """Put the interface's routes into the application."""
    desks = Desks(site)
    rules = (
        ("/v1/sessions", "POST", desks.sign_in),
        ("/v1/sessions", "DELETE", desks.sign_out),
        ("/v1/roles/<role>/<name>", "GET", desks.see),
        ("/v1/roles/<role>/<name>/<argument>", "GET", desks.see),
        ("/v1/roles/<role>/<name>", "POST", desks.do),
    )
    for path, method, view in rules:
        app.add_url_rule(path, endpoint=f"{method} {path}", view_func=view, methods=[method])


def written(value: Any, status: int = 200) -> Response:
    """A JSON answer; bytes as hexadecimal."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_plain)
    return Response(text, status, mimetype="application/json")


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    names = getattr(type(value), "__slots__", None)
    if names:
        return {name: getattr(value, name) for name in names if not name.startswith("_")}
    return str(value)


def json_object() -> dict[str, Any]:
    """The body, a JSON object; E_WEB_JSON, E_WEB_SIZE."""
    if (request.content_length or 0) > MAX_FORM_BYTES:
        raise Malformed("E_WEB_SIZE", limit_bytes=MAX_FORM_BYTES)
    try:
        body = json.loads(request.get_data(cache=False) or b"null")
    except (ValueError, RecursionError):
        raise Malformed("E_WEB_JSON") from None
    if request.mimetype != "application/json" or not isinstance(body, dict):
        raise Malformed("E_WEB_JSON")
    return body


class Desks:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def sign_in(self) -> Response:
        """A token for a user; raises E_SITE_USER, E_SITE_PASSCODE, E_SITE_WAIT."""
        body = json_object()
        user_id, passcode = body.get("user"), body.get("passcode")
        if not isinstance(user_id, str) or not isinstance(passcode, str):
            raise Malformed("E_SITE_FIELD", field="user, passcode", problem="both must be texts")
        session = self._site.sessions.sign_in(None, user_id, passcode)
        user = self._site.world.users.get(user_id)
        return written({"token": session.name, "role": user.role, "user": user.id})

    def sign_out(self) -> Response:
        """The token ends."""
        session = self._site.bearer()
        for role in list(session.users):
            self._site.sessions.sign_out(session, role)
        return written({})

    def _who(self, role: str) -> User:
        if role in OPEN_ROLES:
            return VISITOR
        user = self._site.bearer().users.get(role)
        if user is None:
            raise Refused("E_SITE_ROLE", role=role)
        return user

    def see(self, role: str, name: str, argument: str | None = None) -> Response:
        """The answer of a query."""
        user = self._who(role)
        query = self._site.table.query(role, "" if name == HOME else name, argument)
        arguments = dict(request.args.items()) | ({query.takes: argument} if argument is not None else {})
        world = self._site.world
        with world.lock:
            answer = query.handler(Asked(world, user, NO_ID, g.language), arguments)
        return as_file(answer) if isinstance(answer, Download) else written(answer)

    def do(self, role: str, name: str) -> Response:
        """Carry out an operation, once for its request id."""
        user = self._who(role)
        operation = self._site.table.operation(role, name)
        body = json_object()
        request_id = read_request_id(body.pop("request_id", None))
        return written(
            carry_out(self._site, operation, user, request_id, read_json(operation, body), g.language)
        )
