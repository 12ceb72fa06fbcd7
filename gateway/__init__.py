"""DICOM Edge Gateway: the box beside the linac.

The flow, from the console's first byte to the centre's receipt::

    listener.py        accepts a TCP (or TLS) connection within the caps and the allow-list
    association/       runs the asyncio side of one association; bytes in, bytes out
      dicom/           PURE: PS3.8 upper layer and PS3.7 messages; bytes in, events out
    routing.py         called AE title -> route, or a refusal in words
    services/          one handler per service class; storage.py hands the data set on
    spool/             hash, write, sync, commit: only now does C-STORE-RSP 0x0000 leave
    ------------------ the console's part ends here; the spool is the only meeting point ----------------
    delivery/          scheduler says what may go, courier claims it from the spool
      transports/      dicom.py sends it over a warm TLS association (association/pool.py)
    spool/             the peer's answer becomes the delivery's next state, with its receipt

    Whatever no service serves (queries, retrieves, worklists, UPS, MPPS, ...) is passed through meanwhile:

    services/relay.py     finds the far end of the route for this caller
    relay/dialer.py       a warm association (relay/warm.py), a new one (association/far.py), or a prompt no
    relay/session.py      messages both ways, data sets as they come; relay/ledger.py keeps the books
    reachability.py       what is known of the way to each peer: shared with delivery
    errands.py            what persons have under way at peers: whoever keeps a place there lets go of it

    Over a link to a hub instead of a dialled association, when a peer has `via` (link/, link_ends/):

    delivery/transports/link.py   objects as transfers that go on where they were cut
    link/objects/                 the same at the hub: partial, whole, reported on
    link/streams.py               everything else as streams; stream_door.py serves them
    sites.py                      and says to whom: what each site may call

    Later, about what was stored:

    commitment/           asks the destinations for storage commitment, and reports to the consoles
    procedure_steps/      MPPS that was taken durably, passed on in order

    records/              reads what stored treatment records say, for whoever looks at them

    What people see and try of the links (links.py):

    trends/               a day and a month of each link; asks the destinations while somebody looks
    shaping/              PURE: the rate of a line by time of the week, and what the month's data allows;
                          manners.py tells the couriers, delivery/pacing.py and link/ ask before each piece
    link_state.py         what was measured of a way, and how a hub's sites stand: one value for all to show
    pathtest/             on request: the way to a peer step by step, up to synthetic objects stored there

    Beside the objects:

    configuring/          tries another configuration, keeps it, or puts the former one back
    certificates/         keys, requests and certificates made and checked on the device
    audit/                who did what to this gateway
    health/, support/     how the machine is; what may leave it for somebody who helps

    app.py builds all of this, surface.py what shows it; operator/ shows and steers it; cli/ is what people
    type, and admin/ the page they look at, a process of its own.
    notices.py carries what happened to logs.py and metrics.py; nothing comes back that way.

Glossary (terms of PS3.7 and PS3.8, used here as the standard uses them):

    association           a negotiated DICOM connection between two application entities
    presentation context  one abstract syntax (what) with one transfer syntax (how encoded)
    SCU / SCP             who asks / who serves, per service class
    DIMSE                 the messages (C-STORE, C-ECHO, N-ACTION ...) on an association
    PDU / PDV             the upper layer's packets, and the message fragments inside P-DATA
    delivery              one object on its way to one destination (ours, see spool/states.py)
    near / far            the caller's association, and the one we opened for it (ours)
    receipt               what the destination answered for one delivery (ours)
    link, site, hub       one connection that a clinic's gateway keeps to one at the centre (ours)
    stream                a connection inside a link, for one association (ours)
    report                what a hub says later of an object that it had taken (ours)
    journal number        the order of arrival in the spool, and the name of an object in logs (ours)
"""

__version__ = "0.1.0"
