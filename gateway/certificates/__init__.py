"""The certificates of this gateway: keys made here that never leave, what was asked for, what is used.

    room.py       the daemon's side: one child process at a time, bounded; no cryptography here
    __main__.py   the child process: one question as JSON in, one answer as JSON out
    work.py       what the child does: list, ask, check, install, trust, go back
    store.py      files: versions in folders, switched by one rename, so that a crash leaves a whole pair
    reading.py    certificates out of whatever was pasted or uploaded
    describing.py certificates as facts
    checking.py   what stands in the way of installing, and what is worth knowing
    asking.py     a key and a request for a certificate

Nothing of it is used before the configuration names the files. Replaced files are used by the next
association (association/tls.py); those that are open go on.
"""
