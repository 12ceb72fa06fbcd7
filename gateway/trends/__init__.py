"""The history of the ways to the peers: what a person looks at when asked "is it the link?".

    sample.py    what one minute, or one half hour, was like; and how it is gathered (pure)
    middle.py    median, mean and deviation of some numbers (pure)
    ring.py      a fixed number of samples as bytes, in memory and on the disk (FORMAT.md)
    ledger.py    changes of state, and bytes by day, as one small JSON file (FORMAT.md)
    state.py     one word for a link out of what delivery and reachability know (pure)
    history.py   one peer: its rings, its changes, its bytes
    meter.py     which bytes and segments are whose: reads the open associations (pure)
    recorder.py  all peers: listens to notices, closes a minute each minute, saves now and then
    budget.py    what of the month's data is used, and where it leads (pure)
    watch.py     somebody looks at the page: the links are asked every two seconds, gently
    probe.py     one peer while it is watched

Only looks on, but for the watch, which asks C-ECHO on an association of its own. Times for intervals are
monotonic; the wall clock is a label, and may jump.
"""
