"""Objects that travel over a link: what the hub keeps of those that are not whole yet, and its word on each.

partial     the part of a large object that is here, durable across cuts, restarts and reboots (FORMAT.md)
transfer    the name of one delivery of one site, for good (gateway/spool/link_values.py)
"""
