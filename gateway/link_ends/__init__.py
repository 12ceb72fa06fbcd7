"""The link's end at this gateway, whichever it is, built as one. A part of the composition.

    surroundings.py   what every end is given
    nothing.py        a gateway without a link
    site.py           at a site: the link to its hub
    hub.py            at a hub: the links of its sites

What an end needs is imported when there is one: a gateway without a link carries none of it.
"""

from __future__ import annotations

from gateway.config.schema import Config
from gateway.link_ends.surroundings import LinkEnd, Surroundings

__all__ = ["LinkEnd", "Surroundings", "link_end"]


async def link_end(config: Config, around: Surroundings) -> LinkEnd:
    """Return the end that `config` asks for. Raises LocalError naming a file at fault."""
    link = config.link
    if link is not None and link.hub is not None:
        from gateway.link_ends.site import SiteEnd

        return await SiteEnd.make(link, link.hub, around)
    if link is not None and link.listen is not None:
        from gateway.link_ends.hub import HubEnd

        return await HubEnd.make(link, link.listen, around)
    from gateway.link_ends.nothing import NoLink

    return NoLink()
