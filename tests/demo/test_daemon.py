"""The daemon of the demo, where it cannot work; where it can, test_story.py shows it."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from gateway.config import load
from gateway.demo.daemon import DESTINATION, Daemon, DaemonFailed
from gateway.demo.pki import Authority, Endpoint


def endpoint(directory: Path) -> Endpoint:
    return Authority(directory / "pki", now=datetime.datetime.now(datetime.UTC)).issue("gateway")


def test_path_that_is_too_long_for_a_socket_is_explained(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 30)
    directory.mkdir()
    with pytest.raises(DaemonFailed, match="set TMPDIR to a shorter one"):
        Daemon(directory, link_port=1, tls=endpoint(tmp_path))


def test_configuration_is_valid(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, link_port=4242, tls=endpoint(tmp_path))
    config = load(daemon.config)
    (peer,) = config.peers
    assert (peer.name, peer.port) == (DESTINATION, 4242)
    assert config.listeners[0].port == 0
    assert config.warnings == ()
    assert config.gateway.state_dir == tmp_path / "state"
