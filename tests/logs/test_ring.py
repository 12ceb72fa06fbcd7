from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from gateway.logs.ring import LogRing, RingLimits
from gateway.logs.values import Fields, Size, Words


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    log = logging.Logger("gateway.test", logging.DEBUG)
    yield log
    log.handlers.clear()


def ring_on(log: logging.Logger, **limits: int) -> LogRing:
    ring = LogRing(RingLimits(**limits))
    log.addHandler(ring)
    return ring


def say(log: logging.Logger, event: str, level: int = logging.INFO, fields: Fields = ()) -> None:
    log.log(level, event, extra={"fields": fields})


def events(ring: LogRing, **wanted: object) -> list[str]:
    return [line.event for line in ring.select(**wanted).lines]  # type: ignore[arg-type]  # as in the test


def test_lines_are_kept_with_their_fields_in_words(log: logging.Logger) -> None:
    ring = ring_on(log)
    say(log, "object stored", fields=(("object", 17), ("size", Size(20_500)), ("calling", Words("LINAC1"))))
    (line,) = ring.select().lines
    assert (line.number, line.level, line.logger, line.event) == (1, "info", "gateway.test", "object stored")
    assert line.fields == (("object", "17"), ("size", "20.5kB"), ("calling", "LINAC1"))


def test_the_newest_come_in_the_order_of_writing(log: logging.Logger) -> None:
    ring = ring_on(log)
    for index in range(10):
        say(log, f"e{index}")
    selection = ring.select(limit=3)
    assert [line.event for line in selection.lines] == ["e7", "e8", "e9"]
    assert selection.more
    assert selection.oldest == 1
    assert events(ring, before=selection.lines[0].number, limit=3) == ["e4", "e5", "e6"]


def test_after_a_number_only_what_is_new(log: logging.Logger) -> None:
    ring = ring_on(log)
    for index in range(5):
        say(log, f"e{index}")
    first = ring.select(after=1, limit=2)
    assert [line.event for line in first.lines] == ["e1", "e2"]
    assert (first.examined_to, first.more) == (3, True)
    rest = ring.select(after=first.examined_to, limit=2)
    assert [line.event for line in rest.lines] == ["e3", "e4"]
    assert (rest.examined_to, rest.more) == (5, False)
    assert events(ring, after=5) == []


def test_lines_that_do_not_match_are_not_looked_at_again(log: logging.Logger) -> None:
    ring = ring_on(log)
    for index in range(5):
        say(log, f"e{index}")
    assert ring.select(after=0, text="nothing").examined_to == 5


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"level": logging.WARNING}, ["refused", "broke"]),
        ({"level": logging.ERROR}, ["broke"]),
        ({"text": "STORED"}, ["stored"]),
        ({"text": "association=a1b2"}, ["refused"]),
        ({"text": "with blanks"}, ["stored"]),
        ({"text": "stored", "level": logging.ERROR}, []),
    ],
)
def test_level_and_text(log: logging.Logger, wanted: dict[str, object], expected: list[str]) -> None:
    ring = ring_on(log)
    say(log, "stored", fields=(("association", "ffff"), ("reason", "with blanks")))
    say(log, "refused", logging.WARNING, (("association", "a1b2"),))
    say(log, "broke", logging.ERROR)
    assert events(ring, **wanted) == expected


def test_lines_are_bounded_by_number(log: logging.Logger) -> None:
    ring = ring_on(log, lines=10)
    for index in range(25):
        say(log, f"e{index}")
    selection = ring.select()
    assert [line.event for line in selection.lines] == [f"e{index}" for index in range(15, 25)]
    assert selection.oldest == 16


def test_lines_are_bounded_by_size(log: logging.Logger) -> None:
    ring = ring_on(log, size=50_000)
    for _ in range(1000):
        say(log, "x" * 1900, fields=(("reason", Words("y" * 400)),))
        assert ring.size <= 50_000
    assert 10 < len(ring.select(limit=1000).lines) < 50


def test_one_line_alone_is_kept_however_long(log: logging.Logger) -> None:
    ring = ring_on(log, size=10)
    say(log, "one")
    say(log, "two")
    assert events(ring) == ["two"]


def test_an_exception_is_kept_as_places_and_lets_go_of_its_frames(log: logging.Logger) -> None:
    ring = ring_on(log)
    try:
        int("1.2.826.0.1.3680043.8.498.12345678901234567890")
    except ValueError:
        log.exception("it broke: %s", "why")
    (line,) = ring.select().lines
    assert line.event == "it broke: why"
    assert "test_ring.py" in line.traceback[0]
    assert line.traceback[-1] == "ValueError: invalid literal for int() with base 10: '(UID)'"
    assert ring.select(text="valueerror").lines == (line,)


def test_control_characters_and_uids_stay_out(log: logging.Logger) -> None:
    ring = ring_on(log)
    log.warning("odd \x1b[31m %s", "1.2.826.0.1.3680043.8.498.12345678901234567890")
    (line,) = ring.select().lines
    assert line.event.isprintable()
    assert "3680043" not in line.event


def test_many_threads_may_log(log: logging.Logger) -> None:
    ring = ring_on(log, lines=500)
    threads = [threading.Thread(target=lambda: [say(log, "x") for _ in range(200)]) for _ in range(5)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        ring.select(text="x")
    for thread in threads:
        thread.join()
    numbers = [line.number for line in ring.select(limit=1000).lines]
    assert numbers == list(range(501, 1001))


def test_install_listens_to_the_whole_process_until_it_is_undone() -> None:
    ring = LogRing()
    undo = ring.install()
    logging.getLogger("gateway.somewhere").warning("one")
    undo()
    logging.getLogger("gateway.somewhere").warning("two")
    assert events(ring) == ["one"]
