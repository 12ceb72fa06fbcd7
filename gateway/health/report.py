"""Everything about the machine at once. Blocking (files, and commands of a few seconds at most)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.health import board, clock, disks, memory, network, temperature, time_sources, versions
from gateway.health.board import Board
from gateway.health.clock import Clock
from gateway.health.disks import Disk
from gateway.health.machine import Machine
from gateway.health.memory import Memory
from gateway.health.network import Network
from gateway.health.temperature import Temperature
from gateway.health.time_sources import AskKernel
from gateway.health.versions import Versions
from gateway.health.words import N_, Finding


@dataclass(frozen=True, slots=True)
class MachineReport:
    """How the machine is."""

    at: float
    versions: Versions
    board: Board
    memory: Memory
    temperature: Temperature
    disks: tuple[Disk, ...]
    clock: Clock
    network: Network

    def findings(self) -> Iterator[tuple[str, Finding]]:
        """Yield each finding with the title of its check (to be translated)."""
        yield N_("Versions"), self.versions.finding
        yield N_("Processor"), self.board.finding
        yield N_("Memory"), self.memory.finding
        yield N_("Temperature"), self.temperature.finding
        for disk in self.disks:
            yield N_("Disk"), disk.finding
            yield N_("Wear of the drive"), disk.medium.finding
        yield N_("Clock"), self.clock.finding
        yield N_("Network"), self.network.finding


def read(
    folders: Sequence[Path],
    machine: Machine | None = None,
    ask_kernel: AskKernel = time_sources.kernel_clock,
) -> MachineReport:
    """Read the machine; `folders` are those whose file systems matter."""
    machine = machine or Machine()
    return MachineReport(
        machine.now(),
        versions.read(machine),
        board.read(machine),
        memory.read(machine),
        temperature.read(machine),
        disks.read(machine, folders),
        clock.read(machine, ask_kernel),
        network.read(machine),
    )
