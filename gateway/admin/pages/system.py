"""The page System: how the machine is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aiohttp import web

from gateway.admin.access.permissions import Permission
from gateway.admin.diagnosis.sentences import said
from gateway.admin.page import N_, Page, Route
from gateway.admin.visit import Visit
from gateway.errors import GatewayError
from gateway.health.disks import Disk
from gateway.health.report import MachineReport
from gateway.health.words import Finding
from gateway.operator import facts
from gateway.operator.configuration_facts import ConfigurationFacts
from gateway.operator.sections.store_check import StoreCheck

_DEFAULT_STATE = Path("/var/lib/dicom-gateway")

_BADGE = {"ok": "ok", "attention": "attention", "unknown": "info"}
_WORDS = {"ok": N_("in order"), "attention": N_("please look"), "unknown": N_("not known")}


@dataclass(frozen=True, slots=True)
class Check:
    """A finding, ready to be read."""

    kind: str  # of a badge
    verdict: str
    words: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Room:
    """A disk as a bar: pieces of 1000, which leave free what is free."""

    disk: Disk
    check: Check
    wear: Check
    spool: int  # bytes of objects; 0 on disks without the spool
    reserve: int
    holds_spool: bool
    pieces: tuple[tuple[Literal["spool", "used", "reserve"], float, float], ...]  # kind, from, width


async def overview(visit: Visit) -> web.StreamResponse:
    """The whole page."""
    return visit.render("system/index.html", **await _values(visit))


async def now(visit: Visit) -> web.StreamResponse:
    """The part that changes."""
    return visit.render("system/now.html", **await _values(visit))


async def check_store(visit: Visit) -> web.StreamResponse:
    """Have everything that is kept read again."""
    await visit.gateway.post(StoreCheck, "/v1/store-check")
    visit.notice(
        "ok", visit.text("Everything that is kept is being read again. This page shows how far it is.")
    )
    return visit.redirect("/system")


async def _store_check(visit: Visit) -> StoreCheck | None:
    try:
        return await visit.gateway.get(StoreCheck, "/v1/store-check")
    except GatewayError:
        return None  # the banner says so


async def _values(visit: Visit) -> dict[str, Any]:
    spool: facts.SpoolFacts | None = None
    try:
        spool = (await visit.gateway.get(facts.Status, "/v1/status")).spool
    except GatewayError:
        spool = None  # the banner says so; the machine can be looked at all the same
    state_dir = await state_folder(visit)
    machine = await visit.services.diagnosis.machine.report(_folders(visit, state_dir))
    rooms = [_room(visit, disk, spool, state_dir) for disk in machine.disks]
    return {
        "machine": machine,
        "rooms": rooms,
        "clock": _check(visit, machine.clock.finding),
        "board": _check(visit, machine.board.finding),
        "memory": _check(visit, machine.memory.finding),
        "temperature": _check(visit, machine.temperature.finding),
        "network": _check(visit, machine.network.finding),
        "troubles": [
            (title, _check(visit, finding))
            for title, finding in machine.findings()
            if finding.verdict == "attention"
        ],
        "memory_pieces": _memory_pieces(machine),
        "store": await _store_check(visit),
        "may_check": visit.user.may(Permission.STEER),
    }


async def state_folder(visit: Visit) -> Path:
    """Return the gateway's own folder, as the gateway says, or where it usually is."""
    try:
        found = await visit.gateway.get(ConfigurationFacts, "/v1/configuration")
    except GatewayError:
        return _DEFAULT_STATE
    return Path(found.summary.state_dir) if found.summary is not None else _DEFAULT_STATE


def _folders(visit: Visit, state_dir: Path) -> Sequence[Path]:
    return (state_dir, visit.settings.state_dir, Path("/"))


def _check(visit: Visit, finding: Finding) -> Check:
    step = said(visit, finding.next_step) if finding.next_step is not None else ""
    verdict = visit.text(_WORDS[finding.verdict])
    return Check(_BADGE[finding.verdict], verdict, said(visit, finding.words), step)


def _room(visit: Visit, disk: Disk, spool: facts.SpoolFacts | None, state_dir: Path) -> Room:
    holds = str(state_dir) in disk.folders
    kept = spool.bytes if spool is not None and holds else 0
    reserve = spool.reserve_bytes if spool is not None and holds else 0
    size, free = disk.size or 0, disk.free or 0
    used = max(size - free - kept, 0)
    pieces: list[tuple[Literal["spool", "used", "reserve"], float, float]] = []
    if size:
        at = 0.0
        parts: tuple[tuple[Literal["spool", "used"], int], ...] = (("used", used), ("spool", kept))
        for kind, amount in parts:
            width = min(amount / size, 1.0) * 1000
            # What is there can be seen, however little it is.
            width = max(width, 4.0) if amount else 0.0
            pieces.append((kind, at, width))
            at += width
        width = min(reserve / size * 1000, 1000 - min(at, 1000))
        pieces.append(("reserve", 1000 - width, width))
    wear = _check(visit, disk.medium.finding)
    return Room(disk, _check(visit, disk.finding), wear, kept, reserve, holds, tuple(pieces))


def _memory_pieces(machine: MachineReport) -> tuple[tuple[str, float, float], ...]:
    memory = machine.memory
    if not memory.total or memory.available is None:
        return ()
    ours = sum(process.resident for process in memory.processes)
    others = max(memory.total - memory.available - ours, 0)
    scale = 1000 / memory.total
    return (("used", 0.0, others * scale), ("spool", others * scale, max(ours * scale, 4.0)))


PAGE = Page(
    name="system",
    title=N_("System"),
    icon="system",
    path="/system",
    group="system",
    needs=Permission.DIAGNOSE,
    routes=(
        Route("GET", "/system", overview, Permission.DIAGNOSE),
        Route("GET", "/system/now", now, Permission.DIAGNOSE),
        Route("POST", "/system/check-store", check_store, Permission.STEER),
    ),
)
