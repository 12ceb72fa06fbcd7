"""The notify and socket activation protocols, against real sockets and a real child process."""

from __future__ import annotations

import fcntl
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.systemd import Notifier, activated_sockets, watchdog_interval


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The receiving end of systemd's notify socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        yield sock


def notifier(manager: socket.socket) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": manager.getsockname()})


def test_the_states_of_a_service_are_told(manager: socket.socket) -> None:
    tell = notifier(manager)
    tell.ready("serving 2 listeners")
    assert manager.recv(1024) == b"READY=1\nSTATUS=serving 2 listeners"
    tell.watchdog()
    assert manager.recv(1024) == b"WATCHDOG=1"
    tell.status("3 objects\nwait")
    assert manager.recv(1024) == b"STATUS=3 objects wait"
    tell.extend_timeout(1.5)
    assert manager.recv(1024) == b"EXTEND_TIMEOUT_USEC=1500000"
    tell.stopping()
    assert manager.recv(1024) == b"STOPPING=1"


def test_an_abstract_address_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0gateway-test-" + str(os.getpid()))
        sock.settimeout(5)
        Notifier({"NOTIFY_SOCKET": "@gateway-test-" + str(os.getpid())}).ready()
        assert sock.recv(1024) == b"READY=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "relative"}, {"NOTIFY_SOCKET": "@"}])
def test_away_from_systemd_nothing_is_sent(environment: dict[str, str]) -> None:
    tell = Notifier(environment)
    assert not tell.enabled
    tell.ready()


def test_a_manager_that_is_gone_or_does_not_read_stops_nobody(tmp_path: Path, manager: socket.socket) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    tell = notifier(manager)
    for _ in range(2000):
        tell.watchdog()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "43"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_asked(
    environment: dict[str, str], expected: float | None
) -> None:
    assert watchdog_interval(environment, pid=42) == expected


_CHILD = """
import os, sys
from gateway.systemd import activated_sockets
os.environ["LISTEN_PID"] = str(os.getpid())
taken = activated_sockets()
for one in taken:
    print(one.name, one.sock.getsockname()[1], one.sock.get_inheritable(), one.sock.gettimeout())
print(len(activated_sockets()), "LISTEN_FDS" in os.environ)
"""


def test_a_process_takes_the_listening_sockets_it_was_given_by_name(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as console,
        socket.create_server(("127.0.0.1", 0)) as wan,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as not_a_stream,
        (tmp_path / "file").open("w") as not_a_socket,
    ):
        given = [  # copies well above the descriptors they are to become
            fcntl.fcntl(one.fileno(), fcntl.F_DUPFD_CLOEXEC, 100)
            for one in (console, not_a_stream, not_a_socket, wan)
        ]
        shell = "; ".join(f"exec {3 + n}<&{fd}" for n, fd in enumerate(given))
        # The shell puts them at 3, 4, 5 and 6, where systemd does.
        script = f'{shell}; exec "$@"'
        answer = subprocess.run(
            ["bash", "-c", script, "bash", sys.executable, "-c", _CHILD],
            pass_fds=given,
            env={
                **os.environ,
                "LISTEN_FDS": "4",
                "LISTEN_FDNAMES": "console:dgram:file:wan",
                "PYTHONPATH": str(Path(__file__).parents[1]),
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        for descriptor in given:
            os.close(descriptor)
        assert answer.stderr == ""
        assert answer.stdout.splitlines() == [
            f"console {console.getsockname()[1]} False 0.0",
            f"wan {wan.getsockname()[1]} False 0.0",
            "0 False",
        ]


def test_sockets_meant_for_another_process_are_left_alone() -> None:
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "console"}
    assert activated_sockets(environment, pid=42) == []
    assert environment == {}


def test_a_socket_without_a_name_is_unknown_and_an_absurd_count_is_bounded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        # High up, where no other descriptor of this process is in the way.
        high = 900_000 if _soft_limit() > 900_300 else _soft_limit() - 300
        os.dup2(server.fileno(), high)
        environment = {"LISTEN_PID": "42", "LISTEN_FDS": "4000000000"}
        (found,) = activated_sockets(environment, pid=42, first_fd=high)
        assert found.name == "unknown"
        assert found.sock.getsockname() == server.getsockname()
        found.sock.close()


def _soft_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
