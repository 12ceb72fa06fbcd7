"""What the relay adds: queries and retrieves direct, and through the gateway, in turns, over loopback.

The far end is DCMTK dcmqrscp, the destination of C-MOVE DCMTK storescp, and every run goes both ways with the
same client. Long links are in relay_long.py.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.archive import AE_TITLE, Archive, Host
from bench.asker import Asker, images_of
from bench.throughput import DEFAULT, NODELAY, NotMeasured
from gateway.demo.synthetic import Sizes, SyntheticObject, Template, Treatment, make_record
from tests.support import machine
from tests.support.dcmtk import StoreScp
from tests.support.gateway_process import GatewayProcess, peer

DIRECT, RELAYED = "direct", "through the gateway"
WAYS = (DIRECT, RELAYED)
MATCHES = 20
_CONSOLE = "CONSOLE"  # a C-MOVE to this title comes down through the gateway
_STRAIGHT = "STRAIGHT"  # and to this one straight from the archive


@dataclass(frozen=True, slots=True)
class Latency:
    """One kind of request, many times, on one way."""

    what: str
    settings: str
    way: str
    milliseconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Half of them took no longer."""
        return statistics.median(self.milliseconds)

    @property
    def p99(self) -> float:
        """99 of 100 took no longer."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]


@dataclass(frozen=True, slots=True)
class Transfer:
    """One retrieve of many objects, from start to end of the program that asked for it."""

    what: str
    settings: str
    way: str
    objects: int
    megabytes: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Content:
    """Objects of one series in the archive."""

    name: str
    count: int
    original: SyntheticObject

    def objects(self) -> Iterator[SyntheticObject]:
        """The objects themselves, with UIDs of their own."""
        return Template(self.original).copies(self.count)

    @property
    def study(self) -> str:
        """Study Instance UID of all of them."""
        return str(self.original.data_set().StudyInstanceUID)

    @property
    def series(self) -> str:
        """Series Instance UID of all of them."""
        return str(self.original.data_set().SeriesInstanceUID)

    @property
    def megabytes(self) -> float:
        """Their data sets together."""
        return self.count * self.original.size / 1e6


def matches(count: int = MATCHES) -> Content:
    """What the queries find: treatment records of one series."""
    return Content(f"{count} records", count, make_record(sizes=Sizes(segments=4)))


def retrieved(scale: float = 1.0) -> tuple[Content, Content]:
    """What is retrieved: 200 objects of 0.5 MB, 20 of 20 MB; fewer with a smaller `scale`."""
    slices = Treatment(1, sizes=Sizes(matrix=512)).make("cbct")
    volumes = Treatment(2, sizes=Sizes(matrix=3162)).make("cbct")
    few, many = max(2, int(20 * scale)), max(10, int(200 * scale))
    return Content(f"{many} × 0.5 MB", many, slices), Content(f"{few} × 20 MB", few, volumes)


class Scene:
    """Archive, gateway and the console's own storescp, all on this machine."""

    def __init__(self, place: Path, content: Sequence[Content], env: Mapping[str, str]) -> None:
        self.archive = Archive(place / "archive", env=env)
        for each in content:
            self.archive.hold(each.objects())
        self.storescp = StoreScp(place / "received", ae_title=_CONSOLE, env=env, options=["+B"])
        self.gateway = GatewayProcess(
            place / "gateway",
            peers=[
                peer("archive", AE_TITLE, self.archive.port),
                peer("console", _CONSOLE, self.storescp.port),
            ],
            routes=[
                {"called": AE_TITLE, "to": ["archive"], "mode": "relay"},
                {"called": _CONSOLE, "to": ["console"], "mode": "relay"},
            ],
            env=env,
            log=place / "gateway.log",
        )
        self.archive.hosts += [
            Host(_STRAIGHT, "127.0.0.1", self.storescp.port),
            Host(_CONSOLE, "127.0.0.1", self.gateway.port),
        ]

    def port(self, way: str) -> int:
        """Where the console calls."""
        return self.archive.port if way == DIRECT else self.gateway.port

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            self.archive.start()
            undo.callback(self.archive.stop)
            self.storescp.start()
            undo.callback(self.storescp.stop)
            self.gateway.launch()
            undo.callback(self.gateway.stop)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()


def _settings(env: Mapping[str, str]) -> str:
    return "TCP_NODELAY=1" if env else "default"


def latencies(work: Path, count: int) -> Iterator[Latency]:
    """Yield C-ECHO and C-FIND on open associations, and whole associations of echoscu and findscu."""
    for env, how_many in ((NODELAY, count), (DEFAULT, max(20, count // 20))):
        place = work / "scene"
        content = matches()
        try:
            with Scene(place, [content], env) as scene:
                yield from _on_open_associations(scene, content, _settings(env), how_many)
                if env:
                    yield from _whole_associations(scene, content, env, max(5, count // 40))
        finally:
            shutil.rmtree(place, ignore_errors=True)


def _on_open_associations(scene: Scene, content: Content, settings: str, count: int) -> Iterator[Latency]:
    wanted = images_of(content.study, content.series)
    with (
        Asker("127.0.0.1", scene.port(DIRECT), AE_TITLE) as direct,
        Asker("127.0.0.1", scene.port(RELAYED), AE_TITLE) as relayed,
    ):
        if sorted(direct.find(wanted).matches) != sorted(relayed.find(wanted).matches):
            raise NotMeasured("the matches through the gateway are not those of the archive")
        requests: dict[str, Callable[[Asker], float]] = {
            "C-ECHO": lambda asker: asker.echo(),
            f"C-FIND, {content.count} matches": lambda asker: asker.find(wanted).last,
        }
        for what, ask in requests.items():
            taken = _in_turns({DIRECT: direct, RELAYED: relayed}, ask, count)
            for way, seconds in taken.items():
                yield Latency(what, settings, way, tuple(1000 * each for each in seconds))


def _in_turns(
    askers: Mapping[str, Asker], ask: Callable[[Asker], float], count: int
) -> dict[str, list[float]]:
    """A few on one way, a few on the other: what changes on the machine meanwhile hits both alike."""
    taken: dict[str, list[float]] = {way: [] for way in askers}
    for _, (way, asker) in itertools.product(range(max(1, count // 10)), askers.items()):
        taken[way] += [ask(asker) for _ in range(10)]
    return taken


def _whole_associations(
    scene: Scene, content: Content, env: Mapping[str, str], count: int
) -> Iterator[Latency]:
    keys = _keys(content, "IMAGE", "SOPInstanceUID")
    programs = {
        "echoscu, whole association": ["echoscu"],
        f"findscu, {content.count} matches, whole association": ["findscu", "-S", *keys],
    }
    for what, (program, *options) in programs.items():
        taken: dict[str, list[float]] = {way: [] for way in WAYS}
        for _, way in itertools.product(range(count), WAYS):
            taken[way].append(_run(program, scene.port(way), options, env))
        for way, seconds in taken.items():
            yield Latency(what, _settings(env), way, tuple(1000 * each for each in seconds))


def transfers(work: Path, scale: float, rounds: Mapping[str, int]) -> Iterator[Transfer]:
    """Yield C-GET (getscu) and C-MOVE (movescu to storescp) of each content, `rounds` per TCP settings."""
    for env in (NODELAY, DEFAULT):
        for content in retrieved(scale):
            place = work / "scene"
            try:
                with Scene(place, [content], env) as scene:
                    for _, get, way in itertools.product(range(rounds[_settings(env)]), (True, False), WAYS):
                        yield (_get if get else _move)(scene, content, way, env, place)
            finally:
                shutil.rmtree(place, ignore_errors=True)


def _get(scene: Scene, content: Content, way: str, env: Mapping[str, str], place: Path) -> Transfer:
    into = place / "got"
    into.mkdir()
    options = ["-S", "+B", "-od", str(into), *_keys(content, "SERIES")]
    seconds = _run("getscu", scene.port(way), options, env)
    return _transfer("C-GET", content, way, env, seconds, into)


def _move(scene: Scene, content: Content, way: str, env: Mapping[str, str], place: Path) -> Transfer:
    into = place / "received"
    to = _STRAIGHT if way == DIRECT else _CONSOLE
    options = ["-S", "-aem", to, *_keys(content, "SERIES")]
    seconds = _run("movescu", scene.port(way), options, env)
    return _transfer("C-MOVE", content, way, env, seconds, into)


def _transfer(
    service: str, content: Content, way: str, env: Mapping[str, str], seconds: float, into: Path
) -> Transfer:
    """Count what has arrived, and clear it away for the next one."""
    sizes = [path.stat().st_size for path in into.iterdir()]
    for path in into.iterdir():
        path.unlink()
    if service == "C-GET":
        into.rmdir()
    if len(sizes) != content.count or min(sizes) < content.original.size:
        raise NotMeasured(f"{service} {way}: {len(sizes)} of {content.count} objects")
    what = f"{service}, {content.name}"
    return Transfer(what, _settings(env), way, content.count, content.megabytes, seconds)


def _keys(content: Content, level: str, *more: str) -> list[str]:
    keys = (
        f"QueryRetrieveLevel={level}",
        f"StudyInstanceUID={content.study}",
        f"SeriesInstanceUID={content.series}",
        *more,
    )
    return [part for key in keys for part in ("-k", key)]


def _run(program: str, port: int, options: Sequence[str], env: Mapping[str, str]) -> float:
    """Run a DCMTK console program; seconds from its start to its end."""
    command = [machine.program(program), "-aet", _CONSOLE, "-aec", AE_TITLE, *options, "127.0.0.1", port]
    os.sync()  # nobody pays for what somebody else left to be written
    started = time.perf_counter()
    ended = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **env},
        capture_output=True,
        timeout=300,
        check=False,
    )
    seconds = time.perf_counter() - started
    if ended.returncode != 0:
        raise NotMeasured(f"{program}: exit code {ended.returncode}: {ended.stderr[-300:]!r}")
    return seconds
