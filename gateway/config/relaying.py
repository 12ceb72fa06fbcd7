"""The sections for what is more than storing: relay, storage commitment, queued procedure steps.

Names and defaults are those of the rooms that use them (a test compares them); bounds are here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from gateway.config.kinds import ByteSize, Doc, Duration, Whole
from gateway.config.limits import DAY, HOUR, KIB, MIB, Backoff
from gateway.config.section import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay(Section):
    """What is passed through while the caller waits. Times grow with the measured round trip of a link."""

    max_associations: Annotated[
        int, Whole(1, 1000), Doc("Associations relayed to one peer at the same time.")
    ] = 8
    max_waiting: Annotated[
        int, Whole(0, 1000), Doc("Callers that wait for one of these, at most; more are rejected at once.")
    ] = 16
    wait: Annotated[
        float, Duration(0, HOUR), Doc("How long they wait before they are rejected as transient.")
    ] = 10.0
    trial_wait: Annotated[
        float, Duration(0, HOUR), Doc("A caller's wait for a peer that was down and is being tried again.")
    ] = 1.0
    connect: Annotated[
        float,
        Duration(0.1, HOUR),
        Doc("For an association to come about: TCP, TLS and the peer's answer together."),
    ] = 5.0
    response: Annotated[
        float, Duration(0.1, DAY), Doc("For the first response to a request that was passed on.")
    ] = 60.0
    between: Annotated[
        float, Duration(0.1, DAY), Doc("Between two responses or sub-operations of one request.")
    ] = 60.0
    warm_hold: Annotated[
        float, Duration(0, DAY), Doc("How long an association with a far peer is kept ready after use.")
    ] = 600.0
    warm_above: Annotated[
        float, Duration(0, HOUR), Doc("Round trip from which on associations are kept ready and reopened.")
    ] = 0.02
    max_warm: Annotated[
        int, Whole(0, 100), Doc("Associations kept ready for one peer, at most; 0 switches it off.")
    ] = 2
    keepalive: Annotated[
        float, Duration(1, DAY), Doc("A ready association is tried with C-ECHO after this much silence.")
    ] = 60.0
    learned: Annotated[
        float, Duration(0, 3650 * DAY), Doc("How long after its last use an association is kept ready again.")
    ] = 12 * HOUR
    max_exchanges: Annotated[
        int, Whole(1, 10_000), Doc("Requests of one side of an association that are under way at once.")
    ] = 64
    max_inspected_bytes: Annotated[
        int, ByteSize(4 * KIB, 16 * MIB), Doc("Longest data set that is looked at before it is passed on.")
    ] = 256 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportBackoff(Backoff):
    """Between tries to report a result to a console."""

    base: Annotated[float, Duration(), Doc("Longest first wait.")] = 5.0
    ceiling: Annotated[float, Duration(), Doc("Longest wait at all.")] = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment(Section):
    """Storage commitment: what consoles ask of us, and what we ask of the peers that objects went to."""

    patience: Annotated[
        float, Duration(1), Doc("A console gets its result after this time, whatever is still undelivered.")
    ] = 7 * DAY
    answer: Annotated[
        float, Duration(1, 30 * DAY), Doc("A peer that has not answered after this time is asked again.")
    ] = HOUR
    linger: Annotated[
        float, Duration(0, HOUR), Doc("How long a peer may answer on the association it was asked on.")
    ] = 5.0
    batch: Annotated[int, Whole(1, 10_000), Doc("Objects that one request to a peer names, at most.")] = 500
    batch_wait: Annotated[
        float, Duration(0, HOUR), Doc("How long a request to a peer waits for more objects.")
    ] = 30.0
    report_for: Annotated[
        float, Duration(1), Doc("How long we try to report a result before we give up, with an alarm.")
    ] = 7 * DAY
    max_instances: Annotated[
        int, Whole(1, 1_000_000), Doc("Objects that one request of a console may name.")
    ] = 10_000
    max_open: Annotated[
        int, Whole(1, 1_000_000), Doc("Requests of consoles that are not answered yet, at most.")
    ] = 1000
    max_open_items: Annotated[
        int, Whole(1, 100_000_000), Doc("Objects that these name together, counted for each destination.")
    ] = 200_000
    again: Annotated[
        float, Duration(1, DAY), Doc("Wait before an object that an answer left out is asked about again.")
    ] = 300.0
    fetch_max_bytes: Annotated[
        int, ByteSize(64 * KIB, 512 * MIB), Doc("Largest object that is compared when it is fetched back.")
    ] = 32 * MIB
    fetch_rate_bytes: Annotated[
        int, ByteSize(KIB), Doc("How much of a peer's objects is fetched back per second, on average.")
    ] = 1 * MIB
    outstanding: Annotated[
        float, Duration(60), Doc("An alarm when what a peer accepted is not verified after this time.")
    ] = 2 * DAY
    history_rows: Annotated[
        int, Whole(0, 1_000_000), Doc("Finished requests, and questions to peers, that are remembered.")
    ] = 1000
    history_items: Annotated[
        int, Whole(0, 100_000_000), Doc("Objects that these name together, counted for each destination.")
    ] = 100_000
    history_seconds: Annotated[float, Duration(0), Doc("How long they are remembered.")] = 30 * DAY
    report_backoff: ReportBackoff = field(default_factory=ReportBackoff)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBackoff(Backoff):
    """Between tries to pass on a queued procedure step."""

    base: Annotated[float, Duration(), Doc("Longest first wait.")] = 5.0
    ceiling: Annotated[float, Duration(), Doc("Longest wait at all.")] = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureSteps(Section):
    """Performed procedure steps (MPPS) on routes with `mpps = "queue"`."""

    wait: Annotated[float, Duration(0, HOUR), Doc("How long a console waits for the peer's own answer.")] = (
        5.0
    )
    max_queued: Annotated[
        int, Whole(1, 1_000_000), Doc("Requests that are not passed on yet, at most; more are refused.")
    ] = 10_000
    max_size_bytes: Annotated[int, ByteSize(4 * KIB, 16 * MIB), Doc("Longest data set of one request.")] = (
        256 * KIB
    )
    max_total_bytes: Annotated[int, ByteSize(1 * MIB), Doc("Their data sets together.")] = 64 * MIB
    history_rows: Annotated[int, Whole(0, 1_000_000), Doc("Requests passed on that are remembered.")] = 10_000
    history_seconds: Annotated[float, Duration(0), Doc("How long they are remembered.")] = 30 * DAY
    backoff: StepBackoff = field(default_factory=StepBackoff)
