from __future__ import annotations

import socket
import sys

import pytest

from gateway.association import tcp_info

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")


@pytest.fixture
def pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    return near, far


def test_counts_what_was_sent_and_received(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    with near, far:
        near.sendall(bytes(10_000))
        left = 10_000
        while left:
            left -= len(far.recv(left))
        far.sendall(b"thanks")
        assert near.recv(6) == b"thanks"
        info = tcp_info.read(near)
        assert info is not None
        assert (info.bytes_sent, info.bytes_received) == (10_000, 6)
        assert info.retransmitted == 0
        assert info.unacknowledged == 0
        assert info.segments_out is not None
        assert info.segments_out >= 2
        assert info.segments_in
        assert 0 < info.round_trip < 1
        assert 0 <= info.last_ack < 5


def test_nothing_is_known_of_a_closed_or_another_kind_of_socket(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    near, far = pair
    near.close()
    far.close()
    assert tcp_info.read(near) is None
    one, other = socket.socketpair()
    with one, other:
        assert tcp_info.read(one) is None


def test_an_older_kernel_tells_less(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        family = socket.AF_INET

        def fileno(self) -> int:
            return 3

        def getsockopt(self, *_: int) -> bytes:
            return bytes(68) + (250_000).to_bytes(4, sys.byteorder) + bytes(28) + b"\7\0\0\0"

    info = tcp_info.read(Old())  # type: ignore[arg-type]  # what is used of a socket
    assert info is not None
    assert info.round_trip == 0.25
    assert info.retransmitted == int.from_bytes(b"\7\0\0\0", sys.byteorder)
    assert (info.segments_out, info.segments_in, info.bytes_sent, info.bytes_received) == (None,) * 4
