"""Small files beside the spool that outlive a power cut: whole, the old or the new, the new once saved.

Each is saved on the filesystem that forgets; then every prefix of what it did to the disk is tried with the
states a power cut may leave there (disk/crash.py), nothing and everything of what was not synced among them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.audit.segments import Segments
from gateway.audit.values import AuditEntry, AuditLimits
from gateway.configuring.durable import remove_file, replace_file, sync_folder
from gateway.delivery.pauses import FILE_NAME, Pauses
from tests.durability.campaign import Tallies, Tally
from tests.durability.disk import ops
from tests.durability.disk.content import Content
from tests.durability.disk.crash import choices
from tests.durability.fuse.mount import Mounted

pytestmark = pytest.mark.fuse

STATES = 200
"""States at each point; these histories are short enough for all of them."""

Tree = dict[str, bytes]  # path below the mount -> contents


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    with Mounted(tmp_path_factory.mktemp("state")) as mounted:
        yield mounted


@pytest.fixture
def folder(disk: Mounted, request: pytest.FixtureRequest) -> Path:
    """A state directory that is durable itself."""
    made = disk.path / request.node.name
    made.mkdir()
    sync_folder(made.parent)
    return made


def _bytes(content: Content | None) -> bytes:
    return b"" if content is None else content.read(0, content.size)


def after_power_cuts(disk: Mounted, work: Callable[[], None], tally: Tally) -> Iterator[tuple[bool, Tree]]:
    """Do `work` and yield what the disk may hold after a cut at each point: (work was over, files)."""
    disk.record()
    work()
    disk.mark("over")
    began, log = disk.recorded()
    over = False
    for op in log:
        began.apply(op)
        over = over or (isinstance(op, ops.Mark) and op.text == "over")
        _, chosen = choices(began, random.Random(1), limit=STATES)
        for choice in chosen:
            tally.add("states explored")
            tree = began.crash(choice).tree()
            yield over, {path: _bytes(content) for path, content in tree.items() if content is not None}
    assert over


@pytest.fixture
def tally(tallies: Tallies) -> Iterator[Tally]:
    tally = Tally()
    yield tally
    tallies.add("state files", tally)


def test_a_pause_outlives_a_power_cut(disk: Mounted, folder: Path, tally: Tally) -> None:
    where = f"{folder.name}/{FILE_NAME}"
    Pauses.load(folder).save(["oncology"])
    for over, tree in after_power_cuts(disk, lambda: Pauses.load(folder).save(["oncology", "pacs"]), tally):
        names = json.loads(tree[where])
        assert names in ([["oncology", "pacs"]] if over else [["oncology"], ["oncology", "pacs"]])


def test_a_configuration_is_the_old_or_the_new(disk: Mounted, folder: Path, tally: Tally) -> None:
    path, old, new = folder / "gateway.toml", b"old = 1\n" * 200, b"new = 2\n" * 300
    where = f"{folder.name}/{path.name}"
    replace_file(path, old)
    for over, tree in after_power_cuts(disk, lambda: replace_file(path, new), tally):
        assert tree[where] in ([new] if over else [old, new])
    for over, tree in after_power_cuts(disk, lambda: remove_file(path), tally):
        assert tree.get(where) in ([None] if over else [new, None])


def test_an_entry_of_the_audit_trail_is_there_once_it_is_written(
    disk: Mounted, folder: Path, tally: Tally
) -> None:
    def write() -> None:
        segments = Segments(folder / "audit", AuditLimits(), lambda: 1.0)
        segments.open()
        segments.append([AuditEntry(1.0, "anna", "hold", "number=17", "done", "because")])
        segments.close()

    for over, tree in after_power_cuts(disk, write, tally):
        entries = b"".join(data for path, data in tree.items() if "/audit-" in path)
        assert not over or b'"anna"' in entries
