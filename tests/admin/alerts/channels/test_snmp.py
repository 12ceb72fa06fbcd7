"""SNMP traps, read by Net-SNMP's snmptrapd."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.admin.alerts.channels.snmp import FIELDS, SnmpChannel
from gateway.config.alerting import SnmpAlerts
from tests.support.alerting import a_message
from tests.support.ports import free_port

_SNMPTRAPD = shutil.which("snmptrapd", path="/usr/sbin:/usr/bin")


class Trapd:
    """A running snmptrapd, and what it prints."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port

    async def until(self, text: str) -> str:
        """Return what is printed up to the line with `text`."""
        assert self.process.stdout
        printed = ""
        async with asyncio.timeout(20):
            while text not in printed:
                line = await self.process.stdout.readline()
                assert line, printed
                printed += line.decode()
        return printed


@pytest.fixture
async def trapd(tmp_path: Path) -> AsyncIterator[Trapd]:
    if _SNMPTRAPD is None:
        if os.environ.get("GATEWAY_REQUIRE_PEERS"):
            pytest.fail("snmptrapd (Debian: snmptrapd) is not here")
        pytest.skip("snmptrapd (Debian: snmptrapd) is not here")
    (tmp_path / "snmptrapd.conf").write_text("authCommunity log clinic\n")
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        _SNMPTRAPD,
        *("-f", "-Lo", "-On", "-C", "-c", str(tmp_path / "snmptrapd.conf"), f"udp:127.0.0.1:{port}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"SNMP_PERSISTENT_DIR": str(tmp_path), "MIBS": ""},
    )
    trapd = Trapd(process, port)
    await trapd.until("NET-SNMP version")
    yield trapd
    process.terminate()
    await process.wait()


@pytest.mark.peers
async def test_a_trap_arrives_whole(trapd: Trapd, tmp_path: Path) -> None:
    community = tmp_path / "community"
    community.write_text("clinic\n")
    settings = SnmpAlerts(host="127.0.0.1", port=trapd.port, community_file=community)
    await SnmpChannel(settings).tell(a_message())
    printed = await trapd.until(f"32473.1.2.{len(FIELDS)} ")
    assert re.search(r"\.1\.3\.6\.1\.6\.3\.1\.1\.4\.1\.0 = OID: \.1\.3\.6\.1\.4\.1\.32473\.1\.0\.1", printed)
    for place, value in enumerate(("1", "raised", "link-down", "critical"), start=1):
        assert f'.1.3.6.1.4.1.32473.1.2.{place} = STRING: "{value}"' in printed


def test_nobody_confirms_a_trap() -> None:
    channel = SnmpChannel(SnmpAlerts(host="192.0.2.1"))
    assert not channel.certain
    assert channel.where == "192.0.2.1:162"
