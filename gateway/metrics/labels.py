"""Label values within bounds: every value costs memory here and in Prometheus for ever."""

from __future__ import annotations

from gateway.dicom import sop_classes

OTHER = "other"
MAX_SOP_CLASSES = 64
MAX_VALUES = 64


class Bounded:
    """Passes the first `limit` distinct values through; the others become "other"."""

    def __init__(self, limit: int = MAX_VALUES) -> None:
        self._limit = limit
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        """Return the label value for `value`."""
        if value in self._seen:
            return value
        if len(self._seen) >= self._limit:
            return OTHER
        self._seen.add(value)
        return value


class SopClassLabel:
    """Standard SOP classes by name, a bounded number of them; private ones are "other"."""

    def __init__(self, limit: int = MAX_SOP_CLASSES) -> None:
        self._bounded = Bounded(limit)

    def __call__(self, uid: str) -> str:
        """Return the label value for the SOP class `uid`."""
        # What a private class is called is the peer's choice, and there is no end of them.
        name = sop_classes.name(uid)
        return self._bounded(name) if name != uid else OTHER
