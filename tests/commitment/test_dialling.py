"""What dialling tells of the peer."""

from __future__ import annotations

import pytest

from gateway.association.errors import AssociateRejectedError, ConnectFailed
from gateway.commitment.asker import CONTEXTS
from gateway.commitment.dialling import Dialler, NotNow
from gateway.model import AETitle, Peer
from tests.support.commitment_wire import wired
from tests.support.notice_log import NoticeLog
from tests.support.ports import free_port
from tests.support.wire_centre import WireCentre


def dialler(told: list[tuple[str, str | None]], down: str | None = None) -> Dialler:
    return Dialler(
        AETitle("GATEWAY"),
        NoticeLog().notices,
        lambda _peer: None,
        reachable=lambda _peer: down,
        dialled=lambda peer, failure: told.append((peer, failure)),
    )


def peer(port: int) -> Peer:
    return Peer("oncology", AETitle("ARIA"), "127.0.0.1", port)


async def test_an_association_is_told_as_success() -> None:
    async def script(centre: WireCentre) -> None:
        asked = await centre.accept()
        assert asked.calling_ae.strip() == "GATEWAY"
        await centre.finish()

    told: list[tuple[str, str | None]] = []
    async with wired(script) as centre:
        association = await dialler(told).open(peer(centre.port), CONTEXTS)
        await association.release()
    assert told == [("oncology", None)]


async def test_another_title_of_ours() -> None:
    async def script(centre: WireCentre) -> None:
        asked = await centre.accept()
        assert asked.calling_ae.strip() == "ARIA"
        await centre.finish()

    async with wired(script) as centre:
        association = await dialler([]).open(peer(centre.port), CONTEXTS, calling_ae=AETitle("ARIA"))
        await association.release()


async def test_a_peer_that_turns_us_away_was_reached() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.requested()
        centre.layer.reject(1, 1, 7)
        centre.flush()
        await centre.finish()

    told: list[tuple[str, str | None]] = []
    async with wired(script) as centre:
        with pytest.raises(AssociateRejectedError):
            await dialler(told).open(peer(centre.port), CONTEXTS)
    assert told == [("oncology", None)]


async def test_a_peer_that_is_not_there_is_told_as_failure() -> None:
    told: list[tuple[str, str | None]] = []
    with pytest.raises(ConnectFailed):
        await dialler(told).open(peer(free_port()), CONTEXTS)
    assert told[0][0] == "oncology"
    assert "refused" in str(told[0][1])


async def test_a_peer_that_is_known_to_be_down_is_left_alone() -> None:
    told: list[tuple[str, str | None]] = []
    with pytest.raises(NotNow, match="the line is cut"):
        await dialler(told, "the line is cut").open(peer(1), CONTEXTS)
    assert told == []
