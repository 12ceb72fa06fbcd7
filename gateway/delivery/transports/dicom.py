"""Storage SCU: objects to a standard DICOM peer, plain or over TLS (PS3.4 annex B).

Warm associations are kept for `idle_hold` seconds. An association proposes what is waiting and what was
sent to
this peer lately, so that it stays useful; when it lacks a context for what comes next, another one is opened.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path

from gateway.association.errors import (
    AssociateRejectedError,
    AssociationAborted,
    AssociationLost,
    ConnectFailed,
    HungUp,
    ProtocolViolation,
    ResponseTimeout,
)
from gateway.association.pool import AssociationPool
from gateway.association.requestor import RequestorAssociation, RequestorTimeouts, open_association
from gateway.association.tls import ClientContexts
from gateway.association.tuning import Watch, WayThere
from gateway.association.way import Way
from gateway.delivery import transcode
from gateway.delivery.capabilities import Capabilities
from gateway.delivery.channel import Channel, pair_of, target_for, targets_of
from gateway.delivery.classification import Cause, classify_status, failure
from gateway.delivery.contexts import Pair, Proposal, learned, propose
from gateway.delivery.convert import Converted, Converter
from gateway.delivery.decompress import NotConvertible
from gateway.delivery.pacing import Paced
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.receipt import make_receipt, printable
from gateway.delivery.smaller.compressor import JPEG_LS, Compressor
from gateway.delivery.smaller.shortening import Shortening
from gateway.delivery.source import CheckedSource, Damaged, InlineSource, Reading
from gateway.delivery.transports import Work
from gateway.dicom.command import Command
from gateway.dicom.negotiation import MAX_CONTEXTS, ProposedContext
from gateway.dicom.sop_classes import VERIFICATION
from gateway.dicom.sop_classes import name as name_of
from gateway.errors import DeliveryFailure, LocalError, PeerError, SpoolFailure
from gateway.model import AETitle, Instance, Peer, Priority, Receipt
from gateway.notices import Notices
from gateway.shaping.shaper import Shaper
from gateway.spool import Job

_ENDINGS: tuple[tuple[type[PeerError], Cause], ...] = (
    (AssociationAborted, Cause.ABORTED),
    (AssociationLost, Cause.LOST),
    (ResponseTimeout, Cause.TIMEOUT),
    (ProtocolViolation, Cause.VIOLATION),
)


class DicomTransport:
    """The Transport (see transports/__init__.py) to one DICOM peer."""

    def __init__(
        self,
        peer: Peer,
        *,
        calling_ae: AETitle,
        open_data: Callable[[int], Reading],
        capabilities: Capabilities,
        work_dir: Path,
        executor: Executor,
        notices: Notices,
        policy: DeliveryPolicy | None = None,
        timeouts: RequestorTimeouts | None = None,
        way_to: Callable[[Peer], Way] | None = None,
        shaper: Shaper | None = None,
        compressor: Compressor | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Reads and conversions run on `executor`; temporary files of conversions are in `work_dir`.

        `shaper` is the line's, which the bytes of images wait for. With a `compressor`, images go as JPEG-LS
        Lossless where the peer takes that.
        """
        self._peer = peer
        self._calling_ae = calling_ae
        self._open_data = open_data
        self._capabilities = capabilities
        self._executor = executor
        self._notices = notices
        self._policy = policy or DeliveryPolicy()
        self._timeouts = timeouts or RequestorTimeouts()
        self._way_to = way_to or ClientContexts().of
        self._shaper = shaper
        self._shortening = Shortening(peer.name, compressor, open_data, executor) if compressor else None
        self._clock = clock
        self._wall_clock = wall_clock
        self.way_there = WayThere()
        self._pool: AssociationPool[Channel] = AssociationPool(self._policy.idle_hold)
        self._converter = Converter(open_data, work_dir, self._policy, executor)
        self._open: set[RequestorAssociation] = set()  # those that may still have a connection

    # --- the contract --------------------------------------------------------------------------------

    async def send(self, work: Work) -> None:
        """See Transport."""
        while (job := work.first()) is not None:
            channel = self._pool.take(functools.partial(Channel.covers, job=job))
            if channel is None:
                channel = await self._another(self._proposal([pair_of(job) for job in work.upcoming()]))
            else:
                channel.warm = True
            try:
                await self._use(channel, work)
            except BaseException:
                channel.abort()
                raise
            self._pool.give_back(channel)

    async def probe(self) -> float | None:
        """TCP, TLS, association, C-ECHO. See Transport.

        What is usually sent is proposed too: an association that comes about is ready for the objects that
        wait. A peer that accepts the association but not Verification is alive all the same.
        """
        plan = self._proposal(())
        contexts = ((VERIFICATION, (transcode.IMPLICIT_LE,)), *plan.contexts[: MAX_CONTEXTS - 1])
        channel = await self._associate(Proposal(contexts, plan.pairs, plan.fallbacks))
        rtt = None
        if any(c.abstract_syntax == VERIFICATION for c in channel.association.contexts.values()):
            started = self._clock()
            try:
                await channel.association.c_echo()
            except PeerError as error:
                raise failure(Cause.NO_ASSOCIATION, f"C-ECHO failed: {error}") from error
            rtt = self._clock() - started
        self._pool.give_back(channel)
        return rtt

    async def close(self) -> None:
        """See Transport."""
        await self._pool.close()
        # One that was aborted may still have bytes that the peer does not take; it is not waited for.
        left = [association for association in self._open if not association.closed]
        for association in left:
            association.stream.kill()
        for association in left:
            await association.wait_closed()

    # --- opening -------------------------------------------------------------------------------------

    def _proposal(self, needed: Sequence[Pair]) -> Proposal:
        destination = self._peer.name
        self._capabilities.sending(destination, needed)
        return propose(
            needed,
            self._capabilities.sent_to(destination),
            lambda sop_class: self._capabilities.accepted_by(destination, sop_class),
            targets_of,
            smaller=self._shortening.syntax_for if self._shortening is not None else None,
        )

    async def _another(self, proposal: Proposal) -> Channel:
        """Open one more association. Idle ones that lack what is needed make room first.

        Many a peer serves one association at a time: to it, an idle one is in the way of all others.
        """
        await self._pool.shrink(0)
        return await self._associate(proposal)

    async def _associate(self, proposal: Proposal) -> Channel:
        contexts = [
            ProposedContext(2 * index + 1, abstract_syntax, syntaxes)
            for index, (abstract_syntax, syntaxes) in enumerate(proposal.contexts)
        ]
        try:
            association = await self._open_one(contexts)
        except LocalError as error:
            # Our own certificate cannot be read: no other destination is to suffer from that.
            raise failure(Cause.TLS, str(error)) from error
        except PeerError as error:
            raise _why_not(error) from error
        self._open = {one for one in self._open if not one.closed} | {association}
        self._capabilities.learn(self._peer.name, learned(proposal, association.contexts))
        await self._capabilities.save()
        watch = Watch(self.way_there, association.stream, self._clock)
        association.stream.on_room = watch.look
        return Channel(association, proposal, watch)

    async def _open_one(self, contexts: Sequence[ProposedContext]) -> RequestorAssociation:
        """Propose `contexts` with an asynchronous operations window, where the peer is not known to mind.

        There are implementations that hang up when they see that item; they are asked once more without it.
        """
        name = self._peer.name
        window = self._policy.window if self._capabilities.bears_window(name) else 1
        try:
            association = await self._ask_for(contexts, window)
        except (HungUp, AssociationAborted):
            if window <= 1:
                raise
            association = await self._ask_for(contexts, 1)
            self._capabilities.hung_up(name, association.implementation)
        else:
            self._capabilities.met(name, association.implementation, window=window > 1)
        return association

    async def _ask_for(self, contexts: Sequence[ProposedContext], window: int) -> RequestorAssociation:
        return await open_association(
            self._peer,
            contexts,
            calling_ae=self._calling_ae,
            notices=self._notices,
            timeouts=self._timeouts,
            way=self._way_to(self._peer),
            max_outstanding=window,
        )

    # --- sending -------------------------------------------------------------------------------------

    async def _use(self, channel: Channel, work: Work) -> None:
        """Send over one association, as many at a time as the peer agreed to, until something else is needed.

        The next object is taken only when the one before has left completely, so that a record waits for one
        object at most, whatever the window.
        """
        window = channel.association.max_outstanding
        on_wire: set[asyncio.Task[None]] = set()
        try:
            while True:
                job = work.first()
                if job is not None and channel.usable and channel.covers(job) and len(on_wire) < window:
                    work.take()
                    if window == 1:
                        await self._carry(channel, job, work, None)
                        continue
                    left = asyncio.Event()
                    on_wire.add(asyncio.create_task(self._carry(channel, job, work, left)))
                    await left.wait()
                elif not on_wire:
                    return
                else:
                    await asyncio.wait(on_wire, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in on_wire if task.done()]:
                    on_wire.discard(task)
                    task.result()
        finally:
            for task in on_wire:
                task.cancel()
            if on_wire:
                await asyncio.wait(on_wire)

    async def _carry(self, channel: Channel, job: Job, work: Work, left: asyncio.Event | None) -> None:
        """Send one object and settle it. `left` is set when the next one may follow."""
        started = self._clock()
        outcome: Receipt | DeliveryFailure
        try:
            outcome = await self._store(channel, job, work, left)
        except DeliveryFailure as trouble:
            outcome = trouble
        finally:
            if left is not None:
                left.set()
        work.settled(job, outcome, self._clock() - started)

    async def _store(self, channel: Channel, job: Job, work: Work, left: asyncio.Event | None) -> Receipt:
        sop_class, syntax = pair_of(job)
        converted: Converted | None = None
        source: CheckedSource | InlineSource
        shorter: tuple[InlineSource, bytes] | None = None
        digest = job.object.digest
        try:
            if (shorter := await self._shorter(channel, job)) is not None:
                source, digest = shorter
                syntax = JPEG_LS
            elif channel.association.context_for(sop_class, syntax) is not None:
                source = self._source(job)
            else:
                syntax = target_for(channel, sop_class, syntax)
                converted = await self._converter.convert(job, syntax)
                source, digest = converted.source, converted.digest
        except NotConvertible as error:
            raise failure(
                Cause.NOT_CONVERTIBLE,
                f"the destination refuses {name_of(pair_of(job)[1])}, and there is no converting it: {error}",
            ) from error
        except Damaged as error:
            raise failure(Cause.DAMAGED, str(error)) from error
        except LocalError as error:
            raise failure(_our_trouble(error), str(error)) from error
        if left is not None:
            source.sent = left
        instance = Instance(sop_class, job.object.instance.sop_instance_uid, syntax)
        try:
            response = await self._exchange(channel, instance, self._paced(source, job, work))
        finally:
            if converted is not None:
                converted.discard()
        try:
            return self._receipt(channel, instance, response, digest)
        except DeliveryFailure as trouble:
            if shorter is None or self._shortening is None or not self._shortening.refused(trouble):
                raise
            raise failure(
                Cause.STALE, "the destination refuses it as JPEG-LS; it is sent as it is"
            ) from trouble

    async def _shorter(self, channel: Channel, job: Job) -> tuple[InlineSource, bytes] | None:
        """The object in a shorter form, where the peer has accepted that."""
        sop_class = pair_of(job)[0]
        if self._shortening is None or channel.association.context_for(sop_class, JPEG_LS) is None:
            return None
        return await self._shortening.shortened(job)

    def _source(self, job: Job) -> CheckedSource | InlineSource:
        if job.data is not None:
            return InlineSource(job.data, job.object.digest)
        reader = functools.partial(self._open_data, job.object.number)
        return CheckedSource(job.object.size, job.object.digest, reader, self._executor)

    def _paced(
        self, source: CheckedSource | InlineSource, job: Job, work: Work
    ) -> CheckedSource | InlineSource | Paced:
        """Let the bytes wait for the line, unless a record waits for them to be through."""

        def urgent() -> bool:
            following = work.first()
            return following is not None and following.delivery.priority is Priority.RECORD

        if self._shaper is None:
            return source
        return Paced(source, self._shaper, job.delivery.priority, urgent=urgent, clock=self._clock)

    async def _exchange(
        self, channel: Channel, instance: Instance, source: CheckedSource | InlineSource | Paced
    ) -> Command:
        context_id = channel.association.context_for(instance.sop_class_uid, instance.transfer_syntax_uid)
        if context_id is None or not channel.usable:  # converting takes time
            raise failure(Cause.STALE, "the association ended before the object was sent")
        try:
            response = await channel.association.c_store(context_id, instance, source)
        except Damaged as error:
            channel.spoiled = True
            raise failure(Cause.DAMAGED, str(error)) from error
        except LocalError as error:
            channel.spoiled = True
            channel.abort()
            raise failure(_our_trouble(error), str(error)) from error
        except PeerError as error:
            if channel.spoiled or (
                channel.warm and not isinstance(error, ResponseTimeout | ProtocolViolation)
            ):
                raise failure(Cause.STALE, f"the association had ended: {error}") from error
            cause = next((cause for kind, cause in _ENDINGS if isinstance(error, kind)), Cause.LOST)
            if cause is Cause.TIMEOUT and not source.sent.is_set():
                cause = Cause.LOST  # it did not even take the object: that is the link
            raise failure(cause, str(error)) from error
        channel.warm = False
        channel.watch.look()
        return response

    def _receipt(self, channel: Channel, instance: Instance, response: Command, digest: bytes) -> Receipt:
        answered = response.affected_sop_instance_uid
        if answered and answered != instance.sop_instance_uid:
            channel.spoiled = True
            channel.abort()
            raise failure(Cause.VIOLATION, "the destination answered for another object than the one sent")
        status = response.status
        if status is None:
            channel.spoiled = True
            channel.abort()
            raise failure(Cause.VIOLATION, "the destination answered without a status")
        meaning = classify_status(status, self._policy)
        comment = printable(response.error_comment or "")
        if meaning.cause is not None:
            raise failure(meaning.cause, meaning.words, status=status, detail=comment)
        return make_receipt(
            self._peer.name,
            status,
            comment,
            transfer_syntax_uid=instance.transfer_syntax_uid,
            digest=digest,
            at=self._wall_clock(),
        )


def _our_trouble(error: LocalError) -> Cause:
    """Say whether the spool does not give the object back, or something else is wrong at our side."""
    return Cause.UNREADABLE if isinstance(error, SpoolFailure) else Cause.LOCAL


def _why_not(error: PeerError) -> DeliveryFailure:
    """Classify why no association came about."""
    if isinstance(error, AssociateRejectedError):
        cause = Cause.REJECTED_PERMANENT if error.permanent else Cause.REJECTED_TRANSIENT
        return failure(cause, f"the destination rejects the association: {error.words}")
    if isinstance(error, ConnectFailed) and error.phase in ("resolve", "tcp"):
        return failure(Cause.UNREACHABLE, error.words)
    if isinstance(error, ConnectFailed) and error.phase == "tls":
        return failure(Cause.TLS, f"TLS: {error.words}")
    return failure(Cause.NO_ASSOCIATION, str(error))
