"""A console and a centre that say anything, legal or not, in any order, through a real relay.

Every complete request of the console gets one final response, or its association ends; every data set that
arrives is one that was sent, byte for byte; nothing illegal is sent to either side, whatever the other says;
no exception reaches the event loop; the far association is given back once, and no task or timer is left.
"""

from __future__ import annotations

from hypothesis import strategies as st

from tests.fuzz.runner import run
from tests.support.relay_chaos import (
    ENDS,
    KINDS,
    STATUSES,
    Answer,
    Ask,
    Cancel,
    Deaf,
    End,
    Lie,
    Look,
    More,
    Own,
    Pass,
    Raw,
    Step,
    Stray,
    Together,
    play,
)

_side = st.booleans()
_class = st.integers(0, 5)
_number = st.integers(1, 4) | st.sampled_from([0, 0xF000, 0xFFFF])
_size = st.sampled_from([0, 3, 40, 61, 700])
_kind = st.sampled_from(KINDS)
_status = st.sampled_from(STATUSES)
_mostly = st.sampled_from([True, True, True, False])

_ask = st.builds(Ask, _side, _class, _kind, _number, _size, _mostly, st.sampled_from([False] * 9 + [True]))
_answer = st.builds(Answer, _side, st.integers(0, 5), _status, _size, _mostly)
_more = st.builds(More, _side, _class, _size, st.booleans())
_odd = st.one_of(
    st.builds(Lie, _side, _class, _kind, _number, _status),
    st.builds(Raw, _side, st.binary(min_size=1, max_size=20)),
    st.builds(Stray, _side, _class, st.booleans()),
    st.builds(End, _side, st.sampled_from(sorted(ENDS))),
)
_calm = st.one_of(
    st.builds(Cancel, _side, _class, _number),
    st.builds(Deaf, _side, st.booleans()),
    st.builds(Together, _side, st.booleans()),
    st.builds(Pass, st.sampled_from([0.5, 20.0, 45.0])),
    st.builds(Look, st.sampled_from([None, 0xC310])),
    st.just(Own()),
)
_step = st.one_of(*[_ask] * 4, *[_answer] * 8, *[_more] * 3, _calm)

STRATEGIES = {
    "steps": st.lists(_step, min_size=12, max_size=60),
    "odd": st.just([]) | st.lists(st.tuples(st.integers(4, 40), _odd), max_size=2),
    "alone": st.booleans(),
    "guarded": st.booleans(),
    "tight": st.booleans(),
    "obliging": st.booleans(),
}


def check(
    steps: list[Step],
    odd: list[tuple[int, Step]],
    alone: bool,
    guarded: bool,
    tight: bool,
    obliging: bool,
) -> None:
    """A relay between two sides that do what they like."""
    for place, step in odd:
        steps = [*steps[:place], step, *steps[place:]]
    play(steps, alone=alone, guarded=guarded, tight=tight, obliging=obliging)


if __name__ == "__main__":
    run(check, STRATEGIES)
