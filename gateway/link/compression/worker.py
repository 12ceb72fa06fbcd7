"""The worker process: encodes and decodes blocks for the daemon, one after the other.

A process of its own because numpy and the JPEG-LS library would cost the daemon 20 MB for good, hold the
interpreter while they work, and read bytes from far away: whatever they could be made to do, they do it here.
It has the lowest priority, so that it takes what is left, and a limit of memory. It ends with its input.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from gateway.link.compression import jobs
from gateway.link.compression.codecs import Codec, check_length, pack, unpack
from gateway.link.compression.jobs import ANSWER, QUESTION, DecodeJob, EncodeJob
from gateway.link.compression.pixels import Part, pack_image, pack_planes, unpack_image, unpack_planes
from gateway.link.compression.plan import ANYTHING, PLAIN, RECIPES, Mode, Speeds, Trial, candidates, choose
from gateway.link.values import Undecodable

_SAMPLE = 32 << 10


class Bench:
    """Does the jobs, and remembers how fast it was."""

    def __init__(self) -> None:
        self._speeds = Speeds()

    def encode(self, job: EncodeJob) -> tuple[int, bytes]:
        """Return the recipe and the payload. What does not shrink is plain."""
        recipe = self._choose(job) if job.recipe == jobs.TRY else job.recipe
        if recipe == PLAIN:
            return PLAIN, job.data
        payload = self._measured(recipe, job, job.offset, job.data)
        if payload is None:  # the end of an image may hold no whole row
            recipe, payload = ANYTHING, pack(job.data, RECIPES[ANYTHING].level)
        if len(payload) >= len(job.data):
            return PLAIN, job.data
        return recipe, payload

    @staticmethod
    def decode(job: DecodeJob) -> bytes:
        """Return the block. Raises Undecodable."""
        check_length(job.length)
        payload = bytes(job.payload)
        if job.codec == Codec.ZSTD:
            return unpack(payload, job.length)
        if job.codec == Codec.PLANES:
            return unpack_planes(payload, job.length)
        if job.codec == Codec.JPEG_LS:
            return unpack_image(payload, job.length)
        raise Undecodable(f"codec {job.codec} is not one of blocks")

    def _choose(self, job: EncodeJob) -> int:
        size = len(job.data)
        first = max(0, (size - _SAMPLE) // 2) & ~7
        sample = job.data[first : first + _SAMPLE]
        trials = []
        for recipe in candidates(job.layout, job.offset, job.offset + size, job.features):
            payload = self._measured(recipe, job, job.offset + first, sample)
            if payload is not None:
                trials.append(Trial(recipe, len(sample) / len(payload), self._speeds.of(recipe)))
        return choose(trials, job.rate, job.share)

    def _measured(self, recipe: int, job: EncodeJob, offset: int, data: bytes) -> bytes | None:
        began = time.perf_counter()
        payload = encoded(recipe, job, offset, data)
        self._speeds.took(recipe, len(data), time.perf_counter() - began)
        return payload


def encoded(number: int, job: EncodeJob, offset: int, data: bytes) -> bytes | None:
    """Return `data`, which begins at `offset` of its object, by a recipe; None where that cannot be done."""
    recipe = RECIPES[number]
    if recipe.codec is Codec.ZSTD:
        return pack(data, recipe.level)
    by_rows = recipe.codec is Codec.JPEG_LS or recipe.mode is Mode.GRADIENT
    part = _part(job, offset, len(data), recipe.width, by_rows=by_rows)
    if recipe.codec is Codec.JPEG_LS:
        return pack_image(data, part)
    return pack_planes(data, part, recipe.mode, recipe.level)


def _part(job: EncodeJob, offset: int, size: int, width: int, *, by_rows: bool) -> Part:
    layout = job.layout
    if layout is None:
        return Part(0, width, 0, 1, size)
    unit = layout.width * (layout.columns if by_rows else 1)
    before = layout.start - offset
    skip = min(size, before if before >= 0 else before % unit)
    return Part(skip, layout.width, layout.columns, layout.step, max(skip, min(size, layout.end - offset)))


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the questions end."""
    bench = Bench()
    _answer(answers, jobs.DONE, PLAIN, b"")
    while head := questions.read(QUESTION.size):
        length, kind = QUESTION.unpack(head)
        rest = questions.read(length)
        recipe = PLAIN
        try:
            if kind == jobs.ENCODE:
                recipe, done = bench.encode(EncodeJob.read(rest))
            else:
                done = bench.decode(DecodeJob.read(rest))
        except Undecodable as error:
            _answer(answers, jobs.UNDECODABLE, PLAIN, str(error).encode())
        except MemoryError:
            _answer(answers, jobs.FAILED, PLAIN, b"out of memory")
        else:
            _answer(answers, jobs.DONE, recipe, done)


def _answer(answers: BinaryIO, kind: int, recipe: int, rest: bytes) -> None:
    answers.write(ANSWER.pack(len(rest), kind, recipe))
    answers.write(rest)
    answers.flush()


def confine(memory: int) -> None:
    """Take what is left of the CPU only, and at most `memory` bytes more than now."""
    with suppress(OSError):  # a sandbox may forbid it; the limit below is what matters
        os.nice(10)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(
            "500"
        )  # rather this process than the one that keeps objects
    data_pages = int(Path("/proc/self/statm").read_text().split()[5])
    most = data_pages * os.sysconf("SC_PAGE_SIZE") + memory
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold pixels of a patient


def main() -> None:
    """`python -m gateway.link.compression.worker MEMORY`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the daemon ends us, by closing our input
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that a library prints may get between the answers
    confine(int(sys.argv[1]))
    try:
        serve(sys.stdin.buffer, answers)
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
