"""The notices of this room (gateway/notices.py)."""

from gateway.notices import CommitmentAnswered, CommitmentAsked, CommitmentReported, CommitmentRequested

__all__ = ["CommitmentAnswered", "CommitmentAsked", "CommitmentReported", "CommitmentRequested"]
