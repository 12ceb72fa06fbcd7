"""Measurements beside DCMTK, Orthanc and pynetdicom: `make bench`, or `python -m bench --quick`.

__main__.py    which measurements, in which order; writes results/<time>.json
machine.py     what this machine is, and how fast its disk syncs: the floor under every durable number
subjects.py    what is measured: the gateway, DCMTK storescp, Orthanc, pynetdicom; each fresh for every run
throughput.py  500 x 20 kB and 200 x 0.5 MB from DCMTK storescu, one console and four
idle.py        resident memory, and processor time with 20 idle associations
spool_scale.py the spool with a million rows
relay.py       queries and retrieves (C-ECHO, C-FIND, C-GET, C-MOVE) direct and through the gateway
relay_long.py  a query over an emulated satellite link, direct and through the gateway
asker.py       the console that asks, archive.py the dcmqrscp that answers
report.py      ratios, targets, the table; relay_report.py those of the relay
"""
