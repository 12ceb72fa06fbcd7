"""The OpenAPI 3.1 document of the operator API, made from the route table and the facts."""

from __future__ import annotations

from gateway import __version__
from gateway.operator import codec, facts
from gateway.operator.routes import Parameter, Route
from gateway.operator.sections import ALL_ROUTES

_ERROR_WORDS = {
    400: "The request is not understood.",
    404: "There is no such delivery, object, message, destination or peer.",
    409: "The state it is in does not allow this.",
    411: "The length of the body must be announced.",
    413: "The body is too long.",
    422: "The body is understood, and what it asks for cannot be done with it.",
    503: "Too many of these at once; try again soon.",
}


def document() -> codec.Json:
    """Return the whole document."""
    schemas: dict[str, codec.Json] = {}
    problem = codec.schema(facts.ProblemDetails, schemas)
    paths: dict[str, dict[str, codec.Json]] = {}
    for route in ALL_ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, problem, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "DICOM Edge Gateway operator API",
            "version": __version__,
            "description": "Served on a Unix socket. Only exported files identify a patient.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://localhost"}],
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _operation(route: Route, problem: codec.Json, schemas: dict[str, codec.Json]) -> codec.Json:
    operation: dict[str, codec.Json] = {
        "operationId": route.operation,
        "summary": route.words,
        "responses": {
            "200": {"description": "Done.", "content": _content(route.answer, schemas, route.line)},
            **{
                str(status): {
                    "description": _ERROR_WORDS[status],
                    "content": {"application/problem+json": {"schema": problem}},
                }
                for status in sorted({400, *route.errors})
            },
        },
    }
    if route.parameters:
        operation["parameters"] = [_parameter(parameter) for parameter in route.parameters]
    if route.body is not None:
        operation["requestBody"] = {
            "required": not route.body_optional,
            "content": _content(route.body, schemas),
        }
    return operation


def _content(kind: type | str, schemas: dict[str, codec.Json], line: type | None = None) -> codec.Json:
    if isinstance(kind, str):
        return {kind: {} if line is None else {"schema": codec.schema(line, schemas)}}
    return {"application/json": {"schema": codec.schema(kind, schemas)}}


def _parameter(parameter: Parameter) -> codec.Json:
    if parameter.kind == "number":
        schema: codec.Json = {"type": "integer", "minimum": parameter.minimum, "maximum": parameter.maximum}
    elif parameter.kind == "choice":
        schema = {"type": "string", "enum": list(parameter.choices)}
    else:
        schema = {"type": "string", "minLength": 1, "maxLength": parameter.max_length}
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.where == "path",
        "description": parameter.words,
        "schema": schema,
    }
