from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.delivery.smaller import compressor as module
from gateway.delivery.smaller.compressor import SYNTAXES, Compressor, CompressorLimits
from tests.support.ct_noise import scan_object

EXPLICIT = SYNTAXES[0]
SLICE = scan_object(matrix=256).data
LIMITS = CompressorLimits()


@pytest.fixture(name="compressor")
async def a_compressor() -> AsyncIterator[Compressor]:
    made = Compressor()
    yield made
    await made.close()


async def test_one_process_does_one_image_after_the_other(compressor: Compressor) -> None:
    assert compressor.pid is None
    answers = await asyncio.gather(*(compressor.compressed(SLICE, EXPLICIT) for _ in range(3)))
    assert all(answer is not None and len(answer) < len(SLICE) / 1.5 for answer in answers)
    assert len(set(answers)) == 1
    pid = compressor.pid
    assert await compressor.compressed(b"nothing that could be read" * 9, EXPLICIT) is None
    assert await compressor.compressed(SLICE, EXPLICIT) == answers[0]
    assert compressor.pid == pid


def test_what_is_worth_it() -> None:
    made = Compressor()
    assert made.fits(EXPLICIT, LIMITS.smallest)
    assert made.fits(SYNTAXES[1], LIMITS.largest)
    assert not made.fits(EXPLICIT, LIMITS.smallest - 1)
    assert not made.fits(EXPLICIT, LIMITS.largest + 1)
    assert not made.fits("1.2.840.10008.1.2.2", LIMITS.smallest)


async def test_a_process_that_dies_costs_one_image_its_shortness(compressor: Compressor) -> None:
    assert await compressor.compressed(SLICE, EXPLICIT) is not None
    assert compressor.pid is not None
    os.kill(compressor.pid, signal.SIGKILL)
    assert await compressor.compressed(SLICE, EXPLICIT) is None
    assert await compressor.compressed(SLICE, EXPLICIT) is not None


async def test_one_that_never_works_is_left_alone(
    compressor: Compressor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MODULE", "gateway.no_such_module")
    for _ in range(LIMITS.failures):
        assert compressor.fits(EXPLICIT, LIMITS.smallest)
        assert await compressor.compressed(SLICE, EXPLICIT) is None
    assert not compressor.fits(EXPLICIT, LIMITS.smallest)


async def test_one_that_takes_too_long_is_ended(compressor: Compressor) -> None:
    assert await compressor.compressed(SLICE, EXPLICIT) is not None
    pid = compressor.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    compressor.limits = replace(LIMITS, patience=0.2)
    assert await compressor.compressed(SLICE, EXPLICIT) is None
    assert compressor.pid is None


async def test_it_rests_when_nobody_asks() -> None:
    made = Compressor(replace(LIMITS, rest=0.05))
    assert await made.compressed(SLICE, EXPLICIT) is not None
    async with asyncio.timeout(10):
        while made.pid is not None:  # noqa: ASYNC110 - a timer of its own
            await asyncio.sleep(0.01)
    await made.close()


async def test_whoever_gives_up_leaves_no_answer_for_the_next(compressor: Compressor) -> None:
    other = scan_object(index=5, matrix=256).data
    first = asyncio.create_task(compressor.compressed(other, EXPLICIT))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    expected = await compressor.compressed(SLICE, EXPLICIT)
    assert expected is not None
    assert expected == await compressor.compressed(SLICE, EXPLICIT)
