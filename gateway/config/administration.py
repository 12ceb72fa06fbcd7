"""The section for the local admin page, which is a process of its own (`dicom-gateway admin`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from gateway.config.kinds import Address, ByteSize, Choice, Doc, Duration, FileName, Whole
from gateway.config.section import Section

_HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin(Section):
    """The local admin page. `dicom-gateway admin` serves it over HTTPS; it holds no key of the gateway."""

    address: Annotated[str, Address(), Doc("Address to serve the page on.")] = "0.0.0.0"  # noqa: S104 - meant
    port: Annotated[int, Whole(0, 65535), Doc("TCP port of the page. 0 takes any free one.")] = 8443
    state_dir: Annotated[
        Path, FileName(), Doc("Folder of the page's own: accounts, sessions, its certificate.")
    ] = Path("/var/lib/dicom-gateway-admin")
    certificate: Annotated[
        Path | None,
        FileName(),
        Doc("Certificate of the page in PEM. Without it, the page makes one for itself at its first start."),
    ] = None
    key: Annotated[Path | None, FileName(), Doc("Private key of that certificate in PEM.")] = None
    session_idle: Annotated[
        float, Duration(60, 24 * _HOUR), Doc("Somebody who does nothing for so long is signed out.")
    ] = 1800.0
    session_max: Annotated[
        float, Duration(300, 7 * 24 * _HOUR), Doc("Everybody is signed out after so long.")
    ] = 43200.0
    language: Annotated[
        Literal["", "en", "fr", "es", "pt"],
        Choice("", "en", "fr", "es", "pt"),
        Doc("Language of the page when the browser asks for none that there is. Empty: English."),
    ] = ""
    max_sessions: Annotated[int, Whole(4, 1000), Doc("How many may be signed in at the same time.")] = 64
    max_browsers: Annotated[
        int, Whole(1, 64), Doc("How many open pages are told what happens as it happens; others ask.")
    ] = 16
    max_connections: Annotated[int, Whole(8, 1000), Doc("Connections of all browsers together.")] = 64
    max_per_address: Annotated[int, Whole(4, 1000), Doc("Connections of one address.")] = 24
    max_upload: Annotated[
        int, ByteSize(1 << 16, 1 << 31), Doc("Largest file that may be brought to the page.")
    ] = 64 << 20
