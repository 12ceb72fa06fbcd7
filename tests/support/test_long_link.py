"""The long link is what it says: late, slow, lossy when wanted, cut when told, and gone afterwards."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import long_link
from tests.support.long_link import LongLink

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def _possible() -> None:
    reason = long_link.missing()
    if reason is not None:
        if os.environ.get("GATEWAY_REQUIRE_PEERS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


@contextmanager
def _connected(link: LongLink) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A TCP connection, opened from the near end."""
    with link.far.entered():
        server = socket.create_server((link.far.address, 0))
    with link.near.entered():
        near = socket.create_connection(server.getsockname(), timeout=20)
    far, _ = server.accept()
    far.settimeout(20)
    for end in (near, far):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with server, near, far:
        yield near, far


def _receive(connection: socket.socket, size: int) -> None:
    while size:
        size -= len(connection.recv(min(size, 1 << 16)))


def _round_trip(near: socket.socket, far: socket.socket) -> float:
    started = time.monotonic()
    near.sendall(b"?")
    assert far.recv(1) == b"?"
    far.sendall(b"!")
    assert near.recv(1) == b"!"
    return time.monotonic() - started


def test_each_way_takes_its_time() -> None:
    with LongLink(delay=0.1) as link, _connected(link) as (near, far):
        started = time.monotonic()
        near.sendall(b"?")
        assert far.recv(1) == b"?"
        there = time.monotonic() - started
        far.sendall(b"!")
        assert near.recv(1) == b"!"
        back = time.monotonic() - started - there
    assert 0.1 <= there < 0.2
    assert 0.1 <= back < 0.2


def test_the_rate_is_kept() -> None:
    size, rate = 400_000, 200_000.0
    with LongLink(delay=0.005, rate=rate) as link, _connected(link) as (near, far):
        sender = threading.Thread(target=near.sendall, args=(bytes(size),))
        started = time.monotonic()
        sender.start()
        _receive(far, size)
        seconds = time.monotonic() - started
        sender.join()
        carried = link.counts()
    assert carried.up.arrived_bytes >= size
    # Headers and the queue that fills once make it later, never earlier.
    assert size / rate * 0.95 <= seconds < size / rate * 2


def test_what_does_not_fit_into_the_queue_is_dropped_and_sent_again_by_tcp() -> None:
    size = 300_000
    with LongLink(delay=0.005, rate=400_000.0, queue=6_000) as link, _connected(link) as (near, far):
        sender = threading.Thread(target=near.sendall, args=(bytes(size),))
        sender.start()
        _receive(far, size)
        sender.join()
        assert link.counts().up.dropped > 0


def _lost(seed: int, datagrams: int = 200) -> set[int]:
    """Which of many datagrams did not arrive."""
    with LongLink(delay=0.001, rate=None, loss=0.2, seed=seed) as link:
        with link.far.entered():
            far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            far.bind((link.far.address, 0))
        with link.near.entered():
            near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with near, far:
            for number in range(datagrams):
                near.sendto(number.to_bytes(2, "big"), far.getsockname())
            far.settimeout(0.5)
            lost = 0
            arrived: set[int] = set()
            while len(arrived) + lost < datagrams:
                try:
                    arrived.add(int.from_bytes(far.recv(2), "big"))
                except TimeoutError:
                    lost = link.counts().up.lost
            return set(range(datagrams)) - arrived


def test_loss_is_a_matter_of_the_seed() -> None:
    lost = _lost(seed=3)
    assert 15 <= len(lost) <= 70
    assert lost == _lost(seed=3)
    assert lost != _lost(seed=4)


def test_a_cut_loses_what_is_under_way_and_tells_nobody() -> None:
    with LongLink(delay=0.15) as link, _connected(link) as (near, far):
        near.sendall(b"lost")
        link.cut()
        far.settimeout(0.5)
        with pytest.raises(TimeoutError):
            far.recv(4)
        link.restore()
        far.settimeout(20)
        assert far.recv(4) == b"lost"  # the kernel's TCP sent it again
        assert _round_trip(near, far) < 5


def test_both_ends_use_the_congestion_control_asked_for() -> None:
    with LongLink(delay=0.001, congestion="reno") as link, _connected(link) as ends:
        for end in ends:
            assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0") == b"reno"


def test_programs_are_started_at_the_end_that_was_entered() -> None:
    show = [sys.executable, "-c", "import os; print(os.stat('/proc/self/ns/net').st_ino)"]
    with LongLink(delay=0.0) as link:
        seen = []
        for side in (link.near, link.far):
            with side.entered():
                seen.append(subprocess.run(show, capture_output=True, text=True, check=True).stdout)
        here = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    assert len({*seen, here}) == 3


def _namespace_of(pid: int) -> int:
    return Path(f"/proc/{pid}/ns/net").stat().st_ino


def test_nothing_is_left_when_the_test_fails() -> None:
    home = Path("/proc/thread-self/ns/net").stat().st_ino
    pid = 0
    with pytest.raises(RuntimeError, match="the test failed"), LongLink(delay=0.0) as link:  # noqa: PT012
        pid = link.pid
        mine = _namespace_of(pid)
        with link.near.entered():
            raise RuntimeError("the test failed")
    assert Path("/proc/thread-self/ns/net").stat().st_ino == home
    assert not Path(f"/proc/{pid}").exists()
    others = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    namespaces = set()
    for other in others:
        try:
            namespaces.add(_namespace_of(other))
        except OSError:
            continue  # it has ended meanwhile
    assert mine not in namespaces


def test_the_wire_ends_with_its_owner_and_in_any_case_in_time() -> None:
    link = LongLink(delay=0.0, lifetime=1).start()
    assert link.wait(10) < 0  # by the alarm
    link.stop()
    owner = (
        "import os\n"
        "from tests.support.long_link import LongLink\n"
        "link = LongLink(delay=0.0).start()\n"
        "print(link.pid, flush=True)\n"
        "os._exit(1)\n"  # without any clearing up
    )
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", owner], cwd=root, capture_output=True, text=True)
    wire_pid = int(ended.stdout)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{wire_pid}").exists() and "Z" not in Path(f"/proc/{wire_pid}/stat").read_text():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)  # it is nobody's child here: the kernel offers no event
