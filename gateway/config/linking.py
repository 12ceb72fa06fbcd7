"""The sections for the gateway link: at a site, the hub it dials; at a hub, the sites that may come.

Names and defaults of limits are those of the rooms that use them (a test compares them); bounds are here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from gateway.config.kinds import HOST, NAME, Doc, FileName, Place, PlaceKind, Title
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
class Link(Section):
    """The link between gateways: a site dials its hub (`hub`), a hub takes its sites (`listen`)."""

    hub: Annotated[
        Place | None, PlaceKind(listen=False), Doc("At a site: the hub to dial, and to stay connected with.")
    ] = None
    listen: Annotated[
        Place | None, PlaceKind(listen=True), Doc("At a hub: where the sites' links arrive.")
    ] = None
    tls: Annotated[LinkTls, Doc("Certificates of the link. There is no link without TLS.")]


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
