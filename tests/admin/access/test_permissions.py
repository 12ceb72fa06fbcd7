"""The table of roles, cell by cell: a change here is a change of who may do what."""

import pytest

from gateway.admin.access.permissions import PERMISSIONS, Permission, Role, User

#                viewer clinic engineer admin
CELLS = {
    "see":         "x   x      x        x",
    "reveal":      "-   x      -        x",
    "acknowledge": "-   x      x        x",
    "steer":       "-   x      x        x",
    "discard":     "-   -      x        x",
    "export":      "-   x      x        x",
    "test":        "-   -      x        x",
    "configure":   "-   -      x        x",
    "diagnose":    "-   -      x        x",
    "audit":       "-   -      x        x",
    "users":       "-   -      -        x",
}  # fmt: skip


@pytest.mark.parametrize("permission", Permission)
@pytest.mark.parametrize(("column", "role"), list(enumerate(Role)))
def test_each_cell(permission: Permission, column: int, role: Role) -> None:
    expected = CELLS[permission].split()[column] == "x"
    assert User("somebody", role).may(permission) is expected


def test_the_table_is_complete() -> None:
    assert set(PERMISSIONS) == set(Role)
    assert set(CELLS) == {permission.value for permission in Permission}
