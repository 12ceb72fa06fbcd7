"""Reports under way: ascending, bounded, acknowledged."""

from __future__ import annotations

import pytest

from gateway.link.frames import FrameError
from gateway.link.news import News


def test_what_was_seen_makes_room() -> None:
    news = News(3)
    for seq in (2, 5, 6):
        news.add(seq)
    assert (len(news), news.room) == (3, 0)
    news.seen(5)
    assert (len(news), news.room) == (1, 2)


def test_there_is_a_bound() -> None:
    news = News(1)
    news.add(1)
    with pytest.raises(FrameError, match="more than 1 reports"):
        news.add(2)


@pytest.mark.parametrize("seq", [1, 3, 4])
def test_numbers_ascend_from_what_was_seen(seq: int) -> None:
    news = News(9)
    news.start(3)
    news.add(4)
    with pytest.raises(FrameError, match=f"report {seq} after 4"):
        news.add(seq)


@pytest.mark.parametrize("seq", [2, 3, 5])
def test_only_what_is_under_way_can_be_seen(seq: int) -> None:
    news = News(9)
    news.start(3)
    news.add(4)
    with pytest.raises(FrameError, match="cannot have been seen"):
        news.seen(seq)
