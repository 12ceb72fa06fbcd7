from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.delivery.engine import DeliveryEngine, Destination
from gateway.delivery.transports import Work
from gateway.errors import LocalError
from gateway.model import AETitle, Peer
from gateway.notices import Notices
from gateway.reachability import Reach, Reachabilities
from tests.support.delivery_spool import DeliverySpool


def peer(name: str) -> Peer:
    return Peer(name, AETitle("CENTRE"), "127.0.0.1", 104)


@dataclass
class NoTransport:
    async def send(self, work: Work) -> None:
        raise AssertionError("nothing is to be sent")

    async def probe(self) -> float | None:
        raise AssertionError("nothing is to be probed")

    async def close(self) -> None:
        pass


@dataclass
class Remembered:
    names: list[list[str]] = field(default_factory=list)

    def __call__(self, names: object) -> None:
        assert isinstance(names, list)
        self.names.append(names)


async def engine(directory: Path, *names: str, remember: Remembered | None = None) -> DeliveryEngine:
    spool = await DeliverySpool.open(directory, Notices())
    await spool.spool.close()
    return DeliveryEngine(
        spool,
        [Destination(peer(name), paused=name == "archive") for name in names],
        lambda to: NoTransport(),
        Notices(),
        remember_paused=remember,
    )


async def test_status_names_every_destination_in_order(tmp_path: Path) -> None:
    subject = await engine(tmp_path, "oncology", "archive")
    oncology, archive = subject.status()
    assert (oncology.name, oncology.link_state, oncology.paused) == ("oncology", "unknown", False)
    assert (archive.name, archive.paused, archive.next_try) == ("archive", True, None)


async def test_pauses_are_handed_on_to_be_remembered(tmp_path: Path) -> None:
    remember = Remembered()
    subject = await engine(tmp_path, "oncology", "archive", remember=remember)
    subject.pause("oncology")
    subject.resume("archive")
    assert remember.names == [["oncology", "archive"], ["oncology"]]


@pytest.mark.parametrize("act", ["pause", "resume", "kick"])
async def test_an_unknown_destination_is_refused(tmp_path: Path, act: str) -> None:
    subject = await engine(tmp_path, "oncology")
    with pytest.raises(LocalError, match="no destination 'nowhere'"):
        getattr(subject, act)("nowhere")


@dataclass
class Answering(NoTransport):
    async def probe(self) -> float | None:
        return 0.6


async def test_what_is_found_of_each_destination_goes_under_its_name(tmp_path: Path) -> None:
    spool = await DeliverySpool.open(tmp_path, Notices())
    reachabilities = Reachabilities()
    subject = DeliveryEngine(
        spool,
        [Destination(peer("oncology")), Destination(peer("archive"))],
        lambda to: Answering(),
        Notices(),
        reachabilities=reachabilities,
    )
    await subject._courier("archive")._probe_once()
    await spool.spool.close()
    assert (reachabilities.of("archive").state, reachabilities.of("archive").rtt) == (Reach.UP, 0.6)
    assert reachabilities.of("oncology").state is Reach.UNKNOWN


async def test_names_are_unique(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="same name"):
        await engine(tmp_path, "oncology", "oncology")


async def test_closing_before_running_is_harmless(tmp_path: Path) -> None:
    subject = await engine(tmp_path, "oncology")
    await subject.close()


async def test_without_destinations_it_runs_until_it_is_closed(tmp_path: Path) -> None:
    subject = await engine(tmp_path)
    run = asyncio.create_task(subject.run())
    await asyncio.sleep(0)
    assert not run.done()
    await subject.close()
    await run


async def test_whoever_finds_a_destination_dead_or_alive_is_believed(tmp_path: Path) -> None:
    subject = await engine(tmp_path, "oncology")
    subject.answered("oncology", 0.6)
    (oncology,) = subject.status()
    assert (oncology.link_state, oncology.rtt) == ("online", 0.6)
    subject.unreachable("oncology", "nothing has come back for 2.1 s")
    (oncology,) = subject.status()
    assert (oncology.link_state, oncology.circuit) == ("offline", "open")
    assert oncology.reason == "nothing has come back for 2.1 s"
    before = oncology.next_try
    subject.unreachable("oncology", "again")  # one failure, not several
    (oncology,) = subject.status()
    assert (oncology.reason, oncology.next_try) == (
        "nothing has come back for 2.1 s",
        pytest.approx(before, abs=0.05),
    )
    subject.answered("oncology", 0.6)  # an answer is an answer, whoever asked
    (oncology,) = subject.status()
    assert (oncology.link_state, oncology.circuit, oncology.next_try) == ("online", "closed", None)
    with pytest.raises(LocalError):
        subject.unreachable("nobody", "")
    with pytest.raises(LocalError):
        subject.answered("nobody", 1.0)
