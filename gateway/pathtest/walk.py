"""Walks the way to a peer: name, TCP, TLS, association, C-ECHO, C-STORE, storage commitment.

Every step is told when it begins and when it ends, with its seconds; every step is bounded in time. The first
that fails ends the walk as far as it has to: without an association there is nothing to store, but a class
that the peer refuses does not keep the others from being tried.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.association import way as dial
from gateway.association.asking import AskingAssociation, AskingLimits
from gateway.association.errors import AssociateRejectedError, ConnectFailed
from gateway.association.requestor import establish
from gateway.association.sources import BytesSource
from gateway.association.timeouts import RequestorTimeouts
from gateway.dicom import status
from gateway.dicom.commitment import (
    PUSH_MODEL,
    Sop,
    action_information,
    action_rq,
)
from gateway.dicom.commitment import (
    words as reason_words,
)
from gateway.dicom.data_set import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.dicom.negotiation import AcceptedContext, AssociateRequest, split_contexts
from gateway.dicom.sop_classes import VERIFICATION
from gateway.dicom.sop_classes import name as class_name
from gateway.errors import LocalError, PeerError
from gateway.model import AETitle, Peer
from gateway.notices import AssociationNegotiated, Notice, Notices
from gateway.pathtest import certificate
from gateway.pathtest.inbox import Inbox, Told
from gateway.pathtest.objects import SYNTAXES, SyntheticCourse, kind_of
from gateway.pathtest.steps import Detail, Outcome, Step, StepName, Wanted
from gateway.pathtest.words import advice, refusal_words

_STEP_OF: Final[Mapping[str, StepName]] = {
    "resolve": "name",
    "tcp": "tcp",
    "tls": "tls",
    "association": "association",
}
_MOST_REFUSED: Final = 16  # details about refused contexts; no test proposes more

PATIENCE: Final = RequestorTimeouts(
    connect=10.0, tls=10.0, associate=20.0, response=30.0, release=5.0, stall=30.0, idle=300.0
)
"""Somebody sits and waits: shorter than in everyday work, long enough for a satellite."""


@dataclass(frozen=True, slots=True)
class Way:
    """What a walk needs besides the peer."""

    calling_ae: AETitle
    notices: Notices
    way_to: Callable[[Peer], dial.Way]
    inbox: Inbox
    dialled: Callable[[str, str | None], None]  # the peer's name, and why it cannot be reached (None: it can)
    timeouts: RequestorTimeouts = PATIENCE
    clock: Callable[[], float] = time.monotonic


class _Ends(Exception):
    """The walk cannot go on."""


class Walk:
    """One test of one peer. `run` it once; `tell` gets every step."""

    def __init__(
        self, peer: Peer, wanted: Wanted, course: SyntheticCourse, way: Way, tell: Callable[[Step], None]
    ) -> None:
        self._peer = peer
        self._wanted = wanted
        self._course = course
        self._way = way
        self._tell_on = tell
        self._since: dict[tuple[StepName, str], float] = {}
        self._took: dict[tuple[StepName, str], float] = {}
        self._current: StepName = "tls"  # reading our own certificate comes before everything
        self._stored: list[Sop] = []
        self._negotiated: AssociationNegotiated | None = None

    async def run(self) -> None:
        """Walk. Whatever goes wrong on the way is told as a step; only defects are raised."""
        association: AskingAssociation | None = None
        try:
            association = await self._associate()
            await self._echo(association)
            for key in self._wanted.store:
                await self._store(association, key)
            if self._wanted.commitment:
                await self._commit(association)
        except _Ends:
            pass
        finally:
            if association is not None and not association.closed:
                await association.release()

    # --- telling -------------------------------------------------------------------------------------

    def _begin(self, step: StepName, subject: str = "") -> None:
        self._current = step
        self._since[step, subject] = self._way.clock()
        self._tell_on(Step(step, subject, "running", 0.0))

    def _end(
        self,
        outcome: Outcome,
        words: str,
        *,
        step: StepName | None = None,
        subject: str = "",
        details: tuple[Detail, ...] = (),
        cause: str = "",
    ) -> None:
        step = step or self._current
        seconds = self._stop_clock(step, subject)
        next_step = ""
        if outcome in ("failed", "warning"):
            next_step = advice(step, cause, self._peer, self._peer.calling_ae or self._way.calling_ae)
        self._tell_on(Step(step, subject, outcome, seconds, words[:500], details, next_step))

    def _stop_clock(self, step: StepName, subject: str = "") -> float:
        since = self._since.pop((step, subject), None)
        if since is not None:
            self._took[step, subject] = self._way.clock() - since
        return self._took.get((step, subject), 0.0)

    # --- the way to an association -------------------------------------------------------------------

    async def _associate(self) -> AskingAssociation:
        association = self._prepare()
        forget = self._way.notices.subscribe(self._notice)
        try:
            context = await asyncio.to_thread(self._way.way_to, self._peer)
            await establish(
                association,
                self._peer,
                way=context,
                timeouts=self._way.timeouts,
                on_phase=lambda phase: self._phase(phase, association),
            )
        except ConnectFailed as error:
            await self._no_connection(error)
            raise _Ends from error
        except AssociateRejectedError as error:
            self._way.dialled(self._peer.name, None)  # one that turns us away was reached
            self._end("failed", str(error), step="association", cause="rejected")
            raise _Ends from error
        except (PeerError, LocalError) as error:
            self._end("failed", str(error))
            raise _Ends from error
        finally:
            forget()
        self._way.dialled(self._peer.name, None)
        self._associated(association)
        return association

    def _prepare(self) -> AskingAssociation:
        pairs = [(VERIFICATION, SYNTAXES)]
        pairs += [(kind_of(key).sop_class_uid, SYNTAXES) for key in self._wanted.store]
        if self._wanted.commitment:
            pairs.append((PUSH_MODEL, SYNTAXES))
        (contexts,) = split_contexts(pairs)
        request = AssociateRequest(
            called_ae=self._peer.ae_title,
            calling_ae=self._peer.calling_ae or self._way.calling_ae,
            contexts=contexts,
        )
        return AskingAssociation(
            request,
            notices=self._way.notices,
            timeouts=self._way.timeouts,
            on_request=self._way.inbox.on_our_association,
            limits=AskingLimits(),
        )

    def _notice(self, notice: Notice) -> None:
        if isinstance(notice, AssociationNegotiated) and not notice.inbound:
            self._negotiated = notice if notice.peer == self._peer.name else self._negotiated

    def _phase(self, phase: str, association: AskingAssociation) -> None:
        if self._since:
            self._phase_went_well(association)
        self._begin(_STEP_OF[phase])

    def _phase_went_well(self, association: AskingAssociation) -> None:
        if self._current == "name":
            self._end("ok", f"{self._peer.host} is known")
        elif self._current == "tcp" and self._peer.via:
            self._end("ok", f"the link to {self._peer.via} carries connections")
        elif self._current == "tcp":
            self._end("ok", f"port {self._peer.port} of {self._peer.host} is open")
        else:
            protocol, _, cipher = association.tls.partition(" ")
            shown = association.stream.certificate()
            of_peer = certificate.details(*shown) if shown is not None else ()
            found = (Detail("protocol", protocol), Detail("cipher", cipher), *of_peer)
            self._end("ok", "each side trusts the certificate of the other", details=found)

    async def _no_connection(self, error: ConnectFailed) -> None:
        step = _STEP_OF[error.phase]
        if step != "association":
            self._way.dialled(self._peer.name, str(error))
        details: tuple[Detail, ...] = ()
        begun = bool(self._since or self._took)  # not when our own certificate cannot be read
        self._stop_clock(step)
        if step == "tls" and begun:
            if self._current == "association":
                # TLS 1.3: the peer judges our certificate after our side of the handshake is complete.
                self._end("skipped", "TLS did not stand", step="association")
            details = await certificate.refused(self._peer, self._way.timeouts.tls)
        self._end("failed", str(error), step=step, details=details, cause="lost")

    def _associated(self, association: AskingAssociation) -> None:
        details = [Detail("address", association.address)]
        refused: list[str] = []
        negotiated = self._negotiated
        if negotiated is not None and negotiated.association == association.id:
            name = negotiated.implementation_version or negotiated.implementation_class_uid
            details.append(Detail("implementation", name[:80]))
            most = negotiated.max_pdu_length
            details.append(Detail("max-pdu", f"{most} bytes" if most else "any length"))
            for context in negotiated.answered:
                if context.result != 0:
                    refused.append(class_name(context.abstract_syntax))
                    details.append(Detail("refused", refusal_words(context.abstract_syntax, context.result)))
        del details[_MOST_REFUSED:]
        accepted = len(association.contexts)
        if refused:
            words = (
                f"{association.called_ae} takes {accepted} of what was proposed, and refuses {len(refused)}"
            )
            self._end("warning", words, details=tuple(details), cause="contexts")
        else:
            self._end("ok", f"{association.called_ae} takes everything proposed", details=tuple(details))

    # --- what is asked on it -------------------------------------------------------------------------

    async def _echo(self, association: AskingAssociation) -> None:
        self._begin("echo")
        try:
            answer = await association.c_echo()
        except LocalError as error:  # no context for it
            self._end("failed", str(error), cause="context")
            return
        except PeerError as error:
            self._end("failed", str(error), cause="silence")
            raise _Ends from error
        if answer:
            self._end("failed", status.words(answer, status.Service.VERIFICATION))
        else:
            self._end("ok", f"{association.called_ae} at {association.address} answered")

    async def _store(self, association: AskingAssociation, key: str) -> None:
        self._begin("store", key)
        sop_class = kind_of(key).sop_class_uid
        context = _context(association, sop_class)
        if context is None:
            words = f"{self._peer.ae_title} does not take {class_name(sop_class)}"
            self._end("failed", words, subject=key, cause="context")
            return
        made = self._course.make(key, context.transfer_syntax)
        try:
            response = await association.c_store(context.context_id, made.instance, BytesSource(made.data))
        except PeerError as error:
            self._end("failed", str(error), subject=key, cause="silence")
            raise _Ends from error
        code = response.status if response.status is not None else 0xC000
        # What the peer adds in its own words stays here: some quote what they were sent.
        words = status.words(code, status.Service.STORAGE)
        kind = status.category(code)
        if kind in (status.Category.SUCCESS, status.Category.WARNING):
            self._stored.append(Sop(sop_class, made.instance.sop_instance_uid))
        outcome: Outcome = "ok" if kind is status.Category.SUCCESS else "failed"
        if kind is status.Category.WARNING:
            outcome = "warning"
        self._end(
            outcome, words, subject=key, details=(Detail("bytes", str(len(made.data))),), cause="status"
        )

    async def _commit(self, association: AskingAssociation) -> None:
        self._begin("commitment-request")
        if not self._stored:
            self._end("skipped", "nothing was stored that could be committed")
            return
        context = _context(association, PUSH_MODEL)
        if context is None:
            self._end("failed", f"{self._peer.ae_title} offers no storage commitment", cause="context")
            return
        uid = f"2.25.{uuid.uuid4().int}"
        waiting = self._way.inbox.expect(uid)
        try:
            data = action_information(uid, self._stored, context.transfer_syntax)
            answer = await association.ask(context.context_id, action_rq, data)
            code = answer.command.status
            if code is None or status.category(code) is not status.Category.SUCCESS:
                words = "no status" if code is None else status.words(code)
                self._end("failed", f"the request was answered {words}", cause="status")
                return
            self._end("ok", f"{self._peer.ae_title} has taken the request")
            await self._result(waiting)
        except PeerError as error:
            self._end("failed", str(error), cause="silence")
        finally:
            self._way.inbox.forget(uid)

    async def _result(self, waiting: asyncio.Future[Told]) -> None:
        self._begin("commitment-result")
        try:
            async with asyncio.timeout(self._wanted.commitment_wait):
                told = await waiting
        except TimeoutError:
            words = f"no result came within {self._wanted.commitment_wait:g} s"
            self._end("failed", words, cause="silence")
            return
        way = "on our association" if told.same_association else "on an association that it opened to us"
        asked, committed = set(self._stored), set(told.result.committed)
        failed = {one: reason for one, reason in told.result.failed if one in asked}
        if asked <= committed:
            self._end("ok", f"all {len(asked)} objects are committed; told {way}")
            return
        reasons = sorted({reason_words(reason) for reason in failed.values()})
        because = f" ({'; '.join(reasons)})" if reasons else ""
        missing = len(asked - committed)
        self._end("failed", f"{missing} of {len(asked)} objects are not committed{because}; told {way}")


def _context(association: AskingAssociation, abstract_syntax: str) -> AcceptedContext | None:
    """The accepted context for a class, Explicit VR first: what is written then needs no dictionary."""
    found = [one for one in association.contexts.values() if one.abstract_syntax == abstract_syntax]
    order = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
    return min(found, key=lambda one: order.index(one.transfer_syntax), default=None)


def latest(steps: list[Step], step: Step) -> list[Step]:
    """Put `step` in the place of the earlier one of the same name and subject, or at the end."""
    for index, earlier in enumerate(steps):
        if (earlier.step, earlier.subject) == (step.step, step.subject):
            return [*steps[:index], dataclasses.replace(step), *steps[index + 1 :]]
    return [*steps, step]
