from __future__ import annotations

import dataclasses
from typing import Any, get_args, get_type_hints

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


def test_no_two_facts_share_a_name() -> None:
    """Components go by the name of the class: of two with the same name, one would be described wrongly."""
    kinds: dict[str, set[type]] = {}

    def walk(hint: Any) -> None:
        for part in get_args(hint):
            walk(part)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            seen = kinds.setdefault(hint.__name__, set())
            if hint not in seen:
                seen.add(hint)
                for inner in get_type_hints(hint).values():
                    walk(inner)

    for route in ALL_ROUTES:
        walk(route.answer)
        walk(route.body)
    assert {name: found for name, found in kinds.items() if len(found) > 1} == {}
