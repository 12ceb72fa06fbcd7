"""Performed procedure steps (MPPS) that were queued: passed on to a peer in order, however long that takes.

    services/mpps.py ──▶ engine.submit ──▶ spool (durable) ──▶ line ──▶ sender ──▶ peer
           ▲                                                     │
           └───────── the peer's own answer, when in time ───────┘

step       one N-CREATE or N-SET of a console (PS3.4 F.7.2); its number is the order of arrival
line       everything about one destination: what goes next, when to try again
wait       a console that waits for the peer's own answer to its step, for a few seconds
told       the console was answered success because the step is durable: from then on the step is ours
uncertain  a step was sent and no answer came: the peer may have done it
shut       a calling AE title whose associations the peer refuses at present
"""
