"""From a peer's name and port to a connected transport, with words for each way that can fail."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
import ssl
from collections.abc import Callable

from gateway.association.errors import ConnectFailed
from gateway.association.timeouts import RequestorTimeouts
from gateway.association.tls import words_for
from gateway.association.way import Carrier, Way
from gateway.errors import PeerError
from gateway.model import Peer

OnPhase = Callable[[str], None]
"""Told when a phase begins: "resolve", "tcp", "tls" or "association", as in ConnectFailed."""


async def connect(
    factory: Callable[[], asyncio.BaseProtocol],
    peer: Peer,
    *,
    way: Way,
    timeouts: RequestorTimeouts,
    on_phase: OnPhase | None = None,
) -> None:
    """Connect the protocol that `factory` gives to `peer`, on the way that fits it.

    Raises ConnectFailed, with the phase it got to.
    """
    on_phase = on_phase or _ignore
    loop = asyncio.get_running_loop()
    if way is not None and not isinstance(way, ssl.SSLContext):
        on_phase("tcp")  # to whoever looks on: what stands for it
        await _carried(factory, peer, way, timeouts.connect)
        return
    sock = await open_socket(peer, timeouts.connect, on_phase)
    if way is None or peer.tls is None:
        await loop.create_connection(factory, sock=sock)
        return
    on_phase("tls")
    try:
        await loop.create_connection(
            factory,
            sock=sock,
            ssl=way,
            server_hostname=peer.tls.server_name or peer.host,
            ssl_handshake_timeout=timeouts.tls,
            ssl_shutdown_timeout=timeouts.release,
        )
    except OSError as error:  # ssl.SSLError and TimeoutError are kinds of it
        raise ConnectFailed("tls", words_for(error)) from error


async def _carried(
    factory: Callable[[], asyncio.BaseProtocol], peer: Peer, carrier: Carrier, patience: float
) -> None:
    """Connect over a link."""
    try:
        await carrier.open_stream(factory, timeout_s=patience)
    except ConnectFailed:
        raise
    except PeerError as error:
        raise ConnectFailed("tcp", f"the link to {peer.via} does not carry us: {error}") from error


def _ignore(_phase: str) -> None:
    """Nobody wants to know."""


async def open_socket(peer: Peer, patience: float, on_phase: OnPhase | None = None) -> socket.socket:
    """Return a connected TCP socket to `peer`, trying every address its name has. Raises ConnectFailed."""
    on_phase = on_phase or _ignore
    loop = asyncio.get_running_loop()
    reason = f"the name {peer.host} has no address"
    on_phase("resolve")
    targets = await _resolve(peer, patience)
    on_phase("tcp")
    for family, target in targets:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            async with asyncio.timeout(patience):
                await loop.sock_connect(sock, target)
        except TimeoutError:
            sock.close()
            reason = f"no answer from {peer.host} port {peer.port} within {patience:g} s"
        except OSError as error:
            sock.close()
            reason = _words_for_dial(peer, error)
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise ConnectFailed("tcp", reason)


def _words_for_dial(peer: Peer, error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED:
        return f"nothing listens on {peer.host} port {peer.port} (connection refused)"
    return f"cannot reach {peer.host} port {peer.port}: {os.strerror(error.errno) if error.errno else error}"


async def _resolve(peer: Peer, patience: float) -> list[tuple[int, tuple[str, int]]]:
    try:
        address = ipaddress.ip_address(peer.host)
    except ValueError:
        pass
    else:
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        return [(family, (peer.host, peer.port))]
    try:
        async with asyncio.timeout(patience):
            found = await asyncio.get_running_loop().getaddrinfo(
                peer.host, peer.port, type=socket.SOCK_STREAM
            )
    except TimeoutError:
        raise ConnectFailed("resolve", f"looking up the name {peer.host} took too long") from None
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConnectFailed("resolve", f"the name {peer.host} cannot be resolved: {why}") from error
    return [(family, (str(target[0]), int(target[1]))) for family, _, _, _, target in found]
