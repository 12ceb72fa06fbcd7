"""The model itself: what was synced stays, what was not may be in any state it has had, and nothing else."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.durability.disk import ops
from tests.durability.disk.content import Content
from tests.durability.disk.crash import Policy, Space, choices, choose
from tests.durability.disk.disk import ROOT, Choice, Disk
from tests.durability.disk.materialize import fingerprint, materialize

Tree = dict[str, bytes | None]


def tree(disk: Disk) -> Tree:
    return {
        path: None if content is None else content.read(0, content.size)
        for path, content in disk.tree().items()
    }


@st.composite
def histories(draw: st.DrawFn, most: int = 14) -> list[ops.Op]:
    """Draw operations that are possible one after the other: two directories, a few files, small writes."""
    disk, log = Disk(), list[ops.Op]()
    fresh = itertools.count(2)

    def add(op: ops.Op) -> None:
        disk.apply(op)
        log.append(op)

    for _ in range(draw(st.integers(1, most))):
        places = [(path, inode) for path, inode in disk.walk() if path]
        files = [(path, inode) for path, inode in places if not disk.is_directory(inode)]
        directories = [ROOT, *(inode for _, inode in places if disk.is_directory(inode))]
        kind = draw(st.sampled_from(("make", "write", "sync", "sync directory", "rename", "unlink", "cut")))
        name = draw(st.sampled_from("abc"))
        parent = draw(st.sampled_from(directories))
        if kind == "make" and disk.find(parent, name) is None:
            directory = draw(st.booleans()) and len(directories) < 3
            add(ops.Make(parent, name, next(fresh), directory, 0o700 if directory else 0o600))
        elif kind == "sync directory":
            add(ops.SyncDirectory(parent))
        elif files:
            path, inode = draw(st.sampled_from(files))
            above = disk_parent(disk, path)
            own = path.rsplit("/", 1)[-1]
            if kind == "write":
                data = bytes([draw(st.integers(1, 255))]) * draw(st.sampled_from((1, 512, 1500)))
                add(ops.Write(inode, draw(st.sampled_from((0, 300, 512, 4000))), data))
            elif kind == "sync":
                add(ops.Sync(inode))
            elif kind == "cut":
                add(ops.Truncate(inode, draw(st.sampled_from((0, 100, 5000)))))
            elif kind == "unlink":
                add(ops.Unlink(above, own))
            elif kind == "rename" and disk.find(parent, name) in (None, *(one for _, one in files)):
                add(ops.Rename(above, own, parent, name))
    return log


def disk_parent(disk: Disk, path: str) -> int:
    parent = ROOT
    for part in path.split("/")[:-1]:
        found = disk.find(parent, part)
        assert found is not None
        parent = found
    return parent


def after(log: list[ops.Op]) -> Disk:
    disk = Disk()
    for op in log:
        disk.apply(op)
    return disk


@given(histories(), st.integers(0, 1000))
@settings(max_examples=300, deadline=None)
def test_what_was_synced_never_changes(log: list[ops.Op], seed: int) -> None:
    disk = after(log)
    for inode in {inode for _, inode in disk.walk() if inode != ROOT}:
        if disk.is_directory(inode):
            disk.apply(ops.SyncDirectory(inode))
        else:
            disk.apply(ops.Sync(inode))
    disk.apply(ops.SyncDirectory(ROOT))
    kept = tree(disk)
    for policy in Policy:
        assert tree(disk.crash(choose(disk, random.Random(seed), policy))) == kept
    files = [(path, inode) for path, inode in disk.walk() if path and not disk.is_directory(inode)]
    if not files:
        return
    # What comes later to one file and one name leaves the others as they are.
    path, inode = files[0]
    disk.apply(ops.Write(inode, 100, b"later" * 300))
    disk.apply(ops.Make(ROOT, "later", 999, False, 0o600))
    for policy in Policy:
        found = tree(disk.crash(choose(disk, random.Random(seed), policy)))
        found.pop("later", None)
        assert found.keys() == kept.keys()
        assert all(found[other] == kept[other] for other, one in files if one != inode)
        changed = found[path]
        before = kept[path]
        assert changed is not None
        assert before is not None
        assert len(changed) >= len(before)
        assert changed[: min(100, len(before))] == before[:100]


@given(histories(), st.integers(0, 1000))
@settings(max_examples=300, deadline=None)
def test_a_survivor_holds_nothing_that_was_never_there(log: list[ops.Op], seed: int) -> None:
    disk = after(log)
    seen: dict[int, set[bytes]] = {}
    running = Disk()
    for op in log:
        running.apply(op)
        for inode in running.nodes:
            if not running.is_directory(inode):
                content = running.file(inode).live
                for sector in range(-(-content.size // 512)):
                    seen.setdefault(inode, {bytes(512)}).add(content.sector(sector))
    left = disk.crash(choose(disk, random.Random(seed), Policy.ORDERED))
    for _, inode in left.walk():
        assert inode in disk.nodes
        if not left.is_directory(inode):
            content = left.file(inode).live
            edge = content.size // 512
            assert all(content.sector(sector) in seen.get(inode, {bytes(512)}) for sector in range(edge))


@given(histories(), st.integers(0, 1000))
@settings(max_examples=200, deadline=None)
def test_the_same_log_and_the_same_choice_leave_the_same_disk(log: list[ops.Op], seed: int) -> None:
    one, other = after(log), after(log)
    assert tree(one) == tree(other) == tree(one.copy())
    chosen = choose(one, random.Random(seed))
    assert chosen == choose(other, random.Random(seed))
    before = tree(one)
    left = one.crash(chosen)
    assert tree(left) == tree(other.crash(chosen))
    assert fingerprint(left) == fingerprint(other.crash(chosen))
    assert tree(one) == before  # a cut that was only thought of changes nothing
    assert left.pending == ([], {})
    assert tree(left.crash(Choice())) == tree(left)  # and what it left is durable


@given(histories(most=8))
@settings(max_examples=150, deadline=None)
def test_whatever_the_milder_policy_leaves_the_weak_one_may_leave_too(log: list[ops.Op]) -> None:
    disk = after(log)
    weak = Space(disk, Policy.WEAK, random.Random(0))
    if weak.size() > 2000:
        return
    allowed = {fingerprint(disk.crash(choice)) for choice in weak.every()}
    ordered = Space(disk, Policy.ORDERED, random.Random(0))
    assert {fingerprint(disk.crash(choice)) for choice in ordered.every()} <= allowed


@given(histories(most=8), st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_whatever_is_drawn_by_chance_or_by_design_is_in_the_whole_space(log: list[ops.Op], seed: int) -> None:
    disk = after(log)
    space = Space(disk, Policy.WEAK, random.Random(seed))
    if space.size() > 1000:
        return
    allowed = {fingerprint(disk.crash(choice)) for choice in space.every()}
    for _ in range(20):
        assert fingerprint(disk.crash(space.by_chance())) in allowed
    for recipe in space.corners():
        assert fingerprint(disk.crash(recipe())) in allowed


@given(st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 9000), st.booleans()), max_size=12))
@settings(max_examples=200, deadline=None)
def test_content_is_what_an_array_of_bytes_would_be(steps: list[tuple[int, int, bool]]) -> None:
    content, plain = Content(), bytearray()
    for number, (offset, length, cut) in enumerate(steps, 1):
        if cut:
            content.resize(offset)
            plain = plain[:offset] + bytes(max(0, offset - len(plain)))
        elif length:
            data = bytes([number]) * length
            content.write(offset, data)
            plain += bytes(max(0, offset + length - len(plain)))
            plain[offset : offset + length] = data
        assert content.size == len(plain)
        assert content.read(0, len(plain) + 10) == plain
        assert content.read(4000, 300) == plain[4000:4300]
        rebuilt = bytearray(content.size)
        for start, data in content.runs():
            rebuilt[start : start + len(data)] = data
        assert rebuilt == plain


def test_a_name_is_lost_although_the_file_was_synced() -> None:
    disk = after([ops.Make(ROOT, "a", 2, False, 0o600), ops.Write(2, 0, b"x"), ops.Sync(2)])
    assert tree(disk.crash(Choice())) == {"": None}
    # ... which no filesystem of everyday use does.
    assert all(
        tree(disk.crash(choice)) == {"": None, "a": b"x"}
        for choice in choices(disk, random.Random(0), Policy.ORDERED)[1]
    )


def test_every_subset_of_sectors_and_every_size_is_tried() -> None:
    disk = after(
        [ops.Make(ROOT, "a", 2, False, 0o600), ops.SyncDirectory(ROOT), ops.Write(2, 0, b"x" * 1024)]
    )
    whole, chosen = choices(disk, random.Random(0), limit=100)
    assert whole
    found = {tree(disk.crash(choice))["a"] for choice in chosen if choice.stale is None}
    gone, there = bytes(512), b"x" * 512
    assert found == {b"", *(one + other for one in (gone, there) for other in (gone, there))}
    assert any(choice.stale is not None for choice in chosen)


def test_a_rename_is_atomic() -> None:
    disk = after(
        [
            ops.Make(ROOT, "old", 2, False, 0o600),
            ops.Make(ROOT, "d", 3, True, 0o700),
            ops.SyncDirectory(ROOT),
            ops.Rename(ROOT, "old", 3, "new"),
        ]
    )
    found = {frozenset(tree(disk.crash(choice))) for choice in choices(disk, random.Random(0))[1]}
    assert found == {frozenset({"", "d", "old"}), frozenset({"", "d", "d/new"})}
    disk.apply(ops.SyncDirectory(3))
    assert frozenset(tree(disk.crash(Choice()))) == {"", "d", "d/new"}


def test_an_old_change_does_not_undo_a_durable_one() -> None:
    disk = after(
        [
            ops.Make(ROOT, "d", 2, True, 0o700),
            ops.SyncDirectory(ROOT),
            ops.Make(ROOT, "a", 3, False, 0o600),
            ops.Rename(ROOT, "a", 2, "b"),
            ops.SyncDirectory(2),
        ]
    )
    for choice in choices(disk, random.Random(0))[1]:
        assert frozenset(tree(disk.crash(choice))) == {"", "d", "d/b"}


def test_a_sync_after_a_failed_one_covers_only_what_was_written_since() -> None:
    log: list[ops.Op] = [
        ops.Make(ROOT, "a", 2, False, 0o600),
        ops.SyncDirectory(ROOT),
        ops.Write(2, 0, b"x" * 4096),
        ops.FailedSync(2),
        ops.Write(2, 4096, b"y" * 4096),
        ops.Sync(2),
    ]
    disk = after(log)
    assert disk.read(2, 0, 8192) == b"x" * 4096 + b"y" * 4096
    assert tree(disk.crash(Choice()))["a"] == bytes(4096) + b"y" * 4096
    disk.apply(ops.Write(2, 0, b"x" * 4096))
    disk.apply(ops.Sync(2))
    assert tree(disk.crash(Choice()))["a"] == b"x" * 4096 + b"y" * 4096


def test_a_file_is_cut_short_as_a_whole_or_not_at_all() -> None:
    disk = after(
        [
            ops.Make(ROOT, "a", 2, False, 0o600),
            ops.SyncDirectory(ROOT),
            ops.Write(2, 0, b"old!" * 256),
            ops.Sync(2),
            ops.Truncate(2, 0),
        ]
    )
    for policy in Policy:
        found = {tree(disk.crash(choice))["a"] for choice in choices(disk, random.Random(0), policy)[1]}
        assert found == {b"", b"old!" * 256}
    disk.apply(ops.Write(2, 0, b"new!" * 256))
    old, new, gone = b"old!" * 128, b"new!" * 128, bytes(512)
    found = {
        tree(disk.crash(choice))["a"] for choice in Space(disk, Policy.ORDERED, random.Random(0)).every()
    }
    assert found == {b"", old + old, new + new, gone + new, new + gone, gone + gone}
    # Where the order is not kept, new bytes may be in old blocks although the file was not cut.
    found = {tree(disk.crash(choice))["a"] for choice in Space(disk, Policy.WEAK, random.Random(0)).every()}
    assert {old + new, new + old, new + gone} <= found


def test_zeros_written_after_a_cut_may_be_there_without_it() -> None:
    disk = after(
        [
            ops.Make(ROOT, "a", 2, False, 0o600),
            ops.SyncDirectory(ROOT),
            ops.Write(2, 0, b"old!" * 256),
            ops.Sync(2),
            ops.Truncate(2, 0),
            ops.Write(2, 0, bytes(512)),
        ]
    )
    mixed = bytes(512) + b"old!" * 128
    for policy in Policy:
        found = {tree(disk.crash(choice))["a"] for choice in choices(disk, random.Random(0), policy)[1]}
        assert (mixed in found) is (policy is Policy.WEAK)


def test_stale_bytes_are_what_the_file_had_there_before() -> None:
    disk = after(
        [
            ops.Make(ROOT, "a", 2, False, 0o600),
            ops.SyncDirectory(ROOT),
            ops.Write(2, 0, b"old!" * 256),
            ops.Sync(2),
            ops.Truncate(2, 0),
            ops.Sync(2),
            ops.Write(2, 0, b"new!" * 256),
        ]
    )
    found = {tree(disk.crash(choice))["a"] for choice in choices(disk, random.Random(0))[1]}
    assert b"new!" * 128 + b"old!" * 128 in found


def test_files_that_are_noise_are_not_enumerated() -> None:
    disk = after(
        [ops.Make(ROOT, "a", 2, False, 0o600), ops.SyncDirectory(ROOT), ops.Write(2, 0, b"x" * 4096)]
    )
    assert Space(disk, Policy.WEAK, random.Random(0)).size() > 500
    assert Space(disk, Policy.WEAK, random.Random(0), {2}).size() == 1


def test_a_long_history_is_sampled_and_the_ends_are_in_the_sample() -> None:
    disk = after(
        [
            ops.Make(ROOT, "a", 2, False, 0o600),
            *(ops.Write(2, 4096 * place, bytes([place % 255 + 1]) * 4096) for place in range(300)),
        ]
    )
    whole, chosen = choices(disk, random.Random(0), limit=60)
    assert not whole
    assert len(chosen) == 60
    found = [tree(disk.crash(choice)) for choice in chosen]
    assert {"": None} in found
    assert tree(disk) in found


def test_a_state_is_written_into_a_directory(tmp_path: Path) -> None:
    disk = after(
        [
            ops.Make(ROOT, "box", 2, True, 0o700),
            ops.Make(2, "a", 3, False, 0o600),
            ops.Make(2, "d", 4, True, 0o700),
            ops.Write(3, 10_000, b"x" * 700),
            ops.Truncate(3, 50_000),
        ]
    )
    materialize(disk, tmp_path, "box")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "d"]
    assert (tmp_path / "a").read_bytes() == bytes(10_000) + b"x" * 700 + bytes(39_300)
    assert (tmp_path / "a").stat().st_blocks * 512 < 50_000


def test_forgetting_keeps_what_can_still_come_back() -> None:
    disk = after([ops.Make(ROOT, "a", 2, False, 0o600), ops.SyncDirectory(ROOT), ops.Unlink(ROOT, "a")])
    disk.forget(())
    assert 2 in disk.nodes  # the removal may be lost
    disk.apply(ops.SyncDirectory(ROOT))
    disk.forget({2})
    assert 2 in disk.nodes  # somebody has it open
    disk.forget(())
    assert 2 not in disk.nodes


@pytest.mark.parametrize(
    "op", [ops.Unlink(ROOT, "none"), ops.Write(7, 0, b"x"), ops.Make(ROOT, "a", 2, False, 0)]
)
def test_an_impossible_operation_is_refused(op: ops.Op) -> None:
    disk = after([ops.Make(ROOT, "a", 2, False, 0o600)])
    with pytest.raises((KeyError, ValueError)):
        disk.apply(op)
