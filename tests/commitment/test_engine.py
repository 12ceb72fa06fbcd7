"""Storage commitment end to end on the real spool, its timekeeper, and how it begins and ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.dicom.commitment import Result
from gateway.errors import SpoolFailure
from gateway.model import AETitle, Peer, Route
from gateway.notices import (
    CommitmentAnswered,
    CommitmentAsked,
    CommitmentReported,
    CommitmentRequested,
)
from gateway.spool import SpoolLimits
from tests.support.commitment_scene import QUICK, scene
from tests.support.commitment_wire import (
    ask_for,
    asked,
    commits,
    listens,
    report,
    sops,
    told_here,
    wired,
)
from tests.support.commitment_wire import console_asks as asks
from tests.support.commitment_wire import request as association_request
from tests.support.committing import a_reference, accept, put, references
from tests.support.ports import free_port
from tests.support.wire_centre import WireCentre
from tests.support.wire_peer import wire_peer


async def test_a_console_asks_the_centre_commits_and_the_console_is_told(tmp_path: Path) -> None:
    results: list[Result] = []
    async with (
        wired(commits()) as centre,
        wired(listens(results)) as console,
        scene(tmp_path, centre_port=centre.port, console_port=console.port) as stage,
    ):
        await put(stage.spool, 1, 2)
        await accept(stage.spool)
        assert await ask_for(stage.port, "1.2.3.1", 1, 2) == 0x0000
        row = await stage.row("reported")
        assert (row.committed, row.failed, row.open) == (2, 0, 0)
        await stage.states("confirmed", "confirmed")
    assert results == [Result("1.2.3.1", sops(*references(1, 2)), ())]
    [requested] = stage.log.of(CommitmentRequested)
    assert (requested.outcome, requested.instances, requested.calling_ae) == ("new", 2, "LINAC1")
    [asked_] = stage.log.of(CommitmentAsked)
    assert (asked_.outcome, asked_.instances, asked_.destination) == ("asked", 2, "oncology")
    [answered] = stage.log.of(CommitmentAnswered)
    assert (answered.outcome, answered.committed, answered.failed) == ("known", 2, 0)
    [reported] = stage.log.of(CommitmentReported)
    assert (reported.outcome, reported.where) == ("reported", "new association")
    assert stage.alarms() == []


async def test_a_console_that_waits_is_served_at_once_whatever_the_batch_wait(tmp_path: Path) -> None:
    policy = replace(QUICK, batch_wait=3600)
    async with (
        wired(commits()) as centre,
        scene(tmp_path, centre_port=centre.port, policy=policy) as stage,
    ):
        await put(stage.spool, 1)
        await accept(stage.spool)
        async with wire_peer(stage.port) as peer:
            await peer.associate(association_request())
            assert await asks(peer, "1.2.3.1", 1) == 0
            assert await told_here(peer) == Result("1.2.3.1", sops(a_reference(1)), ())
            await peer.release()


async def test_other_content_under_a_used_transaction_uid_is_refused(tmp_path: Path) -> None:
    async with scene(tmp_path) as stage:
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0x0000
        assert await ask_for(stage.port, "1.2.3.1", 1, 2) == 0x0115
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0x0000
        assert len(await stage.rows()) == 1
    assert [one.outcome for one in stage.log.of(CommitmentRequested)] == ["new", "refused", "again"]


async def test_more_open_requests_than_allowed_are_refused(tmp_path: Path) -> None:
    async with scene(tmp_path, limits=SpoolLimits(max_open_commitments=1)) as stage:
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0x0000
        assert await ask_for(stage.port, "1.2.3.2", 2) == 0x0213


async def test_destinations_are_asked_side_by_side(tmp_path: Path) -> None:
    both = asyncio.Barrier(2)

    async def together(peer: WireCentre) -> None:
        await peer.accept()
        context_id, command, action = await asked(peer)
        await asyncio.wait_for(both.wait(), 10)  # neither is answered before both are asked
        peer.answer(context_id, command)
        assert await report(peer, context_id, Result(action.transaction_uid, action.references, ())) == 0
        await peer.finish()

    async with wired(together) as first, wired(together) as second:
        archive = Peer("archive", AETitle("PACS"), "127.0.0.1", second.port)
        routes = (Route(called=AETitle("ARIA"), to=("oncology", "archive")),)
        async with scene(
            tmp_path, centre_port=first.port, peers={"archive": archive}, routes=routes
        ) as stage:
            await put(stage.spool, 1, to=("oncology", "archive"))
            await accept(stage.spool, "oncology")
            await accept(stage.spool, "archive")
            assert await ask_for(stage.port, "1.2.3.1", 1) == 0
            await stage.row("reporting")


# --- time ----------------------------------------------------------------------------------------------


async def test_an_ask_is_overdue_at_its_deadline_without_any_event(tmp_path: Path) -> None:
    seen: list[str] = []

    async def silent(peer: WireCentre) -> None:
        await peer.accept()
        context_id, command, action = await asked(peer)
        seen.append(action.transaction_uid)
        peer.answer(context_id, command)
        await peer.finish()

    policy = replace(QUICK, answer=0.5, linger=0.05)
    async with (
        wired(silent, commits()) as centre,
        scene(tmp_path, centre_port=centre.port, policy=policy) as stage,
    ):
        await put(stage.spool, 1)
        await accept(stage.spool)
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0
        await stage.states("confirmed")
    assert stage.alarms() == ["commitment.unanswered"]
    assert all(uid.startswith("2.25.") for uid in seen)


async def test_nothing_happens_while_nothing_is_to_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path) as stage:
        await asyncio.sleep(0.1)  # the start
        calls: list[str] = []
        for name in ("references_to_ask", "commitments_to_report", "next_commitment_due", "overdue_asks"):
            method = getattr(stage.spool, name)

            def watched(*args: Any, _name: str = name, _method: Any = method, **more: Any) -> Any:
                calls.append(_name)
                return _method(*args, **more)

            monkeypatch.setattr(stage.spool, name, watched)
        await asyncio.sleep(0.3)
        assert calls == []


async def test_many_events_make_few_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = replace(QUICK, gather=0.5, replan=0.5, batch_wait=0.5)
    async with scene(tmp_path, policy=policy) as stage:
        await asyncio.sleep(0.6)
        looks = 0
        look = stage.spool.commitments_to_report

        async def watched(limit: int) -> Any:
            nonlocal looks
            looks += 1
            return await look(limit)

        monkeypatch.setattr(stage.spool, "commitments_to_report", watched)
        for number in range(1, 21):
            await put(stage.spool, number)
            await accept(stage.spool)
        assert looks <= 4


# --- the beginning and the end ---------------------------------------------------------------------------


async def test_a_failed_journal_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene(tmp_path) as stage:

        async def fails(limit: int) -> Any:
            raise SpoolFailure("the disk is gone")

        monkeypatch.setattr(stage.spool, "commitments_to_report", fails)
        assert stage._work is not None
        await put(stage.spool, 1)
        await accept(stage.spool)
        with pytest.raises(BaseExceptionGroup) as raised:
            await asyncio.wait_for(asyncio.shield(stage._work), 10)
        assert raised.value.subgroup(SpoolFailure) is not None
        stage._work = None


async def test_closing_twice_and_before_the_start_is_harmless(tmp_path: Path) -> None:
    async with scene(tmp_path) as stage:
        await stage.engine.close()
        await stage.engine.close()


async def test_closing_lets_go_of_open_associations(tmp_path: Path) -> None:
    reached = asyncio.Event()

    async def silent(peer: WireCentre) -> None:
        await peer.accept()
        context_id, command, _ = await asked(peer)
        peer.answer(context_id, command)
        reached.set()
        await peer.finish()

    async with (
        wired(silent) as centre,
        scene(tmp_path, centre_port=centre.port, policy=replace(QUICK, linger=60)) as stage,
    ):
        await put(stage.spool, 1)
        await accept(stage.spool)
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0
        await asyncio.wait_for(reached.wait(), 10)
        await stage.engine.close()
        await centre.wait_done(1)


async def test_only_destinations_are_asked(tmp_path: Path) -> None:
    async with scene(tmp_path, centre_port=free_port(), commitment="never") as stage:
        assert "oncology" not in stage.engine._workers
        stage.engine.peer_changed("oncology", True, "")
        stage.engine.peer_changed("nobody", True, "")
        stage.engine.peer_changed("console1", False, "down")
