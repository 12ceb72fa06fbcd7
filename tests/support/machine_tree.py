"""A machine made of files: what gateway.health reads, as a Raspberry Pi with eMMC shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.health.machine import Machine

NOW = 1_795_000_000.0

COMPUTE_MODULE: Mapping[str, str] = {
    "/proc/device-tree/model": "Raspberry Pi Compute Module 4 Rev 1.1\0",
    "/proc/device-tree/serial-number": "10000000abcdef01\0",
    "/proc/sys/kernel/hostname": "clinic-07\n",
    "/proc/sys/kernel/osrelease": "6.12.34+rpt-rpi-v8\n",
    "/etc/os-release": 'NAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
    "/proc/loadavg": "0.42 0.35 0.30 1/180 1234\n",
    "/proc/uptime": "93600.12 350000.00\n",
    "/sys/devices/system/cpu/cpu0/online": "1",
    "/sys/devices/system/cpu/cpu1/online": "1",
    "/sys/devices/system/cpu/cpu2/online": "1",
    "/sys/devices/system/cpu/cpu3/online": "1",
    "/sys/devices/system/cpu/cpufreq/boost": "0",
    "/proc/meminfo": "MemTotal:        1900000 kB\nMemFree: 900000 kB\nMemAvailable:    1200000 kB\n"
    "SwapTotal: 102400 kB\nSwapFree: 102400 kB\n",
    "/proc/501/cmdline": "/opt/v/bin/python\0/opt/v/bin/dicom-gateway\0run\0--config\0gateway.toml\0",
    "/proc/501/statm": "30000 11000 4000 1 0 9000 0\n",
    "/proc/502/cmdline": "python3\0-m\0gateway.cli\0admin\0--config\0gateway.toml\0",
    "/proc/502/statm": "40000 15000 4000 1 0 9000 0\n",
    "/proc/503/cmdline": "vim\0dicom-gateway\0",
    "/proc/503/statm": "1 1 1 1 0 1 0\n",
    "/sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "/sys/class/thermal/thermal_zone0/temp": "48686\n",
    "/sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
    "/proc/self/mountinfo": "21 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw,errors=remount-ro\n"
    "22 21 0:20 / /tmp rw,nosuid - tmpfs tmpfs rw,size=100k\n"
    "23 21 179:3 / /var/lib/dicom\\040gateway ro,noatime - ext4 /dev/mmcblk0p3 rw,data=ordered\n",
    "/sys/devices/mmc/block/mmcblk0/size": "61079552\n",
    "/sys/devices/mmc/block/mmcblk0/device/type": "MMC\n",
    "/sys/devices/mmc/block/mmcblk0/device/name": "BJTD4R\n",
    "/sys/devices/mmc/block/mmcblk0/device/date": "05/2024\n",
    "/sys/devices/mmc/block/mmcblk0/device/life_time": "0x01 0x02\n",
    "/sys/devices/mmc/block/mmcblk0/device/pre_eol_info": "0x01\n",
    "/sys/devices/mmc/block/mmcblk0/mmcblk0p2/partition": "2\n",
    "/sys/devices/mmc/block/mmcblk0/mmcblk0p3/partition": "3\n",
    "/sys/fs/ext4/mmcblk0p3/errors_count": "0\n",
    "/sys/class/rtc/rtc0/since_epoch": f"{NOW - 3:.0f}\n",
    "/sys/class/net/eth0/operstate": "up\n",
    "/sys/class/net/eth0/address": "d8:3a:dd:00:00:01\n",
    "/sys/class/net/eth0/speed": "1000\n",
    "/sys/class/net/eth0/statistics/rx_bytes": "123456\n",
    "/sys/class/net/eth0/statistics/tx_bytes": "654321\n",
    "/sys/class/net/eth0/statistics/rx_packets": "1000000\n",
    "/sys/class/net/eth0/statistics/rx_errors": "3\n",
    "/sys/class/net/lo/operstate": "unknown\n",
    "/proc/net/route": "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
    "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\neth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n",
    "/proc/net/if_inet6": "fe80000000000000da3addfffe000001 02 40 20 80     eth0\n",
    "/etc/resolv.conf": "# made by hand\nnameserver 192.0.2.1\nnameserver 192.0.2.9\nsearch clinic.example\n",
}
"""A board as it should be, but that nobody sets its clock."""

LINKS = {
    "/sys/dev/block/179:2": "../../devices/mmc/block/mmcblk0/mmcblk0p2",
    "/sys/dev/block/179:3": "../../devices/mmc/block/mmcblk0/mmcblk0p3",
}

CHRONY = "C0000201,192.0.2.1,2,1794999900.5,-0.000123,0.0001,0.0002,-1.2,0.0,0.1,0.02,0.001,64.0,Normal\n"


def make(
    root: Path,
    changes: Mapping[str, str | None] | None = None,
    commands: Mapping[str, str] | None = None,
) -> Machine:
    """Build the machine below `root`. `changes`: other contents, None: no such file. `commands`: answers."""
    for name, content in {**COMPUTE_MODULE, **(changes or {})}.items():
        path = root / name.lstrip("/")
        if content is None:
            path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    for name, target in LINKS.items():
        link = root / name.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    (root / "var/lib/dicom gateway").mkdir(parents=True, exist_ok=True)

    def run(arguments: Sequence[str]) -> str | None:
        return (commands or {}).get(arguments[0])

    return Machine(root, run, lambda: NOW, {"eth0": "192.0.2.10/24"}.get)
