"""The process's log goes where the configuration says, once, and libraries keep quiet about data."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest

from gateway.config.operations import Log
from gateway.logs import setup


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    names = ("gateway", "pydicom", "pynetdicom", "asyncio", "aiohttp")
    root = logging.getLogger()
    before = root.level, {name: logging.getLogger(name).level for name in names}, root.handlers[:]
    yield
    for handler in [handler for handler in root.handlers if handler not in before[2]]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(before[0])
    for name, level in before[1].items():
        logging.getLogger(name).setLevel(level)


def test_lines_of_the_gateway_are_written_from_the_configured_level_on() -> None:
    stream = io.StringIO()
    setup(Log(level="info", format="logfmt"), stream)
    logging.getLogger("gateway.spool").info("recovered")
    logging.getLogger("gateway.spool").debug("detail")
    assert stream.getvalue().endswith("INFO    recovered\n")
    assert stream.getvalue().count("\n") == 1


def test_a_second_setup_replaces_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()
    setup(Log(format="logfmt"), first)
    setup(Log(format="json"), second)
    logging.getLogger("gateway").info("once")
    assert first.getvalue() == ""
    assert json.loads(second.getvalue())["event"] == "once"


def test_libraries_that_quote_data_sets_are_silent_and_chatty_ones_are_quiet() -> None:
    stream = io.StringIO()
    setup(Log(level="debug", format="logfmt"), stream)
    logging.getLogger("pydicom").critical("Invalid value DOE^JOHN")
    logging.getLogger("pynetdicom.acse").error("(0010,0010) DOE^JOHN")
    logging.getLogger("asyncio").info("chatter")
    assert stream.getvalue() == ""
    logging.getLogger("asyncio").error("Task exception was never retrieved")
    assert "never retrieved" in stream.getvalue()


def test_pydicoms_warnings_do_not_reach_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    setup(Log(format="logfmt"), io.StringIO())
    warnings.warn("Invalid value for VR UI: 'DOE^JOHN'", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == ""


def test_every_level_and_format_of_the_configuration_is_understood() -> None:
    for level in ("debug", "info", "warning", "error"):
        for style in ("auto", "logfmt", "json", "journald"):
            setup(Log(level=level, format=style), io.StringIO())  # type: ignore[arg-type]  # of the literals
