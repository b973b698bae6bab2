"""The wallet's files and its news.

The wallet is an application of static files; it gets no cookie and no form. Its page may use the camera and compile the
QR reader, which no other page here may. `/v1/wallets/<key id>/events` tells it that something of its own changed, and
nothing of what: it asks with its own proof.
"""

from pathlib import Path

from flask import Flask, Response, jsonify, request, send_from_directory

from cbdc.errors import Malformed
from wallets.site.app import POLICY, Site
from wallets.site.pages import event_stream
from wallets.site.wallet_list import wallet_list
from wallets.site.words import LANGUAGES

WALLET_POLICY = (
    POLICY.replace("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'") + "; worker-src 'self'"
)
WALLET_HEADERS = {
    "Content-Security-Policy": WALLET_POLICY,
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",
}


def install(app: Flask, site: Site) -> None:
    """Put the wallet's routes into the application."""

    def wallet(file: str = "index.html") -> Response:
        response = send_from_directory(f"{app.static_folder}/wallet", file)
        for name, value in WALLET_HEADERS.items():
            response.headers[name] = value
        return response

    def words(language: str) -> Response:
        return Response(
            site.words.json(language), mimetype="application/json", headers={"Cache-Control": "no-cache"}
        )

    def files() -> Response:
        texts = {
            f"/wallet/text/{language}.json": site.words.json(language).encode() for language in LANGUAGES
        }
        response = jsonify(wallet_list(Path(str(app.static_folder)), texts))
        response.headers["Cache-Control"] = "no-store"
        return response

    def events(kid: str) -> Response:
        try:
            key = bytes.fromhex(kid)
        except ValueError:
            key = b""
        if len(key) != 32:
            raise Malformed("E_HTTP_ARGUMENT", name="kid", value=kid[:80])
        site.world.require_wallets_network(kid)
        return event_stream(site, key)

    def cached(response: Response) -> Response:
        if request.endpoint == "static" and response.status_code == 200:
            response.headers["Cache-Control"] = "no-cache"
        return response

    app.add_url_rule("/wallet/", "wallet", wallet)
    app.add_url_rule("/wallet/<path:file>", "wallet file", wallet)
    app.add_url_rule("/wallet/files.json", "wallet list", files)
    app.add_url_rule("/wallet/text/<language>.json", "wallet words", words)
    app.add_url_rule("/v1/wallets/<kid>/events", "wallet events", events)
    app.after_request(cached)
