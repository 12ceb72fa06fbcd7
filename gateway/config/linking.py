"""The sections for the gateway link: at a site, the hub it dials; at a hub, the sites that may come.

Names and defaults of limits are those of the rooms that use them (a test compares them); bounds are here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from gateway.config.kinds import (
    HOST,
    NAME,
    ByteSize,
    Doc,
    Duration,
    FileName,
    Place,
    PlaceKind,
    Title,
    Whole,
)
from gateway.config.limits import DAY, GIB, HOUR, KIB, MIB
from gateway.config.section import Section
from gateway.model import AETitle

HUB = "hub"
"""What a site's peers write for the way through the hub: `via = "hub"`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTls(Section):
    """TLS 1.3 on the link. Both sides show a certificate; a site's says which site it is."""

    certificate: Annotated[
        Path, FileName(), Doc("Our certificate in PEM. A site's carries the site's name (DNS name, else CN).")
    ]
    key: Annotated[Path, FileName(), Doc("Private key of the certificate in PEM, without a passphrase.")]
    ca: Annotated[Path, FileName(), Doc("Certificates of the authorities we trust for the other side, PEM.")]
    server_name: Annotated[
        str | None, HOST, Doc("Name the hub's certificate must carry, when it is not the host of `hub`.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkBounds(Section):
    """What the other end of the link can make us hold or wait for. The defaults suit every line known."""

    payload: Annotated[
        int, ByteSize(KIB, 32 * KIB), Doc("Longest piece that we send: what a record may have to wait for.")
    ] = 16 * KIB
    max_payload: Annotated[int, ByteSize(16 * KIB, 60 * KIB), Doc("Longest piece that we take.")] = 32 * KIB
    record_window: Annotated[
        int,
        ByteSize(256 * KIB, 64 * MIB),
        Doc("Bytes of records on their way to us or waiting here, at first."),
    ] = MIB
    image_window: Annotated[int, ByteSize(256 * KIB, 64 * MIB), Doc("The same for single images.")] = 2 * MIB
    bulk_window: Annotated[int, ByteSize(256 * KIB, 64 * MIB), Doc("The same for volumes.")] = 2 * MIB
    stream_window: Annotated[
        int, ByteSize(64 * KIB, 64 * MIB), Doc("The same for each association that is passed through.")
    ] = 256 * KIB
    max_window: Annotated[
        int, ByteSize(256 * KIB, 256 * MIB), Doc("A window grows up to here when a fast, long line needs it.")
    ] = 8 * MIB
    max_transfers: Annotated[
        int, Whole(64, 10_000), Doc("Objects that a site may offer before their receipts, at a time.")
    ] = 256
    max_streams: Annotated[
        int, Whole(8, 10_000), Doc("Associations that the other end may open over one link, at a time.")
    ] = 64
    max_reports: Annotated[
        int, Whole(64, 10_000), Doc("Reports about objects that may be under way to a site, at a time.")
    ] = 256
    keepalive: Annotated[
        float, Duration(5, HOUR), Doc("An idle site asks for a sign of life this often; some 300 bytes each.")
    ] = 50.0
    busy_ping: Annotated[float, Duration(0.5, 60), Doc("The same while something is under way.")] = 2.0
    grace: Annotated[
        float,
        Duration(0.5, 300),
        Doc("Dead is a link that owes an answer for 3 round trips and this time."),
    ] = 5.0
    hello_timeout: Annotated[
        float, Duration(1, 300), Doc("For the other end to say hello on a new connection.")
    ] = 15.0
    at_once: Annotated[
        int, Whole(1, 64), Doc("Large objects of one priority that take turns on the line, at a time.")
    ] = 2
    ahead: Annotated[
        int, ByteSize(16 * KIB, MIB), Doc("Small objects that are compressed before they can leave.")
    ] = 64 * KIB
    max_turns: Annotated[int, Whole(2, 100), Doc("How often one offered object may begin anew.")] = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDialling(Section):
    """At a site: how its hub is dialled, and how much is offered to it at a time."""

    connect: Annotated[
        float, Duration(0.5, HOUR), Doc("For the hub's name to be found, and for each address to answer.")
    ] = 10.0
    handshake: Annotated[float, Duration(0.5, HOUR), Doc("From there until the link can be used.")] = 15.0
    first: Annotated[
        float, Duration(0.01, HOUR), Doc("Longest wait before a link that was good is dialled again.")
    ] = 1.0
    most: Annotated[
        float, Duration(0.1, HOUR), Doc("Longest wait at all, while the network is the trouble.")
    ] = 30.0
    refused_most: Annotated[
        float, Duration(0.1, DAY), Doc("The same, while the hub refuses us or we refuse it.")
    ] = 300.0
    good: Annotated[float, Duration(1, DAY), Doc("A link that was up for this long was good.")] = 30.0
    max_small: Annotated[
        int, Whole(1, 10_000), Doc("Objects up to 64 KiB that are offered and not answered, at a time.")
    ] = 256
    max_small_total_bytes: Annotated[int, ByteSize(64 * KIB, 256 * MIB), Doc("What these have together.")] = (
        4 * MIB
    )
    max_large: Annotated[
        int, Whole(1, 256), Doc("Larger objects of one priority that are offered and not answered.")
    ] = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSites(Section):
    """At a hub: what connections may cost, and what each site may leave unfinished."""

    max_connections: Annotated[
        int, Whole(1, 100_000), Doc("Connections of all sites, and of whoever has not said who it is.")
    ] = 512
    max_strangers: Annotated[int, Whole(1, 10_000), Doc("Of these, those in their handshake.")] = 64
    handshake: Annotated[
        float, Duration(0.5, HOUR), Doc("For a connection to complete TLS and the upgrade.")
    ] = 15.0
    max_offered: Annotated[
        int, Whole(1, 100_000), Doc("Objects of one site that are under way to the hub at a time.")
    ] = 512
    max_unfinished: Annotated[
        int, Whole(1, 100_000), Doc("Large objects of one site that were begun and are not whole.")
    ] = 64
    max_unfinished_total_bytes: Annotated[int, ByteSize(1 * MIB), Doc("What these may become together.")] = (
        16 * GIB
    )
    keep_unfinished: Annotated[
        float, Duration(60), Doc("How long one is kept that the site does not go on with.")
    ] = 14 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Link(Section):
    """The link between gateways: a site dials its hub (`hub`), a hub takes its sites (`listen`)."""

    hub: Annotated[
        Place | None, PlaceKind(listen=False), Doc("At a site: the hub to dial, and to stay connected with.")
    ] = None
    listen: Annotated[
        Place | None, PlaceKind(listen=True), Doc("At a hub: where the sites' links arrive.")
    ] = None
    tls: Annotated[LinkTls, Doc("Certificates of the link. There is no link without TLS.")]
    limits: LinkBounds = field(default_factory=LinkBounds)
    dialling: LinkDialling = field(default_factory=LinkDialling)
    each_site: LinkSites = field(default_factory=LinkSites)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site(Section):
    """At a hub: a site that may connect, and what its consoles may reach."""

    name: Annotated[str, NAME, Doc("Name of the site, as the certificate of its link says.")]
    calls: Annotated[
        tuple[Annotated[AETitle, Title()], ...],
        Doc("Called AE titles that may be reached from this site; their routes say where objects go."),
    ]
    calling: Annotated[
        tuple[Annotated[AETitle, Title()], ...] | None,
        Doc("Calling AE titles that this site may use. Without it, every one."),
    ] = None
