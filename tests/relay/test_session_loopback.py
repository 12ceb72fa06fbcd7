"""The whole relay over loopback, with a console and a centre that the test plays byte for byte."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.events import Aborted
from gateway.notices import RelayOpened
from tests.support.relay_door import KEEPING, relayed
from tests.support.relay_play import BOTH_ROLES, FIND, GET, RT_PLAN, UPS_PUSH, begin, console, end_of, gone
from tests.support.wire_centre import WireCentre
from tests.support.wire_console import Heard, wire_console


async def test_data_sets_of_any_size_arrive_byte_for_byte_both_ways() -> None:
    sizes = [2, 16_378, 16_384, 131_066, 131_072, 1_000_000]

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        for _ in sizes:
            context_id, command, data = await centre.message()
            centre.send(context_id, messages.response(command, 0, has_data_set=True))
            for start in range(0, len(data), 10_000):
                end = start + 10_000
                centre.layer.send_pdv(context_id, False, end >= len(data), data[start:end])
            centre.flush()
        await centre.finish()

    async with relayed(script) as door, console(door) as peer:
        for number, size in enumerate(sizes, 1):
            data = (b"%08d" % number) * (size // 8) + b"x" * (size % 8)
            [back] = await peer.ask(UPS_PUSH, messages.n_get_rq(number, UPS_PUSH, "1.2"), data)
            assert back.data == data
        await peer.release()


@pytest.mark.parametrize("lie", ["unasked", "other context", "garbage", "twice", "data without end"])
async def test_a_far_end_that_talks_nonsense_is_sent_away_and_the_console_told(lie: str) -> None:
    async def script(centre: WireCentre) -> None:
        asked = await centre.accept()
        context_id, command, _ = await centre.message()
        others = [context.context_id for context in asked.contexts if context.context_id != context_id]
        if lie == "unasked":
            centre.answer(context_id, replace(command, message_id=4711))
        elif lie == "other context":
            centre.answer(others[0], command)
        elif lie == "garbage":
            centre.writer.write(b"\x07garbage on the line" * 10)
        elif lie == "twice":
            centre.answer(context_id, command, 0xFF00)
            centre.answer(context_id, command)
            centre.answer(context_id, command)
        else:
            centre.layer.send_pdv(context_id, False, True, b"a data set that nothing announced")
            centre.flush()
        await gone(centre)

    async with relayed(script) as door, console(door) as peer:
        number = begin(peer, "request")
        heard, ended = await end_of(peer)
        assert isinstance(ended.event, Aborted)
        final = [each.status for each in heard if each.status != 0xFF00]
        assert final == ([0x0000] if lie == "twice" else [0xC000])
        assert {each.command.message_id_responded_to for each in heard} == {number}


async def test_a_request_whose_response_interleaves_with_another() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept(BOTH_ROLES)
        first = await centre.message()
        second = await centre.message()
        for context_id, command, _ in (first, second):
            centre.send(context_id, messages.response(command, 0xFF00, has_data_set=True))
        for number, last in ((1, False), (2, False), (3, True)):
            for context_id, _, _ in (first, second):
                centre.layer.send_pdv(context_id, False, last, b"%d%d" % (context_id, number))
        for context_id, command, _ in (second, first):
            centre.answer(context_id, command)
        await centre.finish()

    async with relayed(script) as door, console(door) as peer:
        peer.say(FIND, messages.c_find_rq(1, FIND), b"one")
        peer.say(GET, messages.c_get_rq(2, GET), b"two")
        commands: dict[int, Command] = {}
        data: dict[int, bytes] = {}
        finals = []
        while len(finals) < 2:
            event = await peer.event()
            message = peer.messages.read(event)  # type: ignore[arg-type]  # data, or the test fails
            if hasattr(message, "command"):
                commands[message.context_id] = message.command
                if message.command.status == 0:
                    finals.append(message.command.message_id_responded_to)
            else:
                data[message.context_id] = data.get(message.context_id, b"") + bytes(message.data)
        assert finals == [2, 1]
        assert sorted(len(each) for each in data.values()) == [6, 6]
        await peer.release()


async def test_a_retrieve_with_its_sub_operations_and_an_event_report_in_between() -> None:
    async def script(centre: WireCentre) -> None:
        asked = await centre.accept(BOTH_ROLES)
        ids = {context.abstract_syntax: context.context_id for context in asked.contexts}
        context_id, command, _ = await centre.message()
        statuses = []
        for number in range(1, 4):
            centre.send(ids[RT_PLAN], messages.c_store_rq(number, RT_PLAN, f"1.{number}"))
            centre.layer.send_pdv(ids[RT_PLAN], False, True, b"plan %d" % number)
            centre.send(
                ids[UPS_PUSH], messages.n_event_report_rq(100 + number, UPS_PUSH, "1", 1, has_data_set=False)
            )
            statuses += [(await centre.message())[1].status for _ in range(2)]
        done = messages.SubOperations(0, 2, 1, 0)
        centre.send(context_id, messages.c_get_rsp(command, 0xB000, done))
        assert statuses == [0, 0, 0xA700, 0xA700, 0, 0]
        await centre.finish()

    def answers(heard: Heard) -> int:
        return 0xA700 if (heard.command.message_id or 0) % 100 == 2 else 0

    async with relayed(script) as door, console(door) as peer:
        heard = await peer.ask(GET, messages.c_get_rq(1, GET), b"plans", answers=answers)
        assert [each.data for each in heard if each.command.name == "C-STORE-RQ"] == [
            b"plan 1",
            b"plan 2",
            b"plan 3",
        ]
        assert heard[-1].command.number_of_failed == 1
        await peer.release()


async def test_a_far_association_serves_one_console_after_the_other() -> None:
    seen: list[str] = []

    async def script(centre: WireCentre) -> None:
        asked = await centre.accept()
        seen.append(asked.calling_ae)
        while True:
            try:
                context_id, command, _ = await centre.message()
            except AssertionError:
                break
            centre.answer(context_id, command)
        if centre.layer.can_answer_release:
            centre.layer.release_response()
            centre.flush()

    async with relayed(script, policy=KEEPING) as door:
        for _ in range(5):
            async with wire_console(door.port, "THROUGH", FIND) as peer:
                [answer] = await peer.ask(FIND, messages.c_find_rq(1, FIND), b"who")
                assert answer.status == 0
            await door.settled()
        async with wire_console(door.port, "THROUGH", FIND, calling="LINAC2") as peer:
            await peer.ask(FIND, messages.c_find_rq(1, FIND), b"who")
        await door.settled()
        warm = [notice.warm for notice in door.log.of(RelayOpened)]
    assert warm == [False, True, True, True, True, False]
    assert [title.strip() for title in seen[:1]] == ["LINAC1"]
    assert "LINAC2" in {title.strip() for title in seen}
