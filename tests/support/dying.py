"""A process that dies at its n-th touch of the filesystem: as in a power cut, on a disk that keeps order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

TOUCHES = ("open", "write", "fsync", "replace", "unlink", "mkdir", "fchmod", "fchown")
_DIED = 77


def dies_at(touch: int, work: Callable[[], object]) -> bool:
    """Do `work` in a child process that ends without a word before its touch number `touch` (from 0).

    Says whether it came to that; False: the work was done before. A failure of the work is an AssertionError.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _arm(touch)
            work()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, _DIED), f"the work failed before touch {touch}"
    return code == _DIED


def every_death(work: Callable[[], object], prepare: Callable[[], object]) -> Iterator[int]:
    """Prepare and do `work` again and again, dying one touch later each time; yield after each death."""
    touch = 0
    while True:
        prepare()
        if not dies_at(touch, work):
            return
        yield touch
        touch += 1


def _arm(touch: int) -> None:
    left = [touch]
    for name in TOUCHES:
        setattr(os, name, _counting(getattr(os, name), left))


def _counting(function: Callable[..., Any], left: list[int]) -> Callable[..., Any]:
    def counted(*args: Any, **kwargs: Any) -> Any:
        if left[0] == 0:
            os._exit(_DIED)
        left[0] -= 1
        return function(*args, **kwargs)

    return counted
