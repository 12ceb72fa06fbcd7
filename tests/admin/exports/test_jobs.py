"""Exports from the page, to a browser and onto a drive: whole, checked, seen by their maker, cleaned up."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pyzipper

from gateway.admin.exports import jobs
from gateway.admin.exports.drives import Drives
from gateway.admin.exports.jobs import Exports, Job
from gateway.admin.visit import SERVICES
from gateway.model import DeliveryState
from tests.support.admin_site import TOKEN, Document, Site, site
from tests.support.drives import machine, plug_in
from tests.support.full_spool import Row, any_row, data_of
from tests.support.queue_scene import QueueScene, queue_scene
from tests.support.spooling import SMALL, content, store

SECRET = "correct horse battery"  # noqa: S105 - of a test
DICE = random.Random(8)
ROWS = [any_row(number, DICE) for number in range(1, 120)]


@asynccontextmanager
async def page(tmp_path: Path, rows: list[Row] | None = None) -> AsyncIterator[tuple[Site, QueueScene]]:
    machine(tmp_path / "root", plug_in(tmp_path / "root"))
    async with (
        queue_scene(tmp_path, ROWS if rows is None else rows) as scene,
        site(control=scene.control, sections=scene.sections) as shown,
    ):
        exports(shown).drives = Drives(tmp_path / "root")
        yield shown, scene


def exports(shown: Site) -> Exports:
    return shown.app[SERVICES].exports


async def start(shown: Site, *numbers: int, target: str = "browser", **fields: str) -> Document:
    sent = [("csrf", TOKEN), *(("number", str(number)) for number in numbers), ("target", target)]
    sent += {"passphrase": SECRET, "again": SECRET, **fields}.items()
    return await shown.post_fields("/queue/export/start", sent)


async def over(shown: Site) -> Job:
    """Wait until the newest export is over; return it."""
    task = exports(shown)._task
    assert task is not None
    await asyncio.wait_for(asyncio.shield(task), 30)
    return exports(shown).of("Anna Beispiel")[0]


def is_part10_of(data: bytes, row: Row) -> bool:
    return data[128:132] == b"DICM" and data.endswith(data_of(row)[: row.size])


async def test_a_selection_comes_as_an_encrypted_archive(tmp_path: Path) -> None:
    async with page(tmp_path) as (shown, _):
        asked = await shown.post("/queue/choose", action="export", number="3")
        assert "The archive contains patient data." in asked.text
        assert (await start(shown, 3, 5, 8)).headers["Location"] == "/queue/export"
        job = await over(shown)
        assert (job.state, job.done, job.missing) == ("done", 3, [])
        document = await shown.get("/queue/export")
        assert "done and checked" in document.text
        link = document.find("a[download]")["href"]
        fetched = await shown.get(link)
        assert fetched.headers["Content-Disposition"] == f'attachment; filename="{job.name}"'
        with pyzipper.AESZipFile(io.BytesIO(fetched.raw)) as archive:
            archive.setpassword(SECRET.encode())
            manifest = json.loads(archive.read("manifest.json"))
            for entry, number in zip(manifest["objects"], (3, 5, 8), strict=True):
                data = archive.read(entry["file"])
                assert is_part10_of(data, ROWS[number - 1])
                assert entry["sha256"] == hashlib.sha256(data).hexdigest()
                assert (entry["object"], entry["deliveries"]) == (number, [number])
        assert [told[0] for told in shown.access.audited] == ["export", "export ended", "export fetched"]
        assert "3 deliveries: 3, 5, 8" in shown.access.audited[0][2]
        folder = job.path.parent if job.path else Path()
        assert [one.name for one in folder.iterdir()] == [job.name]
        await shown.post(f"/queue/export/{job.id}/cancel")
        assert list(folder.iterdir()) == []
        assert (await shown.get(link)).status == 404


async def test_all_that_match_are_exported_and_no_more(tmp_path: Path) -> None:
    async with page(tmp_path) as (shown, _):
        wanted = [row for row in ROWS if row.calling_ae == "CT1"]
        fields = {"everything": "yes", "f-calling_ae": "CT1", "up_to": "60", "expected": "9"}
        await start(shown, **fields)
        job = await over(shown)
        assert job.done == len([row for row in wanted if row.number <= 60])
        assert "calling_ae=CT1" in shown.access.audited[0][2]


async def test_one_object_is_one_file_however_many_destinations(tmp_path: Path) -> None:
    async with page(tmp_path, []) as (shown, scene):
        await store(scene.spool, content(1, SMALL), to=("oncology", "archive"))
        await start(shown, 1, 2)
        job = await over(shown)
        assert (job.objects, job.done) == (1, 1)


async def test_onto_a_drive_it_is_written_aside_checked_and_named(tmp_path: Path) -> None:
    drive = tmp_path / "root/media/usb0"
    async with page(tmp_path) as (shown, _):
        stale = drive / ".dicom-export-0123.part"
        stale.write_bytes(b"of an earlier life")
        asked = await shown.post("/queue/choose", action="export", number="3")
        (target,) = [one["value"] for one in asked.all("input[name=target]") if one["value"] != "browser"]
        assert "Drive usb0" in asked.text
        await start(shown, 3, 5, target=target)
        job = await over(shown)
        assert job.state == "done", job.problem
        assert [one.name for one in drive.iterdir()] == [job.name]
        document = await shown.get("/queue/export")
        assert "It is safe to remove the drive." in document.text
        assert not document.all("a[download]")
        with pyzipper.AESZipFile(drive / job.name) as archive:
            archive.setpassword(SECRET.encode())
            assert is_part10_of(archive.read("objects/000001.dcm"), ROWS[2])
        await shown.post(f"/queue/export/{job.id}/cancel")
        assert (drive / job.name).exists()  # it is theirs now


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"passphrase": "short", "again": "short"}, "at least 12 characters"),
        ({"again": "something else"}, "not the same passphrase"),
        ({"target": "0123456789abcdef"}, "This drive is not there any more."),
    ],
)
async def test_what_is_wrong_is_said_beside_its_field(
    tmp_path: Path, fields: dict[str, str], words: str
) -> None:
    async with page(tmp_path) as (shown, _):
        answer = await start(shown, 3, **fields)
        assert answer.status == 422
        assert words in answer.text
        assert SECRET not in answer.source
        assert exports(shown).of("Anna Beispiel") == []


async def failed(shown: Site, words: str) -> None:
    job = await over(shown)
    assert job.state == "failed"
    assert words in (await shown.get("/queue/export")).text


async def test_without_room_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with page(tmp_path) as (shown, _):
        monkeypatch.setattr(jobs, "_KEEP_FREE", 2**60)
        await start(shown, 3)
        await failed(shown, "There is not enough room")


async def test_a_drive_that_is_pulled_out_full_or_read_only_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with page(tmp_path) as (shown, _):
        (drive,) = exports(shown).drives.list()
        monkeypatch.setattr(
            exports(shown).drives, "find", lambda _id, left=[drive]: left.pop() if left else None
        )
        await start(shown, 3, target=drive.id)
        await failed(shown, "The drive is not there any more.")
        monkeypatch.undo()
        monkeypatch.setattr(jobs, "_KEEP_FREE_DRIVE", 2**60)
        await start(shown, 3, target=drive.id)
        await failed(shown, "There is not enough room")
        monkeypatch.undo()
        machine(tmp_path / "root", plug_in(tmp_path / "root", options="ro"))
        await start(shown, 3, target=exports(shown).drives.list()[0].id)
        await failed(shown, "The drive cannot be written to.")
        assert list((tmp_path / "root/media/usb0").iterdir()) == []


async def test_a_drive_that_writes_something_else_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with page(tmp_path) as (shown, _):
        sync = jobs._sync

        def spoil(file: io.BufferedRandom) -> None:
            file.seek(200)
            file.write(b"\xff" * 8)
            sync(file)

        monkeypatch.setattr(jobs, "_sync", spoil)
        (drive,) = exports(shown).drives.list()
        await start(shown, 3, target=drive.id)
        await failed(shown, "could not be read back")
        assert list(drive.path.iterdir()) == []


async def test_bytes_that_are_gone_are_left_out_and_told(tmp_path: Path) -> None:
    rows = [Row(1), Row(2, state=DeliveryState.RELEASED), Row(3)]
    async with page(tmp_path, rows) as (shown, _):
        await start(shown, 1, 2, 3, 99)
        job = await over(shown)
        assert (job.done, job.missing) == (2, [2])
        assert "1 object has no bytes here any more" in (await shown.get("/queue/export")).text
        await start(shown, 2)
        await failed(shown, "None of these objects has its bytes here any more.")
        await start(shown, 99)
        await failed(shown, "There is nothing to export any more.")


class Gate:
    """Holds an export up in the middle, until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.open = asyncio.Event(), asyncio.Event()
        add = Exports._add_object

        async def held(*arguments: object) -> object:
            self.reached.set()
            await self.open.wait()
            return await add(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(Exports, "_add_object", held)


async def test_progress_is_shown_and_an_export_can_be_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    async with page(tmp_path) as (shown, _):
        (drive,) = exports(shown).drives.list()
        await start(shown, 3, 5, target=drive.id)
        await gate.reached.wait()
        document = await shown.get("/queue/export/jobs", fragment=True)
        assert document.find("#exports")["hx-trigger"] == "every 1s"
        assert "0 of 2 objects" in document.text
        assert document.find("progress")["max"] == str(ROWS[2].size + ROWS[4].size)
        assert len(list(drive.path.iterdir())) == 1
        second = await start(shown, 7)
        assert second.status == 303
        assert "Another export is under way." in (await shown.get("/queue/export")).text
        job = exports(shown).of("Anna Beispiel")[0]
        await shown.post(f"/queue/export/{job.id}/cancel")
        assert job.state == "cancelled"
        assert list(drive.path.iterdir()) == []
        document = await shown.get("/queue/export")
        assert "Nothing of it is left behind." in document.text
        assert "hx-trigger" not in document.find("#exports").attributes


async def test_others_do_not_see_it(tmp_path: Path) -> None:
    async with page(tmp_path) as (shown, _):
        await start(shown, 3)
        job = await over(shown)
        job.who = "somebody else"
        assert job.name not in (await shown.get("/queue/export")).text
        assert (await shown.get(f"/queue/export/{job.id}/file")).status == 404
        assert (await shown.post(f"/queue/export/{job.id}/cancel")).status == 404


async def test_nothing_is_left_behind_by_this_life_or_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "dicom-export-old.zip").write_bytes(b"x")
    old = Exports(folder, "clinic-07")
    assert not folder.exists()
    await old.close()
    gate = Gate(monkeypatch)
    async with page(tmp_path) as (shown, _):
        await start(shown, 3)
        await gate.reached.wait()
        place = exports(shown)._folder
        assert [one.suffix for one in place.iterdir()] == [".part"]
        assert all(one.stat().st_mode & 0o777 == 0o600 for one in place.iterdir())
        assert place.stat().st_mode & 0o777 == 0o700
        await exports(shown).close()
        assert not place.exists()


async def test_an_archive_is_kept_for_a_while_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "KEPT_SECONDS", 0.0)
    removed = asyncio.Event()
    remove = Exports.remove

    def told(self: Exports, job: Job) -> None:
        remove(self, job)
        removed.set()

    monkeypatch.setattr(Exports, "remove", told)
    async with page(tmp_path) as (shown, _):
        await start(shown, 3)
        await asyncio.wait_for(removed.wait(), 30)
        assert exports(shown).of("Anna Beispiel") == []
        assert list(exports(shown)._folder.iterdir()) == []


async def test_a_gateway_that_goes_away_ends_it_in_words(tmp_path: Path) -> None:
    async with page(tmp_path) as (shown, _):
        socket = shown.app[SERVICES].settings.socket
        away = socket.rename(f"{socket}.away")
        await shown.app[SERVICES].gateway.close()
        await start(shown, 3)
        away.rename(socket)
        await failed(shown, "The gateway program stopped answering.")


async def test_one_file_is_saved_as_it_is(tmp_path: Path) -> None:
    async with page(tmp_path) as (shown, _):
        document = await shown.post("/queue/3/export")
        assert document.headers["Content-Type"] == "application/dicom"
        assert document.headers["Content-Disposition"] == 'attachment; filename="delivery-3.dcm"'
        assert is_part10_of(document.raw, ROWS[2])
        assert shown.access.audited == [
            ("export", "delivery=3", "one DICOM file, not encrypted, to a browser", "done")
        ]
        assert (await shown.post("/queue/999/export")).status == 404
