"""The bytes of a file: blocks that are not all zeros, and a size. Copies share their blocks."""

from __future__ import annotations

from collections.abc import Iterator

SECTOR = 512
"""What a disk writes whole or not at all."""
BLOCK = 4096
PER_BLOCK = BLOCK // SECTOR
_ZERO = bytes(BLOCK)
_ZERO_SECTOR = bytes(SECTOR)


class Content:
    """Bytes that can be read, written and cut. A hole, and what lies behind the end, is zeros."""

    __slots__ = ("blocks", "size")

    def __init__(self) -> None:
        self.blocks: dict[int, bytes] = {}  # every one BLOCK long; behind the end there are zeros
        self.size = 0

    def copy(self) -> Content:
        """Return one of its own that changes alone."""
        other = Content()
        other.blocks = self.blocks.copy()
        other.size = self.size
        return other

    def block(self, index: int) -> bytes:
        """Return one block, padded with zeros."""
        return self.blocks.get(index, _ZERO)

    def put_block(self, index: int, data: bytes) -> None:
        """Replace a block (BLOCK bytes); the size stays."""
        if data == _ZERO:
            self.blocks.pop(index, None)
        else:
            self.blocks[index] = data

    def sector(self, index: int) -> bytes:
        """Return one sector, padded with zeros."""
        block = self.blocks.get(index // PER_BLOCK)
        if block is None:
            return _ZERO_SECTOR
        start = index % PER_BLOCK * SECTOR
        return block[start : start + SECTOR]

    def put_sector(self, index: int, data: bytes) -> None:
        """Replace a sector (SECTOR bytes); the size stays."""
        whole, start = self.block(index // PER_BLOCK), index % PER_BLOCK * SECTOR
        self.put_block(index // PER_BLOCK, whole[:start] + data + whole[start + SECTOR :])

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes, fewer at the end."""
        length = min(length, self.size - offset)
        if length <= 0:
            return b""
        first, last = offset // BLOCK, (offset + length - 1) // BLOCK
        if first == last:
            start = offset - first * BLOCK
            return self.block(first)[start : start + length]
        data = b"".join(self.block(index) for index in range(first, last + 1))
        start = offset - first * BLOCK
        return data[start : start + length]

    def write(self, offset: int, data: bytes) -> list[tuple[int, bytes]]:
        """Write; return the blocks that have other bytes than before, as they were."""
        end = offset + len(data)
        before: list[tuple[int, bytes]] = []
        if data:
            for index in range(offset // BLOCK, (end - 1) // BLOCK + 1):
                start = index * BLOCK
                low, high = max(offset, start), min(end, start + BLOCK)
                new = data[low - offset : high - offset]
                old = self.block(index)
                if high - low < BLOCK:
                    new = old[: low - start] + new + old[high - start :]
                if new != old:
                    before.append((index, old))
                    self.put_block(index, bytes(new))
            self.size = max(self.size, end)
        return before

    def resize(self, size: int) -> list[tuple[int, bytes]]:
        """Cut or grow; return the blocks that have other bytes than before, as they were."""
        before: list[tuple[int, bytes]] = []
        if size < self.size:
            edge = size % BLOCK
            for index in [one for one in self.blocks if (one + 1) * BLOCK > size]:
                old = self.blocks[index]
                kept = edge if index == size // BLOCK else 0
                new = old[:kept] + bytes(BLOCK - kept)
                if new != old:
                    before.append((index, old))
                    self.put_block(index, new)
        self.size = size
        return before

    def runs(self) -> Iterator[tuple[int, bytes]]:
        """Yield what is not a hole: offset and bytes, neighbouring blocks together, not behind the end."""
        start, gathered = 0, bytearray()
        for index in sorted(self.blocks):
            if gathered and start + len(gathered) != index * BLOCK:
                yield start, bytes(gathered)
                gathered = bytearray()
            if not gathered:
                start = index * BLOCK
            gathered += self.blocks[index]
        if gathered:
            yield start, bytes(gathered[: self.size - start])
