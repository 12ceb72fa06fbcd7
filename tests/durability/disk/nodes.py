"""What is on the disk under an inode number: a file or a directory, as it is and as it is for sure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from tests.durability.disk.content import BLOCK, PER_BLOCK, SECTOR, Content

VERSIONS_MAX = 8
"""States of one sector that are remembered while it is not synced. Older ones are forgotten: the pages of a
file that is mapped and never synced would gather without end."""
SIZES_MAX = 64
"""The same for the sizes of a file."""


@dataclass(slots=True)
class Directory:
    """Names. `durable` is what is there for sure, `stamps` says since which change of names."""

    mode: int
    live: dict[str, int] = field(default_factory=dict)
    durable: dict[str, int] = field(default_factory=dict)
    stamps: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class File:
    """Bytes, and every state that each unsynced sector has had since it was durable."""

    mode: int
    live: Content = field(default_factory=Content)
    durable: Content = field(default_factory=Content)
    versions: dict[int, list[bytes]] = field(default_factory=dict)  # sector -> what it became, in order
    sizes: list[int] = field(default_factory=list)  # the same of the size
    dirty: set[int] = field(default_factory=set)  # blocks that the next sync writes
    stale: dict[int, bytes] = field(default_factory=dict)  # blocks that were cut off: their bytes are about

    def write(self, offset: int, data: bytes) -> None:
        """Write, and remember what may be on the disk because of it."""
        if not data:
            return
        self.dirty.update(range(offset // BLOCK, (offset + len(data) - 1) // BLOCK + 1))
        self._changed(self.live.write(offset, data))

    def resize(self, size: int) -> None:
        """Cut or grow."""
        before = self.live.resize(size)
        self.dirty.update(index for index, _ in before)
        self.stale.update(before)
        self._changed(before)

    def _changed(self, before: list[tuple[int, bytes]]) -> None:
        for index, old in before:
            new = self.live.block(index)
            for place in range(PER_BLOCK):
                start = place * SECTOR
                sector = new[start : start + SECTOR]
                if sector != old[start : start + SECTOR]:
                    versions = self.versions.setdefault(index * PER_BLOCK + place, [])
                    versions.append(sector)
                    del versions[:-VERSIONS_MAX]
        if self.live.size != (self.sizes[-1] if self.sizes else self.durable.size):
            self.sizes.append(self.live.size)
            del self.sizes[:-SIZES_MAX]

    def sync(self) -> None:
        """Everything that waits is durable."""
        for index in self.dirty:
            self.durable.put_block(index, self.live.block(index))
            for sector in range(index * PER_BLOCK, (index + 1) * PER_BLOCK):
                self.versions.pop(sector, None)
        self.durable.resize(self.live.size)
        self.sizes.clear()
        self.dirty.clear()

    def fail_sync(self) -> None:
        """What waits is counted as written, whatever became of it."""
        self.dirty.clear()

    @property
    def settled(self) -> bool:
        """Whether there is nothing about it that a power cut could change."""
        return not self.versions and not self.sizes

    def survivor(self, sectors: dict[int, int], size: int, stale: int | None) -> Content:
        """What a power cut leaves.

        `sectors` says which version of a sector survives, `size` which size (0, and what is not named: the
        durable one). `stale` None: what was never written is zeros; otherwise it is old bytes of the file, or
        noise of that seed.
        """
        content = self.durable.copy()
        content.size = self.sizes[size - 1] if size else self.durable.size
        grown = -(-self.durable.size // SECTOR)
        end = -(-content.size // SECTOR)
        for sector, versions in self.versions.items():
            version = sectors.get(sector, 0)
            if version:
                content.put_sector(sector, versions[version - 1])
            elif stale is not None and grown <= sector < end:
                content.put_sector(sector, self._old_bytes(sector, stale))
        wanted = content.size
        content.size = max(wanted, (max(content.blocks, default=-1) + 1) * BLOCK)
        content.resize(wanted)
        return content

    def _old_bytes(self, sector: int, seed: int) -> bytes:
        block = self.stale.get(sector // PER_BLOCK)
        if block is not None and seed % 2 == 0:
            start = sector % PER_BLOCK * SECTOR
            return block[start : start + SECTOR]
        return hashlib.shake_128(b"%d %d" % (seed, sector)).digest(SECTOR)
