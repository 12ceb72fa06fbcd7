"""Which association is welcome, and where its objects go. Pure: titles in, an answer out.

PS3.8 7.1.1.9: the acceptor rejects with a result, a source and a reason. The texts are for the log.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from gateway.dicom.negotiation import Rejection
from gateway.model import AETitle, Route

REJECTED_PERMANENT = 1
SOURCE_USER = 1
REASON_CALLING_AE_NOT_RECOGNIZED = 3
REASON_CALLED_AE_NOT_RECOGNIZED = 7


@dataclass(frozen=True, slots=True)
class OwnTitle:
    """The gateway itself is called: it answers C-ECHO, and takes no objects."""

    title: AETitle


class Routing(Protocol):
    """What is reached from where: a whole table, or what of it is open to some."""

    def resolve(self, called: str, calling: str) -> Route | OwnTitle | Rejection:
        """Return what the caller gets: a route, our own title, or a refusal."""


class RoutingTable:
    """The routes by called AE title. Immutable; a new configuration makes a new table."""

    def __init__(
        self, routes: Iterable[Route], own_title: AETitle, also_ours: Iterable[AETitle] = ()
    ) -> None:
        """Several routes may share a called title as long as their calling titles tell them apart.

        `also_ours`: further titles that we call peers by, and that they may call back. A route for such a
        title comes first.
        """
        self._own = frozenset({own_title, *also_ours})
        self._by_called: dict[str, list[Route]] = {}
        for route in routes:
            self._by_called.setdefault(route.called, []).append(route)

    def resolve(self, called: str, calling: str) -> Route | OwnTitle | Rejection:
        """Return what the caller gets: the first route that admits it, our own title, or a refusal.

        Titles are compared exactly, without insignificant spaces (PS3.5 6.2 VR AE: case matters).
        """
        called, calling = called.strip(" "), calling.strip(" ")
        routes = self._by_called.get(called, [])
        for route in routes:
            if route.calling is None or calling in route.calling:
                return route
        if called in self._own:
            # A route for our own title restricts objects, not C-ECHO: a link test must always work.
            return OwnTitle(AETitle(called))
        if routes:
            return Rejection(
                REJECTED_PERMANENT,
                SOURCE_USER,
                REASON_CALLING_AE_NOT_RECOGNIZED,
                f"calling AE title {calling!r} is not allowed to send to {called!r}",
            )
        return Rejection(
            REJECTED_PERMANENT,
            SOURCE_USER,
            REASON_CALLED_AE_NOT_RECOGNIZED,
            f"no route for called AE title {called!r} (caller {calling!r})",
        )
