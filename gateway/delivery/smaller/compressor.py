"""The daemon's side of making images smaller: one process, one image at a time, and no harm when it fails."""

from __future__ import annotations

import asyncio
import logging
import os
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import gateway

_log = logging.getLogger(__name__)

JPEG_LS: Final = "1.2.840.10008.1.2.4.80"
SYNTAXES: Final = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
"""Transfer syntaxes that it can begin with: explicit and implicit little endian."""

_HEADER: Final = struct.Struct(">IB")  # as in worker.py, which would bring numpy along
_DONE: Final = 0
_MODULE: Final = "gateway.delivery.smaller.worker"


@dataclass(frozen=True, slots=True)
class CompressorLimits:
    """What it may take. Times in seconds."""

    smallest: int = 32 * 1024  # bytes of a data set that is worth it
    largest: int = 4 * 1024 * 1024  # it is in memory here meanwhile, once for each association
    memory: int = 128 * 1024 * 1024  # of the process, beyond what it begins with
    patience: float = 30.0  # for one image, or the start
    rest: float = 60.0  # without work, after which the process ends
    failures: int = 3  # in a row, after which it is not tried again


class Compressor:
    """Makes images smaller. What cannot be, stays: nobody depends on it."""

    def __init__(self, limits: CompressorLimits | None = None) -> None:
        """The process starts with the first image."""
        self.limits = limits or CompressorLimits()
        self._turn = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._failures = 0

    @property
    def pid(self) -> int | None:
        """The process, if there is one."""
        return self._child.pid if self._child is not None else None

    def fits(self, syntax: str, size: int) -> bool:
        """Say whether it is worth asking for an object."""
        willing = self._failures < self.limits.failures
        return willing and syntax in SYNTAXES and self.limits.smallest <= size <= self.limits.largest

    async def compressed(self, data: bytes, syntax: str) -> bytes | None:
        """Return `data`, which is in `syntax`, as JPEG-LS Lossless; None when it stays as it is."""
        async with self._turn:
            if self._resting is not None:
                self._resting.cancel()
            try:
                async with asyncio.timeout(self.limits.patience):
                    answer = await self._ask(data, SYNTAXES.index(syntax))
            except (OSError, EOFError, TimeoutError) as error:
                self._failures += 1
                _log.warning("images are sent as they are: compressing one failed (%s)", type(error).__name__)
                await self._end()
                return None
            except BaseException:
                await self._end()  # in the middle of an answer nothing more can be asked
                raise
            self._failures = 0
            self._resting = asyncio.get_running_loop().call_later(self.limits.rest, self._rest)
            return answer

    async def close(self) -> None:
        """End the process."""
        if self._resting is not None:
            self._resting.cancel()
        await self._end()
        if self._ending:
            await asyncio.wait(self._ending)

    async def _ask(self, data: bytes, syntax: int) -> bytes | None:
        child = await self._started()
        assert child.stdin is not None  # noqa: S101 - made with pipes
        child.stdin.write(_HEADER.pack(len(data), syntax))
        child.stdin.write(data)
        await child.stdin.drain()
        kind, rest = await self._answer(child)
        return rest if kind == _DONE else None

    async def _started(self) -> asyncio.subprocess.Process:
        if self._child is not None:
            return self._child
        self._child = child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            _MODULE,
            str(self.limits.memory),
            str(self.limits.largest),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PYTHONPATH": str(Path(gateway.__file__).parent.parent), "PATH": os.defpath},
        )
        await self._answer(child)
        return child

    async def _answer(self, child: asyncio.subprocess.Process) -> tuple[int, bytes]:
        assert child.stdout is not None  # noqa: S101 - made with pipes
        length, kind = _HEADER.unpack(await child.stdout.readexactly(_HEADER.size))
        if length > self.limits.largest:
            raise EOFError("the answer is longer than what was asked about")
        return kind, await child.stdout.readexactly(length)

    def _rest(self) -> None:
        """Nobody has asked for a while."""
        task = asyncio.get_running_loop().create_task(self._end(), name="end compressor")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.returncode is None:
            child.kill()  # it has nothing to put away
        transport = child._transport  # type: ignore[attr-defined]  # its pipes are closed by nothing else
        await child.wait()
        transport.close()
