from __future__ import annotations

import inspect

import pytest

from gateway.operator.control import Control
from gateway.operator.gateway_control import GatewayControl
from tests.support.fake_control import FakeControl

METHODS = [name for name in vars(Control) if not name.startswith("_")]


@pytest.mark.parametrize("kind", [GatewayControl, FakeControl])
@pytest.mark.parametrize("name", METHODS)
def test_every_implementation_has_the_whole_port(kind: type, name: str) -> None:
    promised = inspect.signature(getattr(Control, name)).parameters
    kept = inspect.signature(getattr(kind, name)).parameters
    assert [(p.name, p.kind) for p in kept.values()] == [(p.name, p.kind) for p in promised.values()]
    assert inspect.iscoroutinefunction(getattr(kind, name)) == inspect.iscoroutinefunction(
        getattr(Control, name)
    )
