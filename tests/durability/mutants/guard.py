"""In the process of a test on a mutant: is the package really the changed copy? Else nothing counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import gateway


def pytest_configure(config: pytest.Config) -> None:
    """End with a usage error when the package comes from elsewhere."""
    wanted = Path(os.environ["GATEWAY_MUTANT_COPY"]).resolve()
    found = Path(str(gateway.__file__)).resolve().parent
    if found != wanted:
        raise pytest.UsageError(f"the package comes from {found} instead of {wanted}")
