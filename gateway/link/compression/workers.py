"""The daemon's side of the compression workers: started when there is work, one job each at a time.

A worker that fails, hangs or dies is ended and not started again at once; the job it had fails, no other.
Nothing here decides what that means: an encoder sends plain, a decoder asks for the object again.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import os
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from gateway.errors import LocalError
from gateway.link.compression import jobs
from gateway.link.compression.codecs import CompressionLimits
from gateway.link.compression.jobs import ANSWER, QUESTION, DecodeJob, EncodeJob
from gateway.link.values import BLOCK, Undecodable

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

_START_TIME: Final = 30.0  # seconds; a small board with a slow card needs several to load the libraries
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0


class WorkerDown(LocalError):
    """The job was not done, through no fault of its bytes as far as is known."""


class Workers:
    """All workers of this process. One event loop."""

    def __init__(
        self,
        limits: CompressionLimits | None = None,
        *,
        child: Sequence[str] = ("-m", "gateway.link.compression.worker"),
    ) -> None:
        """`child`: arguments of the interpreter."""
        self._limits = limits or CompressionLimits()
        self._all = [_Worker(self._limits, child) for _ in range(self._limits.workers)]
        self._free = list(self._all)  # the one that worked last is taken first: the others may rest
        self._waiting: list[tuple[int, int, asyncio.Future[_Worker]]] = []  # a heap: urgency, then order
        self._asked = itertools.count()
        self._under_way: set[asyncio.Task[tuple[int, int, bytes]]] = set()
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """The processes that run now."""
        return [pid for worker in self._all if (pid := worker.pid) is not None]

    async def encode(self, job: EncodeJob, urgency: int = 0) -> tuple[int, bytes]:
        """Return the recipe that was used, and the payload. Raises WorkerDown.

        Of those that wait, the smallest `urgency` has the next turn.
        """
        kind, recipe, done = await self._ask(jobs.ENCODE, job.write(), urgency)
        if kind != jobs.DONE:
            raise WorkerDown(f"a block was not encoded: {done[:200].decode(errors='replace')}")
        return recipe, done

    async def decode(self, job: DecodeJob) -> bytes:
        """Return the block. Raises Undecodable, WorkerDown."""
        kind, _, done = await self._ask(jobs.DECODE, job.write(), 0)
        if kind == jobs.UNDECODABLE:
            raise Undecodable(done[:200].decode(errors="replace"))
        if kind != jobs.DONE:
            raise WorkerDown(f"a block was not decoded: {done[:200].decode(errors='replace')}")
        return done

    async def close(self) -> None:
        """End all workers, and wait for their end."""
        self._closed = True
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await asyncio.gather(*(worker.end() for worker in self._all))

    async def _ask(self, kind: int, rest: bytes, urgency: int) -> tuple[int, int, bytes]:
        worker = await self._take(urgency)
        if self._closed:
            self._give(worker)  # whoever else waits is to learn it, too
            raise WorkerDown("the workers have been ended")
        # Who asks may go away in the middle; the worker then still finishes, and is in step with us.
        task = asyncio.get_running_loop().create_task(worker.ask(kind, rest))
        self._under_way.add(task)
        task.add_done_callback(partial(self._done, worker))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise WorkerDown("the workers have been ended") from None
            raise

    async def _take(self, urgency: int) -> _Worker:
        if self._free:
            return self._free.pop()
        turn: asyncio.Future[_Worker] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (urgency, next(self._asked), turn))
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give(turn.result())
            raise

    def _give(self, worker: _Worker) -> None:
        while self._waiting:
            *_, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(worker)
                return
        self._free.append(worker)

    def _done(self, worker: _Worker, task: asyncio.Task[tuple[int, int, bytes]]) -> None:
        self._under_way.discard(task)
        self._give(worker)
        if not task.cancelled():
            task.exception()  # looked at, in case nobody waits for it any more


class _Worker:
    """One process, or the place for one."""

    def __init__(self, limits: CompressionLimits, child: Sequence[str]) -> None:
        self._limits = limits
        self._child = tuple(child)
        self._process: asyncio.subprocess.Process | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None
        self._pause = _FIRST_PAUSE
        self._not_before = 0.0

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def ask(self, kind: int, rest: bytes) -> tuple[int, int, bytes]:
        if self._idle is not None:
            self._idle.cancel()
        if self._ending is not None:
            await self._ending
        loop = asyncio.get_running_loop()
        answer = None
        try:
            if self._process is None:
                await self._within(_START_TIME, self._start())
            answer = await self._within(self._limits.job_time, self._exchange(kind, rest))
        except (OSError, EOFError, TimeoutError) as error:
            _log.warning("a compression worker failed (%s); it is started again later", _words(error))
            self._not_before = loop.time() + self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            raise WorkerDown("a compression worker failed") from None
        finally:
            if answer is not None:
                self._idle = loop.call_later(self._limits.worker_idle, self._rest)
            else:
                await self.end()
        self._pause = _FIRST_PAUSE
        return answer

    async def end(self) -> None:
        """Kill what runs, and wait for its end."""
        if self._idle is not None:
            self._idle.cancel()
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    @staticmethod
    async def _within(seconds: float, work: Coroutine[Any, Any, _T]) -> _T:
        async with asyncio.timeout(seconds):
            return await work

    async def _start(self) -> None:
        if asyncio.get_running_loop().time() < self._not_before:
            raise WorkerDown("a compression worker failed a moment ago")
        # One thread: the libraries of numpy would set up one for each core, with their memory.
        one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._child,
            str(self._limits.worker_memory),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # a traceback may show what is being compressed
            limit=2 * BLOCK,
            env={**os.environ, **one},
        )
        await self._answer()

    async def _exchange(self, kind: int, rest: bytes) -> tuple[int, int, bytes]:
        assert self._process is not None and self._process.stdin is not None  # noqa: S101, PT018
        self._process.stdin.write(QUESTION.pack(len(rest), kind))
        self._process.stdin.write(rest)
        await self._process.stdin.drain()
        return await self._answer()

    async def _answer(self) -> tuple[int, int, bytes]:
        assert self._process is not None and self._process.stdout is not None  # noqa: S101, PT018
        head = await self._process.stdout.readexactly(ANSWER.size)
        length, kind, recipe = ANSWER.unpack(head)
        if length > BLOCK:
            raise OSError("an answer that is too long")
        return kind, recipe, await self._process.stdout.readexactly(length)

    def _rest(self) -> None:
        """Nothing to do for a while: give the memory back."""
        self._ending = asyncio.get_running_loop().create_task(self.end())


def _words(error: BaseException) -> str:
    return "it took too long" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
