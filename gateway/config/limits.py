"""The sections of numbers: room on the disk, delivery, what a peer may cost, how long we wait.

Names and defaults are those of the rooms that use them (a test compares them); bounds are here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from gateway.config.kinds import ByteSize, Doc, Duration, Number, StatusCode, Whole
from gateway.config.section import Section

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
HOUR = 3600.0
DAY = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spool(Section):
    """Room for what was received and not yet delivered, and how long the rest is kept."""

    quota_bytes: Annotated[
        int | None,
        ByteSize(64 * MIB),
        Doc("What the kept objects may take together. Without it, as much as the file system has."),
    ] = None
    reserve_bytes: Annotated[
        int, ByteSize(), Doc("Room that only treatment records may use: images are refused before.")
    ] = 64 * MIB
    floor_bytes: Annotated[
        int, ByteSize(1 * MIB), Doc("Room that no object may use: the journal needs it to go on working.")
    ] = 16 * MIB
    min_free_inodes: Annotated[
        int, Whole(0, 1_000_000_000), Doc("New files are refused when fewer inodes than this are free.")
    ] = 1000
    max_object_bytes: Annotated[
        int, ByteSize(1 * MIB), Doc("Larger objects are refused while they arrive.")
    ] = 16 * GIB
    retention_seconds: Annotated[
        float, Duration(0), Doc("How long the bytes of a delivered object are kept.")
    ] = 7 * DAY
    history_rows: Annotated[
        int, Whole(0, 100_000_000), Doc("How many released objects are remembered, without their bytes.")
    ] = 100_000
    history_seconds: Annotated[float, Duration(0), Doc("How long a released object is remembered.")] = (
        400 * DAY
    )
    history_events: Annotated[int, Whole(1, 10_000), Doc("Events remembered for one object.")] = 50
    inline_max: Annotated[
        int,
        ByteSize(0, 1 * MIB),
        Doc("Objects up to this size are kept in the journal itself: one sync makes them durable."),
    ] = 64 * KIB
    max_pending_bytes: Annotated[
        int,
        ByteSize(64 * KIB, GIB),
        Doc("Bytes of one object that may wait in memory for the disk."),
    ] = 1 * MIB
    max_pending_total_bytes: Annotated[
        int, ByteSize(64 * KIB, 4 * GIB), Doc("The same for all objects together.")
    ] = 32 * MIB
    file_threads: Annotated[int, Whole(1, 64), Doc("Threads that write and sync object files.")] = 4
    max_compare_bytes: Annotated[
        int,
        ByteSize(),
        Doc("Largest object compared by content when it comes again in another transfer syntax."),
    ] = 16 * MIB
    max_wait_seconds: Annotated[
        float,
        Duration(60),
        Doc("No delivery waits longer for its next try, whatever the clock did meanwhile."),
    ] = DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff(Section):
    """Waits that grow: a random wait up to `base`, then up to `factor` times more each time."""

    base: Annotated[float, Duration(), Doc("Longest first wait.")]
    ceiling: Annotated[float, Duration(), Doc("Longest wait at all.")]
    factor: Annotated[float, Number(1, 10), Doc("How fast it grows.")] = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectBackoff(Backoff):
    """Between tries of one object that failed for a reason that may pass."""

    base: Annotated[float, Duration(), Doc("Longest first wait.")] = 5.0
    ceiling: Annotated[float, Duration(), Doc("Longest wait at this pace.")] = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkBackoff(Backoff):
    """Between tries to reach a destination that cannot be reached."""

    base: Annotated[float, Duration(), Doc("Longest first wait.")] = 1.0
    ceiling: Annotated[float, Duration(), Doc("Longest wait: how late we may notice that it is back.")] = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseBackoff(Backoff):
    """Between tries of a destination that answers, but not usefully."""

    base: Annotated[float, Duration(), Doc("Longest first wait.")] = 30.0
    ceiling: Annotated[float, Duration(), Doc("Longest wait at all.")] = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(Section):
    """When an object is tried again, when a person has to decide, how much is under way."""

    max_attempts: Annotated[
        int, Whole(1, 100_000), Doc("Tries of one object at the pace of `object_backoff`.")
    ] = 10
    slow_interval: Annotated[
        float, Duration(1), Doc("Afterwards it is tried this often, for as long as it takes.")
    ] = HOUR
    busy_statuses: Annotated[
        frozenset[Annotated[int, StatusCode()]],
        Doc("Refusals (DIMSE status) that an archive uses to say that it is busy."),
    ] = frozenset({0xC000})
    busy_attempts: Annotated[
        int, Whole(1, 1000), Doc("Tries before such a refusal is taken at its word and the object held.")
    ] = 3
    poison_aborts: Annotated[
        int, Whole(1, 1000), Doc("An object is held after this many aborts of the peer while others pass.")
    ] = 3
    poison_losses: Annotated[
        int, Whole(1, 1000), Doc("The same for connections that just broke, mostly the link's fault.")
    ] = 10
    rejected_interval: Annotated[
        float, Duration(1), Doc("Wait after a destination rejected our association for good.")
    ] = 300.0
    cuts_before_pause: Annotated[
        int, Whole(1, 1000), Doc("Associations cut in a row, with nothing accepted, before a pause.")
    ] = 3
    refusals_before_pause: Annotated[
        int, Whole(1, 1000), Doc('Objects refused in a row as "not now" before a pause.')
    ] = 3
    holds_before_pause: Annotated[
        int, Whole(1, 10_000), Doc("Objects held in a row before a pause: the destination is set up wrongly.")
    ] = 20
    lane_cap_hold: Annotated[
        float, Duration(1), Doc('How long a peer\'s "no more associations" is respected.')
    ] = 300.0
    claim_objects: Annotated[int, Whole(1, 10_000), Doc("Objects made ready ahead of sending, at most.")] = 64
    claim_bytes: Annotated[
        int, ByteSize(64 * KIB, GIB), Doc("Bytes made ready ahead of sending, at most.")
    ] = 32 * MIB
    idle_hold: Annotated[float, Duration(0), Doc("An association without work is kept open this long.")] = (
        30.0
    )
    window: Annotated[
        int, Whole(1, 1024), Doc("Asynchronous operations we propose (PS3.7 D.3.3.3); 1 is synchronous.")
    ] = 64
    drain: Annotated[
        float, Duration(0, HOUR), Doc("When the gateway stops: time for objects under way to be answered.")
    ] = 5.0
    convert_max_bytes: Annotated[
        int,
        ByteSize(0, 4 * GIB),
        Doc("Largest object converted losslessly for a peer that refuses its transfer syntax."),
    ] = 512 * MIB
    convert_timeout: Annotated[float, Duration(1, DAY), Doc("Time for one such conversion.")] = 600.0
    object_backoff: ObjectBackoff = field(default_factory=ObjectBackoff)
    link_backoff: LinkBackoff = field(default_factory=LinkBackoff)
    pause_backoff: PauseBackoff = field(default_factory=PauseBackoff)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(Section):
    """What the systems that call us may cost."""

    max_connections: Annotated[
        int, Whole(1, 10_000), Doc("Connections open at the same time, for each listener.")
    ] = 200
    max_per_address: Annotated[int, Whole(1, 10_000), Doc("Connections of one address at once.")] = 50
    max_associations: Annotated[
        int, Whole(1, 10_000), Doc("Associations of one listener; more are rejected as transient.")
    ] = 180
    max_pdu_length: Annotated[
        int,
        ByteSize(4 * KIB, 16 * MIB),
        Doc("Largest P-DATA-TF PDU we announce and accept (PS3.8 D.1)."),
    ] = 128 * KIB
    max_operations: Annotated[
        int,
        Whole(1, 1024),
        Doc("Asynchronous operations we grant a caller (PS3.7 D.3.3.3)."),
    ] = 16
    max_associate_length: Annotated[
        int, ByteSize(16 * KIB, MIB), Doc("Longest A-ASSOCIATE-RQ we read (PS3.8 9.3.2).")
    ] = 256 * KIB
    max_transfer_syntaxes: Annotated[
        int, Whole(1, 1024), Doc("Transfer syntaxes in one presentation context that a caller proposes.")
    ] = 64
    max_user_items: Annotated[
        int, Whole(16, 100_000), Doc("User information items of one A-ASSOCIATE-RQ (PS3.7 D.3.3).")
    ] = 1024
    max_pdvs: Annotated[int, Whole(1, 100_000), Doc("Fragments (PDVs) in one P-DATA-TF PDU.")] = 1024
    max_command_length: Annotated[
        int, ByteSize(4 * KIB, MIB), Doc("Longest command set of a caller's message (PS3.7 6.3).")
    ] = 64 * KIB
    max_open_messages: Annotated[
        int, Whole(1, 128), Doc("Messages of one association that are begun and not complete.")
    ] = 16
    max_output: Annotated[
        int, ByteSize(16 * KIB, 16 * MIB), Doc("Bytes that wait for a caller who does not read.")
    ] = 256 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts(Section):
    """How long we wait for a peer. `connect` to `release` concern peers we call; the others concern both."""

    tls_handshake: Annotated[float, Duration(0.1, HOUR), Doc("For a caller to complete TLS.")] = 10.0
    artim: Annotated[
        float,
        Duration(0.1, HOUR),
        Doc("For a caller to associate, and for any peer to close the connection (PS3.8 9.1.5)."),
    ] = 30.0
    pdu: Annotated[float, Duration(0.1, HOUR), Doc("For a PDU that has begun to be complete.")] = 60.0
    idle: Annotated[float, Duration(1, DAY), Doc("For a caller to say something on an open association.")] = (
        600.0
    )
    write: Annotated[
        float, Duration(0.1, HOUR), Doc("For a peer to take something of what we have sent.")
    ] = 60.0
    connect: Annotated[float, Duration(0.1, HOUR), Doc("For a TCP connection to a peer.")] = 10.0
    tls: Annotated[float, Duration(0.1, HOUR), Doc("For TLS with a peer.")] = 10.0
    associate: Annotated[float, Duration(0.1, HOUR), Doc("For a peer to answer our association.")] = 30.0
    response: Annotated[
        float, Duration(0.1, DAY), Doc("For a peer to answer an object after we have sent its last byte.")
    ] = 60.0
    release: Annotated[float, Duration(0.1, HOUR), Doc("For a peer to answer our release request.")] = 10.0
    peer_idle: Annotated[
        float, Duration(1, DAY), Doc("For a peer we called, with nothing asked of it, before we end that.")
    ] = HOUR
