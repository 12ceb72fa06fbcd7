"""The gateway of the demo: a real daemon, in a process of its own, configured and started from here."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gateway.demo.processes import end, end_of_log
from gateway.operator.client import DaemonUnreachable, OperatorClient

_START_SECONDS = 20.0
_SOCKET_PATH_MAX = 107  # bytes, of sockaddr_un on Linux
_LOOK_EVERY = 0.05  # seconds between looks for the operator socket while the daemon starts


class DaemonFailed(Exception):
    """The daemon did not start, or ended before its time; the text has the end of its log."""


class Daemon:
    """`dicom-gateway run` in `directory`, as an asynchronous context manager.

    `configure` makes its configuration, from the path of its operator socket. `prefix` is put before the
    command, to run it somewhere else. `port` (where consoles call, if they do) is known once it runs.
    """

    def __init__(
        self, directory: Path, configure: Callable[[Path], str], *, prefix: Sequence[str] = ()
    ) -> None:
        self.directory = directory
        self.port = 0
        self.config = directory / "gateway.toml"
        self.log = directory / "gateway.log"
        self.socket = directory / "operator.sock"
        if len(os.fsencode(self.socket)) > _SOCKET_PATH_MAX:
            raise DaemonFailed(
                f"{directory} is too long a path for a Unix socket: set TMPDIR to a shorter one"
            )
        self._process: asyncio.subprocess.Process | None = None
        self._prefix = tuple(prefix)
        (directory / "state").mkdir(parents=True)
        self.config.write_text(configure(self.socket))

    async def __aenter__(self) -> Self:
        """Start it and wait until it answers on its operator socket."""
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._prefix,
                sys.executable,
                "-m",
                "gateway.cli",
                "run",
                "--config",
                str(self.config),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Of its own group: Ctrl-C is for the demo, which then stops the daemon in order.
                start_new_session=True,
            )
        try:
            status = await self._first_status()
        except BaseException:
            await end(self._process)
            raise
        self.port = status["listeners"][0]["port"] if status["listeners"] else 0
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        if self._process is not None:
            await end(self._process)

    async def status(self) -> Mapping[str, Any]:
        """Return what the operator API says (the JSON of operator.facts.Status); raise DaemonFailed."""
        try:
            return await asyncio.to_thread(self._ask)
        except DaemonUnreachable as error:
            raise DaemonFailed(f"the gateway went away: {error}\n{end_of_log(self.log)}") from error

    def _ask(self) -> Mapping[str, Any]:
        with OperatorClient(self.socket) as client:
            answer: Mapping[str, Any] = client.status()
            return answer

    async def _first_status(self) -> Mapping[str, Any]:
        assert self._process is not None  # noqa: S101 - set by the only caller
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                return await asyncio.to_thread(self._ask)
            except DaemonUnreachable as error:
                if self._process.returncode is not None or time.monotonic() > deadline:
                    raise DaemonFailed(
                        f"the gateway did not start: {error}\n{end_of_log(self.log)}"
                    ) from error
            await asyncio.sleep(_LOOK_EVERY)
