"""GET /metrics on a TCP port, for a Prometheus that cannot reach the operator socket."""

from __future__ import annotations

import socket

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from gateway.metrics.counters import Metrics
from gateway.operator.http import HttpLimits, HttpServer, Request, Response

_LIMITS = HttpLimits(max_connections=8, max_body_bytes=0, idle_timeout=300.0)


class MetricsServer:
    """Serves one Metrics read-only. Port 0 takes any free one; `port` tells which."""

    def __init__(self, metrics: Metrics, address: str, port: int, limits: HttpLimits = _LIMITS) -> None:
        self._metrics = metrics
        self._address = address
        self.port = port
        self._server = HttpServer(self._answer, _text, limits)

    async def start(self) -> None:
        """Listen. OSError when the address cannot be had."""
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        sock = socket.create_server((self._address, self.port), family=family)
        self.port = sock.getsockname()[1]
        sock.setblocking(False)
        await self._server.start(sock)

    async def close(self) -> None:
        """Stop listening and end every connection."""
        await self._server.close()

    async def _answer(self, request: Request) -> Response:
        if request.path != "/metrics":
            return _text(404, "only /metrics is here")
        if request.method not in ("GET", "HEAD"):
            return _text(405, "only GET and HEAD")
        return Response(200, CONTENT_TYPE_PLAIN_0_0_4, await self._metrics.render())


def _text(status: int, words: str) -> Response:
    return Response(status, "text/plain; charset=utf-8", f"{words}\n".encode())
