"""Which steps go next. Pure.

The journal offers the first unfinished step of each procedure step (SOP Instance UID), so an N-SET never
overtakes its N-CREATE, and one that is held or waits for its time keeps back no other. Here is decided which
of those are sent now: one at a time for each calling AE title, because each has its own association, those
first whose console still waits, then the oldest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from gateway.model import AETitle
from gateway.spool.step_values import Step, StepRow


def choose(
    rows: Sequence[StepRow],
    title_of: Callable[[Step], AETitle],
    *,
    barred: Collection[AETitle],
    arriving: Collection[str],
    awaited: Collection[int],
    most: int,
) -> list[StepRow]:
    """Return at most `most` of `rows`, each of another title.

    Left out are titles that are `barred` (busy or shut), and procedure steps of which something is just
    `arriving`: its console would not be waiting yet when the answer comes.
    """
    chosen: list[StepRow] = []
    taken = set(barred)
    for row in sorted(rows, key=lambda row: (row.number not in awaited, row.number)):
        title = title_of(row.step)
        if len(chosen) >= most:
            break
        if title not in taken and row.step.sop_instance_uid not in arriving:
            taken.add(title)
            chosen.append(row)
    return chosen


def in_the_way(
    rows: Sequence[StepRow], title_of: Callable[[Step], AETitle], shut: Collection[AETitle], window: int
) -> list[StepRow]:
    """Return the rows of shut titles when they fill the window: steps of others may stand behind them."""
    if len(rows) < window:
        return []
    return [row for row in rows if title_of(row.step) in shut]
