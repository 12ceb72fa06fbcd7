"""Syslog over UDP, TCP and TLS, read by a reader written from RFC 5424's grammar."""

from __future__ import annotations

import asyncio
import re
import ssl
from pathlib import Path

import pytest

from gateway.admin.alerts.channels import NotTold
from gateway.admin.alerts.channels.syslog import SyslogChannel, compose
from gateway.config.alerting import SyslogAlerts
from tests.support.alerting import a_message
from tests.support.certs import Authority

_LINE = re.compile(
    rb"<(\d{1,3})>1 (\S+) ([\x21-\x7e]{1,255}) ([\x21-\x7e]{1,48}) (-|[\x21-\x7e]{1,128}) "
    rb"([\x21-\x7e]{1,32}) "
    rb"(\[[^ =\]\"]{1,32}(?: [^ =\]\"]{1,32}=\"(?:\\[\"\\\]]|[^\"\\\]])*\")*\]) \xef\xbb\xbf(.*)",
    re.DOTALL,
)


def check(line: bytes) -> re.Match[bytes]:
    found = _LINE.fullmatch(line)
    assert found, line
    assert found[1] == b"26"  # daemon, critical
    assert found[2] == b"2027-01-15T08:01:00.500Z"
    assert found[4] == b"dicom-gateway"
    assert found[6] == b"link-down"
    assert b'subject="on\\"co\\]lo\\\\gy"' in found[7]
    assert found[8].decode() == ("oncology cannot be reached. Check the modem and its cables – all of them.")
    return found


def test_it_is_as_the_standard_has_it() -> None:
    check(compose(a_message(), "clinic-07"))


@pytest.mark.parametrize("host", ["", "a b", "é", "x" * 300])
def test_any_host_name_stays_one_word(host: str) -> None:
    check(compose(a_message(), host))


@pytest.mark.parametrize(("event", "severity"), [("raised", b"26"), ("over", b"29"), ("test", b"29")])
def test_what_is_over_is_a_notice(event: str, severity: bytes) -> None:
    from dataclasses import replace

    found = _LINE.fullmatch(compose(replace(a_message(), event=event), "clinic-07"))
    assert found
    assert found[1] == severity


async def test_udp() -> None:
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    class Receiver(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            got.set_result(data)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Receiver, local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    channel = SyslogChannel(SyslogAlerts(host="127.0.0.1", port=port))
    await channel.tell(a_message())
    async with asyncio.timeout(10):
        check(await got)
    transport.close()
    assert not channel.certain


async def receive(channel_for: object, context: ssl.SSLContext | None) -> bytes:
    """Serve one connection; return what came over it."""
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.set_result(await reader.read())
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    await channel_for(port).tell(a_message())  # type: ignore[operator]
    async with asyncio.timeout(10):
        stream = await got
    server.close()
    return stream


def framed(stream: bytes) -> bytes:
    length, _, line = stream.partition(b" ")
    assert int(length) == len(line)
    return line


async def test_tcp_counts_its_octets() -> None:
    stream = await receive(
        lambda port: SyslogChannel(SyslogAlerts(host="127.0.0.1", port=port, transport="tcp")), None
    )
    check(framed(stream))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path, "log")


@pytest.fixture
def context(authority: Authority) -> ssl.SSLContext:
    material = authority.issue("log")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(material.certificate, material.key)
    return context


async def test_tls(authority: Authority, context: ssl.SSLContext) -> None:
    stream = await receive(
        lambda port: SyslogChannel(
            SyslogAlerts(host="localhost", port=port, transport="tls", ca=authority.ca)
        ),
        context,
    )
    check(framed(stream))


async def test_a_server_nobody_vouches_for_gets_nothing(context: ssl.SSLContext) -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(NotTold, match="certificate"):
        await SyslogChannel(SyslogAlerts(host="localhost", port=port, transport="tls")).tell(a_message())
    server.close()
    await server.wait_closed()
