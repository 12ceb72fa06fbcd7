"""What STOW-RS needs (PS3.18 10.5): one HTTP connection, the body of a request, the sense of an answer.

    multipart.py   PURE: multipart/related around Part 10 files, with its length known in advance (RFC 2387)
    answers.py     PURE: the Store Instances Response, instance by instance (PS3.18 10.5.3, annex I.2)
    connection.py  h11 speaks, asyncio carries: one request at a time, bounded and timed

The transport is transports/stow.py.
"""
