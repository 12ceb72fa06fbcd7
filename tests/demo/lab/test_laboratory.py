"""The laboratory with the kernel's own TCP in it. What needs no root is in test_way.py."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.demo.lab import PROFILES, Laboratory, Loss, OneWay, Outage, Profile
from gateway.demo.lab.laboratory import LaboratoryFailed

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("possible")]

QUICK = Profile("quick", "of a test", OneWay(None, 0.02), OneWay(None, 0.02))


@contextmanager
def connected(link: Laboratory) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A TCP connection, opened from the near end."""
    with link.far.entered():
        server = socket.create_server((link.far.address, 0))
    with link.near.entered():
        near = socket.create_connection(server.getsockname(), timeout=30)
    far, _ = server.accept()
    far.settimeout(30)
    for end in (near, far):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with server, near, far:
        yield near, far


def carry(source: socket.socket, target: socket.socket, size: int) -> float:
    """Send `size` bytes one way and return the seconds until the last was read."""
    sender = threading.Thread(target=source.sendall, args=(bytes(size),))
    started = time.monotonic()
    sender.start()
    while size:
        size -= len(target.recv(min(size, 1 << 16)))
    seconds = time.monotonic() - started
    sender.join()
    return seconds


def test_each_direction_has_a_rate_of_its_own() -> None:
    profile = replace(
        QUICK, up=OneWay(50_000.0, 0.005, queue=1 << 16), down=OneWay(1e6, 0.005, queue=1 << 18)
    )
    with Laboratory(profile) as link, connected(link) as (near, far):
        assert 0.95 <= carry(near, far, 60_000) / 1.2 < 2
        assert carry(far, near, 60_000) < 0.5
        counts = link.counts()
    assert counts.up.arrived_bytes > 60_000
    assert counts.down.arrived_bytes > 60_000
    # Every byte has its price in headers and acknowledgements.
    assert counts.up.sent_packets > 60_000 / 1500


def test_tcp_keeps_its_word_over_a_bad_channel() -> None:
    with Laboratory(QUICK.with_loss(Loss(0.05, burst=4))) as link, connected(link) as (near, far):
        carry(near, far, 300_000)
        counts = link.counts()
    assert counts.up.lost > 0
    assert counts.up.sent_bytes > counts.up.arrived_bytes >= 300_000


def test_outages_come_by_themselves() -> None:
    with Laboratory(QUICK.with_outages(Outage(at=0.0, lasts=0.8))) as link, connected(link) as (near, far):
        link.restart()
        started = time.monotonic()
        near.sendall(b"?")
        assert far.recv(1) == b"?"
        assert 0.7 < time.monotonic() - started < 5
        assert link.counts().up.unheard >= 1


def test_a_link_becomes_another_one() -> None:
    with Laboratory(QUICK) as link, connected(link) as (near, far):

        def there() -> float:
            started = time.monotonic()
            near.sendall(b"?")
            assert far.recv(1) == b"?"
            return time.monotonic() - started

        assert there() < 0.2
        link.reshape(replace(QUICK, name="slow", up=OneWay(None, 0.3)))
        assert 0.3 <= there() < 0.5
        assert link.profile.name == "slow"


def test_a_prefix_puts_a_program_at_its_end() -> None:
    show = [sys.executable, "-c", "import os; print(os.stat('/proc/self/ns/net').st_ino)"]
    with Laboratory(QUICK) as link:
        for side in (link.near, link.far):
            with side.entered():
                entered = subprocess.check_output(show)
            assert subprocess.check_output([*side.prefix, *show]) == entered


def test_a_wire_that_is_gone_says_so() -> None:
    with Laboratory(QUICK) as link:
        with pytest.raises(LaboratoryFailed, match=r"wire ended .*unknown order 'dance'"):
            link._ask(do="dance")
        with pytest.raises(LaboratoryFailed):
            link.counts()
    with pytest.raises(LaboratoryFailed, match="not started"):
        link.counts()


def test_every_profile_can_be_laid() -> None:
    for profile in PROFILES.values():
        with Laboratory(profile) as link:
            assert link.counts().up.sent_bytes == 0


def test_any_congestion_control_of_the_kernel_can_be_had_and_the_machine_is_as_before() -> None:
    settings = Path("/proc/sys/net/ipv4")
    before = (settings / "tcp_allowed_congestion_control").read_text()
    for name in (settings / "tcp_available_congestion_control").read_text().split():
        with Laboratory(QUICK, congestion=name) as link, connected(link) as ends:
            for end in ends:
                assert (
                    end.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0")
                    == name.encode()
                )
    assert (settings / "tcp_allowed_congestion_control").read_text() == before


def test_a_satellite_takes_its_time() -> None:
    with Laboratory(PROFILES["geo-clear"]) as link:
        started = time.monotonic()
        with connected(link):
            # SYN there, SYN-ACK back, and the last third of the handshake there.
            assert 0.9 <= time.monotonic() - started < 1.2
