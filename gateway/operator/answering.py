"""What every operation of the API needs: bodies in, facts and problems out, and who is asking."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from gateway.operator import codec, facts, unix_socket
from gateway.operator.http import BadRequest, Request, Response

WHO_HEADER = "operator-name"
"""In whose name a client acts (the page: the user who is signed in), percent-encoded UTF-8."""

MAX_REASON = 500  # characters

MAX_WHO = 80  # characters of the name in that header

NEXT_STEP = {
    400: "See /v1/openapi.json for what is allowed.",
    404: "See /v1/openapi.json for the paths there are.",
    405: "See /v1/openapi.json for what is allowed.",
    408: "Send the request again.",
    411: "Send a Content-Length header.",
    413: "Send less.",
    431: "Send less.",
    500: "The gateway's log has the details; please report this.",
    503: "Try again in a moment.",
}


def problem(status: int, detail: str, next_step: str = "", headers: dict[str, str] | None = None) -> Response:
    """Return an error as RFC 9457 problem details."""
    body = facts.ProblemDetails(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        next_step=next_step or NEXT_STEP.get(status, ""),
    )
    return answer(body, status, "application/problem+json", headers)


def answer(
    body: object,
    status: int = 200,
    content_type: str = "application/json",
    headers: dict[str, str] | None = None,
) -> Response:
    """Return facts as JSON."""
    return Response(
        status, content_type, json.dumps(codec.encode(body)).encode() + b"\n", headers=headers or {}
    )


async def read_body(
    request: Request, kind: type[codec.T], *, optional: bool = False, limit: int | None = None
) -> codec.T:
    """Return the body as the facts `kind`. ValueError, in words, when it is not.

    `limit`: how many bytes it may have, if not as many as bodies usually may.
    """
    raw = await request.read(limit)
    if not raw and optional:
        return kind()
    try:
        data: Any = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError("the body is not JSON") from error
    return codec.decode(kind, data, strict=True)


def checked_reason(text: str, most: int = MAX_REASON) -> str:
    """Return why somebody does something, fit for an object's history. ValueError, in words: it is not."""
    reason = text.strip()
    if not reason:
        raise ValueError("reason: say why, it is kept in the object's history")
    if len(reason) > most:
        raise ValueError(f"reason: {most} characters at most")
    if not reason.isprintable():
        raise ValueError("reason: one line of printable characters is expected")
    return reason


async def who(request: Request) -> str:
    """Return who asks: `anna (uid 1000)`, or `Anna B. (clinic) by dicom-gateway-admin (uid 997)`.

    The name in the header is what a client says; the second part is what the kernel knows of it. Looking up a
    name may ask a directory server, so not on the event loop.
    """
    if request.socket is None:
        raise BadRequest(400, "the caller is gone")
    process = await asyncio.to_thread(unix_socket.caller(request.socket).name)
    said = unquote(request.headers.get(WHO_HEADER, "")).strip()
    if not said:
        return process
    if len(said) > MAX_WHO or not said.isprintable():
        raise ValueError(f"{WHO_HEADER}: {MAX_WHO} printable characters at most are allowed")
    return f"{said} by {process}"
