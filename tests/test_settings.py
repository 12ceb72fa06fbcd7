from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from gateway import settings
from gateway.association.acceptor import AcceptorLimits
from gateway.association.requestor import RequestorTimeouts
from gateway.association.stream import StreamLimits
from gateway.config import load
from gateway.config.schema import Config
from gateway.delivery.policy import DeliveryPolicy
from gateway.dicom.limits import MessageLimits, NegotiationLimits, UpperLayerLimits
from gateway.listener import ListenerLimits
from gateway.model import AETitle, Priority
from gateway.shaping.allowance import BudgetPlan
from gateway.shaping.schedule import Schedule, Window
from gateway.spool import SpoolLimits

CONFIG = """
[gateway]
name = "clinic"
ae_title = "CLINIC"
state_dir = "state"

[operator]
socket = "operator.sock"

[[listener]]
name = "console"
address = "127.0.0.1"
port = 11112
allow = ["127.0.0.0/8"]

[[peer]]
name = "spare"
ae_title = "SPARE"
host = "spare.example.org"
port = 104

[[peer]]
name = "oncology"
ae_title = "ARIA"
host = "ois.example.org"
port = 104
calling_ae = "OTHER"
max_associations = 2

[[route]]
called = "ARIA"
to = ["oncology"]
calling = ["LINAC1"]
priorities = { "CT Image Storage" = "image" }
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG + EXTRA)
    return load(path)


EXTRA = """
[spool]
reserve = "128 MiB"

[delivery]
claim_objects = 7
link_backoff = { base = "2 s", ceiling = "1 min" }

[limits]
max_connections = 33
max_per_address = 3
max_associations = 22
max_operations = 5
max_pdu_length = "64 KiB"
max_associate_length = "100 KiB"
max_transfer_syntaxes = 11
max_user_items = 44
max_pdvs = 55
max_command_length = "8 KiB"
max_open_messages = 7
max_output = "32 KiB"

[timeouts]
tls_handshake = "1 s"
artim = "2 s"
pdu = "3 s"
idle = "4 s"
write = "5 s"
connect = "6 s"
tls = "7 s"
associate = "8 s"
response = "9 s"
release = "10 s"
peer_idle = "11 s"
"""


def test_without_a_word_the_rooms_defaults_hold(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG)
    plain = load(path)
    assert settings.spool_limits(plain) == SpoolLimits()
    assert settings.delivery_policy(plain) == DeliveryPolicy()
    assert settings.listener_limits(plain) == ListenerLimits()
    assert settings.requestor_timeouts(plain) == RequestorTimeouts()


def test_what_is_said_reaches_the_rooms(config: Config) -> None:
    assert settings.spool_limits(config) == SpoolLimits(reserve_bytes=128 << 20)
    policy = settings.delivery_policy(config)
    assert (policy.claim_objects, policy.link_backoff.base) == (7, 2.0)
    limits = settings.listener_limits(config)
    assert (limits.max_connections, limits.max_per_address, limits.max_associations) == (33, 3, 22)
    assert limits.acceptor == AcceptorLimits(
        5, messages=MessageLimits(max_command_length=8192, max_open_messages=7)
    )
    assert limits.upper_layer == UpperLayerLimits(
        max_pdu_length=65536,
        max_associate_length=102400,
        max_pdvs=55,
        negotiation=NegotiationLimits(max_transfer_syntaxes=11, max_user_items=44),
    )
    assert limits.tls_handshake_timeout == 1.0
    assert limits.stream == dataclasses.replace(
        StreamLimits(), artim=2.0, pdu_timeout=3.0, idle_timeout=4.0, write_timeout=5.0, max_output=32768
    )
    dialled = settings.requestor_timeouts(config)
    assert dialled == dataclasses.replace(
        RequestorTimeouts(),
        connect=6.0,
        tls=7.0,
        associate=8.0,
        response=9.0,
        release=10.0,
        stall=5.0,
        idle=11.0,
    )


def test_who_talks_to_whom(config: Config) -> None:
    (listener,) = settings.listeners(config)
    assert (listener.name, listener.address, listener.port, listener.tls) == (
        "console",
        "127.0.0.1",
        11112,
        None,
    )
    assert [str(network) for network in listener.allow] == ["127.0.0.0/8"]
    peer = settings.peers(config)["oncology"]
    assert (peer.ae_title, peer.calling_ae, peer.max_associations) == ("ARIA", "OTHER", 2)
    (route,) = settings.routes(config)
    assert route.calling == {AETitle("LINAC1")}
    assert route.priorities == {"1.2.840.10008.5.1.4.1.1.2": Priority.IMAGE}


def test_only_peers_that_a_route_names_are_destinations(config: Config) -> None:
    assert settings.destination_names(config) == ["oncology"]


def test_manners_on_the_line(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(
        CONFIG
        + """
[traffic]
rate = "1 MB"

[[traffic.window]]
start = "22:00"
end = "06:00"
days = ["fri", "sun"]

[data_budget]
monthly = "50 GB"
image_share = 0.9
"""
    )
    config = load(path)
    night = Window(22 * 60, 6 * 60, None, frozenset({4, 6}))
    assert settings.traffic_schedule(config) == Schedule(1_000_000, (night,))
    destinations = tuple(settings.destination_names(config))
    assert settings.shaped_peers(config) == set(destinations)
    assert settings.budget_plan(config) == BudgetPlan(50 * 10**9, 1, destinations, image_share=0.9)


def test_what_goes_over_a_link_is_counted_with_the_link(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG)
    plain = load(path)
    behind = dataclasses.replace(plain.peers[0], host=None, port=None, via="hub")
    changed = dataclasses.replace(
        plain,
        peers=(behind, *plain.peers[1:]),
        data_budget=dataclasses.replace(plain.data_budget, counted=(behind.name,)),
    )
    assert settings.budget_plan(changed).counted == (behind.name, "hub")
