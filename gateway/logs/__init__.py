"""The log: one line per association and per object, readable by a person and by a machine.

    text.py       makes anything harmless to print; sizes, times and rates as people read them
    lines.py      a notice becomes a line: level, event, fields
    ring.py       the last lines in memory, for the page and the support bundle
    refusals.py   pure: which refusals are told one by one, and which are counted
    notices.py    LogNotices: subscribes to notices, writes lines
    formats.py    a line as logfmt or as JSON
    journald.py   a line as a journal entry with fields, over journald's own socket
    setup.py      setup(): the process's log, as configured

Patient data and SOP Instance UIDs are never logged: notices carry none, and what looks like such a UID is
blanked out in free text should it ever get there.
"""

from gateway.logs.notices import LogNotices
from gateway.logs.setup import setup

__all__ = ["LogNotices", "setup"]
