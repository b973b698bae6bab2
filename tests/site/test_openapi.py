"""The document of the interface: valid, complete, with examples that run and answers that fit their schemas."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from tests.site.visitor import Program, Visitor, opened
from wallets.site import examples
from wallets.site.document import body_schema, operations, sample
from wallets.site.table import TABLE
from wallets.site.whole import Whole

ENDLESS = {"get_v1_wallets_kid_events"}
PLAIN = {"get_v1_docs", "get_v1_openapi_json"}


@pytest.fixture(scope="module")
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one


@pytest.fixture(scope="module")
def document(whole: Whole) -> dict[str, Any]:
    answer = Visitor(whole).get("/v1/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.get_json()
    return found


def fits(document: dict[str, Any], schema: dict[str, Any], value: object) -> None:
    """The value is what the schema says; references lead into the document."""
    Draft202012Validator(schema | {"components": document["components"]}).validate(value)


def schema_of(operation: dict[str, Any], status: int) -> dict[str, Any]:
    [content] = operation["responses"][str(status)]["content"].values()
    found: dict[str, Any] = content["schema"]
    return found


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"] == "3.1.0"
    assert "not affiliated" in document["info"]["description"]
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names)) > 60


def test_the_document_has_every_route_query_and_operation(whole: Whole, document: dict[str, Any]) -> None:
    there = {(method, path) for method, path, _ in operations(document)}
    for route in whole.extension_routes():
        assert (route.method, route.path) in there
    for role, name in TABLE.operations:
        assert ("POST", f"/v1/roles/{role}/{name}") in there
    for query in TABLE.queries.values():
        assert ("GET", examples.query_path(query)) in there
    for rule in whole.app.url_map.iter_rules():
        if rule.rule.startswith("/v1/") and "<role>" not in rule.rule:
            path = rule.rule.replace("<", "{").replace(">", "}")
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                assert (method, path) in there


def test_every_operation_has_an_example(document: dict[str, Any]) -> None:
    for _, path, operation in operations(document):
        name = operation["operationId"]
        if name in ENDLESS | PLAIN or "application/json" not in operation["responses"]["200"]["content"]:
            continue
        if "requestBody" in operation:
            [content] = operation["requestBody"]["content"].values()
            assert "example" in content, name
        desk = path.startswith("/v1/roles/") and "requestBody" in operation
        assert desk or "x-example" in operation, name


def test_most_examples_show_what_is_done_and_not_what_is_refused(document: dict[str, Any]) -> None:
    shown = [
        operation["x-example"]["status"]
        for _, path, operation in operations(document)
        if "x-example" in operation and not path.startswith("/v1/roles/")
    ]
    assert sum(status != 200 for status in shown) <= 1
    assert len(shown) > 55


def test_examples_run_in_a_fresh_world_and_answer_the_same(document: dict[str, Any]) -> None:
    again = examples.examples_of(Whole.examples(), document)
    by_id = {operation["operationId"]: operation for _, _, operation in operations(document)}
    assert len(again) > 55
    for example in again:
        operation = by_id[example.operation]
        shown = operation["x-example"]
        assert (shown["path"], shown["status"]) == (example.path, example.status)
        [content] = operation["responses"][str(example.status)]["content"].values()
        assert content["example"] == example.answer, example.operation


def test_every_answer_of_the_story_is_documented_and_fits(document: dict[str, Any]) -> None:
    traffic = Whole.examples()
    assert len(traffic) > 90
    for one in traffic:
        [found] = examples.examples_of([one], document)
        operation = next(row for _, _, row in operations(document) if row["operationId"] == found.operation)
        assert str(found.status) in operation["responses"], (one.method, one.path, found.status)
        fits(document, schema_of(operation, found.status), found.answer)


@pytest.mark.parametrize(("role", "name"), sorted(TABLE.operations))
def test_the_example_of_an_operation_runs(document: dict[str, Any], role: str, name: str) -> None:
    operation = document["paths"][f"/v1/roles/{role}/{name}"]["post"]
    [content] = operation["requestBody"]["content"].values()
    fits(document, content["schema"], content["example"])
    with opened(seed=6) as fresh:
        user = fresh.world.users.of_role(role)[0]
        answer = Program(fresh, user.id).post(f"/v1/roles/{role}/{name}", content["example"])
        assert str(answer.status_code) in operation["responses"], answer.text
        fits(document, schema_of(operation, answer.status_code), answer.get_json())


def test_a_body_that_is_no_operations_is_refused_by_schema_and_server(document: dict[str, Any]) -> None:
    role, name = min(TABLE.operations)
    schema = body_schema(TABLE.operations[role, name])
    body = sample(schema) | {"one_too_many": 1}
    assert not Draft202012Validator(schema).is_valid(body)
    with opened(seed=6) as fresh:
        program = Program(fresh, fresh.world.users.of_role(role)[0].id)
        answer = program.post(f"/v1/roles/{role}/{name}", body)
        assert (answer.status_code, answer.get_json()["code"]) == (400, "E_SITE_FIELD")


def test_the_page_shows_every_operation(whole: Whole, document: dict[str, Any]) -> None:
    html = Visitor(whole).get("/v1/docs").text
    for method, path, _ in operations(document):
        assert f"{method} {path}" in html
    assert "<script>" not in html


def test_the_document_is_the_same_for_the_same_server(document: dict[str, Any]) -> None:
    with opened() as other:
        assert json.dumps(other.document(), sort_keys=True) == json.dumps(document, sort_keys=True)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer"}, 1),
        ({"type": "integer", "maximum": 0}, 0),
        ({"type": "string", "minLength": 9}, "examplexx"),
        ({"type": "string", "maxLength": 3}, "exa"),
        ({"enum": ["a", "b"], "default": "b"}, "a"),
        ({"type": "boolean"}, False),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 1),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, {"a": "example"}),
    ],
)
def test_samples_are_what_schemas_allow(schema: dict[str, Any], value: object) -> None:
    assert sample(schema) == value
    Draft202012Validator(schema).validate(value)
