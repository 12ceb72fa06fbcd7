"""Over long links, side by side: DCMTK, Orthanc, the gateway to a PACS, the gateway to a hub.

    loads.py       what is sent: records, CBCT with the noise of a scanner, slices that nobody can compress
    pair.py        a site and a hub, each a process, at the ends of one link
    ways.py        the subjects: each gets files from the near end to the far end
    transfers.py   one run: time, bytes on the wire, processor time at both ends
    plan.py        which runs, how many objects each (the slow ones fewer), and how long that takes
    cuts.py        one large object over a link that is cut, between programs that are killed
    moments.py     a record in the middle of a CBCT; a link on which nothing happens
    sites.py       a hub with many sites
    ledger.py      results, line by line: what is there is not measured again
    report.py      tables and verdicts
    __main__.py    `make bench-link`

It needs root, DCMTK and Orthanc. Every run has a laboratory of its own (gateway.demo.lab): fresh namespaces,
fresh TCP, nothing remembered from the run before.
"""
