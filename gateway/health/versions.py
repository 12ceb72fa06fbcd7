"""Programs and libraries: what a report of a problem must say."""

from __future__ import annotations

import platform
import sqlite3
import ssl
from dataclasses import dataclass
from importlib import metadata

from gateway import __version__
from gateway.health.machine import Machine
from gateway.health.words import N_, Finding, Value, ok

_LIBRARIES = (
    "aiohttp", "argon2-cffi", "babel", "click", "cryptography", "h11", "jinja2", "prometheus-client",
    "pydantic", "pydicom", "pynetdicom",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Library:
    """An installed library."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Versions:
    """What runs here."""

    finding: Finding
    gateway: str
    python: str
    system: str
    kernel: str
    architecture: str
    openssl: str
    sqlite: str
    libraries: tuple[Library, ...]


def read(machine: Machine) -> Versions:
    """Return the versions."""
    system = os_name(machine.text("/etc/os-release") or "")
    kernel = machine.text("/proc/sys/kernel/osrelease") or platform.release()
    return Versions(
        ok(N_("Gateway %(version)s on %(system)s."), Value("version", __version__), Value("system", system)),
        __version__,
        platform.python_version(),
        system,
        kernel,
        platform.machine(),
        ssl.OPENSSL_VERSION,
        sqlite3.sqlite_version,
        tuple(_libraries()),
    )


def os_name(release: str) -> str:
    """Return PRETTY_NAME of /etc/os-release (os-release(5)); "Linux" when there is none."""
    for line in release.splitlines():
        name, _, value = line.partition("=")
        if name == "PRETTY_NAME":
            return value.strip().strip("\"'")[:100] or "Linux"
    return "Linux"


def _libraries() -> list[Library]:
    found = []
    for name in _LIBRARIES:
        try:
            found.append(Library(name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return found
