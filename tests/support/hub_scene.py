"""A clinic's gateway, a hub and the link between them, all in processes of their own, as they are run.

    console ─▶ site ═══ link ═══▶ hub ─▶ CENTRE
    LINAC1  ◀─ site ◀═══ link ═══ hub ◀─ the centre

What the clinic sends to CENTRE goes through the hub; what the centre sends to LINAC1 comes down the link.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.certs import Authority
from tests.support.gateway_process import GatewayProcess, Toml, peer, tls_table
from tests.support.ports import free_port

SITE = "clinic-07"
CENTRE = "centre"  # the name of the peer, at the site and at the hub


@dataclass(frozen=True, slots=True)
class Place:
    """Where a link begins or ends."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def here() -> Place:
    """A place on loopback that is free."""
    return Place("127.0.0.1", free_port())


def hub(
    directory: Path,
    authority: Authority,
    place: Place,
    *,
    centre_port: int,
    centre: Toml | None = None,
    sites: Mapping[str, Toml] | None = None,
    peers: Sequence[Toml] = (),
    routes: Sequence[Toml] = (),
    sections: Mapping[str, Toml] | None = None,
    state_dir: Path | None = None,
    **more: Any,
) -> GatewayProcess:
    """Return a hub that takes `sites` at `place`. The centre's systems call it on its `port`.

    `sites`: what each may do, by name. The first site's LINAC1 can be called by the centre. `centre`: more
    keys of the peer that is the centre.
    """
    sites = sites or {SITE: {"calls": ["CENTRE"], "calling": ["LINAC1", "GATEWAY"]}}
    first = next(iter(sites))
    return GatewayProcess(
        directory,
        peers=[
            peer(CENTRE, "CENTRE", centre_port, **(centre or {})),
            {"name": "linac1", "ae_title": "LINAC1", "via": first},
            {"name": "site", "ae_title": "GATEWAY", "via": first},
            *peers,
        ],
        routes=[
            {"called": "CENTRE", "to": [CENTRE]},
            {"called": "LINAC1", "to": ["linac1"], "mode": "relay"},
            *routes,
        ],
        sections={
            "gateway": {"name": "hub", "ae_title": "HUB", "state_dir": state_dir or directory / "state"},
            "link": {
                "listen": place,
                "tls": tls_table(authority.issue("hub", hosts=[place.host]), of_peer=False),
            },
            "site": [{"name": name, **rules} for name, rules in sites.items()],  # type: ignore[dict-item]
            **(sections or {}),
        },
        state_dir=state_dir,
        **more,
    )


def site(
    directory: Path,
    authority: Authority,
    place: Place,
    *,
    name: str = SITE,
    console_port: int | None = None,
    centre: Toml | None = None,
    sections: Mapping[str, Toml] | None = None,
    link: Toml | None = None,
    state_dir: Path | None = None,
    **more: Any,
) -> GatewayProcess:
    """Return a clinic's gateway; its hub is at `place`. Its console LINAC1 listens on `console_port`."""
    console = peer("console1", "LINAC1", console_port or free_port())
    return GatewayProcess(
        directory,
        peers=[{"name": CENTRE, "ae_title": "CENTRE", "via": "hub", **(centre or {})}, console],
        routes=[
            {"called": "CENTRE", "to": [CENTRE]},
            {"called": "LINAC1", "to": ["console1"], "mode": "relay"},
        ],
        sections={
            "gateway": {"name": name, "ae_title": "GATEWAY", "state_dir": state_dir or directory / "state"},
            "link": {
                "hub": place,
                "tls": tls_table(authority.issue(name, hosts=[name]), of_peer=False),
                **(link or {}),
            },
            **(sections or {}),
        },
        state_dir=state_dir,
        **more,
    )


@dataclass(frozen=True, slots=True)
class Pair:
    """A clinic and its hub."""

    site: GatewayProcess
    hub: GatewayProcess
    console_port: int

    def wait_linked(self, timeout: float = 30.0) -> None:
        """Return once the link is up: an answer of the hub's comes back over it."""
        self.site.wait("the link is up", lambda: self.site.destination(CENTRE)["link"] == "online", timeout)


@contextlib.contextmanager
def linked(
    directory: Path,
    *,
    centre_port: int,
    console_port: int | None = None,
    hub_options: Mapping[str, Any] | None = None,
    site_options: Mapping[str, Any] | None = None,
) -> Iterator[Pair]:
    """Run a hub and a site on loopback."""
    directory.mkdir(parents=True, exist_ok=True)
    authority, place, console_port = Authority.create(directory), here(), console_port or free_port()
    the_hub = hub(directory / "hub", authority, place, centre_port=centre_port, **(hub_options or {}))
    the_site = site(directory / "site", authority, place, console_port=console_port, **(site_options or {}))
    with the_hub, the_site:
        yield Pair(the_site, the_hub, console_port)
