"""The warm associations of one peer: which to keep, to ask whether they live, to open again, to let go.

Everything that happens leads to `review`, which looks at all of it, does what is due, and sets one timer for
the next moment at which something will be. Nothing polls.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic

from gateway.association.errors import AssociationAborted, ConnectFailed, ProtocolViolation
from gateway.errors import LocalError, PeerError
from gateway.reachability import Reachability
from gateway.relay.keepable import F, Opener, WarmPolicy, of_use
from gateway.relay.learning import Learning
from gateway.relay.profile import Profile, covering, negotiated


@dataclass(slots=True, eq=False)
class _Idle(Generic[F]):
    far: F
    since: float
    heard: float  # when it was last known to live
    can_echo: bool = True
    unwanted: bool = False
    echo: asyncio.Task[None] | None = None


class Keeper(Generic[F]):
    """Keeps the associations of one peer. Belongs to one event loop."""

    def __init__(
        self,
        opener: Opener[F],
        reachability: Reachability,
        policy: WarmPolicy,
        clock: Callable[[], float],
    ) -> None:
        self._opener = opener
        self._reachability = reachability
        self._policy = policy
        self._clock = clock
        self._learning = Learning(policy.learned, policy.learning)
        self._idle: list[_Idle[F]] = []
        self._out: dict[F, float] = {}  # held by callers, and since when
        self._opening: dict[asyncio.Task[None], Profile] = {}
        self._ending: dict[asyncio.Task[None], F] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def __len__(self) -> int:
        """How many are ready for a caller."""
        return sum(idle.far.usable and idle.echo is None for idle in self._idle)

    # --- callers -------------------------------------------------------------------------------------

    def take(self, wanted: Profile) -> tuple[F, tuple[int, ...]] | None:
        """Hand out an idle one that covers `wanted`, with the mapping of `covering`, or None."""
        now = self._clock()
        fitting = [
            (idle.far.profile != wanted, len(idle.far.profile.contexts), -idle.since, order, idle, mapping)
            for order, idle in enumerate(self._idle)
            if idle.far.usable
            and idle.echo is None  # one operation at a time: it would have to wait for the answer
            and not idle.unwanted
            and (mapping := covering(wanted, idle.far.profile)) is not None
        ]
        if not fitting or not wanted.contexts:
            return None  # the caller will dial itself: `learned` is told
        *_, idle, mapping = min(fitting)
        self._idle.remove(idle)
        self._learning.begun(idle.far.profile, now)
        self._learning.outlived(now - idle.since)
        self._hand_out(idle.far, now)
        return idle.far, mapping

    def learned(self, far: F) -> None:
        """A caller opened `far` itself, and holds it."""
        now = self._clock()
        self._learning.begun(far.profile, now)
        self._compare(far, now, asked=True)
        self._hand_out(far, now)

    def give_back(self, far: F) -> None:
        """A caller is done with `far`, which is between operations; it may be over."""
        if any(idle.far is far for idle in self._idle):
            raise LocalError("an association was given back twice")
        self._out.pop(far, None)
        now = self._clock()
        self._learning.ended(far.profile, far.answer, now)
        self._shelve(far, now)
        self.review()

    def let_go(self, far: F) -> None:
        """Release `far` in the background; nobody is to have it again. It may be over."""
        self._out.pop(far, None)
        far.on_gone = None
        if far.usable:
            task = self._spawn(far.release(), "release")
            self._ending[task] = far
            task.add_done_callback(lambda task: self._ending.pop(task, None))

    def changed(self, up: bool) -> None:
        """The peer came up, or is said to be down."""
        if self._closed:
            return
        if up:
            self._learning.forgive()
        else:
            # What is open may show at once that it is not so: cheaper than to wait and dial.
            for idle in reversed(self._idle):
                if idle.can_echo and idle.echo is None:
                    self._ask(idle)
                    break
        self.review()

    async def close(self) -> None:
        """Let everything go and wait for it, within the policy's bound."""
        self._closed = True
        self._set_timer(None)
        for idle in self._idle:
            if idle.echo is None:
                self.let_go(idle.far)
        asking = [idle.echo for idle in self._idle if idle.echo is not None]
        self._idle.clear()
        given_up = [*self._opening, *asking]
        for task in given_up:
            task.cancel()
        if tasks := {*given_up, *self._ending}:
            await asyncio.wait(tasks, timeout=self._policy.close)
        late = dict(self._ending)
        for task, far in late.items():
            far.abort()
            task.cancel()
        if late:
            await asyncio.wait(late)

    # --- what there is -------------------------------------------------------------------------------

    def _hand_out(self, far: F, now: float) -> None:
        far.on_gone = lambda: self._given_up(far)
        self._out[far] = now
        self.review()

    def _shelve(self, far: F, now: float) -> None:
        """Put `far` among the idle ones, if it is of use there."""
        agrees = self._learning.agrees(far.profile, far.answer)
        if self._closed or not of_use(far) or not agrees:
            self.let_go(far)
            return
        if not far.usable:
            return
        idle = _Idle(far, now, now)
        far.on_gone = lambda: self._gone(idle)
        self._idle.append(idle)

    def _given_up(self, far: F) -> None:
        """One that a caller had ended."""
        self._out.pop(far, None)
        self.review()

    def _gone(self, idle: _Idle[F]) -> None:
        """An idle one began to end, and not by us."""
        if idle not in self._idle:
            return
        self._idle.remove(idle)
        if idle.echo is None:  # else that knows more
            now = self._clock()
            self._learning.dropped(now, now - idle.since)
            self.review()

    def _retire(self, idle: _Idle[F]) -> None:
        """Let an idle one go; when it is just being asked, as soon as that is over."""
        idle.unwanted = True
        if idle.echo is None:
            self._idle.remove(idle)
            self.let_go(idle.far)

    def _near(self) -> bool:
        """So near that opening anew costs nothing worth saving."""
        rtt = self._reachability.rtt
        return rtt is not None and rtt < self._policy.warm_above

    def _compare(self, far: F, now: float, *, asked: bool) -> None:
        """Learn the answer. Idle ones that got another one to this profile are out of date: release them."""
        if self._learning.answered(far.profile, far.answer, now, asked=asked):
            new = negotiated(far.answer)
            for idle in tuple(self._idle):
                if idle.far.profile == far.profile and negotiated(idle.far.answer) != new:
                    self._retire(idle)

    # --- what is due ---------------------------------------------------------------------------------

    def review(self) -> None:
        """Do what is due, and set the timer for what will be."""
        if self._closed:
            return
        now = self._clock()
        if self._near():
            for idle in tuple(self._idle):
                self._retire(idle)
            self._set_timer(None)
            return
        for idle in tuple(self._idle):
            # One that cannot be asked: nobody knows whether it still lives.
            if idle.unwanted or (not idle.can_echo and idle.since + self._policy.warm_hold <= now):
                self._retire(idle)
        self._out = {far: since for far, since in self._out.items() if far.usable}
        kept, missing, dues = self._plan(now)
        surplus = sorted((idle for idle in self._idle if idle not in kept), key=lambda idle: idle.since)
        excess = len(self._idle) + len(self._opening) + len(missing) - self._policy.max_warm
        for number, idle in enumerate(surplus):
            if number < excess or idle.since + self._policy.warm_hold <= now:
                self._retire(idle)
        room = self._policy.max_warm - len(self._idle) - len(self._opening)
        for profile in missing[: max(0, room)]:
            self._open(profile, now)
        for task in list(self._opening)[: max(0, -room)]:
            task.cancel()  # meanwhile callers gave back what fills the places
        self._set_timer(min([*dues, *self._dues(kept, now)], default=None))

    def _plan(self, now: float) -> tuple[dict[_Idle[F], Profile], list[Profile], list[float]]:
        """Return which idle ones to keep and for what, for what to open more, and when to look again."""
        left = sorted((idle for idle in self._idle if not idle.unwanted), key=lambda idle: -idle.since)
        opening = list(self._opening.values())
        kept: dict[_Idle[F], Profile] = {}
        missing: list[Profile] = []
        dues: list[float] = []
        places = self._policy.max_warm
        for profile in self._learning.wanted(now):
            if places <= 0:
                break
            serving = [idle for idle in left if covering(profile, idle.far.profile) is not None]
            if serving:
                best = min(serving, key=lambda idle: len(idle.far.profile.contexts))
                left.remove(best)
                kept[best] = profile
            elif profile in opening:
                opening.remove(profile)
            elif (moment := self._moment(profile, now, len(missing))) is None:
                continue
            elif moment > now:
                dues.append(moment)
            else:
                missing.append(profile)
            places -= 1
        return kept, missing, dues

    def _moment(self, profile: Profile, now: float, missing: int) -> float | None:
        """When one more may be opened for `profile`, which has none idle; None when not before it is used."""
        opens_at = self._learning.opens_at(profile)
        if opens_at == math.inf:
            return None
        if any(covering(profile, far.profile) is not None for far in self._out):
            # It is in use, and comes back: a spare one is for callers who come together, and never at the
            # cost of another profile.
            hold = self._policy.warm_hold
            back_soon = sum(now - since <= hold for since in self._out.values())
            filled = len(self._idle) + len(self._opening) + missing + back_soon
            if filled >= self._policy.max_warm or not self._learning.often(profile, hold):
                return None
        return max(opens_at, self._reachability.next_try(now) or now)

    def _dues(self, kept: Mapping[_Idle[F], Profile], now: float) -> Iterator[float]:
        """The moments at which something is due with what is idle; what is due already is begun."""
        policy = self._policy
        for idle in self._idle:
            if idle.echo is not None:
                continue  # its end is looked at
            if idle.can_echo and idle.heard + policy.keepalive <= now:
                self._ask(idle)
            elif idle.can_echo and idle in kept:
                yield min(idle.heard + policy.keepalive, self._learning.until(kept[idle]))
            elif idle.can_echo:
                yield min(idle.heard + policy.keepalive, idle.since + policy.warm_hold)
            else:
                yield idle.since + policy.warm_hold

    def _set_timer(self, due: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            wait = max(0.0, due - self._clock())
            self._timer = asyncio.get_running_loop().call_later(wait, self.review)

    # --- in the background ---------------------------------------------------------------------------

    def _open(self, profile: Profile, now: float) -> None:
        if self._reachability.down(now) is None:
            task = self._spawn(self._run_opening(profile), "open")
            self._opening[task] = profile
            task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        del self._opening[task]
        if not task.cancelled():  # else nothing is missing, or everything ends
            self.review()

    async def _run_opening(self, profile: Profile) -> None:
        reachability, since = self._reachability, self._clock()
        try:
            far = await self._opener(profile)
        except ConnectFailed as error:
            now = self._clock()
            reachability.failed(now, str(error), since=since)
            if reachability.reason(now) is None:  # others get through meanwhile: it is us it does not want
                self._learning.refused(profile, now)
        except (PeerError, LocalError, OSError):  # OSError: no descriptor left, and the like
            self._learning.refused(profile, self._clock())
        else:
            now = self._clock()
            reachability.succeeded(now)
            self._compare(far, now, asked=False)
            self._shelve(far, now)
        finally:
            reachability.given_up(self._clock())  # without effect once something was found out

    def _ask(self, idle: _Idle[F]) -> None:
        idle.echo = self._spawn(self._run_echo(idle), "keepalive")

    async def _run_echo(self, idle: _Idle[F]) -> None:
        """Ask an idle one whether it lives."""
        reachability, since = self._reachability, self._clock()
        try:
            async with asyncio.timeout(self._policy.echo):
                seconds = await idle.far.echo()
        except LocalError:
            idle.can_echo = False
        except (AssociationAborted, ProtocolViolation):
            self._discard(idle)
            self._learning.dropped(self._clock(), self._clock() - idle.since)
        except (PeerError, TimeoutError) as error:
            self._discard(idle)
            words = str(error) or f"no answer to C-ECHO within {self._policy.echo:g} s"
            reachability.failed(self._clock(), words, since=since)
        except BaseException:
            self._discard(idle)
            raise
        else:
            idle.heard = self._clock()
            self._learning.outlived(idle.heard - idle.since)
            reachability.measured(seconds)
            reachability.succeeded(idle.heard)
        finally:
            idle.echo = None
        self.review()

    def _discard(self, idle: _Idle[F]) -> None:
        idle.far.on_gone = None
        if idle in self._idle:
            self._idle.remove(idle)
        if idle.far.usable:
            idle.far.abort()

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=f"warm {name} {self._reachability.peer}")
        task.add_done_callback(_defect)
        return task


def _defect(task: asyncio.Task[None]) -> None:
    """An exception that nobody expected is the process's business, not that of whoever comes next."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        task.get_loop().call_exception_handler(
            {"message": f"a defect in {task.get_name()}", "exception": error, "task": task}
        )
