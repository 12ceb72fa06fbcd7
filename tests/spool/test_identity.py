"""The name of a spool."""

from __future__ import annotations

from pathlib import Path

from gateway.notices import Notices
from gateway.spool import Spool
from gateway.spool.salvage.rebuild import rebuild
from tests.support.spooling import OpenSpool, content, store


async def test_it_stays_the_same_for_as_long_as_the_spool_lives(
    open_spool: OpenSpool, tmp_path: Path
) -> None:
    spool = open_spool()
    name = spool.identity
    assert len(name) == 16
    await spool.close()
    assert open_spool().identity == name
    other = Spool.open(tmp_path / "other", notices=Notices())
    assert other.identity != name
    await other.close()


async def test_it_outlives_a_rebuild(open_spool: OpenSpool, directory: Path) -> None:
    spool = open_spool()
    await store(spool, content(1, 1000))
    await spool.close()
    assert not rebuild(directory, ["oncology"], anyway=True).whole
    again = open_spool()
    assert again.identity == spool.identity
