"""What was learned of one peer: how it is asked, what it answers, how long it lets an association idle. Pure.

Two things make another association not worth opening, and both grow a wait (`Setback`):

    the peer ends associations that idle     it does that to all of them, so the peer as a whole is left alone
    it does not want one for some profile    that profile is left alone

After a few of them in a row nothing is opened any more until a caller has used the profile again.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field

from gateway.dicom.negotiation import AssociateAccept
from gateway.relay.profile import Negotiated, Profile, covering, negotiated


@dataclass(frozen=True, slots=True)
class LearningLimits:
    """How much is remembered of one peer, and how often it is bothered unasked. Times in seconds."""

    max_profiles: int = 16  # the least recently used is forgotten first
    max_profile_size: int = 32 * 1024  # bytes; a larger one is not remembered
    setback_base: float = 10.0  # wait after the first setback
    setback_factor: float = 4.0
    setbacks: int = 4  # after more of them in a row nothing is opened but after use


class Setback:
    """A wait that grows each time, and ends in waiting for a caller."""

    def __init__(self, limits: LearningLimits) -> None:
        self.until = -math.inf
        self._limits = limits
        self._count = 0

    def again(self, now: float) -> None:
        """It happened again. What happens during a wait belongs to what began it."""
        if now < self.until < math.inf:
            return
        self._count = min(self._count + 1, self._limits.setbacks + 1)
        if self._count > self._limits.setbacks:
            self.until = math.inf
        else:
            self.until = now + self._limits.setback_base * self._limits.setback_factor ** (self._count - 1)

    def used(self, now: float) -> None:
        """A caller came: one more is worth it, until it happens again."""
        if self.until == math.inf:
            self.until = now

    def clear(self) -> None:
        """It is over."""
        self._count = 0
        self.until = -math.inf


@dataclass(slots=True)
class _Known:
    used_at: float  # when a caller last had it
    begun_at: float  # when a caller last took it up
    answer: Negotiated
    refused: Setback
    gap: float = field(default=math.inf)  # seconds between the last two times it was taken up


class Learning:
    """The memory of one peer. Times are seconds of one monotonic clock."""

    def __init__(self, learned: float, limits: LearningLimits | None = None) -> None:
        """`learned`: seconds after its last use for which a profile is remembered."""
        self._learned = learned
        self._limits = limits or LearningLimits()
        self._known: OrderedDict[Profile, _Known] = OrderedDict()  # the most recently used last
        self._dropped = Setback(self._limits)
        self._idle_limit = math.inf  # seconds of idling after which the peer ended an association

    def __len__(self) -> int:
        """How many profiles are remembered."""
        return len(self._known)

    # --- what callers do -----------------------------------------------------------------------------

    def begun(self, profile: Profile, now: float) -> None:
        """A caller took up `profile`; without effect when it is not known."""
        known = self._known.get(profile)
        if known is not None:
            known.gap = now - known.begun_at
            known.begun_at = known.used_at = now
            known.refused.used(now)
            self._known.move_to_end(profile)
        self._dropped.used(now)

    def ended(self, profile: Profile, answer: AssociateAccept, now: float) -> None:
        """A caller is done with `profile`, after so long a time perhaps that it was forgotten."""
        known = self._known.get(profile)
        if known is None:
            self.answered(profile, answer, now, asked=True)
        else:
            known.used_at = now
            self._known.move_to_end(profile)

    # --- what the peer does --------------------------------------------------------------------------

    def answered(self, profile: Profile, answer: AssociateAccept, now: float, *, asked: bool) -> bool:
        """The peer answered a request for `profile`. True when that contradicts what was learned.

        `asked`: a caller needed it, and so it becomes known when it is not. What is accepted nowhere is of no
        use to remember.
        """
        known = self._known.get(profile)
        if not any(context.accepted for context in answer.contexts):
            self._known.pop(profile, None)
            return known is not None
        new = negotiated(answer)
        if known is not None:
            changed = known.answer != new
            known.answer = new
            known.refused.clear()
            return changed
        if asked and not profile.personal and profile.size <= self._limits.max_profile_size:
            self._known[profile] = _Known(now, now, new, Setback(self._limits))
            while len(self._known) > self._limits.max_profiles:
                self._known.popitem(last=False)
        return False

    def agrees(self, profile: Profile, answer: AssociateAccept) -> bool:
        """Say whether `answer` is what the peer answers to `profile`, as far as that is known."""
        known = self._known.get(profile)
        return known is None or known.answer == negotiated(answer)

    def refused(self, profile: Profile, now: float) -> None:
        """It is there, and did not open an association for `profile`."""
        known = self._known.get(profile)
        if known is not None:
            known.refused.again(now)

    def dropped(self, now: float, idled: float) -> None:
        """It ended an association that had been idle for `idled` seconds."""
        self._idle_limit = idled
        self._dropped.again(now)

    def outlived(self, idled: float) -> None:
        """An association has been idle for `idled` seconds, and is still there."""
        if idled > 2 * self._idle_limit:
            self.forgive()

    def forgive(self) -> None:
        """It came back from an outage, or changed its ways: what it did to idle associations is past."""
        self._idle_limit = math.inf
        self._dropped.clear()

    # --- what follows --------------------------------------------------------------------------------

    def wanted(self, now: float) -> list[Profile]:
        """The profiles worth an association, the most recently used first.

        Those are left out that an association for another one serves as well.
        """
        while self._known and next(iter(self._known.values())).used_at + self._learned <= now:
            self._known.popitem(last=False)
        recent = list(reversed(self._known))
        return [
            profile
            for rank, profile in enumerate(recent)
            if not any(
                other is not profile
                and covering(profile, other) is not None
                and (covering(other, profile) is None or other_rank < rank)
                for other_rank, other in enumerate(recent)
            )
        ]

    def until(self, profile: Profile) -> float:
        """When `profile` will be forgotten unless it is used again; -inf when it is not known."""
        known = self._known.get(profile)
        return known.used_at + self._learned if known is not None else -math.inf

    def opens_at(self, profile: Profile) -> float:
        """The moment from which on an association may be opened unasked; inf: not before it is used again."""
        known = self._known.get(profile)
        return max(self._dropped.until, known.refused.until if known is not None else -math.inf)

    def often(self, profile: Profile, within: float) -> bool:
        """Say whether `profile` is taken up so often that a second association would be there in time."""
        known = self._known.get(profile)
        return known is not None and known.gap <= min(within, self._idle_limit)
