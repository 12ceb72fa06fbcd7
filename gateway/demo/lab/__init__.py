"""A laboratory for long links: two network namespaces, real TCP at both ends, a wire as bad as wanted.

    profiles.py    PURE: what a link is like (geo, leo, dsl ...), as data
    way.py         PURE: one direction of it: queue, rate, delay, jitter, loss; packets in, packets out
    namespaces.py  the kernel's side: a namespace with a TUN device in it
    wire.py        the process between the two ends
    laboratory.py  Laboratory: makes a link, cuts it, reshapes it, reads its counters
    shells.py      two shells in one terminal, one at each end
    __main__.py    `make lab PROFILE=geo`

A packet that a program sends at one end goes through that end's kernel, which has its own TCP with its own
congestion control, over a TUN device to the wire, and from there late, slow, or not at all to the other
end's kernel. Nothing of TCP is imitated. It needs root and /dev/net/tun, and leaves nothing behind.

    near   the clinic: gateway, consoles         far   the centre: hub, OIS, PACS
    up     from near to far                      down  from far to near
"""

from __future__ import annotations

from gateway.demo.lab.laboratory import Laboratory, LaboratoryFailed, Side, missing
from gateway.demo.lab.profiles import PROFILES, Gap, Loss, OneWay, Outage, Profile
from gateway.demo.lab.way import Counts

__all__ = [
    "PROFILES",
    "Counts",
    "Gap",
    "Laboratory",
    "LaboratoryFailed",
    "Loss",
    "OneWay",
    "Outage",
    "Profile",
    "Side",
    "missing",
]
