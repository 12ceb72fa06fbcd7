"""Storage commitment: asking destinations for it, and reporting to consoles (PS3.4 annex J).

    services/commitment.py  takes what a console asks           ─▶ spool: a transaction with its items
    asker.py                asks a destination, in batches      ─▶ spool: an ask, then its answer
    querying.py             looks up what a destination has, and whether it is what was sent (C-FIND)
      subjects.py           what the object's own bytes say: its keys, and what tells its content from another
      judging.py            what an answer proves; attributes.py compares what is in it
      giving_back.py        has the object given back (C-GET); contents.py says what a centre may change
    results.py              takes what a destination reports, on whichever association
    reporter.py             tells the console, once every item is resolved
    engine.py               runs all of that, and keeps the time

Rooms meet in the spool alone, so a restart finds everything where it was. Nothing here polls: what wakes it
are events of the spool, the network, and exact times.

transaction   what a console asked: instances, under the console's Transaction UID
item          one instance of it at one destination
ask           our own question to one destination, under a Transaction UID of ours
"""
