"""Every reader, on a machine made of files and on this very machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.health import report, time_sources
from gateway.health.machine import MAX_TEXT, Machine, ipv4_of, run_command
from gateway.health.time_sources import KernelClock
from gateway.operator import codec
from tests.support.machine_tree import CHRONY, COMPUTE_MODULE, NOW, make

FOLDERS = (Path("/var/lib/dicom gateway/spool"), Path("/tmp"))
IN_STEP = KernelClock(True, 0.02, 0.0)
LOST = KernelClock(False, 16.0, 0.0)


def read(machine: Machine, kernel: KernelClock | None = LOST) -> report.MachineReport:
    return report.read(FOLDERS, machine, lambda: kernel)


def changed(tmp_path: Path, name: str, content: str | None) -> report.MachineReport:
    return read(make(tmp_path, {name: content}))


def test_a_good_board(tmp_path: Path) -> None:
    found = read(make(tmp_path, commands={"chronyc": CHRONY}), IN_STEP)
    assert [finding.verdict for _, finding in found.findings()].count("attention") == 0
    assert found.versions.system == "Debian GNU/Linux 12 (bookworm)"
    assert found.versions.kernel == "6.12.34+rpt-rpi-v8"
    assert (found.board.model, found.board.processors) == ("Raspberry Pi Compute Module 4 Rev 1.1", 4)
    assert (found.board.host_name, found.board.uptime) == ("clinic-07", 93600.12)
    page = os.sysconf("SC_PAGE_SIZE")
    assert [(one.name, one.pid, one.resident) for one in found.memory.processes] == [
        ("run", 501, 11000 * page),
        ("admin", 502, 15000 * page),
    ]
    assert found.memory.available == 1_200_000 * 1024
    assert (found.temperature.hottest, found.temperature.under_voltage) == (48.686, False)


def test_disks_with_medium_and_wear(tmp_path: Path) -> None:
    disk, other = read(make(tmp_path)).disks
    assert (disk.point, disk.kind, disk.source) == ("/var/lib/dicom gateway", "ext4", "/dev/mmcblk0p3")
    assert (disk.medium.device, disk.medium.kind, disk.medium.model) == ("mmcblk0", "emmc", "BJTD4R")
    assert (disk.medium.wear, disk.medium.spare, disk.medium.made) == (0.2, "normal", "05/2024")
    assert disk.medium.size == 61079552 * 512
    assert disk.size is not None
    assert disk.free is not None
    assert disk.errors == 0
    assert not disk.read_only  # only the sandbox of the service sees it so
    assert (other.point, other.medium.kind) == ("/tmp", "unknown")


def test_folders_on_one_file_system_are_one_disk(tmp_path: Path) -> None:
    folders = (Path("/srv/a"), Path("/srv/b"), Path("/srv/a"))
    (disk,) = report.read(folders, make(tmp_path), lambda: None).disks
    assert (disk.folders, disk.point) == (("/srv/a", "/srv/b"), "/")


@pytest.mark.parametrize(
    ("name", "content", "part", "words"),
    [
        ("/proc/loadavg", "20.0 20.0 20.0 1/1 1", "board", "overloaded"),
        ("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 50 kB\n", "memory", "Only"),
        ("/sys/class/thermal/thermal_zone0/temp", "81000", "temperature", "hot"),
        ("/sys/devices/platform/soc/soc:firmware/get_throttled", "1", "temperature", "at this moment"),
        ("/sys/devices/platform/soc/soc:firmware/get_throttled", "50000", "temperature", "too weak since"),
        ("/sys/devices/platform/soc/soc:firmware/get_throttled", "40000", "temperature", "slowed down"),
        ("/sys/class/net/eth0/operstate", "down", "network", "No network interface is connected"),
        ("/sys/class/net/eth0/statistics/rx_errors", "20000", "network", "broken packets"),
    ],
)
def test_what_needs_attention(tmp_path: Path, name: str, content: str, part: str, words: str) -> None:
    finding = getattr(changed(tmp_path, name, content), part).finding
    assert finding.verdict == "attention"
    assert words in finding.words.message
    assert finding.next_step is not None


MOUNT = COMPUTE_MODULE["/proc/self/mountinfo"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("/proc/self/mountinfo", MOUNT.replace("rw,data=ordered", "ro,data=ordered"), "only be read"),
        ("/sys/fs/ext4/mmcblk0p3/errors_count", "4", "errors"),
    ],
)
def test_a_disk_that_needs_attention(tmp_path: Path, name: str, content: str, words: str) -> None:
    finding = changed(tmp_path, name, content).disks[0].finding
    assert finding.verdict == "attention"
    assert words in finding.words.message


@pytest.mark.parametrize(
    ("life", "spare", "verdict"),
    [
        ("0x08 0x01", "0x01", "attention"),
        ("0x0b 0x0b", "0x01", "attention"),
        ("0x01 0x01", "0x03", "attention"),
        ("0x07 0x01", "0x01", "ok"),
        ("0x00 0x00", "0x00", "unknown"),
        ("rubbish", "rubbish", "unknown"),
    ],
)
def test_wear_of_emmc(tmp_path: Path, life: str, spare: str, verdict: str) -> None:
    device = "/sys/devices/mmc/block/mmcblk0/device"
    machine = make(tmp_path, {f"{device}/life_time": life, f"{device}/pre_eol_info": spare})
    assert read(machine).disks[0].medium.finding.verdict == verdict


def test_a_full_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def statvfs(_path: object) -> os.statvfs_result:
        return os.statvfs_result((4096, 4096, 1000, 90, 50, 100, 50, 50, 0, 255))

    machine = make(tmp_path)
    monkeypatch.setattr(os, "statvfs", statvfs)
    disk = read(machine).disks[0]
    assert (disk.size, disk.free) == (4096000, 50 * 4096)
    assert disk.finding.verdict == "attention"
    assert "nearly full" in disk.finding.words.message


def test_an_sd_card_says_nothing_and_advice_is_given(tmp_path: Path) -> None:
    device = "/sys/devices/mmc/block/mmcblk0/device"
    changes = {f"{device}/type": "SD\n", f"{device}/life_time": None, f"{device}/pre_eol_info": None}
    medium = read(make(tmp_path, changes)).disks[0].medium
    assert (medium.kind, medium.wear, medium.finding.verdict) == ("sd", None, "unknown")
    assert medium.finding.next_step is not None


@pytest.mark.parametrize(
    ("changes", "commands", "kernel", "words", "trusted"),
    [
        ({}, {}, LOST, "no time server has answered since the start.", False),
        ({"/sys/class/rtc/rtc0/since_epoch": None}, {}, LOST, "no clock with a battery", False),
        ({}, {}, None, "no time server", False),
        ({}, {}, IN_STEP, "synchronized", True),
        ({}, {"chronyc": CHRONY}, LOST, "follows", True),
        ({}, {"chronyc": CHRONY.replace("Normal", "Not synchronised")}, IN_STEP, "no time server", False),
        ({}, {"chronyc": CHRONY.replace("-0.000123", "-7.5")}, IN_STEP, "differs by", False),
        ({}, {"chronyc": CHRONY.replace("1794999900.5", "1794000000")}, IN_STEP, "last answered", False),
        ({}, {"chronyc": "garbage,,"}, IN_STEP, "synchronized", True),
    ],
)
def test_the_clock(
    tmp_path: Path,
    changes: dict[str, str | None],
    commands: dict[str, str],
    kernel: KernelClock | None,
    words: str,
    trusted: bool,
) -> None:
    clock = read(make(tmp_path, changes, commands), kernel).clock
    assert words in clock.finding.words.message
    assert clock.trusted is trusted


def test_a_clock_of_the_past_is_never_trusted(tmp_path: Path) -> None:
    machine = make(tmp_path, commands={"chronyc": CHRONY})
    clock = read(Machine(machine.root, machine.run, lambda: 86400.0), IN_STEP).clock
    assert not clock.trusted
    assert "in the past" in clock.finding.words.message


def test_timesyncd_tells_when_it_last_heard(tmp_path: Path) -> None:
    machine = make(
        tmp_path,
        {time_sources.SYNCHRONIZED: ""},
        {"timedatectl": "ServerName=time.clinic.example\nServerAddress=192.0.2.1\n"},
    )
    os.utime(machine.path(time_sources.SYNCHRONIZED), (NOW - 60, NOW - 60))
    clock = read(machine).clock
    assert (clock.trusted, clock.source, clock.server) == (True, "systemd-timesyncd", "time.clinic.example")
    assert clock.last_at == NOW - 60
    os.utime(machine.path(time_sources.SYNCHRONIZED), (NOW - 5e5, NOW - 5e5))
    assert not read(machine).clock.trusted


def test_the_network(tmp_path: Path) -> None:
    network = read(make(tmp_path)).network
    (eth0,) = network.interfaces
    assert (eth0.name, eth0.state, eth0.speed, eth0.errors) == ("eth0", "up", 1000, 3)
    assert eth0.addresses == ("192.0.2.10/24", "fe80::da3a:ddff:fe00:1/64")
    assert (network.gateway, network.name_servers) == ("192.0.2.1", ("192.0.2.1", "192.0.2.9"))


def test_addresses_as_ip_tells_them(tmp_path: Path) -> None:
    told = [{"ifname": "eth0", "addr_info": [{"local": "192.0.2.10", "prefixlen": 24}]}]
    network = read(make(tmp_path, commands={"ip": json.dumps(told)})).network
    assert network.interfaces[0].addresses == ("192.0.2.10/24",)


def test_resolved_is_looked_behind(tmp_path: Path) -> None:
    changes = {
        "/etc/resolv.conf": "nameserver 127.0.0.53\n",
        "/run/systemd/resolve/resolv.conf": "nameserver 192.0.2.7\n",
    }
    assert read(make(tmp_path, changes)).network.name_servers == ("192.0.2.7",)


def test_an_empty_machine_is_unknown_and_no_error(tmp_path: Path) -> None:
    found = report.read([Path("/x")], Machine(tmp_path, lambda _: None, lambda: NOW), lambda: None)
    verdicts = {title: finding.verdict for title, finding in found.findings()}
    assert verdicts["Memory"] == verdicts["Temperature"] == verdicts["Network"] == "unknown"
    assert verdicts["Clock"] == "attention"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(COMPUTE_MODULE)), st.text(max_size=300), st.text(max_size=300))
def test_garbage_in_any_file_or_command_is_no_error(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: str, told: str
) -> None:
    content = content.encode(errors="replace").decode()
    machine = make(
        tmp_path_factory.mktemp("m"),
        {name: content},
        dict.fromkeys(("ip", "chronyc", "timedatectl"), told),
    )
    json.dumps(codec.encode(read(machine)))


def test_every_sentence_has_a_value_for_each_placeholder(tmp_path: Path) -> None:
    for index, (name, content) in enumerate([("/proc/uptime", "5 5"), ("/proc/loadavg", "99 99 99")]):
        for _, finding in changed(tmp_path / str(index), name, content).findings():
            for sentence in (finding.words, finding.next_step):
                if sentence is not None:
                    assert sentence.message % {value.name: value.value for value in sentence.values}


def test_addresses_of_this_machine_without_ip() -> None:
    assert ipv4_of("lo") == "127.0.0.1/8"
    assert ipv4_of("no-such-interface-at-all") is None
    known = {one.name: one.addresses for one in report.read([], Machine()).network.interfaces}
    without = report.read([], Machine(run=lambda _: None)).network.interfaces
    for one in without:
        assert set(one.addresses) <= set(known[one.name])
        assert bool(one.addresses) == bool(known[one.name])


def test_this_very_machine() -> None:
    found = report.read([Path("/var/lib/dicom-gateway"), Path.cwd()])
    assert found.memory.total is not None
    assert found.memory.total > 10_000_000
    assert found.disks
    assert all(disk.size for disk in found.disks)
    assert found.board.processors == os.cpu_count()
    assert found.board.uptime is not None
    assert found.versions.openssl.startswith("OpenSSL")
    told = time_sources.kernel_clock()
    assert told is None or told.max_error >= 0


def test_a_long_file_is_read_in_part(tmp_path: Path) -> None:
    (tmp_path / "long").write_text("x" * (MAX_TEXT + 1000))
    assert len(Machine(tmp_path).text("/long") or "") == MAX_TEXT
    assert Machine(tmp_path).text("/no/such/file") is None


def test_a_kernel_that_does_not_answer_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forbidden:
        def adjtimex(self, _told: object) -> int:
            return -1

    monkeypatch.setattr(time_sources.ctypes, "CDLL", lambda *_, **__: Forbidden())
    assert time_sources.kernel_clock() is None


def test_commands_are_bounded_and_never_an_error() -> None:
    assert run_command(["no-such-command-at-all"]) is None
    assert run_command(["false"]) is None
    assert run_command(["echo", "hello"]) == "hello\n"
    assert len(run_command(["head", "-c", "300000", "/dev/zero"]) or "") == MAX_TEXT
