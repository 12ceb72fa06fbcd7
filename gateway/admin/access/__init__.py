"""Who may use the page.

    permissions.py   role -> what it may do; User
    store.py         the page's own database: users, sessions, what waits for the audit trail
    users.py         accounts: made, changed, removed; the last admin stays
    passwords.py     argon2id within bounds, and which passwords are good enough
    sessions.py      who is signed in where, and until when
    setup_code.py    the one-time code that makes the first admin
    lockout.py       PURE: how long to wait after wrong passwords
    https.py         the certificate of the page

What is pure takes the time as an argument; nothing here knows a page of the rest.
"""
