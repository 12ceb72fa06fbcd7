"""Who we say we are: implementation class UID and version name (PS3.7 D.3.3.2, PS3.10 7.1)."""

from __future__ import annotations

from typing import Final

from gateway import __version__

IMPLEMENTATION_CLASS_UID: Final = "2.25.74074898232619400481407037788635100971"
"""Names this product; a UUID-derived UID (PS3.5 B.2), fixed for ever."""

IMPLEMENTATION_VERSION_NAME: Final = f"EDGEGW_{__version__}"[:16]
"""At most 16 characters (PS3.7 D.3.3.2.3)."""
