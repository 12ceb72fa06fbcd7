"""Objects out of this gateway: as an encrypted archive, to a browser or onto a drive.

drives.py    which removable drives are mounted, and what is free on them; only reads
archive.py   the encrypted ZIP file, and reading it back to check it
jobs.py      one export at a time, with its progress; what it leaves behind is cleaned up whatever happens
"""
