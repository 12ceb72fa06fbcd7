"""Requests that are looked at: collected within a bound, one task each, cancelled with the caller."""

from __future__ import annotations

import asyncio

import pytest

from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.negotiation import AcceptedContext
from gateway.model import AETitle, Route
from gateway.relay.inspected import Inspected, Inspections

ROUTE = Route(called=AETitle("ARIA"), to=("oncology",))
CONTEXT = AcceptedContext(9, "1.2", "1.2.840.10008.1.2")


class Looker:
    def __init__(self, field: int = CommandField.N_ACTION_RQ, verdict: int | None = None) -> None:
        self.field = field
        self.verdict = verdict
        self.seen: list[bytes] = []
        self.gate: asyncio.Event | None = None

    def wants(self, route: Route, context: AcceptedContext, command: Command) -> bool:
        return command.command_field == self.field

    async def inspect(
        self, route: Route, calling_ae: str, context: AcceptedContext, command: Command, data: bytes
    ) -> Command | None:
        self.seen.append(data)
        if self.gate is not None:
            await self.gate.wait()
        return None if self.verdict is None else messages.response(command, self.verdict)


def inspections(*lookers: Looker, most: int = 10) -> Inspections:
    return Inspections(lookers, ROUTE, "LINAC1", most)


def action(number: int = 1, *, data: bool = True) -> Command:
    return messages.n_action_rq(number, "1.2", "1.2.3", 1, has_data_set=data)


def begun(these: Inspections, command: Command) -> Inspected:
    inspected = these.begin(CONTEXT, command)
    assert inspected is not None
    return inspected


async def test_the_first_who_wants_to_look_does() -> None:
    other, first, second = Looker(CommandField.N_SET_RQ), Looker(verdict=0x0110), Looker()
    these = inspections(other, first, second)
    inspected = begun(these, action())
    assert these.receiving(9) is inspected
    inspected.write(memoryview(b"abc"))
    inspected.write(memoryview(b"def"))
    these.received(9)
    assert these.receiving(9) is None
    answer = await these.start(inspected)
    assert answer is not None
    assert answer.status == 0x0110
    assert (other.seen, first.seen, second.seen) == ([], [b"abcdef"], [])


async def test_what_nobody_wants_to_see_passes() -> None:
    these = inspections(Looker(CommandField.N_SET_RQ))
    assert these.begin(CONTEXT, action()) is None
    assert len(these) == 0


@pytest.mark.parametrize(
    ("pieces", "kept"), [([b"x" * 10], True), ([b"x" * 11], False), ([b"x" * 6] * 2, False)]
)
async def test_a_data_set_is_kept_up_to_the_bound_and_not_a_byte_of_a_longer_one(
    pieces: list[bytes], kept: bool
) -> None:
    looker = Looker()
    these = inspections(looker)
    inspected = begun(these, action())
    for piece in pieces:
        inspected.write(memoryview(piece))
    assert inspected.too_long is not kept
    assert len(inspected.data) == (10 if kept else 0)
    inspected.write(memoryview(b""))
    assert bool(inspected.data) is kept
    answer = await these.start(inspected)
    if kept:
        assert answer is None
        assert looker.seen == [b"x" * 10]
    else:
        assert answer is not None
        assert answer.status == 0x0213
        assert looker.seen == []


async def test_a_small_piece_after_too_much_is_not_kept_either() -> None:
    inspected = begun(inspections(Looker()), action())
    inspected.write(memoryview(b"x" * 11))
    inspected.write(memoryview(b"y"))
    assert inspected.data == b""


async def test_requests_are_known_by_message_id_until_they_were_looked_at() -> None:
    these = inspections(Looker())
    inspected = begun(these, action(4, data=False))
    assert these.receiving(9) is None
    assert 4 in these
    assert 5 not in these
    assert len(these) == 1
    these.end(inspected)
    assert 4 not in these
    assert not these


async def test_looking_ends_when_the_caller_goes() -> None:
    looker = Looker()
    looker.gate = asyncio.Event()
    these = inspections(looker)
    task = these.start(begun(these, action(1, data=False)))
    begun(these, action(2))
    await asyncio.sleep(0)
    these.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not these
    assert these.receiving(9) is None
