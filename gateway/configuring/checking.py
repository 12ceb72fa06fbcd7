"""Candidates are checked by a child process, one at a time: bounded in time, memory and length of answer."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.configuring.files import Texts
from gateway.operator import codec
from gateway.operator.configuration_errors import NotChecked, TooManyChecks
from gateway.operator.configuration_facts import ConfigurationProblem, Summary

_log = logging.getLogger(__name__)

TIME_LIMIT = 60.0  # seconds; a small board under load takes some five
MAX_WAITING = 3  # checks that wait for the one under way
_MAX_ANSWER = 2 << 20  # bytes
_TOO_LONG = "checking took too long, and was given up: is so much in it really meant?"
_CHILD = ("-m", "gateway.configuring.child")


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of it. With an error among the problems there is no summary."""

    problems: tuple[ConfigurationProblem, ...]
    summary: Summary | None

    @property
    def valid(self) -> bool:
        """The gateway would start with it, as far as can be told before."""
        return self.summary is not None


class Checker:
    """Checks candidates for the folder of `main`."""

    def __init__(
        self, main: Path, *, child: tuple[str, ...] = _CHILD, time_limit: float = TIME_LIMIT
    ) -> None:
        """`child`: arguments of the interpreter that checks."""
        self._main = main
        self._child = child
        self._time_limit = time_limit
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def check(self, texts: Texts) -> Checked:
        """Check a whole configuration. NotChecked; TooManyChecks."""
        if self._waiting > MAX_WAITING:
            raise TooManyChecks("other configurations are being checked; try again in a moment")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._check(texts)
        finally:
            self._waiting -= 1

    async def _check(self, texts: Texts) -> Checked:
        asked = json.dumps({"main": str(self._main), "texts": dict(texts)}).encode()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._child,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # a traceback may quote what was checked
            limit=65536,
        )
        try:
            async with asyncio.timeout(self._time_limit):
                raw = await _exchange(process, asked)
                code = await process.wait()
        except TimeoutError:
            raise NotChecked(_TOO_LONG) from None
        finally:
            await _end(process)
        if code == -signal.SIGXCPU:
            raise NotChecked(_TOO_LONG)
        if code != 0 or raw is None:
            _log.error("the process that checks configurations ended with %d", code)
            raise NotChecked("the configuration could not be checked: the process that does it died")
        answer = json.loads(raw)
        return Checked(
            tuple(codec.decode(ConfigurationProblem, one) for one in answer["problems"]),
            codec.decode(Summary, answer["summary"]) if answer["summary"] else None,
        )


async def _exchange(process: asyncio.subprocess.Process, asked: bytes) -> bytes | None:
    """Write the question, read the answer; None when that is too long."""
    # At the same time: a child that talks before it listens must not hang both of us.
    _, answer = await asyncio.gather(_tell(process, asked), _hear(process))
    return answer


async def _tell(process: asyncio.subprocess.Process, asked: bytes) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError, ConnectionResetError):  # it died; its exit code says so
            process.stdin.write(asked)
            await process.stdin.drain()
        process.stdin.close()


async def _hear(process: asyncio.subprocess.Process) -> bytes | None:
    answer = bytearray()
    while process.stdout is not None and (piece := await process.stdout.read(65536)):
        answer += piece
        if len(answer) > _MAX_ANSWER:
            await _end(process)
            return None
    return bytes(answer)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Make sure that it is gone, with its pipes."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
    if process.stdout is not None:
        while await process.stdout.read(65536):  # what is left in the pipe; nobody writes any more
            pass
    await process.wait()
