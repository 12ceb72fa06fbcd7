from __future__ import annotations

from pathlib import Path

import click
import pytest

from gateway.cli import options
from gateway.cli.options import DEFAULT_SOCKET, Duration, connect


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text("""
        gateway = { name = "t", ae_title = "T", state_dir = "s" }
        operator = { socket = "here.sock" }
        [[listener]]
        name = "l"
        address = "127.0.0.1"
        port = 1
        tls = { certificate = "c", key = "k", ca = "a" }
        [[peer]]
        name = "p"
        ae_title = "P"
        host = "127.0.0.1"
        port = 2
        [[route]]
        called = "P"
        to = ["p"]
    """)
    return path


def test_the_socket_given_wins(config: Path) -> None:
    assert connect(Path("given.sock"), config).path == Path("given.sock")


def test_the_configuration_names_it_even_if_its_keys_may_not_be_read(config: Path) -> None:
    assert connect(None, config).path == config.parent / "here.sock"


def test_the_usual_configuration_is_used_where_it_is(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "DEFAULT_CONFIG", config)
    assert connect(None, None).path == config.parent / "here.sock"
    monkeypatch.setattr(options, "DEFAULT_CONFIG", config.parent / "none.toml")
    assert connect(None, None).path == DEFAULT_SOCKET


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("1.5h", 5400), ("2d", 172_800), (7.0, 7)]
)
def test_durations(text: str | float, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


def test_a_bad_duration_says_what_to_write() -> None:
    with pytest.raises(click.BadParameter, match="15m"):
        Duration().convert("soon", None, None)
