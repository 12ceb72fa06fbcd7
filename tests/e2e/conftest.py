"""What every end-to-end test starts from: certificates of a centre, and objects a console sends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.model import TlsMaterial
from tests.support.certs import Authority


@dataclass(frozen=True, slots=True)
class Pki:
    """One authority, and what it issued to each side."""

    authority: Authority
    centre: TlsMaterial
    gateway: TlsMaterial


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Certificates for a centre and a gateway that trust each other."""
    directory: Path = tmp_path_factory.mktemp("pki")
    authority = Authority.create(directory)
    return Pki(authority, authority.issue("centre"), authority.issue("gateway"))
