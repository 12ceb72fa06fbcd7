"""The audit trail: who did what to this gateway, and how it ended. Append-only, bounded, no patient data.

    values.py    what an entry is; the facts that leave the daemon (the operator API shows them as they are)
    chain.py     PURE: an entry as a line, each line sealed with a digest over the line before it
    segments.py  the files: append and sync, drop the oldest, read backwards
    checking.py  follows the chain through all files and says where it breaks
    trail.py     the trail as the daemon uses it: a bounded queue, one writer thread, an alarm when it fails

FORMAT.md describes the files. What operators do reaches the trail as notices (notices.OperatorActed); what
only the page knows (sign-ins, refusals, reveals, downloads) comes through the operator API.
"""
