"""What persons have under way at peers."""

from __future__ import annotations

import pytest

from gateway.errands import Errands


def test_an_errand_is_under_way_as_long_as_it_takes() -> None:
    errands = Errands()
    assert not errands.at("centre")
    with errands.to("centre"), errands.to("centre"):
        assert errands.at("centre")
        assert not errands.at("archive")
    assert not errands.at("centre")


def test_it_ends_with_an_error_too() -> None:
    errands = Errands()
    with pytest.raises(RuntimeError), errands.to("centre"):
        raise RuntimeError
    assert not errands.at("centre")


def test_two_at_one_peer_end_one_by_one() -> None:
    errands = Errands()
    with errands.to("centre"):
        with errands.to("centre"):
            pass
        assert errands.at("centre")


def test_whoever_keeps_the_place_hears_of_it() -> None:
    errands = Errands()
    heard: list[str] = []
    end = errands.subscribe(heard.append)
    with errands.to("centre"):
        assert heard == ["centre"]
    end()
    with errands.to("centre"):
        assert heard == ["centre"]
