"""The spool's disk fills up: records live on the reserve, images are told so, and all ends well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.demo.synthetic import Sizes, SyntheticObject, Template, Treatment, make_record
from tests.e2e.conftest import Pki
from tests.support.console import Console
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.ledger import assert_each_once, uids_and_digests
from tests.support.ports import free_port
from tests.support.receiver import Receiver
from tests.support.small_disk import Ballast, small_disk

pytestmark = pytest.mark.root

MIB = 1 << 20
OUT_OF_RESOURCES = 0xA700
RESERVE = 16 * MIB
FLOOR = 8 * MIB


@pytest.fixture
def disk() -> Iterator[Path]:
    with small_disk(96) as place:
        yield place


def records(count: int, first: int = 0) -> list[SyntheticObject]:
    return list(Template(make_record()).copies(count, first))


def images(count: int, first: int = 0) -> list[SyntheticObject]:
    return list(Template(Treatment(sizes=Sizes(matrix=512)).make("cbct")).copies(count, first))


def store(console: Console, things: list[SyntheticObject]) -> tuple[dict[str, str], list[int]]:
    """Send all; return the ledger of what was acknowledged, and every status."""
    taken, statuses = [], []
    for thing in things:
        statuses.append(console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data))
        if statuses[-1] == 0x0000:
            taken.append(thing)
    return uids_and_digests(taken), statuses


def see(gateway: GatewayProcess, ballast: Ballast, free: int) -> None:
    """Leave `free` bytes, and wait until the gateway has looked at the disk again."""
    ballast.leave(free)
    usable = max(0, free - FLOOR)

    def seen() -> bool:
        return abs(int(gateway.status()["spool"]["free_bytes"]) - usable) < 2 * MIB

    gateway.wait(f"{usable} usable bytes are seen", seen)


def test_records_are_taken_from_the_reserve_while_images_are_refused(
    disk: Path, tmp_path: Path, pki: Pki
) -> None:
    ballast = Ballast(disk)
    port = free_port()
    gateway = GatewayProcess(
        tmp_path / "gateway",
        peers=[peer("centre", "CENTRE", port, pki.gateway)],
        sections={
            "spool": {
                "reserve": RESERVE,
                "floor": FLOOR,
                "min_free_inodes": 10,
                "retention": 0,
            }
        },
        state_dir=disk / "state",
    )
    with gateway:
        with Console(gateway.port, "CENTRE") as console:
            # An ordinary day, until the disk is nearly full.
            ledger, statuses = store(console, images(4))
            assert statuses == [0x0000] * 4
            see(gateway, ballast, RESERVE + FLOOR + 4 * MIB)
            taken, statuses = store(console, images(30, first=100))
            ledger |= taken
            assert taken, "the last megabytes before the mark were not used"
            assert set(statuses[-10:]) == {OUT_OF_RESOURCES}
            see(gateway, ballast, RESERVE + FLOOR)
            assert gateway.status()["spool"]["accepts_images"] is False
            # The same association: a record after a refused image.
            taken, statuses = store(console, records(100))
            ledger |= taken
            assert statuses == [0x0000] * 100
            assert gateway.status()["spool"]["accepts_records"] is True

            # The disk is full to the last block, before the gateway has seen it: what the journal has blocks
            # for already may be taken, and nothing is acknowledged that is not kept.
            ballast.leave(0)
            taken, statuses = store(console, records(20, first=1000) + images(2, first=200))
            ledger |= taken
            assert set(statuses) <= {0x0000, OUT_OF_RESOURCES}
            assert set(statuses[-2:]) == {OUT_OF_RESOURCES}
            # Once it has seen it, nothing is taken at all, and everything else goes on.
            see(gateway, ballast, 0)
            taken, statuses = store(console, records(5, first=2000) + images(2, first=200))
            assert taken == {}
            assert set(statuses) == {OUT_OF_RESOURCES}
            with Console(gateway.port, "GATEWAY") as engineer:
                assert engineer.echo() == 0x0000
            assert gateway.status()["level"] == "attention"

            # Somebody makes room.
            see(gateway, ballast, RESERVE + FLOOR + 20 * MIB)
            taken, statuses = store(console, records(5, first=2000) + images(2, first=200))
            ledger |= taken
            assert statuses == [0x0000] * 7

        # The centre comes back, what it has is released, and there is room by itself.
        with Receiver(tls=pki.centre, port=port) as centre:
            gateway.wait("everything is delivered", lambda: len(centre.stored()) >= len(ledger), timeout=60)
            assert_each_once(centre.stored(), ledger)
        gateway.wait("room for images", lambda: gateway.status()["spool"]["accepts_images"])


def test_a_restart_on_a_full_disk_loses_nothing(disk: Path, tmp_path: Path, pki: Pki) -> None:
    ballast = Ballast(disk)
    port = free_port()
    gateway = GatewayProcess(
        tmp_path / "gateway",
        peers=[peer("centre", "CENTRE", port, pki.gateway)],
        sections={"spool": {"reserve": RESERVE, "floor": FLOOR, "min_free_inodes": 10}},
        state_dir=disk / "state",
    )
    with gateway, Console(gateway.port, "CENTRE") as console:
        ledger, _ = store(console, records(20) + images(2))
        assert len(ledger) == 22
    ballast.leave(FLOOR // 2)
    with gateway:
        with Console(gateway.port, "CENTRE") as console:
            _, statuses = store(console, records(1, first=500))
            assert statuses == [OUT_OF_RESOURCES]
        ballast.remove()
        with Receiver(tls=pki.centre, port=port) as centre:
            gateway.wait_delivered(22)
            assert_each_once(centre.stored(), ledger)
