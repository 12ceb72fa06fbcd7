"""What access is built of, as one value for its pages and its guard."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from gateway.admin.access.audit_trail import AuditTrail
from gateway.admin.access.known_browser import KnownBrowsers
from gateway.admin.access.lockout import Lockout
from gateway.admin.access.passwords import Passwords
from gateway.admin.access.sessions import Sessions
from gateway.admin.access.store import Store
from gateway.admin.access.users import Users
from gateway.admin.settings import AdminSettings


@dataclass(frozen=True, slots=True)
class Rooms:
    """One of each for the whole process."""

    settings: AdminSettings
    store: Store
    users: Users
    sessions: Sessions
    passwords: Passwords
    known: KnownBrowsers
    trail: AuditTrail
    doors: Lockout = field(default_factory=Lockout)  # of passwords
    setup_door: Lockout = field(default_factory=Lockout)  # of the set-up code
    setting_up: asyncio.Lock = field(default_factory=asyncio.Lock)
