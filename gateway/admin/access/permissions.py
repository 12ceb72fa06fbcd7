"""Who may do what on the page: one table, role -> permissions.

A route names the permission it needs (page.Route.needs) and one middleware compares (access/guard.py); no
page decides by the name of a role.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """One thing that somebody may do."""

    SEE = "see"  # every page that shows how things are, without patient data
    REVEAL = "reveal"  # the patient behind a record; each time is audited
    ACKNOWLEDGE = "acknowledge"  # an alert: "seen, I am on it"
    STEER = "steer"  # retry, hold and release deliveries; pause and resume destinations
    DISCARD = "discard"  # give a delivery up for good
    EXPORT = "export"  # objects to a medium
    TEST = "test"  # echo, path test, test objects
    CONFIGURE = "configure"  # configuration, certificates, installation
    DIAGNOSE = "diagnose"  # logs, system, support bundle
    AUDIT = "audit"  # the audit trail
    USERS = "users"  # who has access


class Role(StrEnum):
    """What somebody is here for."""

    VIEWER = "viewer"
    CLINIC = "clinic"
    ENGINEER = "engineer"
    ADMIN = "admin"


_P = Permission

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({_P.SEE}),
    Role.CLINIC: frozenset({_P.SEE, _P.REVEAL, _P.ACKNOWLEDGE, _P.STEER, _P.EXPORT}),
    Role.ENGINEER: frozenset(
        {
            _P.SEE,
            _P.ACKNOWLEDGE,
            _P.STEER,
            _P.DISCARD,
            _P.EXPORT,
            _P.TEST,
            _P.CONFIGURE,
            _P.DIAGNOSE,
            _P.AUDIT,
        }
    ),
    Role.ADMIN: frozenset(Permission),
}
"""An engineer installs and mends without seeing who is treated: no REVEAL."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who is signed in."""

    name: str  # as typed when the account was made; unique whatever the case
    role: Role

    def may(self, permission: Permission) -> bool:
        """Tell whether the role of this user includes the permission."""
        return permission in PERMISSIONS[self.role]
