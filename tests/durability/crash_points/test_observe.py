"""The real spool is what looks; here it is shown a damaged one of each kind, and has to say so."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.notices import Notices
from gateway.spool import Spool
from tests.durability.crash_points.observe import Broken, Site
from tests.durability.crash_points.room import FILE, INLINE, LIMITS
from tests.durability.disk import ops
from tests.durability.disk.disk import ROOT, Disk
from tests.support.spooling import content, object_files, store


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as site:
        yield site


@pytest.fixture
def spool(tmp_path: Path, site: Site) -> Path:
    """A spool with two objects, closed."""

    async def use() -> None:
        spool = Spool.open(tmp_path / "spool", LIMITS, notices=Notices())
        await store(spool, content(1, INLINE), 1)
        await store(spool, content(2, FILE), 2)
        await spool.close()

    asyncio.run(use())
    return tmp_path / "spool"


def disk_of(directory: Path) -> Disk:
    """Return a disk with this directory on it."""
    disk, inodes = Disk(), {directory.parent: ROOT}
    for number, path in enumerate([directory, *sorted(directory.rglob("*"))], 2):
        inodes[path] = number
        disk.apply(ops.Make(inodes[path.parent], path.name, number, path.is_dir(), 0o600))
        if path.is_file():
            disk.apply(ops.Write(number, 0, path.read_bytes()))
    return disk


def test_a_whole_spool(spool: Path, site: Site) -> None:
    found = site.observe(disk_of(spool), "spool")
    assert [(row.object, row.state) for row in found.rows] == [(1, "queued"), (2, "queued")]


def test_an_empty_disk(site: Site) -> None:
    assert site.observe(Disk(), "spool").rows == ()


@pytest.mark.parametrize("harm", ["torn", "short", "gone", "inline", "counters", "database"])
def test_a_damaged_one_is_told(harm: str, spool: Path, site: Site) -> None:
    [file] = object_files(spool)
    match harm:
        case "torn":
            file.write_bytes(file.read_bytes()[:-512] + bytes(512))
        case "short":
            file.write_bytes(file.read_bytes()[:-1])
        case "gone":
            file.unlink()
        case "inline":
            _run(spool, "UPDATE inline SET data = zeroblob(length(data))")
        case "counters":
            _run(spool, "UPDATE counters SET count = count + 1 WHERE subject = 0")
        case "database":
            (spool / "journal.db").write_bytes((spool / "journal.db").read_bytes()[:8192])
    with pytest.raises(Broken):
        site.observe(disk_of(spool), "spool")


def _run(spool: Path, sql: str) -> None:
    db = sqlite3.connect(spool / "journal.db")
    db.execute(sql)
    db.commit()
    db.close()
