"""The reference of the HTTP interface: the OpenAPI document at `/v1/openapi.json`, and the same as a page to read."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Response

from wallets.site.app import Site
from wallets.site.document import operations
from wallets.site.interface import written

DOCUMENT_PATH = "/v1/openapi.json"
PAGE_PATH = "/v1/docs"
PATHS = (DOCUMENT_PATH, PAGE_PATH)

Make = Callable[[], Mapping[str, Any]]


def install(app: Flask, site: Site, make: Make) -> None:
    """Put the two routes into the application; `make` gives the document."""

    def document() -> Response:
        return written(make())

    def page() -> Response:
        return site.page("roles/partners/reference.html", groups=groups(dict(make())))

    app.add_url_rule(DOCUMENT_PATH, "openapi", document, methods=["GET"])
    app.add_url_rule(PAGE_PATH, "reference", page, methods=["GET"])


def groups(document: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The operations of a document by their tag, each as what a reader wants to know of it."""
    found: dict[str, list[dict[str, Any]]] = {}
    for method, path, operation in operations(document):
        found.setdefault(operation["tags"][0], []).append(row(method, path, operation))
    return sorted(found.items())


def row(method: str, path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    """One operation for a reader: what it takes, how it is authorised, which statuses it answers."""
    takes = ""
    content = operation.get("requestBody", {}).get("content", {})
    for media, body in content.items():
        fields = body["schema"].get("properties", {})
        takes = operation["requestBody"].get("description", "") or ", ".join(fields) or media
    [security] = operation.get("security") or [{}]
    return {
        "method": method,
        "path": path,
        "summary": operation["summary"],
        "takes": takes,
        "authorised": next(iter(security), ""),
        "statuses": ", ".join(operation["responses"]),
    }
