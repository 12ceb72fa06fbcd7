"""One case per rule between the sections."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from gateway.config import Config, Severity
from gateway.config.checks import Finding, is_public, run


def config(**sections: Any) -> Config:
    """Return a configuration without anything to complain about, but for `sections`."""
    return TypeAdapter(Config).validate_python(
        {
            "gateway": {"name": "g", "ae_title": "G"},
            "listener": [listener()],
            "peer": [peer()],
            "route": [route()],
            **sections,
        }
    )


def listener(**keys: Any) -> dict[str, Any]:
    return {"name": "console", "address": "192.0.2.10", "port": 11112, "allow": ["192.0.2.0/24"], **keys}


def peer(**keys: Any) -> dict[str, Any]:
    return {"name": "oncology", "ae_title": "ARIA", "host": "192.0.2.30", "port": 104, **keys}


def route(**keys: Any) -> dict[str, Any]:
    return {"called": "ARIA", "to": ["oncology"], **keys}


TLS = {"certificate": "c", "key": "k", "ca": "a"}


def test_a_sound_configuration_has_no_findings() -> None:
    assert list(run(config())) == []


@pytest.mark.parametrize(
    ("sections", "path", "words"),
    [
        ({"listener": [listener(), listener(port=1)]}, ("listener", 1, "name"), "has this name"),
        ({"peer": [peer(), peer(port=1)]}, ("peer", 1, "name"), "has this name"),
        ({"data_budget": {"counted": ["aria"]}}, ("data_budget", "counted", 0), "no peer has this name"),
        ({"traffic": {"shaped": ["aria"]}}, ("traffic", "shaped", 0), "no peer has this name"),
        (
            {"traffic": {"window": [{"start": "07:30", "end": "18:00", "days": []}]}},
            ("traffic", "window", 0, "days"),
            "never hold",
        ),
        (
            {"data_budget": {"bulk_share": 0.9, "image_share": 0.5}},
            ("data_budget", "bulk_share"),
            "images would wait before",
        ),
        ({"route": [route(mode="relay", mpps="queue")]}, ("route", 0, "mpps"), "nothing is queued"),
        (
            {"commitment": {"report_backoff": {"base": 20, "ceiling": 10}}},
            ("commitment", "report_backoff", "base"),
            "longer than the ceiling",
        ),
        (
            {"procedure_steps": {"backoff": {"base": 20, "ceiling": 10}}},
            ("procedure_steps", "backoff", "base"),
            "longer than the ceiling",
        ),
        ({"listener": [listener(), listener(name="b")]}, ("listener", 1, "port"), "console has it already"),
        (
            {"listener": [listener(), listener(name="b", address="0.0.0.0", tls=TLS)]},
            ("listener", 1, "port"),
            "console has it already",
        ),
        (
            {"listener": [listener(address="127.0.0.1")], "metrics": {"port": 11112}},
            ("metrics", "port"),
            "console has it already",
        ),
        ({"listener": [listener(address="8.8.8.8")]}, ("listener", 0, "address"), "open to the world"),
        ({"listener": [listener(address="::")]}, ("listener", 0, "address"), "open to the world"),
        ({"peer": [peer(host="8.8.8.8")]}, ("peer", 0, "host"), "cross the public Internet"),
        ({"metrics": {"port": 9464, "address": "0.0.0.0"}}, ("metrics", "address"), "open to the world"),
        ({"route": [route(to=[])]}, ("route", 0, "to"), "nobody would get the objects"),
        ({"route": [route(to=["oncolgy"])]}, ("route", 0, "to", 0), 'did you mean "oncology"'),
        ({"route": [route(to=["oncology", "oncology"])]}, ("route", 0, "to", 1), "named twice"),
        ({"route": [route(), route()]}, ("route", 1, "called"), "never reached"),
        ({"route": [route(), route(calling=["A"])]}, ("route", 1, "called"), "never reached"),
        (
            {"route": [route(calling=["A", "B"]), route(calling=["B", "C"])]},
            ("route", 1, "calling"),
            "an earlier route takes this title from this caller",
        ),
        ({"route": [route(calling=[])]}, ("route", 0, "calling"), "nobody could send here"),
        (
            {"peer": [peer(host="192.0.2.10", port=11112)]},
            ("peer", 0, "port"),
            "this is our own listener console",
        ),
        (
            {
                "listener": [listener(address="0.0.0.0", tls=TLS)],
                "peer": [peer(host="localhost", port=11112)],
            },
            ("peer", 0, "port"),
            "this is our own listener console",
        ),
        (
            {
                "listener": [listener(address="127.0.0.1")],
                "peer": [peer(host="127.0.0.2", port=11112)],
            },
            ("peer", 0, "port"),
            "this is our own listener console",
        ),
        ({"spool": {"reserve": "16 MiB"}}, ("spool", "reserve"), "leaves nothing for treatment records"),
        ({"spool": {"quota": "64 MiB"}}, ("spool", "quota"), "leaves no room for images"),
        ({"spool": {"max_pending_total": "1 MB"}}, ("spool", "max_pending"), "more than all objects"),
        (
            {"delivery": {"link_backoff": {"base": "2 min"}}},
            ("delivery", "link_backoff", "base"),
            "longer than the ceiling",
        ),
        ({"operator": {"socket": "/" + "x" * 107}}, ("operator", "socket"), "too long for a Unix socket"),
    ],
)
def test_errors(sections: dict[str, Any], path: tuple[str | int, ...], words: str) -> None:
    (finding,) = run(config(**sections))
    assert finding.path == path
    assert words in finding.message
    assert finding.severity is Severity.ERROR


@pytest.mark.parametrize(
    ("sections", "path", "words"),
    [
        ({"listener": []}, ("listener",), "nobody can connect"),
        ({"route": []}, ("route",), "every object is refused"),
        (
            {"listener": [{"name": "c", "address": "192.0.2.10", "port": 1}]},
            ("listener", 0),
            "everybody on this network",
        ),
        (
            {"peer": [peer(tls={**TLS, "check_name": False})]},
            ("peer", 0, "tls", "check_name"),
            "can pose as this peer",
        ),
        ({"peer": [peer(calling_ae="ARIA")]}, ("peer", 0, "calling_ae"), "only on our own association"),
    ],
)
def test_warnings(sections: dict[str, Any], path: tuple[str | int, ...], words: str) -> None:
    (finding,) = run(config(**sections))
    assert finding.path == path
    assert words in finding.message
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize(
    "sections",
    [
        {"listener": [listener(address="8.8.8.8", tls=TLS)]},
        {"listener": [listener(address="8.8.8.8", plain_on_public=True)]},
        {"listener": [{"name": "c", "address": "127.0.0.1", "port": 1}]},
        {"listener": [listener(port=0), listener(name="b", port=0)]},
        {"listener": [listener(), listener(name="b", address="192.0.2.11")]},
        {"peer": [peer(host="8.8.8.8", tls=TLS)]},
        {"peer": [peer(host="8.8.8.8", plain_on_public=True)]},
        {"peer": [peer(host="ois.example.org")]},
        {
            "peer": [peer(), peer(name="self", host="192.0.2.10", port=11112)]
        },  # not routed to: an echo is fine
        {"route": [route(calling=["A"]), route(calling=["B"]), route()]},
        {"route": [route(called="G")]},  # our own title: C-ECHO is answered here, objects are routed
    ],
)
def test_what_is_fine(sections: dict[str, Any]) -> None:
    found: list[Finding] = list(run(config(**sections)))
    assert found == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("127.0.0.1", False),
        ("::1", False),
        ("10.1.2.3", False),
        ("192.168.1.1", False),
        ("169.254.1.1", False),
        ("fd00::1", False),
        ("fe80::1", False),
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("0.0.0.0", True),
        ("::", True),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public
