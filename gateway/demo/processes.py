"""The programs that the demo starts: ending them in order, and what they said last."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

_STOP_SECONDS = 15.0
_LAST_LINES = 15


async def end(process: asyncio.subprocess.Process) -> None:
    """Stop `process` with SIGTERM, and with SIGKILL when it does not listen."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def end_of_log(log: Path) -> str:
    """Return the last lines of `log`."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
