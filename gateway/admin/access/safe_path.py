"""Where to lead somebody after signing in: a path of this page, and nothing else."""

from __future__ import annotations

from urllib.parse import urlsplit

MAX_PATH = 500
HOME = "/"
_NOT_BACK_TO = ("/login", "/logout", "/setup", "/live")


def safe_path(wanted: str) -> str:
    """Return `wanted` when it is a path of this page that makes sense after signing in, else the start.

    A browser takes `//host`, `/\\host` and paths with control characters for other places: they are refused
    as text, not repaired.
    """
    if not wanted.startswith("/") or wanted.startswith("//") or len(wanted) > MAX_PATH:
        return HOME
    if "\\" in wanted or not wanted.isprintable() or not wanted.isascii() or " " in wanted:
        return HOME
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return HOME
    if parts.scheme or parts.netloc or "//" in parts.path:
        return HOME
    if any(parts.path == path or parts.path.startswith(f"{path}/") for path in _NOT_BACK_TO):
        return HOME
    return wanted


def path_of(address: str, host: str) -> str:
    """Return the path of a whole address (a Referer, or what htmx says is shown) when it is of this host."""
    try:
        parts = urlsplit(address[: 2 * MAX_PATH])
    except ValueError:
        return HOME
    if parts.netloc != host:
        return HOME
    return safe_path(parts.path + (f"?{parts.query}" if parts.query else ""))
