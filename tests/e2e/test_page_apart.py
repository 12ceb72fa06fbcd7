"""Whatever becomes of the page, DICOM traffic does not notice: killed, hung, fed garbage, swamped."""

from __future__ import annotations

import os
import random
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.demo.synthetic import Template, make_record
from tests.support.box import Box, trusting
from tests.support.console import Console
from tests.support.gateway_process import peer
from tests.support.receiver import receiver

OBJECTS = 60
SLOWEST = 3.0  # seconds for one C-STORE; the machine of the tests has other work as well


def killed(box: Box) -> Iterator[None]:
    """The page dies, again and again."""
    box.kill_page()
    yield
    box.start_page()


def hung(box: Box) -> Iterator[None]:
    """The page stops in the middle of what it does, with its connections to the gateway open."""
    assert box.page is not None
    listening = [_events(box) for _ in range(4)]
    os.kill(box.page.pid, signal.SIGSTOP)
    yield
    os.kill(box.page.pid, signal.SIGCONT)
    for each in listening:
        each.close()


def fed_garbage(box: Box) -> Iterator[None]:
    """Strangers send the page what is no TLS, no HTTP, or far too much of either."""
    with _strangers(lambda: _garbage(box)):
        yield


def swamped(box: Box) -> Iterator[None]:
    """More browsers than there is room for, all of them asking all the time."""
    with _strangers(lambda: _ask(box)):
        yield


@pytest.mark.parametrize("trouble", [killed, hung, fed_garbage, swamped])
def test_objects_are_taken_and_delivered_all_the_same(
    tmp_path: Path, trouble: Callable[[Box], Iterator[None]]
) -> None:
    with (
        receiver() as centre,
        Box(tmp_path, peers=[peer("centre", "CENTRE", centre.port)]) as box,
    ):
        with contextmanager(trouble)(box), Console(box.gateway.port, "CENTRE") as console:
            slowest = 0.0
            for thing in Template(make_record()).copies(OBJECTS):
                began = time.monotonic()
                assert console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0x0000
                slowest = max(slowest, time.monotonic() - began)
            box.gateway.wait_delivered(OBJECTS)
        assert slowest < SLOWEST
        assert len(centre.stored()) == OBJECTS
        assert box.page is not None
        assert box.page.running
        assert box.fetch("/healthz")  # and the page has come through it, too


@contextmanager
def _strangers(work: Callable[[], None], count: int = 4) -> Iterator[None]:
    over = threading.Event()

    def main() -> None:
        while not over.is_set():
            try:
                work()
            except OSError:
                over.wait(0.01)  # refused: there is no room, which is the point

    threads = [threading.Thread(target=main) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(60)


def _events(box: Box) -> socket.socket:
    """Open a connection to the page that says it wants a page and does not read it."""
    raw = socket.create_connection(("127.0.0.1", box.page_port), timeout=30)
    secure = trusting().wrap_socket(raw)
    secure.sendall(b"GET /login HTTP/1.1\r\nHost: x\r\n\r\n")
    return secure


def _garbage(box: Box) -> None:
    noise = random.Random(1).randbytes(4096)
    with socket.create_connection(("127.0.0.1", box.page_port), timeout=5) as raw:
        raw.sendall(noise)
    with (
        socket.create_connection(("127.0.0.1", box.page_port), timeout=5) as raw,
        trusting().wrap_socket(raw) as secure,
    ):
        secure.sendall(
            random.Random().choice([noise, b"GET " + b"/" * 100_000, b"POST / HTTP/1.1\r\n" * 9999])
        )
        secure.recv(1000)


def _ask(box: Box) -> None:
    with (
        socket.create_connection(("127.0.0.1", box.page_port), timeout=5) as raw,
        trusting().wrap_socket(raw) as secure,
    ):
        for _ in range(50):
            secure.sendall(b"GET /login HTTP/1.1\r\nHost: x\r\n\r\n")
            if not secure.recv(65536):
                return


def test_the_strangers_are_really_heard(tmp_path: Path) -> None:
    """The troubles above would prove little if the page was not asked at all."""
    with Box(tmp_path) as box, socket.create_connection(("127.0.0.1", box.page_port), timeout=5) as raw:
        secure: ssl.SSLSocket = trusting().wrap_socket(raw)
        secure.sendall(b"GET /login HTTP/1.1\r\nHost: x\r\n\r\n")
        assert secure.recv(15) == b"HTTP/1.1 200 OK"
        secure.close()
