"""The worker process and the daemon's side of it: bounded, ended when idle, and no trouble when it fails."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.link.compression import jobs
from gateway.link.compression.codecs import FEATURES, Codec, CompressionLimits, pack
from gateway.link.compression.jobs import DecodeJob, EncodeJob
from gateway.link.compression.layout import PixelLayout
from gateway.link.compression.plan import PLAIN, RECIPES
from gateway.link.compression.workers import WorkerDown, Workers
from gateway.link.values import BLOCK, Undecodable
from tests.support.ct_noise import slice_pixels

_BLOCK = slice_pixels()[:BLOCK]
_LAYOUT = PixelLayout(0, 512 * 1024, 2, 512, 1)


def job(data: bytes = _BLOCK, recipe: int = jobs.TRY, rate: float = 1.25e6, offset: int = 0) -> EncodeJob:
    return EncodeJob(recipe, FEATURES, rate, 0.5, offset, _LAYOUT, data)


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    adjusted = Path(f"/proc/{pid}/oom_score_adj").read_text()
    return {**dict(line.split(":", 1) for line in lines), "oom_score_adj": adjusted}


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    made = Workers()
    yield made
    await made.close()


def test_jobs_are_read_as_they_were_written() -> None:
    for layout in (None, _LAYOUT, PixelLayout(1 << 40, 1 << 41, 8, 1 << 31, 4)):
        written = EncodeJob(3, frozenset({"zstd"}), 2.5, 0.25, 1 << 42, layout, b"data")
        assert EncodeJob.read(written.write()) == written
    decode = DecodeJob(5, BLOCK, b"payload")
    assert DecodeJob.read(decode.write()) == decode


async def test_a_block_goes_there_and_back(workers: Workers) -> None:
    recipe, payload = await workers.encode(job())
    assert len(payload) < len(_BLOCK) / 2
    codec = RECIPES[recipe].codec
    assert codec in (Codec.JPEG_LS, Codec.PLANES)
    assert await workers.decode(DecodeJob(codec, len(_BLOCK), payload)) == _BLOCK


async def test_every_recipe_goes_there_and_back(workers: Workers) -> None:
    for number, recipe in enumerate(RECIPES):
        for offset in (0, 2, 300, 511 * 1024, 600_000):  # the pixels begin before, within and end in it
            for data in (_BLOCK, _BLOCK[:333], os.urandom(5000)):
                width = recipe.width or 2
                layout = PixelLayout(400, 512 * 1024, width, 512, 1)
                asked = EncodeJob(number, FEATURES, 1e6, 0.5, offset, layout, data)
                used, payload = await workers.encode(asked)
                assert len(payload) <= len(data)
                if used == PLAIN:
                    assert payload == data
                else:
                    done = await workers.decode(DecodeJob(RECIPES[used].codec, len(data), payload))
                    assert done == data, recipe


async def test_noise_and_fast_links_go_plain(workers: Workers) -> None:
    noise = os.urandom(BLOCK)
    assert await workers.encode(job(noise)) == (PLAIN, noise)
    assert await workers.encode(job(rate=1e12)) == (PLAIN, _BLOCK)


async def test_what_cannot_be_decoded_leaves_the_worker_alive(workers: Workers) -> None:
    for codec, length, payload in (
        (Codec.JPEG_LS, 512, b"no image"),
        (Codec.PLANES, 512, b"no planes"),
        (Codec.ZSTD, 512, b"no zstd"),
        (Codec.ZSTD, BLOCK + 1, pack(bytes(BLOCK + 1), 1)),
        (Codec.SHARED, 512, b"not for blocks"),
        (77, 512, b"unknown"),
    ):
        with pytest.raises(Undecodable):
            await workers.decode(DecodeJob(codec, length, payload))
    (pid,) = workers.pids
    await workers.encode(job())
    assert workers.pids == [pid]


async def test_a_worker_that_is_killed_costs_one_job_and_is_not_started_at_once(workers: Workers) -> None:
    await workers.encode(job())
    (pid,) = workers.pids
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerDown):
        await workers.encode(job())
    with pytest.raises(WorkerDown, match="a moment ago"):
        await workers.encode(job())
    assert workers.pids == []
    async with asyncio.timeout(20):
        while True:
            try:
                await workers.encode(job())
                break
            except WorkerDown:
                await asyncio.sleep(0.1)  # until the pause is over


async def test_a_worker_that_hangs_is_ended() -> None:
    hanging = (
        "import sys, time; sys.stdout.buffer.write(bytes(6)); sys.stdout.buffer.flush(); time.sleep(600)"
    )
    workers = Workers(CompressionLimits(job_time=0.2), child=("-c", hanging))
    try:
        with pytest.raises(WorkerDown):
            await workers.encode(job())
        assert workers.pids == []
    finally:
        await workers.close()


async def test_a_worker_that_cannot_start_is_not_waited_for() -> None:
    workers = Workers(child=("-c", "raise SystemExit(3)"))
    with pytest.raises(WorkerDown):
        await workers.decode(DecodeJob(Codec.ZSTD, 10, b""))
    await workers.close()


async def test_who_asks_may_go_away(workers: Workers) -> None:
    await workers.encode(job(recipe=1))
    pids = workers.pids
    asking = [asyncio.create_task(workers.encode(job())) for _ in range(5)]
    for _ in range(5):
        await asyncio.sleep(0)  # turns of the loop until the first one's question is on its way
    for task in asking[::2]:
        task.cancel()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(answer) for answer in answers[1::2]] == [tuple, tuple]
    assert workers.pids == pids
    recipe, payload = await workers.encode(job())
    assert await workers.decode(DecodeJob(RECIPES[recipe].codec, BLOCK, payload)) == _BLOCK


async def test_a_record_does_not_wait_behind_images(workers: Workers) -> None:
    await workers.encode(job())
    order: list[str] = []

    async def ask(name: str, urgency: int) -> None:
        await workers.encode(job(), urgency)
        order.append(name)

    images = [asyncio.create_task(ask(f"image {n}", 1)) for n in range(4)]
    await asyncio.sleep(0)
    record = asyncio.create_task(ask("record", 0))
    given_up = asyncio.create_task(ask("given up", 0))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(*images, record)
    assert order == ["image 0", "record", "image 1", "image 2", "image 3"]


async def test_who_gives_up_in_his_turn_passes_it_on(workers: Workers) -> None:
    (worker,) = workers._free
    first = await workers._take(0)
    second, third = (asyncio.create_task(workers.encode(job())) for _ in range(2))
    await asyncio.sleep(0)
    workers._give(first)
    second.cancel()  # the turn is its own, and it has not learnt it
    await third
    assert second.cancelled()
    assert workers._free == [worker]


async def test_an_idle_worker_gives_its_memory_back() -> None:
    workers = Workers(CompressionLimits(worker_idle=0.05))
    try:
        await workers.encode(job())
        (pid,) = workers.pids
        its_end = os.pidfd_open(pid)
        await asyncio.to_thread(select.select, [its_end], [], [], 10)
        os.close(its_end)
        assert workers.pids == []
        await workers.encode(job())
        assert workers.pids != [pid]
    finally:
        await workers.close()


async def test_closed_workers_do_nothing_more() -> None:
    workers = Workers()
    waiting = [asyncio.create_task(workers.encode(job())) for _ in range(3)]
    await asyncio.sleep(0)
    await workers.close()
    assert workers.pids == []
    for answer in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(answer, (WorkerDown, tuple))
    with pytest.raises(WorkerDown):
        await workers.encode(job())


async def test_two_workers_work_side_by_side() -> None:
    workers = Workers(CompressionLimits(workers=2))
    try:
        await asyncio.gather(*(workers.encode(job()) for _ in range(6)))
        assert len(workers.pids) == 2
    finally:
        await workers.close()


async def test_memory_and_priority_of_a_worker(workers: Workers) -> None:
    """Measured: 32 MiB with everything loaded and working, 48 allowed for other machines."""
    for offset in range(0, 4 * BLOCK, BLOCK):
        recipe, payload = await workers.encode(job(offset=offset))
        await workers.decode(DecodeJob(RECIPES[recipe].codec, BLOCK, payload))
    (pid,) = workers.pids
    status = status_of(pid)
    assert int(status["VmHWM"].split()[0]) < 48 << 10
    assert int(status["Threads"]) == 1
    assert os.getpriority(os.PRIO_PROCESS, pid) >= 10
    assert int(status["oom_score_adj"]) == 500


def test_a_sandbox_that_forbids_the_lower_priority_does_not_stop_a_worker() -> None:
    program = (
        "import os, resource\n"
        "from gateway.link.compression import worker\n"
        "def nice(by): raise PermissionError\n"
        "os.nice = nice; worker.confine(64 << 20)\n"
        "print(resource.getrlimit(resource.RLIMIT_DATA)[0] > 0, resource.getrlimit(resource.RLIMIT_CORE))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "True (0, 0)"


def test_a_worker_cannot_take_more_memory_than_it_may() -> None:
    program = (
        "from gateway.link.compression import worker; worker.confine(64 << 20)\n"
        "bytearray(40 << 20)\n"
        "try: bytearray(80 << 20)\n"
        "except MemoryError: print('refused')"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "refused"


def test_a_worker_ends_with_its_input() -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "gateway.link.compression.worker", str(64 << 20)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    answer, _ = child.communicate(b"", timeout=30)
    assert child.returncode == 0
    assert answer == jobs.ANSWER.pack(0, jobs.DONE, PLAIN)


def test_the_daemon_does_not_load_numpy() -> None:
    program = (
        "import sys, gateway.link.compression.encoder, gateway.link.compression.decoder; "
        "print([name for name in ('numpy', '_CharLS', 'pydicom') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
