"""Configuration files without secrets, comments and mail addresses. Pure.

Host names, addresses and AE titles stay: without them nobody can help. Comments go, because anything may be
in them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

REMOVED = "(removed)"
_SECRET = re.compile(r"passw|passphrase|secret|token|community|credential|api_?key|auth|user", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=//)[^/@\s]+@")
_QUERY = re.compile(r"(?<=[?#]).+")
_MAIL = re.compile(r"[^\s@<>]+@[^\s@<>]+")


def redacted(text: str) -> dict[str, Any]:
    """Return the values of a TOML text without secrets. ValueError when it is no TOML."""
    values: dict[str, Any] = _without(tomllib.loads(text))
    return values


def names(values: Any) -> Iterator[str]:
    """Yield every text in redacted values: what the configuration names."""
    if isinstance(values, dict):
        for value in values.values():
            yield from names(value)
    elif isinstance(values, list):
        for value in values:
            yield from names(value)
    elif isinstance(values, str) and values != REMOVED:
        yield values


def _without(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _without(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner, key) for inner in value]
    if _SECRET.search(key):
        return REMOVED
    if not isinstance(value, str):
        return value if isinstance(value, bool | int | float) else str(value)
    if "-----BEGIN" in value:
        return REMOVED
    value = _QUERY.sub(REMOVED, _USERINFO.sub("", value)) if "://" in value else value
    return _MAIL.sub(REMOVED, value)
