"""What the spool fills with zeros, made small: how much it is costs time alone, at thousands of starts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gateway.spool import ballast, recovery

SIZES = ((recovery, "WAL_READY", 64 * 1024), (ballast, "SIZE", 16 * 1024))
"""The WAL has room for a few transactions before it grows."""


@contextlib.contextmanager
def fillings() -> Iterator[None]:
    """Have them small inside."""
    former = [(module, name, getattr(module, name)) for module, name, _ in SIZES]
    for module, name, size in SIZES:
        setattr(module, name, size)
    try:
        yield
    finally:
        for module, name, size in former:
            setattr(module, name, size)
