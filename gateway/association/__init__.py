"""The only room that opens DICOM sockets: asyncio around the pure upper layer of `gateway.dicom`.

stream       one transport connection: reads into the upper layer, writes what it says, keeps the deadlines
association  what both roles share: identity, counters, how it ended
acceptor     an association that a peer opened; hands each DIMSE request to an Operation of a service
requestor    opens an association with a peer
sending      what happens on it: C-STORE and C-ECHO as SCU
dial         name and port to a connected transport, with words for each failure
tls          contexts, and handshake failures in plain words
sources      data sets to be sent, with flat memory
pool         warm associations, kept for the next object
"""
