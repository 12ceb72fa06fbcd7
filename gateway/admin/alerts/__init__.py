"""Alerts: what is worth one, who has been told, and what waits to be told.

    conditions.py  what can be wrong, as values (pure)
    rules.py       what is seen of the gateway -> the conditions that hold (pure)
    book.py        the life of an alert: raised, acknowledged, over; deduplicated (pure)
    texts.py       an alert in words, in the reader's language
    store.py       the book and the outbox on the disk
    watcher.py     looks at the gateway every few seconds, and feeds the rest
    outbox.py      tells the channels; what cannot be told waits until the line is back
    channels/      e-mail, webhook, syslog, SNMP trap: one file each
    eyes.py        what the watcher sees, through the operator API
    service.py     all of it together, for the page

They live in the page's process: when the gateway itself stops answering, somebody has to say so.
"""
