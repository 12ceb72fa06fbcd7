"""One case per rule about the link: its ends, its sites, and what goes over it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from gateway.config import Config, Severity
from gateway.config.link_checks import run

TLS = {"certificate": "c", "key": "k", "ca": "a"}
GATEWAY = {"name": "g", "ae_title": "G"}
LISTENER = {"name": "console", "address": "192.0.2.10", "port": 11112, "allow": ["192.0.2.0/24"]}


def site(**sections: Any) -> Config:
    """Return a sound configuration of a site, but for `sections`."""
    return TypeAdapter(Config).validate_python(
        {
            "gateway": GATEWAY,
            "listener": [LISTENER],
            "link": {"hub": "hub.example.org:443", "tls": TLS},
            "peer": [{"name": "oncology", "ae_title": "ARIA", "via": "hub"}, console()],
            "route": [
                {"called": "ARIA", "to": ["oncology"]},
                {"called": "LINAC1", "to": ["console1"], "mode": "relay"},
            ],
            **sections,
        }
    )


def hub(**sections: Any) -> Config:
    """Return a sound configuration of a hub, but for `sections`."""
    return TypeAdapter(Config).validate_python(
        {
            "gateway": GATEWAY,
            "listener": [LISTENER],
            "link": {"listen": "0.0.0.0:443", "tls": TLS},
            "site": [clinic()],
            "peer": [{"name": "linac1", "ae_title": "LINAC1", "via": "clinic-07"}, oncology()],
            "route": [
                {"called": "ARIA", "to": ["oncology"]},
                {"called": "LINAC1", "to": ["linac1"], "mode": "relay"},
            ],
            **sections,
        }
    )


def console(**keys: Any) -> dict[str, Any]:
    return {"name": "console1", "ae_title": "LINAC1", "host": "192.0.2.20", "port": 11112, **keys}


def oncology(**keys: Any) -> dict[str, Any]:
    return {"name": "oncology", "ae_title": "ARIA", "host": "192.0.2.30", "port": 104, **keys}


def clinic(**keys: Any) -> dict[str, Any]:
    return {"name": "clinic-07", "calls": ["ARIA"], "calling": ["LINAC1"], **keys}


@pytest.mark.parametrize("config", [site(), hub()], ids=["site", "hub"])
def test_a_sound_link_has_no_findings(config: Config) -> None:
    assert list(run(config)) == []


@pytest.mark.parametrize(
    ("config", "path", "words"),
    [
        (site(link={"tls": TLS}, peer=[console()]), ("link",), "neither dials"),
        (
            hub(link={"listen": "0.0.0.0:443", "hub": "h:443", "tls": TLS}, peer=[]),
            ("link", "listen"),
            "both",
        ),
        (
            hub(link={"listen": "0.0.0.0:443", "tls": {**TLS, "server_name": "h"}}),
            ("link", "tls", "server_name"),
            "dials nobody",
        ),
        (hub(link={"listen": "0.0.0.0:11112", "tls": TLS}), ("link", "listen"), "console has this port"),
        (
            hub(link={"listen": "127.0.0.1:9464", "tls": TLS}, metrics={"port": 9464}),
            ("link", "listen"),
            "metrics have this port",
        ),
        (site(site=[clinic()]), ("site", 0), "only a hub"),
        (
            site(link={"hub": "h:443", "tls": TLS, "limits": {"bulk_window": "16 MiB"}}),
            ("link", "limits", "bulk_window"),
            "more than it may grow to",
        ),
        (
            site(link={"hub": "h:443", "tls": TLS, "limits": {"payload": 32768, "max_payload": 16384}}),
            ("link", "limits", "payload"),
            "longer than what we take",
        ),
        (hub(site=[clinic(calls=["ARIA", "PACS"])]), ("site", 0, "calls", 1), "no route"),
        (hub(site=[clinic(calls=["LINAC1"])]), ("site", 0, "calls", 0), "leads back"),
        (hub(site=[clinic(calling=[])]), ("site", 0, "calling"), "nobody there"),
        (site(peer=[{"name": "a", "ae_title": "A", "port": 104}]), ("peer", 0, "host"), "missing"),
        (site(peer=[{"name": "a", "ae_title": "A", "host": "h"}]), ("peer", 0, "port"), "missing"),
        (site(peer=[console(via="hub")]), ("peer", 0, "host"), "no meaning with via"),
        (
            site(peer=[{"name": "a", "ae_title": "A", "via": "hub", "tls": TLS}]),
            ("peer", 0, "tls"),
            "no meaning with via",
        ),
        (
            site(peer=[{"name": "a", "ae_title": "A", "via": "hub", "compress": True}]),
            ("peer", 0, "compress"),
            "no meaning with via",
        ),
        (site(link=None), ("peer", 0, "via"), "no link"),
        (site(peer=[{"name": "a", "ae_title": "A", "via": "clinic-07"}]), ("peer", 0, "via"), "its hub only"),
        (hub(peer=[{"name": "a", "ae_title": "A", "via": "clinic-7"}]), ("peer", 0, "via"), '"clinic-07"?'),
    ],
)
def test_what_does_not_fit_is_found(config: Config, path: tuple[object, ...], words: str) -> None:
    found = [finding for finding in run(config) if finding.severity is Severity.ERROR]
    assert any(finding.path == path and words in finding.message for finding in found), found


def test_a_hub_without_sites_starts_with_a_warning() -> None:
    (finding,) = run(hub(site=[], peer=[oncology()], route=[{"called": "ARIA", "to": ["oncology"]}]))
    assert finding.severity is Severity.WARNING
    assert "no site" in finding.message


def test_any_port_of_a_listener_is_no_clash() -> None:
    assert (
        list(run(hub(link={"listen": "127.0.0.1:0", "tls": TLS}, listener=[{**LISTENER, "port": 0}]))) == []
    )
