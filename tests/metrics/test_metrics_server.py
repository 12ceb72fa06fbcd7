"""Metrics over HTTP, on a real port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.metrics import Metrics, MetricsServer
from gateway.notices import Notices


@pytest.fixture
async def server() -> AsyncIterator[MetricsServer]:
    server = MetricsServer(Metrics(Notices()), "127.0.0.1", 0)
    await server.start()
    yield server
    await server.close()


async def ask(server: MetricsServer, request: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"{request} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode()


async def test_prometheus_gets_its_text(server: MetricsServer) -> None:
    answer = await ask(server, "GET /metrics")
    assert answer.startswith("HTTP/1.1 200")
    assert "text/plain; version=0.0.4" in answer
    assert "dicom_gateway_build_info{version=" in answer


@pytest.mark.parametrize(("request_line", "status"), [("GET /", 404), ("POST /metrics", 405)])
async def test_nothing_else_is_served(server: MetricsServer, request_line: str, status: int) -> None:
    assert (await ask(server, request_line)).startswith(f"HTTP/1.1 {status}")


async def test_callers_beyond_the_cap_are_turned_away(server: MetricsServer) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(8)]
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert (await reader.readline()).startswith(b"HTTP/1.1 503")
        writer.close()
        await writer.wait_closed()
    finally:
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()
