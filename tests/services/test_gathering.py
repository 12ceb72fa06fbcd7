"""Small requests are gathered whole, within a bound each and a bound together."""

from __future__ import annotations

import pytest

from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.services.gathering import Gathering, Room

REQUEST = messages.c_echo_rq(1)
DONE, TOO_LARGE = messages.response(REQUEST, 0), messages.response(REQUEST, 0x0213)


class Performer:
    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.answers = 0
        self.error: Exception | None = None

    async def perform(self, data: bytes) -> Command:
        self.got.append(data)
        if self.error is not None:
            raise self.error
        return DONE

    def answered(self) -> None:
        self.answers += 1

    def gathering(self, room: Room, most: int = 10) -> Gathering:
        return Gathering(self.perform, most=most, room=room, too_large=TOO_LARGE, answered=self.answered)


def write(operation: Gathering, *pieces: bytes) -> None:
    for piece in pieces:
        assert not operation.pressure
        operation.write(memoryview(piece))


async def test_it_is_performed_with_all_of_it() -> None:
    performer, room = Performer(), Room(10)
    operation = performer.gathering(room)
    await operation.drained()
    write(operation, b"abc", b"", b"defghij")
    assert await operation.finish() is DONE
    operation.answered()
    assert (performer.got, performer.answers) == ([b"abcdefghij"], 1)
    assert room.take(10)  # all of it was given back


async def test_one_that_is_too_large_is_dropped_as_it_comes() -> None:
    performer, room = Performer(), Room(100)
    operation = performer.gathering(room)
    write(operation, b"abcdefghijk")
    assert room.take(100)
    write(operation, b"more")
    assert await operation.finish() is TOO_LARGE
    assert performer.got == []


async def test_all_of_them_together_are_bounded() -> None:
    performer, room = Performer(), Room(15)
    first, second = performer.gathering(room), performer.gathering(room)
    write(first, b"0123456789")
    write(second, b"012345")
    assert await second.finish() is TOO_LARGE
    assert await first.finish() is DONE
    third = performer.gathering(room)
    write(third, b"0123456789")
    assert await third.finish() is DONE


async def test_what_is_abandoned_or_fails_gives_its_room_back() -> None:
    performer, room = Performer(), Room(10)
    operation = performer.gathering(room)
    write(operation, b"0123456789")
    operation.abandon()
    operation.abandon()
    performer.error = RuntimeError("a defect")
    operation = performer.gathering(room)
    write(operation, b"0123456789")
    with pytest.raises(RuntimeError):
        await operation.finish()
    assert room.take(10)
    assert not room.take(1)


async def test_nobody_has_to_want_to_know_of_the_answer() -> None:
    performer = Performer()
    operation = Gathering(performer.perform, most=10, room=Room(10), too_large=TOO_LARGE)
    assert await operation.finish() is DONE
    operation.answered()
