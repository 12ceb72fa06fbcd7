"""What a bad card, a bad sector, or a hand can do to a spool: a name, and a function of its folder."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PAGE = 4096
FRAME = 24 + PAGE
JOURNAL, WAL = "journal.db", "journal.db-wal"


@dataclass(frozen=True)
class Wound:
    """One way of damage. `spares_files`: no object file is touched."""

    name: str
    inflict: Callable[[Path], None]
    spares_files: bool = True


def used_wal(folder: Path) -> int:
    """Bytes of the WAL that are in use: behind them are zeros."""
    path = folder / WAL
    return len(path.read_bytes().rstrip(b"\0")) if path.exists() else 0


def change(path: Path, offset: int, data: bytes) -> None:
    """Write over a part of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def flip(path: Path, offset: int, bit: int) -> None:
    """Turn one bit round."""
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ (1 << bit)]))


def hands_and_cuts() -> Iterator[Wound]:
    """What happens to whole files."""
    yield Wound("the journal is deleted, its WAL is left", lambda folder: (folder / JOURNAL).unlink())
    yield Wound("the WAL is deleted", lambda folder: (folder / WAL).unlink(missing_ok=True))
    yield Wound("journal and WAL are deleted", _delete_both)
    yield Wound("the journal is empty", lambda folder: (folder / JOURNAL).write_bytes(b""))
    yield Wound("the WAL is empty", _empty_wal)
    yield Wound("the header is zeros", lambda folder: change(folder / JOURNAL, 0, bytes(100)))
    yield Wound("the first page is zeros", lambda folder: change(folder / JOURNAL, 0, bytes(PAGE)))
    yield Wound("the header of the WAL is zeros", lambda folder: _over_wal(folder, 0, bytes(32)))
    for share in (0.25, 0.5, 0.9):
        yield Wound(
            f"the journal is cut to {share:.0%}", lambda folder, share=share: _cut(folder, JOURNAL, share)
        )
        yield Wound(f"the WAL is cut to {share:.0%}", lambda folder, share=share: _cut_wal(folder, share))
    yield Wound("an object file is cut", _cut_object, spares_files=False)
    yield Wound("an object file is gone", lambda folder: _objects(folder)[0].unlink(), spares_files=False)
    yield Wound("a bit of an object file", _flip_object, spares_files=False)
    yield Wound("an object file is another", _swap_objects, spares_files=False)


def _delete_both(folder: Path) -> None:
    (folder / JOURNAL).unlink()
    (folder / WAL).unlink(missing_ok=True)


def _empty_wal(folder: Path) -> None:
    if (folder / WAL).exists():
        (folder / WAL).write_bytes(b"")


def _over_wal(folder: Path, offset: int, data: bytes) -> None:
    if (folder / WAL).exists():
        change(folder / WAL, offset, data)


def _cut(folder: Path, name: str, share: float) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: int(len(data) * share)])


def _cut_wal(folder: Path, share: float) -> None:
    if (folder / WAL).exists():
        (folder / WAL).write_bytes((folder / WAL).read_bytes()[: int(used_wal(folder) * share)])


def _objects(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "objects").rglob("*.dcm") if path.stat().st_size)


def _cut_object(folder: Path) -> None:
    path = _objects(folder)[0]
    path.write_bytes(path.read_bytes()[:-1])


def _flip_object(folder: Path) -> None:
    path = _objects(folder)[-1]
    flip(path, path.stat().st_size // 2, 3)


def _swap_objects(folder: Path) -> None:
    first, second = _objects(folder)[:2]
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


def every_page(folder: Path, rng: random.Random) -> Iterator[Wound]:
    """A bit in each page of the journal, and in each frame of its WAL."""
    for number in range((folder / JOURNAL).stat().st_size // PAGE):
        offset, bit = number * PAGE + rng.randrange(PAGE), rng.randrange(8)
        yield Wound(
            f"bit {bit} at {offset} of the journal",
            lambda folder, offset=offset, bit=bit: flip(folder / JOURNAL, offset, bit),
        )
    for number in range(max(0, used_wal(folder) - 32) // FRAME):
        offset, bit = 32 + number * FRAME + rng.randrange(FRAME), rng.randrange(8)
        yield Wound(
            f"bit {bit} at {offset} of the WAL",
            lambda folder, offset=offset, bit=bit: flip(folder / WAL, offset, bit),
        )


def at_random(folder: Path, rng: random.Random) -> Wound:
    """Anything: bits, sectors, pages, pages that change places, here and there."""
    strokes = [_stroke(folder, rng) for _ in range(rng.choice((1, 1, 2, 5, 20)))]

    def inflict(folder: Path) -> None:
        for stroke in strokes:
            stroke(folder)

    return Wound(f"{len(strokes)} strokes at random", inflict)


def _stroke(folder: Path, rng: random.Random) -> Callable[[Path], None]:
    in_wal = used_wal(folder) > FRAME and rng.random() < 0.5
    name, size = (WAL, used_wal(folder)) if in_wal else (JOURNAL, (folder / JOURNAL).stat().st_size)
    at = rng.randrange(size)
    kind = rng.choice(("bit", "sector", "page", "noise", "swap"))
    if kind == "bit":
        bit = rng.randrange(8)
        return lambda folder: flip(folder / name, at, bit)
    if kind == "sector":
        return lambda folder: change(folder / name, at // 512 * 512, bytes(512))
    if kind == "page":
        return lambda folder: change(folder / name, at // PAGE * PAGE, bytes(PAGE))
    if kind == "noise":
        noise = rng.randbytes(rng.choice((1, 16, 512)))
        return lambda folder: change(folder / name, at, noise)
    other = rng.randrange(size) // PAGE * PAGE
    return lambda folder: _swap(folder / name, at // PAGE * PAGE, other)


def _swap(path: Path, first: int, second: int) -> None:
    data = path.read_bytes()
    one, other = data[first : first + PAGE], data[second : second + PAGE]
    if len(one) == len(other):
        change(path, first, other)
        change(path, second, one)
