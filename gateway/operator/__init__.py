"""The operator surface: what a person, a monitor or the admin page may see and steer.

    facts.py         the values that leave the daemon: documented, stable keys, no patient data
    codec.py         facts <-> JSON, and their JSON Schema
    control.py       Control, the port the daemon implements; the API knows nothing else of it
    gateway_control.py  Control on top of the spool, the delivery engine and the listeners
    record_list.py   what treatment records say and where they are: the section `records` on top of the spool
    verdict.py       the one sentence that `status` begins with (pure)
    http.py          HTTP/1.1 on asyncio with h11: bounded, timed
    unix_socket.py   the socket file: who may use it, who is calling, what to do with a stale one
    routes.py        the route table; openapi.py writes the document from it; api.py answers
    events.py        notices as server-sent events, with a bounded queue for each listener
    client.py        the one client, for the command line and the tests

The core never imports this room.
"""
