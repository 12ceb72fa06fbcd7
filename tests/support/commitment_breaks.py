"""Every moment at which a peer of storage commitment can go away, or say something else than yes.

By name: what it does on one association, and the alarm that follows from it (None: none does).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from gateway.dicom import commitment
from gateway.dicom.commitment import PUSH_MODEL, Result
from gateway.dicom.negotiation import AcceptorPolicy, ContextAnswer, negotiate
from tests.support.commitment_wire import SCP_OF_RESULTS, asked, say, told
from tests.support.wire_centre import WireCentre

Script = Callable[[WireCentre], Awaitable[object]]

# --- centres that are asked ------------------------------------------------------------------------------


async def hangs_up_at_once(peer: WireCentre) -> None:
    await peer.requested()


async def rejects_for_now(peer: WireCentre) -> None:
    await peer.requested()
    peer.layer.reject(2, 3, 2)
    peer.flush()
    await peer.finish()


async def refuses_the_context(peer: WireCentre) -> None:
    await peer.accept(AcceptorPolicy(choose=lambda _: ContextAnswer.refuse()))
    await peer.finish()


async def hangs_up_when_open(peer: WireCentre) -> None:
    await peer.accept()


async def aborts_in_the_request(peer: WireCentre) -> None:
    await peer.accept()
    await peer.event()
    peer.layer.abort(0, 0)
    peer.flush()
    await peer.finish()


async def hangs_up_after_the_request(peer: WireCentre) -> None:
    await peer.accept()
    await asked(peer)


async def refuses_the_request(peer: WireCentre) -> None:
    await peer.accept()
    context_id, command, _ = await asked(peer)
    peer.answer(context_id, command, 0x0110)
    await peer.finish()


async def never_answers_the_request(peer: WireCentre) -> None:
    await peer.accept()
    await asked(peer)
    await peer.finish()


async def releases_instead_of_answering(peer: WireCentre) -> None:
    await peer.accept()
    await asked(peer)
    peer.layer.release()
    peer.flush()
    await peer.finish()


async def takes_the_request_and_hangs_up(peer: WireCentre) -> None:
    await peer.accept()
    context_id, command, _ = await asked(peer)
    peer.answer(context_id, command)
    await peer.writer.drain()


async def takes_the_request_and_says_nothing(peer: WireCentre) -> None:
    await peer.accept()
    context_id, command, _ = await asked(peer)
    peer.answer(context_id, command)
    await peer.finish()


async def hangs_up_in_the_result(peer: WireCentre) -> None:
    await peer.accept()
    context_id, command, action = await asked(peer)
    peer.answer(context_id, command)
    result = Result(action.transaction_uid, action.references, ())
    peer.send(context_id, commitment.event_rq(9, result))
    data = commitment.event_information(result, peer.layer.contexts[context_id].transfer_syntax)
    peer.layer.send_pdv(context_id, False, False, data[:20])
    peer.flush()
    await peer.writer.drain()


async def sends_nonsense(peer: WireCentre) -> None:
    await peer.accept()
    context_id, command, _ = await asked(peer)
    peer.answer(context_id, command)
    event = commitment.event_rq(9, Result("1.2", (), ()))
    say(peer, context_id, event, b"nonsense!!")
    _, answer, _ = await peer.message()
    assert answer.status == 0x0115
    await peer.finish()


CENTRE_BREAKS: dict[str, tuple[Script, str | None]] = {
    script.__name__: (script, alarm)
    for script, alarm in (
        (hangs_up_at_once, None),
        (rejects_for_now, None),
        (refuses_the_context, "commitment.not-offered"),
        (hangs_up_when_open, None),
        (aborts_in_the_request, None),
        (hangs_up_after_the_request, None),
        (refuses_the_request, "commitment.refused"),
        (never_answers_the_request, None),
        (releases_instead_of_answering, None),
        (takes_the_request_and_hangs_up, "commitment.unanswered"),
        (takes_the_request_and_says_nothing, "commitment.unanswered"),
        (hangs_up_in_the_result, "commitment.unanswered"),
        (sends_nonsense, "commitment.unanswered"),
    )
}


# --- consoles that are told ------------------------------------------------------------------------------


async def console_hangs_up_at_once(peer: WireCentre) -> None:
    await peer.requested()


async def console_rejects(peer: WireCentre) -> None:
    await peer.requested()
    peer.layer.reject(1, 1, 7)
    peer.flush()
    await peer.finish()


async def console_refuses_the_context(peer: WireCentre) -> None:
    await peer.accept(AcceptorPolicy(choose=lambda _: ContextAnswer.refuse()))
    await peer.finish()


async def console_refuses_the_role(peer: WireCentre) -> None:
    asked = await peer.requested()
    answer = replace(negotiate(asked, SCP_OF_RESULTS), roles={PUSH_MODEL: (False, False)})
    peer.layer.accept(answer)
    peer.flush()
    await peer.finish()


async def console_hangs_up_when_open(peer: WireCentre) -> None:
    await peer.accept(SCP_OF_RESULTS)


async def console_aborts_in_the_report(peer: WireCentre) -> None:
    await peer.accept(SCP_OF_RESULTS)
    await peer.event()
    peer.layer.abort(0, 0)
    peer.flush()
    await peer.finish()


async def console_hangs_up_after_the_report(peer: WireCentre) -> None:
    await peer.accept(SCP_OF_RESULTS)
    await peer.message()


async def console_never_answers(peer: WireCentre) -> None:
    await peer.accept(SCP_OF_RESULTS)
    await peer.message()
    await peer.finish()


async def console_answers_with_a_failure(peer: WireCentre) -> None:
    await peer.accept(SCP_OF_RESULTS)
    await told(peer, 0x0110)
    await peer.finish()


CONSOLE_BREAKS: dict[str, tuple[Script, str | None]] = {
    script.__name__: (script, alarm)
    for script, alarm in (
        (console_hangs_up_at_once, None),
        (console_rejects, None),
        (console_refuses_the_context, "commitment.report-refused"),
        (console_refuses_the_role, "commitment.report-refused"),
        (console_hangs_up_when_open, None),
        (console_aborts_in_the_report, None),
        (console_hangs_up_after_the_report, None),
        (console_never_answers, None),
        (console_answers_with_a_failure, "commitment.report-refused"),
    )
}
