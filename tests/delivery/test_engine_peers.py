"""The engine against real peers: every documented way of failing, and that everything arrives afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.delivery.policy import DeliveryPolicy
from gateway.model import DeliveryState, Priority
from tests.support import dcmtk, objects
from tests.support.certs import Authority
from tests.support.delivery import QUICK, TIMEOUTS, Running, delivering, peer
from tests.support.delivery_spool import RT_IMAGE, uid
from tests.support.ports import free_port
from tests.support.scripted_centre import ABORT, SILENT, WRONG_MESSAGE, WRONG_OBJECT, Answer, Arrived, Centre

CT = "1.2.840.10008.5.1.4.1.1.2"
ACCEPTED, HELD, QUEUED = DeliveryState.ACCEPTED, DeliveryState.HELD, DeliveryState.QUEUED


async def all_accepted(running: Running, destination: str | None = None) -> None:
    await running.spool.until(lambda: all(s is ACCEPTED for s in running.spool.states(destination)))


async def test_everything_once_records_first_then_oldest_first(tmp_path: Path) -> None:
    with Centre() as centre:
        to = peer(centre.port, max_associations=1)
        async with delivering(tmp_path, to, paused=["oncology"]) as running:
            images = [await running.spool.add("oncology") for _ in range(20)]
            records = [await running.spool.add("oncology", priority=Priority.RECORD) for _ in range(5)]
            running.engine.resume("oncology")
            await all_accepted(running)
            assert [arrived.uid for arrived in centre.kept] == [uid(n) for n in [*records, *images]]
            assert centre.associations == 1
            digests = {entry.stored.digest for entry in running.spool.entries.values()}
            assert {arrived.digest for arrived in centre.kept} == digests
            receipts = [entry.receipts for entry in running.spool.entries.values()]
            assert all(len(receipt) == 1 and receipt[0].status == 0 for receipt in receipts)
            assert [link.after for link in running.links] == ["online"]


async def test_a_warm_association_is_used_again_and_released_when_idle(tmp_path: Path) -> None:
    with Centre() as centre:
        policy = replace(QUICK, idle_hold=0.3)
        async with delivering(tmp_path, peer(centre.port), policy=policy) as running:
            for _ in range(3):
                await running.spool.add("oncology")
                await all_accepted(running)
            assert centre.associations == 1
            await asyncio.to_thread(centre.released.wait, 5)
            assert centre.released.is_set()


async def test_a_peer_that_closed_the_warm_association_costs_nothing(tmp_path: Path) -> None:
    centre = Centre().start()
    with contextlib.ExitStack() as stack:
        stack.callback(centre.stop)
        async with delivering(tmp_path, peer(centre.port)) as running:
            await running.spool.add("oncology")
            await all_accepted(running)
            await asyncio.to_thread(centre.stop)
            await asyncio.to_thread(centre.start)
            await running.spool.add("oncology")
            await all_accepted(running)
            assert all(e.delivery.attempts == 1 for e in running.spool.entries.values())


WARNINGS = [0x0001, 0x0107, 0x0116, 0xB000, 0xB006, 0xB007, 0xB123]


@pytest.mark.parametrize("status", WARNINGS, ids=hex)
async def test_a_warning_is_accepted_and_kept(tmp_path: Path, status: int) -> None:
    with Centre(lambda arrived: status) as centre:
        centre.comment = "coerced"
        async with delivering(tmp_path, peer(centre.port)) as running:
            number = await running.spool.add("oncology")
            await all_accepted(running)
            (receipt,) = running.spool.entries[number].receipts
            assert (receipt.status, receipt.comment, receipt.is_warning) == (status, "coerced", True)


HELD_STATUSES = {
    0xA900: "refused",
    0xA9FF: "refused",
    0xC001: "refused",
    0x0122: "refused",
    0x0112: "refused",
    0x0117: "refused",
    0x0119: "refused",
    0x0120: "refused",
    0x0121: "refused",
    0x0124: "refused",
    0x0111: "conflict",
    0xD000: "unknown-status",
}


@pytest.mark.parametrize(("status", "cause"), HELD_STATUSES.items(), ids=str)
async def test_a_permanent_refusal_is_held_for_a_person_and_others_pass(
    tmp_path: Path, status: int, cause: str
) -> None:
    with Centre(lambda arrived: status if arrived.uid == uid(1) else 0) as centre:
        centre.comment = "no such patient: Doe^John"
        async with delivering(tmp_path, peer(centre.port)) as running:
            await running.spool.add("oncology")
            await running.spool.add("oncology")
            await running.spool.until(lambda: running.spool.states() == [HELD, ACCEPTED])
            entry = running.spool.entries[1]
            assert entry.cause == cause
            assert f"0x{status:04X}" in entry.delivery.reason
            assert "Doe" in entry.delivery.reason  # for the operator, in the journal
            assert [alarm.object_number for alarm in running.alarms] == [1]
            assert "Doe" not in repr(running.notices)  # but in no log
            assert running.engine.status()[0].link_state == "online"


@pytest.mark.parametrize("status", [0xA700, 0xA7FF, 0x0110, 0xC000], ids=hex)
async def test_a_transient_refusal_is_tried_again(tmp_path: Path, status: int) -> None:
    refused: set[str] = set()

    def answer(arrived: Arrived) -> Answer:
        first = arrived.uid not in refused
        refused.add(arrived.uid)
        return status if first else 0

    with Centre(answer) as centre:
        async with delivering(tmp_path, peer(centre.port)) as running:
            for _ in range(2):
                await running.spool.add("oncology")
            await all_accepted(running)
            assert [e.delivery.attempts for e in running.spool.entries.values()] == [2, 2]
            assert set(centre.copies().values()) == {1}


async def test_c000_is_held_after_a_few_tries(tmp_path: Path) -> None:
    with Centre(lambda arrived: 0xC000) as centre:
        async with delivering(tmp_path, peer(centre.port)) as running:
            await running.spool.add("oncology")
            await running.spool.until(lambda: running.spool.states() == [HELD])
            assert running.spool.entries[1].cause == "busy"
            assert len(centre.arrived) == QUICK.busy_attempts


@pytest.mark.parametrize("status", [0xA700, 0x0110], ids=hex)
async def test_a_destination_that_refuses_everything_is_paused_and_nothing_is_lost(
    tmp_path: Path, status: int
) -> None:
    mood: list[int] = [status]
    with Centre(lambda arrived: mood[0]) as centre:
        async with delivering(tmp_path, peer(centre.port)) as running:
            for _ in range(30):
                await running.spool.add("oncology")
            await running.until(lambda: any(link.after == "degraded" for link in running.links))
            assert all(state is not HELD for state in running.spool.states())
            mood[0] = 0
            await all_accepted(running)
            assert len(centre.copies()) == 30
            assert set(centre.copies().values()) == {1}
            assert running.links[-1].after == "online"


async def test_0110_is_retried_for_ever_at_a_slow_pace(tmp_path: Path) -> None:
    policy = replace(QUICK, max_attempts=2, refusals_before_pause=1000)
    mood = [0x0110]
    with Centre(lambda arrived: mood[0]) as centre:
        async with delivering(tmp_path, peer(centre.port), policy=policy) as running:
            await running.spool.add("oncology")
            await running.until(lambda: len(running.settled) >= 5)
            mood[0] = 0
            await all_accepted(running)
            assert running.spool.entries[1].delivery.attempts >= 5


async def test_a_destination_that_would_have_everything_held_is_stopped(tmp_path: Path) -> None:
    policy = replace(QUICK, holds_before_pause=4)
    mood = [0x0124]
    with Centre(lambda arrived: mood[0]) as centre:
        async with delivering(tmp_path, peer(centre.port, max_associations=1), policy=policy) as running:
            for _ in range(100):
                await running.spool.add("oncology")
            await running.until(lambda: any(link.after == "degraded" for link in running.links))
            mood[0] = 0
            await running.spool.until(
                lambda: all(state in (ACCEPTED, HELD) for state in running.spool.states())
            )
            assert 4 <= running.spool.states().count(HELD) <= 8


@pytest.mark.parametrize("cut", [ABORT, WRONG_MESSAGE, WRONG_OBJECT])
async def test_a_poison_object_is_held_and_does_not_block_the_others(tmp_path: Path, cut: str) -> None:
    with Centre(lambda arrived: cut if arrived.uid == uid(1) else 0) as centre:
        async with delivering(tmp_path, peer(centre.port)) as running:
            await running.spool.add("oncology", priority=Priority.RECORD)  # the head of the queue
            while running.spool.state(1) is not HELD:
                number = await running.spool.add("oncology")
                await running.spool.until(
                    lambda n=number: running.spool.state(n) is ACCEPTED  # type: ignore[misc]
                )
            entry = running.spool.entries[1]
            assert entry.cause == "cuts-association"
            assert "every time this object is sent" in entry.delivery.reason
            assert sum(arrived.uid == uid(1) for arrived in centre.arrived) <= 20
            assert not centre.copies()[uid(1)] or cut in (WRONG_MESSAGE, WRONG_OBJECT)


async def test_aborting_everything_pauses_holds_nothing_and_delivers_after_repair(tmp_path: Path) -> None:
    mood: list[Answer] = [ABORT]
    with Centre(lambda arrived: mood[0]) as centre:
        async with delivering(tmp_path, peer(centre.port)) as running:
            for _ in range(10):
                await running.spool.add("oncology")
            await running.until(lambda: sum(s.outcome == "retry" for s in running.settled) >= 8)
            assert HELD not in running.spool.states()
            mood[0] = 0
            await all_accepted(running)
            assert set(centre.copies().values()) == {1}
            assert all(e.delivery.attempts == 1 for e in running.spool.entries.values())


async def test_accepted_then_silent(tmp_path: Path) -> None:
    mood: list[Answer] = [SILENT]
    timeouts = replace(TIMEOUTS, response=0.3)
    with Centre(lambda arrived: mood[0]) as centre:
        async with delivering(tmp_path, peer(centre.port), timeouts=timeouts) as running:
            await running.spool.add("oncology")
            await running.until(lambda: any("no response" in s.reason for s in running.settled))
            mood[0] = 0
            await all_accepted(running)
            assert set(centre.copies().values()) == {1}


@pytest.mark.parametrize(
    ("reject", "words"),
    [((1, 1, 7), "called AE"), ((1, 1, 3), "calling AE"), ((2, 3, 2), "limit"), ((2, 3, 1), "congestion")],
)
async def test_a_rejected_association_is_the_destinations_problem(
    tmp_path: Path, reject: tuple[int, int, int], words: str
) -> None:
    with Centre() as centre:
        centre.reject = reject
        async with delivering(tmp_path, peer(centre.port)) as running:
            for _ in range(5):
                await running.spool.add("oncology")
            await running.until(lambda: any(link.after == "offline" for link in running.links))
            status = running.engine.status()[0]
            assert words.lower() in status.reason.lower()
            await running.spool.until(lambda: set(running.spool.states()) == {QUEUED})
            assert running.engine.status()[0].next_try is not None
            centre.reject = None
            await all_accepted(running)
            assert all(e.delivery.attempts == 1 for e in running.spool.entries.values())
            assert set(centre.copies().values()) == {1}
            assert running.links[-1].after == "online"


async def test_down_then_up_everything_flows_and_nobody_is_blamed(tmp_path: Path) -> None:
    port = free_port()
    async with delivering(tmp_path, peer(port)) as running:
        for number in range(50):
            await running.spool.add(
                "oncology", priority=Priority.RECORD if number % 5 == 0 else Priority.IMAGE
            )
        await running.until(lambda: any(link.after == "offline" for link in running.links))
        assert "refused" in running.engine.status()[0].reason
        with Centre(port=port) as centre:
            await all_accepted(running)
            assert len(centre.copies()) == 50
            assert set(centre.copies().values()) == {1}
            assert all(e.delivery.attempts == 1 for e in running.spool.entries.values())
            assert centre.echoes >= 1


async def test_a_kick_tries_at_once(tmp_path: Path) -> None:
    port = free_port()
    policy = replace(QUICK, rejected_interval=3600.0)
    with Centre(port=port) as centre:
        centre.reject = (1, 1, 7)
        async with delivering(tmp_path, peer(port), policy=policy) as running:
            await running.spool.add("oncology")
            await running.until(lambda: any(link.after == "offline" for link in running.links))
            centre.reject = None
            running.engine.kick("oncology")
            await all_accepted(running)


async def test_alive_without_verification(tmp_path: Path) -> None:
    port = free_port()
    async with delivering(tmp_path, peer(port)) as running:
        await running.spool.add("oncology")
        await running.until(lambda: any(link.after == "offline" for link in running.links))
        with Centre(port=port, verification=False) as centre:
            await all_accepted(running)
            assert centre.echoes == 0


@contextlib.contextmanager
def certificates(tmp_path: Path) -> Iterator[tuple[Authority, Authority]]:
    yield Authority.create(tmp_path, "centre"), Authority.create(tmp_path, "stranger")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("expired", "expired"),
        ("unknown authority", "not trusted"),
        ("other name", "another"),
        ("our certificate unknown", "authority that issued our certificate"),
    ],
)
async def test_tls_failures_take_the_destination_offline_with_the_reason(
    tmp_path: Path, wrong: str, words: str
) -> None:
    with certificates(tmp_path) as (authority, stranger):
        ours, good = authority.issue("gateway"), authority.issue("good")
        theirs = good
        if wrong == "expired":
            theirs = authority.issue("bad", days=-1)
        elif wrong == "unknown authority":
            theirs = replace(stranger.issue("bad"), ca=authority.ca)
        elif wrong == "other name":
            theirs = authority.issue("bad", hosts=("elsewhere.example.org",))
        else:
            theirs = replace(good, ca=stranger.ca)
        port = free_port()
        async with delivering(tmp_path, peer(port, tls=ours)) as running:
            with Centre(port=port, tls=theirs):
                await running.spool.add("oncology")
                await running.until(lambda: any(link.after == "offline" for link in running.links))
                assert words in running.engine.status()[0].reason
                assert running.spool.state(1) is not HELD
            with Centre(port=port, tls=good) as centre:
                await all_accepted(running)
                assert set(centre.copies().values()) == {1}


async def test_our_own_unreadable_certificate_is_told_and_stops_no_other_destination(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    ours = authority.issue("gateway")
    ours.key.unlink()
    with Centre() as centre:
        async with delivering(
            tmp_path, peer(free_port(), name="bad", tls=ours), peer(centre.port)
        ) as running:
            await running.spool.add("bad")
            await running.spool.add("oncology")
            await all_accepted(running, "oncology")
            await running.until(lambda: any(link.destination == "bad" for link in running.links))
            assert str(ours.key) in running.engine.status()[0].reason


async def test_a_dead_a_silent_and_a_rejecting_destination_hold_up_no_other(tmp_path: Path) -> None:
    rejecting = Centre()
    rejecting.reject = (1, 1, 7)
    with Centre() as good, Centre(lambda arrived: SILENT) as silent, rejecting:
        peers = [
            peer(free_port(), name="dead"),
            peer(silent.port, name="silent"),
            peer(rejecting.port, name="rejecting"),
            peer(good.port, name="good"),
        ]
        timeouts = replace(TIMEOUTS, response=30)
        policy = replace(QUICK, drain=0.1)
        async with delivering(tmp_path, *peers, timeouts=timeouts, policy=policy) as running:
            for _ in range(20):
                for to in peers:
                    await running.spool.add(to.name)
            await all_accepted(running, "good")
            assert len(good.copies()) == 20
            for name in ("dead", "silent", "rejecting"):
                assert ACCEPTED not in running.spool.states(name)
        assert QUEUED in running.spool.states("silent")
        assert DeliveryState.SENDING not in running.spool.states()


async def test_a_record_does_not_wait_for_images_under_way(tmp_path: Path) -> None:
    """All lanes but the one kept for records are stuck in images; the record passes."""
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def answer(arrived: Arrived) -> Answer:
        if len(arrived.data) > 1000:
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result(20)
        return 0

    with Centre(answer) as centre:
        async with delivering(tmp_path, peer(centre.port, max_associations=3)) as running:
            for _ in range(30):
                await running.spool.add("oncology", priority=Priority.BULK, data=bytes(2000))
            while len(centre.arrived) < 2:
                await asyncio.to_thread(lambda: None)
            record = await running.spool.add("oncology", priority=Priority.RECORD)
            await running.spool.until(lambda: running.spool.entries[record].delivery.state is ACCEPTED)
            assert running.spool.states().count(ACCEPTED) == 1
            release.set()
            await all_accepted(running)
            assert centre.most_associations <= 3


async def test_with_one_association_a_record_waits_for_one_object_only(tmp_path: Path) -> None:
    gates = [asyncio.Event() for _ in range(30)]
    loop = asyncio.get_running_loop()
    arrived_at: asyncio.Queue[str] = asyncio.Queue()

    def answer(arrived: Arrived) -> Answer:
        loop.call_soon_threadsafe(arrived_at.put_nowait, arrived.uid)
        gate = gates[int(arrived.uid.rpartition(".")[2]) - 1]
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(20)
        return 0

    with Centre(answer) as centre:
        async with delivering(tmp_path, peer(centre.port, max_associations=1)) as running:
            for _ in range(20):
                await running.spool.add("oncology", priority=Priority.BULK)
            assert await arrived_at.get() == uid(1)
            record = await running.spool.add("oncology", priority=Priority.RECORD)
            # The claim for records happens while the first image is on the wire.
            async with asyncio.timeout(5):
                while running.spool.entries[record].delivery.state is not DeliveryState.SENDING:
                    await asyncio.to_thread(lambda: None)
            gates[0].set()
            assert await arrived_at.get() == uid(record)
            for gate in gates:
                gate.set()
            await all_accepted(running)


async def test_parallel_associations_up_to_the_maximum(tmp_path: Path) -> None:
    policy = replace(QUICK, claim_objects=64)

    def answer(arrived: Arrived) -> Answer:
        # The first association must not be through with everything before there is a second one.
        return 0 if len(centre.arrived) < 2 or centre.several.wait(20) else 0xA700

    with Centre(answer) as centre:
        async with delivering(tmp_path, peer(centre.port, max_associations=4), policy=policy) as running:
            for _ in range(60):
                await running.spool.add("oncology")
            await all_accepted(running)
            assert 2 <= centre.most_associations <= 4


async def test_a_peer_that_allows_fewer_associations_is_respected(tmp_path: Path) -> None:
    with Centre(maximum_associations=1) as centre:
        async with delivering(tmp_path, peer(centre.port)) as running:
            for _ in range(60):
                await running.spool.add("oncology")
            await all_accepted(running)
            assert set(centre.copies().values()) == {1}
            assert not any(link.after == "offline" for link in running.links)


async def test_pause_and_resume(tmp_path: Path) -> None:
    with Centre() as centre:
        async with delivering(tmp_path, peer(centre.port)) as running:
            running.engine.pause("oncology")
            await running.spool.add("oncology")
            assert running.engine.status()[0].paused
            running.engine.resume("oncology")
            await all_accepted(running)
            assert len(centre.kept) == 1


async def test_a_stop_puts_back_what_is_on_the_wire(tmp_path: Path) -> None:
    with Centre(lambda arrived: SILENT) as centre:
        policy: DeliveryPolicy = replace(QUICK, drain=0.1)
        async with delivering(tmp_path, peer(centre.port), policy=policy) as running:
            await running.spool.add("oncology")
            async with asyncio.timeout(10):
                while not centre.arrived:
                    await asyncio.to_thread(lambda: None)
        assert running.spool.states() == [QUEUED]
        assert running.spool.entries[1].delivery.attempts == 0


@pytest.mark.parametrize("inline", [True, False])
async def test_damaged_bytes_never_reach_the_centre(tmp_path: Path, inline: bool) -> None:
    with Centre() as centre:
        async with delivering(tmp_path, peer(centre.port), paused=["oncology"]) as running:
            body = bytes(60_000 if inline else 600_000)
            await running.spool.add("oncology", data=body)
            await running.spool.add("oncology")
            if inline:
                running.spool.damaged[1] = body[:30_000] + b"\x01" + body[30_001:]
            else:
                running.spool.flip_a_bit(len(body))
            running.engine.resume("oncology")
            await running.spool.until(lambda: running.spool.states() == [HELD, ACCEPTED])
            assert running.spool.entries[1].cause == "damaged"
            assert [arrived.uid for arrived in centre.arrived] == [uid(2)]
            assert [alarm.code for alarm in running.alarms] == ["object-damaged"]


async def test_a_file_cut_short_never_reaches_the_centre(tmp_path: Path) -> None:
    with Centre() as centre:
        async with delivering(tmp_path, peer(centre.port), paused=["oncology"]) as running:
            await running.spool.add("oncology", data=bytes(600_000))
            running.spool.truncate(600_000)
            running.engine.resume("oncology")
            await running.until(lambda: bool(running.alarms))
            assert ACCEPTED not in running.spool.states()
        assert not centre.arrived


async def test_a_large_object_is_streamed(tmp_path: Path) -> None:
    with Centre() as centre:
        async with delivering(tmp_path, peer(centre.port)) as running:
            body = bytes(range(256)) * 40_000
            number = await running.spool.add("oncology", data=body)
            await all_accepted(running)
            assert centre.kept[0].data == body
            assert running.spool.entries[number].receipts[0].digest == centre.kept[0].digest
            assert running.engine.status()[0].goodput


@pytest.mark.peers
async def test_a_centre_that_serves_one_association_at_a_time(tmp_path: Path) -> None:
    """DCMTK's storescp does not even look at a second one before the first has ended."""
    timeouts = replace(TIMEOUTS, associate=0.5)
    with dcmtk.StoreScp(tmp_path / "received") as scp:
        async with delivering(tmp_path, peer(scp.port), timeouts=timeouts, paused=["oncology"]) as running:
            for number in range(40):
                sop_class, uid_tail = (RT_IMAGE, CT)[number % 2], number + 1
                data = objects.small_object(sop_class, uid(uid_tail), bytes(1000))
                await running.spool.add("oncology", data=data, sop_class=sop_class)
            running.engine.resume("oncology")
            await all_accepted(running)
            assert not any(link.after == "offline" for link in running.links)
            assert len(await asyncio.to_thread(scp.received)) == 40
