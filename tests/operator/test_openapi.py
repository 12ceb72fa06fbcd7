from __future__ import annotations

from openapi_spec_validator import validate

from gateway.operator.openapi import document
from gateway.operator.sections import ALL_ROUTES


def test_the_document_is_valid_openapi() -> None:
    validate(document())


def test_it_describes_exactly_the_routes() -> None:
    paths = document()["paths"]
    described = {
        (method.upper(), path, entry["operationId"])
        for path, of in paths.items()
        for method, entry in of.items()
    }
    assert described == {(route.method, route.path, route.operation) for route in ALL_ROUTES}


def test_every_parameter_in_a_path_is_described() -> None:
    for path, operations in document()["paths"].items():
        for operation in operations.values():
            described = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert described == {part[1:-1] for part in path.split("/") if part.startswith("{")}
