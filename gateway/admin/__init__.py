"""The local admin page: a process of its own that sees the daemon only through the operator API."""
