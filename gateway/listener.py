"""Where peers knock: bind, accept, and turn away at the door what would harm the others.

A connection is counted, and refused if need be, before a byte of TLS is spoken. The TLS handshake is a task
of its own with its own deadline, so a silent peer costs one slot for some seconds and delays nobody.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import ssl
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.association.acceptor import AcceptorLimits, InboundAssociation
from gateway.association.admission import Admission, Caller, Services
from gateway.association.stream import StreamLimits
from gateway.association.tls import ServerContext, words_for
from gateway.dicom.negotiation import AssociateRequest, Rejection
from gateway.dicom.upper_layer import UpperLayerLimits
from gateway.errors import LocalError
from gateway.model import TlsMaterial
from gateway.notices import Alarm, ConnectionRefused, Notices, RefusalKind

_OUT_OF_SOMETHING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_ACCEPTS_PER_TURN = 64  # others get their turn in between


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """One place to listen. `allow` holds networks; empty means any address."""

    name: str
    address: str
    port: int
    allow: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    tls: TlsMaterial | None = None


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """Caps of one listener (counts) and the deadline of a TLS handshake (seconds)."""

    max_connections: int = 200  # beyond it TCP connections are closed before a byte is read
    max_per_address: int = 50  # the same, for one IP address
    max_associations: int = 180  # beyond it A-ASSOCIATE-RQ is answered with a transient rejection
    backlog: int = 128
    tls_handshake_timeout: float = 10.0
    tls_shutdown_timeout: float = 5.0
    retry_accept: float = 1.0  # pause when the process is out of descriptors or memory
    stream: StreamLimits = field(default_factory=StreamLimits)
    acceptor: AcceptorLimits = field(default_factory=AcceptorLimits)
    upper_layer: UpperLayerLimits = field(default_factory=UpperLayerLimits)


@dataclass(slots=True)
class _Connection:
    """One accepted connection; `association` once the TLS handshake is over."""

    sock: socket.socket
    address: str
    association: InboundAssociation | None = None
    handed_over: bool = False  # the transport owns the socket


class Listener:
    """Accepts associations on one address until closed."""

    def __init__(
        self,
        settings: ListenerSettings,
        services: Services,
        *,
        notices: Notices,
        limits: ListenerLimits | None = None,
    ) -> None:
        """Read the TLS material; LocalError names the file at fault."""
        self.settings = settings
        self._services = services
        self._notices = notices
        self._limits = limits or ListenerLimits()
        self._tls = ServerContext(settings.tls) if settings.tls else None
        self._sockets: list[socket.socket] = []
        self._port = settings.port
        self._connections: dict[asyncio.Task[None], _Connection] = {}
        self._per_address: Counter[str] = Counter()

    @property
    def port(self) -> int:
        """The port that is bound, once started; the configured one, which may be 0, before that."""
        return self._port

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets, while it listens."""
        return tuple(self._sockets)

    @property
    def limits(self) -> ListenerLimits:
        """Its caps."""
        return self._limits

    @property
    def connections(self) -> int:
        """TCP connections of the moment, those in their TLS handshake too."""
        return len(self._connections)

    @property
    def associations(self) -> frozenset[InboundAssociation]:
        """The associations of the moment, established or not yet."""
        return frozenset(
            connection.association for connection in self._connections.values() if connection.association
        )

    @property
    def established(self) -> int:
        """How many of them are established."""
        return sum(association.established for association in self.associations)

    async def start(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Bind and accept from now on; `sockets` are bound and listening already (socket activation).

        Raises LocalError when the address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        self._sockets = list(sockets) or [self._bind()]
        self._port = int(self._sockets[0].getsockname()[1])
        for sock in self._sockets:
            sock.setblocking(False)
            loop.add_reader(sock, self._accept, sock)

    async def close(self, grace: float = 5.0) -> None:
        """Stop accepting; give operations in progress `grace` seconds to end, then abort what is left."""
        loop = asyncio.get_running_loop()
        sockets, self._sockets = self._sockets, []
        for sock in sockets:
            loop.remove_reader(sock)
            sock.close()
        for task, connection in tuple(self._connections.items()):
            if connection.association is None:
                task.cancel()  # still in its TLS handshake
            else:
                connection.association.leave("the gateway is stopping")
        if self._connections:
            await asyncio.wait(self._connections, timeout=grace)
        for association in self.associations:
            association.drop()
        if self._connections:
            await asyncio.wait(self._connections)

    async def admit(self, request: AssociateRequest, caller: Caller) -> Admission | Rejection:
        """Ask the services, unless there are too many associations already (PS3.8 9.3.4, transient)."""
        limit = self._limits.max_associations
        if self.established >= limit:
            return Rejection(2, 3, 2, f"the limit of {limit} associations is reached")
        return await self._services.admit(request, caller)

    # --- the door ------------------------------------------------------------------------------------

    def _bind(self) -> socket.socket:
        address, port = self.settings.address, self.settings.port
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, port))
            sock.listen(self._limits.backlog)
        except OSError as error:
            sock.close()
            raise LocalError(
                f"listener {self.settings.name!r} cannot listen on {address} port {port}: {error.strerror}"
            ) from error
        return sock

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                sock, peer = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _OUT_OF_SOMETHING:
                    self._pause(listening, error)
                    return
                continue  # accept(2): the error of a connection that is gone already
            address = str(peer[0])
            refusal = self._refusal(address)
            if refusal is not None:
                sock.close()
                kind, words = refusal
                self._notices.publish(ConnectionRefused(self.settings.name, address, words, kind))
                continue
            self._admit(sock, address)

    def _refusal(self, address: str) -> tuple[RefusalKind, str] | None:
        allow = self.settings.allow
        if allow:
            ip = ipaddress.ip_address(address.partition("%")[0])
            mapped = getattr(ip, "ipv4_mapped", None)
            if not any((mapped or ip) in network for network in allow):
                return "allow-list", "this address is not in the allow list"
        if len(self._connections) >= self._limits.max_connections:
            return "limit", f"the limit of {self._limits.max_connections} connections is reached"
        if self._per_address[address] >= self._limits.max_per_address:
            words = f"the limit of {self._limits.max_per_address} connections from one address is reached"
            return "limit", words
        return None

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        """Out of descriptors: leave the queue to the kernel for a moment instead of spinning."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        self._notices.publish(
            Alarm(
                "listener-starved",
                f"listener {self.settings.name!r} cannot accept connections for now: {error.strerror}",
            )
        )

        def again() -> None:
            if listening.fileno() >= 0:
                loop.add_reader(listening, self._accept, listening)

        loop.call_later(self._limits.retry_accept, again)

    def _admit(self, sock: socket.socket, address: str) -> None:
        sock.setblocking(False)
        self._per_address[address] += 1
        connection = _Connection(sock, address)
        task = asyncio.get_running_loop().create_task(self._serve(connection))
        self._connections[task] = connection
        task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        connection = self._connections.pop(task)
        if not connection.handed_over:
            connection.sock.close()
        self._per_address[connection.address] -= 1
        if not self._per_address[connection.address]:
            del self._per_address[connection.address]
        if not task.cancelled():
            task.result()  # an unexpected exception belongs to the event loop's handler

    def _tls_context(self, tls: ServerContext) -> ssl.SSLContext:
        context, trouble = tls.current()
        if trouble:
            words = f"listener {self.settings.name!r} goes on with the certificate it had: {trouble}"
            self._notices.publish(Alarm("certificate-unreadable", words))
        return context

    async def _serve(self, connection: _Connection) -> None:
        """Live as long as one connection: handshake, association, end."""
        association = InboundAssociation(
            listener=self.settings.name,
            services=self,
            notices=self._notices,
            stream_limits=self._limits.stream,
            limits=self._limits.acceptor,
            upper_layer_limits=self._limits.upper_layer,
        )
        loop = asyncio.get_running_loop()
        connection.handed_over = True
        try:
            if self._tls is None:
                await loop.connect_accepted_socket(lambda: association.stream, connection.sock)
            else:
                await loop.connect_accepted_socket(
                    lambda: association.stream,
                    connection.sock,
                    ssl=self._tls_context(self._tls),
                    ssl_handshake_timeout=self._limits.tls_handshake_timeout,
                    ssl_shutdown_timeout=self._limits.tls_shutdown_timeout,
                )
        except OSError as error:  # ssl.SSLError and TimeoutError are kinds of it
            words = words_for(error)
            self._notices.publish(ConnectionRefused(self.settings.name, connection.address, words, "tls"))
            return
        connection.association = association
        await association.wait_closed()
