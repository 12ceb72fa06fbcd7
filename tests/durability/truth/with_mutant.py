"""A plugin of pytest: run tests of the product with the mistake that the environment names."""

from __future__ import annotations

import os

import pytest

from tests.durability.truth.mutants import MUTANTS

MUTANT = "GATEWAY_MUTANT"


@pytest.fixture(autouse=True)
def _with_mutant(monkeypatch: pytest.MonkeyPatch) -> None:
    name = os.environ.get(MUTANT)
    if name:
        MUTANTS[name](monkeypatch)
