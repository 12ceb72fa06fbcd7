"""A spool that comes from another machine: it is used, with a warning; a torn copy of it is not."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest

from gateway.demo.synthetic import Sizes, Treatment
from gateway.errors import SpoolFailure
from gateway.model import DeliveryState, Instance, Priority
from gateway.spool import Spool, home
from gateway.spool.recovery import JOURNAL
from tests.support.spooling import EXPLICIT, LARGE, SMALL, Heard, OpenSpool, an_origin, content, store

HERE, THERE = "a" * 32, "b" * 32


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> object:
    """Say on which machine we are from now on."""

    def move(machine: str | None) -> None:
        monkeypatch.setattr(home, "machine", lambda: machine)

    move(THERE)
    return move


async def fill(spool: Spool, count: int = 6) -> None:
    for number in range(1, count + 1):
        await store(spool, content(number, LARGE if number % 2 else SMALL), number)


async def check(spool: Spool, count: int = 6) -> None:
    """Everything is here, whole, and ready to go."""
    jobs = await spool.claim("oncology", 100)
    assert len(jobs) == count
    for job in jobs:
        number = int(job.object.instance.sop_instance_uid.rpartition(".")[2])
        with spool.open_data(job.object.number) as reader:
            assert reader.read(reader.size) == content(number, LARGE if number % 2 else SMALL)


async def test_at_home_nothing_is_said(open_spool: OpenSpool, on: object, heard: Heard) -> None:
    spool = open_spool()
    await fill(spool)
    await spool.close()
    await check(open_spool())
    assert heard.alarms() == []


@pytest.mark.parametrize("machine", [None, HERE])
async def test_a_copy_of_a_stopped_spool_is_used_and_said_to_be_one(
    open_spool: OpenSpool, on: object, heard: Heard, directory: Path, machine: str | None
) -> None:
    spool = open_spool()
    await fill(spool)
    await spool.close()
    shutil.copytree(directory, directory.with_name("copy"), copy_function=shutil.copy2)
    on(machine)  # type: ignore[operator]
    copy = Spool.open(directory.with_name("copy"), notices=heard.notices)
    await check(copy)
    await copy.close()
    expected = ["spool.moved"] if machine else []  # one that has no name cannot be told from another
    assert heard.alarms() == expected
    copy = Spool.open(directory.with_name("copy"), notices=heard.notices)
    await copy.close()
    assert heard.alarms() == expected, "it is said once"


async def test_a_copy_of_a_running_spool_has_what_was_committed_before(
    open_spool: OpenSpool, on: object, heard: Heard, directory: Path
) -> None:
    """Copied while the writer works: it is used, or refused in words; nothing torn is sent."""
    spool = open_spool()
    await fill(spool)
    copies = []
    for place in range(5):
        busy = asyncio.gather(
            *(store(spool, content(n, LARGE), n) for n in range(100 + 10 * place, 110 + 10 * place))
        )
        copies.append(directory.with_name(f"copy-{place}"))
        await asyncio.to_thread(shutil.copytree, directory, copies[-1], copy_function=shutil.copy2)
        await busy
    await spool.close()
    on(HERE)  # type: ignore[operator]
    used = 0
    for copy in copies:
        try:
            other = Spool.open(copy, notices=heard.notices)
        except SpoolFailure as error:
            assert "copied while in use" in str(error) or "spool rebuild" in str(error)  # noqa: PT017
            continue
        used += 1
        here = {}
        for row in await other.list_deliveries(limit=1000):
            if row.delivery.state is DeliveryState.QUEUED:
                uid = row.object.instance.sop_instance_uid
                number = int(uid.rpartition(".")[2])
                size = LARGE if number % 2 or number >= 100 else SMALL
                try:
                    with other.open_data(row.object.number) as reader:
                        here[number] = reader.read(reader.size) == content(number, size)
                except SpoolFailure:
                    assert number >= 100, "its file was copied before it was whole: it is not sent"
        assert set(range(1, 7)) <= set(here)
        assert all(here.values())
        await other.close()
    assert used
    assert heard.alarms().count("spool.moved") == used


async def test_files_that_the_copy_of_the_journal_does_not_name_are_kept(
    open_spool: OpenSpool, on: object, heard: Heard, directory: Path
) -> None:
    """The journal was copied first, and objects came while the files were copied."""
    spool = open_spool()
    await fill(spool, 2)
    copy = directory.with_name("copy")
    shutil.copytree(directory, copy, copy_function=shutil.copy2)
    image = Treatment(sizes=Sizes(matrix=256)).make("cbct")
    incoming = spool.receive(
        Instance(image.sop_class_uid, image.sop_instance_uid, EXPLICIT),
        an_origin(),
        Priority.IMAGE,
        ["oncology"],
    )
    incoming.write(image.data)
    await incoming.commit()
    shutil.copytree(directory / "objects", copy / "objects", dirs_exist_ok=True, copy_function=shutil.copy2)
    await spool.close()
    on(HERE)  # type: ignore[operator]
    other = Spool.open(copy, notices=heard.notices)
    held = await other.list_deliveries(state=DeliveryState.HELD)
    assert [row.cause for row in held] == ["rebuilt"]
    with other.open_data(held[0].object.number) as reader:
        assert reader.read(reader.size) == image.data
    assert [words for words in heard.words("spool.moved") if "1 objects that the copy" in words]
    await other.close()


async def test_a_torn_copy_is_refused_with_what_to_do(
    open_spool: OpenSpool, on: object, heard: Heard, directory: Path
) -> None:
    spool = open_spool()
    await fill(spool, 40)
    await spool.close()
    database = directory / JOURNAL
    db = sqlite3.connect(database)
    page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'deliveries_by_object'").fetchone()[0]
    db.close()
    with database.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(bytes(4096))
    on(HERE)  # type: ignore[operator]
    with pytest.raises(SpoolFailure, match=r"copied while in use.*Copy it again"):
        open_spool()


@pytest.mark.parametrize(
    ("content", "named"),
    [(b"0123456789abcdef0123456789abcdef\n", True), (b"uninitialized\n", False), (b"", False), (None, False)],
)
def test_the_name_of_a_machine_does_not_give_it_away(
    tmp_path: Path, content: bytes | None, named: bool
) -> None:
    path = tmp_path / "machine-id"
    if content is not None:
        path.write_bytes(content)
    name = home.machine(path)
    assert (name is not None) is named
    if name is not None and content is not None:
        assert content.strip().decode() not in name
