"""How the machine is: read from /proc, /sys and a few commands, without any privileges.

    machine.py      where to read from: a root folder, so that tests bring their own; bounded, never raising
    words.py        sentences that can be translated, findings: ok, attention, unknown
    versions.py     programs and libraries
    board.py        model, uptime, load
    memory.py       memory of the machine and of the gateway's processes
    temperature.py  sensors, and whether the processor is slowed down
    mounts.py       which file system a folder is on; disks.py: room, read-only, errors; medium.py: wear
    clock.py        source and offset of the time, and whether to trust it; time_sources.py reads the sources
    network.py      interfaces, addresses, default route, name servers
    report.py       everything at once; english.py: the sentences for the command line

What cannot be read says why. Nothing here knows of DICOM or of the gateway's configuration.
"""
