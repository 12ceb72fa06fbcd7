"""Configurations come and go without losing an object: seen, checked, tried, kept or put back.

    files.py       a configuration as a set of texts, its digest, and the folder it lives in
    durable.py     files that are written whole or not at all
    versions.py    the history: every set that was ever in force, by whom and why
    trial.py       the record of a change under way, beside the configuration
    applying.py    the steps of a change, each of which may be the last before the power goes
    starting.py    what a start finds: a change to finish, to undo, or nothing
    summary.py     a configuration in the words of its users: who calls, whom we call, what goes where
    hazards.py     what a change would do that nobody expects: said before, and never done in silence
    checking.py    a candidate checked as a whole, in child.py, a process of its own
    keeper.py      all of this for the operator API, and the clock that puts back what nobody confirmed

A change, as a whole::

    check  ->  trial record (from here on the new set is in force)  ->  files  ->  restart in place
       ->  the engineer confirms: kept
       ->  it does not start, or nobody confirms in time: the former set is written back, and started

Nothing here knows HTTP, and the daemon carries neither pydantic nor a TOML editor for it.
"""
