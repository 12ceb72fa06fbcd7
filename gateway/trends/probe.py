"""One peer while somebody watches: is the way open, now?

Every two seconds a C-ECHO goes over an association of its own, some 300 bytes there and back; the answer
proves the way end to end, and measures it. A way that went dead without a word (a satellite link) shows when
the answer does not come and TCP gets no acknowledgement either; a peer that ended shows at once, because its
machine says so. Neither is said while anything else with this peer still moves: it may only be busy.

One association at most, and none when it could be in the way: many a peer serves one at a time. It is let
go when something is to be delivered; what is on its way says then how things stand. Where others have taken
the peer's room and are idle, a TCP connection that opens and closes has to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.association.association import LOST
from gateway.association.errors import ConnectFailed
from gateway.association.requestor import RequestorAssociation, open_association
from gateway.association.timeouts import RequestorTimeouts
from gateway.association.way import Way
from gateway.dicom.data_set import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.dicom.negotiation import split_contexts
from gateway.dicom.sop_classes import VERIFICATION
from gateway.errors import LocalError, PeerError
from gateway.model import AETitle, Peer
from gateway.notices import Notices
from gateway.reachability import Reach, Reachability
from gateway.traffic import OpenAssociation

_STEP: Final = 0.25
"""Seconds between looks while an answer is awaited."""

_KEPT: Final = 5
"""Round trips that say how long the next one may take."""

_MAX_REDIAL: Final = 30.0
"""Seconds between dials to a peer that ends our association again and again."""


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """How a peer is asked. Times in seconds."""

    interval: float = 2.0  # from one question to the next
    attentive: float | None = None  # that pace lasts so long from when somebody began to look; None: always
    later: float = 60.0  # from one question to the next after that
    margin: float = 1.2  # an answer may take that, and half more than the slowest of the last ones
    unknown: float = 1.0  # a round trip that was never measured
    silent: float = 6.0  # for an answer of a peer whose TCP acknowledges the question
    hope: float = 15.0  # that an association outlives a cut: then its end is faster back than a new one


class Probe:
    """Asks one peer until it is stopped."""

    def __init__(
        self,
        peer: Peer,
        *,
        calling_ae: AETitle,
        notices: Notices,
        reachability: Reachability,
        way_to: Callable[[Peer], Way],
        busy: Callable[[], bool],
        on_answer: Callable[[str, float], None],
        on_dead: Callable[[str, str], None],
        clock: Callable[[], float],
        limits: ProbeLimits | None = None,
    ) -> None:
        """`busy`: objects are on their way to the peer, or about to be, or a person wants something of it.

        `on_answer` is told the peer's name and the round trip, `on_dead` its name and why nothing comes back.
        """
        self._peer = peer
        self._calling_ae = calling_ae
        self._notices = notices
        self._reachability = reachability
        self._way_to = way_to
        self._busy = busy
        self._on_answer = on_answer
        self._on_dead = on_dead
        self._clock = clock
        self._limits = limits or ProbeLimits()
        self._association: RequestorAssociation | None = None
        self._recent: deque[float] = deque(maxlen=_KEPT)
        self._moved: dict[str, int] = {}  # by association of others: what had come when we last looked
        self._life_at = clock()  # when something of others came last
        self._short_lived = 0  # associations in a row that the peer ended before they were of use
        self._dial_at = clock()
        self._dialled_at = clock()
        self._useful: RequestorAssociation | None = None  # the last one that answered a question
        self._turned_away = False  # while others were open
        self._releasing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Ask until cancelled; the association is released then."""
        limits, since = self._limits, self._clock()
        try:
            while True:
                began = self._clock()
                await self._look()
                tired = limits.attentive is not None and began - since >= limits.attentive
                await self._wait_until(began + (limits.later if tired else limits.interval))
        finally:
            self.make_room()
            if self._releasing:
                await asyncio.wait(self._releasing)

    def make_room(self) -> None:
        """Something is to be delivered or tried: ours must not be in the way."""
        own, self._association = self._association, None
        if own is not None and not own.closed:
            task = asyncio.get_running_loop().create_task(own.release(), name=f"room at {self._peer.name}")
            self._releasing.add(task)
            task.add_done_callback(self._releasing.discard)

    # --- one look ------------------------------------------------------------------------------------

    async def _look(self) -> None:
        others = self._others()
        self._note_life(others)
        own = self._association
        if own is not None and not own.established:
            own = self._association = None
        if self._busy():
            self.make_room()
            self._judge_others(others)
        elif own is None:
            outbound = sum(not other.inbound for other in others.values())
            crowded = outbound >= self._peer.max_associations or (outbound and self._turned_away)
            if self._clock() < self._dial_at or self._reachability.down(self._clock()) is not None:
                return
            if crowded:
                await self._knock()
            else:
                await self._dial(bool(outbound))
                own = self._association
        if own is not None and any(one.abstract_syntax == VERIFICATION for one in own.contexts.values()):
            await self._echo(own)

    def _judge_others(self, others: Mapping[str, OpenAssociation]) -> None:
        waits = [other.measure().unacknowledged for other in others.values()]
        patience = self._patience()
        if any(wait >= patience for wait in waits) and self._clock() - self._life_at >= patience:
            self._dead("what was sent is not acknowledged any more", since=self._life_at)

    async def _echo(self, own: RequestorAssociation) -> None:
        since = self._clock()
        told = False  # that the way is dead; the answer may come all the same, when the way is back
        asking = asyncio.ensure_future(own.c_echo())
        try:
            while not asking.done():
                await asyncio.wait((asking,), timeout=_STEP)
                self._note_life(self._others())
                why = None if asking.done() or told else self._given_up(own, since)
                if why is not None:
                    self._dead(why, since=since)
                    told = True
                if told and not asking.done() and self._clock() - since >= self._limits.hope:
                    self._association = None
                    own.abort("aborted here: nothing comes back any more")
                    own.stream.kill()
                    return
        except asyncio.CancelledError:
            # Nobody looks any more. An answer that is on its way spares the peer an abort.
            await asyncio.wait((asking,), timeout=self._patience())
            raise
        finally:
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError, PeerError, LocalError):
                await asking
        if not asking.cancelled() and asking.exception() is None:
            self._useful = own
            self._answered(None if told else self._clock() - since)
        else:
            self._association = None  # it ended: the next look, which is at once, finds out why

    def _given_up(self, own: RequestorAssociation, since: float) -> str | None:
        """Why no answer is to be expected any more; None: wait on."""
        quiet = self._clock() - max(since, self._life_at)
        patience = self._patience()
        if quiet >= patience and own.stream.unacknowledged() >= patience - _STEP:
            return f"nothing has come back for {quiet:.1f} s"
        if quiet >= max(self._limits.silent, patience):
            return f"it takes what is sent, and has not answered for {quiet:.1f} s"
        return None

    async def _knock(self) -> None:
        """Open a TCP connection and close it: there is no room for more."""
        since = self._clock()
        why = f"no answer from {self._peer.host} port {self._peer.port} within {self._patience():.1f} s"
        try:
            async with asyncio.timeout(self._patience()):
                _, writer = await asyncio.open_connection(self._peer.host, self._peer.port)
        except OSError as error:  # TimeoutError is a kind of it
            words = f"cannot reach {self._peer.host} port {self._peer.port}: {error.strerror}"
            self._dead(words if error.strerror else why, since=since)
        else:
            writer.transport.abort()
            self._reachability.succeeded(self._clock())
        finally:
            self._reachability.given_up(self._clock())

    async def _dial(self, others: bool) -> None:
        """Open our association. `others`: some to this peer are open, it may have no room for ours."""
        since = self._dialled_at = self._clock()
        patience = self._patience() + self._limits.unknown
        timeouts = RequestorTimeouts(
            connect=patience, tls=patience, associate=patience + 1, response=30, release=2, stall=30, idle=300
        )
        pairs = [(VERIFICATION, (IMPLICIT_LITTLE, EXPLICIT_LITTLE))]
        try:
            self._association = await open_association(
                self._peer,
                split_contexts(pairs)[0],
                calling_ae=self._calling_ae,
                notices=self._notices,
                timeouts=timeouts,
                way=self._way_to(self._peer),
            )
        except ConnectFailed as error:
            if others and error.phase == "association":
                self._turned_away = True  # it was reached, and has others to serve
            else:
                self._dead(str(error), since=since)
        except (PeerError, LocalError, OSError) as error:
            if isinstance(error, PeerError):
                self._reachability.succeeded(self._clock())  # one that turns us away was reached
            self._turned_away = others
            self._dial_at = self._clock() + self._redial()
        else:
            self._turned_away = False
            self._reachability.succeeded(self._clock())
            # A peer without Verification is watched by TCP alone.
            self._association.stream.probe_after(self._limits.interval / 2)
        finally:
            self._reachability.given_up(self._clock())  # without effect once something was found out

    # --- what comes of it ----------------------------------------------------------------------------

    def _answered(self, seconds: float | None) -> None:
        """`seconds`: the round trip; None when the answer had to wait for the way to come back."""
        self._short_lived = 0
        if seconds is not None:
            self._recent.append(seconds)
            self._reachability.measured(seconds)
        self._reachability.succeeded(self._clock())
        self._on_answer(self._peer.name, seconds if seconds is not None else self._limits.unknown)

    def _dead(self, why: str, *, since: float) -> None:
        self._reachability.failed(self._clock(), why, since=since)
        if self._reachability.state is Reach.DOWN:
            self._on_dead(self._peer.name, why)

    def _patience(self) -> float:
        measured = self._reachability.rtt
        slowest = max(self._recent, default=self._limits.unknown if measured is None else measured)
        return self._limits.margin + 1.5 * slowest

    def _redial(self) -> float:
        self._short_lived += 1
        return min(_MAX_REDIAL, self._limits.interval * 2.0 ** min(self._short_lived, 10))

    # --- others --------------------------------------------------------------------------------------

    def _others(self) -> dict[str, OpenAssociation]:
        """Open associations that we opened to this peer for other purposes."""
        own = self._association.id if self._association is not None else ""
        return {
            key: other
            for key, other in self._notices.open_associations.items()
            if other.peer == self._peer.name and key != own
        }

    def _note_life(self, others: Mapping[str, OpenAssociation]) -> None:
        moved = {}
        for key, other in others.items():
            traffic = other.measure()
            moved[key] = traffic.bytes_in + (traffic.segments_in or 0)
        if any(count > self._moved.get(key, count) for key, count in moved.items()):
            self._life_at = self._clock()
        self._moved = moved

    # --- waiting and ending --------------------------------------------------------------------------

    async def _wait_until(self, due: float) -> None:
        """Sleep; not longer than the association lives."""
        own = self._association
        left = max(0.0, due - self._clock())
        if own is None:
            await asyncio.sleep(left)
            return
        closing = asyncio.ensure_future(own.wait_closed())
        try:
            await asyncio.wait((closing,), timeout=left)
            if closing.done():
                self._ended(own, closing.result().outcome, closing.result().reason)
        finally:
            closing.cancel()

    def _ended(self, own: RequestorAssociation, outcome: str, reason: str) -> None:
        """Our association ended between two questions."""
        self._association = None
        if outcome == LOST and reason.endswith(os.strerror(errno.ETIMEDOUT)):
            self._dead("the peer's machine does not answer any more", since=self._clock())
        elif self._useful is own:
            self._dial_at = self._dialled_at + self._limits.interval
        else:
            self._dial_at = self._clock() + self._redial()
