"""A long link to try things by hand: python -m gateway.demo.lab [PROFILE] [--run NEAR FAR]."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from gateway.demo.lab import shells
from gateway.demo.lab.laboratory import Laboratory, LaboratoryFailed, Side
from gateway.demo.lab.profiles import PROFILES, Loss, Profile

_LISTEN = "0A"
_END_SECONDS = 5.0


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, PROFILES))
    known = "\n".join(f"  {name:<{width}}  {each.words}" for name, each in PROFILES.items())
    parser = argparse.ArgumentParser(
        prog="python -m gateway.demo.lab",
        description="Two network namespaces joined by a long link, with real TCP at both ends. Needs root.",
        epilog=f"profiles:\n{known}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("profile", nargs="?", default="geo", choices=PROFILES, metavar="PROFILE")
    parser.add_argument(
        "--loss", type=float, metavar="SHARE", help="lose this share of the packets, 0.01 is 1 %%"
    )
    parser.add_argument("--burst", type=float, metavar="PACKETS", help="lose them in bursts of so many")
    parser.add_argument("--seed", type=int, default=1, help="another one loses other packets")
    parser.add_argument(
        "--congestion", metavar="NAME", help="congestion control of both ends: reno, cubic, bbr"
    )
    parser.add_argument(
        "--run",
        nargs=2,
        metavar=("NEAR", "FAR"),
        help="run two command lines in place of two shells; when NEAR ends, FAR is ended, and its counters "
        "are printed. Both find the addresses in $LAB_NEAR and $LAB_FAR",
    )
    parser.add_argument(
        "--wait", type=int, metavar="PORT", help="run NEAR once somebody listens there at FAR"
    )
    return parser


def _shape(given: argparse.Namespace) -> Profile:
    profile = PROFILES[given.profile]
    if given.loss is None and given.burst is None:
        return profile
    mean = profile.up.loss.mean if given.loss is None else given.loss
    return profile.with_loss(Loss(mean, burst=given.burst))


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the link and run what is wanted at its ends; return the exit code of NEAR."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.run is None and not (sys.stdin.isatty() and sys.stdout.isatty()):
        parser.error("two shells need a terminal; without one: --run NEAR FAR")
    try:
        profile = _shape(given)
    except ValueError as error:
        parser.error(str(error))
    try:
        with Laboratory(profile, seed=given.seed, congestion=given.congestion) as lab:
            if given.run is None:
                shells.run(lab)
                return 0
            code = _run(lab, *given.run, port=given.wait)
            sys.stderr.write(shells.counted(lab.counts()) + "\n")
            return code
    except LaboratoryFailed as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _run(lab: Laboratory, near: str, far: str, *, port: int | None) -> int:
    server = _begin(lab, "far", lab.far, far)
    try:
        if port is not None and not _listens(lab.far, port, server):
            sys.stderr.write(f"nobody listens on {port} at the far end\n")
            return 2
        client = _begin(lab, "near", lab.near, near)
        try:
            return client.wait()
        finally:
            _end(client)
    finally:
        _end(server)


def _begin(lab: Laboratory, end: str, side: Side, command: str) -> subprocess.Popen[bytes]:
    with side.entered():
        return subprocess.Popen(  # noqa: S602 - the person's own command line
            command, shell=True, env=shells.environment(lab, end), start_new_session=True
        )


def _end(program: subprocess.Popen[bytes]) -> None:
    """End it with all it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(program.pid, number)
        except ProcessLookupError:
            break
        try:
            program.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        break
    program.wait()


def _listens(side: Side, port: int, program: subprocess.Popen[bytes], timeout: float = 30.0) -> bool:
    """Wait until somebody listens on `port`; False when the program has ended first, or time is up."""
    deadline = time.monotonic() + timeout
    with side.entered():
        while program.poll() is None and time.monotonic() < deadline:
            for table in ("/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"):
                with open(table) as rows:  # noqa: PTH123 - of the kernel's
                    for row in list(rows)[1:]:
                        fields = row.split()
                        if fields[1].endswith(f":{port:04X}") and fields[3] == _LISTEN:
                            return True
            time.sleep(0.02)  # the kernel offers no event for another process's listen(2)
    return False


if __name__ == "__main__":
    sys.exit(main())
