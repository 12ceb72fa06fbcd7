"""What may come down on which context."""

from __future__ import annotations

from gateway.dicom import messages
from tests.support.relay_memory import (
    FAR_IDS,
    NEAR_IDS,
    RT_PLAN,
    UPS_PUSH,
    RelayScene,
    play,
)
from tests.support.wire_peer import EXPLICIT


def test_what_the_far_end_asks_on_a_context_that_the_console_does_not_have_is_answered_here() -> None:
    async def act(it: RelayScene) -> None:
        assert NEAR_IDS[UPS_PUSH] not in it.inbound.contexts
        it.far.event_report(3, b"about what?")
        assert it.far.one().about == ("N-EVENT-REPORT-RSP", 3, 0x0122)
        assert it.near.heard() == []
        it.near.find(1)
        it.far.answer(it.far.one())
        assert it.near.one().about == ("C-FIND-RSP", 1, 0)

    play(act, make=lambda: RelayScene(refused_near=frozenset({UPS_PUSH})))


def test_nothing_comes_down_on_a_context_whose_transfer_syntax_is_another_one() -> None:
    async def act(it: RelayScene) -> None:
        assert it.inbound.contexts[NEAR_IDS[RT_PLAN]].transfer_syntax == EXPLICIT
        assert it.association.contexts[FAR_IDS[RT_PLAN]].transfer_syntax != EXPLICIT
        it.far.say(RT_PLAN, messages.c_store_rq(1, RT_PLAN, "1.2"), b"implicit")
        assert it.far.one().about == ("C-STORE-RSP", 1, 0x0122)
        assert it.near.heard() == []

    play(act, make=lambda: RelayScene(syntax_near=EXPLICIT))
