"""Either side killed at every step of a conversation: the other is told, and nothing is left."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.dicom import messages
from gateway.dicom.events import Aborted, AssociateRejected
from gateway.dicom.negotiation import negotiate
from gateway.notices import RelayBroken
from tests.support.relay_door import POLICY, relayed
from tests.support.relay_play import (
    BOTH_ROLES,
    FIND,
    KILLS,
    STEPS,
    Kill,
    Play,
    abort,
    begin,
    console,
    end_of,
    fin,
    gone,
    release,
    reset,
    silence,
)
from tests.support.wire_centre import WireCentre
from tests.support.wire_console import proposals
from tests.support.wire_peer import RT_IMAGE, request, wire_peer

# Of a far end that is silent there is nothing to tell before it owes an answer.
OWING = ("request", "half a match", "a match", "half a sub-operation")


@pytest.mark.parametrize(
    ("step", "kill"),
    [
        pytest.param(step, kill, id=f"{step}, {name}")
        for step in STEPS
        for name, kill in KILLS.items()
        if kill is not silence or step in OWING
    ],
)
async def test_a_far_end_that_goes_leaves_the_console_an_answer_and_nothing_else(
    step: str, kill: Kill
) -> None:
    quick = replace(POLICY, timeouts=replace(POLICY.timeouts, response=0.3, between=0.3))
    play = Play(step, kill)
    async with relayed(play, policy=quick) as door:
        async with console(door) as peer:
            play.admitted.set()
            number = begin(peer, step)
            heard, ended = await end_of(peer)
        assert isinstance(ended.event, Aborted) or ended.event is None
        finals = [
            each
            for each in heard
            if each.command.message_id_responded_to == number and each.status not in (0xFF00, 0xFF01)
        ]
        torn = step in ("half a match", "half a sub-operation")
        if step in ("association", "half a request") or torn:
            assert finals == []
        else:
            assert [each.status for each in finals] == [0xC000]
        await door.settled()
        assert len(door.log.of(RelayBroken)) == 1


@pytest.mark.parametrize("kill", [reset, fin, abort, release], ids=["RST", "FIN", "A-ABORT", "A-RELEASE"])
@pytest.mark.parametrize("called", ["THROUGH", "ARIA"])
async def test_a_far_end_that_goes_as_soon_as_it_accepted_was_never_reached(kill: Kill, called: str) -> None:
    async def script(centre: WireCentre) -> None:
        asked = await centre.requested()
        centre.layer.accept(negotiate(asked, BOTH_ROLES))
        kill(centre)  # in the same segment as the acceptance, but for RST
        centre.flush()
        await gone(centre)

    async with relayed(script) as door:
        async with wire_peer(door.port) as peer:
            answer = await peer.associate(request(called, contexts=proposals(FIND, RT_IMAGE)))
            if isinstance(answer, AssociateRejected):
                assert (answer.result, answer.source, answer.diagnostic) == (2, 3, 1)
                assert called == "THROUGH"
            elif answer.contexts[0].result:
                assert [context.result for context in answer.contexts] == [2, 0]
            else:  # it was there for a moment
                assert await peer.ended() is not None or called == "ARIA"
        await door.settled()


NEAR_KILLS = {name: kill for name, kill in KILLS.items() if name not in ("silence", "A-RELEASE")}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kill", NEAR_KILLS.values(), ids=NEAR_KILLS)
async def test_a_console_that_goes_takes_its_far_association_with_it(step: str, kill: Kill) -> None:
    play = Play(step, silence)
    async with relayed(play) as door:
        async with console(door) as peer:
            play.admitted.set()
            begin(peer, step)
            await asyncio.wait_for(play.reached.wait(), 10)
            kill(peer)
            await peer.ended()
        await door.settled()
        assert not door.log.of(RelayBroken)
        [far] = door.fars
        assert (await far.wait_closed()).outcome == ("released" if step == "association" else "aborted")
    assert play.associations == 1


async def test_both_sides_abort_at_once() -> None:
    told = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await centre.message()
        told.set()
        abort(centre)
        await gone(centre)

    async with relayed(script) as door:
        async with console(door) as peer:
            begin(peer, "request")
            await asyncio.wait_for(told.wait(), 10)
            abort(peer)
            await peer.ended()
        await door.settled()


async def test_a_far_end_that_goes_in_a_mixed_association_leaves_the_storage() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await centre.message()
        reset(centre)

    async with relayed(script) as door, console(door, "ARIA", FIND, RT_IMAGE) as peer:
        [failure] = await peer.ask(FIND, messages.c_find_rq(1, FIND), b"who")
        assert failure.status == 0xC000
        for number in (2, 3):
            peer.send_store(
                b"image", message_id=number, instance=f"1.{number}", context_id=peer.context(RT_IMAGE)
            )
            assert (await peer.response()).status == 0x0000
            [failure] = await peer.ask(FIND, messages.c_find_rq(9, FIND), b"who")
            assert failure.status == 0xC000
        assert [kept.instance.sop_instance_uid for kept in door.spool.kept] == ["1.2", "1.3"]
        await peer.release()


async def test_fifty_kills_leave_nothing() -> None:
    kills = [reset, fin, abort]
    turn = iter(range(1000))

    async def script(centre: WireCentre) -> None:
        play = Play("a match", kills[next(turn) % 3])
        play.admitted.set()
        await play(centre)

    async with relayed(script) as door:
        for _ in range(50):
            async with console(door) as peer:
                begin(peer, "request")
                await end_of(peer)
            await door.settled()
            door.reachabilities.of("oncology").succeeded(asyncio.get_running_loop().time())
