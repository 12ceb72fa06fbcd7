"""Fixtures of the browser tests: a browser and a box for each file, windows for each role."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.support import browsing
from tests.support.box import Box

PageAs = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder: one browser takes as long as a hundred other tests."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("browser")
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. While it runs, this thread has an event loop: no asyncio.run(), and no longer."""
    browsing.required()
    with browsing.chromium() as running:
        yield running


@pytest.fixture(scope="module")
def box(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A running gateway and its page, with an account for each role, shared by the tests of one file."""
    with Box(tmp_path_factory.mktemp("box")) as running:
        yield running


@pytest.fixture
def surfers(browser: Browser) -> Iterator[Callable[..., browsing.Surfer]]:
    """Open a window on a box; it is closed at the end, and must have nothing to complain of."""
    opened: list[browsing.Surfer] = []

    def surf(box: Box, **options: Any) -> browsing.Surfer:
        opened.append(browsing.Surfer(browser, box, **options))
        return opened[-1]

    yield surf
    for each in opened:
        each.close()


@pytest.fixture
def page_as(box: Box, surfers: Callable[..., browsing.Surfer]) -> PageAs:
    """page_as("clinic", "/queue", viewport=...): a page of the box, as somebody with that role sees it."""

    def page(role: str, path: str = "/", **options: Any) -> Page:
        return surfers(box, **options).sign_in(role, path)

    return page
