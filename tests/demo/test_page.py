"""The page of the demo, where it cannot work; where it can, test_story.py shows it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gateway.demo.page import Page, PageFailed, choose_port
from tests.support.ports import free_port


def test_the_usual_port_is_taken_when_it_is_free() -> None:
    port = free_port()
    assert choose_port("127.0.0.1", port) == port


def test_another_port_is_taken_when_it_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert choose_port("127.0.0.1", port) not in (0, port)


def test_an_address_of_somebody_else_is_explained() -> None:
    with pytest.raises(PageFailed, match=r"no free port on 192\.0\.2\.1"):
        choose_port("192.0.2.1")


async def test_a_page_that_does_not_start_says_why(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text("[gateway]\n")
    with pytest.raises(PageFailed, match=r"did not start:(.|\n)*gateway\.name"):
        async with Page(config, address="127.0.0.1", port=free_port()):
            pass
