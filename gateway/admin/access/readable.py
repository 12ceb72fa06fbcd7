"""Codes that people read from a screen and type on a keyboard: `K7PQ-W2XN-9VRT`, 59 random bits."""

from __future__ import annotations

import re
import secrets

LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # without I, L, O, 0 and 1, which look like one another
LENGTH = 12
_GROUP = 4


def readable_code() -> str:
    """Return a new code."""
    code = "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
    return "-".join(code[start : start + _GROUP] for start in range(0, LENGTH, _GROUP))


def letters_of(typed: str) -> str:
    """Return what counts of a code as it was typed: not its case, spaces or dashes."""
    return re.sub(r"[^A-Z0-9]", "", typed[:100].upper())
