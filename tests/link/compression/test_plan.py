"""Which recipe pays: never slower than plain, and no more work than the link is worth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.link.compression.codecs import FEATURES, Codec
from gateway.link.compression.layout import PixelLayout
from gateway.link.compression.plan import PLAIN, RECIPES, Mode, Speeds, Trial, candidates, choose

_JLS = next(n for n, recipe in enumerate(RECIPES) if recipe.codec is Codec.JPEG_LS)
_CT = PixelLayout(1000, 525_288, 2, 512, 1)
_TRIALS = [Trial(1, 2.0, 200e6), Trial(5, 3.0, 80e6), Trial(_JLS, 3.3, 10e6)]


@pytest.mark.parametrize(
    ("megabits", "chosen"),
    [(1, _JLS), (10, _JLS), (50, 5), (90, 5), (300, 1), (1000, PLAIN), (10_000, PLAIN)],
)
def test_the_faster_the_link_the_less_is_compressed(megabits: float, chosen: int) -> None:
    assert choose(_TRIALS, megabits * 125e3, 0.5) == chosen


def test_a_busy_machine_does_less() -> None:
    slow = [Trial(trial.recipe, trial.ratio, trial.speed / 10) for trial in _TRIALS]
    assert choose(slow, 1.25e6, 0.5) == 5
    slower = [Trial(trial.recipe, trial.ratio, trial.speed / 100) for trial in _TRIALS]
    assert choose(slower, 1.25e6, 0.5) == PLAIN


def test_of_equals_the_quicker() -> None:
    assert choose([Trial(3, 3.01, 10e6), Trial(2, 3.0, 40e6)], 1e5, 0.5) == 2


def test_what_gains_nothing_goes_plain() -> None:
    assert choose([Trial(1, 1.01, 1e9), Trial(_JLS, 0.8, 1e8)], 1e5, 0.5) == PLAIN
    assert choose([], None, 0.5) == PLAIN


@given(
    st.lists(
        st.builds(
            Trial,
            st.integers(1, len(RECIPES) - 1),
            st.floats(0.1, 100),
            st.floats(1e3, 1e10),
        ),
        max_size=8,
    ),
    st.floats(1e2, 1e10),
)
def test_compression_never_slows_the_link_down(trials: list[Trial], rate: float) -> None:
    chosen = choose(trials, rate, 0.5)
    if chosen != PLAIN:
        assert max(min(t.speed * 0.5, rate * t.ratio) for t in trials if t.recipe == chosen) > rate


def test_candidates_fit_what_is_known() -> None:
    known = candidates(_CT, 131_072, 262_144, FEATURES)
    assert _JLS in known
    assert {RECIPES[n].width for n in known} <= {0, 2}
    dose = candidates(PixelLayout(1000, 9_000_000, 4, 128, 1), 131_072, 262_144, FEATURES)
    assert _JLS not in dose
    assert {RECIPES[n].mode for n in dose if RECIPES[n].width == 4} == {Mode.LEFT, Mode.GRADIENT}
    colour = candidates(PixelLayout(1000, 9_000_000, 1, 1536, 3), 131_072, 262_144, FEATURES)
    assert _JLS not in colour
    assert colour
    behind = candidates(_CT, 600_000, 700_000, FEATURES)
    assert {RECIPES[n].codec for n in behind} == {Codec.ZSTD}


def test_only_what_the_far_end_can_decode() -> None:
    assert {RECIPES[n].codec for n in candidates(_CT, 131_072, 262_144, frozenset({"zstd"}))} == {Codec.ZSTD}
    assert candidates(_CT, 131_072, 262_144, frozenset()) == []


def test_speeds_follow_what_is_measured() -> None:
    speeds = Speeds()
    assert speeds.of(_JLS) == RECIPES[_JLS].speed
    for _ in range(40):
        speeds.took(_JLS, 1_000_000, 0.01)
    assert speeds.of(_JLS) == pytest.approx(1e8, rel=0.01)
    speeds.took(_JLS, 1_000_000, 10.0)  # the machine had something else to do
    assert speeds.of(_JLS) > 7e7
    for _ in range(60):
        speeds.took(_JLS, 1_000_000, 0.1)
    assert speeds.of(_JLS) == pytest.approx(1e7, rel=0.01)
    speeds.took(1, 10, 0.0)
