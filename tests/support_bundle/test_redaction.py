from __future__ import annotations

import json

import pytest

from gateway.support.redaction import REMOVED, names, redacted

CONFIG = """
# Mrs. Doe's linac, password hunter2
[gateway]
name = "clinic-07"   # Doe
ae_title = "CLINIC07"
[alerts.email]
to = ["anna.beispiel@clinic.example", "it@clinic.example"]
user = "mailer"
password = "hunter2"
server = "mail.clinic.example"
[alerts.webhook]
url = "https://bot:hunter2@hooks.example/x?token=hunter2"
[alerts.snmp]
community = "hunter2"
[[peer]]
name = "oncology"
host = "ois.example.org"
port = 2762
tls = { certificate = "tls/a.pem", key = "-----BEGIN PRIVATE KEY-----hunter2" }
"""


def test_secrets_comments_and_mail_addresses_are_gone() -> None:
    text = json.dumps(redacted(CONFIG))
    for secret in ("hunter2", "Doe", "anna", "mailer", "@"):
        assert secret not in text


def test_what_helps_stays() -> None:
    values = redacted(CONFIG)
    assert values["gateway"] == {"name": "clinic-07", "ae_title": "CLINIC07"}
    assert values["peer"][0]["host"] == "ois.example.org"
    assert values["peer"][0]["port"] == 2762
    assert values["peer"][0]["tls"]["certificate"] == "tls/a.pem"
    assert values["alerts"]["webhook"]["url"] == f"https://hooks.example/x?{REMOVED}"


def test_names_of_a_configuration() -> None:
    found = set(names(redacted(CONFIG)))
    assert {"CLINIC07", "oncology", "ois.example.org"} <= found
    assert REMOVED not in found


@pytest.mark.parametrize("text", ["[", "a = ", "\x00"])
def test_what_is_no_toml_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        redacted(text)
