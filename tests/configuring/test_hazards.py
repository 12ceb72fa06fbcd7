from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.configuring.hazards import find
from gateway.operator.configuration_facts import ListenerSummary, PeerSummary, RouteSummary, Summary

RUNNING = Summary(
    gateway="clinic",
    ae_title="CLINIC",
    state_dir="/var/lib/dicom-gateway",
    operator_socket="/run/op.sock",
    listeners=(ListenerSummary("console", "192.0.2.10", 104, False, ()),),
    peers=(
        PeerSummary("oncology", "ARIA", "h", 2762, True, destination=True),
        PeerSummary("console1", "LINAC1", "h", 104, False, destination=False),
    ),
    routes=(RouteSummary("ARIA", (), ("oncology",), "store"),),
)


def codes(wanted: Summary, **undelivered: int) -> list[str]:
    return [one.code for one in find(RUNNING, wanted, undelivered)]


def test_a_harmless_change_needs_no_word() -> None:
    wanted = replace(RUNNING, gateway="other", listeners=(*RUNNING.listeners, *RUNNING.listeners))
    assert codes(wanted, oncology=5) == []
    assert codes(replace(RUNNING, peers=(), routes=())) == []  # nothing waits for them


def test_an_empty_spool_is_no_surprise_that_is_kept_quiet() -> None:
    (one,) = find(RUNNING, replace(RUNNING, state_dir="/mnt"), {"oncology": 7})
    assert one.code == "state_dir"
    assert "7 undelivered" in one.words


@pytest.mark.parametrize("name", ["oncology", "console1"])
def test_a_peer_that_something_waits_for_stays(name: str) -> None:
    wanted = replace(RUNNING, peers=tuple(peer for peer in RUNNING.peers if peer.name != name))
    assert codes(wanted, **{name: 3}) == [f"peer:{name}"]


def test_a_destination_without_a_route_is_none() -> None:
    wanted = replace(RUNNING, peers=tuple(replace(peer, destination=False) for peer in RUNNING.peers))
    assert codes(wanted, oncology=3, console1=3) == ["peer:oncology"]


def test_the_last_listener_and_the_socket() -> None:
    assert codes(replace(RUNNING, listeners=())) == ["no_listener"]
    assert codes(replace(RUNNING, operator_socket="/tmp/x")) == ["operator_socket"]
