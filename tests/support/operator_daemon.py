"""The operator API on a real Unix socket in a thread of its own, so that blocking clients can be tested."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gateway.operator.api import OperatorServer
from gateway.operator.control import Control


class OperatorDaemon:
    """A running OperatorServer, and a way to do something on its event loop."""

    def __init__(self, server: OperatorServer, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.path = server.path
        self._loop = loop

    def call(self, function: Callable[[], Any]) -> Any:
        """Run `function` on the event loop; return what it returns."""

        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)


@contextlib.contextmanager
def serving(control: Control, path: Path, **options: Any) -> Iterator[OperatorDaemon]:
    """Serve `control` on `path` until the block ends. Options go to OperatorServer."""
    started = threading.Event()
    failure: list[BaseException] = []
    running: list[OperatorDaemon] = []
    stop: list[Callable[[], object]] = []

    async def serve() -> None:
        server = OperatorServer(control, path, **options)
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(ended.set))
        await server.start()
        running.append(OperatorDaemon(server, loop))
        started.set()
        await ended.wait()
        await server.close()

    def main() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread of the test
            failure.append(error)
            started.set()

    thread = threading.Thread(target=main, name="operator")
    thread.start()
    started.wait(10)
    try:
        if failure:
            raise failure[0]
        yield running[0]
    finally:
        if running:
            stop[0]()
        thread.join(10)
    if failure:
        raise failure[0]
