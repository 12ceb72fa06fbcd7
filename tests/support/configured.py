"""The configuration of a gateway without the gateway: real files, real checks, quick restarts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from gateway.config import load
from gateway.configuring.applying import Applying
from gateway.configuring.files import Folder
from gateway.configuring.keeper import Keeper
from gateway.configuring.trial import Clock
from gateway.operator.configuration_facts import ConfigurationFile
from tests.support.notice_log import NoticeLog

CONFIG = """\
# A clinic.
[gateway]
name = "clinic"
ae_title = "CLINIC"
state_dir = "state"

[operator]
socket = "operator.sock"

[[listener]]
name = "console"
address = "127.0.0.1"
port = 11112

[[peer]]
name = "oncology"
ae_title = "ARIA"
host = "192.0.2.30"
port = 104

[[route]]
called = "ARIA"
to = ["oncology"]
"""


class SteadyClock(Clock):
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time


class Configured:
    """Stands where the keeper of the running gateway does; a restart makes the next keeper."""

    def __init__(self, folder: Path, text: str = CONFIG) -> None:
        self.folder = folder
        self.main = folder / "gateway.toml"
        self.main.write_text(text)
        self.clock = SteadyClock()
        self.undelivered: dict[str, int] = {}
        self.log = NoticeLog()
        self.restarts = 0
        self.restarted = asyncio.Event()
        self.keeper: Keeper
        self._task: asyncio.Task[None] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.keeper, name)

    async def start(self) -> None:
        """As `dicom-gateway run` does it."""
        Applying(Folder(self.main), self.clock).recover()

        async def undelivered() -> dict[str, int]:
            return self.undelivered

        self.keeper = Keeper(
            load(self.main),
            self.log.notices,
            undelivered=undelivered,
            restart=self.restarted.set,
            clock=self.clock,
        )
        self._task = asyncio.create_task(self.keeper.run())
        await self.keeper.state()

    async def stop(self) -> None:
        """End the keeper."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def again(self) -> None:
        """Wait until a restart is asked for, and do it."""
        await asyncio.wait_for(self.restarted.wait(), 30)
        self.restarted.clear()
        self.restarts += 1
        await self.stop()
        await self.start()

    def late(self, seconds: float) -> None:
        """Let time pass, and the keeper look at its clock."""
        self.clock.time += seconds
        self.keeper._changed.set()  # its own look comes seconds later


@contextlib.asynccontextmanager
async def configured(folder: Path, text: str = CONFIG) -> AsyncIterator[Configured]:
    """A configuration in `folder`, in force."""
    made = Configured(folder, text)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def files(**texts: str) -> tuple[ConfigurationFile, ...]:
    """Files by name: `main` is gateway.toml, others are in conf.d."""
    return tuple(
        ConfigurationFile("gateway.toml" if name == "main" else f"conf.d/{name}.toml", text)
        for name, text in texts.items()
    )
