"""The demonstration: a console, a gateway, a link that fails, a centre, and proof that all arrived.

    synthetic/   patients and objects       pki.py     throw-away certificates
    console.py   treats and sends           link.py    the long line: slow, cut, restored
    daemon.py    the gateway, a process     centre.py  receives over TLS
    stage.py     all of these, set up       configurations.py  what the gateways are told
    lab/         a satellite line, where that is possible: with a hub
    page.py      its local page, a process  processes.py  ends both
    lab/         a long link with the kernel's own TCP, for tests, measurements and people (needs root)
    ledger.py    who was promised what, and what arrived
    story.py     what happens in which order            scene.py, view.py   how it looks

Console and centre are pynetdicom, not our own DICOM; the gateway is the daemon that `dicom-gateway run`
starts. Nothing but synthetic.py and its like may be imported cheaply: `run` imports the rest when called.
"""

from __future__ import annotations

import os


def run(
    *,
    records: int = 20,
    images: int = 40,
    cbct_slices: int = 20,
    keep: bool = False,
    plain: bool = False,
    page: bool = True,
    page_address: str = "127.0.0.1",
    stay: bool | None = None,
    browser: bool | None = None,
    hub: bool = False,
) -> int:
    """Run the demonstration; return 0 when every digest arrived, 1 when not, 130 after Ctrl-C.

    `records` is the number of patients treated (2 at least), with one RT Beams Treatment Record each;
    `images` the portal images of all of them; `cbct_slices` the slices of a CBCT, which every fifth patient
    gets. `keep` leaves the folder with spool, log and received files. `plain` prints lines instead of the
    live page, which is also done when NO_COLOR is set or the output is no terminal of 80 x 24 or more.

    With `page`, the local admin page is served on `page_address`, and opened in a browser with `browser`
    (None: when there is a desktop). With `stay` (None: on a live terminal), patients go on being treated
    after the proof until Ctrl-C, so that the page has something to show.

    With `hub`, the gateway brings everything over a link to a hub, on the laboratory's satellite line where
    that is possible (root); the text says so where it is not.
    """
    from rich.console import Console

    from gateway.demo.story import Pace, Script, Showing
    from gateway.demo.story import run as tell

    if records < 2:
        raise ValueError("the demo needs 2 records: one before the cut, one in which it happens")
    terminal = Console(no_color=plain or None)
    fits = terminal.is_terminal and terminal.width >= 80 and terminal.height >= 24
    live = fits and not plain and not os.environ.get("NO_COLOR")
    pace = Pace() if live else Pace(between_objects=0.0, before_return=0.0)
    desktop = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    showing = Showing(
        page=page,
        address=page_address,
        stay=page and (live if stay is None else stay),
        browser=desktop and live if browser is None else browser,
        hub=hub,
    )
    return tell(terminal, Script(records, images, cbct_slices, pace), showing, live=live, keep=keep)
