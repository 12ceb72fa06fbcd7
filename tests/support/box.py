"""A whole box: the gateway and its page, each in its own process, as systemd would run them.

with Box(tmp_path, peers=[peer("centre", "ARIA", port)]) as box:
    browser.goto(box.url + "/queue")
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from gateway.admin.access.passwords import Passwords
from gateway.admin.access.permissions import Role
from gateway.admin.access.store import Store
from gateway.admin.access.users import Users
from tests.support.gateway_process import GatewayProcess, Toml, peer
from tests.support.ports import free_port
from tests.support.processes import Program

_REPOSITORY = Path(__file__).parents[2]

PASSWORD = "violet gantry 42 sandwich"  # noqa: S105 - of a test
NAMES = {
    Role.VIEWER: "Vera Viewer",
    Role.CLINIC: "Clara Clinic",
    Role.ENGINEER: "Emil Engineer",
    Role.ADMIN: "Ada Admin",
}


def trusting() -> ssl.SSLContext:
    """Return a context that takes any certificate: a page makes its own."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Box:
    """One gateway and one page, in a folder of their own. Attributes are paths and addresses of both."""

    def __init__(
        self,
        directory: Path,
        *,
        peers: Sequence[Toml] | None = None,
        sections: Mapping[str, Toml] | None = None,
        accounts: bool = True,
        **gateway: Any,
    ) -> None:
        """Without `accounts`, nobody has one: the page asks for the set-up code, as at a first start."""
        self.page_port = free_port()
        self.page_state = directory / "page"
        given = dict(sections or {})
        given["admin"] = {
            "address": "127.0.0.1",
            "port": self.page_port,
            "state_dir": self.page_state,
            **given.get("admin", {}),
        }
        given.setdefault(
            "gateway", {"name": "clinic-07", "ae_title": "CLINIC07", "state_dir": directory / "state"}
        )
        self.gateway = GatewayProcess(
            directory,
            peers=peers if peers is not None else [peer("centre", "ARIA", free_port())],
            sections=given,
            **gateway,
        )
        self.config = self.gateway.config
        self.socket = self.gateway.socket
        self.state = self.gateway.state_dir
        self.url = f"https://127.0.0.1:{self.page_port}"
        self.page: Program | None = None
        self._accounts = accounts

    def __enter__(self) -> Box:
        if self._accounts:
            self.page_state.mkdir(mode=0o700, parents=True, exist_ok=True)
            with ThreadPoolExecutor(1) as thread:  # Playwright has an event loop in this one
                thread.submit(asyncio.run, _make_accounts(self.page_state)).result()
        self.gateway.start()
        try:
            self.start_page()
        except BaseException:
            if self.page is not None:
                self.page.stop()
            self.gateway.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.page is not None:
                self.page.stop()
        finally:
            if self.gateway.program is not None:
                self.gateway.stop()

    def start_page(self) -> None:
        """Start the page, and return once it serves."""
        self.page = Program(
            [sys.executable, "-m", "gateway.cli", "admin", "--config", self.config],
            env={"PYTHONUNBUFFERED": "1"},
            cwd=_REPOSITORY,
        )
        self.page.wait_line("is ready on", timeout=60)

    def kill_page(self) -> None:
        """End the page as a power cut would."""
        assert self.page is not None
        self.page.kill()
        self.page = None

    def fetch(self, path: str) -> bytes:
        """Return what the page answers to somebody who is not signed in."""
        with urlopen(Request(self.url + path), context=trusting(), timeout=30) as answer:  # noqa: S310
            content: bytes = answer.read()
            return content


async def _make_accounts(directory: Path) -> None:
    store = Store.open(directory)
    passwords = Passwords()
    try:
        users = Users(store)
        kept = await passwords.hash(PASSWORD)
        await users.make_admin(NAMES[Role.ADMIN], kept, used_code=b"")
        for role in (Role.VIEWER, Role.CLINIC, Role.ENGINEER):
            await users.add(NAMES[role], role, kept, by="test", start_until=None)
    finally:
        passwords.close()
        store.close()
