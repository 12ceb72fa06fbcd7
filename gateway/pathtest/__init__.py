"""The path test: walks the way to a peer step by step, as far as the person who asks wants it to go.

    templates.py   the synthetic objects, one for each class, marked "connection test, not a patient"
    attributes.py  keywords, tags and VRs of what they contain
    objects.py     makes them, with UIDs that were never used before
    steps.py       what a test tells: its steps and its report
    walk.py        name, TCP, TLS, association, C-ECHO, C-STORE, storage commitment: each timed and bounded
    certificate.py what is to be said of the certificate that a peer shows
    inbox.py       where the result of a storage commitment arrives, on whichever association
    book.py        the last reports of each peer, kept across restarts
    tester.py      who may run a test when, and hands the steps on as they come

Nothing is stored at a peer unless whoever starts the test names the classes.
"""
