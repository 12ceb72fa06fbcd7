from __future__ import annotations

import asyncio
import json
import queue
import threading
from pathlib import Path

import pytest

from gateway.notices import Alarm, DialFailed, LinkChanged, Notices
from gateway.operator.client import ApiProblem, OperatorClient
from gateway.operator.control import Busy
from gateway.operator.events import EventHub, EventLimits
from tests.support.fake_control import FakeControl
from tests.support.operator_daemon import serving

LIMITS = EventLimits(max_listeners=2, max_queued=3, keep_alive=0.05)


@pytest.fixture
def notices() -> Notices:
    return Notices()


def hub(notices: Notices, limits: EventLimits = LIMITS) -> EventHub:
    return EventHub(notices, lambda: 7.5, limits)


async def test_a_notice_is_one_event(notices: Notices) -> None:
    stream = hub(notices).stream()
    assert await anext(stream) == b": listening\n\n"
    notices.publish(LinkChanged("oncology", "online", "offline", "one line\nanother"))
    event = await anext(stream)
    kind, data, *end = event.decode().split("\n")
    assert kind == "event: LinkChanged"
    assert end == ["", ""]
    assert json.loads(data.removeprefix("data: ")) == {
        "at": 7.5, "destination": "oncology", "before": "online", "after": "offline",
        "reason": "one line\nanother",
    }  # fmt: skip


async def test_what_is_for_books_inside_the_daemon_is_no_event(notices: Notices) -> None:
    stream = hub(notices).stream()
    await anext(stream)
    notices.publish(DialFailed("oncology", "tcp", "nothing listens"))
    notices.publish(LinkChanged("oncology", "online", "offline", ""))
    assert b"LinkChanged" in await anext(stream)


async def test_a_silent_stream_shows_that_it_lives(notices: Notices) -> None:
    stream = hub(notices).stream()
    await anext(stream)
    assert (await anext(stream)).startswith(b":")


async def test_a_slow_listener_loses_the_oldest_and_is_told_how_many(notices: Notices) -> None:
    stream = hub(notices).stream()
    await anext(stream)
    for number in range(8):
        notices.publish(Alarm("c", str(number)))
    events = [await anext(stream) for _ in range(4)]
    assert events[0] == b'event: lost\ndata: {"count": 5}\n\n'
    assert [json.loads(event.split(b"data: ")[1])["text"] for event in events[1:]] == ["5", "6", "7"]


async def test_listeners_are_bounded_and_leave_nothing_behind(notices: Notices) -> None:
    events = hub(notices)
    streams = [events.stream() for _ in range(2)]
    for stream in streams:
        await anext(stream)
    with pytest.raises(Busy):
        events.stream()
    for stream in streams:
        await stream.aclose()  # type: ignore[attr-defined]  # a generator
    assert events.listeners == 0
    assert notices._subscribers == []


async def test_waiting_listeners_are_woken(notices: Notices) -> None:
    stream = hub(notices, EventLimits()).stream()
    await anext(stream)
    waiting: asyncio.Task[bytes] = asyncio.create_task(anext(stream))  # type: ignore[arg-type]  # a coroutine
    await asyncio.sleep(0)
    notices.publish(Alarm("c", "now"))
    assert b"now" in await waiting


def test_events_arrive_over_the_socket_and_a_listener_that_goes_is_noticed(tmp_path: Path) -> None:
    control = FakeControl()
    with serving(control, tmp_path / "op.sock", event_limits=LIMITS) as daemon:
        received: queue.Queue[tuple[str, dict[str, object]]] = queue.Queue()
        first = OperatorClient(daemon.path, timeout=10)

        def listen() -> None:
            for event in first.events():
                received.put(event)
                return

        thread = threading.Thread(target=listen)
        thread.start()
        while daemon.call(lambda: daemon.server.events.listeners) == 0:
            pass
        daemon.call(lambda: control.notices.publish(Alarm("spool-full", "make room")))
        kind, data = received.get(timeout=10)
        assert (kind, data["code"]) == ("Alarm", "spool-full")
        thread.join(10)
        while daemon.call(lambda: daemon.server.events.listeners):
            pass


def test_too_many_listeners_are_refused_with_503(tmp_path: Path) -> None:
    with serving(FakeControl(), tmp_path / "op.sock", event_limits=EventLimits(max_listeners=0)) as daemon:
        with OperatorClient(daemon.path) as client, pytest.raises(ApiProblem) as caught:
            next(client.events())
        assert caught.value.details.status == 503
