"""One OpenAPI 3.1 document of everything under `/v1/`: the institutions, wallets, third parties, and the desks.

It is made from what the server itself is made from: the tables of routes, the table of operations and queries, and the
structs of their fields. Every status that a route can answer is listed by its number and no other is answered; tests
throw made-up requests at all of it and compare. Examples are requests that were really made (`wallets.site.examples`).

Canonical bodies stand in examples in hexadecimal, since JSON has no bytes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec

from cbdc.errors import by_code
from cbdc.http import wire
from cbdc.http.partners import CALL_HEADER
from cbdc.http.routes import Route, openapi, reference
from wallets.site.operations import Operation, Query
from wallets.site.table import OPEN_ROLES, Table

Json = dict[str, Any]

VERSION = "1"
TITLE = "Digital tenge sandbox"
ABOUT = (
    "Test money; not affiliated with the National Bank of Kazakhstan. Amounts are whole tiyn (1 tenge = 100 tiyn),"
    " byte strings lower-case hexadecimal, moments Unix seconds. What is judged is canonical bytes and signed; examples"
    " show such bodies in hexadecimal. Refusals are problems (RFC 9457) with a code, the rule, the facts and what to do"
    " next."
)
REQUEST_PATTERN = "^[A-Za-z0-9-]{16,64}$"
_JSON_TYPE = "application/json"
_EVENTS = "text/event-stream"
_HOME = "home"
_NAME = re.compile(r"\{(\w+)\}")
_ANSWER = {"type": "object", "description": "what the desk's page shows; bytes in hexadecimal"}


@dataclass(frozen=True, slots=True)
class Example:
    """A request that was made and what came back: `body` is JSON, or canonical bytes in hexadecimal."""

    operation: str
    path: str
    status: int
    answer: object
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = None


def make_document(
    routes: Sequence[Route],
    schemas: Mapping[str, Json],
    table: Table,
    examples: Iterable[Example] = (),
) -> Json:
    """The document of these routes and of the desks' table, with these examples."""
    document = openapi(routes, schemas)
    document["info"] = {"title": TITLE, "version": VERSION, "description": ABOUT}
    document["servers"] = [{"url": "/"}]
    for route in routes:
        operation = document["paths"][route.path][route.method.lower()]
        _complete(operation, route)
    for path, method, operation in [*_session_operations(), *_desk_operations(table), *_own_operations()]:
        document["paths"].setdefault(path, {})[method] = operation
    document["components"]["schemas"]["DeskAnswer"] = _ANSWER
    document["components"]["securitySchemes"] |= {
        "call": {"type": "apiKey", "in": "header", "name": CALL_HEADER},
        "desk": {"type": "http", "scheme": "bearer"},
    }
    document["tags"] = [{"name": name} for name in dict.fromkeys(_tags(document))]
    _put_examples(document, examples)
    return document


def operations(document: Json) -> Iterable[tuple[str, str, Json]]:
    """(method, path, operation) of everything in a document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _tags(document: Json) -> Iterable[str]:
    return (tag for _, _, operation in operations(document) for tag in operation["tags"])


# --- routes of the interface ---


def _complete(operation: Json, route: Route) -> None:
    """Replace "any other status" by the statuses that there are, and say how the request is authorised."""
    operation["tags"] = [_tag_of(route.path)]
    for code in (*_statuses(route), *_by_codes(route.refusals)):
        operation["responses"][str(code)] = _problem(code)
    operation["responses"].pop("default", None)
    operation["responses"] = dict(sorted(operation["responses"].items()))
    for parameter in operation["parameters"]:
        parameter["schema"] = {"type": "string", "maxLength": 200}
    if _is_call(route):
        operation["security"] = [{"call": []}]


def _is_call(route: Route) -> bool:
    return route.method == "GET" and CALL_HEADER in route.summary


def _statuses(route: Route) -> list[int]:
    found = [429, 503]
    if route.arguments:
        # A path with an unreadable argument, or one that the server's own map does not know (a slash in it, say).
        found += [400, 404, 422]
    if route.takes:
        found += [400, 404, 413, 415, 422]
    if route.roles:
        found += [400, 401, 403]
    if route.proof or _is_call(route) or "partner}" in route.path:
        found += [400, 401, 404]
    return found


def _by_codes(codes: Iterable[str]) -> list[int]:
    return [wire.status_of(by_code(code, {})) for code in codes]


def _problem(status: int) -> Json:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {wire.PROBLEM: {"schema": reference("Problem")}},
    }


def _tag_of(path: str) -> str:
    first = path.split("/")[2]
    return {
        "transactions": "ledger",
        "tokens": "ledger",
        "entries": "ledger",
        "consistency": "ledger",
        "head": "ledger",
        "health": "ledger",
        "supply": "ledger",
        "marks": "ledger",
        "keys": "wallets",
        "aliases": "wallets",
        "banks": "banks",
        "bank-titles": "banks",
        "consents": "third parties",
        "partner-orders": "third parties",
        "mandates": "third parties",
        "partners": "third parties",
        "participants": "banks",
        "offices": "offices",
        "webhooks": "third parties",
    }.get(first, first.removesuffix(".json"))


# --- the desks ---


def _session_operations() -> list[tuple[str, str, Json]]:
    texts = {"user": {"type": "string"}, "passcode": {"type": "string"}}
    token = {"token": {"type": "string"}, "role": {"type": "string"}, "user": {"type": "string"}}
    sign_in = {
        "operationId": "post_v1_sessions",
        "summary": "Sign a user in at a desk; the answer's token is the bearer token of everything there.",
        "tags": ["desks"],
        "parameters": [],
        "requestBody": _body(_closed(texts, list(texts))),
        "responses": _responses(_closed(token, list(token)), (400, 403, 413, 422, 429, 503)),
    }
    sign_out = {
        "operationId": "delete_v1_sessions",
        "summary": "The token ends.",
        "tags": ["desks"],
        "parameters": [],
        "security": [{"desk": []}],
        "responses": _responses(_closed({}, []), (401, 403, 429, 503)),
    }
    return [("/v1/sessions", "post", sign_in), ("/v1/sessions", "delete", sign_out)]


def _closed(properties: Json, required: list[str]) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _body(schema: Json, example: object = None) -> Json:
    content: Json = {"schema": schema} | ({} if example is None else {"example": example})
    return {"required": True, "content": {_JSON_TYPE: content}}


def _responses(schema: Json, statuses: Iterable[int]) -> Json:
    done = {"description": "done", "content": {_JSON_TYPE: {"schema": schema}}}
    return {"200": done} | {str(status): _problem(status) for status in sorted(set(statuses))}


def _desk_operations(table: Table) -> Iterable[tuple[str, str, Json]]:
    for query in table.queries.values():
        yield _query(query)
    for operation in table.operations.values():
        yield _operation(operation)


def query_path(query: Query) -> str:
    """Where a query's answer is read."""
    tail = f"/{{{query.takes}}}" if query.takes else ""
    return f"/v1/roles/{query.role}/{query.name or _HOME}{tail}"


def _query(query: Query) -> tuple[str, str, Json]:
    path = query_path(query)
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": f"which {name}",
            "schema": {"type": "string", "maxLength": 200},
        }
        for name in _NAME.findall(path)
    ]
    statuses = [400, 404, 409, 422, 429, 503] if parameters else [400, 422, 429, 503]
    found: Json = {
        "operationId": _operation_id("get", path),
        "summary": f"{query.title}.".replace("..", "."),
        "tags": [f"desk: {query.role}"],
        "parameters": parameters,
        "responses": _responses(reference("DeskAnswer"), statuses),
    }
    if query.is_file:
        found["responses"]["200"] = {
            "description": "a file",
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        }
        found["responses"] |= {str(status): _problem(status) for status in (404, 409)}
    if query.role not in OPEN_ROLES:
        found["security"] = [{"desk": []}]
        found["responses"] |= {str(status): _problem(status) for status in (401, 403)}
    return path, "get", found


def _operation(operation: Operation) -> tuple[str, str, Json]:
    path = f"/v1/roles/{operation.role}/{operation.name}"
    schema = body_schema(operation)
    summary = f"{operation.title}." + (" It cannot be taken back." if operation.danger else "")
    statuses = (400, 401, 403, 404, 409, 413, 422, 429, 503)
    return (
        path,
        "post",
        {
            "operationId": _operation_id("post", path),
            "summary": summary,
            "tags": [f"desk: {operation.role}"],
            "parameters": [],
            "security": [{"desk": []}],
            "requestBody": _body(schema, sample(schema)),
            "responses": _responses(reference("DeskAnswer"), statuses),
        },
    )


def _operation_id(method: str, path: str) -> str:
    return method + re.sub(r"\W+", "_", path).rstrip("_")


def body_schema(operation: Operation) -> Json:
    """The schema of an operation's body: its request id and its fields, and nothing else."""
    (_,), components = msgspec.json.schema_components(
        (operation.fields,), ref_template="#/components/schemas/{name}"
    )
    own = components[operation.fields.__name__]
    request_id = {
        "type": "string",
        "pattern": REQUEST_PATTERN,
        "description": "made by the client; the same request again gets the same answer",
    }
    properties = {"request_id": request_id} | _inlined(own.get("properties", {}), components)
    return _closed(properties, ["request_id", *own.get("required", [])])


def sample(schema: Json) -> Any:
    """A small value that a schema of ours allows: of each field something, the least, the first, the shortest."""
    if "default" in schema and "enum" not in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    for either in ("anyOf", "oneOf"):
        if either in schema:
            return sample(schema[either][0])
    kind = schema.get("type")
    if kind == "object":
        return {name: sample(schema["properties"][name]) for name in schema.get("required", [])}
    if kind == "integer":
        return max(1, schema.get("minimum", 1)) if schema.get("maximum", 1) else 0
    if kind == "array":
        return [sample(schema.get("items", {}))] * schema.get("minItems", 0)
    if kind == "boolean":
        return False
    return _sample_text(schema)


_CLASS = re.compile(r"\[([^\]])[^\]]*\](?:\{(\d+)[^}]*\}|[*+?])?")


def _spelled(found: re.Match[str]) -> str:
    """A class of letters in a pattern as its first letter, as often as it must stand."""
    return found[1] * int(found[2] or 1)


def _sample_text(schema: Json) -> str:
    pattern = schema.get("pattern", "")
    if pattern == REQUEST_PATTERN:
        return "an-example-request-1"
    least, most = schema.get("minLength", 0), schema.get("maxLength", 40)
    texts = ["example" + "x" * max(0, least - 7), *(digit * max(1, least) for digit in "a01")]
    texts.append(_CLASS.sub(_spelled, pattern).strip("^$"))
    fitting: list[str] = [text[:most] for text in texts if re.search(pattern, text[:most])]
    return fitting[0] if fitting else texts[0]


def _inlined(value: Any, components: Mapping[str, Any]) -> Any:
    """A schema without references to structs of its own: each is written out where it stands."""
    if isinstance(value, list):
        return [_inlined(item, components) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _inlined(components[value["$ref"].rpartition("/")[2]], components)
    return {name: _inlined(item, components) for name, item in value.items()}


def _own_operations() -> list[tuple[str, str, Json]]:
    news = {
        "operationId": "get_v1_wallets_kid_events",
        "summary": "News of a wallet's key as server-sent events: something of its own changed.",
        "description": "An answer without an end; `changed` with the number of entries of the journal, and no more.",
        "tags": ["wallets"],
        "parameters": [
            {
                "name": "kid",
                "in": "path",
                "required": True,
                "description": "a 32-byte key id in hexadecimal",
                "schema": {"type": "string"},
            }
        ],
        "responses": {
            "200": {"description": "events", "content": {_EVENTS: {"schema": {"type": "string"}}}},
            **{str(status): _problem(status) for status in (400, 404, 429, 503)},
        },
    }
    page = {
        "operationId": "get_v1_docs",
        "summary": "This document as a page.",
        "tags": ["document"],
        "parameters": [],
        "responses": {
            "200": {"description": "a page", "content": {"text/html": {"schema": {"type": "string"}}}},
            **{str(status): _problem(status) for status in (429, 503)},
        },
    }
    document = {
        "operationId": "get_v1_openapi_json",
        "summary": "This interface as an OpenAPI document.",
        "tags": ["document"],
        "parameters": [],
        "responses": _responses(reference("Document"), (429, 503)),
    }
    return [
        ("/v1/wallets/{kid}/events", "get", news),
        ("/v1/docs", "get", page),
        ("/v1/openapi.json", "get", document),
    ]


# --- examples ---


def _put_examples(document: Json, examples: Iterable[Example]) -> None:
    by_id = {operation["operationId"]: operation for _, _, operation in operations(document)}
    for example in examples:
        operation = by_id[example.operation]
        shown: Json = {"path": example.path, "status": example.status}
        if example.headers:
            shown["headers"] = dict(example.headers)
        operation["x-example"] = shown
        if example.body is not None:
            for content in operation["requestBody"]["content"].values():
                content["example"] = example.body
        for content in operation["responses"][str(example.status)].get("content", {}).values():
            content["example"] = example.answer
