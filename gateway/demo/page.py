"""The local admin page of the demo: the real one, in a process of its own beside the gateway's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.demo.processes import end, end_of_log

USUAL_PORT = 8443
_START_SECONDS = 30.0
_LOOK_EVERY = 0.05  # seconds between looks for the page while it starts


class PageFailed(Exception):
    """The page did not start, or ended before its time; the text has the end of its log."""


def choose_port(address: str, wanted: int = USUAL_PORT) -> int:
    """Return `wanted` if it is free on `address`, else some port that is."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise PageFailed(f"there is no free port on {address}")


class Page:
    """`dicom-gateway admin` on the configuration `config`, as an asynchronous context manager.

    `url` is where it is; `setup_code` makes somebody its administrator, once.
    """

    def __init__(self, config: Path, *, address: str, port: int) -> None:
        self.url = f"https://{'localhost' if address in ('127.0.0.1', '0.0.0.0') else address}:{port}"  # noqa: S104
        self.setup_code = ""
        self.log = config.with_name("page.log")
        self._config = config
        self._port = port
        self._address = "127.0.0.1" if address == "0.0.0.0" else address  # noqa: S104 - where to knock
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        """Start it, and wait until it serves and has its set-up code."""
        with self.log.open("wb") as log:
            self._process = await self._start("admin", "--config", str(self._config), log=log.fileno())
        try:
            await self._until_it_listens()
            self.setup_code = await self._read_code()
        except BaseException:
            await end(self._process)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        if self._process is not None:
            await end(self._process)

    async def _start(self, *arguments: str, log: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.cli", *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the demo, which then stops the page in order
        )

    async def _until_it_listens(self) -> None:
        assert self._process is not None  # noqa: S101 - set by the only caller
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(self._address, self._port)
                writer.close()
                await writer.wait_closed()
                return
            if self._process.returncode is not None or time.monotonic() > deadline:
                raise PageFailed(f"the page did not start:\n{end_of_log(self.log)}")
            await asyncio.sleep(_LOOK_EVERY)

    async def _read_code(self) -> str:
        # As an engineer does it on the device.
        reading = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.cli", "admin", "setup-code", "--config", str(self._config)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "NO_COLOR": "1"},
        )
        output, _ = await reading.communicate()
        if reading.returncode:
            raise PageFailed(f"there is no set-up code: {output.decode(errors='replace').strip()}")
        return output.decode().strip()
