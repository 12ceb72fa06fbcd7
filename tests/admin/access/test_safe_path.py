"""Where signing in may lead: paths of this page only."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.access.safe_path import path_of, safe_path

BASE = "https://gateway.example:8443/login"


@pytest.mark.parametrize("path", ["/", "/queue", "/queue/12?x=1&y=%2F", "/alerts?to=//x", "/loginfo"])
def test_paths_of_the_page_are_fine(path: str) -> None:
    assert safe_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "", "queue", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
        "/\t/evil.example", "/x\n", "/ /evil", "https://evil.example", "javascript:alert(1)",
        "/login", "/login?to=/", "/logout", "/setup", "/live", "/live/now",
        "/x//y", "/é", "/" + "x" * 500, "/%0d%0aSet-Cookie:x\r\n",
    ],
)  # fmt: skip
def test_all_else_is_the_start(path: str) -> None:
    assert safe_path(path) == "/"


@given(
    st.text(st.characters(codec="utf-8"), max_size=60)
    | st.from_regex(r"/[/\\a.:@%?#\s]{0,12}", fullmatch=True)
)
def test_a_browser_never_leaves_the_device(path: str) -> None:
    led = urljoin(BASE, safe_path(path))
    assert urlsplit(led).netloc == "gateway.example:8443"
    assert urlsplit(led).scheme == "https"


def test_the_page_that_is_shown() -> None:
    assert path_of("https://gw:8443/queue?x=1", "gw:8443") == "/queue?x=1"
    for other in ("https://evil/queue", "https://gw:8443.evil/queue", "", "https://[", "/queue"):
        assert path_of(other, "gw:8443") == "/"
