"""The DICOMweb server of a peer, where it has one: objects for the peer are stored there (STOW-RS)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from gateway.config.kinds import HOST, ByteSize, Doc, FileName, Kind, Text, Whole, as_text
from gateway.config.limits import KIB, MIB
from gateway.config.section import Section

_MAX_URL = 1024
_URL = re.compile(r"[\x21-\x7e]+")


class WebUrl(Kind[str]):
    """Where a DICOMweb service is: what comes before /studies."""

    allowed = 'the url of a DICOMweb service, like "https://pacs.example.org/dicom-web"'

    def parse(self, raw: object) -> str:
        text = as_text(raw)
        if len(text) > _MAX_URL or not _URL.fullmatch(text):
            raise ValueError("not a url")
        url = split(text)
        if url.scheme not in ("https", "http"):
            raise ValueError("neither https nor http")
        if url.username is not None or url.password is not None:
            raise ValueError("a name or a password does not belong here: see user and secret")
        if url.query or url.fragment:
            raise ValueError("what comes after a ? or a # does not belong here")
        HOST.parse(url.hostname or "")
        return text.rstrip("/")


def split(text: str) -> SplitResult:
    """Return the parts of a url. ValueError when it is none."""
    url = urlsplit(text)
    _ = url.port  # raises
    return url


def _check_user(text: str) -> None:
    if not text or len(text) > 256 or ":" in text or not text.isprintable():
        raise ValueError("not a user name")


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomWeb(Section):
    """STOW-RS to a peer: its objects go there by HTTPS, several in a request. All else goes by DICOM."""

    url: Annotated[str, WebUrl(), Doc("Where the service is: what comes before /studies.")]
    ca: Annotated[
        Path | None,
        FileName(),
        Doc("Authorities we trust for its certificate, PEM. Without it, those this machine trusts."),
    ] = None
    certificate: Annotated[
        Path | None,
        FileName(),
        Doc("Our certificate in PEM, followed by its intermediates, where the server wants one."),
    ] = None
    key: Annotated[
        Path | None, FileName(), Doc("Private key of the certificate in PEM, without a passphrase.")
    ] = None
    user: Annotated[
        str | None,
        Text("a user name without a colon", _check_user),
        Doc("Who we are by HTTP basic authentication; the password is in `secret`."),
    ] = None
    secret: Annotated[
        Path | None,
        FileName(),
        Doc("File with the password of `user`; without `user`, with a bearer token. Read for each request."),
    ] = None
    max_objects: Annotated[int, Whole(1, 1000), Doc("Objects that go into one request, at most.")] = 32
    max_size: Annotated[
        int,
        ByteSize(64 * KIB, 64 * MIB),
        Doc("Bytes of them together, at most; a larger object goes alone. A record may wait for as much."),
    ] = MIB
