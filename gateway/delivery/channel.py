"""An open association to a destination, and what it can carry."""

from __future__ import annotations

import functools

from gateway.association.requestor import RequestorAssociation
from gateway.association.tuning import Watch
from gateway.delivery import transcode
from gateway.delivery.classification import Cause, failure
from gateway.delivery.contexts import Pair, Proposal, covers
from gateway.dicom.sop_classes import name as name_of
from gateway.spool import Job


class Channel:
    """An open association, and what was proposed on it."""

    def __init__(self, association: RequestorAssociation, proposal: Proposal, watch: Watch) -> None:
        self.association = association
        self.proposal = proposal
        self.watch = watch
        self.warm = False  # it waited in the pool, and nothing was answered since
        self.spoiled = False  # we aborted it for the sake of one object; the others on it are not to blame

    @property
    def usable(self) -> bool:
        return self.association.established

    async def release(self) -> None:
        await self.association.release()

    def abort(self) -> None:
        self.association.abort()

    def covers(self, job: Job) -> bool:
        pair = pair_of(job)
        possible = bool(targets_of(pair[1]))
        return covers(self.proposal, self.association.contexts, pair, convertible=possible)

    def accepted_for(self, sop_class: str) -> set[str]:
        contexts = self.association.contexts.values()
        return {c.transfer_syntax for c in contexts if c.abstract_syntax == sop_class and c.as_scu}


def pair_of(job: Job) -> Pair:
    instance = job.object.instance
    return instance.sop_class_uid, instance.transfer_syntax_uid


@functools.cache
def targets_of(syntax: str) -> tuple[str, ...]:
    return transcode.targets(syntax)


def target_for(channel: Channel, sop_class: str, syntax: str) -> str:
    """The accepted transfer syntax to convert to. Raises DeliveryFailure, in words, when there is none."""
    accepted = channel.accepted_for(sop_class)
    if not accepted:
        raise failure(Cause.NO_CONTEXT, f"the destination does not accept {name_of(sop_class)}")
    possible = [target for target in targets_of(syntax) if target in accepted]
    if not possible:
        names = ", ".join(sorted(map(name_of, accepted)))
        raise failure(
            Cause.NO_CONTEXT,
            f"the destination accepts {name_of(sop_class)} only as {names}, and there is no lossless way "
            f"to that from {name_of(syntax)} here",
        )
    return possible[0]
