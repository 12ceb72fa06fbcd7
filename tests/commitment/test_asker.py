"""Asking a destination for commitment: every answer, every silence, every moment it can go away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.association.timeouts import RequestorTimeouts
from gateway.commitment.policy import Waits
from gateway.dicom import commitment, messages
from gateway.dicom.commitment import Result, Sop
from gateway.model import DeliveryState
from gateway.notices import CommitmentAnswered, CommitmentAsked
from gateway.spool import SpoolLimits
from tests.support.commitment_breaks import CENTRE_BREAKS, refuses_the_request
from tests.support.commitment_scene import QUICK, Scene, scene
from tests.support.commitment_wire import (
    ask_for,
    asked,
    centre_reports,
    commits,
    report,
    say,
    sops,
    wired,
)
from tests.support.committing import a_reference, accept, put, references
from tests.support.ports import free_port
from tests.support.wire_centre import WireCentre

NOT_HERE = 0x0112
SOON = replace(QUICK, answer=0.8, linger=0.2)
Script = Callable[[WireCentre], Awaitable[object]]


async def ready(stage: Scene, *numbers: int, uid: str = "1.2.3.1") -> None:
    """Objects that were delivered, and a console that wants to know."""
    await put(stage.spool, *numbers)
    await accept(stage.spool)
    assert await ask_for(stage.port, uid, *numbers) == 0x0000


# --- every moment at which the centre can go away --------------------------------------------------------


@pytest.mark.parametrize("name", CENTRE_BREAKS)
async def test_nothing_is_committed_until_the_centre_says_so_and_then_it_is(
    name: str, tmp_path: Path
) -> None:
    script, alarm = CENTRE_BREAKS[name]
    before: list[DeliveryState] = []
    stages: list[Scene] = []

    async def looks_first(peer: WireCentre) -> None:
        before.extend(row.delivery.state for row in await stages[0].spool.list_deliveries())
        await commits()(peer)

    timeouts = RequestorTimeouts(connect=5, associate=5, response=0.2, release=0.3)
    async with (
        wired(script, looks_first) as centre,
        scene(tmp_path, centre_port=centre.port, policy=SOON, timeouts=timeouts) as stage,
    ):
        stages.append(stage)
        await ready(stage, 1, 2)
        await stage.states("confirmed", "confirmed")
        [row] = await stage.rows()
        assert (row.committed, row.open, row.failed) == (2, 0, 0)
        assert before == [DeliveryState.ACCEPTED] * 2
    assert stage.alarms() == ([alarm] if alarm else [])


async def test_a_centre_that_is_gone_before_our_answer_has_committed_all_the_same(tmp_path: Path) -> None:
    async def script(peer: WireCentre) -> None:
        await peer.accept()
        context_id, command, action = await asked(peer)
        peer.answer(context_id, command)
        result = Result(action.transaction_uid, action.references, ())
        data = commitment.event_information(result, peer.layer.contexts[context_id].transfer_syntax)
        say(peer, context_id, commitment.event_rq(9, result), data)
        await peer.writer.drain()

    async with wired(script) as centre, scene(tmp_path, centre_port=centre.port) as stage:
        await ready(stage, 1)
        await stage.states("confirmed")


async def test_nobody_listens_and_then_somebody_does(tmp_path: Path) -> None:
    port = free_port()
    async with scene(tmp_path, centre_port=port) as stage:
        await ready(stage, 1)
        await stage.log.wait_count(CommitmentAsked, 3)
        assert {notice.outcome for notice in stage.log.of(CommitmentAsked)} == {"put off"}
        async with wired(commits(), port=port):
            await stage.states("confirmed")
    assert stage.alarms() == []
    assert ("oncology", None) in stage.dialled
    assert stage.dialled[0][1] is not None


# --- refusals ------------------------------------------------------------------------------------------


async def test_one_alarm_however_often_a_centre_refuses_and_another_when_it_begins_again(
    tmp_path: Path,
) -> None:
    async def refuses(peer: WireCentre) -> None:
        await refuses_the_request(peer)

    async with (
        wired(refuses, refuses, refuses, commits(), refuses, commits()) as centre,
        scene(tmp_path, centre_port=centre.port) as stage,
    ):
        await ready(stage, 1)
        await stage.states("confirmed")
        assert stage.alarms() == ["commitment.refused"]
        await ready(stage, 2, uid="1.2.3.2")
        await stage.states("confirmed", "confirmed")
    assert stage.alarms() == ["commitment.refused"] * 2


async def test_a_permanent_rejection_is_an_alarm(tmp_path: Path) -> None:
    async def rejects(peer: WireCentre) -> None:
        await peer.requested()
        peer.layer.reject(1, 1, 3)
        peer.flush()
        await peer.finish()

    async with (
        wired(rejects, rejects, commits()) as centre,
        scene(tmp_path, centre_port=centre.port) as stage,
    ):
        await ready(stage, 1)
        await stage.states("confirmed")
    assert stage.alarms() == ["commitment.rejected"]


async def test_a_peer_that_is_known_to_be_down_is_not_dialled(tmp_path: Path) -> None:
    down = ["the link is down"]
    async with (
        wired(commits()) as centre,
        scene(
            tmp_path,
            centre_port=centre.port,
            reachable=lambda peer: down[0] if down and peer == "oncology" else None,
            policy=replace(QUICK, ask_backoff=Waits(60, 60)),
        ) as stage,
    ):
        await ready(stage, 1)
        put_off = await stage.log.wait(CommitmentAsked)
        assert (put_off.outcome, put_off.reason) == ("put off", "the link is down")
        assert centre.connections == 0
        assert stage.dialled == []
        down.clear()
        stage.engine.peer_changed("oncology", True, "")  # a minute early
        await stage.states("confirmed")


# --- answers -------------------------------------------------------------------------------------------


async def test_an_instance_that_is_not_there_is_sent_once_more_and_then_held(tmp_path: Path) -> None:
    failed = ((a_reference(2), NOT_HERE),)
    async with (
        wired(commits(failed), commits(failed)) as centre,
        scene(tmp_path, centre_port=centre.port) as stage,
    ):
        await ready(stage, 1, 2)
        await stage.states("confirmed", "queued")
        [row] = await stage.rows()
        assert (row.state, row.committed, row.open) == ("open", 1, 1)
        await accept(stage.spool)
        await stage.states("confirmed", "held")
        await stage.alarm("spool.not-committed")
        [row] = await stage.rows()
        assert (row.committed, row.failed) == (1, 1)
        assert stage.failures() == {a_reference(2): NOT_HERE}
    answers = stage.log.of(CommitmentAnswered)
    assert [(one.resent, one.held) for one in answers] == [(1, 0), (0, 1)]
    assert "does not have the object" in answers[0].reason


@pytest.mark.parametrize("reason", [0x0110, 0x0119, 0x0122, 0x0131, 0x0213, 0xB000, 0xC123])
async def test_other_reasons_hold_at_once_and_are_kept_as_given(reason: int, tmp_path: Path) -> None:
    async with (
        wired(commits(((a_reference(1), reason),))) as centre,
        scene(tmp_path, centre_port=centre.port) as stage,
    ):
        await ready(stage, 1)
        await stage.states("held")
        await stage.alarm("spool.not-committed")
        assert stage.failures() == {a_reference(1): reason}


async def test_what_an_answer_does_not_name_is_asked_about_again(tmp_path: Path) -> None:
    seen: list[tuple[Sop, ...]] = []

    async def half(peer: WireCentre) -> None:
        await peer.accept()
        context_id, command, action = await asked(peer)
        seen.append(action.references)
        peer.answer(context_id, command)
        assert await report(peer, context_id, Result(action.transaction_uid, action.references[:1], ())) == 0
        await peer.finish()

    async def rest(peer: WireCentre) -> None:
        await peer.accept()
        context_id, command, action = await asked(peer)
        seen.append(action.references)
        peer.answer(context_id, command)
        assert await report(peer, context_id, Result(action.transaction_uid, action.references, ())) == 0
        await peer.finish()

    async with wired(half, rest) as centre, scene(tmp_path, centre_port=centre.port) as stage:
        await ready(stage, 1, 2)
        await stage.states("confirmed", "confirmed")
    assert [len(each) for each in seen] == [2, 1]


async def test_what_was_not_asked_is_not_committed_by_an_answer(tmp_path: Path) -> None:
    async def eager(peer: WireCentre) -> None:
        await peer.accept()
        context_id, command, action = await asked(peer)
        peer.answer(context_id, command)
        everything = sops(*references(1, 2))
        assert await report(peer, context_id, Result(action.transaction_uid, everything, ())) == 0
        await peer.finish()

    async with wired(eager) as centre, scene(tmp_path, centre_port=centre.port) as stage:
        await put(stage.spool, 1, 2)
        await accept(stage.spool)
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0
        await stage.states("confirmed", "accepted")


async def test_another_sop_class_is_no_proof(tmp_path: Path) -> None:
    async def other_class(peer: WireCentre) -> None:
        await peer.accept()
        context_id, command, action = await asked(peer)
        peer.answer(context_id, command)
        others = tuple(Sop("1.2.840.10008.5.1.4.1.1.2", one.instance_uid) for one in action.references)
        assert await report(peer, context_id, Result(action.transaction_uid, others, ())) == 0
        await peer.finish()

    async with wired(other_class, commits()) as centre, scene(tmp_path, centre_port=centre.port) as stage:
        await ready(stage, 1)
        answered = await stage.log.wait(CommitmentAnswered)
        assert answered.committed == 1  # so it said
        await stage.states("confirmed")
        assert centre.connections == 2  # and this is what did it


# --- late, twice, and for nobody -------------------------------------------------------------------------


async def takes_it(peer: WireCentre, kept: list[commitment.Action]) -> None:
    await peer.accept()
    context_id, command, action = await asked(peer)
    kept.append(action)
    peer.answer(context_id, command)
    await peer.finish()


async def test_the_result_may_come_on_an_association_that_the_centre_opens(tmp_path: Path) -> None:
    kept: list[commitment.Action] = []
    async with (
        wired(lambda peer: takes_it(peer, kept)) as centre,
        scene(tmp_path, centre_port=centre.port) as stage,
    ):
        await ready(stage, 1)
        await centre.wait_done(1)  # it was kept open a little while, then released
        [action] = kept
        result = Result(action.transaction_uid, action.references, ())
        assert await centre_reports(stage.port, result) == 0x0000
        await stage.states("confirmed")
        assert await centre_reports(stage.port, result) == 0x0000  # it was not sure that we had got it
    assert [one.outcome for one in stage.log.of(CommitmentAnswered)] == ["known", "again"]


@pytest.mark.parametrize("roles", [{}, {commitment.PUSH_MODEL: (True, True)}])
async def test_a_centre_that_forgets_the_roles_is_understood(
    roles: dict[str, tuple[bool, bool]], tmp_path: Path
) -> None:
    kept: list[commitment.Action] = []
    async with (
        wired(lambda peer: takes_it(peer, kept)) as centre,
        scene(tmp_path, centre_port=centre.port) as stage,
    ):
        await ready(stage, 1)
        await centre.wait_done(1)
        result = Result(kept[0].transaction_uid, kept[0].references, ())
        assert await centre_reports(stage.port, result, roles=roles) == 0x0000
        await stage.states("confirmed")


async def test_a_late_answer_to_an_old_ask_counts(tmp_path: Path) -> None:
    kept: list[commitment.Action] = []
    script: Any = lambda peer: takes_it(peer, kept)  # noqa: E731 - the same one again and again
    async with (
        wired(script, repeat=True) as centre,
        scene(tmp_path, centre_port=centre.port, policy=SOON) as stage,
    ):
        await ready(stage, 1)
        await stage.alarm("commitment.unanswered")
        await centre.wait_done(2)
        first, second = kept[:2]
        assert first.transaction_uid != second.transaction_uid
        assert first.references == second.references
        result = Result(first.transaction_uid, first.references, ())
        assert await centre_reports(stage.port, result) == 0x0000
        await stage.states("confirmed")
        row = (await stage.rows())[0]
        assert (row.committed, row.open) == (1, 0)
    assert stage.alarms().count("commitment.unanswered") == 1


async def test_a_result_for_no_ask_of_ours_is_refused_and_told(tmp_path: Path) -> None:
    async with scene(tmp_path) as stage:
        await put(stage.spool, 1)
        await accept(stage.spool)
        forged = Result("2.25.12345", sops(a_reference(1)), ())
        assert await centre_reports(stage.port, forged) == 0x0115
        [told] = stage.log.of(CommitmentAnswered)
        assert (told.outcome, told.source) == ("unknown", "ARIA")
        await stage.states("accepted")


async def test_a_consoles_own_transaction_is_not_an_ask(tmp_path: Path) -> None:
    async with scene(tmp_path) as stage:
        await ready(stage, 1)
        forged = Result("1.2.3.1", sops(a_reference(1)), ())
        assert await centre_reports(stage.port, forged) == 0x0115
        await stage.states("accepted")


# --- batches -------------------------------------------------------------------------------------------


async def test_many_instances_go_in_batches_over_one_association(tmp_path: Path) -> None:
    sizes: list[int] = []

    async def counts(peer: WireCentre) -> None:
        await peer.accept()
        for _ in range(3):
            context_id, command, action = await asked(peer)
            sizes.append(len(action.references))
            peer.answer(context_id, command)
            result = Result(action.transaction_uid, action.references, ())
            assert await report(peer, context_id, result) == 0
        await peer.finish()

    async with (
        wired(counts) as centre,
        scene(tmp_path, centre_port=centre.port, policy=replace(QUICK, batch=2)) as stage,
    ):
        await ready(stage, 1, 2, 3, 4, 5)
        await stage.states(*["confirmed"] * 5)
    assert sizes == [2, 2, 1]


async def test_a_peer_asked_about_everything_is_asked_without_a_console(tmp_path: Path) -> None:
    async with (
        wired(commits()) as centre,
        scene(tmp_path, centre_port=centre.port, commitment="always") as stage,
    ):
        await put(stage.spool, 1, 2)
        await accept(stage.spool)
        await stage.states("confirmed", "confirmed")
        assert await stage.rows() == []


@pytest.mark.parametrize("policy", ["on-request", "never"])
async def test_other_peers_are_not_asked_without_a_console(policy: str, tmp_path: Path) -> None:
    async with wired() as centre, scene(tmp_path, centre_port=centre.port, commitment=policy) as stage:
        await put(stage.spool, 1)
        await accept(stage.spool)
        await asyncio.sleep(0.1)
        assert centre.connections == 0


async def test_more_is_awaited_before_an_ask_that_nobody_waits_for(tmp_path: Path) -> None:
    sizes: list[int] = []

    async def counts(peer: WireCentre) -> None:
        await peer.accept()
        context_id, command, action = await asked(peer)
        sizes.append(len(action.references))
        peer.answer(context_id, command)
        assert await report(peer, context_id, Result(action.transaction_uid, action.references, ())) == 0
        await peer.finish()

    policy = replace(QUICK, batch_wait=0.5)
    async with (
        wired(counts, counts) as centre,
        scene(tmp_path, centre_port=centre.port, commitment="always", policy=policy) as stage,
    ):
        await put(stage.spool, 1)
        await accept(stage.spool)
        await stage.states("confirmed")
        for number in (2, 3, 4):
            await put(stage.spool, number)
            await accept(stage.spool)
        await stage.states(*["confirmed"] * 4)
    assert sizes == [1, 3]


async def test_while_a_centre_is_given_time_more_is_asked_on_the_same_association(tmp_path: Path) -> None:
    kept: list[commitment.Action] = []

    async def slow(peer: WireCentre) -> None:
        await peer.accept()
        for _ in range(2):
            context_id, command, action = await asked(peer)
            kept.append(action)
            peer.answer(context_id, command)
        for action in kept:
            assert await report(peer, 1, Result(action.transaction_uid, action.references, ())) == 0
        await peer.finish()

    async with (
        wired(slow) as centre,
        scene(tmp_path, centre_port=centre.port, policy=replace(QUICK, linger=5)) as stage,
    ):
        await ready(stage, 1)
        await stage.log.wait(CommitmentAsked)
        await ready(stage, 2, uid="1.2.3.2")
        await stage.states("confirmed", "confirmed")
    assert len(kept) == 2


async def test_what_is_still_on_its_way_is_not_asked_about(tmp_path: Path) -> None:
    async with wired(commits()) as centre, scene(tmp_path, centre_port=centre.port) as stage:
        await put(stage.spool, 1)
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0
        await asyncio.sleep(0.1)
        assert centre.connections == 0
        await accept(stage.spool)
        await stage.states("confirmed")


async def test_what_was_never_here_is_asked_about_and_failed_by_the_centre(tmp_path: Path) -> None:
    async with (
        wired(commits(((a_reference(9), NOT_HERE),))) as centre,
        scene(tmp_path, centre_port=centre.port) as stage,
    ):
        assert await ask_for(stage.port, "1.2.3.1", 9) == 0
        row = await stage.row("reporting")
        assert (row.failed, row.committed) == (1, 0)


# --- the end -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("when", ["asking", "asked", "lingering", "between"])
async def test_a_restart_at_any_moment_ends_well(when: str, crash: bool, tmp_path: Path) -> None:
    reached = asyncio.Event()
    kept: list[commitment.Action] = []

    async def first(peer: WireCentre) -> None:
        if when == "asking":
            await peer.requested()
            reached.set()
            await peer.finish()
            return
        await peer.accept()
        context_id, command, action = await asked(peer)
        kept.append(action)
        if when == "asked":
            reached.set()
            await peer.finish()
            return
        peer.answer(context_id, command)
        if when == "lingering":
            reached.set()
        await peer.finish()
        reached.set()

    policy = replace(SOON, linger=0.1) if when == "between" else replace(SOON, linger=5)
    async with (
        wired(first, commits()) as centre,
        scene(tmp_path, centre_port=centre.port, policy=policy) as stage,
    ):
        await ready(stage, 1)
        await asyncio.wait_for(reached.wait(), 10)
        await (stage.crash() if crash else stage.stop())
        await stage.start()
        await stage.states("confirmed")
        row = (await stage.rows())[0]
        assert (row.committed, row.open) == (1, 0)


async def test_a_result_after_a_restart_is_known(tmp_path: Path) -> None:
    kept: list[commitment.Action] = []
    async with (
        wired(lambda peer: takes_it(peer, kept)) as centre,
        scene(tmp_path, centre_port=centre.port) as stage,
    ):
        await ready(stage, 1)
        await centre.wait_done(1)
        await stage.restart()
        result = Result(kept[0].transaction_uid, kept[0].references, ())
        assert await centre_reports(stage.port, result) == 0x0000
        await stage.states("confirmed")


async def test_patience_ends_with_a_failure_that_says_that_nobody_knows(tmp_path: Path) -> None:
    limits = SpoolLimits(max_wait_seconds=1e9)
    async with scene(tmp_path, policy=replace(QUICK, patience=1000), limits=limits) as stage:
        await put(stage.spool, 1)
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0
        stage.clock.ahead = 1001
        await put(stage.spool, 2)
        await accept(stage.spool)  # anything that happens has the timekeeper look again
        row = await stage.row("reporting")
        assert (row.failed, row.open) == (1, 0)
        assert stage.failures() == {a_reference(1): 0x0110}
        assert await stage.alarm("commitment.no-result")


def test_requests_are_written_in_plain_syntaxes() -> None:
    assert messages.n_action_rq(1, "1", "2", 1, has_data_set=True).action_type_id == 1


async def test_a_centre_that_never_answers_is_asked_less_and_less(tmp_path: Path) -> None:
    began: list[float] = []

    async def silent(peer: WireCentre) -> None:
        began.append(asyncio.get_running_loop().time())
        await takes_it(peer, [])

    policy = replace(QUICK, answer=0.3, linger=0.05)
    async with (
        wired(silent, repeat=True) as centre,
        scene(tmp_path, centre_port=centre.port, policy=policy) as stage,
    ):
        await ready(stage, 1)
        await centre.wait_done(3)
        assert began[1] - began[0] >= 0.3  # its time was over
        assert began[2] - began[1] >= 0.6  # and once more, and as long again
    assert stage.alarms() == ["commitment.unanswered"]


async def test_broken_links_do_not_count_as_silence(tmp_path: Path) -> None:
    kept: list[commitment.Action] = []
    breaks = [CENTRE_BREAKS["hangs_up_after_the_request"][0]] * 6
    policy = replace(QUICK, answer=0.5, linger=0.05)
    async with (
        wired(*breaks, lambda peer: takes_it(peer, kept), commits()) as centre,
        scene(tmp_path, centre_port=centre.port, policy=policy) as stage,
    ):
        await ready(stage, 1)
        await stage.states("confirmed")
        assert centre.connections == 8
