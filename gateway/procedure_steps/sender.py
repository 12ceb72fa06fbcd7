"""Sends single steps to one peer: the SCU of the Modality Performed Procedure Step SOP class (PS3.4 F.7).

A warm association is used again by the calling AE title that it was opened with, and by no other. One that
breaks under a step says little, because it may have been dead for a while: the step is sent once more at
once, on a new one. Nothing else is tried twice here; what went wrong, and whether a try before the last one
may have arrived (`again`), is said in the reply.

Each transfer syntax is proposed in a context of its own, so that the peer answers for each. A step is sent in
the syntax in which its console encoded it and never converted: from consoles the gateway takes Implicit VR
Little Endian wherever that is offered, and every peer has to take that one (PS3.5 10.1).
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.association.asking import AskingAssociation, open_asking
from gateway.association.errors import AssociateRejectedError, AssociationAborted, AssociationLost
from gateway.association.pool import AssociationPool
from gateway.association.timeouts import RequestorTimeouts
from gateway.association.way import Way
from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.negotiation import ProposedContext
from gateway.errors import LocalError, PeerError
from gateway.model import AETitle, Peer
from gateway.notices import Notices
from gateway.procedure_steps.policy import StepPolicy
from gateway.spool.step_values import Step

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"


class Scope(enum.Enum):
    """What is the matter when a step could not be sent."""

    DESTINATION = enum.auto()  # it cannot be reached: no step can be sent
    TITLE = enum.auto()  # it refuses this calling AE title, or this title's procedure steps
    STEP = enum.auto()  # it does not take this step as it is


@dataclass(frozen=True, slots=True)
class Answered:
    """The peer answered; any status."""

    command: Command
    again: bool = False


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The step left, and no answer came: it may have arrived."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nothing of the step left. `slow`: somebody has to change something at the peer first."""

    scope: Scope
    reason: str
    slow: bool = False
    again: bool = False


Reply = Answered | Unanswered | NotSent


class Sender:
    """The associations with one peer. For several calls at a time, each for another calling title."""

    def __init__(
        self,
        peer: Peer,
        notices: Notices,
        policy: StepPolicy,
        *,
        way_to: Callable[[Peer], Way],
        timeouts: RequestorTimeouts,
    ) -> None:
        """`timeouts.response` bounds how long an answer may take once the peer has the whole step."""
        self._peer = peer
        self._notices = notices
        self._way_to = way_to
        self._timeouts = timeouts
        self._spare = max(0, policy.max_associations - 1)
        self._pool: AssociationPool[_Channel] = AssociationPool(policy.idle_hold)
        self._open: set[AskingAssociation] = set()  # those that may still have a connection

    async def send(self, step: Step, calling_ae: AETitle) -> Reply:
        """Send one step. Cancelled, it aborts the association: then too the step may have arrived."""
        channel = self._pool.take(lambda one: one.fits(step, calling_ae))
        if channel is None:
            return await self._send_anew(step, calling_ae)
        try:
            return await self._exchange(channel, step)
        except (AssociationAborted, AssociationLost):
            pass
        finally:
            self._pool.give_back(channel)
        reply = await self._send_anew(step, calling_ae)
        return reply if isinstance(reply, Unanswered) else replace(reply, again=True)

    async def close(self) -> None:
        """Release what is idle; the time-out of a release bounds that."""
        await self._pool.close()
        left = [association for association in self._open if not association.closed]
        for association in left:
            association.stream.kill()
        for association in left:
            await association.wait_closed()

    async def _send_anew(self, step: Step, calling_ae: AETitle) -> Reply:
        channel = await self._associate(step, calling_ae)
        if isinstance(channel, NotSent):
            return channel
        try:
            return await self._exchange(channel, step)
        except (AssociationAborted, AssociationLost) as error:
            return Unanswered(str(error))
        finally:
            self._pool.give_back(channel)

    async def _associate(self, step: Step, calling_ae: AETitle) -> _Channel | NotSent:
        # Many a peer serves few associations at a time: idle ones of other titles make room first.
        await self._pool.shrink(self._spare)
        syntaxes = tuple(dict.fromkeys((step.transfer_syntax_uid, IMPLICIT_LE, EXPLICIT_LE)))
        contexts = [
            ProposedContext(2 * place + 1, step.sop_class_uid, (syntax,))
            for place, syntax in enumerate(syntaxes)
        ]
        try:
            association = await open_asking(
                self._peer,
                contexts,
                calling_ae=calling_ae,
                notices=self._notices,
                timeouts=self._timeouts,
                way=self._way_to(self._peer),
            )
        except AssociateRejectedError as error:
            return NotSent(
                Scope.TITLE, f"the destination rejects the association: {error.words}", error.permanent
            )
        except (LocalError, PeerError) as error:  # LocalError: our own certificate cannot be read
            return NotSent(Scope.DESTINATION, str(error))
        self._open = {one for one in self._open if not one.closed} | {association}
        return _Channel(association, calling_ae, frozenset(syntaxes))

    async def _exchange(self, channel: _Channel, step: Step) -> Reply:
        """Raises AssociationAborted and AssociationLost, which mean little on a warm association."""
        association = channel.association
        context_id = association.context_for(step.sop_class_uid, step.transfer_syntax_uid)
        if context_id is None:
            accepted = {one.abstract_syntax for one in association.contexts.values() if one.as_scu}
            if step.sop_class_uid not in accepted:
                return NotSent(Scope.TITLE, "the destination does not take procedure steps (MPPS)", True)
            return NotSent(
                Scope.STEP, "the destination does not take procedure steps in this transfer syntax"
            )
        try:
            answer = (await association.ask(context_id, _builder(step), step.data)).command
        except (AssociationAborted, AssociationLost):
            raise
        except PeerError as error:  # no answer in time, or none that is one
            return Unanswered(str(error))
        if not _fits(step, answer):
            association.abort("aborted here: the answer is not to what was asked")
            return Unanswered("the destination answered something else than was asked")
        return Answered(answer)


class _Channel:
    """An open association, who called, and in which syntaxes something can be sent on it."""

    def __init__(self, association: AskingAssociation, calling_ae: AETitle, proposed: frozenset[str]) -> None:
        self.association = association
        self._calling_ae = calling_ae
        self._proposed = proposed

    @property
    def usable(self) -> bool:
        return self.association.established

    async def release(self) -> None:
        await self.association.release()

    def abort(self) -> None:
        self.association.abort()

    def fits(self, step: Step, calling_ae: AETitle) -> bool:
        return self._calling_ae == calling_ae and step.transfer_syntax_uid in self._proposed


def _builder(step: Step) -> Callable[[int], Command]:
    if step.kind == "create":
        return lambda message_id: messages.n_create_rq(message_id, step.sop_class_uid, step.sop_instance_uid)
    return lambda message_id: messages.n_set_rq(message_id, step.sop_class_uid, step.sop_instance_uid)


def _fits(step: Step, answer: Command) -> bool:
    """Say whether `answer` is one to `step`. Affected class and instance may be left out (PS3.7 10.1.5)."""
    expected = _builder(step)(1).command_field | 0x8000
    return answer.command_field == expected and answer.affected_sop_instance_uid in (
        None,
        step.sop_instance_uid,
    )
