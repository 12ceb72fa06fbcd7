"""TLS of the link, without its socket: ciphertext in, plaintext out, and the other way round.

Not asyncio's own TLS transport, for two reasons. It keeps up to 64 KiB of ciphertext where nobody can see
it, which is four seconds of an ISDN line that a treatment record would wait behind. And it cannot resume a
session: the certificates of both ends are most of what a reconnect costs on a narrow line.

The profile: TLS 1.3 and nothing older, because both ends are this program; a certificate from both sides.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, Final

from gateway.association.tls import ClientContexts, ServerContext, words_for
from gateway.errors import PeerError
from gateway.model import AETitle, Peer, TlsMaterial

_RECORD: Final = 16 * 1024
"""Plaintext of one TLS record at most (RFC 8446 5.1)."""

_NAME: Final = 64
"""Characters of a site's name at most: what fits into a common name (RFC 5280 A.1)."""


class TlsFailed(PeerError):
    """The TLS handshake failed, or the session broke. The text says why in words."""


class SiteContexts:
    """The TLS context with which a site dials its hub, read again when a file changes.

    The session of the last connection is kept with its context, so that a reconnect is short.
    """

    def __init__(self, material: TlsMaterial, host: str) -> None:
        self._contexts = ClientContexts()
        self._hub = Peer("hub", AETitle("HUB"), host, 0, material)
        self._session: tuple[ssl.SSLContext, ssl.SSLSession] | None = None
        self.server_name = material.server_name or host

    def begin(self) -> TlsPipe:
        """Return the client's end of a new connection. Raises ConnectFailed naming the file at fault."""
        context = self._contexts.of(self._hub)
        if context is None:  # a peer with TLS material always has one
            raise TlsFailed("there is no TLS context for the hub")
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        session = self._session[1] if self._session is not None and self._session[0] is context else None
        return TlsPipe(context, server_name=self.server_name, session=session)

    def keep(self, pipe: TlsPipe) -> None:
        """Remember the session of `pipe` for the next connection."""
        session = pipe.session
        if session is not None:
            self._session = pipe.context, session

    def forget(self) -> None:
        """A connection with the session kept came to nothing: the next one begins from scratch."""
        self._session = None


class HubContext:
    """The TLS context with which a hub answers its sites, read again when a file changes."""

    def __init__(self, material: TlsMaterial) -> None:
        """Read the files. Raises LocalError, naming the file at fault."""
        self._context = ServerContext(material)

    def begin(self) -> tuple[TlsPipe, str]:
        """Return the hub's end of a new connection, and what is wrong with files that changed meanwhile."""
        context, trouble = self._context.current()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        # A ticket carries the site's certificate. One is enough: whoever has lost it shakes hands in full.
        context.num_tickets = 1
        return TlsPipe(context), trouble


class TlsPipe:
    """One TLS connection as bytes. `server_name` makes it the client's end."""

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        server_name: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self.context = context
        self.established = False
        self.closed = False  # the other end has said that nothing more comes
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._in,
            self._out,
            server_side=server_name is None,
            server_hostname=server_name,
            session=session,
        )

    def shake(self) -> bool:
        """Go on with the handshake; True once it is over. Raises TlsFailed."""
        if not self.established:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                return False
            except (ssl.SSLError, OSError) as error:
                raise TlsFailed(words_for(error)) from error
            self.established = True
        return True

    def received(self, data: bytes) -> None:
        """Take ciphertext; `read` gives what comes of it."""
        self._in.write(data)

    def read(self) -> bytes:
        """Return the next plaintext, of one record at most; b"" when there is none now. Raises TlsFailed."""
        if not self.established or self.closed:
            return b""
        try:
            data = self._tls.read(_RECORD)
        except ssl.SSLWantReadError:
            return b""
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.closed = True
            return b""
        except (ssl.SSLError, OSError) as error:
            raise TlsFailed(words_for(error)) from error
        if not data:
            self.closed = True
        return data

    def write(self, data: bytes | bytearray) -> None:
        """Encrypt `data`; `output` gives the ciphertext. Only after the handshake. Raises TlsFailed."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._tls.write(view) :]
        except (ssl.SSLError, OSError) as error:
            raise TlsFailed(words_for(error)) from error

    def output(self) -> bytes:
        """Return, once, the ciphertext that is to leave."""
        return self._out.read()

    @property
    def pending(self) -> int:
        """Bytes of ciphertext that `output` would give."""
        return self._out.pending

    def close(self) -> None:
        """Say that nothing more comes (close_notify); `output` has it."""
        if self.established:
            try:
                self._tls.unwrap()
            except (ssl.SSLError, OSError):
                return  # the other end's word is not waited for, and what is broken need not be told

    @property
    def resumed(self) -> bool:
        """True when the handshake was a short one."""
        return bool(self._tls.session_reused)

    @property
    def session(self) -> ssl.SSLSession | None:
        """What the next connection may resume; None before the other end has given it (RFC 8446 4.6.1)."""
        session = self._tls.session if self.established else None
        return session if session is not None and session.has_ticket else None

    @property
    def ssl_object(self) -> ssl.SSLObject:
        """For whoever wants to see versions and certificates."""
        return self._tls

    @property
    def site(self) -> str:
        """The name of the site, from the certificate the other end has shown; "" when it has none there."""
        return site_name(self._tls.getpeercert() or {})


def site_name(certificate: Mapping[str, Any]) -> str:
    """Return the site that a certificate, as `ssl` decodes it, names; "" when it names none.

    The first DNS name of the subject alternative names, else the common name (RFC 6125 6.4.4 has it so).
    """
    for kind, value in certificate.get("subjectAltName", ()):
        if kind == "DNS":
            return _fitting(value)
    for relative in certificate.get("subject", ()):
        for kind, value in relative:
            if kind == "commonName":
                return _fitting(value)
    return ""


def _fitting(name: str) -> str:
    """Return `name` when it can be a site's: short and printable ASCII."""
    return name if 0 < len(name) <= _NAME and name.isascii() and name.isprintable() else ""
