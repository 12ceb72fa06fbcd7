"""A spool in a temporary directory, closed at the end, and closed and opened again at will."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.spool import Spool
from tests.support.spooling import Heard, OpenSpool


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
async def open_spool(directory: Path, heard: Heard) -> AsyncIterator[OpenSpool]:
    opened: list[Spool] = []

    def open_it(**settings: Any) -> Spool:
        if "wall_clock" in settings:  # whoever sets the time sets all of it, unless said otherwise
            settings.setdefault("steady_clock", settings["wall_clock"])
        opened.append(Spool.open(directory, notices=heard.notices, **settings))
        return opened[-1]

    yield open_it
    for spool in opened:
        await spool.close()


@pytest.fixture
def spool(open_spool: OpenSpool) -> Spool:
    return open_spool()
