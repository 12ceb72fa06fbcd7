"""Peers that break every rule: memory and descriptors stay bounded, and the console is served meanwhile."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.demo.synthetic import Template, make_record
from tests.support.console import (
    CT_IMAGE,
    RT_BEAMS_RECORD,
    Console,
    ConsoleError,
    associate_rq,
    c_store_rq,
    command_set,
    item,
    pdu,
)
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.objects import EXPLICIT_LITTLE, small_object
from tests.support.ports import free_port
from tests.support.processes import descriptors, peak_resident_kib, reset_peak, resident_kib

GROWTH_KIB = 48 * 1024
HOSTILE = "127.0.0.9"  # another address of this machine: caps count per address

_GOOD_RQ = associate_rq(b"CENTRE", b"EVIL", [(1, RT_BEAMS_RECORD, [EXPLICIT_LITTLE])])


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One gateway for all attacks, with short timeouts; its centre is away."""
    with GatewayProcess(
        tmp_path_factory.mktemp("gateway"),
        peers=[peer("centre", "CENTRE", free_port())],
        sections={"timeouts": {"artim": 2, "pdu": 2, "idle": 3}},
    ) as running:
        yield running


def attack(gateway: GatewayProcess) -> socket.socket:
    """A connection from the hostile address."""
    return socket.create_connection(("127.0.0.1", gateway.port), timeout=10, source_address=(HOSTILE, 0))


_records = Template(make_record()).copies(1_000_000)


def serve_honestly(gateway: GatewayProcess) -> None:
    """One record from an honest console, from association to release, within its patience."""
    thing = next(_records)
    with Console(gateway.port, "CENTRE", timeout=10) as console:
        assert console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0x0000


def send_all(connection: socket.socket, data: bytes) -> None:
    """Write as long as the other side lets us."""
    with contextlib.suppress(OSError):
        connection.sendall(data)


def until_closed(connection: socket.socket) -> bytes:
    """Everything the gateway still says, up to its end of the connection."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            said += part
    return said


def _accepted(connection: socket.socket) -> socket.socket:
    connection.sendall(_GOOD_RQ)
    assert connection.recv(65536)[0] == 2
    return connection


def _pdv(context: int, control: int, data: bytes) -> bytes:
    return pdu(4, struct.pack(">IBB", len(data) + 2, context, control) + data)


def _deep_items(depth: int) -> bytes:
    body = b""
    for _ in range(depth):
        body = item(0x20, b"\x01\0\0\0" + body)[:0xFFFF]
    return body


_random = random.Random(7)
_HEAD = struct.pack(">HH", 1, 0) + b"CENTRE".ljust(16) + b"EVIL".ljust(16) + b"\0" * 32

BEFORE_ASSOCIATION: dict[str, bytes] = {
    "noise": _random.randbytes(100_000),
    "a web request": b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n" * 100,
    "a TLS client hello": bytes.fromhex("16030100c8010000c40303") + _random.randbytes(200),
    "an association of 4 GiB": struct.pack(">BBI", 1, 0, 0xFFFFFFFF) + b"\0" * 500_000,
    "data of 4 GiB before association": struct.pack(">BBI", 4, 0, 0xFFFFFFFF) + b"\0" * 500_000,
    "an abort of 4 GiB": struct.pack(">BBI", 7, 0, 0xFFFFFFFF) + b"\0" * 500_000,
    "an unknown PDU of 4 GiB": struct.pack(">BBI", 99, 0, 0xFFFFFFFF) + b"\0" * 500_000,
    "data before association": _pdv(1, 3, c_store_rq(1, RT_BEAMS_RECORD, "1.2.3")),
    "an answer nobody asked for": pdu(2, _HEAD),
    "items that lie about their length": pdu(1, _HEAD + struct.pack(">BBH", 0x10, 0, 0xFFFF) + b"1.2"),
    "items in items": pdu(1, _HEAD + _deep_items(5000)),
    "65,000 contexts": pdu(1, _HEAD + item(0x20, b"\x01\0\0\0" + item(0x30, b"1.2")) * 60_000),
    "an empty association": pdu(1, b""),
    "two associations": _GOOD_RQ + _GOOD_RQ,
}

AFTER_ASSOCIATION: dict[str, bytes] = {
    "noise": _random.randbytes(100_000),
    "data of 4 GiB": struct.pack(">BBI", 4, 0, 0xFFFFFFFF) + b"\0" * 500_000,
    "a fragment of 4 GiB": pdu(4, struct.pack(">IBB", 0xFFFFFFFF, 1, 0) + b"\0" * 1000),
    "a fragment of nothing": pdu(4, struct.pack(">I", 0)),
    "a context nobody negotiated": _pdv(99, 3, c_store_rq(1, RT_BEAMS_RECORD, "1.2.3")),
    "a command without end": _pdv(1, 1, b"\0" * 16000) * 300,
    "a command that lies": _pdv(1, 3, struct.pack("<HHI", 0, 0, 0xFFFFFFFF) + b"\0" * 8),
    "a command of another group": _pdv(1, 3, command_set([])[:8] + b"\x08\0\x16\0\x02\0\0\0 1"),
    "a data set nobody announced": _pdv(1, 2, b"\0" * 1000),
    "a command in a data set": _pdv(1, 3, c_store_rq(1, RT_BEAMS_RECORD, "1.2.3")) * 2,
    "another association": _GOOD_RQ,
    "a release, then data": pdu(5, b"\0" * 4) + _pdv(1, 3, c_store_rq(1, RT_BEAMS_RECORD, "1.2.3")),
}


@pytest.mark.parametrize("words", BEFORE_ASSOCIATION)
def test_nonsense_before_an_association(gateway: GatewayProcess, words: str) -> None:
    _survives(gateway, lambda: attack(gateway), BEFORE_ASSOCIATION[words])


@pytest.mark.parametrize("words", AFTER_ASSOCIATION)
def test_nonsense_on_an_association(gateway: GatewayProcess, words: str) -> None:
    _survives(gateway, lambda: _accepted(attack(gateway)), AFTER_ASSOCIATION[words])


def _survives(gateway: GatewayProcess, connect: Callable[[], socket.socket], nonsense: bytes) -> None:
    serve_honestly(gateway)
    stored = len(gateway.deliveries())
    before, open_before = resident_kib(gateway.pid), descriptors(gateway.pid)
    reset_peak(gateway.pid)
    connections = [connect() for _ in range(10)]
    for connection in connections:
        send_all(connection, nonsense)
    serve_honestly(gateway)
    for connection in connections:
        until_closed(connection)
        connection.close()
    assert peak_resident_kib(gateway.pid) - before < GROWTH_KIB
    gateway.wait("the descriptors are closed", lambda: descriptors(gateway.pid) <= open_before + 2)
    serve_honestly(gateway)
    assert len(gateway.deliveries()) == stored + 2


def test_half_pdus_are_given_up(gateway: GatewayProcess) -> None:
    """Half an association request, half a P-DATA, half an object: each ends by its own timeout."""
    stored = len(gateway.deliveries())
    halves = [
        attack(gateway),
        attack(gateway),
        _accepted(attack(gateway)),
        _accepted(attack(gateway)),
    ]
    halves[1].sendall(_GOOD_RQ[: len(_GOOD_RQ) // 2])
    halves[2].sendall(_pdv(1, 3, c_store_rq(1, RT_BEAMS_RECORD, "1.2.3"))[:40])
    halves[3].sendall(_pdv(1, 3, c_store_rq(1, RT_BEAMS_RECORD, "1.2.3")) + _pdv(1, 0, b"\0" * 1000))
    serve_honestly(gateway)
    for half in halves:
        half.settimeout(20)
        until_closed(half)
        half.close()
    assert len(gateway.deliveries()) == stored + 1


def test_a_slow_drip_does_not_hold_anybody_up(gateway: GatewayProcess) -> None:
    """One byte at a time never completes a PDU in time; being busy is not being useful."""
    with attack(gateway) as connection:
        closed = threading.Event()

        def drip() -> None:
            for value in _GOOD_RQ:
                try:
                    connection.sendall(bytes((value,)))
                except OSError:
                    break
                if closed.wait(0.2):  # the pace of the attack, not a wait for anything
                    break

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            serve_honestly(gateway)
            assert until_closed(connection) is not None
        finally:
            closed.set()
            thread.join()


@pytest.mark.timeout(180)
def test_a_thousand_connections_from_one_address(gateway: GatewayProcess) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    before, open_before = resident_kib(gateway.pid), descriptors(gateway.pid)
    reset_peak(gateway.pid)
    with contextlib.ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        served = stack.enter_context(Console(gateway.port, "GATEWAY", timeout=10))
        for number in range(1000):
            with contextlib.suppress(ConnectionError):
                connection = stack.enter_context(attack(gateway))
                if number % 2:
                    send_all(connection, _GOOD_RQ)
            if number % 100 == 0:
                serve_honestly(gateway)
                assert served.echo() == 0x0000
        # 50 per address (limits.max_per_address), and the few of the honest consoles.
        assert descriptors(gateway.pid) <= open_before + 50 + 10
        assert peak_resident_kib(gateway.pid) - before < GROWTH_KIB
    gateway.wait("the descriptors are closed", lambda: descriptors(gateway.pid) <= open_before + 2)
    serve_honestly(gateway)


HOSTILE_TITLES = (
    b"../../etc/passwd",
    b"CENTRE\0\0../x",
    b"\x1b[2J\x1b[31mCENTRE",
    b"<script>alert(1)",
    b"CENTRE\r\nADMIN",
    b"%s%n%x{0}${HOME}",
    b"\xff\xfe\xfd\xc3\x28",
    b"\\\\server\\share",
    b" " * 16,
    b"\0" * 16,
)


def test_hostile_titles_reach_neither_the_log_nor_the_disk_as_they_are(gateway: GatewayProcess) -> None:
    for title in HOSTILE_TITLES:
        for called, calling in ((title, b"LINAC1"), (b"CENTRE", title), (title, title)):
            with attack(gateway) as connection:
                connection.sendall(associate_rq(called, calling, [(1, RT_BEAMS_RECORD, [EXPLICIT_LITTLE])]))
                answer = connection.recv(65536)
                assert answer[:1] in (b"", b"\x02", b"\x03", b"\x07")
    for uid in HOSTILE_UIDS:
        with attack(gateway) as connection:
            contexts = [(1, uid, [EXPLICIT_LITTLE]), (3, RT_BEAMS_RECORD, [uid])]
            connection.sendall(associate_rq(b"CENTRE", b"LINAC1", contexts))
            connection.recv(65536)
    serve_honestly(gateway)
    _log_is_clean(gateway)
    _only_known_files(gateway)


HOSTILE_UIDS = (
    "../../../../tmp/x",
    "/etc/passwd",
    "1.2.3\0.4",
    "1.2.3/../..",
    "<img src=x onerror=alert(1)>",
    "\x1b]0;owned\x07",
    "1" * 200,
    "",
    "1.2.3\n0x0000",
    "'; DROP TABLE object; --",
    "1..2",
    "ünïcödé",
)


def test_hostile_uids_are_refused_and_kept_nowhere(gateway: GatewayProcess) -> None:
    stored = len(gateway.deliveries())
    for uid in HOSTILE_UIDS:
        with contextlib.suppress(ConsoleError), Console(gateway.port, "CENTRE") as console:
            status = console.store(RT_BEAMS_RECORD, uid, small_object(RT_BEAMS_RECORD, "1.2.3", b"x" * 100))
            assert status != 0x0000, f"acknowledged as {uid!r}"
            assert not 0xB000 <= status <= 0xBFFF
    with Console(gateway.port, "CENTRE") as console:
        context = console.begin_store(CT_IMAGE, "1.2.3.4")
        console.send_pdv(context, small_object(CT_IMAGE, "1.2.3.4", b"x"), command=False, last=True)
        assert console.response() == 0x0000
    assert len(gateway.deliveries()) == stored + 1
    _log_is_clean(gateway)
    _only_known_files(gateway)


def _log_is_clean(gateway: GatewayProcess) -> None:
    """No control character of a peer reaches the terminal of whoever reads the log."""
    assert gateway.program is not None
    lines = gateway.program.output.splitlines()
    assert lines
    dirty = [
        line for line in lines if any((ord(c) < 0x20 and c != "\t") or 0x7F <= ord(c) < 0xA0 for c in line)
    ]
    assert dirty == []


def _only_known_files(gateway: GatewayProcess) -> None:
    """Names in the spool are the gateway's own."""
    for path in gateway.state_dir.rglob("*"):
        name = path.name
        assert name.isascii(), name
        assert name.isprintable(), name
        assert not any(part in name for part in ("passwd", "script", "..", "DROP", "owned", "1111")), name
    assert not Path(os.sep, "tmp", "x").exists()
