"""The daemon of the demo, where it cannot work; where it can, test_story.py shows it."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from gateway.config import load
from gateway.demo import configurations
from gateway.demo.configurations import DESTINATION
from gateway.demo.daemon import Daemon, DaemonFailed
from gateway.demo.pki import Authority, Endpoint


def endpoint(directory: Path) -> Endpoint:
    return Authority(directory / "pki", now=datetime.datetime.now(datetime.UTC)).issue("gateway")


def test_path_that_is_too_long_for_a_socket_is_explained(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 30)
    directory.mkdir()
    with pytest.raises(DaemonFailed, match="set TMPDIR to a shorter one"):
        Daemon(directory, lambda _: "")


def test_the_configuration_of_a_gateway_without_a_hub_is_valid(tmp_path: Path) -> None:
    tls = endpoint(tmp_path)

    def configuration(socket: Path) -> str:
        return configurations.direct(socket, port=4242, tls=tls, page=("127.0.0.1", 8443))

    daemon = Daemon(tmp_path / "gateway", configuration)
    config = load(daemon.config)
    (peer,) = config.peers
    assert (peer.name, peer.port) == (DESTINATION, 4242)
    assert config.listeners[0].port == 0
    assert config.warnings == ()
    assert config.gateway.state_dir == tmp_path / "gateway/state"


def test_the_configurations_of_a_site_and_its_hub_are_valid(tmp_path: Path) -> None:
    tls = endpoint(tmp_path)

    def of_a_site(socket: Path) -> str:
        return configurations.site(socket, hub="127.0.0.1:4242", tls=tls, page=("127.0.0.1", 8443))

    def of_a_hub(socket: Path) -> str:
        return configurations.hub(socket, listen="127.0.0.1:4242", port=4243, tls=tls)

    site = load(Daemon(tmp_path / "site", of_a_site).config)
    hub = load(Daemon(tmp_path / "hub", of_a_hub).config)
    assert [(peer.name, peer.via) for peer in site.peers] == [(DESTINATION, "hub")]
    assert [one.name for one in hub.sites] == [site.gateway.name]
    assert hub.link is not None
    assert site.link is not None
    assert site.link.hub == hub.link.listen
    assert site.warnings == hub.warnings == ()
