"""The process of the page, as systemd runs it: HTTPS, readiness, watchdog, a new start in place, the end."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.support.box import trusting
from tests.support.fake_control import FakeControl
from tests.support.operator_daemon import serving
from tests.support.ports import free_port
from tests.support.processes import Program

ROOT = Path(__file__).parents[2]


class Page:
    """One page process without a gateway, and what it tells systemd."""

    def __init__(self, folder: Path, **admin: object) -> None:
        self.port = free_port()
        self.folder = folder
        self.socket = folder / "op.sock"
        self.config = folder / "gateway.toml"
        self.write(port=self.port, **admin)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify.sock"))
        self.notify.settimeout(30)
        self.program = self.start()

    def write(self, **admin: object) -> None:
        """Write the configuration."""
        lines = "\n".join(f"{key} = {value!r}" for key, value in admin.items())
        self.config.write_text(
            f"[gateway]\nname = 'clinic-07'\nae_title = 'CLINIC07'\n[log]\nformat = 'logfmt'\n"
            f"[operator]\nsocket = '{self.socket}'\n"
            f"[admin]\naddress = '127.0.0.1'\nstate_dir = '{self.folder / 'page'}'\n{lines}\n"
        )

    def start(self) -> Program:
        """Start it."""
        return Program(
            [sys.executable, "-m", "gateway.cli", "admin", "--config", self.config],
            env={
                "PYTHONUNBUFFERED": "1",
                "NOTIFY_SOCKET": str(self.folder / "notify.sock"),
                "WATCHDOG_USEC": "400000",
            },
            cwd=ROOT,
        )

    def told(self, wanted: bytes) -> None:
        """Wait until the service manager is told something."""
        while wanted not in self.notify.recv(4096).split(b"\n"):
            pass

    def get(self, path: str, port: int | None = None) -> int:
        """Return the status of a page."""
        url = f"https://127.0.0.1:{port or self.port}{path}"
        try:
            with urlopen(url, context=trusting(), timeout=30) as answer:
                return int(answer.status)
        except HTTPError as error:
            with error:
                return error.code


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    running = Page(tmp_path)
    running.told(b"READY=1")
    yield running
    code = running.program.stop()
    running.notify.close()
    assert code == 0


def test_it_serves_https_without_a_gateway_and_tells_systemd(page: Page) -> None:
    page.told(b"WATCHDOG=1")
    page.told(b"WATCHDOG=1")
    assert page.get("/healthz") == 200
    assert page.get("/login") == 200
    said = page.program.output
    assert re.search(r"fingerprint of its certificate: ([0-9A-F]{2}:){31}[0-9A-F]{2}", said)
    der = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", page.port)))
    import hashlib

    digest = hashlib.sha256(der).hexdigest().upper()
    assert ":".join(digest[at : at + 2] for at in range(0, 64, 2)) in said


def test_plain_http_is_not_answered(page: Page) -> None:
    with socket.create_connection(("127.0.0.1", page.port), timeout=30) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            answer = plain.recv(1000)
        except ConnectionError:
            answer = b""
    assert b"HTTP" not in answer


def test_old_tls_is_not_spoken(page: Page) -> None:
    old = trusting()
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("AES128-SHA")
    with (
        socket.create_connection(("127.0.0.1", page.port), timeout=30) as raw,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        old.wrap_socket(raw)


def test_its_folder_is_for_its_user_alone(page: Page) -> None:
    assert (page.folder / "page").stat().st_mode & 0o777 == 0o700


def test_it_starts_anew_in_place_and_refuses_nobody_meanwhile(page: Page) -> None:
    pid = page.program.pid
    page.write(port=page.port, language="fr")
    page.program.signal(signal.SIGHUP)
    answers = [page.get("/healthz") for _ in range(40)]
    page.told(b"READY=1")
    assert set(answers) == {200}
    assert page.program.pid == pid
    assert page.program.running
    with urlopen(f"https://127.0.0.1:{page.port}/login", context=trusting(), timeout=30) as answer:
        assert '<html lang="fr"' in answer.read().decode()


def test_another_port_is_taken_on_a_new_start(page: Page) -> None:
    port = free_port()
    page.write(port=port)
    page.program.signal(signal.SIGHUP)
    page.told(b"READY=1")
    assert page.get("/healthz", port) == 200
    with pytest.raises(OSError, match="refused"):
        page.get("/healthz", page.port)


def test_the_end_does_not_wait_for_open_streams(page: Page) -> None:
    held = [socket.create_connection(("127.0.0.1", page.port), timeout=30) for _ in range(3)]
    began = time.monotonic()
    assert page.program.stop() == 0
    assert time.monotonic() - began < 10
    for each in held:
        each.close()
    page.program = page.start()
    page.told(b"READY=1")


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told_to(tmp_path: Path, signal_number: signal.Signals) -> None:
    page = Page(tmp_path)
    page.told(b"READY=1")
    page.program.signal(signal_number)
    page.told(b"STOPPING=1")
    assert page.program.wait() == 0
    page.program.stop()
    page.notify.close()


def test_it_outlives_the_gateway_and_finds_it_again(page: Page) -> None:
    for _ in range(2):
        with serving(FakeControl(), page.socket):
            assert page.get("/healthz") == 200
        assert page.get("/healthz") == 200
    assert page.program.running


def test_a_port_that_is_taken_is_said_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = tmp_path / "gateway.toml"
        config.write_text(
            "[gateway]\nname = 'x'\nae_title = 'X'\n"
            f"[admin]\naddress = '127.0.0.1'\nport = {port}\nstate_dir = '{tmp_path / 'page'}'\n"
        )
        ended = subprocess.run(
            [sys.executable, "-m", "gateway.cli", "admin", "--config", config],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert ended.returncode == 1
    assert f"the page cannot listen on 127.0.0.1 port {port}: Address already in use" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_configuration_is_needed() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "admin"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin"},
    )
    assert ended.returncode == 2
    assert "--config" in ended.stderr
