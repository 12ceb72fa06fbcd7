"""The configuration: TOML files in, one frozen and checked value out, or every problem at once.

    sources.py      reads gateway.toml and conf.d/*.toml and merges them, remembering file and line
    toml_lines.py   where each key is written
    schema.py       the sections as frozen dataclasses (limits.py, operations.py: the numbers, the operator's)
    kinds.py        what a value may be: sizes, durations, AE titles, networks, paths
    shape.py        the schema as data, for problems, reference and tests
    explain.py      validation errors in words, with did-you-mean
    checks.py       what only shows between sections: names, duplicates, plain DICOM in public, loops
    files.py        what only shows on this machine: folders and TLS files
    loader.py       load(): all of the above in order
    apart.py        load_apart(): the same in a child process, so that a daemon does not carry pydantic
    reference.py    docs/configuration.md

Importing this package, and holding a Config, does not import pydantic or cryptography, nor what reads and
checks: `load` comes when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.config.apart import load_apart
from gateway.config.problems import ConfigErrors, Problem, Severity
from gateway.config.schema import Config

if TYPE_CHECKING:
    from gateway.config.loader import load

__all__ = ["Config", "ConfigErrors", "Problem", "Severity", "load", "load_apart"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from gateway.config.loader import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
