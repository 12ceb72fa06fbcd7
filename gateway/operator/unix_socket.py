"""The socket file of the operator API: who may use it, who is calling, and what to do with a stale one."""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import LocalError

DEFAULT_MODE = 0o660
_MAX_PATH_BYTES = 107  # sun_path has 108 bytes on Linux, the last one is NUL (unix(7))
_UCRED = struct.Struct("3i")


class SocketUnavailable(LocalError):
    """The operator socket cannot be opened; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The process at the other end, as the kernel knows it (SO_PEERCRED); it cannot be forged."""

    pid: int
    uid: int
    gid: int

    def name(self) -> str:
        """Return the user for the history: `anna (uid 1000)`. May look in the user database."""
        try:
            return f"{pwd.getpwuid(self.uid).pw_name} (uid {self.uid})"
        except KeyError:
            return f"uid {self.uid}"


def caller(sock: socket.socket) -> Caller:
    """Return who is calling on a connected Unix socket."""
    return Caller(*_UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)))


def check_path(path: Path) -> None:
    """Raise SocketUnavailable, in words, when `path` is too long for a socket."""
    length = len(os.fsencode(path))
    if length > _MAX_PATH_BYTES:
        raise SocketUnavailable(
            f"the path of the operator socket has {length} bytes, "
            f"and the system allows {_MAX_PATH_BYTES}: {path}. "
            "Choose a shorter one, for instance /run/dicom-gateway/operator.sock."
        )


def bind(path: Path, *, mode: int = DEFAULT_MODE, group: str | None = None) -> socket.socket:
    """Return a socket bound to `path` with these rights, owned by `group` if given.

    A file that is left over from a daemon that has gone is replaced; one on which somebody listens is not,
    and neither is a file that is not a socket. Raises SocketUnavailable.
    """
    check_path(path)
    _clear_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        # On Linux the file takes its mode from the socket: there is no moment with wider rights.
        os.fchmod(sock.fileno(), mode)
        path.parent.mkdir(parents=True, exist_ok=True)
        sock.bind(os.fspath(path))
        if group is not None:
            os.chown(path, -1, grp.getgrnam(group).gr_gid)
        path.chmod(mode)  # a umask may have taken the group's rights
    except KeyError as error:
        sock.close()
        path.unlink(missing_ok=True)
        raise SocketUnavailable(f"the group {group!r} for the operator socket does not exist") from error
    except OSError as error:
        sock.close()
        raise SocketUnavailable(f"the operator socket {path} cannot be opened: {error.strerror}") from error
    return sock


def unbind(path: Path) -> None:
    """Remove the socket file, so that nobody knocks on a closed door."""
    path.unlink(missing_ok=True)


def _clear_stale(path: Path) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(os.fspath(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            if not path.is_socket():
                raise SocketUnavailable(f"{path} exists and is not a socket; it is left alone") from None
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            if error.errno == errno.ENOTSOCK:
                raise SocketUnavailable(f"{path} exists and is not a socket; it is left alone") from None
            raise SocketUnavailable(f"{path} cannot be examined: {error}") from error
    raise SocketUnavailable(
        f"another process already serves {path}. Is the gateway running already? `dicom-gateway status` says."
    )
