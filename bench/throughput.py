"""How fast DCMTK's storescu gets rid of its objects, into each subject in turn."""

from __future__ import annotations

import itertools
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.subjects import ALL, GATEWAY, Subject
from gateway.demo.synthetic import Sizes, SyntheticObject, Template, Treatment, make_record
from tests.support import machine

DEFAULT: Mapping[str, str] = {}
NODELAY: Mapping[str, str] = {"TCP_NODELAY": "1"}  # DCMTK reads it from the environment, on both sides


@dataclass(frozen=True, slots=True)
class Load:
    """What one console sends."""

    name: str
    count: int
    original: SyntheticObject

    def write(self, directory: Path, first: int = 0) -> Path:
        """Write the objects numbered from `first` as files."""
        directory.mkdir(parents=True)
        for thing in Template(self.original).copies(self.count, first):
            thing.write(directory)
        return directory


def loads(scale: float = 1.0) -> tuple[Load, Load]:
    """500 treatment records of 20 kB, 200 CBCT slices of 0.5 MB; fewer with a smaller `scale`."""
    record = make_record(sizes=Sizes(segments=4))
    image = Treatment(sizes=Sizes(matrix=512)).make("cbct")
    return (
        Load(f"{int(500 * scale)} × 20 kB", int(500 * scale), record),
        Load(f"{int(200 * scale)} × 0.5 MB", int(200 * scale), image),
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: how long the consoles took, from start to end of their processes."""

    subject: str
    load: str
    settings: str
    consoles: int
    objects: int
    seconds: float


class NotMeasured(Exception):
    """A run did not do what it should; its time means nothing."""


def _console(subject: Subject, directory: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = [machine.program("storescu"), "-q", "-aet", "CONSOLE", "-aec", "CENTRE", "+sd"]
    return subprocess.Popen(
        [str(part) for part in (*command, "127.0.0.1", subject.port, directory)],
        env={**os.environ, **env},
    )


def run(
    kind: type[Subject], load: Load, folders: Sequence[Path], env: Mapping[str, str], work: Path
) -> Sample:
    """Send each folder from a console of its own, all at once, into a fresh subject."""
    place = work / "subject"
    try:
        with kind(place, env) as subject:
            os.sync()  # nobody pays for what somebody else left to be written
            started = time.perf_counter()
            consoles = [_console(subject, folder, env) for folder in folders]
            codes = [console.wait() for console in consoles]
            seconds = time.perf_counter() - started
            wanted = load.count * len(folders)
            if any(codes) or subject.count() != wanted:
                raise NotMeasured(f"{kind.label}: exit codes {codes}, {subject.count()} of {wanted} objects")
    finally:
        shutil.rmtree(place, ignore_errors=True)
    settings = "TCP_NODELAY=1" if env else "default"
    return Sample(kind.label, load.name, settings, len(folders), wanted, seconds)


def rounds(
    work: Path, load: Load, env: Mapping[str, str], count: int, kinds: Iterable[type[Subject]] = ALL
) -> Iterable[Sample]:
    """Yield samples of A B C D A B C D ...: what changes on the machine meanwhile hits all alike."""
    folder = work / "objects"
    load.write(folder)
    try:
        for _, kind in itertools.product(range(count), kinds):
            yield run(kind, load, [folder], env, work)
    finally:
        shutil.rmtree(folder)


def consoles_side_by_side(work: Path, load: Load, count: int, consoles: int = 4) -> Iterable[Sample]:
    """Yield samples of one console and of several at once, into the gateway, in turn."""
    folders = [load.write(work / f"console{number}", number * load.count) for number in range(consoles)]
    try:
        for _, how_many in itertools.product(range(count), (1, consoles)):
            yield run(GATEWAY, load, folders[:how_many], NODELAY, work)
    finally:
        for folder in folders:
            shutil.rmtree(folder)


def median_seconds(samples: Iterable[Sample]) -> float:
    """Median time of like samples."""
    return statistics.median(sample.seconds for sample in samples)
