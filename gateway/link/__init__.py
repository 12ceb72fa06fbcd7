"""The gateway link: one outbound TLS connection from a site to its hub, and all that rides on it.

    FORMAT.md           what is on the line, and why
    values.py ports.py  what crosses between this room and its neighbours; start reading here

    PURE: no sockets, no clock
    layout.py           numbers and fixed parts of the frames
    frames.py           the frames as values; encoding.py, decoding.py: to messages and back
    hello.py            who speaks, and what it takes
    session.py          one connection: messages and wishes in, events and messages out
      control.py          what leaves before everything else
      outgoing.py         a site's objects: which frame of which leaves next
      incoming.py         a hub's side of them: blocks put together again
      channels.py         streams: order, credit and end of each
      news.py             reports on their way
      credit.py           how much may be on the way
      heartbeat.py        is the other end there, and how far away
    events.py limits.py what a session tells; what the other end may cost

    compression/        bit-exact: blocks and small objects made short, and as they were (FORMAT.md there)
    objects/            objects at the hub: partial, whole, reported on

    The connection
    keeper.py           at a site: keeps it connected, and lends the connection to whoever delivers or relays
      redial.py           how long to wait before the next try; network_watch.py: wakes it
    door.py             at a hub: which site is it, may it come in, one connection for each
    live.py             one live connection: session, socket and clock; its halves feeding.py and receiving.py
      writer.py           what leaves when; pace.py, steering.py: how fast, by which congestion control
      streams.py          a stream as an asyncio transport: an association runs over it as over TCP
    websocket.py        socket, TLS (tls.py) and WebSocket (upgrade.py) under it; tuning.py: socket options

Glossary:

    site, hub    the two ends. The site dials. A hub has many sites
    transfer     one offer of one object, on one connection
    delivery     the same over all connections: the site's journal number for object and destination
    block        128 KiB of an object, encoded by themselves; where a transfer goes on after a cut
    inline       of a small object: it travels with its offer, in one block
    turn         how often a transfer has begun anew; what belongs to an earlier turn is thrown away
    stream       a virtual connection: one association rides on each
    class        what leaves first: control, relay, record, image, bulk
    window       how much may be on the way; credit: how much may have been sent in all
    receipt      the hub has an object durably
    report       what became of it after that
"""
