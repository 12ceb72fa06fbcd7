"""A 2 GiB object passes through in flat memory, on the way in and on the way out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.demo.synthetic import stream_large_object
from tests.e2e.conftest import Pki
from tests.support.console import Console
from tests.support.dcmtk import StoreScp
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.processes import peak_resident_kib, reset_peak, resident_kib

SIZE = 2 << 30
GROWTH_KIB = 32 * 1024


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_gibibytes_in_flat_memory(tmp_path: Path, pki: Pki) -> None:
    thing = stream_large_object(SIZE)
    assert thing.size > SIZE
    digest = hashlib.sha256()

    def stream() -> Iterator[bytes]:
        for piece in thing:
            digest.update(piece)
            yield piece

    scp = StoreScp(tmp_path / "centre", tls=pki.centre, options=["-pdu", "131072"])
    gateway = GatewayProcess(tmp_path / "gateway", peers=[peer("centre", "CENTRE", scp.port, pki.gateway)])
    with gateway:
        before = resident_kib(gateway.pid)
        reset_peak(gateway.pid)
        with Console(gateway.port, "CENTRE", sop_classes=[thing.sop_class_uid], timeout=120) as console:
            assert console.store(thing.sop_class_uid, thing.sop_instance_uid, stream()) == 0x0000
        received = peak_resident_kib(gateway.pid)
        assert received - before < GROWTH_KIB, f"receipt: {before} KiB grew to {received} KiB"

        before = resident_kib(gateway.pid)
        reset_peak(gateway.pid)
        with scp:
            gateway.wait_delivered(1, timeout=300)
        delivered = peak_resident_kib(gateway.pid)
        assert delivered - before < GROWTH_KIB, f"delivery: {before} KiB grew to {delivered} KiB"
    (path,) = scp.directory.iterdir()
    assert _digest_of_data_set(path, thing.size) == digest.hexdigest()


def _digest_of_data_set(path: Path, size: int) -> str:
    """Digest of the last `size` bytes of a file: the data set behind the File Meta."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(path.stat().st_size - size)
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
