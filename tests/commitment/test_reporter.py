"""Reporting to consoles: on which association, as whom, how often, and until when."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.association.timeouts import RequestorTimeouts
from gateway.commitment.policy import Waits
from gateway.dicom.commitment import PUSH_MODEL, Result
from gateway.dicom.negotiation import AcceptorPolicy
from gateway.dicom.sop_classes import VERIFICATION
from gateway.model import AETitle, Peer, Route
from gateway.notices import CommitmentReported
from gateway.spool import SpoolLimits
from tests.support.commitment_breaks import CONSOLE_BREAKS
from tests.support.commitment_scene import QUICK, Scene, scene
from tests.support.commitment_wire import (
    SCP_OF_RESULTS,
    ask_for,
    commits,
    console_asks,
    listens,
    next_message,
    request,
    sops,
    told,
    told_here,
    wired,
)
from tests.support.committing import a_reference, a_request, accept, put, references
from tests.support.ports import free_port
from tests.support.wire_centre import WireCentre
from tests.support.wire_peer import wire_peer

Script = Callable[[WireCentre], Awaitable[object]]
RESULT = Result("1.2.3.1", sops(a_reference(1)), ())


async def confirmed(stage: Scene, *numbers: int) -> None:
    """Objects that the centre has committed already: an N-ACTION about them is resolved at once."""
    numbers = numbers or (1,)
    await put(stage.spool, *numbers)
    await accept(stage.spool)
    references_ = references(*numbers)
    await stage.spool.ask_begun("oncology", f"2.25.9{numbers[0]}", references_, stage.clock() + 1000)
    await stage.spool.ask_answered(f"2.25.9{numbers[0]}", references_, (), "test", resend=frozenset())


# --- every moment at which the console can go away -------------------------------------------------------


@pytest.mark.parametrize("name", CONSOLE_BREAKS)
async def test_a_report_is_sent_until_it_is_taken(name: str, tmp_path: Path) -> None:
    script, alarm = CONSOLE_BREAKS[name]
    results: list[Result] = []
    timeouts = RequestorTimeouts(connect=5, associate=5, response=0.2, release=0.3)
    async with (
        wired(script, script, listens(results)) as console,
        scene(tmp_path, console_port=console.port, timeouts=timeouts) as stage,
    ):
        await confirmed(stage)
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0
        row = await stage.row("reported")
        assert (row.committed, row.failed, row.attempts) == (1, 0, 2)
    assert results == [RESULT]
    assert stage.alarms() == ([alarm] if alarm else [])
    assert [one.outcome for one in stage.log.of(CommitmentReported)] == ["retry", "retry", "reported"]


async def test_a_console_that_answers_and_is_gone_was_told(tmp_path: Path) -> None:
    async def script(peer: WireCentre) -> None:
        await peer.accept(SCP_OF_RESULTS)
        await told(peer)
        await peer.writer.drain()

    async with wired(script) as console, scene(tmp_path, console_port=console.port) as stage:
        await confirmed(stage)
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0
        await stage.row("reported")


async def test_a_console_that_says_nothing_of_roles_is_told(tmp_path: Path) -> None:
    results: list[Result] = []

    async def forgets(peer: WireCentre) -> None:
        await peer.accept(AcceptorPolicy(choose=SCP_OF_RESULTS.choose, roles=lambda *_: None))
        results.append(await told(peer))
        await peer.finish()

    async with wired(forgets) as console, scene(tmp_path, console_port=console.port) as stage:
        await confirmed(stage)
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0
        await stage.row("reported")
    assert results == [RESULT]


async def test_nobody_listens_and_then_somebody_does(tmp_path: Path) -> None:
    results: list[Result] = []
    port = free_port()
    async with scene(tmp_path, console_port=port) as stage:
        await confirmed(stage)
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0
        await stage.log.wait_count(CommitmentReported, 2)
        async with wired(listens(results), port=port):
            await stage.row("reported")
    assert results == [RESULT]
    assert stage.alarms() == []


async def test_a_console_that_is_known_to_be_down_is_not_dialled(tmp_path: Path) -> None:
    down = ["it is off"]
    results: list[Result] = []
    async with (
        wired(listens(results)) as console,
        scene(
            tmp_path,
            console_port=console.port,
            reachable=lambda peer: down[0] if down and peer == "console1" else None,
        ) as stage,
    ):
        await confirmed(stage)
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0
        retry = await stage.log.wait(CommitmentReported)
        assert (retry.outcome, retry.reason) == ("retry", "it is off")
        assert console.connections == 0
        down.clear()
        await stage.row("reported")


# --- what is told -----------------------------------------------------------------------------------------


async def test_failures_are_told_with_their_reasons(tmp_path: Path) -> None:
    results: list[Result] = []
    failed = ((a_reference(2), 0x0119), (a_reference(3), 0x0112))
    async with (
        wired(commits(failed)) as centre,
        wired(listens(results)) as console,
        scene(tmp_path, centre_port=centre.port, console_port=console.port) as stage,
    ):
        await put(stage.spool, 1, 2)
        await accept(stage.spool)
        assert await ask_for(stage.port, "1.2.3.1", 1, 2, 3) == 0
        row = await stage.row("reported")
        assert (row.committed, row.failed) == (1, 2)
    [two], [three] = sops(a_reference(2)), sops(a_reference(3))
    [result] = results
    assert result.committed == sops(a_reference(1))
    assert dict(result.failed) == {two: 0x0119, three: 0x0112}


async def test_we_call_the_console_by_the_title_that_it_called(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []

    async def notes(peer: WireCentre) -> None:
        asked = await peer.accept(SCP_OF_RESULTS)
        seen.append((asked.calling_ae.strip(), asked.called_ae.strip()))
        await told(peer)
        await peer.finish()

    async with wired(notes) as console, scene(tmp_path, console_port=console.port) as stage:
        await confirmed(stage)
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0
        await stage.row("reported")
    assert seen == [("ARIA", "LINAC1")]


async def test_one_association_carries_all_that_is_ready(tmp_path: Path) -> None:
    results: list[Result] = []
    down = ["off"]
    policy = replace(QUICK, report_backoff=Waits(0.3, 0.3), gather=0.2)
    async with (
        wired(listens(results, count=3), repeat=True) as console,
        scene(
            tmp_path,
            console_port=console.port,
            policy=policy,
            reachable=lambda peer: down[0] if down and peer == "console1" else None,
        ) as stage,
    ):
        await confirmed(stage, 1, 2, 3)
        for number in (1, 2, 3):
            assert await ask_for(stage.port, f"1.2.3.{number}", number) == 0
        await stage.log.wait_count(CommitmentReported, 3)
        await stage.stop()
        down.clear()
        await asyncio.sleep(0.4)  # all three are due
        await stage.start()
        for index in range(3):
            await stage.row("reported", index)
        assert console.connections == 1
    assert len(results) == 3


async def test_one_refused_report_does_not_keep_the_others_back(tmp_path: Path) -> None:
    statuses = {"1.2.3.1": [0x0110, 0x0000], "1.2.3.2": [0x0000]}
    order: list[str] = []

    async def picky(peer: WireCentre) -> None:
        await peer.accept(SCP_OF_RESULTS)
        while await peer.more():  # one report or both, as the second request comes in time
            context_id, command, data = await peer.message()
            uid = "1.2.3.1" if b"1.2.3.1" in data else "1.2.3.2"
            order.append(uid)
            peer.answer(context_id, command, statuses[uid].pop(0))
        await peer.finish()

    async with wired(picky, repeat=True) as console, scene(tmp_path, console_port=console.port) as stage:
        await confirmed(stage, 1, 2)
        for number in (1, 2):
            assert await ask_for(stage.port, f"1.2.3.{number}", number) == 0
        await stage.row("reported", 0)
        await stage.row("reported", 1)
    assert order.count("1.2.3.1") == 2
    assert stage.alarms() == ["commitment.report-refused"]


async def test_a_silent_console_does_not_keep_another_waiting(tmp_path: Path) -> None:
    results: list[Result] = []

    async def silent(peer: WireCentre) -> None:
        await peer.accept(SCP_OF_RESULTS)
        await peer.message()
        await peer.finish()

    async with wired(silent, repeat=True) as first, wired(listens(results)) as second:
        other = Peer("console2", AETitle("LINAC2"), "127.0.0.1", second.port)
        async with scene(tmp_path, console_port=first.port, peers={"console2": other}) as stage:
            await confirmed(stage, 1, 2)
            assert await ask_for(stage.port, "1.2.3.1", 1) == 0
            assert await ask_for(stage.port, "1.2.3.2", 2, calling="LINAC2") == 0
            await stage.row("reported", 1)
            assert (await stage.rows())[0].state == "reporting"
    assert [result.transaction_uid for result in results] == ["1.2.3.2"]


# --- the console's own association ----------------------------------------------------------------------


async def test_a_console_that_waits_gets_the_result_where_it_waits(tmp_path: Path) -> None:
    async with scene(tmp_path) as stage:
        await confirmed(stage)
        async with wire_peer(stage.port) as peer:
            await peer.associate(request(abstract=(PUSH_MODEL, VERIFICATION)))
            assert await console_asks(peer, "1.2.3.1", 1) == 0
            assert await told_here(peer) == RESULT
            await stage.row("reported")
            assert await console_asks(peer, "1.2.3.1", 1, message_id=2) == 0  # it asks twice
            assert await told_here(peer) == RESULT
            await peer.release()
    assert {one.where for one in stage.log.of(CommitmentReported)} == {"same association"}


async def test_a_result_that_takes_a_while_still_finds_the_console_waiting(tmp_path: Path) -> None:
    async with wired(commits()) as centre, scene(tmp_path, centre_port=centre.port) as stage:
        await put(stage.spool, 1)
        async with wire_peer(stage.port) as peer:
            await peer.associate(request())
            assert await console_asks(peer, "1.2.3.1", 1) == 0
            await accept(stage.spool)
            assert await told_here(peer) == RESULT
            await peer.release()


@pytest.mark.parametrize("how", ["released", "lost", "refuses", "hangs up", "aborts"])
async def test_a_console_that_does_not_take_it_there_is_called(how: str, tmp_path: Path) -> None:
    results: list[Result] = []
    async with (
        wired(listens(results)) as console,
        scene(tmp_path, console_port=console.port) as stage,
    ):
        await put(stage.spool, 1)
        await accept(stage.spool)
        await stage.spool.ask_begun("oncology", "2.25.9", references(1), stage.clock() + 1000)
        async with wire_peer(stage.port) as peer:
            await peer.associate(request())
            assert await console_asks(peer, "1.2.3.1", 1) == 0
            if how == "released":
                await peer.release()
            elif how == "lost":
                await peer.close()
            await stage.spool.ask_answered("2.25.9", references(1), (), "test", resend=frozenset())
            if how == "refuses":
                await told_here(peer, 0x0211)
            elif how == "hangs up":
                await next_message(peer)
                await peer.close()
            elif how == "aborts":
                await next_message(peer)
                peer.layer.abort()
                peer.flush()
            await stage.row("reported")
    assert results == [RESULT]
    assert stage.log.of(CommitmentReported)[-1].where == "new association"
    assert stage.alarms() == []


async def test_an_association_that_carries_other_things_is_not_disturbed(tmp_path: Path) -> None:
    results: list[Result] = []
    async with (
        wired(listens(results)) as console,
        scene(tmp_path, console_port=console.port) as stage,
    ):
        await confirmed(stage)
        async with wire_peer(stage.port) as peer:
            storage = "1.2.840.10008.5.1.4.1.1.481.4"
            await peer.associate(request(abstract=(PUSH_MODEL, VERIFICATION, storage)))
            assert await console_asks(peer, "1.2.3.1", 1) == 0
            await stage.row("reported")
            await peer.release()
    assert results == [RESULT]


# --- asking twice, several destinations, giving up -------------------------------------------------------


async def test_asked_twice_the_same_is_told_twice(tmp_path: Path) -> None:
    results: list[Result] = []
    async with (
        wired(listens(results), listens(results)) as console,
        scene(tmp_path, console_port=console.port) as stage,
    ):
        await confirmed(stage)
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0
        await stage.row("reported")
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0
        await console.wait_done(2)
        await stage.row("reported")
        assert len(await stage.rows()) == 1
    assert results == [RESULT, RESULT]


async def test_a_result_is_committed_only_where_all_destinations_commit(tmp_path: Path) -> None:
    results: list[Result] = []
    archive_port = free_port()
    async with (
        wired(commits()) as centre,
        wired(commits(((a_reference(2), 0x0110),)), port=archive_port),
        wired(listens(results)) as console,
    ):
        archive = Peer("archive", AETitle("PACS"), "127.0.0.1", archive_port)
        routes = (Route(called=AETitle("ARIA"), to=("oncology", "archive")),)
        async with scene(
            tmp_path,
            centre_port=centre.port,
            console_port=console.port,
            peers={"archive": archive},
            routes=routes,
        ) as stage:
            await put(stage.spool, 1, 2, to=("oncology", "archive"))
            await accept(stage.spool, "oncology")
            await accept(stage.spool, "archive")
            assert await ask_for(stage.port, "1.2.3.1", 1, 2) == 0
            await stage.row("reported")
    [two] = sops(a_reference(2))
    assert results == [Result("1.2.3.1", sops(a_reference(1)), ((two, 0x0110),))]


async def test_a_report_is_given_up_with_an_alarm_and_told_when_asked_again(tmp_path: Path) -> None:
    results: list[Result] = []
    port = free_port()
    policy = replace(QUICK, report_for=1000)
    limits = SpoolLimits(max_wait_seconds=1e9)
    async with scene(tmp_path, console_port=port, policy=policy, limits=limits) as stage:
        await confirmed(stage)
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0
        await stage.log.wait(CommitmentReported)
        stage.clock.ahead = 1001
        await put(stage.spool, 2)
        await accept(stage.spool)
        await stage.row("given-up")
        assert stage.alarms() == ["commitment.report-given-up"]
        async with wired(listens(results), port=port):
            assert await ask_for(stage.port, "1.2.3.1", 1) == 0
            await stage.row("reported")
    assert results == [RESULT]


async def test_a_result_that_was_ready_long_ago_is_tried_once_before_it_is_given_up(tmp_path: Path) -> None:
    results: list[Result] = []
    port = free_port()
    limits = SpoolLimits(max_wait_seconds=1e9)
    async with scene(
        tmp_path, console_port=port, policy=replace(QUICK, report_for=1000), limits=limits
    ) as stage:
        await confirmed(stage)
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0
        await stage.log.wait(CommitmentReported)
        await stage.stop()
        stage.clock.ahead = 5000  # the gateway was off
        async with wired(listens(results), port=port):
            await stage.start()
            await stage.row("reported")
    assert results == [RESULT]


async def test_a_console_that_left_the_configuration_is_an_alarm(tmp_path: Path) -> None:
    async with scene(tmp_path) as stage:
        await confirmed(stage)
        await stage.spool.add_commitment(a_request(1, calling="GONE"))
        await stage.alarm("commitment.console-unknown")
        await stage.log.wait_count(CommitmentReported, 2)
    assert stage.alarms() == ["commitment.console-unknown"]


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("when", ["dialling", "told"])
async def test_a_restart_at_any_moment_ends_well(when: str, crash: bool, tmp_path: Path) -> None:
    results: list[Result] = []
    reached = asyncio.Event()

    async def first(peer: WireCentre) -> None:
        if when == "told":
            await peer.accept(SCP_OF_RESULTS)
            await peer.message()
        else:
            await peer.requested()
        reached.set()
        await peer.finish()

    async with (
        wired(first, listens(results)) as console,
        scene(tmp_path, console_port=console.port) as stage,
    ):
        await confirmed(stage)
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0
        await asyncio.wait_for(reached.wait(), 10)
        await (stage.crash() if crash else stage.stop())
        await stage.start()
        await stage.row("reported")
    assert results == [RESULT]
