"""The class page for students: a name, and a wallet with a code. Nobody signs in; seats are as many as were opened."""

from pathlib import Path

from flask import Flask, Response, g, make_response, redirect, request

from cbdc.errors import Refused, TengeError
from wallets.site.app import Site
from wallets.site.classroom import seats_of, take_seat
from wallets.site.operations import read_request_id
from wallets.web.words import refusal_words

CERTIFICATE_KIND = "application/x-x509-ca-cert"


def install(app: Flask, site: Site) -> None:
    """Put the class page's routes into the application."""

    def shown(refusal: TengeError | None = None, status: int = 200) -> Response:
        session = site.need_session()
        return site.page(
            "class.html",
            status,
            seats=seats_of(site.world),
            refusal=None if refusal is None else refusal_words(refusal, site.words.spoken(g.language)),
            request_id=session.fresh_request(),
            tls=site.options.secure,
        )

    def take() -> Response:
        site.check_form()
        try:
            asked = read_request_id(request.form.get("request_id"))
            seat = take_seat(site.world, request.form.get("name", ""), asked)
        except TengeError as error:
            return shown(error, 409)
        target = f"/wallet/?as={seat.user.id}#join={seat.code}&bank={seat.user.bank_id}"
        return make_response(redirect(target, 303))

    def authority() -> Response:
        path = site.options.authority
        if path is None:
            raise Refused("E_SITE_PATH")
        response = make_response(Path(path).read_bytes())
        response.mimetype = CERTIFICATE_KIND
        response.headers.set("Content-Disposition", "attachment", filename="digital-tenge-sandbox.crt")
        return response

    app.add_url_rule("/class/", "class", shown)
    app.add_url_rule("/class/", "class take", take, methods=["POST"])
    app.add_url_rule("/class/authority.crt", "class authority", authority)
