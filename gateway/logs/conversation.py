"""Lines about what is more than objects: relay, storage commitment, procedure steps, the UPS guard."""

from __future__ import annotations

import logging

from gateway.dicom.status import Service
from gateway.logs.values import Fields, Seconds, Size, Words, status_fields
from gateway.notices import (
    CommitmentAnswered,
    CommitmentAsked,
    CommitmentReported,
    CommitmentRequested,
    Notice,
    RelayBroken,
    RelayOpened,
    RelayRefused,
    StepAnswered,
    StepLinkChanged,
    StepSettled,
    UpsGuarded,
)

LineParts = tuple[int, str, Fields]
"""Level, event, fields."""


def line(notice: Notice) -> LineParts:
    """Return the parts of the line about `notice`; its name at debug level when nothing better is known."""
    match notice:
        case RelayOpened() | RelayRefused() | RelayBroken():
            return _relay(notice)
        case CommitmentRequested() | CommitmentAsked() | CommitmentAnswered() | CommitmentReported():
            return _commitment(notice)
        case StepAnswered() | StepSettled() | StepLinkChanged():
            return _step(notice)
        case UpsGuarded():
            return (
                logging.WARNING if notice.outcome == "refused" else logging.INFO,
                f"UPS completion {notice.outcome}",
                (
                    ("calling", Words(notice.calling_ae)),
                    ("called", Words(notice.called_ae)),
                    ("records_missing", notice.records),
                    ("waited", Seconds(notice.seconds)),
                    ("reason", Words(notice.reason)),
                ),
            )
        case _:
            return logging.DEBUG, type(notice).__name__, ()


def _relay(notice: RelayOpened | RelayRefused | RelayBroken) -> LineParts:
    match notice:
        case RelayOpened():
            return (
                logging.DEBUG,
                "relay opened",
                (
                    ("far_peer", notice.peer),
                    ("warm", "yes" if notice.warm else "no"),
                    ("duration", Seconds(notice.seconds)),
                    ("association", notice.association),
                    ("far", notice.far),
                ),
            )
        case RelayRefused():
            return (
                logging.WARNING,
                "relay refused",
                (
                    ("peer", notice.address),
                    ("calling", Words(notice.calling_ae)),
                    ("called", Words(notice.called_ae)),
                    ("far_peer", notice.peer),
                    ("duration", Seconds(notice.seconds)),
                    ("reason", Words(notice.reason)),
                    ("association", notice.association),
                ),
            )
        case RelayBroken():
            return (
                logging.WARNING,
                "relay broken",
                (
                    ("far_peer", notice.peer),
                    ("unanswered", notice.unanswered),
                    ("reason", Words(notice.reason)),
                    ("association", notice.association),
                    ("far", notice.far),
                ),
            )


def _commitment(
    notice: CommitmentRequested | CommitmentAsked | CommitmentAnswered | CommitmentReported,
) -> LineParts:
    match notice:
        case CommitmentRequested():
            return (
                logging.WARNING if notice.outcome == "refused" else logging.INFO,
                f"commitment requested: {notice.outcome}",
                (
                    ("transaction", notice.number),
                    ("peer", notice.address),
                    ("calling", Words(notice.calling_ae)),
                    ("called", Words(notice.called_ae)),
                    ("objects", notice.instances),
                    *status_fields(notice.status, Service.STORAGE_COMMITMENT),
                    ("reason", Words(notice.reason)),
                    ("association", notice.association),
                ),
            )
        case CommitmentAsked():
            return (
                logging.INFO if notice.outcome == "asked" else logging.WARNING,
                f"commitment {notice.outcome}",
                (
                    ("destination", notice.destination),
                    ("objects", notice.instances),
                    ("reason", Words(notice.reason)),
                ),
            )
        case CommitmentAnswered():
            good = notice.outcome in ("known", "again") and not notice.failed
            return (
                logging.INFO if good else logging.WARNING,
                f"commitment answered: {notice.outcome}",
                (
                    ("source", Words(notice.source)),
                    ("committed", notice.committed),
                    ("failed", notice.failed),
                    ("resent", notice.resent),
                    ("held", notice.held),
                    ("how", notice.how),
                    ("reason", Words(notice.reason)),
                ),
            )
        case CommitmentReported():
            return (
                logging.INFO if notice.outcome == "reported" else logging.WARNING,
                f"commitment result: {notice.outcome}",
                (
                    ("transaction", notice.number),
                    ("calling", Words(notice.calling_ae)),
                    ("committed", notice.committed),
                    ("failed", notice.failed),
                    ("where", notice.where),
                    ("reason", Words(notice.reason)),
                ),
            )


_STEP_LEVELS = {"done": logging.INFO, "refused": logging.WARNING, "retry": logging.WARNING}


def _step(notice: StepAnswered | StepSettled | StepLinkChanged) -> LineParts:
    match notice:
        case StepAnswered():
            return (
                logging.WARNING if notice.outcome == "refused" else logging.INFO,
                f"procedure step {notice.outcome}",
                (
                    ("kind", notice.kind),
                    ("calling", Words(notice.calling_ae)),
                    ("called", Words(notice.called_ae)),
                    ("size", Size(notice.size)),
                    ("duration", Seconds(notice.seconds)),
                    *status_fields(notice.status, Service.PROCEDURE_STEP),
                    ("reason", Words(notice.reason)),
                    ("association", notice.association),
                ),
            )
        case StepSettled():
            status = () if notice.status is None else status_fields(notice.status, Service.PROCEDURE_STEP)
            return (
                _STEP_LEVELS.get(notice.outcome, logging.ERROR),
                "procedure step passed on" if notice.outcome == "done" else "procedure step not passed on",
                (
                    ("step", notice.number),
                    ("kind", notice.kind),
                    ("destination", notice.destination),
                    ("calling", Words(notice.calling_ae)),
                    ("attempts", notice.attempts),
                    ("duration", Seconds(notice.seconds)),
                    *status,
                    ("outcome", notice.outcome),
                    ("reason", Words(notice.reason)),
                ),
            )
        case StepLinkChanged():
            return (
                logging.INFO if notice.up else logging.WARNING,
                "procedure steps flow" if notice.up else "procedure steps wait",
                (
                    ("destination", notice.destination),
                    ("calling", Words(notice.calling_ae)),
                    ("reason", Words(notice.reason)),
                ),
            )
