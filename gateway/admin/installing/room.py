"""The wizard's room: the draft, the sheets, and the answers of a configuration, read once each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from gateway.admin.installing import reading
from gateway.admin.installing.answers import Answers
from gateway.admin.installing.draft import Drafts
from gateway.admin.installing.sheet import Sheets


class Installing:
    """One for the whole process; keeps its files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.drafts = Drafts(folder)
        self.sheets = Sheets(folder / "sheets")
        self._read: tuple[str, Answers] | None = None

    async def answers(self, texts: Mapping[str, str], main: Path, digest: str) -> Answers:
        """Return the answers that a configuration gives; `digest` is that of its files. ConfigErrors."""
        if self._read is None or self._read[0] != digest:
            self._read = digest, await asyncio.to_thread(reading.read, texts, main)
        return self._read[1]
