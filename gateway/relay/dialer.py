"""From what a caller wants of the far end to an association with it: a warm one, a new one, or a prompt no.

A caller hardly waits for a peer that is known to be down: when the time for a trial has come, the caller that
happens to be there begins it, and is told no after a moment if the trial still goes on. Associations with a
user identity are opened for one caller and never used again (PS3.7 D.3.3.7).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.association.association import Closed
from gateway.association.errors import AssociateRejectedError, ConnectFailed
from gateway.association.far import open_far
from gateway.association.timeouts import RequestorTimeouts
from gateway.association.way import Way
from gateway.dicom.negotiation import AssociateRequest, ProposedContext, Rejection, UserIdentity
from gateway.dicom.sop_classes import VERIFICATION, is_registered, is_storage
from gateway.errors import LocalError, PeerError
from gateway.model import AETitle, Peer, Route
from gateway.notices import Notices
from gateway.reachability import Reach, Reachabilities
from gateway.relay.far_end import Far, FarEnd
from gateway.relay.mirror import IMPLICIT_VR_LITTLE_ENDIAN, Mirror, Wanted, far_request, mirror
from gateway.relay.patience import RelayTimeouts, adapted
from gateway.relay.phases import Phases
from gateway.relay.profile import Profile, context_id, profile_of, request_for
from gateway.relay.slots import NoSlot, Slots
from gateway.relay.warm import Warm, WarmPolicy


@dataclass(frozen=True, slots=True)
class RelayPolicy:
    """What may be relayed to one peer at a time, and how long things may take. Seconds and counts."""

    max_associations: int = 8
    max_waiting: int = 16
    wait: float = 10.0
    trial_wait: float = 1.0  # a caller's wait for a peer that was down and is tried again
    timeouts: RelayTimeouts = field(default_factory=RelayTimeouts)
    warm: WarmPolicy = field(default_factory=WarmPolicy)


@dataclass(frozen=True, slots=True)
class NotReached:
    """There is no far association. `rejection` is what the far end itself answered, if it did."""

    reason: str
    rejection: Rejection | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """There is one. `end` is for a session; the mirror for the answer to the caller."""

    end: FarEnd
    mirror: Mirror
    warm: bool


class Dialer:
    """Opens far associations for callers, and keeps those that may be used again."""

    def __init__(
        self,
        peers: Mapping[str, Peer],
        *,
        own_ae: AETitle,
        reachabilities: Reachabilities,
        way_to: Callable[[Peer], Way],
        notices: Notices,
        policy: RelayPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`way_to` gives the way to a peer (association/way.py); `clock` is monotonic."""
        self._peers = peers
        self._own_ae = own_ae
        self._reachabilities = reachabilities
        self._way_to = way_to
        self._notices = notices
        self._policy = policy or RelayPolicy()
        self._clock = clock
        self._slots: dict[str, Slots] = {}
        self._trials: set[asyncio.Task[Far]] = set()
        self.warm = Warm(self._open_profile, reachabilities, policy=self._policy.warm, clock=clock)

    async def close(self) -> None:
        """Let go of what is kept ready; the time-out of a release bounds that."""
        for trial in self._trials:
            trial.cancel()
        await asyncio.gather(*self._trials, return_exceptions=True)
        await self.warm.close()

    def peer_of(self, route: Route) -> Peer:
        """The far end of what is relayed on a route."""
        return self._peers[route.to[0]]

    def calling_title(self, route: Route, calling_ae: str) -> str:
        """The AE title that the far end sees."""
        peer = self.peer_of(route)
        own = self._own_ae if route.calling_upstream == "gateway" else calling_ae
        return peer.calling_ae or own

    async def reach(
        self, route: Route, calling_ae: str, near: AssociateRequest, wanted: Wanted, *, priority: int = 0
    ) -> Reached | NotReached:
        """Find or open an association for what a caller wants. Takes no longer than the policy says."""
        peer = self.peer_of(route)
        title = self.calling_title(route, calling_ae)
        request = far_request(
            near,
            wanted,
            called_ae=peer.ae_title,
            calling_ae=title,
            with_identity=peer.tls is not None,
        )
        profile = profile_of(peer.name, title, request.contexts, request)
        slots = self._slots_of(peer)
        reachability = self._reachabilities.of(peer.name)
        known_down = reachability.reason(self._clock())
        if known_down is not None:
            return NotReached(known_down)
        try:
            await slots.acquire(priority)
        except NoSlot as error:
            return NotReached(f"no place for another association with {peer.name}: {error}")
        try:
            found = await self._find(profile, request.user_identity)
        except PeerError as error:
            slots.release()
            return NotReached(_words(error), _rejection(error))
        except BaseException:
            slots.release()
            raise
        if isinstance(found, NotReached):
            slots.release()
            return found
        far, indexes, warm = found
        return self._reached(far, profile, wanted, [context_id(index) for index in indexes], warm)

    async def _find(
        self, profile: Profile, identity: UserIdentity | None
    ) -> tuple[Far, Sequence[int], bool] | NotReached:
        """Return an association, which of its contexts serve the profile's, and whether it was open."""
        kept = self.warm.take(profile) if _keepable(profile) else None
        if kept is not None:
            return *kept, True
        reachability = self._reachabilities.of(profile.peer)
        was_down = reachability.state in (Reach.DOWN, Reach.TRIAL)
        known_down = reachability.down(self._clock())
        if known_down is not None:
            return NotReached(known_down)
        if was_down:
            far = await self._try(profile, identity)
            if far is None:
                return NotReached(f"{profile.peer} was out of reach, and is being tried again now")
        else:
            far = await self._dial(profile, identity)
        if _keepable(profile):
            self.warm.learned(far)
        return far, range(len(profile.contexts)), False

    async def _try(self, profile: Profile, identity: UserIdentity | None) -> Far | None:
        """Dial a peer that was down; None when that takes longer than a caller is to wait for it.

        The trial goes on then: what it opens is kept for the next caller. Raises PeerError when it failed.
        """
        trial = asyncio.get_running_loop().create_task(self._dial(profile, identity), name="trial")
        self._trials.add(trial)
        trial.add_done_callback(self._trials.discard)
        try:
            await asyncio.wait((trial,), timeout=self._policy.trial_wait)
        finally:
            if not trial.done():
                trial.add_done_callback(self._trial_ended)
        return trial.result() if trial.done() else None

    def _trial_ended(self, trial: asyncio.Task[Far]) -> None:
        """Nobody waits for it any more."""
        if trial.cancelled() or trial.exception() is not None:
            return  # reachability was told why
        far = trial.result()
        if _keepable(far.profile):
            self.warm.learned(far)
            self.warm.give_back(far)
        else:
            self.warm.release_soon(far)

    async def echo(self, route: Route, calling_ae: str) -> str | None:
        """Ask the far end whether it is there. None: it answered; else why not, in words."""
        verification = ProposedContext(1, VERIFICATION, (IMPLICIT_VR_LITTLE_ENDIAN,))
        near = AssociateRequest(called_ae=route.called, calling_ae=calling_ae, contexts=(verification,))
        reached = await self.reach(route, calling_ae, near, Wanted((verification,)))
        if isinstance(reached, NotReached):
            return reached.reason
        far = reached.end.association
        words: str | None = None
        try:
            async with asyncio.timeout(reached.end.timeouts.connect):
                seconds = await far.echo()
        except TimeoutError:
            words = f"{far.peer} did not answer C-ECHO within {reached.end.timeouts.connect:g} s"
            self._reachabilities.of(far.peer).failed(self._clock(), words)
        except (PeerError, LocalError) as error:
            words = str(error)
        except BaseException:
            far.abort("aborted here: the caller went away")
            reached.end.done(far, False)
            raise
        else:
            self._reachabilities.of(far.peer).measured(seconds)
        reached.end.done(far, words is None)
        return words

    def _slots_of(self, peer: Peer) -> Slots:
        policy = self._policy
        if peer.name not in self._slots:
            self._slots[peer.name] = Slots(policy.max_associations, policy.max_waiting, policy.wait)
        return self._slots[peer.name]

    def _reached(self, far: Far, profile: Profile, wanted: Wanted, ids: list[int], warm: bool) -> Reached:
        near_ids = [context.context_id for context in wanted.contexts]
        mirrored = mirror(near_ids, ids[: len(near_ids)], far.answer)
        accepted = {near: far.context_id for near, far in mirrored.contexts.items() if far.accepted}
        reachability = self._reachabilities.of(far.peer)
        since = self._clock()
        end = FarEnd(
            association=far,
            contexts=accepted,
            timeouts=adapted(self._policy.timeouts, reachability.rtt_bound),
            done=self._done,
            lost=lambda closed: self._lost(far, closed, since),
        )
        return Reached(end, mirrored, warm)

    def _done(self, far: Far, reusable: bool) -> None:
        self._slots[far.peer].release()
        if reusable and _keepable(far.profile):
            self.warm.give_back(far)
        else:
            self.warm.release_soon(far)

    def _lost(self, far: Far, closed: Closed, since: float) -> None:
        """It ended in use. That it was opened well says nothing against that, whatever it said since."""
        last_good = max(since, far.heard_at)
        self._reachabilities.of(far.peer).failed(self._clock(), closed.reason, since=last_good)

    async def _open_profile(self, profile: Profile) -> Far:
        """Open an association for nobody yet (the opener of `Warm`), and use it once.

        On a long link the far end's TCP answers the first exchange of a connection in two round trips, and
        every later one in one: it paces what it sends only after it has seen an acknowledgement.
        """
        far = await self._dial(profile, None)
        with contextlib.suppress(LocalError):  # it does not take C-ECHO
            self._reachabilities.of(far.peer).measured(await far.echo())
        return far

    async def _dial(self, profile: Profile, identity: UserIdentity | None) -> Far:
        """Dial, and note what that says about the way to the peer. Raises PeerError."""
        peer = self._peers[profile.peer]
        reachability = self._reachabilities.of(peer.name)
        timeouts = adapted(self._policy.timeouts, reachability.rtt_bound)
        since = self._clock()
        phases = Phases(self._clock)
        try:
            async with asyncio.timeout(timeouts.connect):
                far = await open_far(
                    peer,
                    request_for(profile, peer.ae_title, user_identity=identity),
                    profile=profile,
                    notices=self._notices,
                    timeouts=_requestor_timeouts(timeouts),
                    way=self._way_to(peer),
                    on_phase=phases.begin,
                )
        except TimeoutError:
            words = f"{peer.name} did not open an association within {timeouts.connect:g} s"
            reachability.failed(self._clock(), words, since=since)
            raise ConnectFailed(phases.current, words) from None
        except ConnectFailed as error:
            reachability.failed(self._clock(), str(error), since=since)
            raise
        except PeerError:
            reachability.succeeded(self._clock())  # it does not want us, but it is there
            raise
        except asyncio.CancelledError:
            reachability.given_up(self._clock())
            raise
        phases.begin("open")
        if phases.round_trip is not None:
            reachability.measured(phases.round_trip)
        reachability.succeeded(self._clock())
        return far


def _keepable(profile: Profile) -> bool:
    """Say whether an association for this may serve another caller.

    Not one with a user identity. And not one on which objects are sent: a console may serve one association
    at a time, and the next one waits for the release of this.
    """
    as_scp_only = {uid for uid, scu, _ in profile.roles if not scu}
    sends = any(
        is_storage(uid) and is_registered(uid) and uid not in as_scp_only for uid, _ in profile.contexts
    )
    return not profile.personal and not sends


def _requestor_timeouts(timeouts: RelayTimeouts) -> RequestorTimeouts:
    return RequestorTimeouts(
        connect=timeouts.connect,
        tls=timeouts.connect,
        associate=timeouts.connect,
        response=timeouts.response,
        release=timeouts.release,
        stall=timeouts.stall,
        idle=timeouts.idle,
    )


def _words(error: PeerError) -> str:
    if isinstance(error, AssociateRejectedError):
        return f"the far end rejects the association: {error.words}"
    return str(error)


def _rejection(error: PeerError) -> Rejection | None:
    if isinstance(error, AssociateRejectedError):
        return Rejection(error.result, error.source, error.diagnostic, error.words)
    return None
