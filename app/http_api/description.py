"""The document that describes the API (OpenAPI 3.1), made of the table of operations."""

from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from andiron.api.errors import (
    BusyError,
    InvalidError,
    NotFoundError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
)
from andiron.http_api.operations import OPERATIONS, PREFIX, Operation
from andiron.http_api.problems import PROBLEM, Problem
from andiron.version import __version__

__all__ = ["described"]

_REF = "#/components/schemas/{model}"
_TOLD = {
    InvalidError.status: InvalidError.title,
    NotFoundError.status: NotFoundError.title,
    RefusedError.status: RefusedError.title,
    UnauthorizedError.status: UnauthorizedError.title,
    403: "Another site's page asks by this site's sign-in.",
    408: "The body did not come in time.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    429: "Too many wrong tokens came from this address: wait as Retry-After says.",
    UnavailableError.status: f"{BusyError.title}, or: {UnavailableError.title.lower()}",
}
_OF_BODIES = frozenset({408, 413, 415})


def described(base: str) -> dict[str, Any]:
    """Return the document; ``base`` is the path at which the application is mounted."""
    adapters: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        ("problem", "serialization", TypeAdapter(Problem))
    ]
    for each in OPERATIONS:
        adapters.append((f"{each.name} in", "validation", TypeAdapter(each.parameters)))
        adapters.append((f"{each.name} out", "serialization", each.result))
    schemas, definitions = TypeAdapter.json_schemas(adapters, ref_template=_REF)
    found = {name: schema for (name, _), schema in schemas.items()}
    components = dict(definitions.get("$defs", {}))
    paths: dict[str, dict[str, Any]] = {}
    for each in OPERATIONS:
        given = _resolved(found[f"{each.name} in"], components)
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(
            each, given, found[f"{each.name} out"]
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Andiron",
            "version": __version__,
            "description": "The chat of a site, for the site's own code.",
        },
        "servers": [{"url": f"{base}{PREFIX}"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {str(status): _problem(status) for status in _TOLD},
        },
    }


def _operation(each: Operation, given: dict[str, Any], out: dict[str, Any]) -> dict[str, Any]:
    required = set(given.get("required", ()))
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            # A slash in a path is no part of a name, however it is written.
            "schema": {"type": "string", "minLength": 1, "pattern": "^[^/]+$"},
        }
        for name in each.in_path
    ]
    described: dict[str, Any] = {"operationId": each.name, "summary": each.summary}
    if each.description:
        described["description"] = each.description
    if each.has_body:
        content = {"application/json": {"schema": given}}
        described["requestBody"] = {"required": True, "content": content}
    else:
        parameters += [
            {"name": name, "in": "query", "required": name in required, "schema": _given(schema)}
            for name, schema in given.get("properties", {}).items()
        ]
    if parameters:
        described["parameters"] = parameters
    success: dict[str, Any] = {"description": "Done."}
    if each.status != 204:
        success["content"] = {"application/json": {"schema": out}}
    statuses = [status for status in _TOLD if each.has_body or status not in _OF_BODIES]
    described["responses"] = {str(each.status): success} | {
        str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses
    }
    return described


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter in a query: there null is to leave it out."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    return kinds[0] if len(kinds) == 1 else schema


def _resolved(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    """Return a schema itself, and not where it stands."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return components.pop(name) if name else schema


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model="Problem")}
    response: dict[str, Any] = {
        "description": _TOLD[status],
        "content": {PROBLEM: {"schema": schema}},
    }
    if status == UnauthorizedError.status:
        response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    if status == 429:
        response["headers"] = {"Retry-After": {"schema": {"type": "string"}}}
    return response
