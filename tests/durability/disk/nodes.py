"""What is on the disk under an inode number: a file or a directory, as it is and as it is for sure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True)
class Version:
    """What a sector became. `cut`: because the file was cut short, not because it was written."""

    data: bytes
    epoch: int  # how often the file had been cut since it was synced, this time included
    cut: bool


@dataclass(slots=True)
class File:
    """Bytes, and every state that each unsynced sector has had since it was durable.

    A cut (a truncation) reaches the disk or not, as a whole: no sector becomes zero by one that did not. What
    is written after it may be there without it, in the same sectors, where the filesystem keeps no order.
    """

    mode: int
    live: Content = field(default_factory=Content)
    durable: Content = field(default_factory=Content)
    versions: dict[int, list[Version]] = field(default_factory=dict)  # sector -> what it became, in order
    sizes: list[tuple[int, int]] = field(default_factory=list)  # the same of the size, with its epoch
    cuts: int = 0  # since it was synced
    dirty: set[int] = field(default_factory=set)  # blocks that the next sync writes
    stale: dict[int, bytes] = field(default_factory=dict)  # blocks that were cut off: their bytes are about

    def write(self, offset: int, data: bytes) -> None:
        """Write, and remember what may be on the disk because of it."""
        if not data:
            return
        self.dirty.update(range(offset // BLOCK, (offset + len(data) - 1) // BLOCK + 1))
        self._changed(self.live.write(offset, data), cut=False)
        if self.cuts:  # zeros where the cut has left zeros: news, should the cut not survive
            for sector in range(offset // SECTOR, (offset + len(data) - 1) // SECTOR + 1):
                versions = self.versions.get(sector)
                if versions and versions[-1].cut:
                    versions.append(Version(self.live.sector(sector), self.cuts, cut=False))

    def resize(self, size: int) -> None:
        """Cut or grow."""
        cut = size < self.live.size
        self.cuts += cut
        before = self.live.resize(size)
        self.dirty.update(index for index, _ in before)
        self.stale.update(before)
        self._changed(before, cut=cut)

    def _changed(self, before: list[tuple[int, bytes]], *, cut: bool) -> None:
        for index, old in before:
            new = self.live.block(index)
            for place in range(PER_BLOCK):
                start = place * SECTOR
                sector = new[start : start + SECTOR]
                if sector != old[start : start + SECTOR]:
                    versions = self.versions.setdefault(index * PER_BLOCK + place, [])
                    versions.append(Version(sector, self.cuts, cut))
                    del versions[:-VERSIONS_MAX]
        if cut or self.live.size != (self.sizes[-1][0] if self.sizes else self.durable.size):
            self.sizes.append((self.live.size, self.cuts))
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
        if not self.versions:
            self.cuts = 0

    def fail_sync(self) -> None:
        """What waits is counted as written, whatever became of it."""
        self.dirty.clear()

    @property
    def settled(self) -> bool:
        """Whether there is nothing about it that a power cut could change."""
        return not self.versions and not self.sizes

    def survivor(
        self, sectors: Mapping[int, int], size: int, cuts: int, stale: int | None, *, ordered: bool
    ) -> Content:
        """What a power cut leaves.

        `sectors` says which version of a sector survives, `size` which size (0, and what is not named: the
        durable one), `cuts` how many of the cuts; what does not go with that gives way. `stale` None: what
        was never written is zeros; otherwise it is old bytes of the file, or noise of that seed. `ordered`:
        what was written after a cut is not there without it.
        """
        content = self.durable.copy()
        content.size = wanted = self._size(size, cuts)
        grown, end = -(-self.durable.size // SECTOR), -(-wanted // SECTOR)
        for sector, versions in self.versions.items():
            version = _fitting(versions, sectors.get(sector, 0), cuts, ordered=ordered)
            if version:
                content.put_sector(sector, versions[version - 1].data)
            elif stale is not None and grown <= sector < end:
                content.put_sector(sector, self._old_bytes(sector, stale))
        content.size = max(wanted, (max(content.blocks, default=-1) + 1) * BLOCK)
        content.resize(wanted)
        return content

    def _size(self, chosen: int, cuts: int) -> int:
        epochs = [0, *(epoch for _, epoch in self.sizes)]
        while chosen and epochs[chosen] > cuts:
            chosen -= 1
        while epochs[chosen] < cuts and chosen + 1 < len(epochs) and epochs[chosen + 1] <= cuts:
            chosen += 1
        return self.sizes[chosen - 1][0] if chosen else self.durable.size

    def _old_bytes(self, sector: int, seed: int) -> bytes:
        block = self.stale.get(sector // PER_BLOCK)
        if block is not None and seed % 2 == 0:
            start = sector % PER_BLOCK * SECTOR
            return block[start : start + SECTOR]
        return hashlib.shake_128(b"%d %d" % (seed, sector)).digest(SECTOR)


def _fitting(versions: list[Version], chosen: int, cuts: int, *, ordered: bool) -> int:
    """Return the version nearest to the one that was chosen that goes with the cuts that survive."""
    for place in range(len(versions), chosen, -1):
        if versions[place - 1].cut and versions[place - 1].epoch <= cuts:
            return place  # a cut that survives takes all that was there before with it
    while chosen:
        one = versions[chosen - 1]
        if one.epoch <= cuts or not (one.cut or ordered):
            return chosen
        chosen -= 1
    return 0
