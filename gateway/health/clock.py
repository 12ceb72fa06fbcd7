"""The clock: who sets it, how far off it is, and whether to trust it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.health import time_sources
from gateway.health.machine import Machine
from gateway.health.time_sources import AskKernel, KernelClock, Source
from gateway.health.words import N_, Finding, Value, attention, ok

_BUILT = 1_764_000_000.0  # no right clock shows a time before this program was written
_STALE = 2 * 86400.0  # seconds without an answer of a time server
_FAR_OFF = 2.0  # seconds

_ASK_FOR_SERVER = N_(
    "Name a time server that this box can reach (clinic network or centre), and let it pass the firewall: "
    "UDP port 123."
)


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock of the machine. Times are seconds since the epoch."""

    finding: Finding
    now: float
    trusted: bool
    source: str  # program that sets it; empty when nobody does
    server: str
    offset: float | None  # seconds ahead (+) or behind (-); None: nobody tells
    max_error: float | None  # the kernel's bound for the error
    last_at: float | None  # when a time server last answered
    has_rtc: bool  # a clock with a battery
    rtc_offset: float | None  # seconds the battery's clock differs


def read(machine: Machine, ask_kernel: AskKernel = time_sources.kernel_clock) -> Clock:
    """Return what is known about the time."""
    now = machine.now()
    source = time_sources.chrony(machine) or time_sources.timesyncd(machine)
    kernel = ask_kernel()
    rtc = machine.number("/sys/class/rtc/rtc0/since_epoch")
    has_rtc = rtc is not None
    finding = _finding(now, source, kernel, has_rtc)
    return Clock(
        finding,
        now,
        finding.verdict == "ok",
        source.program if source else "",
        source.server if source else "",
        source.offset if source else None,
        kernel.max_error if kernel and kernel.synchronized else None,
        source.last_at if source else None,
        has_rtc,
        None if rtc is None else rtc - now,
    )


def _finding(now: float, source: Source | None, kernel: KernelClock | None, has_rtc: bool) -> Finding:
    if now < _BUILT:
        return attention(
            N_("The clock is not trusted: it shows a time in the past (%(now)s)."),
            Value("now", now, "when"),
            next_step=_ASK_FOR_SERVER,
        )
    synchronized = source.synchronized if source else bool(kernel and kernel.synchronized)
    if not synchronized:
        if has_rtc:
            words = N_("The clock is not trusted: no time server has answered since the start.")
        else:
            words = N_(
                "The clock is not trusted: no time server has answered since the start, "
                "and this board has no clock with a battery."
            )
        return attention(words, next_step=_ASK_FOR_SERVER)
    if source is None:
        return ok(N_("The clock is synchronized; the program that does it is not known here."))
    server = Value("server", source.server or "?")
    if source.last_at is not None and now - source.last_at > _STALE:
        return attention(
            N_("The clock is not trusted: %(server)s last answered %(age)s ago."),
            server,
            Value("age", now - source.last_at, "span"),
            next_step=_ASK_FOR_SERVER,
        )
    if source.offset is not None and abs(source.offset) > _FAR_OFF:
        return attention(
            N_("The clock differs by %(offset)s from %(server)s."),
            server,
            Value("offset", abs(source.offset), "span"),
            next_step=N_("It should come nearer by itself within minutes; if not, restart the time service."),
        )
    return ok(N_("The clock follows %(server)s."), server)
