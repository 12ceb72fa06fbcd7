"""A new journal from what remains: states are kept, crashes can be repeated, and nothing is thrown away."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import SpoolFailure
from gateway.model import DeliveryState
from gateway.spool import Spool
from gateway.spool.files import Files
from gateway.spool.locking import SpoolInUse
from gateway.spool.salvage import placing
from gateway.spool.salvage.rebuild import rebuild
from gateway.spool.start_checks import JournalLost
from tests.durability.damage.filled import Account, fill
from tests.support.spooling import BEAMS_RECORD, Heard, an_instance, object_files

S = DeliveryState


@pytest.fixture(scope="module", name="filled")
def a_filled_spool(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Account]:
    folder = tmp_path_factory.mktemp("filled")
    return folder, fill(folder / "closed", folder / "killed", 12)


@pytest.fixture(params=["closed", "killed"], name="spool")
def a_spool(filled: tuple[Path, Account], tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    copy = tmp_path / "spool"
    shutil.copytree(filled[0] / request.param, copy)
    return copy


def rows(directory: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"{(directory / 'journal.db').as_uri()}?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


def all_of(directory: Path, table: str) -> list[tuple[object, ...]]:
    return rows(directory, f"SELECT * FROM {table} ORDER BY 1, 2")  # noqa: S608


TABLES = ("objects", "deliveries", "destinations", "inline", "receipts", "events", "kinds")


def test_everything_that_is_readable_is_as_it_was(spool: Path) -> None:
    before = {table: all_of(spool, table) for table in TABLES}
    report = rebuild(spool, anyway=True)
    assert (report.objects, report.named, report.lost_deliveries) == (12, [], 0)
    assert (report.unreadable_pages, report.unreadable_rows, report.tables) == (0, 0, [])
    with closing(sqlite3.connect(spool / "journal.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        counted = db.execute(
            "SELECT state, destination, priority, count(*), sum(size) FROM deliveries GROUP BY 1, 2, 3"
        ).fetchall()
        cells = db.execute(
            "SELECT state, destination, priority, count, bytes FROM counters WHERE subject = 0 AND count > 0"
        ).fetchall()
        assert sorted(cells) == sorted(counted)
    columns = [row[1] for row in rows(spool, "PRAGMA table_info(deliveries)")]
    for table in TABLES:
        after = all_of(spool, table)
        if table == "deliveries":  # the age of what never ended is not kept
            place = columns.index("since")
            after = [(*row[:place], *row[place + 1 :]) for row in after]
            before[table] = [(*row[:place], *row[place + 1 :]) for row in before[table]]
        assert after == before[table], table


def test_the_old_journal_is_kept(spool: Path) -> None:
    old = (spool / "journal.db").read_bytes()
    report = rebuild(spool, anyway=True)
    assert (spool / report.aside / "journal.db").read_bytes() == old


def test_the_history_of_a_lost_object_is_not_told_of_another(spool: Path) -> None:
    with closing(sqlite3.connect(spool / "journal.db")) as db:
        db.execute("DELETE FROM inline WHERE object = 7")
        db.execute("DELETE FROM objects WHERE number = 7")
        db.execute(
            "INSERT INTO events (object, seq, at, delivery, what, detail) VALUES (7, 99, 1, 0, 'x', 'y')"
        )
        db.commit()
    report = rebuild(spool, anyway=True)
    assert report.lost_deliveries == 1
    assert rows(spool, "SELECT count(*) FROM events WHERE object = 7") == [(0,)]


def test_a_journal_that_is_gone_is_no_fresh_start(spool: Path, filled: tuple[Path, Account]) -> None:
    for path in spool.glob("journal.db*"):
        path.unlink()
    with pytest.raises(JournalLost, match="spool rebuild"):
        Spool.open(spool, notices=Heard().notices)
    report = rebuild(spool, ["oncology", "archive"])
    assert report.fates == {"rebuilt": len(filled[1].in_files)}

    async def held() -> set[tuple[str, DeliveryState, str]]:
        opened = Spool.open(spool, notices=Heard().notices)
        found = await opened.list_deliveries(limit=1000)
        numbers = [row.delivery.number for row in found]
        assert await opened.claim("oncology", 10) == []
        await opened.release(numbers[0])
        (job,) = await opened.claim(found[0].delivery.destination, 10)
        with opened.open_data(job.object.number) as reader:
            assert len(reader.read(1 << 20)) == job.object.size
        await opened.close()
        return {(row.object.instance.sop_instance_uid, row.delivery.state, row.cause) for row in found}

    assert asyncio.run(held()) == {(uid, S.HELD, "rebuilt") for uid in filled[1].in_files}


@pytest.mark.parametrize("left", ["an empty journal", "only the WAL"])
def test_a_journal_that_sqlite_would_begin_anew_is_refused(
    filled: tuple[Path, Account], tmp_path: Path, left: str
) -> None:
    spool = tmp_path / "spool"
    shutil.copytree(filled[0] / "killed", spool)
    shutil.rmtree(spool / "objects")
    (spool / "journal.db").unlink()
    if left == "an empty journal":
        (spool / "journal.db").touch()
    wal = (spool / "journal.db-wal").read_bytes()
    with pytest.raises(JournalLost):
        Spool.open(spool, notices=Heard().notices)
    assert (spool / "journal.db-wal").read_bytes() == wal  # SQLite would have thrown it away


def test_a_spool_that_never_finished_its_first_start_is_no_damage(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "objects").mkdir()
    (spool / "journal.db").touch()
    opened = Spool.open(spool, notices=Heard().notices)
    asyncio.run(opened.close())


def test_a_file_that_is_no_object_is_set_aside(spool: Path) -> None:
    strange = spool / "objects" / "000000" / "000000777.dcm"
    strange.write_bytes(b"not DICOM" * 100)
    report = rebuild(spool, anyway=True)
    assert report.fates == {"set-aside": 1}
    assert not strange.exists()
    assert (spool / report.aside / strange.name).read_bytes() == b"not DICOM" * 100


def test_what_lost_its_bytes_or_a_bit_is_held_and_named(spool: Path) -> None:
    first, second = object_files(spool)[:2]
    first.unlink()
    data = bytearray(second.read_bytes())
    data[-3] ^= 8
    second.write_bytes(data)
    report = rebuild(spool, anyway=True)
    assert report.fates == {"missing": 1, "damaged": 1}
    assert {one.sop_class_uid for one in report.named} == {BEAMS_RECORD}
    assert all(one.sop_instance_uid for one in report.named)
    causes = rows(spool, "SELECT DISTINCT cause FROM deliveries WHERE state = 4 ORDER BY 1")
    assert causes == [("damaged",), ("missing",)]


def test_it_is_refused_while_a_gateway_runs(spool: Path) -> None:
    opened = Spool.open(spool, notices=Heard().notices)
    with pytest.raises(SpoolInUse):
        rebuild(spool, anyway=True)
    asyncio.run(opened.close())


class Ended(BaseException):
    """The process is gone."""


POINTS = ("clear_building", "new_folder", "declare_ready", "put_in_place")


@pytest.mark.parametrize("point", POINTS)
def test_a_rebuild_that_was_cut_off_is_repeated(
    spool: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spool / "journal.db").write_bytes(b"\0" * 100 + (spool / "journal.db").read_bytes()[100:])

    def end(*_: object) -> None:
        raise Ended

    with monkeypatch.context() as patched:
        patched.setattr(placing, point, end)
        with pytest.raises(Ended):
            rebuild(spool, ["oncology"], anyway=True)
    if point == "put_in_place":
        with pytest.raises(JournalLost, match="not finished"):
            Spool.open(spool, notices=Heard().notices)
    rebuild(spool, ["oncology"], anyway=True)
    assert rows(spool, "SELECT count(*) FROM objects") == [(12,)]
    opened = Spool.open(spool, notices=Heard().notices)
    asyncio.run(opened.close())


def test_each_step_of_putting_it_in_place_may_be_the_last(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many of the renames and syncs were made: the next run finishes them."""
    steps, rename = 0, Path.rename
    while True:
        copy = spool.with_name(f"copy-{steps}")
        shutil.copytree(spool, copy)
        left = [steps]

        def count(call: Callable[..., object], *arguments: object, left: list[int] = left) -> object:
            if left[0] == 0:
                raise Ended
            left[0] -= 1
            return call(*arguments)

        class Counting(Files):
            def sync_directory(self, path: Path) -> None:
                count(super().sync_directory, path)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", lambda self, target, count=count: count(rename, self, target))
            try:
                rebuild(copy, anyway=True, files=Counting())
            except Ended:
                ended = True
            else:
                ended = False
        if not ended:
            break
        rebuild(copy, anyway=True)
        assert rows(copy, "SELECT count(*) FROM objects") == [(12,)]
        opened = Spool.open(copy, notices=Heard().notices)
        assert opened.recovery.objects == 12
        asyncio.run(opened.close())
        shutil.rmtree(copy)
        steps += 1
    assert steps >= 8


def test_an_object_without_a_row_says_who_it_is(spool: Path) -> None:
    with closing(sqlite3.connect(spool / "journal.db")) as db:
        db.execute("DELETE FROM objects WHERE number IN (1, 6)")  # one inline, one in a file
        db.commit()
    report = rebuild(spool, ["oncology"], anyway=True)
    assert report.fates == {"rebuilt": 2}
    assert {one.sop_instance_uid for one in report.named} == {
        an_instance(1).sop_instance_uid,
        an_instance(6).sop_instance_uid,
    }


def test_no_spool_no_rebuild(tmp_path: Path) -> None:
    with pytest.raises(SpoolFailure, match="there is no spool"):
        rebuild(tmp_path / "nowhere")
