"""C-ECHO to a peer, step by step, so that an engineer sees where the way to it ends."""

from __future__ import annotations

import time
from collections.abc import Callable

from gateway.association.errors import AssociateRejectedError, ConnectFailed
from gateway.association.requestor import RequestorAssociation, RequestorTimeouts, open_association
from gateway.dicom import status
from gateway.dicom.negotiation import split_contexts
from gateway.dicom.sop_classes import VERIFICATION
from gateway.errors import LocalError, PeerError
from gateway.model import AETitle, Peer
from gateway.notices import Notices
from gateway.operator.dialling import WayTo, way
from gateway.operator.facts import EchoReport, EchoStep, StepName

IMPLICIT_VR_LE = "1.2.840.10008.1.2"
EXPLICIT_VR_LE = "1.2.840.10008.1.2.1"

_STEP_OF: dict[str, StepName] = {"resolve": "name", "tcp": "tcp", "tls": "tls", "association": "association"}


async def echo(
    peer: Peer,
    *,
    calling_ae: AETitle,
    notices: Notices,
    timeouts: RequestorTimeouts | None = None,
    way_to: WayTo | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> EchoReport:
    """Dial `peer` and verify it. Whatever goes wrong on the way is in the report."""
    steps = _Steps(clock)
    association: RequestorAssociation | None = None
    try:
        association = await open_association(
            peer,
            split_contexts([(VERIFICATION, (EXPLICIT_VR_LE, IMPLICIT_VR_LE))])[0],
            calling_ae=calling_ae,
            notices=notices,
            timeouts=timeouts,
            way=await way(peer, way_to),
            on_phase=lambda phase: steps.begin(_STEP_OF[phase]),
        )
        steps.begin("echo")
        answer = await association.c_echo()
        if answer:
            steps.fail("echo", status.words(answer, status.Service.VERIFICATION))
        else:
            steps.end(_words(association))
    except ConnectFailed as error:
        steps.fail(_STEP_OF[error.phase], str(error))
    except AssociateRejectedError as error:
        steps.fail("association", str(error))
    except (PeerError, LocalError) as error:
        steps.fail(steps.current, str(error))
    finally:
        if association is not None:
            await association.release()
    failed = next((step.step for step in steps.done if not step.ok), None)
    return EchoReport(peer.name, failed is None, tuple(steps.done), _advice(failed, peer, calling_ae))


def _words(association: RequestorAssociation) -> str:
    tls = f", {association.tls}" if association.tls else ""
    return f"{association.called_ae} at {association.address} answered success{tls}"


class _Steps:
    """Times each step from its beginning to that of the next."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.done: list[EchoStep] = []
        self.current: StepName = "tls"  # reading our own certificate comes before everything
        self._clock = clock
        self._since: float | None = None

    def begin(self, step: StepName) -> None:
        if step == self.current and self._since is not None:
            return
        self._finish()
        self.current = step
        self._since = self._clock()

    def end(self, words: str) -> None:
        self._finish(words)

    def fail(self, step: StepName, words: str) -> None:
        # TLS 1.3: the peer refuses our certificate only after the handshake seemed to be over.
        self.done = [earlier for earlier in self.done if earlier.step != step]
        self.done.append(EchoStep(step, False, self._elapsed(), words))
        self._since = None

    def _finish(self, words: str = "") -> None:
        if self._since is not None:
            self.done.append(EchoStep(self.current, True, self._elapsed(), words))
            self._since = None

    def _elapsed(self) -> float:
        return 0.0 if self._since is None else self._clock() - self._since


def _advice(failed: StepName | None, peer: Peer, calling_ae: AETitle) -> str:
    ours = peer.calling_ae or calling_ae
    advice: dict[StepName | None, str] = {
        None: "",
        "name": f"Check the host of peer {peer.name} in the configuration, and this machine's DNS.",
        "tcp": f"Look at the link to {peer.via}: the status says why it is down."
        if peer.via
        else f"Check that the peer runs, and that firewalls on the way let TCP port {peer.port} through.",
        "tls": "Check certificates, authorities and clocks on both sides.",
        "association": f"Ask the peer's administrator: does it know our AE title {ours}, and is its own "
        f"{peer.ae_title}?",
        "echo": "The peer associates but does not verify; ask its administrator.",
    }
    return advice[failed]
