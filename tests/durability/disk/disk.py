"""A disk that forgets: what is on it now, what is on it for sure, and what a power cut may leave.

Weaker than any filesystem one would use, on purpose. Until a file was synced, each of its sectors (512 bytes)
may be in any state it has had since, in any order, and its size may be any it has had; what it has grown by
without being written may be zeros or old bytes. Until a directory was synced, each change of its names may
have reached the disk or not, whatever was synced of the files. A rename is atomic, and so is cutting a file
short. What was synced never changes. Two policies choose from this: see crash.py.

Pure: no file is touched, no time passes. One thread at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.durability.disk import ops
from tests.durability.disk.content import Content
from tests.durability.disk.nodes import Directory, File

ROOT = 1


@dataclass(frozen=True, slots=True)
class NameChange:
    """A change of names that is not durable yet. Atomic. `number` counts changes, durable ones too."""

    number: int
    removes: tuple[tuple[int, str], ...]
    adds: tuple[tuple[int, str, int], ...]
    inode: int  # whose name it is

    @property
    def directories(self) -> set[int]:
        """Where names change."""
        return {parent for parent, _ in self.removes} | {parent for parent, _, _ in self.adds}


@dataclass(frozen=True, slots=True)
class Choice:
    """What survives of what is pending. The empty one: nothing but what was synced."""

    names: frozenset[int] = frozenset()  # numbers of changes
    sectors: Mapping[int, Mapping[int, int]] = field(default_factory=dict)  # inode -> sector -> version
    sizes: Mapping[int, int] = field(default_factory=dict)  # inode -> which of its sizes
    cuts: Mapping[int, int] = field(default_factory=dict)  # inode -> how many of the times it was cut short
    stale: int | None = None
    ordered: bool = False  # what was written after a file was cut short is not there without that


class Disk:
    """Files and directories by inode number. `apply` is the one way to change it."""

    def __init__(self) -> None:
        self.nodes: dict[int, File | Directory] = {ROOT: Directory(0o700)}
        self.changes: list[NameChange] = []  # of names, not durable, in order
        self.marks: list[str] = []
        self.floor = 0  # changes up to this one are durable where metadata is kept in order (crash.ORDERED)
        self._count = 0

    # what is there now

    def find(self, parent: int, name: str) -> int | None:
        """Return the inode that has a name."""
        return self.directory(parent).live.get(name)

    def names(self, inode: int) -> dict[str, int]:
        """Return the names in a directory."""
        return dict(self.directory(inode).live)

    def is_directory(self, inode: int) -> bool:
        """KeyError when there is no such inode."""
        return isinstance(self.nodes[inode], Directory)

    def mode(self, inode: int) -> int:
        """Return the permission bits it was made with."""
        return self.nodes[inode].mode

    def size(self, inode: int) -> int:
        """Bytes of a file; 0 for a directory."""
        node = self.nodes[inode]
        return node.live.size if isinstance(node, File) else 0

    def read(self, inode: int, offset: int, length: int) -> bytes:
        """Return up to `length` bytes of a file, fewer at the end."""
        return self.file(inode).live.read(offset, length)

    def used(self) -> int:
        """Bytes of all blocks that hold something."""
        return sum(len(node.live.blocks) * 4096 for node in self.nodes.values() if isinstance(node, File))

    def highest(self) -> int:
        """The highest inode number in use: new ones are above it."""
        return max(self.nodes)

    def file(self, inode: int) -> File:
        """KeyError when there is no such file."""
        node = self.nodes[inode]
        if isinstance(node, Directory):
            raise KeyError(f"{inode} is a directory")
        return node

    def directory(self, inode: int) -> Directory:
        """KeyError when there is no such directory."""
        node = self.nodes[inode]
        if isinstance(node, File):
            raise KeyError(f"{inode} is a file")
        return node

    def walk(self) -> Iterator[tuple[str, int]]:
        """Yield path ("a/b", "" for the root) and inode of everything that has a name, parents first."""
        yield from self._walk("", ROOT, frozenset())

    def _walk(self, path: str, inode: int, above: frozenset[int]) -> Iterator[tuple[str, int]]:
        yield path, inode
        node = self.nodes[inode]
        if isinstance(node, Directory):
            for name, child in sorted(node.live.items()):
                if child not in above:
                    yield from self._walk(f"{path}/{name}" if path else name, child, above | {inode})

    # what happens to it

    def apply(self, op: ops.Op) -> None:
        """Carry out one operation. KeyError or ValueError when it is not possible: the log is wrong then."""
        match op:
            case ops.Make():
                if op.inode in self.nodes or op.name in self.directory(op.parent).live:
                    raise ValueError(f"{op} makes what is there")
                self.nodes[op.inode] = Directory(op.mode) if op.directory else File(op.mode)
                self._change((), ((op.parent, op.name, op.inode),), op.inode)
            case ops.Write():
                self.file(op.inode).write(op.offset, op.data)
            case ops.Truncate():
                self.file(op.inode).resize(op.size)
            case ops.Allocate():
                file = self.file(op.inode)
                file.resize(max(file.live.size, op.offset + op.length))
            case ops.Rename():
                inode = self.directory(op.parent).live[op.name]
                if (op.parent, op.name) != (op.new_parent, op.new_name):
                    added = (op.new_parent, op.new_name, inode)
                    self._change(((op.parent, op.name),), (added,), inode)
            case ops.Unlink() | ops.RemoveDirectory():
                inode = self.directory(op.parent).live[op.name]
                self._change(((op.parent, op.name),), (), inode)
            case ops.Sync():
                self._sync(op.inode)
            case ops.FailedSync():
                self.file(op.inode).fail_sync()
            case ops.SyncDirectory():
                self._sync_directory(op.inode)
            case ops.Mark():
                self.marks.append(op.text)

    def _change(
        self,
        removes: tuple[tuple[int, str], ...],
        adds: tuple[tuple[int, str, int], ...],
        inode: int,
    ) -> None:
        self._count += 1
        for parent, name in removes:
            del self.directory(parent).live[name]
        for parent, name, child in adds:
            self.directory(parent).live[name] = child
        self.changes.append(NameChange(self._count, removes, adds, inode))

    def _sync(self, inode: int) -> None:
        node = self.nodes[inode]
        if isinstance(node, Directory):
            self._sync_directory(inode)
            return
        node.sync()
        own = [change.number for change in self.changes if change.inode == inode]
        self.floor = max([self.floor, *own])

    def _sync_directory(self, inode: int) -> None:
        now = [change for change in self.changes if inode in change.directories]
        for change in now:
            _make_durable(self.nodes, change)
            self.floor = max(self.floor, change.number)
        self.changes = [change for change in self.changes if inode not in change.directories]
        if not self.changes:
            for node in self.nodes.values():
                if isinstance(node, Directory):
                    node.stamps.clear()

    # what may become of it

    @property
    def pending(self) -> tuple[list[NameChange], dict[int, File]]:
        """What a power cut may or may not leave: changes of names, and files that were not synced."""
        files = {inode: self.nodes[inode] for inode in sorted(self._reachable(()))}
        return self.changes, {
            inode: node for inode, node in files.items() if isinstance(node, File) and not node.settled
        }

    def settle(self) -> None:
        """Sync everything."""
        for inode in list(self.nodes):
            self._sync(inode)

    def crash(self, choice: Choice) -> Disk:
        """Return the disk as it is found after a power cut: everything that is left is durable."""
        after = Disk()
        after.nodes = {}
        for inode, node in self.nodes.items():
            if isinstance(node, Directory):
                after.nodes[inode] = Directory(
                    node.mode, {}, dict(node.durable), dict(node.stamps) if self.changes else {}
                )
            else:
                left = node.survivor(
                    choice.sectors.get(inode, {}),
                    choice.sizes.get(inode, 0),
                    choice.cuts.get(inode, 0),
                    choice.stale,
                    ordered=choice.ordered,
                )
                after.nodes[inode] = File(node.mode, left.copy(), left)
        for change in self.changes:
            if change.number in choice.names:
                _make_durable(after.nodes, change)
        for node in after.nodes.values():
            if isinstance(node, Directory):
                node.live = dict(node.durable)
                node.stamps.clear()
        after.marks = list(self.marks)
        after.forget(())
        return after

    def copy(self) -> Disk:
        """Return one of its own, with everything that is pending."""
        other = Disk()
        for inode, node in self.nodes.items():
            if isinstance(node, Directory):
                other.nodes[inode] = Directory(
                    node.mode, dict(node.live), dict(node.durable), dict(node.stamps)
                )
            else:
                other.nodes[inode] = File(
                    node.mode,
                    node.live.copy(),
                    node.durable.copy(),
                    {sector: list(versions) for sector, versions in node.versions.items()},
                    list(node.sizes),
                    node.cuts,
                    set(node.dirty),
                    dict(node.stale),
                )
        other.changes, other.marks = list(self.changes), list(self.marks)
        other.floor, other._count = self.floor, self._count
        return other

    def forget(self, keep: Iterable[int]) -> None:
        """Drop what no name leads to, now or after any power cut, except `keep` (files that are open)."""
        needed = self._reachable(keep)
        self.nodes = {inode: node for inode, node in self.nodes.items() if inode in needed}

    def keep_only(self, names: Collection[str]) -> None:
        """Drop everything in the root but these names, for sure."""
        root = self.directory(ROOT)
        for held in (root.live, root.durable):
            for name in held.keys() - set(names):
                del held[name]
        self.forget(())

    def _reachable(self, keep: Iterable[int]) -> set[int]:
        needed = {ROOT, *keep}
        waiting = [ROOT, *needed]
        waiting += [inode for change in self.changes for _, _, inode in change.adds]
        while waiting:
            inode = waiting.pop()
            needed.add(inode)
            node = self.nodes.get(inode)
            if isinstance(node, Directory):
                children = {*node.live.values(), *node.durable.values()}
                waiting += children - needed
        return needed & self.nodes.keys()

    def tree(self) -> dict[str, Content | None]:
        """What is there now, by path; None for a directory."""
        found: dict[str, Content | None] = {}
        for path, inode in self.walk():
            node = self.nodes[inode]
            found[path] = None if isinstance(node, Directory) else node.live
        return found


def _make_durable(nodes: dict[int, File | Directory], change: NameChange) -> None:
    """Carry a change of names over to what is durable, where no later one is already."""
    for parent, name in change.removes:
        _set(nodes, parent, name, None, change.number)
    for parent, name, inode in change.adds:
        _set(nodes, parent, name, inode, change.number)


def _set(nodes: dict[int, File | Directory], parent: int, name: str, inode: int | None, number: int) -> None:
    node = nodes.get(parent)
    if not isinstance(node, Directory) or node.stamps.get(name, 0) > number:
        return
    node.stamps[name] = number
    if inode is None:
        node.durable.pop(name, None)
    else:
        node.durable[name] = inode
