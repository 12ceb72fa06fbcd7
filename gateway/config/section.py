"""What all sections share: unknown keys are refused, and how a field's name is spelt in TOML."""

from __future__ import annotations

from typing import Any, ClassVar

_SPELT = {
    "listeners": "listener",
    "peers": "peer",
    "routes": "route",
    "sites": "site",
    "windows": "window",
    "claim_bytes": "claim_bytes",  # beside claim_objects
}


def toml_key(field: str) -> str:
    """Return the TOML key of a field: units are in the value there ("7 d"), so not in the name."""
    return _SPELT.get(field, field.removesuffix("_bytes").removesuffix("_seconds"))


class Section:
    """Base of every section, frozen like the dataclasses that derive from it."""

    __slots__ = ()

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid", "alias_generator": toml_key}
