from __future__ import annotations

import contextlib
import io
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.operator.client import DaemonUnreachable, OperatorClient
from tests.support.fake_control import FILE, FakeControl
from tests.support.operator_daemon import serving


@contextlib.contextmanager
def impostor(path: Path, answer: bytes) -> Iterator[None]:
    """Answer one request with these bytes, whatever it was."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            caller, _ = listening.accept()
            with caller:
                caller.recv(65536)
                caller.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(10)


def test_no_socket_is_said_with_its_path(tmp_path: Path) -> None:
    with OperatorClient(tmp_path / "no.sock") as client, pytest.raises(DaemonUnreachable, match=r"no\.sock"):
        client.status()


def test_a_socket_without_a_daemon_is_said(tmp_path: Path) -> None:
    path = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    with OperatorClient(path) as client, pytest.raises(DaemonUnreachable, match="nobody answers"):
        client.status()


def test_a_daemon_that_hangs_is_said(tmp_path: Path) -> None:
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        with OperatorClient(path, timeout=0.1) as client, pytest.raises(DaemonUnreachable, match="in time"):
            client.status()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{x",
    ],
)
def test_what_is_not_our_daemon_is_said(tmp_path: Path, answer: bytes) -> None:
    path = tmp_path / "other.sock"
    with (
        impostor(path, answer),
        OperatorClient(path, timeout=5) as client,
        pytest.raises(DaemonUnreachable, match="broke"),
    ):
        client.status()


def test_an_export_that_ends_early_is_not_taken_for_whole(tmp_path: Path) -> None:
    path = tmp_path / "other.sock"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500
    with (
        impostor(path, answer),
        OperatorClient(path, timeout=5) as client,
        pytest.raises(DaemonUnreachable),
    ):
        client.export(1, io.BytesIO())


def test_an_export_is_whole(tmp_path: Path) -> None:
    target = io.BytesIO()
    with serving(FakeControl(), tmp_path / "op.sock") as daemon, OperatorClient(daemon.path) as client:
        assert client.export(1, target) == len(FILE)
    assert target.getvalue() == FILE


def test_a_restarted_daemon_is_reached_with_the_same_client(tmp_path: Path) -> None:
    path = tmp_path / "op.sock"
    with OperatorClient(path) as client:
        with serving(FakeControl(), path):
            assert client.status()["level"] == "ok"
        with pytest.raises(DaemonUnreachable):
            client.status()
        with serving(FakeControl(), path):
            assert client.status()["level"] == "ok"
            assert client.metrics() == "gateway_up 1\n"
            assert client.associations()["associations"][0]["calling_ae"] == "LINAC1"
