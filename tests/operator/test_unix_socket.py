from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from gateway.operator import unix_socket
from gateway.operator.unix_socket import SocketUnavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "operator.sock"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_owner_and_group_may_use_it_and_nobody_else(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with unix_socket.bind(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
    finally:
        os.umask(before)


def test_the_mode_can_be_configured(path: Path) -> None:
    with unix_socket.bind(path, mode=0o600):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_belongs_to_the_group_named(path: Path) -> None:
    import grp

    group = grp.getgrgid(os.getgid())
    with unix_socket.bind(path, group=group.gr_name):
        assert path.stat().st_gid == group.gr_gid


def test_a_group_that_does_not_exist_is_named(path: Path) -> None:
    with pytest.raises(SocketUnavailable, match="no-such-group"):
        unix_socket.bind(path, group="no-such-group")
    assert not path.exists()


def test_a_path_that_is_too_long_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(SocketUnavailable, match=r"107.*shorter one"):
        unix_socket.bind(tmp_path / ("x" * 107))


def test_the_longest_path_that_the_system_allows_works(tmp_path: Path) -> None:
    room = 107 - len(os.fsencode(tmp_path)) - 1
    with unix_socket.bind(tmp_path / ("x" * room)):
        pass


def test_a_stale_socket_is_replaced(path: Path) -> None:
    unix_socket.bind(path).close()
    assert path.exists()
    with unix_socket.bind(path) as sock:
        sock.listen()
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(path))


def test_a_socket_on_which_somebody_listens_is_left_alone(path: Path) -> None:
    with unix_socket.bind(path) as sock:
        sock.listen()
        with pytest.raises(SocketUnavailable, match="already serves"):
            unix_socket.bind(path)
        assert path.exists()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_not_a_socket_is_left_alone(path: Path, kind: str) -> None:
    path.parent.mkdir()
    path.write_text("precious") if kind == "file" else path.mkdir()
    with pytest.raises(SocketUnavailable, match="not a socket"):
        unix_socket.bind(path)
    assert path.exists()


def test_the_caller_is_known_by_the_kernel() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        caller = unix_socket.caller(ours)
    assert (caller.pid, caller.uid, caller.gid) == (os.getpid(), os.getuid(), os.getgid())
    assert caller.name().endswith(f"uid {os.getuid()})")


def test_a_caller_without_a_name_has_a_number() -> None:
    assert unix_socket.Caller(1, 3_999_999_999, 1).name() == "uid 3999999999"


def test_unbinding_removes_the_file(path: Path) -> None:
    with unix_socket.bind(path):
        unix_socket.unbind(path)
        assert not path.exists()
