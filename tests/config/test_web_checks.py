"""One case per rule about a peer's DICOMweb server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway import settings
from gateway.config import Config
from gateway.config.dicomweb import WebUrl
from gateway.config.files import run as run_files
from gateway.config.web_checks import run
from gateway.model import WebTarget

SECURE = "https://pacs.example.org/dicom-web"


def config(web: dict[str, Any], **peer: Any) -> Config:
    """Return a configuration with one peer that has a web server."""
    return TypeAdapter(Config).validate_python(
        {
            "gateway": {"name": "g", "ae_title": "G"},
            "listener": [{"name": "c", "address": "192.0.2.10", "port": 11112, "allow": ["192.0.2.0/24"]}],
            "peer": [
                {"name": "a", "ae_title": "PACS", "host": "192.0.2.30", "port": 104, "dicomweb": web, **peer}
            ],
            "route": [{"called": "PACS", "to": ["a"]}],
        }
    )


def found(config: Config) -> list[tuple[tuple[Any, ...], str]]:
    return [(finding.path[3:], finding.message) for finding in run(config)]


@pytest.mark.parametrize(
    "web",
    [
        {"url": SECURE},
        {"url": SECURE, "user": "clinic", "secret": "s", "certificate": "c", "key": "k", "ca": "a"},
        {"url": SECURE, "secret": "token"},
        {"url": "http://127.0.0.1:8042/dicom-web"},
        {"url": "http://localhost/dicom-web"},
        {"url": "http://192.168.1.4:8042"},
    ],
)
def test_sound_ones(web: dict[str, Any]) -> None:
    assert found(config(web)) == []


@pytest.mark.parametrize(
    ("web", "key", "words"),
    [
        ({"url": "http://192.168.1.4", "secret": "s"}, ("secret",), "in the clear"),
        ({"url": "http://192.168.1.4", "ca": "a"}, ("ca",), "without TLS"),
        ({"url": "http://9.9.9.9"}, ("url",), "not known to be private"),
        ({"url": "http://pacs.example.org"}, ("url",), "not known to be private"),
        ({"url": SECURE, "certificate": "c"}, ("key",), "missing"),
        ({"url": SECURE, "key": "k"}, ("certificate",), "missing"),
        ({"url": SECURE, "user": "clinic"}, ("secret",), "missing"),
    ],
)
def test_each_rule(web: dict[str, Any], key: tuple[str, ...], words: str) -> None:
    ((path, message),) = found(config(web))
    assert path == key
    assert words in message


def test_in_the_clear_when_somebody_says_so() -> None:
    assert found(config({"url": "http://pacs.example.org"}, plain_on_public=True)) == []


def test_a_peer_behind_the_hub_has_no_server_of_its_own_here() -> None:
    ((path, message),) = found(config({"url": SECURE}, via="hub"))
    assert path == ()
    assert "via" in message


def test_what_goes_to_a_web_server_goes_as_it_is() -> None:
    findings = list(run(config({"url": SECURE}, compress=True)))
    assert [(each.path, "as they are" in each.message) for each in findings] == [
        (("peer", 0, "compress"), True)
    ]


@pytest.mark.parametrize(
    "url",
    [
        "pacs.example.org/dicom-web",
        "ftp://pacs.example.org",
        "https://",
        "https://user:word@pacs.example.org",
        "https://pacs.example.org/?a=b",
        "https://pacs.example.org/#x",
        "https://pacs.example.org:99999/",
        "https://pacs example.org",
        "https://pacs.example.org/" + 1024 * "x",
        "https://pacs.example.org/\r\nX: y",
    ],
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which of the rules it was does not matter
        WebUrl().parse(url)


@pytest.mark.parametrize("user", ["", "a:b", "x" * 257, "a\nb"])
def test_what_is_no_user(user: str) -> None:
    with pytest.raises(ValidationError):
        config({"url": SECURE, "user": user, "secret": "s"})


def test_the_files_are_looked_at(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    web = {"url": SECURE, "secret": str(secret), "ca": str(tmp_path / "ca"), "user": "clinic"}

    def messages() -> list[tuple[Any, str]]:
        findings = run_files(config(web))
        return [(each.path[-1], each.message) for each in findings if "dicomweb" in each.path]

    assert [key for key, _ in messages()] == ["ca", "secret"]
    secret.write_text("word")
    secret.chmod(0o644)
    assert [(key, "everybody" in words) for key, words in messages()] == [("ca", False), ("secret", True)]
    secret.chmod(0o600)
    assert [key for key, _ in messages()] == ["ca"]


def test_what_is_configured_is_what_is_used() -> None:
    assert settings.peers(config({"url": f"{SECURE}/", "max_size": "2 MiB", "max_objects": 7}))[
        "a"
    ].web == WebTarget(SECURE, max_objects=7, max_size=2 << 20)
    assert settings.peers(config({"url": SECURE}))["a"].web == WebTarget(SECURE)
