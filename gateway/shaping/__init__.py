"""Traffic manners: how fast objects may leave, and what waits when the data of the month runs short.

Treatment records, what is relayed and what keeps a link alive are counted and never wait. Pure: time is an
argument, or a clock that is handed in.

    schedule.py    which rate holds at which minute of the week
    shaper.py      the token bucket that everybody asks before sending
    allowance.py   from the month's data to what may leave
"""
