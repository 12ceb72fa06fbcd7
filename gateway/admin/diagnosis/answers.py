"""What a support bundle asks of the gateway, asked for the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.admin.gateway_client import GatewayClient
from gateway.errors import GatewayError
from gateway.support.gather import QUESTIONS, Failure, further

_MAX_ANSWER = 16 * 2**20  # bytes


async def answers(gateway: GatewayClient) -> dict[str, Any]:
    """Ask everything; what is not answered says why, and the rest is still of use."""
    found = await _ask(gateway, QUESTIONS)
    return found | await _ask(gateway, further(found))


async def _ask(gateway: GatewayClient, questions: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, path in questions.items():
        try:
            raw = await _fetch(gateway, path)
            found[name] = raw.decode(errors="replace") if name == "metrics" else json.loads(raw)
        except (GatewayError, ValueError) as error:
            found[name] = Failure(str(error))
    return found


async def _fetch(gateway: GatewayClient, path: str) -> bytes:
    path, _, query = path.partition("?")
    asked = dict(one.split("=", 1) for one in query.split("&") if one)
    body = bytearray()
    async with gateway.stream("GET", path, query=asked) as response:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > _MAX_ANSWER:
                raise ValueError("the answer is too long")
    return bytes(body)
