"""Alarms that are raised once, and again only after the trouble was over in between."""

from __future__ import annotations

from gateway.notices import Alarm, Notices


class Troubles:
    """What is wrong with which peer."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._known: set[tuple[str, str]] = set()

    def alarm(self, peer: str, code: str, text: str) -> None:
        """Tell of a trouble of `peer`, unless it has been told and is not over."""
        if (peer, code) not in self._known:
            self._known.add((peer, code))
            self._notices.publish(Alarm(code, text))

    def over(self, peer: str, *codes: str) -> None:
        """These troubles of `peer` have passed."""
        self._known.difference_update((peer, code) for code in codes)
