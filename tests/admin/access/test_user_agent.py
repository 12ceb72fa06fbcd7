"""A browser in a few words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.access.user_agent import browser_name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "Firefox, Windows",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0",
            "Edge, Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537 (KHTML, like Gecko) Chrome/130.0 Mobile Safari",
            "Chrome, Android",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605 Safari/604.1",
            "Safari, iPhone",
        ),
        ("curl/8.5.0", "curl"),
        ("", ""),
    ],
)
def test_names(header: str, name: str) -> None:
    assert browser_name(header) == name


@given(st.text(max_size=3000))
def test_nothing_of_the_header_itself_is_shown(header: str) -> None:
    assert len(browser_name(header)) <= 40
