"""The composition: that everything starts, ends, and ends for the right reasons."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from gateway.app import Gateway
from gateway.config import load
from gateway.config.schema import Config
from gateway.errors import GatewayError, LocalError
from gateway.model import AETitle, Instance, Origin, Priority
from gateway.notices import Alarm, Notices
from gateway.operator.client import OperatorClient
from gateway.spool import Spool

CONFIG = """
[gateway]
name = "clinic"
ae_title = "CLINIC"
state_dir = "{folder}/deep/state"

[operator]
socket = "{folder}/operator.sock"

[[listener]]
name = "console"
address = "127.0.0.1"
port = {port}

[[peer]]
name = "oncology"
ae_title = "ARIA"
host = "127.0.0.1"
port = 1

[[route]]
called = "ARIA"
to = ["oncology"]
"""

Configure = Callable[..., Config]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    def make(port: int = 0) -> Config:
        path = tmp_path / "gateway.toml"
        path.write_text(CONFIG.format(folder=tmp_path, port=port))
        return load(path)

    return make


def echo(port: int) -> int:
    ae = AE(ae_title="LINAC1")
    ae.add_requested_context(Verification)
    association = ae.associate("127.0.0.1", port, ae_title="CLINIC")
    assert association.is_established
    status = association.send_c_echo().Status
    association.release()
    return int(status)


async def test_it_starts_answers_and_stops_without_a_trace(configure: Configure, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    gateway = Gateway(configure())
    await gateway.start()
    assert await asyncio.to_thread(echo, gateway.listeners[0].port) == 0x0000
    port = gateway.listeners[0].port
    await gateway.stop()
    assert not (tmp_path / "operator.sock").exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    left = {thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")} - before
    assert left == set()
    again = Gateway(configure())  # nothing of the first one holds the spool
    await again.start()
    await again.stop()


async def test_a_start_that_fails_lets_go_of_everything(configure: Configure) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(LocalError, match="console"):
        await Gateway(configure(taken.getsockname()[1])).start()
    gateway = Gateway(configure())
    await gateway.start()
    await gateway.stop()


async def test_a_state_directory_that_cannot_be_made_is_told(configure: Configure, tmp_path: Path) -> None:
    config = configure()
    (tmp_path / "deep").write_text("a file is in the way")
    with pytest.raises(LocalError, match="state directory"):
        await Gateway(config).start()


async def test_the_operator_socket_shows_the_gateway(configure: Configure, tmp_path: Path) -> None:
    gateway = Gateway(configure())
    await gateway.start()
    try:
        with OperatorClient(tmp_path / "operator.sock") as client:
            status = await asyncio.to_thread(client.status)
            assert status["gateway"] == "clinic"
            assert [one["name"] for one in status["destinations"]] == ["oncology"]
            assert "dicom_gateway_" in await asyncio.to_thread(client.metrics)
    finally:
        await gateway.stop()


async def test_a_pause_outlives_the_process(configure: Configure) -> None:
    gateway = Gateway(configure())
    await gateway.start()
    gateway.engine.pause("oncology")
    await gateway.stop()
    again = Gateway(configure())
    await again.start()
    (status,) = again.engine.status()
    await again.stop()
    assert status.paused


async def test_a_journal_that_cannot_be_trusted_ends_the_gateway(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Spool) -> None:
        raise GatewayError("the journal cannot be written")

    monkeypatch.setattr(Spool, "wait_failed", broken)
    gateway = Gateway(configure())
    await gateway.start()
    with pytest.raises(GatewayError, match="journal cannot be written"):
        await asyncio.wait_for(gateway.wait(), 5)
    await gateway.stop()


async def test_a_defect_anywhere_on_the_loop_ends_the_gateway(configure: Configure) -> None:
    gateway = Gateway(configure())
    await gateway.start()
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: {}["a defect"])
    with pytest.raises(KeyError, match="a defect"):
        await asyncio.wait_for(gateway.wait(), 5)
    await gateway.stop()


async def test_an_error_of_the_operating_system_ends_nothing(configure: Configure) -> None:
    gateway = Gateway(configure())
    await gateway.start()
    loop = asyncio.get_running_loop()
    loop.call_exception_handler({"message": "a connection broke", "exception": ConnectionResetError()})
    loop.call_exception_handler({"message": "something was slow"})
    waiting = asyncio.ensure_future(gateway.wait())
    assert await asyncio.to_thread(echo, gateway.listeners[0].port) == 0x0000
    assert not waiting.done()
    waiting.cancel()
    await gateway.stop()


async def test_a_defect_in_one_association_ends_that_and_is_told(configure: Configure) -> None:
    gateway = Gateway(configure())
    alarms: list[Alarm] = []
    gateway.notices.subscribe(lambda notice: alarms.append(notice) if isinstance(notice, Alarm) else None)
    await gateway.start()
    loop = asyncio.get_running_loop()
    loop.call_exception_handler({"message": "strange", "exception": KeyError("x"), "protocol": object()})
    waiting = asyncio.ensure_future(gateway.wait())
    assert await asyncio.to_thread(echo, gateway.listeners[0].port) == 0x0000
    assert not waiting.done()
    assert [alarm.code for alarm in alarms] == ["defect"]
    waiting.cancel()
    await gateway.stop()


async def test_objects_for_a_destination_that_is_gone_are_told(configure: Configure, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "state"
    folder.mkdir(parents=True)
    spool = Spool.open(folder / "spool", notices=Notices())
    origin = Origin("console", "127.0.0.1", AETitle("LINAC1"), AETitle("OLD"), "a1")
    instance = Instance("1.2.840.10008.5.1.4.1.1.481.4", "1.2.3", "1.2.840.10008.1.2")
    incoming = spool.receive(instance, origin, Priority.RECORD, ["decommissioned"])
    incoming.write(b"record")
    await incoming.commit()
    await spool.close()

    gateway = Gateway(configure())
    alarms: list[Alarm] = []
    gateway.notices.subscribe(lambda notice: alarms.append(notice) if isinstance(notice, Alarm) else None)
    await gateway.start()
    await gateway.stop()
    (alarm,) = alarms
    assert alarm.code == "unknown-destination"
    assert "decommissioned" in alarm.text


async def test_a_peer_that_is_back_is_tried_at_once_by_everybody(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Gateway(configure())
    await gateway.start()
    told: list[str] = []
    monkeypatch.setattr(gateway.engine, "kick", lambda peer: told.append(f"delivery to {peer}"))
    monkeypatch.setattr(gateway._steps, "kick", lambda peer: told.append(f"steps to {peer}"))
    monkeypatch.setattr(
        gateway._commitment, "peer_changed", lambda peer, up, _: told.append(f"commitment {peer} {up}")
    )
    try:
        reach = gateway._reachabilities.of("oncology")
        reach.failed(1.0, "the cable is out")
        assert told == ["commitment oncology False"]
        told.clear()
        reach.succeeded(2.0)
        assert told == ["commitment oncology True", "steps to oncology", "delivery to oncology"]
    finally:
        await gateway.stop()


def test_the_daemon_converts_without_numpy(configure: Configure, tmp_path: Path) -> None:
    """It is installed for the compression worker; pydicom would load it into the daemon for good."""
    program = (
        "import sys; from pathlib import Path; from gateway.app import run; from gateway.config import load\n"
        f"assert run(load(Path({str(tmp_path / 'gateway.toml')!r}))).code == 1\n"  # its port is taken
        "from gateway.delivery.transcode import targets\n"
        "assert targets('1.2.840.10008.1.2.5') and 'pydicom' in sys.modules\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'numpy'], sys.modules['numpy'])"
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        configure(taken.getsockname()[1])
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "['numpy'] None"
