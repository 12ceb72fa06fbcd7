"""A fault of asyncio that must not be taken for one of ours: a connection that is lost is told so twice.

When a transport has sent its buffer it lets its protocol write again. If that write fails, the loss is to be
told later; but the transport, finding itself closing, tells it at once, and lets go of everything. What was
to be told later then finds nobody (CPython 3.11, selector_events, _SelectorSocketTransport._write_ready).
TLS writes at that very place, so any peer that resets its connection at the wrong moment can bring it about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_lost_twice(context: Mapping[str, Any]) -> bool:
    """Say whether what a loop's exception handler is given is no more than this. The protocol was told."""
    callback = getattr(context.get("handle"), "_callback", None)
    transport = getattr(callback, "__self__", None)
    return (
        isinstance(context.get("exception"), AttributeError)
        and getattr(callback, "__name__", "") == "_call_connection_lost"
        and type(transport).__module__ == "asyncio.selector_events"
        and getattr(transport, "_protocol", transport) is None
    )
