"""Secrets of the channels, each in a file of its own: read when needed, never shown."""

from __future__ import annotations

from pathlib import Path

from gateway.admin.alerts.channels import NotTold

_MOST = 4096  # bytes


def read_secret(file: Path) -> str:
    """Return the secret in `file`, without the end of its line. NotTold when it cannot be had. Blocking."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(_MOST + 1)
    except OSError as error:
        raise NotTold(f"the secret in {file} cannot be read: {error.strerror}") from error
    if len(raw) > _MOST:
        raise NotTold(f"{file} is too large to be a secret")
    try:
        secret = raw.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise NotTold(f"{file} is not text") from error
    if not secret or not secret.isprintable():
        raise NotTold(f"{file} holds no secret: one line of printable characters is expected")
    return secret
