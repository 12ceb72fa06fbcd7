"""A DICOMweb server that answers each object as the test says (STOW-RS), and keeps what it took.

It takes requests apart with a parser of its own: the standard library's, for e-mail.
"""

from __future__ import annotations

import asyncio
import email.parser
import email.policy
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import h11

from gateway.dicom.part10 import read_header
from tests.support.ports import free_port

CUT = -1
SILENT = -2
UNSAID = -3
"""Answers for an object: the connection ends under it; no answer comes; the answer leaves it out."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One object of a request."""

    uid: str
    sop_class: str
    syntax: str
    data: bytes
    request: int


@dataclass
class WebCentre:
    """`answer` tells the status of an object (0, a warning or a failure reason, or one of the above)."""

    answer: Callable[[Arrived], int] = lambda arrived: 0
    whole: Callable[[int], int | None] = lambda request: None  # an HTTP status for the whole request
    body: bytes | None = None  # instead of what would be said
    tls: ssl.SSLContext | None = None
    hang_up_after: int | None = None  # requests on one connection
    keep_alive: str = ""
    arrived: list[Arrived] = field(default_factory=list)
    kept: list[Arrived] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)  # objects per request
    headers: list[dict[str, str]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)  # method and path
    connections: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)  # a connection has ended
    port: int = field(default_factory=free_port)

    async def start(self) -> WebCentre:
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, ssl=self.tls)
        return self

    def stop(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def stopped(self) -> None:
        self.stop()
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        self._tasks.add(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (ConnectionError, h11.RemoteProtocolError):
            pass  # the gateway gave up in the middle
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
            self.ended.set()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served = 0
        while self.hang_up_after is None or served < self.hang_up_after:
            served += 1
            talk = h11.Connection(h11.SERVER)
            request: h11.Request | None = None
            body = bytearray()
            while True:
                event = talk.next_event()
                if event is h11.NEED_DATA:
                    data = await reader.read(65536)
                    if not data and request is None:
                        return
                    talk.receive_data(data)
                elif isinstance(event, h11.Request):
                    request = event
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    break
                else:
                    return
            assert request is not None
            said = await self._respond(request, bytes(body))
            if said is None:
                return
            status, content = said
            writer.write(
                b"HTTP/1.1 %d x\r\nContent-Type: application/dicom+json\r\nContent-Length: %d\r\n%s\r\n"
                % (
                    status,
                    len(content),
                    f"Keep-Alive: {self.keep_alive}\r\n".encode() if self.keep_alive else b"",
                )
                + content
            )
            await writer.drain()

    async def _respond(self, request: h11.Request, body: bytes) -> tuple[int, bytes] | None:
        headers = {name.decode(): value.decode() for name, value in request.headers}
        self.headers.append(headers)
        self.asked.append((request.method.decode(), request.target.decode()))
        if request.method == b"OPTIONS":
            return self.whole(0) or 200, b""
        parts = self._parts(headers["content-type"], body)
        number = len(self.batches)
        self.batches.append(len(parts))
        objects = [self._object(part, number) for part in parts]
        self.arrived += objects
        if (status := self.whole(number)) is not None:
            return status, self.body or b""
        return await self._judge(objects)

    async def _judge(self, objects: list[Arrived]) -> tuple[int, bytes] | None:
        stored: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for each in objects:
            answer = self.answer(each)
            if answer == CUT:
                return None
            if answer == SILENT:
                await asyncio.Event().wait()
            if answer == UNSAID:
                continue
            good = answer == 0 or 0xB000 <= answer <= 0xBFFF
            (stored if good else failed).append(_item(each, answer, "00081196" if good else "00081197"))
            if good:
                self.kept.append(each)
        answer_body: dict[str, Any] = {}
        if stored:
            answer_body["00081199"] = {"vr": "SQ", "Value": stored}
        if failed:
            answer_body["00081198"] = {"vr": "SQ", "Value": failed}
        status = 200 if not failed else 409 if not stored else 202
        return status, self.body if self.body is not None else json.dumps(answer_body).encode()

    @staticmethod
    def _parts(content_type: str, body: bytes) -> list[bytes]:
        parser = email.parser.BytesParser(policy=email.policy.HTTP)
        message = parser.parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
        assert message.get_content_type() == "multipart/related"
        assert message.get_param("type") == "application/dicom"
        parts = list(message.iter_parts())
        assert not message.defects, message.defects
        assert all(part.get_content_type() == "application/dicom" for part in parts)
        return [_raw(body, message.get_boundary() or "", index) for index in range(len(parts))]

    @staticmethod
    def _object(part: bytes, request: int) -> Arrived:
        instance, start = read_header(part)
        return Arrived(
            instance.sop_instance_uid,
            instance.sop_class_uid,
            instance.transfer_syntax_uid,
            part[start:],
            request,
        )


def _raw(body: bytes, boundary: str, index: int) -> bytes:
    """The bytes of a part: a parser for e-mail changes the ends of lines in them."""
    piece = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())[index + 1]
    return piece.partition(b"\r\n\r\n")[2]


def _item(each: Arrived, reason: int, tag: str) -> dict[str, Any]:
    item: dict[str, Any] = {
        "00081150": {"vr": "UI", "Value": [each.sop_class]},
        "00081155": {"vr": "UI", "Value": [each.uid]},
    }
    if reason:
        item[tag] = {"vr": "US", "Value": [reason]}
    return item
