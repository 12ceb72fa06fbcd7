"""The repository's own commands: make, the virtual environment, continuous integration, dependencies."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

_REPOSITORY = Path(__file__).parents[1]


def _run(*command: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=_REPOSITORY,
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_help_shows_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (_REPOSITORY / "Makefile").read_text(), re.M)
    assert phony
    shown = re.findall(r"^  make (\S+)", _run("make", "--no-print-directory", "help").stdout, re.M)
    assert set(phony[1].split()) - {"venv-dev"} == set(shown)


def test_the_readme_names_the_two_commands() -> None:
    readme = (_REPOSITORY / "README.md").read_text()
    assert "make run" in readme
    assert "make test" in readme


def _fake_python(directory: Path, *, version_ok: bool, venv_ok: bool) -> Path:
    """A python3 that is too old, or that lacks Debian's python3-venv."""
    python = directory / "python3"
    python.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f"  *version_info*) exit {0 if version_ok else 1} ;;\n"
        f"  *ensurepip*) exit {0 if venv_ok else 1} ;;\n"
        '  -V) echo "Python 3.9.2" ;;\n'
        '  *sys.version.split*) echo "3.11.2 /usr" ;;\n'
        "  *) exit 99 ;;\n"
        "esac\n"
    )
    python.chmod(0o755)
    for number in ("13", "12", "11"):
        (directory / f"python3.{number}").write_text("#!/bin/sh\nexit 1\n")
        (directory / f"python3.{number}").chmod(0o755)
    return python


def test_an_old_python_is_named_and_the_remedy_too(tmp_path: Path) -> None:
    _fake_python(tmp_path, version_ok=False, venv_ok=False)
    ended = _run("sh", "tools/venv.sh", str(tmp_path / "venv"), "dev", PATH=f"{tmp_path}:/usr/bin:/bin")
    assert ended.returncode == 1
    assert "Python 3.11 or later is needed; found: Python 3.9.2" in ended.stderr
    assert "apt install" in ended.stderr


def test_a_missing_python3_venv_is_named(tmp_path: Path) -> None:
    _fake_python(tmp_path, version_ok=True, venv_ok=False)
    ended = _run("sh", "tools/venv.sh", str(tmp_path / "venv"), "dev", PATH=f"{tmp_path}:/usr/bin:/bin")
    assert ended.returncode == 1
    assert "sudo apt install python3-venv" in ended.stderr
    assert not (tmp_path / "venv").exists()


def test_an_environment_that_fits_is_left_alone(tmp_path: Path) -> None:
    _fake_python(tmp_path, version_ok=True, venv_ok=False)
    inside = tmp_path / "venv" / "bin"
    inside.mkdir(parents=True)
    (inside / "python").symlink_to("/bin/true")
    with (_REPOSITORY / "pyproject.toml").open("rb") as file:
        sums = subprocess.run(
            ["cksum"], stdin=file, capture_output=True, text=True, check=True
        ).stdout.strip()
    path = f"{tmp_path}:/usr/bin:/bin"
    (tmp_path / "venv" / ".ready").write_text(f"dev 3.11.2 /usr {sums}\n")
    for kind in ("runtime", "dev"):
        ended = _run("sh", "tools/venv.sh", str(tmp_path / "venv"), kind, PATH=path)
        assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
    # Another pyproject.toml, or less than is wanted: it is made anew (which fails here, visibly).
    for stale in (f"runtime 3.11.2 /usr {sums}", "dev 3.11.2 /usr 1 2", f"dev 3.11.1 /usr {sums}"):
        (tmp_path / "venv" / ".ready").write_text(f"{stale}\n")
        assert _run("sh", "tools/venv.sh", str(tmp_path / "venv"), "dev", PATH=path).returncode != 0


def test_the_scripts_are_well_formed() -> None:
    assert _run("bash", "-n", ".ci/run").returncode == 0
    assert _run("sh", "-n", "tools/venv.sh").returncode == 0
    assert os.access(_REPOSITORY / ".ci" / "run", os.X_OK)


def test_every_dependency_is_justified() -> None:
    project = tomllib.loads((_REPOSITORY / "pyproject.toml").read_text())
    wanted = [
        *project["project"]["dependencies"],
        *(each for group in project["dependency-groups"].values() for each in group),
        *project["build-system"]["requires"],
    ]
    names = {re.split(r"[<>=\[;~! ]", each)[0] for each in wanted}
    table = (_REPOSITORY / "docs" / "dependencies.md").read_text()
    named = set(re.findall(r"^\| `([^`]+)`", table, re.M))
    assert names <= named, f"not in docs/dependencies.md: {sorted(names - named)}"
