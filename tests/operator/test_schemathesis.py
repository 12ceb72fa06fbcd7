"""The operator API of a running gateway does what its OpenAPI document says, whatever it is asked.

Schemathesis makes requests from the document, good ones and broken ones, and compares the answers with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.operator.openapi import document
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.ports import free_port
from tests.support.tcp_door import tcp_door

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

# Endless, so it never is an answer; tests/operator/test_events.py is about it.
SCHEMA = schemathesis.openapi.from_dict(document()).exclude(path="/v1/events")


@schemathesis.serializer("application/dicom")
def as_it_is(_context: schemathesis.SerializationContext, value: Any) -> Any:
    """A file is bytes already; what the document cannot describe is made of anything."""
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    peers = [peer("centre", "ARIA", free_port())]
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), peers=peers) as running:
        yield running
        # Nothing it was asked has ended it, or left it without words.
        assert running.status()["gateway"] == "test"
        with running.client() as client:
            assert client.verify_audit()["ok"]


@pytest.fixture(scope="module")
def address(gateway: GatewayProcess) -> Iterator[str]:
    with tcp_door(gateway.socket) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.slow
@SCHEMA.parametrize()
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
    ],
)
def test_the_api_is_as_its_document_says(case: schemathesis.Case, address: str) -> None:
    response = case.call(base_url=address, timeout=60)
    case.validate_response(response, checks=CHECKS)
