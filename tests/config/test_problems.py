"""Problems say where, what and what is allowed, and never a secret."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from gateway.config.problems import ConfigErrors, Problem, Severity, show

ERROR = Problem("peer[a].port", "out of range", "99999", "1 to 65535", Path("gateway.toml"), 7)
WARNING = Problem("listener", "there is none", severity=Severity.WARNING, file=Path("gateway.toml"), line=1)


def test_a_problem_reads_as_one_line() -> None:
    assert str(ERROR) == "gateway.toml:7: error: peer[a].port = 99999: out of range (allowed: 1 to 65535)"
    assert str(Problem("", "cannot be read", file=Path("x.toml"))) == "x.toml: error: cannot be read"


def test_errors_come_first_and_survive_pickling() -> None:
    errors = ConfigErrors([WARNING, ERROR])
    assert errors.problems == [ERROR, WARNING]
    assert str(errors).splitlines() == [str(ERROR), str(WARNING)]
    restored = pickle.loads(pickle.dumps(errors))  # noqa: S301 - our own bytes
    assert restored.problems == errors.problems


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        (("port",), 3, "3"),
        (("port",), True, "true"),
        (("name",), 'x"\x1b[2J', '"x"\\u001b[2J"'),
        (("name",), "x" * 100, '"' + "x" * 80 + '…"'),
        (("to",), ["a", "b"], '["a", "b"]'),
        (("to",), list("abcdef"), '["a", "b", "c", "d", …]'),
        (("tls",), {"key": "k"}, "a table"),
        (("tls", "key"), "tls/gateway.key", '"tls/gateway.key"'),
        (("tls", "key"), "-----BEGIN PRIVATE KEY-----\nMIIE", "(not shown)"),
        (("tls", "password"), "hunter2", "(not shown)"),
        (("passphrase",), 1234, "(not shown)"),
        (("api_token",), ["a"], "(not shown)"),
        (("client_secret", "x"), "a", "(not shown)"),
        (("host",), "https://me:hunter2@example.org", '"https://(not shown)@example.org"'),
    ],
)
def test_values_are_shown_short_and_secrets_not_at_all(
    path: tuple[str, ...], value: object, shown: str
) -> None:
    assert show(path, value) == shown
