"""From requests to sections, and what the audit trail is told."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.notices import Notice, OperatorActed
from gateway.operator.answering import who
from gateway.operator.client import ApiProblem, OperatorClient
from gateway.operator.http import BadRequest, HttpLimits, Request
from tests.support.fake_control import FakeControl
from tests.support.operator_daemon import OperatorDaemon, serving

OURSELVES = f"(uid {os.getuid()})"


@pytest.fixture
def control() -> FakeControl:
    return FakeControl()


@pytest.fixture
def daemon(control: FakeControl, tmp_path: Path) -> Iterator[OperatorDaemon]:
    with serving(control, tmp_path / "op.sock") as daemon:
        yield daemon


@pytest.fixture
def acted(control: FakeControl) -> list[OperatorActed]:
    seen: list[OperatorActed] = []

    def take(notice: Notice) -> None:
        if isinstance(notice, OperatorActed):
            seen.append(notice)

    control.notices.subscribe(take)
    return seen


def test_what_was_done_is_told_with_who_and_why(daemon: OperatorDaemon, acted: list[OperatorActed]) -> None:
    with OperatorClient(daemon.path) as client:
        client.act(2, "discard", reason="sent twice")
    (told,) = acted
    assert (told.what, told.subject, told.outcome, told.detail) == (
        "discard",
        "number=2",
        "done",
        "sent twice",
    )
    assert told.who.endswith(OURSELVES)


def test_what_was_tried_is_told_too(daemon: OperatorDaemon, acted: list[OperatorActed]) -> None:
    with OperatorClient(daemon.path) as client, pytest.raises(ApiProblem):
        client.act(2, "discard", reason="")
    (told,) = acted
    assert told.outcome == "reason: say why, it is kept in the object's history"


def test_what_only_looks_is_not_told(daemon: OperatorDaemon, acted: list[OperatorActed]) -> None:
    with OperatorClient(daemon.path) as client:
        client.status()
        client.deliveries()
    assert not acted


def request(sock: socket.socket | None, **headers: str) -> Request:
    async def nothing() -> AsyncIterator[bytes]:
        return
        yield b""

    return Request("GET", "/", {}, headers, sock, HttpLimits(), nothing())


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours


def test_the_page_names_its_user_and_the_kernel_names_the_page(sock: socket.socket) -> None:
    name = asyncio.run(who(request(sock, **{"operator-name": "Zo%C3%AB%20(clinic)"})))
    assert name.startswith("Zoë (clinic) by ")
    assert name.endswith(OURSELVES)


@pytest.mark.parametrize("said", ["x" * 81, "a%0Ab", "%1b[31m"])
def test_a_name_is_short_and_printable(sock: socket.socket, said: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        asyncio.run(who(request(sock, **{"operator-name": said})))


def test_a_caller_that_is_gone_has_no_name() -> None:
    with pytest.raises(BadRequest):
        asyncio.run(who(request(None)))
