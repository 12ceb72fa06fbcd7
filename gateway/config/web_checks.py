"""What has to fit between a peer's DICOMweb server and what else is said of it: one function per rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gateway.config.checks import Finding, is_public
from gateway.config.dicomweb import DicomWeb, split
from gateway.config.schema import Config, Peer
from gateway.config.toml_lines import KeyPath


def run(config: Config) -> Iterator[Finding]:
    """Yield what is wrong with the web servers of peers."""
    for number, peer in enumerate(config.peers):
        if peer.dicomweb is not None:
            for check in _CHECKS:
                yield from check(("peer", number, "dicomweb"), peer, peer.dicomweb)


def _in_the_clear(here: KeyPath, peer: Peer, web: DicomWeb) -> Iterator[Finding]:
    url = split(web.url)
    if url.scheme == "https":
        return
    if web.secret is not None:
        yield Finding((*here, "secret"), "would cross the network in the clear", "an https url")
    for key in ("ca", "certificate", "key"):
        if getattr(web, key) is not None:
            yield Finding((*here, key), "has no meaning without TLS", "an https url")
    if not peer.plain_on_public and _may_be_public(url.hostname or ""):
        yield Finding(
            (*here, "url"),
            "objects would go in the clear to where is not known to be private",
            "https, a private address, or plain_on_public = true of the peer",
        )


def _may_be_public(host: str) -> bool:
    try:
        return is_public(host)
    except ValueError:
        return host != "localhost"


def _halves(here: KeyPath, peer: Peer, web: DicomWeb) -> Iterator[Finding]:
    if (web.certificate is None) != (web.key is None):
        missing = "key" if web.key is None else "certificate"
        yield Finding((*here, missing), "missing", "certificate and key, or neither")
    if web.user is not None and web.secret is None:
        yield Finding((*here, "secret"), "missing", "the file with the password of this user")


def _way(here: KeyPath, peer: Peer, web: DicomWeb) -> Iterator[Finding]:
    if peer.via is not None:
        yield Finding(here, "has no meaning with via: the hub delivers to this peer")
    if peer.compress:
        yield Finding((*here[:2], "compress"), "has no meaning with dicomweb: objects go as they are")


_CHECKS: tuple[Callable[[KeyPath, Peer, DicomWeb], Iterator[Finding]], ...] = (
    _in_the_clear,
    _halves,
    _way,
)
