"""Large objects through the relay: the same bytes, in flat memory, also when the far end stalls."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator

import pytest

from gateway.demo.synthetic import stream_large_object
from tests.support.console import Console, ConsoleError
from tests.support.dcmtk import StoreScp
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.processes import peak_resident_kib, reset_peak, resident_kib
from tests.support.stopping_far_end import COMMAND, StoppingFarEnd

SIZE = 256 << 20
GROWTH_KIB = 16 * 1024
PATIENCE = 1.0  # seconds that the gateway gives a far end that takes no more bytes


@pytest.fixture(scope="module")
def stalling() -> StoppingFarEnd:
    """A far end that stops reading at the first command; started by the test."""
    return StoppingFarEnd(COMMAND)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> StoreScp:
    """A far end that keeps what it gets; started by the test."""
    return StoreScp(tmp_path_factory.mktemp("far"), ae_title="FAR", options=["-pdu", "131072"])


@pytest.fixture(scope="module")
def gateway(
    stalling: StoppingFarEnd, store: StoreScp, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    with GatewayProcess(
        tmp_path_factory.mktemp("large"),
        peers=[peer("far", "FAR", store.port), peer("stalling", "STALLS", stalling.port)],
        routes=[
            {"called": "FAR", "to": ["far"], "mode": "relay"},
            {"called": "STALLS", "to": ["stalling"], "mode": "relay"},
        ],
        sections={"timeouts": {"write": PATIENCE}},
    ) as running:
        yield running


@pytest.mark.peers
def test_an_object_passes_byte_for_byte_in_flat_memory(gateway: GatewayProcess, store: StoreScp) -> None:
    thing = stream_large_object(SIZE)
    digest = hashlib.sha256()

    def stream() -> Iterator[bytes]:
        for piece in thing:
            digest.update(piece)
            yield piece

    before = resident_kib(gateway.pid)
    reset_peak(gateway.pid)
    with store, Console(gateway.port, "FAR", sop_classes=[thing.sop_class_uid], timeout=60) as console:
        assert console.store(thing.sop_class_uid, thing.sop_instance_uid, stream()) == 0x0000
        (stored,) = store.received()  # it is there when the console hears of it
    assert peak_resident_kib(gateway.pid) - before < GROWTH_KIB
    assert (stored.size, stored.digest) == (thing.size, digest.hexdigest())
    assert gateway.deliveries() == []
    stored.path.unlink()


def test_a_far_end_that_takes_no_more_holds_the_console_up_and_not_in_memory(
    gateway: GatewayProcess, stalling: StoppingFarEnd
) -> None:
    """What the far end does not read stays with the console, until the gateway's patience is over."""
    thing = stream_large_object(SIZE)
    before = resident_kib(gateway.pid)
    reset_peak(gateway.pid)
    ended: list[object] = []

    def send() -> None:
        console = Console(gateway.port, "STALLS", sop_classes=[thing.sop_class_uid], timeout=30).connect()
        try:
            ended.append(console.store(thing.sop_class_uid, thing.sop_instance_uid, iter(thing)))
        except ConsoleError as error:
            ended.append(error)
        finally:
            console.drop()

    with stalling:
        sending = threading.Thread(target=send)
        sending.start()
        stalling.wait_there()
        sending.join(30)
        assert not sending.is_alive()
    assert ended != [0x0000]
    assert len(ended) == 1
    assert peak_resident_kib(gateway.pid) - before < GROWTH_KIB
