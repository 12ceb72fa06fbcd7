"""The notices of this room (gateway/notices.py)."""

from gateway.notices import StepLinkChanged, StepSettled

__all__ = ["StepLinkChanged", "StepSettled"]
