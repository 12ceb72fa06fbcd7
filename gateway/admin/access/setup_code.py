"""The one-time code that makes the first admin, and the way back in when nobody can sign in any more.

It is made at the first start, and later only by somebody with a shell on the device (`dicom-gateway admin
setup-code --new`). It lies in a file for its owner alone, is good once, and is worth 59 random bits. A
database that was damaged or lost makes none by itself: a stranger on the network must not become admin by
somebody else's bad luck.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from gateway.admin.access.readable import LENGTH, letters_of, readable_code
from gateway.admin.access.store import StoreFailure, write_durably

FILE = "setup-code"


def make(directory: Path) -> str:
    """Put a new code in place of any other and return it. StoreFailure in words. Blocks."""
    code = readable_code()
    try:
        write_durably(directory / FILE, f"{code}\n".encode())
    except OSError as error:
        raise StoreFailure(f"the set-up code cannot be kept in {directory}: {error.strerror}") from error
    return code


def current(directory: Path) -> str:
    """Return the code that is good now, "" when there is none. StoreFailure: it cannot be read. Blocks."""
    try:
        with (directory / FILE).open("rb") as file:
            text = file.read(200).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise StoreFailure(f"the set-up code in {directory} cannot be read: {error.strerror}") from error
    return text if len(letters_of(text)) == LENGTH else ""


def remove(directory: Path) -> None:
    """Take the code away. Blocks."""
    (directory / FILE).unlink(missing_ok=True)


def matches(code: str, typed: str, used: bytes | None) -> bool:
    """Tell whether `typed` is the code; small letters, spaces and dashes do not matter. `used` is no more."""
    if not code or (used is not None and hmac.compare_digest(used, digest_of(code))):
        return False
    return hmac.compare_digest(letters_of(code).encode(), letters_of(typed).encode())


def digest_of(code: str) -> bytes:
    """Return what is kept of a code that was used."""
    return hashlib.sha256(letters_of(code).encode()).digest()
