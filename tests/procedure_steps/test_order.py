"""Which steps go next."""

from __future__ import annotations

from collections.abc import Collection

from hypothesis import given
from hypothesis import strategies as st

from gateway.model import AETitle
from gateway.procedure_steps.order import choose, in_the_way
from gateway.spool.step_values import Step, StepRow
from tests.support.steps import UID, a_row, a_step

A, B, C = AETitle("A"), AETitle("B"), AETitle("C")


def title_of(step: Step) -> AETitle:
    return AETitle(step.calling_ae)


def rows(*titles: str) -> list[StepRow]:
    return [a_row(number, a_step(number, calling_ae=title)) for number, title in enumerate(titles, 1)]


def chosen(
    found: list[StepRow],
    *,
    barred: Collection[AETitle] = (),
    arriving: Collection[str] = (),
    awaited: Collection[int] = (),
    most: int = 9,
) -> list[int]:
    picked = choose(found, title_of, barred=barred, arriving=arriving, awaited=awaited, most=most)
    return [row.number for row in picked]


def test_the_oldest_of_each_title() -> None:
    assert chosen(rows("A", "A", "B", "A", "C")) == [1, 3, 5]


def test_at_most_as_many_as_there_is_room_for() -> None:
    assert chosen(rows("A", "B", "C"), most=2) == [1, 2]
    assert chosen(rows("A", "B", "C"), most=0) == []
    assert chosen(rows("A"), most=-1) == []


def test_those_with_a_console_waiting_come_first() -> None:
    assert chosen(rows("A", "A", "B", "B"), awaited={2, 4}, most=1) == [2]
    assert chosen(rows("A", "A", "B", "B"), awaited={4}) == [4, 1]


def test_barred_titles_are_left_out() -> None:
    assert chosen(rows("A", "B"), barred={A}) == [2]


def test_what_is_just_arriving_is_left_out() -> None:
    assert chosen(rows("A", "A", "B"), arriving={f"{UID}1"}) == [2, 3]


@given(
    st.lists(st.sampled_from("ABC"), max_size=30),
    st.sets(st.sampled_from((A, B, C))),
    st.sets(st.integers(1, 30)),
    st.integers(0, 4),
)
def test_never_two_of_a_title(titles: list[str], barred: set[AETitle], awaited: set[int], most: int) -> None:
    found = rows(*titles)
    picked = choose(found, title_of, barred=barred, arriving=(), awaited=awaited, most=most)
    used = [title_of(row.step) for row in picked]
    assert len(used) == len(set(used)) <= most
    assert not barred.intersection(used)
    if len(used) < most:
        assert set(used) == {AETitle(title) for title in titles} - barred


def test_rows_of_shut_titles_are_in_the_way_only_when_they_fill_the_window() -> None:
    found = rows("A", "A", "B")
    assert [row.number for row in in_the_way(found, title_of, {A}, 3)] == [1, 2]
    assert in_the_way(found, title_of, {A}, 4) == []
    assert in_the_way(found, title_of, {C}, 3) == []
