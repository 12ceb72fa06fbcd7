"""A log of several histories is taken apart; operations can be left out; a recovery begins from a state."""

from __future__ import annotations

from tests.durability.crash_points.facts import say
from tests.durability.crash_points.recording import split
from tests.durability.disk import ops
from tests.durability.disk.disk import ROOT


def log_of(name: str, inode: int) -> list[ops.Op]:
    return [
        ops.Mark(say("history", name=name)),
        ops.Make(ROOT, name, inode, True, 0o700),
        ops.Make(inode, "file", inode + 1, False, 0o600),
        ops.Rename(inode, "file", inode, "kept"),
        ops.Sync(inode + 1),
        ops.Mark(say("end")),
        ops.Write(inode + 1, 0, b"after the end"),
    ]


def test_each_history_has_what_is_between_its_marks() -> None:
    one, other = split([*log_of("one", 2), *log_of("other", 4)])
    assert (one.name, one.under, other.name, other.under) == ("one", "one/spool", "other", "other/spool")
    assert len(one.log) == len(other.log) == 5
    assert not any(isinstance(op, ops.Write) for op in one.log)
    assert one.paths() == {ROOT: "", 2: "one", 3: "one/kept"}


def test_a_program_that_forgot_to_sync() -> None:
    [one] = split(log_of("one", 2))
    forgetful = one.without(lambda op: isinstance(op, ops.Sync))
    assert [type(op).__name__ for op in forgetful.log] == ["Make", "Make", "Rename", "Mark"]
    assert len(one.log) == 5
