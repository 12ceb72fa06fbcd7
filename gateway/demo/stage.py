"""Where the story plays: the gateways, the centre, and the line between them, built and taken down again.

    direct()         console - gateway ═══ line ═══ centre
    through_hub()    console - gateway ═══ line ═══ hub - centre

The line is a TCP forwarder on loopback, or, for a hub and where that is possible, the laboratory's: two
network namespaces with a satellite between them, and the real TCP of this machine at both ends.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gateway.demo import configurations
from gateway.demo.centre import Centre
from gateway.demo.daemon import Daemon
from gateway.demo.lab import PROFILES, Laboratory, Side, missing
from gateway.demo.ledger import Arrival
from gateway.demo.link import Link
from gateway.demo.pki import Authority

LINK_DELAY = 0.05  # seconds one way
LINK_RATE = 6e6  # bytes per second
PROFILE = "geo"

_HUB_PORT = 8443

Facts = list[tuple[str, str]]


class Line(Protocol):
    """The long line."""

    @property
    def up(self) -> bool:
        """Whether anything passes."""

    def cut(self) -> None:
        """Let nothing pass."""

    def restore(self) -> None:
        """Let everything pass again."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What the story needs of it."""

    daemon: Daemon  # the gateway at the clinic
    line: Line
    words: str  # what kind of line it is
    at_console: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
    facts: Callable[[int], Facts] = field(default=lambda _: [])
    """What is to be told at the end, for so many bytes of objects."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What every stage is built of."""

    directory: Path
    authority: Authority
    arrived: Callable[[Arrival], None]  # called from other threads
    page: tuple[str, int]


@contextlib.asynccontextmanager
async def direct(setting: Setting) -> AsyncIterator[Stage]:
    """Build the gateway that delivers to the centre itself."""
    at_centre, at_gateway = setting.authority.issue("centre"), setting.authority.issue("gateway")
    with Centre(at_centre, setting.directory / "centre", setting.arrived) as centre:
        async with Link(("127.0.0.1", centre.port), delay=LINK_DELAY, rate=LINK_RATE) as link:

            def configuration(operator: Path) -> str:
                return configurations.direct(operator, port=link.port, tls=at_gateway, page=setting.page)

            async with Daemon(setting.directory, configuration) as daemon:
                words = f"loopback, made {2 * LINK_DELAY * 1000:.0f} ms long"
                yield Stage(daemon, link, words)


@contextlib.asynccontextmanager
async def through_hub(setting: Setting) -> AsyncIterator[Stage]:
    """Build a site's gateway and a hub: on the laboratory's satellite line where there can be one."""
    reason = missing()
    if reason is None:
        async with _on_satellite(setting) as stage:
            yield stage
    else:
        async with _on_loopback(setting, reason) as stage:
            yield stage


@contextlib.asynccontextmanager
async def _on_satellite(setting: Setting) -> AsyncIterator[Stage]:
    with Laboratory(PROFILES[PROFILE]) as lab:
        far, near = lab.far, lab.near
        async with (
            _hub(setting, f"{far.address}:{_HUB_PORT}", far),
            _site(setting, f"{far.address}:{_HUB_PORT}", near) as daemon,
        ):
            line = _LaboratoryLine(lab)
            words = f"the {PROFILE!r} line of the laboratory: 600 ms, 10 Mbit/s, 1 % of all packets lost"
            yield Stage(daemon, line, words, near.entered, line.facts)


@contextlib.asynccontextmanager
async def _on_loopback(setting: Setting, reason: str) -> AsyncIterator[Stage]:
    port = _free_port()
    async with (
        Link(("127.0.0.1", port), delay=LINK_DELAY, rate=LINK_RATE) as link,
        _hub(setting, f"127.0.0.1:{port}", None),
        _site(setting, f"127.0.0.1:{link.port}", None) as daemon,
    ):

        def facts(size: int) -> Facts:
            return [("Over the line", _ratio(link.carried, size))]

        words = (
            f"loopback, made {2 * LINK_DELAY * 1000:.0f} ms long, "
            f"because the satellite line of the laboratory {reason}"
        )
        yield Stage(daemon, link, words, facts=facts)


@contextlib.asynccontextmanager
async def _hub(setting: Setting, listen: str, side: Side | None) -> AsyncIterator[None]:
    """Run the centre and the hub beside it, at the far end when there is one."""
    host = listen.rpartition(":")[0]
    at_centre = setting.authority.issue("centre")
    at_hub = setting.authority.issue("hub", hosts=("localhost", "127.0.0.1", host))
    centre = Centre(at_centre, setting.directory / "centre", setting.arrived)
    with side.entered() if side is not None else contextlib.nullcontext():
        centre.__enter__()
    try:

        def configuration(operator: Path) -> str:
            return configurations.hub(operator, listen=listen, port=centre.port, tls=at_hub)

        prefix = side.prefix if side is not None else ()
        async with Daemon(setting.directory / "hub", configuration, prefix=prefix):
            yield
    finally:
        centre.__exit__(None, None, None)


@contextlib.asynccontextmanager
async def _site(setting: Setting, hub: str, side: Side | None) -> AsyncIterator[Daemon]:
    at_site = setting.authority.issue(configurations.SITE, hosts=(configurations.SITE,))

    def configuration(operator: Path) -> str:
        return configurations.site(operator, hub=hub, tls=at_site, page=setting.page)

    prefix = side.prefix if side is not None else ()
    async with Daemon(setting.directory / "site", configuration, prefix=prefix) as daemon:
        yield daemon


def _free_port() -> int:
    """Return a port that nobody has at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class _LaboratoryLine:
    """The laboratory's line, as the story has it."""

    def __init__(self, lab: Laboratory) -> None:
        self._lab = lab
        self.up = True

    def cut(self) -> None:
        """Let nothing pass."""
        self._lab.cut()
        self.up = False

    def restore(self) -> None:
        """Let everything pass again."""
        self._lab.restore()
        self.up = True

    def facts(self, size: int) -> Facts:
        """What the line has carried for objects of `size` bytes together."""
        counts = self._lab.counts()
        return [
            ("Over the line", _ratio(counts.up.sent_bytes + counts.down.sent_bytes, size)),
            ("Lost on the line", f"{counts.up.lost + counts.down.lost} packets"),
        ]


def _ratio(carried: int, size: int) -> str:
    return f"{carried / 1e6:.1f} MB both ways, all overhead in it, for {size / 1e6:.1f} MB of objects"
