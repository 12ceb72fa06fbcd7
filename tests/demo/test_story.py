"""The plan of the story, and the whole demonstration as a user starts it."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import ssl
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from gateway import demo
from gateway.demo.lab import missing
from gateway.demo.ledger import Ledger, group_of
from gateway.demo.story import INTERRUPTED, Pace, Script

ROOT = Path(__file__).parents[2]
NO_PACE = Pace(between_objects=0, before_return=0)
PROGRAM = (
    "import sys; from gateway.demo import run; "
    "sys.exit(run(records={}, images=3, cbct_slices=4, plain=True, {}))"
)


@pytest.mark.parametrize(("records", "images", "slices"), [(2, 0, 0), (3, 7, 2), (11, 4, 1)])
def test_plan_is_what_is_made(records: int, images: int, slices: int) -> None:
    script = Script(records, images, slices, NO_PACE)
    made = dict.fromkeys(Ledger().planned, 0)
    for number in range(records):
        for thing in script.patient(number):
            made[group_of(thing.kind)] += 1
    assert made == script.planned()
    assert made["record"] == records


def test_link_is_cut_in_a_patient_with_a_cbct() -> None:
    for records in (2, 3, 20, 50):
        script = Script(records, 10, 3, NO_PACE)
        assert 0 < script.cut_in < records
        assert script.has_cbct(script.cut_in)


def test_every_object_is_different() -> None:
    script = Script(4, 6, 2, NO_PACE)
    uids = [thing.sop_instance_uid for number in range(4) for thing in script.patient(number)]
    assert len(set(uids)) == len(uids)


def test_one_patient_is_too_few() -> None:
    with pytest.raises(ValueError, match="2 records"):
        demo.run(records=1)


@contextmanager
def started(directory: Path, records: int, options: str = "") -> Iterator[subprocess.Popen[str]]:
    """The demo in a process, with its temporary folder in `directory`; killed if the test leaves it."""
    command = [sys.executable, "-c", PROGRAM.format(records, options)]
    environment = os.environ | {"TMPDIR": str(directory), "PYTHONUNBUFFERED": "1"}
    pipes: dict[str, int] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=environment, text=True, cwd=ROOT, **pipes) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def daemons_in(directory: Path) -> list[int]:
    """Return the processes whose command line names something in `directory`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(directory) in line:
                found.append(int(entry.name))
    return found


@pytest.fixture
def short_directory() -> Iterator[str]:
    """A folder with a short name: the path of a Unix socket has 108 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="d") as name:
        yield name


def test_whole_demonstration_proves_that_everything_arrived(short_directory: str) -> None:
    directory = Path(short_directory)
    with started(directory, 4) as process:
        output, _ = process.communicate(timeout=110)
    assert process.returncode == 0, output
    assert re.findall(r"^(\d)\. ", output, re.MULTILINE) == ["1", "2", "3", "4"]
    assert "Everything the console was promised is at the centre, kept once, bit for bit." in output
    # 4 records; 3 portal images, and registration and log of 2 patients; 2 CBCT series
    assert re.search(r"Treatment records +4 +[\d,]+ +4 +4 ", output)
    assert re.search(r"Images and others +7 +[\d,]+ +7 +7 ", output)
    assert re.search(r"CBCT slices +8 +[\d,]+ +8 +8 ", output)
    assert "\x1b" not in output
    assert list(directory.iterdir()) == []
    assert daemons_in(directory) == []


@pytest.mark.root
def test_the_demonstration_of_a_hub_runs_over_a_satellite(short_directory: str) -> None:
    """With real TCP at both ends; the hub and the centre are in a network namespace of their own."""
    reason = missing()
    if reason is not None:
        pytest.skip(f"a long link {reason}")
    directory = Path(short_directory)
    with started(directory, 3, "hub=True, page=False") as process:
        output, _ = process.communicate(timeout=110)
    assert process.returncode == 0, output
    assert "the 'geo' line of the laboratory: 600 ms" in output
    assert "Everything the console was promised is at the centre, kept once, bit for bit." in output
    assert "Over the line" in output
    assert list(directory.iterdir()) == []
    assert daemons_in(directory) == []


def test_the_demonstration_of_a_hub_says_why_it_is_on_loopback(short_directory: str) -> None:
    """Without root, or without a TUN device: as if it were so here."""
    program = (
        "import sys; from gateway.demo import run, stage;"
        "stage.missing = lambda: 'needs root, for network namespaces (sudo)';"
        "sys.exit(run(records=2, images=2, cbct_slices=2, plain=True, page=False, hub=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"TMPDIR": short_directory},
        capture_output=True,
        text=True,
        timeout=110,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout
    assert (
        "loopback, made 100 ms long, because the satellite line of the laboratory needs root" in done.stdout
    )
    assert "Everything the console was promised is at the centre, kept once, bit for bit." in done.stdout
    assert daemons_in(Path(short_directory)) == []


def test_the_page_is_served_and_stays(short_directory: str) -> None:
    directory = Path(short_directory)
    with started(directory, 2, "stay=True") as process:
        assert process.stdout is not None
        seen = ""
        for line in process.stdout:
            seen += line
            if line.startswith("The page stays open"):
                break
        found = re.search(r"The page of this gateway: (https://localhost:\d+)   set-up code: (\S+)", seen)
        assert found, seen
        trusting = ssl.create_default_context()
        trusting.check_hostname = False
        trusting.verify_mode = ssl.CERT_NONE  # it has made its certificate itself
        with urlopen(found[1] + "/", context=trusting, timeout=30) as answer:  # noqa: S310
            assert b"<form" in answer.read()
        assert "Everything the console was promised is at the centre" in seen
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, rest
    assert list(directory.iterdir()) == []
    assert daemons_in(directory) == []


def test_without_the_page_there_is_none(short_directory: str) -> None:
    with started(Path(short_directory), 2, "page=False") as process:
        output, _ = process.communicate(timeout=110)
    assert process.returncode == 0, output
    assert "The page of this gateway" not in output


def test_interrupt_stops_and_removes_everything(short_directory: str) -> None:
    directory = Path(short_directory)
    with started(directory, 200) as process:
        assert process.stdout is not None
        seen = ""
        for line in process.stdout:
            seen += line
            if line.startswith("2. "):
                break
        assert daemons_in(directory), seen
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, seen + output
    assert "Interrupted" in output
    assert list(directory.iterdir()) == []
    assert daemons_in(directory) == []


def test_daemon_that_does_not_start_is_explained_and_its_log_kept(short_directory: str) -> None:
    """Its configuration is spoilt here."""
    program = (
        "import sys; from gateway.demo import configurations, run;"
        "configurations._ROUTE += '\\nnonsense = true\\n';"
        "sys.exit(run(records=2, images=0, cbct_slices=0, plain=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"TMPDIR": short_directory},
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    assert done.returncode == 1
    assert "The demo failed: the gateway did not start" in done.stdout
    assert "nonsense" in done.stdout
    (kept,) = Path(short_directory).iterdir()
    assert (kept / "gateway.log").exists()


def on_terminal(directory: str, **environment: str) -> tuple[int, str]:
    """Run the smallest demo on a pseudo terminal of 100 x 40; return exit code and everything it drew."""
    program = (
        "import sys; from gateway.demo import run; "
        "sys.exit(run(records=2, images=0, cbct_slices=0, stay=False))"
    )
    near, far = os.openpty()
    fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    given = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "COLUMNS", "LINES"}}
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env=given | {"TMPDIR": directory, "TERM": "xterm"} | environment,
        stdin=far,
        stdout=far,
        stderr=far,
        cwd=ROOT,
    )
    os.close(far)
    drawn = b""
    with process, os.fdopen(near, "rb", buffering=0) as terminal:
        try:
            while piece := terminal.read(65536):
                drawn += piece
        except OSError:  # EIO: how Linux says that the other side of a terminal has closed
            pass
        code = process.wait(timeout=60)
    return code, drawn.decode()


def test_terminal_gets_the_live_page(short_directory: str) -> None:
    code, drawn = on_terminal(short_directory)
    assert code == 0, drawn
    assert "╭─" in drawn
    assert "\x1b[32m" in drawn
    assert "kept once, bit for bit" in drawn


def test_no_color_gives_plain_lines_on_a_terminal(short_directory: str) -> None:
    code, drawn = on_terminal(short_directory, NO_COLOR="1")
    assert code == 0, drawn
    assert "╭─" not in drawn
    assert "\x1b[32m" not in drawn
    assert "3. The link is back" in drawn
