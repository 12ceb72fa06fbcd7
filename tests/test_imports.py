"""Who may import whom: the contracts of pyproject.toml hold, and each of them bites."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]

# One import that each contract forbids, in a module that does not exist: (new module, what it imports).
_TRESPASSES = {
    "imports go one way": ("gateway/spool/trespass.py", "gateway.association"),
    "the DICOM core is pure": ("gateway/dicom/trespass.py", "socket"),
    "transports never import each other": (
        "gateway/delivery/transports/trespass.py",
        "gateway.delivery.transports.dicom",
    ),
    "the core never imports a side room": ("gateway/services/trespass.py", "gateway.metrics"),
    "the command line sees only the operator's side": ("gateway/cli/trespass.py", "gateway.spool"),
    "the log only looks on": ("gateway/logs/trespass.py", "gateway.spool"),
    "the configuration knows no room": ("gateway/config/trespass.py", "gateway.spool"),
    "nobody imports app but the command line": ("gateway/operator/trespass.py", "gateway.app"),
    "the page sees only the operator's side": ("gateway/admin/trespass.py", "gateway.spool"),
    "what the page needs stays out of the daemon": ("gateway/operator/trespass.py", "aiohttp"),
    "numpy stays out of the daemon": ("gateway/spool/trespass.py", "numpy"),
    "only the compression worker imports what needs numpy": (
        "gateway/link/compression/encoder.py",
        "gateway.link.compression.pixels",
    ),
    "pydantic and cryptography stay out of the daemon": ("gateway/spool/pyd.py", "pydantic"),
}


def lint(folder: Path) -> dict[str, str]:
    """Run import-linter on the package in `folder`; return KEPT or BROKEN by contract."""
    answer = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--config", "pyproject.toml"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        env={"PYTHONPATH": str(folder), "COLUMNS": "200", "PATH": ""},
    )
    verdicts = re.findall(r"^(.+?) (KEPT|BROKEN)\b", answer.stdout, re.MULTILINE)
    assert verdicts, answer.stdout + answer.stderr
    return dict(verdicts)


def contracts() -> list[str]:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return [contract["name"] for contract in tool["contracts"]]


def test_every_contract_is_kept() -> None:
    assert lint(ROOT) == dict.fromkeys(contracts(), "KEPT")


def test_every_contract_bites(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "gateway", tmp_path / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for module, imported in _TRESPASSES.values():
        with (tmp_path / module).open("a") as file:
            file.write(f"import {imported}\n")
    assert lint(tmp_path) == dict.fromkeys(contracts(), "BROKEN")
    assert set(_TRESPASSES) == set(contracts())
